//! Adjusts the system's limits of a process, so that a run does not fail by them needlessly.

use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use agg::budget::Budget;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGCHLD, SIGXFSZ};

use crate::memory;
use crate::summary::size;

/// Bytes of addresses that the program had before it started a thread.
static BASE: AtomicU64 = AtomicU64::new(0);

/// Raises the number of open files to what the system grants, turns the end by a file's size limit
/// into an error of the write, and lets the run wait for its child processes.
///
/// A window opens a partial a day, up to 3,660; the usual soft limit of 1,024 is for programs that
/// still use `select`. `SIGXFSZ` would silently end the process and leave its temporaries. If the caller has `SIGCHLD`
/// ignored, the kernel does not keep a child's status.
pub(crate) fn relax() -> io::Result<()> {
    BASE.store(memory::figure("VmSize:").unwrap_or(0), Ordering::Relaxed);
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // No known system refuses this; if one does, the run goes on with the current limit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // The flags are never read. Handling the signals is enough: the write fails with EFBIG, and the kernel keeps the
    // child's status.
    [SIGXFSZ, SIGCHLD].into_iter().try_for_each(|signal| {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map(drop)
    })
}

/// Bytes of addresses that glibc reserves for the small allocations of some threads: it takes twice as many, and keeps the
/// half that is aligned.
const ARENA: u64 = 64 << 20;
/// Maximum arenas of glibc for each processor.
const ARENAS: u64 = 8;
/// A thread's stack, and the page that guards it.
const STACK: u64 = (2 << 20) + (64 << 10);
/// Threads beside those of the budget: a writer's, a syncing thread, the signals', a progress bar's.
const OTHER_THREADS: u64 = 4;

/// Refuses a run that the system's limit of the address space would end halfway.
///
/// # Errors
/// That the limit is below the addresses that the run can take: `--memory`, what the program had when it started, and what
/// its threads reserve without using it.
pub(crate) fn check_address_space(budget: &Budget) -> agg::Result<()> {
    let Some(limit) = getrlimit(Resource::As).current else { return Ok(()) };
    let max = arenas_of(env::var("MALLOC_ARENA_MAX").ok().as_deref(), processors());
    let needed = addresses(budget, BASE.load(Ordering::Relaxed), max);
    if limit >= needed {
        return Ok(());
    }
    let text = format!(
        "the address space of a process is limited to {} (ulimit -v), and a run with --memory {} and --threads {} takes up to {}: raise the limit, or lower --memory or --threads",
        size(limit),
        size(budget.memory),
        budget.threads,
        size(needed)
    );
    Err(agg::Error::io("start", io::Error::other(text)))
}

/// Maximum addresses of a run that has `base` when it starts, with up to `max_arenas` arenas.
fn addresses(budget: &Budget, base: u64, max_arenas: u64) -> u64 {
    let threads = budget.threads as u64 + OTHER_THREADS;
    base + budget.memory + threads * STACK + (threads.min(max_arenas) + 1) * ARENA
}

/// Maximum arenas: the number in glibc's variable, if it is a number above 0.
fn arenas_of(variable: Option<&str>, processors: u64) -> u64 {
    let chosen = variable.and_then(|text| text.parse().ok()).filter(|arenas| *arenas > 0);
    chosen.unwrap_or(ARENAS * processors)
}

/// Processors that this process may run on, as glibc counts them.
fn processors() -> u64 {
    let mask = memory::field("Cpus_allowed:").unwrap_or_default();
    let digits = mask.chars().filter_map(|digit| digit.to_digit(16));
    // If the kernel does not report it, the number stays.
    Some(digits.map(|digit| u64::from(digit.count_ones())).sum())
        .filter(|count| *count > 0)
        .unwrap_or(u64::MAX / ARENAS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_reserve_addresses_up_to_what_the_processors_or_the_variable_allow() {
        let of = |memory: u64, threads, arenas| {
            addresses(&Budget::new(memory << 20, threads).unwrap(), 10 << 20, arenas) >> 20
        };
        assert_eq!(of(64, 1, 16), 10 + 64 + 10 + 64 * 6);
        assert_eq!(of(64, 1, u64::MAX), of(64, 1, 16));
        assert_eq!(of(2048, 64, 16), 10 + 2048 + 140 + 64 * 17);
        assert_eq!(of(64, 1, 1), 10 + 64 + 10 + 64 * 2);
        assert_eq!(arenas_of(Some("3"), 2), 3);
        for no_number in [None, Some(""), Some("0"), Some("-1"), Some("x")] {
            assert_eq!(arenas_of(no_number, 2), 16);
        }
        assert!(processors() < u64::MAX / ARENAS);
    }
}
