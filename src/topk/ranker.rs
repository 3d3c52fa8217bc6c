//! Pieces of the key space, ranked as fits the kind of key.

use super::input::RankInput;
use super::long::LongKeys;
use super::short::ShortKeys;
use crate::error::Result;
use crate::model::{Ranked, SongLists};
use crate::runfile::{Piece, merge_piece};

/// One thread's means to rank pieces. Memory: the words of a piece, or a block of each run.
pub struct Ranker<'a> {
    input: &'a RankInput<'a>,
    long: LongKeys,
    short: ShortKeys,
}

impl<'a> Ranker<'a> {
    /// For pieces of this input.
    #[must_use]
    pub fn new(input: &'a RankInput<'a>) -> Self {
        Ranker { input, long: LongKeys::new(input.top), short: ShortKeys::default() }
    }

    /// Gives `each` the best songs that a piece has of each key, the best first, in the order of the keys.
    ///
    /// # Errors
    /// [`ErrorKind::SumOverflow`](crate::ErrorKind::SumOverflow), and what reading and `progress` fail with.
    pub fn rank(&mut self, piece: &Piece, mut each: impl FnMut(u64, &[Ranked])) -> Result<()> {
        let RankInput { kind, runs, progress, ref floor, .. } = *self.input;
        if kind.song_lists() == SongLists::Short && self.short.rank(self.input, piece, &mut each)? {
            return Ok(());
        }
        let merge = merge_piece(runs, kind, piece);
        self.long.rank(merge, Some((floor, piece.start.key)), progress, each)
    }
}
