//! Other forms of logs that count, for example `x.log.gz` beside `x.log`.

use super::Context;
use super::seen::{self, SeenLogs};
use super::warning::Warning;
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::input::{self, InputPath, InputPaths};
use crate::model::{InputFacts, Inputs};
use crate::store::SeenLog;

/// Compares other forms with the logs that count, which have these facts. Returns the complete forms, to be kept for
/// later runs.
///
/// A form is read unless it was seen unchanged; `header` is whether its first line is no row. An incomplete form does no
/// harm, and gives a warning.
///
/// # Errors
/// [`ErrorKind::OtherContent`], and signals.
pub(super) fn compare_forms(
    context: &Context,
    seen: &SeenLogs,
    (paths, facts): (&InputPaths, &Inputs),
    header: bool,
) -> Result<Vec<SeenLog>> {
    if paths.other_forms().next().is_none() {
        return Ok(Vec::new());
    }
    let digests: Vec<u128> = facts.iter().map(|facts| facts.digest).collect();
    let mut compared = Vec::new();
    for (at, form) in paths.other_forms() {
        let counted = || paths.get(at).map(|log| log.path()).unwrap_or_default();
        match form_of(context, seen, form, header) {
            Ok(log) if digests.get(at) == Some(&log.digest) => compared.push(log),
            Ok(_) => return Err(Error::from(ErrorKind::OtherContent(counted())).at(form.path())),
            Err(error) if matches!(error.class(), ErrorClass::Data | ErrorClass::NoInput) => {
                context.observer.warn(&Warning::OtherForm { error, counted: counted() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(compared)
}

/// A log with its digest.
fn form_of(
    context: &Context,
    seen: &SeenLogs,
    form: InputPath<'_>,
    header: bool,
) -> Result<SeenLog> {
    let path = form.path();
    // Before it is read, because a later change makes another log.
    let stat = input::stat_input(context.files.as_ref(), &path)?;
    let log = SeenLog::unread(form.name(), &stat);
    if let Some(seen) = seen.get(&log) {
        return Ok(seen);
    }
    let mut paths = InputPaths::default();
    paths.push(&path);
    let read = seen::read(context, paths, header)?;
    let content = read.iter().next().map(|InputFacts { digest, rows, .. }| (digest, rows));
    let (digest, rows) = content.unwrap_or_default();
    Ok(SeenLog { digest, rows, ..log })
}
