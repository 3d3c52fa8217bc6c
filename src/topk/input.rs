//! The input of a ranking.

use super::long::Floor;
use crate::error::Result;
use crate::model::Kind;
use crate::runfile::Run;

/// A window's run of one kind, as the runs of its days, and how to rank it.
pub struct RankInput<'a> {
    /// The kind of the keys.
    pub kind: Kind,
    /// The run of each day.
    pub runs: &'a [&'a Run],
    /// Songs of each key, at least 1.
    pub top: usize,
    /// Entries that a piece should have in all runs together.
    pub piece_entries: u64,
    /// Called from any thread with the number of further entries read. Its error ends the ranking.
    pub progress: &'a (dyn Fn(u64) -> Result<()> + Sync),
    /// Shared by pieces that have parts of the same key.
    pub floor: Floor,
}
