//! The vocabulary that every stage shares: days, countries, ids, rows and entries, and *the* order.
//!
//! Nothing here reads, writes or allocates more than it is told to. Stages exchange **batches**
//! (columns of thousands of values), never single rows behind a virtual call.
//!
//! **The order.** Entries are sorted by key, then by song, both numerically. A key is a user id or a
//! [`Country`]'s number, which follows the alphabet; so "sorted" means the same in both runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest id and the largest count: a BIGINT in every database (2^63 - 1).
pub const MAX_ID: u64 = i64::MAX as u64;

/// A calendar day between 1970-01-01 and 2199-12-31; shown as `YYYY-MM-DD`.
///
/// ```
/// use agg::Day;
/// let day: Day = "2021-12-01".parse().unwrap();
/// assert_eq!(day.plus_days(-1).unwrap().to_string(), "2021-11-30");
/// assert!("2021-02-30".parse::<Day>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(jiff::civil::Date);

/// A text that is no calendar day of 1970 to 2199 written `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a day: write YYYY-MM-DD, between 1970-01-01 and 2199-12-31")]
pub struct NoDay(pub String);

impl Day {
    /// The day of year, month and day of the month, if the calendar has it between 1970 and 2199.
    #[must_use]
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        let in_range = (1970..=2199).contains(&year);
        jiff::civil::Date::new(year, month, day).ok().filter(|_| in_range).map(Day)
    }

    /// Year, month and day of the month.
    #[must_use]
    pub fn parts(self) -> (i16, i8, i8) {
        (self.0.year(), self.0.month(), self.0.day())
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn since_1970(self) -> u64 {
        let since = self.0.duration_since(jiff::civil::date(1970, 1, 1));
        since.as_hours().unsigned_abs() / 24
    }

    /// The day `days` later (or earlier, when negative), unless that leaves 1970 to 2199.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Option<Self> {
        let moved = self.0.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
        Day::new(moved.year(), moved.month(), moved.day())
    }

    /// The `count` days that end on this one, oldest first; days before 1970 are left out.
    #[must_use]
    pub fn window(self, count: u32) -> Vec<Day> {
        (0..i64::from(count)).rev().filter_map(|back| self.plus_days(-back)).collect()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let refuse = || NoDay(text.to_owned());
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(refuse());
        }
        let number = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse().ok());
        let year = text.get(0..4).and_then(|t| t.parse().ok()).ok_or_else(refuse)?;
        let month = number(5..7).ok_or_else(refuse)?;
        let day = number(8..10).ok_or_else(refuse)?;
        Day::new(year, month, day).ok_or_else(refuse)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Two capital letters, as a number that follows the alphabet: `AA` is 0, `ZZ` is 675.
///
/// Whether a code is officially assigned is the business of the row parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(u16);

impl Country {
    /// How many codes of two capitals there are.
    pub const COUNT: u16 = 26 * 26;

    /// The country of two bytes, if both are capitals `A` to `Z`.
    #[must_use]
    pub const fn from_letters(first: u8, second: u8) -> Option<Self> {
        if first.is_ascii_uppercase() && second.is_ascii_uppercase() {
            Some(Country((first - b'A') as u16 * 26 + (second - b'A') as u16))
        } else {
            None
        }
    }

    /// The country of a number below [`Country::COUNT`].
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < Self::COUNT as u64 {
            #[expect(clippy::cast_possible_truncation, reason = "below 676, checked above")]
            Some(Country(number as u16))
        } else {
            None
        }
    }

    /// The number, which is also this country's key in a run.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The two letters.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "both quotient and rest are below 26")]
    pub const fn letters(self) -> [u8; 2] {
        [b'A' + (self.0 / 26) as u8, b'A' + (self.0 % 26) as u8]
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.letters();
        write!(f, "{}{}", char::from(first), char::from(second))
    }
}

/// Which of the two runs of a day: what its keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Keys are user ids.
    User,
    /// Keys are [`Country`] numbers.
    Country,
}

impl Kind {
    /// Both, in the order in which a partial holds them.
    pub const ALL: [Kind; 2] = [Kind::User, Kind::Country];

    /// The word for one key of this kind, as it stands in file names and messages.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Country => "country",
        }
    }

    /// A key as people know it: `user 7`, `country FR`.
    #[must_use]
    pub fn describe(self, key: u64) -> String {
        match (self, Country::from_number(key)) {
            (Kind::Country, Some(country)) => format!("country {country}"),
            _ => format!("{} {key}", self.noun()),
        }
    }
}

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

/// Why a row is corrupt. The order is the order of the checks: the first that fails is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// More than 4,096 bytes.
    TooLong,
    /// Nothing, or nothing but spaces and tabs.
    Blank,
    /// Not exactly two `|`.
    FieldCount,
    /// The first field is no id.
    SongId,
    /// The second field is no id.
    UserId,
    /// The third field is no country.
    Country,
}

impl RejectReason {
    /// All of them, in the order of the checks; the position is the index in [`RejectCounts`].
    pub const ALL: [RejectReason; 6] = [
        RejectReason::TooLong,
        RejectReason::Blank,
        RejectReason::FieldCount,
        RejectReason::SongId,
        RejectReason::UserId,
        RejectReason::Country,
    ];

    /// The name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RejectReason::TooLong => "too_long",
            RejectReason::Blank => "blank",
            RejectReason::FieldCount => "field_count",
            RejectReason::SongId => "song_id",
            RejectReason::UserId => "user_id",
            RejectReason::Country => "country",
        }
    }
}

/// Rejected rows by reason, indexed as [`RejectReason::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RejectCounts(pub [u64; RejectReason::ALL.len()]);

impl RejectCounts {
    /// All rejected rows.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// One more of `reason`.
    pub fn count(&mut self, reason: RejectReason) {
        if let Some(slot) = self.0.get_mut(reason as usize) {
            *slot = slot.saturating_add(1);
        }
    }

    /// Adds the other's counts.
    pub fn add(&mut self, other: &RejectCounts) {
        for (slot, count) in self.0.iter_mut().zip(other.0) {
            *slot = slot.saturating_add(count);
        }
    }

    /// Name and count of each reason, in the order of the checks.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        RejectReason::ALL.iter().zip(self.0).map(|(reason, count)| (reason.name(), count))
    }
}

/// What is known of one input log once it was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFacts {
    /// Base name in bytes as the file system has it (`-` for standard input).
    pub name: Vec<u8>,
    /// Bytes of the file as it lies on disk (of the stream, for standard input).
    pub size: u64,
    /// Modification time in nanoseconds since 1970 (0 for standard input).
    pub modified_ns: i64,
    /// XXH3-128 over the little-endian XXH3-128s of its decompressed 1-MiB pieces, in order.
    pub digest: u128,
    /// Rows in it, corrupt ones too.
    pub rows: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_number_follows_the_alphabet_and_gives_its_letters_back() {
        let mut last = None;
        for first in b'A'..=b'Z' {
            for second in b'A'..=b'Z' {
                let country = Country::from_letters(first, second).unwrap();
                assert_eq!(country.letters(), [first, second]);
                assert_eq!(Country::from_number(u64::from(country.number())), Some(country));
                assert!(last < Some(country));
                last = Some(country);
            }
        }
        assert_eq!(Country::from_number(676), None);
        assert_eq!(Country::from_letters(b'a', b'B'), None);
    }

    #[test]
    fn a_window_is_oldest_first_and_stops_at_1970() {
        let day: Day = "1970-01-02".parse().unwrap();
        let days: Vec<_> = day.window(7).iter().map(Day::to_string).collect();
        assert_eq!(days, ["1970-01-01", "1970-01-02"]);
    }

    #[test]
    fn days_are_numbered_from_1970() {
        let number = |day: &str| day.parse::<Day>().unwrap().since_1970();
        assert_eq!([number("1970-01-01"), number("1970-01-02")], [0, 1]);
        assert_eq!([number("2021-12-01"), number("2199-12-31")], [18_962, 84_005]);
    }

    #[test]
    fn only_the_calendar_of_1970_to_2199_is_a_day() {
        for good in ["1970-01-01", "2199-12-31", "2024-02-29"] {
            assert_eq!(good.parse::<Day>().unwrap().to_string(), good);
        }
        for bad in
            ["1969-12-31", "2200-01-01", "2023-02-29", "2024-2-29", "20240229", "", "２024-02-29"]
        {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
