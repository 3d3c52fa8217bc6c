//! The sample logs against the answers that were computed without `agg`.
//!
//! `tests/oracle/` holds the program that computed `tests/data/expected/`.

use std::fs;
use std::path::Path;

use crate::harness::{Sandbox, Totals, repository};

/// The days of the samples, with their rows as the oracle counted them.
fn expected_days() -> Vec<(String, Totals)> {
    let text = fs::read(repository("tests/data/expected/days.json")).unwrap();
    let days: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
    days.iter().map(|(day, facts)| (day.clone(), Totals::of(facts))).collect()
}

fn expected(name: impl AsRef<Path>) -> String {
    fs::read_to_string(repository("tests/data/expected").join(name)).unwrap()
}

/// A sandbox in which the samples were backfilled with `options`.
fn backfilled(options: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let logs = repository("data-samples");
    let mut command = sandbox.command();
    command.arg("backfill").arg("--logs").arg(logs).args(options.split_whitespace());
    let run = sandbox.run(&mut command).exits(0);
    assert!((run.stdout + &run.stderr).contains("README.md"), "skipped in silence");
    sandbox
}

#[track_caller]
fn assert_windows_as_expected(sandbox: &Sandbox) {
    for last in ["2021-12-05", "2021-12-06", "2021-12-07"] {
        for kind in ["country", "user"] {
            let name = format!("{last}/top50_songs_per_{kind}.txt");
            let found = sandbox.text(Path::new("agg-out").join(&name));
            // Not assert_eq, which would print 150 KB twice.
            let expected = expected(&name);
            let mut lines = found.lines().zip(expected.lines());
            let other = lines.find(|(found, expected)| found != expected);
            assert!(found == expected, "{name}, first lines that differ: {other:#?}");
        }
    }
}

#[test]
fn a_backfill_of_the_samples_emits_the_windows_that_the_oracle_computed() {
    let sandbox = backfilled("--emit");
    assert_windows_as_expected(&sandbox);
    assert_eq!(sandbox.names("agg-out"), ["2021-12-05", "2021-12-06", "2021-12-07", "latest"]);
    assert_eq!(fs::read_link(sandbox.path("agg-out/latest")).unwrap(), Path::new("2021-12-07"));
}

#[test]
fn minimum_memory_and_one_thread_give_the_same_windows() {
    assert_windows_as_expected(&backfilled("--emit --memory 64MiB --threads 1"));
}

#[test]
fn every_day_of_the_samples_has_the_oracles_rows_and_rejects_by_reason() {
    let sandbox = backfilled("");
    for (day, expected_totals) in expected_days() {
        assert_eq!(sandbox.rejects(&day), expected(format!("rejects/{day}.txt")), "{day}");
        sandbox.agg(&format!("emit-window --date {day} --days 1")).exits(0);
        assert_eq!(sandbox.totals(&day), expected_totals, "{day}");
    }
}

#[test]
fn a_windows_totals_are_the_sums_of_its_days() {
    let sandbox = backfilled("--emit");
    for last in [6, 7, 8] {
        let days = expected_days();
        let mut sum = Totals::default();
        days[last - 6..=last].iter().for_each(|(_, totals)| sum.add(totals));
        assert_eq!(sandbox.totals(&days[last].0), sum);
    }
}

#[test]
fn reduced_day_by_day_the_samples_give_the_same_windows() {
    let sandbox = Sandbox::new();
    // Newest first, and the parts of a day out of order: neither may show.
    let parts = "sample_listen-2021-12-03_parts/part";
    for logs in [
        "listen-20211207.log".to_owned(),
        "sample_listen-2021-12-06.txt".to_owned(),
        "listen-20211205.log".to_owned(),
        "listen-20211204.log.zst".to_owned(),
        format!("{parts}-4.txt.zst {parts}-1.log {parts}-3.txt {parts}-2.log.gz"),
        "listen-20211202.log.gz".to_owned(),
        "sample_listen-2021-12-01_2Mlines.log".to_owned(),
        "sample_listen-2021-11-30.log".to_owned(),
        "sample_listen-2021-11-29.log".to_owned(),
    ] {
        let mut command = sandbox.command();
        command.arg("reduce-day");
        for log in logs.split_whitespace() {
            command.arg(repository("data-samples").join(log));
        }
        sandbox.run(&mut command).exits(0);
    }
    for last in ["2021-12-05", "2021-12-06", "2021-12-07"] {
        sandbox.agg(&format!("emit-window --date {last}")).exits(0);
    }
    assert_windows_as_expected(&sandbox);
}
