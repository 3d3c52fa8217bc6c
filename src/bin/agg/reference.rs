//! The list of all flags in docs/reference.md and the example of a settings file, made from the definition of the command
//! line.
//!
//! None of this is in the program. The tests compare the files with the generated text; with `UPDATE_REFERENCE=1` in
//! their environment they write it to the files.

use std::path::Path;
use std::{env, fs};

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::cmd::Cli;
use crate::config;

const BEGIN: &str = "<!-- flags: UPDATE_REFERENCE=1 cargo test --bin agg reference -->\n";
const END: &str = "<!-- flags end -->\n";

/// An item of the list: one flag as one or several commands take it.
#[derive(Debug, PartialEq)]
struct FlagRow {
    flag: String,
    value: String,
    variable: String,
    default: String,
    meaning: String,
    commands: Vec<String>,
}

impl FlagRow {
    fn new(argument: &Arg, command: &str) -> Option<Self> {
        let long = argument.get_long().filter(|long| *long != "help")?;
        let short = argument.get_short().map(|short| format!("`-{short}`, "));
        let taken = argument.get_action().takes_values();
        let names = argument.get_value_names().filter(|_| taken).unwrap_or_default();
        // A default that is not a fixed value is in the meaning: [default: the cores].
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let (meaning, default) = match help.split_once(" [default: ") {
            Some((meaning, default)) => {
                (meaning.to_owned(), default.trim_end_matches(']').to_owned())
            }
            None => (help, String::new()),
        };
        let fixed = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        let fixed = fixed.collect::<Vec<_>>().join(",");
        let default = match (taken && !fixed.is_empty(), argument.is_required_set()) {
            (true, _) => format!("`{fixed}`"),
            (false, true) => "needed".to_owned(),
            (false, false) => default,
        };
        Some(FlagRow {
            flag: format!("{}`--{long}`", short.unwrap_or_default()),
            value: [names.join(" "), choices(argument)].concat(),
            variable: argument
                .get_env()
                .map_or_else(String::new, |name| format!("`{}`", name.to_string_lossy())),
            default,
            meaning,
            commands: vec![command.to_owned()],
        })
    }

    fn is_the_flag_of(&self, other: &FlagRow) -> bool {
        (&self.flag, &self.value, &self.variable, &self.default, &self.meaning)
            == (&other.flag, &other.value, &other.variable, &other.default, &other.meaning)
    }

    fn render(&self, all: usize) -> String {
        let commands =
            if self.commands.len() == all { "all".to_owned() } else { self.commands.join(", ") };
        let flag = [self.flag.as_str(), &self.value].join(" ");
        let known = [self.default.as_str(), &self.variable];
        let known =
            known.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { known } else { format!(" [{known}]") };
        format!("- {} ({commands}): {}{known}\n", flag.trim_end(), self.meaning)
    }
}

/// The words that a flag takes, if it takes no others.
fn choices(argument: &Arg) -> String {
    let words = argument.get_possible_values();
    let words = words.iter().filter(|word| !word.is_hide_set()).map(|word| word.get_name());
    let words: Vec<_> = words.collect();
    if words.is_empty() || !argument.get_action().takes_values() {
        String::new()
    } else {
        format!(": `{}`", words.join("`, `"))
    }
}

/// The flags of all commands, sorted by name; flags that several commands take in the same way are listed once.
fn rows(agg: &Command) -> Vec<FlagRow> {
    let mut rows: Vec<FlagRow> = Vec::new();
    for command in agg.get_subcommands().filter(|command| command.get_name() != "help") {
        let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for row in arguments.filter_map(|argument| FlagRow::new(argument, command.get_name())) {
            match rows.iter_mut().find(|known| known.is_the_flag_of(&row)) {
                Some(known) => known.commands.extend(row.commands),
                None => rows.push(row),
            }
        }
    }
    let name = |row: &FlagRow| row.flag.split_once("--").map(|(_, name)| name.to_owned());
    rows.sort_by_key(name);
    rows
}

fn table() -> String {
    let mut agg = Cli::command();
    // Gives every command the flags that all share.
    agg.build();
    let all = agg.get_subcommands().filter(|command| command.get_name() != "help").count();
    rows(&agg).iter().map(|row| row.render(all)).collect()
}

/// The text before the marked part of a page, in it, and after it.
fn marked(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (inside, after) = rest.split_once(END)?;
    Some((before, inside, after))
}

#[test]
fn the_reference_has_the_table_of_all_flags() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, inside, after) = marked(&page).unwrap();
    let table = table();
    if inside == table {
        return;
    }
    if env::var_os("UPDATE_REFERENCE").is_some_and(|wanted| wanted == "1") {
        fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    let missing: Vec<_> = table.lines().filter(|line| !inside.contains(line)).collect();
    let foreign: Vec<_> = inside.lines().filter(|line| !table.contains(line)).collect();
    panic!(
        "docs/reference.md lacks {missing:#?} and has {foreign:#?}: UPDATE_REFERENCE=1 cargo test --bin agg reference"
    );
}

const EXAMPLE: &str = "scripts/ops/agg.toml.example";

/// Every key with its help and default, commented out: first those of every command, then a table a command.
fn example() -> String {
    let agg = Cli::command();
    let mut text = format!(
        "# Settings of agg. Copy this file to {}, or elsewhere and name it with --config or AGG_CONFIG.\n\
         # Remove the # before a key to set it. `agg config` shows what is in force. Use absolute paths: cron and\n\
         # systemd start in another folder than you do.\n#\n\
         # These keys hold for every command; in the table of a command they hold for it alone.\n",
        config::DEFAULT_PATH
    );
    let shared = config::shared(&agg);
    text.extend(shared.iter().map(|argument| key(argument)));
    for command in agg.get_subcommands() {
        let own = command.get_arguments().filter(|argument| config::may_be_set(argument));
        let own = own.filter(|argument| argument.get_env().is_none()).map(key).collect::<String>();
        if !own.is_empty() {
            text += &format!("\n[{}]\n{own}", command.get_name());
        }
    }
    text
}

/// Values that are recommended for flags which do nothing by default.
const RECOMMENDED: [(&str, &str); 2] = [("keep-days", "35"), ("keep-emissions", "35")];

fn key(argument: &Arg) -> String {
    let flag = argument.get_long().unwrap_or_default();
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    let mut default = defaults.collect::<Vec<_>>().join(",");
    if let Some((_, value)) = RECOMMENDED.iter().find(|(recommended, _)| *recommended == flag) {
        help += &format!(" [recommended: {value}]");
        default = (*value).to_owned();
    }
    let value = match (argument.get_action(), default.as_str()) {
        (ArgAction::SetTrue, _) => "false".to_owned(),
        (ArgAction::Count, _) => "0".to_owned(),
        (_, number) if number.parse::<f64>().is_ok() => number.to_owned(),
        (_, text) => format!("\"{text}\""),
    };
    format!("\n# {help}{}\n#{flag} = {value}\n", choices(argument))
}

#[test]
fn the_example_has_every_key_and_is_a_settings_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE);
    let example = example();
    if env::var_os("UPDATE_REFERENCE").is_some_and(|wanted| wanted == "1") {
        fs::write(&path, &example).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        example,
        "UPDATE_REFERENCE=1 writes it"
    );
    // Every key that has a default, set to it.
    let set = example.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.contains(" = ") && !key.starts_with(' ') && !key.ends_with("\"\"") => key,
        _ => line,
    });
    config::check_file(&Cli::command(), &set.collect::<Vec<_>>().join("\n")).unwrap();
}
