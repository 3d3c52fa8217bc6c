//! Writer, reader and verification together: every rule of the format on small partials.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorClass, Result};
use crate::merge::Stream;
use crate::model::{
    Batch, CountryCodes, Entry, InputFacts, Inputs, Kind, Position, RejectCounts, Rules,
};
use crate::runfile::RunPieces;
use crate::testing::{MemoryFile, Naive, batch_of, pool};

/// Writes both runs in pieces that end at every `cut`-th entry.
fn write(runs: &[Naive; 2], cut: usize, threads: usize, block_entries: usize) -> Vec<u8> {
    write_by(Rules::default(), runs, cut, threads, block_entries)
}

/// The same for a day whose rows were read by these rules.
fn write_by(
    rules: Rules,
    runs: &[Naive; 2],
    cut: usize,
    threads: usize,
    block_entries: usize,
) -> Vec<u8> {
    let mut writer = Writer::with_block_entries(Vec::new(), rules, block_entries).unwrap();
    let pool = pool(threads);
    for run in runs {
        let whole = batch_of(run);
        let shape = RunPieces { pool: &pool, pieces: whole.len().div_ceil(cut) };
        let make = |(): &mut (), piece: usize, _| {
            let mut batch = Batch::default();
            batch.extend_from(&whole, piece * cut..whole.len().min((piece + 1) * cut));
            Ok(batch)
        };
        writer.write_run(shape, || (), make).unwrap();
    }
    let rows = runs[0].values().sum();
    let day = "2021-12-01".parse().unwrap();
    writer.finish(day, rows, RejectCounts::default(), Default::default()).unwrap().sink
}

fn open(bytes: &[u8]) -> Result<Partial> {
    Partial::open(Box::new(MemoryFile(bytes.to_vec())), Path::new("day.agg"))
}

fn read(partial: &Partial, kind: Kind, range: std::ops::Range<Position>) -> Result<Vec<Entry>> {
    let mut reader = partial.run(kind).blocks(range);
    let mut batch = Batch::default();
    let mut entries = Vec::new();
    while reader.next(&mut batch)? {
        entries.extend(batch.iter());
    }
    Ok(entries)
}

const ALL: std::ops::Range<Position> =
    Position { key: 0, song: 0 }..Position { key: u64::MAX, song: u64::MAX };

fn read_all(bytes: &[u8]) -> Result<[Vec<Entry>; 2]> {
    let partial = open(bytes)?;
    Ok([read(&partial, Kind::User, ALL)?, read(&partial, Kind::Country, ALL)?])
}

fn verify_all(bytes: &[u8]) -> Result<()> {
    verify(&open(bytes)?, &|| Ok(()))
}

/// Countries are users modulo 5 here: both runs have the same streams.
fn runs(users: Naive) -> [Naive; 2] {
    let mut countries = Naive::new();
    for (&(user, song), &count) in &users {
        *countries.entry((user % 5, song)).or_default() += count;
    }
    [users, countries]
}

fn small() -> [Naive; 2] {
    runs((0..60u64).map(|at| ((at / 9 * 1000, at * 7919 % 64 + at), at % 3 + 1)).collect())
}

fn users() -> impl Strategy<Value = Naive> {
    let id = prop_oneof![0u64..30, (0u64..1 << 40), any::<u64>().prop_map(|id| id >> 1)];
    prop::collection::btree_map((id.clone(), id), 1u64..1000, 0..120)
}

/// The partial of one row, of this version and with these bytes of rules.
fn one_row(version: u8, rules: &[u8]) -> Vec<u8> {
    let (block, page, root, metadata) = (20 + 3 * 6 + 5, 40, 48, 4 + 7 * 8 + 8 * 8 + 8);
    let mut expected = Vec::new();
    let u64s = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let hash = |bytes: &[u8]| xxhash_rust::xxh3::xxh3_64(bytes).to_le_bytes();
    expected.extend(b"agg-part");
    expected.extend([version, 0, 0, 0x10, 0, 0, 0, 0]);
    expected.extend(hash(&expected));
    let mut roots = Vec::new();
    for key in [7u64, 3] {
        let start = expected.len();
        expected.extend([1, 0, 1, 0]);
        expected.extend(u64s(&[key, 9]));
        expected.extend([0, 0, 0, 0, 0]);
        expected.extend([0, 1, 0, 0, 0, 1].repeat(3));
        assert_eq!(expected.len() - start, block);
        let block_hash = hash(&expected[start..]);
        let page_start = expected.len();
        expected.extend(u64s(&[key, 9, start as u64]));
        expected.extend(u32::try_from(block).unwrap().to_le_bytes());
        expected.extend(1u32.to_le_bytes());
        expected.extend(block_hash);
        assert_eq!(expected.len() - page_start, page);
        let page_hash = hash(&expected[page_start..]);
        roots.push(u64s(&[key, 9, page_start as u64, 1, 1, u64::from_le_bytes(page_hash)]));
        assert_eq!(roots.last().unwrap().len(), root);
    }
    let mut trailer = Vec::new();
    let mut meta = vec![0xe5, 0x07, 12, 1];
    meta.extend(u64s(&[1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0]));
    assert_eq!(meta.len(), metadata);
    meta.extend(rules);
    for section in [&roots[0], &roots[1], &meta] {
        trailer.extend(u64s(&[expected.len() as u64, section.len() as u64]));
        trailer.extend(hash(section));
        expected.extend(section);
    }
    trailer.extend(hash(&expected[..24]));
    trailer.extend(hash(&trailer));
    trailer.extend(b"part-end");
    expected.extend(trailer);
    expected
}

#[test]
fn a_partial_with_one_row_is_these_bytes() {
    let runs = [Naive::from([((7, 9), 1)]), Naive::from([((3, 9), 1)])];
    let bytes = write(&runs, 1, 1, 4096);
    assert_eq!(bytes, one_row(1, &[]));
    verify_all(&bytes).unwrap();
    assert_eq!(
        (open(&bytes).unwrap().version(), open(&bytes).unwrap().metadata().rules),
        (1, None)
    );
}

#[test]
fn a_partial_of_other_rules_is_the_same_with_version_2_and_eight_bytes_more() {
    let runs = [Naive::from([((7, 9), 1)]), Naive::from([((3, 9), 1)])];
    let columns = "user_id,sng_id,_,country".parse().ok();
    let rules = Rules::new(";".parse().unwrap(), columns, true, CountryCodes::Any);
    let bytes = write_by(rules, &runs, 1, 1, 4096);
    assert_eq!(bytes, one_row(2, &[b';', 1, 1, 4, 1, 0, 3, 0]));
    verify_all(&bytes).unwrap();
    let partial = open(&bytes).unwrap();
    assert_eq!((partial.version(), partial.metadata().rules), (2, Some(rules)));
    assert_eq!(partial.inputs().unwrap(), Inputs::default());
}

#[test]
fn an_empty_day_is_a_partial_too() {
    let bytes = write(&[Naive::new(), Naive::new()], 1, 1, 16);
    assert_eq!(bytes.len(), 24 + 132 + 96);
    assert_eq!(read_all(&bytes).unwrap(), [vec![], vec![]]);
    verify_all(&bytes).unwrap();
}

#[test]
fn a_run_of_several_index_pages_comes_back_and_is_found_by_position() {
    let users: Naive = (0..3000u64).map(|at| ((at / 700, at * 3), 1)).collect();
    let runs = runs(users);
    let bytes = write(&runs, 100, 2, 2);
    let partial = open(&bytes).unwrap();
    assert!(partial.run(Kind::User).page_count() > 2);
    verify_all(&bytes).unwrap();
    for song in [0, 1, 3, 2100, 4500, 8997, 9000] {
        let from = Position { key: 2, song };
        let found = read(&partial, Kind::User, from..Position { key: 3, song: 0 }).unwrap();
        let expected: Vec<Entry> = batch_of(&runs[0])
            .iter()
            .filter(|entry| entry.key == 2 && entry.song >= song)
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_found_and_named() {
    let bytes = write(&small(), 7, 1, 16);
    let whole = read_all(&bytes).unwrap();
    verify_all(&bytes).unwrap();
    let named = |error: &Error| {
        assert_eq!(error.class(), ErrorClass::Data, "{error}");
        assert!(error.path().is_some() && error.place().is_some(), "{error}");
    };
    for cut in 0..bytes.len() {
        named(&verify_all(&bytes[..cut]).unwrap_err());
        named(&read_all(&bytes[..cut]).unwrap_err());
    }
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= change;
            named(&verify_all(&bytes).unwrap_err());
            match read_all(&bytes) {
                Ok(read) => assert_eq!(read, whole),
                Err(error) => named(&error),
            }
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    named(&verify_all(&longer).unwrap_err());
}

#[test]
fn blocks_out_of_order_are_refused_with_both_places() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let pool = pool(1);
    let make = |(): &mut (), piece: usize, _| {
        let key = 5 - piece as u64;
        Ok((0..4096).map(|song| Entry { key, song, count: 1 }).collect::<Batch>())
    };
    let error = writer.write_run(RunPieces { pool: &pool, pieces: 2 }, || (), make).unwrap_err();
    assert_eq!(
        error.to_string(),
        "damaged: blocks out of order: key 4, song 0 after key 5, song 4095"
    );
}

#[test]
fn sums_that_differ_are_refused_before_the_footer_is_written() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let pool = pool(1);
    for count in [1, 2] {
        let make = |(): &mut (), _, _| Ok([Entry { key: 1, song: 1, count }].into_iter().collect());
        writer.write_run(RunPieces { pool: &pool, pieces: 1 }, || (), make).unwrap();
    }
    let day = "2021-12-01".parse().unwrap();
    assert!(writer.finish(day, 1, RejectCounts::default(), Default::default()).is_err());
}

#[test]
fn metadata_comes_back() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let pool = pool(1);
    for _ in 0..2 {
        let make =
            |(): &mut (), _, _| Ok([Entry { key: 1, song: 1, count: 3 }].into_iter().collect());
        writer.write_run(RunPieces { pool: &pool, pieces: 1 }, || (), make).unwrap();
    }
    let input = InputFacts { name: b"\xff", size: 1, modified_ns: 2, digest: 3, rows: 10 };
    let inputs: Inputs = [input].into_iter().collect();
    let rejects = RejectCounts([1, 1, 1, 1, 1, 2]);
    let day = "2199-12-31".parse().unwrap();
    let finished = writer.finish(day, 10, rejects, inputs.clone()).unwrap();
    let partial = open(&finished.sink).unwrap();
    assert_eq!(partial.metadata(), &finished.metadata);
    assert_eq!(partial.inputs().unwrap(), inputs);
    assert_eq!((partial.bytes(), partial.digest()), (finished.bytes, finished.digest));
}

proptest! {
    #[test]
    fn any_runs_come_back_and_pieces_and_threads_never_show(
        users in users(), cut in 1usize..50, threads in 1usize..4, block_entries in 1usize..40,
    ) {
        let runs = runs(users);
        let bytes = write(&runs, cut, threads, block_entries);
        prop_assert_eq!(&bytes, &write(&runs, 1000, 1, block_entries));
        verify_all(&bytes).unwrap();
        let expected = runs.map(|run| batch_of(&run).iter().collect::<Vec<_>>());
        prop_assert_eq!(read_all(&bytes).unwrap(), expected);
    }

    #[test]
    fn any_range_of_positions_gives_its_entries(
        users in users(), from in (0u64..40, 0u64..40), to in (0u64..40, 0u64..40), block in 1usize..9,
    ) {
        let runs = runs(users);
        let partial = open(&write(&runs, 10, 1, block)).unwrap();
        let position = |(key, song)| Position { key, song };
        let found = read(&partial, Kind::User, position(from)..position(to)).unwrap();
        let expected: Vec<Entry> = batch_of(&runs[0]).iter()
            .filter(|entry| (entry.key, entry.song) >= from && (entry.key, entry.song) < to).collect();
        prop_assert_eq!(found, expected);
    }
}
