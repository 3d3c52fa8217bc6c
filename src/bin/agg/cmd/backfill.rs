//! `agg backfill`: a folder of old logs to partials, and their windows.

use std::path::PathBuf;

use agg::job::{self, BackfillOptions, BackfillReport};
use agg::{Day, ErrorKind};
use anyhow::Context as _;
use clap::Args;

use crate::cli::{Limits, Window};
use crate::exit::Exit;
use crate::message;
use crate::report::Backfill;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg backfill --logs /data/logs           every dated log and folder in there
  agg backfill --logs /data/logs --emit    and each window whose days are stored
  agg backfill --logs /data/logs --from 2021-12-01 --to 2021-12-31

A bad day does not stop the others; the exit code is the worst day's. A day that
was reduced from the same logs already costs next to nothing. Entries without a
date, and dates whose window lacks days, are listed and change no exit code.";

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

    #[command(flatten)]
    window: Window,

    #[command(flatten)]
    limits: Limits,
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
        })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options()?;
    let (report, run) = settings.job(|context| job::backfill(context, &options))?;
    for (day, error) in failures(&report) {
        message::line(&format!("{day}: {}", message::described(error)));
    }
    settings.output.print(&Backfill::new(&report, options.emit.as_ref(), run))?;
    Ok(Exit::worst_of(failures(&report).map(|(_, error)| error)))
}

/// What went wrong with which day.
fn failures(report: &BackfillReport) -> impl Iterator<Item = (Day, &agg::Error)> {
    report.days.iter().flat_map(|day| {
        let reduced = day.reduced.as_ref().and_then(|result| result.as_ref().err());
        let emitted = day.emitted.as_ref().and_then(|result| result.as_ref().err());
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
        assert!(options.emit.is_none());
        assert_eq!(options.reduce.max_reject_ratio, 0.10);
        assert!(typed("backfill").unwrap_err().contains("--logs <DIR>"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "backfill --logs L --from 2021-12-01 --to 2021-12-02 --emit --out O --days 3 \
                    --top 9 --allow-missing --max-reject-ratio 1 --min-rows 5 --countries any";
        let options = arguments!(Backfill, line).options().unwrap();
        assert_eq!(options.from, "2021-12-01".parse().ok());
        assert_eq!(options.to, "2021-12-02".parse().ok());
        let reduce = &options.reduce;
        assert_eq!((reduce.max_reject_ratio, reduce.min_rows, reduce.any_country), (1.0, 5, true));
        let emit = options.emit.unwrap();
        assert_eq!((emit.days, emit.top, emit.allow_missing, emit.force), (3, 9, true, false));
        assert_eq!(emit.out, PathBuf::from("O"));
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
        let good = || BackfillDay { day, reduced: None, emitted: None, lacking: vec![day] };
        let bad = |kind: ErrorKind| BackfillDay { reduced: Some(Err(kind.into())), ..good() };
        let worst = |days| {
            let report = BackfillReport { days, passed_over: Vec::new() };
            Exit::worst_of(failures(&report).map(|(_, error)| error))
        };
        assert_eq!(worst(vec![good()]), Exit::Done);
        assert_eq!(worst(vec![bad(ErrorKind::NoLogs), good()]), Exit::NoInput);
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let emitted = BackfillDay { emitted: Some(Err(agg::Error::io("write", full()))), ..good() };
        assert_eq!(worst(vec![bad(ErrorKind::NoDate), emitted, good()]), Exit::Io);
    }
}
