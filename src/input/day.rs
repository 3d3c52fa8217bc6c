//! Which day a log is of, as its name tells.
//!
//! A date in a name is a run of exactly eight digits (`YYYYMMDD`), or `YYYY-MM-DD` with no digit
//! before or behind it, that is a calendar day of 1970 to 2199; all other digits are ignored. A
//! file's own name decides; only if it holds no date, its folder's name does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::paths::{InputPath, is_hidden, is_log_name, logs_in, refuse_twins, stat_input};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType};
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
pub fn day_of_inputs(inputs: &[InputPath]) -> Result<Day> {
    let mut first: Option<Day> = None;
    for input in inputs {
        let day = match input {
            InputPath::File(path) => day_of(path)?,
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
fn day_in_name_of(path: &Path) -> Result<Option<Day>> {
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

/// The logs of a folder by day.
#[derive(Debug)]
pub struct DatedLogs {
    /// The days, ascending.
    pub days: Vec<DatedDay>,
    /// Entries of the folder that were passed over, each with the reason, in byte order of names.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// A day and its logs.
#[derive(Debug)]
pub struct DatedDay {
    /// The day.
    pub day: Day,
    /// Its logs in byte order of their names, those of a folder in its place; at least one. Or why
    /// the day cannot be reduced, which is no concern of the other days.
    pub inputs: Result<Vec<InputPath>>,
}

/// Finds the logs in a folder, and in the dated folders right in it, and groups them by day.
///
/// An entry counts by its own name, not by the name of `folder`. A file in a dated folder that
/// holds a date in its own name is of that day; otherwise it is of its folder's. Hidden entries are
/// left out without a word, and so is what is no log within a dated folder. Every other entry that
/// is not taken is in [`DatedLogs::passed_over`]: one without a date, with two different ones, a
/// dated file that is not named as a log, a dated folder without logs.
///
/// A log given twice within a day (say, compressed and not), a broken link, a folder that may not
/// be read, a file with two dates within a dated folder: each is an error of its day alone, because
/// the day without it would be a short one.
///
/// # Errors
/// [`ErrorKind::Missing`] or [`ErrorKind::Unreadable`] for `folder` itself; [`ErrorKind::NoLogs`] if
/// there is no log in it, dated or not.
pub fn find_days(files: &dyn FileSystem, folder: &Path) -> Result<DatedLogs> {
    if stat_input(files, folder)?.file_type != FileType::Folder {
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(Error::from(ErrorKind::Unreadable(error)).at(folder));
    }
    let entries = files.list(folder).map_err(|e| super::paths::unreadable(e).at(folder))?;
    let mut found = Found::default();
    for (name, _) in entries.iter().filter(|(name, _)| !is_hidden(name)) {
        found.add_entry(files, folder.join(name));
    }
    if found.days.is_empty() && !found.undated_log {
        return Err(Error::from(ErrorKind::NoLogs).at(folder));
    }
    let days = found.days.into_iter().map(|(day, inputs)| {
        let checked = inputs.and_then(|inputs| refuse_twins(files, &inputs).map(|()| inputs));
        DatedDay { day, inputs: checked }
    });
    Ok(DatedLogs { days: days.collect(), passed_over: found.passed_over })
}

/// What was found so far.
#[derive(Default)]
struct Found {
    days: BTreeMap<Day, Result<Vec<InputPath>>>,
    passed_over: Vec<(PathBuf, String)>,
    /// Whether a log was passed over: then the folder is not one without logs.
    undated_log: bool,
}

impl Found {
    /// Sorts one visible entry of the folder in.
    fn add_entry(&mut self, files: &dyn FileSystem, path: PathBuf) {
        let is_log = path.file_name().is_some_and(is_log_name);
        let day = match day_in_name_of(&path) {
            Ok(Some(day)) => day,
            Ok(None) => return self.pass_over(path, is_log, "no date in its name".into()),
            Err(error) => return self.pass_over(path, is_log, error_text(&error)),
        };
        match stat_input(files, &path) {
            Ok(stat) if stat.file_type == FileType::Folder => self.add_folder(files, path, day),
            Ok(_) if is_log => self.add(day, Ok(InputPath::File(path))),
            Err(error) if is_log => self.add(day, Err(error)),
            Ok(_) | Err(_) => {
                let reason = "not named as a log: *.log or *.txt, also with .gz or .zst behind";
                self.pass_over(path, is_log, reason.into());
            }
        }
    }

    /// Sorts the logs of a dated folder in.
    fn add_folder(&mut self, files: &dyn FileSystem, path: PathBuf, day: Day) {
        match logs_in(files, &path) {
            Ok(logs) if logs.is_empty() => {
                self.pass_over(path, false, ErrorKind::NoLogs.to_string());
            }
            Ok(logs) => {
                for log in logs {
                    match day_in_name_of(log.path()) {
                        Ok(own) => self.add(own.unwrap_or(day), Ok(log)),
                        Err(error) => self.add(day, Err(error)),
                    }
                }
            }
            Err(error) => self.add(day, Err(error)),
        }
    }

    /// Adds a log to its day, or the day's first error.
    fn add(&mut self, day: Day, log: Result<InputPath>) {
        let inputs = self.days.entry(day).or_insert_with(|| Ok(Vec::new()));
        match (inputs.as_mut(), log) {
            (Ok(inputs), Ok(log)) => inputs.push(log),
            (Ok(_), Err(error)) => *inputs = Err(error),
            (Err(_), _) => {}
        }
    }

    fn pass_over(&mut self, path: PathBuf, is_log: bool, reason: String) {
        self.undated_log |= is_log;
        self.passed_over.push((path, reason));
    }
}

/// The error without its path, which the list of entries gives already.
fn error_text(error: &Error) -> String {
    error.kind().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::input::twin::Twin;

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
            let input = |path: &&str| match *path {
                "-" => InputPath::StandardInput,
                path => InputPath::File(path.into()),
            };
            let inputs: Vec<_> = paths.iter().map(input).collect();
            day_of_inputs(&inputs).map_or_else(|e| e.to_string(), |day| day.to_string())
        };
        let dated = "name the day with --date YYYY-MM-DD";
        assert_eq!(of(&["/a/20211201", "/2021-12-01/part.log"]), "2021-12-01");
        assert_eq!(
            of(&["/a/20211201", "/a/20211202"]),
            format!("\"/a/20211202\": two dates, 2021-12-01 and 2021-12-02: {dated}")
        );
        let none = "no date in its name or its folder's";
        assert_eq!(of(&["/a/20211201", "-"]), format!("\"-\": {none}: {dated}"));
        assert_eq!(of(&[]), format!("{none}: {dated}"));
    }

    #[test]
    fn a_bare_name_stands_in_the_current_folder() {
        let here = std::env::current_dir().unwrap();
        let expected = day_of(&here.join("part.log")).map(|day| day.to_string()).ok();
        assert_eq!(day_of(Path::new("part.log")).map(|day| day.to_string()).ok(), expected);
    }

    /// Days with their inputs or error, then entries passed over with their reasons.
    fn found(twin: &Twin) -> (Vec<(String, String)>, Vec<(String, String)>) {
        let found = find_days(twin, Path::new("logs")).unwrap();
        let text = |inputs: &Result<Vec<InputPath>>| match inputs {
            Ok(inputs) => {
                let paths = inputs.iter().map(|input| input.path().to_str().unwrap());
                paths.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        let days = found.days.iter().map(|day| (day.day.to_string(), text(&day.inputs)));
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let passed_over = found.passed_over.into_iter().map(|(p, reason)| (path(p), reason));
        (days.collect(), passed_over.collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn logs_and_dated_folders_are_grouped_by_day_and_all_else_is_reported() {
        let twin = Twin::new();
        for name in [
            "logs/listen-20211202.log",
            "logs/2021-12-01/b.log",
            "logs/2021-12-01/a.log.gz",
            "logs/2021-12-01/readme",
            "logs/2021-12-01/.hidden-20211231.log",
            "logs/2021-12-01/sub/c.log",
            "logs/2021-12-01/late-20211203.log",
            "logs/zz-2021-12-01.log.zst",
            "logs/.20211204.log",
            "logs/undated.log",
            "logs/undated/20211205.log",
            "logs/20211206-20211207.log",
            "logs/20211208.csv",
            "logs/20211209/readme",
        ] {
            twin.put(name, b"");
        }
        let (days, passed_over) = found(&twin);
        assert_eq!(
            days,
            pairs(&[
                (
                    "2021-12-01",
                    "logs/2021-12-01/a.log.gz logs/2021-12-01/b.log logs/zz-2021-12-01.log.zst"
                ),
                ("2021-12-02", "logs/listen-20211202.log"),
                ("2021-12-03", "logs/2021-12-01/late-20211203.log"),
            ])
        );
        let suffix = "not named as a log: *.log or *.txt, also with .gz or .zst behind";
        assert_eq!(
            passed_over,
            pairs(&[
                (
                    "logs/20211206-20211207.log",
                    "two dates, 2021-12-06 and 2021-12-07: name the day with --date YYYY-MM-DD"
                ),
                ("logs/20211208.csv", suffix),
                (
                    "logs/20211209",
                    "no log in this folder: a log is named *.log or *.txt, also with .gz or .zst behind"
                ),
                ("logs/undated", "no date in its name"),
                ("logs/undated.log", "no date in its name"),
            ])
        );
    }

    #[test]
    fn what_would_make_a_day_short_is_an_error_of_that_day_alone() {
        let twin = Twin::new();
        for name in [
            "logs/20211201.log",
            "logs/20211201.log.gz",
            "logs/20211202/a.log",
            "logs/20211202/a-20211203-20211204.log",
            "logs/20211205/a.log",
            "logs/20211207.log",
        ] {
            twin.put(name, b"");
        }
        twin.deny("logs/20211205");
        twin.link("logs/20211206.log", "nowhere");
        let (days, passed_over) = found(&twin);
        assert_eq!(
            days,
            pairs(&[
                (
                    "2021-12-01",
                    "\"logs/20211201.log.gz\": given twice (also as 'logs/20211201.log'): name one of them"
                ),
                (
                    "2021-12-02",
                    "\"logs/20211202/a-20211203-20211204.log\": two dates, 2021-12-03 and 2021-12-04: name the day with --date YYYY-MM-DD"
                ),
                ("2021-12-05", "\"logs/20211205\": cannot read it: permission denied"),
                ("2021-12-06", "\"logs/20211206.log\": log not found: check the path"),
                ("2021-12-07", "logs/20211207.log"),
            ])
        );
        assert_eq!(passed_over, []);
    }

    #[test]
    fn a_folder_without_logs_is_an_error_but_one_with_undated_logs_is_not() {
        let twin = Twin::new();
        twin.put("logs/readme", b"");
        twin.put("logs/20211201/readme", b"");
        let error = |path: &str| find_days(&twin, Path::new(path)).unwrap_err();
        assert!(matches!(error("logs").kind(), ErrorKind::NoLogs));
        assert_eq!(error("logs").path(), Some(Path::new("logs")));
        assert!(matches!(error("none").kind(), ErrorKind::Missing { .. }));
        assert_eq!(error("logs/readme").class(), ErrorClass::NoInput);
        twin.put("logs/undated.log", b"");
        assert_eq!(found(&twin).0, []);
    }
}
