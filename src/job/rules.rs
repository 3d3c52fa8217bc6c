//! Compares the rules by which stored days were counted with a run's rules and with one another.
//!
//! A day of format version 1 does not record its rules, and matches any.

use super::Context;
use super::known::Comparison;
use super::warning::Warning;
use crate::error::{ErrorKind, Result};
use crate::model::{Day, Rules};
use crate::partial::Metadata;

/// The recorded rules of a stored day, if they are not those of this run.
pub(super) fn other(metadata: &Metadata, rules: Rules) -> Option<Rules> {
    metadata.rules.filter(|stored| *stored != rules)
}

/// Refuses to continue with a stored day of other rules.
pub(super) fn refuse_other(metadata: &Metadata, rules: Rules) -> Result<()> {
    match other(metadata, rules) {
        Some(stored) => {
            let (day, given) = (metadata.day, rules);
            Err(ErrorKind::OtherRules { day, stored, given }.into())
        }
        None => Ok(()),
    }
}

/// How logs compare with a stored day's, whose counts differ if its rules differ.
pub(super) fn compared(comparison: Comparison, metadata: &Metadata, rules: Rules) -> Comparison {
    match comparison {
        Comparison::Same if other(metadata, rules).is_some() => Comparison::OtherRules,
        comparison => comparison,
    }
}

/// Warns of days that stay as they are, although they do not record whether these rules made them.
pub(super) fn warn_of_unrecorded(context: &Context, days: Vec<Day>, rules: Rules) {
    if !days.is_empty() && !rules.is_default() {
        context.observer.warn(&Warning::RulesUnrecorded { days, rules });
    }
}

/// Warns of days of one window that were counted by different rules.
pub(super) fn warn_of_mixed(context: &Context, days: &[(Day, Option<Rules>)]) {
    let mut groups: Vec<(Option<Rules>, Vec<Day>)> = Vec::new();
    for (day, rules) in days {
        match groups.iter_mut().find(|(known, _)| known == rules) {
            Some((_, days)) => days.push(*day),
            None => groups.push((*rules, vec![*day])),
        }
    }
    if groups.len() > 1 {
        context.observer.warn(&Warning::MixedRules { groups });
    }
}
