//! The report of `reduce-day`.

use std::fmt;

use agg::Day;
use agg::job::ReduceReport;
use agg::model::PerKind;
use serde::Serialize;

use super::facts::{Input, Rows, Size};
use super::table::Table;
use super::{Run, counted, size};
use crate::message;

/// What became of a day, from its logs to its partial.
#[derive(Debug, Serialize)]
pub(crate) struct Reduce {
    command: &'static str,
    #[serde(flatten)]
    day: ReducedDay,
    #[serde(flatten)]
    run: Run,
}

/// One reduced day, here and in a backfill.
#[derive(Debug, Serialize)]
pub(crate) struct ReducedDay {
    pub(crate) day: Day,
    /// `reduced`, `replaced`, `added`, `unchanged` or `kept`.
    pub(crate) outcome: &'static str,
    #[serde(flatten)]
    pub(crate) rows: Rows,
    /// Rows that this run read and counted.
    rows_read: u64,
    inputs: Vec<Input>,
    #[serde(flatten)]
    runs: PerKind<Size>,
    partial: String,
    pub(crate) partial_bytes: u64,
    rejects_file: String,
    /// 0 when all rows fitted in memory.
    spilled_runs: usize,
    #[serde(skip)]
    shown: Shown,
}

/// Paths as people read them.
#[derive(Debug)]
struct Shown {
    partial: String,
    rejects_file: String,
}

impl Reduce {
    pub(crate) fn new(report: &ReduceReport, run: Run) -> Self {
        Reduce { command: "reduce-day", day: report.into(), run }
    }
}

impl From<&ReduceReport> for ReducedDay {
    fn from(report: &ReduceReport) -> Self {
        ReducedDay {
            day: report.day,
            outcome: report.outcome.name(),
            rows: report.counts.into(),
            rows_read: report.rows_read,
            inputs: report.inputs.iter().map(Input::from).collect(),
            runs: report.runs.map(Size::from),
            partial: report.partial.to_string_lossy().into_owned(),
            partial_bytes: report.partial_bytes,
            rejects_file: report.rejects_file.to_string_lossy().into_owned(),
            spilled_runs: report.spilled_runs,
            shown: Shown {
                partial: message::path(&report.partial),
                rejects_file: message::path(&report.rejects_file),
            },
        }
    }
}

impl fmt::Display for Reduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = &self.day;
        let mut pairs = Table::of_pairs();
        pairs.pair("day", format_args!("{} {}", day.day, day.outcome));
        if day.outcome == "added" {
            pairs.pair("rows", format_args!("{} (+{})", day.rows.rows, day.rows_read));
        } else {
            pairs.pair("rows", day.rows.rows);
        }
        pairs.pair("accepted", day.rows.accepted);
        let share = day.rows.rejected_share();
        if matches!(day.rows.rejected, None | Some(0)) {
            pairs.pair("rejected", share);
        } else {
            pairs.pair("rejected", format_args!("{share}, see {}", day.shown.rejects_file));
        }
        for (reason, count) in day.rows.reasons() {
            pairs.pair(&format!("  {reason}"), count);
        }
        for (kind, run) in day.runs.iter() {
            pairs.pair(
                kind.plural(),
                format_args!("{} ({})", run.keys, counted(run.pairs, "song pair")),
            );
        }
        let bytes = size(day.partial_bytes);
        pairs.pair("partial", format_args!("{} ({bytes})", day.shown.partial));
        if day.spilled_runs > 0 {
            pairs.pair("spilled", counted(day.spilled_runs as u64, "run"));
        }
        pairs.pair("time", self.run.told(Some(day.rows_read).filter(|rows| *rows > 0)));
        pairs.fmt(f)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use agg::job::ReduceOutcome;

    use super::super::facts::tests::{counts, day, input, runs};
    use super::*;

    pub(crate) fn report(text: &str) -> ReduceReport {
        ReduceReport {
            day: day(text),
            outcome: ReduceOutcome::Reduced,
            counts: counts(100, 1, 2),
            rows_read: 100,
            inputs: vec![input()],
            runs: runs(),
            partial: format!("agg-store/partials/{text}.agg").into(),
            partial_bytes: 1536,
            rejects_file: format!("agg-store/rejects/{text}.txt").into(),
            spilled_runs: 2,
        }
    }

    fn run() -> Run {
        let phases = [("read", 0.25)].into();
        Run {
            seconds: 0.5,
            phases,
            peak_memory_bytes: Some(1 << 20),
            warnings: vec!["w".to_owned()],
        }
    }

    #[test]
    fn the_text_of_a_reduction_is_pinned() {
        assert_eq!(
            Reduce::new(&report("2021-12-01"), run()).to_string(),
            "\
day        2021-12-01 reduced
rows       100
accepted   97
rejected   3 (3.00%), see agg-store/rejects/2021-12-01.txt
  blank    1
  country  2
users      10 (90 song pairs)
countries  3 (60 song pairs)
partial    agg-store/partials/2021-12-01.agg (1.5 KiB)
spilled    2 runs
time       0.500 s, 200 rows/s, 1.0 MiB peak memory
"
        );
    }

    #[test]
    fn an_unchanged_day_without_rejects_claims_no_speed_and_names_no_rejects_file() {
        let quiet = ReduceReport {
            outcome: ReduceOutcome::Unchanged,
            rows_read: 0,
            counts: counts(100, 0, 0),
            spilled_runs: 0,
            ..report("2021-12-01")
        };
        assert_eq!(
            Reduce::new(&quiet, run()).to_string(),
            "\
day        2021-12-01 unchanged
rows       100
accepted   100
rejected   0
users      10 (90 song pairs)
countries  3 (60 song pairs)
partial    agg-store/partials/2021-12-01.agg (1.5 KiB)
time       0.500 s, 1.0 MiB peak memory
"
        );
    }

    #[test]
    fn the_json_of_a_reduction_is_pinned() {
        let json = serde_json::to_string(&Reduce::new(&report("2021-12-01"), run())).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"command":"reduce-day","day":"2021-12-01","outcome":"reduced","#,
                r#""rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"rows_read":100,"#,
                r#""inputs":[{"name":"listen-20211201.log","bytes":2048,"modified_ns":1638400000000000000,"#,
                r#""digest":"00000000000000000000000000000abc","rows":100}],"#,
                r#""users":{"keys":10,"pairs":90},"countries":{"keys":3,"pairs":60},"#,
                r#""partial":"agg-store/partials/2021-12-01.agg","partial_bytes":1536,"#,
                r#""rejects_file":"agg-store/rejects/2021-12-01.txt","spilled_runs":2,"#,
                r#""seconds":0.5,"phases":{"read":0.25},"peak_memory_bytes":1048576,"warnings":["w"]}"#
            )
        );
    }
}
