//! `agg prune`: old days leave the store.

use agg::job::{self, PruneOptions};
use clap::Args;

use crate::cli;
use crate::exit::Exit;
use crate::report::Prune;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg prune                       keep the newest 35 days
  agg prune --keep-days 90d
  agg prune --keep-days all       keep them all
  agg prune --dry-run             tell what would go

Days are counted from the newest stored one, not from today. Rejects files go with
their days. Windows that need a day which is gone can no longer be emitted.";

/// Remove all stored days but the newest
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Days that stay, counted from the newest stored one, at least 15; or all
    #[arg(long, value_name = "N", default_value_t = PruneOptions::DEFAULT_DAYS)]
    #[arg(value_parser = keep_days, env = "AGG_KEEP_DAYS", hide_env_values = true)]
    keep_days: u32,

    /// Tell what would go, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `all` is more days than there are. Nothing is an error, not the default: a shell's variable that is not set must not
/// remove days.
fn keep_days(typed: &str) -> Result<u32, String> {
    match if typed == "all" { u32::MAX } else { cli::days(typed)? } {
        few if few < PruneOptions::LEAST_DAYS => Err("too few: the least is 15".to_owned()),
        days => Ok(days),
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let options = PruneOptions { keep_days: arguments.keep_days, dry_run: arguments.dry_run };
    let (report, run) = settings.job(|context| job::prune(context, &options))?;
    settings.output.print(&Prune::new(&report, &options, run))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};

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
}
