//! What a hostile neighbour may do: names full of control bytes, links laid where files will be. Nothing of it reaches a
//! terminal, a shell or a file that is not ours; and no user reads more than the umask allows.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{DAY, Run, Sandbox};

/// An escape sequence, a bell, a line break, C1 controls, a right-to-left override, bytes that are not UTF-8, quotes.
const HOSTILE: &[u8] = b"a\x1b[31mb\x07\r\n\xc2\x9bc\xe2\x80\xae\xff'\"\\ $(x)";

fn hostile(prefix: &str, suffix: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&[prefix.as_bytes(), HOSTILE, suffix.as_bytes()].concat()))
}

/// No byte that moves a cursor, colours, rings, or hides text; lines end as lines do.
#[track_caller]
fn harmless(run: Run) -> Run {
    for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        let odd = |letter: char| {
            (letter.is_control() && letter != '\n') || ('\u{202a}'..='\u{202e}').contains(&letter)
        };
        let found = text.lines().find(|line| line.contains(odd));
        assert_eq!(found, None, "{stream} of {run:?}");
    }
    run
}

#[test]
fn no_byte_of_a_name_or_a_row_moves_a_cursor() {
    let sandbox = Sandbox::new();
    let (store, out, logs) = (hostile("store", ""), hostile("out", ""), hostile("logs", ""));
    let row = [HOSTILE, b"\n1|1|FR\n"].concat();
    sandbox.write(logs.join(hostile("20211201", ".log")), &row);
    sandbox.write(logs.join(hostile("no date", "")), &row);
    let agg = |words: &[&str], paths: &[&Path], code: i32| {
        let mut command = sandbox.command();
        command.args(words).args(paths).arg("--store").arg(&store);
        harmless(sandbox.run(&mut command).exits(code))
    };
    let log = logs.join(hostile("20211201", ".log"));
    let lax = "--max-reject-ratio=1";
    // A day refused, made, unchanged; the same log twice; a log that is not there.
    agg(&["reduce-day"], &[&log], 65).in_one_line();
    agg(&["reduce-day", lax, "-vvv"], &[&log], 0);
    agg(&["reduce-day", lax, "--json"], &[&log], 0);
    sandbox.write(logs.join(hostile("copy", ".log")), &row);
    let copies = [log.as_path(), &logs.join(hostile("copy", ".log"))];
    agg(&["reduce-day", lax, "--force", "--date", DAY], &copies, 65).in_one_line();
    agg(&["reduce-day"], &[&logs.join(hostile("20211201 gone", ".log"))], 66).in_one_line();
    fs::remove_file(sandbox.path(logs.join(hostile("copy", ".log")))).unwrap();

    agg(
        &["backfill", lax, "--emit", "--days=1", "-vvv", "--logs"],
        &[&logs, Path::new("--out"), &out],
        0,
    );
    agg(
        &["backfill", lax, "--emit", "--days=1", "--json", "--logs"],
        &[&logs, Path::new("--out"), &out],
        0,
    );
    agg(&["emit-window", "--days=1", "--date", DAY, "-v", "--out"], &[&out], 0);
    agg(&["emit-window", "--date", DAY, "--out"], &[&out], 66).in_one_line();
    for words in [&["list"][..], &["inspect", DAY], &["verify"], &["list", "--json"]] {
        agg(words, &[], 0);
    }
    // Damage, reported with the command that repairs it.
    let partial = sandbox.path(&store).join(format!("partials/{DAY}.agg"));
    let mut bytes = fs::read(&partial).unwrap();
    bytes[30] ^= 1;
    fs::write(&partial, bytes).unwrap();
    agg(&["verify"], &[], 65);
    agg(&["emit-window", "--days=1", "--date", DAY, "--out"], &[&out], 65).in_one_line();

    let rejects = sandbox.read(store.join(format!("rejects/{DAY}.txt")));
    assert!(rejects.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{rejects:?}");
    let lines = rejects.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(lines, 2, "two corrupt rows, a line each");
}

/// The report of a run that reduces `log` with the least memory, however many rows are corrupt.
fn reduced_with_least_memory(sandbox: &Sandbox, log: &str) -> serde_json::Value {
    let lax = "--max-reject-ratio 1 --max-log-reject-ratio 1";
    let words = format!("reduce-day --json --memory 64MiB --date {DAY} {lax} --force {log}");
    serde_json::from_str(&sandbox.agg(&words).exits(0).stdout).unwrap()
}

#[test]
fn a_row_of_a_gigabyte_and_a_log_that_decompresses_to_one_take_no_memory() {
    let sandbox = Sandbox::new();
    // A hole in a file: NULs that are nowhere on the disk.
    let line = fs::File::create(sandbox.path("line.log")).unwrap();
    line.set_len(1 << 30).unwrap();
    line.write_all_at(b"\n1|2|FR\n", 1 << 30).unwrap();
    let zeros = vec![0; 1 << 20];
    let bomb = zstd::stream::Encoder::new(Vec::new(), 1).and_then(|mut encoder| {
        (0..1 << 10).try_for_each(|_| encoder.write_all(&zeros))?;
        encoder.write_all(b"\n1|2|FR\n")?;
        encoder.finish()
    });
    sandbox.write("bomb.log.zst", bomb.unwrap());
    for log in ["line.log", "bomb.log.zst"] {
        let report = reduced_with_least_memory(&sandbox, log);
        assert_eq!(
            (&report["rows"], &report["rejects"]["too_long"]),
            (&2.into(), &1.into()),
            "{log}"
        );
        let peak = report["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak < 64 << 20, "{log}: {peak} bytes");
    }
}

/// Where links are laid to before a run, and what is there: nothing may be written through one.
fn victim(sandbox: &Sandbox) -> PathBuf {
    sandbox.write("victim/file", "untouched");
    sandbox.path("victim/file")
}

#[track_caller]
fn untouched(sandbox: &Sandbox) {
    assert_eq!(sandbox.files("victim"), ["victim/file"]);
    assert_eq!(sandbox.text("victim/file"), "untouched");
}

#[test]
fn nothing_is_written_through_a_link_under_the_name_of_a_file_to_come() {
    let sandbox = Sandbox::new();
    let target = victim(&sandbox);
    sandbox.write("day-20211201.log", "1|1|FR\nno row\n2|2|FR\n");
    for folder in ["agg-store/partials", "agg-store/rejects", "agg-out"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    symlink(&target, sandbox.path("agg-store/rejects/2021-12-01.txt")).unwrap();
    symlink(sandbox.path("victim/new"), sandbox.path("agg-store/partials/2021-12-01.agg")).unwrap();
    sandbox.agg("reduce-day --max-reject-ratio 1 day-20211201.log").exits(0);
    untouched(&sandbox);
    assert!(sandbox.rejects(DAY).contains("no row"));
    assert!(!sandbox.path("agg-store/partials/2021-12-01.agg").is_symlink());

    symlink(sandbox.path("victim"), sandbox.path("agg-out/2021-12-01")).unwrap();
    symlink(&target, sandbox.path("agg-out/latest")).unwrap();
    symlink(sandbox.path("victim"), sandbox.path("agg-out/.agg-tmp-latest-link")).unwrap();
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
    untouched(&sandbox);
    assert!(!sandbox.path("agg-out/2021-12-01").is_symlink());
    assert_eq!(fs::read_link(sandbox.path("agg-out/latest")).unwrap(), Path::new(DAY));
}

#[test]
fn a_sweep_removes_links_and_not_what_they_lead_to() {
    let sandbox = Sandbox::new();
    let target = victim(&sandbox);
    sandbox.reduced(DAY, "1|1|FR\n");
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
    for folder in ["agg-store/partials", "agg-store/rejects", "agg-store/tmp", "agg-out"] {
        symlink(&target, sandbox.path(folder).join(".agg-tmp-1")).unwrap();
        symlink(sandbox.path("victim"), sandbox.path(folder).join(".agg-tmp-2")).unwrap();
        let inside = sandbox.path(folder).join(".agg-tmp-3");
        fs::create_dir(&inside).unwrap();
        symlink(sandbox.path("victim"), inside.join("link")).unwrap();
    }
    sandbox.agg("reduce-day --force logs/2021-12-01.log").exits(0);
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
    untouched(&sandbox);
    let left = ["agg-store", "agg-out"].map(|root| sandbox.files(root)).concat();
    assert!(!left.iter().any(|name| name.contains(".agg-tmp-")), "{left:?}");
}

#[test]
fn a_link_under_the_name_of_a_lock_is_73_and_not_followed() {
    for lock in ["agg-store/.lock", "agg-out/.out.lock"] {
        let sandbox = Sandbox::new();
        let target = victim(&sandbox);
        sandbox.reduced(DAY, "1|1|FR\n");
        fs::create_dir_all(sandbox.path("agg-out")).unwrap();
        let _ = fs::remove_file(sandbox.path(lock));
        symlink(&target, sandbox.path(lock)).unwrap();
        let command = if lock.starts_with("agg-store") {
            "reduce-day --force logs/2021-12-01.log"
        } else {
            "emit-window --date 2021-12-01 --days 1"
        };
        sandbox.agg(command).exits(73).shows(&[lock, "symbolic link"]).in_one_line();
        untouched(&sandbox);
    }
}

/// Every file and folder below a folder, with its mode.
fn modes(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut modes = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        modes.push((path.clone(), path.metadata().unwrap().permissions().mode() & 0o777));
        if path.is_dir() {
            modes.extend(self::modes(&path));
        }
    }
    modes
}

#[test]
fn whatever_is_made_has_the_mode_that_the_umask_leaves() {
    for (umask, file, folder) in
        [("077", 0o600, 0o700), ("027", 0o640, 0o750), ("002", 0o664, 0o775)]
    {
        let sandbox = Sandbox::new();
        sandbox.write("day-20211201.log", "1|1|FR\n");
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        for words in ["reduce-day day-20211201.log", "emit-window --date 2021-12-01 --days 1"] {
            let mut command = Command::new("sh");
            command.args(["-c", &script, env!("CARGO_BIN_EXE_agg")]).args(words.split(' '));
            sandbox.run(command.current_dir(sandbox.path(""))).exits(0);
        }
        let mut seen = 0;
        for root in ["agg-store", "agg-out"] {
            let own = sandbox.path(root).metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(own, folder, "{root}");
            for (path, mode) in modes(&sandbox.path(root)) {
                // A lock file is open to those who may write to its folder, whatever the umask.
                let lock = if folder & 0o020 == 0 { 0o600 } else { 0o660 };
                let is_lock = path.extension().is_some_and(|extension| extension == "lock")
                    || path.ends_with(".lock");
                let expected = match path.is_dir() {
                    true => folder,
                    false if is_lock => lock,
                    false => file,
                };
                assert_eq!(mode, expected, "umask {umask}: {mode:o} {}", path.display());
                seen += 1;
            }
        }
        assert_eq!(
            seen, 14,
            "four folders, lock, partial, earlier days, rejects and seen logs; lock, folder and three files"
        );
    }
}
