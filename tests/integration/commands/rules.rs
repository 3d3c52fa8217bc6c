//! The rules by which rows are read: days of other rules than the default ones record them, and are not mixed with others.

use crate::harness::{DAY, Run, Sandbox};

const LOG: &str = "11|22|FR\n33|44|XX\n";
const PARTIAL: &str = "agg-store/partials/2021-12-01.agg";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("logs/listen-20211201.log", LOG);
    sandbox
}

/// Reduces the log with further arguments.
fn reduce(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.agg(&format!(
        "reduce-day --max-reject-ratio 1 --max-log-reject-ratio 1 --json {arguments} logs/listen-20211201.log"
    ))
}

fn backfill(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.agg(&format!(
        "backfill --logs logs --max-reject-ratio 1 --max-log-reject-ratio 1 --json {arguments}"
    ))
}

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap()
}

fn inspected(sandbox: &Sandbox) -> serde_json::Value {
    json(&sandbox.agg(&format!("inspect {DAY} --json")).exits(0))
}

/// The version byte of the day's partial.
fn version(sandbox: &Sandbox) -> u8 {
    sandbox.read(PARTIAL)[8]
}

#[test]
fn a_day_of_the_default_rules_is_version_1_and_of_other_rules_version_2_which_records_them() {
    let sandbox = sandbox();
    let run = reduce(&sandbox, "").exits(0);
    assert_eq!((version(&sandbox), json(&run)["rules"].is_null()), (1, true));
    assert!(inspected(&sandbox)["rules"].is_null());
    let run = reduce(&sandbox, "--countries any --force").exits(0);
    let rules = serde_json::json!({
        "delimiter": "|", "columns": null, "header": false, "countries": "any"
    });
    assert_eq!((version(&sandbox), &json(&run)["rules"]), (2, &rules));
    let found = inspected(&sandbox);
    assert_eq!((&found["version"], &found["rules"]), (&2.into(), &rules));
    let list = json(&sandbox.agg("list --json").exits(0));
    assert_eq!(list["days"][0]["rules"], rules);
    let text = sandbox.agg(&format!("inspect {DAY}")).exits(0).stdout;
    assert!(text.contains("\nrules                 --countries any\n"), "{text}");
    sandbox.agg("verify").exits(0);
}

#[test]
fn reduce_day_refuses_a_day_of_other_rules_and_names_both() {
    let sandbox = sandbox();
    reduce(&sandbox, "--countries any").exits(0);
    let before = sandbox.read(PARTIAL);
    sandbox.write("late-20211201.log", "55|66|DE\n");
    for line in ["logs/listen-20211201.log", "--add late-20211201.log"] {
        sandbox.agg(&format!("reduce-day --max-reject-ratio 1 --max-log-reject-ratio 1 {line}")).exits(65).in_one_line().shows(&[
            "2021-12-01 is already counted with --countries any, and this run has the default rules",
            "use the same rules, or replace the day with --force",
        ]);
    }
    assert!(sandbox.read(PARTIAL) == before);
    let same = reduce(&sandbox, "--countries any").exits(0).in_no_line();
    assert_eq!(json(&same)["outcome"], "unchanged");
    sandbox.agg("reduce-day --countries any --add late-20211201.log").exits(0);
    assert_eq!((version(&sandbox), &inspected(&sandbox)["rows"]), (2, &3.into()));
    let run = reduce(&sandbox, "--force").exits(0);
    assert_eq!((&json(&run)["outcome"], version(&sandbox)), (&"replaced".into(), 1));
}

#[test]
fn a_day_of_version_1_matches_any_rules_and_takes_on_those_of_logs_that_are_added() {
    let sandbox = sandbox();
    reduce(&sandbox, "").exits(0);
    let before = sandbox.read(PARTIAL);
    let warning =
        "2021-12-01 recorded no rules when stored, and is taken as counted with --countries any";
    let run = reduce(&sandbox, "--countries any").exits(0).in_one_line().shows(&[warning]);
    assert_eq!(json(&run)["outcome"], "unchanged");
    let run = backfill(&sandbox, "--countries any").exits(0).in_one_line().shows(&[warning]);
    assert_eq!(json(&run)["days"][0]["outcome"], "unchanged");
    assert!(sandbox.read(PARTIAL) == before);
    sandbox.write("late-20211201.log", "55|66|ZZ\n");
    sandbox.agg("reduce-day --countries any --add late-20211201.log").exits(0);
    let found = inspected(&sandbox);
    assert_eq!((&found["rules"]["countries"], &found["accepted"]), (&"any".into(), &2.into()));
}

#[test]
fn backfill_replaces_a_day_of_other_rules_even_by_fewer_good_rows() {
    let sandbox = sandbox();
    backfill(&sandbox, "--countries any").exits(0);
    let outcome = |run: &Run| json(run)["days"][0]["outcome"].as_str().unwrap().to_owned();
    assert_eq!(outcome(&backfill(&sandbox, "--dry-run").exits(0)), "would_replace");
    assert_eq!(outcome(&backfill(&sandbox, "").exits(0).in_no_line()), "replaced");
    assert_eq!((version(&sandbox), &inspected(&sandbox)["accepted"]), (1, &1.into()));
    // Version 1 matches any rules, so there is no way back but by force.
    assert_eq!(outcome(&backfill(&sandbox, "--countries any").exits(0)), "unchanged");
    // A log that lost rows is refused whatever the rules.
    reduce(&sandbox, "--countries any --force").exits(0);
    sandbox.write("logs/listen-20211201.log", "11|22|FR\n");
    backfill(&sandbox, "").exits(65).shows(&["1 good row, and the stored day has 2"]);
}

#[cfg(feature = "parquet")]
#[test]
fn rules_travel_with_exported_tables() {
    let sandbox = sandbox();
    reduce(&sandbox, "--countries any").exits(0);
    sandbox.agg(&format!("export {DAY} --out dataset")).exits(0);
    sandbox
        .agg(&format!("import --date {DAY} dataset --store other"))
        .exits(65)
        .shows(&["country"]);
    sandbox.agg(&format!("import --date {DAY} dataset --store other --countries any")).exits(0);
    assert!(sandbox.read(PARTIAL) == sandbox.read("other/partials/2021-12-01.agg"));
}

#[test]
fn a_window_of_days_with_different_rules_is_warned_of() {
    let sandbox = sandbox();
    sandbox.reduced("2021-11-30", LOG);
    reduce(&sandbox, "--countries any").exits(0);
    let warning = "the days of this window were counted with different rules: 2021-11-30 with the default rules, or \
                   recorded none; 2021-12-01 with --countries any";
    for line in
        ["emit-window --date 2021-12-01 --days 2", "query --country FR --date 2021-12-01 --days 2"]
    {
        sandbox.agg(line).exits(0).in_one_line().shows(&[warning]);
    }
    sandbox.agg("emit-window --date 2021-12-01 --days 1 --force").exits(0).in_no_line();
    assert_eq!(sandbox.manifest(DAY)["partials"][0].as_object().unwrap().len(), 4);
}
