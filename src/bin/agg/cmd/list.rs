//! `agg list`: the days that are stored, and the emissions.

use std::path::PathBuf;

use agg::Kind;
use agg::job::{self, CheckedEmission, EmissionFacts, ListReport};
use agg::text::{self, counted};
use clap::Args;

use crate::exit::{self, Exit};
use crate::message;
use crate::settings::Settings;
use crate::summary::{Alignment, RunCost, Summary, TextTable, number, rejected, size};

const EXAMPLES: &str = "\
Examples:
  agg list                               a line a day, and the gaps between days
  agg list --out /data/agg-out           also the emissions, and which are stale
  agg list --json | jq -r '.gaps[] | .first'";

/// List the stored days, the gaps between them, and the emissions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Also list the emitted windows in this folder
    #[arg(long, value_name = "DIR", env = "AGG_OUT", hide_env_values = true)]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let (report, run) =
        settings.small_job(|context| job::list(context, arguments.out.as_deref()))?;
    for error in failures(&report) {
        message::error(&message::described(error));
    }
    settings.output.print(&report, &run)?;
    for error in unread(&report) {
        message::error(&message::described(error));
    }
    Ok(Exit::of_report(&report))
}

/// Days and emissions that cannot be read.
fn failures(report: &ListReport) -> impl Iterator<Item = &agg::Error> {
    let days = report.days.iter().filter_map(|day| day.facts.as_ref().err());
    let emissions = report.emissions.iter().flatten();
    days.chain(emissions.filter_map(|emission| emission.facts.as_ref().err()))
}

/// Days whose logs could not be read when they were printed.
fn unread(report: &ListReport) -> impl Iterator<Item = &agg::Error> {
    report.days.iter().filter_map(|day| day.facts.as_ref().ok()?.inputs.failure())
}

impl Summary for ListReport {
    const COMMAND: &'static str = "list";

    fn failure(&self) -> Option<&agg::Error> {
        exit::worst_of(failures(self).chain(unread(self)))
    }

    fn text(&self, _: &RunCost) -> String {
        let emissions = self.emissions.as_deref().map(emissions).unwrap_or_default();
        if self.days.is_empty() {
            return format!("no days are stored\n{emissions}");
        }
        let numbers =
            ["ROWS", "REJECTS", "USERS", "PAIRS", "SIZE"].map(|name| (name, Alignment::Right));
        let columns: Vec<_> = std::iter::once(("DAY", Alignment::Left)).chain(numbers).collect();
        let mut table = TextTable::with_header(&columns);
        let mut gaps = self.gaps.iter().peekable();
        for checked in &self.days {
            if let Some(gap) = gaps.next_if(|gap| gap.last < checked.day) {
                let (days, range) = (counted(gap.days, "day"), text::range(gap.first, gap.last));
                table.line(format!("-- gap of {days}: {range}"));
            }
            match &checked.facts {
                Ok(facts) => table.row([
                    facts.day.to_string(),
                    number(facts.counts.rows),
                    rejected(&facts.counts),
                    number(facts.runs[Kind::User].keys),
                    number(facts.runs[Kind::User].pairs),
                    size(facts.bytes),
                ]),
                Err(_) => table.line(format!("{}  failed", checked.day)),
            }
        }
        table.to_string() + &emissions
    }
}

/// `fresh` only where all days of the window are stored and unchanged.
fn state(facts: &EmissionFacts) -> String {
    let gone = (!facts.gone.is_empty())
        .then(|| format!("{} no longer stored", counted(facts.gone.len() as u64, "day")));
    match (facts.stale, gone) {
        (false, None) => "fresh".to_owned(),
        (true, None) => "stale".to_owned(),
        (false, Some(gone)) => gone,
        (true, Some(gone)) => format!("stale, {gone}"),
    }
}

fn emissions(emissions: &[CheckedEmission]) -> String {
    if emissions.is_empty() {
        return "\nno emissions\n".to_owned();
    }
    let columns = [
        ("EMISSION", Alignment::Left),
        ("WINDOW", Alignment::Right),
        ("TOP", Alignment::Right),
        ("FORMATS", Alignment::Left),
        ("SIZE", Alignment::Right),
        ("STATE", Alignment::Left),
    ];
    let mut table = TextTable::with_header(&columns);
    for emission in emissions {
        let Ok(facts) = &emission.facts else {
            table.line(format!("{}  failed", emission.day));
            continue;
        };
        let days = u64::from(facts.window.days);
        let summed = days.saturating_sub(facts.missing.len() as u64);
        let of = if summed == days { String::new() } else { format!("{summed} of ") };
        table.row([
            facts.day.to_string(),
            format!("{of}{}", counted(days, "day")),
            facts.top.to_string(),
            facts.formats.join(","),
            size(facts.bytes),
            state(facts),
        ]);
    }
    format!("\n{table}")
}

#[cfg(test)]
pub(crate) mod tests {
    use agg::Error;
    use agg::job::{CheckedDay, Gap};
    use agg::output::Window;

    use super::super::inspect::tests::day_facts;
    use super::*;
    use crate::summary::tests::day;

    pub(crate) fn days() -> Vec<CheckedDay> {
        let stored = |text: &str| CheckedDay { day: day(text), facts: Ok(day_facts(text)) };
        let error = Error::damaged("checksum").at_offset(7).at("s/partials/2021-12-05.agg");
        vec![
            stored("2021-11-30"),
            stored("2021-12-01"),
            stored("2021-12-03"),
            CheckedDay { day: day("2021-12-05"), facts: Err(error) },
            stored("2021-12-09"),
        ]
    }

    fn gap(first: &str, last: &str, days: u64) -> Gap {
        Gap { first: day(first), last: day(last), days }
    }

    #[test]
    fn the_text_of_a_list_with_gaps_and_a_damaged_day_is_pinned() {
        assert_eq!(
            ListReport {
                days: days(),
                gaps: vec![
                    gap("2021-12-02", "2021-12-02", 1),
                    gap("2021-12-04", "2021-12-04", 1),
                    gap("2021-12-06", "2021-12-08", 3),
                ],
                emissions: None,
            }
            .text(&RunCost::default()),
            "\
DAY         ROWS  REJECTS  USERS  PAIRS     SIZE
2021-11-30   100        3     10     90  1.5 KiB
2021-12-01   100        3     10     90  1.5 KiB
-- gap of 1 day: 2021-12-02
2021-12-03   100        3     10     90  1.5 KiB
-- gap of 1 day: 2021-12-04
2021-12-05  failed
-- gap of 3 days: 2021-12-06 to 2021-12-08
2021-12-09   100        3     10     90  1.5 KiB
"
        );
    }

    fn emissions() -> Vec<CheckedEmission> {
        let facts = |text: &str, stale| EmissionFacts {
            day: day(text),
            window: Window { from: day("2021-12-01"), to: day(text), days: 7 },
            top: 50,
            formats: vec!["text", "csv"],
            bytes: 2048,
            missing: if stale { vec![day("2021-12-02")] } else { Vec::new() },
            gone: if text == "2021-12-06" { vec![day("2021-11-30")] } else { Vec::new() },
            stale,
        };
        let emission = |text: &str, facts| CheckedEmission { day: day(text), facts };
        vec![
            emission("2021-12-06", Ok(facts("2021-12-06", false))),
            emission("2021-12-07", Ok(facts("2021-12-07", false))),
            emission("2021-12-08", Ok(facts("2021-12-08", true))),
            emission(
                "2021-12-09",
                Err(Error::damaged("not JSON").at("o/2021-12-09/manifest.json")),
            ),
        ]
    }

    #[test]
    fn the_text_and_the_json_of_emissions_are_pinned() {
        let report =
            ListReport { days: Vec::new(), gaps: Vec::new(), emissions: Some(emissions()) };
        assert_eq!(
            report.text(&RunCost::default()),
            "\
no days are stored

EMISSION         WINDOW  TOP  FORMATS      SIZE  STATE
2021-12-06       7 days   50  text,csv  2.0 KiB  1 day no longer stored
2021-12-07       7 days   50  text,csv  2.0 KiB  fresh
2021-12-08  6 of 7 days   50  text,csv  2.0 KiB  stale
2021-12-09  failed
"
        );
        let report = ListReport { emissions: Some(emissions().split_off(2)), ..report };
        assert_eq!(
            report.document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"list","days":[],"gaps":[],"emissions":[{"day":"2021-12-08","#,
                r#""window":{"from":"2021-12-01","to":"2021-12-08","days":7},"top":50,"#,
                r#""formats":["text","csv"],"bytes":2048,"missing":["2021-12-02"],"gone":[],"stale":true},"#,
                r#"{"day":"2021-12-09","error":{"exit_code":65,"message":"#,
                r#""\"o/2021-12-09/manifest.json\": damaged: not JSON","remedy":null}}],"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[],"#,
                r#""error":{"exit_code":65,"message":"#,
                r#""\"o/2021-12-09/manifest.json\": damaged: not JSON","remedy":null}}"#
            )
        );
    }

    #[test]
    fn the_json_of_a_list_is_pinned() {
        let json = ListReport {
            days: days()[2..4].to_vec(),
            gaps: vec![gap("2021-12-04", "2021-12-04", 1)],
            emissions: None,
        }
        .document(&RunCost::default())
        .unwrap();
        let stored = serde_json::to_string(&day_facts("2021-12-03")).unwrap();
        let failed = concat!(
            r#"{"day":"2021-12-05","error":{"exit_code":65,"message":"#,
            r#""\"s/partials/2021-12-05.agg\": at offset 7: damaged: checksum","#,
            r#""remedy":"agg reduce-day --store s --date 2021-12-05 --force LOG…"}}"#
        );
        assert_eq!(
            json,
            format!(
                r#"{{"command":"list","days":[{stored},{failed}],"gaps":[{{"first":"2021-12-04","last":"2021-12-04","days":1}}],"seconds":0.0,"phases":{{}},"peak_memory_bytes":null,"warnings":[],{}}}"#,
                failed.split_once(',').unwrap().1.strip_suffix('}').unwrap()
            )
        );
    }

    #[test]
    fn a_day_that_is_removed_before_it_is_printed_is_66_in_a_whole_document() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("listen-20211201.log");
        std::fs::write(&log, "9|7|FR\n").unwrap();
        let budget = agg::budget::Budget::new(64 << 20, 1).unwrap();
        let context = job::Context::new(folder.path().join("store"), budget);
        let options = job::ReduceOptions { logs: vec![log], ..Default::default() };
        let path = job::reduce_day(&context, &options).unwrap().partial;
        let report = job::list(&context, None).unwrap();
        assert_eq!(Exit::of_report(&report), Exit::Done);
        std::fs::remove_file(path).unwrap();
        let document = report.document(&RunCost::default()).unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["days"][0]["error"]["exit_code"], 66);
        assert_eq!(document["error"]["exit_code"], 66);
        assert_eq!(Exit::of_report(&report), Exit::Failed(agg::ErrorClass::NoInput));
    }
}
