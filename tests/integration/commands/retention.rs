//! What is removed is not counted or emitted again: `prune`, `backfill` and `nightly` together.

use std::fs;

use crate::harness::Sandbox;

const NIGHT: &str = "nightly --logs logs --days 1";

/// A sandbox with a log for each of these days of December 2021.
fn logs(days: std::ops::RangeInclusive<u32>) -> Sandbox {
    let sandbox = Sandbox::new();
    for day in days {
        sandbox.write(format!("logs/202112{day:02}.log"), format!("{day}|1|FR\n"));
    }
    sandbox
}

/// The days of December 2021 that are stored, and the dates of the emissions.
fn kept(sandbox: &Sandbox) -> (Vec<u32>, Vec<u32>) {
    let of = |folder: &str| {
        let names = sandbox.names(folder).into_iter();
        let day = |name: String| name.strip_prefix("2021-12-")?.get(..2)?.parse().ok();
        names.filter_map(day).collect()
    };
    (of("agg-store/partials"), of("agg-out"))
}

fn range(from: u32, to: u32) -> Vec<u32> {
    (from..=to).collect()
}

#[test]
fn a_night_removes_nothing_unless_it_is_asked_to() {
    let sandbox = logs(1..=31);
    sandbox.agg("backfill --logs logs --emit --days 1").exits(0);
    let night = sandbox.agg(&format!("{NIGHT} 2021-12-31 --json")).exits(0);
    let night: serde_json::Value = serde_json::from_str(&night.stdout).unwrap();
    assert_eq!(night["pruned"], serde_json::Value::Null);
    assert_eq!(kept(&sandbox), (range(1, 31), range(1, 31)));
}

#[test]
fn a_night_removes_days_and_emissions_and_the_next_one_does_not_make_them_again() {
    let sandbox = logs(1..=30);
    sandbox.agg("backfill --logs logs --emit --days 1").exits(0);
    let keep = "--keep-days 10 --keep-emissions 5 --catch-up 20";
    let dry = sandbox.agg(&format!("{NIGHT} 2021-12-30 {keep} --dry-run")).exits(0);
    let night = sandbox.agg(&format!("{NIGHT} 2021-12-30 {keep}")).exits(0);
    for (run, goes) in [(dry, "would go"), (night, "gone")] {
        assert!(run.stdout.contains(&format!("20 days {goes}")), "{run:?}");
        assert!(run.stdout.contains(&format!("25 emissions {goes}")), "{run:?}");
    }
    assert_eq!(kept(&sandbox), (range(21, 30), range(26, 30)));
    // The logs of the days that went are still there.
    sandbox.write("logs/20211231.log", "31|1|FR\n");
    let night = sandbox.agg(&format!("{NIGHT} 2021-12-31 {keep}")).exits(0);
    assert!(night.stdout.contains("2021-12-24") && night.stdout.contains("not due"), "{night:?}");
    assert_eq!(kept(&sandbox), (range(22, 31), range(27, 31)));
    // Without the flags: what went is not made again.
    let night = sandbox.agg(&format!("{NIGHT} 2021-12-31 --catch-up 20")).exits(0);
    night.tells(&["skipped 2021-12-11 to 2021-12-21", "2021-12-22", "--from"]).in_one_line();
    assert_eq!(kept(&sandbox), (range(22, 31), range(27, 31)));
    // The window of a day that is named is not emitted only to be removed.
    let night = sandbox.agg(&format!("{NIGHT} 2021-12-23 {keep}")).exits(0);
    night.tells(&["no window is emitted for 2021-12-23", "emit-window"]).in_one_line();
    assert_eq!(kept(&sandbox), (range(22, 31), range(27, 31)));
}

#[test]
fn a_backfill_skips_what_was_removed_unless_from_names_it() {
    let sandbox = logs(1..=20);
    let backfill = "backfill --logs logs --emit --days 1";
    sandbox.agg(backfill).exits(0);
    sandbox.agg("prune --keep-days 15 --keep-emissions 3").exits(0);
    assert_eq!(kept(&sandbox), (range(6, 20), range(18, 20)));
    for flags in ["--dry-run", "", "--to 2021-12-31"] {
        let run = sandbox.agg(&format!("{backfill} {flags}")).exits(0);
        let windows = "no window is emitted for 2021-12-06 to 2021-12-17: older than 2021-12-18";
        let days = "skipped 2021-12-01 to 2021-12-05: older than 2021-12-06";
        let run = run.tells(&[days, windows]);
        assert_eq!(run.stderr.lines().count(), 2, "{run:?}");
        assert!(!run.stdout.contains("2021-12-05"), "{run:?}");
        assert_eq!(kept(&sandbox), (range(6, 20), range(18, 20)));
    }
    let run = sandbox.agg("backfill --logs logs --from 2021-12-04").exits(0).in_no_line();
    assert!(run.stdout.contains("2021-12-04"), "{run:?}");
    assert_eq!(kept(&sandbox), (range(4, 20), range(18, 20)));
    // Another output folder has its own record, and a window that is asked for by itself is emitted.
    sandbox.agg(&format!("{backfill} --from 2021-12-10 --out other")).exits(0).in_no_line();
    assert_eq!(sandbox.names("other").len(), 12);
    sandbox.agg("emit-window --date 2021-12-07 --days 1").exits(0);
    assert_eq!(kept(&sandbox).1, [7, 18, 19, 20]);
    // The next prune removes both again, and with more days to keep its record goes back.
    sandbox.agg("prune --keep-days 16 --keep-emissions 3").exits(0);
    assert_eq!(kept(&sandbox), (range(5, 20), range(18, 20)));
}

#[test]
fn a_record_that_is_damaged_is_named_and_the_next_prune_repairs_it() {
    let sandbox = logs(1..=20);
    sandbox.agg("backfill --logs logs --emit --days 1").exits(0);
    sandbox.agg("prune --keep-days 15 --keep-emissions 3").exits(0);
    for record in ["agg-store/partials/.floor", "agg-out/.floor"] {
        let whole = sandbox.read(record);
        let mut damaged = whole.clone();
        damaged[12] ^= 1;
        sandbox.write(record, &damaged);
        for line in ["backfill --logs logs --emit --days 1", &format!("{NIGHT} 2021-12-20")] {
            sandbox.agg(line).exits(65).tells(&[record, "damaged", "prune"]).in_one_line();
        }
        sandbox.agg("prune --keep-days 15 --keep-emissions 3").exits(0);
        assert_eq!(sandbox.read(record), whole);
    }
    fs::remove_file(sandbox.path("agg-store/partials/.floor")).unwrap();
    sandbox.agg("backfill --logs logs").exits(0);
    assert_eq!(kept(&sandbox).0, range(1, 20));
}
