//! Names of logs and folders to days; which of them a backfill takes.

use crate::harness::Sandbox;

/// Reduces a log of this name and gives the days that are stored then, or the exit code.
fn stored(log: &str, options: &str) -> Result<Vec<String>, i32> {
    let sandbox = Sandbox::new();
    sandbox.write(log, "1|1|FR\n");
    let mut command = sandbox.command();
    let output =
        command.arg("reduce-day").args(options.split_whitespace()).arg(log).output().unwrap();
    match output.status.code() {
        Some(0) => Ok(days(&sandbox)),
        code => Err(code.unwrap_or(-1)),
    }
}

/// The days of the store.
fn days(sandbox: &Sandbox) -> Vec<String> {
    sandbox.names("agg-store/partials").iter().map(|name| name.replace(".agg", "")).collect()
}

#[track_caller]
fn assert_days(names: &[(&str, &str)]) {
    for (name, day) in names {
        assert_eq!(stored(name, ""), Ok(vec![(*day).to_owned()]), "{name}");
    }
}

#[track_caller]
fn assert_refused(names: &[&str]) {
    for name in names {
        assert_eq!(stored(name, ""), Err(65), "{name}");
    }
}

#[test]
fn a_date_is_eight_digits_or_has_hyphens_or_underscores() {
    assert_days(&[
        ("listen-20211201.log", "2021-12-01"),
        ("20211201", "2021-12-01"),
        ("sample_listen-2021-12-01_2Mlines.log", "2021-12-01"),
        ("2021-12-01.log", "2021-12-01"),
        ("a2021-12-01b.log", "2021-12-01"),
        ("listen-2021_12_01.log", "2021-12-01"),
        ("2021120113.log", "2021-12-01"),
        ("listen_v2_20211201T0000.log", "2021-12-01"),
        ("20211201-2021-12-01-20211201.log", "2021-12-01"),
        ("listen-20200229.log", "2020-02-29"),
        ("listen-19700101.log", "1970-01-01"),
        ("listen-2199-12-31.log", "2199-12-31"),
    ]);
}

#[test]
fn other_digits_are_ignored() {
    assert_days(&[
        ("listen-20211301-20211201.log", "2021-12-01"),
        ("listen-20210229-20211201.log", "2021-12-01"),
        ("listen-120211201-2021-12-01.log", "2021-12-01"),
        ("listen-19691231-20211201.log", "2021-12-01"),
        ("listen-22000101-20211201.log", "2021-12-01"),
        ("listen-2021-12-01-1638316800.log", "2021-12-01"),
        ("0000001-listen-20211201-2.log", "2021-12-01"),
    ]);
}

#[test]
fn a_name_without_a_calendar_day_is_refused() {
    assert_refused(&[
        "listen.log",
        "listen-20211301.log",
        "listen-20210229.log",
        "listen-00000000.log",
        "listen-120211201.log",
        "listen-202112011.log",
        "listen-2021120.log",
        "listen-2021-12-011.log",
        "listen-12021-12-01.log",
        "listen-2021-2-01.log",
        "listen-2021-13-01.log",
        "listen-19691231.log",
        "listen-2200-01-01.log",
    ]);
}

#[test]
fn two_different_days_are_refused() {
    assert_refused(&[
        "20211201-20211202.log",
        "2021-12-01_20211202.log",
        "2021-12-01_2021-12-02/part.log",
    ]);
    let sandbox = Sandbox::new();
    sandbox.write("listen-20211201.log", "1|1|FR\n");
    sandbox.write("listen-20211202.log", "1|1|FR\n");
    let run = sandbox.agg("reduce-day listen-20211201.log listen-20211202.log");
    run.exits(65).shows(&["2021-12-01", "2021-12-02", "agg backfill --logs"]).in_one_line();
    assert_eq!(days(&sandbox), [""; 0]);
}

#[test]
fn a_log_without_a_day_beside_one_with_a_day_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("listen-20211201.log", "1|1|FR\n");
    sandbox.write("listen.log", "2|2|FR\n");
    sandbox.agg("reduce-day listen-20211201.log listen.log").exits(65).shows(&["listen.log"]);
}

#[test]
fn the_base_name_decides_then_the_folder_above_it() {
    assert_days(&[
        ("sample_listen-2021-12-01_2Mlines/part-1.log", "2021-12-01"),
        ("20211201/part-12345678.log", "2021-12-01"),
        ("2021-12-05/listen-20211201.log", "2021-12-01"),
        ("2021-12-05_2021-12-06/listen-20211201.log", "2021-12-01"),
    ]);
    assert_refused(&["2021-12-01/deeper/part-1.log"]);
}

#[test]
fn the_day_of_a_folder_is_that_of_its_logs() {
    let sandbox = Sandbox::new();
    sandbox.write("listen-2021-12-01/part-1.log", "1|1|FR\n");
    sandbox.write("listen-2021-12-01/part-2.log", "2|2|FR\n");
    sandbox.agg("reduce-day listen-2021-12-01/").exits(0);
    assert_eq!(sandbox.tops_of_day("2021-12-01").1, "1|1:1\n2|2:1\n");
    sandbox.write("mixed/listen-20211202.log", "1|1|FR\n");
    sandbox.write("mixed/listen-20211203.log", "2|2|FR\n");
    sandbox.agg("reduce-day mixed").exits(65).shows(&["2021-12-02", "2021-12-03"]);
}

#[test]
fn the_option_overrides_every_name() {
    for name in
        ["listen.log", "listen-20211201.log", "20211201-20211202.log", "2021-12-07/listen.log"]
    {
        assert_eq!(stored(name, "--date 2021-11-30"), Ok(vec!["2021-11-30".to_owned()]), "{name}");
    }
}

/// A folder `logs` with a log of each name; the rows of the n-th have the song and user n.
fn logs_named(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (at, name) in names.iter().enumerate() {
        sandbox.write(format!("logs/{name}"), format!("{at}|{at}|FR\n"));
    }
    sandbox
}

#[test]
fn a_backfill_takes_dated_logs_at_every_depth_and_names_the_others() {
    let sandbox = logs_named(&[
        "listen-20211201.log",
        "2021-12-02/part-1.log",
        "2021-12-02/part-2.log",
        "2021-12-02/deeper/part-3.log",
        "listen-20211203-a.log",
        "listen-20211203-b.txt",
        "latest.log",
        "notes/part-1.log",
    ]);
    let run = sandbox.agg("backfill --logs logs").exits(0);
    let printed = run.stdout + &run.stderr;
    for name in ["latest.log", "notes/part-1.log"] {
        assert!(printed.contains(name), "{name} is not reported:\n{printed}");
    }
    assert_eq!(days(&sandbox), ["2021-12-01", "2021-12-02", "2021-12-03"]);
    assert_eq!(sandbox.tops_of_day("2021-12-01").1, "0|0:1\n");
    assert_eq!(sandbox.tops_of_day("2021-12-02").1, "1|1:1\n2|2:1\n3|3:1\n");
    assert_eq!(sandbox.tops_of_day("2021-12-03").1, "4|4:1\n5|5:1\n");
}

#[test]
fn a_backfill_keeps_to_its_range() {
    let sandbox = logs_named(&["20211130.log", "20211201.log", "20211202.log", "20211203.log"]);
    sandbox.agg("backfill --logs logs --from 2021-12-01 --to 2021-12-02").exits(0);
    assert_eq!(days(&sandbox), ["2021-12-01", "2021-12-02"]);
    sandbox.agg("backfill --logs logs --from 2021-12-03").exits(0);
    sandbox.agg("backfill --logs logs --to 2021-11-30").exits(0);
    assert_eq!(days(&sandbox).len(), 4);
}

#[test]
fn a_backfill_emits_the_dates_whose_window_is_stored_and_lists_the_others() {
    let sandbox = logs_named(&["20211201.log", "20211202.log", "20211203.log", "20211205.log"]);
    let run = sandbox.agg("backfill --logs logs --emit --days 2").exits(0);
    assert_eq!(sandbox.names("agg-out"), ["2021-12-02", "2021-12-03", "latest"]);
    assert!(run.stdout.contains("needs 2021-11-30\n"), "{}", run.stdout);
    assert!(run.stdout.contains("needs 2021-12-04\n"), "{}", run.stdout);
    let run = sandbox.agg("backfill --logs logs --emit --days 4 --json").exits(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["days"][0]["lacking"].as_array().unwrap().len(), 3, "{report}");
}

#[test]
fn a_backfill_goes_on_after_a_bad_day_and_exits_with_its_code() {
    let sandbox = logs_named(&["20211201.log", "20211203.log"]);
    sandbox.write("logs/20211202.log", "corrupt\n");
    sandbox.agg("backfill --logs logs --emit --days 1").exits(65).shows(&["2021-12-02"]);
    assert_eq!(days(&sandbox), ["2021-12-01", "2021-12-03"]);
    assert_eq!(sandbox.names("agg-out"), ["2021-12-01", "2021-12-03", "latest"]);
}

#[test]
fn a_second_backfill_has_nothing_to_do() {
    let sandbox = logs_named(&["20211201.log", "20211202.log"]);
    sandbox.agg("backfill --logs logs --emit --days 1").exits(0);
    let partial = sandbox.read("agg-store/partials/2021-12-01.agg");
    let emitted = sandbox.read("agg-out/2021-12-01/manifest.json");
    sandbox.agg("backfill --logs logs --emit --days 1").exits(0);
    assert_eq!(sandbox.read("agg-store/partials/2021-12-01.agg"), partial);
    assert_eq!(sandbox.read("agg-out/2021-12-01/manifest.json"), emitted);
}

#[test]
fn a_backfill_of_a_folder_that_is_not_there_or_has_no_logs_is_missing_input() {
    let sandbox = logs_named(&["readme.md"]);
    sandbox.agg("backfill --logs gone").exits(66).shows(&["gone"]);
    sandbox.agg("backfill --logs logs").exits(66).shows(&["logs"]);
}
