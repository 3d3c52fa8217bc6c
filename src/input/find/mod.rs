//! Finds the logs of each day in folders and by patterns, and the files to skip, with a reason each.

mod days;
mod name;
mod notes;
mod one_day;
mod search;
#[cfg(test)]
mod tests;
mod warning;

use std::path::PathBuf;

use days::Found;
pub use days::{DatedDay, DatedLogs};
pub use one_day::DayLogs;
use one_day::Given;
pub use search::Search;
pub use warning::SearchWarning;

use super::listing::Room;
use super::paths::InputPaths;
use super::walk::{Walk, Where, identities};
use crate::error::{ErrorKind, Result};
use crate::fs::FileSystem;
use crate::model::Day;

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
    let mut given = Given::new(search, date, &room);
    for path in logs {
        given.add_argument(files, path)?;
    }
    given.finish(files)
}

fn find_in(files: &dyn FileSystem, places: &[Where], search: &Search) -> Result<DatedLogs> {
    let room = Room::of(search.memory);
    let mut found = Found::new(search, &room);
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
            found.notes.warnings.push(SearchWarning::NoLogIn(place.first_path(days)));
        }
    }
    let Some(first) = places.first() else {
        let text = "name a folder or a pattern with --logs";
        return Err(ErrorKind::Usage(text.to_owned()).into());
    };
    let mut logs = found.finish(files, first)?;
    // A folder that is searched alone leads to each log once, but for hard links.
    if places.len() > 1 || matches!(first, Where::Pattern(_)) {
        logs.warn_of_logs_in_two_days(files, &room)?;
    }
    Ok(logs)
}
