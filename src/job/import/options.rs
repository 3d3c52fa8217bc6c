//! What is asked of an import, and what it answers.

use std::path::PathBuf;

use super::super::reduce_day::ReduceOutcome;
use crate::model::{Day, PerKind, RowCounts};
use crate::runfile::RunFacts;

/// What to import, and how strictly.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The day.
    pub day: Day,
    /// Parquet files; folders of them; datasets with `kind=…/day=…` below.
    pub tables: Vec<PathBuf>,
    /// Replace a partial of other counts.
    pub force: bool,
    /// Take any two capitals as a country, not the assigned ISO 3166-1 codes alone.
    pub any_country: bool,
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct ImportReport {
    /// The day.
    pub day: Day,
    /// What became of it.
    pub outcome: ReduceOutcome,
    /// Rows of the day; the rejects are unknown unless the tables have them.
    pub counts: RowCounts,
    /// The files, in the order read.
    pub tables: Vec<PathBuf>,
    /// Size of the run of each kind.
    pub runs: PerKind<RunFacts>,
    /// Where the partial is.
    pub partial: PathBuf,
    /// Its size in bytes.
    pub partial_bytes: u64,
    /// Sorted runs that were spilled; 0 when the tables were sorted already.
    pub spilled_runs: usize,
}
