//! `agg inspect`: the metadata of a stored day.

use std::{fmt, io};

use agg::Day;
use agg::job::{self, DayFacts};
use agg::model::RejectCounts;
use agg::text;
use clap::Args;

use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable, number, rejected};

const EXAMPLES: &str = "\
Examples:
  agg inspect 2021-12-01
  agg inspect 2021-12-01 --json | jq .inputs";

/// Show one stored day: rows, corrupt rows by reason, inputs, sizes, digest
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The day (YYYY-MM-DD)
    #[arg(value_name = "DAY")]
    day: Day,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let (facts, run) = settings.small_job(|context| job::inspect(context, arguments.day))?;
    settings.output.print(&facts, &run)?;
    Ok(Exit::Done)
}

impl Summary for DayFacts {
    const COMMAND: &'static str = "inspect";

    fn text(&self, run: &RunCost) -> String {
        let mut text = Vec::new();
        // Writing to a vector cannot fail, and the logs are held.
        let _ = self.write_text(run, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write_text(&self, _: &RunCost, out: &mut dyn io::Write) -> io::Result<()> {
        let mut pairs = TextTable::of_pairs();
        pairs.pair("day", self.day);
        pairs.pair("partial", text::path(&self.path));
        pairs.pair("bytes", number(self.bytes));
        pairs.pair("version", self.version);
        if let Some(rules) = self.rules {
            pairs.pair("rules", rules);
        }
        pairs.pair("digest", text::hex128(self.digest));
        pairs.pair("rows", number(self.counts.rows));
        pairs.pair("accepted", number(self.counts.accepted));
        pairs.pair("rejected", rejected(&self.counts));
        for (reason, count) in self.counts.rejects.iter().flat_map(RejectCounts::named) {
            pairs.pair(&format!("rejected.{reason}"), number(count));
        }
        for (kind, run) in self.runs.iter() {
            let label = kind.plural();
            pairs.pair(label, number(run.keys));
            pairs.pair(&format!("{label}.pairs"), number(run.pairs));
            pairs.pair(&format!("{label}.blocks"), run.blocks);
        }
        pairs.pair("inputs", self.inputs.len());
        // There can be very many, so they are not laid out as a table first.
        let width = pairs.with_label(format_args!("input.{}.modified_ns", self.inputs.len()));
        write!(out, "{pairs}")?;
        let inputs = self.inputs.read().map_err(io::Error::other)?;
        for (place, input) in (1..).zip(&*inputs) {
            let mut line = |name: &str, value: &dyn fmt::Display| {
                let label = format!("input.{place}.{name}");
                writeln!(out, "{}", format!("{label:<width$}  {value}").trim_end())
            };
            line("name", &text::name(input.name))?;
            line("bytes", &number(input.size))?;
            line("rows", &number(input.rows))?;
            line("modified_ns", &input.modified_ns)?;
            line("digest", &text::hex128(input.digest))?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::{counts, day, inputs, runs};

    #[test]
    fn one_day_is_needed() {
        let day = arguments!(Inspect, "inspect 2021-12-01").day;
        assert_eq!(day.to_string(), "2021-12-01");
        assert!(typed("inspect").unwrap_err().contains("<DAY>"));
        assert!(typed("inspect 2021-12-01 2021-12-02").unwrap_err().contains("2021-12-02"));
    }

    pub(crate) fn day_facts(text: &str) -> DayFacts {
        DayFacts {
            day: day(text),
            path: format!("agg-store/partials/{text}.agg").into(),
            bytes: 1536,
            version: 1,
            rules: None,
            digest: 0x1234,
            counts: counts(100, 1, 2),
            inputs: inputs(),
            runs: runs(),
        }
    }

    #[test]
    fn the_text_of_an_inspected_day_is_pinned() {
        assert_eq!(
            day_facts("2021-12-01").text(&RunCost::default()),
            "\
day                   2021-12-01
partial               agg-store/partials/2021-12-01.agg
bytes                 1536
version               1
digest                00000000000000000000000000001234
rows                  100
accepted              97
rejected              3
rejected.too_long     0
rejected.blank        1
rejected.field_count  0
rejected.song_id      0
rejected.user_id      0
rejected.country      2
users                 10
users.pairs           90
users.blocks          2
countries             3
countries.pairs       60
countries.blocks      1
inputs                1
input.1.name          listen-20211201.log
input.1.bytes         2048
input.1.rows          100
input.1.modified_ns   1638400000000000000
input.1.digest        00000000000000000000000000000abc
"
        );
    }

    #[test]
    fn rules_are_shown_where_they_are_recorded() {
        let rules = agg::model::Rules::new(";".parse().unwrap(), None, true, Default::default());
        let facts = DayFacts { version: 2, rules: Some(rules), ..day_facts("2021-12-01") };
        let text = facts.text(&RunCost::default());
        assert!(
            text.contains("\nrules                 --delimiter ';' --header\ndigest"),
            "{text}"
        );
    }

    #[test]
    fn the_json_of_an_inspected_day_is_pinned() {
        let facts = day_facts("2021-12-01");
        let stored = serde_json::to_string(&facts).unwrap();
        assert_eq!(
            facts.document(&RunCost::default()).unwrap(),
            format!(
                r#"{{"command":"inspect",{},"seconds":0.0,"phases":{{}},"peak_memory_bytes":null,"warnings":[]}}"#,
                stored.trim_start_matches('{').strip_suffix('}').unwrap()
            )
        );
    }

    #[test]
    fn a_stored_day_in_json_is_pinned() {
        let json = serde_json::to_string_pretty(&day_facts("2021-12-01")).unwrap();
        assert_eq!(
            json,
            r#"{
  "day": "2021-12-01",
  "partial": "agg-store/partials/2021-12-01.agg",
  "partial_bytes": 1536,
  "version": 1,
  "rules": null,
  "digest": "00000000000000000000000000001234",
  "rows": 100,
  "accepted": 97,
  "rejected": 3,
  "rejects": {
    "too_long": 0,
    "blank": 1,
    "field_count": 0,
    "song_id": 0,
    "user_id": 0,
    "country": 2
  },
  "inputs": [
    {
      "name": "listen-20211201.log",
      "bytes": 2048,
      "modified_ns": 1638400000000000000,
      "digest": "00000000000000000000000000000abc",
      "rows": 100
    }
  ],
  "users": {
    "keys": 10,
    "pairs": 90
  },
  "countries": {
    "keys": 3,
    "pairs": 60
  },
  "blocks": {
    "users": 2,
    "countries": 1
  }
}"#
        );
    }
}
