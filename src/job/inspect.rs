//! Looking at the store without changing it: `list`, `inspect`, `verify`.

use std::path::PathBuf;

use super::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Day, InputFacts, PerKind, RowCounts};
use crate::partial::{self, Partial};
use crate::runfile::RunFacts;
use crate::store::Store;

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
    /// Digest of header, roots, metadata and trailer, which vouch for all other bytes.
    pub digest: u128,
    /// Rows of the day.
    pub counts: RowCounts,
    /// The logs it was made from.
    pub inputs: Vec<InputFacts>,
    /// Size of the run of each kind.
    pub runs: PerKind<RunFacts>,
}

impl From<&Partial> for DayFacts {
    fn from(partial: &Partial) -> Self {
        let metadata = partial.metadata();
        DayFacts {
            day: metadata.day,
            path: partial.path().to_owned(),
            bytes: partial.bytes(),
            version: partial.version(),
            digest: partial.digest(),
            counts: metadata.counts(),
            inputs: metadata.inputs.clone(),
            runs: metadata.runs,
        }
    }
}

/// Opens the partial of a day, if there is one, and checks that it is of that day.
pub(super) fn open_day(context: &Context, store: &Store, day: Day) -> Result<Option<Partial>> {
    let Some(file) = store.open_partial(context.files.as_ref(), day)? else { return Ok(None) };
    let path = store.partial_path(day);
    let partial = Partial::open(file, &path)?;
    let found = partial.metadata().day;
    if found == day {
        Ok(Some(partial))
    } else {
        Err(Error::damaged(format!("this is the partial of {found}")).at_offset(0).at(path))
    }
}

/// As [`open_day`], for a day that must be there.
pub(super) fn open_stored(context: &Context, day: Day) -> Result<Partial> {
    let store = Store::new(&context.store);
    let hint =
        format!("'agg list' tells which days are stored, 'agg reduce-day' makes that of {day}");
    let missing = || {
        Error::from(ErrorKind::Missing { what: "the partial", hint }).at(store.partial_path(day))
    };
    open_day(context, &store, day)?.ok_or_else(missing)
}

/// The days that are stored, ascending, and those whose partial's name something else has taken, which fail to open.
fn all_days(context: &Context) -> Result<Vec<Day>> {
    let store = Store::new(&context.store);
    let mut days = store.days(context.files.as_ref())?;
    days.extend(store.impostors(context.files.as_ref())?);
    days.sort_unstable();
    Ok(days)
}

/// The days of the store, ascending; a damaged one carries its error. Reads the footers alone.
pub fn list(context: &Context) -> Result<Vec<(Day, Result<DayFacts>)>> {
    each_stored(context, |day| inspect(context, day))
}

/// Looks at each stored day. One that another run removes meanwhile is left out: it is not stored any more.
fn each_stored(
    context: &Context,
    look: impl Fn(Day) -> Result<DayFacts>,
) -> Result<Vec<(Day, Result<DayFacts>)>> {
    let mut looks = Vec::new();
    for day in all_days(context)? {
        let mut found = look(day);
        if found.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Missing { .. })) {
            // Removed since the folder was listed, or a link that leads nowhere.
            if !all_days(context)?.contains(&day) {
                continue;
            }
            found = look(day);
        }
        context.check_stop()?;
        looks.push((day, found));
    }
    Ok(looks)
}

/// One day's footer.
pub fn inspect(context: &Context, day: Day) -> Result<DayFacts> {
    open_stored(context, day).map(|partial| DayFacts::from(&partial))
}

/// Reads every byte of the given days (all stored days when empty) and checks it: checksums, order,
/// totals against the footer. The outer error is for a store that cannot be listed, or a signal.
///
/// # Example
/// ```
/// use agg::job::{inspect, list, verify};
/// use agg::model::Kind;
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// assert_eq!(inspect(&context, day)?.runs[Kind::User].pairs, 4);
/// assert_eq!(list(&context)?.len(), 1);
/// for (day, checked) in verify(&context, &[])? {
///     assert_eq!(checked?.day, day);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(context: &Context, days: &[Day]) -> Result<Vec<(Day, Result<DayFacts>)>> {
    let read = |day: Day| {
        let partial = open_stored(context, day)?;
        partial::verify(&partial, &|| context.check_stop())?;
        Ok(DayFacts::from(&partial))
    };
    if days.is_empty() {
        return each_stored(context, read);
    }
    let mut results = Vec::new();
    for day in days {
        let outcome = read(*day);
        context.check_stop()?;
        results.push((*day, outcome));
    }
    Ok(results)
}
