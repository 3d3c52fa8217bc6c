//! Stage 1: logs to windows of whole rows.
//!
//! [`find_day`] and [`find_days`] find the logs of a day or of many in what the user named: `names` and `dates`
//! interpret names, `pattern` finds matches, `walk` searches folders. A [`Source`] reads them: many threads call
//! [`Source::next`] at once and each gets a [`Window`], about a mebibyte of whole rows. Plain files are read by
//! position and in parallel; compressed files and standard input are streams: one thread at a time reads a stream's
//! next window while the others parse.
//!
//! ```
//! use std::sync::Arc;
//!
//! use agg::fs::OsFileSystem;
//! use agg::input::{DayLogs, Search, Source, Window, find_day};
//!
//! let folder = tempfile::tempdir()?;
//! let log = folder.path().join("listen-2021-12-01.log");
//! std::fs::write(&log, "7|1|FR\n7|2|GB")?;
//!
//! let DayLogs { day, inputs, .. } = find_day(&OsFileSystem, &[log], &[], None, &Search::default())?;
//! assert_eq!(day.to_string(), "2021-12-01");
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
//! The stage knows files, line ends, compression and digests. The row parser interprets rows, and the job decides which
//! inputs are wanted.

mod dates;
mod decompress;
mod digest;
mod digest_all;
mod facts;
mod feed;
mod find;
mod foreign;
mod listing;
mod names;
mod paths;
mod pattern;
mod plain;
mod sample;
mod skipped;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod trace;
#[cfg(test)]
mod twin;
mod walk;
mod window;

pub(crate) use digest::{PieceDigests, digest_of_piece};
pub use digest_all::{begins_with, digest_all};
pub use facts::{Finished, InputStat};
pub use find::{
    DatedDay, DatedLogs, DayLogs, Search, SearchWarning, find_any_days, find_day, find_days,
};
pub(crate) use names::uncompressed_name;
pub(crate) use paths::stat_input;
pub use paths::{InputPath, InputPaths};
pub use sample::SamplePiece;
pub use skipped::{SkipReason, Skipped, SkippedFile};
pub use source::{Source, Unread};
pub use trace::{Trace, TracedPart, digests_of_starts};
pub use window::Window;
pub(crate) use window::mark_length;

/// Locks, also after a panic elsewhere: data under these locks is consistent between any two steps.
fn lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
