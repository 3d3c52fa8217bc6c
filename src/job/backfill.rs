//! `backfill`: a folder of historical logs to partials, and their windows.

use std::path::PathBuf;

use super::Context;
use super::emit_window::{EmitOptions, EmitReport, emit_window};
use super::reduce_day::{ReduceOptions, ReduceReport, reduce_inputs};
use crate::error::{ErrorKind, Result};
use crate::input::{self, DatedDay, DatedLogs};
use crate::model::Day;
use crate::store::Store;

/// Which logs, which days, and whether to emit.
#[derive(Debug, Clone)]
pub struct BackfillOptions {
    /// Folder of logs and dated folders.
    pub logs: PathBuf,
    /// First day, if bounded.
    pub from: Option<Day>,
    /// Last day, if bounded.
    pub to: Option<Day>,
    /// Limits of each day; its `logs` and `day` are filled in for each.
    pub reduce: ReduceOptions,
    /// Emit the window of each date; its `day` is filled in for each.
    pub emit: Option<EmitOptions>,
}

/// What became of one day.
#[derive(Debug)]
pub struct BackfillDay {
    /// The day.
    pub day: Day,
    /// Its reduction; a bad day does not stop the others.
    pub reduced: Option<Result<ReduceReport>>,
    /// Its emission, if it was asked for and its window's days are stored.
    pub emitted: Option<Result<EmitReport>>,
    /// Days that its window lacks, if it was to be emitted and was not.
    pub lacking: Vec<Day>,
}

/// What a backfill did.
#[derive(Debug)]
pub struct BackfillReport {
    /// The days, ascending.
    pub days: Vec<BackfillDay>,
    /// Entries of the folder that were passed over, each with the reason.
    pub passed_over: Vec<(PathBuf, String)>,
}

impl BackfillOptions {
    /// Whether the day is in the range.
    fn covers(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

impl BackfillDay {
    /// A day of which nothing was done yet.
    fn untouched(day: Day) -> Self {
        BackfillDay { day, reduced: None, emitted: None, lacking: Vec::new() }
    }
}

/// Reduces every day whose logs are in the folder, then emits the windows of those dates.
///
/// A day of unchanged logs is left alone; a bad day does not stop the others. A window is emitted once its days are
/// stored, whether by this run or before.
///
/// # Errors
/// A folder that is not there or has no logs, a store that is locked, and signals; all else is in the report.
pub fn backfill(context: &Context, options: &BackfillOptions) -> Result<BackfillReport> {
    let DatedLogs { days, passed_over } = input::find_days(context.files.as_ref(), &options.logs)?;
    let mut report = BackfillReport { days: Vec::new(), passed_over };
    for DatedDay { day, inputs } in days.into_iter().filter(|dated| options.covers(dated.day)) {
        let reduced =
            inputs.and_then(|inputs| reduce_inputs(context, &options.reduce, day, &inputs));
        stop_on(&reduced)?;
        report.days.push(BackfillDay { reduced: Some(reduced), ..BackfillDay::untouched(day) });
    }
    if let Some(emit) = &options.emit {
        emit_all(context, options, emit, &mut report)?;
    }
    Ok(report)
}

/// A signal or a lock held elsewhere ends the whole run: every further day would meet it too.
fn stop_on<T>(outcome: &Result<T>) -> Result<()> {
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_) | ErrorKind::Locked) => {
            Err(error.clone())
        }
        _ => Ok(()),
    }
}

/// Emits the window of every date of the range: those with logs, and those with a partial from before.
fn emit_all(
    context: &Context,
    options: &BackfillOptions,
    emit: &EmitOptions,
    report: &mut BackfillReport,
) -> Result<()> {
    let stored = Store::new(&context.store).days(context.files.as_ref())?;
    for day in stored.iter().copied().filter(|day| options.covers(*day)) {
        if !report.days.iter().any(|known| known.day == day) {
            report.days.push(BackfillDay::untouched(day));
        }
    }
    report.days.sort_by_key(|known| known.day);
    for dated in &mut report.days {
        let window = dated.day.window(emit.days);
        let lacking: Vec<Day> =
            window.into_iter().filter(|day| stored.binary_search(day).is_err()).collect();
        // Stored days count, also one whose new logs were refused: what is stored of it is its last good state.
        if !(lacking.is_empty() || emit.allow_missing) {
            dated.lacking = lacking;
            continue;
        }
        let emitted = emit_window(context, &EmitOptions { day: dated.day, ..emit.clone() });
        stop_on(&emitted)?;
        dated.emitted = Some(emitted);
    }
    Ok(())
}
