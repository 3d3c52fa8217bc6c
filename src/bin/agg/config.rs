//! The settings file: TOML whose keys are the long flags, with the values that the command line takes.
//!
//! Keys before the first table hold for every command: the flags that all commands share, and the flags with an
//! environment variable. A table `[COMMAND]` holds for its command alone and wins over them. The order of settings is:
//! command line, environment, file, default. So a setting of the file becomes the default of its flag, before the command
//! line is parsed. Where there is no settings file, the variables in the file that `AGG_ENV` names take its place.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agg::{Error, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{env_file, exit};

/// Read if it exists and no other file is named.
pub(crate) const DEFAULT_PATH: &str = "/etc/agg.toml";

/// A longer file is not a settings file.
const MAX_BYTES: u64 = 1 << 20;

/// Flags that are decided run by run, besides days.
const NEVER_SET: [&str; 8] =
    ["add", "apply", "config", "dry-run", "force", "from-command", "help", "version"];

/// The refusal of these flags and of days.
const NOT_IN_A_FILE: &str = "`FLAG` cannot be set in a file; type it where it is needed";

/// The refusal of a line that sets more than a variable.
const NEEDS_SHELL: &str = "this line needs a shell, which reads it with nightly.sh; write NAME=VALUE here, or use a settings file (agg.toml)";

/// Minimum likeness of two words, from 0 to 1, to propose one for the other.
const MIN_LIKENESS: f64 = 0.7;

/// A settings file, checked against the definition of the command line.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    settings: Vec<Setting>,
}

/// A flag and its value in the file.
#[derive(Debug, Clone)]
struct Setting {
    /// The command of its table; `None` for a setting that holds for every command.
    command: Option<String>,
    flag: String,
    values: Vec<String>,
    source: FilePlace,
}

/// A line of a settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FilePlace {
    #[serde(rename = "file", serialize_with = "agg::text::json::path")]
    pub(crate) path: Arc<Path>,
    /// From 1.
    pub(crate) line: u64,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub(crate) enum Source {
    Environment {
        variable: String,
    },
    File(FilePlace),
    Default,
    /// It has no default either.
    Unset,
}

/// A flag with its value in force.
#[derive(Debug, Serialize)]
pub(crate) struct InForce {
    pub(crate) flag: String,
    /// As they would be typed; several where the flag takes several.
    pub(crate) values: Vec<String>,
    #[serde(flatten)]
    pub(crate) source: Source,
}

/// The definition `agg` with the settings of the file that `words` or the environment name as defaults.
///
/// # Errors
///
/// [`ErrorKind::Usage`] with file and line for an unknown key, a wrong type or a bad value; [`ErrorKind::Unreadable`].
pub(crate) fn with_file(agg: Command, words: &[OsString]) -> agg::Result<Command> {
    // What is wrong in the words is reported by the parse that follows, and help needs no file.
    let Ok(typed) = agg.clone().ignore_errors(true).try_get_matches_from(words) else {
        return Ok(agg);
    };
    let Some((name, of_command)) = typed.subcommand() else { return Ok(agg) };
    let named = of_command.get_one::<PathBuf>("config").or_else(|| typed.get_one("config"));
    let file = ConfigFile::read(&agg, named.map(PathBuf::as_path))?;
    let mut built = agg.clone();
    built.build();
    let conflicts = |flag: &str| conflicts_with_typed(&built, name, flag, of_command);
    let settings: Vec<_> = (file.of_command(&agg, name).into_iter())
        .filter(|setting| !conflicts(&setting.flag))
        .cloned()
        .collect();
    Ok(settings.iter().fold(agg, |agg, setting| setting.as_default(agg, name)))
}

/// Whether the command line has a flag that excludes `flag`: what is typed wins.
fn conflicts_with_typed(built: &Command, name: &str, flag: &str, typed: &ArgMatches) -> bool {
    let Some(command) = built.find_subcommand(name) else { return false };
    let Some(argument) = argument(command, flag) else { return false };
    let is_typed = |other: &&Arg| {
        let source = typed
            .try_contains_id(other.get_id().as_str())
            .ok()
            .and_then(|_| typed.value_source(other.get_id().as_str()));
        source == Some(ValueSource::CommandLine)
    };
    command.get_arguments().filter(is_typed).any(|other| {
        command.get_arg_conflicts_with(argument).contains(&other)
            || command.get_arg_conflicts_with(other).contains(&argument)
    })
}

/// The value in force for each flag of a command, before its own command line; without a command, for the flags that a
/// file may set for every command.
pub(crate) fn in_force(
    agg: &Command,
    path: Option<&Path>,
    name: Option<&str>,
) -> agg::Result<Vec<InForce>> {
    let file = ConfigFile::read(agg, path)?;
    let flags: Vec<&Arg> = match name {
        Some(name) => {
            let command = find_command(agg, name).map_err(ErrorKind::Usage)?;
            let own = command.get_arguments();
            agg.get_arguments().chain(own).filter(|argument| may_be_set(argument)).collect()
        }
        None => shared(agg),
    };
    let in_force = |argument: &Arg| {
        let flag = argument.get_long().unwrap_or_default().to_owned();
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        let of_environment = variable.and_then(|name| Some((std::env::var_os(&name)?, name)));
        let setting = match name {
            Some(name) => file.of_command(agg, name).into_iter().find(|known| known.flag == flag),
            None => {
                file.settings.iter().find(|known| known.command.is_none() && known.flag == flag)
            }
        };
        let defaults = argument.get_default_values().iter();
        let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy().into_owned()).collect();
        let (values, source) = match (of_environment, setting) {
            (Some((value, name)), _) => {
                (vec![value.to_string_lossy().into_owned()], Source::Environment { variable: name })
            }
            (None, Some(setting)) => (setting.values.clone(), Source::File(setting.source.clone())),
            (None, None) if defaults.is_empty() => (defaults, Source::Unset),
            (None, None) => (defaults, Source::Default),
        };
        InForce { flag, values, source }
    };
    Ok(flags.into_iter().map(in_force).collect())
}

impl ConfigFile {
    /// Reads the named file, or the machine's file if it exists. An empty path means no file.
    fn read(agg: &Command, named: Option<&Path>) -> agg::Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        if path.as_os_str().is_empty() {
            return ConfigFile::read_variables(agg);
        }
        match read_text(path) {
            Ok(text) => ConfigFile::parse(agg, path, &text),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                ConfigFile::read_variables(agg)
            }
            Err(error) => Err(unreadable(error, path)),
        }
    }

    /// Where there is no settings file: the file of variables that the environment names, if it names any.
    fn read_variables(agg: &Command) -> agg::Result<Self> {
        let named = std::env::var_os(env_file::VARIABLE).filter(|named| !named.is_empty());
        let Some(path) = named.map(PathBuf::from) else { return Ok(ConfigFile::default()) };
        let text = read_text(&path).map_err(|error| unreadable(error, &path))?;
        ConfigFile::of_variables(agg, &path, &text)
    }

    fn of_variables(agg: &Command, path: &Path, text: &str) -> agg::Result<Self> {
        let path = Arc::from(path);
        let mut settings: Vec<Setting> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let refusal = |why: String| Error::from(ErrorKind::Usage(why)).at(&path).at_line(line);
            let setting = env_file::setting(text).map_err(|_| refusal(NEEDS_SHELL.to_owned()))?;
            let Some((name, value)) = setting.filter(|(name, _)| *name != "AGG") else { continue };
            let argument = find_variable(agg, name).map_err(refusal)?;
            let flag = argument.get_long().unwrap_or_default().to_owned();
            let values = vec![value.to_owned()];
            check(argument, &flag, &values).map_err(refusal)?;
            let source = FilePlace { path: Arc::clone(&path), line };
            // As in a shell, the last line of a name counts.
            settings.retain(|known| known.flag != flag);
            settings.push(Setting { command: None, flag, values, source });
        }
        Ok(ConfigFile { settings })
    }

    fn parse(agg: &Command, path: &Path, text: &str) -> agg::Result<Self> {
        let lines = Lines { path: Arc::from(path), text };
        let table = DeTable::parse(text).map_err(|error| {
            lines.refusal(error.span().map_or(0, |span| span.start), error.message())
        })?;
        let mut settings = Vec::new();
        for (key, value) in table.get_ref() {
            let at = key.span().start;
            let key: &str = key.get_ref();
            match value.get_ref() {
                DeValue::Table(table) => {
                    let command = find_command(agg, key).map_err(|why| lines.refusal(at, &why))?;
                    for (key, value) in table {
                        let at = key.span().start;
                        let found = find_flag(agg, command, key.get_ref());
                        let argument = found.map_err(|why| lines.refusal(at, &why))?;
                        settings.push(lines.setting(Some(command), argument, at, value)?);
                    }
                }
                _ => {
                    let argument = find_shared(agg, key).map_err(|why| lines.refusal(at, &why))?;
                    settings.push(lines.setting(None, argument, at, value)?);
                }
            }
        }
        Ok(ConfigFile { settings })
    }

    /// The settings that hold for a command: its table's before those of every command.
    fn of_command(&self, agg: &Command, name: &str) -> Vec<&Setting> {
        let own = |setting: &&Setting| setting.command.as_deref() == Some(name);
        let has_own = |flag: &str| self.settings.iter().filter(own).any(|known| known.flag == flag);
        let shared = |setting: &&Setting| {
            setting.command.is_none()
                && !has_own(&setting.flag)
                && takes_shared(agg, name, &setting.flag)
        };
        let all = self.settings.iter();
        all.filter(|setting| own(setting) || shared(setting)).collect()
    }
}

/// Checks the text of a file.
#[cfg(test)]
pub(crate) fn check_file(agg: &Command, text: &str) -> agg::Result<()> {
    ConfigFile::parse(agg, Path::new("agg.toml"), text).map(drop)
}

/// The text of a file that is at most [`MAX_BYTES`] long; its path may be a pipe.
fn read_text(path: &Path) -> io::Result<String> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(invalid("larger than 1 MiB; not a settings file"));
    }
    String::from_utf8(bytes).map_err(|_| invalid("not UTF-8; not a settings file"))
}

fn unreadable(error: io::Error, path: &Path) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::InvalidData => ErrorKind::Usage(error.to_string()),
        _ => ErrorKind::Unreadable(error),
    };
    Error::from(kind).at(path)
}

/// A settings file, to name its lines.
struct Lines<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Lines<'_> {
    fn line(&self, at: usize) -> u64 {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() as u64
    }

    fn refusal(&self, at: usize, why: &str) -> Error {
        Error::from(ErrorKind::Usage(why.to_owned())).at(&self.path).at_line(self.line(at))
    }

    fn setting(
        &self,
        command: Option<&Command>,
        argument: &Arg,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> agg::Result<Setting> {
        let refusal = |why: String| self.refusal(at, &why);
        let flag = argument.get_long().unwrap_or_default().to_owned();
        let values = typed_values(argument, value.get_ref())
            .map_err(|why| refusal(format!("`{flag}` {why}")))?;
        check(argument, &flag, &values).map_err(refusal)?;
        let source = FilePlace { path: Arc::clone(&self.path), line: self.line(at) };
        let command = command.map(|command| command.get_name().to_owned());
        Ok(Setting { command, flag, values, source })
    }
}

impl Setting {
    fn as_default(&self, agg: Command, name: &str) -> Command {
        let default = |argument: Arg| argument.default_values(&self.values).required(false);
        match argument(&agg, &self.flag).map(|argument| argument.get_id().clone()) {
            Some(id) => agg.mut_arg(id, default),
            None => agg.mut_subcommand(name, |command| {
                let id = argument(&command, &self.flag).map(|argument| argument.get_id().clone());
                match id {
                    Some(id) => command.mut_arg(id, default),
                    None => command,
                }
            }),
        }
    }
}

/// The values of a key as they would be typed.
fn typed_values(argument: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    };
    let is_list = matches!(argument.get_action(), ArgAction::Append)
        || argument.get_value_delimiter().is_some();
    let names = argument.get_value_names().unwrap_or_default();
    let is_command = names.iter().any(|name| name == "CMD");
    let wants = match argument.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => "true or false",
        ArgAction::Count => "a number",
        _ if is_list || is_command => "a text or a list of texts",
        _ => "a text or a decimal number",
    };
    let values = match (argument.get_action(), value) {
        // Run as it is: the command line takes such a list as JSON.
        (_, DeValue::Array(list)) if is_command => {
            let words = list.iter().map(|word| word.get_ref().as_str()).collect::<Option<Vec<_>>>();
            words.and_then(|words| serde_json::to_string(&words).ok()).map(|list| vec![list])
        }
        (ArgAction::SetTrue | ArgAction::SetFalse, value) => {
            value.as_bool().map(|set| vec![set.to_string()])
        }
        (_, DeValue::Array(list)) if is_list => {
            list.iter().map(|value| one(value.get_ref())).collect()
        }
        (_, value) => one(value).map(|text| vec![text]),
    };
    let values = values.filter(|values| !values.is_empty());
    values.ok_or_else(|| format!("takes {wants}, not {}", named_type(value)))
}

fn named_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(number) if number.radix() != 10 => "a number in another base",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "this list",
        DeValue::Table(_) => "a table",
    }
}

/// Parses the values as the command line would.
fn check(argument: &Arg, flag: &str, values: &[String]) -> Result<(), String> {
    let names = argument.get_value_names().unwrap_or_default().to_vec();
    let mut alone = Arg::new("value")
        .long(flag.to_owned())
        .value_names(names)
        .allow_negative_numbers(true)
        .action(ArgAction::Append)
        .value_parser(argument.get_value_parser().clone());
    if let Some(delimiter) = argument.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let words = values.iter().map(|value| format!("--{flag}={value}"));
    let parsed = Command::new("agg")
        .disable_help_flag(true)
        .arg(alone)
        .try_get_matches_from(std::iter::once("agg".to_owned()).chain(words));
    parsed.map(drop).map_err(|error| {
        let text = exit::usage(&error, "agg");
        text.split("; for more information").next().unwrap_or_default().to_owned()
    })
}

/// The argument with this long flag.
fn argument<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| argument.get_long() == Some(flag))
}

/// Whether a file may set the flag: not if it is decided run by run.
pub(crate) fn may_be_set(argument: &Arg) -> bool {
    let is_day =
        argument.get_value_names().is_some_and(|names| names.iter().any(|name| name == "DAY"));
    let named = argument.get_long().filter(|flag| !NEVER_SET.contains(flag));
    named.is_some() && !is_day && !argument.is_hide_set()
}

/// The flags that may be set for every command: shared flags, and flags with an environment variable.
pub(crate) fn shared(agg: &Command) -> Vec<&Arg> {
    let mut shared: Vec<&Arg> =
        agg.get_arguments().filter(|argument| may_be_set(argument)).collect();
    for argument in agg.get_subcommands().flat_map(Command::get_arguments) {
        let is_known = shared.iter().any(|known| known.get_env() == argument.get_env());
        if argument.get_env().is_some() && !is_known && may_be_set(argument) {
            shared.push(argument);
        }
    }
    shared
}

/// Whether a setting for every command applies to this command: `report --out` is not the folder of `AGG_OUT`.
fn takes_shared(agg: &Command, name: &str, flag: &str) -> bool {
    let of_command = agg.find_subcommand(name).and_then(|command| argument(command, flag));
    argument(agg, flag).is_some() || of_command.is_some_and(|argument| argument.get_env().is_some())
}

fn find_command<'a>(agg: &'a Command, name: &str) -> Result<&'a Command, String> {
    let commands = || agg.get_subcommands().filter(|command| !command.is_hide_set());
    commands().find(|command| command.get_name() == name).ok_or_else(|| {
        let nearest = nearest(name, commands().map(Command::get_name));
        format!("unknown command `{name}`{nearest}")
    })
}

fn find_flag<'a>(agg: &'a Command, command: &'a Command, flag: &str) -> Result<&'a Arg, String> {
    let known = || agg.get_arguments().chain(command.get_arguments());
    let found = known().find(|argument| argument.get_long() == Some(flag));
    match found {
        Some(argument) if may_be_set(argument) => Ok(argument),
        Some(_) => Err(NOT_IN_A_FILE.replace("FLAG", flag)),
        None => Err(unknown(flag, known())),
    }
}

fn find_shared<'a>(agg: &'a Command, flag: &str) -> Result<&'a Arg, String> {
    let shared = shared(agg);
    let found = shared.iter().find(|argument| argument.get_long() == Some(flag));
    found.copied().ok_or_else(|| {
        let takes = |command: &&Command| {
            argument(command, flag).is_some_and(may_be_set)
        };
        match agg.get_subcommands().find(takes) {
            _ if NEVER_SET.contains(&flag) => NOT_IN_A_FILE.replace("FLAG", flag),
            Some(command) => {
                let name = command.get_name();
                format!("`{flag}` is not a setting for every command; put it in a table such as [{name}]")
            }
            None => unknown(flag, shared.into_iter()),
        }
    })
}

fn find_variable<'a>(agg: &'a Command, name: &str) -> Result<&'a Arg, String> {
    let known = shared(agg);
    let variable = |argument: &&'a Arg| argument.get_env().and_then(OsStr::to_str);
    let found = known.iter().find(|argument| variable(argument) == Some(name));
    found.copied().ok_or_else(|| {
        format!("unknown variable `{name}`{}", nearest(name, known.iter().filter_map(variable)))
    })
}

fn unknown<'a>(flag: &str, known: impl Iterator<Item = &'a Arg>) -> String {
    let names = known.filter(|argument| may_be_set(argument)).filter_map(Arg::get_long);
    format!("unknown key `{flag}`{}", nearest(flag, names))
}

/// `; did you mean ...?` if one of the words is much like this word.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(word, known);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let nearest = nearest.filter(|known| likeness(known) >= MIN_LIKENESS);
    nearest.map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::cmd::Cli;

    const FILE: &str = r#"# the night
store = "/data/store"
memory = "1GiB"
out = "/data/out"
top = 10

[backfill]
logs = ["/data/logs", "/data/more"]
top = 3
format = ["text", "csv"]
allow-missing = true
max-reject-ratio = 0.2

[reduce-day]
logs = "/data/logs"
"#;

    /// A folder with the file `agg.toml`.
    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("agg.toml"), text).unwrap();
        folder
    }

    /// The command line as `agg` parses it with the file `text`.
    fn typed(text: &str, line: &str) -> Cli {
        let folder = folder(text);
        let config = format!("--config={}", folder.path().join("agg.toml").display());
        let words = ["agg", &config].into_iter().chain(line.split_whitespace());
        let words: Vec<OsString> = words.map(OsString::from).collect();
        let agg = with_file(Cli::command(), &words).unwrap();
        Cli::from_arg_matches(&agg.try_get_matches_from(words).unwrap()).unwrap()
    }

    fn refusal(text: &str) -> String {
        ConfigFile::parse(&Cli::command(), Path::new("agg.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_a_table_over_what_is_above_it() {
        let backfill = format!("{:?}", typed(FILE, "backfill --out elsewhere").command);
        for part in [
            r#"logs: ["/data/logs", "/data/more"]"#,
            r#"out: "elsewhere""#,
            "top: 3",
            "format: [Text, Table(Csv)]",
            "allow_missing: true",
            "max_reject_ratio: 0.2",
            "min_rows: 0",
        ] {
            assert!(backfill.contains(part), "{part} in {backfill}");
        }
        let emit = typed(FILE, "--memory 64MiB emit-window --date 2021-12-07");
        assert_eq!((emit.common.memory, emit.common.store), (64 << 20, "/data/store".into()));
        assert!(format!("{:?}", emit.command).contains("top: 10"));
    }

    #[test]
    fn a_flag_that_is_typed_takes_away_the_settings_that_it_excludes() {
        let reduce = typed(FILE, "reduce-day listen-20211201.log");
        assert!(format!("{:?}", reduce.command).contains("places: []"), "{reduce:?}");
        let quiet = "quiet = true";
        assert!(typed(quiet, "list").common.quiet);
        assert!(!typed(quiet, "list -v").common.quiet);
    }

    #[test]
    fn the_folder_of_emissions_is_not_a_setting_of_the_page() {
        let report = typed(FILE, "report --date 2021-12-07 --out week.html");
        assert!(format!("{:?}", report.command).contains("week.html"));
        let no_out: Vec<OsString> =
            ["agg", "report", "--date", "2021-12-07"].map(OsString::from).into();
        assert!(with_file(Cli::command(), &no_out).unwrap().try_get_matches_from(no_out).is_err());
    }

    #[test]
    fn what_is_wrong_in_a_file_is_reported_with_its_line() {
        for (text, line, why) in [
            ("\nmemroy = '1GiB'", 2, "unknown key `memroy`; did you mean `memory`?"),
            (
                "memory = '1MiB'",
                1,
                "invalid value '1MiB' for '--memory <SIZE>': too small; the minimum is 64MiB",
            ),
            ("memory = true", 1, "`memory` takes a text or a decimal number, not true or false"),
            (
                "top = 0x10",
                1,
                "`top` takes a text or a decimal number, not a number in another base",
            ),
            ("top = [1, 2]", 1, "`top` takes a text or a decimal number, not this list"),
            ("top = -1", 1, "invalid value '-1' for '--top <K>': -1 is not in 1..=10000"),
            ("quiet = 1", 1, "`quiet` takes true or false, not a number"),
            ("force = true", 1, "`force` cannot be set in a file; type it where it is needed"),
            ("config = 'x'", 1, "`config` cannot be set in a file; type it where it is needed"),
            (
                "kind = 'user'",
                1,
                "`kind` is not a setting for every command; put it in a table such as [export]",
            ),
            ("[backfil]", 1, "unknown command `backfil`; did you mean `backfill`?"),
            ("[backfill]\nlog = 'x'", 2, "unknown key `log`; did you mean `logs`?"),
            (
                "[backfill]\nfrom = '2021-12-01'",
                2,
                "`from` cannot be set in a file; type it where it is needed",
            ),
            (
                "[backfill]\nformat = []",
                2,
                "`format` takes a text or a list of texts, not this list",
            ),
            (
                "[backfill]\n\nformat = 'cvs'",
                3,
                "invalid value 'cvs' for '--format <FORMAT>' [possible values: text, parquet, csv, jsonl]",
            ),
            (
                "[nightly]\non-success = [1]",
                2,
                "`on-success` takes a text or a list of texts, not this list",
            ),
            ("[backfill.logs]", 1, "`logs` takes a text or a list of texts, not a table"),
            ("[[backfill]]", 1, "unknown key `backfill`"),
            ("top = 1\ntop = 2", 2, "duplicate key"),
            ("top 5", 1, "key with no value, expected `=`"),
        ] {
            let message = refusal(text);
            assert!(
                message.contains("agg.toml") && message.contains(&line.to_string()),
                "{message}"
            );
            assert!(message.ends_with(why), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_missing_foreign_or_huge_is_refused_if_it_is_named() {
        let folder = folder("");
        let read = |name: &str, bytes: Option<&[u8]>| {
            let path = folder.path().join(name);
            if let Some(bytes) = bytes {
                std::fs::write(&path, bytes).unwrap();
            }
            ConfigFile::read(&Cli::command(), Some(&path)).unwrap_err().class()
        };
        assert_eq!(read("missing", None), agg::ErrorClass::NoInput);
        assert_eq!(read("foreign", Some(b"\xff\xfe")), agg::ErrorClass::Usage);
        assert_eq!(read("huge", Some(&vec![b'\n'; 2 << 20])), agg::ErrorClass::Usage);
        let none = ConfigFile::read(&Cli::command(), Some(Path::new("")));
        assert!(none.unwrap().settings.is_empty());
    }

    #[test]
    fn a_file_of_variables_sets_what_the_environment_would() {
        let read = |text| ConfigFile::of_variables(&Cli::command(), Path::new("agg.env"), text);
        let text = "# the night\nAGG=/usr/bin/agg\nAGG_TOP=5\nAGG_TOP=10\nAGG_METRICS=\n";
        let file = read(text).unwrap();
        let set = |name| {
            let of_command = file.of_command(&Cli::command(), name).into_iter();
            of_command.map(|known| known.values.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(set("emit-window"), ["10"]);
        assert_eq!(set("nightly"), ["10", ""]);
        for (text, why) in [
            ("\nexport AGG_TOP=5", ":2: this line needs a shell"),
            ("AGG_TOPP=5", "unknown variable `AGG_TOPP`; did you mean `AGG_TOP`?"),
            ("AGG_TOP=x", "invalid value 'x' for '--top <K>'"),
            ("AGG_ALLOW_MISSING=maybe", "write yes or no"),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.starts_with("\"agg.env\":") && told.contains(why), "{told}");
        }
    }

    #[test]
    fn what_is_in_force_has_its_source() {
        let folder = folder(FILE);
        let path = folder.path().join("agg.toml");
        let shown = |name| {
            let shown = in_force(&Cli::command(), Some(&path), name).unwrap().into_iter();
            let shown = shown.map(|setting| (setting.flag, (setting.values, setting.source)));
            shown.collect::<std::collections::BTreeMap<_, _>>()
        };
        let file = |line| Source::File(FilePlace { path: Arc::from(path.as_path()), line });
        let (all, backfill) = (shown(None), shown(Some("backfill")));
        assert_eq!(all["top"], (vec!["10".to_owned()], file(5)));
        assert_eq!(backfill["top"], (vec!["3".to_owned()], file(9)));
        assert_eq!(backfill["min-rows"], (vec!["0".to_owned()], Source::Default));
        assert_eq!(backfill["metrics"], (Vec::new(), Source::Unset));
        assert!(!all.contains_key("format") && !backfill.contains_key("from"), "{backfill:?}");
        assert!(in_force(&Cli::command(), Some(&path), Some("nightli")).is_err());
    }
}
