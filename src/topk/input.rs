//! What a ranking starts from.

use super::long::Floor;
use crate::error::Result;
use crate::model::Kind;
use crate::runfile::Run;

/// What is ranked: one run of a window, as the runs of its days.
pub struct RankInput<'a> {
    /// What the keys are.
    pub kind: Kind,
    /// The run of each day.
    pub runs: &'a [&'a Run],
    /// Songs of each key, at least 1.
    pub top: usize,
    /// Entries that a piece should have, of all runs together.
    pub piece_entries: u64,
    /// Gets the number of further entries that were read, from any thread; an error of it ends the ranking.
    pub progress: &'a (dyn Fn(u64) -> Result<()> + Sync),
    /// What pieces know of a key that several of them share.
    pub floor: Floor,
}
