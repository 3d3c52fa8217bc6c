//! `emit-window`: the partials of a window to the top songs of every country and every user.

use std::path::PathBuf;

use crate::error::Result;
use crate::job::Context;
use crate::model::{Day, RejectCounts};

/// Which window, how many songs, and where to.
#[derive(Debug, Clone)]
pub struct EmitOptions {
    /// The window's last day.
    pub day: Day,
    /// Days in the window, 1 to 3,660.
    pub days: u32,
    /// Songs of each key, 1 to 10,000.
    pub top: u32,
    /// The output folder.
    pub out: PathBuf,
    /// Emit without the days that have no partial.
    pub allow_missing: bool,
    /// Publish over an emission that knew more days.
    pub force: bool,
}

impl EmitOptions {
    /// The usual window: 7 days, 50 songs.
    #[must_use]
    pub fn new(day: Day, out: PathBuf) -> Self {
        EmitOptions { day, days: 7, top: 50, out, allow_missing: false, force: false }
    }
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmittedFile {
    /// Where it is, published.
    pub path: PathBuf,
    /// Lines, one a key.
    pub keys: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3-64 of its bytes.
    pub xxh3_64: u64,
}

/// What an emission did.
#[derive(Debug, Clone)]
pub struct EmitReport {
    /// The window's last day.
    pub day: Day,
    /// The folder that was published.
    pub folder: PathBuf,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// The files.
    pub files: Vec<EmittedFile>,
    /// Rows of the days.
    pub rows: u64,
    /// Rejected rows of the days by reason.
    pub rejects: RejectCounts,
    /// Entries read from the partials.
    pub entries: u64,
}

/// Merges the window's partials and publishes its two files and manifest.
pub fn emit_window(context: &Context, options: &EmitOptions) -> Result<EmitReport> {
    let _ = (context, options);
    Err(crate::error::Error::damaged("not built yet"))
}
