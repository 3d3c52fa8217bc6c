//! The report of `query`: a table for people, and the same songs in the formats of machines.

use std::fmt::{self, Write as _};

use agg::Day;
use agg::job::{QueryOptions, QueryReport};
use agg::model::Ranked;
use clap::ValueEnum;
use serde::Serialize;

use super::Run;
use super::facts::told;
use super::table::{Side, Table};

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
    /// An object a song
    Jsonl,
}

/// The best songs of one key.
#[derive(Debug, Serialize)]
pub(crate) struct Query {
    command: &'static str,
    /// The noun of the key's kind.
    kind: &'static str,
    /// As it is written in files.
    key: String,
    /// The window's last day.
    day: Day,
    /// Days in the window.
    days: u32,
    /// Songs that were asked for.
    top: u32,
    /// Days of the window that are not stored.
    missing: Vec<Day>,
    songs: Vec<Song>,
    #[serde(flatten)]
    run: Run,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Song {
    /// From 1.
    rank: u32,
    song: u64,
    count: u64,
}

impl Query {
    pub(crate) fn new(report: &QueryReport, options: &QueryOptions, run: Run) -> Self {
        let song =
            |(rank, ranked): (u32, &Ranked)| Song { rank, song: ranked.song, count: ranked.count };
        Query {
            command: "query",
            kind: options.kind.noun(),
            key: options.kind.key_text(options.key).to_string(),
            day: report.day,
            days: options.days,
            top: options.top,
            missing: report.missing.clone(),
            songs: (1..).zip(&report.songs).map(song).collect(),
            run,
        }
    }

    /// What to say on standard error: that nothing was found, that days are missing.
    pub(crate) fn remark(&self) -> Option<String> {
        let Query { kind, key, day, days, .. } = self;
        let mut remarks = Vec::new();
        if self.songs.is_empty() {
            remarks
                .push(format!("{kind} {key} has no streams in the {days} days that end on {day}"));
        }
        if !self.missing.is_empty() {
            remarks.push(format!("not stored: {}", told(&self.missing)));
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }

    /// The songs in a format, each line with its end.
    pub(crate) fn text(&self, format: QueryFormat) -> serde_json::Result<String> {
        let mut text = String::new();
        // Writing to a string cannot fail.
        match format {
            QueryFormat::Table => text = self.to_string(),
            QueryFormat::Text if self.songs.is_empty() => {}
            QueryFormat::Text => {
                let songs = self.songs.iter().map(|song| format!("{}:{}", song.song, song.count));
                let songs = songs.collect::<Vec<_>>().join(",");
                let _ = writeln!(text, "{}|{songs}", self.key);
            }
            QueryFormat::Csv => {
                text.push_str("rank,song,count\n");
                for Song { rank, song, count } in &self.songs {
                    let _ = writeln!(text, "{rank},{song},{count}");
                }
            }
            QueryFormat::Json => text = format!("{}\n", serde_json::to_string(self)?),
            QueryFormat::Jsonl => {
                for song in &self.songs {
                    text += &serde_json::to_string(song)?;
                    text.push('\n');
                }
            }
        }
        Ok(text)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["RANK", "SONG", "COUNT"].map(|heading| (heading, Side::Right));
        let mut table = Table::with_header(&columns);
        for Song { rank, song, count } in &self.songs {
            table.row([rank.to_string(), song.to_string(), count.to_string()]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::day;
    use super::*;
    use agg::Kind;

    fn query(songs: &[(u64, u64)], missing: &[&str]) -> Query {
        let options = QueryOptions {
            kind: Kind::Country,
            key: Kind::Country.parse_key("FR").unwrap(),
            day: None,
            days: 7,
            top: 50,
            allow_missing: true,
        };
        let report = QueryReport {
            day: day("2021-12-07"),
            missing: missing.iter().map(|text| day(text)).collect(),
            songs: songs.iter().map(|&(song, count)| Ranked { song, count }).collect(),
        };
        Query::new(&report, &options, Run::default())
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
            assert_eq!(query.text(format).unwrap(), text, "{format:?}");
        }
        assert_eq!(query.remark().unwrap(), "not stored: 2021-12-03");
    }

    #[test]
    fn a_key_without_streams_has_no_line_and_is_said_to_have_none() {
        let empty = query(&[], &[]);
        assert_eq!(empty.text(QueryFormat::Text).unwrap(), "");
        assert_eq!(empty.text(QueryFormat::Jsonl).unwrap(), "");
        assert_eq!(empty.text(QueryFormat::Csv).unwrap(), "rank,song,count\n");
        let remark = "country FR has no streams in the 7 days that end on 2021-12-07";
        assert_eq!(empty.remark().unwrap(), remark);
        assert_eq!(query(&[(1, 1)], &[]).remark(), None);
    }
}
