//! What a night changed: the differences between its windows and those before them.

use super::options::NightlyOptions;
use crate::changes::ChangedBy;
use crate::error::{ErrorKind, Result};
use crate::job::Context;
use crate::job::changes::{ChangesOptions, ChangesReport, refresh_changes};
use crate::job::outcome::{BackfillDay, WindowOutcome};
use crate::output::TopsFormat;
use crate::store;

/// Refuses windows without the files that are compared.
pub(super) fn check(options: &NightlyOptions) -> Result<()> {
    if !options.changes || options.emit.formats.contains(&TopsFormat::Text) {
        return Ok(());
    }
    let text = "--changes compares the text files of windows; add text to --format";
    Err(ErrorKind::Usage(text.to_owned()).into())
}

/// Writes the changes of the night's window, and of each other window that was checked from the first date
/// with changes on, unless they are there.
pub(super) fn write(
    context: &Context,
    options: &NightlyOptions,
    days: &[BackfillDay],
) -> Result<Vec<ChangesReport>> {
    let mut written = Vec::new();
    if !options.changes || options.dry_run {
        return Ok(written);
    }
    let there = context.output(&options.emit.out).changes();
    let first = there.days()?.first().copied().unwrap_or(options.day).min(options.day);
    let is_published = |dated: &&BackfillDay| {
        let published = matches!(dated.window, WindowOutcome::Emitted(_) | WindowOutcome::Fresh);
        published && dated.day >= first
    };
    for dated in days.iter().filter(is_published) {
        context.check_stop()?;
        let options = ChangesOptions {
            day: dated.day,
            against: None,
            out: options.emit.out.clone(),
            format: TopsFormat::Text,
            by: ChangedBy::default(),
        };
        written.extend(refresh_changes(context, &options)?);
    }
    // What a killed run has published may not be durable.
    store::settle_changes(&there)?;
    Ok(written)
}
