//! The rejects file: which corrupt rows it shows, in which order, and how.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::harness::{DAY, Sandbox};

/// Reduces `inputs` as the logs of [`DAY`], however many rows are corrupt.
#[track_caller]
fn reduce(sandbox: &Sandbox, inputs: &str) {
    sandbox
        .agg(&format!(
            "reduce-day --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 {inputs}"
        ))
        .exits(0);
}

#[test]
fn a_row_shows_200_bytes_with_all_but_printable_ascii_escaped() {
    let sandbox = Sandbox::new();
    let rows: [&[u8]; 4] = [b"a\\b\t\x7f\xe9\0~ |", &[b'7'; 201], &[0xff; 201], b" "];
    sandbox.write("day.log", rows.join(&b'\n'));
    reduce(&sandbox, "day.log");
    assert_eq!(
        sandbox.rejects(DAY),
        format!(
            "day.log:1: field_count: a\\x5cb\\x09\\x7f\\xe9\\x00~ |\n\
             day.log:2: field_count: {}\n\
             day.log:3: field_count: {}\n\
             day.log:4: blank:  \n",
            "7".repeat(200),
            "\\xff".repeat(200)
        )
    );
}

#[test]
fn names_are_escaped_too() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"a\n\xff\\ b.log");
    sandbox.write(Path::new("day").join(name), "1|1\n1|1|FR\n");
    reduce(&sandbox, "day");
    assert_eq!(sandbox.rejects(DAY), "a\\x0a\\xff\\x5c b.log:1: field_count: 1|1\n");
}

#[test]
fn the_first_1000_are_shown_and_all_are_counted() {
    let sandbox = Sandbox::new();
    sandbox.write("day.log", "1|1|FR\ncorrupt\n".repeat(1500));
    reduce(&sandbox, "--threads 4 day.log");
    let shown = (1..=1000).map(|n| format!("day.log:{}: field_count: corrupt\n", 2 * n));
    assert!(sandbox.rejects(DAY) == shown.collect::<String>(), "{}", sandbox.rejects(DAY));
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
    assert_eq!(sandbox.totals(DAY).rejects, [("field_count".to_owned(), 1500)].into());
}

#[test]
fn the_first_1000_of_several_logs_are_those_of_the_first_logs() {
    let sandbox = Sandbox::new();
    for name in ["a.log", "b.log", "c.log"] {
        sandbox.write(format!("day/{name}"), "corrupt\n".repeat(600));
    }
    // Logs that differ only in their last row, because a copy of a log is refused.
    sandbox.write("day/b.log", "corrupt\n".repeat(600) + "1|1|FR\n");
    sandbox.write("day/c.log", "corrupt\n".repeat(600) + "2|2|FR\n");
    reduce(&sandbox, "--threads 4 day");
    let of = |name: &str, to: u32| -> String {
        (1..=to).map(|line| format!("{name}:{line}: field_count: corrupt\n")).collect()
    };
    assert!(sandbox.rejects(DAY) == of("a.log", 600) + &of("b.log", 400));
}

#[test]
fn logs_are_in_the_order_of_the_inputs() {
    let sandbox = Sandbox::new();
    for name in ["b.log", "a.log", "c.log"] {
        sandbox.write(format!("day/{name}"), format!("1|1|FR\n{name}\n\n"));
    }
    reduce(&sandbox, "--threads 3 day");
    let of = |name: &str| format!("{name}:2: field_count: {name}\n{name}:3: blank: \n");
    assert_eq!(sandbox.rejects(DAY), of("a.log") + &of("b.log") + &of("c.log"));
}

#[test]
fn a_file_that_does_not_show_the_day_is_warned_of_until_the_day_is_made_again() {
    let sandbox = Sandbox::new();
    let good = "1|1|FR\n".repeat(20) + "no row\n";
    let reduce = |log: &str| {
        sandbox.write("20211201.log", log);
        sandbox.agg("reduce-day 20211201.log")
    };
    reduce(&good).exits(0);
    reduce(&good).exits(0).in_no_line();
    // A refused run shows its own rows; then the good log comes back.
    sandbox.write("logs/20211201.log", "no row\nno row\n");
    sandbox.agg("reduce-day --force logs/20211201.log").exits(65);
    let words = ["2021-12-01.txt", "of a run that was refused", "reduce 2021-12-01 with --force"];
    reduce(&good).exits(0).shows(&words).in_one_line();
    std::fs::remove_file(sandbox.path("agg-store/rejects/2021-12-01.txt")).unwrap();
    reduce(&good).exits(0).shows(&["2021-12-01.txt", "is missing"]).in_one_line();
    sandbox.agg("reduce-day --force 20211201.log").exits(0).in_no_line();
    reduce(&good).exits(0).in_no_line();
    assert_eq!(sandbox.rejects(DAY), "20211201.log:21: field_count: no row\n");
}

#[test]
fn a_file_that_shows_less_than_the_day_is_not_warned_of() {
    // An imported day has no lines of its own; it shows only those of the logs that are added.
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n".repeat(20) + "no row\n");
    sandbox.write("more-20211201.log", "2|1|FR\n".repeat(20) + "none either\n");
    sandbox.agg("reduce-day 20211201.log").exits(0);
    sandbox.agg("export --out tables 2021-12-01").exits(0);
    std::fs::remove_dir_all(sandbox.path("agg-store")).unwrap();
    sandbox.agg("import --date 2021-12-01 tables").exits(0);
    sandbox.agg("reduce-day --add more-20211201.log").exits(0);
    assert_eq!(sandbox.rejects(DAY), "more-20211201.log:21: field_count: none either\n");
    sandbox.agg("reduce-day 20211201.log more-20211201.log").exits(0).in_no_line();
}
