//! What the exit code says, and what the streams carry.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::{DAY, Sandbox, drained, hearing_signals, spawn};

/// A sandbox with one stored day.
fn reduced() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, "1|1|FR\n2|2|DE\n");
    sandbox
}

#[test]
fn wrong_usage_is_2_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("day-20211201.log", "1|1|FR\n");
    for arguments in [
        "",
        "no-such-command",
        "reduce-day",
        "reduce-day --no-such-option day-20211201.log",
        "reduce-day --date 2021-02-30 day-20211201.log",
        "reduce-day --date 20211201 day-20211201.log",
        "reduce-day --date 1969-12-31 day-20211201.log",
        "reduce-day --max-reject-ratio 1.5 day-20211201.log",
        "reduce-day --max-reject-ratio=-0.1 day-20211201.log",
        "reduce-day --max-reject-ratio NaN day-20211201.log",
        "reduce-day --min-rows many day-20211201.log",
        "reduce-day --min-rows=-1 day-20211201.log",
        "reduce-day --memory 63MiB day-20211201.log",
        "reduce-day --memory lots day-20211201.log",
        "reduce-day --threads 0 day-20211201.log",
        "reduce-day --countries some day-20211201.log",
        "reduce-day --force --add day-20211201.log",
        "emit-window",
        "emit-window --date yesterday-ish",
        "emit-window --date 2021-12-01 --days 0",
        "emit-window --date 2021-12-01 --days 3661",
        "emit-window --date 2021-12-01 --top 0",
        "emit-window --date 2021-12-01 --top 10001",
        "backfill",
        "backfill --logs . --from 2021-12-02 --to 2021-12-01",
    ] {
        let run = sandbox.agg(arguments).exits(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{run:?}");
    }
    assert_eq!(sandbox.names(""), ["day-20211201.log"]);
}

#[test]
fn help_and_version_are_results() {
    let sandbox = Sandbox::new();
    for arguments in
        ["--help", "--version", "reduce-day --help", "emit-window --help", "backfill --help"]
    {
        let run = sandbox.agg(arguments).exits(0);
        assert!(!run.stdout.is_empty() && run.stderr.is_empty(), "{run:?}");
    }
}

#[test]
fn a_store_that_is_not_there_is_66() {
    let sandbox = Sandbox::new();
    sandbox.agg("emit-window --date 2021-12-01").exits(66).in_one_line();
    sandbox.agg("list --store gone").exits(66).shows(&["gone"]).in_one_line();
    assert_eq!(sandbox.names(""), [""; 0]);
}

#[test]
fn a_log_that_cannot_be_read_is_66() {
    let sandbox = Sandbox::new();
    for name in ["gone-20211201.log", "gone-20211201/part.log"] {
        sandbox.agg(&format!("reduce-day {name}")).exits(66).shows(&[name]).in_one_line();
    }
    sandbox.write("file", "");
    sandbox.agg("reduce-day file/day-20211201.log").exits(66);
}

#[test]
fn a_store_or_an_output_folder_that_cannot_be_made_is_73() {
    let sandbox = reduced();
    sandbox.write("file", "in the way");
    sandbox.write("day-20211202.log", "1|1|FR\n");
    for store in ["file", "file/store"] {
        sandbox
            .agg(&format!("reduce-day --store {store} day-20211202.log"))
            .exits(73)
            .shows(&["file"])
            .in_one_line();
    }
    for out in ["file", "file/out"] {
        let emit = format!("emit-window --date {DAY} --days 1 --out {out}");
        sandbox.agg(&emit).exits(73).shows(&["file"]).in_one_line();
    }
    assert_eq!(sandbox.text("file"), "in the way");
}

#[test]
fn the_worst_of_a_backfills_days_is_its_exit_code() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/20211201.log", "1|1|FR\n");
    sandbox.agg("backfill --logs logs").exits(0);
    symlink("gone", sandbox.path("logs/20211202.log")).unwrap();
    sandbox.agg("backfill --logs logs").exits(66).shows(&["20211202.log"]);
    sandbox.write("logs/20211203.log.gz", "no gzip");
    sandbox.agg("backfill --logs logs").exits(65);
    assert!(sandbox.has_partial(DAY));
}

#[test]
fn a_damaged_partial_is_65_and_never_a_wrong_number() {
    let sandbox = reduced();
    let partial = format!("agg-store/partials/{DAY}.agg");
    let whole = sandbox.read(&partial);
    let expected = sandbox.tops_of_day(DAY);
    let emit = format!("emit-window --date {DAY} --days 1 --force");
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        sandbox.write(&partial, &whole[..length]);
        sandbox.agg(&emit).exits(65).shows(&[&partial]).in_one_line();
        sandbox.agg("verify").exits(65);
    }
    sandbox
        .write(&partial, "a file of somebody else, long enough to be a partial of agg".repeat(20));
    sandbox.agg(&emit).exits(65).shows(&[&partial]).in_one_line();
    for at in (0..whole.len()).step_by(whole.len() / 16 + 1) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        sandbox.write(&partial, &damaged);
        sandbox.agg("verify").exits(65);
        let output = sandbox.command().args(emit.split_whitespace()).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 65)), "byte {at}: {output:?}");
        assert_eq!(sandbox.tops(DAY), expected, "byte {at}");
    }
    sandbox.write(&partial, &whole);
    sandbox.agg("verify").exits(0);
}

/// Locks every file directly in the folder: whichever of them the program uses, it is taken.
fn lock_all_in(sandbox: &Sandbox, folder: &str) -> Vec<File> {
    let entries = fs::read_dir(sandbox.path(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<File> =
        entries.filter(|path| path.is_file()).map(|path| File::open(path).unwrap()).collect();
    assert!(!files.is_empty(), "no lock file in {folder}");
    for file in &files {
        flock(file, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
    files
}

#[test]
fn a_store_that_another_run_writes_is_75_for_writers_and_open_to_readers() {
    let sandbox = reduced();
    sandbox.write("day-20211202.log", "1|1|FR\n");
    let locks = lock_all_in(&sandbox, "agg-store");
    sandbox.agg("reduce-day day-20211202.log").exits(75).shows(&["agg-store"]).in_one_line();
    assert!(!sandbox.has_partial("2021-12-02"));
    sandbox.agg("list").exits(0);
    sandbox.agg("verify").exits(0);
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
    drop(locks);
    sandbox.agg("reduce-day day-20211202.log").exits(0);
}

#[test]
fn readers_need_no_lock() {
    let sandbox = reduced();
    let commands = [
        "list",
        "inspect 2021-12-01",
        "verify 2021-12-01",
        "query --user 1 --days 1",
        "export 2021-12-01 --format csv --out new",
        "report --date 2021-12-01 --days 1 --out agg-out/page.html",
        "report --date 2021-12-01 --days 1 --out -",
        "emit-window --date 2021-12-01 --days 1 --out new",
        "backfill --logs logs --dry-run",
        "prune --keep-days 35 --dry-run",
    ];
    // Times and folders of the report aside.
    let runs = || {
        let _ = fs::remove_dir_all(sandbox.path("new"));
        let run = |command| sandbox.agg(command).exits(0).in_no_line().stdout;
        let lines = |printed: String| {
            printed.lines().filter(|line| !line.starts_with("time")).map(String::from).collect()
        };
        let printed: Vec<Vec<String>> = commands.map(run).map(lines).to_vec();
        (printed, sandbox.tree(&["new"]), sandbox.read("agg-out/page.html"))
    };
    sandbox.agg("emit-window --date 2021-12-01 --days 1").exits(0);
    let expected = runs();
    let _locks = [lock_all_in(&sandbox, "agg-store"), lock_all_in(&sandbox, "agg-out")];
    assert_eq!(runs(), expected);
}

#[test]
fn every_writer_is_75_while_another_process_holds_the_lock_and_changes_nothing() {
    let sandbox = reduced();
    sandbox.write("more/20211202.log", "3|3|FR\n");
    let old =
        "reduce-day --store agg-store --date 2020-01-01 --max-reject-ratio 1 logs/2021-12-01.log";
    sandbox.agg(old).exits(0);
    sandbox.agg("export 2021-12-01 --format csv --out tables").exits(0);
    sandbox.agg("emit-window --date 2021-12-01 --days 1").exits(0);
    let writers = [
        ("agg-store", "reduce-day --force logs/2021-12-01.log"),
        ("agg-store", "reduce-day --add logs/2021-12-01.log"),
        ("agg-store", "backfill --logs more"),
        ("agg-store", "prune --keep-days 15"),
        #[cfg(feature = "parquet")]
        ("agg-store", "import --date 2021-12-01 --force exported"),
        ("agg-out", "emit-window --date 2021-12-01 --days 1 --top 9"),
        ("agg-out", "backfill --logs logs --emit --days 1 --top 9"),
        ("tables", "export 2021-12-01 --format jsonl --out tables"),
    ];
    #[cfg(feature = "parquet")]
    sandbox.agg("export 2021-12-01 --out exported").exits(0);
    let state = || sandbox.tree(&["agg-store", "agg-out", "tables"]);
    let before = state();
    for (folder, writer) in writers {
        let locks = lock_all_in(&sandbox, folder);
        let run = sandbox.agg(writer).exits(75).shows(&[folder, "locked"]);
        assert!(run.stderr.lines().count() == 1 || writer.starts_with("backfill"), "{run:?}");
        assert!(state() == before, "{writer}");
        drop(locks);
    }
}

#[test]
fn an_output_folder_that_another_run_writes_is_75() {
    let sandbox = reduced();
    let emit = format!("emit-window --date {DAY} --days 1");
    sandbox.agg(&emit).exits(0);
    let locks = lock_all_in(&sandbox, "agg-out");
    sandbox.agg(&emit).exits(75).shows(&["agg-out"]).in_one_line();
    sandbox.agg(&format!("{emit} --out elsewhere")).exits(0);
    drop(locks);
    sandbox.agg(&emit).exits(0);
}

#[test]
fn a_full_disk_is_74_and_leaves_the_old_state() {
    let sandbox = reduced();
    let rows: String =
        (0..60_000_u64).map(|n| format!("{}|{}|FR\n", n * 7919 % 60_013, n * 104_729)).collect();
    sandbox.write("big-20211202.log", rows);
    // A limit on the size of files replaces a full disk; with the signal ignored it is an error of write.
    let limited = |arguments: &str| {
        let script =
            format!("trap '' XFSZ; ulimit -f 16; exec {} {arguments}", env!("CARGO_BIN_EXE_agg"));
        sandbox.run(
            std::process::Command::new("sh").args(["-c", &script]).current_dir(sandbox.path("")),
        )
    };
    let words = ["File too large", "raise the limit of file sizes"];
    limited("reduce-day big-20211202.log").exits(74).shows(&words).in_one_line();
    assert_eq!(sandbox.names("agg-store/partials"), ["2021-12-01.agg"]);
    sandbox.agg("reduce-day big-20211202.log").exits(0);
    sandbox.agg("emit-window --date 2021-12-02 --days 1 --top 3").exits(0);
    let before = sandbox.read("agg-out/2021-12-02/top3_songs_per_user.txt");
    limited("emit-window --date 2021-12-02 --days 1 --force").exits(74).in_one_line();
    assert_eq!(sandbox.read("agg-out/2021-12-02/top3_songs_per_user.txt"), before);
    sandbox.agg("emit-window --date 2021-12-02 --days 1 --force").exits(0);
    assert_eq!(sandbox.names("agg-out"), ["2021-12-02", "latest"]);
}

/// Feeds rows to the child until it ends; returns once it has taken the first megabytes.
fn feed(child: &mut Child) -> thread::JoinHandle<()> {
    let mut stdin = child.stdin.take().unwrap();
    let rows = "123456|7890123|FR\n".repeat(1000);
    // Far more than a pipe holds: the program has set itself up and is reading.
    for _ in 0..200 {
        stdin.write_all(rows.as_bytes()).unwrap();
    }
    thread::spawn(move || while stdin.write_all(rows.as_bytes()).is_ok() {})
}

#[test]
fn a_signal_ends_a_run_soon_and_nothing_is_published() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let sandbox = reduced();
        let mut command = hearing_signals(sandbox.command().get_program());
        command.args(["reduce-day", "--date", "2021-12-02", "-"]).stdin(Stdio::piped());
        command.current_dir(sandbox.path(""));
        let mut child = spawn(&mut command);
        let feeder = feed(&mut child);
        let sent = Instant::now();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        let stderr = drained(child.stderr.take().unwrap());
        assert_eq!(status.code(), Some(code), "{status:?}\n{stderr}");
        assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
        feeder.join().unwrap();
        assert_eq!(sandbox.names("agg-store/partials"), ["2021-12-01.agg"]);
        sandbox.agg_reading(b"1|1|FR\n", "reduce-day --date 2021-12-02 -").exits(0);
    }
}

/// Whether a process handles a signal yet, by the kernel's record.
fn handles(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

/// Runs a command with a signal as soon as it handles one, again while it ends before; gives the exit code and the error.
fn signalled(sandbox: &Sandbox, arguments: &str, signal: Signal) -> (Option<i32>, String) {
    for _ in 0..200 {
        let mut command = hearing_signals(sandbox.command().get_program());
        command.args(arguments.split_whitespace()).current_dir(sandbox.path(""));
        let mut child = spawn(&mut command);
        while !handles(child.id(), signal) && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        // It may have ended.
        let _ = kill_process(Pid::from_child(&child), signal);
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            return (output.status.code(), String::from_utf8(output.stderr).unwrap());
        }
        let _ = fs::remove_dir_all(sandbox.path("new"));
    }
    panic!("{arguments} always ends before the signal");
}

#[test]
fn a_signal_ends_every_long_command_with_its_code_and_what_was_published_stays() {
    let sandbox = Sandbox::new();
    sandbox.agg("generate --rows 60000 --days 1 logs").exits(0);
    sandbox.agg("reduce-day logs/listen-20211201.log").exits(0);
    sandbox.agg("emit-window --date 2021-12-01 --days 1").exits(0);
    sandbox.agg("export 2021-12-01 --format csv --out tables").exits(0);
    sandbox.agg("report --date 2021-12-01 --days 1 --out agg-out/page.html").exits(0);
    #[cfg(feature = "parquet")]
    sandbox.agg("export 2021-12-01 --out exported").exits(0);
    // What ends before the signal leaves the same as before, but in `new`.
    let commands = [
        "reduce-day --force logs/listen-20211201.log",
        "backfill --logs logs --store new",
        "emit-window --date 2021-12-01 --days 1",
        "export 2021-12-01 --format csv --out tables",
        "report --date 2021-12-01 --days 1 --out agg-out/page.html",
        "query --user 1 --days 1",
        "verify",
        #[cfg(feature = "parquet")]
        "import --date 2021-12-01 --store new exported",
    ];
    let before = sandbox.tree(&["agg-store", "agg-out", "tables"]);
    for command in commands {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
            let (ended, stderr) = signalled(&sandbox, command, signal);
            let reported = stderr.lines().count() == 1
                && stderr.contains(&format!("signal {}", signal.as_raw()));
            assert!(ended == Some(code) && reported, "{command}: {ended:?}\n{stderr}");
            assert!(
                sandbox.tree(&["agg-store", "agg-out", "tables", "new"]) == before,
                "{command}"
            );
        }
    }
}

/// A terminal: where a program is attached, and where what it writes shows.
fn terminal(columns: u16) -> (File, File) {
    let seen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&seen).unwrap();
    unlockpt(&seen).unwrap();
    let name = ptsname(&seen, Vec::new()).unwrap();
    let attached = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&attached, size).unwrap();
    (attached, seen.into())
}

/// Feeds a reduction until `enough` says so, or for a while; gives what its standard error shows.
fn shown(
    stderr: Stdio,
    mut seen: impl io::Read + Send + 'static,
    flags: &str,
    term: &str,
) -> String {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    command.args(["reduce-day", "--date", DAY, "-"]).args(flags.split_whitespace());
    command.env("TERM", term).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    // Or this process would keep the terminal open.
    drop(command);
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        // A terminal without any attached process is an error.
        while let Ok(read @ 1..) = seen.read(&mut piece) {
            all.extend(&piece[..read]);
            let _ = sender.send(());
        }
        String::from_utf8(all).unwrap()
    });
    let mut stdin = child.stdin.take().unwrap();
    let rows = "123456|7890123|FR\n".repeat(100_000);
    for _ in 0..20 {
        stdin.write_all(rows.as_bytes()).unwrap();
        if receiver.recv_timeout(Duration::from_millis(100)).is_ok() {
            break;
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    reader.join().unwrap()
}

#[test]
fn bars_are_drawn_on_a_terminal_alone() {
    let on_terminal = |columns, flags, term| {
        let (attached, seen) = terminal(columns);
        shown(attached.into(), seen, flags, term)
    };
    for columns in [40, 80, 200] {
        let bars = on_terminal(columns, "", "xterm");
        assert!(bars.contains('\r') && bars.contains("read"), "{bars:?}");
        // A line that wraps is drawn over two.
        let is_line = |piece: &&str| piece.contains("reading") || piece.contains("counting");
        for line in bars.split(['\r', '\u{1b}']).filter(is_line) {
            let width = line.trim_end().chars().count();
            assert!(width <= usize::from(columns), "{columns}: {line:?} of {bars:?}");
        }
    }
    assert_eq!(on_terminal(80, "--quiet", "xterm"), "");
    assert_eq!(on_terminal(80, "", "dumb"), "");
    assert_eq!(on_terminal(80, "", ""), "");
    let (seen, pipe) = io::pipe().unwrap();
    assert_eq!(shown(pipe.into(), seen, "", "xterm"), "");
}

#[test]
fn a_run_that_nohup_started_outlives_its_terminal() {
    let sandbox = Sandbox::new();
    let agg = sandbox.command().get_program().to_owned();
    let mut command = std::process::Command::new("nohup");
    command.arg(agg).args(["reduce-day", "--date", DAY, "-"]).current_dir(sandbox.path(""));
    let mut child = spawn(command.stdin(Stdio::piped()));
    while !sandbox.exists("agg-store/tmp") {
        thread::sleep(Duration::from_millis(2));
    }
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    thread::sleep(Duration::from_millis(20));
    child.stdin.take().unwrap().write_all(b"1|1|FR\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(sandbox.has_partial(DAY));
}

#[test]
fn a_signal_ends_a_run_that_waits_for_a_silent_pipe() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    command.args(["reduce-day", "--date", DAY, "-"]).stdin(Stdio::piped());
    let mut child = spawn(&mut command);
    // Once it holds the lock it has set itself up; nothing is ever written to it.
    while !sandbox.exists("agg-store/tmp") {
        assert_eq!(child.try_wait().unwrap(), None);
        thread::sleep(Duration::from_millis(2));
    }
    let sent = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{status:?}");
    // 0.65 seconds, and what a busy machine adds.
    assert!(sent.elapsed() < Duration::from_secs(3), "{:?}", sent.elapsed());
    assert_eq!(drained(child.stderr.take().unwrap()).lines().count(), 1);
    assert_eq!(sandbox.files("agg-store"), [""; 0]);
}

#[test]
fn a_run_that_is_ended_while_it_waits_for_a_pipe_removes_its_spilled_runs() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    let line = format!("reduce-day --memory 64MiB --threads 1 --date {DAY} -");
    let mut child = spawn(command.args(line.split_whitespace()).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let spilled = || fs::read_dir(sandbox.path("agg-store/tmp")).map_or(0, |names| names.count());
    let mut rows = 0_u64;
    // Until there is one, and the rows after it wait for more.
    while spilled() == 0 {
        let piece: String = (rows..rows + 50_000)
            .map(|at| format!("{}|{}|FR\n", at << 20, (at * 7_919) << 22))
            .collect();
        stdin.write_all(piece.as_bytes()).unwrap();
        rows += 50_000;
        assert!(rows < 20_000_000, "nothing was spilled");
    }
    stdin.write_all("1|1|FR\n".repeat(100_000).as_bytes()).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{status:?}");
    assert_eq!(sandbox.files("agg-store"), [""; 0]);
    drop(stdin);
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_a_failure() {
    let sandbox = reduced();
    let report = "report --date 2021-12-01 --days 1 --out -";
    for arguments in
        ["--help", "list", "list --json", "inspect 2021-12-01", report, "man", "completions zsh"]
    {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command();
        command.args(arguments.split_whitespace()).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{arguments}");
    }
}

#[test]
fn options_may_come_from_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.write("day-20211201.log", "1|1|FR\n");
    let run = |arguments: &str| {
        let mut command = sandbox.command();
        command.envs([("AGG_STORE", "kept"), ("AGG_OUT", "given"), ("AGG_MEMORY", "64MiB")]);
        sandbox.run(command.args(arguments.split_whitespace()))
    };
    run("reduce-day day-20211201.log").exits(0);
    run("emit-window --date 2021-12-01 --days 1").exits(0);
    assert_eq!(sandbox.names(""), ["day-20211201.log", "given", "kept"]);
    run("emit-window --date 2021-12-01 --days 1 --out other").exits(0);
    assert!(sandbox.exists("other/2021-12-01/manifest.json"));
    let mut command = sandbox.command();
    sandbox
        .run(command.env("AGG_MEMORY", "1MiB").args(["reduce-day", "day-20211201.log"]))
        .exits(2);
}

#[test]
fn the_json_report_is_one_document_on_standard_output() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/20211201.log", "1|1|FR\n");
    for arguments in [
        "reduce-day --json logs/20211201.log",
        "reduce-day --json logs/20211201.log",
        "emit-window --json --date 2021-12-01 --days 1",
        "backfill --json --logs logs --emit --days 1",
        "list --json",
        "verify --json",
    ] {
        let run = sandbox.agg(arguments).exits(0);
        let document: Result<serde_json::Value, _> = serde_json::from_str(&run.stdout);
        assert!(
            document.is_ok_and(|document| document.is_object() || document.is_array()),
            "{run:?}"
        );
    }
}

#[test]
fn a_quiet_run_that_succeeds_prints_warnings_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\ncorrupt\n");
    sandbox.write("20211202.log", "1|1|FR\ncorrupt");
    let quiet = "reduce-day --quiet --max-reject-ratio 1";
    sandbox.agg(&format!("{quiet} 20211201.log")).exits(0).in_no_line();
    sandbox.agg(&format!("{quiet} 20211202.log")).exits(0).shows(&["no end"]).in_one_line();
}

#[test]
fn a_lock_is_waited_for_as_long_as_asked_and_a_signal_ends_the_wait_at_once() {
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, "1|1|FR\n");
    sandbox.write("late.log", "2|2|FR\n");
    let lock = File::open(sandbox.path("agg-store/.lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let add = format!("reduce-day --add --date {DAY} late.log");
    sandbox.agg(&format!("{add} --wait=0s")).exits(75).shows(&["--wait"]).in_one_line();
    sandbox.agg("prune --keep-days 15 --wait=1s").exits(75);
    let waiting = || {
        let mut command = sandbox.command();
        command.args(add.split(' ')).arg("--wait").stderr(Stdio::piped()).spawn().unwrap()
    };
    let stopped = waiting();
    thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&stopped), Signal::TERM).unwrap();
    assert_eq!(stopped.wait_with_output().unwrap().status.code(), Some(143));
    let patient = waiting();
    thread::sleep(Duration::from_millis(300));
    drop(lock);
    assert_eq!(patient.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_wrong_value_of_an_environment_variable_is_blamed_on_the_variable() {
    let sandbox = Sandbox::new();
    for (variable, value, line) in [
        ("AGG_MEMORY", "1KB", "list"),
        ("AGG_THREADS", "0", "list"),
        ("AGG_WAIT", "soon", "list"),
        ("AGG_MAX_REJECT_RATIO", "2", "reduce-day a.log"),
        ("AGG_MIN_ROWS", "few", "reduce-day a.log"),
        ("AGG_MIN_LOGS", "-1", "backfill --logs ."),
        ("AGG_DATE_OFFSET", "1000", "backfill --logs ."),
        ("AGG_COUNTRIES", "all", "reduce-day a.log"),
        ("AGG_DAYS", "0", "emit-window --date 2021-12-01"),
        ("AGG_TOP", "0", "emit-window --date 2021-12-01"),
        ("AGG_KEEP_DAYS", "x", "prune"),
    ] {
        let mut command = sandbox.command();
        command.env(variable, value).args(line.split(' '));
        let run = sandbox.run(&mut command).exits(2);
        run.shows(&[&format!("invalid value '{value}' for '{variable}'")]);
    }
    let mut command = sandbox.command();
    command.env("AGG_MEMORY", "1KB").args(["list", "--memory", "2KB"]);
    let run = sandbox.run(&mut command).exits(2);
    run.shows(&["invalid value '2KB' for '--memory <SIZE>'"]);
}
