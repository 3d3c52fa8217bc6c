//! The report of `generate`.

use std::fmt;

use agg::Day;
use agg::generate::{GenerateReport, Options};
use agg::model::RowCounts;
use serde::Serialize;

use super::facts::Rows;
use super::table::{Side, Table};
use super::{Run, size};
use crate::message;

/// The logs that were written.
#[derive(Debug, Serialize)]
pub(crate) struct Generate {
    command: &'static str,
    seed: u64,
    shape: &'static str,
    logs: Vec<Log>,
    #[serde(flatten)]
    run: Run,
}

#[derive(Debug, Serialize)]
struct Log {
    day: Day,
    path: String,
    bytes: u64,
    #[serde(flatten)]
    rows: Rows,
    #[serde(skip)]
    shown_path: String,
}

impl Generate {
    pub(crate) fn new(report: &GenerateReport, options: &Options, run: Run) -> Self {
        let logs = report.logs.iter().map(|log| Log {
            day: log.day,
            path: log.path.to_string_lossy().into_owned(),
            bytes: log.bytes,
            rows: RowCounts::of_day(report.rows, Some(log.rejects)).into(),
            shown_path: message::path(&log.path),
        });
        Generate {
            command: "generate",
            seed: options.seed,
            shape: options.shape.name(),
            logs: logs.collect(),
            run,
        }
    }
}

impl fmt::Display for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::with_header(&[
            ("DAY", Side::Left),
            ("ROWS", Side::Right),
            ("CORRUPT", Side::Right),
            ("SIZE", Side::Right),
            ("LOG", Side::Left),
        ]);
        for log in &self.logs {
            table.row([
                log.day.to_string(),
                log.rows.rows.to_string(),
                log.rows.rejected_text(),
                size(log.bytes),
                log.shown_path.clone(),
            ]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use agg::generate::GeneratedLog;

    use super::super::facts::tests::{day, rejects};
    use super::*;

    fn report() -> Generate {
        let log = GeneratedLog {
            day: day("2021-12-01"),
            path: "logs/listen-20211201.log".into(),
            bytes: 2560,
            rejects: rejects(1, 2),
        };
        let options = Options::new(day("2021-12-01"), "logs".into());
        let report = GenerateReport { logs: vec![log], rows: 100 };
        Generate::new(&report, &options, Run::default())
    }

    #[test]
    fn the_table_of_generated_logs_is_pinned() {
        assert_eq!(
            report().to_string(),
            "\
DAY         ROWS  CORRUPT     SIZE  LOG
2021-12-01   100        3  2.5 KiB  logs/listen-20211201.log
"
        );
    }

    #[test]
    fn the_json_of_generated_logs_is_pinned() {
        assert_eq!(
            serde_json::to_string(&report()).unwrap(),
            concat!(
                r#"{"command":"generate","seed":1,"shape":"normal","logs":[{"day":"2021-12-01","#,
                r#""path":"logs/listen-20211201.log","bytes":2560,"rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2}}],"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
