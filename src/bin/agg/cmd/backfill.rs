//! `agg backfill`: a folder of old logs to partials, and their windows.

use std::path::PathBuf;

use agg::job::{self, BackfillOptions, BackfillReport, DayOutcome, WindowOutcome};
use agg::{Day, ErrorKind};
use anyhow::Context as _;
use clap::Args;

use crate::cli::{Limits, Window};
use crate::exit::Exit;
use crate::message;
use crate::metrics;
use crate::report::Backfill;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg backfill --logs /data/logs           every dated log and folder in there
  agg backfill --logs /data/logs --emit    and each window whose days are stored
  agg backfill --logs /data/logs --from 2021-12-01 --to 2021-12-31
  agg backfill --logs /data/logs --emit --dry-run

It goes on where it was stopped: a day of the same logs and a window of the same
partials are left alone, what has changed is made again. A bad day does not stop
the others; the exit code is the worst day's. Entries without a date, dates whose
window lacks days, and days of which a log is gone change no exit code.";

/// Reduce every day whose logs are in a folder, and emit their windows
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder of dated logs and dated folders of logs
    #[arg(long, value_name = "DIR")]
    logs: PathBuf,

    /// First day to take (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,

    /// Last day to take (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,

    /// Emit the window of each day too
    #[arg(long)]
    emit: bool,

    /// Tell what would be done with each day and window, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    window: Window,

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
            let text = format!("--from {from} is after --to {to}: swap them");
            return Err(agg::Error::from(ErrorKind::Usage(text)).into());
        }
        // The job puts each date of the range in its place.
        let placeholder = Day::new(1970, 1, 1).context("the first day of all is a day")?;
        Ok(BackfillOptions {
            logs: self.logs.clone(),
            from: self.from,
            to: self.to,
            reduce: self.limits.options(),
            emit: self.emit.then(|| self.window.options(placeholder)),
            dry_run: self.dry_run,
        })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options()?;
    // What was only looked at is no night's outcome.
    let metrics = arguments.metrics.unless(arguments.dry_run);
    metrics::recorded("backfill", &metrics, settings, |facts| {
        let (report, run) = settings.job(|context| job::backfill(context, &options))?;
        facts.filled(&report);
        for (day, error) in failures(&report) {
            message::line(&format!("{day}: {}", message::described(error)));
        }
        settings.output.print(&Backfill::new(&report, options.emit.as_ref(), run))?;
        match report.stopped {
            Some(error) => Err(error.into()),
            None => Ok(Exit::worst_of(failures(&report).map(|(_, error)| error))),
        }
    })
}

/// What went wrong with which day.
fn failures(report: &BackfillReport) -> impl Iterator<Item = (Day, &agg::Error)> {
    report.days.iter().flat_map(|day| {
        let reduced = match &day.reduced {
            DayOutcome::Failed(error) => Some(error),
            _ => None,
        };
        let emitted = match &day.window {
            WindowOutcome::Failed(error) => Some(error),
            _ => None,
        };
        reduced.into_iter().chain(emitted).map(|error| (day.day, error))
    })
}

#[cfg(test)]
mod tests {
    use agg::job::BackfillDay;

    use super::super::{arguments, typed};
    use super::*;

    #[test]
    fn a_backfill_takes_every_day_and_emits_nothing_when_nothing_is_said() {
        let options = arguments!(Backfill, "backfill --logs L").options().unwrap();
        assert_eq!(options.logs, PathBuf::from("L"));
        assert_eq!((options.from, options.to), (None, None));
        assert!(options.emit.is_none() && !options.dry_run);
        assert_eq!(options.reduce.max_reject_ratio, 0.10);
        assert!(typed("backfill").unwrap_err().contains("--logs <DIR>"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "backfill --logs L --from 2021-12-01 --to 2021-12-02 --emit --out O --days 3 \
                    --top 9 --allow-missing --max-reject-ratio 1 --min-rows 5 --countries any \
                    --dry-run";
        let options = arguments!(Backfill, line).options().unwrap();
        assert_eq!(options.from, "2021-12-01".parse().ok());
        assert_eq!(options.to, "2021-12-02".parse().ok());
        let reduce = &options.reduce;
        assert_eq!((reduce.max_reject_ratio, reduce.min_rows, reduce.any_country), (1.0, 5, true));
        let emit = options.emit.unwrap();
        assert_eq!((emit.days, emit.top, emit.allow_missing, emit.force), (3, 9, true, false));
        assert_eq!(emit.out, PathBuf::from("O"));
        assert!(options.dry_run);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_wrong_usage() {
        let line = "backfill --logs L --from 2021-12-02 --to 2021-12-01";
        let error = arguments!(Backfill, line).options().unwrap_err();
        assert_eq!(error.to_string(), "--from 2021-12-02 is after --to 2021-12-01: swap them");
    }

    #[test]
    fn the_worst_day_decides_and_a_window_that_lacks_days_does_not_count() {
        let day: Day = "2021-12-01".parse().unwrap();
        let good = || BackfillDay {
            day,
            reduced: DayOutcome::NoLogs,
            window: WindowOutcome::Lacking(vec![day]),
        };
        let bad =
            |kind: ErrorKind| BackfillDay { reduced: DayOutcome::Failed(kind.into()), ..good() };
        let worst = |days| {
            let report =
                BackfillReport { days, passed_over: Vec::new(), stopped: None, dry_run: false };
            Exit::worst_of(failures(&report).map(|(_, error)| error))
        };
        assert_eq!(worst(vec![good()]), Exit::Done);
        assert_eq!(worst(vec![bad(ErrorKind::NoLogs), good()]), Exit::NoInput);
        let full = agg::Error::io("write", std::io::ErrorKind::StorageFull.into());
        let emitted = BackfillDay { window: WindowOutcome::Failed(full), ..good() };
        assert_eq!(worst(vec![bad(ErrorKind::NoDate), emitted, good()]), Exit::Io);
    }
}
