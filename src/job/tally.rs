//! Logs to sorted runs: stages 1 to 3, and 4 for runs that do not fit in memory.
//!
//! All threads read, parse and scatter rows until the logs end or the arena is full. A full arena becomes a
//! spilled run of each kind, and reading goes on. The rows in the arena at the end become the last run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::join::{JoinInput, OpenPartial, Scratch, Spill, WriteRun, temporary_writer};
use super::overlap::{GatheredTraces, Traces};
use super::warning::Warning;
use super::{Context, Phase};
use crate::budget::CountPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{SamplePiece, Source, Window};
use crate::model::{Batch, Country, Kind, RowBatch, Rules};
use crate::row::{self, RejectLog, RejectReport, RowRules};
use crate::run::{Counter, FilledArena, Filler, Means, Plan, Ranges, Sample, Worker};
use crate::runfile::{RunFacts, RunPieces};
use crate::text;

/// Pieces of the logs that the splitters are chosen from: 4 MiB, about 170,000 rows.
const SAMPLE_PIECES: usize = 64;
const SAMPLE_PIECE_BYTES: usize = 64 << 10;
/// The result of reading all logs.
pub(super) struct Tally {
    /// Rows and rejects.
    pub(super) rejects: RejectReport,
    pub(super) runs: Counted,
}

/// What is left to do when all logs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToDo {
    Count,
    /// They are the logs that the day has.
    Nothing,
}

/// Where the counted runs are.
pub(super) enum Counted {
    /// All rows fitted in memory: in the file for the partial, which lacks only its footer.
    Whole(Box<OpenPartial>),
    /// In files of their own, to be merged.
    Spilled(Vec<JoinInput>),
}

/// One thread's place in the logs, kept while the arena is emptied.
#[derive(Default)]
struct LogReader {
    window: Window,
    /// Bytes of the window's rows that were parsed.
    parsed: usize,
    batch: RowBatch,
    /// Rows of the batch that were scattered.
    scattered: usize,
    /// The rules of the window's rows, if its log has other columns than those that are usual or given.
    row_rules: Option<RowRules>,
    rejects: RejectLog,
    gathered: GatheredTraces,
}

/// What a tally is given.
pub(super) struct Logs<'a> {
    pub(super) context: &'a Context,
    pub(super) pool: &'a rayon::ThreadPool,
    pub(super) source: &'a Source,
    pub(super) row_rules: &'a RowRules,
    pub(super) rules: Rules,
    pub(super) plan: CountPlan,
    /// Makes the file for the partial; `None` if the logs are added to a partial, as a piece like a spilled run.
    pub(super) partial: Option<Scratch<'a>>,
    /// Makes a file for a spilled run.
    pub(super) scratch: Scratch<'a>,
    /// Takes the traces that show which logs have rows in common.
    pub(super) traces: &'a Traces,
}

impl Logs<'_> {
    /// Reads the logs to their end and counts them, unless `check`, which sees the rejects before the last run is written,
    /// says that there is nothing to do.
    pub(super) fn tally(
        &self,
        check: impl FnOnce(&RejectReport) -> Result<ToDo>,
    ) -> Result<Option<Tally>> {
        let readers: Vec<Mutex<LogReader>> =
            (0..self.context.budget.threads).map(|_| Mutex::default()).collect();
        let plan = self.plan(&readers)?;
        let mut arena = plan.arena()?;
        let counter = Counter::new(&plan, &mut arena);
        let total = self.source.total_disk_bytes();
        let (mut spills, rows) =
            self.context.phase(Phase::Read, total, || self.read_all(&readers, &counter))?;
        let rejects = self.merge_rejects(readers);
        if check(&rejects)? == ToDo::Nothing {
            return Ok(None);
        }
        let accepted = rejects.rows_by_input.iter().sum::<u64>() - rejects.counts.total();
        let runs = self.context.phase(Phase::Count, Some(accepted), || {
            if let Some(partial) = self.partial.filter(|_| spills.is_empty()) {
                let mut writer = temporary_writer(partial()?, self.rules)?;
                self.drain(&counter, rows, &mut writer)?;
                return Ok(Counted::Whole(Box::new(writer)));
            }
            spills.push(self.spill(&counter, rows)?.0);
            Ok(Counted::Spilled(spills))
        })?;
        Ok(Some(Tally { rejects, runs }))
    }

    /// Reads to the end; full arenas are spilled, the rest stays in the arena.
    fn read_all<'a>(
        &self,
        readers: &[Mutex<LogReader>],
        counter: &Counter<'a>,
    ) -> Result<(Vec<JoinInput>, FilledArena<'a>)> {
        let mut spills = Vec::new();
        loop {
            let (rows, ended) = self.fill(readers, counter)?;
            if ended {
                return Ok((spills, rows));
            }
            let made_room = self.traces.make_room(self.pool, self.scratch)?;
            let (spill, rows) = self.spill(counter, rows)?;
            if rows == 0 && !made_room {
                // Every budget that `Budget::new` allows has room for some rows.
                return Err(Error::from(ErrorKind::Usage("--memory is too small".to_owned())));
            }
            tracing::info!(rows, "spilled a run");
            spills.push(spill);
        }
    }

    /// The samples of all readers, and their rejects.
    fn merge_rejects(&self, readers: Vec<Mutex<LogReader>>) -> RejectReport {
        let logs = readers.into_iter().map(|reader| {
            let mut reader = reader.into_inner().unwrap_or_else(PoisonError::into_inner);
            reader.gathered.hand_on(self.traces);
            reader.rejects
        });
        let report = RejectReport::merge(logs.collect());
        if self.rules.header() { report.below_headers() } else { report }
    }

    /// Chooses a plan from rows all over the logs, or from the first rows where the logs can only be read front to
    /// back.
    fn plan(&self, readers: &[Mutex<LogReader>]) -> Result<Plan> {
        let mut pieces = self.source.sample(SAMPLE_PIECES, SAMPLE_PIECE_BYTES)?;
        if pieces.is_empty()
            && let Some(reader) = readers.first()
        {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if reader.next_window(self)? {
                let window = &reader.window;
                let (rows, header) = (window.rows().to_vec(), window.header().to_vec());
                pieces.push(SamplePiece { rows, header });
            }
        }
        let bytes: usize = pieces.iter().map(|piece| piece.rows.len()).sum();
        let sample = self.parse_sample(&pieces);
        // Compressed logs hold about four times their size; a wrong guess costs a few ranges.
        let expected = self.source.total_disk_bytes().map_or(u64::MAX, |total| total * 4);
        let expected = expected.saturating_mul(sample.len() as u64) / (bytes.max(1) as u64);
        let countries = (0..u64::from(Country::COUNT)).filter_map(Country::from_number);
        let known = self.row_rules.countries();
        let countries = countries.filter(|country| known.contains(*country));
        let means = Means { shares: self.plan, threads: self.context.budget.threads };
        Ok(Plan::new(&sample, countries, means, expected))
    }

    fn parse_sample(&self, pieces: &[SamplePiece]) -> Sample {
        let mut sample = Sample::default();
        let mut batch = RowBatch::new();
        let mut ignored = RejectLog::new();
        for SamplePiece { rows, header } in pieces {
            let mut rest = rows.as_slice();
            // A header that does not fit is refused with its place when the log is read.
            let of_log = self.rules_of(header).unwrap_or_default();
            let rules = of_log.as_ref().unwrap_or(self.row_rules);
            while !rest.is_empty() {
                batch.clear();
                let parsed = row::parse(rest, rules, &mut batch, &mut ignored);
                // Parsing takes no more than there is.
                rest = &rest[parsed..];
                sample.add(&batch);
            }
        }
        sample
    }

    /// The rules of a log with this header, if its columns are others than those that are usual or given.
    fn rules_of(&self, header: &[u8]) -> Result<Option<RowRules>> {
        if !self.rules.header() {
            return Ok(None);
        }
        let columns = row::columns_of(header, &self.rules)?;
        let differ = columns != self.row_rules.columns();
        Ok(differ.then(|| self.row_rules.with_columns(columns)))
    }

    /// As [`Logs::rules_of`] the window's log, of which the header is checked.
    fn check_header(&self, window: &Window) -> Result<Option<RowRules>> {
        let (header, path) = (window.header(), self.source.paths().get(window.input));
        let rules = self.rules_of(header).map_err(|error| match path {
            Some(path) => error.at(path.path()).at_line(1),
            None => error,
        })?;
        let is_row = || row::is_good_row(header, rules.as_ref().unwrap_or(self.row_rules));
        if window.index == 0 && is_row() {
            let name = path.map_or_else(String::new, |path| text::name(path.name()));
            self.context.observer.warn(&Warning::HeaderIsRow { name });
        }
        Ok(rules)
    }

    /// Reads and parses on all threads until the logs end (true) or the arena is full.
    fn fill<'a>(
        &self,
        readers: &[Mutex<LogReader>],
        counter: &Counter<'a>,
    ) -> Result<(FilledArena<'a>, bool)> {
        let failed = AtomicBool::new(false);
        counter.fill(self.pool, |thread, filler| {
            let Some(reader) = readers.get(thread) else { return Ok(true) };
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = reader.fill(self, filler, &failed);
            outcome.inspect_err(|_| {
                failed.store(true, Ordering::Relaxed);
                self.source.stop();
            })
        })
    }

    /// Counts the rows in the arena into new files; also returns their number.
    fn spill<'a>(&self, counter: &Counter<'a>, rows: FilledArena<'a>) -> Result<(JoinInput, u64)> {
        let mut spill = Spill::new(self.scratch);
        let rows = self.drain(counter, rows, &mut spill)?;
        Ok((spill.finish(), rows))
    }

    /// Counts the rows in the arena into all runs of `target`; returns their number.
    fn drain<'a>(
        &self,
        counter: &Counter<'a>,
        rows: FilledArena<'a>,
        target: &mut impl WriteRun,
    ) -> Result<u64> {
        let mut ranges = counter.drain(self.pool, rows)?;
        loop {
            let written = self.write(&ranges, target)?;
            match ranges.next_run(self.pool)? {
                Some(next) => ranges = next,
                None => return Ok(written.streams),
            }
        }
    }

    fn write(&self, ranges: &Ranges<'_, '_>, target: &mut impl WriteRun) -> Result<RunFacts> {
        let shape = RunPieces { pool: self.pool, pieces: ranges.len() };
        let count = |worker: &mut Worker<'_, '_>, range: usize, room: Batch| {
            // A range is counted into columns of its own.
            drop(room);
            self.context.check_stop()?;
            // The rows are counted for each run, and reported once.
            if ranges.kind() == Kind::FIRST {
                self.context.observer.advance(Phase::Count, ranges.rows(range) as u64);
            }
            worker.count(range)
        };
        target.write_run(ranges.kind(), shape, || ranges.worker(), count)
    }
}

impl LogReader {
    /// The next window, from its first row; false when the logs have ended.
    fn next_window(&mut self, logs: &Logs<'_>) -> Result<bool> {
        logs.context.check_stop()?;
        if !logs.source.next(&mut self.window)? {
            self.window = Window::new();
            self.parsed = 0;
            return Ok(false);
        }
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.rejects.begin_window(number(self.window.input as u64), number(self.window.index));
        self.rejects.measure_window(self.window.read_bytes(), self.window.rows().len());
        self.parsed = 0;
        if logs.rules.header() {
            self.row_rules = logs.check_header(&self.window)?;
        }
        self.gathered.take(&self.window, logs.traces);
        logs.context.observer.advance(Phase::Read, self.window.disk_bytes);
        Ok(true)
    }

    fn fill(
        &mut self,
        logs: &Logs<'_>,
        filler: &mut Filler<'_, '_>,
        failed: &AtomicBool,
    ) -> Result<bool> {
        loop {
            if !self.put(filler) || logs.traces.is_full() {
                return Ok(false);
            }
            // `parsed` counts bytes of this window: both are set together.
            let rest = &self.window.rows()[self.parsed..];
            if !rest.is_empty() {
                let rules = self.row_rules.as_ref().unwrap_or(logs.row_rules);
                self.parsed += row::parse(rest, rules, &mut self.batch, &mut self.rejects);
            } else if failed.load(Ordering::Relaxed) || !self.next_window(logs)? {
                return Ok(true);
            }
        }
    }

    /// Puts the batch into the arena and clears it; false, with the rest kept, when the arena is full.
    fn put(&mut self, filler: &mut Filler<'_, '_>) -> bool {
        self.scattered += filler.put(&self.batch, self.scattered);
        if self.scattered < self.batch.len() {
            return false;
        }
        self.batch.clear();
        self.scattered = 0;
        true
    }
}
