//! Runs of generated days, the obvious way to count and to add them, and a stream over a run in memory.

use agg::codec::block::MAX_ENTRIES;
use agg::generate::Shape;
use agg::merge::Stream;
use agg::{Batch, Entry, Kind};

use super::log::{Listening, Log};

/// The run of the rows, the obvious way.
pub(crate) fn count(kind: Kind, rows: &[Listening]) -> Batch {
    let key = |row: &Listening| match kind {
        Kind::User => row.user,
        Kind::Country => u64::from(row.country),
    };
    add_up(rows.iter().map(|row| Entry { key: key(row), song: row.song, count: 1 }).collect())
}

/// All runs together, the obvious way.
pub(crate) fn sum(runs: &[Batch]) -> Batch {
    add_up(runs.iter().flat_map(Batch::iter).collect())
}

fn add_up(mut entries: Vec<Entry>) -> Batch {
    entries.sort_unstable_by_key(|entry| (entry.key, entry.song));
    let same = |one: &Entry, two: &Entry| (one.key, one.song) == (two.key, two.song);
    let pairs = entries.chunk_by(same);
    pairs
        .map(|pair| Entry { count: pair.iter().map(|entry| entry.count).sum(), ..pair[0] })
        .collect()
}

/// The runs of the first days of December 2021, of `rows` rows each.
pub(crate) fn days(kind: Kind, days: i8, rows: u64) -> Vec<Batch> {
    (1..=days).map(|day| count(kind, &Log::new(Shape::Normal, rows, day).accepted())).collect()
}

/// A run in memory, handed out block by block. A block is copied, which is far cheaper than to decode it.
pub(crate) struct Blocks<'a> {
    run: &'a Batch,
    handed_out: usize,
}

impl<'a> Blocks<'a> {
    /// The whole run.
    pub(crate) fn new(run: &'a Batch) -> Self {
        Blocks { run, handed_out: 0 }
    }
}

impl Stream for Blocks<'_> {
    fn next(&mut self, batch: &mut Batch) -> agg::Result<bool> {
        batch.clear();
        let end = self.run.len().min(self.handed_out + MAX_ENTRIES);
        batch.extend_from(self.run, self.handed_out..end);
        self.handed_out = end;
        Ok(!batch.is_empty())
    }
}
