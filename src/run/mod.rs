//! Stage 3: rows to sorted runs, by partitioning and sorting; no hash table over pairs.
//!
//! A [`Plan`] is chosen from a [`Sample`] of the rows; a [`Counter`] then fills its arena with rows and drains it, as
//! often as it takes. Rows are packed into one word each (two where ids are wide) and scattered into ranges of the key
//! space, small enough that one range is sorted inside the cache. A range is then sorted and equal neighbours are
//! counted; while that happens, its rows are scattered anew by country, into the chunks that were just freed, so that
//! both runs of a day cost the memory of one.
//!
//! Ranges come from a sample, so they differ from run to run; what is counted does not, and nothing
//! of them reaches the disk. Rows that do not fit the packing (ids beyond those in the sample) are kept
//! as three words: slower, never wrong. A range that turns out too large is split again.
//!
//! Where rows come from, and what becomes of the sorted batches, is the business of `job`.

mod chunk;
mod counter;
mod packing;
mod partition;
mod plan;
mod radix;
mod scatter;
mod sort;
mod splitters;

pub use chunk::Arena;
pub use counter::{Counter, FilledArena, Filler, Ranges, Worker};
pub use plan::{Means, Plan, Sample};

/// A row as the tables hold it: key, song, and a tag that travels along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// What the row is counted under.
    key: u64,
    /// Song id.
    song: u64,
    /// What the row is counted under next, as `Tags` number it; 0 where there is no next.
    tag: u64,
}

#[cfg(test)]
mod tests;
