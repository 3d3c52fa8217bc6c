//! Files and folders that were found and not counted, each with its reason: one list for the table, the warnings, the
//! JSON report and the metrics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::model::Day;
use crate::text;

/// Maximum warnings for each reason; each has its path, even after many other files.
pub(super) const MAX_WARNED: usize = 5;
/// Maximum lines of a table for each reason.
const MAX_SHOWN: usize = 20;
/// Maximum files that are kept with their paths; the others are only counted.
const MAX_KEPT: usize = 10_000;
/// Maximum bytes of those paths.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// Why a file or folder is not counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// No date in its name or its folders'.
    #[error("no date in its name")]
    Undated,
    /// A date that the calendar does not have.
    #[error("no date in its name: {0} is not a real date")]
    UnrealDate(String),
    /// Different dates in its name.
    #[error(
        "two dates in its name, {first} and {second}; to count it for the first, add --logs '{pattern}'"
    )]
    TwoDates {
        /// The first.
        first: Day,
        /// The next date that differs.
        second: Day,
        /// The pattern that takes the first as its day.
        pattern: String,
    },
    /// A pattern that can match it in two ways.
    #[error("the pattern can take {first} and {second} from its name; make it fit one of them")]
    TwoWays {
        /// A day.
        first: Day,
        /// Another day.
        second: Day,
    },
    /// A name that is not a log's.
    #[error("not named as a log; rename it, or match its name with a pattern in --logs")]
    NotALog,
    /// A table of separated values.
    #[error(
        ".csv, .tsv and .psv files are read with --delimiter, --columns or --header only, for example: --delimiter , --header"
    )]
    Table,
    /// A file that is being written or copied.
    #[error("incomplete by its suffix; it counts once it is complete and renamed")]
    Arriving,
    /// A pipe, a socket or a device.
    #[error("not a regular file")]
    NotAFile,
    /// A link that leads nowhere.
    #[error("a link that leads nowhere")]
    BrokenLink,
    /// A link to a folder.
    #[error(
        "a link to a folder, which is not followed; a pattern in --logs follows it, as 'logs/%Y-%m-%d/*' does"
    )]
    Link,
    /// A folder where a pattern ends.
    #[error("a folder, and the pattern matches files; end the pattern in /**")]
    Folder,
    /// A folder for files that were put aside, by its name.
    #[error(
        "folders of this name are not searched; to count its logs, name it in a pattern: --logs 'logs/%Y-%m-%d/old/*'"
    )]
    SetAside,
    /// A store, an output folder, an emission or a dataset.
    #[error(
        "a folder that agg writes: a store, an output folder, an emission, or tables in kind=…; keep logs elsewhere"
    )]
    OfAgg,
}

impl SkipReason {
    /// Bytes of the texts that it holds.
    fn own_bytes(&self) -> usize {
        match self {
            SkipReason::UnrealDate(text) | SkipReason::TwoDates { pattern: text, .. } => text.len(),
            _ => 0,
        }
    }

    /// The name in reports and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            SkipReason::Undated => "undated",
            SkipReason::UnrealDate(_) => "unreal_date",
            SkipReason::TwoDates { .. } | SkipReason::TwoWays { .. } => "two_dates",
            SkipReason::NotALog => "not_a_log",
            SkipReason::Table => "table",
            SkipReason::Arriving => "arriving",
            SkipReason::NotAFile => "not_a_file",
            SkipReason::BrokenLink => "broken_link",
            SkipReason::Link => "link",
            SkipReason::Folder => "folder",
            SkipReason::SetAside => "set_aside",
            SkipReason::OfAgg => "of_agg",
        }
    }
}

/// A file or folder that is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
    /// Whether a day of the run may lack its rows, so that it is worth a warning.
    pub is_warned: bool,
}

/// All files and folders that are not counted.
///
/// Memory: the paths of the first 10,000, of 1 MiB at most, and a number for each reason.
#[derive(Debug, Clone, Default)]
pub struct Skipped {
    files: Vec<SkippedFile>,
    /// Bytes of their paths and reasons.
    bytes: usize,
    counts: BTreeMap<&'static str, u64>,
    /// The files of each reason that are warned of.
    warned: BTreeMap<&'static str, u64>,
}

impl Skipped {
    /// The first 10,000, of 1 MiB at most, in the order in which they were found.
    #[must_use]
    pub fn files(&self) -> &[SkippedFile] {
        &self.files
    }

    /// Number of files for each reason that occurred.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// How many of each reason are worth a warning.
    pub(super) fn warned(&self) -> &BTreeMap<&'static str, u64> {
        &self.warned
    }

    /// Lines for people: of each reason the first 20 files, and the number of the others.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (reason, count) in &self.counts {
            let files = self.files.iter().filter(|file| file.reason.name() == *reason);
            let before = lines.len();
            lines.extend(files.take(MAX_SHOWN).map(|SkippedFile { path, reason, .. }| {
                format!("skipped {}: {}", text::path(path), text::line(&reason.to_string()))
            }));
            let others = count.saturating_sub((lines.len() - before) as u64);
            if others > 0 {
                lines.push(more(others, reason));
            }
        }
        lines
    }

    /// Number of tables of separated values.
    pub(super) fn tables(&self) -> u64 {
        self.counts.get(SkipReason::Table.name()).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, path: &Path, reason: SkipReason, is_warned: bool) {
        let name = reason.name();
        *self.counts.entry(name).or_default() += 1;
        let warned = self.warned.get(name).copied().unwrap_or(0);
        if is_warned {
            self.warned.insert(name, warned + 1);
        }
        // A warning needs its path, even after many others.
        let has_room = self.files.len() < MAX_KEPT && self.bytes < MAX_KEPT_BYTES;
        if has_room || is_warned && warned < MAX_WARNED as u64 {
            self.bytes += path.as_os_str().len() + reason.own_bytes();
            self.files.push(SkippedFile { path: path.to_owned(), reason, is_warned });
        }
    }
}

fn more(others: u64, reason: &str) -> String {
    format!("skipped {others} more for the same reason ({reason}); --json lists them")
}

/// The list, which may be cut, and the counts, which are not.
impl Serialize for Skipped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Skipped", 2)?;
        fields.serialize_field("skipped", &self.files)?;
        fields.serialize_field("skipped_files", &self.counts)?;
        fields.end()
    }
}

impl Serialize for SkippedFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("SkippedFile", 3)?;
        fields.serialize_field("path", &self.path.to_string_lossy())?;
        fields.serialize_field("reason", self.reason.name())?;
        fields.serialize_field("text", &text::line(&self.reason.to_string()))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_ends_at_its_limits_and_the_counts_go_on() {
        let listed = |number: usize, name: &str| {
            let mut skipped = Skipped::default();
            for at in 0..number {
                skipped.add(Path::new(&format!("{name}{at:05}")), SkipReason::Undated, false);
            }
            let shown = serde_json::to_value(&skipped).unwrap();
            assert_eq!(shown["skipped_files"]["undated"], number);
            shown["skipped"].as_array().unwrap().len()
        };
        assert_eq!(listed(10_050, "a"), 10_000);
        assert_eq!(listed(1_100, &"x".repeat(1_019)), 1_024);
    }
}
