//! `agg verify`: reads every byte of stored days and checks it.

use agg::Day;
use agg::job::{self, CheckedDay, VerifyReport};
use agg::text;
use clap::Args;

use crate::exit::{self, Exit};
use crate::message;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, counted, size};

const EXAMPLES: &str = "\
Examples:
  agg verify                          every stored day
  agg verify 2021-12-01 2021-12-02    these days

One line for each day: 'DAY ok …', or 'DAY failed …' with the command that repairs it.";

/// Check every byte of the stored days
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The days (YYYY-MM-DD) [default: all stored days]
    #[arg(value_name = "DAY")]
    days: Vec<Day>,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let (report, run) = settings.job(|context| job::verify(context, &arguments.days))?;
    settings.output.print(&report, &run)?;
    // Each failure is in the report.
    if let Some(complaint) = complaint(&report) {
        message::error(&complaint);
    }
    Ok(Exit::of_report(&report))
}

impl Summary for VerifyReport {
    const COMMAND: &'static str = "verify";

    fn failure(&self) -> Option<&agg::Error> {
        exit::worst_of(self.days.iter().filter_map(|day| day.facts.as_ref().err()))
    }

    fn text(&self, _: &RunCost) -> String {
        let line = |checked: &CheckedDay| {
            let day = checked.day;
            match &checked.facts {
                Ok(facts) => {
                    let rows = counted(facts.counts.rows, "row");
                    format!("{day} ok {rows}, {}\n", size(facts.bytes))
                }
                Err(error) => {
                    let remedy =
                        error.remedy().map(|remedy| format!("; to repair it, run: {remedy}"));
                    let text = text::line(&error.to_string());
                    format!("{day} failed {text}{}\n", remedy.unwrap_or_default())
                }
            }
        };
        self.days.iter().map(line).collect()
    }
}

/// The note on standard error if a day is damaged.
fn complaint(report: &VerifyReport) -> Option<String> {
    let failed = report.days.iter().filter(|checked| checked.facts.is_err());
    let failed: Vec<Day> = failed.map(|checked| checked.day).collect();
    let all = counted(report.days.len() as u64, "day");
    let text = || format!("{} of {all} failed the check: {}", failed.len(), text::days(&failed));
    (!failed.is_empty()).then(text)
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::days;
    use super::super::{arguments, typed};
    use super::*;

    #[test]
    fn any_number_of_days_is_taken() {
        assert!(arguments!(Verify, "verify").days.is_empty());
        assert_eq!(arguments!(Verify, "verify 2021-12-01 2021-12-02").days.len(), 2);
        assert!(typed("verify today").unwrap_err().contains("'today' is not a day"));
    }

    #[test]
    fn the_text_of_a_verification_names_the_command_that_repairs() {
        let report = VerifyReport { days: days()[2..4].to_vec() };
        assert_eq!(
            report.text(&RunCost::default()),
            "\
2021-12-03 ok 100 rows, 1.5 KiB
2021-12-05 failed \"s/partials/2021-12-05.agg\": at offset 7: damaged: checksum; to repair it, run: agg reduce-day --store s --date 2021-12-05 --force LOG…
"
        );
        assert_eq!(complaint(&report).unwrap(), "1 of 2 days failed the check: 2021-12-05");
        assert_eq!(complaint(&VerifyReport { days: days()[..3].to_vec() }), None);
    }

    #[test]
    fn the_json_of_a_verification_is_pinned() {
        assert_eq!(
            VerifyReport { days: days()[2..3].to_vec() }.document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"verify","days":[{"day":"2021-12-03","ok":true,"partial_bytes":1536,"#,
                r#""rows":100,"error":null}],"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
