//! Filling and draining together, against the obvious map.

use proptest::prelude::*;

use super::*;
use crate::model::{Batch, Position};
use crate::testing::{Naive, batch_of, pool};

fn drain<'a>(
    partition: &Partition<'a>,
    chunks: &ChunkPool<'a>,
    taker: &mut impl TakeRows<'a>,
) -> Batch {
    let mut whole = Batch::default();
    let mut sorter = Sorter::default();
    let mut supply = Supply::draining(chunks);
    for range in 0..partition.len() {
        let range = partition.take(range).unwrap();
        let batch = sorter.count(range, partition.packing(), &mut supply, taker).unwrap();
        whole.extend_from(&batch, 0..batch.len());
    }
    whole
}

/// Scatters `rows` on `threads` threads, drains by user and again by country, and returns both runs.
fn runs(
    rows: &[Row],
    sampled: usize,
    ranges: usize,
    most_rows: usize,
    threads: usize,
) -> [Batch; 2] {
    let mut arena = Arena::new(4 << 20).unwrap();
    let chunks = ChunkPool::new(&mut arena, 64);
    let before = chunks.free();
    let positions = |key: fn(&Row) -> u64| {
        rows.iter().take(sampled).map(|row| Position { key: key(row), song: row.song }).collect()
    };
    let mut user_sample: Vec<Position> = positions(|row| row.key);
    let songs = user_sample.iter().fold(0, |all, position| all | position.song);
    let packing = Packing::new(64 - songs.leading_zeros(), 3);
    let by_user = Splitters::from_sample(&mut user_sample, ranges);
    let by_country = Splitters::from_sample(&mut positions(|row| row.tag), ranges);
    let pool = pool(threads);
    let scatters = pool.broadcast(|thread| {
        let mut supply = Supply::filling(&chunks);
        let mut scatter = Scatter::new(&by_user);
        let rows = rows.iter().copied().skip(thread.index()).step_by(threads);
        let expected = rows.clone().count();
        assert_eq!(scatter.put(rows, &by_user, packing, &mut supply), expected);
        scatter
    });
    let country_packing = Packing::new(50, 0);
    let users =
        Partition::new(&by_user, packing, scatters).split_large(most_rows, &pool, &chunks).unwrap();
    let (splitters, packing) = (&by_country, country_packing);
    let mut again = ByTag { scatter: Scatter::new(splitters), splitters, packing };
    let user_run = drain(&users, &chunks, &mut again);
    let countries = Partition::new(&by_country, country_packing, vec![again.scatter]);
    let countries = countries.split_large(most_rows, &pool, &chunks).unwrap();
    let country_run = drain(&countries, &chunks, &mut Discard);
    assert_eq!(chunks.free(), before, "every chunk is free again");
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
        ranges in 1usize..30, most_rows in 1usize..2000, threads in 1usize..4,
    ) {
        let rows: Vec<Row> = rows.iter().map(|&(key, song, tag)| Row { key, song, tag }).collect();
        let mut expected = [Naive::new(), Naive::new()];
        for row in &rows {
            *expected[0].entry((row.key, row.song)).or_default() += 1;
            *expected[1].entry((row.tag, row.song)).or_default() += 1;
        }
        let found = runs(&rows, sampled, ranges, most_rows, threads);
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
    let mut arena = Arena::new(10 * chunk::CHUNK_BYTES).unwrap();
    let chunks = ChunkPool::new(&mut arena, 4);
    let splitters = Splitters::from_sample(&mut [], 1);
    let packing = Packing::new(20, 0);
    let mut supply = Supply::filling(&chunks);
    let mut scatter = Scatter::new(&splitters);
    let rows = (0..).map(|key| Row { key, song: 1, tag: 0 });
    let put = scatter.put(rows, &splitters, packing, &mut supply);
    assert_eq!(put, 6 * chunk::CHUNK_WORDS);
    let partition = Partition::new(&splitters, packing, vec![scatter]);
    assert_eq!(partition.take(0).unwrap().rows(), put);
}
