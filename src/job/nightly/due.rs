//! Which windows of a night are due.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::iter;

use super::options::NightlyOptions;
use crate::error::Result;
use crate::job::Context;
use crate::job::freshness::holds_emission_like;
use crate::job::kept::Kept;
use crate::job::prune::dates_of_agg;
use crate::model::Day;

/// Decides which windows are due; those that are due and lack days are reported.
pub(super) struct Due<'a> {
    context: &'a Context,
    options: &'a NightlyOptions,
    /// The days that the night looks at.
    range: (Day, Day),
    kept_from: Option<Day>,
    kept: Kept,
    /// What is kept after this night, once the stored days are known.
    kept_after: OnceCell<Kept>,
}

impl<'a> Due<'a> {
    pub(super) fn new(
        context: &'a Context,
        options: &'a NightlyOptions,
        range: (Day, Day),
        kept_from: Option<Day>,
        kept: Kept,
    ) -> Self {
        Due { context, options, range, kept_from, kept, kept_after: OnceCell::new() }
    }

    /// Whether the window of `day` is due when these days are stored.
    ///
    /// # Errors
    /// What is published cannot be read.
    pub(super) fn is_due(&self, day: Day, stored: &BTreeSet<Day>) -> Result<bool> {
        if !self.kept_after(stored)?.has_emission(day) {
            return Ok(false);
        }
        let emit = &self.options.emit;
        let is_own = day == self.options.day;
        if !is_own && self.needs_removed_day(day) {
            return Ok(false);
        }
        // Without any stored day, nothing has begun.
        let begins_before = stored.first().is_none_or(|began| self.first_of(day) < *began);
        if emit.allow_missing || !begins_before {
            return Ok(true);
        }
        Ok(is_own && holds_emission_like(self.context, emit)?)
    }

    /// What is kept after the night, as far as it was decided.
    pub(super) fn kept(&self) -> &Kept {
        self.kept_after.get().unwrap_or(&self.kept)
    }

    /// What is kept after a night that emits all windows that it can: a window that the night itself would remove is not
    /// emitted.
    fn kept_after(&self, stored: &BTreeSet<Day>) -> Result<&Kept> {
        if let Some(kept) = self.kept_after.get() {
            return Ok(kept);
        }
        let kept = match self.options.keep_emissions {
            None => self.kept,
            Some(count) => {
                let output = self.context.output(&self.options.emit.out);
                let mut dates: BTreeSet<Day> =
                    dates_of_agg(self.context, &output)?.into_iter().collect();
                let (from, to) = self.range;
                let looked_at = iter::successors(Some(from), |day| day.plus_days(1));
                let looked_at = looked_at.take_while(|day| *day <= to);
                dates.extend(looked_at.filter(|day| self.can_emit(*day, stored)));
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let oldest = dates.iter().rev().nth(count.saturating_sub(1));
                self.kept.without_emissions_before(oldest.copied())
            }
        };
        Ok(self.kept_after.get_or_init(|| kept))
    }

    fn can_emit(&self, day: Day, stored: &BTreeSet<Day>) -> bool {
        let emit = &self.options.emit;
        let is_whole = || day.window(emit.days).iter().all(|day| stored.contains(day));
        self.kept.has_emission(day)
            && !self.needs_removed_day(day)
            && stored.contains(&day)
            && (emit.allow_missing || is_whole())
    }

    /// Whether the window begins before the days that are kept.
    fn needs_removed_day(&self, day: Day) -> bool {
        self.kept_from.is_some_and(|kept_from| self.first_of(day) < kept_from)
    }

    /// The first day of the window of `day`.
    fn first_of(&self, day: Day) -> Day {
        day.window(self.options.emit.days).first().copied().unwrap_or(day)
    }
}
