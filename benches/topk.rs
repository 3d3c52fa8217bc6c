//! Stage 5: the best songs of each key. Run with `cargo bench --bench topk`.
//!
//! `users` and `countries` choose from the finished sums of a week. `week` merges while it chooses, and passes floors to
//! the merge, as an emission does.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use std::cmp::Reverse;

use agg::merge::{Merge, Stream};
use agg::model::Ranked;
use agg::topk::TopK;
use agg::{Batch, Kind};
use common::{Blocks, Fingerprint, days, sum};
use divan::Bencher;
use divan::counter::ItemsCount;

const ROWS: u64 = 150_000;
const DAYS: i8 = 7;
const BEST: [usize; 3] = [10, 50, 1000];

fn main() {
    common::main();
}

/// Short lists; items are entries of the sums.
#[divan::bench(args = BEST)]
fn users(bencher: Bencher, best: usize) {
    choose_from_sums(bencher, Kind::User, best);
}

/// Long lists; items are entries of the sums.
#[divan::bench(args = BEST)]
fn countries(bencher: Bencher, best: usize) {
    choose_from_sums(bencher, Kind::Country, best);
}

/// The best 50; items are entries of the days.
#[divan::bench(args = Kind::ALL)]
fn week(bencher: Bencher, kind: Kind) {
    let runs = days(kind, DAYS, ROWS);
    let merge = || Merge::new(kind, runs.iter().map(Blocks::new).collect());
    let expected = check(&sum(&runs), 50, merge());
    let entries: usize = runs.iter().map(Batch::len).sum();
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        assert_eq!(fingerprint(50, merge()), expected);
    });
}

fn choose_from_sums(bencher: Bencher, kind: Kind, best: usize) {
    let sums = sum(&days(kind, DAYS, ROWS));
    let expected = check(&sums, best, Blocks::new(&sums));
    bencher.counter(ItemsCount::new(sums.len())).bench_local(|| {
        assert_eq!(fingerprint(best, Blocks::new(&sums)), expected);
    });
}

/// Compares the tops of a stream with those that the obvious program finds in the sums, and returns their fingerprint.
fn check(sums: &Batch, best: usize, stream: impl Floored) -> Fingerprint {
    let mut found = Vec::new();
    choose(best, stream, |key, ranking| found.push((key, ranking.to_vec())));
    assert!(found == obvious(sums, best), "not the tops of the obvious program");
    let mut fingerprint = Fingerprint::default();
    found.iter().for_each(|(key, ranking)| add(&mut fingerprint, *key, ranking));
    fingerprint
}

fn fingerprint(best: usize, stream: impl Floored) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    choose(best, stream, |key, ranking| add(&mut fingerprint, key, ranking));
    fingerprint
}

fn add(fingerprint: &mut Fingerprint, key: u64, ranking: &[Ranked]) {
    ranking.iter().for_each(|ranked| fingerprint.add(key, ranked.song, ranked.count));
}

/// Sorts every key's songs.
fn obvious(sums: &Batch, best: usize) -> Vec<(u64, Vec<Ranked>)> {
    let entries: Vec<_> = sums.iter().collect();
    let lists = entries.chunk_by(|one, two| one.key == two.key);
    let rank = |list: &[agg::Entry]| {
        let songs = list.iter().map(|entry| Ranked { song: entry.song, count: entry.count });
        let mut ranking: Vec<_> = songs.collect();
        ranking.sort_unstable_by_key(|ranked| (Reverse(ranked.count), ranked.song));
        ranking.truncate(best);
        (list[0].key, ranking)
    };
    lists.map(rank).collect()
}

/// A stream that may leave out what cannot be among the best.
trait Floored: Stream {
    fn set_floor(&mut self, key: u64, count: u64);
}

impl Floored for Merge<Blocks<'_>> {
    fn set_floor(&mut self, key: u64, count: u64) {
        Merge::set_floor(self, key, count);
    }
}

impl Floored for Blocks<'_> {
    fn set_floor(&mut self, _: u64, _: u64) {}
}

/// Gives `each` every key of the stream with its best songs.
fn choose(best: usize, mut stream: impl Floored, mut each: impl FnMut(u64, &[Ranked])) {
    let (mut batch, mut top, mut ranking) = (Batch::default(), TopK::new(best), Vec::new());
    let mut open = None;
    while stream.next(&mut batch).unwrap() {
        let mut start = 0;
        for list in batch.keys.chunk_by(|one, two| one == two) {
            if let Some(key) = open.replace(list[0]).filter(|key| *key != list[0]) {
                top.best(&mut ranking);
                top.clear();
                each(key, &ranking);
            }
            let end = start + list.len();
            top.extend(batch.entries().slice(start..end).songs());
            start = end;
        }
        if let Some((key, floor)) = open.zip(top.floor()) {
            stream.set_floor(key, floor);
        }
    }
    if let Some(key) = open {
        top.best(&mut ranking);
        each(key, &ranking);
    }
}
