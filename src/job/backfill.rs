//! `backfill`: a folder of historical logs to partials, and their windows.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::job::Context;
use crate::job::emit_window::{EmitOptions, EmitReport};
use crate::job::reduce_day::{ReduceOptions, ReduceReport};
use crate::model::Day;

/// Which logs, which days, and whether to emit.
#[derive(Debug, Clone)]
pub struct BackfillOptions {
    /// Folder of logs and dated folders.
    pub logs: PathBuf,
    /// First day, if bounded.
    pub from: Option<Day>,
    /// Last day, if bounded.
    pub to: Option<Day>,
    /// Limits of each day; its `logs` and `day` are filled in for each.
    pub reduce: ReduceOptions,
    /// Emit the window of each date; its `day` is filled in for each.
    pub emit: Option<EmitOptions>,
}

/// What became of one day.
#[derive(Debug)]
pub struct BackfillDay {
    /// The day.
    pub day: Day,
    /// Its reduction; a bad day does not stop the others.
    pub reduced: Option<Result<ReduceReport>>,
    /// Its emission, if it was asked for and its window's days are stored.
    pub emitted: Option<Result<EmitReport>>,
    /// Days that its window lacks, if it was to be emitted and was not.
    pub lacking: Vec<Day>,
}

/// What a backfill did.
#[derive(Debug)]
pub struct BackfillReport {
    /// The days, ascending.
    pub days: Vec<BackfillDay>,
    /// Entries of the folder that were passed over, each with the reason.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// Reduces every day whose logs are in the folder, then emits.
pub fn backfill(context: &Context, options: &BackfillOptions) -> Result<BackfillReport> {
    let _ = (context, options);
    Err(Error::damaged("not built yet"))
}
