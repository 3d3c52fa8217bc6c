//! The report of `backfill`: a table of days.

use std::fmt;
use std::path::PathBuf;

use agg::Day;
use agg::job::{
    BackfillDay, BackfillReport, DayOutcome, DayPlan, EmitOptions, ReduceReport, WindowOutcome,
};
use serde::Serialize;

use super::emit::EmittedWindow;
use super::facts::{Failure, told};
use super::reduce::ReducedDay;
use super::table::{Side, Table};
use super::{Run, counted, size};
use crate::message;

/// What became of every day of a folder of logs, or would.
#[derive(Debug, Serialize)]
pub(crate) struct Backfill {
    command: &'static str,
    /// Nothing was touched.
    dry_run: bool,
    days: Vec<FilledDay>,
    passed_over: Vec<PassedOver>,
    /// What ended the run before its end.
    stopped: Option<Failure>,
    #[serde(flatten)]
    run: Run,
    /// Whether windows were asked for.
    #[serde(skip)]
    emit: bool,
}

#[derive(Debug, Serialize)]
struct FilledDay {
    day: Day,
    /// `reduced`, `replaced`, `unchanged`, `kept`, `failed`, `no_logs`, `not_reached`, `would_reduce` or
    /// `would_replace`.
    outcome: &'static str,
    /// `emitted`, `fresh`, `lacking`, `failed`, `not_reached` or `would_emit`; none when no window was asked for.
    window: Option<&'static str>,
    /// None when nothing was done with the day's logs.
    reduced: Option<Part<ReducedDay>>,
    /// None when no window was emitted, or was to be.
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
            dry_run: report.dry_run,
            days: report.days.iter().map(|day| FilledDay::new(day, emit)).collect(),
            passed_over: report.passed_over.iter().map(PassedOver::from).collect(),
            stopped: report.stopped.as_ref().map(Failure::from),
            run,
            emit: emit.is_some(),
        }
    }
}

impl FilledDay {
    fn new(day: &BackfillDay, emit: Option<&EmitOptions>) -> Self {
        let (outcome, reduced) = match &day.reduced {
            DayOutcome::NoLogs => ("no_logs", None),
            DayOutcome::NotReached => ("not_reached", None),
            DayOutcome::Planned(plan) => (planned(*plan), None),
            DayOutcome::Reduced(report) => {
                let reduced = ReducedDay::from(report.as_ref() as &ReduceReport);
                (reduced.outcome, Some(Part::Done(Box::new(reduced))))
            }
            DayOutcome::Failed(error) => ("failed", Some(Part::Failed { error: error.into() })),
        };
        let (window, emitted) = match &day.window {
            WindowOutcome::NotAsked => (None, None),
            WindowOutcome::NotReached => (Some("not_reached"), None),
            WindowOutcome::Lacking(_) => (Some("lacking"), None),
            WindowOutcome::Fresh => (Some("fresh"), None),
            WindowOutcome::Planned => (Some("would_emit"), None),
            WindowOutcome::Emitted(report) => {
                let emitted = emit.map(|options| EmittedWindow::new(report, options));
                (Some("emitted"), emitted.map(|emitted| Part::Done(Box::new(emitted))))
            }
            WindowOutcome::Failed(error) => {
                (Some("failed"), Some(Part::Failed { error: error.into() }))
            }
        };
        let lacking = match &day.window {
            WindowOutcome::Lacking(days) => days.clone(),
            _ => Vec::new(),
        };
        FilledDay { day: day.day, outcome, window, reduced, emitted, lacking }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.day.to_string(), self.outcome.replace('_', " ")];
        match &self.reduced {
            Some(Part::Done(reduced)) => cells.extend([
                reduced.rows.rows.to_string(),
                reduced.rows.rejected_text(),
                size(reduced.partial_bytes),
            ]),
            _ => cells.extend(["-", "-", "-"].map(str::to_owned)),
        }
        cells.push(match self.window {
            None => "-".to_owned(),
            Some("lacking") => {
                let lacking = self.lacking.len() as u64;
                format!("lacks {}: {}", counted(lacking, "day"), told(&self.lacking))
            }
            Some(window) => window.replace('_', " "),
        });
        cells
    }
}

fn planned(plan: DayPlan) -> &'static str {
    match plan {
        DayPlan::Reduce => "would_reduce",
        DayPlan::Replace => "would_replace",
        DayPlan::Unchanged => "unchanged",
        DayPlan::Kept => "kept",
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

    fn filled(text: &str, reduced: DayOutcome, window: WindowOutcome) -> BackfillDay {
        BackfillDay { day: day(text), reduced, window }
    }

    fn report() -> BackfillReport {
        let lacking = day("2021-12-01").window(7).into_iter().take(6).collect();
        let locked = Error::from(ErrorKind::Locked).at("agg-out");
        let reduced = DayOutcome::Reduced(Box::new(reduced("2021-12-01")));
        let emitted = WindowOutcome::Emitted(Box::new(emit::tests::report()));
        BackfillReport {
            days: vec![
                filled("2021-12-01", reduced, WindowOutcome::Lacking(lacking)),
                filled(
                    "2021-12-02",
                    DayOutcome::Failed(ErrorKind::NoLogs.into()),
                    WindowOutcome::Failed(locked),
                ),
                filled("2021-12-06", DayOutcome::NoLogs, WindowOutcome::Fresh),
                filled("2021-12-07", DayOutcome::NoLogs, emitted),
            ],
            passed_over: vec![("logs/read me".into(), "no date in its name".to_owned())],
            stopped: None,
            dry_run: false,
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
2021-12-06  no logs     -        -        -  fresh
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
    fn the_table_of_a_dry_run_and_of_a_stopped_one_tell_what_was_not_done() {
        let planned = |text: &str, plan, window| filled(text, DayOutcome::Planned(plan), window);
        let report = BackfillReport {
            days: vec![
                planned("2021-12-01", DayPlan::Reduce, WindowOutcome::Planned),
                planned("2021-12-02", DayPlan::Replace, WindowOutcome::Planned),
                planned("2021-12-03", DayPlan::Unchanged, WindowOutcome::Fresh),
                planned("2021-12-04", DayPlan::Kept, WindowOutcome::Fresh),
                filled("2021-12-05", DayOutcome::NotReached, WindowOutcome::NotReached),
            ],
            passed_over: Vec::new(),
            ..report()
        };
        let options = emit::tests::options();
        assert_eq!(
            Backfill::new(&report, Some(&options), Run::default()).to_string(),
            "\
DAY         OUTCOME        ROWS  REJECTS  SIZE  WINDOW
2021-12-01  would reduce      -        -     -  would emit
2021-12-02  would replace     -        -     -  would emit
2021-12-03  unchanged         -        -     -  fresh
2021-12-04  kept              -        -     -  fresh
2021-12-05  not reached       -        -     -  not reached
"
        );
    }

    #[test]
    fn the_json_of_a_backfill_is_pinned() {
        let mut report = report();
        report.days.remove(0);
        report.days.truncate(1);
        report.stopped = Some(ErrorKind::Interrupted(15).into());
        let options = emit::tests::options();
        assert_eq!(
            serde_json::to_string(&Backfill::new(&report, Some(&options), Run::default())).unwrap(),
            concat!(
                r#"{"command":"backfill","dry_run":false,"days":[{"day":"2021-12-02","#,
                r#""outcome":"failed","window":"failed","#,
                r#""reduced":{"error":{"exit_code":66,"message":"no log in this folder: a log is "#,
                r#"named *.log or *.txt, also with .gz or .zst behind","remedy":null}},"#,
                r#""emitted":{"error":{"exit_code":75,"message":"\"agg-out\": locked by another agg: "#,
                r#"try again when it has ended","remedy":null}},"lacking":[]}],"#,
                r#""passed_over":[{"path":"logs/read me","reason":"no date in its name"}],"#,
                r#""stopped":{"exit_code":143,"message":"stopped by signal 15: what was published "#,
                r#"before is whole, the rest is as it was; run again","remedy":null},"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
