//! Merges many short sorted lists as plain numbers.
//!
//! A week of a few thousand users is a list of entries for each day. An entry is packed into one word: the user's
//! distance from the first user in the highest bits, then the song, then the count. So the order of words is that of
//! entries, and the words of a day are sorted already. The days are merged pair by pair as sorted numbers, without
//! regard to where a user's list ends. After that, equal songs of a user are neighbours.
//!
//! The widths of key and song are found by trying. Words of 64 bits are enough for the ids of real days; wider ids
//! take words of 128 bits, which are enough for any.

use std::ops::{BitOr, BitXor, Shl, Shr};

use super::pairs::merge_all;
use crate::codec::block::Runs;
use crate::model::{MAX_ID, Ranked, SongCounts};

/// A word that an entry or a row is packed into.
pub trait Word:
    Copy
    + Ord
    + Default
    + std::fmt::Debug
    + From<u64>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
{
    /// Number of its bits.
    const BITS: u32;
    /// Greater than the word of any entry.
    const END: Self;
    /// The lowest 64 bits.
    fn low(self) -> u64;
}

impl Word for u64 {
    const BITS: u32 = u64::BITS;
    const END: Self = u64::MAX;

    #[inline(always)]
    fn low(self) -> u64 {
        self
    }
}

impl Word for u128 {
    const BITS: u32 = u128::BITS;
    const END: Self = u128::MAX;

    #[expect(clippy::cast_possible_truncation, reason = "only the lowest 64 bits are wanted")]
    #[inline(always)]
    fn low(self) -> u64 {
        self as u64
    }
}

/// How a word is divided: the count has the lowest bits, then the song, and the key has the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Split {
    song_bits: u32,
    /// At least 1. A count that is too large for its field fills it and is kept in [`Words::large`].
    count_bits: u32,
}

impl Split {
    /// The division of words of `bits` bits; `None` if they are too short for `extent`.
    fn of(extent: Extent, bits: u32) -> Option<Self> {
        let width = |number: u64| u64::BITS - number.leading_zeros();
        let song_bits = width(extent.song);
        let left = bits.checked_sub(width(extent.key) + song_bits).filter(|left| *left >= 2)?;
        // The key gets a part of the rest, because the keys of the next piece may be further apart.
        Some(Split { song_bits, count_bits: (left - (left / 4).max(1)).min(32) })
    }

    /// A key's distance is less than this.
    const fn end_of_keys(self, bits: u32) -> u64 {
        let key_bits = bits - self.song_bits - self.count_bits;
        if key_bits < u64::BITS { (1 << key_bits) - 1 } else { u64::MAX }
    }

    #[inline(always)]
    const fn max_song(self) -> u64 {
        (1 << self.song_bits) - 1
    }

    /// Maximum of the count's field, which holds the count minus 1.
    #[inline(always)]
    const fn max_field(self) -> u64 {
        (1 << self.count_bits) - 1
    }

    #[inline(always)]
    fn pack<W: Word>(self, key: u64, song: u64, field: u64) -> W {
        (W::from(key) << self.song_bits | W::from(song)) << self.count_bits | W::from(field)
    }

    #[inline(always)]
    fn key<W: Word>(self, word: W) -> u64 {
        (word >> (self.count_bits + self.song_bits)).low()
    }

    #[inline(always)]
    fn song<W: Word>(self, word: W) -> u64 {
        (word >> self.count_bits).low() & self.max_song()
    }

    #[inline(always)]
    fn field<W: Word>(self, word: W) -> u64 {
        word.low() & self.max_field()
    }

    #[inline(always)]
    fn same_song<W: Word>(self, one: W, other: W) -> bool {
        one ^ other <= W::from(self.max_field())
    }
}

/// The extent of keys and songs: the bits of all numbers joined, so they have as many bits as the largest number.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Distances of keys from the base.
    key: u64,
    song: u64,
}

/// Adjacent lists of packed entries, and then their merge.
///
/// Memory: two words an entry, and a quarter more.
#[derive(Debug)]
pub struct Words<W> {
    split: Split,
    /// The key that distances are measured from.
    base: u64,
    /// The lists, or their merge, then words of any value.
    words: Vec<W>,
    /// Words of the lists.
    used: usize,
    /// Where each list ends.
    ends: Vec<usize>,
    other: Vec<W>,
    /// Entries whose count is too large for its field, which is full then, and the count.
    large: Vec<(W, u64)>,
    /// The extent of all entries.
    extent: Extent,
    fits: bool,
}

/// The sum of this key's and song's counts exceeds 2^63 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairOverflow {
    /// The key.
    pub key: u64,
    /// The song.
    pub song: u64,
}

impl<W: Word> Default for Words<W> {
    fn default() -> Self {
        Words {
            // Any division will do, because the first piece that does not fit determines a new one.
            split: Split { song_bits: 34, count_bits: 6 },
            base: 0,
            words: Vec::new(),
            used: 0,
            ends: Vec::new(),
            other: Vec::new(),
            large: Vec::new(),
            extent: Extent::default(),
            fits: true,
        }
    }
}

impl<W: Word> Words<W> {
    /// Removes all lists. All keys that follow are at least `base`.
    pub fn begin(&mut self, base: u64) {
        self.base = base;
        self.used = 0;
        self.ends.clear();
        self.large.clear();
        self.extent = Extent::default();
        self.fits = true;
    }

    /// Appends entries to the open list; they come after all its entries.
    pub fn push(&mut self, runs: Runs<'_>) {
        let split = self.split;
        let (max_song, max_field) = (split.max_song(), split.max_field());
        let end_of_keys = split.end_of_keys(W::BITS);
        let mut extent = self.extent;
        let small = runs.bits_of_counts() <= max_field;
        let start = self.used;
        self.used += runs.len();
        if self.words.len() <= self.used {
            let length = (self.used / 4 * 5).max(CHUNK);
            self.words.reserve_exact(length - self.words.len());
            self.words.resize(length, W::END);
        }
        // Room for all words of the lists, and one word more.
        let mut room = &mut self.words[start..];
        for (key, SongCounts { songs, counts }) in runs.by_key() {
            let distance = key.wrapping_sub(self.base);
            // No list is empty.
            let last = songs[songs.len() - 1];
            extent.key |= distance;
            extent.song |= last;
            self.fits &= distance < end_of_keys && last <= max_song;
            let first: W = split.pack(distance, 0, 0);
            let (own, rest) = room.split_at_mut(songs.len());
            room = rest;
            for ((song, count), slot) in songs.iter().zip(counts).zip(own.iter_mut()) {
                // Right if the count is small, as nearly all counts are.
                *slot = first | W::from(*song) << split.count_bits | W::from(count - 1);
            }
            if !small {
                for ((song, count), slot) in songs.iter().zip(counts).zip(own) {
                    if *count > max_field {
                        *slot = split.pack(distance, *song, max_field);
                        self.large.push((*slot, *count));
                    }
                }
            }
        }
        self.extent = extent;
    }

    /// Ends the open list; another list may follow.
    pub fn end_list(&mut self) {
        self.ends.push(self.used);
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether all entries could be packed. If not, call [`Words::refit`], begin again and push them again.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.fits
    }

    /// Divides words so that they fit the entries; false if the words are too short.
    pub fn refit(&mut self) -> bool {
        let split = Split::of(self.extent, W::BITS);
        self.split = split.unwrap_or(self.split);
        split.is_some()
    }

    /// Whether words of type `V` would fit the entries.
    #[must_use]
    pub fn would_fit<V: Word>(&self) -> bool {
        Split::of(self.extent, V::BITS).is_some()
    }

    /// Merges the lists and gives `each` every key with the sums of its songs.
    pub fn each_key(
        &mut self,
        sums: &mut Sums<W>,
        mut each: impl FnMut(u64, &[u64], &mut [Ranked]),
    ) -> Result<(), PairOverflow> {
        merge_all(&mut self.words, &mut self.ends, &mut self.other);
        self.large.sort_unstable();
        if self.is_empty() {
            return Ok(());
        }
        // `push` has left room for one more word after the lists.
        self.words[self.used] = W::END;
        let mut words = &self.words[..=self.used];
        while let Some(first) = words.first().filter(|first| **first < W::END) {
            let distance = self.split.key(*first);
            let key = self.base + distance;
            let (once, parts) = sums.separate(self.split, distance, &mut words);
            sums.add_up(self.split, parts, &self.large)
                .map_err(|song| PairOverflow { key, song })?;
            each(key, &sums.once[..once], &mut sums.more);
        }
        Ok(())
    }
}

/// Words that are processed together.
const CHUNK: usize = 256;

/// The sums of one key after the other. Memory, which it keeps: up to a word, two numbers and a sum for each entry of
/// the largest key.
#[derive(Debug, Default)]
pub struct Sums<W> {
    /// Songs that occur once with a count of 1, as most songs do; then unused room.
    once: Vec<u64>,
    /// The words of all other songs; then unused room.
    parts: Vec<W>,
    /// The sums of all other songs.
    more: Vec<Ranked>,
}

impl<W: Word> Sums<W> {
    /// Takes the words of a key off the front of `words`, which end with [`Word::END`], and separates the songs that
    /// occur once with a count of 1. Returns the number of these songs, and the number of words of all others. No
    /// branch depends on a song.
    #[inline(always)]
    fn separate(&mut self, split: Split, distance: u64, words: &mut &[W]) -> (usize, usize) {
        let end: W = split.pack(distance + 1, 0, 0);
        let (mut at, mut once, mut others) = (0, 0, 0);
        let mut same_as_before = false;
        'key: loop {
            self.once.resize(self.once.len().max(once + CHUNK), 0);
            self.parts.resize(self.parts.len().max(others + CHUNK), W::END);
            let (songs, parts) = (self.once.as_mut_slice(), self.parts.as_mut_slice());
            // No word follows the end word, so it is not taken.
            let (chunk, next) = (&words[at..], &words[at + 1..]);
            if next.is_empty() {
                break;
            }
            for (word, next) in chunk.iter().zip(next).take(CHUNK) {
                if *word >= end {
                    break 'key;
                }
                let same_as_next = split.same_song(*word, *next);
                let single = !(same_as_before | same_as_next) & (split.field(*word) == 0);
                same_as_before = same_as_next;
                // Both have room for a chunk, of which each step takes one place.
                songs[once] = split.song(*word);
                parts[others] = *word;
                once += usize::from(single);
                others += usize::from(!single);
                at += 1;
            }
        }
        *words = &words[at..];
        (once, others)
    }

    /// Adds up the first `parts` words of songs that do not occur once with a count of 1. The error is the song of a
    /// sum beyond the limit.
    #[inline(always)]
    fn add_up(&mut self, split: Split, parts: usize, large: &[(W, u64)]) -> Result<(), u64> {
        self.more.clear();
        let mut before = W::END;
        // `separate` has returned the number of parts.
        for part in &self.parts[..parts] {
            let song = split.song(*part);
            let count = match split.field(*part) {
                field if field < split.max_field() => field + 1,
                // Equal words are neighbours, and the first adds the counts of all.
                _ if *part == before => 0,
                _ => sum_of_large(large, *part).ok_or(song)?,
            };
            match self.more.last_mut().filter(|last| last.song == song) {
                // Two numbers below 2^63 do not wrap.
                Some(last) => last.count += count,
                None => self.more.push(Ranked { song, count }),
            }
            if self.more.last().is_some_and(|last| last.count > MAX_ID) {
                return Err(song);
            }
            before = *part;
        }
        Ok(())
    }
}

/// The sum of all counts of a word in a sorted list; `None` if it is beyond the limit.
fn sum_of_large<W: Word>(large: &[(W, u64)], word: W) -> Option<u64> {
    let first = large.partition_point(|(other, _)| *other < word);
    let equal = large.iter().skip(first).take_while(|(other, _)| *other == word);
    equal.map(|(_, count)| *count).try_fold(0u64, |sum, count| {
        // Two numbers below 2^63 do not wrap.
        Some(sum + count).filter(|sum| *sum <= MAX_ID)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::block::{BlockDecoder, BlockEncoder, MAX_ENTRIES};
    use crate::model::Entry;
    use crate::testing::{Naive, batch_of};

    type Found = Vec<(u64, Vec<Ranked>)>;

    /// Pushes the lists in blocks of `block` entries; false if they do not fit.
    fn push<W: Word>(words: &mut Words<W>, base: u64, lists: &[Naive], block: usize) -> bool {
        words.begin(base);
        for list in lists {
            let batch = batch_of(list);
            for start in (0..batch.len()).step_by(block) {
                let mut bytes = Vec::new();
                let range = start..batch.len().min(start + block);
                BlockEncoder::default().encode(batch.entries().slice(range), &mut bytes).unwrap();
                words.push(BlockDecoder::default().decode_runs(&bytes).unwrap());
            }
            words.end_list();
        }
        words.fits()
    }

    /// The merged songs of each key, in order.
    fn merge<W: Word>(lists: &[Naive], block: usize) -> Result<Option<Found>, PairOverflow> {
        let base = lists.iter().flatten().map(|((key, _), _)| *key).min().unwrap_or(0);
        let (mut words, mut sums) = (Words::<W>::default(), Sums::default());
        if !push(&mut words, base, lists, block) {
            if !words.refit() {
                return Ok(None);
            }
            assert!(push(&mut words, base, lists, block));
        }
        let mut found = Found::new();
        words.each_key(&mut sums, |key, once, more| {
            assert!(once.is_sorted() && more.is_sorted_by_key(|sum| sum.song));
            let once = once.iter().map(|song| Ranked { song: *song, count: 1 });
            let mut songs: Vec<Ranked> = once.chain(more.iter().copied()).collect();
            songs.sort_unstable_by_key(|sum| sum.song);
            found.push((key, songs));
        })?;
        Ok(Some(found))
    }

    fn obvious(lists: &[Naive]) -> Found {
        let mut sums = Naive::new();
        for (position, count) in lists.iter().flatten() {
            *sums.entry(*position).or_default() += count;
        }
        let entries: Vec<Entry> = batch_of(&sums).iter().collect();
        let keys = entries.chunk_by(|one, two| one.key == two.key);
        let ranked = |entry: &Entry| Ranked { song: entry.song, count: entry.count };
        keys.map(|key| (key[0].key, key.iter().map(ranked).collect())).collect()
    }

    #[test]
    fn ids_up_to_the_limit_take_words_of_128_bits() {
        let ends =
            Naive::from([((0, 0), 1), ((0, MAX_ID), 2), ((MAX_ID, 0), 1), ((MAX_ID, MAX_ID), 1)]);
        let lists = [ends.clone(), ends];
        assert_eq!(merge::<u64>(&lists, 9), Ok(None));
        assert_eq!(merge::<u128>(&lists, 9), Ok(Some(obvious(&lists))));
    }

    #[test]
    fn keys_further_apart_than_words_hold_are_packed_anew() {
        let most = (1 << 24) - 1;
        let lists = |distance: u64| {
            [Naive::from([((5, 1), 1), ((5 + distance, 1), 2)]), Naive::from([((5, 2), 1)])]
        };
        let fits = |distance| push(&mut Words::<u64>::default(), 5, &lists(distance), 9);
        // One distance less than the key's bits allow: the word after a key's last one must exist, too.
        assert_eq!([fits(most - 1), fits(most), fits(1 << 40)], [true, false, false]);
        for distance in [most - 1, most, most + 1, 1 << 40, (1 << 56) - 1] {
            let lists = lists(distance);
            assert_eq!(merge::<u64>(&lists, 9), Ok(Some(obvious(&lists))), "{distance}");
        }
    }

    #[test]
    fn words_know_their_number_and_what_would_fit_them() {
        let mut words = Words::<u128>::default();
        assert_eq!((words.is_empty(), words.len()), (true, 0));
        assert!(push(&mut words, 3, &[Naive::from([((3, 1), 1), ((3, 2), 1)])], 9));
        assert_eq!((words.is_empty(), words.len()), (false, 2));
        assert!(words.would_fit::<u64>() && words.would_fit::<u128>());
        assert!(push(&mut words, 0, &[Naive::from([((MAX_ID, 1), 1)])], 9));
        assert!(!words.would_fit::<u64>() && words.would_fit::<u128>());
    }

    #[test]
    fn a_sum_up_to_the_limit_is_exact_and_beyond_it_an_error() {
        let of = |count| Naive::from([((3, 5), 1), ((7, 9), count)]);
        let lists = [of(MAX_ID - 2), of(1), of(1)];
        assert_eq!(merge::<u64>(&lists, 9), Ok(Some(obvious(&lists))));
        let over = Err(PairOverflow { key: 7, song: 9 });
        assert_eq!(merge::<u64>(&[of(MAX_ID - 2), of(1), of(2)], 9), over);
        assert_eq!(merge::<u64>(&[of(MAX_ID), of(MAX_ID), of(MAX_ID)], 9), over);
    }

    #[test]
    fn a_key_with_more_songs_than_a_chunk_is_separated_whole() {
        let list = |step: u64| (0..3000).map(|at| ((4, at * step), 1 + at % 50 / 49)).collect();
        let lists: [Naive; 3] = [list(1), list(2), list(3)];
        assert_eq!(merge::<u64>(&lists, MAX_ENTRIES), Ok(Some(obvious(&lists))));
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_the_obvious_program(
            lists in prop::collection::vec(
                prop::collection::btree_map(
                    (prop_oneof![0u64..9, any::<u64>().prop_map(|id| id >> 40)],
                     prop_oneof![0u64..20, any::<u64>().prop_map(|id| id >> 30)]),
                    prop_oneof![Just(1u64), 1u64..200, any::<u64>().prop_map(|count| (count >> 5) | 1)], 0..60),
                0..9),
            block in 1usize..90,
        ) {
            prop_assert_eq!(merge::<u64>(&lists, block), Ok(Some(obvious(&lists))));
            prop_assert_eq!(merge::<u128>(&lists, block), Ok(Some(obvious(&lists))));
        }
    }
}
