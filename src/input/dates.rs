//! Finds a log's day in its name and the names of its folders.
//!
//! Pure functions over names. A date in a name is `YYYYMMDD`, alone or followed by 2, 4 or 6 digits of a time,
//! `YYYY-MM-DD` or `YYYY_MM_DD`, with no digit on either side, and a day of the calendar from 1970 to 2199. UUIDs and
//! runs of 16 or more hexadecimal digits hold no date.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Component, Path};

use crate::model::Day;

/// The dates that decide which day a file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dates {
    /// No date.
    #[default]
    None,
    /// One date, any number of times.
    One(Day),
    /// Different dates: the first two.
    Two(Day, Day),
}

/// The dates in the names of the folders above a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// The dates of the innermost dated folder.
    dates: Dates,
    trail: Trail,
}

/// The start of a date that is spread over several folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Trail {
    #[default]
    None,
    Year(Style, i16),
    Month(Style, i16, i8),
}

/// How such folders are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `2021/12/01`
    Bare,
    /// `year=2021/month=12/day=1`
    Keyed,
}

impl Place {
    /// The place of the files in a folder, by the folder's own name alone; the folders above it count for a date that
    /// is spread over several folders.
    pub(super) fn of_folder(folder: &Path) -> Place {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let names: Vec<&[u8]> = absolute
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.as_encoded_bytes(),
                _ => b"",
            })
            .collect();
        let Some((own, above)) = names.split_last() else { return Place::default() };
        let above = above.get(above.len().saturating_sub(2)..).unwrap_or_default();
        let above = above.iter().fold(Place::default(), |place, name| place.enter(name));
        Place { dates: Dates::None, ..above }.enter(own)
    }

    /// The place one folder further in.
    pub(super) fn enter(self, name: &[u8]) -> Place {
        let (dates, trail) = match (dates_in(name), self.trail) {
            (Dates::None, trail) => match trail.go_on(name) {
                (Some(day), trail) => (Dates::One(day), trail),
                (None, trail) => (self.dates, trail),
            },
            (dates, _) => (dates, Trail::None),
        };
        Place { dates, trail }
    }

    /// The dates of the innermost dated folder.
    pub(super) fn dates(self) -> Dates {
        self.dates
    }

    /// The dates of a file in this place: its own name's, or otherwise those of the innermost dated folder.
    pub(super) fn dates_of(self, name: &[u8]) -> Dates {
        match dates_in(name) {
            Dates::None => self.day_of_month(name).map_or(self.dates, Dates::One),
            dates => dates,
        }
    }

    /// The date of `01.log` in `2021/12`.
    fn day_of_month(self, name: &[u8]) -> Option<Day> {
        let Trail::Month(Style::Bare, year, month) = self.trail else { return None };
        let number = name.split(|byte| *byte == b'.').next()?;
        Day::new(year, month, number_of(Style::Bare, b"", number)?)
    }
}

/// Whether no folder is between a file and the innermost dated folder that it is in, if it is in one.
pub(super) fn is_right_in_day_folder(file: &Path) -> bool {
    let is_dated = |folder: &Path| Place::of_folder(folder).dates() != Dates::None;
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut folders = absolute.ancestors().skip(1);
    folders.next().is_none_or(is_dated) || !folders.any(is_dated)
}

impl Trail {
    /// The day that ends with this name, and what a folder below may go on with.
    fn go_on(self, name: &[u8]) -> (Option<Day>, Trail) {
        for style in [Style::Bare, Style::Keyed] {
            if let Some(year) = year_of(style, name) {
                return (None, Trail::Year(style, year));
            }
        }
        match self {
            Trail::Year(style, year) => {
                let month =
                    number_of(style, b"month=", name).filter(|month| (1..=12).contains(month));
                (None, month.map_or(Trail::None, |month| Trail::Month(style, year, month)))
            }
            Trail::Month(style, year, month) => {
                let day = number_of(style, b"day=", name);
                (day.and_then(|day| Day::new(year, month, day)), Trail::None)
            }
            Trail::None => (None, Trail::None),
        }
    }
}

fn year_of(style: Style, name: &[u8]) -> Option<i16> {
    let digits = match style {
        Style::Bare => name,
        Style::Keyed => name.strip_prefix(b"year=")?,
    };
    let year = number(digits).filter(|_| digits.len() == 4)?;
    i16::try_from(year).ok().filter(|year| (1970..=2199).contains(year))
}

/// Two digits; after a key, one is enough.
fn number_of(style: Style, key: &[u8], name: &[u8]) -> Option<i8> {
    let (digits, least) = match style {
        Style::Bare => (name, 2),
        Style::Keyed => (name.strip_prefix(key)?, 1),
    };
    let fits = (least..=2).contains(&digits.len());
    i8::try_from(number(digits).filter(|_| fits)?).ok()
}

fn number(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|_| digits.iter().all(u8::is_ascii_digit))
}

/// Text that looks like a date in a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sighting {
    at: Range<usize>,
    /// Between year, month and day.
    separator: &'static str,
    /// Whether a time follows.
    time: bool,
    /// `None` if the calendar has no such day.
    day: Option<Day>,
}

/// The dates in a name.
pub(super) fn dates_in(name: &[u8]) -> Dates {
    let mut days = sightings(name).filter_map(|sighting| sighting.day);
    let Some(first) = days.next() else { return Dates::None };
    days.find(|day| *day != first).map_or(Dates::One(first), |second| Dates::Two(first, second))
}

/// The dates that version 0.1 saw in a name: eight digits or `YYYY-MM-DD`, without a digit on either side, also in unique
/// ids.
pub(super) fn dates_before(name: &[u8]) -> Dates {
    let numbers: Vec<&[u8]> = name.split(|byte| !byte.is_ascii_digit()).collect();
    let day_of = |digits: &[u8]| {
        let part = |at: Range<usize>| digits.get(at).and_then(number);
        let year = i16::try_from(part(0..4)?).ok()?;
        Day::new(year, i8::try_from(part(4..6)?).ok()?, i8::try_from(part(6..8)?).ok()?)
    };
    // Where each number ends, so that the dashes around it can be seen.
    let mut end = 0;
    let dashed = |end: usize| name.get(end) == Some(&b'-');
    let mut days = numbers.iter().enumerate().filter_map(|(at, run)| {
        end += run.len() + usize::from(at > 0);
        match (run.len(), numbers.get(at + 1), numbers.get(at + 2)) {
            (8, ..) => day_of(run),
            (4, Some(month), Some(day))
                if month.len() == 2 && day.len() == 2 && dashed(end) && dashed(end + 3) =>
            {
                day_of(&[*run, *month, *day].concat())
            }
            _ => None,
        }
    });
    let Some(first) = days.next() else { return Dates::None };
    days.find(|day| *day != first).map_or(Dates::One(first), |second| Dates::Two(first, second))
}

/// Text that looks like a date in a name but is not a day of the calendar.
pub(super) fn unreal_date_in(name: &[u8]) -> Option<String> {
    let unreal = sightings(name).find(|sighting| sighting.day.is_none())?;
    Some(String::from_utf8_lossy(name.get(unreal.at)?).into_owned())
}

/// The name before the date at its end, and the separator between the two, which may be empty.
pub(super) fn without_date(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let last = sightings(name).last()?;
    let before =
        name.get(..last.at.start).filter(|_| last.at.end == name.len() && last.day.is_some())?;
    let separators = before.last().is_some_and(|byte| b"-_.".contains(byte));
    before.split_at_checked(before.len() - usize::from(separators))
}

/// A pattern that takes the first of several dates in a name, and any text for the others.
pub(super) fn pattern_of(name: &[u8]) -> String {
    let (mut pattern, mut from, mut first) = (String::new(), 0, None);
    let add = |pattern: &mut String, range: Range<usize>| {
        *pattern += &escaped(&String::from_utf8_lossy(name.get(range).unwrap_or_default()));
    };
    for Sighting { at, separator, time, day } in sightings(name).filter(|found| found.day.is_some())
    {
        add(&mut pattern, from..at.start);
        if *first.get_or_insert(day) == day {
            // Writing to a string cannot fail.
            let _ = write!(pattern, "%Y{separator}%m{separator}%d{}", if time { "*" } else { "" });
        } else {
            pattern.push('*');
        }
        from = at.end;
    }
    add(&mut pattern, from..name.len());
    pattern
}

/// The text as a pattern that matches it alone.
pub(super) fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' => pattern.push_str("%%"),
            '*' | '?' | '[' => {
                pattern.extend(['[', letter, ']']);
            }
            _ => pattern.push(letter),
        }
    }
    pattern
}

/// Every text that looks like a date in a name, from left to right.
fn sightings(name: &[u8]) -> impl Iterator<Item = Sighting> {
    let name = without_ids(name);
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(start) = name.get(at..)?.iter().position(u8::is_ascii_digit) {
            let start = at + start;
            at = start + digits(name.get(start..)?);
            if let Some(sighting) = sighting_at(&name, start) {
                at = sighting.at.end;
                return Some(sighting);
            }
        }
        None
    })
}

/// The date that starts with the maximal run of digits at `start`.
fn sighting_at(name: &[u8], start: usize) -> Option<Sighting> {
    let rest = name.get(start..)?;
    let run = digits(rest);
    let (separator, length) = match (run, rest.get(run)) {
        (8 | 10 | 12 | 14, _) => ("", run),
        (4, Some(b'-')) => ("-", 10),
        (4, Some(b'_')) => ("_", 10),
        _ => return None,
    };
    let parts = |range| number(rest.get(range)?);
    let width = separator.len();
    let (month, day) = (4 + width..6 + width, 6 + 2 * width..8 + 2 * width);
    let bounded = width == 0
        || rest.get(7) == rest.get(4)
            && digits(rest.get(month.clone())?) == 2
            && digits(rest.get(day.start..)?) == 2;
    let year = i16::try_from(parts(0..4)?).ok().filter(|year| (1970..=2199).contains(year))?;
    if !bounded || width == 0 && !is_time(rest.get(8..run)?) {
        return None;
    }
    let day = i8::try_from(parts(month)?).ok().zip(i8::try_from(parts(day)?).ok());
    let day = day.and_then(|(month, day)| Day::new(year, month, day));
    Some(Sighting { at: start..start + length, separator, time: length > 8 && width == 0, day })
}

/// Whether these are pairs of digits that hour, minute and second may have.
fn is_time(text: &[u8]) -> bool {
    let limits = [24, 60, 60];
    text.chunks(2).zip(limits).all(|(pair, limit)| number(pair).is_some_and(|pair| pair < limit))
}

/// Number of digits at the start.
fn digits(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// The name with `x` for each byte of a UUID and of a run of 16 or more hexadecimal digits.
fn without_ids(name: &[u8]) -> Cow<'_, [u8]> {
    let mut name = Cow::Borrowed(name);
    let mut at = 0;
    while let Some(rest) = name.get(at..).filter(|rest| !rest.is_empty()) {
        let run = hex_digits(rest);
        let length = uuid(rest).or((run >= 16).then_some(run));
        if let Some(id) = length.and_then(|length| name.to_mut().get_mut(at..at + length)) {
            id.fill(b'x');
        }
        at += length.unwrap_or(run).max(1);
    }
    name
}

/// The length of the UUID at the start, where no hexadecimal digit is before it.
fn uuid(text: &[u8]) -> Option<usize> {
    let mut end = 0;
    for (part, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if part > 0 {
            text.get(end).filter(|byte| **byte == b'-')?;
            end += 1;
        }
        if hex_digits(text.get(end..)?) != length {
            return None;
        }
        end += length;
    }
    Some(end)
}

fn hex_digits(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(dates: Dates) -> String {
        match dates {
            Dates::None => "none".to_owned(),
            Dates::One(day) => day.to_string(),
            Dates::Two(one, other) => format!("{one} or {other}"),
        }
    }

    #[test]
    fn a_date_is_eight_digits_with_a_time_or_none_or_has_dashes_or_underscores() {
        for (name, expected) in [
            ("20211201", "2021-12-01"),
            ("a20211201b", "2021-12-01"),
            ("2021120113.log", "2021-12-01"),
            ("202112011359", "2021-12-01"),
            ("20211201235959", "2021-12-01"),
            ("2021120124", "none"),
            ("202112012360", "none"),
            ("20211201235960", "none"),
            ("120211201", "none"),
            ("202112010", "none"),
            ("2021120", "none"),
            ("2021-12-01", "2021-12-01"),
            ("2021_12_01", "2021-12-01"),
            ("2021-12_01", "none"),
            ("12021-12-01", "none"),
            ("2021-12-011", "none"),
            ("2021-12-01-02", "2021-12-01"),
            ("02-2021-12-01", "2021-12-01"),
            ("2020-2021-12-01", "2021-12-01"),
            ("2021-12-01T10", "2021-12-01"),
            ("2021--12-01", "none"),
            ("2021-1-01", "none"),
            ("2021-1201", "none"),
            ("202112-01", "none"),
            ("2021-02-29", "none"),
            ("2024-02-29", "2024-02-29"),
            ("19691231", "none"),
            ("19700101", "1970-01-01"),
            ("21991231", "2199-12-31"),
            ("22000101", "none"),
            ("1638316800", "none"),
            ("99999999 20211201 00000000", "2021-12-01"),
            ("20211201 2021-12-01 20211201", "2021-12-01"),
            ("2021-12-01_20211202", "2021-12-01 or 2021-12-02"),
            ("２０２１１２０１", "none"),
        ] {
            assert_eq!(shown(dates_in(format!("{name}.log.gz").as_bytes())), expected, "{name}");
        }
        assert_eq!(shown(dates_in(b"\xff20211201\xff")), "2021-12-01");
    }

    #[test]
    fn unique_ids_hold_no_date() {
        for (name, expected) in [
            ("part-1-19870315-9f2c-4d11-8a77-aabbccddeeff-c000.txt", "none"),
            ("part-1-19870315-9F2C-4D11-8A77-AABBCCDDEEFF-20211201", "2021-12-01"),
            ("19870315-9f2c-4d11-8a77-aabbccddeef-c000", "1987-03-15"),
            ("a19870315-9f2c-4d11-8a77-aabbccddeeff", "1987-03-15"),
            ("0123456789abcdef", "none"),
            ("cafe20211201cafe.log", "none"),
            ("caf20211201cafe.log", "2021-12-01"),
            ("0123456789abcdef0123-20211201", "2021-12-01"),
        ] {
            assert_eq!(shown(dates_in(name.as_bytes())), expected, "{name}");
        }
    }

    #[test]
    fn the_file_s_own_name_decides_and_then_the_innermost_dated_folder() {
        for (path, expected) in [
            ("d/listen-20211201.log", "2021-12-01"),
            ("2021-12-01/part.log", "2021-12-01"),
            ("2021-12-01/2021-12-02.log", "2021-12-02"),
            ("2021-12-01/20211301.log", "2021-12-01"),
            ("2021-12-01/sub/part.log", "2021-12-01"),
            ("export-2021-12-08/2021-12-01/hour=00/part-0", "2021-12-01"),
            ("2021-12-01-2021-12-02/part.log", "2021-12-01 or 2021-12-02"),
            ("2021-12-01-2021-12-02/20211203.log", "2021-12-03"),
            ("2021/12/01/part-0", "2021-12-01"),
            ("2021/12/01.log", "2021-12-01"),
            ("2021/12/01.log.1.gz", "2021-12-01"),
            ("2021/12/01", "2021-12-01"),
            ("2021/12/01-b.log", "none"),
            ("2021/1/01.log", "none"),
            ("2021/02/30/a.log", "none"),
            ("2021/13/01/a.log", "none"),
            ("2021/web/12/01/a.log", "none"),
            ("2021/2021/12/01/web/a.log", "2021-12-01"),
            ("2021/12/01/13/a.log", "2021-12-01"),
            ("year=2021/month=12/day=1/part-0", "2021-12-01"),
            ("year=2021/month=12/day=01/hour=00/part-0", "2021-12-01"),
            ("year=2021/12/01/part-0", "none"),
            ("month=12/day=1/part-0", "none"),
            ("day=2021-12-01/part-0", "2021-12-01"),
            ("2021-12-05/2021/12/01/a.log", "2021-12-01"),
            ("listen.log", "none"),
        ] {
            let mut names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
            let file = names.pop().unwrap();
            let place = names.iter().fold(Place::default(), |place, name| place.enter(name));
            assert_eq!(shown(place.dates_of(file)), expected, "{path}");
        }
    }

    #[test]
    fn a_folder_by_itself_counts_by_its_own_name_and_those_that_its_date_is_spread_over() {
        for (folder, expected) in [
            ("/d/2021-12-01", "2021-12-01"),
            ("/2021-12-01/sub", "none"),
            ("/d/2021/12/01", "2021-12-01"),
            ("/2021-12-05/12/01", "none"),
            ("/", "none"),
            ("/2021-12-01/..", "none"),
        ] {
            assert_eq!(shown(Place::of_folder(Path::new(folder)).dates), expected, "{folder}");
        }
    }

    #[test]
    fn what_is_not_a_day_of_the_calendar_is_named() {
        let unreal = |name: &str| unreal_date_in(name.as_bytes());
        assert_eq!(unreal("listen-20210229.log").as_deref(), Some("20210229"));
        assert_eq!(unreal("listen-2021-13-01.log").as_deref(), Some("2021-13-01"));
        assert_eq!(unreal("listen-20211201.log"), None);
        assert_eq!(unreal("listen-99999999.log"), None);
    }

    #[test]
    fn a_name_of_two_dates_gets_a_pattern_that_takes_the_first() {
        for (name, pattern) in [
            ("listen-20211201-20211202.log", "listen-%Y%m%d-*.log"),
            ("2021-12-01T00_2021-12-02T00.gz", "%Y-%m-%dT00_*T00.gz"),
            ("50%[a]-2021120100-2021120200", "50%%[[]a]-%Y%m%d*-*"),
        ] {
            assert_eq!(pattern_of(name.as_bytes()), pattern);
        }
    }
}
