//! `reduce-day --add`: further logs on top of a day, whose old logs are not read again.

use std::fs;
use std::path::{Path, PathBuf};

use agg::job::{ReduceOptions, ReduceOutcome, reduce_day};
use agg::partial::Partial;
use proptest::prelude::*;

use crate::harness::{DAY, Sandbox};
use crate::library::{context, open, run_bytes, unlocked};

const PARTIAL: &str = "agg-store/partials/2021-12-01.agg";

/// Reduces the words of `logs` as logs of [`DAY`], in a store of its own if `store` names one.
fn reduce(sandbox: &Sandbox, store: &str, arguments: &str) -> crate::harness::Run {
    let line = format!(
        "reduce-day --store {store} --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 --json {arguments}"
    );
    sandbox.agg(&line)
}

fn rows(from: u64, to: u64) -> String {
    let row = |n: u64| match n % 9 {
        4 => format!("no row {n}\n"),
        _ => format!("{}|{}|{}\n", n * n % 31, n % 7, ["FR", "DE", "ZW"][(n % 3) as usize]),
    };
    (from..to).map(row).collect()
}

#[test]
fn logs_added_one_by_one_give_the_files_of_all_at_once() {
    let sandbox = Sandbox::new();
    for (name, from, to) in [("a.log", 0, 300), ("b.log", 300, 310), ("c.log", 310, 900)] {
        sandbox.write(name, rows(from, to));
    }
    sandbox.write("empty.log", "");
    reduce(&sandbox, "whole", "a.log b.log empty.log c.log").exits(0);
    let run = reduce(&sandbox, "agg-store", "--add a.log").exits(0);
    assert!(run.stdout.contains(r#""outcome":"reduced""#), "{run:?}");
    // A piece of two, and what was counted is not read again: it is gone.
    fs::rename(sandbox.path("a.log"), sandbox.path("kept")).unwrap();
    reduce(&sandbox, "agg-store", "--add b.log empty.log").exits(0);
    fs::remove_file(sandbox.path("b.log")).unwrap();
    let run = reduce(&sandbox, "agg-store", "--add c.log").exits(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["outcome"], "added");
    assert_eq!((&report["rows"], &report["rows_read"]), (&900.into(), &590.into()));
    assert_eq!(report["logs"].as_array().map(Vec::as_slice), Some(&["c.log".into()][..]));
    for file in [format!("partials/{DAY}.agg"), format!("rejects/{DAY}.txt")] {
        assert!(
            sandbox.read(format!("agg-store/{file}")) == sandbox.read(format!("whole/{file}")),
            "{file}"
        );
    }
    assert_eq!(sandbox.files("agg-store").len(), 2, "nothing is left over");
    sandbox.agg("verify").exits(0);
    // And the day knows all of its logs.
    fs::rename(sandbox.path("kept"), sandbox.path("a.log")).unwrap();
    sandbox.write("b.log", rows(300, 310));
    let again = reduce(&sandbox, "agg-store", "c.log a.log empty.log b.log").exits(0);
    assert!(again.stdout.contains(r#""outcome":"unchanged""#), "{again:?}");
}

#[test]
fn a_log_that_the_day_has_or_that_comes_twice_is_refused_and_nothing_changes() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", rows(0, 50));
    sandbox.write("copy.log", rows(0, 50));
    sandbox.write("b.log", rows(50, 90));
    sandbox.write("b-too.log", rows(50, 90));
    reduce(&sandbox, "agg-store", "a.log").exits(0);
    let before = (sandbox.read(PARTIAL), sandbox.rejects(DAY));
    // By name, size and time; by content; beside a new one; the new one twice.
    for (logs, words) in [
        ("a.log", "\"a.log\": 2021-12-01 already has this log, as \"a.log\""),
        ("copy.log", "\"copy.log\": 2021-12-01 already has this log, as \"a.log\""),
        ("b.log copy.log", "\"copy.log\": 2021-12-01 already has this log"),
        ("b.log b-too.log", "has the same content as \"b.log\""),
    ] {
        let line = format!("--add {logs}");
        reduce(&sandbox, "agg-store", &line).exits(65).shows(&[words]).in_one_line();
        assert!((sandbox.read(PARTIAL), sandbox.rejects(DAY)) == before, "{logs}");
    }
    reduce(&sandbox, "agg-store", "--add b.log").exits(0);
    reduce(&sandbox, "agg-store", "--add b.log").exits(65);
}

#[test]
fn logs_without_rows_may_come_as_often_as_they_like() {
    let sandbox = Sandbox::new();
    for name in ["one.log", "two.log", "three.log"] {
        sandbox.write(name, "");
    }
    reduce(&sandbox, "agg-store", "one.log two.log").exits(0);
    reduce(&sandbox, "agg-store", "--add one.log three.log").exits(0);
    assert_eq!(open(&sandbox.path(PARTIAL)).unwrap().metadata().inputs, 4);
}

#[test]
fn a_log_that_the_day_has_may_be_added_again_if_it_has_no_accepted_row() {
    let sandbox = Sandbox::new();
    sandbox.write("day.log", rows(0, 900));
    for (name, rows) in [("header.log", "sng_id|user_id|country\n"), ("bad.log", "x\n\n1|1|XX\n")] {
        sandbox.write(name, rows);
        reduce(&sandbox, "agg-store", &format!("--force day.log {name}")).exits(0);
        let before = open(&sandbox.path(PARTIAL)).unwrap();
        // All three of the added rows are corrupt, so the limit is lifted here.
        let run = reduce(&sandbox, "agg-store", &format!("--add {name}")).exits(0);
        assert!(run.stdout.contains(r#""outcome":"added""#), "{run:?}");
        let after = open(&sandbox.path(PARTIAL)).unwrap();
        let lines = u64::try_from(rows.lines().count()).unwrap();
        assert_eq!(after.metadata().inputs, before.metadata().inputs + 1);
        let rejects = |partial: &Partial| partial.metadata().rejects.total();
        assert_eq!(rejects(&after), rejects(&before) + lines);
    }
}

#[test]
fn the_ratio_holds_for_what_is_added_alone_and_the_least_rows_for_the_day() {
    let sandbox = Sandbox::new();
    sandbox.write("good.log", "1|1|FR\n".repeat(1000));
    sandbox.write("bad.log", "1|1|FR\n1|2|FR\nno row\n");
    let add = |options: &str, log: &str| {
        sandbox.agg(&format!("reduce-day --add --date {DAY} {options} {log}"))
    };
    add("", "good.log").exits(0);
    let partial = sandbox.read(PARTIAL);
    add("", "bad.log").exits(65).shows(&["1 of 3 rows", "--max-reject-ratio"]).in_one_line();
    assert_eq!(sandbox.rejects(DAY), "bad.log:3: field_count: no row\n");
    add("--max-reject-ratio 1 --min-rows 1003", "bad.log").exits(65).shows(&["1002 good rows"]);
    assert!(sandbox.read(PARTIAL) == partial);
    add("--max-reject-ratio 0.5 --min-rows 1002", "bad.log").exits(0);
    assert_eq!(sandbox.rejects(DAY), "bad.log:3: field_count: no row\n");
}

/// A log with this number of corrupt rows, and a row that makes it differ from others.
fn corrupt(rows: usize, own: u64) -> String {
    "corrupt\n".repeat(rows) + &format!("1|{own}|FR\n")
}

/// The lines that the rejects file shows of such a log.
fn shown(name: &str, rows: usize) -> String {
    (1..=rows).map(|line| format!("{name}:{line}: field_count: corrupt\n")).collect()
}

#[test]
fn the_rejects_follow_those_of_the_day_up_to_1000_also_after_a_refused_try() {
    let sandbox = Sandbox::new();
    for (name, corrupts, own) in [("a.log", 600, 1), ("b.log", 500, 2), ("c.log", 700, 3)] {
        sandbox.write(name, corrupt(corrupts, own));
    }
    reduce(&sandbox, "agg-store", "a.log").exits(0);
    // A refused run shows all that it kept after those of the day, and a later run finds its own again.
    sandbox.agg(&format!("reduce-day --date {DAY} --add c.log")).exits(65);
    assert!(sandbox.rejects(DAY) == shown("a.log", 600) + &shown("c.log", 700));
    reduce(&sandbox, "agg-store", "--add b.log").exits(0);
    assert!(sandbox.rejects(DAY) == shown("a.log", 600) + &shown("b.log", 400));
    reduce(&sandbox, "agg-store", "--add c.log").exits(0);
    assert!(sandbox.rejects(DAY) == shown("a.log", 600) + &shown("b.log", 400));
    assert_eq!(open(&sandbox.path(PARTIAL)).unwrap().metadata().rejects.total(), 1800);
}

#[test]
fn a_rejects_file_that_is_not_the_days_costs_its_lines_and_is_a_warning() {
    for other in [None, Some("edited\n".to_owned()), Some(shown("c.log", 3))] {
        let sandbox = Sandbox::new();
        sandbox.write("a.log", corrupt(3, 1));
        sandbox.write("b.log", corrupt(2, 2));
        reduce(&sandbox, "agg-store", "a.log").exits(0);
        let file = format!("agg-store/rejects/{DAY}.txt");
        match other {
            Some(text) => sandbox.write(&file, text),
            None => fs::remove_file(sandbox.path(&file)).unwrap(),
        }
        let run = reduce(&sandbox, "agg-store", "--add b.log").exits(0);
        run.shows(&["warning", "2021-12-01.txt", "no longer listed"]).in_one_line();
        assert_eq!(sandbox.rejects(DAY), shown("b.log", 2));
        assert_eq!(open(&sandbox.path(PARTIAL)).unwrap().metadata().rejects.total(), 5);
    }
}

#[test]
fn other_logs_without_a_flag_are_refused_with_both_ways_out() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", rows(0, 50));
    sandbox.write("b.log", rows(50, 90));
    reduce(&sandbox, "agg-store", "a.log").exits(0);
    reduce(&sandbox, "agg-store", "b.log").exits(65).shows(&["--add", "--force"]).in_one_line();
}

#[test]
fn a_log_of_a_known_name_with_other_content_is_counted_and_is_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("one/day.log", "1|1|FR\n");
    sandbox.write("two/day.log", "2|1|FR\n");
    reduce(&sandbox, "agg-store", "one").exits(0);
    let run = reduce(&sandbox, "agg-store", "--add two").exits(0);
    run.shows(&["warning", "\"two/day.log\"", "corrected", "--force"]).in_one_line();
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1,2:1\n");
}

#[test]
fn adding_is_named_as_a_way_out_unless_the_day_has_one_of_the_logs() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", rows(0, 50));
    reduce(&sandbox, "agg-store", "a.log").exits(0);
    sandbox.write("b.log", rows(50, 90));
    sandbox.write("copy.log", rows(0, 50));
    sandbox.write("c/a.log", rows(90, 99));
    let add = "use --force to replace the day by these, or --add to add them";
    reduce(&sandbox, "agg-store", "b.log").exits(65).shows(&[add]).in_one_line();
    for (logs, known) in [("b.log copy.log", "copy.log"), ("b.log c/a.log", "c/a.log")] {
        let words = format!("; --add would count rows twice, because the day has \"{known}\"");
        reduce(&sandbox, "agg-store", logs).exits(65).shows(&["use --force", &words]).in_one_line();
    }
}

#[test]
fn parts_of_another_hour_have_other_names_than_those_of_the_day() {
    let sandbox = Sandbox::new();
    let part = |hour: u64| format!("{DAY}/hour={hour}/part-0");
    for hour in 0..3 {
        sandbox.write(part(hour), rows(hour * 10, hour * 10 + 5));
    }
    let add = |hour: u64| reduce(&sandbox, "agg-store", &format!("--add {}", part(hour)));
    for hour in 0..3 {
        add(hour).exits(0).in_no_line();
    }
    // A part that was emptied is missed, although there are others of its name.
    sandbox.write(part(1), "");
    let run = sandbox.agg(&format!("backfill --logs . --from {DAY} --to {DAY}")).exits(65);
    run.shows(&["\"part-0\"", "now has none"]).in_one_line();
}

#[test]
fn a_damaged_partial_is_not_added_to() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", rows(0, 50));
    sandbox.write("b.log", rows(50, 90));
    reduce(&sandbox, "agg-store", "a.log").exits(0);
    let whole = sandbox.read(PARTIAL);
    for at in [30, whole.len() - 5] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        sandbox.write(PARTIAL, &damaged);
        let run = reduce(&sandbox, "agg-store", "--add b.log").exits(65);
        run.shows(&["damaged", "--force"]).in_one_line();
        assert!(sandbox.read(PARTIAL) == damaged);
    }
    assert_eq!(sandbox.files("agg-store").len(), 2);
}

#[test]
fn an_unchanged_day_whose_rejects_file_is_gone_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", rows(0, 50));
    reduce(&sandbox, "agg-store", "a.log").exits(0);
    fs::remove_file(sandbox.path(format!("agg-store/rejects/{DAY}.txt"))).unwrap();
    let run = reduce(&sandbox, "agg-store", "a.log").exits(0);
    run.shows(&["2021-12-01.txt\" is missing", "--force"]).in_one_line();
}

fn add(folder: &Path, logs: &[PathBuf], memory: u64, threads: usize) -> ReduceOutcome {
    let options = ReduceOptions {
        logs: logs.to_vec(),
        day: DAY.parse().ok(),
        add: true,
        max_reject_ratio: 1.0,
        ..ReduceOptions::default()
    };
    unlocked(|| reduce_day(&context(folder, memory, threads), &options)).outcome
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pieces_added_in_any_order_with_any_memory_are_the_whole(
        cuts in prop::collection::vec(1u64..4000, 1..6),
        order in any::<u64>(),
        memory in (200u64 << 10)..(2 << 20),
        threads in 1usize..4,
    ) {
        let sandbox = Sandbox::new();
        let mut pieces = Vec::new();
        let mut from = 0;
        for (piece, cut) in cuts.iter().enumerate() {
            let name = format!("piece-{piece}.log");
            sandbox.write(&name, rows(from, from + cut));
            pieces.push(sandbox.path(&name));
            from += cut;
        }
        let whole = sandbox.path("whole");
        add(&whole, &pieces, 64 << 20, 1);
        pieces.sort_by_key(|path| (path.as_os_str().len() as u64 + order).wrapping_mul(
            path.as_os_str().as_encoded_bytes().iter().fold(order | 1, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)))));
        for piece in &pieces {
            add(&sandbox.path(""), std::slice::from_ref(piece), memory, threads);
        }
        let (one, other) = (sandbox.read(PARTIAL), sandbox.read(format!("whole/{PARTIAL}")));
        prop_assert!(run_bytes(&one) == run_bytes(&other));
        let partial = |path: &str| open(&sandbox.path(path)).unwrap();
        let (one, other) = (partial(PARTIAL), partial(&format!("whole/{PARTIAL}")));
        prop_assert_eq!(one.metadata(), other.metadata());
        let by_name = |partial: &Partial| {
            let inputs = partial.inputs().unwrap();
            let mut names: Vec<_> = inputs.iter().map(|log| (log.name.to_vec(), log.digest, log.rows)).collect();
            names.sort_unstable();
            names
        };
        prop_assert_eq!(by_name(&one), by_name(&other));
    }
}

#[test]
fn a_log_that_begins_with_one_of_the_day_is_not_added_and_the_refusal_does_not_advise_it() {
    let sandbox = Sandbox::new();
    sandbox.write("a-20211201.log", "1|1|FR\n2|2|FR\n");
    sandbox.write("b-20211201.log", "1|1|FR\n2|2|FR\n3|3|FR\n");
    sandbox.agg("reduce-day a-20211201.log").exits(0);
    let refused = sandbox.agg("reduce-day b-20211201.log").exits(65).shows(&["--force"]);
    assert!(!refused.stderr.contains("or --add"), "{}", refused.stderr);
    let begins = "begins with the whole content of \"a-20211201.log\"";
    sandbox.agg("reduce-day --add b-20211201.log").exits(65).shows(&[begins]).in_one_line();
    sandbox.agg("reduce-day --add --allow-duplicates b-20211201.log").exits(0);
    // A header is no row.
    sandbox.write("c-20211202.log", "sng_id|user_id|country\n");
    sandbox.write("d-20211202.log", "sng_id|user_id|country\n1|1|FR\n");
    sandbox.write("e-20211202.log", "sng_id|user_id|country\n2|2|FR\n");
    sandbox.agg("reduce-day --max-reject-ratio 1 c-20211202.log d-20211202.log").exits(0);
    sandbox.agg("reduce-day --max-reject-ratio 1 --add e-20211202.log").exits(0);
}
