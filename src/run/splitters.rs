//! Where the key space is cut into ranges of about equal numbers of rows, and how a row finds its range.
//!
//! A splitter is a position (key and song), so that a key with millions of rows is cut too. Finding the
//! range of a row is a look into a table by the leading bits of its key (and, where keys are few, of its song) and
//! then, mostly, a single comparison.

use crate::model::Position;

/// How much larger the table is than the number of ranges.
const BUCKETS_A_RANGE: usize = 8;

/// The starts of ranges 1, 2, … in ascending order; range 0 starts at the smallest position.
#[derive(Debug, Clone)]
pub struct Splitters {
    starts: Vec<Position>,
    /// `first[b]` splitters are in buckets before `b`; one more at the end.
    first: Vec<u32>,
    bucketing: Bucketing,
}

/// A number for each position that never falls when the position grows.
#[derive(Debug, Clone, Copy)]
struct Bucketing {
    key_shift: u32,
    song_bits: u32,
    song_shift: u32,
    last: usize,
}

impl Bucketing {
    fn new(largest: Position, ranges: usize) -> Self {
        let wanted = (ranges * BUCKETS_A_RANGE).next_power_of_two().trailing_zeros();
        let key_bits = 64 - largest.key.leading_zeros();
        let song_width = 64 - largest.song.leading_zeros();
        let key_shift = key_bits.saturating_sub(wanted);
        // Few keys leave room for leading bits of the song; at least some, for a table that is cheap all the same.
        let song_bits = if key_shift > 0 { 0 } else { (wanted + 3).saturating_sub(key_bits) };
        let song_bits = song_bits.min(song_width);
        let bucketing = Bucketing {
            key_shift,
            song_bits,
            song_shift: song_width - song_bits,
            last: usize::MAX,
        };
        Bucketing { last: bucketing.bucket(largest), ..bucketing }
    }

    #[inline]
    fn bucket(&self, position: Position) -> usize {
        let below = !(u64::MAX << self.song_bits);
        let song = position.song.checked_shr(self.song_shift).unwrap_or(0).min(below);
        let bucket = (position.key >> self.key_shift) << self.song_bits | song;
        usize::try_from(bucket).unwrap_or(usize::MAX).min(self.last)
    }
}

impl Splitters {
    /// Cuts at the quantiles of a sample of rows into at most `ranges` ranges. Sorts the sample.
    ///
    /// A position that alone fills a range (one user hearing one song all day) gets a range of its own.
    #[must_use]
    pub fn from_sample(sample: &mut [Position], ranges: usize) -> Self {
        sample.sort_unstable();
        let quantiles = (1..ranges.max(1)).filter_map(|at| {
            let at = at as u128 * sample.len() as u128 / ranges as u128;
            sample.get(usize::try_from(at).ok()?).copied()
        });
        let mut starts: Vec<Position> = Vec::new();
        let mut before: Option<Position> = None;
        for quantile in quantiles {
            let new_key = before.is_none_or(|before| before.key != quantile.key);
            let repeated = before == Some(quantile);
            // A new key's range starts with the key itself, so that distances from it are small.
            let cuts = match (new_key, repeated) {
                (true, _) => [Position { key: quantile.key, song: 0 }, quantile],
                (false, false) => [quantile, quantile],
                (false, true) => [quantile, Position { song: quantile.song + 1, ..quantile }],
            };
            let cuts = if new_key { cuts.get(..1) } else { cuts.get(..) };
            for &cut in cuts.unwrap_or_default() {
                if starts.last().is_none_or(|last| *last < cut) {
                    starts.push(cut);
                }
            }
            before = Some(quantile);
        }
        let largest = sample.last().copied().unwrap_or_default();
        Self::new(starts, largest)
    }

    fn new(starts: Vec<Position>, largest: Position) -> Self {
        let bucketing = Bucketing::new(largest, starts.len() + 1);
        let buckets = bucketing.last.saturating_add(1);
        let mut first = vec![0u32; buckets + 1];
        for start in &starts {
            if let Some(slot) = first.get_mut(bucketing.bucket(*start) + 1) {
                *slot += 1;
            }
        }
        let mut sum = 0;
        for slot in &mut first {
            sum += *slot;
            *slot = sum;
        }
        Splitters { starts, first, bucketing }
    }

    /// How many ranges.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.starts.len() + 1
    }

    /// The key at which a range starts.
    #[must_use]
    pub fn base(&self, range: usize) -> u64 {
        let start = range.checked_sub(1).and_then(|at| self.starts.get(at));
        start.map_or(0, |start| start.key)
    }

    /// Whether a range can only hold rows of one position.
    pub(super) fn is_uniform(&self, range: usize) -> bool {
        let start = range.checked_sub(1).and_then(|at| self.starts.get(at));
        let next = Some(range).and_then(|at| self.starts.get(at));
        start.zip(next).is_some_and(|(start, next)| {
            start.key == next.key && start.song.checked_add(1) == Some(next.song)
        })
    }

    /// The range of a position: how many splitters are at or before it.
    #[inline]
    #[must_use]
    pub fn range_of(&self, position: Position) -> usize {
        let bucket = self.bucketing.bucket(position);
        let Some(&[from, to]) = self.first.get(bucket..).and_then(|first| first.first_chunk::<2>())
        else {
            return 0;
        };
        let (from, to) = (from as usize, to as usize);
        let candidates = self.starts.get(from..to).unwrap_or_default();
        from + if let [only] = candidates {
            usize::from(*only <= position)
        } else {
            candidates.partition_point(|start| *start <= position)
        }
    }

    /// The same, by searching all splitters: what the table must agree with.
    #[cfg(test)]
    fn range_by_search(&self, position: Position) -> usize {
        self.starts.partition_point(|start| *start <= position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn positions() -> impl Strategy<Value = Vec<Position>> {
        let id = || {
            prop_oneof![Just(3u64), 0u64..700, 0u64..1 << 33, any::<u64>().prop_map(|id| id >> 1)]
        };
        let position = (id(), id()).prop_map(|(key, song)| Position { key, song });
        prop::collection::vec(position, 0..300)
    }

    #[test]
    fn a_heavy_position_has_a_range_of_its_own() {
        let heavy = Position { key: 5, song: 7 };
        let mut sample: Vec<_> =
            (0..100).map(|key| Position { key: key / 10, song: key }).collect();
        sample.extend([heavy; 100]);
        let splitters = Splitters::from_sample(&mut sample, 16);
        let range = splitters.range_of(heavy);
        assert!(splitters.is_uniform(range));
        assert_ne!(splitters.range_of(Position { song: 6, ..heavy }), range);
        assert_ne!(splitters.range_of(Position { song: 8, ..heavy }), range);
    }

    proptest! {
        #[test]
        fn the_table_finds_what_a_search_finds(
            sample in positions(), rows in positions(), ranges in 1usize..70,
        ) {
            let splitters = Splitters::from_sample(&mut sample.clone(), ranges);
            prop_assert!(splitters.starts.is_sorted_by(|one, other| one < other));
            for row in rows.iter().chain(&sample) {
                let range = splitters.range_of(*row);
                prop_assert_eq!(range, splitters.range_by_search(*row));
                prop_assert!(splitters.base(range) <= row.key);
            }
        }
    }
}
