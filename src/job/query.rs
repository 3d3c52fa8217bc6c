//! `query`: the top songs of one key over some days, straight from the partials through their indexes.
//!
//! It reads each partial's footer, the index pages that have the key, and the key's own blocks: one or two for a user,
//! a few hundred for a large country. Nothing is written and no lock is taken.

use serde::Serialize;

use super::document::RankedSong;
use super::window::StoredWindow;
use super::{Context, document};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{Merge, Stream};
use crate::model::{Batch, Day, Kind, Position, Ranked};
use crate::partial::Partial;
use crate::runfile::{Piece, Run, merge_piece, split_range};
use crate::topk::{Floor, LongKeys, TopK};

/// The key, the days, and the number of songs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryOptions {
    /// The kind of the key.
    pub kind: Kind,
    /// User id or country number.
    pub key: u64,
    /// The window's last day; `None` is the newest stored day.
    pub day: Option<Day>,
    /// Days in the window, 1 to 3,660.
    pub days: u32,
    /// Maximum songs, 1 to 10,000.
    pub top: u32,
    /// Answer without the days that have no partial.
    pub allow_missing: bool,
}

/// The report of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryReport {
    /// The kind of the key.
    #[serde(serialize_with = "document::kind")]
    pub kind: Kind,
    /// The key as text: a user's digits, a country's letters.
    pub key: String,
    /// The window's last day.
    pub day: Day,
    /// Days in the window.
    pub days: u32,
    /// Songs that were asked for.
    pub top: u32,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// The best songs, the best first; none if no day has the key.
    #[serde(serialize_with = "document::songs")]
    pub songs: Vec<Ranked>,
}

impl QueryReport {
    /// The songs with their ranks.
    pub fn ranked(&self) -> impl Iterator<Item = RankedSong> + '_ {
        document::ranks(&self.songs)
    }
}

/// The best songs of a key over the days of a window.
///
/// The same counts and the same order as in an emission of that window. Opens the window's partials side by side; memory
/// stays below the budget for any key and any number of days.
///
/// # Example
/// ```
/// use agg::job::{QueryOptions, query};
/// use agg::model::{Kind, Ranked};
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let options =
///     QueryOptions { kind: Kind::User, key: 7, day: None, days: 1, top: 50, allow_missing: false };
/// let songs = query(&context, &options)?.songs;
/// assert_eq!(songs, [Ranked { song: 5, count: 1 }, Ranked { song: 9, count: 1 }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Missing`] where there is no store or no day, [`ErrorKind::MissingDays`] unless missing days are
/// allowed (and always when all are missing), [`ErrorKind::SumOverflow`], a damaged partial.
pub fn query(context: &Context, options: &QueryOptions) -> Result<QueryReport> {
    let look = |day: Day| StoredWindow::look(context, day.window(options.days), |partial| partial);
    let (day, window) = match options.day {
        Some(day) => (day, look(day)?),
        None => {
            let day = newest(context)?;
            let window = look(day)?;
            if window.missing.contains(&day) {
                // Removed since the folder was listed.
                let day = newest(context)?;
                (day, look(day)?)
            } else {
                (day, window)
            }
        }
    };
    window.check_missing(context, options.allow_missing)?;
    let songs = best(context, options, &window.stored)?;
    let (missing, text) = (window.missing, options.kind.key_text(options.key));
    let QueryOptions { kind, days, top, .. } = *options;
    Ok(QueryReport { kind, key: text.to_string(), day, days, top, missing, songs })
}

fn newest(context: &Context) -> Result<Day> {
    let store = context.store();
    let hint = "the store is empty: run 'agg reduce-day' first".to_owned();
    let missing = || Error::from(ErrorKind::Missing { what: "any day", hint }).at(store.root());
    store.days()?.pop().ok_or_else(missing)
}

fn best(context: &Context, options: &QueryOptions, partials: &[Partial]) -> Result<Vec<Ranked>> {
    let QueryOptions { kind, key, top, .. } = *options;
    let plan = context.budget.join();
    let end = Position { key: key.saturating_add(1), song: 0 };
    let range = Position { key, song: 0 }..end;
    let runs: Vec<&Run> = partials.iter().map(|partial| partial.run(kind)).collect();
    let pieces = split_range(&runs, range, plan.piece_entries)?;
    let top = usize::try_from(top).unwrap_or(usize::MAX);
    let (mut ranked, mut long, floor) = (TopK::new(top), LongKeys::new(top), Floor::default());
    let progress = |_| context.check_stop();
    for piece in &pieces {
        let shared = Some((&floor, key));
        let mut keep = |_: u64, best: &[Ranked]| best.iter().for_each(|song| ranked.push(*song));
        if runs.len() <= plan.fan_in {
            long.rank(merge_piece(&runs, kind, piece), shared, &progress, &mut keep)?;
        } else {
            // More runs than the budget can read at once: their entries of a piece are merged a group of runs at a
            // time, then the results. A piece has few enough entries for that.
            let gathered = |group| gather(context, group, kind, piece);
            let parts = runs.chunks(plan.fan_in).map(gathered).collect::<Result<_>>()?;
            long.rank(Merge::new(kind, parts), shared, &progress, &mut keep)?;
        }
        if let Some(count) = ranked.floor() {
            floor.raise(key, count);
        }
    }
    let mut songs = Vec::new();
    ranked.best(&mut songs);
    Ok(songs)
}

/// All entries of a piece in some runs.
fn gather(context: &Context, runs: &[&Run], kind: Kind, piece: &Piece) -> Result<OneBatch> {
    let mut merge = merge_piece(runs, kind, piece);
    let (mut batch, mut all) = (Batch::default(), Batch::default());
    while merge.next(&mut batch)? {
        context.check_stop()?;
        all.extend_from(&batch, 0..batch.len());
    }
    Ok(OneBatch(Some(all)))
}

/// A stream of one batch.
struct OneBatch(Option<Batch>);

impl Stream for OneBatch {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        *batch = self.0.take().unwrap_or_default();
        Ok(!batch.is_empty())
    }
}
