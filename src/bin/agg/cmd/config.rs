//! `agg config`: the settings in force, and where each comes from.

use agg::text;
use clap::{Args, Command};
use serde::Serialize;

use crate::config::{self, FilePlace, InForce, Source};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::summary::{RunCost, Summary, TextTable};

const EXAMPLES: &str = "\
Examples:
  agg config                                 the settings that hold for every command
  agg config backfill                        all settings of one command
  agg --config new.toml config backfill      as they would be with another file";

/// Show the settings in force and where each comes from: environment, settings file or default
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Show the settings of this command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(crate) fn run(
    arguments: &Arguments,
    agg: &Command,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    let command = arguments.command.clone();
    let in_force = config::in_force(agg, settings.config.as_deref(), command.as_deref())?;
    settings.output.print(&ConfigReport { of: command, settings: in_force }, &settings.cost())?;
    Ok(Exit::Done)
}

/// The settings in force.
#[derive(Debug, Serialize)]
struct ConfigReport {
    /// The command; `None` for the settings of every command.
    of: Option<String>,
    settings: Vec<InForce>,
}

impl Summary for ConfigReport {
    const COMMAND: &'static str = "config";

    /// Lines of TOML, each with its source in a comment.
    fn text(&self, _: &RunCost) -> String {
        let mut table = TextTable::of_pairs();
        for setting in &self.settings {
            let source = match &setting.source {
                Source::Environment { variable } => variable.clone(),
                Source::File(FilePlace { path, line }) => format!("{}:{line}", text::path(path)),
                Source::Default => "default".to_owned(),
                Source::Unset => "not set".to_owned(),
            };
            let unset = if setting.source == Source::Unset { "#" } else { "" };
            table.pair(
                &format!("{unset}{}", toml_line(&setting.flag, &setting.values)),
                format!("# {source}"),
            );
        }
        table.to_string()
    }
}

/// `flag = value`. A text of TOML is written as one of JSON.
fn toml_line(flag: &str, values: &[String]) -> String {
    let is_plain = |value: &str| value.parse::<i64>().is_ok() || matches!(value, "true" | "false");
    let quoted = |value: &String| match value.as_str() {
        plain if is_plain(plain) => plain.to_owned(),
        text => serde_json::Value::from(text).to_string(),
    };
    match values {
        [] => format!("{flag} ="),
        [value] => format!("{flag} = {}", quoted(value)),
        values => {
            format!("{flag} = [{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
    }
}
