//! SIGINT, SIGTERM and SIGHUP raise a flag that jobs ask for; a run that does not end soon is ended.
//!
//! Ending at once is always safe, because every result appears by a rename. Temporary files are removed first, if the
//! disk does it soon. A later run sweeps half an emission, and files that a stuck disk keeps.

use std::fs;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use agg::{Error, ErrorKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::message;

/// How long a run may take to stop by itself. It asks for the flag far more often (on a machine with twenty programs
/// for two processors it ended 0.4 seconds after the signal at most), but a read from an idle pipe can last for ever.
const GRACE: Duration = Duration::from_millis(650);
/// How long the removal of temporary files may take after that: the end is to come within a second of the signal.
const REMOVAL: Duration = Duration::from_millis(150);
/// A signal so soon after the first repeats it: a terminal's Ctrl-C reaches a script and its program, and the script
/// passes it on.
const SAME: Duration = Duration::from_millis(200);
/// How often a second signal is checked for meanwhile.
const STEP: Duration = Duration::from_millis(20);

/// The flag, 0 until the first signal sets it to its number. A second signal ends the process.
pub(crate) fn watch() -> io::Result<Arc<AtomicI32>> {
    let stop = Arc::new(AtomicI32::new(0));
    let flag = Arc::clone(&stop);
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if !is_hangup_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    let end_when_told = move || {
        if let Some(signal) = wait(&mut signals, &flag, GRACE, SAME) {
            agg::fs::kill_commands();
            remove_temporaries();
            message::error(&Error::from(ErrorKind::Interrupted(signal)).to_string());
            process::exit(Exit::Failed(agg::ErrorClass::Interrupted(signal)).code().into());
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).stack_size(128 << 10);
    thread.spawn(end_when_told)?;
    Ok(stop)
}

/// Whether the run was started by `nohup`, or otherwise to outlive a terminal.
fn is_hangup_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, SIGHUP))
}

/// Whether a signal is among those that a process ignores, by its `/proc/PID/status`: a mask in hexadecimal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Removes the temporary files, and waits for that only as long as it should take.
fn remove_temporaries() {
    let (done, is_done) = mpsc::channel();
    let remove = move || {
        agg::fs::remove_temporaries();
        // No thread waits any more if it took too long.
        let _ = done.send(());
    };
    let thread = thread::Builder::new().name("removal".to_owned()).stack_size(128 << 10);
    if thread.spawn(remove).is_ok() {
        // Done, or not in time: the process ends either way.
        let _ = is_done.recv_timeout(REMOVAL);
    }
}

/// Raises the flag at the first signal; returns the signal by which the process must be ended from here, or `None` if
/// there are no more signals to wait for.
fn wait(signals: &mut Signals, stop: &AtomicI32, grace: Duration, same: Duration) -> Option<i32> {
    let first = signals.forever().next()?;
    stop.store(first, Ordering::Relaxed);
    // Who reads from one goes on then, and sees the flag.
    agg::fs::terminate_commands();
    let raised = Instant::now();
    while raised.elapsed() < grace {
        if let Some(second) = signals.pending().next()
            && raised.elapsed() >= same
        {
            return Some(second);
        }
        thread::sleep(STEP);
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGUSR1, SIGUSR2};
    use signal_hook::low_level::raise;

    use super::*;

    /// Raises the first signal, and once the flag is up the second; returns the flag and the end.
    fn raised(first: i32, second: Option<i32>, grace: u64, same: u64) -> (i32, Option<i32>) {
        let [grace, same] = [grace, same].map(Duration::from_millis);
        let stop = AtomicI32::new(0);
        let mut signals = Signals::new([first].into_iter().chain(second)).unwrap();
        let end = thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(&mut signals, &stop, grace, same));
            raise(first).unwrap();
            while stop.load(Ordering::Relaxed) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            if let Some(second) = second {
                raise(second).unwrap();
            }
            waiting.join().unwrap()
        });
        (stop.into_inner(), end)
    }

    #[test]
    fn the_first_signal_raises_the_flag_and_the_second_or_the_end_of_grace_ends_the_process() {
        assert_eq!(raised(SIGUSR1, Some(SIGUSR2), 60_000, 0), (SIGUSR1, Some(SIGUSR2)));
        assert_eq!(raised(SIGUSR1, None, 0, 0), (SIGUSR1, Some(SIGUSR1)));
        // Too soon to be another signal.
        assert_eq!(raised(SIGUSR1, Some(SIGUSR2), 100, 60_000), (SIGUSR1, Some(SIGUSR1)));
    }

    #[test]
    fn what_a_process_ignores_is_read_from_its_status() {
        let status = |mask| format!("Name:\tagg\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores(&status("0000000000001001"), SIGHUP));
        assert!(!ignores(&status("0000000000001000"), SIGHUP));
        assert!(!ignores(&status("?"), SIGHUP) && !ignores("", SIGHUP));
    }
}
