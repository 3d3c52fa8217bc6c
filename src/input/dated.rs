//! A folder of historical logs, grouped by day.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::day::day_in_name_of;
use super::paths::{
    InputPaths, is_hidden, is_log_name, logs_in, refuse_twins, stat_input, unreadable,
};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType};
use crate::model::Day;

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
    pub inputs: Result<InputPaths>,
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
    let entries = files.list(folder).map_err(|e| unreadable(e).at(folder))?;
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
    days: BTreeMap<Day, Result<InputPaths>>,
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
            Ok(_) if is_log => self.add(day, Ok(&path)),
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
                for log in logs.iter().map(|log| log.path()) {
                    match day_in_name_of(&log) {
                        Ok(own) => self.add(own.unwrap_or(day), Ok(&log)),
                        Err(error) => self.add(day, Err(error)),
                    }
                }
            }
            Err(error) => self.add(day, Err(error)),
        }
    }

    /// Adds a log to its day, or the day's first error.
    fn add(&mut self, day: Day, log: Result<&Path>) {
        let inputs = self.days.entry(day).or_insert_with(|| Ok(InputPaths::default()));
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

    type Pairs = Vec<(String, String)>;

    /// Days with their inputs or error, then entries passed over with their reasons.
    fn found(twin: &Twin) -> (Pairs, Pairs) {
        let found = find_days(twin, Path::new("logs")).unwrap();
        let text = |inputs: &Result<InputPaths>| match inputs {
            Ok(inputs) => {
                let paths = inputs.iter().map(|input| input.path().to_str().unwrap().to_owned());
                paths.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        let days = found.days.iter().map(|day| (day.day.to_string(), text(&day.inputs)));
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let passed_over = found.passed_over.into_iter().map(|(p, reason)| (path(p), reason));
        (days.collect(), passed_over.collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Pairs {
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
                    "two dates, 2021-12-06 and 2021-12-07; name the day with --date YYYY-MM-DD"
                ),
                ("logs/20211208.csv", suffix),
                (
                    "logs/20211209",
                    "no log in this folder; logs are named *.log or *.txt, or the same with .gz or .zst at the end"
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
                    "\"logs/20211201.log.gz\": given twice (also as \"logs/20211201.log\"): name one of them"
                ),
                (
                    "2021-12-02",
                    "\"logs/20211202/a-20211203-20211204.log\": two dates, 2021-12-03 and 2021-12-04; name the day with --date YYYY-MM-DD"
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
