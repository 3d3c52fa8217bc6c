//! The kinds of key: what a day is counted by, and all that depends on it.
//!
//! Code that treats kinds alike iterates over [`Kind::ALL`], and keeps a value for each in a [`PerKind`]. Code that
//! needs a decision for each kind matches on it without a wildcard: a new kind then does not compile until every decision
//! is made. Everything else that depends on the kind is a method of [`Kind`].

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Serialize, Serializer};

use super::{Country, MAX_ID};

/// The kind of a run's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Keys are user ids.
    User,
    /// Keys are [`Country`] numbers.
    Country,
}

/// How many songs a key has in a window, which decides how its best songs are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SongLists {
    /// Tens of songs: all of them are merged and compared.
    Short,
    /// Up to millions of songs: nearly all of them can be skipped.
    Long,
}

/// A key as text: what names it in files, tables and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyText {
    /// Decimal digits without leading zeros; a number where types matter.
    Number(u64),
    /// A few characters; a string where types matter.
    Code(Code),
}

/// Up to eight ASCII characters, none of which needs quoting in CSV or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    bytes: [u8; 8],
    length: usize,
}

/// A text that is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {}: write {how}", kind.noun())]
pub struct BadKey {
    kind: Kind,
    how: &'static str,
}

impl Kind {
    /// Number of kinds; the match reminds you to count a new kind, and so to add it to [`Kind::ALL`].
    const COUNT: usize = match Kind::User {
        Kind::User | Kind::Country => 2,
    };

    /// All kinds, in the order in which a partial holds their runs: the kind with the most keys first.
    pub const ALL: [Kind; Kind::COUNT] = [Kind::User, Kind::Country];

    /// The kind whose run is made from the rows themselves.
    pub const FIRST: Kind = Kind::ALL[0];

    /// The kind whose run follows; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Kind> {
        Kind::ALL.get(self as usize + 1).copied()
    }

    /// All kinds, in the order in which their files are written: the small file first, so that a full disk or a damaged
    /// block is noticed early.
    pub fn in_output_order() -> impl DoubleEndedIterator<Item = Kind> + Clone {
        Kind::ALL.into_iter().rev()
    }

    /// The word for one key of this kind, in file names and messages.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Country => "country",
        }
    }

    /// The word for its keys, in reports and as a field of JSON.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::User => "users",
            Kind::Country => "countries",
        }
    }

    /// The column of its keys in a table.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Kind::User => "user_id",
            Kind::Country => "country",
        }
    }

    /// The largest key there can be.
    #[must_use]
    pub const fn max_key(self) -> u64 {
        match self {
            Kind::User => MAX_ID,
            Kind::Country => Country::COUNT as u64 - 1,
        }
    }

    /// The usual number of songs of its keys.
    #[must_use]
    pub const fn song_lists(self) -> SongLists {
        match self {
            Kind::User => SongLists::Short,
            Kind::Country => SongLists::Long,
        }
    }

    /// Whether all its keys are written as codes, not as numbers.
    #[must_use]
    pub const fn has_codes(self) -> bool {
        matches!(self.key_text(0), KeyText::Code(_))
    }

    /// A key as text. A number above [`Kind::max_key`], which no checked run has, shows as that number.
    #[must_use]
    #[inline]
    pub const fn key_text(self, key: u64) -> KeyText {
        match self {
            Kind::User => KeyText::Number(key),
            Kind::Country => match Country::from_number(key) {
                Some(country) => KeyText::Code(Code::new(&country.letters())),
                None => KeyText::Number(key),
            },
        }
    }

    /// The key that a text names.
    ///
    /// # Errors
    /// [`BadKey`], which says what to write instead.
    pub fn parse_key(self, text: &str) -> Result<u64, BadKey> {
        let (key, how) = match self {
            Kind::User => {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let id = text.parse().ok().filter(|id| digits && *id <= MAX_ID);
                (id, "an id of digits, at most 9223372036854775807")
            }
            Kind::Country => {
                let country = match *text.as_bytes() {
                    [first, second] => Country::from_letters(first, second),
                    _ => None,
                };
                (country.map(|country| u64::from(country.number())), "two capitals, like FR")
            }
        };
        key.ok_or(BadKey { kind: self, how })
    }

    /// A key in a sentence: `user 7`, `country FR`.
    #[must_use]
    pub fn describe(self, key: u64) -> String {
        format!("{} {}", self.noun(), self.key_text(key))
    }
}

impl Code {
    /// The code of these bytes, cut at eight.
    const fn new(text: &[u8]) -> Self {
        let (mut bytes, mut length) = ([0; 8], 0);
        while length < text.len() && length < bytes.len() {
            bytes[length] = text[length];
            length += 1;
        }
        Code { bytes, length }
    }

    /// Its characters, then zeros.
    #[must_use]
    pub const fn padded(self) -> [u8; 8] {
        self.bytes
    }

    /// Number of characters.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a code is never empty")]
    pub const fn len(self) -> usize {
        self.length
    }

    /// Its characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // `new` sets a length of at most eight.
        &self.bytes[..self.length]
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyText::Number(number) => number.fmt(f),
            KeyText::Code(code) => code.as_bytes().escape_ascii().fmt(f),
        }
    }
}

/// A value for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerKind<T>([T; Kind::COUNT]);

impl<T> PerKind<T> {
    /// The result of `make` for each kind.
    pub fn new(make: impl FnMut(Kind) -> T) -> Self {
        PerKind(Kind::ALL.map(make))
    }

    /// The result of `make` for each kind, unless a call fails.
    ///
    /// # Errors
    /// The first error of `make`.
    pub fn try_new<E>(mut make: impl FnMut(Kind) -> Result<T, E>) -> Result<Self, E> {
        let mut made = Vec::with_capacity(Kind::COUNT);
        for kind in Kind::ALL {
            made.push(make(kind)?);
        }
        let mut made = made.into_iter();
        // One for each of `Kind::ALL`.
        Ok(PerKind::new(|_| made.next().unwrap_or_else(|| unreachable!("a value for each kind"))))
    }

    /// The result of `change` for each value.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerKind<U> {
        PerKind(self.0.map(&mut change))
    }

    /// Each kind with its value, in the order of [`Kind::ALL`].
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Kind, &T)> {
        Kind::ALL.into_iter().zip(&self.0)
    }

    /// As [`PerKind::iter`], to change the values.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (Kind, &mut T)> {
        Kind::ALL.into_iter().zip(&mut self.0)
    }

    /// The values, in the order of [`Kind::ALL`].
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The values as an array, in the order of [`Kind::ALL`].
    pub fn into_array(self) -> [T; Kind::COUNT] {
        self.0
    }
}

/// From values in the order of [`Kind::ALL`].
impl<T> From<[T; Kind::COUNT]> for PerKind<T> {
    fn from(values: [T; Kind::COUNT]) -> Self {
        PerKind(values)
    }
}

impl<T> Index<Kind> for PerKind<T> {
    type Output = T;

    fn index(&self, kind: Kind) -> &T {
        // There is a value for each kind, and kinds are numbered from 0 in the order of `Kind::ALL`.
        &self.0[kind as usize]
    }
}

impl<T> IndexMut<Kind> for PerKind<T> {
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

/// A map with the [plural](Kind::plural) of each kind as its key.
impl<T: Serialize> Serialize for PerKind<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(kind, value)| (kind.plural(), value)))
    }
}

/// Kinds are numbered in the order of [`Kind::ALL`].
const _: () = {
    let mut at = 0;
    while at < Kind::COUNT {
        assert!(Kind::ALL[at] as usize == at);
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_key_of_each_kind_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            for key in [0, kind.max_key()] {
                let text = kind.key_text(key);
                assert_eq!(kind.parse_key(&text.to_string()), Ok(key));
                assert_eq!(matches!(text, KeyText::Code(_)), kind.has_codes());
            }
            assert!(kind.parse_key("").is_err() && kind.parse_key("-1").is_err());
            let beyond = kind.key_text(kind.max_key() + 1).to_string();
            assert!(kind.parse_key(&beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused_with_what_to_write() {
        let refusal = |kind: Kind, text| kind.parse_key(text).unwrap_err().to_string();
        for text in ["", "+7", "7 ", "9223372036854775808"] {
            let expected = "not a user: write an id of digits, at most 9223372036854775807";
            assert_eq!(refusal(Kind::User, text), expected);
        }
        for text in ["", "F", "fr", "FRA", "É"] {
            assert_eq!(refusal(Kind::Country, text), "not a country: write two capitals, like FR");
        }
    }

    #[test]
    fn keys_are_described_by_their_kind() {
        assert_eq!(Kind::User.describe(7), "user 7");
        assert_eq!(Kind::Country.describe(0), "country AA");
        assert_eq!(Kind::Country.describe(676), "country 676");
    }

    #[test]
    fn values_are_found_by_their_kind_and_named_by_it_in_json() {
        let mut nouns = PerKind::new(Kind::noun);
        assert!(Kind::ALL.into_iter().all(|kind| nouns[kind] == kind.noun()));
        nouns[Kind::Country] = "land";
        assert_eq!(
            serde_json::to_string(&nouns).unwrap(),
            r#"{"users":"user","countries":"land"}"#
        );
        let refused = |kind| if kind == Kind::Country { Err("no") } else { Ok(1) };
        assert_eq!(PerKind::try_new(refused), Err("no"));
        assert_eq!(PerKind::try_new(|kind| Ok::<_, ()>(kind.noun())), Ok(PerKind::new(Kind::noun)));
    }

    #[test]
    fn the_small_file_is_written_first() {
        let order: Vec<Kind> = Kind::in_output_order().collect();
        assert_eq!(order, [Kind::Country, Kind::User]);
    }
}
