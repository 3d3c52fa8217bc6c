//! Merges sorted streams: spilled runs, pieces of a day, and the days of a window alike.
//!
//! It depends on neither runs nor partials. A [`Stream`] returns sorted batches. A [`Merge`] of streams is itself a
//! stream, which has each (key, song) once, with the sum of its counts. The second merge, [`Words`], is for keys with
//! short lists. `topk` says why there are two.

mod lists;
mod pairs;
mod rounds;
mod words;

use crate::error::Result;
use crate::model::Batch;

pub use rounds::Merge;
pub use words::{PairOverflow, Sums, Word, Words};

/// Entries in order, a batch at a time.
pub trait Stream {
    /// Replaces `batch` by the next entries; false at the end. A batch may be empty. Its entries come after all entries
    /// of the batch before, and no pair occurs twice.
    fn next(&mut self, batch: &mut Batch) -> Result<bool>;
}
