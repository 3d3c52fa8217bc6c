//! Which day a night is for, and which days it looks at.

use std::path::PathBuf;
use std::time::Duration;

use crate::job::backfill::BackfillOptions;
use crate::job::count::ReduceOptions;
use crate::job::emit_window::EmitOptions;
use crate::job::prune::{KeepEmissions, PruneOptions};
use crate::model::Day;

/// Which day, which others, and what else a night does.
#[derive(Debug, Clone)]
pub struct NightlyOptions {
    /// The day that the night is for.
    pub day: Day,
    /// The last day that has ended: windows after `day` that include it are checked up to this day.
    pub until: Day,
    /// Number of days before `day` that are checked; those of its window always are.
    pub catch_up: u32,
    /// Folders of logs, and patterns with `%Y`, `%m` and `%d`.
    pub logs: Vec<PathBuf>,
    /// Limits of each day, as in [`BackfillOptions::reduce`].
    pub reduce: ReduceOptions,
    /// How windows are emitted; its `day` is filled in for each.
    pub emit: EmitOptions,
    /// The newest days that stay, if old days are removed.
    pub keep_days: Option<u32>,
    /// The newest emissions that stay, if old emissions are removed.
    pub keep_emissions: Option<u32>,
    /// Write what changed in each window to the folder of changes in the output folder.
    pub changes: bool,
    /// Wait until the day's logs are complete.
    pub wait: Option<WaitForLog>,
    /// Only report what would be done, as in [`BackfillOptions::dry_run`]; does not wait.
    pub dry_run: bool,
}

/// How long to wait for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitForLog {
    /// At most so long.
    pub at_most: Duration,
    /// Between two looks. Logs of the same names, sizes and times in two looks are complete.
    pub poll: Duration,
}

impl WaitForLog {
    /// How often logs are looked for by default.
    pub const POLL: Duration = Duration::from_secs(60);
}

impl NightlyOptions {
    /// Days before its own that a night looks at where nothing else is asked: a month and some.
    pub const CATCH_UP: u32 = 35;

    /// The first day of the night's window.
    pub(super) fn window_from(&self) -> Day {
        self.day.window(self.emit.days).first().copied().unwrap_or(self.day)
    }

    /// The days that are checked: those before its own from `kept_from` on, and those after it whose windows
    /// include it.
    pub(super) fn range(&self, kept_from: Option<Day>) -> (Day, Day) {
        let back = i64::from(self.catch_up);
        let from = self.day.plus_days(-back).or_else(|| Day::new(1970, 1, 1)).unwrap_or(self.day);
        let from = from.min(self.window_from());
        let from = from.max(kept_from.unwrap_or(from)).min(self.day);
        let ahead = self.day.plus_days(i64::from(self.emit.days) - 1).unwrap_or(self.until);
        (from, ahead.min(self.until).max(self.day))
    }

    pub(super) fn filled(&self, (from, to): (Day, Day)) -> BackfillOptions {
        BackfillOptions {
            logs: self.logs.clone(),
            from: Some(from),
            to: Some(to),
            reduce: self.reduce.clone(),
            emit: Some(self.emit.clone()),
            dry_run: self.dry_run,
        }
    }

    /// What is removed after a good night; `None` if nothing is asked to be.
    pub(super) fn pruning(&self) -> Option<PruneOptions> {
        self.keep_days.or(self.keep_emissions)?;
        let keep = |count| KeepEmissions { count, out: self.emit.out.clone() };
        Some(PruneOptions {
            keep_days: self.keep_days,
            window_days: self.emit.days,
            keep_emissions: self.keep_emissions.map(keep),
            dry_run: self.dry_run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(day: &str, until: &str) -> NightlyOptions {
        let day: Day = day.parse().unwrap();
        NightlyOptions {
            day,
            until: until.parse().unwrap(),
            catch_up: 0,
            logs: Vec::new(),
            reduce: ReduceOptions::default(),
            emit: EmitOptions::new(day, PathBuf::new()),
            keep_days: None,
            keep_emissions: None,
            changes: false,
            wait: None,
            dry_run: false,
        }
    }

    #[test]
    fn the_days_of_a_night_are_those_of_its_window_or_more_and_windows_behind_it() {
        let range = |options: &NightlyOptions, kept_from: Option<&str>| {
            let (from, to) = options.range(kept_from.map(|day| day.parse().unwrap()));
            format!("{from} {to}")
        };
        let late = options("2021-12-07", "2021-12-31");
        assert_eq!(range(&late, None), "2021-12-01 2021-12-13");
        assert_eq!(range(&late, Some("2021-12-03")), "2021-12-03 2021-12-13");
        // Its own day is checked even if it will not be kept.
        assert_eq!(range(&late, Some("2021-12-20")), "2021-12-07 2021-12-13");
        assert_eq!(range(&options("2021-12-07", "2021-12-09"), None), "2021-12-01 2021-12-09");
        // A day of the future.
        assert_eq!(range(&options("2021-12-07", "2021-12-06"), None), "2021-12-01 2021-12-07");
        let usual = NightlyOptions { catch_up: 35, ..options("2021-12-07", "2021-12-07") };
        assert_eq!(range(&usual, None), "2021-11-02 2021-12-07");
        let month = EmitOptions { days: 60, ..usual.emit.clone() };
        assert_eq!(range(&NightlyOptions { emit: month, ..usual }, None), "2021-10-09 2021-12-07");
        let first = NightlyOptions { catch_up: 9, ..options("1970-01-03", "1970-01-03") };
        assert_eq!(range(&first, None), "1970-01-01 1970-01-03");
        assert_eq!(range(&options("2199-12-31", "2199-12-31"), None), "2199-12-25 2199-12-31");
    }

    #[test]
    fn too_few_days_or_emissions_to_keep_are_refused() {
        let kept = |days, keep_days, keep_emissions| {
            let night = options("2021-12-07", "2021-12-07");
            let emit = EmitOptions { days, ..night.emit.clone() };
            let options = NightlyOptions { emit, keep_days, keep_emissions, ..night };
            options.pruning().map(|pruning| pruning.check().is_ok())
        };
        assert_eq!(kept(7, None, None), None);
        for (days, keep_days) in [(7, 13), (18, 35), (3660, 7319), (1, 1)] {
            assert_eq!(kept(days, Some(keep_days), Some(2)), Some(true));
            assert_eq!(kept(days, Some(keep_days - 1), None), Some(false));
        }
        assert_eq!(kept(7, None, Some(1)), Some(false));
    }
}
