//! What a row is, and why it is corrupt: each rule shown through the program.

use crate::harness::{DAY, Sandbox, Totals, gz, repository, zst};

/// What became of one log.
struct Counted {
    countries: String,
    users: String,
    rejects: String,
    totals: Totals,
}

/// Reduces a log of this content, named `log`, and emits the day.
#[track_caller]
fn counted(log: impl AsRef<[u8]>) -> Counted {
    counted_with("", log)
}

/// The same with further options of `reduce-day`.
#[track_caller]
fn counted_with(options: &str, log: impl AsRef<[u8]>) -> Counted {
    let sandbox = Sandbox::new();
    sandbox.write("log", log);
    sandbox
        .agg(&format!(
            "reduce-day --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 {options} log"
        ))
        .exits(0);
    let (countries, users) = sandbox.tops_of_day(DAY);
    Counted { countries, users, rejects: sandbox.rejects(DAY), totals: sandbox.totals(DAY) }
}

/// The reasons, one a row, of rows that are joined by LF; `accepted` for good ones.
#[track_caller]
fn verdicts<R: AsRef<[u8]>>(rows: &[R]) -> Vec<String> {
    let mut log = Vec::new();
    for row in rows {
        log.extend_from_slice(row.as_ref());
        log.push(b'\n');
    }
    let counted = counted(log);
    assert_eq!(counted.totals.rows, rows.len() as u64);
    assert!(rows.len() <= 1000, "the rejects file ends there");
    let mut verdicts = vec!["accepted".to_owned(); rows.len()];
    for line in counted.rejects.lines() {
        let mut parts = line.splitn(4, ':');
        assert_eq!(parts.next(), Some("log"));
        let number: usize = parts.next().unwrap().parse().unwrap();
        parts.next().unwrap().trim().clone_into(&mut verdicts[number - 1]);
    }
    verdicts
}

/// Expects of each row the verdict beside it.
#[track_caller]
fn assert_verdicts(rows: &[(&[u8], &str)]) {
    let (rows, expected): (Vec<&[u8]>, Vec<&str>) = rows.iter().copied().unzip();
    let found = verdicts(&rows);
    let show = |verdicts: Vec<&str>| -> Vec<String> {
        let named = rows.iter().zip(verdicts);
        named.map(|(row, verdict)| format!("{verdict}: {}", row.escape_ascii())).collect()
    };
    assert_eq!(show(found.iter().map(String::as_str).collect()), show(expected));
}

#[test]
fn a_row_ends_at_lf_or_at_its_files_end_and_loses_one_cr() {
    let counted = counted("1|2|FR\n1|2|FR\r\n1|2|FR\r\r\n1|2|FR\r");
    assert_eq!(counted.users, "2|1:3\n");
    assert_eq!(counted.rejects, "log:3: country: 1|2|FR\\x0d\n");
}

#[test]
fn a_cr_in_the_middle_is_data_and_ends_no_row() {
    assert_verdicts(&[
        (b"1|2|FR\r3|4|FR", "field_count"),
        (b"1\r|2|FR", "song_id"),
        (b"\r1|2|FR", "song_id"),
        (b"1|2\r|FR", "user_id"),
        (b"1|2|\rFR", "country"),
        (b"\r\r", "field_count"),
    ]);
}

#[test]
fn nul_and_bytes_that_are_not_ascii_are_data() {
    assert_verdicts(&[
        (b"1\0|2|FR", "song_id"),
        (b"1|\x002|FR", "user_id"),
        (b"1|2|F\0", "country"),
        (b"1|2|FR\0", "country"),
        (b"\0", "field_count"),
        (b"\xff\xfe1|2|FR", "song_id"),
        (b"1|2|\xc3\x28", "country"),
        // A no-break space, Arabic digits, a full-width bar, a line separator: nothing of them is known.
        ("\u{a0}1|2|FR".as_bytes(), "song_id"),
        ("\u{661}|2|FR".as_bytes(), "song_id"),
        ("1\u{ff5c}2|FR".as_bytes(), "field_count"),
        ("1|2|FR\u{2028}".as_bytes(), "country"),
        (b"1|2|FR\x0b", "country"),
        (b"\x0c1|2|FR", "song_id"),
        (b"1|2|FR", "accepted"),
    ]);
}

#[test]
fn nothing_follows_a_final_lf() {
    let rows = |log: &[u8]| {
        let totals = counted(log).totals;
        (totals.rows, totals.rejects.get("blank").copied().unwrap_or(0))
    };
    assert_eq!(rows(b""), (0, 0));
    assert_eq!(rows(b"\n"), (1, 1));
    assert_eq!(rows(b"\r"), (1, 1));
    assert_eq!(rows(b"\n\n"), (2, 2));
    assert_eq!(rows(b"1|2|FR\n"), (1, 0));
    assert_eq!(rows(b"1|2|FR\n\n"), (2, 1));
    assert_eq!(rows(b"1|2|FR\n "), (2, 1));
}

#[test]
fn a_row_never_spans_two_files() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", "1|2");
    sandbox.write("b.log", "|FR\n3|4|DE");
    sandbox.write("c.log", "5|6|DE");
    let run = sandbox.agg(&format!(
        "reduce-day --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 a.log b.log c.log"
    ));
    run.exits(0);
    assert_eq!(sandbox.rejects(DAY), "a.log:1: field_count: 1|2\nb.log:1: field_count: |FR\n");
    assert_eq!(sandbox.tops_of_day(DAY).1, "4|3:1\n6|5:1\n");
}

#[test]
fn a_row_may_span_members_and_frames() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log.gz", [gz("1|2|FR\n1"), gz("|2|"), gz(""), gz("FR\n1|2|FR")].concat());
    sandbox.write("b.log.zst", [zst("3|4|D"), zst(""), zst("E\n3|"), zst("4|DE\n")].concat());
    sandbox.agg(&format!("reduce-day --date {DAY} a.log.gz b.log.zst")).exits(0);
    assert_eq!(sandbox.tops_of_day(DAY).1, "2|1:3\n4|3:2\n");
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_of_each_file_alone() {
    let bom = "\u{feff}";
    let sandbox = Sandbox::new();
    sandbox.write("a.log", format!("{bom}1|2|FR\n{bom}1|2|FR\n1|2|FR{bom}\n"));
    sandbox.write("b.log.gz", gz(format!("{bom}1|2|FR\n")));
    sandbox.write("c.log.zst", zst(format!("{bom}{bom}1|2|FR\n")));
    sandbox.write("d.log", bom);
    sandbox.write("e.log", "\u{feff}\n");
    sandbox.write("f.log", b"\xef\xbb");
    let logs = "a.log b.log.gz c.log.zst d.log e.log f.log";
    sandbox
        .agg(&format!("reduce-day --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 --allow-duplicates {logs}"))
        .exits(0);
    assert_eq!(
        sandbox.rejects(DAY),
        "a.log:2: song_id: \\xef\\xbb\\xbf1|2|FR\n\
         a.log:3: country: 1|2|FR\\xef\\xbb\\xbf\n\
         c.log.zst:1: song_id: \\xef\\xbb\\xbf1|2|FR\n\
         e.log:1: blank: \n\
         f.log:1: field_count: \\xef\\xbb\n"
    );
    assert_eq!(sandbox.tops_of_day(DAY).1, "2|1:2\n");
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_of_standard_input() {
    let sandbox = Sandbox::new();
    let log = "\u{feff}1|2|FR\nx|2|FR\n".as_bytes();
    sandbox
        .agg_reading(
            log,
            &format!("reduce-day --date {DAY} --max-reject-ratio 1 --max-log-reject-ratio 1 -"),
        )
        .exits(0);
    assert_eq!(sandbox.rejects(DAY), "-:2: song_id: x|2|FR\n");
    assert_eq!(sandbox.tops_of_day(DAY).1, "2|1:1\n");
}

#[test]
fn an_id_is_digits_of_a_value_up_to_two_to_the_63_less_1() {
    assert_verdicts(&[
        (b"0|0|FR", "accepted"),
        (b"4294967296|4294967296|FR", "accepted"),
        (b"9223372036854775807|9223372036854775807|FR", "accepted"),
        (b"9223372036854775808|1|FR", "song_id"),
        (b"1|9223372036854775808|FR", "user_id"),
        (b"18446744073709551615|1|FR", "song_id"),
        (b"18446744073709551616|1|FR", "song_id"),
        (b"1|18446744073709551617|FR", "user_id"),
        (b"10000000000000000000|1|FR", "song_id"),
        (b"99999999999999999999999999999999999999999|1|FR", "song_id"),
        (b"+1|1|FR", "song_id"),
        (b"-1|1|FR", "song_id"),
        (b"-0|1|FR", "song_id"),
        (b"1|+1|FR", "user_id"),
        (b"1|-1|FR", "user_id"),
        (b"1.0|1|FR", "song_id"),
        (b"1e3|1|FR", "song_id"),
        (b"0x10|1|FR", "song_id"),
        (b"1_000|1|FR", "song_id"),
        (b"1 0|1|FR", "song_id"),
        (b"1|1\t0|FR", "user_id"),
        (b"null|1|FR", "song_id"),
        (b"|1|FR", "song_id"),
        (b" |1|FR", "song_id"),
        (b"1||FR", "user_id"),
        (b"1| \t|FR", "user_id"),
        (b":|1|FR", "song_id"),
        (b"1|/|FR", "user_id"),
        (b"12345678:|1|FR", "song_id"),
        (b"1|1234567/|FR", "user_id"),
    ]);
}

#[test]
fn leading_zeros_do_not_change_the_value_however_many() {
    let zeros = "0".repeat(300);
    let counted = counted(format!(
        "7|5|FR\n007|05|FR\n{zeros}7|{zeros}5|FR\n{zeros}|{zeros}|FR\n0|0|FR\n\
         {zeros}9223372036854775807|1|FR\n{zeros}9223372036854775808|1|FR\n"
    ));
    assert_eq!(counted.users, "0|0:2\n1|9223372036854775807:1\n5|7:3\n");
    assert_eq!(counted.totals.rejects.get("song_id"), Some(&1));
}

#[test]
fn ids_of_every_length_and_their_neighbours_keep_their_value() {
    let mut log = String::new();
    let mut users = String::new();
    let mut id: u64 = 1;
    let mut ids = vec![0];
    for _ in 1..19 {
        ids.extend([id, id + 1, id * 10 - 1]);
        id *= 10;
    }
    ids.extend([
        1 << 31,
        1 << 32,
        (1 << 32) - 1,
        1 << 53,
        (1 << 53) + 1,
        1 << 62,
        i64::MAX as u64 - 1,
    ]);
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        log += &format!("{id}|{id}|FR\n");
        users += &format!("{id}|{id}:1\n");
    }
    let counted = counted(log);
    assert_eq!(counted.users, users);
    assert_eq!(counted.rejects, "");
}

#[test]
fn a_country_is_one_of_the_249_assigned_codes() {
    let listed = std::fs::read_to_string(repository("tests/data/iso3166.txt")).unwrap();
    let assigned: Vec<&str> = listed.split_whitespace().collect();
    assert_eq!(assigned.len(), 249);
    let letters = || b'A'..=b'Z';
    let codes: Vec<String> = letters()
        .flat_map(|first| letters().map(move |second| [first, second]))
        .map(|code| String::from_utf8(code.to_vec()).unwrap())
        .collect();
    let rows: Vec<String> = codes.iter().map(|code| format!("1|1|{code}")).collect();
    let verdict =
        |code: &String| if assigned.contains(&code.as_str()) { "accepted" } else { "country" };
    assert_eq!(verdicts(&rows), codes.iter().map(verdict).collect::<Vec<_>>());
}

#[test]
fn any_two_capitals_are_a_country_when_asked_for() {
    let log = "1|1|ZZ\n1|1|VJ\n1|1|AA\n1|1|fr\n1|1|F\n1|1|FRA\n1|1|F1\n1|1|[A\n1|1|@A\n";
    let counted = counted_with("--countries any", log);
    assert_eq!(counted.countries, "AA|1:1\nVJ|1:1\nZZ|1:1\n");
    assert_eq!(counted.totals.rejects.get("country"), Some(&6));
}

#[test]
fn a_country_in_another_form_is_corrupt_and_not_repaired() {
    let fields =
        ["fr", "Fr", "FRFR", "FRA", "F", "", " ", "F R", "250", "VJ", "UK", "XK", "EU", "\"FR\""];
    let rows: Vec<String> = fields.iter().map(|field| format!("1|1|{field}")).collect();
    assert_eq!(verdicts(&rows), vec!["country"; fields.len()]);
}

#[test]
fn spaces_and_tabs_around_a_field_are_ignored() {
    let counted = counted(" \t1 |\t 2\t| FR \t\n1|2|FR \r\n\t1\t|\t2\t|\tFR\t\n");
    assert_eq!(counted.users, "2|1:3\n");
    assert_eq!(counted.rejects, "");
}

#[test]
fn a_row_has_exactly_two_separators() {
    let rows: &[&[u8]] = &[
        b"1",
        b"1|2",
        b"1|2|FR|",
        b"|1|2|FR",
        b"1||2|FR",
        b"|",
        b"|||",
        b"1 2 FR",
        b"1,2,FR",
        b"1\t2\tFR",
        b"1;2;FR",
    ];
    assert_eq!(verdicts(rows), vec!["field_count"; rows.len()]);
}

#[test]
fn the_first_check_that_fails_gives_the_reason() {
    let long = |row: &str| format!("{row:>4097}").into_bytes();
    assert_verdicts(&[
        (&long(""), "too_long"),
        (&long("||"), "too_long"),
        (&long("1|2|FR"), "too_long"),
        (b" \t ", "blank"),
        (b"-1|x", "field_count"),
        (b"x|x|x|x", "field_count"),
        (b"||", "song_id"),
        (b"x|x|x", "song_id"),
        (b"1|x|x", "user_id"),
        (b"1|1|x", "country"),
    ]);
}

#[test]
fn a_row_may_have_4096_bytes_without_its_end() {
    let row = |length: usize| format!("{:<length$}", "1|2|FR").into_bytes();
    let lines = [(4096, "\n"), (4096, "\r\n"), (4097, "\n"), (4097, "\r\n"), (4096, "\r")];
    let log: Vec<u8> = lines
        .iter()
        .flat_map(|(length, end)| [row(*length), end.as_bytes().to_vec()].concat())
        .collect();
    let counted = counted(log);
    assert_eq!(counted.users, "2|1:3\n");
    let shown = String::from_utf8(row(200)).unwrap();
    assert_eq!(counted.rejects, format!("log:3: too_long: {shown}\nlog:4: too_long: {shown}\n"));
}

#[test]
fn a_row_of_megabytes_is_one_corrupt_row_and_the_next_is_read() {
    let long = b"1|2|FR;".repeat(1 << 20);
    let nuls = vec![0; 3 << 20];
    let log = [b"1|2|FR", &long[..], b"1|2|FR", &nuls, b"3|4|DE", &long].join(&b'\n');
    let counted = counted(log);
    assert_eq!(counted.users, "2|1:2\n4|3:1\n");
    assert_eq!(counted.totals.rejects, [("too_long".to_owned(), 3)].into());
    let lines: Vec<&str> = counted.rejects.lines().collect();
    assert!(lines[0].starts_with("log:2: too_long: 1|2|FR;1|2|FR;") && lines[0].len() == 17 + 200);
    assert_eq!(lines[1], format!("log:4: too_long: {}", "\\x00".repeat(200)));
    assert!(lines[2].starts_with("log:6: too_long: "));
}

#[test]
fn the_kinds_of_corrupt_rows_that_real_logs_show_are_all_found() {
    assert_verdicts(&[
        (b"9949031234567|FR", "field_count"),
        (b"994903|1234567|FR3135556|42|DE", "field_count"),
        (b"", "blank"),
        (b"   ", "blank"),
        (b"994903,1234567,FR", "field_count"),
        (b"994903|1234567|FRFR", "country"),
        (b"-994903|1234567|FR", "song_id"),
        (b"994903|-1234567|FR", "user_id"),
        (b"994903| |FR", "user_id"),
        (b"994903||FR", "user_id"),
        (b"994903|1234567|VJ", "country"),
        (b"994903|1234567|\xe9\xff", "country"),
        (b"\x80994903|1234567|FR", "song_id"),
        (b"sng_id|user_id|country", "song_id"),
        (b"994903|1234567|FR", "accepted"),
    ]);
}

#[test]
fn rows_are_accepted_and_rejected_ones_together() {
    let counted = counted("1|1|FR\n\nx|1|FR\n1|x|FR\n1|1|XX\n1|1\n1|1|FR\n \n");
    let rejects =
        [("blank", 2), ("country", 1), ("field_count", 1), ("song_id", 1), ("user_id", 1)];
    let rejects = rejects.map(|(reason, count)| (reason.to_owned(), count)).into();
    assert_eq!(counted.totals, Totals { rows: 8, accepted: 2, rejected: 6, rejects });
}
