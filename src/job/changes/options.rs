//! What is compared, and how the difference is written.

use std::path::PathBuf;

use crate::changes::ChangedBy;
use crate::model::Day;
use crate::output::TopsFormat;

/// Which emissions are compared, and how the difference is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesOptions {
    /// The date of the newer emission.
    pub day: Day,
    /// The date of the other emission; `None` is the newest one before `day` with the same days and songs.
    pub against: Option<Day>,
    /// The output folder of both.
    pub out: PathBuf,
    /// Lines as in the emissions, or a table of songs.
    pub format: TopsFormat,
    /// Which songs are in a table.
    pub by: ChangedBy,
}
