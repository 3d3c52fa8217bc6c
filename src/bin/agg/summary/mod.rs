//! What a run prints on standard output: a text for people, or one JSON document.
//!
//! The document is the job's report as the library serializes it, between the command's name and the cost of the run.
//! It is an interface: snake case, sizes in bytes, times in seconds, digests as hexadecimal strings. The text of each
//! report is in the command's file, a [`Summary`]; both are pinned in its tests.

mod table;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agg::job::EmittedFile;
use agg::model::RowCounts;
use agg::text;
use bytesize::ByteSize;
use indicatif::HumanCount;
use serde::{Serialize, Serializer};

use crate::memory;
use crate::progress::Progress;

pub(crate) use table::{Alignment, TextTable};

/// A job's report that can be printed.
pub(crate) trait Summary: Serialize {
    /// The command, as the document names it.
    const COMMAND: &'static str;

    /// The error that decides how the run ends; `None` after a good run. What is found while the report is written counts.
    fn failure(&self) -> Option<&agg::Error> {
        None
    }

    /// The text for people, each line with its end.
    fn text(&self, run: &RunCost) -> String;

    /// Writes the text, which need not be in memory whole.
    fn write_text(&self, run: &RunCost, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(self.text(run).as_bytes())
    }

    /// Writes the JSON document, without a line end.
    fn write_document(&self, run: &RunCost, out: impl io::Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, &Document::of(self, run))
    }

    /// The JSON document, without a line end.
    fn document(&self, run: &RunCost) -> serde_json::Result<String> {
        serde_json::to_string(&Document::of(self, run))
    }
}

#[derive(Serialize)]
struct Document<'a, R: Summary + ?Sized> {
    command: &'static str,
    #[serde(flatten)]
    report: &'a R,
    #[serde(flatten)]
    run: &'a RunCost,
    /// Last: it is known when the report is written.
    #[serde(skip_serializing_if = "Failure::is_none")]
    error: Failure<'a, R>,
}

impl<'a, R: Summary + ?Sized> Document<'a, R> {
    fn of(report: &'a R, run: &'a RunCost) -> Self {
        Document { command: R::COMMAND, report, run, error: Failure(report) }
    }
}

struct Failure<'a, R: ?Sized>(&'a R);

impl<R: Summary + ?Sized> Failure<'_, R> {
    fn is_none(&self) -> bool {
        self.0.failure().is_none()
    }
}

impl<R: Summary + ?Sized> Serialize for Failure<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.failure().serialize(serializer)
    }
}

/// The cost of a run, and its warnings: the last fields of every document of a good run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RunCost {
    /// Wall clock since the start, to the millisecond.
    pub(crate) seconds: f64,
    /// Wall clock of each phase, likewise.
    pub(crate) phases: BTreeMap<&'static str, f64>,
    /// Peak resident memory so far, as the kernel counts it; `None` if it is unknown.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Each one line.
    pub(crate) warnings: Vec<String>,
}

impl RunCost {
    pub(crate) fn until_now(started: Instant, progress: &Progress) -> Self {
        let spent = progress.spent().into_iter();
        RunCost {
            seconds: seconds(started.elapsed()),
            phases: spent.map(|(phase, spent)| (phase.name(), seconds(spent))).collect(),
            peak_memory_bytes: memory::peak(),
            warnings: progress.warnings(),
        }
    }

    /// `1.234 s, 201.5 MiB peak memory`, with the speed when `rows` were read in that time.
    pub(crate) fn cost(&self, rows: Option<u64>) -> String {
        let mut text = format!("{:.3} s", self.seconds);
        if let Some(rows) = rows.filter(|_| self.seconds > 0.0) {
            text += &format!(", {} rows/s", number(rate(rows, self.seconds)));
        }
        if let Some(bytes) = self.peak_memory_bytes {
            text += &format!(", {} peak memory", size(bytes));
        }
        text
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a speed, of which three digits matter, is not negative"
)]
fn rate(rows: u64, seconds: f64) -> u64 {
    (rows as f64 / seconds).round() as u64
}

/// To the millisecond.
fn seconds(spent: Duration) -> f64 {
    (spent.as_secs_f64() * 1000.0).round() / 1000.0
}

/// `12.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// Whether digits stand in groups of three, for people at a terminal: programs read numbers without.
static GROUPS_DIGITS: AtomicBool = AtomicBool::new(false);

/// Lets digits stand in groups of three from now on.
pub(crate) fn group_digits() {
    GROUPS_DIGITS.store(true, Ordering::Relaxed);
}

/// `1234567`, or `1,234,567` on a terminal.
pub(crate) fn number(number: u64) -> String {
    if GROUPS_DIGITS.load(Ordering::Relaxed) {
        HumanCount(number).to_string()
    } else {
        number.to_string()
    }
}

/// `1 day`, `1234 days`, or `1,234 days` on a terminal.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", number(count), text::noun_of(count, noun))
}

/// Adds a line for each published file, with how many of what it has.
pub(crate) fn add_files(pairs: &mut TextTable, files: &[EmittedFile], noun: &str) {
    for file in files {
        let name = file.path.file_name().unwrap_or(file.path.as_os_str());
        let (name, keys) = (text::path(name.as_ref()), counted(file.keys, noun));
        pairs.pair("file", format_args!("{name} ({keys}, {})", size(file.bytes)));
    }
}

/// Rejected rows and their share: `12 (0.05%)`, `0`, or `unknown`.
pub(crate) fn rejected_share(counts: &RowCounts) -> String {
    match counts.rejected() {
        None | Some(0) => rejected(counts),
        Some(rejected) => {
            #[expect(clippy::cast_precision_loss, reason = "a percentage of two decimals")]
            let percent = rejected as f64 * 100.0 / counts.rows as f64;
            format!("{} ({percent:.2}%)", number(rejected))
        }
    }
}

/// Rejected rows: `12`, or `unknown`.
pub(crate) fn rejected(counts: &RowCounts) -> String {
    counts.rejected().map_or_else(|| "unknown".to_owned(), number)
}

#[cfg(test)]
pub(crate) mod tests {
    use agg::Day;
    use agg::job::DayInputs;
    use agg::model::{InputFacts, Inputs, PerKind, RejectCounts};
    use agg::runfile::RunFacts;

    use super::*;

    pub(crate) fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    pub(crate) fn counts(rows: u64, blank: u64, country: u64) -> RowCounts {
        RowCounts::of_day(rows, Some(RejectCounts([0, blank, 0, 0, 0, country])))
    }

    pub(crate) fn inputs() -> DayInputs {
        let input = InputFacts {
            name: b"listen-20211201.log",
            size: 2048,
            modified_ns: 1_638_400_000_000_000_000,
            digest: 0xabc,
            rows: 100,
        };
        Inputs::from_iter([input]).into()
    }

    pub(crate) fn runs() -> PerKind<RunFacts> {
        PerKind::from([
            RunFacts { keys: 10, pairs: 90, streams: 97, blocks: 2 },
            RunFacts { keys: 3, pairs: 60, streams: 97, blocks: 1 },
        ])
    }

    #[test]
    fn a_run_shows_its_speed_when_it_read_rows() {
        let run = RunCost { seconds: 2.0, peak_memory_bytes: Some(3 << 20), ..RunCost::default() };
        assert_eq!(run.cost(Some(3_000_000)), "2.000 s, 1500000 rows/s, 3.0 MiB peak memory");
        assert_eq!(run.cost(None), "2.000 s, 3.0 MiB peak memory");
        assert_eq!(RunCost::default().cost(Some(1)), "0.000 s");
    }

    #[test]
    fn the_share_of_rejects_has_two_decimals() {
        assert_eq!(rejected_share(&counts(2000, 1, 0)), "1 (0.05%)");
        assert_eq!(rejected_share(&RowCounts::NONE), "0");
        assert_eq!(rejected_share(&RowCounts::of_day(9, None)), "unknown");
    }
}
