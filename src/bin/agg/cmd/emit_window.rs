//! `agg emit-window`: stored days to the top songs of every country and user.

use agg::Day;
use agg::job::{self, EmitOptions, EmitReport};
use agg::text;
use clap::Args;

use crate::cli::WindowArguments;
use crate::exit::Exit;
use crate::metrics;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, add_files, counted, number, rejected_share};

const EXAMPLES: &str = "\
Examples:
  agg emit-window --date 2021-12-07                  to agg-out/2021-12-07
  agg emit-window --date 2021-12-31 --days 31 --top 10 --out /data/months
  agg emit-window --date 2021-12-03 --allow-missing  with the stored days only
  agg emit-window --date 2021-12-07 --format text,parquet
  agg emit-window --date 2021-12-07 --json | jq .files

OUT/latest is a link to the newest emitted date.";

/// Write the top songs of every country and user over the days that end on a date
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Last day of the window (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Day,

    #[command(flatten)]
    window: WindowArguments,

    /// Publish even over a window that includes days which are not stored now, or has other days, songs or formats
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
        settings.output.print(&report, &run)?;
        Ok(Exit::Done)
    })
}

impl Summary for EmitReport {
    const COMMAND: &'static str = "emit-window";

    fn text(&self, run: &RunCost) -> String {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", self.day);
        let days = counted(self.days.into(), "day");
        pairs.pair("window", format_args!("{days}, top {}", self.top));
        if !self.missing.is_empty() {
            pairs.pair("missing", text::days(&self.missing));
        }
        pairs.pair("rows", number(self.counts.rows));
        pairs.pair("rejected", rejected_share(&self.counts));
        pairs.pair("folder", text::path(&self.folder));
        add_files(&mut pairs, &self.files, "key");
        pairs.pair("time", run.cost(None));
        pairs.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use agg::exchange::TableFormat;
    use agg::job::EmittedFile;
    use agg::output::TopsFormat;

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day};

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

    pub(crate) fn report() -> EmitReport {
        let file = |name: &str, keys| EmittedFile {
            path: format!("agg-out/2021-12-07/{name}").into(),
            keys,
            bytes: 2048,
            xxh3_64: 0xfeed,
        };
        EmitReport {
            day: day("2021-12-07"),
            days: 7,
            top: 50,
            folder: "agg-out/2021-12-07".into(),
            missing: vec![day("2021-12-03")],
            files: vec![
                file("top50_songs_per_country.txt", 3),
                file("top50_songs_per_user.txt", 1),
            ],
            counts: counts(100, 1, 2),
            entries: 150,
        }
    }

    #[test]
    fn the_text_of_an_emission_is_pinned() {
        assert_eq!(
            report().text(&RunCost::default()),
            "\
day       2021-12-07
window    7 days, top 50
missing   2021-12-03
rows      100
rejected  3 (3.00%)
folder    agg-out/2021-12-07
file      top50_songs_per_country.txt (3 keys, 2.0 KiB)
file      top50_songs_per_user.txt (1 key, 2.0 KiB)
time      0.000 s
"
        );
    }

    #[test]
    fn the_json_of_an_emission_is_pinned() {
        let mut report = report();
        report.files.truncate(1);
        assert_eq!(
            report.document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"emit-window","day":"2021-12-07","days":7,"top":50,"#,
                r#""folder":"agg-out/2021-12-07","missing":["2021-12-03"],"#,
                r#""files":[{"path":"agg-out/2021-12-07/top50_songs_per_country.txt","keys":3,"#,
                r#""bytes":2048,"xxh3_64":"000000000000feed"}],"#,
                r#""rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"#,
                r#""entries":150,"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
