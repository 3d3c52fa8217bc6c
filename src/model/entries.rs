//! Rows and entries, and their columns.

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
    /// Behind every place that an entry can have.
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
    /// Count of each entry, 1 to [`MAX_ID`].
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

    /// How many entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
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

    /// Adds the entries `range` of `other` at the end; a range beyond its end adds nothing.
    pub fn extend_from(&mut self, other: &Batch, range: std::ops::Range<usize>) {
        self.keys.extend_from_slice(other.keys.get(range.clone()).unwrap_or_default());
        self.songs.extend_from_slice(other.songs.get(range.clone()).unwrap_or_default());
        self.counts.extend_from_slice(other.counts.get(range).unwrap_or_default());
    }

    /// The entries one by one: for tests and small things, not for the hot path.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let pairs = self.keys.iter().zip(&self.songs).zip(&self.counts);
        pairs.map(|((&key, &song), &count)| Entry { key, song, count })
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
    /// Song ids, at most [`MAX_ID`].
    pub songs: Vec<u64>,
    /// User ids, at most [`MAX_ID`].
    pub users: Vec<u64>,
    /// Country numbers, below [`Country::COUNT`].
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

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.songs.len()
    }

    /// Whether there is none.
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
