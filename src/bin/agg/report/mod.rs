//! What a run tells on standard output: a report for people, or the same facts as one JSON line.
//!
//! A report is a struct of plain facts. Its fields, as serde writes them, are the JSON document, a
//! stable interface: snake case, sizes in bytes, times in seconds, digests as hexadecimal strings.
//! Its [`Display`](fmt::Display) is the text for people. Both are pinned in the tests of each file.

mod backfill;
mod days;
mod emit;
mod export;
mod facts;
mod generate;
mod import;
mod page;
mod prune;
mod query;
mod reduce;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use serde::Serialize;

use crate::memory;
use crate::progress::Progress;

pub(crate) use backfill::Backfill;
pub(crate) use days::{Inspect, List, Verify};
pub(crate) use emit::Emit;
pub(crate) use export::Export;
pub(crate) use generate::Generate;
pub(crate) use import::Import;
pub(crate) use page::Page;
pub(crate) use prune::Prune;
pub(crate) use query::{Query, QueryFormat};
pub(crate) use reduce::Reduce;

/// What a run cost, and what it warned of: the last fields of every report.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Run {
    /// Wall clock since the start, to the millisecond.
    pub(crate) seconds: f64,
    /// Wall clock of each phase, likewise.
    pub(crate) phases: BTreeMap<&'static str, f64>,
    /// The most resident memory so far, as the kernel counts it; none where it does not tell.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Each one line.
    pub(crate) warnings: Vec<String>,
}

impl Run {
    pub(crate) fn until_now(started: Instant, progress: &Progress) -> Self {
        let spent = progress.spent().into_iter();
        Run {
            seconds: seconds(started.elapsed()),
            phases: spent.map(|(phase, spent)| (phase.name(), seconds(spent))).collect(),
            peak_memory_bytes: memory::peak(),
            warnings: progress.warnings(),
        }
    }

    /// `1.234 s, 201.5 MiB peak memory`, with the speed when `rows` were read in that time.
    fn told(&self, rows: Option<u64>) -> String {
        let mut text = format!("{:.3} s", self.seconds);
        if let Some(rows) = rows.filter(|_| self.seconds > 0.0) {
            #[expect(clippy::cast_precision_loss, reason = "a speed of three digits")]
            let rate = rows as f64 / self.seconds;
            text += &format!(", {rate:.0} rows/s");
        }
        if let Some(bytes) = self.peak_memory_bytes {
            text += &format!(", {} peak memory", size(bytes));
        }
        text
    }
}

/// To the millisecond.
fn seconds(spent: Duration) -> f64 {
    (spent.as_secs_f64() * 1000.0).round() / 1000.0
}

/// `12.3 MiB`.
fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// `1 day`, `2 days`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_with_its_speed_when_it_read_rows() {
        let run = Run { seconds: 2.0, peak_memory_bytes: Some(3 << 20), ..Run::default() };
        assert_eq!(run.told(Some(3_000_000)), "2.000 s, 1500000 rows/s, 3.0 MiB peak memory");
        assert_eq!(run.told(None), "2.000 s, 3.0 MiB peak memory");
        assert_eq!(Run::default().told(Some(1)), "0.000 s");
    }
}
