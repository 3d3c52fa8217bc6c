//! `nightly`: the log of the day that has ended, and what came late, to partials and windows; then old days go.
//!
//! A night is a backfill over a few days, and a verdict: the night's own day and its window decide whether it was good.

mod changes;
mod due;
mod options;
mod wait;

use serde::Serialize;

use self::due::Due;
use super::Context;
use super::backfill::fill;
use super::changes::ChangesReport;
use super::kept::Kept;
use super::outcome::{BackfillDay, BackfillReport, WindowOutcome};
use super::prune::{PruneOptions, PruneReport, prune};
use super::warning::Warning;
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::input;
use crate::model::Day;
use crate::store::{OutputLock, StoreLock};

pub use self::options::{NightlyOptions, WaitForLog};

/// What a night did, or would do.
#[derive(Debug, Serialize)]
pub struct NightlyReport {
    /// The day that the night is for.
    pub day: Day,
    /// The first day of its window.
    #[serde(skip)]
    pub window_from: Day,
    /// All days and windows that were checked.
    #[serde(flatten)]
    pub filled: BackfillReport,
    /// The date of the first window that all its days can have, where the store begins after the window of `day`.
    pub first_full_window: Option<Day>,
    /// The changes that were written.
    pub changes: Vec<ChangesReport>,
    /// What was removed, or would be; `None` if nothing was asked to be, or the night was not good.
    pub pruned: Option<PruneReport>,
    /// What went wrong besides the days and windows.
    pub errors: Vec<Error>,
}

impl NightlyReport {
    /// What went wrong with days and windows, and besides them, as far as it decides how the night ended. That something
    /// to read is missing counts for the days of the night's window alone.
    pub fn failures(&self) -> impl Iterator<Item = (Option<Day>, &Error)> {
        let days = self.filled.days.iter();
        let of_days = days.flat_map(|dated| {
            let reduced = dated.reduced.error().filter(|error| !self.is_minor(dated.day, error));
            let errors = [reduced, dated.window.error()].into_iter().flatten();
            errors.map(|error| (Some(dated.day), error))
        });
        of_days.chain(self.errors.iter().map(|error| (None, error)))
    }

    fn is_minor(&self, day: Day, error: &Error) -> bool {
        day < self.window_from && error.class() == ErrorClass::NoInput
    }

    /// What became of the night's day; `None` if it has neither a log nor a partial.
    fn own(&self) -> Option<&BackfillDay> {
        self.filled.days.iter().find(|dated| dated.day == self.day)
    }

    /// Whether the window of the night's day was emitted by this run.
    #[must_use]
    pub fn has_emitted(&self) -> bool {
        self.own().is_some_and(|own| matches!(own.window, WindowOutcome::Emitted(_)))
    }
}

/// Does the work of a night: reduces its day and the days before it whose logs have come or changed, emits the windows
/// that are due, and, after a good night, removes old days if that is asked for.
///
/// A window is due if it begins neither before the days that are kept nor before the store's first day. That of the
/// night's day is due in any case once the output folder holds an emission of this shape. No window is due whose emission
/// would be older than those that are kept, by the last pruning or after this night.
///
/// # Example
/// ```
/// use agg::budget::Budget;
/// use agg::job::{Context, EmitOptions, NightlyOptions, ReduceOptions, nightly};
///
/// let folder = tempfile::tempdir()?;
/// let logs = folder.path().join("logs");
/// std::fs::create_dir(&logs)?;
/// std::fs::write(logs.join("listen-20211201.log"), "9|7|FR\n")?;
///
/// let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// let day = "2021-12-01".parse()?;
/// let night = nightly(&context, &NightlyOptions {
///     day,
///     until: day,
///     catch_up: NightlyOptions::CATCH_UP,
///     logs: vec![logs],
///     reduce: ReduceOptions::default(),
///     emit: EmitOptions::new(day, folder.path().join("out")),
///     keep_days: None,
///     keep_emissions: None,
///     changes: false,
///     wait: None,
///     dry_run: false,
/// })?;
/// // The first night of all: its week is full on the seventh.
/// assert_eq!((night.failures().count(), night.first_full_window), (0, day.plus_days(6)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`backfill`](super::backfill()), except that days without a log are in the report; [`ErrorKind::Usage`] for too few
/// days to keep; [`ErrorKind::CannotCreate`] for a store or output folder that this user cannot write, before any work;
/// [`ErrorKind::NoLogOfDay`] and [`ErrorKind::StillArriving`] after waiting in vain.
pub fn nightly(context: &Context, options: &NightlyOptions) -> Result<NightlyReport> {
    let pruning = options.pruning();
    pruning.as_ref().map_or(Ok(()), PruneOptions::check)?;
    changes::check(options)?;
    if !options.dry_run {
        check_writable(context, options)?;
        wait::wait_for_log(context, options)?;
    }
    let kept_from = kept_from(context, options)?;
    let range = options.range(kept_from);
    let fill_options = options.filled(range);
    let search = fill_options.search(context);
    let mut found = input::find_any_days(context.files.as_ref(), &options.logs, &search)?;
    let kept = Kept::recorded(context, Some(&context.output(&options.emit.out)))?;
    kept.skip_older(context, Some(options.window_from()), &mut found);
    let due = Due::new(context, options, range, kept_from, kept);
    let filled = fill(context, &fill_options, found, &|day, stored| due.is_due(day, stored))?;
    due.kept().warn_of_older(context, std::iter::once(options.day));
    let (day, window_from) = (options.day, options.window_from());
    let mut night = NightlyReport {
        day,
        window_from,
        filled,
        first_full_window: None,
        changes: Vec::new(),
        pruned: None,
        errors: Vec::new(),
    };
    if night.filled.stopped.is_some() {
        return Ok(night);
    }
    let began = began(context, &night)?;
    judge(context, options, began, &mut night);
    warn_of_older(context, &night, range.0.max(began));
    match changes::write(context, options, &night.filled.days) {
        Ok(written) => night.changes = written,
        Err(error) => night.errors.push(error),
    }
    if let Some(pruning) = pruning.filter(|_| night.failures().next().is_none()) {
        remove_old(context, &pruning, &mut night);
    }
    Ok(night)
}

/// The first day that is kept; older days are not checked. `None` if all are kept.
fn kept_from(context: &Context, options: &NightlyOptions) -> Result<Option<Day>> {
    let Some(keep_days) = options.keep_days else { return Ok(None) };
    let newest = stored_days(context)?.last().copied().unwrap_or(options.day).max(options.day);
    Ok(newest.plus_days(1 - i64::from(keep_days)))
}

/// The days of the store; none if it is not there yet.
fn stored_days(context: &Context) -> Result<Vec<Day>> {
    match context.store().days() {
        Err(error) if matches!(error.kind(), ErrorKind::Missing { .. }) => Ok(Vec::new()),
        days => days,
    }
}

/// Refuses to begin what this user cannot write. Folders that are not there are created when they are needed.
fn check_writable(context: &Context, options: &NightlyOptions) -> Result<()> {
    let exists = |path| context.files.stat(path).is_ok();
    let (store, output) = (context.store(), context.output(&options.emit.out));
    // Another run that holds the lock ends before it is needed, or ends this one then.
    let is_refusal = |error: &Error| !matches!(error.kind(), ErrorKind::Locked);
    let try_store = || StoreLock::take(&store)?.temporary_partial().map(drop);
    let of_store = exists(store.root()).then(try_store);
    let of_output = exists(output.root()).then(|| OutputLock::take(&output).map(drop));
    let refused = [of_store, of_output].into_iter().flatten().filter_map(Result::err);
    refused.into_iter().find(is_refusal).map_or(Ok(()), Err)
}

/// The first day that is stored, or will be after a dry run; that of the night if none is.
fn began(context: &Context, night: &NightlyReport) -> Result<Day> {
    let is_stored = |dated: &&BackfillDay| dated.reduced.error().is_none();
    let looked_at = night.filled.days.iter().filter(is_stored).map(|dated| dated.day);
    let stored = stored_days(context)?.first().copied();
    Ok(looked_at.chain(stored).min().unwrap_or(night.day))
}

/// Adds what is missing of the night's day and its window, and when the first window can be full.
fn judge(context: &Context, options: &NightlyOptions, began: Day, night: &mut NightlyReport) {
    let Some(own) = night.own() else {
        let kind = ErrorKind::NoLogOfDay { day: options.day, places: options.logs.clone() };
        night.errors.push(kind.into());
        return;
    };
    match &own.window {
        WindowOutcome::NotDue if night.window_from < began => {
            night.first_full_window = began.plus_days(i64::from(options.emit.days) - 1);
        }
        WindowOutcome::Lacking(lacking) => {
            // What failed is reported by itself.
            let has_failed = |day: &Day| {
                let mut days = night.filled.days.iter();
                days.any(|dated| dated.day == *day && dated.reduced.error().is_some())
            };
            let days: Vec<Day> = lacking.iter().filter(|day| !has_failed(day)).copied().collect();
            let can_skip = lacking.len() < night.day.window(options.emit.days).len();
            if !days.is_empty() {
                let kind = ErrorKind::MissingDays { days, can_skip };
                night.errors.push(Error::from(kind).at(&context.store));
            }
        }
        _ => {}
    }
}

/// Warns of days from `from` to the night's window that are not stored, once for all of them.
fn warn_of_older(context: &Context, night: &NightlyReport, from: Day) {
    let days = &night.filled.days;
    for dated in days {
        if let Some(error) = dated.reduced.error().filter(|error| night.is_minor(dated.day, error))
        {
            let (day, text) = (dated.day, error.to_string());
            context.observer.warn(&Warning::OlderDay { day, text });
        }
    }
    let older = std::iter::successors(Some(from), |day| day.plus_days(1));
    let older = older.take_while(|day| *day < night.window_from);
    let is_missing = |day: &Day| days.iter().all(|dated| dated.day != *day);
    let days: Vec<Day> = older.filter(is_missing).collect();
    if !days.is_empty() {
        context.observer.warn(&Warning::OlderDaysMissing { days });
    }
}

/// Removes old days; what goes wrong is an error of the night.
fn remove_old(context: &Context, options: &PruneOptions, night: &mut NightlyReport) {
    match prune(context, options) {
        Ok(pruned) => {
            if !options.dry_run {
                night.filled.forget_logs(&|day| pruned.pruned.iter().any(|gone| gone.day == day));
            }
            night.pruned = Some(pruned);
        }
        // A dry run of the first night has no store yet.
        Err(error) if options.dry_run && error.class() == ErrorClass::NoInput => {}
        Err(error) => night.errors.push(error),
    }
}
