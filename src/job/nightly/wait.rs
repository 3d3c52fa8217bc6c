//! Waits for the logs of a day to be there, and complete.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::options::NightlyOptions;
use crate::error::{ErrorClass, ErrorKind, Result};
use crate::input::{self, InputPaths, Search};
use crate::job::Context;
use crate::job::inspect::open_day;

/// How soon a signal ends the waiting.
const STEP: Duration = Duration::from_millis(50);

/// What a look found.
enum Look {
    /// No log, or none that can be read: the night reports it.
    Nothing,
    /// Files that are being written or copied.
    Arriving(Vec<PathBuf>),
    /// Logs; equal numbers for equal names, sizes and times.
    Logs(u64),
}

/// Returns when the day's logs are complete, and at once if the day is stored already or waiting is not asked for; when the
/// time is over and there is no log, too. Holds no lock.
///
/// # Errors
/// [`ErrorKind::StillArriving`] if the logs are not complete when the time is over; a signal.
pub(super) fn wait_for_log(context: &Context, options: &NightlyOptions) -> Result<()> {
    let Some(wait) = options.wait else { return Ok(()) };
    if let Ok(Some(_)) = open_day(&context.store(), options.day) {
        return Ok(());
    }
    let begun = Instant::now();
    let mut before = None;
    loop {
        let found = look(context, options)?;
        let state = match found {
            Look::Logs(state) => Some(state),
            Look::Nothing | Look::Arriving(_) => None,
        };
        if state.is_some() && state == before {
            return Ok(());
        }
        before = state;
        let left = wait.at_most.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let paths = match found {
                Look::Nothing => return Ok(()),
                Look::Arriving(paths) => paths,
                Look::Logs(_) => options.logs.clone(),
            };
            return Err(ErrorKind::StillArriving { day: options.day, paths }.into());
        }
        tracing::info!(day = %options.day, ?left, "waiting for logs");
        pause(context, wait.poll.min(left))?;
    }
}

/// Looks for the day's logs.
fn look(context: &Context, options: &NightlyOptions) -> Result<Look> {
    let day = Some(options.day);
    let search = Search { from: day, to: day, ..options.reduce.search(context) };
    let found = match input::find_any_days(context.files.as_ref(), &options.logs, &search) {
        // A folder that is not there may come with the logs.
        Err(error) if error.class() == ErrorClass::NoInput => return Ok(Look::Nothing),
        found => found?,
    };
    if !found.arriving.is_empty() {
        return Ok(Look::Arriving(found.arriving.into_iter().collect()));
    }
    let inputs = found.days.into_iter().next().and_then(|dated| dated.inputs.ok());
    Ok(inputs.and_then(|inputs| state_of(context, &inputs)).map_or(Look::Nothing, Look::Logs))
}

/// A number for names, sizes and times; `None` if a log is gone again.
fn state_of(context: &Context, inputs: &InputPaths) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for input in inputs.iter() {
        let path = input.path();
        let stat = context.files.stat(&path).ok()?;
        (path, stat.size, stat.modified_ns).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// Sleeps, unless a signal comes.
fn pause(context: &Context, time: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        context.check_stop()?;
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(STEP));
    }
}
