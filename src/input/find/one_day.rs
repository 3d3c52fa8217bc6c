//! The logs that were named for one day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::name::{base_name, no_date, two_dates_error};
use super::notes::Notes;
use super::search::Search;
use super::warning::SearchWarning;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType};
use crate::input::dates::{Dates, Place};
use crate::input::listing::Room;
use crate::input::paths::{
    COMPARED, InputPaths, STANDARD_INPUT, folder_of, one_of_each, stat_input,
};
use crate::input::pattern::Days;
use crate::input::skipped::{SkipReason, Skipped};
use crate::input::walk::{At, Met, Walk, What, identities};
use crate::model::Day;

/// Maximum logs in the error of logs of several days.
const MAX_NAMED: usize = 3;

/// The logs of one day.
#[derive(Debug)]
pub struct DayLogs {
    /// The day.
    pub day: Day,
    /// Its logs, in the order given; at least one.
    pub inputs: InputPaths,
    /// Files that are not counted.
    pub skipped: Skipped,
    /// Warnings about what was found.
    pub warnings: Vec<SearchWarning>,
}

impl DayLogs {
    /// No log of this day.
    #[must_use]
    pub fn none(day: Day) -> Self {
        let (inputs, skipped) = (InputPaths::default(), Skipped::default());
        DayLogs { day, inputs, skipped, warnings: Vec::new() }
    }
}

/// The logs that were named for one day.
pub(super) struct Given<'a> {
    search: &'a Search,
    date: Option<Day>,
    /// The days that the logs name, each with its first log.
    days: BTreeMap<Day, PathBuf>,
    inputs: InputPaths,
    notes: Notes,
    room: &'a Room,
}

impl<'a> Given<'a> {
    pub(super) fn new(search: &'a Search, date: Option<Day>, room: &'a Room) -> Self {
        let (days, inputs) = (BTreeMap::new(), InputPaths::default());
        Given { search, date, days, inputs, notes: Notes::default(), room }
    }

    /// Adds what was named: standard input, a file or a folder.
    pub(super) fn add_argument(&mut self, files: &dyn FileSystem, path: &Path) -> Result<()> {
        if path.as_os_str() == STANDARD_INPUT {
            self.date.ok_or_else(|| Error::from(ErrorKind::NoDate).at(path))?;
            self.inputs.push_standard_input();
            return Ok(());
        }
        let file_type = stat_input(files, path)?.file_type;
        if file_type == FileType::Pipe {
            self.date.ok_or_else(|| Error::from(ErrorKind::NoDate).at(path))?;
        }
        if file_type != FileType::Folder {
            let dates = Place::of_folder(folder_of(path)).dates_of(base_name(path));
            return self.add(Met { path: path.to_owned(), what: What::Log, dates });
        }
        let before = (self.inputs.len(), self.notes.skipped.tables());
        let excluded = identities(files, &self.search.excluded);
        let (days, tables, room) = (Days::default(), self.search.tables, self.room);
        let mut add = |met| self.add(met);
        let mut walk = Walk { files, excluded, days, tables, room, found: &mut add };
        walk.named(path, &At::Folder(Place::of_folder(path)))?;
        if self.inputs.len() > before.0 {
            return Ok(());
        }
        let has_tables = self.notes.skipped.tables() > before.1;
        Err(Error::from(if has_tables { ErrorKind::OnlyTables } else { ErrorKind::NoLogs })
            .at(path))
    }

    fn add(&mut self, Met { path, what, dates }: Met) -> Result<()> {
        let day = match (what, self.date, self.search.shifted(dates)) {
            (What::BrokenLog(error), ..) => return Err(error),
            (What::Log, Some(day), _) | (What::Log, None, Dates::One(day)) => day,
            (What::Log, None, Dates::None) => return Err(no_date(&path)),
            (What::Log, None, Dates::Two(..)) => return Err(two_dates_error(&path, self.search)),
            (What::Skip(reason), date, dates) => {
                let is_dated = date.is_some() || dates != Dates::None;
                let is_warned = reason == SkipReason::Arriving || is_dated;
                self.notes.skipped.add(&path, reason, is_warned);
                return Ok(());
            }
        };
        if self.date.is_none() {
            self.notes.counted(&path, self.search);
            self.days.entry(day).or_insert_with(|| path.clone());
        }
        let before = self.inputs.bytes();
        self.inputs.push(&path);
        let bytes = self.inputs.bytes() - before + COMPARED;
        self.room.take(0, bytes).map_err(|error| error.at(path))
    }

    /// The one day of them.
    pub(super) fn finish(self, files: &dyn FileSystem) -> Result<DayLogs> {
        let day = match (self.date, self.days.len()) {
            (Some(day), _) => Some(day),
            (None, 1) => self.days.keys().next().copied(),
            (None, _) => {
                let days = self.days.into_iter().take(MAX_NAMED).collect();
                return Err(ErrorKind::SeveralDays(days).into());
            }
        };
        let day = day.ok_or(ErrorKind::NoDate)?;
        let (inputs, _) = one_of_each(files, self.inputs, Vec::new())?;
        let (_, skipped, warnings) = self.notes.finish();
        Ok(DayLogs { day, inputs, skipped, warnings })
    }
}
