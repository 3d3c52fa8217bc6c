//! Real disks: a full disk, and a read-only disk. And two real writers at once.
//!
//! The disks are file systems in memory, mounted in a namespace of the test's own, which the kernel may not grant: the
//! tests then say on standard error that they were skipped.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{DAY, Run, Sandbox, spawn};

/// Whether this machine lets a process mount something for itself.
fn may_mount() -> bool {
    let script = "mount -t tmpfs none /mnt && mount -o remount,ro /mnt";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let granted = status.is_ok_and(|status| status.success());
    if !granted {
        // Not by `eprintln`, which is caught: that nothing was tested must be seen.
        let _ = writeln!(std::io::stderr(), "skipped: no file system may be mounted here");
    }
    granted
}

/// Runs a script in the sandbox that may mount; `$agg` is the program.
fn in_namespace(sandbox: &Sandbox, script: &str) -> Run {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", script]);
    command.env_remove("AGG_STORE").env_remove("AGG_OUT").env("agg", env!("CARGO_BIN_EXE_agg"));
    sandbox.run(command.current_dir(sandbox.path("")).stdin(Stdio::null()))
}

#[test]
fn an_emission_that_exceeds_the_limit_of_a_file_s_size_is_74_and_the_one_before_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("listen-20211201.log", log(200_000));
    sandbox.agg("reduce-day listen-20211201.log").exits(0);
    sandbox.agg(&format!("emit-window --date {DAY} --days 1 --top 1")).exits(0);
    let state = || {
        let names = sandbox.files("agg-out/2021-12-01");
        names.into_iter().map(|name| (sandbox.read(&name), name)).collect::<Vec<_>>()
    };
    let before = state();
    // Many blocks, so that a later write reports the failure, not the write that failed.
    let script =
        format!("ulimit -f 1024; exec $agg emit-window --quiet --force --date {DAY} --days 1");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("agg", env!("CARGO_BIN_EXE_agg"));
    command.env_remove("AGG_STORE").env_remove("AGG_OUT");
    let run = sandbox.run(command.current_dir(sandbox.path("")).stdin(Stdio::null()));
    run.exits(74).shows(&["top50_songs_per_user.txt", "ulimit -f"]).in_one_line();
    assert!(state() == before, "the emission before is not what it was");
}

fn log(rows: u64) -> String {
    (0..rows).map(|at| format!("{}|{}|FR\n", at * 7_919 % 60_013, at * 104_729)).collect()
}

#[test]
fn a_disk_that_fills_up_is_74_and_keeps_what_was_there_and_room_makes_it_good() {
    if !may_mount() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("old-20211201.log", "1|1|FR\n");
    sandbox.write("new-20211201.log", log(60_000));
    // What a disk with room makes of it.
    sandbox.agg("reduce-day new-20211201.log").exits(0);
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
    let script = r"
        mkdir disk
        mount -t tmpfs -o size=100k none disk
        export AGG_STORE=disk/store AGG_OUT=disk/out
        $agg reduce-day --quiet old-20211201.log >/dev/null
        $agg emit-window --date 2021-12-01 --days 1 >/dev/null
        # From a disk that is too small for the partial to a disk that is too small for the emission only.
        for size in 120k 200k 300k 400k 600k; do
            mount -o remount,size=$size disk
            for command in 'reduce-day --quiet --force new-20211201.log' 'emit-window --date 2021-12-01 --days 1'; do
                rm -rf before
                cp -a disk before
                code=0
                $agg $command >/dev/null 2>errors || code=$?
                echo $size ${command%% *} $code
                if [ $code != 0 ]; then
                    [ $code = 74 ] && [ $(wc -l <errors) = 1 ] && grep -q disk/ errors && grep -q free.space errors
                    [ -z $(find disk -name '.agg-tmp-*') ]
                    cmp before/store/partials/2021-12-01.agg disk/store/partials/2021-12-01.agg
                    diff -r before/out disk/out
                fi
            done
        done
        mount -o remount,size=64m disk
        $agg reduce-day --quiet --force new-20211201.log >/dev/null
        $agg emit-window --date 2021-12-01 --days 1 >/dev/null
        diff -r --exclude seen agg-store disk/store
        diff -r agg-out disk/out";
    let run = in_namespace(&sandbox, script).exits(0);
    for command in ["reduce-day", "emit-window"] {
        let full = |line: &&str| line.contains(command) && line.ends_with("74");
        assert!(
            run.stdout.lines().any(|line| full(&line)),
            "{command} met no full disk: {}",
            run.stdout
        );
    }
}

#[test]
fn a_disk_that_fills_up_is_74_where_the_log_comes_through_a_pipe() {
    if !may_mount() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("log", log(60_000));
    let script = r"
        mkdir disk
        mount -t tmpfs -o size=200k none disk
        refused() {
            [ $1 = 74 ] && [ $(wc -l <errors) = 1 ] && grep -q free.space errors &&
                [ -z $(find disk -name '.agg-tmp-*') ] && [ ! -e disk/store/partials/2021-12-01.agg ]
        }
        reduce='reduce-day --quiet --store disk/store --date 2021-12-01'
        code=0; cat log | $agg $reduce - 2>errors || code=$?; refused $code
        code=0; $agg $reduce --from-command 'cat log' 2>errors || code=$?; refused $code
        mount -o remount,size=64m disk
        $agg $reduce --from-command 'cat log'";
    in_namespace(&sandbox, script).exits(0);
}

#[test]
fn a_store_on_a_disk_that_may_only_be_read_can_be_emitted_from() {
    if !may_mount() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, "1|1|FR\n2|2|DE\n");
    sandbox.write("more-20211202.log", "1|1|FR\n");
    sandbox.agg(&format!("emit-window --date {DAY} --days 1 --out expected")).exits(0);
    let script = r"
        mount --bind agg-store agg-store
        mount -o remount,ro,bind agg-store
        $agg emit-window --date 2021-12-01 --days 1
        $agg verify
        $agg list
        $agg inspect 2021-12-01
        code=0
        $agg reduce-day more-20211202.log 2>errors || code=$?
        [ $code = 73 ] && [ $(wc -l <errors) = 1 ] && grep -q agg-store errors
        code=0
        $agg emit-window --date 2021-12-01 --days 1 --out agg-store/out 2>errors || code=$?
        [ $code = 73 ]";
    in_namespace(&sandbox, script).exits(0);
    for file in sandbox.files(&format!("expected/{DAY}")) {
        let emitted = file.replace("expected", "agg-out");
        assert!(sandbox.read(&file) == sandbox.read(&emitted), "{file}");
    }
}

#[test]
fn of_two_writers_at_once_one_works_and_the_other_is_75() {
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, "1|1|FR\n");
    let mut command = sandbox.command();
    command.args(["reduce-day", "--date", "2021-12-02", "-"]).stdin(Stdio::piped());
    let mut first = spawn(&mut command);
    let mut stdin = first.stdin.take().unwrap();
    // More than a pipe holds: once it is taken, the first one is at work.
    let rows = "2|2|FR\n".repeat(40_000);
    stdin.write_all(rows.as_bytes()).unwrap();
    let others = [
        "reduce-day --date 2021-12-02 logs/2021-12-01.log",
        "reduce-day --force logs/2021-12-01.log",
        "backfill --logs logs --to 2021-12-01",
    ];
    for other in &others[..2] {
        sandbox.agg(other).exits(75).shows(&["agg-store", "locked"]).in_one_line();
    }
    drop(stdin);
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{first:?}");
    sandbox.agg("verify").exits(0);
    assert_eq!(sandbox.names("agg-store/partials"), ["2021-12-01.agg", "2021-12-02.agg"]);
    for other in &others[1..] {
        sandbox.agg(other).exits(0);
    }
}
