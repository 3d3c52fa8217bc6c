//! The report of `backfill`: a table of days.

use std::fmt;
use std::path::PathBuf;

use agg::Day;
use agg::job::{BackfillDay, BackfillReport, EmitOptions};
use serde::Serialize;

use super::emit::EmittedWindow;
use super::facts::{Failure, told};
use super::reduce::ReducedDay;
use super::table::{Side, Table};
use super::{Run, counted, size};
use crate::message;

/// What became of every day of a folder of logs.
#[derive(Debug, Serialize)]
pub(crate) struct Backfill {
    command: &'static str,
    days: Vec<FilledDay>,
    passed_over: Vec<PassedOver>,
    #[serde(flatten)]
    run: Run,
    /// Whether windows were asked for.
    #[serde(skip)]
    emit: bool,
}

#[derive(Debug, Serialize)]
struct FilledDay {
    day: Day,
    /// None when the day has no logs in the folder.
    reduced: Option<Part<ReducedDay>>,
    /// None when no window was asked for, or the window lacks days.
    emitted: Option<Part<EmittedWindow>>,
    /// Days that the window lacks.
    lacking: Vec<Day>,
}

/// A day's reduction or emission, or what went wrong with it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Part<T> {
    Done(Box<T>),
    Failed { error: Failure },
}

/// An entry of the folder that is no log of a day.
#[derive(Debug, Serialize)]
struct PassedOver {
    path: String,
    reason: String,
    #[serde(skip)]
    shown_path: String,
}

impl Backfill {
    pub(crate) fn new(report: &BackfillReport, emit: Option<&EmitOptions>, run: Run) -> Self {
        Backfill {
            command: "backfill",
            days: report.days.iter().map(|day| FilledDay::new(day, emit)).collect(),
            passed_over: report.passed_over.iter().map(PassedOver::from).collect(),
            run,
            emit: emit.is_some(),
        }
    }
}

impl FilledDay {
    fn new(day: &BackfillDay, emit: Option<&EmitOptions>) -> Self {
        let emitted = |report| emit.map(|options| EmittedWindow::new(report, options));
        FilledDay {
            day: day.day,
            reduced: day.reduced.as_ref().map(|result| Part::new(result, ReducedDay::from)),
            emitted: day.emitted.as_ref().and_then(|result| match result {
                Ok(report) => Some(Part::Done(Box::new(emitted(report)?))),
                Err(error) => Some(Part::Failed { error: error.into() }),
            }),
            lacking: day.lacking.clone(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let none = || "-".to_owned();
        let mut cells = vec![self.day.to_string()];
        match &self.reduced {
            Some(Part::Done(reduced)) => cells.extend([
                reduced.outcome.to_owned(),
                reduced.rows.rows.to_string(),
                reduced.rows.rejected.to_string(),
                size(reduced.partial_bytes),
            ]),
            Some(Part::Failed { .. }) => {
                cells.extend(["failed".to_owned(), none(), none(), none()])
            }
            None => cells.extend(["no logs".to_owned(), none(), none(), none()]),
        }
        cells.push(match &self.emitted {
            Some(Part::Done(_)) => "emitted".to_owned(),
            Some(Part::Failed { .. }) => "failed".to_owned(),
            None if self.lacking.is_empty() => none(),
            None => {
                let lacking = self.lacking.len() as u64;
                format!("lacks {}: {}", counted(lacking, "day"), told(&self.lacking))
            }
        });
        cells
    }
}

impl<T> Part<T> {
    fn new<'a, R>(result: &'a agg::Result<R>, done: impl FnOnce(&'a R) -> T) -> Self {
        match result {
            Ok(report) => Part::Done(Box::new(done(report))),
            Err(error) => Part::Failed { error: error.into() },
        }
    }
}

impl From<&(PathBuf, String)> for PassedOver {
    fn from((path, reason): &(PathBuf, String)) -> Self {
        PassedOver {
            path: path.to_string_lossy().into_owned(),
            reason: message::clean(reason),
            shown_path: message::path(path),
        }
    }
}

impl fmt::Display for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns = vec![
            ("DAY", Side::Left),
            ("OUTCOME", Side::Left),
            ("ROWS", Side::Right),
            ("REJECTS", Side::Right),
            ("SIZE", Side::Right),
        ];
        if self.emit {
            columns.push(("WINDOW", Side::Left));
        }
        let mut table = Table::with_header(&columns);
        for day in &self.days {
            table.row(day.cells().into_iter().take(columns.len()));
        }
        for entry in &self.passed_over {
            table.line(format!("passed over {}: {}", entry.shown_path, entry.reason));
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use agg::{Error, ErrorKind};

    use super::super::emit;
    use super::super::facts::tests::day;
    use super::super::reduce::tests::report as reduced;
    use super::*;

    fn report() -> BackfillReport {
        let lacking = |text: &str| day(text).window(7).into_iter().take(6).collect();
        BackfillReport {
            days: vec![
                BackfillDay {
                    day: day("2021-12-01"),
                    reduced: Some(Ok(reduced("2021-12-01"))),
                    emitted: None,
                    lacking: lacking("2021-12-01"),
                },
                BackfillDay {
                    day: day("2021-12-02"),
                    reduced: Some(Err(ErrorKind::NoLogs.into())),
                    emitted: Some(Err(Error::from(ErrorKind::Locked).at("agg-out"))),
                    lacking: Vec::new(),
                },
                BackfillDay {
                    day: day("2021-12-07"),
                    reduced: None,
                    emitted: Some(Ok(emit::tests::report())),
                    lacking: Vec::new(),
                },
            ],
            passed_over: vec![("logs/read me".into(), "no date in its name".to_owned())],
        }
    }

    #[test]
    fn the_table_of_a_backfill_is_pinned() {
        let options = emit::tests::options();
        assert_eq!(
            Backfill::new(&report(), Some(&options), Run::default()).to_string(),
            "\
DAY         OUTCOME  ROWS  REJECTS     SIZE  WINDOW
2021-12-01  reduced   100        3  1.5 KiB  lacks 6 days: 2021-11-25 to 2021-11-30
2021-12-02  failed      -        -        -  failed
2021-12-07  no logs     -        -        -  emitted
passed over \"logs/read me\": no date in its name
"
        );
    }

    #[test]
    fn the_table_of_a_backfill_that_emits_nothing_has_no_column_for_windows() {
        let mut report = report();
        report.days.truncate(1);
        report.passed_over.clear();
        assert_eq!(
            Backfill::new(&report, None, Run::default()).to_string(),
            "\
DAY         OUTCOME  ROWS  REJECTS     SIZE
2021-12-01  reduced   100        3  1.5 KiB
"
        );
    }

    #[test]
    fn the_json_of_a_backfill_is_pinned() {
        let mut report = report();
        report.days.remove(0);
        report.days.truncate(1);
        let options = emit::tests::options();
        assert_eq!(
            serde_json::to_string(&Backfill::new(&report, Some(&options), Run::default())).unwrap(),
            concat!(
                r#"{"command":"backfill","days":[{"day":"2021-12-02","#,
                r#""reduced":{"error":{"exit_code":66,"message":"no log in this folder: a log is "#,
                r#"named *.log or *.txt, also with .gz or .zst behind","remedy":null}},"#,
                r#""emitted":{"error":{"exit_code":75,"message":"\"agg-out\": locked by another agg: "#,
                r#"try again when it has ended","remedy":null}},"lacking":[]}],"#,
                r#""passed_over":[{"path":"logs/read me","reason":"no date in its name"}],"#,
                r#""seconds":0.0,"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
