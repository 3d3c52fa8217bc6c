//! The program `agg`: reads the command line, runs one job of the library, and prints its report.
//!
//! All work on logs, partials and windows is the library's. Here are the command line ([`cli`]), its meaning
//! ([`settings`], [`config`]), what is shown while a job runs ([`progress`], [`logging`]) and after it ([`summary`],
//! [`metrics`]), and the only place that turns an outcome into an exit code ([`exit`], [`failure`]). Tables of other programs are
//! decoded in a child process (`decoder`).

mod cli;
mod cmd;
mod config;
#[cfg(feature = "parquet")]
mod decoder;
mod env_file;
mod exit;
mod failure;
mod hooks;
mod limits;
mod logging;
mod memory;
mod message;
mod metrics;
mod night_file;
mod output;
mod progress;
#[cfg(test)]
mod reference;
mod settings;
mod signals;
mod stdout;
mod summary;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cmd::Cli;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::settings::Settings;

fn main() -> ExitCode {
    #[cfg(feature = "parquet")]
    if let Some(code) = decoder::child::run_if_asked() {
        return code;
    }
    let words: Vec<_> = std::env::args_os().collect();
    // Also for a command line that is wrong, as far as it can be read.
    if words.iter().any(|word| word == "--json") {
        output::want_document();
    }
    failure::end(typed(&words).and_then(run), cmd::name_in(&words, &Cli::command()))
}

/// The command line, with the settings of the environment and the file for all other flags.
fn typed(words: &[OsString]) -> anyhow::Result<Cli> {
    let mut agg = config::with_file(Cli::command(), words)?;
    let matches = agg
        .try_get_matches_from_mut(words)
        .map_err(|error| cli::naming_variable(error, &agg, words))?;
    Ok(Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut agg))?)
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    limits::relax().map_err(|error| agg::Error::io("set the limits of the process", error))?;
    let progress = Progress::on_stderr(cli.common.quiet);
    if io::stdout().is_terminal() {
        summary::group_digits();
    }
    logging::start(&cli.common, &progress);
    let stop = signals::watch().map_err(|error| agg::Error::io("wait for signals", error))?;
    let settings = Settings::new(&cli.common, progress, stop)?;
    cmd::run(&cli.command, &settings)
}
