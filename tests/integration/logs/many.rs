//! Days of very many logs: lists that fit the memory, and refusals before a log is read.

use std::fs;
use std::path::PathBuf;

use agg::job::{BackfillOptions, DayOutcome, ReduceOptions, backfill, list, reduce_day};
use agg::{ErrorClass, ErrorKind};

use crate::harness::{DAY, Sandbox};
use crate::library::{backfilled, context, open, unless_locked, unlocked};

/// A folder of logs of one row each.
fn logs(sandbox: &Sandbox, number: usize) -> PathBuf {
    for at in 0..number {
        sandbox.write(format!("logs/{at:05}-{}.log", "x".repeat(24)), format!("{at}|7|FR\n"));
    }
    sandbox.path("logs")
}

fn options(logs: PathBuf) -> ReduceOptions {
    ReduceOptions { logs: vec![logs], day: DAY.parse().ok(), ..Default::default() }
}

#[test]
fn a_day_of_more_logs_than_the_memory_has_room_for_is_refused_before_one_is_read() {
    let sandbox = Sandbox::new();
    let options = options(logs(&sandbox, 2000));
    // 2,000 logs take 256 bytes each and 34 for their name, twice.
    let refused = unless_locked(|| reduce_day(&context(&sandbox.path(""), 1 << 20, 1), &options));
    let error = refused.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data);
    assert_eq!(
        error.to_string(),
        "2000 logs at once need --memory 2MiB, and it is 1MiB; raise it, or join some of the logs"
    );
    assert!(!sandbox.has_partial(DAY));
    let report = unlocked(|| reduce_day(&context(&sandbox.path(""), 2 << 20, 1), &options));
    assert_eq!((report.counts.rows, report.inputs.len()), (2000, 2000));
}

#[test]
fn of_very_many_logs_the_one_that_begins_with_another_is_found() {
    let sandbox = Sandbox::new();
    let options = options(logs(&sandbox, 2000));
    sandbox.write("logs/last.log", "1500|7|FR\n2|7|FR\n");
    // What shows it does not fit the memory, and is spilled.
    let refused = unless_locked(|| reduce_day(&context(&sandbox.path(""), 2 << 20, 2), &options));
    let error = refused.unwrap_err();
    let first = sandbox.path(format!("logs/01500-{}.log", "x".repeat(24)));
    assert!(matches!(error.kind(), ErrorKind::BeginsWith(path) if *path == first), "{error}");
    assert_eq!(error.path(), Some(sandbox.path("logs/last.log").as_path()));
}

#[test]
fn a_list_of_days_reads_the_logs_of_each_when_they_are_shown_and_not_those_of_another_partial() {
    let sandbox = Sandbox::new();
    let context = context(&sandbox.path(""), 64 << 20, 1);
    let options = options(logs(&sandbox, 30));
    unlocked(|| reduce_day(&context, &options));
    let inputs_of_day = || list(&context, None).unwrap().days[0].facts.clone().unwrap().inputs;
    let inputs = inputs_of_day();
    let partial = sandbox.path(format!("agg-store/partials/{DAY}.agg"));
    assert_eq!(*inputs.read().unwrap(), open(&partial).unwrap().inputs().unwrap());
    sandbox.write("logs/new.log", "1|1|FR\n");
    unlocked(|| reduce_day(&context, &ReduceOptions { force: true, ..options.clone() }));
    assert!(matches!(inputs.read().unwrap_err().kind(), ErrorKind::Replaced));
    assert_eq!(inputs_of_day().len(), 31);
    fs::remove_file(&partial).unwrap();
    assert!(matches!(inputs.read().unwrap_err().kind(), ErrorKind::Removed));
}

#[test]
fn every_log_of_a_day_is_shown_by_inspect_in_lines_of_one_width() {
    let sandbox = Sandbox::new();
    logs(&sandbox, 12);
    sandbox.agg(&format!("reduce-day --date {DAY} logs")).exits(0);
    let shown = sandbox.agg(&format!("inspect {DAY}")).exits(0).stdout;
    let inputs: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("inputs")).collect();
    assert_eq!(inputs.len(), 1 + 12 * 5);
    let line = |label: &str, value: &str| format!("{label:<20}  {value}");
    assert_eq!(inputs[0], line("inputs", "12"));
    assert_eq!(inputs[1], line("input.1.name", &format!("00000-{}.log", "x".repeat(24))));
    assert_eq!(inputs[3], line("input.1.rows", "1"));
    assert!(inputs[59].starts_with("input.12.modified_ns  "));
}

fn backfill_options(sandbox: &Sandbox) -> BackfillOptions {
    BackfillOptions {
        logs: vec![sandbox.path("days")],
        from: None,
        to: None,
        reduce: ReduceOptions::default(),
        emit: None,
        dry_run: false,
    }
}

#[test]
fn days_that_do_not_fit_the_memory_together_are_refused_before_a_log_is_read() {
    let sandbox = Sandbox::new();
    for (day, at) in (1..=8).flat_map(|day| (0..1000).map(move |at| (day, at))) {
        sandbox.write(format!("days/2021-12-{day:02}/{at:04}.log"), format!("{at}|7|FR\n"));
    }
    let options = backfill_options(&sandbox);
    // A day takes 256 bytes a log, and each log of the others 20.
    let error = backfill(&context(&sandbox.path(""), 700 << 10, 1), &options).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data);
    assert_eq!(
        error.to_string(),
        "8000 logs of 8 days at once need --memory 1MiB, and it is 0MiB; raise it, or take fewer days with \
         --from and --to"
    );
    assert!(!sandbox.exists("agg-store/partials"));
    // Names in a folder of days that are not wanted do not count.
    let to = DAY.parse().ok();
    let report = backfilled(
        &context(&sandbox.path(""), 700 << 10, 1),
        &BackfillOptions { to, ..options.clone() },
    );
    assert_eq!(report.days.len(), 1);
    let dry = BackfillOptions { dry_run: true, ..options.clone() };
    let report = backfilled(&context(&sandbox.path(""), 2 << 20, 1), &dry);
    assert_eq!(report.days[7].logs.len(), 1000);
    let report = backfilled(&context(&sandbox.path(""), 2 << 20, 1), &options);
    assert!(report.days.iter().all(|day| matches!(day.reduced, DayOutcome::Reduced(_))));
}

#[test]
fn the_logs_that_a_day_has_already_count_before_they_are_compared() {
    let sandbox = Sandbox::new();
    let options = options(logs(&sandbox, 2000));
    unlocked(|| reduce_day(&context(&sandbox.path(""), 2 << 20, 1), &options));
    // 1,000 logs fit 640 KiB, but not beside the 2,000 that are stored: twice 82 bytes each.
    for at in 1000..2000 {
        fs::remove_file(sandbox.path(format!("logs/{at:05}-{}.log", "x".repeat(24)))).unwrap();
    }
    let context = context(&sandbox.path(""), 640 << 10, 1);
    let error = unless_locked(|| reduce_day(&context, &options)).unwrap_err();
    assert!(error.to_string().starts_with("3000 logs at once need --memory"), "{error}");
    let forced = ReduceOptions { force: true, ..options };
    assert_eq!(unlocked(|| reduce_day(&context, &forced)).inputs.len(), 1000);
}
