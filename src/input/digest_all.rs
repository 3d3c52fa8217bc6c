//! Inputs read for their digests alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::facts::Finished;
use super::source::Source;
use super::window::Window;
use crate::error::Result;

/// Reads all inputs for their digests and numbers of rows alone, on `threads` threads.
///
/// `step` gets the bytes on disk of each window, from any thread, and can stop the run.
///
/// # Errors
/// As [`Source::next`] and [`Source::finish`], and the errors of `step`. Of several errors, that of the thread that was
/// started first.
pub fn digest_all(
    source: Source,
    threads: usize,
    step: &(dyn Fn(u64) -> Result<()> + Sync),
) -> Result<Finished> {
    let rows: Vec<AtomicU64> = source.paths().iter().map(|_| AtomicU64::new(0)).collect();
    let failed = AtomicBool::new(false);
    let read = || {
        let mut window = Window::new();
        while !failed.load(Ordering::Relaxed) && source.next(&mut window)? {
            if let Some(rows) = rows.get(window.input) {
                rows.fetch_add(window.count_rows(), Ordering::Relaxed);
            }
            step(window.disk_bytes)?;
        }
        Ok(())
    };
    let read = || {
        read().inspect_err(|_| {
            failed.store(true, Ordering::Relaxed);
            source.stop();
        })
    };
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(read)).collect();
        let first = read();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        std::iter::once(first).chain(others.into_iter().map(join)).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let rows: Vec<u64> = rows.into_iter().map(AtomicU64::into_inner).collect();
    source.finish(&rows)
}
