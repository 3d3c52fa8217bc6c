//! `agg emit-window`: stored days to the top songs of every country and user.

use agg::Day;
use agg::job::{self, EmitOptions};
use clap::Args;

use crate::cli::Window;
use crate::exit::Exit;
use crate::metrics;
use crate::report::Emit;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg emit-window --date 2021-12-07                  to agg-out/2021-12-07
  agg emit-window --date 2021-12-31 --days 31 --top 10 --out /data/months
  agg emit-window --date 2021-12-03 --allow-missing  with the days there are
  agg emit-window --date 2021-12-07 --format text,parquet
  agg emit-window --date 2021-12-07 --json | jq .files

OUT/latest is a link to the latest day that was emitted.";

/// Write the top songs of every country and user over the days that end on a date
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Last day of the window (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Day,

    #[command(flatten)]
    window: Window,

    /// Publish although the published window knew days that are not stored now
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    metrics: metrics::MetricsFile,
}

impl Arguments {
    fn options(&self) -> EmitOptions {
        EmitOptions { force: self.force, ..self.window.options(self.date) }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    metrics::recorded("emit-window", &arguments.metrics, settings, |facts| {
        let (report, run) = settings.job(|context| job::emit_window(context, &options))?;
        facts.emitted(&report);
        settings.output.print(&Emit::new(&report, &options, run))?;
        Ok(Exit::Done)
    })
}

#[cfg(test)]
mod tests {
    use agg::exchange::TableFormat;
    use agg::job::TopsFormat;

    use super::super::{arguments, typed};

    #[test]
    fn the_usual_window_is_a_week_and_fifty_songs() {
        let options = arguments!(EmitWindow, "emit-window --date 2021-12-07").options();
        assert_eq!(Some(options.day), "2021-12-07".parse().ok());
        assert_eq!((options.days, options.top), (7, 50));
        assert_eq!(options.out, std::path::PathBuf::from("agg-out"));
        assert_eq!(options.formats, [TopsFormat::Text]);
        assert!(!options.allow_missing && !options.force);
    }

    #[test]
    fn formats_are_a_list_or_several_flags() {
        let parquet = TopsFormat::Table(TableFormat::Parquet);
        for formats in ["--format text,parquet", "--format text --format parquet"] {
            let line = format!("emit-window --date 2021-12-07 {formats}");
            assert_eq!(
                arguments!(EmitWindow, &line).options().formats,
                [TopsFormat::Text, parquet]
            );
        }
        assert!(typed("emit-window --date 2021-12-07 --format xml").unwrap_err().contains("'xml'"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line =
            "emit-window --date 2021-12-07 --days 3660 --top 10000 --out O --allow-missing --force";
        let options = arguments!(EmitWindow, line).options();
        assert_eq!((options.days, options.top), (3660, 10_000));
        assert_eq!(options.out, std::path::PathBuf::from("O"));
        assert!(options.allow_missing && options.force);
    }

    #[test]
    fn days_and_top_have_bounds_and_the_date_is_needed() {
        for wrong in ["--days 0", "--days 3661", "--top 0", "--top 10001", "--top -1"] {
            let refusal = typed(&format!("emit-window --date 2021-12-07 {wrong}")).unwrap_err();
            assert!(refusal.contains("invalid value") || refusal.contains("'-1'"), "{refusal}");
        }
        assert!(typed("emit-window").unwrap_err().contains("--date <DAY>"));
    }
}
