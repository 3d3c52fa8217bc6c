//! Stage 1: logs to windows of whole rows.
//!
//! [`expand`] turns what the user named into a list of inputs, [`day_of_inputs`] and [`find_days`]
//! tell which day they are of, and a [`Source`] reads them: many threads call
//! [`Source::next`] at once and each gets a [`Window`], about a mebibyte of whole rows. Plain files
//! are read by position and in parallel; compressed files and standard input are streams, of which
//! one thread at a time reads the next window while the others parse.
//!
//! The stage knows files, line ends, compression and digests. What stands in a row is left to the
//! row parser, which inputs are wanted to the job.

mod day;
mod decompress;
mod digest;
mod paths;
mod plain;
mod sample;
mod source;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
mod window;

pub use day::{DatedDay, DatedLogs, day_of, day_of_inputs, find_days};
pub use paths::{InputPath, expand};
pub use source::{Finished, InputStat, Source, digest_all};
pub use window::Window;

/// Locks, also after a panic elsewhere: what is behind these locks is whole between any two steps.
fn lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
