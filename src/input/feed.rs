//! What comes through a pipe: standard input, a pipe with a name, the standard output of a command. It can be read once, and
//! its size is known at its end.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::lock;
use super::paths::{InputPath, unreadable};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{CommandEnd, FileSystem, RunningCommand};
use crate::model::Day;
use crate::text;

/// Where the bytes come from.
pub(super) enum Feed {
    StandardInput,
    /// A pipe with a path.
    Pipe,
    Command(Box<Command>),
}

/// A command whose standard output is read.
pub(super) struct Command {
    line: OsString,
    day: Day,
    is_started: AtomicBool,
    /// From its start until it was waited for.
    running: Mutex<Option<RunningCommand>>,
    /// From its start until it is read.
    output: Mutex<Option<Box<dyn Read + Send>>>,
    /// Its standard output was read to its end.
    is_read: Arc<AtomicBool>,
}

impl Feed {
    /// That of an input that is not a file; of a path that is one it is a pipe.
    pub(super) fn of(path: InputPath<'_>) -> Self {
        match path {
            InputPath::File { .. } => Feed::Pipe,
            InputPath::StandardInput => Feed::StandardInput,
            InputPath::Command { line, day, .. } => Feed::Command(Box::new(Command {
                line: line.to_owned(),
                day,
                is_started: AtomicBool::default(),
                running: Mutex::default(),
                output: Mutex::default(),
                is_read: Arc::default(),
            })),
        }
    }

    /// Starts a command, unless it was started, so that it works while others are read.
    pub(super) fn start(&self, files: &dyn FileSystem) -> Result<()> {
        let Feed::Command(command) = self else { return Ok(()) };
        if command.is_started.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let day = command.day.to_string();
        let started = files.start_command(&command.line, ("AGG_DAY", &day));
        let (running, output) = started.map_err(ErrorKind::Unreadable)?;
        *lock(&command.running) = Some(running);
        *lock(&command.output) = Some(output);
        Ok(())
    }

    /// Starts reading. Waits for the writer of a pipe.
    pub(super) fn open(&self, files: &dyn FileSystem, path: &Path) -> Result<Box<dyn Read + Send>> {
        match self {
            Feed::StandardInput => {
                files.stdin().map_err(|error| ErrorKind::Unreadable(error).into())
            }
            Feed::Pipe => files.open_pipe(path).map_err(unreadable),
            Feed::Command(command) => {
                self.start(files)?;
                let output = lock(&command.output).take();
                let output = output.ok_or_else(|| io::Error::other("it was read already"));
                let is_read = Arc::clone(&command.is_read);
                Ok(Box::new(Output { output: output.map_err(ErrorKind::Unreadable)?, is_read }))
            }
        }
    }

    /// Whether the writer has done its work, now that all is read: a command has to end with status 0.
    pub(super) fn finish(&self) -> Result<()> {
        let Feed::Command(command) = self else { return Ok(()) };
        let Some(mut running) = lock(&command.running).take() else { return Ok(()) };
        let ended = running.wait().map_err(|error| Error::io("wait for", error))?;
        if ended.status.success() { Ok(()) } else { Err(failed(&ended)) }
    }

    /// The error of a stream that could not be decoded: what a command has to say of its output goes first, if it was read
    /// to its end.
    pub(super) fn blame(&self, error: Error) -> Error {
        match self {
            Feed::Command(command) if command.is_read.load(Ordering::Relaxed) => {
                self.finish().err().unwrap_or(error)
            }
            _ => error,
        }
    }

    /// Asks a command to end.
    pub(super) fn end(&self) {
        if let Feed::Command(command) = self
            && let Some(running) = &*lock(&command.running)
        {
            running.terminate();
        }
    }
}

fn failed(ended: &CommandEnd) -> Error {
    let last_line = Some(text::name(ended.last_line.trim_ascii())).filter(|line| !line.is_empty());
    ErrorKind::CommandFailed { ended: how(ended.status), last_line }.into()
}

/// How a command that failed has ended.
fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The standard output of a command.
struct Output {
    output: Box<dyn Read + Send>,
    is_read: Arc<AtomicBool>,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.output.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        Ok(read)
    }
}
