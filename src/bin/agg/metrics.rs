//! `--metrics FILE`: what a run did, in the text format of Prometheus, for the textfile collector of node_exporter.
//!
//! The file is written aside and renamed, so a scrape meets the old one or the new one. It is written when a run fails,
//! too: then it keeps the time of the last success from the file that it replaces. A run that reached no day keeps the
//! day. Every sample carries the command as a label, so the files of several commands can be in one folder. Names are
//! an interface; each is explained in docs/reference.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use agg::Day;
use agg::fs::{OsFileSystem, creation_error, leads_to_device};
use agg::input::Skipped;
use agg::job::{BackfillReport, DayOutcome, EmitReport, ReduceReport, WindowOutcome};
use agg::model::RowCounts;
use agg::store::Aside;
use clap::Args;

use crate::exit::Exit;
use crate::message;
use crate::settings::Settings;
use crate::summary::RunCost;

const SUCCESS: &str = "agg_last_success_timestamp_seconds";
const DAY: &str = "agg_day_timestamp_seconds";
/// A file of metrics is a few KiB; a larger file is something else.
const MAX_BYTES: u64 = 64 << 10;

/// Shared by the commands that a scheduler runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct MetricsFile {
    /// Write what the run did to this file, for Prometheus' textfile collector
    #[arg(long = "metrics", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl MetricsFile {
    /// The same, or `None` for a run that does nothing.
    pub(crate) fn unless(&self, dry_run: bool) -> Self {
        MetricsFile { file: self.file.clone().filter(|_| !dry_run) }
    }

    /// The file at this path.
    pub(crate) fn at(file: Option<PathBuf>) -> Self {
        MetricsFile { file }
    }
}

/// What a run reports of its data; the file lacks what the run did not reach.
#[derive(Debug, Default)]
pub(crate) struct MetricFacts {
    /// The run's day, or the newest of several days.
    day: Option<Day>,
    rows: Option<RowCounts>,
    counted_rows: Option<u64>,
    log_bytes: Option<u64>,
    partial_bytes: Option<u64>,
    output_bytes: Option<u64>,
    days: BTreeMap<&'static str, u64>,
    windows: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
}

impl MetricFacts {
    /// Adds a day's reduction.
    pub(crate) fn reduced(&mut self, report: &ReduceReport) {
        self.skipped(&report.skipped);
        self.day = self.day.max(Some(report.day));
        self.add_rows(&report.counts);
        let add = |sum: &mut Option<u64>, more| *sum = Some(sum.unwrap_or(0).saturating_add(more));
        add(&mut self.counted_rows, report.rows_read);
        add(&mut self.log_bytes, report.log_bytes);
        add(&mut self.partial_bytes, report.partial_bytes);
    }

    /// Adds a window's emission, whose rows are those of its days.
    pub(crate) fn emitted(&mut self, report: &EmitReport) {
        self.day = self.day.max(Some(report.day));
        self.add_rows(&report.counts);
        self.add_output(report);
    }

    /// Adds all days and windows of a backfill; rows are those of the days alone.
    pub(crate) fn filled(&mut self, report: &BackfillReport) {
        self.skipped(&report.skipped);
        for dated in &report.days {
            *self.days.entry(dated.reduced.word()).or_default() += 1;
            if let DayOutcome::Reduced(reduced) = &dated.reduced {
                self.reduced(reduced);
            }
            if let Some(word) = dated.window.word() {
                *self.windows.entry(word).or_default() += 1;
            }
            if let WindowOutcome::Emitted(emitted) = &dated.window {
                self.add_output(emitted);
            }
        }
    }

    fn skipped(&mut self, skipped: &Skipped) {
        self.skipped.extend(skipped.counts());
    }

    fn add_output(&mut self, report: &EmitReport) {
        let bytes: u64 = report.files.iter().map(|file| file.bytes).sum();
        self.output_bytes = Some(self.output_bytes.unwrap_or(0).saturating_add(bytes));
    }

    fn add_rows(&mut self, counts: &RowCounts) {
        // Saturates: the days of one run do not have more rows than the number holds.
        let sum = self.rows.get_or_insert(RowCounts::NONE);
        *sum = sum.checked_add(counts).unwrap_or(*sum);
    }
}

/// Runs a command, which stores its facts as it learns them, and writes the file if one was asked for.
///
/// If the file cannot be written, a run that was good otherwise fails; after a run that failed, both errors are
/// reported.
pub(crate) fn recorded(
    command: &'static str,
    arguments: &MetricsFile,
    settings: &Settings,
    run: impl FnOnce(&mut MetricFacts) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let mut facts = MetricFacts::default();
    let Some(path) = &arguments.file else { return run(&mut facts) };
    let before = checked(path)?;
    let outcome = run(&mut facts);
    let exit = outcome.as_ref().map_or_else(Exit::of, |exit| *exit);
    let now = now();
    let success = if exit == Exit::Done { Some(now) } else { sample(&before, SUCCESS, command) };
    let day = sample(&before, DAY, command);
    let ended = EndedRun { command, exit, now, success, day, run: settings.cost() };
    match (Aside::Metrics.publish(&OsFileSystem, path, ended.text(&facts).as_bytes()), outcome) {
        (Ok(()), outcome) => outcome,
        (Err(error), Ok(_)) => Err(error.into()),
        (Err(error), outcome) => {
            message::error(&message::described(&error));
            outcome
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What the file has that will be replaced, if it may be: asked before hours of work, not after them.
pub(crate) fn checked(path: &Path) -> agg::Result<String> {
    let before = former(path).map_err(|error| creation_error(error).at(path))?;
    Aside::Metrics.check(&OsFileSystem, path)?;
    Ok(before)
}

/// The content of the file to be replaced, which is empty if there is no file. A link to a file is replaced too, and
/// its target stays.
///
/// Anything but a file of metrics is refused: a pipe would be waited for, and a device, `/dev/stdout`, or a log whose
/// name was typed by mistake would be lost.
fn former(path: &Path) -> io::Result<String> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(String::new()) };
    let refusal = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if found.is_symlink() && leads_to_device(&fs::read_link(path)?) {
        return refusal("a link to a device");
    }
    let Ok(found) = fs::metadata(path) else { return Ok(String::new()) };
    if !found.is_file() {
        return refusal("not a regular file");
    } else if found.len() > MAX_BYTES {
        return refusal("larger than 64 KiB; not a metrics file written by agg");
    }
    let mut bytes = Vec::new();
    // A file that may not be read can still be replaced.
    let read = fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
    match String::from_utf8(bytes) {
        Ok(text) if read.is_err() || text.is_empty() || text.starts_with("# HELP agg_") => Ok(text),
        _ => refusal("not a metrics file written by agg; remove it, or name another file"),
    }
}

/// The value of a sample in an older file, in seconds since 1970.
fn sample(before: &str, name: &str, command: &str) -> Option<u64> {
    let label = format!("{name}{{command=\"{command}\"}} ");
    before.lines().find_map(|line| line.strip_prefix(&label)?.parse().ok())
}

/// A run that has ended.
#[derive(Debug)]
struct EndedRun {
    command: &'static str,
    exit: Exit,
    /// Seconds since 1970.
    now: u64,
    /// When a run was good last; `None` if that is unknown.
    success: Option<u64>,
    /// The day of the run before, as the metric has it, for a run that reached no day.
    day: Option<u64>,
    run: RunCost,
}

impl EndedRun {
    fn text(&self, facts: &MetricFacts) -> String {
        let mut page = Page { command: self.command, text: String::new() };
        page.gauge("agg_last_run_timestamp_seconds", "When the last run ended.", Some(self.now));
        page.gauge(SUCCESS, "When a run ended well last.", self.success);
        page.gauge("agg_exit_status", "Exit code of the last run.", Some(self.exit.code()));
        page.gauge("agg_run_seconds", "Wall clock of the last run.", Some(self.run.seconds));
        let phases = self.run.phases.iter().map(|(name, seconds)| (*name, *seconds));
        page.gauges("agg_phase_seconds", "Wall clock of a phase of it.", "phase", phases);
        let memory = self.run.peak_memory_bytes;
        page.gauge("agg_peak_memory_bytes", "Its peak resident memory.", memory);
        page.gauge("agg_warnings", "Its warnings.", Some(self.run.warnings.len()));
        // There are no days before 1970 here.
        let day = facts.day.map(|day| day.since_1970() * 86_400).or(self.day);
        page.gauge(DAY, "Start of the newest day it was about.", day);
        let rows = facts.rows.as_ref();
        page.gauge("agg_rows", "Rows of its days.", rows.map(|counts| counts.rows));
        let accepted = rows.map(|counts| counts.accepted);
        page.gauge("agg_accepted_rows", "Good rows of its days.", accepted);
        let rejects = rows.and_then(|counts| counts.rejects.as_ref());
        let rejects = rejects.into_iter().flat_map(|rejects| rejects.named());
        page.gauges("agg_rejected_rows", "Corrupt rows of its days.", "reason", rejects);
        page.gauge("agg_counted_rows", "Rows that it read and counted.", facts.counted_rows);
        page.gauge("agg_log_bytes", "Size of the logs of its days.", facts.log_bytes);
        page.gauge("agg_partial_bytes", "Size of the partials of its days.", facts.partial_bytes);
        page.gauge("agg_output_bytes", "Size of the files it emitted.", facts.output_bytes);
        let days = facts.days.iter().map(|(outcome, count)| (*outcome, *count));
        page.gauges("agg_days", "Days of a backfill by outcome.", "outcome", days);
        let windows = facts.windows.iter().map(|(outcome, count)| (*outcome, *count));
        page.gauges("agg_windows", "Windows of a backfill by outcome.", "outcome", windows);
        let skipped = facts.skipped.iter().map(|(reason, count)| (*reason, *count));
        page.gauges("agg_skipped_files", "Files that were not counted.", "reason", skipped);
        page.text
    }
}

/// The text so far.
struct Page {
    command: &'static str,
    text: String,
}

impl Page {
    /// One sample, or nothing.
    fn gauge(&mut self, name: &str, help: &str, value: Option<impl std::fmt::Display>) {
        let Some(value) = value else { return };
        self.heading(name, help);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{name}{{command=\"{}\"}} {value}", self.command);
    }

    /// A sample for each value of a second label, or nothing.
    fn gauges<V: std::fmt::Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'static str, V)>,
    ) {
        let mut values = values.peekable();
        if values.peek().is_some() {
            self.heading(name, help);
        }
        for (value, number) in values {
            let command = self.command;
            let _ =
                writeln!(self.text, "{name}{{command=\"{command}\",{label}=\"{value}\"}} {number}");
        }
    }

    fn heading(&mut self, name: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }
}

#[cfg(test)]
mod tests {
    use agg::model::RejectCounts;

    use super::*;

    fn ended(exit: Exit) -> EndedRun {
        let phases = [("publish", 0.25), ("read", 1.5)].into_iter().collect();
        let warnings = vec!["w".to_owned()];
        let run = RunCost { seconds: 2.5, phases, peak_memory_bytes: Some(1 << 20), warnings };
        let (now, success) = (1_638_400_000, Some(1_638_300_000));
        EndedRun { command: "reduce-day", exit, now, success, day: Some(1_638_230_400), run }
    }

    #[test]
    fn the_file_of_a_good_run_is_pinned() {
        let facts = MetricFacts {
            day: "2021-12-01".parse().ok(),
            rows: Some(RowCounts::of_day(100, Some(RejectCounts([0, 1, 0, 0, 0, 2])))),
            counted_rows: Some(100),
            log_bytes: Some(2048),
            partial_bytes: Some(1536),
            days: [("reduced", 1)].into(),
            ..MetricFacts::default()
        };
        assert_eq!(
            ended(Exit::Done).text(&facts),
            "\
# HELP agg_last_run_timestamp_seconds When the last run ended.
# TYPE agg_last_run_timestamp_seconds gauge
agg_last_run_timestamp_seconds{command=\"reduce-day\"} 1638400000
# HELP agg_last_success_timestamp_seconds When a run ended well last.
# TYPE agg_last_success_timestamp_seconds gauge
agg_last_success_timestamp_seconds{command=\"reduce-day\"} 1638300000
# HELP agg_exit_status Exit code of the last run.
# TYPE agg_exit_status gauge
agg_exit_status{command=\"reduce-day\"} 0
# HELP agg_run_seconds Wall clock of the last run.
# TYPE agg_run_seconds gauge
agg_run_seconds{command=\"reduce-day\"} 2.5
# HELP agg_phase_seconds Wall clock of a phase of it.
# TYPE agg_phase_seconds gauge
agg_phase_seconds{command=\"reduce-day\",phase=\"publish\"} 0.25
agg_phase_seconds{command=\"reduce-day\",phase=\"read\"} 1.5
# HELP agg_peak_memory_bytes Its peak resident memory.
# TYPE agg_peak_memory_bytes gauge
agg_peak_memory_bytes{command=\"reduce-day\"} 1048576
# HELP agg_warnings Its warnings.
# TYPE agg_warnings gauge
agg_warnings{command=\"reduce-day\"} 1
# HELP agg_day_timestamp_seconds Start of the newest day it was about.
# TYPE agg_day_timestamp_seconds gauge
agg_day_timestamp_seconds{command=\"reduce-day\"} 1638316800
# HELP agg_rows Rows of its days.
# TYPE agg_rows gauge
agg_rows{command=\"reduce-day\"} 100
# HELP agg_accepted_rows Good rows of its days.
# TYPE agg_accepted_rows gauge
agg_accepted_rows{command=\"reduce-day\"} 97
# HELP agg_rejected_rows Corrupt rows of its days.
# TYPE agg_rejected_rows gauge
agg_rejected_rows{command=\"reduce-day\",reason=\"too_long\"} 0
agg_rejected_rows{command=\"reduce-day\",reason=\"blank\"} 1
agg_rejected_rows{command=\"reduce-day\",reason=\"field_count\"} 0
agg_rejected_rows{command=\"reduce-day\",reason=\"song_id\"} 0
agg_rejected_rows{command=\"reduce-day\",reason=\"user_id\"} 0
agg_rejected_rows{command=\"reduce-day\",reason=\"country\"} 2
# HELP agg_counted_rows Rows that it read and counted.
# TYPE agg_counted_rows gauge
agg_counted_rows{command=\"reduce-day\"} 100
# HELP agg_log_bytes Size of the logs of its days.
# TYPE agg_log_bytes gauge
agg_log_bytes{command=\"reduce-day\"} 2048
# HELP agg_partial_bytes Size of the partials of its days.
# TYPE agg_partial_bytes gauge
agg_partial_bytes{command=\"reduce-day\"} 1536
# HELP agg_days Days of a backfill by outcome.
# TYPE agg_days gauge
agg_days{command=\"reduce-day\",outcome=\"reduced\"} 1
"
        );
    }

    #[test]
    fn a_failed_run_has_its_code_and_no_rows_and_keeps_the_last_success() {
        let text = ended(Exit::Failed(agg::ErrorClass::Data)).text(&MetricFacts::default());
        assert!(text.contains("agg_exit_status{command=\"reduce-day\"} 65\n"), "{text}");
        assert!(!text.contains("rows"), "{text}");
        assert_eq!(sample(&text, SUCCESS, "reduce-day"), Some(1_638_300_000));
        assert_eq!(sample(&text, SUCCESS, "backfill"), None);
        assert_eq!(sample(&text, DAY, "reduce-day"), Some(1_638_230_400), "the day of before");
        let never = EndedRun { success: None, ..ended(Exit::Failed(agg::ErrorClass::Io)) };
        assert!(!never.text(&MetricFacts::default()).contains(SUCCESS));
    }
}
