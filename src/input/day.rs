//! Which day a log is of, as its name tells.
//!
//! A date in a name is a run of exactly eight digits (`YYYYMMDD`), or `YYYY-MM-DD` with no digit
//! before or behind it, that is a calendar day of 1970 to 2199; all other digits are ignored. A
//! file's own name decides; only if it holds no date, its folder's name does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::paths::{InputPath, InputPaths};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Day;

/// The day of a log: of its base name, or if that holds no date, of its folder's name.
///
/// A bare name stands in the current folder, whose name then counts.
///
/// ```
/// use std::path::Path;
/// let day = |path| agg::input::day_of(Path::new(path)).map(|day| day.to_string());
/// assert_eq!(day("/logs/listen-20211201.log.gz").unwrap(), "2021-12-01");
/// assert_eq!(day("/logs/sample_listen-2021-12-01_2Mlines/part-1.log").unwrap(), "2021-12-01");
/// assert!(day("/logs/listen-20211301.log").is_err());
/// ```
///
/// # Errors
/// [`ErrorKind::NoDate`], or [`ErrorKind::TwoDates`] if the deciding name holds different ones.
pub fn day_of(path: &Path) -> Result<Day> {
    if let Some(day) = day_in_name_of(path)? {
        return Ok(day);
    }
    let absolute = std::path::absolute(path).ok();
    let folder = absolute.as_deref().and_then(Path::parent);
    let day = folder.map(day_in_name_of).transpose().map_err(|error| error.at(path))?;
    day.flatten().ok_or_else(|| Error::from(ErrorKind::NoDate).at(path))
}

/// The one day that all inputs are of.
///
/// # Errors
/// As [`day_of`], standard input having no date; [`ErrorKind::TwoDates`] at the first input of
/// another day; [`ErrorKind::NoDate`] if there are no inputs.
pub fn day_of_inputs(inputs: &InputPaths) -> Result<Day> {
    let mut first: Option<Day> = None;
    for input in inputs.iter() {
        let day = match input {
            InputPath::File { .. } => day_of(&input.path())?,
            InputPath::StandardInput => {
                return Err(Error::from(ErrorKind::NoDate).at(input.path()));
            }
        };
        let known = *first.get_or_insert(day);
        if known != day {
            return Err(Error::from(ErrorKind::TwoDates(known, day)).at(input.path()));
        }
    }
    first.ok_or_else(|| ErrorKind::NoDate.into())
}

/// The date in the last component of a path, if it holds one.
pub(super) fn day_in_name_of(path: &Path) -> Result<Option<Day>> {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    day_in(name).map_err(|error| error.at(path))
}

/// The date in a name, if it holds one.
fn day_in(name: &[u8]) -> Result<Option<Day>> {
    let mut found: Option<Day> = None;
    let mut rest = name;
    while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
        rest = rest.get(start..).unwrap_or_default();
        if let Some(day) = date_at(rest) {
            let known = *found.get_or_insert(day);
            if known != day {
                return Err(ErrorKind::TwoDates(known, day).into());
            }
        }
        let (_, behind) = split_digits(rest);
        rest = behind;
    }
    Ok(found)
}

/// The date that starts with the maximal run of digits at the start of `text`.
fn date_at(text: &[u8]) -> Option<Day> {
    let (run, rest) = split_digits(text);
    let digits = match run.len() {
        8 => run.to_vec(),
        4 => {
            let (month, rest) = split_digits(rest.strip_prefix(b"-")?);
            let (day, _) = split_digits(rest.strip_prefix(b"-")?);
            if month.len() != 2 || day.len() != 2 {
                return None;
            }
            [run, month, day].concat()
        }
        _ => return None,
    };
    let digits = std::str::from_utf8(&digits).ok()?;
    Day::new(
        digits.get(..4)?.parse().ok()?,
        digits.get(4..6)?.parse().ok()?,
        digits.get(6..)?.parse().ok()?,
    )
}

/// The digits at the start, and what is behind them.
fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(path: &str) -> String {
        match day_of(Path::new(path)) {
            Ok(day) => day.to_string(),
            Err(error) => match error.kind() {
                ErrorKind::NoDate => "none".to_owned(),
                ErrorKind::TwoDates(one, other) => format!("{one} or {other}"),
                _ => panic!("{error}"),
            },
        }
    }

    #[test]
    fn the_base_name_decides_and_the_folder_only_without_a_date_there() {
        for (path, expected) in [
            ("/d/listen-20211201.log", "2021-12-01"),
            ("/d/sample_listen-2021-12-01_2Mlines.log", "2021-12-01"),
            ("/d/sample_listen-2021-12-01_2Mlines/part-1.log", "2021-12-01"),
            ("/2021-12-01/2021-12-02.log", "2021-12-02"),
            ("/2021-12-01/20211301.log", "2021-12-01"),
            ("/2021-12-01/sub/part.log", "none"),
            ("/2021-12-01-2021-12-02/part.log", "2021-12-01 or 2021-12-02"),
            ("/2021-12-01-2021-12-02/20211203.log", "2021-12-03"),
            ("/d/2021-12-01_20211201.log", "2021-12-01"),
            ("/d/2021-12-01_20211202.log", "2021-12-01 or 2021-12-02"),
            ("/d/20211202-2021-12-01.log", "2021-12-02 or 2021-12-01"),
            ("/d/listen.log", "none"),
            ("/", "none"),
            ("20211201/../part.log", "none"),
        ] {
            assert_eq!(day(path), expected, "{path}");
        }
    }

    #[test]
    fn only_eight_digits_or_dashes_between_non_digits_are_a_date() {
        for (name, expected) in [
            ("20211201", "2021-12-01"),
            ("a20211201b", "2021-12-01"),
            ("120211201", "none"),
            ("202112010", "none"),
            ("2021120", "none"),
            ("2021-12-01", "2021-12-01"),
            ("12021-12-01", "none"),
            ("2021-12-011", "none"),
            ("2021-12-01-02", "2021-12-01"),
            ("02-2021-12-01", "2021-12-01"),
            ("2020-2021-12-01", "2021-12-01"),
            ("2021-12-01T10", "2021-12-01"),
            ("2021--12-01", "none"),
            ("2021-1-01", "none"),
            ("2021_12_01", "none"),
            ("2021-1201", "none"),
            ("202112-01", "none"),
            ("2021-02-29", "none"),
            ("2024-02-29", "2024-02-29"),
            ("19691231", "none"),
            ("19700101", "1970-01-01"),
            ("21991231", "2199-12-31"),
            ("22000101", "none"),
            ("99999999 20211201 00000000", "2021-12-01"),
            ("20211201 2021-12-01 20211201", "2021-12-01"),
            ("２０２１１２０１", "none"),
        ] {
            let path = format!("/d/{name}.log.gz");
            assert_eq!(day(&path), expected, "{name}");
        }
        let bytes = OsStr::from_bytes(b"\xff20211201\xff");
        assert_eq!(day_of(Path::new(bytes)).unwrap().to_string(), "2021-12-01");
    }

    #[test]
    fn inputs_of_a_run_agree_on_their_day() {
        let of = |paths: &[&str]| {
            let inputs = crate::input::tests::inputs(paths);
            day_of_inputs(&inputs).map_or_else(|e| e.to_string(), |day| day.to_string())
        };
        let dated = "name the day with --date YYYY-MM-DD";
        assert_eq!(of(&["/a/20211201", "/2021-12-01/part.log"]), "2021-12-01");
        assert_eq!(
            of(&["/a/20211201", "/a/20211202"]),
            format!("\"/a/20211202\": two dates, 2021-12-01 and 2021-12-02: {dated}")
        );
        let none = "no date in its name or in its folder's name";
        assert_eq!(of(&["/a/20211201", "-"]), format!("\"-\": {none}: {dated}"));
        assert_eq!(of(&[]), format!("{none}: {dated}"));
    }

    #[test]
    fn a_bare_name_stands_in_the_current_folder() {
        let here = std::env::current_dir().unwrap();
        let expected = day_of(&here.join("part.log")).map(|day| day.to_string()).ok();
        assert_eq!(day_of(Path::new("part.log")).map(|day| day.to_string()).ok(), expected);
    }
}
