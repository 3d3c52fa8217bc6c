//! `reduce-day`: a day's logs to its partial, new or added to the stored day.

use std::ffi::OsStr;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::count::{Base, Counting, Done, ReduceOptions};
use super::day_inputs::DayInputs;
use super::earlier::{lock_store, unread_before};
use super::forms::compare_forms;
use super::inspect::open_day;
use super::known::{self, Compared, Comparison};
use super::seen::{self, Contents, SeenLogs};
use super::warning::Warning;
use super::{Context, Phase, document, rules};
use crate::budget::LogLists;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{self, DayLogs, InputPaths, Skipped, Unread};
use crate::model::{Day, InputFacts, Inputs, PerKind, RowCounts, Rules};
use crate::partial::{self, FinishedPartial, Metadata, Partial};
use crate::row::ShownRejects;
use crate::runfile::RunFacts;
use crate::store::{self, Store, StoreLock};
use crate::text::json;

/// The outcome of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceOutcome {
    /// The day has a partial now.
    Reduced,
    /// The day has a partial now, made from tables.
    Imported,
    /// Its partial was replaced.
    Replaced,
    /// The logs were added to its partial.
    Added,
    /// It has a partial of the same inputs already; nothing was done.
    Unchanged,
    /// A log that its partial was made from is gone, so that it cannot be made again; nothing was done.
    Kept,
}

impl ReduceOutcome {
    /// The word for it, in reports and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ReduceOutcome::Reduced => "reduced",
            ReduceOutcome::Imported => "imported",
            ReduceOutcome::Replaced => "replaced",
            ReduceOutcome::Added => "added",
            ReduceOutcome::Unchanged => "unchanged",
            ReduceOutcome::Kept => "kept",
        }
    }
}

impl Serialize for ReduceOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What to do with a day that has a partial of other inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfStored<'a> {
    /// It is an error.
    Refuse,
    /// It is replaced, whatever it was made from.
    Replace,
    /// The inputs are added to it.
    Add,
    /// It is replaced if all logs that it was made from are among the inputs, none of them is empty now, and at least
    /// as many rows are good. Logs that version 0.1 did not read (indexes) do not replace a day that version 0.1 made.
    Refresh(&'a [usize]),
}

/// The report of a reduction.
#[derive(Debug, Clone, Serialize)]
pub struct ReduceReport {
    /// The day.
    pub day: Day,
    /// Its outcome.
    pub outcome: ReduceOutcome,
    /// The rules by which its rows were read; `None` if they are not recorded.
    pub rules: Option<Rules>,
    /// Rows of the day. The rejects of an imported day that is kept may be unknown.
    #[serde(flatten)]
    pub counts: RowCounts,
    /// Rows that this run read and counted: 0 for an unchanged day.
    pub rows_read: u64,
    /// The logs of this run by path, in the order read; empty for a day of a backfill.
    #[serde(serialize_with = "document::shared")]
    pub logs: Arc<InputPaths>,
    /// The day's logs, in the order read.
    pub inputs: DayInputs,
    /// Bytes of them on disk.
    #[serde(skip)]
    pub log_bytes: u64,
    /// Size of the run of each kind.
    #[serde(flatten, serialize_with = "document::run_sizes")]
    pub runs: PerKind<RunFacts>,
    /// Where the partial is.
    #[serde(serialize_with = "json::path")]
    pub partial: PathBuf,
    /// Its size in bytes.
    pub partial_bytes: u64,
    /// Where the rejects file is.
    #[serde(serialize_with = "json::path")]
    pub rejects_file: PathBuf,
    /// Runs that were spilled because the rows exceeded the memory; 0 when all fitted.
    pub spilled_runs: usize,
    /// Files that were found and not counted; empty for a day of a backfill, whose own report has them.
    #[serde(flatten)]
    pub skipped: Skipped,
}

impl ReduceReport {
    /// Whether the day is left as it was, and does not record its rules.
    pub(super) fn is_left_without_rules(&self) -> bool {
        self.outcome == ReduceOutcome::Unchanged && self.rules.is_none()
    }
}

/// Reduces the logs of one day to its partial in the store.
///
/// A partial of the same logs stays: logs of equal name, size and time, and logs that were read before, are not read;
/// others are compared by their digest. Memory stays below the budget for any number of rows, users and songs; a log that
/// exceeds it costs one more write and read of its counts. Logs that are added cost their own reduction and one read and
/// write of the partial.
///
/// # Example
/// ```
/// use agg::budget::Budget;
/// use agg::job::{Context, ReduceOptions, ReduceOutcome, reduce_day};
///
/// let folder = tempfile::tempdir()?;
/// let log = folder.path().join("listen-20211201.log");
/// std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
///
/// let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// let reduced = reduce_day(&context, &options)?;
/// assert_eq!((reduced.day.to_string(), reduced.counts.rows), ("2021-12-01".to_owned(), 4));
/// assert_eq!(reduce_day(&context, &options)?.outcome, ReduceOutcome::Unchanged);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of the logs ([`input`]), [`ErrorKind::DayExists`], [`ErrorKind::OtherRules`], [`ErrorKind::AlreadyInDay`], [`ErrorKind::AddToTables`],
/// [`ErrorKind::TooManyRejects`] (the rejects file is published all the same), [`ErrorKind::TooFewRows`],
/// [`ErrorKind::Locked`], and failures to write. The store is then what it was.
pub fn reduce_day(context: &Context, options: &ReduceOptions) -> Result<ReduceReport> {
    let DayLogs { day, inputs, skipped, warnings } = find(context, options)?;
    let warnings = warnings.into_iter().map(Warning::Search);
    warnings.for_each(|warning| context.observer.warn(&warning));
    let if_stored = match (options.force, options.add) {
        (true, _) => IfStored::Replace,
        (false, true) => IfStored::Add,
        (false, false) => IfStored::Refuse,
    };
    let logs = Arc::new(inputs);
    let outcome = reduce_inputs(context, options, if_stored, day, (Arc::clone(&logs), 0));
    let has_it = match &outcome {
        Ok(report) => report.outcome == ReduceOutcome::Unchanged,
        Err(error) => matches!(error.kind(), ErrorKind::AlreadyInDay { .. }),
    };
    if has_it {
        store::settle_days(&context.store())?;
    }
    if let Ok(report) = &outcome
        && report.is_left_without_rules()
    {
        rules::warn_of_unrecorded(context, vec![day], options.rules);
    }
    let report = outcome.map_err(|error| error.of_day(day))?;
    Ok(ReduceReport { logs, skipped, ..report })
}

/// The logs, with the commands after them.
fn find(context: &Context, options: &ReduceOptions) -> Result<DayLogs> {
    let ReduceOptions { logs, places, day, commands, .. } = options;
    let search = options.search(context);
    let find = || input::find_day(context.files.as_ref(), logs, places, *day, &search);
    if commands.is_empty() {
        return find();
    }
    let day = day.ok_or(ErrorKind::NoDate)?;
    let mut found = if logs.is_empty() && places.is_empty() { DayLogs::none(day) } else { find()? };
    commands.iter().for_each(|line| found.inputs.push_command(line, day));
    Ok(found)
}

/// [`reduce_day`] for inputs that were found already: ignores the options for the logs, the day, and a stored day. The
/// paths of other days' logs take `others` bytes.
pub(super) fn reduce_inputs(
    context: &Context,
    options: &ReduceOptions,
    if_stored: IfStored<'_>,
    day: Day,
    (inputs, others): (Arc<InputPaths>, u64),
) -> Result<ReduceReport> {
    let store = context.store();
    let mut lists = lists_of(context, &inputs, others)?;
    let memory = context.budget.memory;
    let look = || {
        let unread = Unread::look(Arc::clone(&context.files), Arc::clone(&inputs), memory)?;
        Ok::<_, Error>(unread.with_headers(options.rules.header()))
    };
    let mut unread = look()?;
    let lock = lock_store(context)?;
    let mut outcome = match store.open_partial(day)? {
        Some(_) => ReduceOutcome::Replaced,
        None => ReduceOutcome::Reduced,
    };
    let (mut base, mut no_fewer_than, mut stored) = (None, None, None::<(Metadata, u64, Inputs)>);
    // A partial that is to be replaced in any case may be damaged.
    if if_stored != IfStored::Replace
        && let Some(partial) = open_day(&store, day)?
    {
        if matches!(if_stored, IfStored::Add | IfStored::Refuse) {
            rules::refuse_other(partial.metadata(), options.rules)?;
        }
        if if_stored == IfStored::Add {
            if partial.metadata().is_of_tables() {
                return Err(ErrorKind::AddToTables(day).into());
            }
            outcome = ReduceOutcome::Added;
            lists.stored = partial.metadata_bytes();
            context.budget.beside(lists.logs, lists.bytes())?;
            let day = Base::new(context, &lock, partial)?;
            if !options.allow_duplicates {
                refuse_longer(context, options, &day, &inputs)?;
            }
            base = Some(day);
        } else if let Some(known) = pipes_of(context, if_stored, &unread, &partial, lists)? {
            stored = Some((*partial.metadata(), partial.bytes(), known));
        } else {
            let given = Given { context, options, if_stored, day, inputs: &inputs, lock: &lock };
            no_fewer_than = match given.compare(&partial, unread, lists)? {
                ControlFlow::Break(report) => return Ok(*report),
                ControlFlow::Continue(accepted) => accepted,
            };
            unread = look()?;
        }
    }
    check_logs(context, options, &store, day, (inputs.len(), base.as_ref()))?;
    let is_added = base.is_some();
    let mut source = unread.source()?;
    let prefixes = stored.as_ref().map(|(_, _, known)| known);
    prefixes.inspect(|known| source.expect_prefixes(known));
    (lists.streams, lists.windows) = source.streams()?;
    let budget = context.budget.beside(lists.logs, lists.bytes())?;
    let context = &Context { budget, ..context.clone() };
    let seen = &SeenLogs::of_forms(context, day, lists, &inputs);
    let (source, lock) = (&source, &lock);
    let counting = Counting { context, options, day, source, lock, seen, no_fewer_than, prefixes };
    let counted = counting.count(base).map_err(|error| interrupted(context, error))?;
    let Some(done) = counted else { return unchanged(context, stored) };
    let Done { partial: finished, rejects, rows, spilled_runs, forms } = done;
    let FinishedPartial { sink, bytes, metadata, inputs, .. } = finished;
    warn_of_repeats(context, &store, &metadata, (source.paths(), &inputs));
    context.phase(Phase::Publish, Some(2), || store::publish_day(lock, day, rejects, sink))?;
    // Those of this run are the day's last ones.
    let read = inputs.iter().skip(inputs.len().saturating_sub(source.paths().len()));
    let read = [seen::logs_of(source, read), forms].concat();
    SeenLogs::of(context, day, lists).keep((lock, day), read, is_added);
    let report = report(context, &metadata, bytes, outcome, inputs);
    Ok(ReduceReport { spilled_runs, rows_read: rows, ..report })
}

/// Refuses to add a log that begins with a log of the day, whose rows would count twice.
fn refuse_longer(
    context: &Context,
    options: &ReduceOptions,
    day: &Base,
    inputs: &InputPaths,
) -> Result<()> {
    match known::that_begins(context, day.inputs(), inputs, options.rules)? {
        Some((path, shorter)) => Err(Error::from(ErrorKind::BeginsWith(shorter)).at(path)),
        None => Ok(()),
    }
}

/// The logs of a day that may be replaced by pipes that begin with them, which is known when these are read.
fn pipes_of(
    context: &Context,
    if_stored: IfStored<'_>,
    unread: &Unread,
    partial: &Partial,
    lists: LogLists,
) -> Result<Option<Inputs>> {
    if if_stored != IfStored::Refuse || !unread.are_pipes() {
        return Ok(None);
    }
    let known = known::inputs_of(context, partial, lists)?;
    Ok(Some(known).filter(|known| unread.may_begin_with(known)))
}

/// The report of a stored day that was made from these very pipes.
fn unchanged(context: &Context, stored: Option<(Metadata, u64, Inputs)>) -> Result<ReduceReport> {
    let (metadata, bytes, known) = stored.ok_or(ErrorKind::NoLogs)?;
    warn_of_rejects(context, &context.store(), &metadata);
    Ok(report(context, &metadata, bytes, ReduceOutcome::Unchanged, known))
}

/// A signal that ends the run ends its commands too, which is not their failure.
fn interrupted(context: &Context, error: Error) -> Error {
    match error.kind() {
        ErrorKind::CommandFailed { .. } => context.check_stop().err().unwrap_or(error),
        _ => error,
    }
}

/// Logs that are given for a stored day, whose store is locked.
struct Given<'a> {
    context: &'a Context,
    options: &'a ReduceOptions,
    if_stored: IfStored<'a>,
    day: Day,
    inputs: &'a InputPaths,
    lock: &'a StoreLock,
}

impl Given<'_> {
    /// Compares them with those of the day, and keeps the facts found. Returns the report if the day stays as it is;
    /// otherwise the minimum number of good rows, if it is to be made again.
    fn compare(
        &self,
        partial: &Partial,
        unread: Unread,
        lists: LogLists,
    ) -> Result<ControlFlow<Box<ReduceReport>, Option<u64>>> {
        let Given { context, options, if_stored, day, inputs, lock } = *self;
        let metadata = *partial.metadata();
        let unread_before = match if_stored {
            IfStored::Refresh(unread) => unread_before(context, partial, unread)?,
            _ => &[],
        };
        let known = known::inputs_of(context, partial, lists)?;
        let lists = LogLists { stored: partial.metadata_bytes(), ..lists };
        let seen = SeenLogs::of(context, day, lists);
        let mut compared = known::compare(context, (&seen, &known), unread, unread_before)?;
        let Contents { facts, seen: mut logs } = mem::take(&mut compared.contents);
        if compared.comparison == Comparison::Same {
            logs.extend(compare_forms(context, &seen, (inputs, &facts), options.rules.header())?);
        }
        drop(facts);
        seen.keep((lock, day), logs, false);
        let is_refused = if_stored == IfStored::Refuse && compared.comparison != Comparison::Same;
        if is_refused && compared.known.is_none() {
            let longer = known::that_begins(context, &known, inputs, options.rules)?;
            compared.known = longer.map(|(_, shorter)| shorter);
        }
        compared.comparison = rules::compared(compared.comparison, &metadata, options.rules);
        // By other rules, the same logs may have any number of good rows.
        let other_rules = compared.comparison == Comparison::OtherRules;
        let store = lock.store();
        let outcome = untouched(context, store, &metadata, (if_stored, inputs), compared)?;
        Ok(match outcome {
            Some(outcome) => {
                let report = report(context, &metadata, partial.bytes(), outcome, known);
                ControlFlow::Break(Box::new(report))
            }
            None => ControlFlow::Continue(Some(metadata.accepted()).filter(|_| !other_rules)),
        })
    }
}

/// The lists that a run holds of these logs and of other days' logs, if both the run and a partial have room for them.
///
/// # Errors
/// [`ErrorKind::TooManyLogs`] and [`ErrorKind::LogsExceedPartial`], before any log is read.
pub(super) fn lists_of(context: &Context, inputs: &InputPaths, others: u64) -> Result<LogLists> {
    let (logs, names) = (inputs.len(), inputs.name_bytes());
    let (streams, windows) = inputs.streams();
    partial::check_room_for(logs, names)?;
    let paths = inputs.folder_bytes().saturating_add(others);
    let all = logs + inputs.other_forms().count();
    let lists = LogLists { logs: all, streams, windows, names, paths, stored: 0 };
    context.budget.beside(all, lists.bytes())?;
    Ok(lists)
}

/// Refuses a day with too few logs, and warns of a day with fewer logs than the day before.
fn check_logs(
    context: &Context,
    options: &ReduceOptions,
    store: &Store,
    day: Day,
    (new, base): (usize, Option<&Base>),
) -> Result<()> {
    let logs = (new as u64).saturating_add(base.map_or(0, Base::logs));
    if logs < options.min_logs {
        return Err(ErrorKind::TooFewLogs { day, logs, limit: options.min_logs }.into());
    }
    let Some(before) = day.plus_days(-1) else { return Ok(()) };
    // If it cannot be read, the error comes when it is needed.
    let Ok(Some(partial)) = open_day(store, before) else { return Ok(()) };
    let known = partial.metadata().inputs;
    if logs < known && !partial.metadata().is_of_tables() {
        context.observer.warn(&Warning::FewerLogs { day, logs, before, known });
    }
    Ok(())
}

/// The report of a day that stays as it is; `None` if it is to be made again.
fn untouched(
    context: &Context,
    store: &Store,
    metadata: &Metadata,
    (if_stored, inputs): (IfStored<'_>, &InputPaths),
    compared: Compared,
) -> Result<Option<ReduceOutcome>> {
    let day = metadata.day;
    match compared.comparison {
        Comparison::Same => {
            warn_of_rejects(context, store, metadata);
            Ok(Some(ReduceOutcome::Unchanged))
        }
        _ if if_stored == IfStored::Refuse => {
            Err(ErrorKind::DayExists { day, known: compared.known }.into())
        }
        Comparison::Changed | Comparison::OtherRules => Ok(None),
        Comparison::Emptied { name, rows } => Err(emptied(day, &name, rows)),
        Comparison::Gone { name, others, further } => {
            context.observer.warn(&gone(day, &name, others, further));
            Ok(Some(ReduceOutcome::Kept))
        }
        Comparison::Gains { first, others } => {
            context.observer.warn(&gains(day, inputs, first, others));
            Ok(Some(ReduceOutcome::Kept))
        }
    }
}

/// Warns of a rejects file that is gone, or shows more rows than the day's partial has counted. A file that shows fewer
/// can be an imported day's.
fn warn_of_rejects(context: &Context, store: &Store, metadata: &Metadata) {
    let (files, day) = (context.files.as_ref(), metadata.day);
    let path = store.rejects_path(day);
    let lines = || {
        let file = store.read_rejects(day, ShownRejects::MAX_BYTES).unwrap_or_default();
        file.iter().filter(|byte| **byte == b'\n').count() as u64
    };
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    if files.stat(&path).is_err_and(|error| is_gone(&error)) {
        context.observer.warn(&Warning::RejectsGone { path, day });
    } else if lines() > metadata.rejects.total() {
        context.observer.warn(&Warning::RejectsOfRefused { path, day });
    }
}

/// Warns of a log that is in the day before or after too, as after an export that failed: both days count it. A log
/// that is less than half of the day is ignored: parts of a day may be alike, for example parts with only a header.
fn warn_of_repeats(
    context: &Context,
    store: &Store,
    metadata: &Metadata,
    (paths, inputs): (&InputPaths, &Inputs),
) {
    let day = metadata.day;
    let mut logs: Vec<(usize, InputFacts<'_>)> = inputs.iter().enumerate().collect();
    logs.sort_unstable_by_key(|(_, log)| log.digest);
    for other in [-1, 1].into_iter().filter_map(|days| day.plus_days(days)) {
        // If it cannot be read, the error comes when it is needed.
        let Ok(Some(partial)) = open_day(store, other) else { continue };
        let mut marks = vec![false; logs.len()];
        let visited = partial.visit_digests(|digest| {
            let first = logs.partition_point(|(_, log)| log.digest < digest);
            let equal = logs.iter().skip(first).take_while(|(_, log)| log.digest == digest);
            marks.iter_mut().skip(first).zip(equal).for_each(|(mark, _)| *mark = true);
        });
        let repeated = || logs.iter().zip(&marks).filter(|(_, mark)| **mark).map(|(log, _)| log);
        let rows = repeated().fold(0u64, |rows, (_, log)| rows.saturating_add(log.rows));
        if let (Ok(()), Some((at, log))) = (visited, repeated().max_by_key(|(_, log)| log.rows))
            && rows > 0
            && rows >= metadata.rows.saturating_sub(rows)
        {
            // Those that were added are the last ones.
            let added = (at + paths.len()).checked_sub(inputs.len());
            let path = added.and_then(|at| paths.get(at)).map(|log| log.path());
            let path = path.unwrap_or_else(|| PathBuf::from(OsStr::from_bytes(log.name)));
            context.observer.warn(&Warning::Repeated { day, path, other });
        }
    }
}

/// Refuses to replace a day whose log was emptied.
pub(super) fn emptied(day: Day, name: &[u8], stored: u64) -> Error {
    let name = String::from_utf8_lossy(name).into_owned();
    ErrorKind::EmptiedLog { day, name, stored }.into()
}

/// A day that cannot be made again; `further` logs, which it does not have, can be added.
pub(super) fn gone(day: Day, name: &[u8], others: usize, further: bool) -> Warning {
    let name = String::from_utf8_lossy(name).into_owned();
    Warning::LogGone { day, name, others, further }
}

/// A day that was made by a version that did not read these logs.
pub(super) fn gains(day: Day, inputs: &InputPaths, first: usize, others: usize) -> Warning {
    let path = inputs.get(first).map(|log| log.path()).unwrap_or_default();
    Warning::LogsGained { day, path, others }
}

fn report(
    context: &Context,
    metadata: &Metadata,
    partial_bytes: u64,
    outcome: ReduceOutcome,
    inputs: Inputs,
) -> ReduceReport {
    let store = context.store();
    ReduceReport {
        day: metadata.day,
        outcome,
        rules: metadata.rules,
        counts: metadata.counts(),
        rows_read: 0,
        log_bytes: inputs.iter().fold(0, |sum, input| input.size.saturating_add(sum)),
        logs: Arc::default(),
        inputs: inputs.into(),
        runs: metadata.runs,
        partial: store.partial_path(metadata.day),
        partial_bytes,
        rejects_file: store.rejects_path(metadata.day),
        spilled_runs: 0,
        skipped: Skipped::default(),
    }
}
