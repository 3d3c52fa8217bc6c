//! Reads stored days without changing them: `inspect`, `verify`.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::day_inputs::DayInputs;
use super::{Context, document};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Day, PerKind, RowCounts, Rules};
use crate::partial::{self, Partial};
use crate::runfile::RunFacts;
use crate::store::Store;
use crate::text::json;

/// A stored day according to its partial's footer.
#[derive(Debug, Clone, Serialize)]
pub struct DayFacts {
    /// The day.
    pub day: Day,
    /// Where the partial is.
    #[serde(rename = "partial", serialize_with = "json::path")]
    pub path: PathBuf,
    /// Size of the partial in bytes.
    #[serde(rename = "partial_bytes")]
    pub bytes: u64,
    /// Format version.
    pub version: u16,
    /// The rules by which its rows were read; `None` if they are not recorded.
    pub rules: Option<Rules>,
    /// Digest of header, roots, metadata and trailer, whose checksums cover all other bytes.
    #[serde(serialize_with = "json::hex128::serialize")]
    pub digest: u128,
    /// Rows of the day.
    #[serde(flatten)]
    pub counts: RowCounts,
    /// The logs it was made from.
    pub inputs: DayInputs,
    /// Size of the run of each kind.
    #[serde(flatten, serialize_with = "document::run_sizes_and_blocks")]
    pub runs: PerKind<RunFacts>,
}

/// A stored day, or its error.
#[derive(Debug, Clone)]
pub struct CheckedDay {
    /// The day.
    pub day: Day,
    /// The content of its footer, or why it cannot be read.
    pub facts: Result<DayFacts>,
}

/// The result of a verification.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The days that were checked.
    #[serde(serialize_with = "verified")]
    pub days: Vec<CheckedDay>,
}

/// A day with the size and the rows of its partial, or an error.
fn verified<S: Serializer>(
    days: &[CheckedDay],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Verified<'a> {
        day: Day,
        ok: bool,
        partial_bytes: Option<u64>,
        rows: Option<u64>,
        error: Option<&'a Error>,
    }
    serializer.collect_seq(days.iter().map(|CheckedDay { day, facts }| Verified {
        day: *day,
        ok: facts.is_ok(),
        partial_bytes: facts.as_ref().ok().map(|facts| facts.bytes),
        rows: facts.as_ref().ok().map(|facts| facts.counts.rows),
        error: facts.as_ref().err(),
    }))
}

impl DayFacts {
    pub(super) fn new(partial: &Partial, inputs: DayInputs) -> Self {
        let metadata = partial.metadata();
        DayFacts {
            day: metadata.day,
            path: partial.path().to_owned(),
            bytes: partial.bytes(),
            version: partial.version(),
            rules: metadata.rules,
            digest: partial.digest(),
            counts: metadata.counts(),
            inputs,
            runs: metadata.runs,
        }
    }
}

/// Opens the partial of a day, if there is one, and checks that it is of that day.
pub(super) fn open_day(store: &Store, day: Day) -> Result<Option<Partial>> {
    let Some(file) = store.open_partial(day)? else { return Ok(None) };
    let path = store.partial_path(day);
    let partial = Partial::open(file, &path)?;
    let found = partial.metadata().day;
    if found == day {
        Ok(Some(partial))
    } else {
        Err(Error::damaged(format!("this is the partial of {found}")).at_offset(0).at(path))
    }
}

/// As [`open_day`], for a day that must be stored.
pub(super) fn open_stored(context: &Context, day: Day) -> Result<Partial> {
    let store = context.store();
    let hint =
        format!("'agg list' shows which days are stored, 'agg reduce-day' makes that of {day}");
    let missing = || {
        Error::from(ErrorKind::Missing { what: "the partial", hint }).at(store.partial_path(day))
    };
    open_day(&store, day)?.ok_or_else(missing)
}

/// The days that are stored, ascending, and those whose partial's name something else has taken, which fail to open.
fn all_days(context: &Context) -> Result<Vec<Day>> {
    let store = context.store();
    let mut days = store.days()?;
    days.extend(store.impostors()?);
    days.sort_unstable();
    Ok(days)
}

/// Reads each stored day. Without a day that another run removes meanwhile, because it is not stored any more.
pub(super) fn each_stored(
    context: &Context,
    look: impl Fn(Day) -> Result<DayFacts>,
) -> Result<Vec<CheckedDay>> {
    let mut looks = Vec::new();
    for day in all_days(context)? {
        let mut facts = look(day);
        if facts.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Missing { .. })) {
            // Removed since the folder was listed, or a link that leads nowhere.
            if !all_days(context)?.contains(&day) {
                continue;
            }
            facts = look(day);
        }
        context.check_stop()?;
        looks.push(CheckedDay { day, facts });
    }
    Ok(looks)
}

/// One day's footer.
pub fn inspect(context: &Context, day: Day) -> Result<DayFacts> {
    let partial = open_stored(context, day)?;
    Ok(DayFacts::new(&partial, partial.inputs()?.into()))
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
/// assert_eq!(list(&context, None)?.days.len(), 1);
/// for checked in verify(&context, &[])?.days {
///     assert_eq!(checked.facts?.day, checked.day);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(context: &Context, days: &[Day]) -> Result<VerifyReport> {
    let read = |day: Day| {
        let partial = open_stored(context, day)?;
        let verified = partial::verify(&partial, &|| context.check_stop());
        verified.map_err(|error| match partial.inputs() {
            Ok(inputs) => error.made_from(&inputs),
            Err(_) => error,
        })?;
        Ok(DayFacts::new(&partial, DayInputs::stored(context, &partial)))
    };
    if days.is_empty() {
        return Ok(VerifyReport { days: each_stored(context, read)? });
    }
    let mut results = Vec::new();
    for day in days {
        let facts = read(*day);
        context.check_stop()?;
        results.push(CheckedDay { day: *day, facts });
    }
    Ok(VerifyReport { days: results })
}
