//! Logs to sorted runs: stages 1 to 3, and 4 for what does not fit the memory.
//!
//! All threads read, parse and scatter rows until the logs end or the arena is full. A full arena becomes a
//! spilled run of each kind, and reading goes on; what the arena holds at the end becomes the last run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::join::{Input, OpenPartial, Scratch, Spill, WriteRun, temporary_writer};
use super::{Context, Phase};
use crate::budget::CountPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{Source, Window};
use crate::model::{Country, Kind, Position, RowBatch};
use crate::row::{self, CountrySet, RejectLog, RejectReport};
use crate::run::{
    Arena, ByTag, ChunkPool, Discard, DrainNeeds, Packing, Partition, Row, Scatter, Sorter,
    Splitters, Supply, Tags,
};
use crate::runfile::Shape;

/// Pieces of the logs that the splitters are chosen from: 4 MiB, about 170,000 rows.
const SAMPLE_PIECES: usize = 64;
const SAMPLE_PIECE_BYTES: usize = 64 << 10;
/// Rows of the sample that should fit the packing, in percent; more ranges are tried until they do.
const PACKED_PERCENT: usize = 99;
/// Where fewer of the sample's rows than these, in percent, fit one word, every row takes two: hardly more memory than a
/// mixture of one word and three, and no range needs the slower sort.
const DOUBLE_PERCENT: usize = 75;
/// Ranges at most: beyond, chunks that are not full waste more than packing saves.
const MOST_RANGES: usize = 4096;

/// What the reading has come to when the logs have ended.
pub(super) struct Tally {
    /// Rows and rejects.
    pub(super) rejects: RejectReport,
    pub(super) runs: Counted,
}

/// Where the counted runs are.
pub(super) enum Counted {
    /// All rows fitted the memory: in the file for the partial, which lacks its footer alone.
    Whole(Box<OpenPartial>),
    /// In files of their own, to be merged.
    Spilled(Vec<Input>),
}

/// What decides where a row goes.
struct Table {
    users: Splitters,
    /// Keys are tags.
    countries: Splitters,
    packing: Packing,
    /// Of rows whose keys are tags.
    country_packing: Packing,
    tags: Tags,
}

/// Songs of up to 54 bits and the ten bits of a country number: nearly every row of the country side fits.
const COUNTRY_SONG_BITS: u32 = 54;

/// One thread's place in the logs, kept while the arena is emptied.
#[derive(Default)]
struct Reader {
    window: Window,
    /// Bytes of the window's rows that were parsed.
    parsed: usize,
    batch: RowBatch,
    /// Rows of the batch that were scattered.
    scattered: usize,
    rejects: RejectLog,
}

/// What a tally works with.
pub(super) struct Logs<'a> {
    pub(super) context: &'a Context,
    pub(super) pool: &'a rayon::ThreadPool,
    pub(super) source: &'a Source,
    pub(super) countries: &'a CountrySet,
    pub(super) plan: CountPlan,
    /// Makes the file for the partial; `None` if the logs come on top of one, as a piece like spilled ones.
    pub(super) partial: Option<Scratch<'a>>,
    /// Makes a file for a spilled run.
    pub(super) scratch: Scratch<'a>,
}

impl Logs<'_> {
    /// Reads the logs to their end and counts them. `check` sees the rejects before the last run is written.
    pub(super) fn tally(&self, check: impl FnOnce(&RejectReport) -> Result<()>) -> Result<Tally> {
        let readers: Vec<Mutex<Reader>> =
            (0..self.context.budget.threads).map(|_| Mutex::default()).collect();
        let mut arena = Arena::new(self.plan.arena)?;
        let needs = DrainNeeds {
            chunks: arena.chunks(),
            threads: self.context.budget.threads,
            ranges: 1,
            most_rows: self.plan.most_rows,
        };
        let table = self.sample(&readers, needs.most_ranges().min(MOST_RANGES))?;
        let needs = DrainNeeds { ranges: table.countries.ranges(), ..needs };
        let chunks = ChunkPool::new(&mut arena, needs.reserve());
        let total = self.source.total_disk_bytes();
        let (mut spills, scatters) =
            self.context.phase(Phase::Read, total, || self.read_all(&readers, &table, &chunks))?;
        let rejects = merge_rejects(readers);
        check(&rejects)?;
        let rows = rejects.rows_by_input.iter().sum::<u64>() - rejects.counts.total();
        let runs = self.context.phase(Phase::Count, Some(rows), || {
            if let Some(partial) = self.partial.filter(|_| spills.is_empty()) {
                let mut writer = temporary_writer(partial()?)?;
                self.drain(scatters, &table, &chunks, &mut writer)?;
                return Ok(Counted::Whole(Box::new(writer)));
            }
            spills.push(self.spill(scatters, &table, &chunks)?.0);
            Ok(Counted::Spilled(spills))
        })?;
        Ok(Tally { rejects, runs })
    }

    /// Reads to the end; what does not fit the arena is spilled, the rest stays in it.
    fn read_all<'a>(
        &self,
        readers: &[Mutex<Reader>],
        table: &Table,
        chunks: &ChunkPool<'a>,
    ) -> Result<(Vec<Input>, Vec<Scatter<'a>>)> {
        let mut spills = Vec::new();
        loop {
            let (scatters, ended) = self.fill(readers, table, chunks)?;
            if ended {
                return Ok((spills, scatters));
            }
            let (spill, rows) = self.spill(scatters, table, chunks)?;
            if rows == 0 {
                // No budget that `Budget::new` allows is so small that nothing fits.
                return Err(Error::from(ErrorKind::Usage("--memory is too small".to_owned())));
            }
            tracing::info!(rows, "spilled a run");
            spills.push(spill);
        }
    }

    /// Counts what was scattered into files of its own; also tells how many rows that were.
    fn spill<'a>(
        &self,
        scatters: Vec<Scatter<'a>>,
        table: &Table,
        chunks: &ChunkPool<'a>,
    ) -> Result<(Input, u64)> {
        let mut spill = Spill::new(self.scratch);
        let rows = self.drain(scatters, table, chunks, &mut spill)?;
        Ok((spill.finish(), rows))
    }

    /// Chooses splitters and packing from rows all over the logs, or from the first rows where the logs can only be
    /// read front to back.
    fn sample(&self, readers: &[Mutex<Reader>], most_ranges: usize) -> Result<Table> {
        let mut pieces = self.source.sample(SAMPLE_PIECES, SAMPLE_PIECE_BYTES)?;
        if pieces.is_empty()
            && let Some(reader) = readers.first()
        {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if reader.next_window(self)? {
                pieces.push(reader.window.rows().to_vec());
            }
        }
        let bytes: usize = pieces.iter().map(Vec::len).sum();
        let rows = self.parse_sample(&pieces);
        // Compressed logs hold about four times their size; a wrong guess costs a few ranges.
        let expected = self.source.total_disk_bytes().map_or(u64::MAX, |total| total * 4);
        let expected = expected.saturating_mul(rows.len() as u64) / (bytes.max(1) as u64);
        Ok(self.table(&rows, expected, most_ranges))
    }

    fn parse_sample(&self, pieces: &[Vec<u8>]) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut batch = RowBatch::new();
        let mut ignored = RejectLog::new();
        for piece in pieces {
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                batch.clear();
                let parsed = row::parse(rest, self.countries, &mut batch, &mut ignored);
                rest = rest.get(parsed..).unwrap_or_default();
                rows.extend(batch_rows(&batch, 0));
            }
        }
        rows
    }

    /// `rows` have the country's number as tag here.
    fn table(&self, rows: &[Row], expected: u64, most: usize) -> Table {
        let tags = Tags::new(
            (0..u64::from(Country::COUNT))
                .filter_map(Country::from_number)
                .filter(|country| self.countries.contains(*country)),
        );
        let songs = rows.iter().fold(0, |all, row| all | row.song);
        // Never more than the country side has room for: draining relies on rows that do not grow.
        let song_bits = (64 - songs.leading_zeros()).min(COUNTRY_SONG_BITS);
        let single = Packing::new(song_bits, tags.bits());
        let (mut users, mut ranges, fitting) = self.user_splitters(rows, single, expected, most);
        let mut packings = (single, Packing::new(COUNTRY_SONG_BITS, 0));
        if fitting * 100 < rows.len() * DOUBLE_PERCENT {
            packings = (Packing::double(tags.bits()), Packing::double(0));
            (users, ranges, _) = self.user_splitters(rows, packings.0, expected, most);
        }
        let (packing, country_packing) = packings;
        let mut positions: Vec<Position> = rows
            .iter()
            .map(|row| Position { key: tags.tag(low_16(row.tag)), song: row.song })
            .collect();
        let countries = Splitters::from_sample(&mut positions, ranges);
        tracing::debug!(ranges, sampled = rows.len(), ?packing, "splitters chosen");
        Table { users, countries, packing, country_packing, tags }
    }

    /// Ranges for rows packed so, how many were wanted, and how many of these rows then fit.
    fn user_splitters(
        &self,
        rows: &[Row],
        packing: Packing,
        expected: u64,
        most: usize,
    ) -> (Splitters, usize, usize) {
        let capacity = (self.plan.arena / (8 * packing.words())) as u64;
        let wanted = expected.min(capacity) / (self.plan.most_rows as u64 / 4);
        let mut ranges = usize::try_from(wanted).unwrap_or(most).clamp(1, most);
        let mut positions: Vec<Position> =
            rows.iter().map(|row| Position { key: row.key, song: row.song }).collect();
        // More ranges bring keys nearer to where theirs starts; they do nothing for a song.
        let able = rows.iter().filter(|row| packing.fits(row.key, **row)).count();
        loop {
            let users = Splitters::from_sample(&mut positions, ranges);
            let users = users.within_distance(packing.most_distance(), most);
            let fits = |row: &&Row| {
                let position = Position { key: row.key, song: row.song };
                packing.fits(users.base(users.range_of(position)), **row)
            };
            let fitting = rows.iter().filter(fits).count();
            // A few ranges of a small log are not worth more.
            let small = ranges < 64;
            if small || fitting * 100 >= able * PACKED_PERCENT || 2 * ranges > most {
                return (users, ranges, fitting);
            }
            ranges *= 2;
        }
    }

    /// Reads, parses and scatters on all threads until the logs end (true) or the arena is full.
    fn fill<'a>(
        &self,
        readers: &[Mutex<Reader>],
        table: &Table,
        chunks: &ChunkPool<'a>,
    ) -> Result<(Vec<Scatter<'a>>, bool)> {
        let failed = AtomicBool::new(false);
        let outcomes = self.pool.broadcast(|thread| {
            let Some(reader) = readers.get(thread.index()) else {
                return Ok((Scatter::new(&table.users), true));
            };
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = reader.fill(self, table, chunks, &failed);
            outcome.inspect_err(|_| failed.store(true, Ordering::Relaxed))
        });
        let mut scatters = Vec::new();
        let mut all_ended = true;
        for outcome in outcomes {
            let (scatter, ended) = outcome?;
            scatters.push(scatter);
            all_ended &= ended;
        }
        Ok((scatters, all_ended))
    }

    /// Sorts, counts and encodes what was scattered into both runs of `target`; returns how many rows that were.
    fn drain<'a>(
        &self,
        scatters: Vec<Scatter<'a>>,
        table: &Table,
        chunks: &ChunkPool<'a>,
        target: &mut impl WriteRun,
    ) -> Result<u64> {
        let most = self.plan.most_rows;
        let users = Partition::new(&table.users, table.packing, scatters);
        let users = users.split_large(most, self.pool, chunks)?;
        let packing = table.country_packing;
        let rescattered = Mutex::new(Vec::new());
        let state = || Drainer::again(chunks, &table.countries, packing, &rescattered);
        let shape = Shape { pool: self.pool, pieces: users.len() };
        let written = target.write_run(Kind::User, shape, state, |drainer, range| {
            self.context.check_stop()?;
            let Some(range) = users.take(range) else { return Ok(Default::default()) };
            self.context.observer.advance(Phase::Count, range.rows() as u64);
            let Drainer { sorter, supply, again, .. } = drainer;
            let again = again.as_mut().ok_or(ErrorKind::Fault("rows have nowhere to go"))?;
            sorter.count(range, supply, again)
        })?;
        let rescattered = rescattered.into_inner().unwrap_or_else(PoisonError::into_inner);
        let countries = Partition::new(&table.countries, packing, rescattered);
        let countries = countries.split_large(most, self.pool, chunks)?;
        let shape = Shape { pool: self.pool, pieces: countries.len() };
        target.write_run(
            Kind::Country,
            shape,
            || Drainer::new(chunks),
            |drainer, range| {
                self.context.check_stop()?;
                let Some(range) = countries.take(range) else { return Ok(Default::default()) };
                let Drainer { sorter, supply, .. } = drainer;
                let mut batch = sorter.count(range, supply, &mut Discard)?;
                batch.keys.iter_mut().for_each(|key| *key = table.tags.number(*key));
                Ok(batch)
            },
        )?;
        Ok(written.streams)
    }
}

fn merge_rejects(readers: Vec<Mutex<Reader>>) -> RejectReport {
    let logs = readers
        .into_iter()
        .map(|reader| reader.into_inner().unwrap_or_else(PoisonError::into_inner).rejects);
    RejectReport::merge(logs.collect())
}

/// What one thread keeps while ranges are drained. What it scattered again, if it did, goes to the shelf at the end.
struct Drainer<'s, 'p, 'a> {
    sorter: Sorter,
    supply: Supply<'p, 'a>,
    again: Option<ByTag<'s, 'a>>,
    shelf: Option<&'s Mutex<Vec<Scatter<'a>>>>,
}

impl<'s, 'p, 'a> Drainer<'s, 'p, 'a> {
    fn new(chunks: &'p ChunkPool<'a>) -> Self {
        let (sorter, supply) = (Sorter::default(), Supply::draining(chunks));
        Drainer { sorter, supply, again: None, shelf: None }
    }

    fn again(
        chunks: &'p ChunkPool<'a>,
        splitters: &'s Splitters,
        packing: Packing,
        shelf: &'s Mutex<Vec<Scatter<'a>>>,
    ) -> Self {
        let again = ByTag { scatter: Scatter::new(splitters), splitters, packing };
        let (sorter, supply) = (Sorter::default(), Supply::draining(chunks));
        Drainer { sorter, supply, again: Some(again), shelf: Some(shelf) }
    }
}

impl Drop for Drainer<'_, '_, '_> {
    fn drop(&mut self) {
        if let Some((again, shelf)) = self.again.take().zip(self.shelf) {
            shelf.lock().unwrap_or_else(PoisonError::into_inner).push(again.scatter);
        }
    }
}

impl Reader {
    /// The next window, from its first row; false when the logs have ended.
    fn next_window(&mut self, logs: &Logs<'_>) -> Result<bool> {
        logs.context.check_stop()?;
        if !logs.source.next(&mut self.window)? {
            self.window = Window::new();
            self.parsed = 0;
            return Ok(false);
        }
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.rejects.begin_window(number(self.window.input as u64), number(self.window.index));
        self.parsed = 0;
        logs.context.observer.advance(Phase::Read, self.window.disk_bytes);
        Ok(true)
    }

    fn fill<'a>(
        &mut self,
        logs: &Logs<'_>,
        table: &Table,
        chunks: &ChunkPool<'a>,
        failed: &AtomicBool,
    ) -> Result<(Scatter<'a>, bool)> {
        let mut supply = Supply::filling(chunks);
        let mut scatter = Scatter::new(&table.users);
        loop {
            if !self.scatter(table, &mut scatter, &mut supply) {
                return Ok((scatter, false));
            }
            let rest = self.window.rows().get(self.parsed..).unwrap_or_default();
            if !rest.is_empty() {
                self.parsed += row::parse(rest, logs.countries, &mut self.batch, &mut self.rejects);
            } else if failed.load(Ordering::Relaxed) || !self.next_window(logs)? {
                return Ok((scatter, true));
            }
        }
    }

    /// Scatters the batch and clears it; false, with the rest kept, when the arena is full.
    fn scatter<'a>(
        &mut self,
        table: &Table,
        scatter: &mut Scatter<'a>,
        supply: &mut Supply<'_, 'a>,
    ) -> bool {
        let rows = batch_rows(&self.batch, self.scattered);
        let rows = rows.map(|row| Row { tag: table.tags.tag(low_16(row.tag)), ..row });
        self.scattered += scatter.put(rows, &table.users, table.packing, supply);
        if self.scattered < self.batch.len() {
            return false;
        }
        self.batch.clear();
        self.scattered = 0;
        true
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a country number, below 676")]
const fn low_16(number: u64) -> u16 {
    number as u16
}

/// The rows of a batch from `from` on, with the country's number as tag.
fn batch_rows(batch: &RowBatch, from: usize) -> impl Iterator<Item = Row> + '_ {
    let columns = batch.users.iter().zip(&batch.songs).zip(&batch.countries);
    columns.skip(from).map(|((&key, &song), &country)| Row { key, song, tag: u64::from(country) })
}
