//! The work of a reduction: logs to a day's two files under temporary names, alone or on top of a partial.
//!
//! `reduce_day` decides whether and when a day is counted, and publishes the files.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use super::forms::compare_forms;
use super::join::{JoinInput, OpenPartial, Scratch, join, open_merged, temporary_writer};
use super::known;
use super::overlap::Traces;
use super::seen::SeenLogs;
use super::tally::{self, Logs, Tally, ToDo};
use super::warning::Warning;
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::TemporaryFile;
use crate::input::{self, Search, Source};
use crate::model::{Day, Inputs, MAX_ID, Rules};
use crate::partial::{FinishedPartial, Partial};
use crate::row::{RejectReport, RowRules, ShownRejects};
use crate::store::{SeenLog, StoreLock};

/// The logs to reduce, and the limits.
#[derive(Debug, Clone)]
pub struct ReduceOptions {
    /// Files, folders, or `-` for standard input.
    pub logs: Vec<PathBuf>,
    /// Shell commands, whose standard output is read after `logs`; they need `day`.
    pub commands: Vec<OsString>,
    /// Folders or patterns that are searched for the logs of `day`, instead of `logs`.
    pub places: Vec<PathBuf>,
    /// The day; `None` takes it from the logs' names.
    pub day: Option<Day>,
    /// Days to add to every date in a name; `None` is 0, with a warning if logrotate seems to have named a log.
    pub date_offset: Option<i32>,
    /// Folders besides the store that are never searched for logs.
    pub excluded: Vec<PathBuf>,
    /// Replace a partial of other inputs.
    pub force: bool,
    /// Add the logs to the day's partial; ignored with `force`.
    pub add: bool,
    /// The rules by which the rows are read.
    pub rules: Rules,
    /// Refuse the logs when rejects / rows is strictly above this; rows that are in the partial already do not count.
    pub max_reject_ratio: f64,
    /// Refuse the logs when more than this share of the rows or bytes of one log is rejected, if that is much.
    pub max_log_reject_ratio: f64,
    /// Refuse the logs when fewer rows of the day are accepted, with `add` including its stored rows.
    pub min_rows: u64,
    /// Refuse the day when it has fewer logs, with `add` including its stored logs.
    pub min_logs: u64,
    /// Count logs that have rows in common.
    pub allow_duplicates: bool,
    /// Count standard input, pipes and the output of commands as logs without rows if they are empty.
    pub allow_empty: bool,
}

impl ReduceOptions {
    /// How logs of any day are searched for.
    pub(super) fn search(&self, context: &Context) -> Search {
        let excluded = [vec![context.store.clone()], self.excluded.clone()].concat();
        let (tables, memory) = (self.rules.has_shape(), Some(context.budget.memory));
        Search { from: None, to: None, date_offset: self.date_offset, excluded, memory, tables }
    }
}

impl Default for ReduceOptions {
    fn default() -> Self {
        ReduceOptions {
            logs: Vec::new(),
            commands: Vec::new(),
            places: Vec::new(),
            day: None,
            date_offset: None,
            excluded: Vec::new(),
            force: false,
            add: false,
            rules: Rules::default(),
            max_reject_ratio: 0.10,
            max_log_reject_ratio: 0.5,
            min_rows: 0,
            min_logs: 0,
            allow_duplicates: false,
            allow_empty: false,
        }
    }
}

/// The logs to count, and where the files go.
pub(super) struct Counting<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a ReduceOptions,
    pub(super) day: Day,
    pub(super) source: &'a Source,
    pub(super) lock: &'a StoreLock,
    /// The cached facts of the logs in another form.
    pub(super) seen: &'a SeenLogs,
    /// Good rows of the stored partial, which may be replaced only by at least that number.
    pub(super) no_fewer_than: Option<u64>,
    /// The logs of the day's partial, if it may be replaced only by pipes that begin with their bytes.
    pub(super) prefixes: Option<&'a Inputs>,
}

/// A day that is counted and not yet published.
pub(super) struct Done {
    pub(super) partial: FinishedPartial<Box<dyn TemporaryFile>>,
    pub(super) rejects: Box<dyn TemporaryFile>,
    /// Rows of the logs that were read.
    pub(super) rows: u64,
    /// Runs that were spilled because the rows exceeded the memory.
    pub(super) spilled_runs: usize,
    /// Logs in another form than those that were counted, which were compared with them.
    pub(super) forms: Vec<SeenLog>,
}

/// The findings once all logs were read.
#[derive(Default)]
struct Checked {
    read: input::Finished,
    forms: Vec<SeenLog>,
}

/// The stored day that logs are added to.
pub(super) struct Base {
    partial: Partial,
    inputs: Inputs,
    shown: ShownRejects,
}

impl Base {
    /// The day's logs.
    pub(super) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Takes the partial, and the lines of its corrupt rows from the rejects file.
    ///
    /// If the file is not the partial's own, for example a refused run's, only the lines are lost: the counts are in
    /// the partial.
    pub(super) fn new(context: &Context, lock: &StoreLock, partial: Partial) -> Result<Self> {
        let metadata = partial.metadata();
        let mut file = Vec::new();
        if metadata.rejects.total() > 0 {
            file = lock.store().read_rejects(metadata.day, ShownRejects::MAX_BYTES)?;
        }
        let inputs = partial.inputs()?;
        let header = metadata.rules.is_some_and(|rules| rules.header());
        let shown = ShownRejects::of(&file, &inputs, &metadata.rejects, header);
        let shown = shown.unwrap_or_else(|| {
            let path = lock.store().rejects_path(metadata.day);
            context.observer.warn(&Warning::RejectsChanged { path });
            ShownRejects::default()
        });
        Ok(Base { partial, inputs, shown })
    }
}

impl Base {
    /// Number of logs that it was made from.
    pub(super) fn logs(&self) -> u64 {
        self.partial.metadata().inputs
    }

    /// How many rows of them are accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.partial.metadata().accepted()
    }
}

impl Counting<'_> {
    /// Reads the logs and writes both files; with a `base`, the day that it and the logs are together. `None` for logs that
    /// are those of [`Counting::prefixes`].
    pub(super) fn count(&self, base: Option<Base>) -> Result<Option<Done>> {
        let Counting { context, options, source, lock, .. } = *self;
        let pool = context.pool()?;
        let row_rules = RowRules::new(&options.rules);
        let partial = || lock.temporary_partial();
        let scratch = || lock.scratch_file();
        let (_, windows) = source.streams()?;
        let traces = Traces::new(context.budget.traces());
        let logs = Logs {
            context,
            pool: &pool,
            source,
            row_rules: &row_rules,
            rules: options.rules,
            plan: context.budget.count(windows),
            partial: base.is_none().then_some(&partial),
            scratch: &scratch,
            traces: &traces,
        };
        // Checked as soon as all is read, before minutes of merging.
        let mut checked = Checked::default();
        let check = |report: &RejectReport| {
            checked.read = self.check(base.as_ref(), report)?;
            if self.is_known(&checked.read)? {
                return Ok(ToDo::Nothing);
            }
            let facts = &checked.read.facts;
            let counts = self.colliding(report);
            if !self.options.allow_duplicates {
                let means = (context, &pool, &scratch as Scratch<'_>);
                traces.refuse_overlaps(means, (source, facts), &counts)?;
            }
            checked.forms = compare_forms(
                context,
                self.seen,
                (source.paths(), facts),
                self.options.rules.header(),
            )?;
            self.check_limits(base.as_ref(), report)?;
            Ok(ToDo::Count)
        };
        let Some(Tally { rejects: report, runs }) = logs.tally(check)? else { return Ok(None) };
        self.warn_of_cut_logs(&checked.read);
        self.warn_of_empty_day(base.as_ref(), &report);
        let pieces = match runs {
            tally::Counted::Whole(writer) => {
                return self.finish(*writer, None, report, checked, 0).map(Some);
            }
            tally::Counted::Spilled(pieces) => pieces,
        };
        // A single piece was written to be merged with the base, not because memory was full.
        let spilled_runs = if pieces.len() == 1 { 0 } else { pieces.len() };
        // The arena is given back by now: merging has the memory for itself.
        let stored = base.as_ref().map(|base| JoinInput::stored(&base.partial));
        let pieces = stored.into_iter().chain(pieces).collect();
        let writer = context
            .phase(Phase::Merge, None, || self.merge(&pool, pieces, &scratch, partial()?))?;
        self.finish(writer, base, report, checked, spilled_runs).map(Some)
    }

    /// Whether the logs are those of the day's partial. Refuses a pipe that is empty, and pipes that do not begin with what
    /// the day was made from.
    fn is_known(&self, read: &input::Finished) -> Result<bool> {
        let digests = |inputs: &Inputs| known::digests(inputs.iter());
        if self.prefixes.is_some_and(|stored| digests(stored) == digests(&read.facts)) {
            return Ok(true);
        }
        let empty = read.empty_pipes.first().and_then(|at| self.source.paths().get(*at));
        if let Some(path) = empty.filter(|_| !self.options.allow_empty) {
            return Err(Error::from(ErrorKind::EmptyInput).at(path.path()));
        }
        if self.prefixes.is_some_and(|stored| !self.source.has_prefixes(stored)) {
            return Err(ErrorKind::OtherStart(self.day).into());
        }
        Ok(false)
    }

    /// The checks once all is read.
    fn check(&self, base: Option<&Base>, report: &RejectReport) -> Result<input::Finished> {
        let paths = self.source.paths();
        let rows: Vec<u64> = (0..paths.len()).map(|input| report.rows(input)).collect();
        let finished = self.source.finish(&rows)?;
        let counts = self.colliding(report);
        known::refuse_copies(paths, &finished.facts, &counts)?;
        if let Some(base) = base {
            known::refuse_known(self.day, &base.inputs, paths, &finished.facts, &counts)?;
            for at in known::names_again(&base.inputs, paths, &finished.facts) {
                let path = paths.get(at).map(|path| path.path()).unwrap_or_default();
                self.context.observer.warn(&Warning::SameName { path });
            }
        }
        Ok(finished)
    }

    /// Which logs may have no rows in common with others.
    fn colliding<'r>(&self, report: &'r RejectReport) -> impl Fn(usize) -> bool + 'r {
        let allow = self.options.allow_duplicates;
        move |input| report.has_accepted(input) && !allow
    }

    fn warn_of_cut_logs(&self, read: &input::Finished) {
        let paths = self.source.paths();
        for input in read.unterminated.iter().filter_map(|at| paths.get(*at)) {
            self.context.observer.warn(&Warning::NoLineEnd { path: input.path() });
        }
    }

    /// A day without listeners is allowed, but a source that failed looks the same.
    fn warn_of_empty_day(&self, base: Option<&Base>, report: &RejectReport) {
        let before = base.map_or(0, |base| base.partial.metadata().rows);
        if before == 0 && report.rows_by_input.iter().all(|rows| *rows == 0) {
            self.context.observer.warn(&Warning::EmptyDay(self.day));
        }
    }

    /// Writes the footer, and the rejects file.
    fn finish(
        &self,
        writer: OpenPartial,
        base: Option<Base>,
        mut report: RejectReport,
        Checked { read, forms }: Checked,
        spilled_runs: usize,
    ) -> Result<Done> {
        let rows: u64 = report.rows_by_input.iter().sum();
        let mut inputs = Inputs::default();
        let (mut all_rows, mut counts) = (rows, report.counts);
        if let Some(base) = &base {
            let before = base.partial.metadata();
            let exceed = || Error::damaged("the rows exceed 2^63-1").at(base.partial.path());
            let sum = rows.checked_add(before.rows).filter(|rows| *rows <= MAX_ID);
            all_rows = sum.ok_or_else(exceed)?;
            counts.add(&before.rejects);
            inputs.append(&base.inputs);
            report.samples.truncate(base.shown.room());
        }
        let inputs = if inputs.is_empty() {
            read.facts
        } else {
            inputs.append(&read.facts);
            inputs
        };
        let partial = writer.finish(self.day, all_rows, counts, inputs)?;
        let rejects = self.write_rejects(base.as_ref(), &report)?;
        Ok(Done { partial, rejects, rows, spilled_runs, forms })
    }

    pub(super) fn write_rejects(
        &self,
        base: Option<&Base>,
        report: &RejectReport,
    ) -> Result<Box<dyn TemporaryFile>> {
        let mut file = self.lock.temporary_rejects()?;
        let shown = base.map(|base| base.shown.text()).unwrap_or_default();
        let paths = self.source.paths();
        let text = report.render(|input| paths.get(input).map_or(&[], |path| path.name()));
        let written = file.write_all(shown).and_then(|()| file.write_all(&text));
        match written.and_then(|()| file.flush()) {
            Ok(()) => Ok(file),
            Err(error) => Err(Error::io("write", error).at(file.path())),
        }
    }

    /// The pieces of a day, merged into `file`; the footer is left to the caller.
    fn merge(
        &self,
        pool: &rayon::ThreadPool,
        pieces: Vec<JoinInput>,
        scratch: Scratch<'_>,
        file: Box<dyn TemporaryFile>,
    ) -> Result<OpenPartial> {
        let plan = self.context.budget.join();
        let opened = open_merged(self.context, pool, plan, pieces, scratch)?;
        let mut writer = temporary_writer(file, self.options.rules)?;
        join(self.context, pool, plan, &opened, &mut writer)?;
        Ok(writer)
    }
}
