//! `--metrics FILE`: what a scheduler's monitoring reads of a run, good or bad.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::harness::{DAY, Sandbox, spawn};

/// The samples of a file by name and labels. Each metric has its help and its type before its first sample.
fn samples(sandbox: &Sandbox, file: &str) -> BTreeMap<String, f64> {
    let text = sandbox.text(file);
    let mut samples = BTreeMap::new();
    let mut explained = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            explained.push(comment.split(' ').take(2).collect::<Vec<_>>().join(" "));
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let metric = name.split('{').next().unwrap();
        for word in ["HELP", "TYPE"] {
            assert!(explained.contains(&format!("{word} {metric}")), "{metric} is not explained");
        }
        assert_eq!(samples.insert(name.to_owned(), value.parse().unwrap()), None, "{name} twice");
    }
    samples
}

fn success(sandbox: &Sandbox, file: &str, command: &str) -> Option<f64> {
    let name = format!("agg_last_success_timestamp_seconds{{command=\"{command}\"}}");
    samples(sandbox, file).get(&name).copied()
}

#[test]
fn a_reduction_an_emission_and_a_backfill_write_their_figures() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/20211201.log", "1|1|FR\n2|1|FR\nno row\n\n");
    sandbox.agg("reduce-day --max-reject-ratio 1 --max-log-reject-ratio 1 --metrics r.prom logs/20211201.log").exits(0);
    let reduced = samples(&sandbox, "r.prom");
    for (name, value) in [
        ("agg_exit_status{command=\"reduce-day\"}", 0.0),
        ("agg_rows{command=\"reduce-day\"}", 4.0),
        ("agg_counted_rows{command=\"reduce-day\"}", 4.0),
        ("agg_accepted_rows{command=\"reduce-day\"}", 2.0),
        ("agg_rejected_rows{command=\"reduce-day\",reason=\"blank\"}", 1.0),
        ("agg_rejected_rows{command=\"reduce-day\",reason=\"country\"}", 0.0),
        ("agg_log_bytes{command=\"reduce-day\"}", 22.0),
        ("agg_day_timestamp_seconds{command=\"reduce-day\"}", 1_638_316_800.0),
        ("agg_warnings{command=\"reduce-day\"}", 0.0),
    ] {
        assert_eq!(reduced.get(name), Some(&value), "{name}");
    }
    let size = fs::metadata(sandbox.path(format!("agg-store/partials/{DAY}.agg"))).unwrap().size();
    assert_eq!(reduced["agg_partial_bytes{command=\"reduce-day\"}"], size as f64);
    assert!(reduced["agg_peak_memory_bytes{command=\"reduce-day\"}"] > 0.0);
    for phase in ["read", "count", "publish"] {
        let name = format!("agg_phase_seconds{{command=\"reduce-day\",phase=\"{phase}\"}}");
        assert!(reduced.contains_key(&name), "{phase}");
    }
    sandbox.agg(&format!("emit-window --date {DAY} --days 1 --metrics e.prom")).exits(0);
    let emitted = samples(&sandbox, "e.prom");
    let (countries, users) = sandbox.tops(DAY);
    let bytes = (countries.len() + users.len()) as f64;
    assert_eq!(emitted["agg_output_bytes{command=\"emit-window\"}"], bytes);
    assert_eq!(emitted["agg_rows{command=\"emit-window\"}"], 4.0);

    sandbox.write("logs/20211202.log", "no row\n");
    let backfill = "backfill --logs logs --emit --days 1 --metrics b.prom";
    sandbox.agg(backfill).exits(65);
    let filled = samples(&sandbox, "b.prom");
    for (name, value) in [
        ("agg_exit_status{command=\"backfill\"}", 65.0),
        ("agg_days{command=\"backfill\",outcome=\"unchanged\"}", 1.0),
        ("agg_days{command=\"backfill\",outcome=\"failed\"}", 1.0),
        ("agg_windows{command=\"backfill\",outcome=\"fresh\"}", 1.0),
        ("agg_windows{command=\"backfill\",outcome=\"lacking\"}", 1.0),
        ("agg_counted_rows{command=\"backfill\"}", 0.0),
    ] {
        assert_eq!(filled.get(name), Some(&value), "{name}");
    }
    assert_eq!(success(&sandbox, "b.prom", "backfill"), None, "never yet");
    // Nothing but the files themselves.
    assert_eq!(sandbox.names(""), ["agg-out", "agg-store", "b.prom", "e.prom", "logs", "r.prom"]);
    assert!(fs::read_dir(sandbox.path("")).unwrap().count() == 6, "a temporary file is left");
}

#[test]
fn a_run_that_fails_keeps_the_time_of_the_last_success() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    let run = "reduce-day --metrics m.prom 20211201.log";
    sandbox.agg(run).exits(0);
    let text = sandbox.text("m.prom");
    let at = success(&sandbox, "m.prom", "reduce-day").unwrap();
    // As if that had been long ago.
    sandbox.write("m.prom", text.replace(&format!("{at}"), "1600000000"));
    sandbox.write("20211201.log", "2|2|FR\n");
    for _ in 0..2 {
        sandbox.agg(run).exits(65).shows(&["--add"]).in_one_line();
        assert_eq!(success(&sandbox, "m.prom", "reduce-day"), Some(1_600_000_000.0));
        let failed = samples(&sandbox, "m.prom");
        assert_eq!(failed["agg_exit_status{command=\"reduce-day\"}"], 65.0);
        assert!(failed["agg_last_run_timestamp_seconds{command=\"reduce-day\"}"] >= at);
        assert!(!failed.keys().any(|name| name.contains("rows")), "{failed:?}");
    }
    sandbox.agg("reduce-day --metrics m.prom gone-20211201.log").exits(66);
    assert_eq!(samples(&sandbox, "m.prom")["agg_exit_status{command=\"reduce-day\"}"], 66.0);
    sandbox.agg("reduce-day --force --metrics m.prom 20211201.log").exits(0);
    assert!(success(&sandbox, "m.prom", "reduce-day") >= Some(at));
}

#[test]
fn a_file_that_cannot_be_written_is_reported_before_the_work_and_never_written_through_a_link() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    let run = sandbox.agg("reduce-day --metrics gone/m.prom 20211201.log").exits(73);
    run.shows(&["gone/m.prom"]).in_one_line();
    assert!(!sandbox.exists("agg-store"), "the work has not begun");
    let other = "# HELP agg_other Of somebody else.\n";
    sandbox.write("target", other);
    symlink("target", sandbox.path("m.prom")).unwrap();
    sandbox.agg("reduce-day --metrics m.prom 20211201.log").exits(0);
    assert_eq!(sandbox.text("target"), other);
    assert!(success(&sandbox, "m.prom", "reduce-day").is_some());
}

#[test]
fn a_file_that_cannot_be_written_any_more_fails_the_run_and_spares_the_day() {
    let sandbox = Sandbox::new();
    for (log, code, lines) in [("1|1|FR\n", 73, 1), ("no row\n", 65, 2)] {
        fs::create_dir(sandbox.path("sub")).unwrap();
        let mut command = sandbox.command();
        command.args(["reduce-day", "--force", "--date", DAY, "--metrics", "sub/m.prom", "-"]);
        let mut child = spawn(command.stdin(Stdio::piped()));
        while !sandbox.exists("agg-store/tmp") {
            thread::sleep(Duration::from_millis(2));
        }
        fs::remove_dir(sandbox.path("sub")).unwrap();
        child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("sub/m.prom") && message.lines().count() == lines, "{message}");
        assert_eq!(sandbox.has_partial(DAY), code == 73);
        fs::remove_dir_all(sandbox.path("agg-store")).unwrap();
    }
}

#[test]
fn what_is_not_a_file_of_metrics_is_never_replaced() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    sandbox.write("binary", [0xff, 0, 1]);
    symlink("/proc/self/fd/1", sandbox.path("out")).unwrap();
    symlink("/dev/null", sandbox.path("null")).unwrap();
    symlink("20211201.log", sandbox.path("link")).unwrap();
    for name in ["20211201.log", "binary", "out", "null", "link"] {
        let before = fs::symlink_metadata(sandbox.path(name)).unwrap().ino();
        let run = sandbox.agg(&format!("reduce-day --metrics {name} 20211201.log"));
        run.exits(73).in_one_line().shows(&[name]);
        assert_eq!(fs::symlink_metadata(sandbox.path(name)).unwrap().ino(), before, "{name}");
    }
    assert!(!sandbox.exists("agg-store"));
    sandbox.write("empty", "");
    sandbox.agg("reduce-day --metrics empty 20211201.log").exits(0);
    assert!(success(&sandbox, "empty", "reduce-day").is_some());
}

#[test]
fn what_a_killed_run_left_beside_the_file_is_removed_by_the_next_run_for_it_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    for name in [".agg-metrics-a.prom-aB3dE6", ".agg-metrics-a.prom-b-aB3dE6", ".agg-tmp-aB3dE6"] {
        sandbox.write(name, "");
    }
    sandbox.agg("reduce-day --metrics a.prom 20211201.log").exits(0);
    assert!(!sandbox.exists(".agg-metrics-a.prom-aB3dE6"));
    assert!(sandbox.exists(".agg-metrics-a.prom-b-aB3dE6") && sandbox.exists(".agg-tmp-aB3dE6"));
}

#[test]
fn a_pipe_is_not_a_file_of_metrics() {
    let sandbox = Sandbox::new();
    sandbox.write("20211201.log", "1|1|FR\n");
    let pipe = sandbox.path("pipe.prom");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Before any work, and without waiting for a reader.
    let run = sandbox.agg("reduce-day --metrics pipe.prom 20211201.log");
    run.exits(73).in_one_line().shows(&["pipe.prom", "not a regular file"]);
    assert!(!sandbox.has_partial("2021-12-01"));
}
