//! Obstacles, limits of the system, streams that fail: an error that names the place, and no harm.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{DAY, Sandbox};

const EMIT: &str = "emit-window --date 2021-12-01 --days 1";

/// A sandbox with one stored day.
fn reduced() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, "1|1|FR\n2|2|DE\n");
    sandbox
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// The program under a limit that the shell's `ulimit` sets.
fn limited(sandbox: &Sandbox, limit: &str, arguments: &str) -> crate::harness::Run {
    let mut shell = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_agg");
    shell
        .current_dir(sandbox.path(""))
        .args(["-c", &format!("ulimit {limit}; exec {program} {arguments}")]);
    sandbox.run(&mut shell)
}

#[test]
fn a_dated_folder_of_logs_is_never_replaced_by_an_emission() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/2021-12-01/part.log", "1|1|FR\n");
    let backfill = "backfill --logs logs --emit --days 1 --out logs";
    sandbox.agg(backfill).exits(73).shows(&["logs/2021-12-01", "manifest.json", "out of the way"]);
    sandbox.agg(&format!("{EMIT} --out logs --force")).exits(73).in_one_line();
    assert_eq!(sandbox.text("logs/2021-12-01/part.log"), "1|1|FR\n");
    assert_eq!(sandbox.files("logs/2021-12-01"), ["logs/2021-12-01/part.log"]);

    fs::create_dir_all(sandbox.path("out/2021-12-01")).unwrap();
    sandbox.agg(&format!("{EMIT} --out out")).exits(0);
    sandbox.agg(&format!("{EMIT} --out out")).exits(0);
}

#[test]
fn a_file_with_the_name_of_an_emission_is_73() {
    let sandbox = reduced();
    sandbox.write("agg-out/2021-12-01", "in the way");
    sandbox.agg(EMIT).exits(73).shows(&["agg-out/2021-12-01", "out of the way"]).in_one_line();
    assert_eq!(sandbox.text("agg-out/2021-12-01"), "in the way");
}

#[test]
fn a_pipe_under_the_name_of_a_partial_or_a_manifest_is_an_error_and_not_waited_for() {
    let sandbox = reduced();
    sandbox.agg(EMIT).exits(0);
    let manifest = sandbox.path("agg-out/2021-12-01/manifest.json");
    fs::remove_file(&manifest).unwrap();
    pipe(&manifest);
    sandbox.agg(EMIT).exits(66).shows(&["manifest.json", "not a regular file"]).in_one_line();

    let partial = sandbox.path("agg-store/partials/2021-12-01.agg");
    fs::remove_file(&partial).unwrap();
    pipe(&partial);
    let reduce = "reduce-day logs/2021-12-01.log";
    for command in [EMIT, "inspect 2021-12-01", reduce, "reduce-day --force logs/2021-12-01.log"] {
        sandbox
            .agg(command)
            .exits(66)
            .shows(&["2021-12-01.agg", "not a regular file"])
            .in_one_line();
    }
    let run = sandbox.agg("list").exits(66).shows(&["2021-12-01.agg", "not a regular file"]);
    assert!(run.stdout.contains("2021-12-01") && run.stdout.contains("failed"), "{run:?}");
    let run = sandbox.agg("verify").exits(66).shows(&["2021-12-01"]).in_one_line();
    for words in ["2021-12-01 failed", "2021-12-01.agg", "not a regular file"] {
        assert_eq!(run.stdout.matches(words).count(), 1, "{run:?}");
    }
    fs::remove_file(&partial).unwrap();
    fs::create_dir(&partial).unwrap();
    sandbox.agg("list").exits(66).shows(&["2021-12-01.agg"]).in_one_line();
    sandbox.agg(reduce).exits(66).shows(&["2021-12-01.agg"]).in_one_line();
}

#[test]
fn another_days_partial_under_a_days_name_is_damage_and_not_that_other_day() {
    let sandbox = reduced();
    let partials = sandbox.path("agg-store/partials");
    fs::rename(partials.join("2021-12-01.agg"), partials.join("2021-12-02.agg")).unwrap();
    sandbox.write("logs/2021-12-02.log", "1|1|FR\n2|2|DE\n");
    sandbox
        .agg("reduce-day logs/2021-12-02.log")
        .exits(65)
        .shows(&["2021-12-02.agg", "this is the partial of 2021-12-01"])
        .in_one_line();
    sandbox.agg("reduce-day --force logs/2021-12-02.log").exits(0);
    sandbox.agg("verify").exits(0);
}

#[test]
fn a_window_may_have_more_days_than_the_soft_limit_of_open_files() {
    let sandbox = Sandbox::new();
    for day in 1..=30 {
        sandbox.write(format!("logs/202111{day:02}.log"), "1|1|FR\n");
    }
    sandbox.agg("backfill --logs logs").exits(0);
    limited(&sandbox, "-S -n 20", "emit-window --date 2021-11-30 --days 30").exits(0);
}

#[test]
fn a_limit_on_the_size_of_files_is_74_and_leaves_no_temporary() {
    let sandbox = Sandbox::new();
    let log: String = (0..200_000).map(|row| format!("{row}|{row}|FR\n")).collect();
    sandbox.write("day-20211201.log", log);
    limited(&sandbox, "-f 1", "reduce-day day-20211201.log")
        .exits(74)
        .shows(&["agg-store", "cannot write"])
        .in_one_line();
    assert_eq!(sandbox.files("agg-store"), [""; 0]);
}

#[test]
fn a_help_page_that_cannot_be_written_is_74() {
    let sandbox = Sandbox::new();
    for arguments in ["--help", "--version", "reduce-day --help"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = sandbox.command();
        let run = command.args(arguments.split(' ')).stdout(full).stderr(Stdio::piped());
        let run = run.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(run.status.code(), Some(74), "{arguments}");
        assert_eq!(String::from_utf8_lossy(&run.stderr), FULL_OUTPUT, "{arguments}");
    }
}

#[test]
fn a_limit_of_open_files_is_74_and_names_the_limit_wherever_it_is_met() {
    let sandbox = reduced();
    let mut met = 0;
    // From too few to set the run up, to enough.
    for files in 4..16 {
        let run = limited(&sandbox, &format!("-n {files}"), EMIT);
        if run.stderr.is_empty() {
            run.exits(0);
        } else {
            run.exits(74).shows(&["Too many open files", "ulimit -n"]).in_one_line();
            met += 1;
        }
    }
    assert!((1..12).contains(&met), "met {met} times");
}

#[test]
fn a_limit_of_the_address_space_below_the_memory_is_74_before_the_work_and_names_both() {
    let sandbox = reduced();
    let words = ["97.7 MiB", "ulimit -v", "--memory 512.0 MiB"];
    limited(&sandbox, "-v 100000", EMIT).exits(74).shows(&words).in_one_line();
    assert!(!sandbox.exists("agg-out"));
    limited(&sandbox, "-v 4000000", &format!("{EMIT} --memory 64MiB")).exits(0);
    // With two threads, glibc may reserve 448 MiB more than the memory.
    let rows: String = (0..20_000).map(|row| format!("{row}|{}|FR\n", row % 999)).collect();
    sandbox.write("logs/2021-12-02.log", rows);
    let reduce = "reduce-day --force --store other logs/2021-12-02.log";
    let import = "import --force --store other --date 2021-12-02 tables";
    sandbox.agg("reduce-day logs/2021-12-02.log").exits(0);
    sandbox.agg("export 2021-12-02 --out tables").exits(0);
    for arguments in [reduce, import, "export 2021-12-02 --out other-tables", EMIT] {
        for (limit, code) in [(70, 74), (225, 74), (400, 74), (690, 0), (845, 0)] {
            let arguments = format!("{arguments} --memory 64MiB --threads 2");
            let run = limited(&sandbox, &format!("-v {}", limit << 10), &arguments).exits(code);
            if code == 74 {
                run.shows(&["ulimit -v", "--memory 64.0 MiB"]).in_one_line();
            }
        }
        let variable = format!("-v {}; export MALLOC_ARENA_MAX=1", 400 << 10);
        limited(&sandbox, &variable, &format!("{arguments} --memory 64MiB --threads 2")).exits(0);
    }
    // These start no threads and take little.
    for arguments in ["list", "inspect 2021-12-02", "prune --keep-days 99"] {
        limited(&sandbox, "-v 100000", arguments).exits(0);
    }
}

#[test]
fn a_standard_output_that_takes_nothing_is_74_where_the_result_goes_there() {
    let sandbox = reduced();
    let run = |arguments: &str| limited(&sandbox, "-c 0", &format!("{arguments} >&-"));
    for arguments in [
        "list",
        "inspect 2021-12-01",
        "verify",
        "query --user 1",
        "man",
        "completions bash",
        "report --date 2021-12-01 --days 1 --out -",
        "prune --keep-days 35 --dry-run",
        "--help",
        "--version",
        &format!("{EMIT} --json"),
    ] {
        run(arguments).exits(74).shows(&["standard output", "Bad file descriptor"]).in_one_line();
    }
    assert!(!sandbox.exists("agg-out"));
    // What was done is known without the account of it.
    run(EMIT).exits(0);
    let read_only = "1</dev/null";
    for arguments in ["list", "query --user 1", "--version", &format!("{EMIT} --json")] {
        let run = limited(&sandbox, "-c 0", &format!("{arguments} {read_only}"));
        run.exits(74).shows(&["standard output", "Bad file descriptor"]).in_one_line();
    }
    limited(&sandbox, "-c 0", &format!("{EMIT} {read_only}")).exits(0);
    limited(&sandbox, "-c 0", "list >/dev/null").exits(0);
    limited(&sandbox, "-c 0", "list 1<>/dev/null").exits(0);
}

#[test]
fn a_path_that_is_too_long_is_66_to_read_and_73_to_write() {
    let sandbox = reduced();
    sandbox.write("20211202.log", "1|1|FR\n");
    let days = "--date 2021-12-01 --days 1";
    for name in ["x".repeat(300), ["x"; 3000].join("/")] {
        for arguments in [
            format!("reduce-day --date 2021-12-02 {name}"),
            format!("backfill --logs {name}"),
            format!("list --store {name}"),
            format!("inspect --store {name} 2021-12-01"),
            format!("verify --store {name}"),
            format!("query --store {name} --user 1"),
            format!("emit-window {days} --store {name}"),
            format!("export 2021-12-01 --store {name} --out tables"),
            format!("import --date 2021-12-02 {name}"),
            format!("report {days} --out page --songs {name}"),
        ] {
            sandbox.agg(&arguments).exits(66).shows(&["the path is too long"]).in_one_line();
        }
        for arguments in [
            format!("reduce-day 20211202.log --store {name}"),
            format!("reduce-day 20211202.log --metrics {name}"),
            format!("{EMIT} --out {name}"),
            format!("backfill --logs . --emit --days 1 --out {name}"),
            format!("export 2021-12-01 --out {name}"),
            format!("report {days} --out {name}"),
            format!("generate --rows 1 --days 1 {name}"),
        ] {
            sandbox.agg(&arguments).exits(73).shows(&["the path is too long"]);
        }
    }
}

/// The error of a standard output that takes no more.
const FULL_OUTPUT: &str = "agg: cannot write to standard output: No space left on device (os error 28); \
                           free space there and run again\n";

#[test]
fn a_report_that_cannot_be_written_is_74_after_the_work_is_done() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    for arguments in ["reduce-day 20211201.log", "list", "--json list", "inspect 2021-12-01"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = sandbox.command();
        command.args(arguments.split(' ')).stdout(full).stderr(Stdio::piped());
        let run = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(run.status.code(), Some(74), "{arguments}");
        assert_eq!(String::from_utf8_lossy(&run.stderr), FULL_OUTPUT, "{arguments}");
        assert!(sandbox.has_partial(DAY));
    }
}
