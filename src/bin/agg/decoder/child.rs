//! The process that decodes one table and can fail safely: it reads the file that is its standard input, answers on its
//! standard output, which is a socket, and writes to nothing else.
//!
//! It has one thread. Before it opens the file, it limits its memory, and its life, which ends with its parent's. The
//! parent limits its processor time.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::Arc;

use agg::exchange::{Judge, OpenTable, TableDecoder, TableRules, TrustingDecoder};
use agg::fs::OsFileSystem;
use agg::model::CountryCodes;
use agg::row::CountrySet;
use agg::{Error, Result};
use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::wire;
use crate::exit::Exit;
use crate::memory;

/// The subcommand that starts it; only `agg` itself uses it, so no help shows it.
pub(super) const COMMAND: &str = "__decode-table";

/// The arguments of the process, as JSON.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Task {
    /// The process that started it.
    pub(super) parent: u32,
    /// Bytes that it may take above those at its start.
    pub(super) memory: u64,
    /// Bytes of memory of the run.
    pub(super) whole: u64,
    /// Limits of [`TableRules`].
    pub(super) footers: u64,
    pub(super) taken: u64,
    pub(super) pairs: u64,
    pub(super) page: u64,
    pub(super) countries: CountryCodes,
}

/// Decodes a table, when this process was started for that.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    let task = arguments.next().and_then(|task| serde_json::from_str(task.to_str()?).ok());
    let done = task.is_some_and(|task| serve(&task).is_ok());
    Some(if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::Failed(agg::ErrorClass::Usage).code())
    })
}

fn serve(task: &Task) -> io::Result<()> {
    confine(task)?;
    let mut socket = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    match answer(task, &mut socket) {
        Err(error) => {
            let refusal = wire::refusal_to_json(&error).map_err(io::Error::other)?;
            wire::send(&mut socket, wire::REFUSAL, &refusal)?;
            // The parent reads this process's memory before it ends it.
            socket.read(&mut [0]).map(drop)
        }
        Ok(()) => Ok(()),
    }
}

/// Gives up rights that it does not need.
fn confine(task: &Task) -> io::Result<()> {
    // No text of a panic: the parent reports what happened.
    std::panic::set_hook(Box::new(|_| process::abort()));
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before that.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get().cast_unsigned() != task.parent) {
        process::exit(0);
    }
    limit(Resource::Core, 0)?;
    let base = memory::figure("VmSize:").ok_or(io::ErrorKind::Unsupported)?;
    limit(Resource::As, base.saturating_add(task.memory))
}

fn limit(resource: Resource, max: u64) -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    let current = Some(maximum.map_or(max, |maximum| maximum.min(max)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

/// Sends the outline, then the requested row groups, until the requests end.
fn answer(task: &Task, socket: &mut UnixStream) -> Result<()> {
    let known = CountrySet::of(task.countries);
    let judge = Judge::new(|country| known.contains(country));
    let Task { whole: memory, footers, taken, pairs, page, .. } = *task;
    let rules = TableRules { memory, footers, taken, pairs, page, judge };
    let file = Arc::from(OsFileSystem::stdin_file().map_err(|error| Error::io("read", error))?);
    let table = TrustingDecoder.open(file, Path::new(""), rules)?;
    wire::send_outline(socket, table.outline())?;
    #[cfg(debug_assertions)]
    fault(socket);
    let mut request = [0; 8];
    while socket.read_exact(&mut request).is_ok() {
        let group = usize::try_from(u64::from_le_bytes(request)).unwrap_or(usize::MAX);
        send_group(table.as_ref(), group, socket)?;
    }
    Ok(())
}

fn send_group(table: &dyn OpenTable, group: usize, socket: &mut UnixStream) -> Result<()> {
    let mut content = Vec::new();
    table.read(group, &mut |batch| {
        content.clear();
        wire::put_rows(batch, &mut content);
        wire::send(socket, wire::ROWS, &content).map_err(unsent)
    })?;
    wire::send(socket, wire::END, &[]).map_err(unsent)
}

fn unsent(error: io::Error) -> Error {
    Error::io("send an answer", error)
}

/// Failures of decoding for tests, because no file causes them on every machine: `AGG_DECODER_FAULT` names the failure
/// after the outline. Only in debug builds.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "that is what a test asks for")]
fn fault(socket: &UnixStream) {
    let sleep = || loop {
        std::thread::park();
    };
    let Ok(fault) = std::env::var("AGG_DECODER_FAULT") else { return };
    match fault.as_str() {
        "panic" => std::panic::panic_any("as a test asked"),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => sleep(),
        "close" => {
            let _ = socket.shutdown(std::net::Shutdown::Both);
            sleep();
        }
        "exit" => process::exit(0),
        "memory" => drop(std::hint::black_box(vec![1u8; 4 << 30])),
        signal => {
            let signal = signal.parse().ok().and_then(Signal::from_named_raw);
            // Twice: the standard library catches the first SIGSEGV, to print that the stack is full.
            for signal in [signal, signal].into_iter().flatten() {
                let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
            }
        }
    }
}
