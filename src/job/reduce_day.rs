//! `reduce-day`: a day's logs to its partial.

use std::path::PathBuf;

use crate::error::Result;
use crate::job::Context;
use crate::model::{Day, InputFacts, RejectCounts};

/// What to reduce, and what to refuse.
#[derive(Debug, Clone)]
pub struct ReduceOptions {
    /// Files, folders, or `-` for standard input.
    pub logs: Vec<PathBuf>,
    /// The day; `None` takes it from the logs' names.
    pub day: Option<Day>,
    /// Replace a partial of other inputs.
    pub force: bool,
    /// Take any two capitals as a country, not the assigned ISO 3166-1 codes alone.
    pub any_country: bool,
    /// Refuse the day when rejects / rows is strictly above this.
    pub max_reject_ratio: f64,
    /// Refuse the day when fewer rows are accepted.
    pub min_rows: u64,
}

impl Default for ReduceOptions {
    fn default() -> Self {
        ReduceOptions {
            logs: Vec::new(),
            day: None,
            force: false,
            any_country: false,
            max_reject_ratio: 0.10,
            min_rows: 0,
        }
    }
}

/// What became of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceOutcome {
    /// The day has a partial now.
    Reduced,
    /// Its partial was replaced.
    Replaced,
    /// It has a partial of the same inputs already; nothing was done.
    Unchanged,
}

/// What a reduction did.
#[derive(Debug, Clone)]
pub struct ReduceReport {
    /// The day.
    pub day: Day,
    /// What became of it.
    pub outcome: ReduceOutcome,
    /// All rows.
    pub rows: u64,
    /// Rejected rows by reason.
    pub rejects: RejectCounts,
    /// The logs, in the order read.
    pub inputs: Vec<InputFacts>,
    /// Distinct users, and distinct (user, song) pairs.
    pub users: Counted,
    /// Distinct countries, and distinct (country, song) pairs.
    pub countries: Counted,
    /// Where the partial is.
    pub partial: PathBuf,
    /// Its size in bytes.
    pub partial_bytes: u64,
    /// Where the rejects file is.
    pub rejects_file: PathBuf,
    /// Runs that were spilled because the rows exceeded the memory; 0 when all fitted.
    pub spilled_runs: usize,
}

/// Size of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Distinct keys.
    pub keys: u64,
    /// Entries: distinct (key, song) pairs.
    pub pairs: u64,
}

/// Reduces the logs of one day to its partial in the store.
pub fn reduce_day(context: &Context, options: &ReduceOptions) -> Result<ReduceReport> {
    let _ = (context, options);
    Err(crate::error::Error::damaged("not built yet"))
}
