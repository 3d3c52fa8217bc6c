//! `reduce-day`: once, again, with other logs, with too many corrupt rows.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use agg::job::{Context, ReduceOptions, reduce_day};

use crate::faults::calls::night;
use crate::faulty::{Call, Faulty, Operation};
use crate::harness::{DAY, Sandbox, after_a_tick, gz};
use crate::library::{context_over, unless_locked};

const PARTIAL: &str = "agg-store/partials/2021-12-01.agg";
const GOOD: &str = "1|1|FR\n2|1|FR\n1|2|DE\n";

/// A sandbox whose `day.log` was reduced.
fn reduced() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("day.log", GOOD);
    sandbox.agg(&format!("reduce-day --date {DAY} day.log")).exits(0);
    sandbox
}

/// The partial on disk: which file it is, and its bytes.
fn partial(sandbox: &Sandbox) -> (u64, Vec<u8>) {
    (fs::metadata(sandbox.path(PARTIAL)).unwrap().ino(), sandbox.read(PARTIAL))
}

fn set_time(sandbox: &Sandbox, log: &str, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    fs::File::options().write(true).open(sandbox.path(log)).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_day_becomes_one_partial_and_one_rejects_file_and_nothing_is_left_over() {
    let sandbox = reduced();
    let both = ["agg-store/partials/2021-12-01.agg", "agg-store/rejects/2021-12-01.txt"];
    assert_eq!(sandbox.files("agg-store"), both);
    sandbox.write("other.log", "9|9|ES\n");
    sandbox.agg(&format!("reduce-day --date {DAY} other.log")).exits(65);
    sandbox.agg(&format!("reduce-day --date {DAY} --force other.log")).exits(0);
    assert_eq!(sandbox.files("agg-store"), both);
}

#[test]
fn the_rejects_file_is_written_without_a_corrupt_row_too() {
    assert_eq!(reduced().rejects(DAY), "");
}

#[test]
fn the_same_logs_again_are_nothing_to_do() {
    let sandbox = reduced();
    let before = partial(&sandbox);
    sandbox.agg(&format!("reduce-day --date {DAY} day.log")).exits(0);
    assert_eq!(partial(&sandbox), before);
}

/// How often a job reads the log.
fn reads(sandbox: &Sandbox, log: &str, job: &dyn Fn(&Context) -> agg::Result<()>) -> usize {
    let path = sandbox.path(log);
    let mut reads = 0;
    after_a_tick();
    // Whether the day is done again or refused does not matter here.
    let _ = unless_locked(|| {
        let twin = Faulty::watching();
        let outcome = job(&context_over(twin.files(), &sandbox.path(""), 1 << 20, 1));
        let of_log = |call: &&Call| call.operation == Operation::Read && call.path == path;
        // A lock may be held after the log was read, too: the emission's.
        reads += twin.calls().iter().filter(of_log).count();
        outcome
    });
    reads
}

#[test]
fn a_log_of_the_same_name_size_and_time_is_not_read_and_any_other_is() {
    for backfills in [false, true] {
        let sandbox = Sandbox::new();
        let reads = |log: &str| {
            let reduce = |context: &Context| reduce_log(context, &sandbox.path(log));
            let backfill = |context: &Context| night(context, &sandbox.path(""));
            reads(&sandbox, log, if backfills { &backfill } else { &reduce })
        };
        let (first, second) = ("logs/20211201-a.log", "logs/20211201-b.log");
        sandbox.write(first, GOOD);
        set_time(&sandbox, first, 1_000_000_000);
        assert!(reads(first) > 0, "new");
        assert_eq!(reads(first), 0, "unchanged");
        set_time(&sandbox, first, 1_000_000_001);
        assert!(reads(first) > 0, "another time");
        set_time(&sandbox, first, 1_000_000_000);
        assert_eq!(reads(first), 0, "unchanged");
        sandbox.write(first, GOOD.to_owned() + "3|3|FR\n");
        set_time(&sandbox, first, 1_000_000_000);
        assert!(reads(first) > 0, "another size");
        sandbox.write(first, GOOD);
        set_time(&sandbox, first, 1_000_000_000);
        fs::rename(sandbox.path(first), sandbox.path(second)).unwrap();
        assert!(reads(second) > 0, "another name");
    }
}

/// Reduces a log of [`DAY`], without any flag.
fn reduce_log(context: &Context, log: &Path) -> agg::Result<()> {
    let (logs, day) = (vec![log.to_owned()], DAY.parse().ok());
    reduce_day(context, &ReduceOptions { logs, day, ..ReduceOptions::default() }).map(drop)
}

#[test]
fn the_same_content_with_another_time_is_nothing_to_do() {
    let sandbox = reduced();
    let before = partial(&sandbox);
    set_time(&sandbox, "day.log", 1_000_000_000);
    sandbox.agg(&format!("reduce-day --date {DAY} day.log")).exits(0);
    assert_eq!(partial(&sandbox), before);
}

#[test]
fn other_logs_for_the_day_are_refused_and_nothing_changes() {
    let sandbox = reduced();
    let before = partial(&sandbox);
    sandbox.write("other.log", "9|9|ES\nnothing\n");
    for logs in ["other.log", "day.log other.log"] {
        let run = sandbox.agg(&format!("reduce-day --date {DAY} --max-reject-ratio 1 {logs}"));
        run.exits(65).shows(&[DAY, "--force"]).in_one_line();
    }
    // The same name with other content of the same length and time.
    sandbox.write("day.log", GOOD.replace("2|DE", "3|DE"));
    sandbox.agg(&format!("reduce-day --date {DAY} day.log")).exits(65).shows(&["--force"]);
    assert_eq!(partial(&sandbox), before);
    assert_eq!(sandbox.rejects(DAY), "");
}

#[test]
fn force_replaces_the_day_with_its_rejects() {
    let sandbox = reduced();
    sandbox.write("other.log", "9|9|ES\nnothing\n");
    sandbox
        .agg(&format!("reduce-day --date {DAY} --force --max-reject-ratio 1 other.log"))
        .exits(0);
    assert_eq!(sandbox.tops_of_day(DAY), ("ES|9:1\n".to_owned(), "9|9:1\n".to_owned()));
    assert_eq!(sandbox.rejects(DAY), "other.log:2: field_count: nothing\n");
    // And the replaced day knows its new logs.
    sandbox.agg(&format!("reduce-day --date {DAY} --max-reject-ratio 1 other.log")).exits(0);
    sandbox.agg(&format!("reduce-day --date {DAY} day.log")).exits(65);
}

#[test]
fn force_on_a_new_day_just_reduces_it() {
    let sandbox = Sandbox::new();
    sandbox.write("day.log", GOOD);
    sandbox.agg(&format!("reduce-day --date {DAY} --force day.log")).exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1,2:1\n2|1:1\n");
}

/// A log with these numbers of corrupt and good rows.
fn mixed(corrupt: usize, good: usize) -> String {
    "corrupt\n".repeat(corrupt) + &"1|1|FR\n".repeat(good)
}

#[test]
fn one_row_in_ten_may_be_corrupt_and_not_one_more() {
    let sandbox = Sandbox::new();
    sandbox.write("limit-20211201.log", mixed(10, 90));
    sandbox.write("above-20211202.log", mixed(10, 89));
    sandbox.agg("reduce-day limit-20211201.log").exits(0);
    let run = sandbox.agg("reduce-day above-20211202.log");
    run.exits(65).shows(&["--max-reject-ratio", "rejects/2021-12-02.txt"]).in_one_line();
    assert_eq!(sandbox.names("agg-store/partials"), ["2021-12-01.agg"]);
    // What is wrong with the log can be read all the same.
    let lines: String =
        (1..=10).map(|line| format!("above-20211202.log:{line}: field_count: corrupt\n")).collect();
    assert_eq!(sandbox.rejects("2021-12-02"), lines);
}

#[test]
fn the_ratio_holds_for_the_day_and_not_for_each_of_its_logs() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.log", mixed(50, 50));
    for (good, code) in [(900, 0), (400, 0), (399, 65)] {
        sandbox.write("good.log", mixed(0, good));
        sandbox.agg(&format!("reduce-day --force --date {DAY} bad.log good.log")).exits(code);
    }
}

#[test]
fn the_limit_of_corrupt_rows_can_be_set_and_only_more_than_that_is_refused() {
    for (ratio, corrupt, good, code) in [
        ("0", 0, 5, 0),
        ("0", 1, 99_999, 65),
        ("0.5", 5, 5, 0),
        ("0.5", 6, 5, 65),
        ("0.001", 1, 999, 0),
        ("0.001", 1, 998, 65),
        ("1", 9, 0, 0),
        ("0.3", 3, 7, 0),
        ("0.7", 7, 3, 0),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("day.log", mixed(corrupt, good));
        sandbox
            .agg(&format!("reduce-day --date {DAY} --max-reject-ratio {ratio} day.log"))
            .exits(code);
        assert_eq!(sandbox.has_partial(DAY), code == 0, "{ratio} {corrupt} {good}");
    }
}

#[test]
fn a_refused_replacement_keeps_the_partial() {
    let sandbox = reduced();
    let before = partial(&sandbox);
    sandbox.write("bad.log", mixed(1, 1));
    sandbox.agg(&format!("reduce-day --date {DAY} --force bad.log")).exits(65);
    assert_eq!(partial(&sandbox), before);
    assert_eq!(sandbox.rejects(DAY), "bad.log:1: field_count: corrupt\n");
}

#[test]
fn fewer_good_rows_than_asked_for_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("day.log", mixed(1, 20));
    let reduce =
        |least: u32| sandbox.agg(&format!("reduce-day --date {DAY} --min-rows {least} day.log"));
    // 21 rows, but only 20 good ones.
    reduce(21).exits(65).shows(&["--min-rows", "20"]).in_one_line();
    assert!(!sandbox.has_partial(DAY));
    reduce(20).exits(0);
    assert!(sandbox.has_partial(DAY));
}

#[test]
fn an_empty_day_is_a_day_unless_rows_are_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("day.log", "");
    sandbox.agg(&format!("reduce-day --date {DAY} --min-rows 1 day.log")).exits(65);
    assert!(!sandbox.has_partial(DAY));
    let day = sandbox.agg(&format!("reduce-day --date {DAY} day.log")).exits(0);
    day.shows(&["warning: 2021-12-01 has no row", "--min-rows 1"]).in_one_line();
    assert!(sandbox.has_partial(DAY));
    // An empty log beside one with rows is nothing to speak of, on top of such a one neither.
    sandbox.write("rows.log", "1|1|FR\n");
    sandbox.agg("reduce-day --date 2021-12-02 day.log rows.log").exits(0).in_no_line();
    sandbox.write("rows.log", "2|1|FR\n");
    sandbox.agg("reduce-day --date 2021-12-03 rows.log").exits(0);
    sandbox.agg("reduce-day --date 2021-12-03 --add day.log").exits(0).in_no_line();
    // A row that is corrupt is a row.
    sandbox.write("blank.log", "\n");
    let blank = "reduce-day --date 2021-12-06 --max-reject-ratio 1 blank.log";
    sandbox.agg(blank).exits(0).in_no_line();
}

#[test]
fn a_standard_input_without_a_byte_is_refused_be_it_empty_or_closed() {
    let sandbox = Sandbox::new();
    let words = ["\"-\": it is empty", "--allow-empty"];
    let reduce = format!("reduce-day --force --date {DAY} -");
    sandbox.agg_reading(b"", &reduce).exits(65).shows(&words).in_one_line();
    sandbox.agg(&reduce).exits(65).shows(&words).in_one_line();
    // Closed, it is opened as /dev/null before the program's first line, and cannot be distinguished from that.
    let script = format!("exec {} {reduce} <&-", env!("CARGO_BIN_EXE_agg"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(sandbox.path(""));
    sandbox.run(&mut shell).exits(65).shows(&words).in_one_line();
    assert!(!sandbox.has_partial(DAY));
    let no_row = ["warning: 2021-12-01 has no row", "--min-rows 1"];
    sandbox.agg(&format!("{reduce} --allow-empty")).exits(0).shows(&no_row).in_one_line();
    sandbox.agg(&format!("{reduce} --allow-empty --min-rows 1")).exits(65);
}

#[test]
fn a_last_row_without_its_end_counts_and_is_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("whole.log", "1|1|FR\n");
    sandbox.write("cut.log", "1|1|FR");
    let whole = sandbox.agg("reduce-day --date 2021-12-01 whole.log").exits(0);
    let cut = sandbox.agg("reduce-day --date 2021-12-02 cut.log").exits(0);
    assert!(cut.stderr.lines().count() > whole.stderr.lines().count(), "no warning: {cut:?}");
    assert_eq!(sandbox.tops_of_day("2021-12-02").1, "1|1:1\n");
    sandbox.agg("reduce-day --quiet --date 2021-12-03 cut.log").exits(0);
}

#[test]
fn the_same_inputs_give_the_same_file_whatever_the_threads_and_the_memory() {
    let sandbox = Sandbox::new();
    let rows = |from: u64| -> String {
        (from..from + 30_000)
            .map(|n| format!("{}|{}|FR\n", n * n % 5003, n * 7919 % 30_011))
            .collect()
    };
    sandbox.write("day/a.log", rows(0));
    sandbox.write("day/b.log.gz", gz(rows(30_000)));
    for (store, options) in
        [("one", "--threads 1"), ("two", "--threads 4"), ("three", "--threads 3 --memory 64MiB")]
    {
        sandbox.agg(&format!("reduce-day --date {DAY} --store {store} {options} day")).exits(0);
    }
    let file = |store: &str| sandbox.read(format!("{store}/partials/{DAY}.agg"));
    assert!(file("one") == file("two") && file("one") == file("three"));
}

#[test]
fn the_order_of_rows_and_their_division_into_logs_does_not_show_in_the_tops() {
    let rows: Vec<String> =
        (0..5000_u64).map(|n| format!("{}|{}|FR\n", n * n % 97, n * 31 % 13)).collect();
    let sandbox = Sandbox::new();
    sandbox.write("whole-20211201.log", rows.concat());
    let backwards: Vec<String> = rows.iter().rev().cloned().collect();
    for (n, piece) in backwards.chunks(700).enumerate() {
        sandbox.write(format!("pieces-2021-12-02/{n}.log"), piece.concat());
    }
    sandbox.agg("reduce-day whole-20211201.log").exits(0);
    sandbox.agg("reduce-day pieces-2021-12-02").exits(0);
    assert_eq!(sandbox.tops_of_day("2021-12-01"), sandbox.tops_of_day("2021-12-02"));
}

#[test]
fn a_store_may_be_anywhere_and_has_its_own_days() {
    let sandbox = reduced();
    sandbox.write("other.log", "9|9|ES\n");
    sandbox.agg(&format!("reduce-day --store deep/er/store --date {DAY} other.log")).exits(0);
    sandbox
        .agg(&format!("emit-window --store deep/er/store --out o/u/t --date {DAY} --days 1"))
        .exits(0);
    assert_eq!(sandbox.text(format!("o/u/t/{DAY}/top50_songs_per_user.txt")), "9|9:1\n");
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1,2:1\n2|1:1\n");
}

#[test]
fn a_ratio_exactly_at_the_limit_is_within_it_also_where_no_binary_fraction_is_the_limit() {
    let sandbox = Sandbox::new();
    let rows: String = (0..100)
        .map(|at| if at < 29 { "no row\n".into() } else { format!("{at}|1|FR\n") })
        .collect();
    sandbox.write("day-20211201.log", rows);
    sandbox.agg("reduce-day --max-reject-ratio 0.28 day-20211201.log").exits(65);
    sandbox.agg("reduce-day --max-reject-ratio 0.29 day-20211201.log").exits(0);
}

#[test]
fn a_log_that_comes_again_under_the_next_date_is_counted_and_warned_of() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    sandbox.write("20211202.log.gz", gz("1|1|FR\n"));
    sandbox.write("20211209.log", "1|1|FR\n");
    sandbox.agg("reduce-day 20211201.log").exits(0).in_no_line();
    let again = sandbox.agg("reduce-day 20211202.log.gz").exits(0).in_one_line();
    again.shows(&["2021-12-02", "20211202.log.gz", "a log of 2021-12-01", "counted for both days"]);
    // Not of days further apart, nor of logs without rows or with a small part of the day's.
    for day in 5..8 {
        sandbox.write(format!("2021120{day}/head.log"), "sng_id|user_id|country\n");
        sandbox.write(format!("2021120{day}/rows.log"), format!("{day}|1|FR\n").repeat(20));
        sandbox.agg(&format!("reduce-day 2021120{day}")).exits(0).in_no_line();
    }
    sandbox.agg("reduce-day 20211209.log").exits(0).in_no_line();
    for day in ["20211210", "20211211"] {
        sandbox.write(format!("{day}.log"), "");
        let run = sandbox.agg(&format!("reduce-day {day}.log")).exits(0);
        assert!(!run.stderr.contains("both days"), "{run:?}");
    }
}
