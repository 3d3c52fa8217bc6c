//! The reader of partials on hostile bytes, unchanged and with valid checksums: never a panic, never
//! an entry out of order or out of bounds, never another answer from a lookup than from reading all. What the
//! reader allocates is bounded by the limit that `scripts/dev/fuzz` sets.

#![no_main]

use std::path::Path;

use agg::fs::FileSystem;
use agg::merge::Stream;
use agg::model::{MAX_ID, Position};
use agg::partial::{Partial, verify};
use agg::{Batch, Entry, Error, ErrorClass, Kind};
use agg_fuzz::{Memory, signed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    examine(bytes);
    examine(&signed(bytes));
});

fn examine(bytes: &[u8]) {
    let path = Path::new("2021-12-01.agg");
    let files = Memory::default();
    files.put(path, bytes);
    let partial = match Partial::open(files.open(path).unwrap(), path) {
        Ok(partial) => partial,
        Err(error) => return check_error(&error),
    };
    let verified = verify(&partial, &|| Ok(()));
    verified.as_ref().err().into_iter().for_each(check_error);
    for (kind, facts) in partial.metadata().runs.iter() {
        let Ok(entries) = entries(&partial, kind, Position::FIRST..Position::END) else {
            assert!(verified.is_err(), "verify finds what a reader finds");
            continue;
        };
        let sum: u128 = entries.iter().map(|entry| u128::from(entry.count)).sum();
        if verified.is_ok() {
            assert_eq!((entries.len() as u64, sum), (facts.pairs, u128::from(facts.streams)));
        }
        look_up(&partial, kind, &entries);
    }
}

/// Some keys, there and absent, are found as they are in the whole run.
fn look_up(partial: &Partial, kind: Kind, all: &[Entry]) {
    let step = all.len() / 8 + 1;
    let there = all.iter().step_by(step).map(|entry| entry.key);
    for key in there.flat_map(|key| [key, key + 1]).chain([0, MAX_ID]) {
        let range = Position { key, song: 0 }..Position { key: key + 1, song: 0 };
        let found = entries(partial, kind, range).expect("all of the run could be read");
        let expected: Vec<Entry> = all.iter().copied().filter(|entry| entry.key == key).collect();
        assert_eq!(found, expected);
    }
}

fn entries(
    partial: &Partial,
    kind: Kind,
    range: std::ops::Range<Position>,
) -> Result<Vec<Entry>, ()> {
    let (mut reader, mut batch) = (partial.run(kind).blocks(range), Batch::default());
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        match reader.next(&mut batch) {
            Ok(false) => return Ok(entries),
            Ok(true) => batch.iter().for_each(|entry| take(&mut entries, kind, entry)),
            Err(error) => {
                check_error(&error);
                assert!(reader.next(&mut batch).is_err(), "reading goes on after an error");
                return Err(());
            }
        }
    }
}

fn take(entries: &mut Vec<Entry>, kind: Kind, entry: Entry) {
    let place = |entry: &Entry| (entry.key, entry.song);
    assert!(entries.last().is_none_or(|last| place(last) < place(&entry)), "out of order");
    assert!(entry.key <= MAX_ID && entry.song <= MAX_ID && (1..=MAX_ID).contains(&entry.count));
    assert!(entry.key <= kind.max_key());
    entries.push(entry);
}

/// An error names the file, and is one of bad data.
fn check_error(error: &Error) {
    assert_eq!(error.class(), ErrorClass::Data, "{error}");
    assert!(error.path().is_some(), "{error}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}
