//! Looking at the store without changing it: `list`, `inspect`, `verify`.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::job::Context;
use crate::job::reduce_day::Counted;
use crate::model::{Day, InputFacts, RejectCounts};

/// What a partial's footer says of its day.
#[derive(Debug, Clone)]
pub struct DayFacts {
    /// The day.
    pub day: Day,
    /// Where the partial is.
    pub path: PathBuf,
    /// Size of the partial in bytes.
    pub bytes: u64,
    /// Format version.
    pub version: u16,
    /// Digest of the whole partial.
    pub digest: u128,
    /// All rows.
    pub rows: u64,
    /// Rejected rows by reason.
    pub rejects: RejectCounts,
    /// The logs it was made from.
    pub inputs: Vec<InputFacts>,
    /// Users and (user, song) pairs.
    pub users: Counted,
    /// Countries and (country, song) pairs.
    pub countries: Counted,
    /// Blocks of the user run and of the country run.
    pub blocks: [u64; 2],
}

/// The days of the store, ascending; a damaged one carries its error.
pub fn list(context: &Context) -> Result<Vec<(Day, Result<DayFacts>)>> {
    let _ = context;
    Err(Error::damaged("not built yet"))
}

/// One day's footer.
pub fn inspect(context: &Context, day: Day) -> Result<DayFacts> {
    let _ = (context, day);
    Err(Error::damaged("not built yet"))
}

/// Reads every byte of the given days (all stored days when empty) and checks it: checksums, order,
/// totals against the footer. The outer error is for a store that cannot be listed.
pub fn verify(context: &Context, days: &[Day]) -> Result<Vec<(Day, Result<DayFacts>)>> {
    let _ = (context, days);
    Err(Error::damaged("not built yet"))
}
