//! Memory as the kernel counts it: of this process, and of its child that decodes tables.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest peak of a child so far.
static CHILD: AtomicU64 = AtomicU64::new(0);

/// Notes the peak of the child so far. There is one child at a time; it does nothing if the child has ended.
#[cfg(feature = "parquet")]
pub(crate) fn note_child(process: u32) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = value(&status, "VmHWM:").and_then(bytes);
    CHILD.fetch_max(peak.unwrap_or(0), Ordering::Relaxed);
}

/// Upper bound of the peak of this process and a child together, in bytes; `None` if the kernel does not report it.
pub(crate) fn peak() -> Option<u64> {
    Some(figure("VmHWM:")?.saturating_add(CHILD.load(Ordering::Relaxed)))
}

/// A figure of `/proc/self/status`, in bytes.
pub(crate) fn figure(name: &str) -> Option<u64> {
    bytes(&field(name)?)
}

/// The value of a line of `/proc/self/status`.
pub(crate) fn field(name: &str) -> Option<String> {
    value(&fs::read_to_string("/proc/self/status").ok()?, name).map(str::to_owned)
}

fn value<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn bytes(value: &str) -> Option<u64> {
    let kibibytes: u64 = value.strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_in_bytes() {
        let status = "Name:\tagg\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(value(status, "VmHWM:").and_then(bytes), Some(2 << 20));
        assert_eq!(value("Name:\tagg\n", "VmHWM:"), None);
    }
}
