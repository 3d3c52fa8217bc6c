//! Stage 3: rows to sorted runs, by scattering, sorting and counting. Run with `cargo bench --bench run`.
//!
//! The row arena was touched before, so that what is measured is not the kernel's page faults.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use agg::generate::Shape;
use agg::model::Position;
use agg::row::CountrySet;
use agg::run::{
    Arena, ByTag, ChunkPool, Discard, DrainNeeds, Packing, Partition, Row, Scatter, Sorter,
    Splitters, Supply, Tags, TakeRows,
};
use agg::{Batch, Country, Kind};
use common::{Fingerprint, Listening, Log, count};
use divan::Bencher;
use divan::counter::ItemsCount;

const ROWS: u64 = 500_000;
/// Ranges of 31,000 rows, as a whole day in the usual budget has them.
const RANGES: usize = 16;
/// Room for the rows as three words each, and for chunks that are not full.
const ARENA: usize = 64 << 20;
/// Songs of rows by country have these bits of a word, as in a reduction.
const COUNTRY_SONG_BITS: u32 = 54;

fn main() {
    common::main();
}

/// Rows to ranges of users: few, which stay in the cache with their open chunks, or as many as a large day has.
#[divan::bench(args = [16, 256, 1024])]
fn scatter(bencher: Bencher, ranges: usize) {
    let corpus = Corpus::new(Shape::Normal, ranges);
    let mut expected = vec![0; corpus.users.ranges()];
    for row in &corpus.rows {
        expected[corpus.users.range_of(Position { key: row.key, song: row.song })] += 1;
    }
    let mut arena = Arena::new(ARENA).unwrap();
    bencher.counter(ItemsCount::new(corpus.rows.len())).bench_local(|| {
        let chunks = ChunkPool::new(&mut arena, 0);
        let partition = corpus.scatter(&chunks);
        let found = (0..partition.len()).map(|range| partition.take(range).unwrap().rows());
        assert!(found.eq(expected.iter().copied()), "a row went astray");
    });
}

/// Scattered rows to the user run.
#[divan::bench(args = [Shape::Normal, Shape::HotUser, Shape::WideIds])]
fn user_run(bencher: Bencher, shape: Shape) {
    let corpus = Corpus::new(shape, RANGES);
    let mut arena = Arena::new(ARENA).unwrap();
    let chunks = ChunkPool::new(&mut arena, 0);
    let mut whole = Batch::default();
    drain(&corpus.scatter(&chunks), &chunks, keep(&mut whole), &mut Discard);
    assert!(whole == corpus.user_run, "not the run of the obvious program");

    let expected = Fingerprint::of(&whole);
    let bencher = bencher.counter(ItemsCount::new(corpus.rows.len()));
    bencher.with_inputs(|| corpus.scatter(&chunks)).bench_local_values(|partition| {
        let mut found = Fingerprint::default();
        drain(&partition, &chunks, |batch| found.add_entries(&batch), &mut Discard);
        assert_eq!(found, expected);
    });
}

/// Scattered rows to the user run, and over again to the country run.
#[divan::bench(args = [Shape::Normal, Shape::HotUser, Shape::WideIds])]
fn both_runs(bencher: Bencher, shape: Shape) {
    let corpus = Corpus::new(shape, RANGES);
    let mut arena = Arena::new(ARENA).unwrap();
    let chunks = ChunkPool::new(&mut arena, corpus.reserve(ARENA));
    let (mut users, mut countries) = (Batch::default(), Batch::default());
    let users_first = corpus.scatter(&chunks);
    corpus.drain_both(&users_first, &chunks, keep(&mut users), keep(&mut countries));
    assert!(users == corpus.user_run, "not the user run of the obvious program");
    assert!(countries == corpus.country_run, "not the country run of the obvious program");

    let expected = [Fingerprint::of(&users), Fingerprint::of(&countries)];
    let bencher = bencher.counter(ItemsCount::new(corpus.rows.len()));
    bencher.with_inputs(|| corpus.scatter(&chunks)).bench_local_values(|partition| {
        let [mut users, mut countries] = [Fingerprint::default(); 2];
        let add_user = |batch: Batch| users.add_entries(&batch);
        let add_country = |batch: Batch| countries.add_entries(&batch);
        corpus.drain_both(&partition, &chunks, add_user, add_country);
        assert_eq!([users, countries], expected);
    });
}

fn keep(whole: &mut Batch) -> impl FnMut(Batch) {
    |batch| whole.extend_from(&batch, 0..batch.len())
}

/// Rows, how they are divided, and what is to come of them.
struct Corpus {
    rows: Vec<Row>,
    users: Splitters,
    countries: Splitters,
    packing: Packing,
    tags: Tags,
    user_run: Batch,
    country_run: Batch,
}

impl Corpus {
    fn new(shape: Shape, ranges: usize) -> Self {
        let iso = CountrySet::iso();
        let all = (0..u64::from(Country::COUNT)).filter_map(Country::from_number);
        let tags = Tags::new(all.filter(|country| iso.contains(*country)));
        let accepted = Log::new(shape, ROWS, 1).accepted();
        let sampled = accepted.iter().step_by(8);
        let songs = sampled.clone().fold(0, |all, row| all | row.song);
        let splitters = |position: &dyn Fn(&Listening) -> Position| {
            Splitters::from_sample(&mut sampled.clone().map(position).collect::<Vec<_>>(), ranges)
        };
        let by_country = |row: &Listening| Position { key: tags.tag(row.country), song: row.song };
        let row =
            |row: &Listening| Row { key: row.user, song: row.song, tag: tags.tag(row.country) };
        Corpus {
            rows: accepted.iter().map(row).collect(),
            users: splitters(&|row| Position { key: row.user, song: row.song }),
            countries: splitters(&by_country),
            packing: Packing::new(64 - songs.leading_zeros(), tags.bits()),
            user_run: count(Kind::User, &accepted),
            country_run: count(Kind::Country, &accepted),
            tags,
        }
    }

    /// Chunks that scattering by user leaves for scattering by country.
    fn reserve(&self, arena: usize) -> usize {
        let (chunks, ranges) = (arena / 2048, self.countries.ranges());
        DrainNeeds { chunks, threads: 1, ranges, most_rows: self.rows.len() }.reserve()
    }

    fn scatter<'a>(&self, chunks: &ChunkPool<'a>) -> Partition<'a> {
        let mut supply = Supply::filling(chunks);
        let mut scatter = Scatter::new(&self.users);
        let put = scatter.put(self.rows.iter().copied(), &self.users, self.packing, &mut supply);
        assert_eq!(put, self.rows.len(), "no chunk is free");
        Partition::new(&self.users, self.packing, vec![scatter])
    }

    fn drain_both<'a>(
        &self,
        by_user: &Partition<'a>,
        chunks: &ChunkPool<'a>,
        each_user: impl FnMut(Batch),
        mut each_country: impl FnMut(Batch),
    ) {
        let packing = Packing::new(COUNTRY_SONG_BITS, 0);
        let splitters = &self.countries;
        let mut again = ByTag { scatter: Scatter::new(splitters), splitters, packing };
        drain(by_user, chunks, each_user, &mut again);
        let by_country = Partition::new(splitters, packing, vec![again.scatter]);
        let numbered = |mut batch: Batch| {
            batch.keys.iter_mut().for_each(|key| *key = self.tags.number(*key));
            each_country(batch);
        };
        drain(&by_country, chunks, numbered, &mut Discard);
    }
}

/// Sorts and counts range after range; gives every row to `taker` and every batch to `each`.
fn drain<'a>(
    partition: &Partition<'a>,
    chunks: &ChunkPool<'a>,
    mut each: impl FnMut(Batch),
    taker: &mut impl TakeRows<'a>,
) {
    let mut sorter = Sorter::default();
    let mut supply = Supply::draining(chunks);
    for range in 0..partition.len() {
        let range = partition.take(range).unwrap();
        each(sorter.count(range, partition.packing(), &mut supply, taker).unwrap());
    }
}
