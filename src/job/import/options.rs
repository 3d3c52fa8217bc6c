//! The options of an import, and its report.

use std::path::PathBuf;

use serde::Serialize;

use super::super::document;
use super::super::reduce_day::ReduceOutcome;
use crate::model::{CountryCodes, Day, PerKind, RowCounts};
use crate::runfile::RunFacts;
use crate::text::json;

/// The tables to import, and the checks.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The day.
    pub day: Day,
    /// Parquet files; folders of them; datasets with `kind=…/day=…` below.
    pub tables: Vec<PathBuf>,
    /// Replace a partial of other counts.
    pub force: bool,
    /// The country codes that the tables may have.
    pub countries: CountryCodes,
}

/// The report of an import.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// The day.
    pub day: Day,
    /// Its outcome.
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
