//! `agg generate`: synthetic logs, for trials of all other commands.

use std::path::PathBuf;

use agg::Day;
use agg::generate::{self, GenerateReport, Options, Shape};
use agg::text;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{Alignment, RunCost, Summary, TextTable, number, rejected, size};

const EXAMPLES: &str = "\
Examples:
  agg generate logs                               a week of a million rows a day
  agg generate logs --rows 30000000 --days 1      a day of a large service
  agg generate hard --shape distinct              each pair of user and song once
  agg backfill --logs logs --emit                 count them, and emit the windows

The same flags give the same bytes on any machine.";

/// Write made-up logs, shaped like real ones, to try things on
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder for the logs, one listen-YYYYMMDD.log a day
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Rows of each log, including corrupt rows
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rows: u64,

    /// Logs, one a day
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,

    /// The first log's day (YYYY-MM-DD)
    #[arg(long, value_name = "DAY", default_value = "2021-12-01")]
    from: Day,

    /// Users in all; about a quarter of them listens on one day
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    users: u64,

    /// Songs in all
    #[arg(long, value_name = "N", default_value_t = 6_500_000)]
    songs: u64,

    /// Share of corrupt rows, 0 to 1
    #[arg(long, value_name = "RATIO", default_value = "0.0005", value_parser = cli::ratio)]
    corrupt: f64,

    /// Seed of the random users and songs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Shape of the logs: normal as in real logs, the others are hard to process
    #[arg(long, default_value = Shape::Normal.name(), value_parser = shape())]
    shape: Shape,

    /// Replace existing logs
    #[arg(long)]
    force: bool,
}

fn shape() -> impl TypedValueParser<Value = Shape> {
    PossibleValuesParser::new(Shape::ALL.map(Shape::name)).try_map(|name| name.parse::<Shape>())
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            rows: self.rows,
            days: self.days,
            users: self.users,
            songs: self.songs,
            corrupt: self.corrupt,
            seed: self.seed,
            first_day: self.from,
            shape: self.shape,
            folder: self.folder.clone(),
            force: self.force,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    let (report, run) = settings.job(|context| generate::generate(context, &options))?;
    settings.output.print(&report, &run)?;
    Ok(Exit::Done)
}

impl Summary for GenerateReport {
    const COMMAND: &'static str = "generate";

    fn text(&self, _: &RunCost) -> String {
        let mut table = TextTable::with_header(&[
            ("DAY", Alignment::Left),
            ("ROWS", Alignment::Right),
            ("CORRUPT", Alignment::Right),
            ("SIZE", Alignment::Right),
            ("LOG", Alignment::Left),
        ]);
        for log in &self.logs {
            table.row([
                log.day.to_string(),
                number(log.counts.rows),
                rejected(&log.counts),
                size(log.bytes),
                text::path(&log.path),
            ]);
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use agg::generate::GeneratedLog;

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day};

    fn usual() -> Options {
        Options::new("2021-12-01".parse().unwrap(), PathBuf::from("logs"))
    }

    #[test]
    fn the_usual_logs_are_the_librarys() {
        assert_eq!(arguments!(Generate, "generate logs").options(), usual());
        assert!(typed("generate").unwrap_err().contains("<DIR>"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "generate logs --rows 9 --days 2 --from 2022-01-01 --users 3 --songs 4 \
                    --corrupt 0.5 --seed 8 --shape wide-ids --force";
        let expected = Options {
            rows: 9,
            days: 2,
            users: 3,
            songs: 4,
            corrupt: 0.5,
            seed: 8,
            first_day: "2022-01-01".parse().unwrap(),
            shape: Shape::WideIds,
            force: true,
            ..usual()
        };
        assert_eq!(arguments!(Generate, line).options(), expected);
    }

    #[test]
    fn an_unknown_shape_is_refused_with_the_list_of_shapes() {
        let refusal = typed("generate logs --shape round").unwrap_err();
        assert!(refusal.contains("'round'") && refusal.contains("normal, one-user"), "{refusal}");
        assert!(typed("generate logs --days 0").is_err());
        assert!(typed("generate logs --corrupt NaN").is_err());
    }

    fn report() -> GenerateReport {
        let log = GeneratedLog {
            day: day("2021-12-01"),
            path: "logs/listen-20211201.log".into(),
            bytes: 2560,
            counts: counts(100, 1, 2),
        };
        GenerateReport { seed: 1, shape: Shape::Normal, logs: vec![log] }
    }

    #[test]
    fn the_table_of_generated_logs_is_pinned() {
        assert_eq!(
            report().text(&RunCost::default()),
            "\
DAY         ROWS  CORRUPT     SIZE  LOG
2021-12-01   100        3  2.5 KiB  logs/listen-20211201.log
"
        );
    }

    #[test]
    fn the_json_of_generated_logs_is_pinned() {
        assert_eq!(
            report().document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"generate","seed":1,"shape":"normal","logs":[{"day":"2021-12-01","#,
                r#""path":"logs/listen-20211201.log","bytes":2560,"rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2}}],"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
