//! `agg backfill`: a folder of old logs to partials, and their windows.

use std::path::PathBuf;

use agg::job::{
    self, BackfillDay, BackfillOptions, BackfillReport, DayOutcome, ReduceOptions, WindowOutcome,
};
use agg::{Day, ErrorKind};
use anyhow::Context as _;
use clap::Args;

use crate::cli::{Limits, WindowArguments};
use crate::exit::{self, Exit};
use crate::message;
use crate::metrics;
use crate::settings::Settings;
use crate::summary::{Alignment, RunCost, Summary, TextTable, number, rejected, size};

const EXAMPLES: &str = "\
Examples:
  agg backfill --logs /data/logs           every dated log in it, at any depth
  agg backfill --logs /data/logs --emit    and each window whose days are stored
  agg backfill --logs /data/logs --from 2021-12-01 --to 2021-12-31
  agg backfill --logs /data/logs --emit --dry-run
  agg backfill --logs '/data/listen.log-%Y%m%d*.gz' --date-offset -1

A run that was stopped can be started again: days of the same logs and windows of
the same partials are skipped, what has changed is made again. A bad day does not
stop the others; the exit code is that of the worst day. Undated files, windows that
lack days, and days with a missing log do not change the exit code.";

/// Reduce every day whose logs are in a folder or match a pattern, and emit their windows
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder of logs by day, searched at every depth, or a pattern with %Y, %m and %d; may be repeated
    #[arg(long, value_name = "WHERE", required = true, env = "AGG_LOGS", hide_env_values = true)]
    logs: Vec<PathBuf>,

    /// First day (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,

    /// Last day (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,

    /// Also emit the window of each day
    #[arg(long)]
    emit: bool,

    /// Print what would be done with each day and window, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    window: WindowArguments,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    metrics: metrics::MetricsFile,
}

impl Arguments {
    fn options(&self) -> anyhow::Result<BackfillOptions> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            let text = format!("--from {from} is after --to {to}; swap them");
            return Err(agg::Error::from(ErrorKind::Usage(text)).into());
        }
        // The job replaces it by each date of the range.
        let placeholder = Day::new(1970, 1, 1).context("the first day of all is a day")?;
        Ok(BackfillOptions {
            logs: self.logs.clone(),
            from: self.from,
            to: self.to,
            reduce: ReduceOptions {
                excluded: vec![self.window.folder.out.clone()],
                ..self.limits.options()
            },
            emit: self.emit.then(|| self.window.options(placeholder)),
            dry_run: self.dry_run,
        })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options()?;
    // A dry run is not a night's outcome.
    let metrics = arguments.metrics.unless(arguments.dry_run);
    metrics::recorded("backfill", &metrics, settings, |facts| {
        let (report, run) = settings.job(|context| job::backfill(context, &options))?;
        facts.filled(&report);
        for (day, error) in failures(&report) {
            message::error(&format!("{day}: {}", message::described(error)));
        }
        settings.output.print(&report, &run)?;
        for error in unread(&report) {
            message::error(&message::described(error));
        }
        report.stopped.iter().for_each(|error| message::error(&message::described(error)));
        Ok(Exit::of_report(&report))
    })
}

/// Days whose logs could not be read when they were printed.
pub(super) fn unread(report: &BackfillReport) -> impl Iterator<Item = &agg::Error> {
    report.days.iter().filter_map(|day| day.reduced.unread())
}

/// Each day that failed, with its error.
fn failures(report: &BackfillReport) -> impl Iterator<Item = (Day, &agg::Error)> {
    report.days.iter().flat_map(|day| {
        let errors = [day.reduced.error(), day.window.error()];
        errors.into_iter().flatten().map(|error| (day.day, error))
    })
}

impl Summary for BackfillReport {
    const COMMAND: &'static str = "backfill";

    fn failure(&self) -> Option<&agg::Error> {
        let of_days = failures(self).map(|(_, error)| error);
        exit::worst_of(of_days.chain(unread(self)).chain(&self.stopped))
    }

    fn text(&self, _: &RunCost) -> String {
        let mut columns = vec![
            ("DAY", Alignment::Left),
            ("OUTCOME", Alignment::Left),
            ("ROWS", Alignment::Right),
            ("REJECTS", Alignment::Right),
            ("SIZE", Alignment::Right),
        ];
        if self.emit {
            columns.push(("WINDOW", Alignment::Left));
        }
        let mut table = TextTable::with_header(&columns);
        for day in &self.days {
            table.row(cells(day).into_iter().take(columns.len()));
        }
        for line in self.skipped.lines() {
            table.line(line);
        }
        table.to_string()
    }
}

fn cells(day: &BackfillDay) -> Vec<String> {
    let mut cells = vec![day.day.to_string(), day.reduced.word().replace('_', " ")];
    match &day.reduced {
        DayOutcome::Reduced(report) => cells.extend([
            number(report.counts.rows),
            rejected(&report.counts),
            size(report.partial_bytes),
        ]),
        _ => cells.extend(["-", "-", "-"].map(str::to_owned)),
    }
    cells.push(match &day.window {
        WindowOutcome::Lacking(days) => match days.as_slice() {
            [day] => format!("needs {day}"),
            days => format!("needs {} more days", days.len()),
        },
        window => window.word().unwrap_or("-").replace('_', " "),
    });
    cells
}

#[cfg(test)]
mod tests {
    use agg::Error;
    use agg::job::DayPlan;
    use agg::model::CountryCodes;

    use super::super::{arguments, emit_window, reduce_day, typed};
    use super::*;
    use crate::summary::tests::day;

    #[test]
    fn a_backfill_takes_every_day_and_emits_nothing_by_default() {
        let options = arguments!(Backfill, "backfill --logs L").options().unwrap();
        assert_eq!(options.logs, [PathBuf::from("L")]);
        assert_eq!((options.from, options.to), (None, None));
        assert!(options.emit.is_none() && !options.dry_run);
        assert_eq!(options.reduce.max_reject_ratio, 0.10);
        assert!(typed("backfill").unwrap_err().contains("--logs <WHERE>"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "backfill --logs L --from 2021-12-01 --to 2021-12-02 --emit --out O --days 3 \
                    --top 9 --allow-missing --max-reject-ratio 1 --min-rows 5 --countries any \
                    --dry-run --logs M --min-logs 2 --date-offset -1 --allow-duplicates";
        let options = arguments!(Backfill, line).options().unwrap();
        assert_eq!(options.from, "2021-12-01".parse().ok());
        assert_eq!(options.to, "2021-12-02".parse().ok());
        let reduce = &options.reduce;
        assert_eq!((reduce.max_reject_ratio, reduce.min_rows), (1.0, 5));
        assert_eq!(reduce.rules.countries(), CountryCodes::Any);
        assert_eq!((reduce.min_logs, reduce.date_offset), (2, Some(-1)));
        assert!(reduce.allow_duplicates);
        assert_eq!(options.logs, ["L", "M"].map(PathBuf::from));
        assert_eq!(reduce.excluded, [PathBuf::from("O")]);
        let emit = options.emit.unwrap();
        assert_eq!((emit.days, emit.top, emit.allow_missing, emit.force), (3, 9, true, false));
        assert_eq!(emit.out, PathBuf::from("O"));
        assert!(options.dry_run);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_wrong_usage() {
        let line = "backfill --logs L --from 2021-12-02 --to 2021-12-01";
        let error = arguments!(Backfill, line).options().unwrap_err();
        assert_eq!(error.to_string(), "--from 2021-12-02 is after --to 2021-12-01; swap them");
    }

    #[test]
    fn the_worst_day_decides_and_a_window_that_lacks_days_does_not_count() {
        let day: Day = "2021-12-01".parse().unwrap();
        let good = || BackfillDay {
            day,
            logs: Default::default(),
            reduced: DayOutcome::NoLogs,
            window: WindowOutcome::Lacking(vec![day]),
        };
        let bad =
            |kind: ErrorKind| BackfillDay { reduced: DayOutcome::Failed(kind.into()), ..good() };
        let worst = |days| {
            let skipped = Default::default();
            Exit::of_report(&BackfillReport {
                dry_run: false,
                days,
                skipped,
                stopped: None,
                emit: true,
            })
        };
        assert_eq!(worst(vec![good()]), Exit::Done);
        assert_eq!(
            worst(vec![bad(ErrorKind::NoLogs), good()]),
            Exit::Failed(agg::ErrorClass::NoInput)
        );
        let full = agg::Error::io("write", std::io::ErrorKind::StorageFull.into());
        let emitted = BackfillDay { window: WindowOutcome::Failed(full), ..good() };
        assert_eq!(
            worst(vec![bad(ErrorKind::NoDate), emitted, good()]),
            Exit::Failed(agg::ErrorClass::Io)
        );
    }

    fn filled(text: &str, reduced: DayOutcome, window: WindowOutcome) -> BackfillDay {
        BackfillDay { day: day(text), logs: Default::default(), reduced, window }
    }

    fn report() -> BackfillReport {
        let lacking = day("2021-12-01").window(7).into_iter().take(6).collect();
        let locked = Error::from(ErrorKind::Locked).at("agg-out");
        let reduced = DayOutcome::Reduced(Box::new(reduce_day::tests::report("2021-12-01")));
        let emitted = WindowOutcome::Emitted(Box::new(emit_window::tests::report()));
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
            skipped: Default::default(),
            stopped: None,
            dry_run: false,
            emit: true,
        }
    }

    #[test]
    fn the_table_of_a_backfill_is_pinned() {
        assert_eq!(
            report().text(&RunCost::default()),
            "\
DAY         OUTCOME  ROWS  REJECTS     SIZE  WINDOW
2021-12-01  reduced   100        3  1.5 KiB  needs 6 more days
2021-12-02  failed      -        -        -  failed
2021-12-06  no logs     -        -        -  fresh
2021-12-07  no logs     -        -        -  emitted
"
        );
    }

    #[test]
    fn the_table_of_a_backfill_that_emits_nothing_has_no_column_for_windows() {
        let mut report = report();
        report.days.truncate(1);
        report.emit = false;
        assert_eq!(
            report.text(&RunCost::default()),
            "\
DAY         OUTCOME  ROWS  REJECTS     SIZE
2021-12-01  reduced   100        3  1.5 KiB
"
        );
    }

    #[test]
    fn the_table_of_a_dry_run_and_of_a_stopped_run_say_what_was_not_done() {
        let planned = |text: &str, plan, window| filled(text, DayOutcome::Planned(plan), window);
        let report = BackfillReport {
            days: vec![
                planned("2021-12-01", DayPlan::Reduce, WindowOutcome::Planned),
                planned("2021-12-02", DayPlan::Replace, WindowOutcome::Planned),
                planned("2021-12-03", DayPlan::Unchanged, WindowOutcome::Fresh),
                planned("2021-12-04", DayPlan::Kept, WindowOutcome::Fresh),
                filled("2021-12-05", DayOutcome::NotReached, WindowOutcome::NotReached),
            ],
            ..report()
        };
        assert_eq!(
            report.text(&RunCost::default()),
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
        assert_eq!(
            report.document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"backfill","dry_run":false,"days":[{"day":"2021-12-02","logs":[],"#,
                r#""outcome":"failed","window":"failed","#,
                r#""reduced":{"error":{"exit_code":66,"message":"no log in this folder; a log is named like listen.log, "#,
                r#"listen.txt, part-0 or 20211201, also compressed (like .log.gz) or rotated (.1)","remedy":null}},"#,
                r#""emitted":{"error":{"exit_code":75,"message":"\"agg-out\": locked by another run of agg; "#,
                r#"try again when it has ended, or wait for it with --wait","remedy":null}},"lacking":[]}],"#,
                r#""skipped":[],"skipped_files":{},"#,
                r#""stopped":{"exit_code":143,"message":"stopped by signal 15; what was published "#,
                r#"before is complete, everything else is unchanged; run again","remedy":null},"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[],"#,
                r#""error":{"exit_code":143,"message":"stopped by signal 15; what was published "#,
                r#"before is complete, everything else is unchanged; run again","remedy":null}}"#
            )
        );
    }
}
