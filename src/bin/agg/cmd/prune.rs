//! `agg prune`: removes old days from the store.

use agg::job::{self, PruneOptions, PruneReport};
use agg::text::counted;
use clap::Args;

use crate::cli;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{Alignment, RunCost, Summary, TextTable, size};

const EXAMPLES: &str = "\
Examples:
  agg prune                       keep the newest 35 days
  agg prune --keep-days 90d
  agg prune --keep-days all       keep them all
  agg prune --dry-run             print what would be removed

Days are counted from the newest stored day, not from today. Rejects files are removed
with their days. Windows that need a removed day can no longer be emitted.";

/// Remove all stored days but the newest
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Days to keep, counted from the newest stored day, at least 15; or all
    #[arg(long, value_name = "N", default_value_t = PruneOptions::DEFAULT_DAYS)]
    #[arg(value_parser = keep_days, env = "AGG_KEEP_DAYS", hide_env_values = true)]
    keep_days: u32,

    /// Print what would be removed, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `all` is more days than there are. An empty text is an error, not the default: an unset variable of a shell must not
/// remove days.
pub(super) fn keep_days(typed: &str) -> Result<u32, String> {
    match if typed == "all" { u32::MAX } else { cli::days(typed)? } {
        few if few < PruneOptions::MIN_DAYS => Err("too few; the minimum is 15".to_owned()),
        days => Ok(days),
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = PruneOptions { keep_days: arguments.keep_days, dry_run: arguments.dry_run };
    let (report, run) = settings.job(|context| job::prune(context, &options))?;
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
        let (days, kept) = (counted(self.pruned.len() as u64, "day"), counted(self.kept, "day"));
        let from = self.keep_from.map(|from| format!(", from {from}")).unwrap_or_default();
        text + &format!("{days} {goes} ({}), {kept} kept{from}\n", size(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use agg::job::PrunedDay;

    use super::super::{arguments, typed};
    use super::*;
    use crate::summary::tests::day;

    #[test]
    fn days_are_typed_with_or_without_their_letter_and_fifteen_at_least() {
        for (line, days) in
            [("prune", 35), ("prune --keep-days 15", 15), ("prune --keep-days 90d", 90)]
        {
            let arguments = arguments!(Prune, line);
            assert_eq!((arguments.keep_days, arguments.dry_run), (days, false));
        }
        assert!(arguments!(Prune, "prune --dry-run").dry_run);
        assert_eq!(arguments!(Prune, "prune --keep-days all").keep_days, u32::MAX);
        for wrong in ["", "14", "0d", "ALL", "-1", "d", "35days", "1.5", "99999999999"] {
            let refusal = typed(&format!("prune --keep-days={wrong}")).unwrap_err();
            assert!(refusal.contains(&format!("'{wrong}'")), "{refusal}");
        }
    }

    fn report() -> PruneReport {
        PruneReport {
            keep_days: 15,
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
    }

    #[test]
    fn the_json_of_a_pruning_is_pinned() {
        assert_eq!(
            report().document(&RunCost::default()).unwrap(),
            concat!(
                r#"{"command":"prune","keep_days":15,"dry_run":false,"newest":"2021-12-31","#,
                r#""keep_from":"2021-12-17","kept":14,"days":["#,
                r#"{"day":"2021-12-01","partial_bytes":2048,"rejects_bytes":10},"#,
                r#"{"day":"2021-12-02","partial_bytes":null,"rejects_bytes":0}],"bytes":2058,"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
