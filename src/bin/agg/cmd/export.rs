//! `agg export`: stored days to tables that other engines read.

use std::path::PathBuf;

use agg::exchange::TableFormat;
use agg::job::{self, ExportOptions, ExportReport, Selection};
use agg::text;
use agg::{Day, Kind};
use clap::Args;
use clap::builder::TypedValueParser;

use crate::cli::one_of;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, counted, number, rejected_share, size};

const EXAMPLES: &str = "\
Examples:
  agg export 2021-12-01 2021-12-02 --out dataset      both tables of two days
  agg export 2021-12-01 --out dataset --kind user --format csv
  agg export --window 2021-12-07 --out dataset        the week's sums
  duckdb -c \"from read_parquet('dataset/kind=user/*/*.parquet') limit 5\"

A table is DIR/kind=country/day=DAY/part-0.parquet, or kind=user: country or user_id, sng_id, streams.";

/// Write stored days as tables for other engines
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The days, each by itself (YYYY-MM-DD)
    #[arg(value_name = "DAY", required_unless_present = "window", conflicts_with = "window")]
    selected: Vec<Day>,

    /// Folder of the dataset
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Format of the tables
    #[arg(long, value_name = "FORMAT", default_value_t = TableFormat::Parquet)]
    #[arg(value_parser = table_format())]
    format: TableFormat,

    /// Export the table of this kind only
    #[arg(long, value_name = "KIND", value_parser = one_kind())]
    kind: Option<Kind>,

    /// Sum the days that end on this one (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    window: Option<Day>,

    /// Days in the window, 1 to 3660
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,

    /// Export the window even if days of it are not stored
    #[arg(long)]
    allow_missing: bool,
}

fn one_kind() -> impl TypedValueParser<Value = Kind> {
    let value = |kind: Kind| (kind, kind.noun(), format!("Counts of {} and song", kind.noun()));
    one_of(Kind::in_output_order().map(value))
}

fn table_format() -> impl TypedValueParser<Value = TableFormat> {
    let value = |format: TableFormat| (format, format.extension(), format.description().to_owned());
    one_of(TableFormat::ALL.map(value))
}

impl Arguments {
    fn options(&self) -> ExportOptions {
        let selection = match self.window {
            Some(day) => {
                Selection::Window { day, days: self.days, allow_missing: self.allow_missing }
            }
            None => Selection::Days(self.selected.clone()),
        };
        let kinds = match self.kind {
            None => Kind::in_output_order().collect(),
            Some(kind) => vec![kind],
        };
        ExportOptions { selection, kinds, format: self.format, out: self.out.clone() }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    let (report, run) = settings.job(|context| job::export(context, &options))?;
    settings.output.print(&report, &run)?;
    Ok(Exit::Done)
}

impl Summary for ExportReport {
    const COMMAND: &'static str = "export";

    fn text(&self, run: &RunCost) -> String {
        let mut pairs = TextTable::of_pairs();
        if !self.missing.is_empty() {
            pairs.pair("missing", text::days(&self.missing));
        }
        pairs.pair("rows", number(self.counts.rows));
        pairs.pair("rejected", rejected_share(&self.counts));
        for partition in &self.partitions {
            let (folder, files) = (text::path(&partition.folder), &partition.files);
            let rows = counted(files.iter().map(|file| file.rows).sum(), "row");
            let bytes = size(files.iter().map(|file| file.bytes).sum());
            let files = counted(files.len() as u64, "file");
            pairs.pair("folder", format_args!("{folder} ({files}, {rows}, {bytes})"));
        }
        pairs.pair("time", run.cost(None));
        pairs.to_string()
    }
}

#[cfg(test)]
mod tests {
    use agg::job::{ExportedFile, ExportedPartition};
    use agg::store::{DatasetFolder, PartitionDays};

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day};

    #[test]
    fn days_go_to_both_tables_as_parquet_by_default() {
        let options = arguments!(Export, "export 2021-12-01 2021-12-02 --out D").options();
        let days = ["2021-12-01", "2021-12-02"].map(|day| day.parse().unwrap());
        assert_eq!(options.selection, Selection::Days(days.to_vec()));
        assert_eq!(options.kinds, [Kind::Country, Kind::User]);
        assert_eq!(options.format, TableFormat::Parquet);
        assert_eq!(options.out, PathBuf::from("D"));
    }

    #[test]
    fn a_window_is_a_week_by_default() {
        let line = "export --window 2021-12-07 --out D --format jsonl --kind user --allow-missing";
        let options = arguments!(Export, line).options();
        let day = "2021-12-07".parse().unwrap();
        assert_eq!(options.selection, Selection::Window { day, days: 7, allow_missing: true });
        assert_eq!((options.kinds, options.format), (vec![Kind::User], TableFormat::JsonLines));
    }

    #[test]
    fn days_or_a_window_are_needed_and_a_folder() {
        assert!(typed("export --out D").unwrap_err().contains("DAY"));
        assert!(typed("export 2021-12-01").unwrap_err().contains("--out"));
        let both = typed("export 2021-12-01 --window 2021-12-07 --out D").unwrap_err();
        assert!(both.contains("cannot be used with"), "{both}");
        assert!(typed("export 2021-12-01 --out D --format xml").unwrap_err().contains("'xml'"));
    }

    fn report() -> ExportReport {
        let partition =
            DatasetFolder { kind: Kind::User, days: PartitionDays::Day(day("2021-12-01")) };
        let folder = std::path::PathBuf::from("D/kind=user/day=2021-12-01");
        let path = folder.join("part-0.parquet");
        let files = vec![ExportedFile { path, rows: 90, bytes: 2048, xxh3_64: 0xfeed }];
        ExportReport {
            format: TableFormat::Parquet,
            partitions: vec![ExportedPartition { partition, folder, files }],
            missing: Vec::new(),
            counts: counts(100, 1, 2),
        }
    }

    #[test]
    fn the_text_of_an_export_is_pinned() {
        assert_eq!(
            report().text(&RunCost::default()),
            "\
rows      100
rejected  3 (3.00%)
folder    D/kind=user/day=2021-12-01 (1 file, 90 rows, 2.0 KiB)
time      0.000 s
"
        );
    }

    #[test]
    fn the_json_of_an_export_is_pinned() {
        assert_eq!(
            report().document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"export","format":"parquet","partitions":[{"kind":"user","day":"2021-12-01","#,
                r#""window":false,"folder":"D/kind=user/day=2021-12-01","files":[{"path":"#,
                r#""D/kind=user/day=2021-12-01/part-0.parquet","rows":90,"bytes":2048,"#,
                r#""xxh3_64":"000000000000feed"}]}],"missing":[],"rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
