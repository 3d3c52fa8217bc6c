//! `agg list`: the days that are stored.

use agg::job;
use clap::Args;

use crate::exit::Exit;
use crate::message;
use crate::report::List;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg list                               a line a day, and the gaps between days
  agg list --json | jq -r '.gaps[] | .first'";

/// List the stored days and the gaps between them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    let (days, run) = settings.job(job::list)?;
    let failures = || days.iter().filter_map(|(_, facts)| facts.as_ref().err());
    for error in failures() {
        message::line(&message::described(error));
    }
    settings.output.print(&List::new(&days, run))?;
    Ok(Exit::worst_of(failures()))
}
