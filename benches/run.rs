//! Stage 3: rows to sorted runs, by scattering, sorting and counting. Run with `cargo bench --bench run`.
//!
//! The row arena is touched before, so that the kernel's page faults are not measured.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use agg::budget::CountPlan;
use agg::generate::Shape;
use agg::row::CountrySet;
use agg::run::{Counter, FilledArena, Filler, Means, Plan, Ranges, Sample};
use agg::{Batch, Country, Kind, RowBatch};
use common::{Fingerprint, Log, count};
use divan::Bencher;
use divan::counter::ItemsCount;

const ROWS: u64 = 500_000;
/// Ranges of 31,000 rows, as a whole day in the usual budget has them.
const RANGES: usize = 16;
/// Room for the rows as three words each, and for chunks that are not full.
const ARENA: usize = 64 << 20;

fn main() {
    common::main();
}

/// Rows to ranges of users: few, which stay in the cache with their open chunks, or the number of a large day.
#[divan::bench(args = [16, 256, 1024])]
fn fill(bencher: Bencher, ranges: usize) {
    let corpus = Corpus::new(Shape::Normal, ranges);
    let mut expected = vec![0; corpus.plan.ranges()];
    for (user, song) in corpus.rows.users.iter().zip(&corpus.rows.songs) {
        expected[corpus.plan.range_of(*user, *song)] += 1;
    }
    let mut arena = corpus.plan.arena().unwrap();
    bencher.counter(ItemsCount::new(corpus.rows.len())).bench_local(|| {
        let counter = Counter::new(&corpus.plan, &mut arena);
        let ranges = counter.drain(&corpus.pool, corpus.fill(&counter)).unwrap();
        let found = (0..ranges.len()).map(|range| ranges.rows(range));
        assert!(found.eq(expected.iter().copied()), "a row went astray");
    });
}

/// Rows in the arena to the user run, and over again to the country run.
#[divan::bench(args = [Shape::Normal, Shape::HotUser, Shape::WideIds])]
fn drain(bencher: Bencher, shape: Shape) {
    let corpus = Corpus::new(shape, RANGES);
    let mut arena = corpus.plan.arena().unwrap();
    let counter = Counter::new(&corpus.plan, &mut arena);
    let (mut users, mut countries) = (Batch::default(), Batch::default());
    corpus.drain(&counter, corpus.fill(&counter), keep(&mut users), keep(&mut countries));
    assert!(users == corpus.user_run, "not the user run of the obvious program");
    assert!(countries == corpus.country_run, "not the country run of the obvious program");

    let expected = [Fingerprint::of(&users), Fingerprint::of(&countries)];
    let bencher = bencher.counter(ItemsCount::new(corpus.rows.len()));
    bencher.with_inputs(|| corpus.fill(&counter)).bench_local_values(|filled| {
        let [mut users, mut countries] = [Fingerprint::default(); 2];
        let add_user = |batch: Batch| users.add_entries(&batch);
        let add_country = |batch: Batch| countries.add_entries(&batch);
        corpus.drain(&counter, filled, add_user, add_country);
        assert_eq!([users, countries], expected);
    });
}

fn keep(whole: &mut Batch) -> impl FnMut(Batch) {
    |batch| whole.extend_from(&batch, 0..batch.len())
}

/// Rows, where they go, and the expected result.
struct Corpus {
    pool: rayon::ThreadPool,
    rows: RowBatch,
    plan: Plan,
    user_run: Batch,
    country_run: Batch,
}

impl Corpus {
    fn new(shape: Shape, ranges: usize) -> Self {
        let accepted = Log::new(shape, ROWS, 1).accepted();
        let (mut rows, mut sampled, mut sample) =
            (RowBatch::new(), RowBatch::new(), Sample::default());
        for (at, row) in accepted.iter().enumerate() {
            let push = |batch: &mut RowBatch| {
                batch.users.push(row.user);
                batch.songs.push(row.song);
                batch.countries.push(row.country);
            };
            push(&mut rows);
            if at % 8 == 0 {
                push(&mut sampled);
            }
        }
        sample.add(&sampled);
        let iso = CountrySet::iso();
        let all = (0..u64::from(Country::COUNT)).filter_map(Country::from_number);
        let countries = all.filter(|country| iso.contains(*country));
        let shares = CountPlan { arena: ARENA, max_rows: rows.len() };
        let means = Means { shares, threads: 1 };
        Corpus {
            pool: rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap(),
            plan: Plan::with_ranges(&sample, countries, means, ranges),
            user_run: count(Kind::User, &accepted),
            country_run: count(Kind::Country, &accepted),
            rows,
        }
    }

    fn fill<'a>(&self, counter: &Counter<'a>) -> FilledArena<'a> {
        let put = |_: usize, filler: &mut Filler<'_, '_>| {
            assert_eq!(filler.put(&self.rows, 0), self.rows.len(), "no chunk is free");
            Ok(true)
        };
        counter.fill(&self.pool, put).unwrap().0
    }

    fn drain<'a>(
        &self,
        counter: &Counter<'a>,
        filled: FilledArena<'a>,
        each_user: impl FnMut(Batch),
        each_country: impl FnMut(Batch),
    ) {
        let users = counter.drain(&self.pool, filled).unwrap();
        each_range(&users, each_user);
        each_range(&users.next_run(&self.pool).unwrap().unwrap(), each_country);
    }
}

/// Sorts and counts range after range.
fn each_range(ranges: &Ranges<'_, '_>, mut each: impl FnMut(Batch)) {
    let mut worker = ranges.worker();
    for range in 0..ranges.len() {
        each(worker.count(range).unwrap());
    }
}
