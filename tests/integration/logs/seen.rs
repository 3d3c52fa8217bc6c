//! Logs that come again compressed, renamed or with another time: read once, and never again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use crate::faults::calls::night;
use crate::faulty::Faulty;
use crate::harness::{DAY, Run, Sandbox, after_a_tick, gz};
use crate::library::{context_over, unlocked};

const SEEN: &str = "agg-store/seen/2021-12-01.seen";

/// A backfill, which must find the day unchanged; whether it read a log.
#[track_caller]
fn reads(sandbox: &Sandbox) -> bool {
    after_a_tick();
    let run = sandbox.agg("backfill --logs logs --json").exits(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["days"][0]["outcome"], "unchanged", "{run:?}");
    report["phases"].get("read").is_some()
}

fn counted(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("logs/20211201.log", log);
    after_a_tick();
    sandbox.agg("backfill --logs logs").exits(0);
    sandbox
}

fn replaced(sandbox: &Sandbox) -> Run {
    sandbox.agg(&format!("backfill --logs logs --from {DAY} --json"))
}

#[test]
fn a_counted_log_that_is_compressed_renamed_or_dated_anew_is_read_once_and_never_again() {
    let rows: String = (0..100).map(|at| format!("{at}|1|FR\n")).collect();
    let sandbox = counted(&rows);
    let log = sandbox.path("logs/20211201.log");
    assert!(!reads(&sandbox));
    // Beside the compressed log, which is compared once.
    sandbox.write("logs/20211201.log.gz", gz(&rows));
    assert!(reads(&sandbox));
    assert!(!reads(&sandbox));
    fs::remove_file(&log).unwrap();
    assert!(!reads(&sandbox));
    fs::rename(sandbox.path("logs/20211201.log.gz"), sandbox.path("logs/b-20211201.log.gz"))
        .unwrap();
    assert!(reads(&sandbox));
    assert!(!reads(&sandbox));
    let file =
        fs::File::options().append(true).open(sandbox.path("logs/b-20211201.log.gz")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert!(reads(&sandbox));
    assert!(!reads(&sandbox));
    // A dry run reads nothing either.
    sandbox.agg("backfill --logs logs --dry-run").exits(0);
}

#[test]
fn a_log_that_was_replaced_with_size_and_time_kept_is_noticed() {
    let sandbox = counted("1|1|FR\n");
    let log = sandbox.path("logs/20211201.log");
    let modified = fs::metadata(&log).unwrap().modified().unwrap();
    fs::write(&log, "2|1|FR\n").unwrap();
    fs::File::options().append(true).open(&log).unwrap().set_modified(modified).unwrap();
    let run = replaced(&sandbox).exits(0);
    assert!(run.stdout.contains("\"outcome\":\"replaced\""), "{run:?}");
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|2:1\n");
    // A changed mode is a change of its ctime: one reading.
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(reads(&sandbox));
    assert!(!reads(&sandbox));
}

#[test]
fn a_log_that_changes_again_between_two_ticks_of_the_clock_is_noticed() {
    let sandbox = Sandbox::new();
    let log = sandbox.path("logs/20211201.log");
    let counted = |files: Faulty, rows: &str| {
        sandbox.write("logs/20211201.log", rows);
        let file = fs::File::options().append(true).open(&log).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        let context = context_over(files.files(), &sandbox.path(""), 1 << 20, 1);
        unlocked(|| night(&context, &sandbox.path("")));
        sandbox.tops_of_day(DAY).1
    };
    // Its size, mtime, ctime and inode stay.
    assert_eq!(counted(Faulty::between_ticks(), "1|1|FR\n"), "1|1:1\n");
    assert_eq!(counted(Faulty::between_ticks(), "2|1|FR\n"), "1|2:1\n");
    // Later, by the same time.
    assert_eq!(counted(Faulty::watching(), "3|1|FR\n"), "1|3:1\n");
}

#[test]
fn one_new_log_is_read_and_the_others_are_not() {
    let sandbox = Sandbox::new();
    for at in 0..3 {
        sandbox.write(format!("logs/{at}-20211201.log"), format!("{at}|1|FR\n").repeat(1000));
    }
    after_a_tick();
    sandbox.agg("backfill --logs logs").exits(0);
    fs::remove_file(sandbox.path("logs/0-20211201.log")).unwrap();
    // The day is kept every night; none of its other logs is read for that.
    let kept = sandbox.agg("backfill --logs logs --json").exits(0);
    assert!(kept.stdout.contains("\"outcome\":\"kept\""), "{kept:?}");
    assert!(kept.stdout.contains("\"phases\":{}"), "{kept:?}");
}

/// The days' logs of three hosts, which have one name, size and time.
fn of_hosts() -> Sandbox {
    let sandbox = Sandbox::new();
    for host in ["a", "b", "c"] {
        let log = sandbox.path(format!("logs/2021-12-01/{host}/part-0"));
        sandbox.write(
            format!("logs/2021-12-01/{host}/part-0"),
            format!("1|1|FR\n2|{}|FR\n", host.as_bytes()[0]),
        );
        let file = fs::File::options().append(true).open(log).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)).unwrap();
    }
    after_a_tick();
    sandbox.agg("backfill --logs logs").exits(0);
    sandbox
}

#[test]
fn logs_of_one_name_size_and_time_are_told_apart_by_their_inodes() {
    let sandbox = of_hosts();
    assert!(!reads(&sandbox));
    // Without the cache, name, size and time decide, and which log has which content stays unknown.
    fs::remove_dir_all(sandbox.path("agg-store/seen")).unwrap();
    assert!(!reads(&sandbox));
    assert!(!reads(&sandbox));
    fs::rename(sandbox.path("logs/2021-12-01/a/part-0"), sandbox.path("logs/2021-12-01/a/part-1"))
        .unwrap();
    assert!(reads(&sandbox));
    assert!(!reads(&sandbox));
}

#[test]
fn logs_that_were_added_are_kept_beside_those_of_the_day() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a-20211201.log", "1|1|FR\n");
    sandbox.write("logs/b-20211201.log", "2|2|FR\n");
    after_a_tick();
    sandbox.agg("reduce-day logs/a-20211201.log").exits(0);
    sandbox.agg("reduce-day --add logs/b-20211201.log").exits(0);
    assert_eq!(sandbox.read(SEEN).len(), 16 + 2 * 64 + 8);
    assert!(!reads(&sandbox));
}

#[test]
fn a_compressed_log_of_other_content_is_refused_beside_an_unchanged_day() {
    let sandbox = counted("1|1|FR\n");
    sandbox.write("logs/20211201.log.gz", gz("2|1|FR\n"));
    for _ in 0..2 {
        sandbox.agg("backfill --logs logs").exits(65).shows(&["20211201.log.gz", "20211201.log"]);
    }
    // A log that is not complete yet does no harm, and is checked again.
    let whole = gz("1|1|FR\n");
    sandbox.write("logs/20211201.log.gz", &whole[..whole.len() - 4]);
    for _ in 0..2 {
        sandbox.agg("backfill --logs logs").exits(0).shows(&["warning", "20211201.log.gz"]);
    }
    sandbox.write("logs/20211201.log.gz", whole);
    assert!(reads(&sandbox));
    assert!(!reads(&sandbox));
}

#[test]
fn what_is_kept_of_logs_may_be_removed_or_damaged_at_any_time() {
    let sandbox = counted("1|1|FR\n");
    let kept = sandbox.read(SEEN);
    for damage in [&b""[..], b"x", b"agg-seen\x01\0\0\0\xff\xff\xff\xff0123456789", &[0; 1 << 16]] {
        sandbox.write(SEEN, damage);
        let run = sandbox.agg("backfill --logs logs -v").exits(0).shows(&["seen", "is damaged"]);
        assert!(run.stdout.contains("unchanged"), "{run:?}");
        assert_eq!(sandbox.read(SEEN), kept, "written again");
        sandbox.agg("backfill --logs logs").exits(0).in_no_line();
    }
    // That of another day, which knows nothing of these logs.
    sandbox.reduced("2021-12-20", "3|3|DE\n");
    // Its log is as old as a tick then, or it is read once more.
    reads(&sandbox);
    fs::copy(sandbox.path("agg-store/seen/2021-12-20.seen"), sandbox.path(SEEN)).unwrap();
    assert!(!reads(&sandbox));
    assert_eq!(sandbox.read(SEEN), kept, "written again");
    fs::remove_dir_all(sandbox.path("agg-store/seen")).unwrap();
    assert!(!reads(&sandbox));
    fs::remove_dir_all(sandbox.path("agg-store/seen")).unwrap();
    sandbox.write("agg-store/seen", "no folder");
    sandbox.agg("reduce-day --force logs/20211201.log").exits(0).in_no_line();
}

#[test]
fn pruning_removes_what_is_kept_of_the_logs_of_a_day() {
    let sandbox = counted("1|1|FR\n");
    sandbox.reduced("2021-12-20", "1|1|FR\n");
    assert!(sandbox.path(SEEN).exists());
    sandbox.agg("prune --keep-days 15").exits(0);
    assert!(!sandbox.path(SEEN).exists());
    assert!(sandbox.path("agg-store/seen/2021-12-20.seen").exists());
}
