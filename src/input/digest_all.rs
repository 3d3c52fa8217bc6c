//! Inputs read for their digests alone.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::digest::{Prefix, digest_of_piece};
use super::facts::Finished;
use super::source::Source;
use super::window::{Geometry, Window};
use crate::error::Result;
use crate::fs::FileSystem;

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

/// Bytes of a piece of a digest.
const PIECE: usize = Geometry::REAL.window;

/// Which of these contents, each a length and a digest, a file begins with: its bytes as they are on the disk.
///
/// Cost: reads the file up to the longest of them, and digests a piece more for each. Memory: a piece.
///
/// # Errors
/// Those of the file.
pub fn begins_with(
    files: &dyn FileSystem,
    path: &Path,
    starts: impl IntoIterator<Item = (u64, u128)>,
) -> io::Result<Option<usize>> {
    let mut end = 0;
    let prefixes: Vec<Prefix> = starts
        .into_iter()
        .map(|(bytes, digest)| {
            end = end.max(bytes);
            Prefix::new(bytes, digest)
        })
        .collect();
    if prefixes.is_empty() {
        return Ok(None);
    }
    let file = files.open(path)?;
    let (mut buffer, mut index) = (vec![0; PIECE], 0);
    while index * (PIECE as u64) < end {
        let read = file.read_full_at(&mut buffer, index * PIECE as u64)?;
        let piece = buffer.get(..read).unwrap_or_default();
        let digest = digest_of_piece(piece);
        prefixes.iter().for_each(|prefix| prefix.take(index, piece, digest, PIECE as u64));
        if read < PIECE {
            break;
        }
        index += 1;
    }
    Ok(prefixes.iter().position(Prefix::is_met))
}
