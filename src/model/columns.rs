//! What separates the fields of a row, and which field is which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The byte between two fields of a row: ASCII, and not a byte of a field or a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delimiter(u8);

impl Delimiter {
    /// `|`, the usual one.
    pub const PIPE: Delimiter = Delimiter(b'|');

    /// Takes ASCII except letters, digits, quotes (`"`), NUL, LF and CR.
    #[must_use]
    pub const fn new(byte: u8) -> Option<Self> {
        let is_data = byte.is_ascii_alphanumeric() || matches!(byte, b'"' | 0 | b'\n' | b'\r');
        if byte.is_ascii() && !is_data { Some(Delimiter(byte)) } else { None }
    }

    /// The byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }
}

/// As it is typed: the character, `\t`, or `\xNN` for any other that a terminal or a shell's quotes do not show.
impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("\\t"),
            b'\'' | b'\\' | ..b' ' | 0x7f.. => write!(f, "\\x{:02x}", self.0),
            byte => write!(f, "{}", char::from(byte)),
        }
    }
}

/// A text that is not a [`Delimiter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a delimiter; give one ASCII character that is not a letter, a digit or a quote, \\t for a tab, or \\xNN for any byte"
)]
pub struct NoDelimiter;

impl FromStr for Delimiter {
    type Err = NoDelimiter;

    fn from_str(text: &str) -> Result<Self, NoDelimiter> {
        let byte = match (text.as_bytes(), text.strip_prefix("\\x")) {
            ([byte], _) => Some(*byte),
            (b"\\t", _) => Some(b'\t'),
            // `from_str_radix` would take a sign.
            (_, Some(digits)) if digits.len() == 2 && !digits.starts_with('+') => {
                u8::from_str_radix(digits, 16).ok()
            }
            _ => None,
        };
        byte.and_then(Delimiter::new).ok_or(NoDelimiter)
    }
}

/// One of the fields that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The song's id.
    Song,
    /// The user's id.
    User,
    /// The country's code.
    Country,
}

impl Column {
    /// All of them, in the usual order.
    pub const ALL: [Column; 3] = [Column::Song, Column::User, Column::Country];

    /// The usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Column::Song => "sng_id",
            Column::User => "user_id",
            Column::Country => "country",
        }
    }

    /// The column that a name stands for, in a header or in `--columns`. Case, `_`, `-` and spaces do not matter, nor does
    /// a pair of quotes around the name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        let bare = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\""));
        let letters = bare.unwrap_or(name).iter().filter(|byte| !b"_- ".contains(byte));
        let letters: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
        match letters.as_slice() {
            b"sngid" | b"songid" | b"song" | b"trackid" => Some(Column::Song),
            b"userid" | b"user" => Some(Column::User),
            b"country" | b"countrycode" => Some(Column::Country),
            _ => None,
        }
    }
}

/// The number of fields of a row, and which of them are the song, the user and the country; the others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Columns {
    fields: u8,
    /// Places of [`Column::ALL`].
    places: [u8; 3],
}

impl Columns {
    /// `sng_id`, `user_id`, `country`.
    pub const USUAL: Columns = Columns { fields: 3, places: [0, 1, 2] };

    /// Maximum fields of a row.
    pub const MAX_FIELDS: u8 = 64;

    /// A row of `fields` fields, with the places of song, user and country, from 0. The places are distinct and below
    /// `fields`.
    #[must_use]
    pub fn new(fields: u8, places: [u8; 3]) -> Option<Self> {
        let [song, user, country] = places;
        let differ = song != user && user != country && song != country;
        let fit = fields <= Self::MAX_FIELDS && places.iter().all(|place| *place < fields);
        (differ && fit).then_some(Columns { fields, places })
    }

    /// Number of fields of a row.
    #[must_use]
    pub const fn fields(self) -> u8 {
        self.fields
    }

    /// Places of song, user and country, from 0.
    #[must_use]
    pub const fn places(self) -> [u8; 3] {
        self.places
    }

    /// Place of a column, from 0.
    #[must_use]
    pub const fn place(self, column: Column) -> u8 {
        self.places[column as usize]
    }

    /// The column at a place; none for a field that is ignored.
    #[must_use]
    pub fn at(self, place: u8) -> Option<Column> {
        Column::ALL.into_iter().find(|column| self.place(*column) == place)
    }
}

/// As it is typed: `user_id,sng_id,_,country`.
impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (0..self.fields).map(|place| self.at(place).map_or("_", Column::name));
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

/// A text that is not a list of [`Columns`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoColumns {
    /// A name that is not a column's.
    #[error(
        "'{0}' is not a column; name sng_id, user_id and country, and write _ for a field to ignore"
    )]
    Unknown(String),
    /// A column twice.
    #[error("{} is named twice", .0.name())]
    Twice(Column),
    /// A column that is not there.
    #[error("{} is missing", .0.name())]
    Missing(Column),
    /// More fields than a row may have.
    #[error("more than {} fields", Columns::MAX_FIELDS)]
    TooMany,
}

impl FromStr for Columns {
    type Err = NoColumns;

    fn from_str(text: &str) -> Result<Self, NoColumns> {
        let mut places = [None; 3];
        let mut fields = 0;
        for name in text.split(',') {
            if fields == Self::MAX_FIELDS {
                return Err(NoColumns::TooMany);
            }
            if name.trim() != "_" {
                let column = Column::named(name.as_bytes());
                let column = column.ok_or_else(|| NoColumns::Unknown(name.to_owned()))?;
                if places[column as usize].replace(fields).is_some() {
                    return Err(NoColumns::Twice(column));
                }
            }
            fields += 1;
        }
        let place = |column: Column| places[column as usize].ok_or(NoColumns::Missing(column));
        let [song, user, country] = Column::ALL.map(place);
        Ok(Columns { fields, places: [song?, user?, country?] })
    }
}

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_read_as_it_is_shown_and_cannot_be_a_byte_of_a_field() {
        let mut shown = Vec::new();
        for byte in 0..=u8::MAX {
            let Some(delimiter) = Delimiter::new(byte) else { continue };
            assert_eq!(delimiter.to_string().parse(), Ok(delimiter), "{byte}");
            shown.push(byte);
        }
        assert_eq!(shown.len(), 128 - 62 - 4);
        let typed =
            [(",", b','), (";", b';'), ("\\t", b'\t'), ("\t", b'\t'), ("\\x01", 1), (" ", b' ')];
        for (text, byte) in typed {
            assert_eq!(text.parse(), Ok(Delimiter(byte)), "{text:?}");
        }
        let wrong =
            ["", "a", "7", "\"", ",,", "é", "\\n", "\\x0a", "\\x00", "\\x80", "\\x+1", "\\x1"];
        for text in wrong {
            assert_eq!(text.parse::<Delimiter>(), Err(NoDelimiter), "{text:?}");
        }
    }

    #[test]
    fn columns_are_read_as_they_are_shown() {
        let columns: Columns = "user_id,sng_id,_,country".parse().unwrap();
        assert_eq!((columns.fields(), columns.places()), (4, [1, 0, 3]));
        assert_eq!(
            [0, 1, 2, 3].map(|place| columns.at(place).map(Column::name)),
            [Some("user_id"), Some("sng_id"), None, Some("country")]
        );
        assert_eq!(columns.to_string(), "user_id,sng_id,_,country");
        assert_eq!(Columns::USUAL.to_string().parse(), Ok(Columns::USUAL));
        assert_eq!(
            "_ , COUNTRY-code,User Id,songId".parse::<Columns>().unwrap().places(),
            [3, 2, 1]
        );
    }

    #[test]
    fn columns_that_are_not_valid_are_refused_by_name() {
        let refusal = |text: &str| text.parse::<Columns>().unwrap_err().to_string();
        assert_eq!(
            refusal("sng_id,title,user_id,country"),
            "'title' is not a column; name sng_id, user_id and country, and write _ for a field to ignore"
        );
        assert_eq!(refusal("sng_id,user_id,song,country"), "sng_id is named twice");
        assert_eq!(refusal("sng_id,user_id,_"), "country is missing");
        let many = |ignored: usize| format!("sng_id,user_id,country{}", ",_".repeat(ignored));
        assert!(many(61).parse::<Columns>().is_ok());
        assert_eq!(refusal(&many(62)), "more than 64 fields");
        for (fields, places) in [(3, [0, 1, 1]), (3, [0, 1, 3]), (65, [0, 1, 2]), (0, [0, 1, 2])] {
            assert_eq!(Columns::new(fields, places), None);
        }
    }

    #[test]
    fn a_column_is_known_by_its_usual_names_in_any_case() {
        for (column, names) in [
            (Column::Song, ["sng_id", "song_id", "SongID", " song ", "\"track-id\""]),
            (Column::User, ["user_id", "userId", "USER", "User Id", "\"user\""]),
            (
                Column::Country,
                ["country", "Country", "country_code", "countryCode", "COUNTRY CODE"],
            ),
        ] {
            for name in names {
                assert_eq!(Column::named(name.as_bytes()), Some(column), "{name}");
            }
        }
        for name in ["", "_", "id", "title", "\"", "1", "songs", "user_name"] {
            assert_eq!(Column::named(name.as_bytes()), None, "{name}");
        }
    }
}
