//! The rows of an arena by range.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Row;
use super::chunk::{ChunkPool, Supply};
use super::packing::{Packed, Packing};
use super::scatter::{FilledChunk, Scatter, WIDE_WORDS};
use super::splitters::Splitters;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Position;

/// Rows in the sample that decides how a range is split again.
const RESAMPLE: usize = 1 << 14;

/// Rows between two splitters, unsorted.
#[derive(Debug)]
pub(super) struct Range<'a> {
    /// Packed rows.
    pub(super) packed: Vec<FilledChunk<'a>>,
    /// How they are packed.
    pub(super) packing: Packing,
    /// Rows that do not fit the packing.
    pub(super) wide: Vec<FilledChunk<'a>>,
    /// What the keys of packed rows are distances from.
    pub(super) base: u64,
    /// All rows are of one position.
    pub(super) uniform: bool,
}

impl<'a> Range<'a> {
    /// Number of rows.
    #[must_use]
    pub(super) fn rows(&self) -> usize {
        let words =
            |chunks: &[FilledChunk<'_>]| chunks.iter().map(|filled| filled.words).sum::<usize>();
        words(&self.packed) / self.packing.words() + words(&self.wide) / WIDE_WORDS
    }

    /// Passes every row to `taker`, and gives each chunk back before its rows are passed.
    pub(super) fn drain(
        self,
        supply: &mut Supply<'_, 'a>,
        taker: &mut impl TakeRows<'a>,
    ) -> Result<()> {
        let (packing, base) = (self.packing, self.base);
        for filled in self.packed {
            // Copied, so that the chunk is free again before its rows need chunks.
            let words = *filled.chunk;
            supply.give(filled.chunk);
            // `words` is at most the length of a chunk.
            let words = &words[..filled.words];
            if packing.is_double() {
                taker.take_rows(packing.rows::<u128>(base, words), supply)?;
            } else {
                taker.take_rows(packing.rows::<u64>(base, words), supply)?;
            }
        }
        for filled in self.wide {
            let words = *filled.chunk;
            supply.give(filled.chunk);
            let (rows, _) = words[..filled.words].as_chunks::<WIDE_WORDS>();
            let rows =
                rows.iter().map(|[key, song, tag]| Row { key: *key, song: *song, tag: *tag });
            taker.take_rows(rows, supply)?;
        }
        Ok(())
    }

    /// Positions of about [`RESAMPLE`] rows, spread evenly over all chunks.
    fn sample(&self) -> Vec<Position> {
        if self.packing.is_double() {
            self.sample_packed::<u128>()
        } else {
            self.sample_packed::<u64>()
        }
    }

    fn sample_packed<P: Packed>(&self) -> Vec<Position> {
        let step = (self.rows() / RESAMPLE).max(1);
        let packed = self.packed.iter().flat_map(|filled| P::load(filled.words())).step_by(step);
        let packed = packed.map(|packed| self.packing.unpack(self.base, packed));
        let packed = packed.map(|row| Position { key: row.key, song: row.song });
        let wide = self.wide.iter().flat_map(|filled| filled.words().as_chunks::<WIDE_WORDS>().0);
        let wide = wide.step_by(step).map(|[key, song, _]| Position { key: *key, song: *song });
        packed.chain(wide).collect()
    }
}

/// Rows by range, in the order of the ranges; each range is taken once, by any thread.
#[derive(Debug)]
pub(super) struct Partition<'a> {
    ranges: Vec<Mutex<Option<Range<'a>>>>,
}

impl<'a> Partition<'a> {
    /// Joins what the threads have scattered.
    #[must_use]
    pub(super) fn new(splitters: &Splitters, packing: Packing, scatters: Vec<Scatter<'a>>) -> Self {
        let ranges = collect(splitters, packing, scatters, |range| splitters.base(range));
        Partition { ranges: ranges.into_iter().map(|range| Mutex::new(Some(range))).collect() }
    }

    /// Number of ranges.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no range.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of rows in a range; 0 after it was taken.
    pub(super) fn rows(&self, range: usize) -> usize {
        self.slot(range).as_ref().map_or(0, Range::rows)
    }

    /// Takes a range; `None` if it was taken before.
    pub(super) fn take(&self, range: usize) -> Option<Range<'a>> {
        self.slot(range).take()
    }

    /// The place of a range, which is below [`Partition::len`].
    fn slot(&self, range: usize) -> MutexGuard<'_, Option<Range<'a>>> {
        self.ranges[range].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Splits every range of more than `max_rows` rows on the threads of `pool`, except ranges whose rows are all of
    /// one position. Such ranges exist where the sample misjudged the rows: the log is sorted, or standard input could
    /// not be sampled.
    pub(super) fn split_large(
        self,
        max_rows: usize,
        pool: &rayon::ThreadPool,
        chunks: &ChunkPool<'a>,
    ) -> Result<Self> {
        use rayon::prelude::*;
        let ranges: Vec<Range<'a>> = self
            .ranges
            .into_iter()
            .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let split = |range: Range<'a>| split(range, max_rows, chunks);
        let parts: Vec<Vec<Range<'a>>> =
            pool.install(|| ranges.into_par_iter().map(split).collect::<Result<_>>())?;
        let ranges = parts.into_iter().flatten().map(|range| Mutex::new(Some(range))).collect();
        Ok(Partition { ranges })
    }
}

/// Joins several scatters over the same splitters to ranges.
fn collect<'a>(
    splitters: &Splitters,
    packing: Packing,
    scatters: Vec<Scatter<'a>>,
    base: impl Fn(usize) -> u64,
) -> Vec<Range<'a>> {
    let empty = |range| Range {
        packed: Vec::new(),
        packing,
        wide: Vec::new(),
        base: base(range),
        uniform: splitters.is_uniform(range),
    };
    let mut ranges: Vec<Range<'a>> = (0..splitters.ranges()).map(empty).collect();
    for scatter in scatters {
        for (range, (packed, wide)) in ranges.iter_mut().zip(scatter.finish()) {
            range.packed.extend(packed);
            range.wide.extend(wide);
        }
    }
    ranges
}

/// Takes the rows of a range, from iterators of several types.
pub(super) trait TakeRows<'a> {
    /// Takes these rows. Their chunks are in the supply again.
    fn take_rows(
        &mut self,
        rows: impl Iterator<Item = Row> + Clone,
        supply: &mut Supply<'_, 'a>,
    ) -> Result<()>;
}

/// Ignores all rows.
#[derive(Debug)]
pub(super) struct Discard;

impl<'a> TakeRows<'a> for Discard {
    fn take_rows(&mut self, _: impl Iterator<Item = Row>, _: &mut Supply<'_, 'a>) -> Result<()> {
        Ok(())
    }
}

/// Scatters rows again, unchanged.
struct Again<'s, 'a> {
    scatter: &'s mut Scatter<'a>,
    splitters: &'s Splitters,
    packing: Packing,
}

impl<'a> TakeRows<'a> for Again<'_, 'a> {
    fn take_rows(
        &mut self,
        rows: impl Iterator<Item = Row> + Clone,
        supply: &mut Supply<'_, 'a>,
    ) -> Result<()> {
        put_all(self.scatter, rows, self.splitters, self.packing, supply)
    }
}

/// Scatters rows again, with their tags as keys.
#[derive(Debug)]
pub(super) struct ByTag<'s, 'a> {
    /// Takes the rows.
    pub(super) scatter: Scatter<'a>,
    /// For keys that are tags.
    pub(super) splitters: &'s Splitters,
    /// For keys that are tags, which always fit.
    pub(super) packing: Packing,
}

impl<'a> TakeRows<'a> for ByTag<'_, 'a> {
    fn take_rows(
        &mut self,
        rows: impl Iterator<Item = Row> + Clone,
        supply: &mut Supply<'_, 'a>,
    ) -> Result<()> {
        let rows = rows.map(|row| Row { key: row.tag, song: row.song, tag: 0 });
        put_all(&mut self.scatter, rows, self.splitters, self.packing, supply)
    }
}

fn put_all<'a>(
    scatter: &mut Scatter<'a>,
    rows: impl Iterator<Item = Row> + Clone,
    splitters: &Splitters,
    packing: Packing,
    supply: &mut Supply<'_, 'a>,
) -> Result<()> {
    let expected = rows.clone().count();
    let put = scatter.put(rows, splitters, packing, supply);
    if put == expected { Ok(()) } else { Err(arena_is_full()) }
}

/// Splits one range until all parts are small enough.
fn split<'a>(range: Range<'a>, max_rows: usize, chunks: &ChunkPool<'a>) -> Result<Vec<Range<'a>>> {
    let mut done = Vec::new();
    let mut waiting = vec![range];
    let mut supply = Supply::draining(chunks);
    while let Some(range) = waiting.pop() {
        if range.uniform || range.rows() <= max_rows {
            done.push(range);
            continue;
        }
        let parts = 2 * range.rows().div_ceil(max_rows);
        let splitters = Splitters::from_sample(&mut range.sample(), parts.min(RESAMPLE / 8));
        let Range { base, packing, .. } = range;
        let mut scatter = Scatter::within(&splitters, base);
        let mut again = Again { scatter: &mut scatter, splitters: &splitters, packing };
        range.drain(&mut supply, &mut again)?;
        let ranges = collect(&splitters, packing, vec![scatter], |_| base);
        // The next range in order is on top.
        waiting.extend(ranges.into_iter().rev());
    }
    Ok(done)
}

/// An internal error. The pool's reserve is large enough, because rows need no more chunks than they gave back, except
/// for one chunk a range that is not full.
fn arena_is_full() -> Error {
    ErrorKind::Fault("the row arena ran dry while it was drained").into()
}
