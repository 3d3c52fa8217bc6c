//! Finds the logs of each day in folders and by patterns, and the files to skip, with a reason each.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::dates::{self, Dates, Place};
use super::decompress::Compression;
use super::listing::{Room, keep_few};
use super::names;
use super::paths::{InputPaths, STANDARD_INPUT, folder_of, one_of_each, stat_input};
use super::pattern::Days;
use super::skipped::{SkipReason, Skipped};
use super::walk::{At, Met, Walk, What, Where, identities};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType};
use crate::model::Day;

/// Maximum logs in the error of logs of several days.
const MAX_NAMED: usize = 3;
/// Bytes for each input to check that each log is given once.
const COMPARED: u64 = 32;

/// The wanted days, and how dates in names are read.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// First day, if bounded.
    pub from: Option<Day>,
    /// Last day, if bounded.
    pub to: Option<Day>,
    /// Days to add to every date in a name, a folder's name or a pattern; `None` means 0, with a warning if logrotate
    /// seems to have named a log after the day of rotation.
    pub date_offset: Option<i32>,
    /// Folders that are never searched, by identity; missing folders are ignored.
    pub excluded: Vec<PathBuf>,
    /// Bytes of the run's memory; names may take half of it. `None` means no bound.
    pub memory: Option<u64>,
    /// Whether `.csv`, `.tsv` and `.psv` files are logs.
    pub tables: bool,
}

/// Logs by day.
#[derive(Debug, Default)]
pub struct DatedLogs {
    /// The days, ascending.
    pub days: Vec<DatedDay>,
    /// Why there is none, if there is none; always `None` from [`find_days`].
    pub nothing: Option<Error>,
    /// The first few files of these days that are being written or copied.
    pub arriving: BTreeSet<PathBuf>,
    /// Files that are not counted.
    pub skipped: Skipped,
    /// Warnings about what was found, each one line.
    pub warnings: Vec<String>,
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

impl DatedDay {
    /// Bytes of memory that its logs take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let inputs = self.inputs.as_ref().map_or(0, InputPaths::bytes);
        inputs + size_of_val(self.unread_before.as_slice()) as u64
    }
}

/// The logs of one day.
#[derive(Debug)]
pub struct DayLogs {
    /// The day.
    pub day: Day,
    /// Its logs, in the order given; at least one.
    pub inputs: InputPaths,
    /// Files that are not counted.
    pub skipped: Skipped,
    /// Warnings about what was found, each one line.
    pub warnings: Vec<String>,
}

impl Search {
    /// The day of a date in a name.
    fn shift(&self, date: Day) -> Option<Day> {
        date.plus_days(i64::from(self.date_offset.unwrap_or(0)))
    }

    fn shifted(&self, dates: Dates) -> Dates {
        match dates {
            Dates::One(day) => self.shift(day).map_or(Dates::None, Dates::One),
            Dates::Two(one, other) => self
                .shift(one)
                .zip(self.shift(other))
                .map_or(Dates::None, |(a, b)| Dates::Two(a, b)),
            Dates::None => Dates::None,
        }
    }

    fn days(&self) -> Days {
        Days { from: self.from, to: self.to }
    }

    /// The days as names have them.
    fn written_days(&self) -> Days {
        let back = -i64::from(self.date_offset.unwrap_or(0));
        let shift = |day: Option<Day>| day.and_then(|day| day.plus_days(back));
        Days { from: shift(self.from), to: shift(self.to) }
    }
}

/// Finds the logs of every day in folders and by patterns.
///
/// A `place` that is a folder is searched at every depth; otherwise it is a pattern with `%Y`, `%m` and `%d`. A log
/// counts for the date in its own name, or otherwise for that of the innermost dated folder below `place`. A match of a
/// pattern counts for the pattern's date. One file under two names of a day is one log. Every other file that is found,
/// and is not on the quiet list, is in [`DatedLogs::skipped`].
///
/// A link under a log's name that leads nowhere is an error of its day alone, because the day without it would be a short
/// one.
///
/// Memory: 20 bytes a log of the days, and its name; 16 bytes for each name in a folder while that is searched, and the
/// name; 32 bytes a log of the largest day.
///
/// # Errors
/// [`ErrorKind::Missing`] or [`ErrorKind::Unreadable`] for a folder that is missing or cannot be listed;
/// [`ErrorKind::Usage`] for a pattern that is not valid; [`ErrorKind::NoLogs`], [`ErrorKind::NoDatedLogs`] or
/// [`ErrorKind::NoMatch`] if there is no log of the days at all; [`ErrorKind::TooManyNames`] as soon as the names
/// exceed half of the memory.
pub fn find_days(files: &dyn FileSystem, places: &[PathBuf], search: &Search) -> Result<DatedLogs> {
    let found = find_any_days(files, places, search)?;
    some(found)
}

/// As [`find_days`]; that there is no log is not an error, but in [`DatedLogs::nothing`].
///
/// # Errors
/// As [`find_days`], except where there is no log of the days.
pub fn find_any_days(
    files: &dyn FileSystem,
    places: &[PathBuf],
    search: &Search,
) -> Result<DatedLogs> {
    let places: Vec<Where> =
        places.iter().map(|place| Where::parse(files, place, false)).collect::<Result<_>>()?;
    find_in(files, &places, search)
}

/// The logs that were found, or why there is none.
fn some(mut found: DatedLogs) -> Result<DatedLogs> {
    match found.nothing.take() {
        Some(nothing) => Err(nothing),
        None => Ok(found),
    }
}

/// Finds the logs of one day.
///
/// `logs` are files of any name, folders, which are searched as in [`find_days`], or `-` for standard input. All of them
/// count for `date`; without it, for the one day that they all name: a folder by its own name too, a file by its own or
/// its parent's. `places` are searched for the logs of `date`, as [`find_days`] does it; either `logs` or `places` are
/// empty.
///
/// # Errors
/// As [`find_days`], for the day too; [`ErrorKind::NoDate`], [`ErrorKind::UnrealDate`] or [`ErrorKind::TwoDates`] at a log
/// whose day is not known, [`ErrorKind::SeveralDays`], [`ErrorKind::TwiceGiven`], and [`ErrorKind::Usage`] if there is
/// neither a log nor a place with a date.
pub fn find_day(
    files: &dyn FileSystem,
    logs: &[PathBuf],
    places: &[PathBuf],
    date: Option<Day>,
    search: &Search,
) -> Result<DayLogs> {
    if let Some(day) = date.filter(|_| !places.is_empty()) {
        let places: Vec<Where> =
            places.iter().map(|place| Where::parse(files, place, true)).collect::<Result<_>>()?;
        let search = Search { from: date, to: date, ..search.clone() };
        let found = some(find_in(files, &places, &search)?)?;
        let DatedLogs { days, skipped, warnings, .. } = found;
        let inputs =
            days.into_iter().next().map_or(Ok(InputPaths::default()), |dated| dated.inputs)?;
        return Ok(DayLogs { day, inputs, skipped, warnings });
    }
    if logs.is_empty() {
        let text = "name a log, a folder of logs, or - to read one";
        return Err(ErrorKind::Usage(text.to_owned()).into());
    }
    let room = Room::of(search.memory);
    let mut given = Given {
        search,
        date,
        days: BTreeMap::new(),
        inputs: InputPaths::default(),
        notes: Notes::default(),
        room: &room,
    };
    for path in logs {
        given.add_argument(files, path)?;
    }
    given.finish(files)
}

fn find_in(files: &dyn FileSystem, places: &[Where], search: &Search) -> Result<DatedLogs> {
    let room = Room::of(search.memory);
    let (days, notes) = (BTreeMap::new(), Notes::default());
    let mut found = Found { search, room: &room, root: None, days, notes, logs: 0 };
    let excluded = identities(files, &search.excluded);
    for place in places {
        found.root = match place {
            Where::Folder(folder) => Some(folder),
            Where::Pattern(_) => None,
        };
        let before = found.logs;
        let mut add = |met| found.add(met);
        let (days, tables) = (search.written_days(), search.tables);
        let excluded = excluded.clone();
        place.search(&mut Walk { files, excluded, days, tables, room: &room, found: &mut add })?;
        if found.logs == before && places.len() > 1 {
            found.notes.warnings.push(format!("no log of these days in {}", place.shown(days)));
        }
    }
    let Some(first) = places.first() else {
        let text = "name a folder or a pattern with --logs";
        return Err(ErrorKind::Usage(text.to_owned()).into());
    };
    let nothing = found.days.is_empty().then(|| found.nothing_in(first));
    Ok(DatedLogs { nothing, ..found.finish(files)? })
}

impl Where {
    fn shown(&self, days: Days) -> String {
        match self {
            Where::Folder(folder) => format!("{folder:?}"),
            Where::Pattern(pattern) => format!("{:?}", pattern.first_path(days)),
        }
    }
}

/// The other files that were found.
#[derive(Default)]
struct Notes {
    skipped: Skipped,
    warnings: Vec<String>,
    /// The first files by their names, of any day.
    names: BTreeSet<PathBuf>,
    /// The first files of the days that are being written or copied.
    arriving: BTreeSet<PathBuf>,
    has_rotated: bool,
}

impl Notes {
    fn met(&mut self, path: &Path) {
        keep_few(&mut self.names, path.to_owned());
    }

    /// Warns once of a log that seems to be named after the day of its rotation.
    fn counted(&mut self, path: &Path, search: &Search) {
        if search.date_offset.is_none()
            && !self.has_rotated
            && names::has_date_of_rotation(base_name(path))
        {
            self.has_rotated = true;
            self.warnings.push(format!(
                "{path:?} is counted for the date in its name, but logrotate names the day of rotation; \
                 use --date-offset -1, or 0 if logrotate has 'dateyesterday'"
            ));
        }
    }

    /// All warnings, and the skipped files.
    fn finish(mut self) -> (Skipped, Vec<String>) {
        self.warnings.extend(self.skipped.warnings());
        (self.skipped, self.warnings)
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
struct Found<'a> {
    search: &'a Search,
    room: &'a Room,
    /// The folder that is searched; `None` for a pattern.
    root: Option<&'a PathBuf>,
    days: BTreeMap<Day, Result<Files>>,
    logs: u64,
    notes: Notes,
}

impl Found<'_> {
    fn add(&mut self, Met { path, what, dates }: Met) -> Result<()> {
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
            (What::Log | What::BrokenLog(_), Dates::Two(..)) => {
                let reason = two_dates(&path, self.search);
                self.notes.skipped.add(&path, reason, true);
            }
            (What::Log | What::BrokenLog(_), Dates::None)
            | (What::Skip(SkipReason::NotALog | SkipReason::Table), Dates::None) => {
                self.notes.skipped.add(&path, undated(&path), false);
            }
            (What::Skip(reason), _) => {
                if is_dated && reason == SkipReason::Arriving {
                    keep_few(&mut self.notes.arriving, path.clone());
                }
                let is_warned = match reason {
                    SkipReason::Arriving => true,
                    SkipReason::OfAgg => false,
                    _ => is_dated,
                };
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
                if self.root.is_some_and(|root| !was_read_before(root, log)) {
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

    fn finish(mut self, files: &dyn FileSystem) -> Result<DatedLogs> {
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
        let arriving = std::mem::take(&mut self.notes.arriving);
        let (skipped, warnings) = self.notes.finish();
        Ok(DatedLogs { days, nothing: None, arriving, skipped, warnings })
    }
}

/// The logs that were named for one day.
struct Given<'a> {
    search: &'a Search,
    date: Option<Day>,
    /// The days that the logs name, each with its first log.
    days: BTreeMap<Day, PathBuf>,
    inputs: InputPaths,
    notes: Notes,
    room: &'a Room,
}

impl Given<'_> {
    fn add_argument(&mut self, files: &dyn FileSystem, path: &Path) -> Result<()> {
        if path.as_os_str() == STANDARD_INPUT {
            self.date.ok_or_else(|| Error::from(ErrorKind::NoDate).at(path))?;
            self.inputs.push_standard_input();
            return Ok(());
        }
        if stat_input(files, path)?.file_type != FileType::Folder {
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
                let is_warned =
                    reason == SkipReason::Arriving || is_dated && reason != SkipReason::OfAgg;
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

    fn finish(self, files: &dyn FileSystem) -> Result<DayLogs> {
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
        let (skipped, warnings) = self.notes.finish();
        Ok(DayLogs { day, inputs, skipped, warnings })
    }
}

fn base_name(path: &Path) -> &[u8] {
    path.file_name().map(OsStr::as_bytes).unwrap_or_default()
}

fn undated(path: &Path) -> SkipReason {
    dates::unreal_date_in(base_name(path)).map_or(SkipReason::Undated, SkipReason::UnrealDate)
}

fn no_date(path: &Path) -> Error {
    let unreal = dates::unreal_date_in(base_name(path)).map(ErrorKind::UnrealDate);
    Error::from(unreal.unwrap_or(ErrorKind::NoDate)).at(path)
}

/// The name that has two dates: the file's own, or that of the nearest folder; with a pattern that takes the first.
fn dates_and_pattern(path: &Path) -> Option<(Day, Day, String)> {
    path.ancestors().find_map(|part| {
        let Dates::Two(first, second) = dates::dates_in(base_name(part)) else { return None };
        let above = part.parent().unwrap_or(Path::new(""));
        let below = path.strip_prefix(part).unwrap_or(Path::new(""));
        let name = PathBuf::from(dates::pattern_of(base_name(part)));
        let pattern = Path::new(&dates::escaped(&above.to_string_lossy())).join(name);
        let below = dates::escaped(&below.to_string_lossy());
        let pattern = if below.is_empty() { pattern } else { pattern.join(below) };
        Some((first, second, pattern.to_string_lossy().into_owned()))
    })
}

fn two_dates(path: &Path, _: &Search) -> SkipReason {
    match dates_and_pattern(path) {
        Some((first, second, pattern)) => SkipReason::TwoDates { first, second, pattern },
        None => SkipReason::Undated,
    }
}

fn two_dates_error(path: &Path, search: &Search) -> Error {
    let kind = match dates_and_pattern(path) {
        Some((first, second, pattern)) => {
            let day = search.shift(first).unwrap_or(first);
            ErrorKind::TwoDates { first, second, day, pattern }
        }
        None => ErrorKind::NoDate,
    };
    Error::from(kind).at(path)
}

/// Whether version 0.1 read this log in this folder: one with a date and a log's name right in it, or one with a log's
/// name in a dated folder right in it.
fn was_read_before(root: &Path, path: &Path) -> bool {
    let below: Vec<&[u8]> = path
        .strip_prefix(root)
        .map(|path| path.iter().map(OsStr::as_bytes).collect())
        .unwrap_or_default();
    let is_named = |name: &[u8]| {
        let (name, _) = Compression::split_name(name);
        name.ends_with(b".log") || name.ends_with(b".txt")
    };
    match below.as_slice() {
        [name] => is_named(name) && dates::had_date(name),
        [folder, name] => is_named(name) && dates::had_date(folder),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::input::twin::Twin;

    fn twin(names: &[&str]) -> Twin {
        let twin = Twin::new();
        names.iter().for_each(|name| twin.put(name, b""));
        twin
    }

    fn places(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    fn joined(inputs: &InputPaths) -> String {
        let paths = inputs.iter().map(|input| input.path().to_str().unwrap().to_owned());
        paths.collect::<Vec<_>>().join(" ")
    }

    /// The days with their logs or their error, and what was skipped with its reason; `!` where it is warned of.
    fn found(twin: &Twin, paths: &[&str], search: &Search) -> Vec<String> {
        let found = find_days(twin, &places(paths), search).unwrap();
        let days = found.days.into_iter().map(|dated| {
            let inputs =
                dated.inputs.map_or_else(|error| error.to_string(), |inputs| joined(&inputs));
            format!("{}: {inputs}", dated.day)
        });
        let skipped = found.skipped.files().iter().map(|file| {
            let mark = if file.is_warned { "!" } else { "" };
            format!("{} {}{mark}", file.path.display(), file.reason.name())
        });
        days.chain(skipped)
            .chain(found.warnings.into_iter().filter(|text| !text.starts_with("skipped")))
            .collect()
    }

    fn error(twin: &Twin, paths: &[&str], search: &Search) -> (String, ErrorClass) {
        let error = find_days(twin, &places(paths), search).unwrap_err();
        (error.to_string(), error.class())
    }

    /// The day and its logs, or the error.
    fn one_day(twin: &Twin, logs: &[&str], date: Option<&str>) -> String {
        let date = date.map(|date| date.parse().unwrap());
        match find_day(twin, &places(logs), &[], date, &Search::default()) {
            Ok(found) => format!("{}: {}", found.day, joined(&found.inputs)),
            Err(error) => error.to_string(),
        }
    }

    fn range(from: &str, to: &str) -> Search {
        Search { from: from.parse().ok(), to: to.parse().ok(), ..Search::default() }
    }

    #[test]
    fn a_folder_is_searched_at_every_depth_and_every_file_in_it_counts_or_is_named() {
        let twin = twin(&[
            "logs/listen-20211202.log",
            "logs/2021-12-01/b.log",
            "logs/2021-12-01/b.log.1",
            "logs/2021-12-01/web1/hour=00/part-0",
            "logs/2021-12-01/note.md",
            "logs/2021-12-01/late-20211203.log",
            "logs/2021-12-01/_SUCCESS",
            "logs/2021-12-01/a.log.part",
            "logs/2021-12-01/.hidden.log",
            "logs/2021/12/04/a.gz",
            "logs/web1/20211205.log",
            "logs/web1/x.log.tmp",
            "logs/20211206-20211207.log",
            "logs/20211208.csv",
            "logs/20211208.log.bak7",
            "logs/20210229.log",
            "logs/undated.log",
            "logs/README.md",
            "logs/old/20211209.log",
            "logs/2021-12-01/bak/a.log",
            "logs/lost+found/20211210.log",
            "logs/store/.lock",
            "logs/store/partials/2021-12-11.agg",
        ]);
        twin.link("logs/2021-12-11", "logs/web1");
        twin.link("logs/2021-12-12.log", "nowhere");
        twin.put_pipe("logs/2021-12-13.log");
        assert_eq!(
            found(&twin, &["logs"], &Search::default()),
            [
                "2021-12-01: logs/2021-12-01/b.log logs/2021-12-01/b.log.1 logs/2021-12-01/web1/hour=00/part-0",
                "2021-12-02: logs/listen-20211202.log",
                "2021-12-03: logs/2021-12-01/late-20211203.log",
                "2021-12-04: logs/2021/12/04/a.gz",
                "2021-12-05: logs/web1/20211205.log",
                "2021-12-12: \"logs/2021-12-12.log\": log not found; check the path",
                "logs/2021-12-01/a.log.part arriving!",
                "logs/2021-12-01/bak set_aside!",
                "logs/2021-12-01/note.md not_a_log!",
                "logs/2021-12-11 link!",
                "logs/2021-12-13.log not_a_file!",
                "logs/20210229.log unreal_date",
                "logs/20211206-20211207.log two_dates!",
                "logs/20211208.csv table!",
                "logs/20211208.log.bak7 not_a_log!",
                "logs/README.md undated",
                "logs/old set_aside",
                "logs/store of_agg",
                "logs/undated.log undated",
                "logs/web1/x.log.tmp arriving!",
            ]
        );
    }

    #[test]
    fn files_of_other_days_are_ignored() {
        let twin = twin(&[
            "logs/2021-12-01/a.log",
            "logs/2021-12-01/a.md",
            "logs/2021-12-02/a.log",
            "logs/2021-12-02/a.md",
            "logs/20211201-20211203.log",
            "logs/20211201.log.tmp",
        ]);
        assert_eq!(
            found(&twin, &["logs"], &range("2021-12-02", "2021-12-02")),
            ["2021-12-02: logs/2021-12-02/a.log", "logs/2021-12-02/a.md not_a_log!"]
        );
    }

    #[test]
    fn an_offset_moves_every_date_of_a_name_and_its_absence_is_warned_of_once() {
        let twin =
            twin(&["logs/a.log-20211202", "logs/a.log-20211203.gz", "logs/2021-12-04/a.log"]);
        let moved = Search { date_offset: Some(-1), ..range("2021-12-01", "2021-12-02") };
        assert_eq!(
            found(&twin, &["logs"], &moved),
            ["2021-12-01: logs/a.log-20211202", "2021-12-02: logs/a.log-20211203.gz"]
        );
        assert_eq!(found(&twin, &["logs/a.log-%Y%m%d*"], &moved), found(&twin, &["logs"], &moved));
        let warned = found(&twin, &["logs"], &range("", "2021-12-03"));
        assert_eq!(warned.len(), 3);
        assert!(warned[2].starts_with(
            "\"logs/a.log-20211202\" is counted for the date in its name, but logrotate"
        ));
        let said = Search { date_offset: Some(0), ..Search::default() };
        assert_eq!(found(&twin, &["logs"], &said).len(), 3);
    }

    #[test]
    fn folders_of_this_run_and_other_folders_of_agg_are_not_searched() {
        let manifest = b"{\n  \"window\": {},\n  \"top\": 50,\n  \"partials\": []}";
        let names = [
            "d/20211201.log",
            "d/S/2021-12-01.log",
            "d/out/.out.lock",
            "d/out/2021-12-02/part-0",
            "d/data/kind=user/day=2021-12-03/part-0",
            "d/2021-12-04/part-0",
            "d/2021-12-05/part-0",
        ];
        let twin = twin(&names);
        twin.put("d/2021-12-04/manifest.json", manifest);
        twin.put("d/2021-12-05/manifest.json", b"{\"files\": []}");
        let search = Search { excluded: places(&["d/S", "none"]), ..Search::default() };
        assert_eq!(
            found(&twin, &["d"], &search),
            [
                "2021-12-01: d/20211201.log",
                "2021-12-05: d/2021-12-05/part-0",
                "d/2021-12-04 of_agg",
                "d/2021-12-05/manifest.json not_a_log!",
                "d/data of_agg",
                "d/out of_agg",
            ]
        );
    }

    #[test]
    fn a_folder_that_cannot_be_listed_ends_the_search() {
        let twin = twin(&["logs/2021-12-01/a.log", "logs/web/2021-12-02.log"]);
        twin.deny("logs/web");
        let denied = "\"logs/web\": cannot read it: permission denied".to_owned();
        assert_eq!(error(&twin, &["logs"], &Search::default()), (denied, ErrorClass::NoInput));
    }

    #[test]
    fn nothing_of_the_days_is_an_error_that_names_what_there_is() {
        let twin =
            twin(&["logs/20211201.log", "logs/b.log", "logs/c.log", "logs/d.log", "empty/.x"]);
        let other = range("2021-12-02", "");
        let no_input = |text: &str| (text.to_owned(), ErrorClass::NoInput);
        assert_eq!(
            error(&twin, &["logs"], &other),
            no_input(
                "\"logs\": no log with a date in the range; found \"logs/20211201.log\", \"logs/b.log\", \
                 \"logs/c.log\"; a date is in the log's name or its folder's, like listen-20211201.log or \
                 2021-12-01/listen.log"
            )
        );
        assert!(error(&twin, &["empty"], &other).0.starts_with("\"empty\": no log in this folder"));
        let text = "\"logs/20211202*.gz\": no log matches this; check the pattern and the days";
        assert_eq!(error(&twin, &["logs/%Y%m%d*.gz"], &other), no_input(text));
        assert_eq!(
            error(&twin, &["none"], &other),
            no_input("\"none\": folder not found; check the path")
        );
        let text = "\"logs/b.log\": cannot read it: not a directory";
        assert_eq!(error(&twin, &["logs/b.log"], &other), no_input(text));
        assert_eq!(error(&twin, &["logs/*.log"], &other).1, ErrorClass::Usage);
        // One of several places may have nothing.
        assert_eq!(
            found(&twin, &["logs/2*/%Y%m%d", "logs"], &Search::default()).last().unwrap(),
            "no log of these days in \"logs/2*/%Y%m%d\""
        );
    }

    #[test]
    fn one_file_is_one_log_of_its_day_under_any_names() {
        let twin = twin(&["d/2021-12-01/a.log", "d/20211202.log", "e/2021-12-01/b.log"]);
        twin.link("d/2021-12-01/b.log", "d/2021-12-01/a.log");
        twin.link("d/x-20211201.log", "d/2021-12-01/a.log");
        let days =
            ["2021-12-01: d/2021-12-01/a.log e/2021-12-01/b.log", "2021-12-02: d/20211202.log"];
        assert_eq!(found(&twin, &["d", "e", "d"], &Search::default()), days);
        assert_eq!(
            one_day(&twin, &["d/2021-12-01", "d/2021-12-01/a.log"], None),
            "2021-12-01: d/2021-12-01/a.log"
        );
    }

    #[test]
    fn the_logs_of_one_day_are_files_of_any_name_and_folders() {
        let twin =
            twin(&["z", "d/2021-12-01/b.log", "d/2021-12-01/sub/a.log", "d/2021-12-01/c.md", "-"]);
        let given = ["z", "-", "d/2021-12-01", "./-"];
        let all = "2021-12-05: z - d/2021-12-01/b.log d/2021-12-01/sub/a.log ./-";
        assert_eq!(one_day(&twin, &given, Some("2021-12-05")), all);
        let day = "2021-12-01: d/2021-12-01/b.log d/2021-12-01/sub/a.log";
        assert_eq!(one_day(&twin, &["d/2021-12-01"], None), day);
        assert_eq!(
            one_day(&twin, &["d/2021-12-01/b.log", "d/2021-12-01/sub"], None),
            "\"d/2021-12-01/sub/a.log\": no date in its name or its folder's; name the day with --date YYYY-MM-DD"
        );
        let date = "2021-12-01".parse().ok();
        let found =
            find_day(&twin, &[], &places(&["d", "*-%d"]), date, &Search::default()).unwrap();
        assert_eq!(joined(&found.inputs), "d/2021-12-01/b.log d/2021-12-01/sub/a.log");
        assert_eq!(found.skipped.counts()["not_a_log"], 1);
    }

    #[test]
    fn a_day_that_is_not_known_is_an_error_that_says_why() {
        let twin = twin(&[
            "a-20211201.log",
            "a-20211202.log",
            "d/b.log",
            "20210229.log",
            "p%/20211201-20211202.log",
            "e/x.md",
        ]);
        let date = "name the day with --date YYYY-MM-DD";
        for (logs, text) in [
            (&["d"][..], format!("\"d/b.log\": no date in its name or its folder's; {date}")),
            (&["a-20211201.log", "-"], format!("\"-\": no date in its name or its folder's; {date}")),
            (&["20210229.log"], format!("\"20210229.log\": 20210229 is not a real date; {date}")),
            (
                &["p%"],
                format!(
                    "\"p%/20211201-20211202.log\": two dates in its name, 2021-12-01 and 2021-12-02; {date}, \
                     or take the first with --date 2021-12-01 --logs 'p%%/%Y%m%d-*.log'"
                ),
            ),
            (
                &["a-20211201.log", "a-20211202.log"],
                "logs of several days, 2021-12-01 (\"a-20211201.log\"), 2021-12-02 (\"a-20211202.log\"); name \
                 those of one day, or count every day with 'agg backfill --logs'"
                    .to_owned(),
            ),
            (&["none"], "\"none\": log not found; check the path".to_owned()),
            (&[], "name a log, a folder of logs, or - to read one".to_owned()),
        ] {
            assert_eq!(one_day(&twin, logs, None), text);
        }
        assert!(one_day(&twin, &["e"], None).starts_with("\"e\": no log in this folder"));
        twin.put_pipe("pipe");
        assert!(one_day(&twin, &["pipe"], None).contains("lead it into standard input"));
    }

    #[test]
    fn logs_that_version_0_1_did_not_read_are_known() {
        let was_read = |path: &str| was_read_before(Path::new("d"), &Path::new("d").join(path));
        assert!(
            ["20211201.log", "a-2021-12-01.txt.gz", "2021-12-01/a.log", "2021-12-01/a.log.zst"]
                .into_iter()
                .all(was_read)
        );
        assert!(
            ![
                "20211201",
                "20211201.log.1",
                "2021120113.log",
                "2021-12-01/part-0",
                "2021_12_01/a.log",
                "2021/12/01/a.log",
                "2021-12-01/web/a.log",
                "a.log"
            ]
            .into_iter()
            .any(was_read)
        );
    }

    #[test]
    fn a_search_ends_as_soon_as_names_take_half_of_the_memory_and_other_days_take_none() {
        let twin = Twin::new();
        let log = |day: u8, at: usize| format!("logs/201112{day:02}-{at:03}.log");
        (1..=4).for_each(|day| (0..100).for_each(|at| twin.put(log(day, at), b"")));
        // 16 bytes and a name of 16, then 20 bytes and the name, and 32 to compare the logs of a day.
        let search = |memory, to| Search { memory: Some(memory), ..range("2011-12-01", to) };
        let text = "\"logs\": more than 301 names at once, which take over half of --memory 0MiB; raise it, or search \
                    fewer files";
        let refused = error(&twin, &["logs"], &search(2 * 32 * 300, "2011-12-04"));
        assert_eq!(refused, (text.to_owned(), ErrorClass::Data));
        assert_eq!(found(&twin, &["logs"], &search(2 * 32 * 300, "2011-12-01")).len(), 1);
        assert_eq!(found(&twin, &["logs/%Y%m%d*"], &search(2 * 32 * 300, "2011-12-01")).len(), 1);
        // The kept logs count together with the listing.
        let few = search(2 * (32 * 100 + 36 * 50), "2011-12-01");
        assert!(error(&twin, &["logs"], &few).0.contains("more than 100 names at once"));
    }

    #[test]
    fn the_plain_form_of_a_log_counts() {
        let twin = twin(&[
            "d/20211201.log",
            "d/20211201.log.gz",
            "d/20211202.log.zst",
            "d/20211202.log.gz",
            "e/20211202.log.gz",
        ]);
        assert_eq!(
            found(&twin, &["d", "e"], &Search::default()),
            ["2021-12-01: d/20211201.log", "2021-12-02: d/20211202.log.gz e/20211202.log.gz"]
        );
        let logs = places(&["d/20211201.log.gz", "-", "e/20211202.log.gz", "d/20211201.log"]);
        let date = "2021-12-01".parse().ok();
        let found = find_day(&twin, &logs, &[], date, &Search::default()).unwrap();
        assert_eq!(joined(&found.inputs), "- e/20211202.log.gz d/20211201.log");
        let others = found.inputs.other_forms().map(|(at, input)| (at, input.path()));
        assert_eq!(others.collect::<Vec<_>>(), [(2, "d/20211201.log.gz".into())]);
    }
}
