//! `agg import`: the tables of one day to its partial.

use std::path::PathBuf;

use agg::Day;
use agg::job::{self, ImportOptions, ImportReport};
use agg::text;
use clap::Args;

use crate::cli::CountryRule;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, counted, number, rejected_share, size};

const EXAMPLES: &str = "\
Examples:
  agg import --date 2021-12-01 dataset            what 'agg export' wrote
  agg import --date 2021-12-01 users.parquet countries.parquet
  agg import --date 2021-12-01 --force dataset    replace the day

Columns: country or user_id, sng_id, streams; in any order, as any whole numbers. A day needs both tables.";

/// Build a day's partial from its two Parquet tables, from any program
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Parquet files, folders of them, or the folder of a dataset
    #[arg(value_name = "PATH", required = true)]
    tables: Vec<PathBuf>,

    /// The day (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Day,

    /// Replace the day's partial if it has other counts
    #[arg(long)]
    force: bool,

    /// Accept these country codes
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = CountryRule::Iso)]
    countries: CountryRule,
}

impl Arguments {
    fn options(&self) -> ImportOptions {
        ImportOptions {
            day: self.date,
            tables: self.tables.clone(),
            force: self.force,
            countries: self.countries.into(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    #[cfg(feature = "parquet")]
    let import = |context: &job::Context| {
        job::import_with(context, &options, &crate::decoder::ChildDecoder::new(context))
    };
    #[cfg(not(feature = "parquet"))]
    let import = |context: &job::Context| job::import(context, &options);
    let (report, run) = settings.job(import)?;
    settings.output.print(&report, &run)?;
    Ok(Exit::Done)
}

impl Summary for ImportReport {
    const COMMAND: &'static str = "import";

    fn text(&self, run: &RunCost) -> String {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", format_args!("{} ({})", self.day, self.outcome.word()));
        pairs.pair("tables", counted(self.tables.len() as u64, "file"));
        pairs.pair("rows", number(self.counts.rows));
        if self.rejects_known {
            pairs.pair("rejected", rejected_share(&self.counts));
        } else {
            pairs.pair("rejected", "unknown: not recorded in the tables");
        }
        for (kind, run) in self.runs.iter() {
            let text = format!("{} ({} pairs with a song)", number(run.keys), number(run.pairs));
            pairs.pair(kind.plural(), text);
        }
        let partial = text::path(&self.partial);
        pairs.pair("partial", format_args!("{partial} ({})", size(self.partial_bytes)));
        if self.spilled_runs > 0 {
            pairs.pair("spilled", counted(self.spilled_runs as u64, "run"));
        }
        pairs.pair("time", run.cost(None));
        pairs.to_string()
    }
}

#[cfg(test)]
mod tests {
    use agg::job::ReduceOutcome;
    use agg::model::{CountryCodes, RowCounts};

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day, runs};

    #[test]
    fn a_day_and_a_table_are_needed() {
        let options = arguments!(Import, "import --date 2021-12-01 a b").options();
        assert_eq!(Some(options.day), "2021-12-01".parse().ok());
        assert_eq!(options.tables, ["a", "b"].map(std::path::PathBuf::from));
        assert_eq!((options.force, options.countries), (false, CountryCodes::Iso));
        assert!(typed("import a").unwrap_err().contains("--date"));
        assert!(typed("import --date 2021-12-01").unwrap_err().contains("<PATH>"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "import --date 2021-12-01 a --force --countries any";
        let options = arguments!(Import, line).options();
        assert_eq!((options.force, options.countries), (true, CountryCodes::Any));
    }

    fn report(known: bool) -> ImportReport {
        ImportReport {
            day: day("2021-12-01"),
            outcome: ReduceOutcome::Imported,
            counts: if known { counts(100, 1, 2) } else { RowCounts::of_day(100, None) },
            rejects_known: known,
            tables: vec!["c.parquet".into(), "u.parquet".into()],
            runs: runs(),
            partial: "agg-store/partials/2021-12-01.agg".into(),
            partial_bytes: 1536,
            spilled_runs: 0,
        }
    }

    #[test]
    fn the_text_of_an_import_is_pinned() {
        let text = |known| report(known).text(&RunCost::default());
        assert_eq!(
            text(true),
            "\
day        2021-12-01 (imported)
tables     2 files
rows       100
rejected   3 (3.00%)
users      10 (90 pairs with a song)
countries  3 (60 pairs with a song)
partial    agg-store/partials/2021-12-01.agg (1.5 KiB)
time       0.000 s
"
        );
        assert!(text(false).contains("rejected   unknown: not recorded in the tables\n"));
    }

    #[test]
    fn the_json_of_an_import_is_pinned() {
        assert_eq!(
            report(true).document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"import","day":"2021-12-01","outcome":"imported","rows":100,"accepted":97,"#,
                r#""rejected":3,"rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"#,
                r#""country":2},"rejects_known":true,"tables":["c.parquet","u.parquet"],"#,
                r#""users":{"keys":10,"pairs":90},"countries":{"keys":3,"pairs":60},"#,
                r#""partial":"agg-store/partials/2021-12-01.agg","partial_bytes":1536,"spilled_runs":0,"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
