//! `agg report`: a window as an HTML page.

use std::path::{Path, PathBuf};

use agg::Day;
use agg::job::{self, ReportOptions, ReportOutcome};
use agg::text::{self, counted};
use clap::Args;

use crate::exit::Exit;
use crate::output;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, number, rejected_share, size};

const EXAMPLES: &str = "\
Examples:
  agg report --date 2021-12-07 --out week.html       the week that ends there
  agg report --date 2021-12-31 --days 31 --out december.html
  agg report --date 2021-12-07 --out week.html --songs songs.csv    with names
  agg report --date 2021-12-07 --out - > week.html   to standard output

The page is one file that any browser opens from disk. It has no user's ranking.";

/// Write a page to look at: days, countries and their top 50 over the days that end on a date
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Last day of the window (YYYY-MM-DD)
    #[arg(long, value_name = "DAY")]
    date: Day,

    /// Days in the window, 1 to 31
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(ReportOptions::MAX_DAYS)))]
    days: u32,

    /// The page, one HTML file; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Names of songs: a CSV file with the columns id,title,artist
    #[arg(long, value_name = "FILE")]
    songs: Option<PathBuf>,

    /// Report even if days of the window are not stored; the page shows the gaps
    #[arg(long)]
    allow_missing: bool,
}

impl Arguments {
    fn options(&self) -> ReportOptions {
        ReportOptions {
            days: self.days,
            out: (!self.is_printed()).then(|| self.out.clone()),
            songs: self.songs.clone(),
            allow_missing: self.allow_missing,
            ..ReportOptions::new(self.date)
        }
    }
}

impl Arguments {
    /// Whether the page goes to standard output.
    pub(crate) fn is_printed(&self) -> bool {
        self.out == Path::new("-")
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options();
    if options.out.is_none() {
        settings.output.refuse_json("--out -")?;
    }
    let (outcome, run) = settings.job(|context| job::report(context, &options))?;
    match &outcome.file {
        Some(_) => settings.output.print(&outcome, &run)?,
        None => output::print_bytes(&outcome.page)?,
    }
    Ok(Exit::Done)
}

impl Summary for ReportOutcome {
    const COMMAND: &'static str = "report";

    fn text(&self, run: &RunCost) -> String {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", self.day);
        pairs.pair("window", counted(self.days.into(), "day"));
        if !self.missing.is_empty() {
            pairs.pair("missing", text::days(&self.missing));
        }
        let compared: Vec<String> = self.compared.iter().map(Day::to_string).collect();
        pairs.pair(
            "against",
            match compared.as_slice() {
                [] => "no earlier window is stored".to_owned(),
                days => format!("the windows to {}", days.join(" and ")),
            },
        );
        pairs.pair("rows", number(self.counts.rows));
        pairs.pair("rejected", rejected_share(&self.counts));
        pairs.pair("countries", number(self.countries));
        pairs.pair(
            "songs",
            format_args!("{}, {} with a name", number(self.songs), number(self.named)),
        );
        if let Some(file) = &self.file {
            pairs.pair("file", format_args!("{} ({})", text::path(file), size(self.bytes)));
        }
        pairs.pair("time", run.cost(None));
        pairs.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day};

    #[test]
    fn the_usual_page_is_of_a_week() {
        let options = arguments!(Report, "report --date 2021-12-07 --out week.html").options();
        let day = "2021-12-07".parse().unwrap();
        let expected = ReportOptions { out: Some("week.html".into()), ..ReportOptions::new(day) };
        assert_eq!(options, expected);
    }

    #[test]
    fn each_flag_reaches_its_option_and_a_dash_is_not_a_file() {
        let line = "report --date 2021-12-07 --days 31 --out - --songs s.csv --allow-missing";
        let options = arguments!(Report, line).options();
        assert_eq!((options.days, options.out), (31, None));
        assert_eq!(options.songs, Some("s.csv".into()));
        assert!(options.allow_missing);
    }

    #[test]
    fn days_have_bounds_and_date_and_file_are_needed() {
        for wrong in ["--days 0", "--days 32"] {
            let line = format!("report --date 2021-12-07 --out x {wrong}");
            assert!(typed(&line).unwrap_err().contains("is not in 1..=31"), "{wrong}");
        }
        let refusal = typed("report").unwrap_err();
        assert!(refusal.contains("--date <DAY>") && refusal.contains("--out <FILE>"), "{refusal}");
    }

    fn page() -> ReportOutcome {
        ReportOutcome {
            page: Vec::new(),
            day: day("2021-12-07"),
            days: 7,
            file: Some("week.html".into()),
            bytes: 2048,
            missing: vec![day("2021-12-03")],
            compared: vec![day("2021-12-06"), day("2021-11-30")],
            countries: 3,
            songs: 40,
            named: 7,
            counts: counts(100, 1, 2),
            entries: 150,
        }
    }

    #[test]
    fn the_text_of_a_page_is_pinned() {
        assert_eq!(
            page().text(&RunCost::default()),
            "\
day        2021-12-07
window     7 days
missing    2021-12-03
against    the windows to 2021-12-06 and 2021-11-30
rows       100
rejected   3 (3.00%)
countries  3
songs      40, 7 with a name
file       week.html (2.0 KiB)
time       0.000 s
"
        );
        let alone = ReportOutcome { compared: Vec::new(), ..page() };
        assert!(alone.text(&RunCost::default()).contains("against    no earlier window is stored"));
    }

    #[test]
    fn the_json_of_a_page_is_pinned() {
        assert_eq!(
            page().document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"report","day":"2021-12-07","days":7,"missing":["2021-12-03"],"#,
                r#""compared":["2021-12-06","2021-11-30"],"file":"week.html","bytes":2048,"#,
                r#""countries":3,"songs":40,"named":7,"#,
                r#""rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"#,
                r#""entries":150,"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
