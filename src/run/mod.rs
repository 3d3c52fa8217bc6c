//! Stage 3: rows to sorted runs, by partitioning and sorting; no hash table over pairs.
//!
//! Rows are packed into one word each and scattered into ranges of the key space, small enough that one range
//! is sorted inside the cache ([`Partition`]). A range is then sorted and equal neighbours are counted
//! ([`Sorter`]); while that happens, its rows are scattered anew by country, into the chunks that were just freed,
//! so that both runs of a day cost the memory of one.
//!
//! Ranges come from a sample ([`Splitters`]), so they differ from run to run; what is counted does not, and nothing
//! of them reaches the disk. Rows that do not fit the packing (ids beyond those in the sample) are kept
//! as three words: slower, never wrong. A range that turns out too large is split again.
//!
//! Where rows come from, and what becomes of the sorted batches, is the business of `job`.

mod chunk;
mod packing;
mod partition;
mod radix;
mod scatter;
mod sort;
mod splitters;
mod wide;

pub use chunk::{Arena, ChunkPool, DrainNeeds, Supply};
pub use packing::{Packing, Tags};
pub use partition::{ByTag, Discard, Partition, Range, TakeRows};
pub use scatter::Scatter;
pub use sort::Sorter;
pub use splitters::Splitters;

/// A row as the tables hold it: key, song, and a tag that travels along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// User id or country number.
    pub key: u64,
    /// Song id.
    pub song: u64,
    /// What the row is counted under next, as [`Tags`] number it; 0 where there is no next.
    pub tag: u64,
}

#[cfg(test)]
mod tests;
