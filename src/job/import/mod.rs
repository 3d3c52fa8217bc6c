//! `import`: the two tables of a day, whoever wrote them, to its partial.
//!
//! What `export` wrote carries the day's rows, rejects and logs, and comes back to the last byte. Of a table that
//! another program wrote these are unknown: its rows are those that were counted, its rejects stand as none, and
//! its inputs are the tables themselves.

mod find;
#[cfg(feature = "parquet")]
mod rows;
#[cfg(feature = "parquet")]
mod tables;

use std::path::PathBuf;

use super::Context;
use super::reduce_day::ReduceOutcome;
use crate::error::Result;
use crate::exchange::{TableFormat, check_supported};
use crate::model::{Day, PerKind, RejectCounts};
use crate::partial::RunFacts;

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
    /// All rows of the logs; the counted ones where `known` is false.
    pub rows: u64,
    /// Rejected rows by reason; none where `known` is false.
    pub rejects: RejectCounts,
    /// Whether the tables told rows and rejects.
    pub known: bool,
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

/// Builds the partial of a day from its tables.
///
/// Rows may come in any order and a pair several times, in any number of files. A day that has a partial of the same
/// counts and inputs stays as it is. Memory stays below the budget for tables of any size.
///
/// # Example
/// ```
/// use agg::exchange::TableFormat;
/// use agg::job::{ExportOptions, ImportOptions, Selection, export, import};
/// use agg::model::Kind;
/// # #[cfg(feature = "parquet")] {
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let tables = folder.path().join("tables");
/// let (kinds, selection) = (vec![Kind::Country, Kind::User], Selection::Days(vec![day]));
/// let format = TableFormat::Parquet;
/// export(&context, &ExportOptions { selection, kinds, format, out: tables.clone() })?;
///
/// let other = Context { store: folder.path().join("other"), ..context.clone() };
/// let options = ImportOptions { day, tables: vec![tables], force: false, any_country: false };
/// let imported = import(&other, &options)?;
/// let original = context.store.join("partials/2021-12-01.agg");
/// assert!(std::fs::read(imported.partial)? == std::fs::read(original)?);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotParquet`], [`ErrorKind::BadTable`] and [`ErrorKind::BadRow`] for what is no such table, also where
/// one of both kinds is missing or their sums differ; [`ErrorKind::DayExists`]; [`ErrorKind::Missing`];
/// [`ErrorKind::Locked`]; failures to read and write; [`ErrorKind::Usage`] in a build without Parquet. The store
/// is then what it was.
///
/// [`ErrorKind::NotParquet`]: crate::ErrorKind::NotParquet
/// [`ErrorKind::BadTable`]: crate::ErrorKind::BadTable
/// [`ErrorKind::BadRow`]: crate::ErrorKind::BadRow
/// [`ErrorKind::DayExists`]: crate::ErrorKind::DayExists
/// [`ErrorKind::Missing`]: crate::ErrorKind::Missing
/// [`ErrorKind::Locked`]: crate::ErrorKind::Locked
/// [`ErrorKind::Usage`]: crate::ErrorKind::Usage
pub fn import(context: &Context, options: &ImportOptions) -> Result<ImportReport> {
    check_supported(TableFormat::Parquet)?;
    let found = find::find(context.files.as_ref(), options.day, &options.tables)?;
    import_found(context, options, &found)
}

#[cfg(feature = "parquet")]
use tables::import_found;

#[cfg(not(feature = "parquet"))]
fn import_found(_: &Context, _: &ImportOptions, _: &[PathBuf]) -> Result<ImportReport> {
    Err(crate::ErrorKind::Fault("a build without Parquet has nothing to import with").into())
}
