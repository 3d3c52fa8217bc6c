//! The generator's options and their valid values.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::songs::Catalogue;
use crate::error::{ErrorKind, Result};
use crate::model::Day;

/// Maximum users and maximum songs, because their numbers have 32 bits.
const MAX_NUMBERS: u64 = 1 << 32;

/// Which logs to write, and where.
///
/// The same options give the same bytes on any machine. A day's bytes depend on `rows`, `users`, `songs`, `corrupt`,
/// `seed`, `shape` and the day alone, so further days can be added later.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Lines in each log, with the corrupt lines.
    pub rows: u64,
    /// Logs, one a day, at least 1.
    pub days: u32,
    /// Users in all, 1 to 2^32; about a quarter of them listens on one day.
    pub users: u64,
    /// Songs in all, 8 to 2^32.
    pub songs: u64,
    /// Share of corrupt lines, 0 to 1.
    pub corrupt: f64,
    /// Selects one of 2^64 worlds of users and songs.
    pub seed: u64,
    /// The first log's day.
    pub first_day: Day,
    /// How the rows are distributed.
    pub shape: Shape,
    /// The folder of the logs; created if it is absent.
    pub folder: PathBuf,
    /// Replace existing logs.
    pub force: bool,
}

impl Options {
    /// A week of a million rows a day, from ten million users and six and a half million songs. One row in 2,000 is
    /// corrupt.
    ///
    /// With 30 million rows instead, a day of these users and songs has 2.5 million distinct users, 4.2 million songs,
    /// 16.2 million (country, song) and 27.5 million (user, song) pairs.
    #[must_use]
    pub fn new(first_day: Day, folder: PathBuf) -> Self {
        Options {
            rows: 1_000_000,
            days: 7,
            users: 10_000_000,
            songs: 6_500_000,
            corrupt: 0.0005,
            seed: 1,
            first_day,
            shape: Shape::Normal,
            folder,
            force: false,
        }
    }

    /// The days, in order.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a value that is not valid; it names the flag.
    pub(super) fn check(&self) -> Result<Vec<Day>> {
        let refuse = |text: String| Err(ErrorKind::Usage(text).into());
        if !(1..=MAX_NUMBERS).contains(&self.users) {
            return refuse(format!("--users {} is not 1 to {MAX_NUMBERS}", self.users));
        }
        if !(Catalogue::MIN_SONGS..=MAX_NUMBERS).contains(&self.songs) {
            let min = Catalogue::MIN_SONGS;
            return refuse(format!("--songs {} is not {min} to {MAX_NUMBERS}", self.songs));
        }
        if !(0.0..=1.0).contains(&self.corrupt) {
            return refuse(format!("--corrupt {} is not a ratio from 0 to 1", self.corrupt));
        }
        let pairs = self.users.saturating_mul(self.songs);
        if self.shape == Shape::Distinct && self.rows > pairs {
            let rows = self.rows;
            return refuse(format!(
                "--rows {rows} exceeds the {pairs} pairs of user and song; raise --users or --songs"
            ));
        }
        let last = i64::from(self.days) - 1;
        let days = (0..=last).map_while(|offset| self.first_day.plus_days(offset));
        let days: Vec<_> = days.collect();
        if days.is_empty() || days.len() as u64 != u64::from(self.days) {
            return refuse(format!("--days {} is not 1 or more days up to 2199-12-31", self.days));
        }
        Ok(days)
    }
}

/// How the rows of a log are distributed: as in real logs, or in a way that is hard on a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// As in real logs.
    #[default]
    Normal,
    /// One user has all rows.
    OneUser,
    /// No pair of user and song occurs twice; users and songs are equally frequent.
    Distinct,
    /// One user has a third of all rows.
    HotUser,
    /// All users live in one country.
    OneCountry,
    /// Ids go up to 2^63 - 1.
    WideIds,
    /// Ids are 1, 2, 3, …
    DenseIds,
    /// A thousand users have all rows.
    FewUsers,
    /// Rows come sorted by user.
    Sorted,
    /// All rows are corrupt.
    Corrupt,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 10] = [
        Shape::Normal,
        Shape::OneUser,
        Shape::Distinct,
        Shape::HotUser,
        Shape::OneCountry,
        Shape::WideIds,
        Shape::DenseIds,
        Shape::FewUsers,
        Shape::Sorted,
        Shape::Corrupt,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Shape::Normal => "normal",
            Shape::OneUser => "one-user",
            Shape::Distinct => "distinct",
            Shape::HotUser => "hot-user",
            Shape::OneCountry => "one-country",
            Shape::WideIds => "wide-ids",
            Shape::DenseIds => "dense-ids",
            Shape::FewUsers => "few-users",
            Shape::Sorted => "sorted",
            Shape::Corrupt => "corrupt",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that is not the name of a [`Shape`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a shape: {names}", names = Shape::ALL.map(Shape::name).join(", "))]
pub struct NoShape(pub String);

impl FromStr for Shape {
    type Err = NoShape;

    fn from_str(text: &str) -> Result<Self, NoShape> {
        let named = |shape: &Shape| shape.name() == text;
        Shape::ALL.into_iter().find(named).ok_or_else(|| NoShape(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new("2021-12-01".parse().unwrap(), PathBuf::from("logs"))
    }

    fn refusal(options: Options) -> String {
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn the_days_follow_one_another() {
        let first_day = "2021-12-30".parse().unwrap();
        let days = Options { days: 3, first_day, ..options() }.check().unwrap();
        let days: Vec<_> = days.iter().map(Day::to_string).collect();
        assert_eq!(days, ["2021-12-30", "2021-12-31", "2022-01-01"]);
    }

    #[test]
    fn a_value_that_is_not_valid_is_refused_by_its_flag() {
        let usual = options();
        let late = "2199-12-31".parse().unwrap();
        let pairs = Options { users: 10, songs: 10, shape: Shape::Distinct, ..usual.clone() };
        for (options, text) in [
            (Options { users: 0, ..usual.clone() }, "--users 0 is not 1 to 4294967296"),
            (Options { songs: 7, ..usual.clone() }, "--songs 7 is not 8 to 4294967296"),
            (Options { corrupt: 1.5, ..usual.clone() }, "--corrupt 1.5 is not a ratio from 0 to 1"),
            (
                Options { corrupt: f64::NAN, ..usual.clone() },
                "--corrupt NaN is not a ratio from 0 to 1",
            ),
            (
                Options { days: 0, ..usual.clone() },
                "--days 0 is not 1 or more days up to 2199-12-31",
            ),
            (
                Options { first_day: late, ..usual.clone() },
                "--days 7 is not 1 or more days up to 2199-12-31",
            ),
            (
                Options { rows: 101, ..pairs.clone() },
                "--rows 101 exceeds the 100 pairs of user and song; raise --users or --songs",
            ),
        ] {
            assert_eq!(refusal(options), text);
        }
        assert!(Options { rows: 100, ..pairs }.check().is_ok());
    }

    #[test]
    fn every_shape_is_found_by_its_name() {
        for shape in Shape::ALL {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        let error = "round".parse::<Shape>().unwrap_err().to_string();
        assert!(error.starts_with("'round' is not a shape: normal, one-user, "), "{error}");
    }
}
