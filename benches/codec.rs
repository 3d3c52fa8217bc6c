//! Sorted entries to blocks of bytes and back. Run with `cargo bench --bench codec`.
//!
//! Whole runs of a day: users have short lists of songs, countries long ones with larger counts. Bytes a second are those
//! of the blocks.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use std::ops::Range;

use agg::codec::block::{BlockDecoder, BlockEncoder, MAX_ENTRIES};
use agg::codec::checksum::Checksum;
use agg::{Batch, Kind};
use common::{Fingerprint, days};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

const ROWS: u64 = 500_000;

fn main() {
    common::main();
}

#[divan::bench(args = Kind::ALL)]
fn encode(bencher: Bencher, kind: Kind) {
    let run = day(kind);
    let mut encoder = BlockEncoder::default();
    let mut encoded = Encoded::default();
    encoded.encode(&mut encoder, &run);
    assert!(encoded.decode() == run, "not the entries that were encoded");

    let expected = Checksum::of(&encoded.bytes);
    let bencher = bencher.counter(ItemsCount::new(run.len()));
    bencher.counter(BytesCount::of_slice(&encoded.bytes)).bench_local(|| {
        encoded.encode(&mut encoder, &run);
        assert_eq!(Checksum::of(&encoded.bytes), expected);
    });
}

#[divan::bench(args = Kind::ALL)]
fn decode(bencher: Bencher, kind: Kind) {
    let run = day(kind);
    let mut encoded = Encoded::default();
    encoded.encode(&mut BlockEncoder::default(), &run);
    assert!(encoded.decode() == run, "not the entries that were encoded");

    let expected = Fingerprint::of(&run);
    let (mut decoder, mut batch) = (BlockDecoder::default(), Batch::default());
    let bencher = bencher.counter(ItemsCount::new(run.len()));
    bencher.counter(BytesCount::of_slice(&encoded.bytes)).bench_local(|| {
        let mut found = Fingerprint::default();
        for block in &encoded.blocks {
            decoder.decode(&encoded.bytes[block.clone()], &mut batch).unwrap();
            found.add_entries(&batch);
        }
        assert_eq!(found, expected);
    });
}

/// One day's run.
fn day(kind: Kind) -> Batch {
    days(kind, 1, ROWS).remove(0)
}

/// A run as adjacent blocks.
#[derive(Default)]
struct Encoded {
    bytes: Vec<u8>,
    blocks: Vec<Range<usize>>,
}

impl Encoded {
    /// Replaces what was there.
    fn encode(&mut self, encoder: &mut BlockEncoder, run: &Batch) {
        self.bytes.clear();
        self.blocks.clear();
        for first in (0..run.len()).step_by(MAX_ENTRIES) {
            let entries = first..run.len().min(first + MAX_ENTRIES);
            let start = self.bytes.len();
            encoder.encode(run.entries().slice(entries), &mut self.bytes).unwrap();
            self.blocks.push(start..self.bytes.len());
        }
    }

    fn decode(&self) -> Batch {
        let (mut whole, mut batch) = (Batch::default(), Batch::default());
        for block in &self.blocks {
            BlockDecoder::default().decode(&self.bytes[block.clone()], &mut batch).unwrap();
            whole.extend_from(&batch, 0..batch.len());
        }
        whole
    }
}
