//! Rows of another shape than `sng_id|user_id|country`, and logs whose first line is a header.

use crate::harness::{DAY, Run, Sandbox, gz, zst};

/// The same streams in the default shape and in another.
const USUAL: &str = "11|22|FR\n11|22|FR\n33|44|DE\n";
const OTHER: &str = "22;11;Song one;FR\n22;11;;FR\r\n 44 ;33;x;DE\n";
const SHAPE: &str = "--delimiter ; --columns user_id,sng_id,_,country";

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap()
}

/// The tops of the day when its only log is this one, read with these flags.
fn tops(name: &str, log: impl AsRef<[u8]>, flags: &str) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write(name, log);
    sandbox.agg(&format!("reduce-day --date {DAY} {flags} {name}")).exits(0).in_no_line();
    sandbox.tops_of_day(DAY)
}

#[test]
fn rows_of_another_shape_are_counted_alike_in_every_kind_of_log() {
    let expected = tops("a.log", USUAL, "");
    assert!(tops("a.log", OTHER, SHAPE) == expected);
    assert!(tops("a.log.gz", gz(OTHER), SHAPE) == expected);
    assert!(tops("a.log.zst", zst(OTHER), SHAPE) == expected);
    let tabs = "FR\t11\t22\nFR\t11\t22\nDE\t33\t44\n";
    let shape = "--delimiter \\t --columns country,sng_id,user_id";
    assert!(tops("a.tsv", tabs, shape) == expected);
    let sandbox = Sandbox::new();
    sandbox.agg_reading(OTHER.as_bytes(), &format!("reduce-day --date {DAY} {SHAPE} -")).exits(0);
    assert!(sandbox.tops_of_day(DAY) == expected);
}

#[test]
fn columns_are_taken_from_the_header_of_each_log() {
    let expected = tops("a.log", USUAL, "");
    let sandbox = Sandbox::new();
    sandbox.write("logs/a-20211201.csv", "\u{feff}Country,song_id,x,UserId\r\nFR,11,,22\n");
    sandbox.write("logs/b-20211201.csv.gz", gz("user_id,sng_id,country\n22,11,FR\n"));
    sandbox.write("logs/c-20211201.csv", "sng_id,user_id,country\n33,44,DE");
    sandbox.write("logs/d-20211201.csv", "sng_id,user_id,country\n");
    sandbox.write("logs/e-20211201.csv", "");
    let flags = "--logs logs --delimiter , --header --json";
    let run = sandbox.agg(&format!("backfill {flags}")).exits(0);
    assert_eq!(json(&run)["days"][0]["reduced"]["rows"], 3, "{run:?}");
    assert!(sandbox.tops_of_day(DAY) == expected);
    let again = sandbox.agg(&format!("backfill {flags}")).exits(0);
    assert_eq!(json(&again)["days"][0]["outcome"], "unchanged");
    // Without a shape such files are not logs.
    sandbox.write("logs/f-20211202.log", USUAL);
    let run = sandbox.agg("backfill --logs logs --json").exits(0);
    assert_eq!(json(&run)["days"][0]["day"], "2021-12-02");
    run.shows(&["are read with --delimiter, --columns or --header only"]);
}

#[test]
fn a_folder_of_tables_only_is_refused_with_the_flags_that_read_them() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/2021-12-01/a.csv", "sng_id,user_id,country\n11,22,FR\n");
    let hint = "\"logs\": no log but .csv, .tsv or .psv files; they are read with --delimiter, --columns or --header, \
                for example: --delimiter , --header";
    for line in [
        "backfill --logs logs".to_owned(),
        format!("reduce-day --date {DAY} logs"),
        format!("reduce-day --date {DAY} --logs logs"),
    ] {
        sandbox.agg(&line).exits(66).in_one_line().shows(&[hint]);
        sandbox.agg(&format!("{line} --delimiter , --header")).exits(0);
        std::fs::remove_dir_all(sandbox.path("agg-store")).unwrap();
    }
    // A name says what a file is where it is typed.
    sandbox.agg("reduce-day logs/2021-12-01/a.csv --delimiter , --header").exits(0);
}

#[test]
fn a_log_that_has_a_header_alone_now_is_not_taken_for_a_correction() {
    let sandbox = Sandbox::new();
    let night = "backfill --logs logs --delimiter , --header --columns sng_id,user_id,country";
    sandbox.write("logs/a-20211201.csv", "s,u,c\n1,1,FR\n");
    sandbox.agg(night).exits(0);
    sandbox.write("logs/a-20211201.csv", "s,u,c\n");
    sandbox.agg(night).exits(65).shows(&["a-20211201.csv"]);
}

#[test]
fn lines_are_numbered_with_the_header_and_it_is_not_a_row() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", "sng_id,user_id,country\n11,22,FR\n1,2,XX\n");
    let flags = "--delimiter , --header --max-reject-ratio 1 --json";
    let run = sandbox.agg(&format!("reduce-day --date {DAY} {flags} a.log")).exits(0);
    assert_eq!((&json(&run)["rows"], &json(&run)["accepted"]), (&2.into(), &1.into()));
    assert_eq!(sandbox.rejects(DAY), "a.log:3: country: 1,2,XX\n");
    // What is added goes after the lines that the day has.
    sandbox.write("b.log", "user,song,country\n22,x,FR\n");
    sandbox.agg(&format!("reduce-day --date {DAY} {flags} --add b.log")).exits(0).in_no_line();
    assert_eq!(sandbox.rejects(DAY), "a.log:3: country: 1,2,XX\nb.log:2: song_id: 22,x,FR\n");
}

#[test]
fn a_header_that_does_not_fit_is_refused_and_a_good_row_as_header_is_a_warning() {
    let sandbox = Sandbox::new();
    let reduce = format!("reduce-day --date {DAY} --delimiter , --header a.log");
    sandbox.write("a.log", "user_id,title,country\n1,2,FR\n");
    sandbox.agg(&reduce).exits(65).in_one_line().shows(&["\"a.log\":1: ", "does not name sng_id"]);
    let given = format!("{reduce} --columns sng_id,user_id,country");
    sandbox.agg(&given).exits(65).in_one_line().shows(&["\"a.log\":1: ", "contradicts --columns"]);
    assert!(!sandbox.has_partial(DAY));
    sandbox.write("a.log", "1,2,FR\n3,4,FR\n");
    sandbox.agg(&reduce).exits(0).in_one_line().shows(&["but it is a good row", "omit --header"]);
}

#[test]
fn a_header_cut_by_windows_of_streams_and_long_lines_is_skipped_whole() {
    let header = format!("# {}\n", "x".repeat(3 << 20));
    let log = format!("{header}{}", "11,22,FR\n".repeat(200_000));
    let expected = tops("a.log", "11|22|FR\n".repeat(200_000), "");
    for (name, log) in
        [("a.log", log.clone().into_bytes()), ("a.log.gz", gz(&log)), ("a.log.zst", zst(&log))]
    {
        assert!(
            tops(name, log, "--delimiter , --header --memory 64MiB --threads 2") == expected,
            "{name}"
        );
    }
}

#[test]
fn a_quoted_field_is_corrupt_and_the_refusal_says_that_quotes_are_not_read() {
    let sandbox = Sandbox::new();
    sandbox
        .write("a.log", "22,11,\"one, two\",FR\n22,11,\"one\",FR\n22,\"11\",x,FR\n22,11,a\"b,FR\n");
    let columns = "--delimiter , --columns user_id,sng_id,_,country";
    let words = ["3 of 4 rows rejected", "fields are in quotes, and quotes are not read"];
    sandbox
        .agg(&format!("reduce-day --date {DAY} {columns} a.log"))
        .exits(65)
        .in_one_line()
        .shows(&words);
    let reasons: Vec<_> = sandbox
        .rejects(DAY)
        .lines()
        .map(|line| line.split(": ").nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(reasons, ["field_count", "field_count", "song_id"]);
}

#[test]
fn a_day_of_another_shape_records_it_and_matches_no_other() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a-20211201.log", OTHER);
    let reduce = "reduce-day logs/a-20211201.log";
    sandbox.agg(&format!("{reduce} {SHAPE}")).exits(0).in_no_line();
    let found = json(&sandbox.agg(&format!("inspect {DAY} --json")).exits(0));
    let rules = serde_json::json!({
        "delimiter": ";", "columns": "user_id,sng_id,_,country", "header": false, "countries": "iso"
    });
    assert_eq!((&found["version"], &found["rules"]), (&2.into(), &rules));
    let both = "--delimiter ';' --columns user_id,sng_id,_,country, and this run has --delimiter ';' --header";
    sandbox.agg(&format!("{reduce} --delimiter ; --header")).exits(65).in_one_line().shows(&[both]);
    // The environment is the same as the flags.
    let mut command = sandbox.command();
    command.env("AGG_DELIMITER", ";").env("AGG_COLUMNS", "user,song,_,country");
    let run = sandbox.run(command.args(reduce.split(' ')).arg("--json")).exits(0);
    assert_eq!(json(&run)["outcome"], "unchanged");
    // `backfill` replaces it.
    let shape = "--delimiter ; --columns sng_id,user_id,_,country";
    let run = sandbox.agg(&format!("backfill --logs logs --json {shape}")).exits(0).in_no_line();
    assert_eq!(json(&run)["days"][0]["outcome"], "replaced");
    // The default shape, spelled out, is the default.
    sandbox.write("b-20211202.log", USUAL);
    let default = "--delimiter | --columns sng_id,user_id,country";
    let run = sandbox.agg(&format!("reduce-day b-20211202.log --json {default}")).exits(0);
    assert!(json(&run)["rules"].is_null());
    assert_eq!(sandbox.read("agg-store/partials/2021-12-02.agg")[8], 1);
}

#[test]
fn each_flag_of_the_shape_may_be_set_in_the_environment_and_in_the_settings_file() {
    let log = "user_id;sng_id;country\n22;11;FR\n";
    let rules = serde_json::json!({
        "delimiter": ";", "columns": "user_id,sng_id,country", "header": true, "countries": "iso"
    });
    let sandbox = Sandbox::new();
    sandbox.write("a-20211201.log", log);
    let mut command = sandbox.command();
    command.envs([("AGG_DELIMITER", ";"), ("AGG_HEADER", "true")]);
    command.env("AGG_COLUMNS", "user_id,sng_id,country");
    let run = sandbox.run(command.args(["reduce-day", "a-20211201.log", "--json"])).exits(0);
    assert_eq!(json(&run)["rules"], rules);
    // A flag goes before the environment.
    let mut command = sandbox.command();
    command.envs([("AGG_DELIMITER", ","), ("AGG_HEADER", "false")]);
    let flags = "reduce-day a-20211201.log --force --json --delimiter ; --header";
    let run = sandbox.run(command.args(flags.split(' '))).exits(0);
    assert_eq!(
        (&json(&run)["rules"]["delimiter"], &json(&run)["accepted"]),
        (&";".into(), &1.into())
    );
    let mut command = sandbox.command();
    let run =
        sandbox.run(command.env("AGG_HEADER", "perhaps").args(["reduce-day", "a-20211201.log"]));
    run.exits(2).in_one_line().shows(&["'perhaps'", "AGG_HEADER"]);
    sandbox.write(
        "agg.toml",
        "delimiter = \";\"\ncolumns = \"user_id,sng_id,country\"\nheader = true\n",
    );
    let flags = "reduce-day a-20211201.log --force --json --config agg.toml";
    assert_eq!(json(&sandbox.agg(flags).exits(0))["rules"], rules);
}

#[cfg(feature = "parquet")]
#[test]
fn a_day_of_another_shape_comes_back_from_its_tables() {
    let sandbox = Sandbox::new();
    sandbox.write("a-20211201.log", OTHER);
    sandbox.agg(&format!("reduce-day {SHAPE} a-20211201.log")).exits(0);
    sandbox.agg(&format!("export {DAY} --out dataset")).exits(0);
    sandbox.agg(&format!("import --date {DAY} dataset --store other")).exits(0);
    let partial = "partials/2021-12-01.agg";
    assert!(
        sandbox.read(format!("agg-store/{partial}")) == sandbox.read(format!("other/{partial}"))
    );
}
