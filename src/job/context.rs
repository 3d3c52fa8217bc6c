//! What every job is given, and how it reports progress.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::warning::Warning;
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, OsFileSystem};
use crate::model::Day;
use crate::store::{Output, Store};

/// Time between two tries to take a lock that another run holds.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Everything that a job is given besides its options.
///
/// # Example
/// ```
/// use agg::budget::Budget;
/// use agg::job::{Context, list};
/// use agg::ErrorKind;
///
/// let context = Context::new("no-such-store", Budget::new(Budget::MIN, 1)?);
/// assert!(matches!(list(&context, None).unwrap_err().kind(), ErrorKind::Missing { .. }));
/// // Another thread, or a handler of signals, ends the job that runs.
/// context.stop.store(15, std::sync::atomic::Ordering::Relaxed);
/// assert!(matches!(context.check_stop().unwrap_err().kind(), ErrorKind::Interrupted(15)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    /// All file operations.
    pub files: Arc<dyn FileSystem>,
    /// Memory and threads.
    pub budget: Budget,
    /// The store's folder.
    pub store: PathBuf,
    /// Number of the signal that asked the run to stop; 0 before any.
    pub stop: Arc<AtomicI32>,
    /// Receives progress and warnings.
    pub observer: Arc<dyn Observer>,
    /// How long to wait for a lock that another run holds.
    pub wait: Duration,
}

impl Context {
    /// A job on this machine's files, without an observer and without signals; change the fields for more.
    #[must_use]
    pub fn new(store: impl Into<PathBuf>, budget: Budget) -> Self {
        Context {
            files: Arc::new(OsFileSystem),
            budget,
            store: store.into(),
            stop: Arc::default(),
            observer: Arc::new(Silent),
            wait: Duration::ZERO,
        }
    }

    /// Takes a lock with `take`; while another run holds it, again and again until the time to wait is over or a signal
    /// comes.
    pub(crate) fn locked<L>(&self, take: impl Fn() -> Result<L>) -> Result<L> {
        let begun = Instant::now();
        loop {
            match take() {
                Err(error) if matches!(error.kind(), ErrorKind::Locked) => {
                    let left = self.wait.saturating_sub(begun.elapsed());
                    if left.is_zero() {
                        return Err(error);
                    }
                    self.check_stop()?;
                    thread::sleep(LOCK_PAUSE.min(left));
                }
                taken => return taken,
            }
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> Store {
        Store::on(Arc::clone(&self.files), &self.store)
    }

    /// The output folder `out`.
    pub(crate) fn output(&self, out: &Path) -> Output {
        Output::on(Arc::clone(&self.files), out)
    }

    /// The threads of a run.
    pub(crate) fn pool(&self) -> Result<rayon::ThreadPool> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.budget.threads)
            .thread_name(|at| format!("agg-{at}"))
            .build()
            .map_err(|error| {
                Error::io("start threads (--threads 1 starts one)", std::io::Error::other(error))
            })
    }

    /// Reports a phase around `work` to the observer; the phase ends even if `work` fails.
    pub(crate) fn phase<T>(
        &self,
        phase: Phase,
        total: Option<u64>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.observer.begin(phase, total);
        let outcome = work();
        self.observer.end(phase);
        outcome
    }

    /// An error once a signal came; checked once a window or piece, so a stop takes well under a second.
    pub fn check_stop(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(ErrorKind::Interrupted(signal).into()),
        }
    }
}

/// A stretch of a run, as progress bars and reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Logs are read, parsed and partitioned; units are bytes of the logs on disk.
    Read,
    /// Rows are sorted, counted and encoded; units are rows.
    Count,
    /// Runs are merged into a partial; units are entries.
    Merge,
    /// A window's tops are chosen and written; units are entries.
    Emit,
    /// Files are made durable and get their names; units are files.
    Publish,
    /// Logs are generated; units are rows.
    Generate,
    /// Runs are written as tables; units are entries.
    Export,
    /// Tables are read into runs; units are rows.
    Import,
}

impl Phase {
    /// All phases, with the name in reports, what is done, and the units of it.
    const WORDS: [(Phase, &str, &str, &str); 8] = [
        (Phase::Read, "read", "reading", "bytes"),
        (Phase::Count, "count", "counting", "rows"),
        (Phase::Merge, "merge", "merging", "entries"),
        (Phase::Emit, "emit", "emitting", "entries"),
        (Phase::Publish, "publish", "publishing", "files"),
        (Phase::Generate, "generate", "generating", "rows"),
        (Phase::Export, "export", "exporting", "entries"),
        (Phase::Import, "import", "importing", "rows"),
    ];

    /// All phases.
    pub const ALL: [Phase; Phase::WORDS.len()] = {
        let mut all = [Phase::Read; Phase::WORDS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = Phase::WORDS[at].0;
            assert!(all[at] as usize == at, "in the order of the variants");
            at += 1;
        }
        all
    };

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Phase::WORDS[self as usize].1
    }

    /// What is done, as progress bars say it.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        Phase::WORDS[self as usize].2
    }

    /// What its units are.
    #[must_use]
    pub const fn units(self) -> &'static str {
        Phase::WORDS[self as usize].3
    }
}

/// A day or a window of a run over many that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which of them.
    pub kind: StepKind,
    /// Its place in the run, from 1.
    pub at: usize,
    /// How many the run has.
    pub of: usize,
    /// The day, or the window's last day.
    pub day: Day,
    /// The word for what became of it, as in reports.
    pub outcome: &'static str,
}

/// What a run over many days does one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A day's logs.
    Day,
    /// A window.
    Window,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StepKind::Day => "day",
            StepKind::Window => "window",
        })
    }
}

/// Receives what a run does. Called from any thread, once a window of the log and once a round of a merge.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// A phase begins, of `total` units if that is known.
    fn begin(&self, phase: Phase, total: Option<u64>);
    /// `units` more units of the phase are done.
    fn advance(&self, phase: Phase, units: u64);
    /// A phase ended.
    fn end(&self, phase: Phase);
    /// A day or window of many begins: the one in place `at`, from 1, `of` so many.
    fn begin_step(&self, _kind: StepKind, _at: usize, _of: usize) {}
    /// A day or window of many took time and ended, or failed.
    fn step(&self, _: &Step) {}
    /// Something that the user should know and that does not stop the run.
    fn warn(&self, warning: &Warning);
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _: Phase, _: Option<u64>) {}
    fn advance(&self, _: Phase, _: u64) {}
    fn end(&self, _: Phase) {}
    fn warn(&self, _: &Warning) {}
}
