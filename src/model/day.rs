//! Calendar days.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// A text that is not a calendar day of 1970 to 2199 written `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a day; write YYYY-MM-DD, from 1970-01-01 to 2199-12-31")]
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

    /// The `count` days that end on this one, oldest first; without days before 1970.
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

#[cfg(test)]
mod tests {
    use super::*;

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
