//! `import`: the two tables of a day, from any program, to its partial.
//!
//! What `export` wrote carries the day's rows, rejects and logs, and comes back to the last byte. A table of another
//! program lacks these: the day's rows are the counted rows, its rejects are unknown, and its inputs are the tables
//! themselves.

mod find;
mod options;
mod record;
#[cfg(feature = "parquet")]
mod rows;
#[cfg(feature = "parquet")]
mod table;
#[cfg(feature = "parquet")]
mod tables;

#[cfg(not(feature = "parquet"))]
use std::path::PathBuf;

use super::Context;
use crate::error::Result;
use crate::exchange::{TableFormat, check_supported};

pub use options::{ImportOptions, ImportReport};

/// Builds the partial of a day from its tables.
///
/// Rows may come in any order and a pair several times, in any number of files. A day that has a partial of the same
/// counts and inputs stays as it is. Memory stays below the budget for tables of any size.
///
/// Tables are decoded in this process, which trusts them: a malicious file may end the process, or take any memory or
/// time. `import_with` takes a decoder that does not; the program `agg` passes one that decodes in a child process.
/// (Both are in builds with Parquet.)
///
/// # Example
/// ```
/// use agg::exchange::TableFormat;
/// use agg::job::{ExportOptions, ImportOptions, Selection, export, import};
/// use agg::model::{CountryCodes, Kind};
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
/// let (tables, countries) = (vec![tables], CountryCodes::Iso);
/// let options = ImportOptions { day, tables, force: false, countries };
/// let imported = import(&other, &options)?;
/// let original = context.store.join("partials/2021-12-01.agg");
/// assert!(std::fs::read(imported.partial)? == std::fs::read(original)?);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotParquet`], [`ErrorKind::BadTable`] and [`ErrorKind::BadRow`] for a file that is not such a table,
/// also if a kind is missing or the sums of both kinds differ; [`ErrorKind::OtherCounts`]; [`ErrorKind::Missing`];
/// [`ErrorKind::Locked`]; failures to read and write; [`ErrorKind::Usage`] in a build without Parquet. The store is
/// then what it was.
///
/// [`ErrorKind::NotParquet`]: crate::ErrorKind::NotParquet
/// [`ErrorKind::BadTable`]: crate::ErrorKind::BadTable
/// [`ErrorKind::BadRow`]: crate::ErrorKind::BadRow
/// [`ErrorKind::OtherCounts`]: crate::ErrorKind::OtherCounts
/// [`ErrorKind::Missing`]: crate::ErrorKind::Missing
/// [`ErrorKind::Locked`]: crate::ErrorKind::Locked
/// [`ErrorKind::Usage`]: crate::ErrorKind::Usage
pub fn import(context: &Context, options: &ImportOptions) -> Result<ImportReport> {
    check_supported(TableFormat::Parquet)?;
    #[cfg(feature = "parquet")]
    return import_with(context, options, &crate::exchange::TrustingDecoder);
    #[cfg(not(feature = "parquet"))]
    Err(crate::ErrorKind::Fault("a build without Parquet has nothing to import with").into())
}

/// As [`import`], with tables that `decoder` reads.
///
/// # Errors
/// Those of [`import`], and those of the decoder.
#[cfg(feature = "parquet")]
pub fn import_with(
    context: &Context,
    options: &ImportOptions,
    decoder: &dyn crate::exchange::TableDecoder,
) -> Result<ImportReport> {
    let found = find::find(context.files.as_ref(), options.day, &options.tables)?;
    tables::import_found(context, options, &found, decoder)
}
