//! The table of all flags in docs/reference.md, made from the definition of the command line.
//!
//! Nothing of this is in the program. The test compares the marked part of the page with the table; with
//! `UPDATE_REFERENCE=1` in its environment it writes it there.

use std::path::Path;
use std::{env, fs};

use clap::{Arg, Command, CommandFactory};

use crate::cmd::Cli;

const BEGIN: &str = "<!-- flags: UPDATE_REFERENCE=1 cargo test --bin agg reference -->\n";
const END: &str = "<!-- flags end -->\n";

/// A row of the table: one flag as one or several commands take it.
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
        // What is no fixed value stands in the meaning: [default: the cores].
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let (meaning, told) = match help.split_once(" [default: ") {
            Some((meaning, told)) => (meaning.to_owned(), told.trim_end_matches(']').to_owned()),
            None => (help, String::new()),
        };
        let fixed = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        let fixed = fixed.collect::<Vec<_>>().join(",");
        let default = match (taken && !fixed.is_empty(), argument.is_required_set()) {
            (true, _) => format!("`{fixed}`"),
            (false, true) => "needed".to_owned(),
            (false, false) => told,
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
        let cell = |text: &str| text.replace('|', "\\|");
        let commands =
            if self.commands.len() == all { "all".to_owned() } else { self.commands.join(", ") };
        format!(
            "| {} | {} | {} | {} | {} | {commands} |\n",
            self.flag,
            cell(&self.value),
            self.variable,
            cell(&self.default),
            cell(&self.meaning),
        )
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

/// The flags of all commands, sorted by name; those that several commands take in the same way stand once.
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
    let mut table = "| flag | value | environment | default | | commands |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    table.extend(rows(&agg).iter().map(|row| row.render(all)));
    table
}

/// What stands before the marked part of a page, in it, and behind it.
fn marked(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (inside, behind) = rest.split_once(END)?;
    Some((before, inside, behind))
}

#[test]
fn the_reference_has_the_table_of_all_flags() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, inside, behind) = marked(&page).unwrap();
    let table = table();
    if inside == table {
        return;
    }
    if env::var_os("UPDATE_REFERENCE").is_some_and(|wanted| wanted == "1") {
        fs::write(&path, [before, BEGIN, &table, END, behind].concat()).unwrap();
        return;
    }
    let missing: Vec<_> = table.lines().filter(|line| !inside.contains(line)).collect();
    let foreign: Vec<_> = inside.lines().filter(|line| !table.contains(line)).collect();
    panic!(
        "docs/reference.md lacks {missing:#?} and has {foreign:#?}: UPDATE_REFERENCE=1 cargo test --bin agg reference"
    );
}
