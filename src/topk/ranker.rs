//! Ranks pieces of the key space by the merge for their kind of key.

use super::input::RankInput;
use super::long::LongKeys;
use super::short::ShortKeys;
use crate::error::Result;
use crate::model::{Ranked, SongLists};
use crate::runfile::{Piece, merge_piece};

/// Ranks pieces on one thread. Memory: the words of a piece, or a block of each run.
pub struct Ranker<'a> {
    input: &'a RankInput<'a>,
    long: LongKeys,
    short: ShortKeys,
}

impl<'a> Ranker<'a> {
    /// A ranker for pieces of this input.
    #[must_use]
    pub fn new(input: &'a RankInput<'a>) -> Self {
        Ranker { input, long: LongKeys::new(input.top), short: ShortKeys::default() }
    }

    /// Calls `each` with the best songs of each key in a piece, the best first, in the order of the keys.
    ///
    /// # Errors
    /// [`ErrorKind::SumOverflow`](crate::ErrorKind::SumOverflow), and the errors of reading and of `progress`.
    pub fn rank(&mut self, piece: &Piece, mut each: impl FnMut(u64, &[Ranked])) -> Result<()> {
        let RankInput { kind, runs, progress, ref floor, .. } = *self.input;
        if kind.song_lists() == SongLists::Short && self.short.rank(self.input, piece, &mut each)? {
            return Ok(());
        }
        let merge = merge_piece(runs, kind, piece);
        self.long.rank(merge, Some((floor, piece.start.key)), progress, each)
    }
}
