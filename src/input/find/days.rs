//! The logs of many days: what was met in folders and by patterns, by day.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::name::{two_dates, undated};
use super::notes::Notes;
use super::search::Search;
use super::warning::SearchWarning;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileSystem;
use crate::input::dates::{self, Dates};
use crate::input::listing::Room;
use crate::input::paths::{COMPARED, InputPaths, one_of_each};
use crate::input::skipped::{MAX_WARNED, SkipReason, Skipped};
use crate::input::walk::{Met, What, Where};
use crate::model::Day;

/// Logs by day.
#[derive(Debug, Default)]
pub struct DatedLogs {
    /// The days, ascending.
    pub days: Vec<DatedDay>,
    /// Why there is none, if there is none; always `None` from [`find_days`](super::find_days).
    pub nothing: Option<Error>,
    /// The first few files of these days that are being written or copied.
    pub arriving: BTreeSet<PathBuf>,
    /// Files that are not counted.
    pub skipped: Skipped,
    /// Warnings about what was found.
    pub warnings: Vec<SearchWarning>,
}

/// A day and its logs.
#[derive(Debug)]
pub struct DatedDay {
    /// The day.
    pub day: Day,
    /// Its logs in the order in which they were found, by byte order of the names in each folder; at least one. Or why
    /// the day cannot be reduced, which does not affect other days.
    pub inputs: Result<InputPaths>,
    /// The logs (indexes, ascending) that version 0.1 did not read in the same folder.
    pub unread_before: Vec<usize>,
}

impl DatedLogs {
    /// Warns of logs that two places, or a pattern and a link, gave to two days.
    pub(super) fn warn_of_logs_in_two_days(
        &mut self,
        files: &dyn FileSystem,
        room: &Room,
    ) -> Result<()> {
        let mut days = BTreeMap::new();
        let logs = self.days.iter().filter_map(|day| Some((day.day, day.inputs.as_ref().ok()?)));
        for (day, path) in
            logs.flat_map(|(day, logs)| logs.iter().map(move |log| (day, log.path())))
        {
            // A log that has gone is reported where it is read.
            let Ok(stat) = files.stat(&path) else { continue };
            room.take(0, COMPARED)?;
            if let Some(first) = days.insert(stat.identity, day).filter(|first| *first != day) {
                let warned = self
                    .warnings
                    .iter()
                    .filter(|warning| matches!(warning, SearchWarning::InTwoDays { .. }));
                if warned.count() < MAX_WARNED {
                    self.warnings.push(SearchWarning::InTwoDays { path, first, second: day });
                }
            }
        }
        Ok(())
    }
}

impl DatedDay {
    /// Bytes of memory that its logs take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let inputs = self.inputs.as_ref().map_or(0, InputPaths::bytes);
        inputs + size_of_val(self.unread_before.as_slice()) as u64
    }
}

/// The logs of a day.
#[derive(Default)]
struct Files {
    inputs: InputPaths,
    /// The logs that version 0.1 did not read (indexes, ascending).
    unread_before: Vec<usize>,
}

/// The logs that were found for many days.
pub(super) struct Found<'a> {
    search: &'a Search,
    room: &'a Room,
    /// The folder that is searched; `None` for a pattern.
    pub(super) root: Option<&'a PathBuf>,
    days: BTreeMap<Day, Result<Files>>,
    pub(super) logs: u64,
    pub(super) notes: Notes,
}

impl<'a> Found<'a> {
    pub(super) fn new(search: &'a Search, room: &'a Room) -> Self {
        let (days, notes) = (BTreeMap::new(), Notes::default());
        Found { search, room, root: None, days, notes, logs: 0 }
    }

    pub(super) fn add(&mut self, Met { path, what, dates }: Met) -> Result<()> {
        self.notes.met(&path);
        let days = self.search.days();
        // A pattern that has no letter of the day takes the day that it is asked for.
        let dates = match (self.search.shifted(dates), self.root, days.from) {
            (Dates::None, None, Some(day)) if days.to == Some(day) => Dates::One(day),
            (dates, ..) => dates,
        };
        let is_dated = match dates {
            Dates::None => false,
            Dates::One(day) if days.contain(day) => true,
            Dates::Two(one, other) if days.contain(one) || days.contain(other) => true,
            Dates::One(_) | Dates::Two(..) => return Ok(()),
        };
        match (what, dates) {
            (What::Log, Dates::One(day)) => self.log(day, &path)?,
            (What::BrokenLog(error), Dates::One(day)) => self.logs_of(day, Err(error))?,
            (What::Log | What::BrokenLog(_), Dates::Two(first, second)) => {
                let reason = match self.root {
                    Some(_) => two_dates(&path),
                    None => SkipReason::TwoWays { first, second },
                };
                self.notes.skipped.add(&path, reason, true);
            }
            (What::Log | What::BrokenLog(_), Dates::None)
            | (What::Skip(SkipReason::NotALog | SkipReason::Table), Dates::None) => {
                self.notes.skipped.add(&path, undated(&path), self.root.is_none());
            }
            (What::Skip(reason), _) => {
                if is_dated && reason == SkipReason::Arriving {
                    self.notes.arriving(&path);
                }
                // Who writes a pattern means what it matches.
                let is_meant =
                    self.root.is_none() && matches!(reason, SkipReason::Link | SkipReason::OfAgg);
                let is_warned = reason == SkipReason::Arriving || is_dated || is_meant;
                self.notes.skipped.add(&path, reason, is_warned);
            }
        }
        Ok(())
    }

    fn log(&mut self, day: Day, path: &Path) -> Result<()> {
        self.notes.counted(path, self.search);
        self.logs_of(day, Ok(path))
    }

    /// Adds a log to its day, or the day's first error.
    fn logs_of(&mut self, day: Day, log: Result<&Path>) -> Result<()> {
        self.logs += 1;
        let files = self.days.entry(day).or_insert_with(|| Ok(Files::default()));
        match (files.as_mut(), log) {
            (Ok(files), Ok(log)) => {
                let before = files.inputs.bytes();
                if self.root.is_some_and(|root| !was_read_before(root, log, day)) {
                    files.unread_before.push(files.inputs.len());
                }
                files.inputs.push(log);
                // Its path, and perhaps that it was not read before.
                let bytes = files.inputs.bytes() - before + size_of::<usize>() as u64;
                self.room.take(0, bytes).map_err(|error| error.at(log))?;
            }
            (Ok(_), Err(error)) => *files = Err(error),
            (Err(_), _) => {}
        }
        Ok(())
    }

    fn nothing_in(&self, place: &Where) -> Error {
        match place {
            Where::Pattern(pattern) => {
                Error::from(ErrorKind::NoMatch).at(pattern.first_path(self.search.written_days()))
            }
            Where::Folder(folder) if self.notes.skipped.tables() > 0 => {
                Error::from(ErrorKind::OnlyTables).at(folder)
            }
            Where::Folder(folder) if self.notes.names.is_empty() => {
                Error::from(ErrorKind::NoLogs).at(folder)
            }
            Where::Folder(folder) => {
                let names = self.notes.names.iter().cloned().collect();
                Error::from(ErrorKind::NoDatedLogs(names)).at(folder)
            }
        }
    }

    /// The days; `first` is the first place that was searched.
    pub(super) fn finish(self, files: &dyn FileSystem, first: &Where) -> Result<DatedLogs> {
        let nothing = self.days.is_empty().then(|| self.nothing_in(first));
        let mut days = Vec::new();
        for (day, found) in self.days {
            let compared = COMPARED * found.as_ref().map_or(0, |found| found.inputs.len()) as u64;
            self.room.take(0, compared)?;
            let found =
                found.and_then(|found| one_of_each(files, found.inputs, found.unread_before));
            self.room.give(compared);
            days.push(match found {
                Ok((inputs, unread_before)) => DatedDay { day, inputs: Ok(inputs), unread_before },
                Err(error) => DatedDay { day, inputs: Err(error), unread_before: Vec::new() },
            });
        }
        let (arriving, skipped, warnings) = self.notes.finish();
        Ok(DatedLogs { days, nothing, arriving, skipped, warnings })
    }
}

/// Whether version 0.1 read this log in this folder for this day: one with a date and a log's name right in it, or one
/// with a log's name in a dated folder right in it, whose own date went before the folder's.
pub(super) fn was_read_before(root: &Path, path: &Path, day: Day) -> bool {
    let below: Vec<&[u8]> = path
        .strip_prefix(root)
        .map(|path| path.iter().map(OsStr::as_bytes).collect())
        .unwrap_or_default();
    let is_named = |name: &[u8]| {
        let name = [&b".gz"[..], b".zst"]
            .iter()
            .find_map(|suffix| name.strip_suffix(*suffix))
            .unwrap_or(name);
        name.ends_with(b".log") || name.ends_with(b".txt")
    };
    let is_of = |dates: Dates| dates == Dates::One(day);
    match below.as_slice() {
        [name] => is_named(name) && is_of(dates::dates_before(name)),
        [folder, name] => {
            let (own, of_folder) = (dates::dates_before(name), dates::dates_before(folder));
            let decides = if own == Dates::None { of_folder } else { own };
            is_named(name) && of_folder != Dates::None && is_of(decides)
        }
        _ => false,
    }
}
