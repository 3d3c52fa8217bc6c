//! Several users of one machine: who may hold a lock, and the error for users who may only read.
//!
//! Root alone can be several users; the tests then say on standard error that they were skipped.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{DAY, Run, Sandbox};

/// Users that own nothing on a usual machine, and a group that two of them share.
const OWNER: u32 = 64_101;
const COLLEAGUE: u32 = 64_102;
const STRANGER: u32 = 64_103;
const GROUP: u32 = 64_110;

/// A sandbox that all users may enter, with the program in it; `None` where this user cannot be others.
struct Machine {
    sandbox: Sandbox,
    program: PathBuf,
}

impl Machine {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            // Not by `eprintln`, which is caught: that nothing was tested must be seen.
            let _ = writeln!(std::io::stderr(), "skipped: only root can be several users");
            return None;
        }
        let sandbox = Sandbox::new();
        set_mode(&sandbox.path(""), 0o755);
        let program = sandbox.path("agg");
        fs::copy(env!("CARGO_BIN_EXE_agg"), &program).unwrap();
        set_mode(&program, 0o755);
        sandbox.write(format!("{DAY}.log"), "1|1|FR\n2|2|DE\n");
        set_mode(&sandbox.path(format!("{DAY}.log")), 0o644);
        Some(Machine { sandbox, program })
    }

    /// Gives store and output to the owner, with this mode and group.
    fn folders(&self, mode: u32, group: u32) {
        for folder in ["agg-store", "agg-out"] {
            let folder = self.sandbox.path(folder);
            fs::create_dir(&folder).unwrap();
            chown(&folder, Some(OWNER), Some(group)).unwrap();
            set_mode(&folder, mode);
        }
    }

    /// Runs words as this user; all but the stranger are in the group besides.
    fn run(&self, user: u32, umask: &str, words: &str) -> Run {
        let groups = if user == STRANGER {
            "--clear-groups".to_owned()
        } else {
            format!("--groups={GROUP}")
        };
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), &groups]);
        command.args(["sh", "-c", &format!("umask {umask}; exec {words}")]);
        command.env_remove("AGG_STORE").env_remove("AGG_OUT").stdin(Stdio::null());
        self.sandbox.run(command.current_dir(self.sandbox.path("")))
    }

    fn agg(&self, user: u32, umask: &str, arguments: &str) -> Run {
        self.run(user, umask, &format!("{} {arguments}", self.program.display()))
    }

    fn locks(&self) -> [fs::Metadata; 2] {
        ["agg-store/.lock", "agg-out/.out.lock"]
            .map(|lock| fs::metadata(self.sandbox.path(lock)).unwrap())
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn reduce() -> String {
    format!("reduce-day --force {DAY}.log")
}

fn emit() -> String {
    format!("emit-window --days 1 --date {DAY}")
}

#[test]
fn a_user_who_may_only_read_can_neither_hold_a_lock_nor_write() {
    let Some(machine) = Machine::new() else { return };
    machine.folders(0o755, OWNER);
    machine.agg(OWNER, "022", &reduce()).exits(0);
    machine.agg(OWNER, "022", &emit()).exits(0);
    for lock in ["agg-store/.lock", "agg-out/.out.lock"] {
        machine.run(STRANGER, "022", &format!("flock --nonblock {lock} true")).exits(66);
    }
    let night = format!("nightly --logs . {DAY}");
    let refused =
        [(reduce(), "agg-store/.lock"), (emit(), "agg-out/.out.lock"), (night, "agg-store/.lock")];
    // Also where there is no lock file yet.
    for has_lock in [true, false] {
        for (arguments, lock) in &refused {
            let words = [*lock, &format!("only the user with the id {OWNER} may write here")];
            machine.agg(STRANGER, "022", arguments).exits(73).shows(&words).in_one_line();
            if has_lock {
                let _ = fs::remove_file(machine.sandbox.path(lock));
            }
        }
    }
    machine.agg(STRANGER, "022", &format!("query --user 1 --days 1 --date {DAY}")).exits(0);
}

#[test]
fn users_of_one_group_share_a_store_and_its_locks() {
    for mode in [0o2775, 0o775] {
        let Some(machine) = Machine::new() else { return };
        machine.folders(mode, GROUP);
        // Who comes first creates the lock.
        machine.agg(COLLEAGUE, "002", &reduce()).exits(0);
        machine.agg(COLLEAGUE, "002", &emit()).exits(0);
        for lock in machine.locks() {
            assert_eq!((lock.mode() & 0o7777, lock.gid()), (0o660, GROUP), "{mode:o}");
        }
        machine.agg(OWNER, "002", &format!("emit-window --days 1 --date {DAY} --force")).exits(0);
        let words = ["and its group may write here"];
        machine.agg(STRANGER, "022", &emit()).exits(73).shows(&words).in_one_line();
    }
}

#[test]
fn a_lock_that_root_creates_is_the_folder_owner_s() {
    let Some(machine) = Machine::new() else { return };
    machine.folders(0o750, GROUP);
    machine.sandbox.agg(&reduce()).exits(0);
    machine.sandbox.agg(&emit()).exits(0);
    for lock in machine.locks() {
        assert_eq!((lock.uid(), lock.gid(), lock.mode() & 0o7777), (OWNER, GROUP, 0o600));
    }
}

#[test]
fn a_lock_of_an_older_version_is_narrowed_by_its_owner_and_given_away_by_root() {
    let Some(machine) = Machine::new() else { return };
    machine.folders(0o755, OWNER);
    machine.agg(OWNER, "022", &reduce()).exits(0);
    let lock = machine.sandbox.path("agg-store/.lock");
    for (user, owner_before) in [(OWNER, OWNER), (0, 0), (0, OWNER)] {
        chown(&lock, Some(owner_before), Some(owner_before)).unwrap();
        set_mode(&lock, 0o666);
        machine.agg(user, "022", "prune --keep-days all").exits(0);
        let now = fs::metadata(&lock).unwrap();
        assert_eq!((now.uid(), now.mode() & 0o7777), (OWNER, 0o600), "as {user}");
    }
}

#[test]
fn a_colleague_who_comes_before_a_new_lock_file_has_its_mode_waits_for_it() {
    let Some(machine) = Machine::new() else { return };
    machine.folders(0o2770, GROUP);
    let lock = machine.sandbox.path("agg-store/.lock");
    fs::write(&lock, "").unwrap();
    chown(&lock, Some(OWNER), Some(GROUP)).unwrap();
    set_mode(&lock, 0o600);
    let widened = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        set_mode(&lock, 0o660);
    });
    machine.agg(COLLEAGUE, "022", &reduce()).exits(0);
    widened.join().unwrap();
    // One that stays private is its owner's alone.
    set_mode(&machine.sandbox.path("agg-store/.lock"), 0o600);
    machine.agg(COLLEAGUE, "022", &reduce()).exits(73).shows(&["only the user"]);
}
