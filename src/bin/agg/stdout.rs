//! Whether standard output was closed when the program was started, as by `>&-`.
//!
//! Rust's runtime opens `/dev/null` in the place of a closed standard stream before `main`, and a run whose result
//! nobody gets would end with 0. Only a function that runs before the runtime can see it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    /// Before `main`, where nothing of std may be used that needs the runtime: a system call and a store.
    #[ctor(unsafe)]
    fn look() {
        let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
        WAS_CLOSED.store(closed, Ordering::Relaxed);
    }
}

/// Fails as a write to a closed standard output does.
pub(crate) fn check() -> io::Result<()> {
    if WAS_CLOSED.load(Ordering::Relaxed) {
        return Err(rustix::io::Errno::BADF.into());
    }
    Ok(())
}
