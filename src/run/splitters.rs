//! Cuts the key space into ranges of about equal numbers of rows, and finds the range of a row.
//!
//! A splitter is a position (key and song), so a key with millions of rows is cut too. Finding the range of a row takes
//! two look-ups in small tables and a comparison with two splitters, without a branch that depends on the row. It is
//! done twice for every row of a log.

use crate::model::Position;

/// Minimum number of buckets for each range, so that few buckets have more than one splitter.
const MIN_BUCKETS_A_RANGE: usize = 4;
/// Bits of a group's number. Each group is divided into buckets as finely as its splitters need.
const GROUP_BITS: u32 = 10;
/// Set in a bucket with more splitters than are compared without a search.
const CROWDED: u16 = 1 << 15;
/// Maximum number of ranges that a bucket can name.
const MAX_RANGES: usize = CROWDED as usize - 1;
/// Splitters that are compared without a search.
const COMPARED: usize = 2;

/// The starts of ranges 1, 2, … in ascending order; range 0 starts at the smallest position.
#[derive(Debug, Clone)]
pub(super) struct Splitters {
    starts: Vec<Position>,
    /// The largest key and the largest song that were sampled.
    largest: Position,
    /// The starts as one number each, then [`COMPARED`] numbers that no position reaches.
    bounds: Vec<u128>,
    ranking: Ranking,
    groups: Vec<RankGroup>,
    /// Number of splitters in the buckets before this bucket; with [`CROWDED`] when the bucket has many itself.
    buckets: Vec<u16>,
}

/// Gives each position a rank, which never falls when the position grows: the key, and where keys are few, also the
/// leading bits of the song.
#[derive(Debug, Clone, Copy)]
struct Ranking {
    max_key: u64,
    song_bits: u32,
    song_shift: u32,
    group_shift: u32,
}

/// A range of ranks.
#[derive(Debug, Clone, Copy, Default)]
struct RankGroup {
    /// Its first bucket.
    first: u32,
    /// Shifts a rank within the group to its bucket in the group.
    shift: u32,
}

impl Ranking {
    /// A ranking of positions up to this key, with songs up to this song.
    fn new(largest: Position) -> Self {
        let key_bits = 64 - largest.key.leading_zeros();
        let song_width = 64 - largest.song.leading_zeros();
        // Keys of up to 20 bits are so few that a key may need many ranges.
        let song_bits = if key_bits <= 20 { song_width.min(32) } else { 0 };
        let group_shift = (key_bits + song_bits).saturating_sub(GROUP_BITS);
        let song_shift = song_width - song_bits;
        Ranking { max_key: largest.key, song_bits, song_shift, group_shift }
    }

    #[inline]
    fn rank(&self, position: Position) -> u64 {
        let max_song = !(u64::MAX << self.song_bits);
        // The shift would be 64 only where no bit of the song is used.
        let song = (position.song >> (self.song_shift & 63)).min(max_song);
        // A key beyond all sampled keys comes after every song of these keys.
        let song = if position.key > self.max_key { max_song } else { song };
        position.key.min(self.max_key) << self.song_bits | song
    }

    /// The group of a rank, and the rank within it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a group's number has few bits")]
    fn group(&self, rank: u64) -> (usize, u64) {
        ((rank >> self.group_shift) as usize, rank & !(u64::MAX << self.group_shift))
    }

    fn max_rank(&self) -> u64 {
        self.rank(Position { key: self.max_key, song: u64::MAX })
    }
}

/// A position as one number, which is compared without a branch.
const fn bound(position: Position) -> u128 {
    (position.key as u128) << 64 | position.song as u128
}

impl Splitters {
    /// Cuts at the quantiles of a sample of rows. Sorts the sample.
    ///
    /// A position that fills a range by itself (one user hearing one song all day) gets its own range.
    #[must_use]
    pub(super) fn from_sample(sample: &mut [Position], ranges: usize) -> Self {
        sample.sort_unstable();
        let quantiles = if sample.is_empty() { 0 } else { ranges };
        // Each is a proper fraction of the sample's length.
        let quantile = |at| sample[(at as u128 * sample.len() as u128 / ranges as u128) as usize];
        let mut starts: Vec<Position> = Vec::new();
        let mut before: Option<Position> = None;
        for quantile in (1..quantiles).map(quantile) {
            let new_key = before.is_none_or(|before| before.key != quantile.key);
            let repeated = before == Some(quantile);
            // A new key's range starts with the key itself, so that distances from its start are small.
            let cut = if new_key { Position { song: 0, ..quantile } } else { quantile };
            let end = repeated.then_some(Position { song: quantile.song + 1, ..quantile });
            for cut in std::iter::once(cut).chain(end) {
                if starts.last().is_none_or(|last| *last < cut) {
                    starts.push(cut);
                }
            }
            before = Some(quantile);
        }
        let largest = Position {
            key: sample.last().map_or(0, |position| position.key),
            song: sample.iter().map(|position| position.song).max().unwrap_or(0),
        };
        Self::new(starts, largest)
    }

    /// Cuts wide ranges into even parts, so that every sampled key is within `max_distance` of its range's start. If
    /// that takes more than `max_ranges` ranges, it changes nothing.
    ///
    /// A sample of a sorted log has a few intervals of keys, with wide gaps between them.
    #[must_use]
    pub(super) fn within_distance(self, max_distance: u64, max_ranges: usize) -> Self {
        match self.even_cuts(max_distance, max_ranges) {
            Some(starts) => Self::new(starts, self.largest),
            None => self,
        }
    }

    fn even_cuts(&self, max_distance: u64, max_ranges: usize) -> Option<Vec<Position>> {
        let mut starts = Vec::with_capacity(self.starts.len());
        let end = Position { key: self.largest.key.saturating_add(1), song: 0 };
        let mut before = 0;
        for start in self.starts.iter().chain([&end]) {
            let gap = start.key.saturating_sub(before);
            let parts = gap / max_distance.saturating_add(1).max(1) + 1;
            if starts.len() as u64 + parts > max_ranges as u64 {
                return None;
            }
            let step = gap.div_ceil(parts).max(1);
            let between = (1..parts).map(|part| Position { key: before + part * step, song: 0 });
            starts.extend(between.filter(|cut| cut < start));
            starts.push(*start);
            before = start.key;
        }
        // The end is not a start.
        starts.pop();
        Some(starts)
    }

    fn new(mut starts: Vec<Position>, largest: Position) -> Self {
        starts.truncate(MAX_RANGES - 1);
        let ranking = Ranking::new(largest);
        let (last_group, _) = ranking.group(ranking.max_rank());
        let mut inside = vec![0usize; last_group + 1];
        for start in &starts {
            // No rank is above the largest, and groups ascend with ranks.
            inside[ranking.group(ranking.rank(*start)).0] += 1;
        }
        let mut first = 0u32;
        let mut group = |inside: &usize| {
            let wanted = (inside * MIN_BUCKETS_A_RANGE).next_power_of_two().trailing_zeros();
            let shift = ranking.group_shift.saturating_sub(wanted);
            let group = RankGroup { first, shift };
            first += 1 << (ranking.group_shift - shift);
            group
        };
        let groups: Vec<RankGroup> = inside.iter().map(&mut group).collect();
        let bounds =
            starts.iter().map(|start| bound(*start)).chain([u128::MAX; COMPARED]).collect();
        let mut splitters =
            Splitters { starts, largest, bounds, ranking, groups, buckets: Vec::new() };
        splitters.fill_buckets(first as usize);
        splitters
    }

    #[expect(clippy::cast_possible_truncation, reason = "fewer splitters than MAX_RANGES")]
    fn fill_buckets(&mut self, buckets: usize) {
        let mut inside = vec![0usize; buckets];
        for start in &self.starts {
            // The buckets reach up to the last bucket of the last group.
            inside[self.bucket(*start)] += 1;
        }
        let mut before = 0usize;
        let bucket = |inside: &usize| {
            let first = before as u16;
            before += inside;
            if *inside > COMPARED { first | CROWDED } else { first }
        };
        self.buckets = inside.iter().map(bucket).collect();
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a bucket has few bits by construction")]
    fn bucket(&self, position: Position) -> usize {
        let (group, within) = self.ranking.group(self.ranking.rank(position));
        // As in `new`: every rank has a group.
        let group = self.groups[group];
        group.first as usize + (within >> group.shift) as usize
    }

    /// Number of ranges.
    #[must_use]
    pub(super) fn ranges(&self) -> usize {
        self.starts.len() + 1
    }

    /// The key at which a range starts.
    #[must_use]
    pub(super) fn base(&self, range: usize) -> u64 {
        range.checked_sub(1).map_or(0, |at| self.starts[at].key)
    }

    /// Whether a range can only have rows of one position.
    pub(super) fn is_uniform(&self, range: usize) -> bool {
        // The first and the last range have no bound on one side.
        if range == 0 || range == self.starts.len() {
            return false;
        }
        let (start, next) = (self.starts[range - 1], self.starts[range]);
        start.key == next.key && start.song.checked_add(1) == Some(next.song)
    }

    /// The range of a position: the number of splitters at or before it.
    // Always inlined: with a call for each row, `reduce-day` takes 4 % more instructions.
    #[inline(always)]
    #[must_use]
    pub(super) fn range_of(&self, position: Position) -> usize {
        // As in `fill_buckets`: every position has a bucket.
        let first = self.buckets[self.bucket(position)];
        let bound = bound(position);
        match self.bounds.get(usize::from(first)..).and_then(|bounds| bounds.first_chunk()) {
            Some([one, two]) => {
                usize::from(first) + usize::from(*one <= bound) + usize::from(*two <= bound)
            }
            // No bucket has that number before it, so it is crowded.
            None => self.search(position),
        }
    }

    /// As [`Splitters::range_of`], by a search in all splitters.
    #[cold]
    fn search(&self, position: Position) -> usize {
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

    /// Few keys, as countries are, which are cut between their songs.
    fn positions_of_few_keys() -> impl Strategy<Value = Vec<Position>> {
        let song = prop_oneof![Just(3u64), 0u64..700, 0u64..1 << 33];
        let position = (0u64..9, song).prop_map(|(key, song)| Position { key, song });
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
            sample in prop_oneof![positions(), positions_of_few_keys()],
            rows in prop_oneof![positions(), positions_of_few_keys()],
            ranges in 1usize..70,
            distance in prop_oneof![0u64..2000, 0u64..1 << 40],
        ) {
            let splitters = Splitters::from_sample(&mut sample.clone(), ranges);
            prop_assert!(splitters.starts.is_sorted_by(|one, other| one < other));
            for row in rows.iter().chain(&sample) {
                let range = splitters.range_of(*row);
                prop_assert_eq!(range, splitters.search(*row));
                prop_assert!(splitters.base(range) <= row.key);
            }
            let ranges = splitters.ranges();
            let splitters = splitters.within_distance(distance, 500);
            prop_assert!(splitters.starts.is_sorted_by(|one, other| one < other));
            let is_within = |row: &Position| row.key - splitters.base(splitters.range_of(*row)) <= distance;
            let cut = splitters.ranges() > ranges;
            prop_assert!(splitters.ranges() <= 500);
            prop_assert!(!cut || sample.iter().all(is_within));
        }
    }
}
