//! Filling and draining together, against the obvious map.

use proptest::prelude::*;

use super::chunk::{CHUNK_BYTES, CHUNK_WORDS};
use super::packing::Packing;
use super::*;
use crate::budget::CountPlan;
use crate::model::{Batch, Country, Kind, RowBatch};
use crate::testing::{Naive, batch_of, pool};

/// Every `step`-th row from the `from`-th on.
fn batch(rows: &[Row], from: usize, step: usize) -> RowBatch {
    let mut batch = RowBatch::new();
    for row in rows.iter().skip(from).step_by(step) {
        batch.users.push(row.key);
        batch.songs.push(row.song);
        batch.countries.push(u16::try_from(row.tag).unwrap());
    }
    batch
}

fn plan(sampled: &[Row], ranges: usize, max_rows: usize, threads: usize) -> Plan {
    let mut sample = Sample::default();
    sample.add(&batch(sampled, 0, 1));
    // The first eight countries, whose tags are their numbers.
    let countries = (0..8).filter_map(Country::from_number);
    let shares = CountPlan { arena: 4 << 20, max_rows };
    Plan::with_ranges(&sample, countries, Means { shares, threads }, ranges)
}

fn count(ranges: &Ranges<'_, '_>) -> Batch {
    let (mut whole, mut worker) = (Batch::default(), ranges.worker());
    for range in 0..ranges.len() {
        let batch = worker.count(range).unwrap();
        whole.extend_from(&batch, 0..batch.len());
    }
    whole
}

/// Puts `rows` on `threads` threads, and counts them by user and again by country.
fn runs(plan: &Plan, rows: &[Row], threads: usize) -> [Batch; 2] {
    let mut arena = plan.arena().unwrap();
    let counter = Counter::with_reserve(plan, &mut arena, 64);
    let before = counter.free();
    let pool = pool(threads);
    let put = |thread: usize, filler: &mut Filler<'_, '_>| {
        let batch = batch(rows, thread, threads);
        assert_eq!(filler.put(&batch, 0), batch.len());
        Ok(true)
    };
    let (filled, ended) = counter.fill(&pool, put).unwrap();
    assert!(ended);
    let users = counter.drain(&pool, filled).unwrap();
    let user_run = count(&users);
    let countries = users.next_run(&pool).unwrap().unwrap();
    let country_run = count(&countries);
    assert!(countries.next_run(&pool).unwrap().is_none());
    assert_eq!(counter.free(), before, "every chunk is free again");
    [user_run, country_run]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn both_runs_are_those_of_a_map_whatever_was_sampled(
        rows in prop::collection::vec(
            (prop_oneof![Just(7u64), 0u64..50, any::<u64>().prop_map(|id| id >> 1)],
             prop_oneof![Just(9u64), 0u64..50, 0u64..1 << 40, any::<u64>().prop_map(|id| id >> 1)],
             0u64..8), 0..3000),
        sampled in prop_oneof![Just(0usize), 1usize..40, Just(5000)],
        ranges in 1usize..30, max_rows in 1usize..2000, threads in 1usize..4, double in any::<bool>(),
    ) {
        let rows: Vec<Row> = rows.iter().map(|&(key, song, tag)| Row { key, song, tag }).collect();
        let mut expected = [Naive::new(), Naive::new()];
        for row in &rows {
            *expected[0].entry((row.key, row.song)).or_default() += 1;
            *expected[1].entry((row.tag, row.song)).or_default() += 1;
        }
        let mut plan = plan(&rows[..sampled.min(rows.len())], ranges, max_rows, threads);
        if double {
            plan.sides[Kind::User].packing = Packing::double(3);
            plan.sides[Kind::Country].packing = Packing::double(0);
        }
        let found = runs(&plan, &rows, threads);
        let expected = expected.map(|naive| batch_of(&naive));
        for (found, expected) in found.iter().zip(&expected) {
            let at = found.iter().zip(expected.iter()).position(|(one, other)| one != other);
            let around = |batch: &Batch| {
                let from = at.unwrap_or(batch.len()).saturating_sub(1);
                batch.iter().skip(from).take(3).collect::<Vec<_>>()
            };
            prop_assert!(found == expected, "at {at:?}: {:?} {:?}", around(found), around(expected));
        }
    }
}

#[test]
fn filling_stops_at_the_reserve_and_the_row_can_be_put_later() {
    let plan = plan(&[], 1, 1 << 20, 1);
    let mut arena = Arena::new(10 * CHUNK_BYTES).unwrap();
    let counter = Counter::with_reserve(&plan, &mut arena, 4);
    let rows: Vec<Row> = (0..3000).map(|key| Row { key, song: 1, tag: 0 }).collect();
    let (pool, batch, put) = (pool(1), batch(&rows, 0, 1), 6 * CHUNK_WORDS);
    let fill = |_: usize, filler: &mut Filler<'_, '_>| {
        assert_eq!(filler.put(&batch, 0), put);
        Ok(false)
    };
    let (filled, ended) = counter.fill(&pool, fill).unwrap();
    assert!(!ended);
    assert_eq!(counter.drain(&pool, filled).unwrap().rows(0), put);
}
