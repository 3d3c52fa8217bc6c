//! What the program's standard streams are: how wide a terminal is, and whether standard output took no bytes when the
//! program was started: closed, as by `>&-`, or open for reading alone, as
//! by `1</dev/null`.
//!
//! Rust's runtime opens `/dev/null` in the place of a closed standard stream before `main`, and ignores the error of one
//! that cannot be written, so a run whose result is lost would end with 0. Only a function that runs before the
//! runtime can see the first.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, fcntl_getfl};

static IS_WRITABLE: AtomicBool = AtomicBool::new(true);

ctor::declarative::ctor! {
    /// Runs before `main`, so it may use only the parts of std that need no runtime: a system call and a store.
    #[ctor(unsafe)]
    fn look() {
        let flags = fcntl_getfl(rustix::stdio::stdout());
        IS_WRITABLE.store(flags.is_ok_and(takes_bytes), Ordering::Relaxed);
    }
}

fn takes_bytes(flags: OFlags) -> bool {
    // Read-only is 0, so there is no flag for it.
    let is_for_writing = flags.intersects(OFlags::WRONLY | OFlags::RDWR);
    is_for_writing && !flags.contains(OFlags::PATH)
}

/// Fails as a write to such a standard output does.
pub(crate) fn check() -> io::Result<()> {
    if IS_WRITABLE.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(rustix::io::Errno::BADF.into())
}
/// Columns of the terminal that standard error is.
pub(crate) fn columns_of_stderr() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}
