//! The report of `import`.

use std::fmt;

use agg::Day;
use agg::job::{ImportReport, ReduceOutcome};
use agg::model::PerKind;
use serde::Serialize;

use super::facts::{Rows, Size};
use super::table::Table;
use super::{Run, counted, size};
use crate::message;

/// What was imported.
#[derive(Debug, Serialize)]
pub(crate) struct Import {
    command: &'static str,
    day: Day,
    outcome: &'static str,
    #[serde(flatten)]
    rows: Rows,
    /// Whether the tables told rows and rejects; if not, the rows are the counted ones.
    rejects_known: bool,
    tables: Vec<String>,
    #[serde(flatten)]
    runs: PerKind<Size>,
    partial: String,
    partial_bytes: u64,
    /// Sorted runs that were spilled.
    spilled_runs: usize,
    #[serde(flatten)]
    run: Run,
    #[serde(skip)]
    shown_partial: String,
}

impl Import {
    pub(crate) fn new(report: &ImportReport, run: Run) -> Self {
        let outcome = match report.outcome {
            ReduceOutcome::Reduced => "imported",
            other => other.name(),
        };
        Import {
            command: "import",
            day: report.day,
            outcome,
            rows: report.counts.into(),
            rejects_known: report.counts.rejects.is_some(),
            tables: report.tables.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            runs: report.runs.map(Size::from),
            partial: report.partial.to_string_lossy().into_owned(),
            partial_bytes: report.partial_bytes,
            spilled_runs: report.spilled_runs,
            run,
            shown_partial: message::path(&report.partial),
        }
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = Table::of_pairs();
        pairs.pair("day", format_args!("{} ({})", self.day, self.outcome));
        pairs.pair("tables", counted(self.tables.len() as u64, "file"));
        pairs.pair("rows", self.rows.rows);
        if self.rejects_known {
            pairs.pair("rejected", self.rows.rejected_share());
        } else {
            pairs.pair("rejected", "unknown: the tables do not tell");
        }
        for (kind, Size { keys, pairs: songs }) in self.runs.iter() {
            pairs.pair(kind.plural(), format_args!("{keys} ({songs} pairs with a song)"));
        }
        pairs
            .pair("partial", format_args!("{} ({})", self.shown_partial, size(self.partial_bytes)));
        if self.spilled_runs > 0 {
            pairs.pair("spilled", counted(self.spilled_runs as u64, "run"));
        }
        pairs.pair("time", self.run.told(None));
        pairs.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::{counts, day, runs};
    use super::*;
    use agg::model::RowCounts;

    fn report(known: bool) -> ImportReport {
        ImportReport {
            day: day("2021-12-01"),
            outcome: ReduceOutcome::Reduced,
            counts: if known { counts(100, 1, 2) } else { RowCounts::of_day(100, None) },
            tables: vec!["c.parquet".into(), "u.parquet".into()],
            runs: runs(),
            partial: "agg-store/partials/2021-12-01.agg".into(),
            partial_bytes: 1536,
            spilled_runs: 0,
        }
    }

    #[test]
    fn the_text_of_an_import_is_pinned() {
        let text = |known| Import::new(&report(known), Run::default()).to_string();
        assert_eq!(
            text(true),
            "\
day        2021-12-01 (imported)
tables     2 files
rows       100
rejected   3 (3.00%)
users      10 (90 pairs with a song)
countries  3 (60 pairs with a song)
partial    agg-store/partials/2021-12-01.agg (1.5 KiB)
time       0.000 s
"
        );
        assert!(text(false).contains("rejected   unknown: the tables do not tell\n"));
    }

    #[test]
    fn the_json_of_an_import_is_pinned() {
        assert_eq!(
            serde_json::to_string(&Import::new(&report(true), Run::default())).unwrap(),
            concat!(
                r#"{"command":"import","day":"2021-12-01","outcome":"imported","rows":100,"accepted":97,"#,
                r#""rejected":3,"rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"#,
                r#""country":2},"rejects_known":true,"tables":["c.parquet","u.parquet"],"#,
                r#""users":{"keys":10,"pairs":90},"countries":{"keys":3,"pairs":60},"#,
                r#""partial":"agg-store/partials/2021-12-01.agg","partial_bytes":1536,"spilled_runs":0,"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
