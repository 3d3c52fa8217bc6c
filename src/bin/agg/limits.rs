//! Limits that the system puts on a process, as far as a run should not fail by them needlessly.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytesize::ByteSize;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGCHLD, SIGXFSZ};

/// Raises the number of open files to what the system grants, turns the end by a file's size limit
/// into an error of the write, and lets the run wait for its child processes.
///
/// A window opens a partial a day, up to 3,660; the usual soft limit of 1,024 is for programs that
/// still use `select`. `SIGXFSZ` would end the process without a word and with its temporaries left.
/// Where the caller has `SIGCHLD` ignored, the kernel does not keep how a child ended.
pub(crate) fn relax() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused nowhere that is known; if it is, the run goes on with what it has.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // The flags are never asked for: that somebody handles the signals makes the write fail with EFBIG, and keeps the
    // child's status.
    [SIGXFSZ, SIGCHLD].into_iter().try_for_each(|signal| {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map(drop)
    })
}

/// Refuses to begin what the system's limit of the address space would end somewhere in the middle.
///
/// # Errors
/// That the limit is below `memory`, the bytes that the run was promised.
pub(crate) fn check_address_space(memory: u64) -> agg::Result<()> {
    match getrlimit(Resource::As).current {
        Some(limit) if limit < memory => Err(agg::Error::io("start", too_small(limit, memory))),
        _ => Ok(()),
    }
}

fn too_small(limit: u64, memory: u64) -> io::Error {
    let (limit, memory) = (ByteSize::b(limit), ByteSize::b(memory));
    io::Error::other(format!(
        "the address space of a process is limited to {limit} (ulimit -v), less than --memory {memory}: raise the limit or lower --memory"
    ))
}
