//! Ranks keys with few songs, all of which are compared.

use super::input::RankInput;
use super::slots::best_of_sums;
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{PairOverflow, Sums, Word, Words};
use crate::model::Ranked;
use crate::runfile::Piece;

/// A piece with more than this multiple of the entries that it should have is not packed.
const MAX_PIECE_MULTIPLE: u64 = 2;

/// Ranks the keys of pieces. Entries are packed into words of 64 bits, or of 128 bits where they do not fit.
#[derive(Debug, Default)]
pub(super) struct ShortKeys {
    narrow: PackedPiece<u64>,
    wide: PackedPiece<u128>,
    takes_wide: bool,
    best: Vec<Ranked>,
}

/// Entries packed into words.
#[derive(Debug, Default)]
struct PackedPiece<W: Word> {
    words: Words<W>,
    sums: Sums<W>,
}

/// Outcome of packing a piece.
enum PackOutcome {
    Done,
    /// Ids are too wide for the words.
    TooWide,
    /// The piece has far more entries than it should, because only a sample of a large index decides the cuts.
    TooMany,
}

impl ShortKeys {
    /// Calls `each` with the best songs of each key, the best first. Returns false, without a call, if the piece does
    /// not fit.
    pub(super) fn rank(
        &mut self,
        input: &RankInput<'_>,
        piece: &Piece,
        each: impl FnMut(u64, &[Ranked]),
    ) -> Result<bool> {
        if !self.takes_wide {
            match self.narrow.pack(input, piece)? {
                PackOutcome::Done => {
                    return self.narrow.rank(input, &mut self.best, each).map(|()| true);
                }
                PackOutcome::TooMany => return Ok(false),
                PackOutcome::TooWide => {}
            }
        }
        match self.wide.pack(input, piece)? {
            PackOutcome::Done => {
                // The next piece is most likely like this one.
                self.takes_wide = !self.wide.words.would_fit::<u64>();
                self.wide.rank(input, &mut self.best, each).map(|()| true)
            }
            PackOutcome::TooMany | PackOutcome::TooWide => Ok(false),
        }
    }
}

impl<W: Word> PackedPiece<W> {
    fn pack(&mut self, input: &RankInput<'_>, piece: &Piece) -> Result<PackOutcome> {
        // If the piece does not fit the first time, its widths are known the second time.
        for _ in 0..2 {
            self.words.begin(piece.start.key);
            for run in input.runs {
                (input.progress)(0)?;
                let mut reader = run.blocks(piece.clone());
                while let Some(runs) = reader.next_runs()? {
                    self.words.push(runs);
                    if self.words.len() as u64 > MAX_PIECE_MULTIPLE * input.piece_entries {
                        return Ok(PackOutcome::TooMany);
                    }
                }
                self.words.end_list();
            }
            if self.words.fits() {
                return Ok(PackOutcome::Done);
            }
            if !self.words.refit() {
                break;
            }
        }
        Ok(PackOutcome::TooWide)
    }

    /// Merges and ranks the packed piece.
    fn rank(
        &mut self,
        input: &RankInput<'_>,
        best: &mut Vec<Ranked>,
        mut each: impl FnMut(u64, &[Ranked]),
    ) -> Result<()> {
        let entries = self.words.len() as u64;
        let merged = self.words.each_key(&mut self.sums, |key, once, more| {
            best_of_sums(once, more, input.top, best);
            each(key, best);
        });
        merged.map_err(|PairOverflow { key, song }| {
            Error::from(ErrorKind::SumOverflow { key: input.kind.describe(key), song })
        })?;
        (input.progress)(entries)
    }
}
