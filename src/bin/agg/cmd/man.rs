//! `agg man`: the manual pages, made from the definition of the command line.

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::report;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg man | man -l -                               read it
  agg man reduce-day > man1/agg-reduce-day.1       a command's page, for a package";

/// Print the manual page of agg, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The command [default: agg itself]
    #[arg(value_name = "COMMAND", value_parser = known)]
    command: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<Exit> {
    settings.output.refuse_json("man")?;
    report::print_bytes(&page(arguments.command.as_deref())?)?;
    Ok(Exit::Done)
}

/// The page of a command, or of `agg` itself, as roff.
fn page(command: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut agg = Cli::command();
    // Gives every command the flags that all share, and its name on the page: agg-reduce-day.
    agg.build();
    let described = command.and_then(|name| agg.find_subcommand(name)).unwrap_or(&agg);
    let mut page = Vec::new();
    Man::new(described.clone()).render(&mut page)?;
    Ok(page)
}

/// The name of a command, as typed; else the names there are.
fn known(typed: &str) -> Result<String, String> {
    let agg = Cli::command();
    let names: Vec<&str> = agg.get_subcommands().map(Command::get_name).collect();
    if names.contains(&typed) {
        Ok(typed.to_owned())
    } else {
        Err(format!("no such command, there are: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::typed;
    use super::*;

    #[test]
    fn a_command_s_page_has_its_name_its_flags_and_those_that_all_share() {
        let page = String::from_utf8(page(Some("reduce-day")).unwrap()).unwrap();
        for part in [".TH agg-reduce-day 1", "max\\-reject\\-ratio", "\\-\\-store", "Examples:"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn the_page_of_agg_names_every_command_and_the_exit_codes() {
        let page = String::from_utf8(page(None).unwrap()).unwrap();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name().replace('-', "\\-");
            assert!(page.contains(&format!("agg\\-{name}(1)")), "{name}");
        }
        assert!(page.contains("an output may not be created"));
    }

    #[test]
    fn a_command_that_is_none_is_answered_with_those_there_are() {
        let refusal = typed("man lst").unwrap_err();
        assert!(refusal.contains("no such command") && refusal.contains("reduce-day"), "{refusal}");
    }
}
