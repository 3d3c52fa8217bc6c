//! Sorted runs to one. Run with `cargo bench --bench merge`.
//!
//! Days of one month: a user listens on some days only, so most lists of songs come from one or a few inputs; a country
//! has a list in every input. With one input, the figure is the cost of passing entries in and out. Items are entries of the
//! inputs.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use std::sync::LazyLock;

use agg::merge::{Merge, Stream};
use agg::{Batch, Kind};
use common::{Blocks, Fingerprint, days, sum};
use divan::Bencher;
use divan::counter::ItemsCount;

const ROWS: u64 = 100_000;
const MAX: i8 = 30;
const INPUTS: [usize; 4] = [1, 2, 7, 30];

static USERS: LazyLock<Vec<Batch>> = LazyLock::new(|| days(Kind::User, MAX, ROWS));
static COUNTRIES: LazyLock<Vec<Batch>> = LazyLock::new(|| days(Kind::Country, MAX, ROWS));

fn main() {
    common::main();
}

#[divan::bench(args = INPUTS)]
fn users(bencher: Bencher, inputs: usize) {
    bench(bencher, Kind::User, &USERS[..inputs]);
}

#[divan::bench(args = INPUTS)]
fn countries(bencher: Bencher, inputs: usize) {
    bench(bencher, Kind::Country, &COUNTRIES[..inputs]);
}

fn bench(bencher: Bencher, kind: Kind, runs: &[Batch]) {
    let expected = sum(runs);
    let mut whole = Batch::default();
    merge(kind, runs, |batch| whole.extend_from(batch, 0..batch.len()));
    assert!(whole == expected, "not the sums of the obvious program");

    let expected = Fingerprint::of(&expected);
    let entries: usize = runs.iter().map(Batch::len).sum();
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        let mut found = Fingerprint::default();
        merge(kind, runs, |batch| found.add_entries(batch));
        assert_eq!(found, expected);
    });
}

fn merge(kind: Kind, runs: &[Batch], mut each: impl FnMut(&Batch)) {
    let mut merge = Merge::new(kind, runs.iter().map(Blocks::new).collect());
    let mut batch = Batch::default();
    while merge.next(&mut batch).unwrap() {
        each(&batch);
    }
}
