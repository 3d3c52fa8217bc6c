//! The flags that commands share. [`crate::settings`] gives them their meaning. `cmd/mod.rs` lists the commands, and a
//! command's own flags are in its file beside that.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use agg::budget::Budget;
use agg::model::{Columns, Delimiter};
use agg::output::TopsFormat;
use bytesize::ByteSize;
use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Args, Command, ValueEnum};

/// Taken by every command, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Folder of the partials
    #[arg(long, global = true, value_name = "DIR", default_value = "agg-store")]
    #[arg(env = "AGG_STORE", hide_env_values = true)]
    pub(crate) store: PathBuf,

    /// Peak memory of the run, at least 64MiB
    #[arg(long, global = true, value_name = "SIZE", default_value = "512MiB")]
    #[arg(value_parser = memory, env = "AGG_MEMORY", hide_env_values = true)]
    pub(crate) memory: u64,

    /// Maximum number of worker threads; fewer start if the memory is small [default: the cores]
    #[arg(long, global = true, value_name = "N", env = "AGG_THREADS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Wait for a lock that another run holds, up to this long: 90s, 10m, 1h [without a value: 1h]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "1h")]
    #[arg(env = "AGG_WAIT", hide_env_values = true)]
    pub(crate) wait: Option<Duration>,
    /// Settings file: TOML with flags as keys [default: /etc/agg.toml if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "AGG_CONFIG", hide_env_values = true)]
    // Not the parser of paths, which refuses the empty text, and that means "no file" here.
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) config: Option<PathBuf>,

    /// Increase log verbosity (repeat for more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Show warnings and errors only: no progress bar, no steps, no notes
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print the run's report as one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The rules of good rows, and the limits of a day: shared by the commands that reduce.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Refuse a day if more than this share of its rows is corrupt (0 to 1)
    #[arg(long, value_name = "RATIO", default_value = "0.10", value_parser = ratio)]
    #[arg(env = "AGG_MAX_REJECT_RATIO", hide_env_values = true)]
    pub(crate) max_reject_ratio: f64,

    /// Refuse a day if more than this share of one log's rows or bytes is corrupt (0 to 1)
    #[arg(long, value_name = "RATIO", default_value = "0.5", value_parser = ratio)]
    #[arg(env = "AGG_MAX_LOG_REJECT_RATIO", hide_env_values = true)]
    pub(crate) max_log_reject_ratio: f64,

    /// Refuse a day with fewer good rows
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(env = "AGG_MIN_ROWS", hide_env_values = true)]
    pub(crate) min_rows: u64,

    /// Refuse a day with fewer logs
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(env = "AGG_MIN_LOGS", hide_env_values = true)]
    pub(crate) min_logs: u64,

    /// Count logs of a day that have rows in common, instead of refusing the day
    #[arg(long)]
    pub(crate) allow_duplicates: bool,

    /// Days to add to every date in a name or pattern, -366 to 366: -1 for logs that logrotate dates
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(-366..=366))]
    #[arg(env = "AGG_DATE_OFFSET", hide_env_values = true)]
    pub(crate) date_offset: Option<i32>,

    /// Accept these country codes
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = CountryRule::Iso)]
    #[arg(env = "AGG_COUNTRIES", hide_env_values = true)]
    pub(crate) countries: CountryRule,

    /// Character between two fields of a row: `,`, `;`, `\t` for a tab, or `\xNN`
    #[arg(long, value_name = "CHAR", default_value_t = Delimiter::PIPE)]
    #[arg(env = "AGG_DELIMITER", hide_env_values = true)]
    pub(crate) delimiter: Delimiter,

    /// Fields of a row in their order, `_` for one to ignore: user_id,sng_id,_,country
    #[arg(long, value_name = "NAMES", env = "AGG_COLUMNS", hide_env_values = true)]
    pub(crate) columns: Option<Columns>,

    /// Skip the first line of each log; without --columns, take the columns from it
    #[arg(long, env = "AGG_HEADER", hide_env_values = true)]
    pub(crate) header: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountryRule {
    /// Any two capitals A to Z
    Any,
    /// The 249 assigned codes of ISO 3166-1
    Iso,
}

/// Where windows are and how long they are: shared by the commands that emit them or remove them.
#[derive(Debug, Args)]
pub(crate) struct WindowFolder {
    /// Folder of the emitted windows
    #[arg(long, value_name = "DIR", default_value = "agg-out")]
    #[arg(env = "AGG_OUT", hide_env_values = true)]
    pub(crate) out: PathBuf,

    /// Days in a window, 1 to 3660
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = window_days, env = "AGG_DAYS", hide_env_values = true)]
    pub(crate) days: u32,
}

/// The windows of the commands that emit.
#[derive(Debug, Args)]
pub(crate) struct WindowArguments {
    #[command(flatten)]
    pub(crate) folder: WindowFolder,

    /// Songs of each key, 1 to 10000
    #[arg(long, value_name = "K", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    #[arg(env = "AGG_TOP", hide_env_values = true)]
    pub(crate) top: u32,

    /// Formats of the tops, one or more; tables have a row a song
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', default_value = "text")]
    #[arg(value_parser = tops_format())]
    pub(crate) format: Vec<TopsFormat>,

    /// Emit even if days of the window are not stored; the manifest lists them
    #[arg(long, value_parser = yes_or_no, env = "AGG_ALLOW_MISSING", hide_env_values = true)]
    pub(crate) allow_missing: bool,
}

/// Takes one of the `values` by its name; each has a name and a line of help.
pub(crate) fn one_of<T: Clone + Send + Sync + 'static>(
    values: impl IntoIterator<Item = (T, &'static str, String)>,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<_> = values.into_iter().collect();
    let names = values.iter().map(|(_, name, help)| PossibleValue::new(*name).help(help.clone()));
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(move |typed| {
        let value = values.iter().find(|(_, name, _)| *name == typed);
        value.map(|(value, ..)| value.clone()).ok_or("not one of the values")
    })
}

pub(crate) fn tops_format() -> impl TypedValueParser<Value = TopsFormat> {
    one_of(TopsFormat::all().map(|format| (format, format.name(), format.description().to_owned())))
}

fn memory(typed: &str) -> Result<u64, String> {
    match typed.trim().parse::<ByteSize>() {
        // Sizes beyond 64 bits end there.
        Ok(ByteSize(u64::MAX)) => Err("too large; the maximum is just below 16EiB".to_owned()),
        Ok(ByteSize(bytes)) if bytes >= Budget::MIN => Ok(bytes),
        Ok(_) => Err("too small; the minimum is 64MiB".to_owned()),
        Err(_) => Err("not a size; write it like 512MiB or 1GB".to_owned()),
    }
}

/// A time, typed as `90s`, `10m` or `1h`.
pub(crate) fn duration(typed: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let parts =
        units.into_iter().find_map(|(unit, factor)| Some((typed.strip_suffix(unit)?, factor)));
    let seconds = parts.and_then(|(number, factor)| {
        // `parse` would take a sign.
        let digits = Some(number).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits?.parse::<u32>().ok().map(|number| u64::from(number) * factor)
    });
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "not a duration; write it like 90s, 10m or 1h".to_owned())
}

/// What a variable sets a flag to; nothing is no.
fn yes_or_no(typed: &str) -> Result<bool, String> {
    match typed {
        "yes" | "true" => Ok(true),
        "no" | "false" | "" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

/// A number of days, typed as `35` or `35d`.
pub(crate) fn days(typed: &str) -> Result<u32, String> {
    let number = typed.strip_suffix('d').unwrap_or(typed);
    // `parse` would take a sign.
    let days = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()));
    days.ok_or_else(|| "not a number of days; write it like 35 or 35d".to_owned())
}

/// The days of a window.
pub(crate) fn window_days(typed: &str) -> Result<u32, String> {
    let days = days(typed)?;
    let fits = (1..=3660).contains(&days);
    fits.then_some(days).ok_or_else(|| "a window has 1 to 3660 days".to_owned())
}

/// A number from 0 to 1.
pub(crate) fn ratio(typed: &str) -> Result<f64, String> {
    let ratio = typed.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "not a ratio; write a number from 0 to 1".to_owned())
}

/// The error of a wrong value, which names the environment variable that the value is from instead of a flag that was not
/// typed.
pub(crate) fn naming_variable(
    mut error: clap::Error,
    agg: &Command,
    typed: &[OsString],
) -> clap::Error {
    if let Some(variable) = variable_of(&error, agg, typed) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

fn variable_of(error: &clap::Error, agg: &Command, typed: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let long = flag.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let is_flag = |word: &OsString| {
        let word = word.to_string_lossy();
        word.strip_prefix("--").is_some_and(|word| word.split('=').next() == Some(long))
    };
    let all = std::iter::once(agg).chain(agg.get_subcommands());
    let arguments = all.flat_map(|command| command.get_arguments());
    let variables = arguments.filter(|argument| argument.get_long() == Some(long));
    let variable = variables.filter_map(|argument| argument.get_env()).next()?;
    let is_set = std::env::var_os(variable).is_some();
    (is_set && !typed.iter().any(is_flag)).then(|| variable.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cmd::Cli;

    /// Parses `agg` and the words of `line`.
    fn typed(line: &str) -> Result<Cli, String> {
        crate::cmd::whole(line)
    }

    fn common(line: &str) -> Common {
        typed(line).unwrap().common
    }

    fn refusal(line: &str) -> String {
        typed(line).unwrap_err()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                help.contains(&format!("agg {}", command.get_name())),
                "{}",
                command.get_name()
            );
        }
    }

    #[test]
    fn common_flags_have_the_documented_defaults() {
        let common = common("list");
        assert_eq!(common.store, PathBuf::from("agg-store"));
        assert_eq!(common.memory, Budget::DEFAULT);
        assert_eq!(common.threads, None);
        assert_eq!((common.verbose, common.quiet, common.json), (0, false, false));
    }

    #[test]
    fn common_flags_come_before_or_after_the_command() {
        assert_eq!(common("--store S list").store, PathBuf::from("S"));
        assert_eq!(common("list --store S").store, PathBuf::from("S"));
        assert!(common("--json list").json);
        assert_eq!(common("list -vv").verbose, 2);
    }

    #[test]
    fn environment_variables_come_after_the_common_flags() {
        let command = Cli::command();
        let subcommand = |name| command.find_subcommand(name).unwrap().get_arguments();
        let commands = subcommand("backfill").chain(subcommand("prune"));
        let variables: Vec<_> = (command.get_arguments().chain(commands))
            .filter_map(|argument| {
                Some((argument.get_id().as_str(), argument.get_env()?.to_str()?))
            })
            .collect();
        let expected = [
            ("store", "AGG_STORE"),
            ("memory", "AGG_MEMORY"),
            ("threads", "AGG_THREADS"),
            ("wait", "AGG_WAIT"),
            ("config", "AGG_CONFIG"),
            ("logs", "AGG_LOGS"),
            ("out", "AGG_OUT"),
            ("days", "AGG_DAYS"),
            ("top", "AGG_TOP"),
            ("allow_missing", "AGG_ALLOW_MISSING"),
            ("max_reject_ratio", "AGG_MAX_REJECT_RATIO"),
            ("max_log_reject_ratio", "AGG_MAX_LOG_REJECT_RATIO"),
            ("min_rows", "AGG_MIN_ROWS"),
            ("min_logs", "AGG_MIN_LOGS"),
            ("date_offset", "AGG_DATE_OFFSET"),
            ("countries", "AGG_COUNTRIES"),
            ("delimiter", "AGG_DELIMITER"),
            ("columns", "AGG_COLUMNS"),
            ("header", "AGG_HEADER"),
            ("keep_days", "AGG_KEEP_DAYS"),
            ("keep_emissions", "AGG_KEEP_EMISSIONS"),
            ("out", "AGG_OUT"),
            ("days", "AGG_DAYS"),
        ];
        assert_eq!(variables, expected);
    }

    #[test]
    fn memory_is_a_size_of_at_least_64_mib() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1GB", 1_000_000_000), ("1.5GiB", 3 << 29)] {
            assert_eq!(common(&format!("list --memory {text}")).memory, bytes, "{text}");
        }
        assert_eq!(common("list --memory 67108864").memory, 64 << 20);
        assert_eq!(
            refusal("list --memory 63MiB"),
            "invalid value '63MiB' for '--memory <SIZE>': too small; the minimum is 64MiB; for more information, try 'agg list --help'"
        );
        assert!(refusal("list --memory 99999999999GiB").contains("too large"));
        for wrong in ["lots", "1.2.3GiB", "12parsecs", "NaN"] {
            let text = refusal(&format!("list --memory {wrong}"));
            assert!(text.contains(wrong) && text.contains("write it like 512MiB"), "{text}");
        }
    }

    #[test]
    fn threads_are_1_to_1024() {
        assert_eq!(common("list --threads 3").threads, Some(3));
        assert!(refusal("list --threads 0").contains("0 is not in 1..=1024"));
    }

    #[test]
    fn a_lock_is_waited_for_an_hour_or_the_time_that_is_given() {
        let wait = |flag: &str| common(&format!("list {flag}")).wait.map(|wait| wait.as_secs());
        assert_eq!([wait(""), wait("--wait"), wait("--wait=90s")], [None, Some(3600), Some(90)]);
        assert_eq!([wait("--wait=10m"), wait("--wait=0h")], [Some(600), Some(0)]);
        for wrong in ["1", "h", "+1h", "1d", "-1s"] {
            let message = refusal(&format!("list --wait={wrong}"));
            assert!(message.contains("write it like 90s"), "{wrong}: {message}");
        }
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        assert!(refusal("list -q -v").contains("cannot be used with"));
    }

    #[test]
    fn days_are_typed_with_or_without_their_letter() {
        assert_eq!([days("35"), days("35d")], [Ok(35), Ok(35)]);
        for wrong in ["", "d", "+3", "-3", "3 d", "3dd", "3D", "4294967296"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
        assert!(window_days("3660d").is_ok());
        assert!(window_days("0").is_err() && window_days("3661").is_err());
    }

    #[test]
    fn a_ratio_is_a_number_from_0_to_1() {
        for good in ["0", "1", "0.25", "1e-3"] {
            assert!(ratio(good).is_ok(), "{good}");
        }
        for wrong in ["NaN", "inf", "-0.1", "1.01", "10%", ""] {
            assert!(ratio(wrong).is_err(), "{wrong}");
        }
    }
}
