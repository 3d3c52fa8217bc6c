//! `agg man`: the manual pages, made from the definition of the command line.

use clap::error::ErrorKind;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::exit::Exit;
use crate::output;
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
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(crate) fn run(
    arguments: &Arguments,
    agg: Command,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    settings.output.refuse_json("man")?;
    output::print_bytes(&page(arguments.command.as_deref(), agg)?)?;
    Ok(Exit::Done)
}

/// The page of a command, or of `agg` itself, as roff.
fn page(command: Option<&str>, mut agg: Command) -> anyhow::Result<Vec<u8>> {
    // Gives every command the flags that all share, and its name on the page: agg-reduce-day.
    agg.build();
    let described = match command {
        Some(name) => agg.find_subcommand(name).ok_or_else(|| unknown(name, &agg))?,
        None => &agg,
    };
    let mut page = Vec::new();
    let man = Man::new(described.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if described.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    environment(described).to_writer(&mut page)?;
    remarks(described).to_writer(&mut page)?;
    Ok(page)
}

/// The variables that stand for flags.
fn environment(command: &Command) -> Roff {
    let mut section = Roff::new();
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let flags = shown
        .filter_map(|argument| Some((argument.get_env()?.to_string_lossy(), argument.get_long()?)));
    for (at, (variable, flag)) in flags.enumerate() {
        if at == 0 {
            section.control("SH", ["ENVIRONMENT"]);
        }
        section
            .control("TP", [])
            .text([bold(variable)])
            .text([roman(format!("The same as --{flag}, which goes before it."))]);
    }
    section
}

/// What help shows after the flags: blocks under a heading as they are, which are examples and exit codes, and text.
fn remarks(command: &Command) -> Roff {
    let mut section = Roff::new();
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for block in text.split("\n\n") {
        match block.split_once(":\n") {
            Some((heading, lines)) => {
                section.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
                for line in lines.lines() {
                    section.text([roman(line)]);
                }
                section.control("fi", []);
            }
            None => drop(section.control("PP", []).text([roman(block.replace('\n', " "))])),
        }
    }
    section
}

fn unknown(name: &str, agg: &Command) -> clap::Error {
    let names: Vec<&str> = agg.get_subcommands().map(Command::get_name).collect();
    let text = format!("no such command: '{name}'; the commands are: {}\n", names.join(", "));
    clap::Error::raw(ErrorKind::InvalidValue, text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;
    use crate::exit;

    #[test]
    fn a_command_s_page_has_its_name_its_flags_and_those_that_all_share() {
        let page = String::from_utf8(page(Some("reduce-day"), Cli::command()).unwrap()).unwrap();
        for part in [
            ".TH agg-reduce-day 1",
            "max\\-reject\\-ratio",
            "\\-\\-store",
            ".SH EXAMPLES\n.nf\n",
            ".SH ENVIRONMENT\n.TP\n",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn the_page_of_agg_names_every_command_and_the_exit_codes() {
        let page = String::from_utf8(page(None, Cli::command()).unwrap()).unwrap();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name().replace('-', "\\-");
            assert!(page.contains(&format!("agg\\-{name}(1)")), "{name}");
        }
        assert!(page.contains("an output cannot be created"));
    }

    #[test]
    fn an_unknown_command_is_refused_with_the_list_of_commands() {
        let error = page(Some("lst"), Cli::command()).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Failed(agg::ErrorClass::Usage));
        let refusal = exit::usage(error.downcast_ref().unwrap(), "man");
        assert!(refusal.contains("no such command") && refusal.contains("reduce-day"), "{refusal}");
    }
}
