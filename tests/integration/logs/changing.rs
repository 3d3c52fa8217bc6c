//! A log that grows, shrinks or is replaced while it is read is an error, whenever that happens: never a short day,
//! and never half of one log and half of another. A partial that is replaced while a window is read is one or the other.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use agg::job::{EmitOptions, ReduceOptions, emit_window, reduce_day};
use agg::{ErrorClass, ErrorKind, Result};

use crate::faulty::{Call, Faulty, Operation, Verdict};
use crate::harness::{DAY, Sandbox, gz, spawn, zst};
use crate::library::{context, context_over, unlocked};

/// What happens to a log.
#[derive(Debug, Clone, Copy)]
enum Change {
    Grow,
    Shrink,
    /// Another file of the same size and time gets the name.
    Replace,
    /// Other bytes of the same size in the same file.
    Rewrite,
    Remove,
}

const CHANGES: [Change; 5] =
    [Change::Grow, Change::Shrink, Change::Replace, Change::Rewrite, Change::Remove];

impl Change {
    fn make(self, log: &Path) {
        let bytes = fs::read(log).unwrap();
        match self {
            Change::Grow => {
                let mut file = File::options().append(true).open(log).unwrap();
                file.write_all(b"1|1|FR\n").unwrap();
            }
            Change::Shrink => {
                let file = File::options().write(true).open(log).unwrap();
                file.set_len(bytes.len() as u64 / 2).unwrap();
            }
            Change::Replace => {
                let other = log.with_extension("other");
                fs::write(&other, &bytes).unwrap();
                age(&other);
                fs::rename(other, log).unwrap();
            }
            Change::Rewrite => {
                let mut file = File::options().write(true).open(log).unwrap();
                file.write_all(&bytes).unwrap();
            }
            Change::Remove => fs::remove_file(log).unwrap(),
        }
    }
}

/// Gives a file a time that no later write will give it.
fn age(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A log to be changed, written anew for every try.
struct Log {
    sandbox: Sandbox,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Log {
    fn new(name: &str, bytes: Vec<u8>) -> Self {
        let sandbox = Sandbox::new();
        let path = sandbox.path(name);
        Log { sandbox, path, bytes }
    }

    /// Reduces it over a twin with this judge; gives the calls, too.
    fn reduce(
        &self,
        judge: impl Fn(&Call) -> Verdict + Send + Sync + 'static,
    ) -> (Result<()>, Vec<Call>) {
        let _ = fs::remove_dir_all(self.sandbox.path("agg-store"));
        fs::write(&self.path, &self.bytes).unwrap();
        age(&self.path);
        let twin = Faulty::new(judge);
        let context = context_over(twin.files(), &self.sandbox.path(""), 1 << 20, 1);
        let options = ReduceOptions {
            logs: vec![self.path.clone()],
            day: Some(DAY.parse().unwrap()),
            ..ReduceOptions::default()
        };
        loop {
            match reduce_day(&context, &options) {
                // Of a child that another test has just forked.
                Err(error) if error.class() == ErrorClass::Locked => std::thread::yield_now(),
                outcome => return (outcome.map(drop), twin.calls()),
            }
        }
    }

    /// The calls between which the log must stay as it is: from its first size to its last one.
    fn watched(&self) -> Vec<Call> {
        let (outcome, calls) = self.reduce(|_| Verdict::Go);
        outcome.unwrap();
        let of_log = |operation| {
            let path = &self.path;
            move |call: &Call| call.operation == operation && call.path == *path
        };
        let opened = calls.iter().position(of_log(Operation::Open)).unwrap();
        let first = opened + calls[opened..].iter().position(of_log(Operation::Stat)).unwrap();
        let last = calls.iter().rposition(of_log(Operation::Stat)).unwrap();
        assert!(calls.iter().filter(|call| of_log(Operation::Read)(call)).count() > 1);
        calls[first + 1..=last].to_vec()
    }

    /// Changes the log right before `at`, which must be found.
    fn expect_found(&self, change: Change, at: &Call) {
        let (number, path) = (at.number, self.path.clone());
        let (outcome, _) = self.reduce(move |call| {
            if call.number == number {
                change.make(&path);
            }
            Verdict::Go
        });
        let error = outcome.expect_err(&format!("{change:?} before {at:?}"));
        let changed = matches!(error.kind(), ErrorKind::LogChanged);
        // A log that is gone when it is to be opened is missing.
        let gone = matches!((change, error.kind()), (Change::Remove, ErrorKind::Missing { .. }));
        assert!(changed || gone, "{change:?} before {at:?}: {error}");
        let class = if changed { ErrorClass::Data } else { ErrorClass::NoInput };
        assert_eq!(error.class(), class, "{change:?} before {at:?}: {error}");
        assert_eq!(error.path(), Some(self.path.as_path()), "{change:?} before {at:?}: {error}");
        assert_eq!(self.sandbox.files("agg-store"), [""; 0], "{change:?} before {at:?}");
    }
}

fn rows(count: u64) -> String {
    (0..count).map(|at| format!("{}|{}|FR\n", at * at % 9_973, at % 101)).collect()
}

#[test]
fn a_log_that_changes_before_any_call_is_found() {
    for (name, bytes) in [
        ("day.log", rows(3_000).into_bytes()),
        ("day.log.gz", gz(rows(3_000))),
        ("day.log.zst", zst(rows(3_000))),
    ] {
        let log = Log::new(name, bytes);
        let watched = log.watched();
        for change in CHANGES {
            watched.iter().for_each(|call| log.expect_found(change, call));
        }
    }
}

#[test]
fn a_log_of_several_windows_that_changes_between_them_is_found() {
    for (name, bytes) in
        [("day.log", rows(190_000).into_bytes()), ("day.log.gz", gz(rows(190_000)))]
    {
        let log = Log::new(name, bytes);
        let reads: Vec<Call> =
            log.watched().into_iter().filter(|call| call.operation == Operation::Read).collect();
        let middle = &reads[reads.len() / 2];
        let last = reads.last().unwrap();
        for change in CHANGES {
            log.expect_found(change, middle);
            log.expect_found(change, last);
        }
    }
}

#[test]
fn a_log_that_changed_while_it_was_read_is_65_of_the_program() {
    for change in [Change::Grow, Change::Shrink, Change::Replace] {
        let sandbox = Sandbox::new();
        sandbox.write("day.log", rows(100));
        let mut command = sandbox.command();
        command.args(["reduce-day", "--date", DAY, "day.log", "-"]).stdin(Stdio::piped());
        let mut child = spawn(&mut command);
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: once it is taken, the log's size is known.
        stdin.write_all("1|1|FR\n".repeat(40_000).as_bytes()).unwrap();
        change.make(&sandbox.path("day.log"));
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(65), "{change:?}: {stderr}");
        assert!(stderr.contains("day.log") && stderr.lines().count() == 1, "{stderr}");
        assert!(!sandbox.has_partial(DAY));
    }
}

#[test]
fn a_log_that_changes_after_its_last_look_is_a_log_of_another_run() {
    let log = Log::new("day.log", rows(100).into_bytes());
    let after = log.watched().last().unwrap().number + 1;
    let path = log.path.clone();
    let (outcome, _) = log.reduce(move |call| {
        if call.number == after {
            Change::Grow.make(&path);
        }
        Verdict::Go
    });
    outcome.unwrap();
}

/// The tops and the manifest of the window of two days.
fn emission(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let files = sandbox.files("agg-out/2021-12-02");
    files.iter().map(|name| sandbox.read(name)).collect()
}

/// Emits the window of two days with a partial that becomes `new` at a call; gives the outcome and the calls.
fn emit_replacing(sandbox: &Sandbox, memory: u64, at: usize, new: &[u8]) -> (Result<()>, usize) {
    let path = sandbox.path("agg-store/partials/2021-12-02.agg");
    let (other, new) = (sandbox.path("new"), new.to_vec());
    let twin = Faulty::new(move |call| {
        if call.number == at {
            fs::write(&other, &new).unwrap();
            fs::rename(&other, &path).unwrap();
        }
        Verdict::Go
    });
    let options = EmitOptions {
        days: 3,
        ..EmitOptions::new("2021-12-02".parse().unwrap(), sandbox.path("agg-out"))
    };
    let outcome = emit_window(&context_over(twin.files(), &sandbox.path(""), memory, 1), &options);
    (outcome.map(drop), twin.calls().len())
}

#[test]
fn a_partial_that_is_replaced_while_a_window_is_read_is_the_old_one_or_the_new_one() {
    let sandbox = Sandbox::new();
    let partial = "agg-store/partials/2021-12-02.agg";
    let mut partials = Vec::new();
    for (day, count) in
        [("2021-11-30", 30), ("2021-12-01", 40), ("2021-12-02", 50), ("2021-12-02", 60)]
    {
        sandbox.write("day.log", rows(count));
        let options = ReduceOptions {
            logs: vec![sandbox.path("day.log")],
            day: Some(day.parse().unwrap()),
            force: true,
            ..ReduceOptions::default()
        };
        unlocked(|| reduce_day(&context(&sandbox.path(""), 1 << 20, 1), &options));
        partials.push(sandbox.path(partial).exists().then(|| sandbox.read(partial)));
    }
    let [_, _, Some(old), Some(new)] = &partials[..] else { panic!("two partials of the day") };
    // In one pass, and in several.
    for memory in [4 << 20, 200 << 10] {
        let outputs = [new, old].map(|bytes| {
            sandbox.write(partial, bytes);
            unlocked(|| emit_replacing(&sandbox, memory, usize::MAX, new).0);
            emission(&sandbox)
        });
        let undisturbed = emit_replacing(&sandbox, memory, usize::MAX, new).1;
        let mut looked_again = 0;
        let mut calls = 1;
        let mut at = 0;
        while at < calls {
            let _ = fs::remove_dir_all(sandbox.path("agg-out"));
            sandbox.write(partial, old);
            let (outcome, made) = emit_replacing(&sandbox, memory, at, new);
            match outcome {
                Ok(()) => assert!(outputs.contains(&emission(&sandbox)), "call {at}: a mixture"),
                Err(error) if matches!(error.kind(), ErrorKind::Locked) => continue,
                Err(error) => panic!("call {at}: {error}"),
            }
            looked_again += usize::from(made > undisturbed + 10);
            (at, calls) = (at + 1, made.max(calls));
        }
        assert!(looked_again > 0 && calls > 50, "{looked_again} of {calls}");
    }
}
