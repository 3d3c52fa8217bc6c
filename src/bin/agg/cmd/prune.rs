//! `agg prune`: removes old days from the store, and old emissions from the output folder.

use agg::job::{self, KeepEmissions, PruneOptions, PruneReport};
use agg::text::counted;
use agg::{Day, Error, ErrorKind};
use clap::Args;

use crate::cli::{self, WindowFolder};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{Alignment, RunCost, Summary, TextTable, size};

const EXAMPLES: &str = "\
Examples:
  agg prune --keep-days 35            keep the newest 35 days
  agg prune --keep-emissions 35 --out /data/agg-out
  agg prune --keep-days 90d --keep-emissions 90 --dry-run
  agg prune --keep-days all           keep them all

Without --keep-days or --keep-emissions nothing is removed. Both count from the newest
that is there, not from today. Rejects files are removed with their days. Windows that
need a removed day can no longer be emitted. The emission that OUT/latest names stays,
and so does every folder that agg did not make.";

/// Remove all stored days, or all emissions, but the newest
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) retention: Retention,

    #[command(flatten)]
    folder: WindowFolder,

    /// Print what would be removed, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How much stays; what is not given is not removed.
#[derive(Debug, Args)]
pub(crate) struct Retention {
    /// Stored days to keep, counted from the newest; at least twice --days less one; or all
    #[arg(long, value_name = "N", value_parser = keep_days)]
    #[arg(env = "AGG_KEEP_DAYS", hide_env_values = true)]
    pub(crate) keep_days: Option<u32>,

    /// Emissions to keep, counted from the newest, at least 2; or all
    #[arg(long, value_name = "N", value_parser = keep_emissions)]
    #[arg(env = "AGG_KEEP_EMISSIONS", hide_env_values = true)]
    pub(crate) keep_emissions: Option<u32>,
}

impl Retention {
    /// What is removed for these windows.
    fn options(&self, folder: &WindowFolder, dry_run: bool) -> PruneOptions {
        let keep = |count| KeepEmissions { count, out: folder.out.clone() };
        PruneOptions {
            keep_days: self.keep_days,
            window_days: folder.days,
            keep_emissions: self.keep_emissions.map(keep),
            dry_run,
        }
    }
}

/// `all` is more days than there are. An empty text is an error, not the default: an unset variable of a shell must not
/// remove days.
fn keep_days(typed: &str) -> Result<u32, String> {
    if typed == "all" { Ok(u32::MAX) } else { cli::days(typed) }
}

fn keep_emissions(typed: &str) -> Result<u32, String> {
    match typed {
        "all" => Ok(u32::MAX),
        number => number.parse().map_err(|_| "not a number of emissions, and not all".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let Arguments { retention, folder, dry_run } = arguments;
    if retention.keep_days.or(retention.keep_emissions).is_none() {
        let text = "nothing is removed unless it is asked for; name what stays with --keep-days N, \
                    --keep-emissions N, or both";
        return Err(Error::from(ErrorKind::Usage(text.to_owned())).into());
    }
    let options = retention.options(folder, *dry_run);
    let (report, run) = settings.small_job(|context| job::prune(context, &options))?;
    settings.output.print(&report, &run)?;
    Ok(Exit::Done)
}

impl Summary for PruneReport {
    const COMMAND: &'static str = "prune";

    fn text(&self, _: &RunCost) -> String {
        let mut text = String::new();
        if !self.pruned.is_empty() {
            let headings = [
                ("DAY", Alignment::Left),
                ("PARTIAL", Alignment::Right),
                ("REJECTS", Alignment::Right),
            ];
            let mut table = TextTable::with_header(&headings);
            let cell = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), size);
            for day in &self.pruned {
                table.row([day.day.to_string(), cell(day.partial_bytes), cell(day.rejects_bytes)]);
            }
            text = table.to_string();
        }
        let goes = if self.dry_run { "would go" } else { "gone" };
        let from = |day: Option<Day>| day.map(|from| format!(", from {from}")).unwrap_or_default();
        if self.keep_days.is_some() {
            let days = counted(self.pruned.len() as u64, "day");
            let (kept, from) = (counted(self.kept, "day"), from(self.keep_from));
            text += &format!("{days} {goes} ({}), {kept} kept{from}\n", size(self.bytes));
        }
        let Some(emissions) = &self.emissions else { return text };
        for emission in &emissions.removed {
            text += &format!("emission of {} {goes} ({})\n", emission.day, size(emission.bytes));
        }
        for changes in &emissions.changes {
            text += &format!("changes of {} {goes} ({})\n", changes.day, size(changes.bytes));
        }
        let removed = counted(emissions.removed.len() as u64, "emission");
        let (kept, from) = (counted(emissions.kept, "emission"), from(emissions.keep_from));
        text + &format!("{removed} {goes} ({}), {kept} kept{from}\n", size(emissions.bytes))
    }
}

#[cfg(test)]
mod tests {
    use agg::job::{PrunedDay, PrunedEmission, PrunedEmissions};

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::day;

    #[test]
    fn days_and_emissions_are_numbers_or_all_and_none_is_asked_for_by_default() {
        for (line, days) in [
            ("prune", None),
            ("prune --keep-days 15", Some(15)),
            ("prune --keep-days 90d", Some(90)),
            ("prune --keep-days all", Some(u32::MAX)),
        ] {
            let arguments = arguments!(Prune, line);
            assert_eq!((arguments.retention.keep_days, arguments.dry_run), (days, false));
            assert_eq!(arguments.retention.keep_emissions, None);
        }
        for (line, emissions) in
            [("prune --keep-emissions 2", 2), ("prune --keep-emissions all", u32::MAX)]
        {
            assert_eq!(arguments!(Prune, line).retention.keep_emissions, Some(emissions));
        }
        assert!(arguments!(Prune, "prune --dry-run").dry_run);
        for wrong in ["", "ALL", "-1", "d", "35days", "1.5", "99999999999"] {
            for flag in ["keep-days", "keep-emissions"] {
                let refusal = typed(&format!("prune --{flag}={wrong}")).unwrap_err();
                assert!(refusal.contains(&format!("'{wrong}'")), "{refusal}");
            }
        }
    }

    fn report() -> PruneReport {
        PruneReport {
            keep_days: Some(15),
            newest: Some(day("2021-12-31")),
            keep_from: Some(day("2021-12-17")),
            kept: 14,
            pruned: vec![
                PrunedDay {
                    day: day("2021-12-01"),
                    partial_bytes: Some(2048),
                    rejects_bytes: Some(10),
                },
                PrunedDay { day: day("2021-12-02"), partial_bytes: None, rejects_bytes: Some(0) },
            ],
            dry_run: false,
            bytes: 2058,
            emissions: None,
        }
    }

    #[test]
    fn the_text_of_a_pruning_is_pinned() {
        assert_eq!(
            report().text(&RunCost::default()),
            "\
DAY         PARTIAL  REJECTS
2021-12-01  2.0 KiB     10 B
2021-12-02        -      0 B
2 days gone (2.0 KiB), 14 days kept, from 2021-12-17
"
        );
        let nothing = PruneReport { pruned: Vec::new(), dry_run: true, bytes: 0, ..report() };
        assert_eq!(
            nothing.text(&RunCost::default()),
            "0 days would go (0 B), 14 days kept, from 2021-12-17\n"
        );
        let only = PruneReport {
            emissions: Some(emissions()),
            keep_days: None,
            pruned: Vec::new(),
            ..report()
        };
        assert_eq!(
            only.text(&RunCost::default()),
            "emission of 2021-12-01 gone (2.0 KiB)\n\
             changes of 2021-12-01 gone (1.0 KiB)\n\
             1 emission gone (2.0 KiB), 2 emissions kept, from 2021-12-30\n"
        );
    }

    fn emissions() -> PrunedEmissions {
        PrunedEmissions {
            keep: 2,
            keep_from: Some(day("2021-12-30")),
            kept: 2,
            removed: vec![PrunedEmission { day: day("2021-12-01"), bytes: 2048 }],
            bytes: 2048,
            changes: vec![PrunedEmission { day: day("2021-12-01"), bytes: 1024 }],
        }
    }

    #[test]
    fn the_json_of_a_pruning_is_pinned() {
        assert_eq!(
            PruneReport { emissions: Some(emissions()), ..report() }
                .document(&RunCost::default())
                .unwrap(),
            concat!(
                r#"{"command":"prune","keep_days":15,"dry_run":false,"newest":"2021-12-31","#,
                r#""keep_from":"2021-12-17","kept":14,"days":["#,
                r#"{"day":"2021-12-01","partial_bytes":2048,"rejects_bytes":10},"#,
                r#"{"day":"2021-12-02","partial_bytes":null,"rejects_bytes":0}],"bytes":2058,"#,
                r#""emissions":{"keep":2,"keep_from":"2021-12-30","kept":2,"#,
                r#""removed":[{"day":"2021-12-01","bytes":2048}],"bytes":2048,"#,
                r#""changes":[{"day":"2021-12-01","bytes":1024}]},"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
