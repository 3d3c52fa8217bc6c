//! A file a command, each the same two steps: its arguments, then `run`.

pub(crate) mod backfill;
pub(crate) mod completions;
pub(crate) mod emit_window;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod prune;
pub(crate) mod query;
pub(crate) mod reduce_day;
pub(crate) mod report;
pub(crate) mod verify;

use crate::cli::Command;
use crate::exit::Exit;
use crate::settings::Settings;

/// Runs the command that was typed.
pub(crate) fn run(command: &Command, settings: &Settings) -> anyhow::Result<Exit> {
    match command {
        Command::ReduceDay(arguments) => reduce_day::run(arguments, settings),
        Command::EmitWindow(arguments) => emit_window::run(arguments, settings),
        Command::Backfill(arguments) => backfill::run(arguments, settings),
        Command::Export(arguments) => export::run(arguments, settings),
        Command::Import(arguments) => import::run(arguments, settings),
        Command::List(arguments) => list::run(arguments, settings),
        Command::Inspect(arguments) => inspect::run(arguments, settings),
        Command::Verify(arguments) => verify::run(arguments, settings),
        Command::Query(arguments) => query::run(arguments, settings),
        Command::Prune(arguments) => prune::run(arguments, settings),
        Command::Report(arguments) => report::run(arguments, settings),
        Command::Generate(arguments) => generate::run(arguments, settings),
        Command::Completions(arguments) => completions::run(arguments, settings),
        Command::Man(arguments) => man::run(arguments, settings),
    }
}

/// Parses the words of `line` as `agg` would: for the tests of each command.
#[cfg(test)]
fn typed(line: &str) -> Result<Command, String> {
    use clap::Parser;
    let words = std::iter::once("agg").chain(line.split_whitespace());
    crate::cli::Cli::try_parse_from(words)
        .map(|cli| cli.command)
        .map_err(|error| crate::message::usage(&error))
}

/// The arguments of the command `$variant` on the line, or the test fails with the refusal.
#[cfg(test)]
macro_rules! arguments {
    ($variant:ident, $line:expr) => {
        match crate::cmd::typed($line) {
            Ok(crate::cli::Command::$variant(arguments)) => arguments,
            other => panic!("{}: {other:?}", $line),
        }
    };
}
#[cfg(test)]
use arguments;
