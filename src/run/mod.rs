//! Stage 3: rows to sorted runs, by partitioning and sorting, without a hash table of pairs.
//!
//! A [`Plan`] is chosen from a [`Sample`] of the rows. A [`Counter`] then fills its arena with rows and drains it, as
//! often as needed. Rows are packed into one word each (two where ids are wide) and scattered into ranges of the key
//! space, small enough that one range is sorted inside the cache. When a range is sorted, equal neighbours are counted.
//! At the same time its rows are scattered again by country, into the chunks that were just freed. So both runs of a
//! day cost the memory of one.
//!
//! Ranges come from a sample, so they differ from run to run. The counts do not depend on them, and they do not reach
//! the disk. A row that does not fit the packing (an id beyond those in the sample) is kept as three words: slower,
//! never wrong. A range that turns out too large is split again.
//!
//! `job` supplies the rows and takes the sorted batches.

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

/// A row as the arena holds it: key, song, and a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// The key that the row is counted under.
    key: u64,
    /// Song id.
    song: u64,
    /// The key of the next run, as `Tags` number it; 0 where no run follows.
    tag: u64,
}

#[cfg(test)]
mod tests;
