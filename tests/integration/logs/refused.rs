//! Days that are refused for corrupt rows: which limits hold, which log is named, and what the message teaches.

use crate::harness::{DAY, Run, Sandbox, gz, xz, zst};

/// Good rows, each another, of which the log `number` has these.
fn good(number: u32, rows: u32) -> String {
    (0..rows).map(|row| format!("{number}{row:06}|1|FR\n")).collect()
}

#[track_caller]
fn reduce(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.agg(&format!("reduce-day --date {DAY} {arguments}"))
}

/// Ten logs, the last of these rows, in a folder of a day.
fn ten_logs(last: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for log in 0..9 {
        sandbox.write(format!("logs/2021-12-01/{log}.log"), good(log, 1000));
    }
    sandbox.write("logs/2021-12-01/9.log", last);
    sandbox
}

#[test]
fn one_rotten_log_of_many_refuses_its_day_and_is_named() {
    let lower = good(9, 1000).replace("FR", "fr");
    let sandbox = ten_logs(&lower);
    let words = [
        "\"logs/2021-12-01/9.log\": 1000 of 1000 rows and 100.0 % of the bytes rejected",
        "more than --max-log-reject-ratio 0.5 allows for one log",
        "first: \"logs/2021-12-01/9.log\":1 `9000000|1|fr`: country codes are upper case",
    ];
    let run = reduce(&sandbox, "--max-reject-ratio 0.2 logs/2021-12-01");
    run.exits(65).shows(&words).in_one_line();
    assert!(!sandbox.has_partial(DAY));
    assert_eq!(sandbox.rejects(DAY).lines().count(), 1000);
    // In a range of days the others are done.
    sandbox.write("logs/2021-12-02/0.log", good(0, 10));
    sandbox.agg("backfill --logs logs --max-reject-ratio 0.2").exits(65).shows(&words);
    assert!(!sandbox.has_partial(DAY) && sandbox.has_partial("2021-12-02"));
    let lax = "--max-reject-ratio 0.2 --max-log-reject-ratio 1";
    reduce(&sandbox, &format!("{lax} logs/2021-12-01")).exits(0);
}

#[test]
fn the_limit_of_a_log_is_set_by_flag_environment_and_settings_file() {
    let sandbox = ten_logs(&good(9, 1000).replace("FR", "fr"));
    let with = |variable: &str, flags: &str| {
        let mut command = sandbox.command();
        command.env("AGG_MAX_LOG_REJECT_RATIO", variable);
        let line = format!("reduce-day --force --max-reject-ratio 0.2 {flags} logs/2021-12-01");
        sandbox.run(command.args(line.split_ascii_whitespace()))
    };
    with("1", "").exits(0);
    with("0.999", "").exits(65).shows(&["--max-log-reject-ratio 0.999 allows"]);
    with("1", "--max-log-reject-ratio 0.9").exits(65);
    with("2", "").exits(2).shows(&["AGG_MAX_LOG_REJECT_RATIO"]);
    sandbox.write("agg.toml", "max-log-reject-ratio = 1\nmax-reject-ratio = 0.2\n");
    sandbox.agg("reduce-day --config agg.toml --force logs/2021-12-01").exits(0);
}

#[test]
fn a_log_is_rotten_from_100_rows_and_strictly_above_its_limit() {
    let lax = "--max-reject-ratio 1";
    for (corrupt, good_rows, code) in
        [(99, 0, 0), (100, 0, 65), (100, 100, 0), (101, 100, 65), (101, 101, 0)]
    {
        let sandbox = Sandbox::new();
        // Rows of equal length, so that rows and bytes have the same share.
        sandbox.write("a.log", good(1, good_rows) + &good(2, corrupt).replace("FR", "XX"));
        reduce(&sandbox, &format!("{lax} a.log")).exits(code);
    }
}

#[test]
fn a_log_of_zeros_after_a_crash_is_refused_by_its_bytes_in_every_kind_of_log() {
    // Within one window of reading, over several, and to the end.
    for (before, zeros, after) in [(2000, 60_000, 2000), (200_000, 9 << 20, 10), (100, 3 << 20, 0)]
    {
        let log = [good(1, before).as_bytes(), &vec![0; zeros], good(2, after).as_bytes()].concat();
        let share = zeros as f64 / log.len() as f64 * 100.0;
        let total = before + after.max(1);
        let rows = format!("1 of {total} rows and {share:.1} % of the bytes rejected");
        let line = format!(":{} `\\x00", before + 1);
        let words = [rows.as_str(), &line, "zero bytes", "fetch the log again"];
        for (name, content) in
            [("a.log", log.clone()), ("a.gz", gz(&log)), ("a.zst", zst(&log)), ("a.xz", xz(&log))]
        {
            let sandbox = Sandbox::new();
            sandbox.write(name, content);
            let named = format!("\"{name}\": ");
            reduce(&sandbox, name).exits(65).shows(&words).shows(&[&named]).in_one_line();
        }
        let sandbox = Sandbox::new();
        let run = sandbox.agg_reading(&log, &format!("reduce-day --date {DAY} -"));
        run.exits(65).shows(&words).in_one_line();
    }
    // Less than 16 KiB of them are one corrupt row.
    let sandbox = Sandbox::new();
    sandbox.write("a.log", [good(1, 100).as_bytes(), &[0; 15_000]].concat());
    reduce(&sandbox, "a.log").exits(0);
}

#[test]
fn a_rotten_log_shows_its_own_row_when_others_have_the_first_1000() {
    let sandbox = Sandbox::new();
    for log in 0..5 {
        let rows = good(log, 1000) + &good(log, 400).replace("FR", "");
        sandbox.write(format!("logs/{log}.log"), rows);
    }
    let rows = good(9, 150_000).replace("|1|", ";1;");
    sandbox.write("logs/9.log", format!("\u{feff}{}{rows}", good(8, 100_000)));
    let words = [
        "\"logs/9.log\": 150000 of 250000 rows and 60.0 % of the bytes rejected",
        "\"logs/9.log\":100001 `9000000;1;FR`: fields are separated by",
    ];
    for threads in [1, 4] {
        let flags = format!("--threads {threads} --max-reject-ratio 1");
        reduce(&sandbox, &format!("{flags} logs")).exits(65).shows(&words).in_one_line();
    }
}

#[test]
fn a_log_that_is_added_is_held_to_the_limits_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", good(1, 10_000));
    reduce(&sandbox, "a.log").exits(0);
    sandbox.write("b.log", good(2, 100).replace("FR", "UK"));
    let words =
        ["100 of 100 rows", "\"b.log\":1 `2000000|1|UK`: the code of the United Kingdom is GB"];
    reduce(&sandbox, "--add --max-reject-ratio 1 b.log").exits(65).shows(&words).in_one_line();
    let found = sandbox.agg(&format!("inspect --json {DAY}")).exits(0).stdout;
    assert!(found.contains("\"rows\":10000,"), "{found}");
}

#[test]
fn a_refused_day_shows_the_first_row_of_its_most_frequent_reason_with_any_number_of_threads() {
    let sandbox = Sandbox::new();
    // More blank rows than are shown in all, and then many more of another kind.
    let log = "\n".repeat(1500) + &good(1, 200_000).replace("|1|", "|1b4e28ba|");
    sandbox.write("a.log", &log);
    sandbox.write("b.log", &log[1..]);
    let words = [
        "402999 of 402999 rows rejected",
        "allows: 400000 user_id, 2999 blank; first: \"a.log\":1501 `1000000|1b4e28ba|FR`: ids are whole numbers",
    ];
    for threads in [1, 2, 4] {
        let run = reduce(&sandbox, &format!("--threads {threads} a.log b.log --allow-duplicates"));
        let run = run.exits(65).shows(&words).in_one_line();
        assert!(
            !run.stderr.contains("raise the limit") && !run.stderr.contains("fetch"),
            "{run:?}"
        );
    }
}

#[test]
fn a_higher_limit_is_named_only_where_the_day_is_barely_above() {
    let sandbox = Sandbox::new();
    for (corrupt, raised) in [(110, true), (250, false)] {
        sandbox.write("a.log", good(1, 1000 - corrupt) + &good(2, corrupt).replace("FR", "fr"));
        let run = reduce(&sandbox, "a.log").exits(65).in_one_line();
        assert_eq!(run.stderr.contains("raise the limit"), raised, "{run:?}");
    }
}
