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
    night.shows(&["skipped 2021-12-11 to 2021-12-21", "2021-12-22", "--from"]).in_one_line();
    assert_eq!(kept(&sandbox), (range(22, 31), range(27, 31)));
    // The window of a day that is named is not emitted only to be removed.
    let night = sandbox.agg(&format!("{NIGHT} 2021-12-23 {keep}")).exits(0);
    night.shows(&["no window is emitted for 2021-12-23", "emit-window"]).in_one_line();
    assert_eq!(kept(&sandbox), (range(22, 31), range(27, 31)));
}

/// The night for a day of December 2021 with windows of three days, as cron runs it for yesterday.
fn night_of(sandbox: &Sandbox, day: u32) -> serde_json::Value {
    let run = sandbox.agg(&format!(
        "nightly 2021-12-{day:02} --logs logs --days 3 --catch-up 35 --keep-days 12 --keep-emissions 6 --metrics m.prom --json"
    ));
    serde_json::from_str(&run.exits(0).in_no_warning().stdout).unwrap()
}

#[test]
fn ten_nights_off_are_caught_up_by_the_next_one_as_if_all_had_run() {
    let off = Sandbox::new();
    for day in 1..=10 {
        off.write(format!("logs/202112{day:02}.log"), format!("{day}|1|FR\n"));
        night_of(&off, day);
    }
    assert_eq!(kept(&off), (range(1, 10), range(5, 10)));
    for day in 11..=20 {
        off.write(format!("logs/202112{day:02}.log"), format!("{day}|1|FR\n"));
    }
    let night = night_of(&off, 20);
    let of = |name: &str, word: &str| -> Vec<u32> {
        let days = night["days"].as_array().unwrap().iter().filter(|dated| dated[name] == word);
        days.map(|dated| dated["day"].as_str().unwrap()[8..].parse().unwrap()).collect()
    };
    assert_eq!(
        (of("outcome", "reduced"), of("outcome", "unchanged")),
        (range(11, 20), [9, 10].into())
    );
    // No emission that this night would remove again.
    assert_eq!((of("window", "emitted"), of("window", "not_due")), (range(15, 20), range(9, 14)));
    let days = |days: &serde_json::Value| -> Vec<u32> {
        let days = days.as_array().unwrap().iter();
        days.map(|gone| gone["day"].as_str().unwrap()[8..].parse().unwrap()).collect()
    };
    assert_eq!(days(&night["pruned"]["days"]), range(1, 8));
    assert_eq!(days(&night["pruned"]["emissions"]["removed"]), range(5, 10));
    assert_eq!(kept(&off), (range(9, 20), range(15, 20)));
    let metrics = off.text("m.prom");
    for sample in [
        "agg_exit_status{command=\"backfill\"} 0",
        "agg_days{command=\"backfill\",outcome=\"reduced\"} 10",
        "agg_windows{command=\"backfill\",outcome=\"emitted\"} 6",
    ] {
        assert!(metrics.contains(sample), "{sample} in {metrics}");
    }
    // 20 December.
    assert!(off.text("m-night.prom").contains("\nagg_night_day_timestamp_seconds 1639958400\n"));
    let never_off = Sandbox::new();
    for day in 1..=20 {
        let log = format!("logs/202112{day:02}.log");
        never_off.write(&log, off.read(&log));
        let modified = fs::metadata(off.path(&log)).unwrap().modified().unwrap();
        let copy = fs::File::options().append(true).open(never_off.path(&log)).unwrap();
        copy.set_modified(modified).unwrap();
        night_of(&never_off, day);
    }
    let folders = ["agg-store", "agg-out"];
    assert!(never_off.tree(&folders) == off.tree(&folders), "{:?}", off.files("agg-out"));
    let again = night_of(&off, 20);
    assert_eq!(again["pruned"]["bytes"], 0);
    let idle =
        |dated: &serde_json::Value| dated["outcome"] == "unchanged" && dated["emitted"].is_null();
    assert!(again["days"].as_array().unwrap().iter().all(idle), "{again}");
}

#[test]
fn a_first_night_emits_no_window_that_it_would_remove_again() {
    let sandbox = logs(1..=30);
    let keep = "--keep-emissions 5 --catch-up 20";
    let night = |flags: &str| {
        let run = sandbox.agg(&format!("{NIGHT} 2021-12-30 {flags} --json")).exits(0);
        serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()
    };
    let emitted = |night: &serde_json::Value, word: &str| {
        let days = night["days"].as_array().unwrap().iter();
        days.filter(|dated| dated["window"] == word).count()
    };
    assert_eq!(emitted(&night(&format!("{keep} --dry-run")), "would_emit"), 5);
    let first = night(keep);
    assert_eq!((emitted(&first, "emitted"), emitted(&first, "not_due")), (5, 16));
    assert_eq!(first["pruned"]["emissions"]["removed"], serde_json::json!([]));
    assert_eq!(kept(&sandbox), (range(10, 30), range(26, 30)));
    // Without the flag it emits them, as far as none was removed.
    fs::remove_file(sandbox.path("agg-out/.floor")).unwrap();
    assert_eq!(emitted(&night("--catch-up 20"), "emitted"), 16);
    // A window that is named is not emitted only to be removed either.
    let run = sandbox.agg(&format!("{NIGHT} 2021-12-12 {keep} --top 3")).exits(0);
    run.shows(&["no window is emitted for 2021-12-12", "2021-12-26", "emit-window"]);
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
        let run = run.shows(&[days, windows]);
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
            sandbox.agg(line).exits(65).shows(&[record, "damaged", "prune"]).in_one_line();
        }
        sandbox.agg("prune --keep-days 15 --keep-emissions 3").exits(0);
        assert_eq!(sandbox.read(record), whole);
    }
    fs::remove_file(sandbox.path("agg-store/partials/.floor")).unwrap();
    sandbox.agg("backfill --logs logs").exits(0);
    assert_eq!(kept(&sandbox).0, range(1, 20));
}
