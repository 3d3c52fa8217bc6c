//! What is asked of an import, and what it answers.

use std::path::PathBuf;

use serde::Serialize;

use super::super::document;
use super::super::reduce_day::ReduceOutcome;
use crate::model::{CountryCodes, Day, PerKind, RowCounts};
use crate::runfile::RunFacts;
use crate::text::json;

/// What to import, and how strictly.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The day.
    pub day: Day,
    /// Parquet files; folders of them; datasets with `kind=…/day=…` below.
    pub tables: Vec<PathBuf>,
    /// Replace a partial of other counts.
    pub force: bool,
    /// Which country codes the tables may have.
    pub countries: CountryCodes,
}

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// The day.
    pub day: Day,
    /// What became of it.
    pub outcome: ReduceOutcome,
    /// Rows of the day; the rejects are unknown unless the tables have them.
    #[serde(flatten)]
    pub counts: RowCounts,
    /// Whether the rejects are known.
    pub rejects_known: bool,
    /// The files, in the order read.
    #[serde(serialize_with = "json::paths")]
    pub tables: Vec<PathBuf>,
    /// Size of the run of each kind.
    #[serde(flatten, serialize_with = "document::run_sizes")]
    pub runs: PerKind<RunFacts>,
    /// Where the partial is.
    #[serde(serialize_with = "json::path")]
    pub partial: PathBuf,
    /// Its size in bytes.
    pub partial_bytes: u64,
    /// Sorted runs that were spilled; 0 when the tables were sorted already.
    pub spilled_runs: usize,
}
