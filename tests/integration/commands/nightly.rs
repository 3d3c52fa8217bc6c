//! `agg nightly`, run as cron runs it: on time, twice, late, without a day's log, with gaps in the past.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use agg::ErrorKind;
use agg::job::{EmitOptions, NightlyOptions, ReduceOptions, WaitForLog, nightly};
use rustix::process::{Pid, Signal, kill_process};

use crate::faulty::{Faulty, Operation, Verdict};
use crate::harness::{Sandbox, repository, spawn};
use crate::library::context_over;
use crate::machine::{DAYS, Machine, WINDOWS};

#[test]
fn each_night_makes_its_window_and_the_same_night_again_does_nothing() {
    let machine = Machine::new();
    for (at, day) in DAYS.into_iter().enumerate() {
        machine.arrives(day);
        let night = machine.night(day).exits(0);
        // The first week has no whole window yet.
        let is_first = night.stdout.contains("\nfirst full window on 2021-12-05\n");
        assert_eq!(is_first, at < 6, "{}", night.stdout);
        let published = machine.published();
        machine.night(day).exits(0);
        assert!(machine.published() == published, "{day}: the second run changed something");
        machine.has_windows(&WINDOWS[..(at + 1).saturating_sub(6)]);
    }
}

#[test]
fn a_missing_day_is_66_once_a_window_is_published() {
    let machine = Machine::new();
    DAYS.into_iter().skip(1).for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[1], "2021-12-06");
    machine.has_windows(&WINDOWS[1..2]);
    machine.night("2021-12-05").exits(66).shows(&["no partial for 2021-11-29"]);
    // For windows of another shape, these are the first nights.
    let other = machine.agg("nightly 2021-12-05 --top 3").exits(0);
    assert!(other.stdout.contains("first full window on 2021-12-06"), "{}", other.stdout);
}

#[test]
fn a_log_that_is_missing_is_reported_once() {
    let machine = Machine::new();
    machine.night("2021-12-07").exits(66).in_one_line();
    DAYS.into_iter().take(8).for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    let line = format!("agg: no log for 2021-12-07 matches {:?}\n", machine.sandbox.path("logs"));
    let night = machine.night("2021-12-07").exits(66);
    assert_eq!(night.stderr, line);
    // Another day of the window besides.
    fs::remove_file(machine.sandbox.path("agg-store/partials/2021-12-06.agg")).unwrap();
    machine.loses("2021-12-06");
    let night = machine.night("2021-12-07").exits(66);
    assert_eq!(night.stderr, line);
}

#[test]
fn days_before_the_window_are_caught_up_and_their_gaps_are_one_warning() {
    let machine = Machine::new();
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.loses("2021-12-04");
    for at in 8..=14 {
        machine.sandbox.write(format!("logs/2021-12-{at:02}.log"), format!("1|{at}|FR\n"));
    }
    // Without the flag, a day that is named is looked at with its window alone.
    machine.night("2021-12-14").exits(0).shows(&["day 1 of 7: 2021-12-08 reduced"]);
    assert_eq!(machine.sandbox.names("agg-store/partials").len(), 7);
    let gap = "warning: no log for 2021-12-04, and not stored";
    let night = machine.agg("nightly 2021-12-14 --catch-up 15").exits(0).shows(&[gap]);
    assert_eq!(night.stderr.matches("2021-12-04,").count(), 1, "{}", night.stderr);
    // 29 November is 15 days before, and the store begins there.
    assert_eq!(machine.sandbox.names("agg-store/partials").len(), 15);
    assert!(night.stdout.contains("needs 2021-12-04"), "{}", night.stdout);
}

#[test]
fn without_a_day_it_is_yesterday_in_the_time_zone_and_35_days_before() {
    let machine = Machine::with_logs_in("logs", "AGG_KEEP_DAYS=all");
    let date = |day: &str| {
        let output = Command::new("date").args(["-u", "-d", day, "+%F"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    // (They would be other days if the test ran over midnight.)
    let days = [date("yesterday"), date("36 days ago"), date("37 days ago")];
    for day in &days {
        machine.sandbox.write(format!("logs/{day}.log"), "1|1|FR\n");
    }
    // Its window lacks days that the store should have.
    machine.agg("nightly --time-zone Etc/UTC").exits(66);
    let has = days.map(|day| machine.sandbox.has_partial(&day));
    assert_eq!(has, [true, true, false]);
    machine.agg("nightly --time-zone Mars/Olympus").exits(2).shows(&["not a time zone"]);
}

#[test]
fn a_dry_run_prints_the_night_and_changes_nothing() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=m.prom\nAGG_KEEP_DAYS=15");
    DAYS.into_iter().take(3).for_each(|day| machine.arrives(day));
    let night = machine.agg("nightly 2021-12-01 --dry-run").exits(0).in_no_line();
    assert!(night.stdout.contains("2021-12-01  would reduce"), "{}", night.stdout);
    assert!(night.stdout.contains("first full window on 2021-12-05"), "{}", night.stdout);
    assert_eq!(machine.sandbox.names(""), ["agg.env", "logs"]);
    machine.agg("nightly 2021-12-02 --dry-run --wait-for-log 1h").exits(66);
}

#[test]
fn a_night_is_one_document() {
    let machine = Machine::with_logs_in("logs", "AGG_KEEP_DAYS=all");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    let night = machine.agg("nightly 2021-12-07 --catch-up 8 --json").exits(0);
    let document: serde_json::Value = serde_json::from_str(&night.stdout).unwrap();
    assert_eq!((&document["command"], &document["day"]), (&"nightly".into(), &"2021-12-07".into()));
    assert_eq!(document["days"][8]["window"], "emitted");
    assert_eq!(document["pruned"]["days"], serde_json::json!([]));
    assert_eq!((&document["errors"], &document["stopped"]), (&serde_json::json!([]), &().into()));
    let missing = machine.agg("nightly 2021-12-08 --json").exits(66);
    let document: serde_json::Value = serde_json::from_str(&missing.stdout).unwrap();
    assert_eq!(document["errors"][0]["exit_code"], 66);
}

#[test]
fn days_and_windows_are_logged_as_they_end_where_there_is_no_terminal() {
    let machine = Machine::new();
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    let night = machine.agg("nightly 2021-12-07 --catch-up 8").exits(0);
    let is_step = |line: &&str| !line.starts_with("agg: warning");
    let lines: Vec<_> = night.stderr.lines().filter(is_step).collect();
    assert_eq!(lines.len(), 12, "{}", night.stderr);
    // agg: 2021-12-08T02:00:07Z day 3 of 9: …
    assert!(lines[2].ends_with("Z day 3 of 9: 2021-12-01 reduced"), "{}", lines[2]);
    assert!(lines[11].ends_with("Z window 9 of 9: 2021-12-07 emitted"), "{}", lines[11]);
    // What is done needs no time, and no line.
    machine.agg("nightly 2021-12-07 --catch-up 8").exits(0).in_no_line();
    let quiet = machine.agg("nightly 2021-12-06 --top 3 --quiet").exits(0);
    assert_eq!(quiet.stderr.lines().find(is_step), None);
}

#[test]
fn a_log_is_waited_for_until_it_is_complete() {
    let machine = Machine::new();
    let wait = "nightly 2021-12-01 --poll-interval 20 --wait-for-log";
    // Nothing comes.
    machine.agg(&format!("{wait} 0s")).exits(66).shows(&["no log for 2021-12-01"]).in_one_line();
    // A copy that does not end.
    machine.sandbox.write("logs/2021-12-01.log.part", "1|1|FR\n");
    let arriving = machine.agg(&format!("{wait} 0s")).exits(66);
    let arriving = arriving.shows(&["still being written", "2021-12-01.log.part"]).in_one_line();
    assert!(arriving.stdout.is_empty() && !machine.sandbox.exists("agg-store"));
    let mut night = spawn(&mut machine.command(&format!("{wait} 1h")));
    let stays = |night: &mut std::process::Child| {
        thread::sleep(Duration::from_millis(150));
        assert!(night.try_wait().unwrap().is_none(), "it waits");
        assert!(!machine.sandbox.exists("agg-store"), "it holds no lock");
    };
    stays(&mut night);
    // The copy ends. (A log that grows between two looks is not complete either.)
    let [part, log] = ["logs/2021-12-01.log.part", "logs/2021-12-01.log"];
    fs::rename(machine.sandbox.path(part), machine.sandbox.path(log)).unwrap();
    let output = night.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(machine.sandbox.has_partial("2021-12-01"));
    // What is stored is not waited for.
    fs::remove_file(machine.sandbox.path(log)).unwrap();
    machine.agg(&format!("{wait} 1h")).exits(0);
}

#[test]
fn a_log_that_grows_is_not_complete() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/2021-12-01.log", "1|1|FR\n");
    let log = sandbox.path("logs/2021-12-01.log");
    // Each look finds it longer.
    let grows = Faulty::new(move |call| {
        if call.operation == Operation::List {
            fs::write(&log, "1|1|FR\n".repeat(call.number + 2)).unwrap();
        }
        Verdict::Go
    });
    let context = context_over(grows.files(), &sandbox.path(""), 1 << 20, 1);
    let day = "2021-12-01".parse().unwrap();
    let wait = |milliseconds| WaitForLog {
        at_most: Duration::from_millis(milliseconds),
        poll: Duration::from_millis(1),
    };
    let error = nightly(
        &context,
        &NightlyOptions {
            day,
            until: day,
            catch_up: 0,
            logs: vec![sandbox.path("logs")],
            reduce: ReduceOptions::default(),
            emit: EmitOptions::new(day, sandbox.path("agg-out")),
            keep_days: None,
            keep_emissions: None,
            changes: false,
            wait: Some(wait(100)),
            dry_run: false,
        },
    )
    .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StillArriving { .. }), "{error}");
}

#[test]
fn a_signal_ends_the_waiting() {
    let machine = Machine::new();
    let mut night = spawn(&mut machine.command("nightly 2021-12-01 --wait-for-log 1h"));
    thread::sleep(Duration::from_millis(200));
    kill_process(Pid::from_child(&night), Signal::TERM).unwrap();
    assert_eq!(night.wait().unwrap().code(), Some(143));
}

#[test]
fn a_store_that_cannot_be_written_is_one_line_before_any_work() {
    let machine = Machine::new();
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    // In the way of the folder, and of its lock.
    machine.sandbox.write("agg-store", "");
    machine.night("2021-12-07").exits(73).shows(&["agg-store"]).in_one_line();
    fs::remove_file(machine.sandbox.path("agg-store")).unwrap();
    fs::create_dir_all(machine.sandbox.path("agg-store/.lock")).unwrap();
    let night = machine.night("2021-12-07").exits(73).shows(&["agg-store/.lock"]).in_one_line();
    assert!(night.stdout.is_empty());
    fs::remove_dir_all(machine.sandbox.path("agg-store")).unwrap();
    fs::create_dir_all(machine.sandbox.path("agg-out/.out.lock")).unwrap();
    machine.night("2021-12-07").exits(73).shows(&["agg-out/.out.lock"]).in_one_line();
    assert!(!machine.sandbox.exists("agg-store"));
}

#[test]
fn a_backfill_into_a_store_that_cannot_be_written_ends_at_the_first_day() {
    let machine = Machine::new();
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.sandbox.write("agg-store", "");
    machine.agg("backfill --emit").exits(73).shows(&["agg-store"]).in_one_line();
}

#[test]
fn a_night_that_comes_late_makes_up_for_those_that_were_missed() {
    let machine = Machine::new();
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    // Two days before the window of the last night: as the nights of old had left them.
    for day in &DAYS[..2] {
        machine.nights_of(day, day);
    }
    machine.night("2021-12-07").exits(0);
    machine.has_windows(&WINDOWS);
    let latest = fs::read_link(machine.sandbox.path("agg-out/latest")).unwrap();
    assert_eq!(latest, Path::new("2021-12-07"));
}

#[test]
fn a_log_that_comes_late_is_counted_by_the_next_night_in_every_window_it_belongs_to() {
    let machine = Machine::new();
    let late = "2021-12-04";
    DAYS.into_iter().filter(|day| *day != late).for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-03");
    // The first week of the store lacks a day, and the next one does.
    machine.night("2021-12-05").exits(66).shows(&[late]);
    machine.night("2021-12-06").exits(66).shows(&[late]);
    machine.has_windows(&[]);
    // The night whose own log has not come fails too, and says so.
    machine.night(late).exits(66).shows(&[late]);
    machine.arrives(late);
    machine.night("2021-12-07").exits(0);
    machine.has_windows(&WINDOWS);
}

#[test]
fn a_day_that_was_missing_when_its_window_was_emitted_makes_the_window_stale() {
    let machine = Machine::with_logs_in("logs", "AGG_ALLOW_MISSING=yes");
    let late = "2021-12-04";
    DAYS.into_iter().filter(|day| *day != late).for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-07");
    let manifest = || machine.sandbox.text("agg-out/2021-12-06/manifest.json");
    assert!(
        manifest().contains(late) && machine.sandbox.manifest("2021-12-06")["missing"][0] == late
    );
    machine.arrives(late);
    machine.night("2021-12-07").exits(0);
    for window in WINDOWS {
        assert_eq!(machine.sandbox.manifest(window)["missing"], serde_json::json!([]));
        for kind in ["country", "user"] {
            let name = format!("{window}/top50_songs_per_{kind}.txt");
            let expected = fs::read(repository("tests/data/expected").join(&name)).unwrap();
            assert!(machine.sandbox.read(format!("agg-out/{name}")) == expected, "{name}");
        }
    }
}

#[test]
fn a_published_window_that_is_stale_and_lacks_a_day_now_is_not_a_good_night() {
    let machine = Machine::with_logs_in("logs", "AGG_DAYS=7d\nAGG_METRICS=night.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    assert!(!machine.sandbox.exists("night.prom"), "a backfill is not a night");
    machine.night("2021-12-07").exits(0);
    assert!(machine.sandbox.text("night-night.prom").contains("agg_night_last_success"));
    assert!(machine.sandbox.text("night.prom").contains("agg_exit_status"));
    // A day is lost with its log, and another one was corrected.
    fs::remove_file(machine.sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    fs::remove_file(machine.sandbox.path("logs/listen-20211202.log.gz")).unwrap();
    let mut corrected = machine.sandbox.read("logs/sample_listen-2021-12-06.txt");
    corrected.extend_from_slice(b"\n1|1|FR\n");
    machine.sandbox.write("logs/sample_listen-2021-12-06.txt", corrected);
    fs::remove_file(machine.sandbox.path("night-night.prom")).unwrap();
    machine.night("2021-12-07").exits(66).shows(&["2021-12-02"]);
    assert!(!machine.sandbox.exists("night-night.prom"));
}

#[test]
fn nights_at_the_same_time_end_with_0_or_75() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=night.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    for _ in 0..3 {
        let nights: Vec<_> =
            (0..2).map(|_| spawn(&mut machine.command("nightly 2021-12-07"))).collect();
        let ends: Vec<_> =
            nights.into_iter().map(|night| night.wait_with_output().unwrap()).collect();
        let codes: Vec<_> = ends.iter().map(|end| end.status.code()).collect();
        assert!(codes.iter().all(|code| [Some(0), Some(75)].contains(code)), "{ends:?}");
        assert!(codes.contains(&Some(0)), "{ends:?}");
    }
    machine.has_windows(&WINDOWS);
    let left = fs::read_dir(machine.sandbox.path("")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_temporary = |name: &&std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.contains(".tmp") || name.starts_with(".agg"))
    };
    assert_eq!(left.iter().find(is_temporary), None);
}

#[test]
fn a_setting_that_is_not_a_number_of_days_is_wrong_usage() {
    for days in ["x", "7w", "0", "-1", "99999", "08x"] {
        let machine = Machine::with_logs_in("logs", &format!("AGG_DAYS={days}"));
        machine.night("2021-12-07").exits(2);
    }
}

#[test]
fn a_window_so_long_that_its_days_would_be_removed_is_a_wrong_setting() {
    for (days, keep, code) in
        [(19, "35", 2), (18, "35d", 0), (7, "12", 2), (60, "all", 0), (7, "x", 2)]
    {
        let settings = format!("AGG_DAYS={days}\nAGG_KEEP_DAYS={keep}");
        let machine = Machine::with_logs_in("logs", &settings);
        machine.arrives("2021-12-07");
        let night = machine.night("2021-12-07").exits(code);
        assert!(code != 2 || night.stderr.contains("keep-days"), "{night:?}");
    }
}

#[test]
fn a_night_for_an_older_day_leaves_the_metrics_of_the_newest() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=m.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    machine.night("2021-12-06").exits(0);
    let metrics = || ["m.prom", "m-night.prom"].map(|name| machine.sandbox.text(name));
    let day = |at: u32| format!("\nagg_night_day_timestamp_seconds {at}\n");
    assert!(metrics()[1].contains(&day(1_638_748_800)), "{:?}", metrics());
    machine.night("2021-12-07").exits(0);
    let newest = metrics();
    assert!(newest[1].contains(&day(1_638_835_200)), "{newest:?}");
    machine.night("2021-12-06").exits(0);
    assert_eq!(metrics(), newest);
}

#[test]
fn one_rotten_log_of_a_good_day_fails_the_night_unless_the_limit_is_higher() {
    let machine = Machine::new();
    machine.sandbox.write("logs/2021-12-07/a.log", "1|1|FR\n".repeat(5000));
    machine.sandbox.write("logs/2021-12-07/b.log", "2|2|DE\n".repeat(50) + &"no row\n".repeat(150));
    machine.night("2021-12-07").exits(65).shows(&["2021-12-07/b.log", "--max-log-reject-ratio"]);
    assert!(!machine.sandbox.has_partial("2021-12-07"));
    machine.agg("nightly 2021-12-07 --max-log-reject-ratio 0.8").exits(0);
    let mut night = machine.command("nightly 2021-12-07 --store other");
    machine.sandbox.run(night.env("AGG_MAX_LOG_REJECT_RATIO", "0.74")).exits(65);
    machine.sandbox.run(night.env("AGG_MAX_LOG_REJECT_RATIO", "0.75")).exits(0);
}

#[test]
fn days_older_than_the_settings_keep_are_removed_after_a_good_night() {
    let machine = Machine::with_logs_in("logs", "AGG_KEEP_DAYS=15");
    machine.sandbox.write("logs/listen-20211101.log", "1|1|FR\n");
    machine.nights_of("2021-11-01", "2021-11-01");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    assert!(machine.sandbox.has_partial("2021-11-01"));
    machine.night("2021-12-07").exits(0);
    assert!(!machine.sandbox.has_partial("2021-11-01"));
    assert!(!machine.sandbox.exists("agg-store/rejects/2021-11-01.txt"));
    assert!(DAYS.iter().all(|day| machine.sandbox.has_partial(day)));
}

#[test]
fn a_night_that_removes_days_that_it_has_looked_at_ends_with_0() {
    let machine = Machine::new();
    for day in 1..=20 {
        machine.sandbox.write(format!("logs/listen-202112{day:02}.log"), "1|1|FR\n");
    }
    let night = "nightly 2021-12-13 --catch-up 12 --keep-days 13 --days 7";
    for _ in 0..2 {
        let run = machine.agg(&format!("{night} --json")).exits(0);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["errors"], serde_json::json!([]));
    }
    assert!(!machine.sandbox.has_partial("2021-12-01"));
    // A day that is older than all that are kept is counted, emitted and removed in one run.
    machine.agg("nightly 2021-12-01 --days 1 --keep-days 3 --json").exits(0);
    assert!(!machine.sandbox.has_partial("2021-12-01"));
}

#[test]
fn a_first_night_whose_log_is_refused_names_the_log_alone() {
    let machine = Machine::new();
    machine.sandbox.write("logs/listen-20211201.log", "junk\n");
    machine.agg("nightly 2021-12-01 -q").exits(65).in_one_line();
}
