//! Shell commands whose output is read: each in a process group of its own, which never outlives its reader.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long a command that is ended may take for that before it is killed; well below the time that a signal leaves a
/// run.
const GRACE: Duration = Duration::from_millis(300);
const STEP: Duration = Duration::from_millis(5);
/// How long a command that has ended may keep its last words: a process that it left may hold its standard error.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Bytes of a line of standard error that are kept.
const LINE_BYTES: usize = 500;

/// The process groups of the commands that run.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Asks all commands that were started in a group of their own to end.
pub fn terminate_commands() {
    signal_all(&groups(), Signal::TERM);
}

/// Kills all commands that were started in a group of their own and have not ended yet: right before the process is ended
/// from a thread that does not own them.
///
/// Threads that start a command later, or wait for one, wait for ever.
pub fn kill_commands() {
    let groups = groups();
    signal_all(&groups, Signal::KILL);
    std::mem::forget(groups);
}

fn signal_all(groups: &BTreeSet<i32>, signal: Signal) {
    for group in groups.iter().filter_map(|group| Pid::from_raw(*group)) {
        // One that has ended needs no signal.
        let _ = kill_process_group(group, signal);
    }
}

fn groups() -> MutexGuard<'static, BTreeSet<i32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A shell command that was started. Dropping it ends its process group: with SIGTERM, and after 300 ms with SIGKILL.
///
/// Its standard input is empty. Its standard error is read all the time, so that the command never waits for that.
#[derive(Debug)]
pub struct RunningCommand {
    /// Gone once it was waited for.
    child: Option<Child>,
    last_line: Arc<Mutex<Vec<u8>>>,
    is_silent: Receiver<()>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// Its exit status, or the signal that ended it.
    pub status: ExitStatus,
    /// The first 500 bytes of the last line of its standard error that was not blank.
    pub last_line: Vec<u8>,
}

impl RunningCommand {
    /// Starts `sh -c line` with a variable besides those of the process; returns its standard output too.
    pub(super) fn start(line: &OsStr, variable: (&str, &str)) -> io::Result<(Self, ChildStdout)> {
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(line).env(variable.0, variable.1);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_group(&mut command)?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let last_line = Arc::default();
        let (done, is_silent) = mpsc::channel();
        let running =
            RunningCommand { child: Some(child), last_line: Arc::clone(&last_line), is_silent };
        let (output, errors) = output.zip(errors).ok_or(io::ErrorKind::BrokenPipe)?;
        let thread = thread::Builder::new().name("command".to_owned()).stack_size(128 << 10);
        thread.spawn(move || {
            read_lines(errors, &last_line);
            // Nobody may want to know.
            let _ = done.send(());
        })?;
        Ok((running, output))
    }

    /// Waits for the command's end.
    ///
    /// # Errors
    /// Those of the system. A second call is an error.
    pub fn wait(&mut self) -> io::Result<CommandEnd> {
        let child = self.child.as_mut().ok_or(io::ErrorKind::NotFound)?;
        has_ended(child, WaitIdOptions::empty())?;
        let status = reap(child)?;
        self.child = None;
        // Or not in time.
        let _ = self.is_silent.recv_timeout(LAST_WORDS);
        let last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(CommandEnd { status, last_line })
    }

    /// Asks its process group to end.
    pub fn terminate(&self) {
        if let Some(child) = &self.child {
            signal_group_of(child, Signal::TERM);
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // There is nobody to report it to.
            let _ = end_group(child);
        }
    }
}

/// Starts a command as the leader of a process group, which ends with the run. To be ended by [`end_group`] or waited for
/// by [`try_wait_group`], not by itself.
///
/// # Errors
/// Those of the system.
pub fn spawn_group(command: &mut std::process::Command) -> io::Result<Child> {
    // Listed before another thread can end the process.
    let mut groups = groups();
    let leader = command.process_group(0).spawn()?;
    groups.insert(leader.id().cast_signed());
    Ok(leader)
}

/// The status of a group's leader, once it has ended.
///
/// # Errors
/// Those of the system.
pub fn try_wait_group(leader: &mut Child) -> io::Result<Option<ExitStatus>> {
    if has_ended(leader, WaitIdOptions::NOHANG)? { reap(leader).map(Some) } else { Ok(None) }
}

/// Ends all processes of the group that a process leads, with SIGTERM and after 300 ms with SIGKILL, and waits for the
/// leader, which was not waited for before.
///
/// # Errors
/// Those of the system.
pub fn end_group(leader: &mut Child) -> io::Result<()> {
    signal_group_of(leader, Signal::TERM);
    let begun = Instant::now();
    while begun.elapsed() < GRACE && matches!(has_ended(leader, WaitIdOptions::NOHANG), Ok(false)) {
        thread::sleep(STEP);
    }
    // Whatever of the group is left.
    signal_group_of(leader, Signal::KILL);
    has_ended(leader, WaitIdOptions::empty())?;
    reap(leader).map(drop)
}

/// The group's number is not another's before its leader was waited for.
fn signal_group_of(leader: &Child, signal: Signal) {
    if let Some(group) = Pid::from_raw(leader.id().cast_signed()) {
        let _ = kill_process_group(group, signal);
    }
}

/// Whether the command has ended. It stays a zombie, so that its number is not given to another.
fn has_ended(child: &Child, options: WaitIdOptions) -> io::Result<bool> {
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Err(rustix::io::Errno::INTR) => {}
            outcome => return Ok(outcome?.is_some()),
        }
    }
}

/// Takes the command off the list and its status from the system.
fn reap(child: &mut Child) -> io::Result<ExitStatus> {
    let mut groups = groups();
    groups.remove(&child.id().cast_signed());
    child.wait()
}

/// Reads standard error to its end, and keeps the last line.
fn read_lines(mut errors: ChildStderr, last_line: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    let mut line = Line::default();
    loop {
        match errors.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                for byte in buffer.get(..read).unwrap_or_default() {
                    line.take(*byte, last_line);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    line.end(last_line);
}

/// The start of the line that is being read.
#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    /// A CR ends a line too: progress is often written that way.
    fn take(&mut self, byte: u8, last_line: &Mutex<Vec<u8>>) {
        match byte {
            b'\n' | b'\r' => self.end(last_line),
            _ if self.0.len() < LINE_BYTES => self.0.push(byte),
            _ => {}
        }
    }

    fn end(&mut self, last_line: &Mutex<Vec<u8>>) {
        let line = std::mem::take(&mut self.0);
        if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            tracing::info!(line = %line.escape_ascii(), "a command's standard error");
            *last_line.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn ended(line: &str) -> (String, CommandEnd) {
        let (mut command, mut output) =
            RunningCommand::start(OsStr::new(line), ("DAY", "2021-12-01")).unwrap();
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        (text, command.wait().unwrap())
    }

    #[test]
    fn a_command_has_its_variable_and_an_empty_standard_input() {
        let (text, end) = ended("cat; echo $DAY");
        assert_eq!((text.as_str(), end.status.code()), ("2021-12-01\n", Some(0)));
    }

    #[test]
    fn status_and_last_line_of_standard_error_are_kept() {
        let end = ended("echo one >&2; echo two >&2; printf '  \\n' >&2; exit 3").1;
        assert_eq!((end.status.code(), end.last_line.as_slice()), (Some(3), &b"two"[..]));
        let end = ended("printf 'first\\r50%%\\rlast' >&2; kill -9 $$").1;
        assert_eq!((end.status.signal(), end.last_line.as_slice()), (Some(9), &b"last"[..]));
        let end = ended("head -c 3000000 /dev/zero | tr '\\0' x >&2").1;
        assert_eq!(end.last_line, [b'x'; LINE_BYTES]);
    }

    #[test]
    fn a_process_that_holds_standard_error_does_not_keep_the_command_from_ending() {
        let end = ended("sleep 60 >/dev/null & echo gone >&2; exit 1").1;
        assert_eq!((end.status.code(), end.last_line.as_slice()), (Some(1), &b"gone"[..]));
    }

    #[test]
    fn dropping_a_command_ends_all_of_its_group_even_one_that_ignores_sigterm() {
        let line = OsStr::new("trap '' TERM; sleep 60 & echo $!; wait; sleep 60");
        let (command, mut output) = RunningCommand::start(line, ("DAY", "")).unwrap();
        let mut pid = [0; 16];
        let read = output.read(&mut pid).unwrap();
        let pid = std::str::from_utf8(&pid[..read]).unwrap().trim().to_owned();
        let group = command.child.as_ref().unwrap().id();
        drop(command);
        assert!(!groups().contains(&group.cast_signed()));
        // Nobody holds the pipe any more.
        assert_eq!(output.read(&mut [0]).unwrap(), 0);
        // A killed process ends when the system has the time for it.
        let began = std::time::Instant::now();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z ")) {
            assert!(began.elapsed().as_secs() < 30, "{}", state());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!std::path::Path::new(&format!("/proc/{group}")).exists());
    }
}
