//! `prune`: removes old days from the store.
//!
//! Days are counted from the newest partial and not from today, so a pipeline that stood still for a month loses
//! nothing when it starts again. A newest day in the future is refused, because its date is wrong. A partial goes
//! before its rejects file, and its folder is synced between: a kill at any instant leaves whole days, and perhaps a
//! rejects file without a partial, which the next run removes.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Context;
use super::inspect::open_stored;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Day;
use crate::store::{self, Store, StoreLock};

/// How many days stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneOptions {
    /// The newest days that stay, at least [`PruneOptions::MIN_DAYS`].
    pub keep_days: u32,
    /// Only report what would go: nothing is touched, no lock is taken.
    pub dry_run: bool,
}

impl PruneOptions {
    /// Two windows of a week and a day: fewer would make it easy to lose what the next night needs.
    pub const MIN_DAYS: u32 = 15;
    /// Four windows of a week and a week for what comes late.
    pub const DEFAULT_DAYS: u32 = 35;
}

impl Default for PruneOptions {
    fn default() -> Self {
        PruneOptions { keep_days: Self::DEFAULT_DAYS, dry_run: false }
    }
}

/// A day that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedDay {
    /// The day.
    pub day: Day,
    /// Size of its partial; `None` if it had none.
    pub partial_bytes: Option<u64>,
    /// Size of its rejects file; `None` if it had none.
    pub rejects_bytes: Option<u64>,
}

/// The report of a pruning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// The newest days that stay.
    pub keep_days: u32,
    /// Whether all days are still there.
    pub dry_run: bool,
    /// The newest day that is stored; `None` in a store without a day, from which nothing goes.
    pub newest: Option<Day>,
    /// The first day that stays.
    pub keep_from: Option<Day>,
    /// Days that stay.
    pub kept: u64,
    /// Days that went (would go, in a dry run), ascending.
    #[serde(rename = "days")]
    pub pruned: Vec<PrunedDay>,
    /// Size of their files.
    pub bytes: u64,
}

/// Removes the partials and rejects files of all days but the newest.
///
/// Files of other names stay. If a partial is a link, only the link goes, and its target stays.
///
/// # Example
/// ```
/// use agg::job::{PruneOptions, prune};
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let pruned = prune(&context, &PruneOptions { keep_days: 30, dry_run: true })?;
/// assert_eq!((pruned.newest, pruned.kept, pruned.pruned.len()), (Some(day), 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Usage`] for fewer than [`PruneOptions::MIN_DAYS`], [`ErrorKind::Missing`] where there is no store,
/// [`ErrorKind::FutureDay`], a newest partial that cannot be opened, [`ErrorKind::Locked`], [`ErrorKind::Io`]. Files
/// that were removed before an error are gone.
pub fn prune(context: &Context, options: &PruneOptions) -> Result<PruneReport> {
    if options.keep_days < PruneOptions::MIN_DAYS {
        let (days, least) = (options.keep_days, PruneOptions::MIN_DAYS);
        let text = format!("--keep-days {days} is too few; the minimum is {least}");
        return Err(ErrorKind::Usage(text).into());
    }
    let files = context.files.as_ref();
    let store = context.store();
    // Before the lock, which would create the folders of a missing store.
    store.days()?;
    let lock =
        if options.dry_run { None } else { Some(context.locked(|| StoreLock::take(&store))?) };
    let stored = store.days()?;
    let Some(newest) = stored.last().copied() else {
        let dry_run = options.dry_run;
        return Ok(PruneReport {
            keep_days: options.keep_days,
            dry_run,
            newest: None,
            keep_from: None,
            kept: 0,
            pruned: Vec::new(),
            bytes: 0,
        });
    };
    refuse_future(&store, newest, today())?;
    // Days are counted from it, so it must be a partial: with a stray file of its name, all other days would go.
    open_stored(context, newest)?;
    let back = i64::from(options.keep_days) - 1;
    let keep_from = newest.plus_days(-back).or_else(|| Day::new(1970, 1, 1)).unwrap_or(newest);
    let is_old = |day: &&Day| **day < keep_from;
    let rejects = store.rejects_days()?;
    let old: BTreeSet<Day> = stored.iter().chain(&rejects).filter(is_old).copied().collect();
    let mut pruned = Vec::new();
    for day in old {
        let size = |path: &Path, known: &[Day]| {
            // A link that leads nowhere has no size, and goes all the same.
            let size = files.stat(path).map_or(0, |stat| stat.size);
            known.binary_search(&day).ok().map(|_| size)
        };
        pruned.push(PrunedDay {
            day,
            partial_bytes: size(&store.partial_path(day), &stored),
            rejects_bytes: size(&store.rejects_path(day), &rejects),
        });
    }
    if let Some(lock) = &lock {
        remove(context, lock, &pruned)?;
        lock.store().remove_seen_before(keep_from);
    }
    let kept = stored.iter().filter(|day| **day >= keep_from).count() as u64;
    let dry_run = options.dry_run;
    let sizes = pruned.iter().flat_map(|day| [day.partial_bytes, day.rejects_bytes]);
    Ok(PruneReport {
        keep_days: options.keep_days,
        dry_run,
        newest: Some(newest),
        keep_from: Some(keep_from),
        kept,
        bytes: sizes.flatten().sum(),
        pruned,
    })
}

/// Today in UTC by the system's clock; `None` if the clock is before 1970 or after 2199.
fn today() -> Option<Day> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Day::new(1970, 1, 1)?.plus_days(i64::try_from(since.as_secs() / 86_400).ok()?)
}

/// Refuses to count from a day that cannot have ended: because of one log with a wrong date, all other days would go.
/// Tomorrow may have begun where the logs are made.
fn refuse_future(store: &Store, newest: Day, today: Option<Day>) -> Result<()> {
    match today {
        Some(today) if today.plus_days(1).is_some_and(|tomorrow| newest > tomorrow) => {
            Err(Error::from(ErrorKind::FutureDay { day: newest, today })
                .at(store.partial_path(newest)))
        }
        _ => Ok(()),
    }
}

/// Removes the files of all these days: partials, then rejects files.
fn remove(context: &Context, lock: &StoreLock, days: &[PrunedDay]) -> Result<()> {
    let files = context.files.as_ref();
    let store = lock.store();
    let partials = days.iter().filter(|day| day.partial_bytes.is_some());
    let partials = partials.map(|pruned| store.partial_path(pruned.day));
    let rejects = days.iter().filter(|day| day.rejects_bytes.is_some());
    let rejects = rejects.map(|pruned| store.rejects_path(pruned.day));
    let steps: [(Vec<_>, _); 2] = [
        (partials.collect(), store.partials_folder()),
        (rejects.collect(), store.rejects_folder()),
    ];
    for (paths, folder) in steps {
        for path in &paths {
            context.check_stop()?;
            match files.remove_file(path) {
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(|error| Error::io("remove", error).at(path))?,
            }
        }
        // Also if nothing went: a killed run may have removed them.
        store::sync_folder(files, &folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_day_may_be_tomorrow_and_no_later() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let store = Store::new(Path::new("s"));
        let refused =
            |newest, today: &str| refuse_future(&store, day(newest), today.parse().ok()).err();
        for newest in ["2021-01-01", "2021-12-31", "2022-01-01"] {
            assert!(refused(newest, "2021-12-31").is_none(), "{newest}");
        }
        let error = refused("2022-01-02", "2021-12-31").unwrap();
        assert!(error.to_string().contains("s/partials/2022-01-02.agg"), "{error}");
        // A clock without a valid day, and the last valid day.
        assert!(refused("2199-12-31", "no day").is_none());
        assert!(refused("2199-12-31", "2199-12-31").is_none());
    }
}
