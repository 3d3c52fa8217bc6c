//! The jobs called as a library, with budgets far below what the program accepts, so that small logs already spill
//! and small windows already take several passes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use agg::budget::Budget;
use agg::fs::{FileSystem, OsFileSystem};
use agg::job::{self, BackfillOptions, BackfillReport, Context, Silent};
use agg::merge::Stream;
use agg::model::{Batch, Position};
use agg::partial::Partial;
use agg::{ErrorClass, Kind, Result};

/// Sums by (key, song).
pub(crate) type Sums = BTreeMap<(u64, u64), u64>;

/// A context over a folder: `memory` in bytes, which may be tiny.
pub(crate) fn context(folder: &Path, memory: u64, threads: usize) -> Context {
    context_over(Arc::new(OsFileSystem), folder, memory, threads)
}

/// As [`context`], over another file system.
pub(crate) fn context_over(
    files: Arc<dyn FileSystem>,
    folder: &Path,
    memory: u64,
    threads: usize,
) -> Context {
    Context {
        files,
        budget: Budget { memory, threads },
        store: folder.join("agg-store"),
        stop: Arc::new(AtomicI32::new(0)),
        observer: Arc::new(Silent),
        wait: Duration::ZERO,
    }
}

pub(crate) fn open(path: &Path) -> Result<Partial> {
    let file = OsFileSystem.open(path).map_err(|error| agg::Error::io("open", error))?;
    Partial::open(file, path)
}

/// All entries of a run, by walking over its blocks.
pub(crate) fn entries(partial: &Partial, kind: Kind) -> Result<Sums> {
    let mut reader = partial.run(kind).blocks(Position::FIRST..Position::END);
    let (mut batch, mut sums) = (Batch::default(), Sums::new());
    while reader.next(&mut batch)? {
        for entry in batch.iter() {
            let before = sums.insert((entry.key, entry.song), entry.count);
            assert_eq!(before, None, "every pair stands once");
        }
    }
    Ok(sums)
}

/// The bytes of both runs with their index pages: all between header and roots.
pub(crate) fn run_bytes(partial: &[u8]) -> &[u8] {
    let trailer = &partial[partial.len() - 96..];
    let roots = u64::from_le_bytes(trailer[..8].try_into().unwrap());
    &partial[24..usize::try_from(roots).unwrap()]
}

/// Runs a job that must succeed, again while its lock is held: a child that another test has just forked holds all
/// open files, locks among them, until it runs its program.
pub(crate) fn unlocked<T>(job: impl Fn() -> Result<T>) -> T {
    unless_locked(job).unwrap()
}

/// As [`unlocked`], for a job that may fail.
pub(crate) fn unless_locked<T>(mut job: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match job() {
            Err(error) if error.class() == ErrorClass::Locked => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

/// Runs a backfill that no lock stops; it takes the store's lock anew for each day, and its report says which one stopped
/// it.
pub(crate) fn backfilled(context: &Context, options: &BackfillOptions) -> BackfillReport {
    unlocked(|| {
        let mut report = job::backfill(context, options)?;
        report.stopped.take().map_or(Ok(report), Err)
    })
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// A place in something of this length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}
