//! What the name of a file says when it does not say its day.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::search::Search;
use crate::error::{Error, ErrorKind};
use crate::input::dates::{self, Dates};
use crate::input::skipped::SkipReason;
use crate::model::Day;

pub(super) fn base_name(path: &Path) -> &[u8] {
    path.file_name().map(OsStr::as_bytes).unwrap_or_default()
}

pub(super) fn undated(path: &Path) -> SkipReason {
    dates::unreal_date_in(base_name(path)).map_or(SkipReason::Undated, SkipReason::UnrealDate)
}

pub(super) fn no_date(path: &Path) -> Error {
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

pub(super) fn two_dates(path: &Path) -> SkipReason {
    match dates_and_pattern(path) {
        Some((first, second, pattern)) => SkipReason::TwoDates { first, second, pattern },
        None => SkipReason::Undated,
    }
}

pub(super) fn two_dates_error(path: &Path, search: &Search) -> Error {
    let kind = match dates_and_pattern(path) {
        Some((first, second, pattern)) => {
            let day = search.shift(first).unwrap_or(first);
            ErrorKind::TwoDates { first, second, day, pattern }
        }
        None => ErrorKind::NoDate,
    };
    Error::from(kind).at(path)
}
