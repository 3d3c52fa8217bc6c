//! Which files a day is made of, in folders and by patterns; and that every other one is named.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::harness::{DAY, Run, Sandbox, gz, repository};

const PARTIAL: &str = "agg-store/partials/2021-12-01.agg";
const EARLIER: &str = "agg-store/partials/.earlier";

/// A sandbox with a log of one row under each name, with the same numbers as song.
fn logs(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (at, name) in (1..).zip(names) {
        let row = format!("{at}|1|FR\n");
        let log = if name.ends_with(".gz") { gz(row) } else { row.into_bytes() };
        sandbox.write(name, log);
    }
    sandbox
}

/// The report of a run.
fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

/// Path and reason of what was skipped.
fn skipped(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = report["skipped"].as_array().unwrap().iter();
    files.map(|file| (text(&file["path"]), text(&file["reason"]))).collect()
}

/// Day and rows of each day of a backfill.
fn rows(report: &Value) -> Vec<(String, u64)> {
    let days = report["days"].as_array().unwrap().iter();
    let rows = |day: &Value| day["reduced"]["rows"].as_u64().unwrap_or(0);
    days.map(|day| (day["day"].as_str().unwrap().to_owned(), rows(day))).collect()
}

#[test]
fn rotated_compressed_and_partitioned_logs_of_a_dated_folder_count_for_both_commands() {
    let sandbox = logs(&[
        "logs/2021-12-01/listen.log",
        "logs/2021-12-01/listen.log.1",
        "logs/2021-12-01/listen.log.2.gz",
        "logs/2021-12-01/part-00003.gz",
    ]);
    let filled = sandbox.agg("backfill --logs logs --json").exits(0).in_no_line();
    assert_eq!(rows(&report(&filled)), [(DAY.to_owned(), 4)]);
    let before = sandbox.read(PARTIAL);
    let reduced =
        sandbox.agg("reduce-day logs/2021-12-01 --store other --json").exits(0).in_no_line();
    assert_eq!(report(&reduced)["rows"], 4);
    assert!(sandbox.read("other/partials/2021-12-01.agg") == before);
}

#[test]
fn digits_of_a_unique_id_are_not_a_date() {
    let part = "logs/day=2021-12-01/part-1-19870315-9f2c-4d11-8a77-aabbccddeeff-c000.txt";
    let sandbox = logs(&["logs/day=2021-12-01/part-0.txt", part]);
    let range = "--from 2021-11-25 --to 2021-12-01";
    let run = sandbox.agg(&format!("backfill --logs logs {range} --json")).exits(0).in_no_line();
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 2)]);
    let run = sandbox.agg("reduce-day logs/day=2021-12-01").exits(0);
    assert!(run.stdout.contains("unchanged"), "{run:?}");
}

#[test]
fn a_dated_file_that_is_not_counted_is_on_standard_error_in_the_report_and_in_the_metrics() {
    let bak = "logs/listen-20211201.log.bak7";
    let names = ["logs/listen-20211201.log", "logs/listen-20211201.log.1", bak, "logs/notes.md"];
    let sandbox = logs(&names);
    let run = sandbox.agg("backfill --logs logs --json --metrics m.prom").exits(0);
    let warning = format!("agg: warning: skipped \"{bak}\": not named as a log");
    let run = run.shows(&[&warning]).in_one_line();
    let report = report(&run);
    assert_eq!(rows(&report), [(DAY.to_owned(), 2)]);
    let expected = [(bak, "not_a_log"), ("logs/notes.md", "undated")];
    assert_eq!(
        skipped(&report),
        expected.map(|(path, reason)| (path.to_owned(), reason.to_owned()))
    );
    let sample = "agg_skipped_files{command=\"backfill\",reason=\"not_a_log\"} 1\n";
    assert!(sandbox.text("m.prom").contains(sample), "{}", sandbox.text("m.prom"));
    let text = sandbox.agg("backfill --logs logs").exits(0).stdout;
    assert!(text.contains("skipped logs/notes.md: no date in its name\n"), "{text}");
    // The other command, in a folder of a day.
    let sandbox = logs(&["2021-12-01/a.log", "2021-12-01/a.log.part"]);
    let run =
        sandbox.agg("reduce-day 2021-12-01 --json").exits(0).shows(&["2021-12-01/a.log.part"]);
    let expected = ("2021-12-01/a.log.part".to_owned(), "arriving".to_owned());
    assert_eq!(skipped(&self::report(&run.in_one_line())), [expected]);
}

#[test]
fn five_files_of_a_reason_are_named_and_the_others_counted() {
    let sandbox = logs(&["logs/20211201.log"]);
    for at in 0..8 {
        sandbox.write(format!("logs/20211201.log.bak{at}"), "");
    }
    let run = sandbox.agg("backfill --logs logs").exits(0).shows(&["bak4", "skipped 3 more"]);
    assert_eq!(run.stderr.lines().count(), 6);
    // What is not counted is said to those who asked for quiet, too.
    let run = sandbox.agg("backfill --logs logs -q").exits(0);
    assert_eq!(run.stderr.lines().count(), 6);
}

#[test]
fn a_pattern_takes_its_days_for_both_commands() {
    let names =
        ["web1/listen-2021-12-01.csv", "web2/listen-2021-12-01.csv", "web2/listen-2021-12-02.csv"];
    let sandbox = logs(&names);
    let mut command = sandbox.command();
    command.args(["backfill", "--json", "--logs", "web*/listen-%Y-%m-%d.csv"]);
    let run =
        sandbox.run(&mut command).exits(0).shows(&["fewer logs than the day before"]).in_one_line();
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 2), ("2021-12-02".to_owned(), 1)]);
    let day = "reduce-day --json --date 2021-12-01 --logs";
    let run = sandbox.agg(&format!("{day} web*/listen-%Y-%m-%d.csv")).exits(0).in_no_line();
    assert_eq!(report(&run)["outcome"], "unchanged");
    // With the day given, a pattern needs none; a folder of days gives that day's.
    let run = sandbox.agg(&format!("{day} web*/*-01.csv")).exits(0).in_no_line();
    assert_eq!(report(&run)["outcome"], "unchanged");
    let run = sandbox.agg("reduce-day --date 2021-12-02 --logs web2/listen-%Y%m%d").exits(66);
    run.shows(&["\"web2/listen-20211202\": no log matches this"]).in_one_line();
    sandbox
        .agg("backfill --logs web*/listen-%H")
        .exits(2)
        .shows(&["%H is not known"])
        .in_one_line();
    sandbox
        .agg("backfill --logs web*/listen-%Y")
        .exits(2)
        .shows(&["needs %Y, %m and %d"])
        .in_one_line();
    sandbox.agg("reduce-day --logs web1 --date 2021-12-01 a.log").exits(2);
}

#[test]
fn the_pattern_decides_over_another_date_in_a_logs_own_name() {
    let sandbox = logs(&["2021-12-01/listen-20211205.log", "2021-12-02/20211205.log"]);
    let run = sandbox.agg("backfill --logs %Y-%m-%d/* --json").exits(0).in_no_line();
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 1), ("2021-12-02".to_owned(), 1)]);
    let run = sandbox.agg("reduce-day --date 2021-12-01 --logs %Y-%m-%d/* --json").exits(0);
    assert_eq!(report(&run)["outcome"], "unchanged");
    // Without a pattern it is the name.
    sandbox.agg("reduce-day --store other 2021-12-01").exits(0);
    assert_eq!(sandbox.names("other/partials"), ["2021-12-05.agg"]);
}

#[test]
fn folders_that_cannot_match_the_range_are_not_listed() {
    let sandbox = logs(&["d/2021/12/01/part-0", "d/2021/11/30/part-0", "d/2020/12/01/part-0"]);
    for folder in ["d/2021/11", "d/2020"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o0);
        std::fs::set_permissions(sandbox.path(folder), mode).unwrap();
    }
    let range = "--from 2021-12-01 --to 2021-12-01";
    let pattern = sandbox.agg(&format!("backfill --logs d/%Y/%m/%d/** {range} --json")).exits(0);
    assert_eq!(rows(&report(&pattern.in_no_line())), [(DAY.to_owned(), 1)]);
    for folder in ["d/2021/11", "d/2020"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(sandbox.path(folder), mode).unwrap();
    }
}

#[test]
fn the_day_of_rotation_is_warned_of_until_an_offset_is_given() {
    let sandbox = logs(&["logs/listen.log-20211202.gz"]);
    let warning = "use --date-offset -1, or 0 if logrotate has 'dateyesterday'";
    sandbox.agg("backfill --logs logs --dry-run").exits(0).shows(&[warning]).in_one_line();
    sandbox.agg("backfill --logs logs --date-offset -1").exits(0).in_no_line();
    assert!(sandbox.has_partial(DAY));
    sandbox.agg("reduce-day logs/listen.log-20211202.gz --date-offset=-1").exits(0).in_no_line();
    sandbox
        .agg("reduce-day logs/listen.log-20211202.gz --date-offset 0 --store other")
        .exits(0)
        .in_no_line();
    let mut command = sandbox.command();
    command.env("AGG_DATE_OFFSET", "-1").args(["backfill", "--logs", "logs"]);
    sandbox.run(&mut command).exits(0).in_no_line();
    sandbox.agg("backfill --logs logs --date-offset 1000").exits(2);
}

#[test]
fn a_stored_day_gains_no_logs_that_the_first_version_did_not_read() {
    let sandbox = logs(&["logs/2021-12-01/listen.log", "logs/2021-12-01/listen.log.1"]);
    // As that version made it, which kept no record of such days.
    sandbox.agg("reduce-day logs/2021-12-01/listen.log").exits(0);
    fs::remove_file(sandbox.path(EARLIER)).unwrap();
    let before = sandbox.read(PARTIAL);
    for dry_run in ["--dry-run", ""] {
        let run = sandbox.agg(&format!("backfill --logs logs --json {dry_run}")).exits(0);
        assert_eq!(report(&run)["days"][0]["outcome"], "kept");
        run.shows(&["2021-12-01 is kept", "logs/2021-12-01/listen.log.1\"", "--force"])
            .in_one_line();
    }
    assert!(sandbox.read(PARTIAL) == before);
    sandbox.agg("reduce-day --force logs/2021-12-01").exits(0);
    // A day that this version made takes what comes later.
    sandbox.write("logs/2021-12-01/listen.log.2", "9|9|FR\n");
    let run = sandbox.agg("backfill --logs logs --json").exits(0).in_no_line();
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 3)]);
}

#[test]
fn a_day_of_this_version_takes_a_late_log_in_a_place_that_the_first_version_did_not_read() {
    for late in ["web2/listen-20211201.log", "listen-20211201.log.1", "2021/12/01/part-00003"] {
        let sandbox = logs(&["logs/listen-20211201.log"]);
        sandbox.agg("backfill --logs logs").exits(0);
        sandbox.write(format!("logs/{late}"), "9|9|FR\n8|8|FR\n");
        let run = sandbox.agg("nightly 2021-12-01 -q --days 1 --logs logs --json").exits(0);
        let run = run.in_no_line();
        assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 3)], "{late}");
    }
}

#[test]
fn a_plain_log_beside_its_counted_compressed_form_is_compared_with_it() {
    let sandbox = logs(&["logs/a-20211201.log.gz"]);
    sandbox.agg("backfill --logs logs").exits(0);
    sandbox.write("logs/a-20211201.log", "1|1|FR\n2|2|FR\n");
    let both = ["a-20211201.log\"", "a-20211201.log.gz\""];
    sandbox.agg("backfill --logs logs").exits(65).shows(&both);
    fs::remove_file(sandbox.path("logs/a-20211201.log.gz")).unwrap();
    let run = sandbox.agg("backfill --logs logs --json").exits(0).in_no_line();
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 2)]);
}

#[test]
fn a_pattern_follows_links_and_names_folders_set_aside_in_a_dated_place_and_copies_that_arrive() {
    let sandbox = logs(&[
        "p/2021/12/01/web0/a.log",
        "p/2021/12/01/old/a.log",
        "p/2021/12/01/web2/a.log.tmp",
        "elsewhere/a.log",
    ]);
    symlink(sandbox.path("elsewhere"), sandbox.path("p/2021/12/01/web1")).unwrap();
    let run = sandbox.agg("backfill --logs p/%Y/%m/%d/*/a.log --json").exits(0);
    let run = run.shows(&["01/old\"", "01/web2/a.log.tmp\""]);
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 2)]);
    // Any number of folders does not lead through one.
    let run = sandbox.agg("backfill --store s --logs p/%Y/%m/%d/**/a.log --json").exits(0);
    let run = run.shows(&["01/old\"", "01/web1\"", "01/web2/a.log.tmp\""]);
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 1)]);
}

#[test]
fn a_wildcard_before_a_date_does_not_move_it_into_digits_that_follow() {
    let hours = ["00", "12", "13", "23"].map(|hour| format!("logs/listen20211201{hour}.log"));
    let sandbox = logs(&hours.each_ref().map(String::as_str));
    for place in ["logs", "logs/listen*%Y%m%d*.log", "logs/listen%Y%m%d*"] {
        let store = place.len();
        let run = sandbox.agg(&format!("backfill --logs {place} --json --store {store}"));
        let run = run.exits(0).in_no_line();
        assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 4)], "{place}");
    }
    // It matches, but no day has it.
    sandbox.write("logs/listen20210229.log", "1|1|FR\n");
    sandbox
        .agg("backfill --logs logs/listen*%Y%m%d*.log -q")
        .exits(0)
        .shows(&["listen20210229.log\""]);
}

#[test]
fn a_dated_folder_with_a_dataset_in_it_is_named_and_a_pattern_may_spell_it_out() {
    let sandbox =
        logs(&["logs/2021-12-01/a.log", "logs/2021-12-01/kind=x/part-1", "logs/2021-12-02/b.log"]);
    let named = "logs/2021-12-01\": ";
    let run = sandbox.agg("backfill -q --logs logs --json").exits(0).shows(&[named]).in_one_line();
    assert_eq!(rows(&report(&run)), [("2021-12-02".to_owned(), 1)]);
    sandbox.agg("reduce-day logs/2021-12-01").exits(66);
    let run = sandbox.agg("backfill --store s --logs logs/%Y-%m-%d/kind=*/part-* --json").exits(0);
    assert_eq!(rows(&report(&run)), [(DAY.to_owned(), 1)]);
}

#[test]
fn a_log_of_two_days_is_counted_for_neither_whatever_the_range() {
    let sandbox = logs(&[
        "a-20211201-20211205.log",
        "c-20211202.log",
        "c-20211205.log",
        "b/x20211201-20211205/a.log",
        "b/x20211202/a.log",
        "b/x20211205/a.log",
    ]);
    let both = ["can take ", "2021-12-01", "2021-12-05"];
    for (at, pattern) in ["*-%Y%m%d*.log", "b/*%Y%m%d*/a.log"].into_iter().enumerate() {
        for range in ["", "--to 2021-12-03", "--from 2021-12-04"] {
            let run = format!("backfill -q --logs {pattern} {range} --dry-run");
            sandbox.agg(&run).exits(0).shows(&both).in_one_line();
        }
        let run = format!("reduce-day -q --date 2021-12-05 --logs {pattern} --store r{at} --json");
        let run = sandbox.agg(&run).exits(0).shows(&both).in_one_line();
        assert_eq!(report(&run)["rows"], 1);
    }
}

#[test]
fn folders_that_a_pattern_matches_are_named_after_any_number_of_folders_too() {
    let sandbox = logs(&[
        "d/20211201/a.log",
        "d/s/20211202.log",
        "web1/kind=x/a",
        "web1/20211201.log",
        "web2/20211202.log",
    ]);
    let run = sandbox.agg("backfill -q --logs d/**/%Y%m%d* --store s").exits(0);
    run.shows(&["d/20211201\": a folder"]).in_one_line();
    sandbox.agg("backfill -q --logs d/**/s/%Y%m%d.log --store s").exits(0).in_no_line();
    let run = sandbox.agg("backfill -q --logs */%Y%m%d.log --dry-run").exits(0);
    run.shows(&["web1\": a folder that agg writes"]);
}

#[test]
fn a_log_that_two_places_give_to_two_days_is_named() {
    let sandbox = logs(&["p/export-2021-12-20/listen-20211201.log"]);
    let run = sandbox.agg("backfill -q --logs p --logs p/export-%Y-%m-%d/*").exits(0);
    run.shows(&["counted for 2021-12-01 and for 2021-12-20"]).in_one_line();
    symlink("2021-12-01", sandbox.path("2021-12-25")).unwrap();
    sandbox.write("2021-12-01/x.log", "5|5|FR\n");
    let run = sandbox.agg("backfill -q --store s --logs %Y-%m-%d/*.log").exits(0);
    run.shows(&["counted for 2021-12-01 and for 2021-12-25"]);
}

#[test]
fn a_damaged_record_of_the_days_of_an_earlier_version_is_named_and_can_be_removed() {
    let sandbox = logs(&["logs/listen-20211201.log"]);
    sandbox.agg("backfill --logs logs").exits(0);
    fs::write(sandbox.path(EARLIER), "").unwrap();
    // A run whose result does not depend on it goes on.
    sandbox.agg("backfill --logs logs").exits(0).in_no_line();
    sandbox.write("logs/web2/listen-20211201.log", "9|9|FR\n");
    sandbox.agg("backfill --logs logs").exits(65).shows(&[EARLIER, "remove the file"]);
    fs::remove_file(sandbox.path(EARLIER)).unwrap();
    sandbox.agg("backfill --logs logs").exits(0).shows(&["2021-12-01 is kept"]);
}

#[test]
fn fewer_logs_than_the_day_before_are_warned_of_and_can_be_refused() {
    let sandbox = logs(&["logs/20211201-a.log", "logs/20211201-b.log", "logs/20211202-a.log"]);
    let warning = "2021-12-02 has fewer logs than the day before: 1, and 2021-12-01 has 2";
    let refusal = "2021-12-02 has 1 log, fewer than --min-logs 2";
    sandbox.agg("backfill --logs logs --min-logs 2").exits(65).shows(&[refusal]);
    assert!(!sandbox.has_partial("2021-12-02"));
    sandbox
        .agg("reduce-day logs/20211202-a.log --min-logs 2")
        .exits(65)
        .shows(&[refusal])
        .in_one_line();
    sandbox.agg("backfill --logs logs").exits(0).shows(&[warning]).in_one_line();
    sandbox.agg("backfill --logs logs").exits(0).in_no_line();
    sandbox.write("late-20211202.log", "7|7|FR\n");
    sandbox.agg("reduce-day --add --min-logs 2 late-20211202.log").exits(0).in_no_line();
}

#[test]
fn store_and_output_are_never_searched_and_links_to_folders_are_named() {
    let sandbox = logs(&["2021-12-01/a.log", "elsewhere/2021-12-02/b.log"]);
    symlink("elsewhere", sandbox.path("20211203")).unwrap();
    let backfill = "backfill --logs . --store 20211204/store --out 20211205/out --emit --days 1";
    for _ in 0..2 {
        let run = sandbox.agg(&format!("{backfill} --json")).exits(0);
        run.shows(&["skipped \"./20211203\": a link to a folder"]).in_one_line();
    }
    let run = sandbox.agg("backfill --logs . --store another --json --dry-run").exits(0);
    let of_agg = |path: &str| (path.to_owned(), "of_agg".to_owned());
    let found = skipped(&report(&run));
    assert!(found.contains(&of_agg("./20211204/store")), "{found:?}");
    assert!(found.contains(&of_agg("./20211205/out")), "{found:?}");
}

/// The names in the reference, each with what becomes of it: indented below that line.
fn table() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(repository("docs/reference.md")).unwrap();
    let (_, table) = page.split_once("```text\nlog of 2021-12-01\n").unwrap();
    let (table, _) = table.split_once("```\n").unwrap();
    let mut outcome = "log of 2021-12-01";
    let mut rows = Vec::new();
    for line in table.lines() {
        match line.strip_prefix("  ") {
            Some(name) => rows.push((name.to_owned(), outcome.to_owned())),
            None => outcome = line,
        }
    }
    rows
}

#[test]
fn the_table_of_names_in_the_reference_holds() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    command.args(["backfill", "--dry-run", "--json", "--date-offset", "0"]);
    let table = table();
    assert!(table.len() > 30, "{table:?}");
    for (at, (name, _)) in table.iter().enumerate() {
        sandbox.write(format!("{at}/{name}"), "");
        command.args(["--logs", &at.to_string()]);
    }
    let run = sandbox.run(&mut command).exits(0);
    let report = report(&run);
    let place = |path: &Value| -> usize {
        path.as_str().unwrap().split('/').next().unwrap().parse().unwrap()
    };
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    for day in report["days"].as_array().unwrap() {
        for log in day["logs"].as_array().unwrap() {
            found.insert(place(log), format!("log of {}", day["day"].as_str().unwrap()));
        }
    }
    for file in report["skipped"].as_array().unwrap() {
        let reason = file["reason"].as_str().unwrap();
        let is_warned = run.stderr.contains(&format!("skipped {}:", file["path"]));
        let warned = if is_warned { ", with a warning" } else { "" };
        found.insert(place(&file["path"]), format!("skipped: {reason}{warned}"));
    }
    for (at, (name, expected)) in table.iter().enumerate() {
        assert_eq!(found.get(&at).map_or("ignored", String::as_str), expected, "{name}");
    }
}
