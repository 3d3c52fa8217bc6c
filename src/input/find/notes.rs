//! What a search meets besides logs: skipped files, names for an error, and warnings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::name::base_name;
use super::search::Search;
use super::warning::{SearchWarning, of_skipped};
use crate::input::listing::keep_few;
use crate::input::names;
use crate::input::skipped::Skipped;

/// The other files that were found.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) skipped: Skipped,
    pub(super) warnings: Vec<SearchWarning>,
    /// The first files by their names, of any day.
    pub(super) names: BTreeSet<PathBuf>,
    /// The first files of the days that are being written or copied.
    arriving: BTreeSet<PathBuf>,
    has_rotated: bool,
}

impl Notes {
    pub(super) fn met(&mut self, path: &Path) {
        keep_few(&mut self.names, path.to_owned());
    }

    pub(super) fn arriving(&mut self, path: &Path) {
        keep_few(&mut self.arriving, path.to_owned());
    }

    /// Warns once of a log that seems to be named after the day of its rotation.
    pub(super) fn counted(&mut self, path: &Path, search: &Search) {
        if search.date_offset.is_none()
            && !self.has_rotated
            && names::has_date_of_rotation(base_name(path))
        {
            self.has_rotated = true;
            self.warnings.push(SearchWarning::Rotated(path.to_owned()));
        }
    }

    /// The files that are being written or copied, the skipped files, and all warnings.
    pub(super) fn finish(mut self) -> (BTreeSet<PathBuf>, Skipped, Vec<SearchWarning>) {
        self.warnings.extend(of_skipped(&self.skipped));
        (self.arriving, self.skipped, self.warnings)
    }
}
