//! `nightly.sh` and `backfill.sh`: they read the settings as a shell does and become `agg`, in folders whose names would be
//! commands if a shell ever read them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{hearing_signals, repository, spawn};
use crate::machine::{DAYS, Machine};

#[test]
fn settings_that_are_missing_or_name_no_program_are_wrong_usage() {
    for (setting, printed) in
        [("AGG_LOGS=", "AGG_LOGS"), ("AGG_STORE=", "AGG_STORE"), ("AGG=/nowhere/agg", "AGG is")]
    {
        let machine = Machine::with_logs_in("logs", setting);
        machine.script("nightly.sh", "2021-12-07").exits(2).shows(&[printed]).in_one_line();
    }
}

#[test]
fn a_closed_table_does_not_fail_the_night_but_a_full_disk_does() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=m.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    for (redirection, code) in [(">&-", 0), ("| true", 0), (">/dev/full", 74)] {
        let script = format!("set -o pipefail; \"$0\" 2021-12-07 {redirection}");
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).arg(repository("scripts/ops/nightly.sh"));
        machine.sandbox.run(machine.as_cron_does(&mut command)).exits(code);
        assert_eq!(machine.sandbox.exists("m-night.prom"), code == 0, "{redirection}");
        let _ = fs::remove_file(machine.sandbox.path("m-night.prom"));
    }
    fs::create_dir(machine.sandbox.path("m-night.prom")).unwrap();
    machine.script("nightly.sh", "2021-12-07").exits(73).shows(&["m-night.prom"]);
    assert_eq!(machine.sandbox.names("m-night.prom"), [""; 0]);
}

#[test]
fn no_word_of_the_settings_and_no_time_zone_fails_a_night_without_a_line() {
    // In Cairo the clocks of that day went from 23:59:59 to 01:00.
    let machine = Machine::with_logs_in("logs", "export TZ=Africa/Cairo");
    machine.sandbox.write("logs/2026-04-24.log", "1|1|FR\n");
    machine.script("nightly.sh", "2026-04-24").exits(0);
    assert!(machine.sandbox.has_partial("2026-04-24"));
    // The program itself is not a shell.
    machine.night("2026-04-24").exits(2).shows(&["this line needs a shell"]).in_one_line();
    let machine = Machine::with_logs_in("logs", "AGG_OUT = out");
    machine
        .script("nightly.sh", "2021-12-07")
        .exits(2)
        .shows(&["AGG_OUT: command not found", "cannot be read as settings"]);
}

#[test]
fn settings_are_those_of_the_folder_and_never_a_program_of_that_name() {
    let machine = Machine::new();
    let sandbox = &machine.sandbox;
    sandbox.write("bin/agg.env", "touch pwned\n");
    fs::set_permissions(sandbox.path("bin/agg.env"), PermissionsExt::from_mode(0o755)).unwrap();
    machine.arrives("2021-12-07");
    for (script, days) in [("nightly.sh", &["2021-12-07"][..]), ("backfill.sh", &["2021-12-07"; 2])]
    {
        let mut command = Command::new(repository("scripts/ops").join(script));
        let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
        machine.as_cron_does(command.args(days)).env("PATH", path).env("AGG_ENV", "agg.env");
        sandbox.run(&mut command);
        assert!(!sandbox.exists("pwned") && sandbox.has_partial("2021-12-07"));
    }
}

#[test]
fn a_signal_to_the_script_ends_the_step_that_is_at_work() {
    let machine = Machine::new();
    let big = "1|1|FR\n2|7|DE\n".repeat(6_000_000);
    machine.sandbox.write("logs/listen-20211207.log", big);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut command = hearing_signals(repository("scripts/ops/nightly.sh"));
        let mut child = spawn(machine.as_cron_does(command.arg("2021-12-07")));
        while !machine.sandbox.exists("agg-store/.lock") {
            thread::sleep(Duration::from_millis(1));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code));
        // agg has ended too: its lock is free, and nothing comes of the day.
        let lock = fs::File::open(machine.sandbox.path("agg-store/.lock")).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(machine.sandbox.files("agg-store"), [""; 0]);
        fs::remove_dir_all(machine.sandbox.path("agg-store")).unwrap();
    }
}

#[test]
fn settings_that_are_not_there_are_66_and_wrong_usage_is_2() {
    let machine = Machine::new();
    machine.script("backfill.sh", "2021-12-01").exits(2).shows(&["usage"]);
    machine.script("nightly.sh", "2021-12-01 2021-12-02").exits(2).shows(&["2021-12-02"]);
    fs::remove_file(machine.sandbox.path("agg.env")).unwrap();
    fs::create_dir(machine.sandbox.path("agg.env")).unwrap();
    machine.script("nightly.sh", "2021-12-01").exits(66).shows(&["agg.env"]);
    fs::remove_dir(machine.sandbox.path("agg.env")).unwrap();
    for (script, days) in [("nightly.sh", "2021-12-01"), ("backfill.sh", "2021-12-01 2021-12-01")] {
        machine.script(script, days).exits(66).shows(&["agg.env", "AGG_ENV"]).in_one_line();
    }
    machine.night("2021-12-01").exits(66).shows(&["agg.env"]).in_one_line();
}

/// Names that run something, or stop something, in a shell that reads them.
const NASTY: [&[u8]; 9] = [
    b"20211130 $(touch pwned).log",
    b"20211201`touch pwned`.log",
    b"20211202;touch pwned;.log",
    b"20211203\ntouch pwned\n.log",
    b"20211204' && touch pwned '.log",
    b"20211205\" | touch pwned \".log",
    b"-rf 20211206 * ? [a-z] ~ $HOME.log",
    b"20211207\xff\x1b[31m\xe9.log",
    b"--force 20211208.log",
];

#[test]
fn no_name_is_ever_a_command() {
    let logs = "lo gs $(touch pwned) `touch pwned`; touch pwned' \"\n*";
    let machine = Machine::with_logs_in(logs, "");
    let sandbox = &machine.sandbox;
    for name in NASTY {
        let path = sandbox.path(logs).join(OsStr::from_bytes(name));
        fs::write(path, "7|1|FR\nno row\x1b[31m\n").unwrap();
    }
    // One of two rows is corrupt.
    let refused = machine.script("backfill.sh", "2021-11-30 2021-12-08").exits(65);
    let printed = refused.stdout + &refused.stderr;
    assert!(!printed.contains('\x1b'), "{printed:?}");
    let more = "2021-11-30 2021-12-08 --max-reject-ratio 1";
    let counted = machine.script("backfill.sh", more).exits(0);
    let printed = counted.stdout + &counted.stderr;
    assert!(!printed.contains('\x1b'), "{printed:?}");
    assert_eq!(sandbox.names("agg-store/partials").len(), NASTY.len());
    assert_eq!(sandbox.names("agg-out"), ["2021-12-06", "2021-12-07", "2021-12-08", "latest"]);
    for rejects in sandbox.files("agg-store/rejects") {
        let text = sandbox.read(&rejects);
        assert!(text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{rejects}");
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1, "{rejects}");
    }
    for day in ["2021-12-07; touch pwned", "$(touch pwned)", "2021-12-07\n", "--help", "2021-13-01"]
    {
        let mut command = Command::new(repository("scripts/ops/nightly.sh"));
        let code = if day == "--help" { 0 } else { 2 };
        sandbox.run(machine.as_cron_does(command.arg(day))).exits(code);
    }
    assert!(!sandbox.exists("pwned"));
    assert!(!sandbox.path(logs).join("pwned").exists());
}
