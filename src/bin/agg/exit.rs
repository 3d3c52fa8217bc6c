//! The one place that turns outcomes and errors into exit codes. The codes are an interface: they
//! are sysexits where those have one, and 128 + signal when a signal stopped the run.

use std::io::{self, Write as _};

use agg::ErrorClass;
use clap::error::{ContextKind, ContextValue};

use crate::message::{self, OrRun};
use crate::output;
use crate::summary::Summary;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, nothing to do, or the reader closed the pipe.
    Done,
    /// The run failed with an error of this class.
    Failed(ErrorClass),
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed(class) => class.exit_code(),
        }
    }

    /// How bad it is among the outcomes of one run: 74 before 73, 65 and 66. A lock (75), which passes by itself, comes
    /// last; a signal, which cut the run short, comes first.
    fn rank(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed(ErrorClass::Usage) => 1,
            Exit::Failed(ErrorClass::Locked) => 2,
            Exit::Failed(ErrorClass::NoInput) => 3,
            Exit::Failed(ErrorClass::Data) => 4,
            Exit::Failed(ErrorClass::CannotCreate) => 5,
            Exit::Failed(ErrorClass::Io) => 6,
            Exit::Failed(ErrorClass::Interrupted(_)) => 7,
        }
    }

    /// How a run with this report ends.
    pub(crate) fn of_report(report: &impl Summary) -> Exit {
        report.failure().map_or(Exit::Done, |error| error.class().into())
    }

    /// The outcome of a run that this error ended.
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        if let Some(error) = error.downcast_ref::<clap::Error>() {
            return if error.use_stderr() { Exit::Failed(ErrorClass::Usage) } else { Exit::Done };
        }
        let class = error.chain().find_map(|cause| cause.downcast_ref::<agg::Error>());
        // An error that is not the library's is a system call of the program's own.
        class.map_or(Exit::Failed(ErrorClass::Io), |error| error.class().into())
    }
}

/// The worst of the failures of one run, the first of several; `None` when nothing failed.
pub(crate) fn worst_of<'a>(
    failures: impl IntoIterator<Item = &'a agg::Error>,
) -> Option<&'a agg::Error> {
    let rank = |error: &agg::Error| Exit::from(error.class()).rank();
    failures.into_iter().reduce(|worst, next| if rank(next) > rank(worst) { next } else { worst })
}

impl From<ErrorClass> for Exit {
    fn from(class: ErrorClass) -> Self {
        Exit::Failed(class)
    }
}

/// Prints what ended the run. It fails only if a help page cannot be written, which it has then reported; a reader that
/// closed the pipe had enough.
pub(crate) fn print(error: &anyhow::Error, command: &str) -> io::Result<()> {
    let help = error.downcast_ref::<clap::Error>().filter(|clap| is_help(clap));
    let Some(clap) = help else {
        message::error(&line_of(error, command));
        return Ok(());
    };
    if clap.use_stderr() {
        // This error is only of a line without a command.
        let _ = io::stderr().write_all(FIRST_STEPS.as_bytes());
        return Ok(());
    }
    let printed = crate::stdout::check();
    let printed = printed.and_then(|()| clap.print()).and_then(|()| io::stdout().flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let kind = error.kind();
            message::error(&output::error(error).to_string());
            Err(kind.into())
        }
        _ => Ok(()),
    }
}

/// An error of a command in one line: what is wrong, and what to do.
pub(crate) fn line_of(error: &anyhow::Error, command: &str) -> String {
    match (error.downcast_ref::<clap::Error>(), error.downcast_ref::<agg::Error>()) {
        (Some(clap), _) => usage(clap, command),
        (_, Some(known)) => match error.downcast_ref::<OrRun>() {
            Some(OrRun(command)) => format!("{known}, or run: {command}"),
            None => message::described(known),
        },
        _ => format!("{error:#}"),
    }
}

/// A wrong command line in one line: what is wrong, the hints, where to read on.
pub(crate) fn usage(error: &clap::Error, command: &str) -> String {
    let text = error.to_string();
    let help = if command == "agg" { String::new() } else { format!("{command} ") };
    let mut message = String::new();
    for paragraph in text.split("\n\n") {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = words.strip_prefix("error: ").unwrap_or(&words).trim_end_matches('.');
        let is_no_help = words.is_empty() || words.starts_with("Usage:");
        if is_no_help || words.starts_with("tip: a similar subcommand") && !is_near_command(error) {
            continue;
        }
        if !message.is_empty() {
            message.push_str("; ");
        }
        let words = words.replace("For more information", "for more information");
        message.push_str(&words.replace("try '--help'", &format!("try 'agg {help}--help'")));
    }
    message
}

/// Changes of a letter after which a word is not taken for another one.
const MAX_CHANGES: usize = 2;

/// Whether the command that is suggested is one that was mistyped, not just one with some of its letters.
fn is_near_command(error: &clap::Error) -> bool {
    let names = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => vec![name.as_str()],
        Some(ContextValue::Strings(names)) => names.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let typed = names(ContextKind::InvalidSubcommand);
    let pairs = names(ContextKind::SuggestedSubcommand)
        .into_iter()
        .flat_map(|name| typed.iter().map(move |typed| strsim::osa_distance(typed, name)));
    pairs.min().is_none_or(|changes| changes <= MAX_CHANGES)
}

/// What is shown to those who type `agg` alone.
const FIRST_STEPS: &str = "\
Top songs of every country and every user, from daily listening logs.

  agg reduce-day listen-20211207.log     count a day's log
  agg emit-window --date 2021-12-07      write the top songs of the week that ends there
  agg nightly --logs /data/logs          both, each night: for a timer or cron

'agg COMMAND --help' explains a command, and 'agg --help' lists all.
";

fn is_help(error: &clap::Error) -> bool {
    use clap::error::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

#[cfg(test)]
mod tests {
    use agg::{Error, ErrorKind};
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_worst_of_several_is_74_then_73_then_65_then_66() {
        let falling = [
            Exit::Failed(ErrorClass::Interrupted(2)),
            Exit::Failed(ErrorClass::Io),
            Exit::Failed(ErrorClass::CannotCreate),
            Exit::Failed(ErrorClass::Data),
            Exit::Failed(ErrorClass::NoInput),
            Exit::Failed(ErrorClass::Locked),
            Exit::Failed(ErrorClass::Usage),
            Exit::Done,
        ];
        assert!(falling.is_sorted_by(|worse, better| worse.rank() > better.rank()));
        let failures = [ErrorKind::NoLogs.into(), Error::damaged("x"), Error::damaged("y")];
        assert_eq!(worst_of(&failures).unwrap().to_string(), "damaged: x");
        assert!(worst_of([]).is_none());
    }

    #[test]
    fn an_error_keeps_its_code_under_added_context() {
        let error = Err::<(), _>(Error::from(ErrorKind::Locked)).context("while emitting");
        assert_eq!(Exit::of(&error.unwrap_err()), Exit::Failed(ErrorClass::Locked));
        assert_eq!(Exit::of(&anyhow::anyhow!("standard output")), Exit::Failed(ErrorClass::Io));
    }

    #[test]
    fn a_wrong_command_line_is_reported_in_one_line() {
        let message = |line: &str| crate::cmd::typed(line).unwrap_err();
        assert_eq!(
            message("emit-window"),
            "the following required arguments were not provided: --date <DAY>; for more information, try 'agg emit-window --help'"
        );
        assert_eq!(
            message("emit-window --date 2021-12-7"),
            "invalid value '2021-12-7' for '--date <DAY>': '2021-12-7' is not a day; write YYYY-MM-DD, \
             from 1970-01-01 to 2199-12-31; for more information, try 'agg emit-window --help'"
        );
        assert_eq!(
            message("lst"),
            "unrecognized subcommand 'lst'; tip: a similar subcommand exists: 'list'; for more information, try 'agg --help'"
        );
        // Not `prune`, which removes days.
        assert_eq!(
            message("upgrade"),
            "unrecognized subcommand 'upgrade'; for more information, try 'agg --help'"
        );
    }
}
