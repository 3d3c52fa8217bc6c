//! Memory as the kernel counts it: of this process, and of its child that decodes tables.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest peak of a child so far.
static CHILD: AtomicU64 = AtomicU64::new(0);

/// Notes the peak of the child so far. There is one child at a time; it does nothing if the child has ended.
#[cfg(feature = "parquet")]
pub(crate) fn note_child(process: u32) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    CHILD.fetch_max(parse(&status, "VmHWM:").unwrap_or(0), Ordering::Relaxed);
}

/// Upper bound of the peak of this process and a child together, in bytes; `None` if the kernel does not report it.
pub(crate) fn peak() -> Option<u64> {
    Some(figure("VmHWM:")?.saturating_add(CHILD.load(Ordering::Relaxed)))
}

/// A figure of `/proc/self/status`, in bytes.
pub(crate) fn figure(name: &str) -> Option<u64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?, name)
}

fn parse(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_in_bytes() {
        let status = "Name:\tagg\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(parse("Name:\tagg\n", "VmHWM:"), None);
    }
}
