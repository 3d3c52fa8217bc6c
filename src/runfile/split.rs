//! Cuts the key space of several runs into pieces of about equal work.
//!
//! Only the indexes are read, half a percent of the files. The cuts decide how threads share the work and nothing else.

use std::ops::Range;

use super::reader::Run;
use crate::error::Result;
use crate::model::Position;

/// Maximum number of block positions that are sampled (24 bytes each). Of more blocks, every n-th is sampled.
const MAX_SAMPLES: u64 = 1 << 17;

/// A stretch of the key space.
pub type Piece = Range<Position>;

/// Cuts the whole key space into pieces of about `entries` entries of all runs together. Where the runs have over half
/// a billion entries, a piece can be larger: it has at least the entries between two samples.
///
/// A piece starts at the first song of a key, unless that key alone exceeds a piece.
pub fn split(runs: &[&Run], entries: u64) -> Result<Vec<Piece>> {
    split_range(runs, Position::FIRST..Position::END, entries)
}

/// As [`split`], for a part of the key space. It reads the index pages of that part alone.
pub fn split_range(runs: &[&Run], range: Range<Position>, entries: u64) -> Result<Vec<Piece>> {
    let blocks: u64 = runs.iter().map(|run| run.blocks_in(&range)).sum();
    let stride = usize::try_from(blocks.div_ceil(MAX_SAMPLES)).unwrap_or(usize::MAX).max(1);
    let mut samples: Vec<(Position, u64)> = Vec::new();
    for run in runs {
        for page in run.pages_in(&range) {
            for group in run.page(page)?.chunks(stride) {
                let entries = group.iter().map(|handle| u64::from(handle.entries)).sum();
                samples.extend(group.first().map(|handle| (handle.first, entries)));
            }
        }
    }
    samples.retain(|(first, _)| *first < range.end);
    samples.sort_unstable_by_key(|(first, _)| *first);
    // Of the blocks that begin before the range, only the last of each run may have entries in it.
    let before = samples.partition_point(|(first, _)| *first <= range.start);
    let unneeded = before.saturating_sub(runs.len());
    Ok(cut(&samples[unneeded..], range, entries))
}

fn cut(samples: &[(Position, u64)], range: Range<Position>, entries: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = range.start;
    let mut work = 0;
    for (first, more) in samples {
        if work >= entries && *first > start {
            let end =
                if first.key > start.key { Position { key: first.key, song: 0 } } else { *first };
            if end > start {
                pieces.push(start..end);
                start = end;
                work = 0;
            }
        }
        work += more;
    }
    pieces.push(start..range.end);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_and_split_only_a_key_that_exceeds_a_piece() {
        let at = |key, song| Position { key, song };
        let samples =
            [(at(1, 5), 10), (at(2, 7), 10), (at(2, 9), 10), (at(3, 1), 10), (at(9, 9), 10)];
        let cuts = |entries| {
            let pieces = cut(&samples, Position::FIRST..Position::END, entries);
            assert_eq!(pieces.first().map(|piece| piece.start), Some(Position::FIRST));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            pieces.iter().map(|piece| piece.end).collect::<Vec<_>>()
        };
        assert_eq!(cuts(10), [at(2, 0), at(2, 9), at(3, 0), at(9, 0), Position::END]);
        assert_eq!(cuts(20), [at(2, 0), at(9, 0), Position::END]);
        assert_eq!(cuts(1000), [Position::END]);
        let all = Position::FIRST..Position::END;
        assert_eq!(cut(&[], all.clone(), 5), [all]);
    }

    #[test]
    fn a_part_of_the_key_space_is_cut_within_its_bounds() {
        let at = |key, song| Position { key, song };
        let samples = [(at(1, 5), 10), (at(2, 7), 10), (at(2, 9), 10), (at(2, 11), 10)];
        let cuts = |range| {
            let pieces = cut(&samples, range, 10);
            pieces.into_iter().map(|piece| (piece.start, piece.end)).collect::<Vec<_>>()
        };
        let (start, end) = (at(2, 0), at(3, 0));
        let expected =
            [(start, at(2, 7)), (at(2, 7), at(2, 9)), (at(2, 9), at(2, 11)), (at(2, 11), end)];
        assert_eq!(cuts(start..end), expected);
        assert_eq!(cut(&[], start..end, 10), [start..end]);
    }
}
