//! `agg reduce-day`: the logs of one day to its partial.

use std::path::PathBuf;

use agg::Day;
use agg::job::{self, ReduceOptions};
use clap::Args;

use crate::cli::Limits;
use crate::exit::Exit;
use crate::metrics;
use crate::report::Reduce;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg reduce-day listen-20211201.log            the day is in the name
  agg reduce-day /data/listen-2021-12-01/       a folder's *.log, *.txt, .gz, .zst
  zcat d.gz | agg reduce-day --date 2021-12-01 -    standard input needs the day
  agg reduce-day --force listen-20211201.log    replace a day made from other logs
  agg reduce-day --add late-20211201.log        a log of the day that came late
  agg reduce-day --max-reject-ratio 0.5 --min-rows 1000000 listen-20211201.log

The first 1,000 corrupt rows of a day are in STORE/rejects/DAY.txt.";

/// Count one day's logs into its partial
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Files, folders, or - for standard input
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,

    /// The day, when the names of the logs do not tell it (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Option<Day>,

    /// Replace the day's partial when it was made from other logs
    #[arg(long)]
    force: bool,

    /// Count these logs on top of what the day has, without reading its old logs again
    #[arg(long, conflicts_with = "force")]
    add: bool,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    metrics: metrics::MetricsFile,
}

impl Arguments {
    fn options(&self) -> ReduceOptions {
        ReduceOptions {
            logs: self.logs.clone(),
            day: self.date,
            force: self.force,
            add: self.add,
            ..self.limits.options()
        }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    metrics::recorded("reduce-day", &arguments.metrics, settings, |facts| {
        let (report, run) = settings.job(|context| job::reduce_day(context, &options))?;
        facts.reduced(&report);
        settings.output.print(&Reduce::new(&report, run))?;
        Ok(Exit::Done)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};

    #[test]
    fn the_usual_limits_hold_when_nothing_is_said() {
        let options = arguments!(ReduceDay, "reduce-day a.log").options();
        assert_eq!(options.logs, [std::path::PathBuf::from("a.log")]);
        assert_eq!((options.day, options.force, options.any_country), (None, false, false));
        assert_eq!((options.max_reject_ratio, options.min_rows), (0.10, 0));
    }

    #[test]
    fn logs_are_needed_and_a_dash_is_one() {
        assert!(typed("reduce-day").unwrap_err().contains("<LOG>"));
        let options = arguments!(ReduceDay, "reduce-day --date 2021-12-01 b - a").options();
        assert_eq!(options.logs, ["b", "-", "a"].map(std::path::PathBuf::from));
        assert_eq!(options.day, "2021-12-01".parse().ok());
    }

    #[test]
    fn each_flag_reaches_its_option() {
        assert!(arguments!(ReduceDay, "reduce-day a --force").options().force);
        assert!(arguments!(ReduceDay, "reduce-day a --add").options().add);
        assert!(typed("reduce-day a --add --force").unwrap_err().contains("cannot be used with"));
        assert!(arguments!(ReduceDay, "reduce-day a --countries any").options().any_country);
        assert!(!arguments!(ReduceDay, "reduce-day a --countries iso").options().any_country);
        assert_eq!(arguments!(ReduceDay, "reduce-day a --min-rows 7").options().min_rows, 7);
        let ratio = arguments!(ReduceDay, "reduce-day a --max-reject-ratio 0.5").options();
        assert_eq!(ratio.max_reject_ratio, 0.5);
    }

    #[test]
    fn what_is_no_value_of_a_flag_is_named_in_the_refusal() {
        for wrong in [
            "--date 2021-02-30",
            "--date 20211201",
            "--max-reject-ratio NaN",
            "--max-reject-ratio 1.5",
            "--min-rows many",
            "--countries fr",
        ] {
            let refusal = typed(&format!("reduce-day a {wrong}")).unwrap_err();
            let value = wrong.split(' ').next_back().unwrap();
            assert!(refusal.contains(&format!("'{value}'")), "{refusal}");
        }
    }
}
