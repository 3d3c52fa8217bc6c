//! `agg verify`: reads every byte of stored days and checks it.

use agg::{Day, job};
use clap::Args;

use crate::exit::Exit;
use crate::message;
use crate::report::Verify;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg verify                          every stored day
  agg verify 2021-12-01 2021-12-02    these days

A line a day: 'DAY ok …', or 'DAY failed …' with the command that mends it.";

/// Check every byte of the stored days
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The days (YYYY-MM-DD) [default: all that are stored]
    #[arg(value_name = "DAY")]
    days: Vec<Day>,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let (days, run) = settings.job(|context| job::verify(context, &arguments.days))?;
    let report = Verify::new(&days, run);
    settings.output.print(&report)?;
    for (_, facts) in &days {
        if let Err(error) = facts {
            message::line(&message::described(error));
        }
    }
    if let Some(complaint) = report.complaint() {
        message::line(&complaint);
    }
    Ok(Exit::worst_of(days.iter().filter_map(|(_, facts)| facts.as_ref().err())))
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};

    #[test]
    fn any_number_of_days_is_taken() {
        assert!(arguments!(Verify, "verify").days.is_empty());
        assert_eq!(arguments!(Verify, "verify 2021-12-01 2021-12-02").days.len(), 2);
        assert!(typed("verify today").unwrap_err().contains("'today' is not a day"));
    }
}
