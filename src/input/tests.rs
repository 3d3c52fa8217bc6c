//! The stage as a whole against the obvious program: split the bytes at LF.
//!
//! Windows of 16 bytes or so put a cut under every case.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;

use super::digest::naive_digest;
use super::twin::{Twin, gzip, zstd};
use super::window::Geometry;
use super::*;
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::model::InputFacts;

const TINY: Geometry = Geometry { window: 16, kept: 10, header: false };
const MEMORY: u64 = 64 << 20;

/// The rows of a log by definition, and whether the last has no LF.
fn naive_rows(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let unterminated = bytes.last().is_some_and(|last| *last != b'\n');
    let mut rows: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if !unterminated {
        rows.pop();
    }
    (rows, unterminated)
}

/// Rows, each only as far as a cut row is sure to be kept.
fn shortened(rows: Vec<Vec<u8>>, kept: usize) -> Vec<Vec<u8>> {
    rows.into_iter().map(|row| row.into_iter().take(kept).collect()).collect()
}

/// What was read: the rows of each input, and the facts at the end.
#[derive(Debug)]
struct All {
    rows: Vec<Vec<Vec<u8>>>,
    disk_bytes: Vec<u64>,
    finished: Finished,
}

/// Inputs as they are named on a command line.
pub(super) fn inputs(paths: &[&str]) -> InputPaths {
    let mut inputs = InputPaths::default();
    for path in paths {
        match *path {
            "-" => inputs.push_standard_input(),
            path => inputs.push(Path::new(path)),
        }
    }
    inputs
}

fn source(twin: &Twin, paths: &[&str], geometry: Geometry) -> Result<Source> {
    Unread::look(Arc::new(twin.clone()), Arc::new(inputs(paths)), MEMORY)?.with_geometry(geometry)
}

/// A window's input, index, bytes on disk and rows.
type Taken = (usize, u64, u64, Vec<u8>);

fn take_all(source: &Source, threads: usize) -> Result<Vec<Taken>> {
    let taken = Mutex::new(Vec::new());
    let work = || {
        let mut window = Window::new();
        while source.next(&mut window)? {
            let Window { input, index, disk_bytes, .. } = window;
            taken.lock().unwrap().push((input, index, disk_bytes, window.rows().to_vec()));
        }
        assert!(!source.next(&mut window)?, "it stays at its end");
        Ok(())
    };
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let mut taken = taken.into_inner().unwrap();
    taken.sort();
    Ok(taken)
}

fn read_all(twin: &Twin, paths: &[&str], geometry: Geometry, threads: usize) -> Result<All> {
    let source = source(twin, paths, geometry)?;
    let taken = take_all(&source, threads)?;
    let mut rows = vec![Vec::new(); paths.len()];
    let mut disk_bytes = vec![0; paths.len()];
    let mut next = vec![0; paths.len()];
    for (input, index, bytes, window) in taken {
        assert_eq!(index, next[input], "numbers have no gaps");
        next[input] += 1;
        disk_bytes[input] += bytes;
        let mut split: Vec<Vec<u8>> = window.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        if split.last().is_some_and(Vec::is_empty) {
            split.pop();
        }
        rows[input].extend(split);
    }
    let counts: Vec<u64> = rows.iter().map(|rows| rows.len() as u64).collect();
    Ok(All { rows, disk_bytes, finished: source.finish(&counts)? })
}

/// Rows of one file in windows of 16 bytes, and whether its last row has no LF.
fn rows_of(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let twin = Twin::new();
    twin.put("a.log", bytes);
    twin.put("b.log.gz", &gzip(bytes));
    twin.put("c.log.zst", &zstd(bytes));
    twin.set_stdin(bytes);
    let all = read_all(&twin, &["a.log", "b.log.gz", "c.log.zst", "-"], TINY, 1).unwrap();
    let unterminated = !all.finished.unterminated.is_empty();
    let expected = if unterminated { vec![0, 1, 2, 3] } else { vec![] };
    assert_eq!(all.finished.unterminated, expected);
    let plain = all.rows[0].clone();
    for (facts, rows) in all.finished.facts.iter().zip(all.rows) {
        assert_eq!(facts.digest, naive_digest(bytes, TINY.window));
        assert_eq!(shortened(rows, TINY.kept), shortened(plain.clone(), TINY.kept));
    }
    (plain, unterminated)
}

fn texts(rows: &[&str]) -> Vec<Vec<u8>> {
    rows.iter().map(|row| row.as_bytes().to_vec()).collect()
}

#[test]
fn a_file_whose_reported_size_is_not_that_of_its_content_is_refused() {
    let plain: Vec<u8> = b"7|1|FR\n".repeat(9);
    let packed = gzip(&plain);
    let refused = |path: &str, bytes: &[u8], reported: u64| {
        let twin = Twin::new();
        twin.put(path, bytes);
        twin.report_size(path, reported);
        let error = read_all(&twin, &[path], TINY, 2).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        error.to_string()
    };
    let message = |path: &str, reported: u64, has: &str| {
        format!(
            "{path:?}: reports size {reported} but has {has}; copy it to a disk and count the copy"
        )
    };
    for (path, bytes) in [("a.log", &plain), ("a.log.gz", &packed)] {
        assert_eq!(refused(path, bytes, 0), message(path, 0, "content"));
        for wrong in [1, 16, 32, bytes.len() as u64 - 1, bytes.len() as u64 + 1, 4096] {
            let has = "a different amount of content";
            assert_eq!(refused(path, bytes, wrong), message(path, wrong, has));
        }
    }
}

#[test]
fn a_row_ends_at_lf_or_the_end_and_nothing_follows_a_final_lf() {
    assert_eq!(rows_of(b""), (texts(&[]), false));
    assert_eq!(rows_of(b"\n"), (texts(&[""]), false));
    assert_eq!(rows_of(b"\n\n"), (texts(&["", ""]), false));
    assert_eq!(rows_of(b"a"), (texts(&["a"]), true));
    assert_eq!(rows_of(b"a\n"), (texts(&["a"]), false));
    assert_eq!(rows_of(b"\r"), (texts(&["\r"]), true));
    assert_eq!(rows_of(b"a\r\nb\rc\0\r\n"), (texts(&["a\r", "b\rc\0\r"]), false));
    assert_eq!(rows_of(b"0123456789abcde\nx"), (texts(&["0123456789abcde", "x"]), true));
    assert_eq!(rows_of(b"0123456789abcdef\n"), (texts(&["0123456789abcdef"]), false));
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_alone() {
    assert_eq!(rows_of(b"\xEF\xBB\xBF"), (texts(&[]), false));
    assert_eq!(rows_of(b"\xEF\xBB\xBF\n"), (texts(&[""]), false));
    assert_eq!(rows_of(b"\xEF\xBB\xBFa"), (texts(&["a"]), true));
    let mark = "\u{FEFF}";
    let twice = format!("{mark}{mark}a\n{mark}b\n");
    assert_eq!(
        rows_of(twice.as_bytes()),
        (texts(&[&format!("{mark}a"), &format!("{mark}b")]), false)
    );
    assert_eq!(rows_of(b"\xEF\xBB"), (vec![b"\xEF\xBB".to_vec()], true));
}

#[test]
fn each_input_has_its_own_mark_and_no_row_spans_two() {
    let twin = Twin::new();
    twin.put("a.log", b"\xEF\xBB\xBFone");
    twin.put("b.log", b"\xEF\xBB\xBFtwo\n");
    twin.put("empty.log", b"");
    twin.put("c.log.gz", &[gzip(b"\xEF\xBB\xBFth"), gzip(b"ree\nfo"), gzip(b"ur")].concat());
    let all = read_all(&twin, &["a.log", "empty.log", "b.log", "c.log.gz"], TINY, 2).unwrap();
    assert_eq!(all.rows, [texts(&["one"]), vec![], texts(&["two"]), texts(&["three", "four"])]);
    assert_eq!(all.finished.unterminated, [0, 3]);
}

#[test]
fn a_row_over_many_windows_is_one_row_and_the_next_keeps_its_number() {
    for length in [16, 26, 27, 100, 101] {
        for (start, end) in [("", ""), ("ab\n", "\n"), ("0123456789abcde\n", "\nz\n"), ("", "\n\n")]
        {
            let bytes = [start.as_bytes(), &b"x".repeat(length), end.as_bytes()].concat();
            let (rows, unterminated) = rows_of(&bytes);
            let (expected, expected_unterminated) = naive_rows(&bytes);
            let whole = rows.iter().all(|row| row.len() >= TINY.kept || expected.contains(row));
            assert!(whole, "{rows:?}");
            assert_eq!(shortened(rows, TINY.kept), shortened(expected, TINY.kept));
            assert_eq!(unterminated, expected_unterminated);
        }
    }
}

#[test]
fn windows_of_the_real_size_join_to_the_whole_and_a_huge_row_stays_too_long() {
    let mut bytes: Vec<u8> = (0..250_000_u32)
        .flat_map(|row| format!("{row}|{}|FR\r\n", row % 977).into_bytes())
        .collect();
    bytes.splice(1_000_000..1_000_000, b"y".repeat(3 << 20));
    // A row of the maximum length of a good row, over the end of the first window.
    let at = (1 << 20) - 100;
    let long = [&b"\n"[..], &b"z".repeat(4096), b"\r\n"].concat();
    bytes.splice(at..at, long);
    let twin = Twin::new();
    twin.put("a.log", &bytes);
    twin.put("b.log.zst", &zstd(&bytes));
    let all = read_all(&twin, &["a.log", "b.log.zst"], Geometry::REAL, 3).unwrap();
    let (expected, _) = naive_rows(&bytes);
    for rows in all.rows {
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(&expected) {
            assert!(row == expected || row.len() >= 4098 && expected.starts_with(row));
        }
    }
    for facts in &all.finished.facts {
        assert_eq!(facts.digest, naive_digest(&bytes, 1 << 20));
        assert_eq!(facts.rows, expected.len() as u64);
    }
}

#[test]
fn facts_name_size_time_and_digest_of_each_input_in_its_place() {
    let twin = Twin::new();
    let (plain, packed) = (&b"1|2|FR\n3|4|US"[..], gzip(b"5|6|GB\n"));
    twin.put("d/a.log", plain);
    twin.put("d/b.txt.gz", &packed);
    twin.set_stdin(b"x\ny\n");
    let all = read_all(&twin, &["d/b.txt.gz", "-", "d/a.log"], TINY, 2).unwrap();
    let facts = |name: &'static str, size, modified_ns, bytes, rows| InputFacts {
        name: name.as_bytes(),
        size,
        modified_ns,
        digest: naive_digest(bytes, TINY.window),
        rows,
    };
    let expected = [
        facts("b.txt.gz", packed.len() as u64, 1_000_000_002, b"5|6|GB\n", 1),
        facts("-", 4, 0, b"x\ny\n", 2),
        facts("a.log", plain.len() as u64, 1_000_000_001, plain, 2),
    ];
    let facts = expected.into_iter().collect();
    assert_eq!(all.finished, Finished { facts, unterminated: vec![2], empty_pipes: vec![] });
    assert_eq!(all.disk_bytes, [packed.len() as u64, 4, plain.len() as u64]);
}

#[test]
fn a_source_reports_sizes_before_it_reads() {
    let twin = Twin::new();
    twin.put("d/a.log", b"12345");
    twin.put("b.log.gz", &[0; 9]);
    let two = source(&twin, &["d/a.log", "b.log.gz"], TINY).unwrap();
    assert_eq!(two.total_disk_bytes(), Some(14));
    let with_stdin = source(&twin, &["d/a.log", "-"], TINY).unwrap();
    assert_eq!(with_stdin.total_disk_bytes(), None);
    // Nor are formats needed for that.
    twin.fail_reads_from("d/a.log", 0);
    let unread = Unread::look(Arc::new(twin), Arc::new(inputs(&["d/a.log", "-"])), MEMORY).unwrap();
    let a = InputStat { name: b"a.log", size: 5, modified_ns: 1_000_000_001 };
    assert_eq!(unread.stats().collect::<Vec<_>>(), [Some(a), None]);
}

#[test]
fn digests_alone_give_the_same_facts() {
    let twin = Twin::new();
    let bytes = b"1|2|FR\n".repeat(100);
    twin.put("a.log", &bytes);
    twin.put("b.log.gz", &gzip(b"x\ny"));
    let paths = ["a.log", "b.log.gz"];
    let all = read_all(&twin, &paths, TINY, 1).unwrap();
    for threads in [1, 3] {
        let seen = Mutex::new(0);
        let source = source(&twin, &paths, TINY).unwrap();
        let total = source.total_disk_bytes().unwrap();
        let step = |bytes: u64| {
            *seen.lock().unwrap() += bytes;
            Ok(())
        };
        assert_eq!(digest_all(source, threads, &step).unwrap(), all.finished);
        assert_eq!(seen.into_inner().unwrap(), total);
    }
    let stop = |_| Err(ErrorKind::Interrupted(15).into());
    let stopped = digest_all(source(&twin, &paths, TINY).unwrap(), 2, &stop).unwrap_err();
    assert_eq!(stopped.class(), ErrorClass::Interrupted(15));
}

#[test]
fn more_files_than_may_be_open_are_read() {
    let twin = Twin::new();
    let names: Vec<String> =
        (0..300).map(|n| format!("{n}.log{}", ["", ".gz", ".zst"][n % 3])).collect();
    for (n, name) in names.iter().enumerate() {
        let bytes = format!("{n}\n").repeat(n % 40).into_bytes();
        let packed = match n % 3 {
            0 => bytes,
            1 => gzip(&bytes),
            _ => zstd(&bytes),
        };
        twin.put(name, &packed);
    }
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    let all = read_all(&twin, &paths, TINY, 3).unwrap();
    for (n, rows) in all.rows.iter().enumerate() {
        assert_eq!(*rows, vec![n.to_string().into_bytes(); n % 40]);
    }
    assert!(twin.max_open() <= 12, "{}", twin.max_open());
}

/// A frame whose header asks for a window of 2^`log` bytes, with one raw block: a row of one digit.
fn frame_with_window(log: u8, digit: u8) -> Vec<u8> {
    let header = [0x28, 0xB5, 0x2F, 0xFD, 0x00, (log - 10) << 3];
    [&header[..], &[0x11, 0x00, 0x00, digit, b'\n']].concat()
}

#[test]
fn windows_of_zstd_streams_together_stay_within_the_limit_of_one() {
    let twin = Twin::new();
    for n in 0..9_u8 {
        twin.put(format!("{n}.zst"), &frame_with_window(22, b'0' + n));
    }
    let names: Vec<String> = (0..9).map(|n| format!("{n}.zst")).collect();
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    // 8 MiB hold one such decoder and its buffers, not two: see the assertion where a window is given.
    let all = read_all(&twin, &paths, TINY, 8).unwrap();
    for (n, rows) in all.rows.iter().enumerate() {
        assert_eq!(*rows, [n.to_string().into_bytes()]);
    }
}

#[test]
fn streams_whose_later_frames_want_more_than_there_is_for_all_wait_and_none_loses_a_row() {
    let twin = Twin::new();
    // The number of threads, so that all are open when they begin to want more, each at its own frame.
    for n in 0..6_u8 {
        let windows = (0..40).map(|frame| if frame % 7 == n { 23 } else { 10 + n });
        let frames = windows.map(|log| frame_with_window(log, b'0' + n));
        twin.put(format!("{n}.zst"), &frames.collect::<Vec<_>>().concat());
    }
    let names: Vec<String> = (0..6).map(|n| format!("{n}.zst")).collect();
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    for threads in [1, 2, 6] {
        let all = read_all(&twin, &paths, TINY, threads).unwrap();
        for (n, rows) in all.rows.iter().enumerate() {
            assert_eq!(*rows, vec![n.to_string().into_bytes(); 40]);
        }
    }
}

/// Rows of all lengths, about 400 KiB.
fn many_rows() -> Vec<u8> {
    (0..40_000_u32).flat_map(|n| format!("{n}|{}|FR\r\n", n % 977).into_bytes()).collect()
}

#[test]
fn frames_of_one_file_are_decoded_by_many_threads_and_come_in_order() {
    let bytes = [b"\xEF\xBB\xBF", &many_rows()[..]].concat();
    let geometry = Geometry { window: 10_000, kept: 100, header: false };
    let (expected, _) = naive_rows(&bytes);
    for size in [1_000, 33_333, 150_000, 1 << 20] {
        let twin = Twin::new();
        let frames: Vec<u8> = bytes.chunks(size).flat_map(zstd).collect();
        twin.put("a.zst", &frames);
        twin.put("b.zst", &frames);
        for threads in [1, 2, 5] {
            let all = read_all(&twin, &["a.zst", "b.zst"], geometry, threads).unwrap();
            for (rows, facts) in all.rows.iter().zip(&all.finished.facts) {
                assert!(*rows == expected, "{size} {threads}");
                assert_eq!(facts.digest, naive_digest(&bytes, geometry.window));
            }
            assert_eq!(all.disk_bytes, vec![frames.len() as u64; 2]);
        }
    }
}

#[test]
fn damage_in_a_late_frame_is_reported_alike_with_any_number_of_threads() {
    let mut frames: Vec<Vec<u8>> = many_rows().chunks(50_000).map(zstd).collect();
    let middle = frames[5].len() / 2;
    frames[5][middle] ^= 0x55;
    let twin = Twin::new();
    twin.put("a.zst", &frames.concat());
    let geometry = Geometry { window: 10_000, kept: 100, header: false };
    let failure = |threads| read_all(&twin, &["a.zst"], geometry, threads).unwrap_err().to_string();
    let alone = failure(1);
    assert!(alone.contains("damaged zstd stream"), "{alone}");
    for threads in [2, 3, 8] {
        assert_eq!(failure(threads), alone);
    }
}

/// The error of reading, and its class.
fn failure(twin: &Twin, paths: &[&str]) -> (String, ErrorClass) {
    let error: Error = read_all(twin, paths, TINY, 2).unwrap_err();
    (error.to_string(), error.class())
}

#[test]
fn what_cannot_be_opened_is_reported_with_its_path() {
    let twin = Twin::new();
    twin.put("d/denied.log", b"");
    twin.deny("d/denied.log");
    twin.put_device("device");
    for (path, text) in [
        ("none", "\"none\": log not found; check the path"),
        ("d", "\"d\": cannot read it: is a directory"),
        ("d/denied.log", "\"d/denied.log\": cannot read it: permission denied"),
        (
            "device",
            "\"device\": cannot read it: it is a device or a socket: lead it into standard input and name that '-'",
        ),
    ] {
        assert_eq!(failure(&twin, &[path]), (text.to_owned(), ErrorClass::NoInput));
    }
}

#[test]
fn damage_in_a_stream_is_an_error_at_its_path_and_stays_an_error() {
    let bytes = b"1|2|FR\n".repeat(20);
    for (name, packed) in [("a.gz", gzip(&bytes)), ("a.zst", zstd(&bytes))] {
        let twin = Twin::new();
        twin.put(name, &packed[..packed.len() - 1]);
        twin.put("plain.log", &bytes);
        let source = source(&twin, &[name, "plain.log"], TINY).unwrap();
        let mut window = Window::new();
        let mut errors = 0;
        for _ in 0..100 {
            match source.next(&mut window) {
                Ok(more) => assert!(more, "it must not end"),
                Err(error) => {
                    assert_eq!(error.path(), Some(Path::new(name)));
                    errors += 1;
                }
            }
        }
        assert!(errors > 50);
        assert_eq!(source.finish(&[19, 20]).unwrap_err().path(), Some(Path::new(name)));
    }
    let twin = Twin::new();
    twin.put("empty.gz", b"");
    let text =
        "\"empty.gz\": at offset 0: damaged gzip stream: the file is empty; fetch the log again";
    assert_eq!(failure(&twin, &["empty.gz"]), (text.to_owned(), ErrorClass::Data));
}

#[test]
fn a_failing_disk_is_an_io_error_at_its_place() {
    let bytes = b"1|2|FR\n".repeat(100);
    let twin = Twin::new();
    twin.put("a.log", &bytes);
    // After the first bytes, which are read when the source is opened.
    twin.fail_reads_from("a.log", 600);
    let text = "\"a.log\": at offset 575: cannot read: the disk failed";
    let source = source(&twin, &["a.log"], TINY).unwrap();
    let mut window = Window::new();
    assert!((0..36).all(|_| source.next(&mut window).unwrap()));
    let error = source.next(&mut window).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.class()), (text, ErrorClass::Io));
    twin.put("b.gz", &gzip(&bytes));
    twin.fail_reads_from("b.gz", 3);
    let text = "\"b.gz\": at offset 0: cannot read: the disk failed";
    assert_eq!(failure(&twin, &["b.gz"]), (text.to_owned(), ErrorClass::Io));
}

#[test]
fn a_log_that_changes_while_it_is_read_is_refused() {
    let bytes = b"1|2|FR\n".repeat(20);
    let longer = [&bytes[..], b"5555|66666|GB\n"].concat();
    type Change = fn(&Twin, &str, &[u8]);
    let changes: [(Change, &[u8]); 5] = [
        (|twin, path, bytes| twin.change(path, bytes, false), &longer),
        (|twin, path, bytes| twin.change(path, bytes, false), b"1\n"),
        (|twin, path, bytes| twin.change(path, bytes, true), &bytes),
        (|twin, path, bytes| twin.put(path, bytes), &bytes),
        (|twin, path, _| twin.remove(path), &bytes),
    ];
    type Pack = fn(&[u8]) -> Vec<u8>;
    let packs: [(&str, Pack); 3] =
        [("a.log", |bytes| bytes.to_vec()), ("a.gz", gzip), ("a.zst", zstd)];
    for (name, pack) in packs {
        for (number, (change, changed)) in changes.iter().enumerate() {
            for windows_before in [0, 3] {
                let twin = Twin::new();
                twin.put(name, &pack(&bytes));
                let source = source(&twin, &[name], TINY).unwrap();
                let mut window = Window::new();
                for _ in 0..windows_before {
                    source.next(&mut window).unwrap();
                }
                change(&twin, name, &pack(changed));
                let result = loop {
                    match source.next(&mut window) {
                        Ok(true) => {}
                        Ok(false) => break source.finish(&[20]).map(|_| ()),
                        Err(error) => break Err(error),
                    }
                };
                let error = result.unwrap_err();
                assert_eq!(error.path(), Some(Path::new(name)));
                let gone = number == 4 && windows_before == 0;
                match error.kind() {
                    ErrorKind::LogChanged => assert!(!gone),
                    ErrorKind::Missing { .. } => assert!(gone),
                    _ => panic!("{name} {number} {windows_before}: {error}"),
                }
            }
        }
    }
}

#[test]
fn an_input_that_was_not_read_to_its_end_has_no_facts() {
    let twin = Twin::new();
    twin.put("a.log", &b"1|2|FR\n".repeat(20));
    twin.put("a.gz", &gzip(&b"1|2|FR\n".repeat(20)));
    for name in ["a.log", "a.gz"] {
        let source = source(&twin, &[name], TINY).unwrap();
        source.next(&mut Window::new()).unwrap();
        let text = source.finish(&[2]).unwrap_err().to_string();
        assert_eq!(text, format!("\"{name}\": cannot read: it was not read to its end"));
    }
}

#[test]
fn a_sample_is_whole_rows_from_all_plain_files_and_disturbs_nothing() {
    let twin = Twin::new();
    let rows = |from: usize, to: usize| -> String {
        (from..to).map(|row| format!("{row:05}\n")).collect()
    };
    twin.put("a.log", format!("\u{FEFF}{}", rows(0, 500)).as_bytes());
    twin.put("b.log.gz", &gzip(b"zzz\n"));
    twin.put("c.log", b"");
    twin.put("d.log", rows(500, 1000).as_bytes());
    let source = source(&twin, &["a.log", "b.log.gz", "c.log", "d.log"], TINY).unwrap();
    let mut window = Window::new();
    source.next(&mut window).unwrap();
    for (pieces, piece_bytes) in [(10, 60), (3, 600), (1, 100), (1000, 60), (7, 10_000)] {
        let sample = source.sample(pieces, piece_bytes).unwrap();
        assert!(sample.len() <= pieces.min(6003 / piece_bytes).max(1) + 1);
        let text = String::from_utf8(rows_in(sample).concat()).unwrap();
        let numbers: Vec<usize> = text.lines().map(|row| row.parse().unwrap()).collect();
        assert!(text.ends_with('\n') && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(numbers[0], 0);
        let fitting = pieces.min(6003 / piece_bytes).max(1);
        assert!(numbers.len() + 2 * fitting >= (fitting * piece_bytes).min(6003) / 6 - 1);
        assert_eq!(numbers.last().copied() > Some(500), pieces > 1);
    }
    assert_eq!(rows_in(source.sample(0, 10).unwrap()), Vec::<Vec<u8>>::new());
    let taken = take_all(&source, 1).unwrap();
    assert!(taken.iter().map(|window| window.3.len()).sum::<usize>() + window.rows().len() > 6000);
}

fn rows_in(sample: Vec<SamplePiece>) -> Vec<Vec<u8>> {
    sample.into_iter().map(|piece| piece.rows).collect()
}

#[test]
fn a_sample_of_streams_alone_is_empty_and_of_a_tiny_file_all_of_it() {
    let twin = Twin::new();
    twin.put("b.log.gz", &gzip(b"zzz\n"));
    twin.put("a.log", b"one\ntwo");
    let sample =
        |paths: &[&str]| rows_in(source(&twin, paths, TINY).unwrap().sample(8, 100).unwrap());
    assert_eq!(sample(&["b.log.gz", "-"]), Vec::<Vec<u8>>::new());
    assert_eq!(sample(&["a.log"]), [b"one\ntwo"]);
}

/// Bytes of a log: few kinds, so that ends of rows and rows over several windows are common.
fn any_log() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        6 => Just(b'a'),
        1 => Just(b'\n'),
        1 => prop_oneof![Just(b'\r'), Just(0), Just(0xEF)],
    ];
    let body = prop::collection::vec(byte, 0..200);
    (prop::option::weighted(0.2, Just(*b"\xEF\xBB\xBF")), body)
        .prop_map(|(mark, body)| [mark.as_ref().map_or(&[][..], |m| &m[..]), &body].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn windows_in_order_hold_exactly_the_rows_of_the_log(
        logs in prop::collection::vec((any_log(), 0..4_usize, 0..3_usize), 1..4),
        window in 4_usize..40,
        kept in 1_usize..30,
        threads in 1_usize..4,
        short_reads in 1_usize..30,
    ) {
        let twin = Twin::new();
        twin.read_at_most(short_reads);
        let (mut paths, mut contents) = (Vec::new(), Vec::new());
        for (number, (log, kind, parts)) in logs.into_iter().enumerate() {
            let part = (log.len() / (parts + 1)).max(1);
            let pack = |encode: fn(&[u8]) -> Vec<u8>| -> Vec<u8> {
                match log.is_empty() {
                    true => encode(b""),
                    false => log.chunks(part).flat_map(encode).collect(),
                }
            };
            let path = match kind {
                0 if !paths.contains(&"-".to_owned()) => {
                    twin.set_stdin(&log);
                    "-".to_owned()
                }
                1 => format!("{number}.gz"),
                2 => format!("{number}.zst"),
                _ => format!("{number}.log"),
            };
            match kind {
                1 => twin.put(&path, &pack(gzip)),
                2 => twin.put(&path, &pack(zstd)),
                _ => twin.put(&path, &log),
            }
            paths.push(path);
            contents.push(log);
        }
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let all = read_all(&twin, &paths, Geometry { window, kept, header: false }, threads).unwrap();
        for (at, log) in contents.iter().enumerate() {
            let (rows, unterminated) = naive_rows(log);
            let facts = all.finished.facts.iter().nth(at).unwrap();
            prop_assert_eq!(facts.digest, naive_digest(log, window));
            prop_assert_eq!(facts.rows, rows.len() as u64);
            prop_assert_eq!(all.disk_bytes[at], facts.size);
            prop_assert_eq!(all.finished.unterminated.contains(&at), unterminated);
            for (row, expected) in all.rows[at].iter().zip(&rows) {
                prop_assert!(row == expected || row.len() == kept && expected.starts_with(row));
            }
        }
    }
}
