//! `agg import`: the tables of one day to its partial.

use std::path::PathBuf;

use agg::Day;
use agg::job::{self, ImportOptions};
use clap::Args;

use crate::cli::Countries;
use crate::exit::Exit;
use crate::report::Import;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg import --date 2021-12-01 dataset            what 'agg export' wrote
  agg import --date 2021-12-01 users.parquet countries.parquet
  agg import --date 2021-12-01 --force dataset    replace the day

Columns: country or user_id, sng_id, streams; in any order, as any whole numbers. A day needs both tables.";

/// Build a day's partial from its two Parquet tables, whoever wrote them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Parquet files, folders of them, or the folder of a dataset
    #[arg(value_name = "PATH", required = true)]
    tables: Vec<PathBuf>,

    /// The day (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Day,

    /// Replace the day's partial when it has other counts
    #[arg(long)]
    force: bool,

    /// Which two capitals are a country
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Countries::Iso)]
    countries: Countries,
}

impl Arguments {
    fn options(&self) -> ImportOptions {
        ImportOptions {
            day: self.date,
            tables: self.tables.clone(),
            force: self.force,
            any_country: self.countries == Countries::Any,
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
    settings.output.print(&Import::new(&report, run))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};

    #[test]
    fn a_day_and_a_table_are_needed() {
        let options = arguments!(Import, "import --date 2021-12-01 a b").options();
        assert_eq!(Some(options.day), "2021-12-01".parse().ok());
        assert_eq!(options.tables, ["a", "b"].map(std::path::PathBuf::from));
        assert!(!options.force && !options.any_country);
        assert!(typed("import a").unwrap_err().contains("--date"));
        assert!(typed("import --date 2021-12-01").unwrap_err().contains("<PATH>"));
    }

    #[test]
    fn each_flag_reaches_its_option() {
        let line = "import --date 2021-12-01 a --force --countries any";
        let options = arguments!(Import, line).options();
        assert!(options.force && options.any_country);
    }
}
