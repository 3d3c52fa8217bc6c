//! The list of commands, and a file for each with the same two steps: its arguments, then `run`.

pub(crate) mod backfill;
pub(crate) mod changes;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod emit_window;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod nightly;
pub(crate) mod prune;
pub(crate) mod query;
pub(crate) mod reduce_day;
pub(crate) mod report;
pub(crate) mod verify;

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::Common;
use crate::exit::Exit;
use crate::output::{self, ReportForm};
use crate::settings::Settings;
use crate::stdout;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  agg reduce-day listen-20211201.log       one day's log to its partial
  agg emit-window --date 2021-12-07        the top 50 of the week that ends there
  agg backfill --logs /data/logs --emit    a folder of old logs, and all windows
  agg nightly --logs /data/logs            yesterday's log, and what came late
  agg list                                 the days that are stored
  agg query --user 1847261                 the top songs of one user
  agg report --date 2021-12-07 --out week.html    a page to look at

Exit codes:
    0  done, nothing to do, or the reader closed the pipe
    2  wrong usage
   65  bad data, or a refusal that protects data
   66  something to read is missing or unreadable
   73  an output cannot be created
   74  input/output error, or a full disk
   75  locked by another run; try again
  130  stopped by SIGINT; 143 by SIGTERM, 129 by SIGHUP";

/// Exact daily counts of listening logs and the top songs of every country and user, in bounded memory
#[derive(Debug, Parser)]
#[command(name = "agg", version, styles = STYLES, max_term_width = 100, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    ReduceDay(reduce_day::Arguments),
    EmitWindow(emit_window::Arguments),
    Backfill(backfill::Arguments),
    Nightly(nightly::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Verify(verify::Arguments),
    Query(query::Arguments),
    Changes(changes::Arguments),
    Prune(prune::Arguments),
    Report(report::Arguments),
    Generate(generate::Arguments),
    Config(config::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Runs the command that was typed.
pub(crate) fn run(command: &Command, settings: &Settings) -> anyhow::Result<Exit> {
    if settings.output == ReportForm::Json || result_is_printed(command) {
        stdout::check().map_err(output::error)?;
    }
    match command {
        Command::ReduceDay(arguments) => reduce_day::run(arguments, settings),
        Command::EmitWindow(arguments) => emit_window::run(arguments, settings),
        Command::Backfill(arguments) => backfill::run(arguments, settings),
        Command::Nightly(arguments) => nightly::run(arguments, settings),
        Command::Export(arguments) => export::run(arguments, settings),
        Command::Import(arguments) => import::run(arguments, settings),
        Command::List(arguments) => list::run(arguments, settings),
        Command::Inspect(arguments) => inspect::run(arguments, settings),
        Command::Verify(arguments) => verify::run(arguments, settings),
        Command::Query(arguments) => query::run(arguments, settings),
        Command::Changes(arguments) => changes::run(arguments, settings),
        Command::Prune(arguments) => prune::run(arguments, settings),
        Command::Report(arguments) => report::run(arguments, settings),
        Command::Generate(arguments) => generate::run(arguments, settings),
        Command::Config(arguments) => config::run(arguments, &Cli::command(), settings),
        Command::Completions(arguments) => completions::run(arguments, Cli::command(), settings),
        Command::Man(arguments) => man::run(arguments, Cli::command(), settings),
    }
}

/// The first word of a command line that names a command, or `agg`. The line may be wrong.
pub(crate) fn name_in<'a>(words: &'a [OsString], agg: &'a clap::Command) -> &'a str {
    let is_command = |word: &&str| agg.find_subcommand(word).is_some();
    words.iter().filter_map(|word| word.to_str()).find(is_command).unwrap_or(agg.get_name())
}

/// Whether the command's result goes to standard output; other commands print a report there.
fn result_is_printed(command: &Command) -> bool {
    match command {
        Command::List(_)
        | Command::Inspect(_)
        | Command::Verify(_)
        | Command::Query(_)
        | Command::Config(_)
        | Command::Completions(_)
        | Command::Man(_) => true,
        Command::Changes(arguments) => arguments.is_printed(),
        Command::Report(arguments) => arguments.is_printed(),
        Command::Backfill(arguments) => arguments.dry_run,
        Command::Nightly(arguments) => arguments.dry_run,
        Command::Prune(arguments) => arguments.dry_run,
        _ => false,
    }
}

/// Parses the words of `line` as `agg` would: for the tests of each command.
#[cfg(test)]
pub(crate) fn typed(line: &str) -> Result<Command, String> {
    whole(line).map(|cli| cli.command)
}

/// As [`typed`], with the flags that all commands share.
#[cfg(test)]
pub(crate) fn whole(line: &str) -> Result<Cli, String> {
    let words: Vec<OsString> =
        std::iter::once("agg").chain(line.split_whitespace()).map(OsString::from).collect();
    let agg = Cli::command();
    Cli::try_parse_from(&words).map_err(|error| crate::exit::usage(&error, name_in(&words, &agg)))
}

/// The arguments of the command `$variant` on the line, or the test fails with the refusal.
#[cfg(test)]
macro_rules! arguments {
    ($variant:ident, $line:expr) => {
        match crate::cmd::typed($line) {
            Ok(crate::cmd::Command::$variant(arguments)) => arguments,
            other => panic!("{}: {other:?}", $line),
        }
    };
}
#[cfg(test)]
use arguments;
