//! Stage 2: rows to columns. Run with `cargo bench --bench parse`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use agg::RowBatch;
use agg::generate::Shape;
use agg::model::{Columns, CountryCodes, Rules};
use agg::row::{self, RejectLog, RowRules};
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

/// A title; rows have more or fewer of its letters.
const LONG: &str = "Déjà vu – édition remasterisée, en concert à 東京 (日本武道館), avec le Nouvel Orchestre de Chambre, 2e mouvement";

/// The rows of a normal log in another shape: its columns, and the content of the ignored fields.
#[divan::bench(args = [
    ("sng_id,user_id,country", ""),
    ("user_id,sng_id,_,country", ""),
    ("user_id,sng_id,_,country", "a title of a song"),
    ("user_id,sng_id,_,country", LONG),
    ("_,_,country,_,user_id,_,_,sng_id", "x"),
])]
fn shaped(bencher: Bencher, (columns, ignored): (&str, &str)) {
    let log = Log::new(Shape::Normal, ROWS, 1);
    let columns: Columns = columns.parse().unwrap();
    let rules = Rules::new(";".parse().unwrap(), Some(columns), false, CountryCodes::Iso);
    let mut bytes = Vec::new();
    for (line, row) in log.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (row, end) = row.split_at(row.len() - 1);
        let row: Vec<&[u8]> = row.split(|byte| *byte == b'|').collect();
        if row.len() != 3 {
            continue;
        }
        let shorter = match ignored {
            LONG => LONG
                .char_indices()
                .nth(line * 7 % LONG.chars().count())
                .map_or("", |(at, _)| &LONG[..at]),
            _ => ignored,
        };
        let field = |at| columns.at(at).map_or(shorter.as_bytes(), |column| row[column as usize]);
        bytes.extend((0..columns.fields()).map(field).collect::<Vec<_>>().join(&b';'));
        bytes.extend_from_slice(end);
    }
    let rules = RowRules::new(&rules);
    let mut expected = Fingerprint::default();
    log.accepted().iter().for_each(|row| expected.add(row.song, row.user, row.country.into()));
    bencher.counter(ItemsCount::new(ROWS)).counter(BytesCount::of_slice(&bytes)).bench_local(
        || {
            let mut found = Fingerprint::default();
            parse_by(&rules, &bytes, &mut RejectLog::new(), |batch| found.add_rows(batch));
            assert_eq!(found, expected);
        },
    );
}

fn parse(bytes: &[u8], rejects: &mut RejectLog, each: impl FnMut(&RowBatch)) {
    parse_by(&RowRules::default(), bytes, rejects, each);
}

/// Parses all rows and hands them out batch by batch.
fn parse_by(
    rules: &RowRules,
    bytes: &[u8],
    rejects: &mut RejectLog,
    mut each: impl FnMut(&RowBatch),
) {
    let mut batch = RowBatch::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        batch.clear();
        let taken = row::parse(rest, rules, &mut batch, rejects);
        assert!(taken > 0, "an empty batch takes rows");
        rest = &rest[taken..];
        each(&batch);
    }
}

fn listenings(batch: &RowBatch) -> impl Iterator<Item = Listening> {
    let columns = batch.songs.iter().zip(&batch.users).zip(&batch.countries);
    columns.map(|((&song, &user), &country)| Listening { song, user, country })
}
