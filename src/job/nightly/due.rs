//! Which windows of a night are due.

use std::collections::BTreeSet;

use super::options::NightlyOptions;
use crate::error::Result;
use crate::job::Context;
use crate::job::freshness::holds_emission_like;
use crate::job::kept::Kept;
use crate::model::Day;

/// Decides which windows are due; those that are due and lack days are reported.
pub(super) struct Due<'a> {
    context: &'a Context,
    options: &'a NightlyOptions,
    kept_from: Option<Day>,
    kept: Kept,
}

impl<'a> Due<'a> {
    pub(super) fn new(
        context: &'a Context,
        options: &'a NightlyOptions,
        kept_from: Option<Day>,
        kept: Kept,
    ) -> Self {
        Due { context, options, kept_from, kept }
    }

    /// Whether the window of `day` is due when these days are stored.
    ///
    /// # Errors
    /// What is published cannot be read.
    pub(super) fn is_due(&self, day: Day, stored: &BTreeSet<Day>) -> Result<bool> {
        if !self.kept.has_emission(day) {
            return Ok(false);
        }
        let emit = &self.options.emit;
        let from = day.window(emit.days).first().copied().unwrap_or(day);
        let is_own = day == self.options.day;
        if !is_own && self.kept_from.is_some_and(|kept_from| from < kept_from) {
            return Ok(false);
        }
        let begins_before = stored.first().is_some_and(|began| from < *began);
        if emit.allow_missing || !begins_before {
            return Ok(true);
        }
        Ok(is_own && holds_emission_like(self.context, emit)?)
    }
}
