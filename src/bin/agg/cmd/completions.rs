//! `agg completions`: what a shell needs to complete `agg`'s words.

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  agg completions bash > ~/.local/share/bash-completion/completions/agg
  agg completions zsh > \"${fpath[1]}/_agg\"
  agg completions fish > ~/.config/fish/completions/agg.fish";

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Which,
}

/// The shells whose completions are tested.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(
    arguments: &Arguments,
    agg: Command,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    settings.output.refuse_json("completions")?;
    output::print_bytes(&script(arguments.shell, agg))?;
    Ok(Exit::Done)
}

fn script(shell: Which, mut agg: Command) -> Vec<u8> {
    let shell = match shell {
        Which::Bash => Shell::Bash,
        Which::Zsh => Shell::Zsh,
        Which::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut agg, "agg", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::{Cli, typed};
    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in [Which::Bash, Which::Zsh, Which::Fish] {
            let script = String::from_utf8(script(shell, Cli::command())).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell:?} {}", command.get_name());
            }
        }
    }

    #[test]
    fn another_shell_is_refused_with_the_list_of_shells() {
        let refusal = typed("completions csh").unwrap_err();
        assert!(refusal.contains("bash, zsh, fish"), "{refusal}");
    }
}
