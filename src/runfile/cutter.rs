//! Cuts a run that comes in pieces into blocks of equal length, wherever the pieces end. An export cuts its row groups
//! the same way.
//!
//! The entries of a piece after its last full block are the carry, which goes to the next piece. Carrying copies less
//! than two blocks, so it is done in order while the pieces are made and encoded in parallel.

use std::ops::Range;

use crate::model::Batch;

/// Blocks to encode: first those of `head`, then those of `body`, each range a whole number of blocks.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The carry completed by the piece's first entries: empty or exactly one block, shorter only at the run's end.
    pub(crate) head: Batch,
    /// The piece.
    pub(crate) body: Batch,
    /// Entries of the piece that are full blocks.
    pub(crate) full: Range<usize>,
}

/// Holds the carry between pieces: less than one block.
#[derive(Debug)]
pub(crate) struct Cutter {
    block_entries: usize,
    carry: Batch,
}

impl Cutter {
    pub(crate) fn new(block_entries: usize) -> Self {
        Cutter { block_entries: block_entries.max(1), carry: Batch::default() }
    }

    /// Takes the next piece in order. Its blocks can be encoded at once.
    pub(crate) fn cut(&mut self, body: Batch) -> Cut {
        let missing = if self.carry.is_empty() { 0 } else { self.block_entries - self.carry.len() };
        if body.len() < missing {
            self.carry.extend_from(&body, 0..body.len());
            return Cut { head: Batch::default(), body: Batch::default(), full: 0..0 };
        }
        let mut head = std::mem::take(&mut self.carry);
        head.extend_from(&body, 0..missing);
        let end = body.len() - (body.len() - missing) % self.block_entries;
        self.carry.extend_from(&body, end..body.len());
        Cut { head, body, full: missing..end }
    }

    /// The last carry, after all pieces.
    pub(crate) fn finish(self) -> Cut {
        Cut { head: self.carry, body: Batch::default(), full: 0..0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Entry;

    proptest! {
        #[test]
        fn blocks_are_those_of_the_whole_wherever_the_pieces_end(
            lengths in prop::collection::vec(0usize..40, 0..12), block in 1usize..20,
        ) {
            let mut songs = 0u64..;
            let mut cutter = Cutter::new(block);
            let mut blocks: Vec<Vec<u64>> = Vec::new();
            let mut keep = |cut: &Cut| {
                blocks.extend(Some(cut.head.songs.clone()).filter(|head| !head.is_empty()));
                blocks.extend(cut.body.songs[cut.full.clone()].chunks(block).map(<[u64]>::to_vec));
            };
            for &length in &lengths {
                let entry = |song| Entry { key: 1, song, count: 1 };
                let piece: Batch = songs.by_ref().take(length).map(entry).collect();
                keep(&cutter.cut(piece));
            }
            keep(&cutter.finish());
            let whole: Vec<u64> = (0..lengths.iter().sum::<usize>() as u64).collect();
            let expected: Vec<Vec<u64>> = whole.chunks(block).map(<[u64]>::to_vec).collect();
            prop_assert_eq!(blocks, expected);
        }
    }
}
