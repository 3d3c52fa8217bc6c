//! The rows of tables to the runs of a partial.
//!
//! Sorted tables in order, as `export` writes them, become a run while they are read: a row group is a piece. Only
//! reading shows whether they are sorted. If not, all is read again, a stretch at a time. Each stretch is sorted and
//! spilled, and the spills are merged. One decoder reads; sorting and encoding are parallel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::slice::ParallelSliceMut;
use xxhash_rust::xxh3::xxh3_64;

use super::super::join::{JoinInput, OpenPartial, Scratch, Spill, WriteRun, join_run, open_merged};
use super::super::{Context, Phase};
use super::table::ImportTable;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::GroupOutline;
use crate::model::{Batch, Entry, Kind, MAX_ID, Position};
use crate::runfile::RunPieces;

/// Entries of a piece of a spill.
const SPILL_PIECE: usize = 64 << 10;

/// Reads tables into a partial.
pub(super) struct TableReading<'a> {
    context: &'a Context,
    pool: &'a rayon::ThreadPool,
    files: &'a [ImportTable],
    scratch: Scratch<'a>,
    /// What was read of each file.
    streams: Vec<Mutex<Streams>>,
    /// Runs that were spilled.
    pub(super) spilled_runs: usize,
}

/// A row group: its file, and its number in the file.
type GroupOfTable = (usize, usize);

impl<'a> TableReading<'a> {
    pub(super) fn new(
        context: &'a Context,
        pool: &'a rayon::ThreadPool,
        files: &'a [ImportTable],
        scratch: Scratch<'a>,
    ) -> Self {
        let streams = files.iter().map(|_| Mutex::default()).collect();
        TableReading { context, pool, files, scratch, streams, spilled_runs: 0 }
    }

    /// Streams of each file; those of a file whose counts exceed 2^64-1 stay there.
    pub(super) fn streams(&self) -> Vec<u64> {
        self.streams.iter().map(|streams| locked(streams).sum).collect()
    }

    /// Whether each song has the same streams in the tables of all kinds.
    pub(super) fn songs_agree(&self) -> bool {
        let by_song = Kind::ALL.map(|kind| {
            let files = self.files.iter().zip(&self.streams);
            let files = files.filter(|(file, _)| file.kind() == kind);
            files.fold(0, |sum: u128, (_, streams)| sum.wrapping_add(locked(streams).by_song))
        });
        by_song.windows(2).all(|pair| pair.first() == pair.last())
    }

    /// Writes both runs to a writer that `create` makes; it is made again if a run proves to be unsorted.
    pub(super) fn write(
        &mut self,
        create: &dyn Fn() -> Result<OpenPartial>,
    ) -> Result<OpenPartial> {
        let mut sorted = Kind::ALL.map(|kind| self.may_be_sorted(kind));
        'again: loop {
            let mut writer = create()?;
            for (kind, sorted) in Kind::ALL.into_iter().zip(&mut sorted) {
                self.forget(kind);
                if !*sorted {
                    self.write_unsorted(kind, &mut writer)?;
                } else if !self.write_sorted(kind, &mut writer)? {
                    tracing::info!(
                        kind = kind.noun(),
                        "the tables are not sorted: reading them again"
                    );
                    *sorted = false;
                    continue 'again;
                }
            }
            return Ok(writer);
        }
    }

    /// Forgets the streams of files that are read again.
    fn forget(&self, kind: Kind) {
        for (file, streams) in self.files.iter().zip(&self.streams) {
            if file.kind() == kind {
                *locked(streams) = Streams::default();
            }
        }
    }

    /// The row groups of a kind that have rows.
    fn groups(&self, kind: Kind) -> Vec<GroupOfTable> {
        let files = self.files.iter().enumerate().filter(|(_, file)| file.kind() == kind);
        let groups = files.flat_map(|(at, file)| {
            let groups = file.table.outline().groups.iter().enumerate();
            groups.filter(|(_, group)| group.rows > 0).map(move |(group, _)| (at, group))
        });
        groups.collect()
    }

    fn outline(&self, (file, group): GroupOfTable) -> Option<&GroupOutline> {
        self.files.get(file)?.table.outline().groups.get(group)
    }

    fn rows(&self, group: GroupOfTable) -> u64 {
        self.outline(group).map_or(0, |group| group.rows)
    }

    /// Whether, by the footers, each row group fits a piece and starts after the end of the row group before it.
    fn may_be_sorted(&self, kind: Kind) -> bool {
        let most = self.context.budget.import().piece_rows;
        let groups = self.groups(kind);
        let keys = |group: GroupOfTable| self.outline(group)?.keys;
        let follow = groups.windows(2).all(|pair| match pair {
            [one, two] => keys(*one).zip(keys(*two)).is_none_or(|(one, two)| one.1 <= two.0),
            _ => true,
        });
        follow && groups.iter().all(|group| self.rows(*group) <= most as u64)
    }

    /// Reads a row group, some thousand rows at a time.
    fn read(&self, group: GroupOfTable, mut take: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
        let (file, at) = group;
        let file = self.files.get(file).ok_or(ErrorKind::Fault("there is no such table"))?;
        file.table.read(at, &mut |batch| {
            self.context.check_stop()?;
            self.add_streams(group, batch);
            take(batch)
        })
    }

    /// Counts the rows that were read from a file.
    fn add_streams(&self, (file, _): GroupOfTable, batch: &Batch) {
        self.context.observer.advance(Phase::Import, batch.len() as u64);
        if let Some(streams) = self.streams.get(file) {
            locked(streams).add(batch);
        }
    }

    /// Writes a run whose row groups are its pieces; false when they prove to be out of order.
    fn write_sorted(&self, kind: Kind, writer: &mut OpenPartial) -> Result<bool> {
        let groups = self.groups(kind);
        let ends = Ends::new(groups.len());
        let shape = RunPieces { pool: self.pool, pieces: groups.len() };
        let make = |(): &mut (), at: usize, room: Batch| {
            let batch = self.whole_group(groups[at], room)?;
            ends.check(at, &batch)?;
            Ok(batch)
        };
        match writer.write_run(shape, || (), make) {
            Err(_) if ends.disorder.load(Ordering::Relaxed) => Ok(false),
            other => other.map(|_| true),
        }
    }

    fn whole_group(&self, group: GroupOfTable, mut batch: Batch) -> Result<Batch> {
        let most = self.context.budget.import().piece_rows as u64;
        let rows = usize::try_from(self.rows(group).min(most)).unwrap_or(0);
        batch.reserve(rows);
        self.read(group, |rows| {
            batch.extend_from(rows, 0..rows.len());
            Ok(())
        })?;
        Ok(batch)
    }

    /// Sorts and spills the rows a stretch at a time, then merges the spills into the run.
    fn write_unsorted(&mut self, kind: Kind, writer: &mut OpenPartial) -> Result<()> {
        let spills = self.spill(kind)?;
        self.spilled_runs += spills.len();
        let plan = self.context.budget.join();
        let opened = open_merged(self.context, self.pool, plan, spills, self.scratch)?;
        join_run(self.context, self.pool, plan, kind, &opened.of(kind), writer)
    }

    fn spill(&self, kind: Kind) -> Result<Vec<JoinInput>> {
        let most = self.context.budget.import().sorted_rows;
        let mut entries = Vec::with_capacity(most);
        let mut spills = Vec::new();
        for group in self.groups(kind) {
            self.read(group, |batch| {
                let mut rows = batch.iter();
                while rows.len() > 0 {
                    let room = most - entries.len();
                    entries.extend(rows.by_ref().take(room));
                    if entries.len() == most {
                        spills.push(self.spill_rows(kind, &mut entries)?);
                    }
                }
                Ok(())
            })?;
        }
        if !entries.is_empty() {
            spills.push(self.spill_rows(kind, &mut entries)?);
        }
        Ok(spills)
    }

    fn spill_rows(&self, kind: Kind, entries: &mut Vec<Entry>) -> Result<JoinInput> {
        let order = |entry: &Entry| (entry.key, entry.song);
        self.pool.install(|| entries.par_sort_unstable_by_key(order));
        let spilled = self.spill_sorted(kind, entries);
        entries.clear();
        spilled
    }

    /// Writes sorted entries to a file of their own.
    fn spill_sorted(&self, kind: Kind, entries: &[Entry]) -> Result<JoinInput> {
        let sum = entries.iter().try_fold(0u64, |sum, entry| sum.checked_add(entry.count));
        if sum.is_none_or(|sum| sum > MAX_ID) {
            let text = "its streams sum to more than 2^63-1".to_owned();
            return Err(ErrorKind::BadTable(text).into());
        }
        let pieces = cut(entries);
        let shape = RunPieces { pool: self.pool, pieces: pieces.len() };
        let make = |(): &mut (), at: usize, room: Batch| sum_equal(kind, pieces[at], room);
        let mut spill = Spill::new(self.scratch);
        spill.write_run(kind, shape, || (), make)?;
        Ok(spill.finish())
    }
}

/// The streams of a file.
#[derive(Debug, Clone, Copy, Default)]
struct Streams {
    sum: u64,
    /// The sum of each row's streams times the hash of its song. Tables of equal sums, in which a song has other streams,
    /// differ in it, in any order of their rows.
    by_song: u128,
}

impl Streams {
    fn add(&mut self, batch: &Batch) {
        for (song, count) in batch.songs.iter().zip(&batch.counts) {
            self.sum = self.sum.saturating_add(*count);
            let hash = xxh3_64(&song.to_le_bytes());
            self.by_song = self.by_song.wrapping_add(u128::from(*count) * u128::from(hash));
        }
    }
}

fn locked(streams: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the pieces of a run that were read begin and end.
struct Ends {
    ends: Mutex<Vec<Option<(Position, Position)>>>,
    disorder: AtomicBool,
}

impl Ends {
    fn new(pieces: usize) -> Self {
        Ends { ends: Mutex::new(vec![None; pieces]), disorder: AtomicBool::new(false) }
    }

    /// Refuses a piece that is not sorted, or not between its neighbours.
    fn check(&self, at: usize, batch: &Batch) -> Result<()> {
        let entries = batch.entries();
        let mut all = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        all[at] = entries.first().zip(entries.last());
        let first = at.saturating_sub(1);
        let near = &all[first..all.len().min(at + 2)];
        let between = near.windows(2).all(|pair| match pair {
            [Some(one), Some(two)] => one.1 < two.0,
            _ => true,
        });
        if between && is_sorted(batch) {
            return Ok(());
        }
        self.disorder.store(true, Ordering::Relaxed);
        Err(Error::damaged("the tables are not sorted"))
    }
}

fn is_sorted(batch: &Batch) -> bool {
    let keys = batch.keys.windows(2);
    let mut pairs = keys.zip(batch.songs.windows(2));
    pairs.all(|pair| match pair {
        ([key, next_key], [song, next_song]) => (key, song) < (next_key, next_song),
        _ => true,
    })
}

/// Sorted entries in pieces, no pair in two of them.
fn cut(entries: &[Entry]) -> Vec<&[Entry]> {
    let mut pieces = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let least = rest.len().min(SPILL_PIECE);
        let (piece, after) = rest.split_at_checked(least).unwrap_or((rest, &[]));
        let last = piece.last().map(|entry| (entry.key, entry.song));
        let same = after.iter().take_while(|entry| Some((entry.key, entry.song)) == last).count();
        let (piece, after) = rest.split_at_checked(least + same).unwrap_or((rest, &[]));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Adds the counts of equal pairs.
fn sum_equal(kind: Kind, entries: &[Entry], mut batch: Batch) -> Result<Batch> {
    batch.reserve(entries.len());
    for same in entries.chunk_by(|one, two| (one.key, one.song) == (two.key, two.song)) {
        let Some(&Entry { key, song, .. }) = same.first() else { continue };
        let sum = same.iter().try_fold(0u64, |sum, entry| sum.checked_add(entry.count));
        let count = sum
            .filter(|sum| *sum <= MAX_ID)
            .ok_or_else(|| beyond_the_limit(&kind.describe(key), song))?;
        batch.push(Entry { key, song, count });
    }
    Ok(batch)
}

fn beyond_the_limit(key: &str, song: u64) -> Error {
    let why = format!("the counts of {key} and song {song} together exceed 2^63-1");
    ErrorKind::BadTable(why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u64, song: u64, count: u64) -> Entry {
        Entry { key, song, count }
    }

    #[test]
    fn equal_pairs_are_never_cut_apart_and_are_summed() {
        let mut entries = vec![entry(1, 1, 1); SPILL_PIECE - 1];
        entries.extend([entry(1, 2, 1), entry(1, 2, 4), entry(2, 0, 3)]);
        let pieces = cut(&entries);
        assert_eq!(
            pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(),
            [SPILL_PIECE + 1, 1]
        );
        let sums: Vec<Entry> =
            sum_equal(Kind::User, pieces[0], Batch::default()).unwrap().iter().collect();
        assert_eq!(sums, [entry(1, 1, SPILL_PIECE as u64 - 1), entry(1, 2, 5)]);
        let error = sum_equal(Kind::User, &[entry(7, 8, MAX_ID), entry(7, 8, 1)], Batch::default())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a table of a day's counts: the counts of user 7 and song 8 together exceed 2^63-1"
        );
    }

    #[test]
    fn streams_of_a_song_are_the_same_in_any_order_and_by_any_key() {
        let streams = |entries: &[Entry]| {
            let mut streams = Streams::default();
            streams.add(&entries.iter().copied().collect());
            (streams.sum, streams.by_song)
        };
        let users = streams(&[entry(7, 1, 5), entry(8, 2, MAX_ID - 9), entry(9, 1, 4)]);
        assert_eq!(users, streams(&[entry(0, 2, MAX_ID - 9), entry(0, 1, 9)]));
        for others in [
            [entry(0, 2, MAX_ID - 8), entry(0, 1, 8)],
            [entry(0, 1, MAX_ID - 9), entry(0, 2, 9)],
            [entry(0, 2, MAX_ID - 9), entry(0, 3, 9)],
        ] {
            let others = streams(&others);
            assert!(others.0 == users.0 && others.1 != users.1);
        }
    }

    #[test]
    fn a_piece_out_of_order_is_found_in_any_order() {
        let batch = |entries: &[Entry]| entries.iter().copied().collect::<Batch>();
        let [low, high] = [batch(&[entry(1, 1, 1), entry(1, 2, 1)]), batch(&[entry(1, 3, 1)])];
        let ends = Ends::new(3);
        ends.check(2, &high).unwrap();
        ends.check(0, &low).unwrap();
        ends.check(1, &Batch::default()).unwrap();
        for (first, second) in
            [((0, &high), (1, &low)), ((1, &low), (0, &high)), ((0, &low), (1, &low))]
        {
            let ends = Ends::new(2);
            ends.check(first.0, first.1).unwrap();
            assert!(ends.check(second.0, second.1).is_err() && ends.disorder.into_inner());
        }
        let unsorted = batch(&[entry(1, 2, 1), entry(1, 2, 1)]);
        assert!(Ends::new(1).check(0, &unsorted).is_err());
    }
}
