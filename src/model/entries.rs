//! Rows and entries, their columns, and the one view of columns of entries.

use std::ops::Range;

/// A song and its streams, as a ranking holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranked {
    /// Song id.
    pub song: u64,
    /// Streams.
    pub count: u64,
}

/// A place in the order: everything from here on is at or after this key and song.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// User id or country number.
    pub key: u64,
    /// Song id.
    pub song: u64,
}

impl Position {
    /// The first place of all.
    pub const FIRST: Position = Position { key: 0, song: 0 };
    /// After every place that an entry can have.
    pub const END: Position = Position { key: u64::MAX, song: u64::MAX };
}

/// How often the song was listened to under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// User id or country number.
    pub key: u64,
    /// Song id.
    pub song: u64,
    /// Streams, at least 1.
    pub count: u64,
}

/// Entries as three columns of equal length (24 bytes an entry).
///
/// Between stages a batch is sorted by (key, song) and holds every pair once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Key of each entry, ascending.
    pub keys: Vec<u64>,
    /// Song of each entry, ascending within a key.
    pub songs: Vec<u64>,
    /// Count of each entry, 1 to `MAX_ID`.
    pub counts: Vec<u64>,
}

impl Batch {
    /// An empty batch with room for `entries`.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Batch {
            keys: Vec::with_capacity(entries),
            songs: Vec::with_capacity(entries),
            counts: Vec::with_capacity(entries),
        }
    }

    /// Makes room for exactly `more` entries.
    pub fn reserve(&mut self, more: usize) {
        for column in [&mut self.keys, &mut self.songs, &mut self.counts] {
            column.reserve_exact(more);
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Drops the entries, keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.songs.clear();
        self.counts.clear();
    }

    /// Adds one entry at the end.
    pub fn push(&mut self, entry: Entry) {
        self.keys.push(entry.key);
        self.songs.push(entry.song);
        self.counts.push(entry.count);
    }

    /// A view of all entries.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        Entries { keys: &self.keys, songs: &self.songs, counts: &self.counts }
    }

    /// Adds the entries `range` of `other` at the end.
    ///
    /// # Panics
    /// As [`Entries::slice`].
    pub fn extend_from(&mut self, other: &Batch, range: Range<usize>) {
        let more = other.entries().slice(range);
        self.keys.extend_from_slice(more.keys);
        self.songs.extend_from_slice(more.songs);
        self.counts.extend_from_slice(more.counts);
    }

    /// The entries one by one: for tests and short batches, not for the hot path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        let pairs = self.keys.iter().zip(&self.songs).zip(&self.counts);
        pairs.map(|((&key, &song), &count)| Entry { key, song, count })
    }
}

/// A view of columns of entries: of a [`Batch`], or of a part of it.
///
/// Methods that search for a key or a position rely on the order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entries<'a> {
    /// Key of each entry.
    pub keys: &'a [u64],
    /// Song of each entry.
    pub songs: &'a [u64],
    /// Count of each entry.
    pub counts: &'a [u64],
}

/// The songs of one key with their counts, by song: columns of equal length.
#[derive(Debug, Clone, Copy, Default)]
pub struct SongCounts<'a> {
    /// Songs, ascending.
    pub songs: &'a [u64],
    /// Count of each song.
    pub counts: &'a [u64],
}

impl<'a> Entries<'a> {
    /// Number of entries.
    #[must_use]
    pub const fn len(self) -> usize {
        self.keys.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.keys.is_empty()
    }

    /// The entries `range`.
    ///
    /// # Panics
    /// If there are fewer: otherwise the caller's mistake would be a short answer that looks whole.
    #[must_use]
    #[inline]
    pub fn slice(self, range: Range<usize>) -> Self {
        Entries {
            keys: &self.keys[range.clone()],
            songs: &self.songs[range.clone()],
            counts: &self.counts[range],
        }
    }

    /// Where the first entry is; `None` if there is no entry.
    #[must_use]
    pub fn first(self) -> Option<Position> {
        let (key, song) = self.keys.first().zip(self.songs.first())?;
        Some(Position { key: *key, song: *song })
    }

    /// Where the last entry is; `None` if there is no entry.
    #[must_use]
    pub fn last(self) -> Option<Position> {
        let (key, song) = self.keys.last().zip(self.songs.last())?;
        Some(Position { key: *key, song: *song })
    }

    /// Number of entries before `position`. Cost: the logarithm of their number.
    #[must_use]
    pub fn lower_bound(self, position: Position) -> usize {
        let below = self.keys.partition_point(|key| *key < position.key);
        let same = self.keys[below..].partition_point(|key| *key == position.key);
        let songs = &self.songs[below..below + same];
        below + songs.partition_point(|song| *song < position.song)
    }

    /// The count at a position; 0 if there is no entry. Cost: as [`Entries::lower_bound`].
    #[must_use]
    pub fn count_at(self, position: Position) -> u64 {
        let rest = self.slice(self.lower_bound(position)..self.len());
        if rest.first() == Some(position) { rest.counts[0] } else { 0 }
    }

    /// Number of entries at the start that have `key`. Cost: the logarithm of their number.
    #[must_use]
    #[inline]
    pub fn length_of(self, key: u64) -> usize {
        // In steps that double, then by halving: lists are short or very long.
        let mut known = 0;
        let mut step = 4;
        while self.keys.get(known + step - 1) == Some(&key) {
            known += step;
            step *= 2;
        }
        let end = self.keys.len().min(known + step);
        known + self.keys[known..end].partition_point(|next| *next == key)
    }

    /// Each key with its songs.
    pub fn by_key(self) -> impl Iterator<Item = (u64, SongCounts<'a>)> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let rest = self.slice(start..self.len());
            let key = *rest.keys.first()?;
            let length = rest.length_of(key);
            start += length;
            Some((key, rest.slice(0..length).songs()))
        })
    }

    /// Songs and counts of entries that have one key.
    #[must_use]
    pub const fn songs(self) -> SongCounts<'a> {
        SongCounts { songs: self.songs, counts: self.counts }
    }
}

impl<'a> SongCounts<'a> {
    /// Number of songs.
    #[must_use]
    pub const fn len(self) -> usize {
        self.songs.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.songs.is_empty()
    }

    /// The songs `range`.
    ///
    /// # Panics
    /// As [`Entries::slice`].
    #[must_use]
    #[inline]
    pub fn slice(self, range: Range<usize>) -> Self {
        SongCounts { songs: &self.songs[range.clone()], counts: &self.counts[range] }
    }

    /// The count of a song; 0 if it is not there. Cost: the logarithm of the number of songs.
    #[must_use]
    pub fn count_of(self, song: u64) -> u64 {
        match self.songs.binary_search(&song) {
            Ok(at) => self.counts[at],
            Err(_) => 0,
        }
    }

    /// Each song with its count.
    pub fn iter(self) -> impl Iterator<Item = (u64, u64)> + 'a {
        self.songs.iter().copied().zip(self.counts.iter().copied())
    }
}

impl Extend<Entry> for Batch {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(entry));
    }
}

impl FromIterator<Entry> for Batch {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut batch = Batch::default();
        batch.extend(entries);
        batch
    }
}

/// Accepted rows as three columns of equal length (18 bytes a row), in the order of the log.
#[derive(Debug, Clone, Default)]
pub struct RowBatch {
    /// Song ids, at most `MAX_ID`.
    pub songs: Vec<u64>,
    /// User ids, at most `MAX_ID`.
    pub users: Vec<u64>,
    /// Country numbers, below `Country::COUNT`.
    pub countries: Vec<u16>,
}

impl RowBatch {
    /// Rows in one batch: 18 bytes each, so that a batch stays in the second-level cache.
    pub const ROWS: usize = 4096;

    /// An empty batch with room for [`RowBatch::ROWS`].
    #[must_use]
    pub fn new() -> Self {
        RowBatch {
            songs: Vec::with_capacity(Self::ROWS),
            users: Vec::with_capacity(Self::ROWS),
            countries: Vec::with_capacity(Self::ROWS),
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.songs.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.songs.is_empty()
    }

    /// Drops the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.songs.clear();
        self.users.clear();
        self.countries.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Naive, batch_of};

    fn runs() -> impl Strategy<Value = Naive> {
        // Lists of up to some hundred songs, so that keys are found in steps and by halving.
        prop::collection::btree_map((0u64..6, 0u64..400), 1u64..9, 0..300)
    }

    proptest! {
        #[test]
        fn entries_are_found_by_position_and_by_key(run in runs(), key in 0u64..7, song in 0u64..401) {
            let batch = batch_of(&run);
            let entries = batch.entries();
            let before = run.range(..(key, song)).count();
            prop_assert_eq!(entries.lower_bound(Position { key, song }), before);
            let found: Vec<Entry> = entries
                .by_key()
                .flat_map(|(key, songs)| songs.iter().map(move |(song, count)| Entry { key, song, count }))
                .collect();
            prop_assert_eq!(found, batch.iter().collect::<Vec<_>>());
            for (key, songs) in entries.by_key() {
                prop_assert!(!songs.is_empty());
                let count = run.get(&(key, song)).copied().unwrap_or(0);
                prop_assert_eq!(songs.count_of(song), count);
                prop_assert_eq!(entries.count_at(Position { key, song }), count);
            }
            let keys: Vec<u64> = entries.by_key().map(|(key, _)| key).collect();
            prop_assert!(keys.is_sorted_by(|one, two| one < two));
        }
    }

    #[test]
    fn a_run_of_equal_keys_is_measured_whatever_its_length() {
        for length in 0..200 {
            let mut batch: Batch =
                (0..length).map(|song| Entry { key: 7, song, count: 1 }).collect();
            assert_eq!(batch.entries().length_of(7) as u64, length);
            batch.extend((0..3).map(|song| Entry { key: 8, song, count: 1 }));
            assert_eq!(batch.entries().length_of(7) as u64, length);
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_range_beyond_the_end_is_not_a_short_answer() {
        let batch: Batch = [Entry { key: 1, song: 1, count: 1 }].into_iter().collect();
        let _ = batch.entries().slice(0..2);
    }
}
