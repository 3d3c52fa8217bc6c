//! `agg changes`: what differs between two emissions, and the newer file again from the older one.

use std::io;
use std::path::PathBuf;

use agg::changes::ChangedBy;
use agg::job::{self, ChangesOptions, ChangesReport};
use agg::output::TopsFormat;
use agg::text;
use agg::{Day, ErrorKind, Kind};
use clap::builder::TypedValueParser;
use clap::{ArgGroup, Args};

use crate::cli::{self, one_of};
use crate::exit::Exit;
use crate::output;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, add_files, counted};

const EXAMPLES: &str = "\
Examples:
  agg changes --date 2021-12-08 --kind user        lines that differ
  agg changes --date 2021-12-08 --against 2021-12-01 --out-dir diff
  agg changes --date 2021-12-08 --kind country --format csv --by count
  agg changes --apply diff/2021-12-08/top50_changes_per_user.txt OLD >NEW

A line is that of the newer file, or 'KEY|' for a key that is gone. Tables
list the songs that entered, left or moved. The text files of both emissions
are compared, and every byte is checked against their manifests: a printed
result is good if the exit code is 0.";

/// Show what differs between two emissions, as lines or as songs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("to").required(true).args(["kind", "out_dir", "apply"])))]
pub(crate) struct Arguments {
    /// Date of the newer emission (YYYY-MM-DD)
    #[arg(long, value_name = "DAY", required_unless_present = "apply")]
    date: Option<Day>,

    /// Date of the older emission [default: the newest before it with the same days and songs]
    #[arg(long, value_name = "DAY")]
    against: Option<Day>,

    /// Folder of the emitted windows
    #[arg(long, value_name = "DIR", default_value = "agg-out")]
    #[arg(env = "AGG_OUT", hide_env_values = true)]
    out: PathBuf,

    /// Print the changes of this kind
    #[arg(long, value_name = "KIND", value_parser = one_kind())]
    kind: Option<Kind>,

    /// Write the changes of both kinds, and a manifest, to the folder DIR/DAY
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,

    /// Format of the changes; tables have a row a song
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = cli::tops_format())]
    format: TopsFormat,

    /// Songs of a table, besides those that entered or left [default: rank]
    #[arg(long, value_name = "WHAT", value_parser = changed_by())]
    by: Option<ChangedBy>,

    /// Print the newer file, made from its changes in lines and the older file
    #[arg(long, num_args = 2, value_names = ["CHANGES", "OLD"])]
    #[arg(conflicts_with_all = ["date", "against", "format", "by"])]
    apply: Vec<PathBuf>,
}

fn one_kind() -> impl TypedValueParser<Value = Kind> {
    let value = |kind: Kind| (kind, kind.noun(), format!("The changes of each {}", kind.noun()));
    one_of(Kind::in_output_order().map(value))
}

fn changed_by() -> impl TypedValueParser<Value = ChangedBy> {
    one_of([
        (ChangedBy::Rank, "rank", "Songs with another rank".to_owned()),
        (ChangedBy::Count, "count", "Songs with another number of streams".to_owned()),
    ])
}

impl Arguments {
    /// Whether the result goes to standard output.
    pub(crate) fn is_printed(&self) -> bool {
        self.out_dir.is_none()
    }

    fn options(&self) -> agg::Result<ChangesOptions> {
        let refused = |text: &str| Err(ErrorKind::Usage(text.to_owned()).into());
        let Some(day) = self.date else { return refused("name the newer emission with --date") };
        if self.against == Some(day) {
            return refused("--against is the date of --date; name another emission");
        }
        if self.by.is_some() && self.format == TopsFormat::Text {
            return refused("--by is for tables; use --format csv, jsonl or parquet");
        }
        Ok(ChangesOptions {
            day,
            against: self.against,
            out: self.out.clone(),
            format: self.format,
            by: self.by.unwrap_or_default(),
        })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    if let [changes, older] = arguments.apply.as_slice() {
        settings.output.refuse_json("--apply")?;
        output::printed(
            settings.small_job(|context| {
                job::apply_changes(context, changes, older, &mut io::stdout())
            }),
        )?;
        return Ok(Exit::Done);
    }
    let options = arguments.options()?;
    if let Some(kind) = arguments.kind {
        settings.output.refuse_json("--kind")?;
        output::printed(
            settings.small_job(|context| {
                job::print_changes(context, &options, kind, &mut io::stdout())
            }),
        )?;
        return Ok(Exit::Done);
    }
    let to = arguments.out_dir.as_deref().unwrap_or(options.out.as_path());
    let (report, run) = settings.small_job(|context| job::write_changes(context, &options, to))?;
    settings.output.print(&report, &run)?;
    Ok(Exit::Done)
}

impl Summary for ChangesReport {
    const COMMAND: &'static str = "changes";

    fn text(&self, run: &RunCost) -> String {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", self.day);
        pairs.pair("against", self.against);
        pairs
            .pair("window", format_args!("{}, top {}", counted(self.days.into(), "day"), self.top));
        pairs.pair("folder", text::path(&self.folder));
        add_files(&mut pairs, &self.files, "changed key");
        pairs.pair("time", run.cost(None));
        pairs.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use agg::exchange::TableFormat;
    use agg::job::EmittedFile;

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::day;

    #[test]
    fn changes_are_lines_since_the_emission_before_unless_asked_otherwise() {
        let line = "changes --date 2021-12-08 --kind user";
        let usual = arguments!(Changes, line).options().unwrap();
        let expected = ChangesOptions {
            day: day("2021-12-08"),
            against: None,
            out: "agg-out".into(),
            format: TopsFormat::Text,
            by: ChangedBy::Rank,
        };
        assert_eq!(usual, expected);
        let line = "changes --date 2021-12-08 --against 2021-12-01 --out O --out-dir D --format csv --by count";
        let arguments = arguments!(Changes, line);
        let expected = ChangesOptions {
            against: Some(day("2021-12-01")),
            out: "O".into(),
            format: TopsFormat::Table(TableFormat::Csv),
            by: ChangedBy::Count,
            ..expected
        };
        assert_eq!(arguments.options().unwrap(), expected);
        assert_eq!(arguments.out_dir, Some("D".into()));
    }

    #[test]
    fn one_place_for_the_result_and_a_date_are_needed() {
        for (line, words) in [
            ("changes --date 2021-12-08", "required"),
            ("changes --kind user", "--date"),
            ("changes --date 2021-12-08 --kind user --out-dir D", "cannot be used with"),
            ("changes --apply A B --kind user", "cannot be used with"),
            ("changes --apply A B --date 2021-12-08", "cannot be used with"),
            ("changes --apply A", "2 values required"),
            ("changes --date 2021-12-08 --kind song", "'song'"),
            ("changes --date 2021-12-08 --kind user --format xml", "'xml'"),
        ] {
            let refusal = typed(line).unwrap_err();
            assert!(refusal.contains(words), "{line}: {refusal}");
        }
        for (line, words) in [
            ("changes --date 2021-12-08 --against 2021-12-08 --kind user", "another emission"),
            ("changes --date 2021-12-08 --kind user --by count", "--by is for tables"),
        ] {
            let refusal = arguments!(Changes, line).options().unwrap_err().to_string();
            assert!(refusal.contains(words), "{line}: {refusal}");
        }
    }

    pub(crate) fn report() -> ChangesReport {
        let path = "diff/2021-12-08/top50_changes_per_user.txt".into();
        ChangesReport {
            day: day("2021-12-08"),
            against: day("2021-12-07"),
            days: 7,
            top: 50,
            folder: "diff/2021-12-08".into(),
            files: vec![EmittedFile { path, keys: 3, bytes: 2048, xxh3_64: 0xfeed }],
        }
    }

    #[test]
    fn the_report_of_changes_is_pinned() {
        assert_eq!(
            report().text(&RunCost::default()),
            "\
day      2021-12-08
against  2021-12-07
window   7 days, top 50
folder   diff/2021-12-08
file     top50_changes_per_user.txt (3 changed keys, 2.0 KiB)
time     0.000 s
"
        );
        assert_eq!(
            report().document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"changes","day":"2021-12-08","against":"2021-12-07","days":7,"top":50,"#,
                r#""folder":"diff/2021-12-08","files":[{"path":"diff/2021-12-08/top50_changes_per_user.txt","#,
                r#""keys":3,"bytes":2048,"xxh3_64":"000000000000feed"}],"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
