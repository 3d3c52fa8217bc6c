//! What a search for logs warns of, with a text for each.

use std::path::PathBuf;

use crate::input::skipped::{MAX_WARNED, SkipReason, Skipped, SkippedFile};
use crate::model::Day;

/// Something that was found, or not found, while logs were searched for. Each text is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchWarning {
    /// One of several places has no log.
    #[error("no log of these days in {0:?}")]
    NoLogIn(PathBuf),
    /// A log seems to be named after the day of its rotation.
    #[error(
        "{0:?} is counted for the date in its name, but logrotate names the day of rotation; use --date-offset -1, or 0 if \
         logrotate has 'dateyesterday'"
    )]
    Rotated(PathBuf),
    /// Two places, or a link, give a log to two days.
    #[error(
        "{path:?} is counted for {first} and for {second}, because --logs find it in two ways; make them agree"
    )]
    InTwoDays {
        /// Where it is.
        path: PathBuf,
        /// A day.
        first: Day,
        /// Another day.
        second: Day,
    },
    /// A file or folder that may have rows of a day is not counted.
    #[error("skipped {path:?}: {reason}")]
    Skipped {
        /// Where it is.
        path: PathBuf,
        /// Why.
        reason: SkipReason,
    },
    /// So are others, which are listed in the report.
    #[error("skipped {others} more for the same reason ({reason}); --json lists them")]
    SkippedMore {
        /// Number of them.
        others: u64,
        /// The reason's name.
        reason: &'static str,
    },
}

/// The warnings of what was skipped: at most five of each reason, and the number of the others.
pub(super) fn of_skipped(skipped: &Skipped) -> Vec<SearchWarning> {
    let mut warnings = Vec::new();
    for (reason, count) in skipped.warned() {
        let files = skipped.files().iter();
        let files = files.filter(|file| file.is_warned && file.reason.name() == *reason);
        let before = warnings.len();
        warnings.extend(files.take(MAX_WARNED).map(|SkippedFile { path, reason, .. }| {
            SearchWarning::Skipped { path: path.clone(), reason: reason.clone() }
        }));
        let others = count.saturating_sub((warnings.len() - before) as u64);
        if others > 0 {
            warnings.push(SearchWarning::SkippedMore { others, reason });
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn five_lines_of_each_reason_are_warned_of_and_the_others_counted() {
        let mut skipped = Skipped::default();
        for at in 0..7 {
            skipped.add(Path::new(&format!("a{at}.bak")), SkipReason::NotALog, true);
        }
        skipped.add(Path::new("b"), SkipReason::Undated, false);
        let warnings: Vec<String> = of_skipped(&skipped).iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 6);
        assert!(warnings[0].starts_with("skipped \"a0.bak\": not named as a log"), "{warnings:?}");
        assert_eq!(
            warnings[5],
            "skipped 2 more for the same reason (not_a_log); --json lists them"
        );
        assert_eq!(skipped.counts()["not_a_log"], 7);
        assert_eq!(skipped.files().len(), 8);
    }
}
