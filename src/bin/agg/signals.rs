//! SIGINT and SIGTERM raise a flag that jobs ask for; a run that does not end soon is ended.
//!
//! Ending at once is always safe: whatever is published appears by a rename, and the temporaries
//! that stay behind are swept by a later run.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use agg::{Error, ErrorKind};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::message;

/// How long a run may take to stop by itself. It asks for the flag far more often, but a read from
/// an idle pipe can last for ever.
const GRACE: Duration = Duration::from_secs(5);
/// How often a second signal is looked for meanwhile.
const STEP: Duration = Duration::from_millis(20);

/// The flag, 0 until the first signal sets it to its number. A second signal ends the process.
pub(crate) fn watch() -> io::Result<Arc<AtomicI32>> {
    let stop = Arc::new(AtomicI32::new(0));
    let flag = Arc::clone(&stop);
    let signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(128 << 10)
        .spawn(move || wait(signals, &flag))?;
    Ok(stop)
}

fn wait(mut signals: Signals, stop: &AtomicI32) {
    let Some(first) = signals.forever().next() else { return };
    stop.store(first, Ordering::Relaxed);
    let mut left = GRACE;
    while !left.is_zero() {
        if let Some(second) = signals.pending().next() {
            process::exit(Exit::Signal(second).code().into());
        }
        thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
    message::line(&Error::from(ErrorKind::Interrupted(first)).to_string());
    process::exit(Exit::Signal(first).code().into());
}
