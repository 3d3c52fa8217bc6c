//! `query`: the songs of one key, the same as in an emission, from the key's own blocks.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::Stdio;
use std::sync::Arc;

use agg::fs::OsFileSystem;
use agg::job::{QueryOptions, query};
use agg::{Country, Kind};

use crate::faulty::{Faulty, Operation};
use crate::harness::{Sandbox, spawn};
use crate::library::{Dice, context, context_over};

/// A sandbox with `days` stored days of random rows, the first on 2021-12-01.
fn stored(days: u64, rows: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut dice = Dice(days);
    for day in 1..=days {
        let mut log = String::new();
        for _ in 0..rows {
            let country = ["FR", "FR", "DE", "ZW"][usize::try_from(dice.below(4)).unwrap()];
            let (song, user) = (dice.below(97) * dice.below(97), dice.below(19) * 1_000_003);
            writeln!(log, "{song}|{user}|{country}").unwrap();
        }
        sandbox.reduced(&format!("2021-12-{day:02}"), log);
    }
    sandbox
}

#[test]
fn every_key_has_the_line_that_the_emission_has() {
    let sandbox = stored(8, 400);
    sandbox.agg("emit-window --date 2021-12-08 --top 9").exits(0);
    let mut asked = 0;
    for (kind, flag) in [("user", "--user"), ("country", "--country")] {
        let emitted = sandbox.text(format!("agg-out/2021-12-08/top9_songs_per_{kind}.txt"));
        for line in emitted.split_inclusive('\n') {
            let (key, _) = line.split_once('|').unwrap();
            let found = sandbox.agg(&format!("query {flag} {key} --top 9 --format text")).exits(0);
            assert_eq!((found.stdout.as_str(), found.stderr.as_str()), (line, ""));
            asked += 1;
        }
    }
    assert_eq!(asked, 19 + 3);
    let earlier = sandbox.agg("query --country ZW --date 2021-12-03 --days 2d --format text");
    sandbox.agg("emit-window --date 2021-12-03 --days 2").exits(0);
    assert!(sandbox.tops("2021-12-03").0.ends_with(&earlier.exits(0).stdout));
}

#[test]
fn a_key_without_streams_is_an_empty_result_with_a_note() {
    let sandbox = stored(7, 50);
    for key in ["--user 1", "--user 9223372036854775807", "--country AA", "--country ZZ"] {
        let run = sandbox.agg(&format!("query {key} --format text")).exits(0);
        assert_eq!(run.stdout, "");
        run.shows(&["has no streams in the 7 days that end on 2021-12-07"]).in_one_line();
        assert_eq!(sandbox.agg(&format!("query -q {key}")).exits(0).stderr, "");
    }
}

#[test]
fn missing_days_are_named_unless_they_may_be_missing() {
    let sandbox = stored(3, 50);
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    let ask = |options: &str| sandbox.agg(&format!("query --country FR {options}"));
    ask("--days 3").exits(66).shows(&["2021-12-02", "--allow-missing"]).in_one_line();
    ask("--days 3 --allow-missing").exits(0).shows(&["not stored: 2021-12-02"]).in_one_line();
    ask("--days 1").exits(0).in_no_line();
    let none = ask("--days 1 --date 2021-12-02 --allow-missing").exits(66).shows(&["2021-12-02"]);
    assert!(!none.stderr.contains("--allow-missing"), "advice that does not help: {none:?}");
    ask("--store gone").exits(66).shows(&["gone"]).in_one_line();
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-01.agg")).unwrap();
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-03.agg")).unwrap();
    ask("").exits(66).shows(&["store is empty"]).in_one_line();
}

#[test]
fn a_reader_that_has_had_enough_ends_a_query_quietly() {
    let sandbox = stored(7, 300);
    for format in ["table", "text", "csv", "json", "jsonl"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command();
        command.args(["query", "--country", "FR", "--format", format]);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{format}");
    }
    let mut command = sandbox.command();
    let output = spawn(command.args(["query", "--country", "FR"])).wait_with_output().unwrap();
    assert!(output.stdout.starts_with(b"RANK"), "{output:?}");
}

/// The reads of each partial that a query makes: footer and header, index pages, blocks.
fn reads(sandbox: &Sandbox, options: &QueryOptions) -> Vec<usize> {
    let twin = Faulty::watching();
    let context = context_over(twin.files(), &sandbox.path(""), 64 << 20, 1);
    assert!(!query(&context, options).unwrap().songs.is_empty());
    let calls = twin.calls();
    assert!(calls.iter().all(|call| {
        use Operation::*;
        [Open, Read, Stat, List].contains(&call.operation)
    }));
    let mut reads = std::collections::BTreeMap::new();
    for call in calls.iter().filter(|call| call.operation == Operation::Read) {
        *reads.entry(call.path.clone()).or_insert(0) += 1;
    }
    reads.into_values().collect()
}

#[test]
fn a_user_takes_at_most_three_blocks_a_partial_and_a_country_its_own() {
    let sandbox = Sandbox::new();
    for day in 1..=3 {
        // 120,000 pairs of user and song, and as many of country and song: thirty blocks each.
        let mut log = String::new();
        for n in 0..120_000_u64 {
            let country = if n % 10 == 0 { "DE" } else { "FR" };
            writeln!(log, "{}|{}|{country}", n * 7 + day, n / 10 * 11).unwrap();
        }
        sandbox.reduced(&format!("2021-12-{day:02}"), log);
    }
    let options = |kind, key| QueryOptions {
        kind,
        key,
        day: "2021-12-03".parse().ok(),
        days: 3,
        top: 50,
        allow_missing: false,
    };
    // Header, trailer, two roots, metadata; an index page to cut the work and one to read it.
    let around = 5 + 2;
    for user in [0, 11, 409 * 11, 6_000 * 11, 11_999 * 11] {
        for reads in reads(&sandbox, &options(Kind::User, user)) {
            assert!(reads <= around + 3, "{reads} reads for user {user}");
        }
    }
    let country = |letters: &[u8; 2]| {
        u64::from(Country::from_letters(letters[0], letters[1]).unwrap().number())
    };
    // Germany has 12,000 pairs in three blocks, France 108,000 in 27 more; each shares one with the other.
    for (letters, blocks) in [(b"DE", 3), (b"FR", 28)] {
        for reads in reads(&sandbox, &options(Kind::Country, country(letters))) {
            assert!(
                (around + blocks - 1..=around + blocks).contains(&reads),
                "{reads} {letters:?}"
            );
        }
    }
}

#[test]
fn memory_and_the_number_of_days_never_show() {
    let sandbox = stored(28, 300);
    let france = u64::from(Country::from_letters(b'F', b'R').unwrap().number());
    for (kind, key) in [(Kind::Country, france), (Kind::User, 3_000_009)] {
        let options = |days| QueryOptions {
            kind,
            key,
            day: "2021-12-28".parse().ok(),
            days,
            top: 20,
            allow_missing: false,
        };
        // So little that two partials are merged at once, in pieces of 64 entries.
        let tiny = context(&sandbox.path(""), 200 << 10, 1);
        let ample = context_over(Arc::new(OsFileSystem), &sandbox.path(""), 64 << 20, 2);
        for days in [1, 2, 3, 28] {
            let found = query(&tiny, &options(days)).unwrap();
            assert_eq!(found, query(&ample, &options(days)).unwrap(), "{days} days");
            assert!(!found.songs.is_empty());
        }
    }
}

#[test]
fn a_damaged_block_is_an_error_and_never_a_short_answer() {
    let sandbox = stored(1, 400);
    let path = "agg-store/partials/2021-12-01.agg";
    let mut bytes = sandbox.read(path);
    // Behind the header: the first block of the user run.
    bytes[30] ^= 1;
    sandbox.write(path, &bytes);
    let run = sandbox.agg("query --user 0 --days 1").exits(65);
    run.shows(&[path, "offset 24", "--force"]).in_one_line();
    sandbox.agg("query --country FR --days 1").exits(0);
}
