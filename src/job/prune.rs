//! `prune`: removes old days from the store, and old emissions from the output folder.
//!
//! Both are counted from the newest that is there and not from today, so a pipeline that stood still for a month loses
//! nothing when it starts again. A newest day in the future is refused: its date is wrong. What is kept is recorded
//! before anything is removed. A partial goes before its rejects file, and its folder is synced between: a kill
//! at any instant leaves whole days, and perhaps a rejects file without a partial, which the next run removes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Context;
use super::earlier::lock_store;
use super::emissions::{self, emission};
use super::inspect::open_stored;
use super::warning::Warning;
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::fs::leads_nowhere;
use crate::model::Day;
use crate::store::{self, Output, OutputLock, Store, StoreLock};

/// How much stays. What is `None` is not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneOptions {
    /// The newest days that stay, at least [`PruneOptions::least_days`].
    pub keep_days: Option<u32>,
    /// Days of a window: a night looks at the windows of the days before its own, too.
    pub window_days: u32,
    /// The newest emissions that stay.
    pub keep_emissions: Option<KeepEmissions>,
    /// Only report what would go: nothing is touched, no lock is taken.
    pub dry_run: bool,
}

/// How many emissions stay, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepEmissions {
    /// The newest that stay, at least [`KeepEmissions::MIN`].
    pub count: u32,
    /// The output folder.
    pub out: PathBuf,
}

impl KeepEmissions {
    /// The newest and the one before it, which may be the last good one.
    pub const MIN: u32 = 2;
}

impl PruneOptions {
    /// The fewest days that may stay with windows of `window_days`: those of the window that ends on the first day of the
    /// newest window.
    #[must_use]
    pub fn least_days(window_days: u32) -> u32 {
        window_days.saturating_mul(2).saturating_sub(1)
    }

    /// Refuses what would remove too much.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for too few days or emissions.
    pub fn check(&self) -> Result<()> {
        let (days, least) = (self.window_days, Self::least_days(self.window_days));
        if let Some(kept) = self.keep_days.filter(|kept| *kept < least) {
            let text = format!(
                "--keep-days {kept} is too few; windows of {days} days need at least {least}, because a night also checks the \
                 windows of the days before; 'agg config nightly' shows where it is set"
            );
            return Err(ErrorKind::Usage(text).into());
        }
        let least = KeepEmissions::MIN;
        if let Some(few) = self.keep_emissions.as_ref().filter(|keep| keep.count < least) {
            let text = format!("--keep-emissions {} is too few; the minimum is {least}", few.count);
            return Err(ErrorKind::Usage(text).into());
        }
        Ok(())
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
    /// The newest days that stay; `None` if days were not asked for.
    pub keep_days: Option<u32>,
    /// Whether all is still there.
    pub dry_run: bool,
    /// The newest day that is stored; `None` in a store without a day, from which nothing goes.
    pub newest: Option<Day>,
    /// The first day that stays.
    pub keep_from: Option<Day>,
    /// Days that stay.
    pub kept: u64,
    /// Days that were removed (would be, in a dry run), ascending.
    #[serde(rename = "days")]
    pub pruned: Vec<PrunedDay>,
    /// Size of their files.
    pub bytes: u64,
    /// The emissions; `None` if they were not asked for.
    pub emissions: Option<PrunedEmissions>,
}

/// An emission that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedEmission {
    /// Its date.
    pub day: Day,
    /// Size of its files.
    pub bytes: u64,
}

/// Which emissions went and which stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedEmissions {
    /// The newest emissions that stay.
    pub keep: u32,
    /// The date of the oldest of these; `None` if there are fewer than that.
    pub keep_from: Option<Day>,
    /// Emissions that stay.
    pub kept: u64,
    /// Those that were removed (would be, in a dry run), ascending.
    pub removed: Vec<PrunedEmission>,
    /// Size of their files.
    pub bytes: u64,
    /// The dates whose changes were removed (would be, in a dry run) because their emissions are, ascending.
    pub changes: Vec<PrunedEmission>,
}

/// Removes the partials and rejects files of all days but the newest, and the emissions of all dates but the newest.
///
/// Files of other names stay. If a partial is a link, only the link goes, and its target stays. In the output folder links, folders that agg did not make, and the emission that `latest` names are never touched.
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
/// let keep_emissions = None;
/// let options = PruneOptions { keep_days: Some(30), window_days: 7, keep_emissions, dry_run: true };
/// let pruned = prune(&context, &options)?;
/// assert_eq!((pruned.newest, pruned.kept, pruned.pruned.len()), (Some(day), 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`PruneOptions::check`]; [`ErrorKind::Missing`] where there is no
/// store, [`ErrorKind::FutureDay`], a newest partial that cannot be opened, [`ErrorKind::Locked`], [`ErrorKind::Io`].
/// Files that were removed before an error are gone.
pub fn prune(context: &Context, options: &PruneOptions) -> Result<PruneReport> {
    options.check()?;
    let mut report = PruneReport {
        keep_days: options.keep_days,
        dry_run: options.dry_run,
        newest: None,
        keep_from: None,
        kept: 0,
        pruned: Vec::new(),
        bytes: 0,
        emissions: None,
    };
    if let Some(keep_days) = options.keep_days {
        prune_days(context, keep_days, &mut report)?;
    }
    if let Some(keep) = &options.keep_emissions {
        report.emissions = Some(prune_emissions(context, keep, options.dry_run)?);
    }
    Ok(report)
}

fn prune_days(context: &Context, keep_days: u32, report: &mut PruneReport) -> Result<()> {
    let store = context.store();
    // Before the lock, which would create the folders of a missing store.
    store.days()?;
    let lock = if report.dry_run { None } else { Some(lock_store(context)?) };
    let stored = store.days()?;
    let Some(newest) = stored.last().copied() else { return Ok(()) };
    refuse_future(&store, newest, today())?;
    // Days are counted from it, so it must be a partial: with a stray file of its name, all other days would go.
    open_stored(context, newest)?;
    let back = i64::from(keep_days) - 1;
    let keep_from = newest.plus_days(-back).or_else(|| Day::new(1970, 1, 1)).unwrap_or(newest);
    report.pruned = old_days(context, &store, &stored, keep_from)?;
    if let Some(lock) = &lock {
        store::record_oldest_kept_day(lock, keep_from)?;
        remove(context, lock, &report.pruned)?;
        lock.store().remove_seen_before(keep_from);
    }
    report.newest = Some(newest);
    report.keep_from = Some(keep_from);
    report.kept = stored.iter().filter(|day| **day >= keep_from).count() as u64;
    let sizes = report.pruned.iter().flat_map(|day| [day.partial_bytes, day.rejects_bytes]);
    report.bytes = sizes.flatten().sum();
    Ok(())
}

/// The days before `keep_from`, with what there is of them.
fn old_days(
    context: &Context,
    store: &Store,
    stored: &[Day],
    keep_from: Day,
) -> Result<Vec<PrunedDay>> {
    let rejects = store.rejects_days()?;
    let is_old = |day: &&Day| **day < keep_from;
    let old: BTreeSet<Day> = stored.iter().chain(&rejects).filter(is_old).copied().collect();
    let pruned = old.into_iter().map(|day| {
        let size = |path: &Path, known: &[Day]| {
            // A link that leads nowhere has no size, and goes all the same.
            let size = context.files.stat(path).map_or(0, |stat| stat.size);
            known.binary_search(&day).ok().map(|_| size)
        };
        PrunedDay {
            day,
            partial_bytes: size(&store.partial_path(day), stored),
            rejects_bytes: size(&store.rejects_path(day), &rejects),
        }
    });
    Ok(pruned.collect())
}

fn prune_emissions(
    context: &Context,
    keep: &KeepEmissions,
    dry_run: bool,
) -> Result<PrunedEmissions> {
    let output = context.output(&keep.out);
    // Taking the lock would make a folder that is not there.
    let exists = identity(context, output.root())?.is_some();
    let take = || context.locked(|| OutputLock::take(&output));
    let mut lock = if dry_run || !exists { None } else { Some(take()?) };
    let warn = |warning| context.observer.warn(&warning);
    let mut emissions = emissions_of_agg(context, &output, &warn)?;
    let all = emissions.len();
    let count = usize::try_from(keep.count).unwrap_or(usize::MAX);
    let kept = emissions.split_off(emissions.len().saturating_sub(count));
    let keep_from = kept.first().map(|oldest| oldest.day).filter(|_| kept.len() == count);
    let latest = identity(context, &output.latest_link())?;
    if latest.is_some() {
        let is_other = |day| Ok(identity(context, &output.day_folder(day))? != latest);
        let others: Result<Vec<bool>> = emissions.iter().map(|found| is_other(found.day)).collect();
        let mut others = others?.into_iter();
        emissions.retain(|_| others.next().unwrap_or(false));
    }
    // When all are kept from now on, older windows may come again.
    let keeps_all = keep.count == u32::MAX && store::oldest_kept_emission(&output)?.is_some();
    let floor = keep_from.or_else(|| Day::new(1970, 1, 1).filter(|_| keeps_all));
    if let (Some(lock), Some(day)) = (&lock, floor) {
        store::record_oldest_kept_emission(lock, day)?;
    }
    for emission in &emissions {
        context.check_stop()?;
        if let Some(lock) = &mut lock {
            store::remove_emission(lock, emission.day)?;
        }
    }
    let changes = prune_changes(context, &output, floor, &emissions, dry_run)?;
    Ok(PrunedEmissions {
        changes,
        keep: keep.count,
        keep_from,
        kept: (all - emissions.len()) as u64,
        bytes: emissions.iter().map(|emission| emission.bytes).sum(),
        removed: emissions,
    })
}

/// Removes the changes of dates before `floor` whose emission is gone, or would be: `removed`.
fn prune_changes(
    context: &Context,
    output: &Output,
    floor: Option<Day>,
    removed: &[PrunedEmission],
    dry_run: bool,
) -> Result<Vec<PrunedEmission>> {
    let changes = output.changes();
    if identity(context, changes.root())?.is_none() {
        return Ok(Vec::new());
    }
    let take = || context.locked(|| OutputLock::take(&changes));
    let mut lock = if dry_run { None } else { Some(take()?) };
    let mut gone = Vec::new();
    for day in changes.days_of_folders()?.into_iter().filter(|day| floor > Some(*day)) {
        context.check_stop()?;
        let is_removed = || removed.iter().any(|emission| emission.day == day);
        let Some((bytes, stranger)) = emissions::changes(context, &changes, day)? else { continue };
        if !is_removed() && identity(context, &output.manifest_path(day))?.is_some() {
            continue;
        }
        if let Some(name) = stranger {
            let why = format!("{name:?} in it is not a file of changes");
            context.observer.warn(&Warning::NotCounted { path: changes.day_folder(day), why });
            continue;
        }
        if let Some(lock) = &mut lock {
            store::remove_emission(lock, day)?;
        }
        gone.push(PrunedEmission { day, bytes });
    }
    Ok(gone)
}

/// What a link leads to, however it is written; `None` if it is absent or leads nowhere.
fn identity(context: &Context, path: &Path) -> Result<Option<(u64, u64)>> {
    match context.files.stat(path) {
        Ok(stat) => Ok(Some(stat.identity)),
        Err(error) if leads_nowhere(&error) => Ok(None),
        Err(error) => Err(Error::io("look at", error).at(path)),
    }
}

/// The dates of the emissions that a pruning counts, ascending.
pub(super) fn dates_of_agg(context: &Context, output: &Output) -> Result<Vec<Day>> {
    // The pruning warns.
    let emissions = emissions_of_agg(context, output, &|_| ())?;
    Ok(emissions.into_iter().map(|emission| emission.day).collect())
}

/// The emissions whose folders agg made and nobody else has put anything in, ascending. A folder with a manifest and
/// something else is left alone with a warning, and does not count.
fn emissions_of_agg(
    context: &Context,
    output: &Output,
    warn: &dyn Fn(Warning),
) -> Result<Vec<PrunedEmission>> {
    let mut found = Vec::new();
    for day in output.days_of_folders()? {
        let why = match emission(context, output, day) {
            Ok(Some(emission)) => match emission.stranger {
                None => {
                    found.push(PrunedEmission { day, bytes: emission.bytes });
                    continue;
                }
                Some(name) => format!("{name:?} in it is not a file of the emission"),
            },
            Ok(None) => continue,
            Err(error) if error.class() != ErrorClass::Data => return Err(error),
            Err(error) => error.to_string(),
        };
        warn(Warning::NotCounted { path: output.day_folder(day), why });
    }
    Ok(found)
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
