//! Stage 2: rows to columns. Run with `cargo bench --bench parse`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use agg::RowBatch;
use agg::generate::Shape;
use agg::row::{self, CountrySet, RejectLog};
use common::{Fingerprint, Listening, Log};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

const ROWS: u64 = 500_000;

fn main() {
    common::main();
}

/// Usual ids, short ones, those of up to 19 digits, and corrupt rows alone, which all take the slow way.
#[divan::bench(args = [Shape::Normal, Shape::DenseIds, Shape::WideIds, Shape::Corrupt])]
fn rows(bencher: Bencher, shape: Shape) {
    let log = Log::new(shape, ROWS, 1);
    let accepted = log.accepted();
    let mut expected = Fingerprint::default();
    accepted.iter().for_each(|row| expected.add(row.song, row.user, u64::from(row.country)));
    let mut parsed = Vec::new();
    parse(&log.bytes, &mut RejectLog::new(), |batch| parsed.extend(listenings(batch)));
    assert!(parsed == accepted, "not the rows of the obvious parser");

    let bencher = bencher.counter(ItemsCount::new(ROWS)).counter(BytesCount::of_slice(&log.bytes));
    bencher.bench_local(|| {
        let mut rejects = RejectLog::new();
        let mut found = Fingerprint::default();
        parse(&log.bytes, &mut rejects, |batch| found.add_rows(batch));
        assert_eq!((found, rejects.counts()), (expected, log.rejects));
    });
}

/// Parses all rows and hands them out batch by batch.
fn parse(bytes: &[u8], rejects: &mut RejectLog, mut each: impl FnMut(&RowBatch)) {
    let countries = CountrySet::iso();
    let mut batch = RowBatch::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        batch.clear();
        let taken = row::parse(rest, &countries, &mut batch, rejects);
        assert!(taken > 0, "an empty batch takes rows");
        rest = &rest[taken..];
        each(&batch);
    }
}

fn listenings(batch: &RowBatch) -> impl Iterator<Item = Listening> {
    let columns = batch.songs.iter().zip(&batch.users).zip(&batch.countries);
    columns.map(|((&song, &user), &country)| Listening { song, user, country })
}
