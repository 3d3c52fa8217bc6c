//! `reduce-day`: a day's logs to its partial.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::inspect::open_day;
use super::join::{join, open_merged, temporary_writer};
use super::tally::{self, Logs, Tally};
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, TemporaryFile};
use crate::input::{self, InputPath, InputStat, Source};
use crate::model::{Day, InputFacts, RejectCounts};
use crate::partial::{Finished, Metadata};
use crate::row::{CountrySet, RejectReport};
use crate::store::{self, Store, StoreLock};

/// What to reduce, and what to refuse.
#[derive(Debug, Clone)]
pub struct ReduceOptions {
    /// Files, folders, or `-` for standard input.
    pub logs: Vec<PathBuf>,
    /// The day; `None` takes it from the logs' names.
    pub day: Option<Day>,
    /// Replace a partial of other inputs.
    pub force: bool,
    /// Take any two capitals as a country, not the assigned ISO 3166-1 codes alone.
    pub any_country: bool,
    /// Refuse the day when rejects / rows is strictly above this.
    pub max_reject_ratio: f64,
    /// Refuse the day when fewer rows are accepted.
    pub min_rows: u64,
}

impl Default for ReduceOptions {
    fn default() -> Self {
        ReduceOptions {
            logs: Vec::new(),
            day: None,
            force: false,
            any_country: false,
            max_reject_ratio: 0.10,
            min_rows: 0,
        }
    }
}

/// What became of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceOutcome {
    /// The day has a partial now.
    Reduced,
    /// Its partial was replaced.
    Replaced,
    /// It has a partial of the same inputs already; nothing was done.
    Unchanged,
}

/// What a reduction did.
#[derive(Debug, Clone)]
pub struct ReduceReport {
    /// The day.
    pub day: Day,
    /// What became of it.
    pub outcome: ReduceOutcome,
    /// All rows.
    pub rows: u64,
    /// Rejected rows by reason.
    pub rejects: RejectCounts,
    /// The logs, in the order read.
    pub inputs: Vec<InputFacts>,
    /// Distinct users, and distinct (user, song) pairs.
    pub users: Counted,
    /// Distinct countries, and distinct (country, song) pairs.
    pub countries: Counted,
    /// Where the partial is.
    pub partial: PathBuf,
    /// Its size in bytes.
    pub partial_bytes: u64,
    /// Where the rejects file is.
    pub rejects_file: PathBuf,
    /// Runs that were spilled because the rows exceeded the memory; 0 when all fitted.
    pub spilled_runs: usize,
}

/// Size of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Distinct keys.
    pub keys: u64,
    /// Entries: distinct (key, song) pairs.
    pub pairs: u64,
}

/// Reduces the logs of one day to its partial in the store.
///
/// A partial of the same logs stays as it is: logs of equal name, size and time are not even read, others are
/// compared by their digest. Memory stays below the budget for any number of rows, users and songs; a log that
/// exceeds it costs one more write and read of what it reduces to.
///
/// # Errors
/// Those of the logs ([`input`]), [`ErrorKind::DayExists`], [`ErrorKind::TooManyRejects`] (the rejects file is published
/// all the same), [`ErrorKind::TooFewRows`], [`ErrorKind::Locked`], and failures to write. The store is then what it was.
pub fn reduce_day(context: &Context, options: &ReduceOptions) -> Result<ReduceReport> {
    let inputs = input::expand(context.files.as_ref(), &options.logs)?;
    let day = match options.day {
        Some(day) => day,
        None => input::day_of_inputs(&inputs)?,
    };
    reduce_inputs(context, options, day, &inputs)
}

/// [`reduce_day`] for inputs that were found already; `options.logs` and `options.day` are not looked at.
pub(super) fn reduce_inputs(
    context: &Context,
    options: &ReduceOptions,
    day: Day,
    inputs: &[InputPath],
) -> Result<ReduceReport> {
    let files = context.files.as_ref();
    let store = Store::new(&context.store);
    let source = Source::open(Arc::clone(&context.files), inputs, context.budget.memory)?;
    let lock = StoreLock::take(files, &store)?;
    let replaces = store.open_partial(files, day)?.is_some();
    if !options.force
        && let Some(partial) = open_day(context, &store, day)?
    {
        check_unchanged(context, partial.metadata(), source)?;
        return Ok(report(&store, partial.metadata(), partial.bytes(), ReduceOutcome::Unchanged));
    }
    let (finished, spilled_runs) = count(context, options, day, inputs, source, &lock)?;
    let outcome = if replaces { ReduceOutcome::Replaced } else { ReduceOutcome::Reduced };
    let Finished { sink, bytes, metadata, .. } = finished.partial;
    context.phase(Phase::Publish, Some(2), || {
        store::publish_day(files, &lock, day, finished.rejects, sink)
    })?;
    Ok(ReduceReport { spilled_runs, ..report(&store, &metadata, bytes, outcome) })
}

fn report(
    store: &Store,
    metadata: &Metadata,
    partial_bytes: u64,
    outcome: ReduceOutcome,
) -> ReduceReport {
    let [users, countries] = metadata.runs.map(|run| Counted { keys: run.keys, pairs: run.pairs });
    ReduceReport {
        day: metadata.day,
        outcome,
        rows: metadata.rows,
        rejects: metadata.rejects,
        inputs: metadata.inputs.clone(),
        users,
        countries,
        partial: store.partial_path(metadata.day),
        partial_bytes,
        rejects_file: store.rejects_path(metadata.day),
        spilled_runs: 0,
    }
}

/// Whether the partial is of these very logs: by name, size and time, or else by reading them for their digests.
fn check_unchanged(context: &Context, metadata: &Metadata, source: Source) -> Result<()> {
    let mut known: Vec<InputStat> = metadata
        .inputs
        .iter()
        .map(|facts| InputStat {
            name: facts.name.clone(),
            size: facts.size,
            modified_ns: facts.modified_ns,
        })
        .collect();
    let given: Option<Vec<InputStat>> = source.stats().into_iter().collect();
    if let Some(mut given) = given {
        let order = |stat: &InputStat| (stat.name.clone(), stat.size, stat.modified_ns);
        known.sort_by_key(order);
        given.sort_by_key(order);
        if known == given {
            return Ok(());
        }
    }
    let total = source.total_disk_bytes();
    let digested = context.phase(Phase::Read, total, || {
        input::digest_all(source, context.budget.threads, &|bytes| {
            context.observer.advance(Phase::Read, bytes);
            context.check_stop()
        })
    })?;
    let digests = |inputs: &[InputFacts]| {
        let mut digests: Vec<u128> = inputs.iter().map(|facts| facts.digest).collect();
        digests.sort_unstable();
        digests
    };
    if digests(&metadata.inputs) == digests(&digested.facts) {
        return Ok(());
    }
    Err(ErrorKind::DayExists(metadata.day).into())
}

/// A day that is counted and not yet published.
struct Counting {
    partial: Finished<Box<dyn TemporaryFile>>,
    rejects: Box<dyn TemporaryFile>,
}

/// Reads the logs and writes both files under temporary names.
fn count(
    context: &Context,
    options: &ReduceOptions,
    day: Day,
    inputs: &[InputPath],
    source: Source,
    lock: &StoreLock,
) -> Result<(Counting, usize)> {
    let files = context.files.as_ref();
    let pool = context.pool()?;
    let countries = if options.any_country { CountrySet::any() } else { CountrySet::iso() };
    let partial = || lock.temporary_partial(files);
    let scratch = || lock.scratch_file(files);
    let zstd = inputs.iter().any(|input| input.name().ends_with(b".zst"));
    let logs = Logs {
        context,
        pool: &pool,
        source: &source,
        countries: &countries,
        plan: context.budget.count(zstd),
        partial: &partial,
        scratch: &scratch,
    };
    let names: Vec<Vec<u8>> = inputs.iter().map(|input| input.name().to_vec()).collect();
    // Asked as soon as all is read, before minutes of merging.
    let mut read = None;
    let check = |report: &RejectReport| {
        let rows: Vec<u64> = (0..inputs.len()).map(|input| report.rows(input)).collect();
        let finished = source.finish(&rows)?;
        refuse_copies(inputs, &finished.facts)?;
        read = Some(finished);
        check_limits(files, options, day, lock, report, &names)
    };
    let Tally { rejects: report, runs } = logs.tally(check)?;
    let (writer, spilled_runs) = match runs {
        tally::Counted::Whole(writer) => (*writer, 0),
        // The arena is given back by now: merging has the memory for itself.
        tally::Counted::Spilled(spills) => context.phase(Phase::Merge, None, || {
            let (plan, spilled_runs) = (context.budget.join(), spills.len());
            let opened = open_merged(context, &pool, plan, spills, &scratch)?;
            let mut writer = temporary_writer(partial()?)?;
            join(context, &pool, plan, &opened.partials, &mut writer)?;
            Ok((writer, spilled_runs))
        })?,
    };
    let finished = read.unwrap_or_default();
    for input in finished.unterminated.iter().filter_map(|at| finished.facts.get(*at)) {
        let name = String::from_utf8_lossy(&input.name);
        context.observer.warn(&format!("{name:?}: the last line has no end: is the log complete?"));
    }
    let rows = report.rows_by_input.iter().sum();
    let partial = writer.finish(day, rows, report.counts, finished.facts)?;
    let rejects = write_rejects(files, lock, &report, &names)?;
    Ok((Counting { partial, rejects }, spilled_runs))
}

/// Refuses the same log under two names, which would count every row twice; logs without rows do no harm.
fn refuse_copies(inputs: &[InputPath], facts: &[InputFacts]) -> Result<()> {
    let mut known: HashMap<u128, &InputPath> = HashMap::new();
    for (input, facts) in inputs.iter().zip(facts).filter(|(_, facts)| facts.rows > 0) {
        if let Some(first) = known.insert(facts.digest, input) {
            let other = first.path().display().to_string();
            return Err(Error::from(ErrorKind::TwiceGiven(other)).at(input.path()));
        }
    }
    Ok(())
}

/// Refuses a day with too many corrupt rows, whose rejects file tells why, or with too few good ones.
fn check_limits(
    files: &dyn FileSystem,
    options: &ReduceOptions,
    day: Day,
    lock: &StoreLock,
    report: &RejectReport,
    names: &[Vec<u8>],
) -> Result<()> {
    let rows: u64 = report.rows_by_input.iter().sum();
    let rejected = report.counts.total();
    #[expect(clippy::cast_precision_loss, reason = "a ratio to be compared with a typed limit")]
    // No rows make no ratio, which is above nothing.
    let too_many = rejected as f64 / rows as f64 > options.max_reject_ratio;
    if too_many {
        store::publish_rejects_only(files, lock, day, write_rejects(files, lock, report, names)?)?;
        let rejects = lock.store().rejects_path(day).display().to_string();
        let limit = options.max_reject_ratio;
        return Err(ErrorKind::TooManyRejects { rejected, rows, limit, rejects }.into());
    }
    let accepted = rows - rejected;
    if accepted < options.min_rows {
        return Err(ErrorKind::TooFewRows { accepted, limit: options.min_rows }.into());
    }
    Ok(())
}

fn write_rejects(
    files: &dyn FileSystem,
    lock: &StoreLock,
    report: &RejectReport,
    names: &[Vec<u8>],
) -> Result<Box<dyn TemporaryFile>> {
    let mut file = lock.temporary_rejects(files)?;
    let text = report.render(names);
    match file.write_all(&text).and_then(|()| file.flush()) {
        Ok(()) => Ok(file),
        Err(error) => Err(Error::io("write", error).at(file.path())),
    }
}
