//! `agg nightly`: the work of a night, from new logs to published windows.

use std::path::PathBuf;
use std::time::Duration;

use agg::Day;
use agg::job::{self, NightlyOptions, NightlyReport, ReduceOptions, WaitForLog};
use agg::text::counted;
use anyhow::Context as _;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{backfill, prune};
use crate::cli::{self, Limits, WindowArguments};
use crate::exit::{self, Exit};
use crate::failure;
use crate::hooks::{EndedNight, HookArguments};
use crate::message;
use crate::metrics::{self, MetricsFile};
use crate::night_file::NightFile;
use crate::output::ReportForm;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary};

const EXAMPLES: &str = "\
Examples:
  agg nightly --logs /data/logs                  yesterday in UTC, and what came late
  agg nightly --logs /data/logs 2021-12-07       that day and its window: late, or again
  agg nightly --logs /data/logs --wait-for-log 2h --time-zone Europe/Berlin
  agg nightly --logs '/data/listen.log-%Y%m%d*.gz' --keep-days 35 --dry-run

A night can be repeated: what is done is skipped. Only DAY and its window decide
whether a log or day is missing (66). The first nights, whose window begins before
the store does, end with 0. A good night removes what --keep-days and
--keep-emissions do not keep, and nothing without these flags. With --metrics FILE.prom, a good night also writes
FILE-night.prom; a night for an older day than the last good one writes neither.";

/// Reduce yesterday's log and late logs, emit the windows that are due, and remove old days
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Day of the night (YYYY-MM-DD) [default: yesterday]
    #[arg(value_name = "DAY")]
    day: Option<Day>,

    /// Folder of logs by day, searched at every depth, or a pattern with %Y, %m and %d; may be repeated
    #[arg(long, value_name = "WHERE", required = true, env = "AGG_LOGS", hide_env_values = true)]
    logs: Vec<PathBuf>,

    /// Time zone in which yesterday is the default day, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    time_zone: TimeZone,

    /// Look at this number of days before DAY, and at its window in any case [default: 35, or the window of a typed DAY]
    #[arg(long, value_name = "N", value_parser = catch_up)]
    catch_up: Option<u32>,

    /// Wait for complete logs of DAY, up to this long: 90s, 10m, 2h
    #[arg(long, value_name = "DURATION", value_parser = cli::duration)]
    wait_for_log: Option<Duration>,

    /// Milliseconds between two looks for logs; for tests
    #[arg(long, hide = true, value_name = "MS")]
    poll_interval: Option<u64>,

    #[command(flatten)]
    retention: prune::Retention,

    /// Write what changed since the window before to OUT/changes/DAY, as 'agg changes' does
    #[arg(long)]
    changes: bool,

    /// Print what would be done with each day and window, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    window: WindowArguments,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    hooks: HookArguments,

    /// Write what the night did to this file, for Prometheus' textfile collector
    #[arg(long, value_name = "FILE", env = "AGG_METRICS", hide_env_values = true)]
    // Not the parser of paths, which refuses the empty text that stands for no file.
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    metrics: Option<PathBuf>,
}

fn time_zone(typed: &str) -> Result<TimeZone, String> {
    let zone = TimeZoneDatabase::bundled().get(typed);
    zone.map_err(|_| "not a time zone; write it like Europe/Berlin or UTC".to_owned())
}

/// At most the days of the longest window.
fn catch_up(typed: &str) -> Result<u32, String> {
    let days = cli::days(typed)?;
    (days <= 3660).then_some(days).ok_or_else(|| "the maximum is 3660".to_owned())
}

/// The day before that of this instant in a time zone.
fn yesterday(now: Timestamp, zone: &TimeZone) -> anyhow::Result<Day> {
    let date = zone.to_datetime(now).date().yesterday()?;
    let day = Day::new(date.year(), date.month(), date.day());
    day.with_context(|| format!("the clock says {now}"))
}

impl Arguments {
    fn options(&self, now: Timestamp) -> anyhow::Result<NightlyOptions> {
        let until = yesterday(now, &self.time_zone)?;
        let day = self.day.unwrap_or(until);
        let poll = self.poll_interval.map_or(WaitForLog::POLL, Duration::from_millis);
        Ok(NightlyOptions {
            day,
            until,
            // With a day, its window, which is always checked.
            catch_up: self.catch_up.unwrap_or(match self.day {
                Some(_) => 0,
                None => NightlyOptions::CATCH_UP,
            }),
            logs: self.logs.clone(),
            reduce: ReduceOptions {
                excluded: vec![self.window.folder.out.clone()],
                ..self.limits.options()
            },
            emit: self.window.options(day),
            keep_days: self.retention.keep_days,
            keep_emissions: self.retention.keep_emissions,
            changes: self.changes,
            wait: self.wait_for_log.map(|at_most| WaitForLog { at_most, poll }),
            dry_run: self.dry_run,
        })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options(Timestamp::now())?;
    if options.dry_run {
        return work(arguments, &options, settings, &mut None);
    }
    let mut night = None;
    let outcome = work(arguments, &options, settings, &mut night);
    let exit = outcome.as_ref().map_or_else(Exit::of, |exit| *exit);
    let mut night = night.map_or_else(|| ended_night(&options, None), Ok)?;
    if let Err(error) = &outcome {
        night.error = exit::line_of(error, NightlyReport::COMMAND);
        if night.report.is_empty() {
            night.report = failure::document(NightlyReport::COMMAND, error);
        }
    }
    arguments.hooks.after_failure(&night, exit, settings.stop());
    outcome
}

/// An error of the night in one line, with the day that it is of.
fn line_of((day, error): (Option<Day>, &agg::Error)) -> String {
    let day = day.map(|day| format!("{day}: ")).unwrap_or_default();
    format!("{day}{}", message::described(error))
}

/// What hooks are given: of a night without a report, only what its options say.
fn ended_night(
    options: &NightlyOptions,
    report: Option<(&NightlyReport, &RunCost)>,
) -> anyhow::Result<EndedNight> {
    let first = report.and_then(|(report, _)| {
        let stopped = report.filled.stopped.as_ref().map(|error| (None, error));
        stopped.or_else(|| report.failures().next())
    });
    Ok(EndedNight {
        day: options.day,
        out_folder: std::path::absolute(options.emit.out.join(options.day.to_string()))?,
        has_emitted: report.is_some_and(|(report, _)| report.has_emitted()),
        error: first.map(line_of).unwrap_or_default(),
        report: report.map(|(report, run)| report.document(run)).transpose()?.unwrap_or_default(),
    })
}

/// Does the work of the night and the success hook; `night` is what the failure hook is given.
fn work(
    arguments: &Arguments,
    options: &NightlyOptions,
    settings: &Settings,
    night: &mut Option<EndedNight>,
) -> anyhow::Result<Exit> {
    let named = arguments.metrics.as_ref().filter(|path| !path.as_os_str().is_empty());
    let named = named.filter(|_| !options.dry_run);
    let night_file = named.map(|path| NightFile::beside(path, options.day)).transpose()?.flatten();
    let metrics = MetricsFile::at(named.filter(|_| night_file.is_some()).cloned());
    settings.log_steps();
    // The label is that of the command that nights were before.
    metrics::recorded("backfill", &metrics, settings, |facts| {
        let (mut report, run) = settings.job(|context| job::nightly(context, options))?;
        facts.filled(&report.filled);
        report.failures().for_each(|failure| message::error(&line_of(failure)));
        let ended = night.insert(ended_night(options, Some((&report, &run)))?);
        let is_document = settings.output == ReportForm::Json;
        if !is_document {
            settings.output.print(&report, &run)?;
        }
        let other = backfill::unread(&report.filled).chain(&report.filled.stopped);
        other.for_each(|error| message::error(&message::described(error)));
        if report.failure().is_none()
            && !options.dry_run
            && let Err(error) = arguments.hooks.after_success(ended, settings.stop())
        {
            message::error(&message::described(&error));
            report.errors.push(error);
            *ended = ended_night(options, Some((&report, &run)))?;
        }
        // After the success hook, whose failure is in it.
        if is_document {
            settings.output.print(&report, &run)?;
        }
        if report.failure().is_none() && !options.dry_run {
            night_file.as_ref().map_or(Ok(()), NightFile::write)?;
        }
        Ok(Exit::of_report(&report))
    })
}

impl Summary for NightlyReport {
    const COMMAND: &'static str = "nightly";

    fn failure(&self) -> Option<&agg::Error> {
        let failures = self.failures().map(|(_, error)| error);
        exit::worst_of(failures.chain(backfill::unread(&self.filled)).chain(&self.filled.stopped))
    }

    fn text(&self, run: &RunCost) -> String {
        let mut text = self.filled.text(run);
        if let Some(date) = self.first_full_window {
            text += &format!("first full window on {date}\n");
        }
        for changes in &self.changes {
            let (day, against) = (changes.day, changes.against);
            let keys = counted(changes.files.iter().map(|file| file.keys).sum(), "changed key");
            text += &format!("changes of {day} against {against} written ({keys})\n");
        }
        let pruned = self.pruned.as_ref();
        text + &pruned.map(|pruned| pruned.text(run)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use agg::job::{BackfillDay, BackfillReport, DayOutcome, PruneReport, WindowOutcome};

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::day;

    fn options(line: &str) -> NightlyOptions {
        let now = "2021-12-07T23:30:00Z".parse().unwrap();
        arguments!(Nightly, line).options(now).unwrap()
    }

    #[test]
    fn a_night_is_for_yesterday_in_its_time_zone() {
        let of = |zone: &str| {
            let night = options(&format!("nightly --logs L --time-zone {zone}"));
            assert_eq!(night.until, night.day);
            (night.day.to_string(), night.catch_up)
        };
        assert_eq!(of("UTC"), ("2021-12-06".to_owned(), 35));
        assert_eq!(of("Europe/Berlin").0, "2021-12-07");
        assert_eq!(of("america/los_angeles").0, "2021-12-06");
        assert!(
            typed("nightly --logs L --time-zone Berlin").unwrap_err().contains("Europe/Berlin")
        );
        assert!(typed("nightly").unwrap_err().contains("--logs <WHERE>"));
        // The clocks went from 23:59:59 to 01:00 there.
        let zone = time_zone("Africa/Cairo").unwrap();
        let after = "2026-04-24T22:00:00Z".parse().unwrap();
        assert_eq!(yesterday(after, &zone).unwrap().to_string(), "2026-04-24");
    }

    #[test]
    fn a_day_that_is_typed_is_looked_at_with_its_window_unless_more_is_asked() {
        let night = options("nightly 2021-12-01 --logs L");
        assert_eq!(
            (night.day, night.until, night.catch_up),
            (day("2021-12-01"), day("2021-12-06"), 0)
        );
        assert_eq!(options("nightly 2021-12-01 --logs L --catch-up 9").catch_up, 9);
        assert!(typed("nightly --logs L --catch-up 3661").is_err());
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "nightly --logs L --logs M --out O --days 3 --top 9 --allow-missing --keep-days all --keep-emissions 9 \
                    --max-reject-ratio 1 --min-rows 5 --wait-for-log 2h --dry-run --date-offset -1";
        let night = options(line);
        assert_eq!(night.logs, ["L", "M"].map(PathBuf::from));
        assert_eq!((night.emit.days, night.emit.top, night.emit.allow_missing), (3, 9, true));
        assert_eq!((night.keep_days, night.keep_emissions), (Some(u32::MAX), Some(9)));
        assert_eq!(night.emit.out, PathBuf::from("O"));
        assert_eq!((night.reduce.min_rows, night.reduce.date_offset), (5, Some(-1)));
        assert_eq!(night.reduce.excluded, [PathBuf::from("O")]);
        let wait = WaitForLog { at_most: Duration::from_secs(7200), poll: WaitForLog::POLL };
        assert_eq!((night.wait, night.dry_run), (Some(wait), true));
        let plain = options("nightly --logs L");
        assert_eq!((plain.wait, plain.keep_days, plain.dry_run), (None, None, false));
    }

    #[test]
    fn the_table_of_a_night_is_pinned() {
        let own = BackfillDay {
            day: day("2021-12-01"),
            logs: Default::default(),
            reduced: DayOutcome::NoLogs,
            window: WindowOutcome::NotDue,
        };
        let report = NightlyReport {
            day: own.day,
            window_from: day("2021-11-25"),
            filled: BackfillReport {
                dry_run: false,
                days: vec![own],
                skipped: Default::default(),
                stopped: None,
                emit: true,
            },
            first_full_window: Some(day("2021-12-07")),
            changes: vec![super::super::changes::tests::report()],
            pruned: Some(PruneReport {
                keep_days: Some(35),
                dry_run: false,
                newest: Some(day("2021-12-01")),
                keep_from: None,
                kept: 1,
                pruned: Vec::new(),
                bytes: 0,
                emissions: None,
            }),
            errors: Vec::new(),
        };
        let run = RunCost::default();
        assert_eq!(
            report.text(&run),
            "\
DAY         OUTCOME  ROWS  REJECTS  SIZE  WINDOW
2021-12-01  no logs     -        -     -  not due
first full window on 2021-12-07
changes of 2021-12-08 against 2021-12-07 written (3 changed keys)
0 days gone (0 B), 1 day kept
"
        );
        let document = report.document(&run).unwrap();
        let begins = r#"{"command":"nightly","day":"2021-12-01","dry_run":false,"days":[{"day":"2021-12-01","#;
        assert!(document.starts_with(begins), "{document}");
        let ends = r#""first_full_window":"2021-12-07","changes":[{"day":"2021-12-08","#;
        assert!(document.contains(ends), "{document}");
        let ends = r#""xxh3_64":"000000000000feed"}]}],"pruned":{"keep_days":35,"#;
        assert!(document.contains(ends), "{document}");
    }
}
