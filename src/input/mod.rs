//! Stage 1: logs to windows of whole rows.
//!
//! [`expand`] turns what the user named into a list of inputs, [`day_of_inputs`] and [`find_days`]
//! tell which day they are of, and a [`Source`] reads them: many threads call
//! [`Source::next`] at once and each gets a [`Window`], about a mebibyte of whole rows. Plain files
//! are read by position and in parallel; compressed files and standard input are streams, of which
//! one thread at a time reads the next window while the others parse.
//!
//! ```
//! use std::sync::Arc;
//!
//! use agg::fs::OsFileSystem;
//! use agg::input::{Source, Window, day_of_inputs, expand};
//!
//! let folder = tempfile::tempdir()?;
//! let log = folder.path().join("listen-2021-12-01.log");
//! std::fs::write(&log, "7|1|FR\n7|2|GB")?;
//!
//! let inputs = expand(&OsFileSystem, &[log])?;
//! assert_eq!(day_of_inputs(&inputs)?.to_string(), "2021-12-01");
//! let source = Source::open(Arc::new(OsFileSystem), Arc::new(inputs), 64 << 20)?;
//! let (mut window, mut rows) = (Window::new(), 0);
//! while source.next(&mut window)? {
//!     rows += window.count_rows();
//! }
//! let finished = source.finish(&[rows])?;
//! assert_eq!(finished.facts.iter().next().unwrap().rows, 2);
//! assert_eq!(finished.unterminated, [0]); // its last row has no LF
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The stage knows files, line ends, compression and digests. What stands in a row is left to the
//! row parser, which inputs are wanted to the job.

mod dated;
mod day;
mod decompress;
mod digest;
mod digest_all;
mod facts;
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

pub use dated::{DatedDay, DatedLogs, find_days};
pub use day::{day_of, day_of_inputs};
pub use digest_all::digest_all;
pub use facts::{Finished, InputStat};
pub use paths::{InputPath, InputPaths, expand};
pub use source::Source;
pub use window::Window;

/// Locks, also after a panic elsewhere: what is behind these locks is whole between any two steps.
fn lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
