//! `--on-success` and `--on-failure`: commands that a night runs when it has ended and holds no lock.
//!
//! A hook is the leader of a process group, which is ended with it if it takes too long, and by a signal to the night. Its
//! standard input is the JSON report, and its standard output goes to standard error, so that the night's own document stays
//! one.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use agg::{Day, ErrorClass};
use clap::Args;

use crate::cli;
use crate::exit::Exit;
use crate::message;

/// How often a running hook is checked.
const STEP: Duration = Duration::from_millis(10);

/// Maximum bytes of the error that a hook is given.
const MAX_ERROR: usize = 32 << 10;

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hook {
    /// For `sh -c`.
    Shell(String),
    /// A program and its arguments.
    Program(String, Vec<String>),
}

impl FromStr for Hook {
    type Err = String;

    /// A JSON list of texts is run as it is; any other text is for the shell.
    fn from_str(text: &str) -> Result<Self, String> {
        let words = serde_json::from_str::<Vec<String>>(text).ok();
        match words.map(|words| (words.first().cloned(), words)) {
            Some((Some(program), words)) => Ok(Hook::Program(program, words[1..].to_vec())),
            Some((None, _)) => Err("an empty list; name a program".to_owned()),
            None if text.trim().is_empty() => Err("empty; name a command".to_owned()),
            None => Ok(Hook::Shell(text.to_owned())),
        }
    }
}

/// The flags of hooks.
#[derive(Debug, Args)]
pub(crate) struct HookArguments {
    /// Run this command after a good night: a text for sh -c, or a JSON list to run as it is
    #[arg(long, value_name = "CMD")]
    pub(crate) on_success: Option<Hook>,

    /// Run this command after a night that failed with 65, 66, 73, 74 or 75
    #[arg(long, value_name = "CMD")]
    pub(crate) on_failure: Option<Hook>,

    /// End a hook that takes longer: 90s, 10m, 1h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = cli::duration)]
    pub(crate) hook_timeout: Duration,
}

/// What a hook is given of a night.
#[derive(Debug)]
pub(crate) struct EndedNight {
    pub(crate) day: Day,
    /// The folder of the day's emission, whether there is one or not.
    pub(crate) out_folder: PathBuf,
    /// Whether this night emitted the window of its day.
    pub(crate) has_emitted: bool,
    /// The first error, in one line; empty after a good night.
    pub(crate) error: String,
    /// The JSON document.
    pub(crate) report: String,
}

impl HookArguments {
    /// Runs the success hook of a good night.
    ///
    /// # Errors
    /// [`ErrorClass::Io`] if it fails: everything that the night published stays.
    pub(crate) fn after_success(&self, night: &EndedNight, stop: &AtomicI32) -> agg::Result<()> {
        let Some(hook) = &self.on_success else { return Ok(()) };
        let ended = hook.run(night, Exit::Done, self.hook_timeout, stop);
        ended.map_err(|error| match stop.load(Ordering::Relaxed) {
            0 => agg::Error::io("run the hook --on-success (the night itself was good)", error),
            signal => agg::ErrorKind::Interrupted(signal).into(),
        })
    }

    /// Runs the failure hook if the night ended with an error that it is for. That the hook fails is a line, and does not
    /// change how the night ended.
    pub(crate) fn after_failure(&self, night: &EndedNight, exit: Exit, stop: &AtomicI32) {
        use ErrorClass::{CannotCreate, Data, Io, Locked, NoInput};
        let Exit::Failed(Data | NoInput | CannotCreate | Io | Locked) = exit else { return };
        let Some(hook) = &self.on_failure else { return };
        if let Err(error) = hook.run(night, exit, self.hook_timeout, stop) {
            message::error(&format!("cannot run the hook --on-failure: {error}"));
        }
    }
}

impl Hook {
    fn run(
        &self,
        night: &EndedNight,
        exit: Exit,
        at_most: Duration,
        stop: &AtomicI32,
    ) -> io::Result<()> {
        let mut command = match self {
            Hook::Shell(line) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(line);
                shell
            }
            Hook::Program(program, arguments) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
        };
        command
            .env("AGG_DAY", night.day.to_string())
            .env("AGG_EXIT_CODE", exit.code().to_string())
            .env("AGG_ERROR", shortened(&night.error))
            .env("AGG_EMITTED", if night.has_emitted { "yes" } else { "no" })
            .env("AGG_OUT_FOLDER", &night.out_folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::from(io::stderr()));
        let mut child = agg::fs::spawn_group(&mut command)?;
        if let Some(mut stdin) = child.stdin.take() {
            let report = format!("{}\n", night.report);
            // Not joined: a hook need not read it, and may leave a process that holds the pipe.
            thread::spawn(move || stdin.write_all(report.as_bytes()));
        }
        success(ended(&mut child, at_most, stop)?)
    }
}

/// The text, or its start: the kernel starts no program with a variable of 128 KiB.
fn shortened(error: &str) -> &str {
    error.get(..error.floor_char_boundary(MAX_ERROR)).unwrap_or(error)
}

/// Waits for the hook; ends its process group when the time is over or a signal has come.
fn ended(child: &mut Child, at_most: Duration, stop: &AtomicI32) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = agg::fs::try_wait_group(child)? {
            return Ok(status);
        }
        let is_late = begun.elapsed() >= at_most;
        if is_late || stop.load(Ordering::Relaxed) != 0 {
            agg::fs::end_group(child)?;
            let why = if is_late { "it took longer than --hook-timeout" } else { "stopped" };
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        thread::sleep(STEP);
    }
}

fn success(status: ExitStatus) -> io::Result<()> {
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_given_the_start_of_a_very_long_error() {
        assert_eq!(shortened("é"), "é");
        assert_eq!(shortened(&"é".repeat(MAX_ERROR)).len(), MAX_ERROR);
        assert_eq!(shortened(&format!("x{}", "é".repeat(MAX_ERROR))).len(), MAX_ERROR - 1);
    }

    #[test]
    fn a_list_is_run_as_it_is_and_all_else_by_the_shell() {
        let hook = |text: &str| text.parse::<Hook>();
        assert_eq!(hook("echo $AGG_DAY"), Ok(Hook::Shell("echo $AGG_DAY".to_owned())));
        assert_eq!(hook("[ -f x ]"), Ok(Hook::Shell("[ -f x ]".to_owned())));
        let list = Hook::Program("curl".to_owned(), vec!["-fsS".to_owned(), "a b".to_owned()]);
        assert_eq!(hook(r#"["curl", "-fsS", "a b"]"#), Ok(list));
        assert!(hook("[]").is_err() && hook(" ").is_err());
    }

    fn night() -> EndedNight {
        EndedNight {
            day: "2021-12-07".parse().unwrap(),
            out_folder: PathBuf::from("/out/2021-12-07"),
            has_emitted: true,
            error: "no log".to_owned(),
            report: r#"{"command":"nightly"}"#.to_owned(),
        }
    }

    fn run(line: &str, at_most: Duration, signal: i32) -> io::Result<()> {
        let hook: Hook = line.parse().unwrap();
        let exit = Exit::Failed(ErrorClass::NoInput);
        hook.run(&night(), exit, at_most, &AtomicI32::new(signal))
    }

    #[test]
    fn a_hook_has_the_night_in_its_environment_and_the_report_on_its_standard_input() {
        let line = r#"test "$AGG_DAY $AGG_EXIT_CODE $AGG_ERROR $AGG_EMITTED $AGG_OUT_FOLDER" = \
                          "2021-12-07 66 no log yes /out/2021-12-07" && grep -q '"nightly"'"#;
        run(line, Duration::from_secs(60), 0).unwrap();
        // It need not read.
        run("true", Duration::from_secs(60), 0).unwrap();
        let failed = run("exit 3", Duration::from_secs(60), 0).unwrap_err();
        assert_eq!(failed.to_string(), "it ended with exit status: 3");
        run("[\"/no/such/program\"]", Duration::from_secs(60), 0).unwrap_err();
    }

    #[test]
    fn a_hook_that_takes_too_long_is_ended_with_all_that_it_started_and_by_a_signal_too() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let line =
            format!("trap '' TERM; sleep 60 & echo $! $$ >{}; wait; sleep 60", pids.display());
        for (at_most, signal) in [(Duration::from_millis(200), 0), (Duration::from_secs(60), 15)] {
            let error = run(&line, at_most, signal).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let started = std::fs::read_to_string(&pids).unwrap_or_default();
            started.split_whitespace().for_each(wait_for_the_end_of);
        }
    }

    /// Returns once a killed process has ended, which can take a moment on a busy machine.
    fn wait_for_the_end_of(pid: &str) {
        let began = Instant::now();
        loop {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{state}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
