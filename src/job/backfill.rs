//! `backfill`: a folder of historical logs to partials, and their windows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::{Context, Step, StepKind};
use super::count::ReduceOptions;
use super::day_inputs::DayInputs;
use super::earlier;
use super::emit_window::{EmitOptions, emit_window_over, warn_of_lost_latest};
use super::freshness::Digests;
use super::inspect::open_day;
use super::kept::Kept;
use super::known::{self, Comparison};
use super::outcome::{BackfillDay, BackfillReport, DayOutcome, DayPlan, WindowOutcome};
use super::reduce_day::{self, IfStored, reduce_inputs};
use super::rules::{compared, warn_of_unrecorded};
use super::seen::SeenLogs;
use super::warning::Warning;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{self, DatedDay, DatedLogs, InputPaths, Search, Unread};
use crate::model::{Day, Rules, Shape};
use crate::store::{Output, finish_interrupted, settle_days};

/// Which logs, which days, and whether to emit.
#[derive(Debug, Clone)]
pub struct BackfillOptions {
    /// Folders of logs, and patterns with `%Y`, `%m` and `%d`.
    pub logs: Vec<PathBuf>,
    /// First day, if bounded.
    pub from: Option<Day>,
    /// Last day, if bounded.
    pub to: Option<Day>,
    /// Limits of each day; its `logs`, `places`, `day`, `force` and `add` are ignored.
    pub reduce: ReduceOptions,
    /// Emit the window of each date; its `day` is filled in for each.
    pub emit: Option<EmitOptions>,
    /// Only report what would be done: nothing is touched, no lock is taken. Logs whose name, size or time differ from
    /// the stored log's are read.
    pub dry_run: bool,
}

impl BackfillOptions {
    /// How its logs are searched for.
    pub(super) fn search(&self, context: &Context) -> Search {
        Search { from: self.from, to: self.to, ..self.reduce.search(context) }
    }

    /// Whether the day is in the range.
    fn covers(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

/// Reduces every day whose logs are in the folder, then emits the windows of those dates that are not there or stale.
/// A warning names published windows of other dates that are stale now.
///
/// A day of unchanged logs stays, and a day whose logs changed is made again. A day stays with a warning if a recorded
/// log is gone, and is refused if its logs have fewer good rows than the stored day. A bad day does not stop the
/// others. A window is emitted once its days are stored, by this run or before, unless it is published already, made
/// from the same partials. A run that was stopped continues where it was when it is started again, also if a kill left
/// only `latest` at an older date or an old emission on the disk.
///
/// # Example
/// ```
/// use agg::budget::Budget;
/// use agg::job::{BackfillOptions, Context, DayOutcome, ReduceOptions, backfill};
///
/// let folder = tempfile::tempdir()?;
/// let logs = folder.path().join("logs");
/// std::fs::create_dir(&logs)?;
/// std::fs::write(logs.join("listen-20211201.log"), "9|7|FR\n")?;
/// std::fs::write(logs.join("listen-20211202.log"), "9|7|FR\n5|8|BR\n")?;
///
/// let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// let (reduce, emit) = (ReduceOptions::default(), None);
/// let options = BackfillOptions { logs: vec![logs], from: None, to: None, reduce, emit, dry_run: false };
/// let report = backfill(&context, &options)?;
/// let rows = report.days.iter().map(|day| match &day.reduced {
///     DayOutcome::Reduced(report) => report.counts.rows,
///     _ => 0,
/// });
/// assert_eq!(rows.collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A folder that is missing or has no logs; [`ErrorKind::TooManyDays`] and [`ErrorKind::TooManyNames`] where the paths
/// of all logs do not fit in memory, before a log is read. All other errors are in the report, a signal too.
pub fn backfill(context: &Context, options: &BackfillOptions) -> Result<BackfillReport> {
    let search = options.search(context);
    let mut found = input::find_days(context.files.as_ref(), &options.logs, &search)?;
    let output = options.emit.as_ref().map(|emit| context.output(&emit.out));
    let kept = Kept::recorded(context, output.as_ref())?;
    kept.skip_older(context, options.from, &mut found);
    let report = fill(context, options, found, &|date, _| Ok(kept.has_emission(date)))?;
    let is_not_due = |dated: &&BackfillDay| matches!(dated.window, WindowOutcome::NotDue);
    kept.warn_of_older(context, report.days.iter().filter(is_not_due).map(|dated| dated.day));
    Ok(report)
}

/// Whether the window of a date is to be emitted, with the days that are stored by then. Of windows that are due, those that
/// lack days are reported.
pub(super) type IsDue<'a> = dyn Fn(Day, &BTreeSet<Day>) -> Result<bool> + 'a;

/// [`backfill`] for logs that were found already, which may be none; only windows that are due are emitted.
pub(super) fn fill(
    context: &Context,
    options: &BackfillOptions,
    DatedLogs { days, skipped, warnings, .. }: DatedLogs,
    is_due: &IsDue<'_>,
) -> Result<BackfillReport> {
    let warnings = warnings.into_iter().map(Warning::Search);
    warnings.for_each(|warning| context.observer.warn(&warning));
    let (dry_run, emit) = (options.dry_run, options.emit.is_some());
    let report = BackfillReport { dry_run, days: Vec::new(), skipped, stopped: None, emit };
    let mut run = Run { context, options, is_due, report, replaced: Vec::new() };
    let held = check_room(context, &days)?;
    let of = days.len();
    for (before, DatedDay { day, inputs, unread_before }) in days.into_iter().enumerate() {
        let inputs = inputs.map(Arc::new);
        let logs = inputs.as_ref().ok().filter(|_| dry_run).map(Arc::clone).unwrap_or_default();
        run.begin(StepKind::Day, before + 1, of);
        let reduced = run.reduce(day, inputs, held, &unread_before);
        if reduced.is_news() {
            let outcome = reduced.word();
            run.ended(Step { kind: StepKind::Day, at: before + 1, of, day, outcome });
        }
        run.report.days.push(BackfillDay { day, logs, reduced, window: WindowOutcome::NotAsked });
    }
    let is_left = |day: &&BackfillDay| matches!(&day.reduced, DayOutcome::Reduced(report) if report.is_left_without_rules());
    let unrecorded = run.report.days.iter().filter(is_left).map(|day| day.day).collect();
    warn_of_unrecorded(context, unrecorded, options.reduce.rules);
    if run.report.days.iter().any(|day| day.reduced.is_unchanged()) {
        settle_days(&context.store())?;
    }
    if let Some(emit) = &options.emit {
        run.emit_all(emit)?;
    }
    Ok(run.report)
}

struct Run<'a> {
    context: &'a Context,
    options: &'a BackfillOptions,
    is_due: &'a IsDue<'a>,
    report: BackfillReport,
    /// Dates whose published window was of another shape, which this was.
    replaced: Vec<(Day, Shape)>,
}

impl Run<'_> {
    /// Reports the beginning of a day or window.
    fn begin(&self, kind: StepKind, at: usize, of: usize) {
        if !self.options.dry_run {
            self.context.observer.begin_step(kind, at, of);
        }
    }

    /// Reports the end of a day or window as it comes.
    fn ended(&self, step: Step) {
        if !self.options.dry_run {
            self.context.observer.step(&step);
        }
    }

    /// Reduces a day; the paths of all days' logs take `held` bytes.
    fn reduce(
        &mut self,
        day: Day,
        inputs: Result<Arc<InputPaths>>,
        held: u64,
        unread_before: &[usize],
    ) -> DayOutcome {
        if self.report.stopped.is_some() {
            return DayOutcome::NotReached;
        }
        let (context, reduce) = (self.context, &self.options.reduce);
        let outcome = inputs.and_then(|inputs| {
            let others = held.saturating_sub(inputs.bytes());
            if self.options.dry_run {
                let plan = plan(context, reduce.rules, day, (inputs, others), unread_before);
                return plan.map(DayOutcome::Planned);
            }
            let if_stored = IfStored::Refresh(unread_before);
            let mut reduced = reduce_inputs(context, reduce, if_stored, day, (inputs, others))?;
            // All days together can have more logs than fit in memory.
            if let Some(partial) = open_day(&context.store(), day)? {
                reduced.inputs = DayInputs::stored(context, &partial);
            }
            Ok(DayOutcome::Reduced(Box::new(reduced)))
        });
        match self.stop_on(outcome) {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => DayOutcome::Failed(error),
            None => DayOutcome::NotReached,
        }
    }

    /// A signal ends the whole run, and so does a store that cannot be locked: every further day would meet it too.
    fn stop_on<T>(&mut self, outcome: Result<T>) -> Option<Result<T>> {
        let is_last = |error: &Error| match error.kind() {
            ErrorKind::Interrupted(_) | ErrorKind::Locked => true,
            ErrorKind::CannotCreate(_) => self.is_lock(error.path()),
            _ => false,
        };
        match outcome {
            Err(error) if is_last(&error) => {
                self.report.stopped = Some(error);
                None
            }
            other => Some(other),
        }
    }

    /// Whether this is the store's lock, or its folder.
    fn is_lock(&self, path: Option<&Path>) -> bool {
        let store = self.context.store();
        path.is_some_and(|path| path == store.lock_path() || path == store.root())
    }

    /// Emits the window of every date of the range: those with logs, and those with a partial from before.
    fn emit_all(&mut self, emit: &EmitOptions) -> Result<()> {
        let mut stored: BTreeSet<Day> = match self.context.store().days() {
            Ok(days) => days.into_iter().collect(),
            // No day has created it yet.
            Err(error) if matches!(error.kind(), ErrorKind::Missing { .. }) => BTreeSet::new(),
            // What stopped the run is reported, and may be the reason.
            Err(_) if self.report.stopped.is_some() => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        let mut digests = Digests::new(self.context);
        let days = &mut self.report.days;
        for dated in days.iter() {
            if let DayOutcome::Planned(plan @ (DayPlan::Reduce | DayPlan::Replace)) = dated.reduced
            {
                digests.will_change(dated.day);
                if plan == DayPlan::Reduce {
                    stored.insert(dated.day);
                }
            }
        }
        let with_logs: BTreeSet<Day> = days.iter().map(|dated| dated.day).collect();
        let others =
            stored.iter().filter(|day| self.options.covers(**day) && !with_logs.contains(day));
        days.extend(others.map(|day| BackfillDay {
            day: *day,
            logs: Arc::default(),
            reduced: DayOutcome::NoLogs,
            window: WindowOutcome::NotAsked,
        }));
        days.sort_by_key(|known| known.day);
        let of = self.report.days.len();
        for at in 0..of {
            let Some(day) = self.report.days.get(at).map(|dated| dated.day) else { break };
            self.begin(StepKind::Window, at + 1, of);
            let window = self.emit(emit, day, &stored, &mut digests);
            if let Some(outcome) = window.word().filter(|_| window.is_news()) {
                self.ended(Step { kind: StepKind::Window, at: at + 1, of, day, outcome });
            }
            if let Some(dated) = self.report.days.get_mut(at) {
                dated.window = window;
            }
        }
        self.warn_of_replaced(emit);
        self.end_interrupted(&self.context.output(&emit.out));
        self.warn_of_stale(emit, &stored, &mut digests);
        Ok(())
    }

    /// Warns of windows of another shape that went, once for each shape in a row.
    fn warn_of_replaced(&self, emit: &EmitOptions) {
        for same in self.replaced.chunk_by(|(_, one), (_, other)| one == other) {
            let Some((_, published)) = same.first() else { continue };
            self.context.observer.warn(&Warning::OtherShape {
                days: same.iter().map(|(day, _)| *day).collect(),
                published: published.clone(),
                given: emit.shape(),
                is_plan: self.options.dry_run,
            });
        }
    }

    /// Ends what a killed run had begun, also where nothing was to be emitted.
    fn end_interrupted(&mut self, output: &Output) {
        let failed = |dated: &BackfillDay| matches!(dated.window, WindowOutcome::Failed(_));
        // The error that keeps windows from being emitted was reported already.
        if self.report.stopped.is_some()
            || self.options.dry_run
            || self.report.days.iter().any(failed)
        {
            return;
        }
        // The run that holds the lock does the same.
        let is_locked = |error: &Error| matches!(error.kind(), ErrorKind::Locked);
        let ended = finish_interrupted(output);
        self.report.stopped = ended.err().filter(|error| !is_locked(error));
        warn_of_lost_latest(self.context, output);
    }

    /// Warns of published windows outside of the range that have a day which this run changes, and can be emitted again.
    fn warn_of_stale(&self, emit: &EmitOptions, stored: &BTreeSet<Day>, digests: &mut Digests<'_>) {
        // A folder that cannot be listed has stopped the run already, unless it was a dry one.
        let published = self.context.output(&emit.out).days().unwrap_or_default();
        let days = &self.report.days;
        let changed: BTreeSet<Day> =
            days.iter().filter(|dated| dated.reduced.is_change()).map(|dated| dated.day).collect();
        let is_stale = |day: &&Day| {
            let options = EmitOptions { day: **day, ..emit.clone() };
            let window = day.window(emit.days);
            days.iter().all(|dated| dated.day != **day)
                && window.iter().any(|day| changed.contains(day))
                && (emit.allow_missing || window.iter().all(|day| stored.contains(day)))
                && digests.are_stale(&options)
        };
        let stale: Vec<&Day> = published.iter().filter(is_stale).collect();
        if let (Some(&&first), Some(&&last)) = (stale.first(), stale.last()) {
            let windows = stale.len();
            self.context.observer.warn(&Warning::StaleWindows { windows, first, last });
        }
    }

    fn emit(
        &mut self,
        emit: &EmitOptions,
        day: Day,
        stored: &BTreeSet<Day>,
        digests: &mut Digests<'_>,
    ) -> WindowOutcome {
        if self.report.stopped.is_some() {
            return WindowOutcome::NotReached;
        }
        let outcome = self.emit_if_due(&EmitOptions { day, ..emit.clone() }, stored, digests);
        match self.stop_on(outcome) {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => WindowOutcome::Failed(error),
            None => WindowOutcome::NotReached,
        }
    }

    fn emit_if_due(
        &mut self,
        options: &EmitOptions,
        stored: &BTreeSet<Day>,
        digests: &mut Digests<'_>,
    ) -> Result<WindowOutcome> {
        if !(self.is_due)(options.day, stored)? {
            return Ok(WindowOutcome::NotDue);
        }
        let window = options.day.window(options.days);
        let lacking: Vec<Day> = window.into_iter().filter(|day| !stored.contains(day)).collect();
        // Stored days count, also one whose new logs were refused: what is stored of it is its last good state.
        if !(lacking.is_empty() || options.allow_missing) {
            return Ok(WindowOutcome::Lacking(lacking));
        }
        self.context.check_stop()?;
        if digests.are_published(options) {
            return Ok(WindowOutcome::Fresh);
        }
        let (outcome, replaced) = if self.options.dry_run {
            (WindowOutcome::Planned, digests.other_shape(options)?)
        } else {
            let (emitted, replaced) = emit_window_over(self.context, options)?;
            (WindowOutcome::Emitted(Box::new(emitted)), replaced)
        };
        self.replaced.extend(replaced.map(|published| (options.day, published)));
        Ok(outcome)
    }
}

/// Bytes that the paths of all days' logs take, if each day that fits in memory alone fits beside them.
///
/// # Errors
/// [`ErrorKind::TooManyDays`].
fn check_room(context: &Context, days: &[DatedDay]) -> Result<u64> {
    let held = days.iter().map(DatedDay::bytes).sum();
    for dated in days {
        let Ok(inputs) = &dated.inputs else { continue };
        let others = held - dated.bytes();
        let Ok(alone) = reduce_day::lists_of(context, inputs, 0) else { continue };
        if reduce_day::lists_of(context, inputs, others).is_err() {
            let inputs = days.iter().filter_map(|dated| dated.inputs.as_ref().ok());
            let (days, logs) = (days.len(), inputs.map(InputPaths::len).sum());
            let needed = alone.bytes().saturating_add(others).saturating_mul(2);
            let memory = context.budget.memory;
            return Err(ErrorKind::TooManyDays { days, logs, needed, memory }.into());
        }
    }
    Ok(held)
}

/// The outcome that a reduction of these logs would have.
fn plan(
    context: &Context,
    rules: Rules,
    day: Day,
    (inputs, others): (Arc<InputPaths>, u64),
    unread_before: &[usize],
) -> Result<DayPlan> {
    context.check_stop()?;
    let lists = reduce_day::lists_of(context, &inputs, others)?;
    let (files, inputs) = (Arc::clone(&context.files), Arc::new(inputs));
    let unread = Unread::look(files, Arc::clone(&inputs), context.budget.memory)?;
    let unread = unread.with_headers(rules.header());
    let Some(partial) = open_day(&context.store(), day)? else {
        return Ok(DayPlan::Reduce);
    };
    let metadata = partial.metadata();
    let unread_before = earlier::unread_before(context, &partial, unread_before)?;
    let known = known::inputs_of(context, &partial, lists)?;
    let seen = SeenLogs::of(context, day, lists);
    let found = known::compare(context, (&seen, &known), unread, unread_before)?;
    match compared(found.comparison, metadata, rules) {
        Comparison::Same => Ok(DayPlan::Unchanged),
        Comparison::Changed | Comparison::OtherRules => Ok(DayPlan::Replace),
        Comparison::Emptied { name, rows } => Err(reduce_day::emptied(day, &name, rows)),
        Comparison::Gone { name, others, further } => {
            context.observer.warn(&reduce_day::gone(day, &name, others, further));
            Ok(DayPlan::Kept)
        }
        Comparison::Gains { first, others } => {
            context.observer.warn(&reduce_day::gains(day, &inputs, first, others));
            Ok(DayPlan::Kept)
        }
    }
}
