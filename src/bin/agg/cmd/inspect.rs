//! `agg inspect`: what a stored day knows of itself.

use agg::{Day, job};
use clap::Args;

use crate::exit::Exit;
use crate::report::Inspect;
use crate::settings::Settings;

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
    let (facts, run) = settings.job(|context| job::inspect(context, arguments.day))?;
    settings.output.print(&Inspect::new(&facts, run))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, typed};

    #[test]
    fn one_day_is_needed() {
        let day = arguments!(Inspect, "inspect 2021-12-01").day;
        assert_eq!(day.to_string(), "2021-12-01");
        assert!(typed("inspect").unwrap_err().contains("<DAY>"));
        assert!(typed("inspect 2021-12-01 2021-12-02").unwrap_err().contains("2021-12-02"));
    }
}
