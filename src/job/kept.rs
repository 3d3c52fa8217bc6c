//! What the last pruning kept: runs over many days leave older days and windows alone.

use super::Context;
use super::warning::Warning;
use crate::error::Result;
use crate::input::DatedLogs;
use crate::model::Day;
use crate::store::{self, Output};

/// The oldest kept day and the date of the oldest kept emission, as recorded; `None` if nothing was pruned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) day: Option<Day>,
    emission: Option<Day>,
}

impl Kept {
    pub(super) fn recorded(context: &Context, output: Option<&Output>) -> Result<Self> {
        let day = store::oldest_kept_day(&context.store())?;
        let emission = output.map(store::oldest_kept_emission).transpose()?.flatten();
        Ok(Kept { day, emission })
    }

    /// Leaves out the logs of older days, which would be counted again only to be removed again. Days from `named` on
    /// stay.
    pub(super) fn skip_older(&self, context: &Context, named: Option<Day>, found: &mut DatedLogs) {
        let Some(oldest) = self.day else { return };
        let from = named.map_or(oldest, |named| named.min(oldest));
        let older = found.days.extract_if(.., |dated| dated.day < from).map(|dated| dated.day);
        let days: Vec<Day> = older.collect();
        if !days.is_empty() {
            context.observer.warn(&Warning::OlderThanKept { days, oldest });
        }
    }

    /// The same if no emission before this date is kept either.
    pub(super) fn without_emissions_before(self, date: Option<Day>) -> Self {
        Kept { emission: self.emission.max(date), ..self }
    }

    /// Whether an emission of this date would be kept.
    pub(super) fn has_emission(&self, date: Day) -> bool {
        self.emission.is_none_or(|oldest| oldest <= date)
    }

    /// Warns of these dates, whose windows are not emitted because their emissions would not be kept.
    pub(super) fn warn_of_older(&self, context: &Context, dates: impl Iterator<Item = Day>) {
        let days: Vec<Day> = dates.filter(|date| !self.has_emission(*date)).collect();
        if let Some(oldest) = self.emission.filter(|_| !days.is_empty()) {
            context.observer.warn(&Warning::WindowsNotKept { days, oldest });
        }
    }
}
