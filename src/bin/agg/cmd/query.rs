//! `agg query`: the top songs of one user or country, straight from the partials.

use std::fmt::Write as _;

use agg::job::{self, QueryOptions, QueryReport, RankedSong};
use agg::model::BadKey;
use agg::text;
use agg::{Day, Kind};
use clap::{ArgGroup, Args, ValueEnum};

use crate::cli;
use crate::exit::Exit;
use crate::output::{self, ReportForm};
use crate::settings::Settings;
use crate::summary::{Alignment, RunCost, Summary, TextTable, number};

const EXAMPLES: &str = "\
Examples:
  agg query --user 1847261                          the newest stored week
  agg query --country FR --date 2021-12-07 --top 5
  agg query --user 1847261 --days 31 --format csv
  agg query --country FR --format jsonl | head -n 3

Reads only the key's own blocks of each partial; reads no log and emits nothing.
A user or country without streams gives an empty result and a note.";

/// Show the top songs of one user or country
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("key").required(true).args(["user", "country"])))]
pub(crate) struct Arguments {
    /// Songs of this user
    #[arg(long, value_name = "ID", value_parser = key(Kind::User))]
    user: Option<u64>,

    /// Songs of this country: two capitals, as in the logs
    #[arg(long, value_name = "CC", value_parser = key(Kind::Country))]
    country: Option<u64>,

    /// Last day of the window (YYYY-MM-DD) [default: the newest stored day]
    #[arg(long, value_name = "DAY")]
    date: Option<Day>,

    /// Days in the window, 1 to 3660
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = cli::window_days, env = "AGG_DAYS", hide_env_values = true)]
    days: u32,

    /// Maximum number of songs, 1 to 10000
    #[arg(long, value_name = "K", default_value_t = 50, env = "AGG_TOP", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    top: u32,

    /// Answer even if days of the window are not stored
    #[arg(long)]
    allow_missing: bool,

    /// Output format; --json is the same as json
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = QueryFormat::Table)]
    #[arg(conflicts_with = "json")]
    format: QueryFormat,
}

/// Takes a key of a kind.
fn key(kind: Kind) -> impl Fn(&str) -> Result<u64, BadKey> + Clone + Send + Sync + 'static {
    move |typed| kind.parse_key(typed)
}

impl Arguments {
    fn options(&self) -> anyhow::Result<QueryOptions> {
        let typed = |kind| match kind {
            Kind::User => self.user,
            Kind::Country => self.country,
        };
        let mut keys = Kind::ALL.into_iter().filter_map(|kind| Some((kind, typed(kind)?)));
        // The group of the options lets no other number of keys through.
        let (Some((kind, key)), None) = (keys.next(), keys.next()) else {
            anyhow::bail!("name one key");
        };
        let Arguments { date: day, days, top, allow_missing, .. } = *self;
        Ok(QueryOptions { kind, key, day, days, top, allow_missing })
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = arguments.options()?;
    let (report, run) = settings.job(|context| job::query(context, &options))?;
    if let Some(remark) = remark(&report) {
        settings.remark(&remark);
    }
    let json = settings.output == ReportForm::Json;
    let format = if json { QueryFormat::Json } else { arguments.format };
    output::print_bytes(printed(&report, format, &run)?.as_bytes())?;
    Ok(Exit::Done)
}

/// How the songs are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryFormat {
    /// Aligned columns with a heading
    Table,
    /// The line of the emitted file: key|song:count,…
    Text,
    /// rank,song,count with a heading
    Csv,
    /// The whole report as one document
    Json,
    /// One JSON object for each song
    Jsonl,
}

impl Summary for QueryReport {
    const COMMAND: &'static str = "query";

    fn text(&self, _: &RunCost) -> String {
        if self.ranked().next().is_none() {
            return "no streams\n".to_owned();
        }
        let columns = ["RANK", "SONG", "COUNT"].map(|heading| (heading, Alignment::Right));
        let mut table = TextTable::with_header(&columns);
        for RankedSong { rank, song, count } in self.ranked() {
            table.row([rank.to_string(), song.to_string(), number(count)]);
        }
        table.to_string()
    }
}

/// The note on standard error: that nothing was found, or that days are missing.
fn remark(report: &QueryReport) -> Option<String> {
    let QueryReport { kind, key, day, days, .. } = report;
    let mut remarks = Vec::new();
    if report.songs.is_empty() {
        let noun = kind.noun();
        let window = match days {
            1 => format!("on {day}"),
            _ => format!("in the {days} days that end on {day}"),
        };
        remarks.push(format!("{noun} {key} has no streams {window}"));
    }
    if !report.missing.is_empty() {
        remarks.push(format!("not stored: {}", text::days(&report.missing)));
    }
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// The songs in a format, each line with its end.
fn printed(report: &QueryReport, format: QueryFormat, run: &RunCost) -> serde_json::Result<String> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    match format {
        QueryFormat::Table => text = report.text(run),
        QueryFormat::Text if report.songs.is_empty() => {}
        QueryFormat::Text => {
            let songs = report.songs.iter().map(|song| format!("{}:{}", song.song, song.count));
            let songs = songs.collect::<Vec<_>>().join(",");
            let _ = writeln!(text, "{}|{songs}", report.key);
        }
        QueryFormat::Csv => {
            text.push_str("rank,song,count\n");
            for RankedSong { rank, song, count } in report.ranked() {
                let _ = writeln!(text, "{rank},{song},{count}");
            }
        }
        QueryFormat::Json => text = report.document(run)? + "\n",
        QueryFormat::Jsonl => {
            for song in report.ranked() {
                text += &serde_json::to_string(&song)?;
                text.push('\n');
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use agg::model::Ranked;

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::day;

    #[test]
    fn a_query_is_for_fifty_songs_of_the_newest_week() {
        let options = arguments!(Query, "query --user 7").options().unwrap();
        let expected = QueryOptions {
            kind: Kind::User,
            key: 7,
            day: None,
            days: 7,
            top: 50,
            allow_missing: false,
        };
        assert_eq!(options, expected);
        let line = "query --country FR --date 2021-12-07 --days 31d --top 5 --allow-missing";
        let options = arguments!(Query, line).options().unwrap();
        let expected = QueryOptions {
            kind: Kind::Country,
            key: Kind::Country.parse_key("FR").unwrap(),
            day: "2021-12-07".parse().ok(),
            days: 31,
            top: 5,
            allow_missing: true,
        };
        assert_eq!(options, expected);
        assert_eq!(arguments!(Query, "query --user 7 --format csv").format, QueryFormat::Csv);
    }

    #[test]
    fn exactly_one_valid_key_is_needed() {
        for (line, words) in [
            ("query", "required"),
            ("query --user 7 --country FR", "cannot be used with"),
            ("query --user -7", "unexpected argument"),
            ("query --user 9223372036854775808", "9223372036854775808"),
            ("query --country fr", "two capitals"),
            ("query --country FRA", "two capitals"),
            ("query --country FR --days 0", "'0'"),
            ("query --country FR --days 3661", "'3661'"),
            ("query --country FR --top 10001", "10001"),
            ("query --country FR --format xml", "'xml'"),
            ("query --country FR --format csv --json", "cannot be used with"),
        ] {
            let refusal = typed(line).unwrap_err();
            assert!(refusal.contains(words), "{line}: {refusal}");
        }
    }

    fn query(songs: &[(u64, u64)], missing: &[&str]) -> QueryReport {
        QueryReport {
            kind: Kind::Country,
            key: "FR".to_owned(),
            day: day("2021-12-07"),
            days: 7,
            top: 50,
            missing: missing.iter().map(|text| day(text)).collect(),
            songs: songs.iter().map(|&(song, count)| Ranked { song, count }).collect(),
        }
    }

    #[test]
    fn every_format_of_a_query_is_pinned() {
        let query = query(&[(75_064_605, 12), (9, 3)], &["2021-12-03"]);
        for (format, text) in [
            (
                QueryFormat::Table,
                "RANK      SONG  COUNT\n   1  75064605     12\n   2         9      3\n",
            ),
            (QueryFormat::Text, "FR|75064605:12,9:3\n"),
            (QueryFormat::Csv, "rank,song,count\n1,75064605,12\n2,9,3\n"),
            (
                QueryFormat::Json,
                concat!(
                    r#"{"command":"query","kind":"country","key":"FR","day":"2021-12-07","days":7,"top":50,"#,
                    r#""missing":["2021-12-03"],"songs":[{"rank":1,"song":75064605,"count":12},"#,
                    r#"{"rank":2,"song":9,"count":3}],"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#,
                    "\n"
                ),
            ),
            (
                QueryFormat::Jsonl,
                "{\"rank\":1,\"song\":75064605,\"count\":12}\n{\"rank\":2,\"song\":9,\"count\":3}\n",
            ),
        ] {
            assert_eq!(printed(&query, format, &RunCost::default()).unwrap(), text, "{format:?}");
        }
        assert_eq!(remark(&query).unwrap(), "not stored: 2021-12-03");
    }

    #[test]
    fn a_key_without_streams_has_no_line_but_a_note() {
        let empty = query(&[], &[]);
        assert_eq!(printed(&empty, QueryFormat::Text, &RunCost::default()).unwrap(), "");
        assert_eq!(printed(&empty, QueryFormat::Jsonl, &RunCost::default()).unwrap(), "");
        assert_eq!(
            printed(&empty, QueryFormat::Csv, &RunCost::default()).unwrap(),
            "rank,song,count\n"
        );
        let text = "country FR has no streams in the 7 days that end on 2021-12-07";
        assert_eq!(remark(&empty).unwrap(), text);
        assert_eq!(remark(&query(&[(1, 1)], &[])), None);
    }
}
