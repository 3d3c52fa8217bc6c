//! The scripts of the night, run as cron runs them: on time, twice, late, without a day's log, and in folders whose
//! names would be commands if a shell ever read them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Run, Sandbox, hearing_signals, repository, spawn};

const DAYS: [&str; 9] = [
    "2021-11-29",
    "2021-11-30",
    "2021-12-01",
    "2021-12-02",
    "2021-12-03",
    "2021-12-04",
    "2021-12-05",
    "2021-12-06",
    "2021-12-07",
];
const WINDOWS: [&str; 3] = ["2021-12-05", "2021-12-06", "2021-12-07"];

/// The machine of an operator: settings, and logs that arrive one by one.
struct Machine {
    sandbox: Sandbox,
}

impl Machine {
    fn new() -> Self {
        Self::with_logs_in("logs", "")
    }

    /// `settings` are lines of the settings file, the last of a name counts.
    fn with_logs_in(logs: &str, settings: &str) -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path(logs)).unwrap();
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let lines = [
            format!("AGG={}", quoted(Path::new(env!("CARGO_BIN_EXE_agg")))),
            format!("AGG_LOGS={}", quoted(&sandbox.path(logs))),
            format!("AGG_STORE={}", quoted(&sandbox.path("agg-store"))),
            format!("AGG_OUT={}", quoted(&sandbox.path("agg-out"))),
            "AGG_MEMORY=64MiB".to_owned(),
        ];
        let example = fs::read_to_string(repository("scripts/ops/agg.env.example")).unwrap();
        sandbox.write("agg.env", format!("{example}\n{}\n{settings}\n", lines.join("\n")));
        Machine { sandbox }
    }

    /// The log of a day of the samples, whatever its name is, in the folder of the logs.
    fn arrives(&self, day: &str) {
        let compact = day.replace('-', "");
        let of_day = |name: &str| name.contains(day) || name.contains(&compact);
        for entry in fs::read_dir(repository("data-samples")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !of_day(&name) {
                continue;
            }
            let to = self.sandbox.path("logs").join(&name);
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&to).unwrap();
                for part in fs::read_dir(entry.path()).unwrap() {
                    let part = part.unwrap();
                    fs::copy(part.path(), to.join(part.file_name())).unwrap();
                }
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Run {
        let mut command = Command::new(repository("scripts/ops").join(script));
        self.sandbox.run(self.as_cron_does(command.args(arguments)))
    }

    /// Gives a command the place and the bare environment of a night.
    fn as_cron_does<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.stdin(Stdio::null()).current_dir(self.sandbox.path("")).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("AGG_ENV", self.sandbox.path("agg.env"))
    }

    fn night(&self, day: &str) -> Run {
        self.run("nightly.sh", &[day])
    }

    #[track_caller]
    fn has_windows(&self, windows: &[&str]) {
        let mut names = windows.to_vec();
        if !names.is_empty() {
            names.push("latest");
        }
        assert_eq!(self.sandbox.names("agg-out"), names);
        for window in windows {
            for kind in ["country", "user"] {
                let name = format!("{window}/top50_songs_per_{kind}.txt");
                let expected = fs::read(repository("tests/data/expected").join(&name)).unwrap();
                assert!(self.sandbox.read(format!("agg-out/{name}")) == expected, "{name}");
            }
        }
    }

    /// What is published, with the files that hold it: a file that is written again is another one.
    fn published(&self) -> Vec<(String, u64, Vec<u8>)> {
        let names = ["agg-store", "agg-out"].into_iter().flat_map(|root| self.sandbox.files(root));
        let entry = |name: String| {
            let inode = self.sandbox.path(&name).symlink_metadata().unwrap().ino();
            let bytes = fs::read(self.sandbox.path(&name)).unwrap_or_default();
            (name, inode, bytes)
        };
        names.map(entry).collect()
    }
}

#[test]
fn each_night_makes_its_window_and_the_same_night_again_does_nothing() {
    let machine = Machine::new();
    for (at, day) in DAYS.into_iter().enumerate() {
        machine.arrives(day);
        // The first week has no whole window yet, and a night that emits none has not succeeded.
        let code = if at < 6 { 66 } else { 0 };
        machine.night(day).exits(code);
        let published = machine.published();
        machine.night(day).exits(code);
        assert!(machine.published() == published, "{day}: the second run changed something");
        machine.has_windows(&WINDOWS[..(at + 1).saturating_sub(6)]);
    }
}

#[test]
fn a_night_that_comes_late_makes_up_for_those_that_were_missed() {
    let machine = Machine::new();
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    // Two days before the window of the last night: as the nights of old had left them.
    for day in &DAYS[..2] {
        machine.run("backfill.sh", &[day, day]).exits(0);
    }
    machine.night("2021-12-07").exits(0);
    machine.has_windows(&WINDOWS);
    let latest = fs::read_link(machine.sandbox.path("agg-out/latest")).unwrap();
    assert_eq!(latest, Path::new("2021-12-07"));
}

#[test]
fn a_log_that_comes_late_is_counted_by_the_next_night_in_every_window_it_belongs_to() {
    let machine = Machine::new();
    let late = "2021-12-04";
    DAYS.into_iter().filter(|day| *day != late).for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-03"]).exits(0);
    for day in ["2021-12-05", "2021-12-06"] {
        machine.night(day).exits(66).tells(&[late]);
    }
    machine.has_windows(&[]);
    // The night whose own log has not come fails too, and says so.
    machine.night(late).exits(66).tells(&[late]);
    machine.arrives(late);
    machine.night("2021-12-07").exits(0);
    machine.has_windows(&WINDOWS);
}

#[test]
fn a_day_that_was_missing_when_its_window_was_emitted_makes_the_window_stale() {
    let machine = Machine::with_logs_in("logs", "AGG_ALLOW_MISSING=yes");
    let late = "2021-12-04";
    DAYS.into_iter().filter(|day| *day != late).for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-07"]).exits(0);
    let manifest = || machine.sandbox.text("agg-out/2021-12-06/manifest.json");
    assert!(
        manifest().contains(late) && machine.sandbox.manifest("2021-12-06")["missing"][0] == late
    );
    machine.arrives(late);
    machine.night("2021-12-07").exits(0);
    for window in WINDOWS {
        assert_eq!(machine.sandbox.manifest(window)["missing"], serde_json::json!([]));
        for kind in ["country", "user"] {
            let name = format!("{window}/top50_songs_per_{kind}.txt");
            let expected = fs::read(repository("tests/data/expected").join(&name)).unwrap();
            assert!(machine.sandbox.read(format!("agg-out/{name}")) == expected, "{name}");
        }
    }
}

#[test]
fn a_published_window_that_is_stale_and_lacks_a_day_now_is_not_a_good_night() {
    let machine = Machine::with_logs_in("logs", "AGG_DAYS=7d\nAGG_METRICS=night.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-06"]).exits(0);
    assert!(!machine.sandbox.exists("night.prom"), "a backfill is no night");
    machine.night("2021-12-07").exits(0);
    assert!(machine.sandbox.text("night-night.prom").contains("agg_night_last_success"));
    assert!(machine.sandbox.text("night.prom").contains("agg_exit_status"));
    // A day is lost with its log, and another one was corrected.
    fs::remove_file(machine.sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    fs::remove_file(machine.sandbox.path("logs/listen-20211202.log.gz")).unwrap();
    let mut corrected = machine.sandbox.read("logs/sample_listen-2021-12-06.txt");
    corrected.extend_from_slice(b"\n1|1|FR\n");
    machine.sandbox.write("logs/sample_listen-2021-12-06.txt", corrected);
    fs::remove_file(machine.sandbox.path("night-night.prom")).unwrap();
    machine.night("2021-12-07").exits(66).tells(&["2021-12-02"]);
    assert!(!machine.sandbox.exists("night-night.prom"));
}

#[test]
fn nights_at_the_same_time_end_with_0_or_75() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=night.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-06"]).exits(0);
    for _ in 0..3 {
        let nights: Vec<_> = (0..2)
            .map(|_| {
                let mut command = Command::new(repository("scripts/ops/nightly.sh"));
                spawn(machine.as_cron_does(command.arg("2021-12-07")))
            })
            .collect();
        let ends: Vec<_> =
            nights.into_iter().map(|night| night.wait_with_output().unwrap()).collect();
        let codes: Vec<_> = ends.iter().map(|end| end.status.code()).collect();
        assert!(codes.iter().all(|code| [Some(0), Some(75)].contains(code)), "{ends:?}");
        assert!(codes.contains(&Some(0)), "{ends:?}");
    }
    machine.has_windows(&WINDOWS);
    let left = fs::read_dir(machine.sandbox.path("")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_temporary = |name: &&std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.contains(".tmp") || name.starts_with(".agg"))
    };
    assert_eq!(left.iter().find(is_temporary), None);
}

#[test]
fn a_setting_that_is_not_a_number_of_days_is_wrong_usage() {
    for days in ["x", "7w", "0", "-1", "99999", "08x"] {
        let machine = Machine::with_logs_in("logs", &format!("AGG_DAYS={days}"));
        machine.night("2021-12-07").exits(2);
    }
}

#[test]
fn a_window_so_long_that_its_days_would_be_removed_is_a_wrong_setting() {
    for (days, keep, code) in
        [(19, "35", 2), (18, "35d", 66), (7, "12", 2), (60, "all", 66), (7, "x", 2)]
    {
        let settings = format!("AGG_DAYS={days}\nAGG_KEEP_DAYS={keep}");
        let machine = Machine::with_logs_in("logs", &settings);
        machine.arrives("2021-12-07");
        let night = machine.night("2021-12-07").exits(code);
        assert!(code != 2 || night.stderr.contains("AGG_KEEP_DAYS"), "{night:?}");
    }
}

#[test]
fn settings_that_are_missing_or_name_no_program_are_wrong_usage() {
    for (setting, printed) in
        [("AGG_LOGS=", "AGG_LOGS"), ("AGG_STORE=", "AGG_STORE"), ("AGG=/nowhere/agg", "AGG is")]
    {
        let machine = Machine::with_logs_in("logs", setting);
        machine.night("2021-12-07").exits(2).tells(&[printed]).in_one_line();
    }
}

#[test]
fn a_closed_table_does_not_fail_the_night_but_a_full_disk_does() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=m.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-06"]).exits(0);
    let agg_env = machine.sandbox.path("agg.env");
    for (redirection, code) in [(">&-", 0), ("| true", 0), (">/dev/full", 74)] {
        let script = format!("set -o pipefail; \"$0\" 2021-12-07 {redirection}");
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(script)
            .arg(repository("scripts/ops/nightly.sh"))
            .env("AGG_ENV", &agg_env);
        machine.sandbox.run(command.current_dir(machine.sandbox.path(""))).exits(code);
        assert_eq!(machine.sandbox.exists("m-night.prom"), code == 0, "{redirection}");
        let _ = fs::remove_file(machine.sandbox.path("m-night.prom"));
    }
    fs::create_dir(machine.sandbox.path("m-night.prom")).unwrap();
    machine.night("2021-12-07").exits(73).tells(&["m-night.prom"]);
    assert_eq!(machine.sandbox.names("m-night.prom"), [""; 0]);
}

#[test]
fn no_word_of_the_settings_and_no_time_zone_fails_a_night_without_a_line() {
    // In Cairo the clocks of that day went from 23:59:59 to 01:00.
    let machine = Machine::with_logs_in("logs", "export TZ=Africa/Cairo");
    machine.sandbox.write("logs/2026-04-24.log", "1|1|FR\n");
    let mut command = Command::new(repository("scripts/ops/nightly.sh"));
    machine.as_cron_does(command.arg("2026-04-24")).env("TZ", "Africa/Cairo");
    machine.sandbox.run(&mut command).exits(66);
    assert!(machine.sandbox.has_partial("2026-04-24"));
    let machine = Machine::with_logs_in("logs", "AGG_OUT = out");
    machine
        .night("2021-12-07")
        .exits(2)
        .tells(&["AGG_OUT: command not found", "cannot be read as settings"]);
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
fn a_night_for_an_older_day_leaves_the_metrics_of_the_newest() {
    let machine = Machine::with_logs_in("logs", "AGG_METRICS=m.prom");
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-06"]).exits(0);
    machine.night("2021-12-06").exits(0);
    let metrics = || ["m.prom", "m-night.prom"].map(|name| machine.sandbox.text(name));
    let day = |at: u32| format!("\nagg_night_day_timestamp_seconds {at}\n");
    assert!(metrics()[1].contains(&day(1_638_748_800)), "{:?}", metrics());
    machine.night("2021-12-07").exits(0);
    let newest = metrics();
    assert!(newest[1].contains(&day(1_638_835_200)), "{newest:?}");
    machine.night("2021-12-06").exits(0);
    assert_eq!(metrics(), newest);
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
fn days_older_than_the_settings_keep_are_removed_after_a_good_night() {
    let machine = Machine::with_logs_in("logs", "AGG_KEEP_DAYS=15");
    machine.sandbox.write("logs/listen-20211101.log", "1|1|FR\n");
    machine.run("backfill.sh", &["2021-11-01", "2021-11-01"]).exits(0);
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.run("backfill.sh", &[DAYS[0], "2021-12-06"]).exits(0);
    assert!(machine.sandbox.has_partial("2021-11-01"));
    machine.night("2021-12-07").exits(0);
    assert!(!machine.sandbox.has_partial("2021-11-01"));
    assert!(!machine.sandbox.exists("agg-store/rejects/2021-11-01.txt"));
    assert!(DAYS.iter().all(|day| machine.sandbox.has_partial(day)));
}

#[test]
fn the_night_without_an_argument_is_the_day_before_today_in_utc() {
    let machine = Machine::new();
    let yesterday = Command::new("date").args(["-u", "-d", "yesterday", "+%F"]).output().unwrap();
    let yesterday = String::from_utf8(yesterday.stdout).unwrap();
    machine.sandbox.write(format!("logs/{}.log", yesterday.trim()), "1|1|FR\n");
    // Its window lacks six days. (It would be another day if the test ran over midnight.)
    machine.run("nightly.sh", &[]).exits(66);
    assert!(machine.sandbox.has_partial(yesterday.trim()));
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
    let refused = machine.run("backfill.sh", &["2021-11-30", "2021-12-08"]).exits(65);
    let printed = refused.stdout + &refused.stderr;
    assert!(!printed.contains('\x1b'), "{printed:?}");
    let more = ["2021-11-30", "2021-12-08", "--max-reject-ratio", "1"];
    let counted = machine.run("backfill.sh", &more).exits(0);
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
        machine.run("nightly.sh", &[day]).exits(2);
    }
    assert!(!sandbox.exists("pwned"));
    assert!(!sandbox.path(logs).join("pwned").exists());
}

#[test]
fn settings_that_are_not_there_are_66_and_wrong_usage_is_2() {
    let machine = Machine::new();
    machine.run("backfill.sh", &["2021-12-01"]).exits(2).tells(&["usage"]);
    machine.run("nightly.sh", &["2021-12-01", "2021-12-02"]).exits(2).tells(&["usage"]);
    fs::remove_file(machine.sandbox.path("agg.env")).unwrap();
    fs::create_dir(machine.sandbox.path("agg.env")).unwrap();
    machine.run("nightly.sh", &["2021-12-01"]).exits(66).tells(&["agg.env"]);
    fs::remove_dir(machine.sandbox.path("agg.env")).unwrap();
    for (script, days) in [("nightly.sh", &["2021-12-01"][..]), ("backfill.sh", &["2021-12-01"; 2])]
    {
        machine.run(script, days).exits(66).tells(&["agg.env", "AGG_ENV"]).in_one_line();
    }
}
