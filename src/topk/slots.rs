//! Keeps the best K of a key's songs in slots, which are cut when they are full.

use crate::model::{Ranked, SongCounts};

/// Keeps the best `k` of any number of songs, each given once, in any order.
///
/// Candidates are in up to `2k + 64` slots. When these are full, they are cut to the best `k`, and a later song must
/// beat the worst of these (as in Lucene and tantivy: linear time, no heap). Memory: 16 bytes a slot.
///
/// # Example
/// ```
/// use agg::model::{Ranked, SongCounts};
/// use agg::topk::TopK;
///
/// let (mut top, mut best) = (TopK::new(2), Vec::new());
/// top.extend(SongCounts { songs: &[4, 5, 9], counts: &[1, 3, 3] });
/// top.best(&mut best);
/// assert_eq!(best, [Ranked { song: 5, count: 3 }, Ranked { song: 9, count: 3 }]);
/// ```
#[derive(Debug, Clone)]
pub struct TopK {
    k: usize,
    /// Candidates, as [`rank`]; the smallest is the best.
    slots: Vec<u128>,
    /// A song must rank before this.
    threshold: u128,
}

/// One number that sorts the best song first.
const fn rank(song: u64, count: u64) -> u128 {
    ((u64::MAX - count) as u128) << 64 | song as u128
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are taken apart")]
const fn unrank(rank: u128) -> Ranked {
    Ranked { song: rank as u64, count: u64::MAX - (rank >> 64) as u64 }
}

impl TopK {
    /// Keeps the best `k`, at least 1.
    #[must_use]
    pub fn new(k: usize) -> Self {
        TopK { k: k.max(1), slots: Vec::new(), threshold: u128::MAX }
    }

    /// The minimum count of a further song; `None` while any song is kept.
    #[must_use]
    pub fn floor(&self) -> Option<u64> {
        (self.threshold < u128::MAX).then(|| unrank(self.threshold).count)
    }

    /// Removes all songs and keeps the memory.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.threshold = u128::MAX;
    }

    /// Adds many songs with their counts.
    pub fn extend(&mut self, songs: SongCounts<'_>) {
        for (song, count) in songs.iter() {
            self.push(Ranked { song, count });
        }
    }

    /// Adds one song.
    pub fn push(&mut self, Ranked { song, count }: Ranked) {
        let rank = rank(song, count);
        if rank < self.threshold {
            self.slots.push(rank);
            if self.slots.len() >= 2 * self.k + 64 {
                self.cut();
            }
        }
    }

    /// Cuts the slots to the best `k`.
    fn cut(&mut self) {
        if self.slots.len() > self.k {
            let (_, worst, _) = self.slots.select_nth_unstable(self.k - 1);
            self.threshold = *worst;
            self.slots.truncate(self.k);
        }
    }

    /// Puts the best `k` songs into `best`, the best first; fewer if fewer were added.
    pub fn best(&mut self, best: &mut Vec<Ranked>) {
        self.cut();
        self.slots.sort_unstable();
        best.clear();
        best.extend(self.slots.iter().map(|rank| unrank(*rank)));
    }
}

/// Puts the best `k` songs of a key into `best`, the best first. `once` are the songs with a sum of 1, ascending, as
/// nearly all are. `more` are the others with their sums, in any order, which the call changes.
pub(super) fn best_of_sums(once: &[u64], more: &mut [Ranked], k: usize, best: &mut Vec<Ranked>) {
    let rank = |ranked: &Ranked| rank(ranked.song, ranked.count);
    let more = match more.len().checked_sub(k) {
        // A selection is worth it only if many are omitted.
        Some(omitted) if omitted > k => {
            more.select_nth_unstable_by_key(k, rank);
            &mut more[..k]
        }
        _ => more,
    };
    more.sort_unstable_by_key(rank);
    best.clear();
    best.extend(more.iter().take(k));
    let rest = once.iter().take(k - best.len());
    best.extend(rest.map(|song| Ranked { song: *song, count: 1 }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_counts_are_ranked_by_the_lower_song_across_the_cut() {
        let mut top = TopK::new(2);
        for song in (0..500).rev() {
            top.push(Ranked { song, count: 7 });
        }
        let mut best = Vec::new();
        top.best(&mut best);
        assert_eq!(best, [Ranked { song: 0, count: 7 }, Ranked { song: 1, count: 7 }]);
    }

    #[test]
    fn the_floor_is_what_the_last_of_the_best_has_once_the_slots_were_full() {
        let mut top = TopK::new(3);
        let songs: Vec<u64> = (0..70).collect();
        let counts: Vec<u64> = (1..=70).collect();
        let all = SongCounts { songs: &songs, counts: &counts };
        top.extend(all.slice(0..69));
        assert_eq!(top.floor(), None, "there is a slot left");
        top.extend(all.slice(69..70));
        assert_eq!(top.floor(), Some(68));
    }

    #[test]
    fn if_there_are_no_more_sums_than_are_wanted_all_are_among_the_best() {
        let mut best = Vec::new();
        let mut more = [2, 9].map(|count| Ranked { song: count, count });
        best_of_sums(&[5], &mut more, 2, &mut best);
        assert_eq!(best, [9, 2].map(|count| Ranked { song: count, count }));
    }

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(
            songs in prop::collection::btree_map(any::<u64>(), prop_oneof![1u64..4, any::<u64>()], 0..400),
            order in any::<u64>(), k in 1usize..60,
        ) {
            let mut given: Vec<Ranked> =
                songs.iter().map(|(&song, &count)| Ranked { song, count }).collect();
            let mut expected = given.clone();
            expected.sort_by_key(|ranked| (std::cmp::Reverse(ranked.count), ranked.song));
            expected.truncate(k);
            given.sort_by_key(|ranked| (ranked.song ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut top = TopK::new(k);
            top.push(Ranked { song: 1, count: 1 });
            top.clear();
            given.iter().for_each(|ranked| top.push(*ranked));
            let mut best = Vec::new();
            top.best(&mut best);
            prop_assert_eq!(&best, &expected);

            let mut sums = songs.into_iter().map(|(song, count)| Ranked { song, count });
            let (once, mut more): (Vec<Ranked>, Vec<Ranked>) = sums.by_ref().partition(|sum| sum.count == 1);
            let once: Vec<u64> = once.iter().map(|sum| sum.song).collect();
            best.clear();
            best_of_sums(&once, &mut more, k, &mut best);
            prop_assert_eq!(best, expected);
        }
    }
}
