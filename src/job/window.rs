//! The stored days of a window, its missing days, and its totals.
//!
//! All jobs that read several days open their partials here, once, before they write anything.

use std::path::PathBuf;

use super::Context;
use super::inspect::open_day;
use super::join::JoinInput;
use super::rules::warn_of_mixed;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Facts, Origin, PartialFacts};
use crate::model::{Day, Inputs, PerKind, RowCounts, Rules};
use crate::output::PartialEntry;
use crate::partial::Partial;
use crate::text;

/// The days of a window, and what a job keeps of the partial of each day that is stored: the partial, or a [`StoredDay`]
/// where there may be more of them than a process may have open.
pub(super) struct StoredWindow<P> {
    /// All days, oldest first.
    pub(super) days: Vec<Day>,
    /// The days without a partial.
    pub(super) missing: Vec<Day>,
    /// The rows of each day with a partial.
    pub(super) stored: Vec<P>,
    /// Entries of the runs of each kind.
    pub(super) entries: PerKind<u64>,
}

/// A partial as it was when it was opened.
pub(super) struct StoredDay {
    path: PathBuf,
    day: Day,
    version: u16,
    digest: u128,
    rules: Option<Rules>,
    counts: RowCounts,
}

impl<P> StoredWindow<P> {
    /// Opens the partials of these days, in ascending order; `keep` takes what is needed of each.
    pub(super) fn look(
        context: &Context,
        days: Vec<Day>,
        mut keep: impl FnMut(Partial) -> P,
    ) -> Result<Self> {
        let store = context.store();
        let (mut missing, mut stored, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        let mut entries = PerKind::<u64>::default();
        for &day in &days {
            context.check_stop()?;
            let Some(partial) = open_day(&store, day)? else {
                missing.push(day);
                continue;
            };
            let metadata = partial.metadata();
            for (kind, entries) in entries.iter_mut() {
                *entries += metadata.runs[kind].pairs;
            }
            rules.push((day, metadata.rules));
            stored.push(keep(partial));
        }
        warn_of_mixed(context, &rules);
        Ok(StoredWindow { days, missing, stored, entries })
    }

    /// Refuses to continue without the missing days, unless that is allowed and another day is stored.
    pub(super) fn check_missing(&self, context: &Context, allow_missing: bool) -> Result<()> {
        check_missing(context, &self.missing, self.stored.len(), allow_missing)
    }
}

/// As [`StoredWindow::check_missing`], for any days, `stored` of which are stored.
pub(super) fn check_missing(
    context: &Context,
    missing: &[Day],
    stored: usize,
    allow_missing: bool,
) -> Result<()> {
    let can_skip = stored > 0;
    if missing.is_empty() || (can_skip && allow_missing) {
        return Ok(());
    }
    let kind = ErrorKind::MissingDays { days: missing.to_vec(), can_skip };
    Err(Error::from(kind).at(&context.store))
}

impl StoredDay {
    /// What is kept of a partial that is closed.
    pub(super) fn of(partial: &Partial) -> Self {
        let metadata = partial.metadata();
        StoredDay {
            path: partial.path().to_owned(),
            day: metadata.day,
            version: partial.version(),
            digest: partial.digest(),
            rules: metadata.rules,
            counts: metadata.counts(),
        }
    }
}

impl StoredWindow<StoredDay> {
    /// The rows of all days.
    pub(super) fn counts(&self) -> Result<RowCounts> {
        total(self.stored.iter().map(|stored| stored.counts))
    }

    /// The partials in the form of a manifest.
    pub(super) fn manifest_entries(&self) -> Vec<PartialEntry> {
        let entry = |stored: &StoredDay| PartialEntry {
            day: stored.day,
            digest: text::hex128(stored.digest),
            rows: stored.counts.rows,
            rejected: stored.counts.rejected(),
        };
        self.stored.iter().map(entry).collect()
    }

    /// The window, or the day with its logs, in the form of a table's facts.
    pub(super) fn facts(&self, origin: Origin, inputs: Inputs) -> Result<Facts> {
        let partial = |stored: &StoredDay| PartialFacts {
            day: stored.day,
            version: stored.version,
            digest: text::hex128(stored.digest),
            rules: stored.rules,
        };
        let partials = self.stored.iter().map(partial).collect();
        let RowCounts { rows, rejects, .. } = self.counts()?;
        Ok(Facts { origin, partials, rows, rejects, inputs })
    }

    /// The window that ends on `to`, as a table names it.
    pub(super) fn origin(&self, to: Day, days: u32) -> Origin {
        Origin::Window { from: self.from(to), to, days, missing: self.missing.clone() }
    }

    /// The window's first day.
    pub(super) fn from(&self, to: Day) -> Day {
        self.days.first().copied().unwrap_or(to)
    }

    /// Its partials, to be merged.
    pub(super) fn inputs(&self) -> Vec<JoinInput> {
        let input = |stored: &StoredDay| JoinInput::Stored {
            path: stored.path.clone(),
            digest: stored.digest,
        };
        self.stored.iter().map(input).collect()
    }
}

/// The rows of some days together. No run stores a day of more than 2^63-1 rows, and a day that claims them is refused
/// even alone: an older version imported such tables.
pub(super) fn total(counts: impl IntoIterator<Item = RowCounts>) -> Result<RowCounts> {
    let add = |sum: RowCounts, more: RowCounts| sum.checked_add(&more);
    let sum = counts.into_iter().try_fold(RowCounts::NONE, add);
    Ok(sum.ok_or(ErrorKind::TooManyRows)?)
}

/// Runs `work` again, once, if another run replaced or removed a partial between opening and reading: the second try
/// finds the partials that are stored by then.
pub(super) fn overtaken_once<T>(work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if matches!(error.kind(), ErrorKind::Replaced | ErrorKind::Removed) => {
            tracing::info!(%error, "looking again");
            work()
        }
        outcome => outcome,
    }
}
