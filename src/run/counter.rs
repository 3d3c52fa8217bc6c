//! Fills the arena with rows in any order, and drains it into all runs, range after range.

use std::sync::{Mutex, PoisonError};

use super::chunk::{Arena, ChunkPool, Supply};
use super::partition::{ByTag, Discard, Partition};
use super::plan::{Plan, Side};
use super::scatter::Scatter;
use super::sort::Sorter;
use crate::error::{ErrorKind, Result};
use crate::model::{Batch, Kind, RowBatch};

/// Counts rows, an arena full at a time.
#[derive(Debug)]
pub struct Counter<'a> {
    plan: &'a Plan,
    chunks: ChunkPool<'a>,
}

/// The rows in the arena.
#[derive(Debug)]
pub struct FilledArena<'a>(Vec<Scatter<'a>>);

impl<'a> Counter<'a> {
    /// A counter whose arena is empty.
    #[must_use]
    pub fn new(plan: &'a Plan, arena: &'a mut Arena) -> Self {
        Self::with_reserve(plan, arena, plan.reserve())
    }

    pub(super) fn with_reserve(plan: &'a Plan, arena: &'a mut Arena, reserve: usize) -> Self {
        Counter { plan, chunks: ChunkPool::new(arena, reserve) }
    }

    /// Chunks of the arena that hold no rows.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.chunks.free()
    }

    /// Calls `read` on each thread of `pool`, to put rows. `read` gets the thread's number and returns whether the
    /// thread's rows have ended. Returns the rows, and whether the rows of all threads have ended.
    pub fn fill(
        &self,
        pool: &rayon::ThreadPool,
        read: impl Fn(usize, &mut Filler<'_, 'a>) -> Result<bool> + Sync,
    ) -> Result<(FilledArena<'a>, bool)> {
        let outcomes = pool.broadcast(|thread| -> Result<_> {
            let scatter = Scatter::new(&self.plan.first().splitters);
            let supply = Supply::filling(&self.chunks);
            let mut filler = Filler { plan: self.plan, scatter, supply };
            let ended = read(thread.index(), &mut filler)?;
            Ok((filler.scatter, ended))
        });
        let (mut scatters, mut all_ended) = (Vec::new(), true);
        for outcome in outcomes {
            let (scatter, ended) = outcome?;
            scatters.push(scatter);
            all_ended &= ended;
        }
        Ok((FilledArena(scatters), all_ended))
    }

    /// The ranges of the first run, to be counted in order or by several threads. [`Ranges::next_run`] gives those of
    /// the next run. After the last run the arena is empty.
    pub fn drain(&self, pool: &rayon::ThreadPool, rows: FilledArena<'a>) -> Result<Ranges<'_, 'a>> {
        Ranges::new(self, pool, Kind::FIRST, rows.0)
    }
}

/// A thread's access to the arena while it is filled.
#[derive(Debug)]
pub struct Filler<'c, 'a> {
    plan: &'c Plan,
    scatter: Scatter<'a>,
    supply: Supply<'c, 'a>,
}

impl Filler<'_, '_> {
    /// Puts the rows of a batch from index `from` on. Returns the number of rows put, which is lower if the arena is
    /// full.
    pub fn put(&mut self, batch: &RowBatch, from: usize) -> usize {
        let rows = self.plan.rows(batch, from);
        let Side { splitters, packing } = self.plan.first();
        self.scatter.put(rows, splitters, *packing, &mut self.supply)
    }
}

/// The ranges of a run that is not sorted yet.
#[derive(Debug)]
pub struct Ranges<'c, 'a> {
    counter: &'c Counter<'a>,
    kind: Kind,
    partition: Partition<'a>,
    /// The rows that counting this run scatters again, for the next run.
    again: Mutex<Vec<Scatter<'a>>>,
}

impl<'c, 'a> Ranges<'c, 'a> {
    fn new(
        counter: &'c Counter<'a>,
        pool: &rayon::ThreadPool,
        kind: Kind,
        scatters: Vec<Scatter<'a>>,
    ) -> Result<Self> {
        let Counter { plan, chunks } = counter;
        let Side { splitters, packing } = &plan.sides[kind];
        let partition = Partition::new(splitters, *packing, scatters);
        let partition = partition.split_large(plan.means.shares.max_rows, pool, chunks)?;
        Ok(Ranges { counter, kind, partition, again: Mutex::default() })
    }

    /// The kind of the run's keys.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partition.len()
    }

    /// Whether there is no range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partition.is_empty()
    }

    /// Number of rows in a range; 0 after it was counted.
    #[must_use]
    pub fn rows(&self, range: usize) -> usize {
        self.partition.rows(range)
    }

    /// The state of a thread that counts ranges.
    #[must_use]
    pub fn worker(&self) -> Worker<'_, 'a> {
        let Counter { plan, chunks } = self.counter;
        let again = |next| {
            let Side { splitters, packing } = &plan.sides[next];
            ByTag { scatter: Scatter::new(splitters), splitters, packing: *packing }
        };
        Worker {
            ranges: self,
            sorter: Sorter::default(),
            supply: Supply::draining(chunks),
            again: self.kind.next().map(again),
        }
    }

    /// The ranges of the next run, after all ranges of this run were counted; `None` after the last run.
    pub fn next_run(self, pool: &rayon::ThreadPool) -> Result<Option<Self>> {
        let again = self.again.into_inner().unwrap_or_else(PoisonError::into_inner);
        let next = self.kind.next().map(|kind| Ranges::new(self.counter, pool, kind, again));
        next.transpose()
    }
}

/// Counts ranges on one thread. Memory: see `Sorter`.
#[derive(Debug)]
pub struct Worker<'r, 'a> {
    ranges: &'r Ranges<'r, 'a>,
    sorter: Sorter,
    supply: Supply<'r, 'a>,
    again: Option<ByTag<'r, 'a>>,
}

impl Worker<'_, '_> {
    /// Sorts and counts a range.
    ///
    /// # Errors
    /// [`ErrorKind::Fault`] for a range that was counted before, or an arena without free chunks.
    pub fn count(&mut self, range: usize) -> Result<Batch> {
        let range = self.ranges.partition.take(range);
        let range = range.ok_or(ErrorKind::Fault("a range of rows is counted twice"))?;
        let mut batch = match &mut self.again {
            Some(again) => self.sorter.count(range, &mut self.supply, again)?,
            None => self.sorter.count(range, &mut self.supply, &mut Discard)?,
        };
        let tags = &self.ranges.counter.plan.tags;
        match self.ranges.kind {
            Kind::User => {}
            Kind::Country => batch.keys.iter_mut().for_each(|key| *key = tags.number(*key)),
        }
        Ok(batch)
    }
}

impl Drop for Worker<'_, '_> {
    /// Leaves the rows that it scattered again to the next run.
    fn drop(&mut self) {
        if let Some(again) = self.again.take() {
            let mut all = self.ranges.again.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(again.scatter);
        }
    }
}
