//! Processor time as the kernel counts it, of another process, and the system's limit of it.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit};
use signal_hook::consts::{SIGKILL, SIGXCPU};

/// The processor time of a process so far; `None` if the kernel does not report it.
pub(super) fn of_process(process: u32) -> Option<Duration> {
    parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The limit, in seconds, by which the system ended a child with this signal after this time; `None` if another process
/// sent the signal. A child has the limits of this process.
pub(super) fn limit(signal: i32, spent: Duration) -> Option<u64> {
    let limits = getrlimit(Resource::Cpu);
    match signal {
        SIGXCPU => limits.current,
        // At the hard limit; a part of a second may not be counted yet.
        SIGKILL => limits.maximum.filter(|limit| spent.as_secs().saturating_add(1) >= *limit),
        _ => None,
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`, in ticks.
fn parse(stat: &str) -> Option<Duration> {
    // The second field is the program's name, which may have spaces and parentheses.
    let (_, after) = stat.rsplit_once(") ")?;
    let mut ticks = after.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
    let ticks = ticks.next()??.checked_add(ticks.next()??)?;
    Some(Duration::from_millis(ticks.checked_mul(1000)? / clock_ticks_per_second().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_after_a_name_that_looks_like_fields() {
        let stat = "7 (a) b 1 2) R 1 2 3 4 5 6 7 8 9 10 150 50 13 14\n";
        let expected = Duration::from_millis(200_000 / clock_ticks_per_second());
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse("7 (a) R 1"), None);
        assert!(of_process(std::process::id()).is_some());
    }
}
