//! `backfill`: what is done again, what stays, and what is reported.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Run, Sandbox};

/// A sandbox with logs of the days from 2021-12-01 on.
fn logs(days: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    for day in 1..=days {
        sandbox.write(format!("logs/202112{day:02}.log"), format!("{day}|{day}|FR\n"));
    }
    sandbox
}

/// Outcome and window of each day, by the day of the month.
fn outcomes(run: &Run) -> BTreeMap<u32, (String, Option<String>)> {
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let days = report["days"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    days.map(|day| {
        let number = text(&day["day"]).unwrap()[8..].parse().unwrap();
        (number, (text(&day["outcome"]).unwrap(), text(&day["window"])))
    })
    .collect()
}

/// The result of `outcomes` for days from the first of the month on.
fn expected(days: &[(&str, &str)]) -> BTreeMap<u32, (String, Option<String>)> {
    let window = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (1..)
        .zip(days)
        .map(|(day, (outcome, text))| (day, ((*outcome).to_owned(), window(text))))
        .collect()
}

/// Which files lie in store and output: a file that was written again is another one.
fn identities(sandbox: &Sandbox) -> Vec<(String, u64)> {
    let files = [sandbox.files("agg-store"), sandbox.files("agg-out")].concat();
    let identity = |name: String| {
        let inode = fs::symlink_metadata(sandbox.path(&name)).unwrap().ino();
        (name, inode)
    };
    files.into_iter().map(identity).collect()
}

#[test]
fn a_second_run_touches_nothing_and_says_so() {
    let sandbox = logs(3);
    let backfill = "backfill --logs logs --emit --days 2 --json";
    let first = outcomes(&sandbox.agg(backfill).exits(0));
    let all = [("reduced", "lacking"), ("reduced", "emitted"), ("reduced", "emitted")];
    assert_eq!(first, expected(&all));
    let before = identities(&sandbox);
    let again = outcomes(&sandbox.agg(backfill).exits(0));
    let all = [("unchanged", "lacking"), ("unchanged", "fresh"), ("unchanged", "fresh")];
    assert_eq!(again, expected(&all));
    assert_eq!(identities(&sandbox), before);
    // Other windows are not fresh.
    let other = outcomes(&sandbox.agg(&format!("{backfill} --top 3")).exits(0));
    assert_eq!(other[&2].1.as_deref(), Some("emitted"));
    let other =
        outcomes(&sandbox.agg("backfill --logs logs --emit --days 1 --top 3 --json").exits(0));
    assert_eq!(other[&2].1.as_deref(), Some("emitted"));
}

#[test]
fn a_log_that_changed_is_read_again_and_the_windows_that_had_it_are_emitted_again() {
    let sandbox = logs(4);
    let backfill = "backfill --logs logs --emit --days 2 --json";
    sandbox.agg(backfill).exits(0);
    sandbox.write("logs/20211202.log", "7|7|DE\n8|8|DE\n");
    let all = [
        ("unchanged", "lacking"),
        ("replaced", "emitted"),
        ("unchanged", "emitted"),
        ("unchanged", "fresh"),
    ];
    assert_eq!(outcomes(&sandbox.agg(backfill).exits(0)), expected(&all));
    assert_eq!(sandbox.tops("2021-12-03").1, "3|3:1\n7|7:1\n8|8:1\n");
    // A log more of the day: all of them together.
    sandbox.write("logs/2021-12-02/more.log", "9|9|DE\n");
    assert_eq!(outcomes(&sandbox.agg(backfill).exits(0))[&2].0, "replaced");
    assert_eq!(sandbox.tops("2021-12-03").1, "3|3:1\n7|7:1\n8|8:1\n9|9:1\n");
}

#[test]
fn another_time_or_name_or_compression_is_not_a_change() {
    let sandbox = logs(2);
    sandbox.agg("backfill --logs logs").exits(0);
    let before = identities(&sandbox);
    let log = fs::File::options().write(true).open(sandbox.path("logs/20211201.log")).unwrap();
    log.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(9)).unwrap();
    let bytes = sandbox.read("logs/20211202.log");
    fs::remove_file(sandbox.path("logs/20211202.log")).unwrap();
    sandbox.write("logs/20211202-archived.log.gz", crate::harness::gz(bytes));
    let again = outcomes(&sandbox.agg("backfill --logs logs --json").exits(0));
    assert_eq!(again, expected(&[("unchanged", ""), ("unchanged", "")]));
    assert_eq!(identities(&sandbox), before);
}

#[test]
fn a_day_whose_log_is_gone_stays_with_a_warning() {
    let sandbox = logs(1);
    sandbox.write("logs/2021-12-01/part-1.log", "5|5|FR\n");
    sandbox.write("logs/2021-12-01/part-2.log", "6|6|FR\n");
    sandbox.agg("backfill --logs logs").exits(0);
    let before = identities(&sandbox);
    fs::remove_file(sandbox.path("logs/2021-12-01/part-1.log")).unwrap();
    // Not even when another one changed.
    for other in ["6|6|FR\n", "7|7|FR\n"] {
        sandbox.write("logs/2021-12-01/part-2.log", other);
        let run = sandbox.agg("backfill --logs logs --json").exits(0);
        assert_eq!(outcomes(&run), expected(&[("kept", "")]));
        run.shows(&["warning: 2021-12-01 is unchanged", "\"part-1.log\"", "--force"]).in_one_line();
        assert_eq!(identities(&sandbox), before);
    }
}

#[test]
fn a_window_that_lost_a_file_or_whose_partial_was_made_again_is_emitted_again() {
    let sandbox = logs(2);
    let backfill = "backfill --logs logs --emit --days 1 --json";
    sandbox.agg(backfill).exits(0);
    let window = |day: u32| outcomes(&sandbox.agg(backfill).exits(0))[&day].1.clone().unwrap();
    fs::remove_file(sandbox.path("agg-out/2021-12-01/top50_songs_per_user.txt")).unwrap();
    assert_eq!(window(1), "emitted");
    sandbox.write("agg-out/2021-12-02/top50_songs_per_user.txt", "cut");
    assert_eq!(window(2), "emitted");
    sandbox.write("more-20211201.log", "9|9|DE\n");
    sandbox.agg("reduce-day --add more-20211201.log").exits(0);
    let run = sandbox.agg(backfill).exits(0);
    // Its log of the day is no longer in the folder, but the stored day counts.
    assert_eq!(outcomes(&run)[&1], ("kept".to_owned(), Some("emitted".to_owned())));
    assert_eq!(sandbox.tops("2021-12-01").1, "1|1:1\n9|9:1\n");
}

#[test]
fn a_run_with_nothing_to_emit_ends_what_a_killed_run_had_begun() {
    let sandbox = logs(3);
    let backfill = "backfill --logs logs --emit --days 1";
    sandbox.agg(backfill).exits(0);
    let published = identities(&sandbox);
    let latest = sandbox.path("agg-out/latest");
    // Killed after the swap: the link is at the date before, the old emission is not removed. And a folder that is no
    // emission.
    let kill = || {
        fs::remove_file(&latest).unwrap();
        symlink("2021-12-02", &latest).unwrap();
        sandbox.write("agg-out/.agg-tmp-old/top50_songs_per_user.txt", "1|1:1\n");
    };
    fs::create_dir(sandbox.path("agg-out/2030-01-01")).unwrap();
    let is_in_order = || {
        fs::read_link(&latest).unwrap() == Path::new("2021-12-03")
            && !sandbox.exists("agg-out/.agg-tmp-old")
    };
    assert!(is_in_order());
    kill();
    sandbox.agg("backfill --logs logs --emit --days 1 --dry-run").exits(0);
    assert!(!is_in_order(), "a dry run touches nothing");
    let lock = fs::File::open(sandbox.path("agg-out/.out.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    sandbox.agg(backfill).exits(0).in_no_line();
    assert!(!is_in_order(), "that of a run which is at work");
    drop(lock);
    sandbox.agg(backfill).exits(0).in_no_line();
    assert!(is_in_order());
    let kept = |(name, _): &(String, u64)| name != "agg-out/latest";
    let emissions = |all: Vec<(String, u64)>| all.into_iter().filter(kept).collect::<Vec<_>>();
    assert_eq!(emissions(identities(&sandbox)), emissions(published));
    // A link to a later date that is gone stays, which is reported once.
    fs::remove_file(&latest).unwrap();
    symlink("2029-12-31", &latest).unwrap();
    let words = ["points to 2029-12-31, which no longer exists", "remove the link"];
    sandbox.agg(backfill).exits(0).shows(&words).in_one_line();
    let run = sandbox.agg(&format!("{backfill} --top 3")).exits(0);
    run.shows(&words).shows(&["2021-12-01 to 2021-12-03: replaced windows of 1 day, top 50 by"]);
    assert_eq!(fs::read_link(&latest).unwrap(), Path::new("2029-12-31"));
    // What cannot be repaired is reported.
    fs::remove_file(&latest).unwrap();
    sandbox.write("agg-out/latest", "a file");
    sandbox.agg(backfill).exits(73).shows(&["latest", "not a symbolic link"]);
}

#[test]
fn an_output_that_is_a_file_fails_the_windows_and_keeps_the_table() {
    let sandbox = logs(2);
    sandbox.write("agg-out", "a file");
    let run = sandbox.agg("backfill --logs logs --emit --days 1 --json").exits(73);
    assert_eq!(outcomes(&run), expected(&[("reduced", "failed"), ("reduced", "failed")]));
}

#[test]
fn published_windows_after_the_range_that_a_changed_day_makes_stale_are_warned_of() {
    let sandbox = logs(6);
    let backfill = "backfill --logs logs --emit --days 3 --allow-missing";
    sandbox.agg(backfill).exits(0).in_no_line();
    let before = identities(&sandbox);
    sandbox.write("logs/20211202.log", "2|2|FR\n9|9|FR\n");
    let command = "to emit again, run backfill with --emit --from 2021-12-03 --to 2021-12-04";
    let words = ["2 published windows of 2021-12-03 to 2021-12-04", command];
    for ending in ["--dry-run", ""] {
        let run = sandbox.agg(&format!("{backfill} --to 2021-12-02 {ending}"));
        run.exits(0).shows(&words).in_one_line();
    }
    assert_ne!(identities(&sandbox), before);
    // Another window is not among them.
    sandbox.write("logs/20211202.log", "2|2|FR\n9|9|FR\n8|8|FR\n");
    let run = sandbox.agg(&format!("{backfill} --top 3 --to 2021-12-02")).exits(0);
    run.shows(&["2021-12-01 to 2021-12-02: replaced windows of 3 days"]).in_one_line();
    sandbox.agg(&format!("{backfill} --from 2021-12-03 --to 2021-12-04")).exits(0).in_no_line();
    assert_eq!(sandbox.tops("2021-12-04").1, "2|2:1\n3|3:1\n4|4:1\n8|8:1\n9|9:1\n");
    // One that used a day which is gone cannot be emitted again.
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-04.agg")).unwrap();
    sandbox.write("logs/20211203.log", "3|3|FR\n7|7|FR\n");
    let run = sandbox.agg(&format!("{backfill} --from 2021-12-03 --to 2021-12-03")).exits(0);
    run.in_no_line();
    sandbox.agg("reduce-day logs/20211204.log").exits(0);
    sandbox.write("logs/20211203.log", "3|3|FR\n7|7|FR\n6|6|FR\n");
    let run = sandbox.agg(&format!("{backfill} --from 2021-12-03 --to 2021-12-04")).exits(0);
    run.shows(&["the published window of 2021-12-05 has days that changed"]).in_one_line();
}

#[test]
fn a_dry_run_prints_what_the_run_then_does_and_touches_nothing() {
    let sandbox = logs(4);
    let dry = "backfill --logs logs --emit --days 2 --json --dry-run";
    let all = [
        ("would_reduce", "lacking"),
        ("would_reduce", "would_emit"),
        ("would_reduce", "would_emit"),
        ("would_reduce", "would_emit"),
    ];
    assert_eq!(outcomes(&sandbox.agg(dry).exits(0)), expected(&all));
    assert_eq!(sandbox.names(""), ["logs"], "no store, no output, no lock");

    sandbox.agg("backfill --logs logs --emit --days 2").exits(0);
    sandbox.write("logs/20211201.log", "9|9|FR\n");
    sandbox.write("logs/20211203/more.log", "9|9|FR\n");
    sandbox.write("logs/20211205.log", "no log of this program\n");
    fs::remove_file(sandbox.path("logs/20211203.log")).unwrap();
    let before = identities(&sandbox);
    let run = sandbox.agg(dry).exits(0).shows(&["2021-12-03 is unchanged"]);
    let all = [
        ("would_replace", "lacking"),
        ("unchanged", "would_emit"),
        ("kept", "fresh"),
        ("unchanged", "fresh"),
        ("would_reduce", "would_emit"),
    ];
    assert_eq!(outcomes(&run), expected(&all));
    assert_eq!(identities(&sandbox), before);
    // What is in the logs shows only when they are read.
    let run = sandbox.agg("backfill --logs logs --emit --days 2 --json").exits(65);
    let all = [
        ("replaced", "lacking"),
        ("unchanged", "emitted"),
        ("kept", "fresh"),
        ("unchanged", "fresh"),
        ("failed", "lacking"),
    ];
    assert_eq!(outcomes(&run), expected(&all));
}

#[test]
fn a_run_that_is_stopped_ends_with_its_table_and_the_next_one_goes_on() {
    let sandbox = logs(2);
    // Enough days that the run is in the middle of them when the signal comes, each so small that it ends by itself on a busy
    // machine, too.
    let big: String =
        (0..20_000_u64).map(|n| format!("{n}|{}|FR\n", n * 7_919 % 1_000_003)).collect();
    for day in 3..=31 {
        sandbox.write(format!("logs/202112{day:02}.log"), format!("{day}|1|FR\n{big}"));
    }
    let mut command = sandbox.command();
    command.args(["backfill", "--logs", "logs", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !sandbox.has_partial("2021-12-02") {
        assert_eq!(child.try_wait().unwrap(), None, "ended before the signal");
        std::thread::sleep(Duration::from_millis(2));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let outcome = |at: usize| report["days"][at]["outcome"].as_str().unwrap();
    assert_eq!([outcome(0), outcome(1), outcome(30)], ["reduced", "reduced", "not_reached"]);
    assert_eq!(report["stopped"]["exit_code"], 143);
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
    let files = sandbox.files("agg-store");
    assert!(files.iter().all(|name| !name.contains(".agg-tmp-")), "{files:?}");
    let done = outcomes(&sandbox.agg("backfill --logs logs --to 2021-12-02 --json").exits(0));
    assert_eq!(done, expected(&[("unchanged", ""), ("unchanged", "")]));
}

#[test]
fn a_store_that_another_run_writes_stops_it_with_75() {
    let sandbox = logs(2);
    sandbox.agg("backfill --logs logs").exits(0);
    let lock = fs::File::open(sandbox.path("agg-store/.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let run = sandbox.agg("backfill --logs logs --json").exits(75).shows(&["agg-store", "locked"]);
    assert_eq!(outcomes(&run.in_one_line()), expected(&[("not_reached", ""), ("not_reached", "")]));
    let dry = sandbox.agg("backfill --logs logs --json --dry-run").exits(0);
    assert_eq!(outcomes(&dry), expected(&[("unchanged", ""), ("unchanged", "")]));
}

#[test]
fn a_log_that_was_emptied_or_cut_off_never_replaces_its_day() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/20211201.log", "1|1|FR\n2|1|FR\n");
    sandbox.agg("backfill --logs logs").exits(0);
    let partial = "agg-store/partials/2021-12-01.agg";
    let before = sandbox.read(partial);
    for (log, words) in
        [("", "and now has none"), ("1|1|FR\n", "1 good row, and the stored day has 2")]
    {
        sandbox.write("logs/20211201.log", log);
        sandbox.agg("backfill --logs logs").exits(65).shows(&[words, "--force"]);
        assert!(sandbox.read(partial) == before, "{log:?}");
    }
    // As many rows, or more, are a correction; fewer by order are one too.
    sandbox.write("logs/20211201.log", "1|1|FR\n3|1|FR\n");
    sandbox.agg("backfill --logs logs").exits(0);
    assert!(sandbox.read(partial) != before);
    sandbox.write("logs/20211201.log", "1|1|FR\n");
    sandbox.agg("reduce-day --force logs/20211201.log").exits(0);
}
