//! Files, folders, standard input, compression: what a day's input may be, and that it is never a short day.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{DAY, Run, Sandbox, Totals, gz, zst};

/// A log of `rows` rows that all have this number as song and user.
fn log_of(number: u32, rows: usize) -> String {
    format!("{number}|{number}|FR\n").repeat(rows)
}

/// Reduces `inputs` as the logs of [`DAY`].
#[track_caller]
fn reduce(sandbox: &Sandbox, inputs: &str) -> Run {
    sandbox.agg(&format!("reduce-day --date {DAY} {inputs}"))
}

/// Expects that this content under this name is refused as damaged, and that no partial is left.
#[track_caller]
fn assert_damaged(name: &str, content: &[u8]) {
    let sandbox = Sandbox::new();
    sandbox.write(name, content);
    sandbox.write("good.log", log_of(1, 3));
    reduce(&sandbox, &format!("good.log {name}")).exits(65).shows(&[name]).in_one_line();
    assert!(!sandbox.has_partial(DAY), "a day without its damaged log is a short day");
}

#[test]
fn a_folder_gives_its_own_logs_in_byte_order_of_their_names() {
    let sandbox = Sandbox::new();
    let names =
        ["B.log", "a.txt", "a10.log.gz", "a2.log.zst", "b.txt.gz", "c.txt.zst", "\u{e9}.log"];
    for name in names {
        let row = format!("{name}\n");
        let log = match name.rsplit('.').next() {
            Some("gz") => gz(row),
            Some("zst") => zst(row),
            _ => row.into_bytes(),
        };
        sandbox.write(format!("day/{name}"), log);
    }
    sandbox
        .agg(&format!("reduce-day --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 day"))
        .exits(0);
    let shown: Vec<String> = names
        .map(|name| name.replace('\u{e9}', "\\xc3\\xa9"))
        .map(|name| format!("{name}:1: field_count: {name}\n"))
        .into();
    assert_eq!(sandbox.rejects(DAY), shown.concat());
}

#[test]
fn what_is_not_a_log_in_a_folder_is_named_or_on_the_quiet_list() {
    let sandbox = Sandbox::new();
    sandbox.write("day/part-1.log", log_of(1, 1));
    sandbox.write("day/deeper/part-2.log", log_of(2, 1));
    for name in [".hidden.log", "_SUCCESS", "part.log~"] {
        sandbox.write(format!("day/{name}"), log_of(9, 1));
    }
    let named = ["part.csv", "part.log.lz4", "part.log.tmp", "part.log.gz.tmp", "part.LOG", "old"];
    for name in named {
        let log = if name == "old" { "old/part.log" } else { name };
        sandbox.write(format!("day/{log}"), log_of(9, 1));
    }
    let run = reduce(&sandbox, "day").exits(0);
    assert_eq!(run.stderr.lines().count(), named.len());
    run.shows(
        &named
            .map(|name| format!("warning: skipped \"day/{name}\""))
            .each_ref()
            .map(String::as_str),
    );
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n2|2:1\n");
}

#[test]
fn files_and_folders_may_be_given_together() {
    let sandbox = Sandbox::new();
    sandbox.write("one/part.log", log_of(1, 1));
    sandbox.write("two/part.log", log_of(2, 2));
    sandbox.write("three", log_of(3, 3));
    sandbox.write("four.gz", gz(log_of(4, 4)));
    sandbox.write("five.zst", zst(log_of(5, 5)));
    reduce(&sandbox, "one two/ three four.gz five.zst").exits(0);
    let expected = (1..=5).map(|n| format!("{n}|{n}:{n}\n")).collect::<String>();
    assert_eq!(sandbox.tops_of_day(DAY).1, expected);
}

#[test]
fn a_link_to_a_log_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("kept/elsewhere", log_of(1, 1));
    symlink("kept/elsewhere", sandbox.path("listen-20211201.log")).unwrap();
    sandbox.agg("reduce-day listen-20211201.log").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n");
}

#[test]
fn a_folder_without_a_log_is_missing_input() {
    let sandbox = Sandbox::new();
    sandbox.write("day/readme.md", "no log");
    reduce(&sandbox, "day").exits(66).shows(&["day"]).in_one_line();
    assert!(!sandbox.has_partial(DAY));
}

#[test]
fn a_log_that_is_not_there_is_missing_input_and_the_others_are_not_reduced() {
    let sandbox = Sandbox::new();
    sandbox.write("good.log", log_of(1, 1));
    reduce(&sandbox, "good.log gone.log").exits(66).shows(&["gone.log"]).in_one_line();
    assert!(!sandbox.has_partial(DAY));
}

#[test]
fn a_file_that_reports_size_0_and_has_content_is_refused_and_read_through_standard_input() {
    let sandbox = Sandbox::new();
    if !Path::new("/proc/self/status").exists() {
        return;
    }
    let words = "\"/proc/self/status\": reports size 0 but has content; copy it to a disk and count the copy";
    let flags = "--store it's --max-reject-ratio 1 --max-log-reject-ratio 1 --json --force";
    let run = sandbox.agg(&format!("reduce-day {flags} --date {DAY} /proc/self/status"));
    let run = run.exits(65).shows(&[words]).in_one_line();
    assert_eq!(sandbox.files("it's/partials"), [""; 0]);
    let (_, command) = run.stderr.trim_end().split_once(", or run: ").unwrap();
    let mut shell = std::process::Command::new("sh");
    let run = sandbox.run(shell.current_dir(sandbox.path("")).args(["-c", command])).exits(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(Totals::of(&report).rejected > 20, "{report}");
    assert!(sandbox.exists(format!("it's/partials/{DAY}.agg")));
    // The day of the name is that of the command.
    let dated = sandbox.path("listen-20211203.log");
    std::os::unix::fs::symlink("/proc/self/status", &dated).unwrap();
    let end = "agg reduce-day --date 2021-12-03 - <listen-20211203.log\n";
    let run = sandbox.agg("reduce-day listen-20211203.log").exits(65);
    assert!(run.stderr.ends_with(end), "{run:?}");
    // For a log found in a folder, and where standard input is taken, there is no such command.
    for arguments in [
        "reduce-day --date 2021-12-03 .",
        "reduce-day --date 2021-12-03 --logs listen-20211203.log",
        "reduce-day --date 2021-12-03 - listen-20211203.log",
        "backfill --logs .",
    ] {
        let run = sandbox.agg(arguments).exits(65).shows(&["and count the copy\n"]);
        assert!(!run.stderr.contains("or run"), "{run:?}");
    }
}

#[test]
fn standard_input_is_a_log() {
    let sandbox = Sandbox::new();
    sandbox.agg_reading(log_of(1, 5).as_bytes(), &format!("reduce-day --date {DAY} -")).exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:5\n");
}

#[test]
fn standard_input_may_be_one_of_several_inputs_and_longer_than_a_pipe() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", log_of(1, 1));
    let long = log_of(7, 300_000);
    sandbox.agg_reading(long.as_bytes(), &format!("reduce-day --date {DAY} a.log -")).exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n7|7:300000\n");
}

#[test]
fn standard_input_has_no_date_of_its_own() {
    let sandbox = Sandbox::new();
    sandbox.agg_reading(b"1|1|FR\n", "reduce-day -").exits(65).shows(&["--date"]).in_one_line();
}

#[test]
fn every_member_of_a_gzip_log_is_read() {
    let sandbox = Sandbox::new();
    let members: Vec<Vec<u8>> = (1..=40).map(|n| gz(log_of(n, 1))).collect();
    sandbox.write("many.log.gz", members.concat());
    reduce(&sandbox, "many.log.gz").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1.lines().count(), 40);
}

#[test]
fn every_frame_of_a_zstd_log_is_read() {
    let sandbox = Sandbox::new();
    let mut frames: Vec<Vec<u8>> = (1..=40).map(|n| zst(log_of(n, 1))).collect();
    // A skippable frame, as the format allows anywhere: magic, length, content.
    frames.insert(20, [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat());
    sandbox.write("many.log.zst", frames.concat());
    reduce(&sandbox, "many.log.zst").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1.lines().count(), 40);
}

#[test]
fn zero_padding_after_a_compressed_log_is_ignored() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log.gz", [gz(log_of(1, 1)), vec![0; 5000]].concat());
    sandbox.write("b.log.zst", [zst(log_of(2, 1)), vec![0; 5000]].concat());
    reduce(&sandbox, "a.log.gz b.log.zst").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n2|2:1\n");
}

#[test]
fn trailing_bytes_that_are_not_zero_are_damage() {
    for tail in [&b"1|1|FR\n"[..], b"\0\0\0x", b"\x1f", b"\x28"] {
        assert_damaged("a.log.gz", &[&gz(log_of(1, 100)), tail].concat());
        assert_damaged("a.log.zst", &[&zst(log_of(1, 100)), tail].concat());
    }
}

#[test]
fn a_member_after_zero_padding_is_not_skipped_in_silence() {
    assert_damaged("a.log.gz", &[gz(log_of(1, 9)), vec![0; 600], gz(log_of(2, 9))].concat());
}

#[test]
fn a_compressed_log_cut_anywhere_is_damage() {
    let text: String = (0..400_u32).map(|n| format!("{}|{}|FR\n", n * 7919, n)).collect();
    for (name, whole) in [("a.log.gz", gz(&text)), ("a.log.zst", zst(&text))] {
        let all = whole.len();
        for length in [1, 3, 8, 11, 20, all / 2, all - 9, all - 5, all - 1] {
            assert_damaged(name, &whole[..length]);
        }
        // The second of two members, in its middle.
        let two = [&whole[..], &whole[..]].concat();
        assert_damaged(name, &two[..all + all / 2]);
    }
}

#[test]
fn a_compressed_log_of_no_bytes_is_damage_and_a_log_of_no_rows_is_not() {
    assert_damaged("a.log.gz", b"");
    assert_damaged("a.log.zst", b"");
    let sandbox = Sandbox::new();
    sandbox.write("a.log.gz", gz(""));
    sandbox.write("b.log.zst", zst(""));
    sandbox.write("c.log", "");
    sandbox.write("d.log", log_of(1, 1));
    reduce(&sandbox, "a.log.gz b.log.zst c.log d.log").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n");
}

#[test]
fn a_changed_byte_in_a_compressed_log_is_damage() {
    let text: String = (0..400_u32).map(|n| format!("{}|{}|FR\n", n * 7919, n)).collect();
    for (name, whole) in [("a.log.gz", gz(&text)), ("a.log.zst", zst(&text))] {
        // The magic number, the middle, the checksum.
        for at in [1, whole.len() / 2, whole.len() - if name.ends_with("gz") { 6 } else { 2 }] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert_damaged(name, &damaged);
        }
    }
}

#[test]
fn a_plain_log_named_as_a_compressed_one_is_damage() {
    assert_damaged("a.log.gz", log_of(1, 50).as_bytes());
    assert_damaged("a.log.zst", log_of(1, 50).as_bytes());
}

/// A zstd frame of one raw block whose header asks for a window of 2 to the `log` bytes.
fn frame_with_window(log: u8, content: &str) -> Vec<u8> {
    let mut frame = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    // No checksum, no content size, no dictionary; then exponent and mantissa of the window.
    frame.extend([0, (log - 10) << 3]);
    let block = u32::try_from(content.len()).unwrap() << 3 | 1;
    frame.extend(&block.to_le_bytes()[..3]);
    frame.extend(content.as_bytes());
    frame
}

#[test]
fn a_zstd_window_may_have_8_mib_or_an_eighth_of_the_memory() {
    let sandbox = Sandbox::new();
    sandbox.write("23.log.zst", frame_with_window(23, &log_of(1, 3)));
    sandbox.write("24.log.zst", frame_with_window(24, &log_of(1, 3)));
    sandbox.write("26.log.zst", frame_with_window(26, &log_of(1, 3)));
    sandbox.write("27.log.zst", frame_with_window(27, &log_of(1, 3)));
    for (memory, log, code) in [
        ("64MiB", "23.log.zst", 0),
        ("64MiB", "24.log.zst", 65),
        ("64MiB", "27.log.zst", 65),
        ("512MiB", "26.log.zst", 0),
        ("512MiB", "27.log.zst", 65),
    ] {
        let date = format!("2021-12-{}", &log[..2]);
        let store = format!("{memory}-{code}");
        let run = sandbox
            .agg(&format!("reduce-day --date {date} --store {store} --memory {memory} {log}"));
        run.exits(code);
        assert_eq!(sandbox.exists(format!("{store}/partials/{date}.agg")), code == 0);
    }
}

#[test]
fn of_a_log_and_its_compressed_form_the_plain_one_counts() {
    for (other, compressed) in
        [("gz", gz as fn(String) -> Vec<u8>), ("zst", zst as fn(String) -> Vec<u8>)]
    {
        let sandbox = Sandbox::new();
        let (log, form) = ("day/part.log", format!("day/part.log.{other}"));
        sandbox.write(log, log_of(1, 3));
        sandbox.write(&form, compressed(log_of(1, 3)));
        for inputs in ["day".to_owned(), format!("{form} {log}")] {
            reduce(&sandbox, &format!("--force {inputs}")).exits(0).in_no_line();
            assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:3\n");
        }
        // Its writer is not done.
        let whole = compressed(log_of(1, 3));
        sandbox.write(&form, &whole[..whole.len() - 2]);
        let run = reduce(&sandbox, "--force day").exits(0);
        run.shows(&[&form, "it is cut short", "\"day/part.log\" is counted"]).in_one_line();
        // It is whole, and another log.
        sandbox.write(&form, compressed(log_of(2, 3)));
        let run = reduce(&sandbox, "--force day").exits(65);
        run.shows(&[&form, "has other content than \"day/part.log\""]).in_one_line();
        assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:3\n");
    }
    let sandbox = Sandbox::new();
    sandbox.write("day/part.log.gz", gz(log_of(1, 1)));
    sandbox.write("day/part.log.zst", zst(log_of(1, 1)));
    reduce(&sandbox, "day").exits(0).in_no_line();
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n");
}

#[test]
fn names_that_differ_in_more_than_the_compression_are_different_logs() {
    let sandbox = Sandbox::new();
    sandbox.write("day/part.log", log_of(1, 1));
    sandbox.write("day/part.txt", log_of(2, 1));
    sandbox.write("day/part.log.log.gz", gz(log_of(3, 1)));
    sandbox.write("other/part.log.gz", gz(log_of(4, 1)));
    reduce(&sandbox, "day other").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n2|2:1\n3|3:1\n4|4:1\n");
}

#[test]
fn one_file_under_several_names_is_one_log() {
    let sandbox = Sandbox::new();
    sandbox.write("day/part.log", log_of(1, 1));
    symlink("part.log", sandbox.path("day/same.txt")).unwrap();
    fs::hard_link(sandbox.path("day/part.log"), sandbox.path("day/hard.log")).unwrap();
    for inputs in
        ["day/part.log day/part.log", "day/part.log ./day/part.log", "day day/part.log", "day"]
    {
        reduce(&sandbox, &format!("--force {inputs}")).exits(0);
        assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:1\n", "{inputs}");
    }
    reduce(&sandbox, "- day -").exits(65).shows(&["\"-\": given twice"]).in_one_line();
}

#[test]
fn logs_with_the_same_content_are_refused_unless_they_may() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", log_of(1, 9));
    sandbox.write("copy.log", log_of(1, 9));
    sandbox.write("copy.log.gz", gz(log_of(1, 9)));
    for copy in ["copy.log", "copy.log.gz"] {
        let run = reduce(&sandbox, &format!("a.log {copy}")).exits(65);
        run.shows(&["has the same content as", "--allow-duplicates"]).in_one_line();
        assert!(!sandbox.has_partial(DAY));
    }
    reduce(&sandbox, "--allow-duplicates a.log copy.log").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:18\n");
    let again = reduce(&sandbox, "a.log copy.log").exits(0);
    assert!(again.stdout.contains("unchanged"), "{again:?}");
}

#[test]
fn logs_that_begin_alike_or_share_a_whole_mebibyte_are_refused() {
    let sandbox = Sandbox::new();
    let rows = |from: u64, to: u64| (from..to).map(|at| format!("{at}|1|FR\n")).collect::<String>();
    sandbox.write("a.log", rows(0, 9));
    sandbox.write("start.log", rows(0, 4));
    sandbox.write("one.log", rows(0, 1));
    sandbox.write("a.gz", gz(rows(0, 9)));
    sandbox.write("big.log", rows(0, 300_000));
    sandbox.write("big.gz", gz(rows(0, 200_000)));
    sandbox.write("big.zst", zst(rows(0, 400_000) + "x"));
    sandbox.write("other.log", rows(0, 3) + "4|1|FR\n");
    sandbox.write("corrupt.log", "0|1\n");
    for (logs, words) in [
        ("a.log start.log", "\"a.log\": begins with the whole content of \"start.log\""),
        ("one.log a.gz", "\"a.gz\": begins with the whole content of \"one.log\""),
        ("big.zst a.log", "\"big.zst\": begins with the whole content of \"a.log\""),
        ("big.log big.gz", "\"big.gz\": has a whole MiB in common with \"big.log\""),
        ("other.log big.log big.zst", "\"big.zst\": has a whole MiB in common with \"big.log\""),
    ] {
        let run = reduce(&sandbox, logs).exits(65).shows(&[words, "--allow-duplicates"]);
        run.in_one_line();
        assert!(!sandbox.has_partial(DAY));
    }
    reduce(&sandbox, "other.log corrupt.log start.log --max-reject-ratio 0.5").exits(0);
    reduce(&sandbox, "--force --allow-duplicates one.log start.log").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|0:2,1:1,2:1,3:1\n");
}

#[test]
fn logs_without_an_accepted_row_may_be_alike() {
    let sandbox = Sandbox::new();
    let header = "sng_id|user_id|country\n";
    sandbox.write("day/part-1.txt", format!("{header}{}", log_of(1, 50)));
    for part in ["part-2.txt", "part-3.txt"] {
        sandbox.write(format!("day/{part}"), header);
    }
    sandbox.write("day/empty-1.log", "");
    sandbox.write("day/empty-2.log", "");
    reduce(&sandbox, "day").exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "1|1:50\n");
}
