//! `changes`: lines and songs that differ between two emissions, and back.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Run, Sandbox};

const OLD: &str = "2021-12-01";
const NEW: &str = "2021-12-02";
const USERS: &str = "top50_changes_per_user.txt";

/// Two days with an emission each: user 7 changes, 8 stays, 9 goes, 10 comes; Brazil stays.
fn two_days() -> Sandbox {
    let sandbox = Sandbox::new();
    let same = "1|8|BR\n3|8|BR\n";
    for (day, rows) in
        [(OLD, "5|7|FR\n5|7|FR\n6|7|FR\n1|9|DE\n"), (NEW, "6|7|FR\n6|7|FR\n5|7|FR\n2|10|US\n")]
    {
        sandbox.reduced(day, format!("{rows}{same}"));
        emit(&sandbox, day, "");
    }
    sandbox
}

fn emit(sandbox: &Sandbox, day: &str, more: &str) {
    sandbox.agg(&format!("emit-window --date {day} --days 1 --force {more}")).exits(0);
}

fn changes(sandbox: &Sandbox, more: &str) -> Run {
    sandbox.agg(&format!("changes --date {NEW} {more}"))
}

fn emitted(day: &str, kind: &str) -> String {
    format!("agg-out/{day}/top50_songs_per_{kind}.txt")
}

#[test]
fn lines_that_are_new_different_or_gone_are_printed_and_lead_back_to_the_newer_file() {
    let sandbox = two_days();
    for (kind, expected) in
        [("user", "7|6:2,5:1\n9|\n10|2:1\n"), ("country", "DE|\nFR|6:2,5:1\nUS|2:1\n")]
    {
        let run = changes(&sandbox, &format!("--kind {kind}")).exits(0).in_no_line();
        assert_eq!(run.stdout, expected);
        sandbox.write("diff", run.stdout);
        let applied = sandbox.agg(&format!("changes --apply diff {}", emitted(OLD, kind))).exits(0);
        assert_eq!(applied.stdout, sandbox.text(emitted(NEW, kind)));
    }
    // The other way round, and against a date that is named.
    let run = sandbox.agg(&format!("changes --date {OLD} --against {NEW} --kind user")).exits(0);
    assert_eq!(run.stdout, "7|5:2,6:1\n9|1:1\n10|\n");
}

#[test]
fn both_files_and_a_manifest_of_both_emissions_are_written_and_written_again() {
    let sandbox = two_days();
    for _ in 0..2 {
        let run = changes(&sandbox, "--out-dir D --json").exits(0);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((report["against"].as_str(), report["top"].as_u64()), (Some(OLD), Some(50)));
        assert_eq!(report["files"][1]["keys"], 3);
        let folder = format!("D/{NEW}");
        let files = ["manifest.json", "top50_changes_per_country.txt", USERS];
        assert_eq!(sandbox.names(&folder), files);
        assert_eq!(sandbox.text(format!("{folder}/{USERS}")), "7|6:2,5:1\n9|\n10|2:1\n");
        let manifest = sandbox.text(format!("{folder}/manifest.json"));
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        for (side, day) in [("older", OLD), ("newer", NEW)] {
            assert_eq!(manifest[side]["window"]["to"], day);
            assert_eq!(manifest[side]["files"], sandbox.manifest(day)["files"]);
        }
    }
    assert_eq!(sandbox.names("D"), [NEW]);
}

#[test]
fn tables_list_the_songs_that_moved_by_rank_or_by_count() {
    let sandbox = two_days();
    let csv = changes(&sandbox, "--kind user --format csv").exits(0);
    let expected = "user_id,sng_id,old_rank,new_rank,old_streams,new_streams\n\
                    7,6,2,1,1,2\n7,5,1,2,2,1\n9,1,1,,1,\n10,2,,1,,1\n";
    assert_eq!(csv.stdout, expected);
    let lines = changes(&sandbox, "--kind country --format jsonl --by count").exits(0);
    let first = r#"{"country":"DE","sng_id":1,"old_rank":1,"new_rank":null,"old_streams":1,"new_streams":null}"#;
    assert_eq!(lines.stdout.lines().next(), Some(first));
    changes(&sandbox, "--out-dir D --format csv").exits(0);
    assert_eq!(sandbox.text(format!("D/{NEW}/top50_changes_per_user.csv")), expected);
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_table_of_songs_has_nulls_where_a_side_is_absent_and_is_no_table_to_import() {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    let sandbox = two_days();
    changes(&sandbox, "--out-dir D --format parquet").exits(0);
    let path = sandbox.path(format!("D/{NEW}/top50_changes_per_user.parquet"));
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string());
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            "{user_id: 7, sng_id: 6, old_rank: 2, new_rank: 1, old_streams: 1, new_streams: 2}",
            "{user_id: 7, sng_id: 5, old_rank: 1, new_rank: 2, old_streams: 2, new_streams: 1}",
            "{user_id: 9, sng_id: 1, old_rank: 1, new_rank: null, old_streams: 1, new_streams: null}",
            "{user_id: 10, sng_id: 2, old_rank: null, new_rank: 1, old_streams: null, new_streams: 1}",
        ]
    );
    let table = format!("D/{NEW}/top50_changes_per_user.parquet");
    sandbox.agg(&format!("import --date 2021-12-05 {table}")).exits(65);
}

#[test]
fn the_newest_earlier_emission_of_the_same_days_and_songs_is_compared_unless_one_is_named() {
    let sandbox = two_days();
    let day = "2021-12-03";
    sandbox.reduced(day, "6|7|FR\n");
    for shape in ["--days 2", "--days 1 --top 10"] {
        sandbox.agg(&format!("emit-window --date {day} {shape} --force")).exits(0);
        let run = sandbox.agg(&format!("changes --date {day} --kind user")).exits(66);
        run.shows(&["an earlier emission of the same days and songs not found"]).in_one_line();
        let run = sandbox.agg(&format!("changes --date {day} --against {NEW} --kind user"));
        run.exits(65).shows(&["same days and songs", day, NEW]).in_one_line();
    }
    emit(&sandbox, day, "");
    // Between them is one of another shape now.
    sandbox.agg(&format!("emit-window --date {NEW} --days 2 --force")).exits(0);
    let run = sandbox.agg(&format!("changes --date {day} --out-dir D")).exits(0);
    assert!(run.stdout.contains(&format!("against  {OLD}")), "{run:?}");
    let first = sandbox.agg(&format!("changes --date {OLD} --kind user")).exits(66);
    first.shows(&["an earlier emission"]).in_one_line();
    sandbox.agg("changes --date 2021-12-09 --kind user").exits(66).shows(&["emission not found"]);
}

#[test]
fn emissions_without_text_are_refused_with_the_format_to_emit() {
    let sandbox = two_days();
    emit(&sandbox, OLD, "--format csv");
    changes(&sandbox, "--kind user").exits(66).shows(&["--format text", OLD]).in_one_line();
    emit(&sandbox, OLD, "--format csv,text");
    changes(&sandbox, "--kind user").exits(0);
}

#[test]
fn every_byte_is_checked_against_the_manifests_before_changes_are_published() {
    let sandbox = two_days();
    for day in [OLD, NEW] {
        for kind in ["user", "country"] {
            let name = emitted(day, kind);
            let good = sandbox.read(&name);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                sandbox.write(&name, bad);
                changes(&sandbox, "--out-dir D").exits(65).shows(&[&name]).in_one_line();
            }
            sandbox.write(&name, &good[..good.len() - 1]);
            changes(&sandbox, "--out-dir D").exits(65).shows(&[&name, "bytes"]).in_one_line();
            fs::remove_file(sandbox.path(&name)).unwrap();
            changes(&sandbox, "--out-dir D").exits(66).shows(&[&name]).in_one_line();
            sandbox.write(&name, good);
        }
    }
    assert_eq!(sandbox.files("D"), [""; 0]);
    changes(&sandbox, "--out-dir D").exits(0);
}

#[test]
fn an_emission_or_a_stranger_is_never_replaced_by_changes() {
    let sandbox = two_days();
    let before = sandbox.tree(&["agg-out"]);
    changes(&sandbox, "--out-dir agg-out").exits(73).shows(&["another folder"]).in_one_line();
    assert!(sandbox.tree(&["agg-out"]) == before);
    sandbox.write(format!("D/{NEW}/mine"), "");
    changes(&sandbox, "--out-dir D").exits(73).shows(&["move it out of the way"]).in_one_line();
    // Nor are changes taken for an emission.
    changes(&sandbox, "--out-dir E").exits(0);
    let run = sandbox.agg(&format!("emit-window --date {NEW} --days 1 --out E"));
    run.exits(65).shows(&["manifest.json"]).in_one_line();
}

#[test]
fn lines_to_apply_that_are_damaged_are_refused_with_path_and_line() {
    let sandbox = two_days();
    let old = emitted(OLD, "user");
    for (text, shown) in [
        ("7|5:1\n6|5:1\n", "\"diff\":2: "),
        ("7|5:1\nx|5:1\n", "\"diff\":2: "),
        ("7|5:1", "\"diff\":1: "),
        ("1|\n", "\"diff\":1: "),
        ("FR|5:1\n", "\"diff\":1: "),
    ] {
        sandbox.write("diff", text);
        let run = sandbox.agg(&format!("changes --apply diff {old}")).exits(65);
        run.shows(&[shown, "not a valid line here"]).in_one_line();
    }
    sandbox.write("diff", "");
    sandbox.write("old", "7|5:1\n7|5:1\n");
    sandbox.agg("changes --apply diff old").exits(65).shows(&["\"old\":2: "]).in_one_line();
    sandbox.agg("changes --apply none old").exits(66).shows(&["\"none\""]).in_one_line();
    sandbox.agg("changes --apply diff old --json").exits(2).shows(&["--json"]).in_one_line();
}

#[test]
fn a_night_writes_its_changes_once_and_again_when_an_emission_is_replaced() {
    let sandbox = Sandbox::new();
    let log = |day: u32, rows: &str| sandbox.write(format!("logs/202112{day:02}.log"), rows);
    let night = |day: u32, more: &str| {
        let line = "--logs logs --days 1 --changes --catch-up 5";
        sandbox.agg(&format!("nightly 2021-12-{day:02} {line} {more}")).exits(0)
    };
    log(1, "1|7|FR\n");
    assert!(!night(1, "").stdout.contains("changes of"));
    for day in 2..=4 {
        log(day, &format!("{day}|7|FR\n"));
        let shown = format!("changes of 2021-12-0{day} against 2021-12-0{} written", day - 1);
        let dry = night(day, "--dry-run");
        assert!(!dry.stdout.contains("changes of"), "{dry:?}");
        let run = night(day, "");
        assert!(run.stdout.contains(&shown), "{run:?}");
        assert!(!night(day, "").stdout.contains("changes of"));
        let text = sandbox.text(format!("agg-out/changes/2021-12-0{day}/{USERS}"));
        assert_eq!(text, format!("7|{day}:1\n"));
    }
    // A late log: the changes to its day and to the next one are others.
    log(3, "9|7|FR\n");
    let run = night(4, "");
    for words in ["changes of 2021-12-03", "changes of 2021-12-04"] {
        assert!(run.stdout.contains(words), "{run:?}");
    }
    assert!(!run.stdout.contains("changes of 2021-12-02"), "{run:?}");
    assert_eq!(sandbox.text(format!("agg-out/changes/2021-12-03/{USERS}")), "7|9:1\n");
    // Nothing else takes them for emissions or for logs.
    let list = sandbox.agg("list --out agg-out --json").exits(0).in_no_line();
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list["emissions"].as_array().unwrap().len(), 4);
    let run = sandbox.agg("backfill --logs . --dry-run").exits(0);
    assert!(!run.stdout.contains("changes"), "{run:?}");
    let folder = "copied/2021-12-04";
    fs::create_dir_all(sandbox.path("copied")).unwrap();
    fs::rename(sandbox.path("agg-out/changes/2021-12-04"), sandbox.path(folder)).unwrap();
    sandbox.agg("backfill --logs copied").exits(66);
    // Written again, since they are gone.
    assert!(night(4, "").stdout.contains("changes of 2021-12-04"));
    let wrong = "nightly 2021-12-04 --logs logs --days 1 --changes --format csv";
    sandbox.agg(wrong).exits(2).shows(&["add text to --format"]).in_one_line();
}

#[test]
fn changes_go_with_their_emissions() {
    let sandbox = Sandbox::new();
    for day in 1..=5 {
        let date = format!("2021-12-0{day}");
        sandbox.reduced(&date, format!("{day}|7|FR\n"));
        emit(&sandbox, &date, "");
        if day > 1 {
            sandbox.agg(&format!("changes --date {date} --out-dir agg-out/changes")).exits(0);
        }
    }
    let at = |day: u32| format!("agg-out/changes/2021-12-0{day}");
    // What is not only changes stays, and what a link leads to.
    sandbox.write(format!("{}/mine", at(2)), "");
    fs::rename(sandbox.path(at(3)), sandbox.path("elsewhere")).unwrap();
    symlink("../../elsewhere", sandbox.path(at(3))).unwrap();
    sandbox.write("agg-out/changes/2021-11-30/notes.txt", "");
    let dry = sandbox.agg("prune --keep-emissions 1 --dry-run").exits(2);
    assert!(dry.stderr.contains("minimum is 2"), "{dry:?}");
    for (more, goes) in [("--dry-run", "would go"), ("", "gone")] {
        let run = sandbox.agg(&format!("prune --keep-emissions 2 --days 1 {more}")).exits(0);
        run.shows(&["2021-12-02", "mine"]).in_one_line();
        let run = sandbox.agg(&format!("prune --keep-emissions 2 --days 1 {more}")).exits(0);
        assert!(more.is_empty() || run.stdout.contains(&format!("emissions {goes}")), "{run:?}");
    }
    let left = ["2021-11-30", "2021-12-02", "2021-12-03", "2021-12-04", "2021-12-05"];
    assert_eq!(sandbox.names("agg-out/changes"), left);
    fs::remove_file(sandbox.path(format!("{}/mine", at(2)))).unwrap();
    let run = sandbox.agg("prune --keep-emissions 2 --json").exits(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["emissions"]["changes"][0]["day"], "2021-12-02");
    assert_eq!(sandbox.names("agg-out/changes"), [left[0], left[2], left[3], left[4]]);
    assert!(sandbox.exists("elsewhere/manifest.json"));
}
