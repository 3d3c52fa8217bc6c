//! What comes through pipes: standard input, pipes with a path, and the output of commands, which may fail.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::harness::{DAY, Run, Sandbox, gz, hearing_signals, spawn};

const ROWS: &str = "11|22|FR\n33|44|DE\n";

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap()
}

/// Reduces the day from these commands, with further arguments.
fn reduce(sandbox: &Sandbox, commands: &[&str], arguments: &str) -> Run {
    let mut command = sandbox.command();
    command.args(["reduce-day", "--date", DAY]).args(arguments.split_whitespace());
    for line in commands {
        command.args(["--from-command", line]);
    }
    sandbox.run(&mut command)
}

/// Reduces the day from standard input, with further arguments.
fn reduce_stdin(sandbox: &Sandbox, bytes: &[u8], arguments: &str) -> Run {
    sandbox.agg_reading(bytes, &format!("reduce-day --date {DAY} {arguments} -"))
}

/// Waits until something is true, for tests that have another process beside them.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the process of which the file has the number is there, and is not a zombie of somebody else.
fn is_alive(sandbox: &Sandbox, file: &str) -> bool {
    let pid: i32 = sandbox.text(file).trim().parse().unwrap();
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok()) && !state.contains(") Z ")
}

#[test]
fn the_output_of_commands_is_counted_like_logs() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", "11|22|FR\n");
    sandbox.write("b.gz", gz("33|44|DE\n55|66|GB\n"));
    let commands = ["cat b.gz", "echo \"$AGG_DAY\" >day; printf '7|8|FR'"];
    let run = reduce(&sandbox, &commands, "a.log --json").exits(0).in_one_line();
    let run = run.shows(&["\"command-2\": the last line has no end"]);
    let inputs = json(&run)["inputs"].as_array().unwrap().clone();
    let named = inputs.iter().map(|input| (input["name"].as_str().unwrap(), &input["rows"]));
    let expected = [("a.log", 1.into()), ("command-1", 2.into()), ("command-2", 1.into())];
    assert!(named.eq(expected.iter().map(|(name, rows)| (*name, rows))), "{inputs:?}");
    assert_eq!(json(&run)["logs"], serde_json::json!(["a.log", "command-1", "command-2"]));
    assert_eq!(sandbox.text("day"), "2021-12-01\n");
    let metrics = "--metrics agg.prom --force";
    reduce(&sandbox, &["cat b.gz"], metrics).exits(0).in_no_line();
    assert!(sandbox.text("agg.prom").contains("agg_rows{command=\"reduce-day\"} 2"));
}

#[test]
fn a_command_that_fails_publishes_nothing_and_its_last_words_are_shown() {
    let sandbox = Sandbox::new();
    let first =
        "the command ended with status 3, so its output may be incomplete and is not counted";
    for (command, words) in [
        (
            "printf '11|22|FR\\n'; echo one >&2; printf 'no \\\\ \\033[1mhost\\n\\n' >&2; exit 3",
            "standard error: \"no \\x5c \\x1b[1mhost\"",
        ),
        ("printf '11|22|FR\\n'; exit 3", "its standard error was empty"),
        // Also where the output alone is damaged.
        ("printf '11|22|FR\\n' | gzip | head -c 20; echo cut >&2; exit 3", "error: \"cut\""),
        ("printf '\\037\\213'; echo cut >&2; exit 3", "error: \"cut\""),
        ("printf '<html>\\0</html>'; echo 404 >&2; exit 3", "error: \"404\""),
        ("exit 3", "its standard error was empty"),
    ] {
        let run = reduce(&sandbox, &[command], "").exits(66).in_one_line();
        run.shows(&["\"command-1\": ", first, words]);
        assert!(sandbox.files("agg-store").is_empty(), "{command}");
    }
    let long = "head -c 5000000 /dev/zero | tr '\\0' x >&2; exit 4";
    let run = reduce(&sandbox, &["echo '1|2|FR'", long], "").exits(66).in_one_line();
    assert!(run.stderr.len() < 1000, "{run:?}");
    run.shows(&["\"command-2\": the command ended with status 4", &"x".repeat(200)]);
    let run = reduce(&sandbox, &["echo '1|2|FR'; kill -9 $$"], "").exits(66).in_one_line();
    run.shows(&["the command was ended by signal 9"]);
    let run = reduce(&sandbox, &["no-such-program-of-any-machine"], "").exits(66).in_one_line();
    run.shows(&["ended with status 127", "not found"]);
    assert!(sandbox.files("agg-store").is_empty());
}

#[test]
fn what_a_command_writes_to_standard_error_does_not_block_it_and_is_in_the_verbose_log() {
    let sandbox = Sandbox::new();
    let rows = "yes '1|2|FR' | head -n 300000";
    let errors = "yes 'a warning' | head -n 300000 >&2";
    let line = format!("{errors} & {rows}; wait; {errors}");
    let run = reduce(&sandbox, &[&line], "--json").exits(0).in_no_line();
    assert_eq!(json(&run)["rows"], 300_000);
    reduce(&sandbox, &["echo careful >&2; echo '1|2|FR'"], "-v --force")
        .exits(0)
        .shows(&["careful"]);
}

#[test]
fn a_command_has_an_empty_standard_input() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    command.args(["reduce-day", "--date", DAY, "--from-command", "cat"]).stdin(Stdio::piped());
    let mut child = spawn(&mut command);
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    drop(stdin);
}

#[test]
fn an_empty_pipe_is_refused_unless_it_may_be_empty() {
    let sandbox = Sandbox::new();
    let words = [
        "it is empty, as after a source that failed; if the day has no streams, use --allow-empty",
    ];
    for bytes in [Vec::new(), gz("")] {
        reduce_stdin(&sandbox, &bytes, "").exits(65).in_one_line().shows(&words);
    }
    sandbox.write("a.log", ROWS);
    reduce_stdin(&sandbox, b"", "a.log").exits(65).in_one_line().shows(&words);
    reduce(&sandbox, &["true"], "").exits(65).in_one_line().shows(&["\"command-1\": it is empty"]);
    assert!(sandbox.files("agg-store").is_empty());
    let no_rows = ["2021-12-01 has no rows"];
    reduce_stdin(&sandbox, b"", "--allow-empty").exits(0).in_one_line().shows(&no_rows);
    let again = reduce_stdin(&sandbox, b"", "--json").exits(0);
    assert_eq!(json(&again)["outcome"], "unchanged");
    // An empty day is the start of any other.
    let run = reduce_stdin(&sandbox, ROWS.as_bytes(), "--json").exits(0).in_no_line();
    assert_eq!(json(&run)["outcome"], "replaced");
    reduce(&sandbox, &["true"], "--add").exits(65).shows(&words);
    reduce(&sandbox, &["true"], "--add --allow-empty").exits(0);
}

#[test]
fn a_day_of_standard_input_is_replaced_without_force_by_more_of_the_same_alone() {
    let sandbox = Sandbox::new();
    let log: String = (0..300_000).map(|at| format!("{at}|{}|FR\n", at % 7)).collect();
    let bytes = log.as_bytes();
    let outcome = |bytes: &[u8], expected: &str| {
        let run = reduce_stdin(&sandbox, bytes, "--json").exits(0).in_no_line();
        assert_eq!(json(&run)["outcome"], expected);
    };
    let refused = |bytes: &[u8]| {
        let before = sandbox.tree(&["agg-store"]);
        let run = reduce_stdin(&sandbox, bytes, "").exits(65).in_one_line();
        run.shows(&[
            "2021-12-01 is already reduced, and its rows are not the first ones of this input",
        ]);
        assert!(sandbox.tree(&["agg-store"]) == before);
    };
    let line_before = |at: usize| log[..at].rfind('\n').unwrap() + 1;
    outcome(&bytes[..line_before(1000)], "reduced");
    outcome(&bytes[..line_before(1000)], "unchanged");
    refused(&bytes[..line_before(900)]);
    refused(&bytes[11..]);
    outcome(&bytes[..line_before(1 << 20)], "replaced");
    outcome(&bytes[..line_before(3 << 20)], "replaced");
    let mut other = bytes.to_vec();
    other[(2 << 20) + 5] = b'x';
    refused(&other);
    outcome(bytes, "replaced");
    // The same content, compressed, is the same.
    outcome(&gz(&log), "unchanged");
    // Other logs than standard input: as ever.
    sandbox.write("a.log", format!("{log}1|2|FR\n"));
    sandbox.agg(&format!("reduce-day --date {DAY} a.log")).exits(65).shows(&["from other logs"]);
    reduce_stdin(&sandbox, b"1|2|FR\n", "--force").exits(0);
    assert_eq!(json(&sandbox.agg(&format!("inspect {DAY} --json")).exits(0))["rows"], 1);
}

#[test]
fn a_day_of_commands_is_replaced_by_commands_that_have_written_on() {
    let sandbox = Sandbox::new();
    let outcome = |commands: &[&str]| {
        let run = reduce(&sandbox, commands, "--json").exits(0).in_no_line();
        json(&run)["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome(&["echo '1|2|FR'", "echo '3|4|FR'"]), "reduced");
    assert_eq!(outcome(&["echo '1|2|FR'", "echo '3|4|FR'"]), "unchanged");
    assert_eq!(outcome(&["echo '1|2|FR'", "echo '3|4|FR'; echo '5|6|FR'"]), "replaced");
    let failed = ["echo '1|2|FR'; echo '7|8|FR'", "echo '3|4|FR'; exit 1"];
    reduce(&sandbox, &failed, "").exits(66);
    reduce(&sandbox, &["echo '1|2|FR'"], "").exits(65).shows(&["use --force"]);
    reduce(&sandbox, &["echo '9|9|FR'"], "--add").exits(0);
    assert_eq!(json(&sandbox.agg(&format!("inspect {DAY} --json")).exits(0))["rows"], 4);
}

#[test]
fn commands_with_the_same_output_are_refused_like_copies_of_a_log() {
    let sandbox = Sandbox::new();
    let rows: String = (0..200_000).map(|at| format!("{at}|{}|FR\n", at % 7)).collect();
    sandbox.write("a.log", &rows);
    sandbox.write("b.log", format!("{rows}1|2|FR\n"));
    for commands in [["cat a.log", "cat a.log"], ["cat a.log", "cat b.log"]] {
        let run = reduce(&sandbox, &commands, "").exits(65).in_one_line();
        run.shows(&["\"command-2\": ", "\"command-1\""]);
    }
    reduce(&sandbox, &["cat a.log"], "b.log").exits(65).shows(&["command-1", "b.log"]);
    reduce(&sandbox, &["cat a.log"], "b.log --allow-duplicates").exits(0);
}

#[test]
fn a_signal_ends_the_commands_and_all_that_they_have_started() {
    // A command that waits, one that writes on and on, and one that does not want to end.
    let stubborn =
        "trap '' TERM; sleep 600 & echo $! >child; echo $$ >shell; while :; do sleep 600; done";
    for (line, signal) in [
        ("sleep 600 & echo $! >child; echo $$ >shell; wait", Signal::TERM),
        ("sleep 600 & echo $! >child; echo $$ >shell; wait", Signal::INT),
        ("yes '1|2|FR' & echo $! >child; echo $$ >shell; wait", Signal::INT),
        (stubborn, Signal::TERM),
    ] {
        let sandbox = Sandbox::new();
        let mut command = hearing_signals(env!("CARGO_BIN_EXE_agg"));
        command.current_dir(sandbox.path(""));
        command.args(["reduce-day", "--date", DAY, "--from-command", line]);
        let child = spawn(&mut command);
        let is_written =
            || fs::read_to_string(sandbox.path("shell")).is_ok_and(|pid| pid.ends_with('\n'));
        wait_until("the command has started", is_written);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + signal.as_raw()), "{line}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let words = format!("stopped by signal {}", signal.as_raw());
        assert!(told.lines().count() == 1 && told.contains(&words), "{told}");
        wait_until(line, || !is_alive(&sandbox, "child") && !is_alive(&sandbox, "shell"));
        assert!(sandbox.files("agg-store").is_empty(), "{line}");
    }
}

#[test]
fn commands_are_ended_where_the_run_fails_without_them() {
    let sandbox = Sandbox::new();
    let waiting = "echo $$ >shell; yes '1|2|FR' | head -n 1000; exec sleep 600";
    for (failing, code) in [
        ("printf '\\377\\376a\\0b\\0'", 65),
        ("exit 9", 66),
        // Another thread waits for the other command by then.
        ("yes '1|2|FR' | head -n 700000; exit 9", 66),
    ] {
        let run = reduce(&sandbox, &[failing, waiting], "--threads 2").exits(code).in_one_line();
        run.shows(&["\"command-1\": "]);
        assert!(!is_alive(&sandbox, "shell"), "{failing}");
    }
    // All of it is corrupt, and it goes on after its end.
    let corrupt = "echo $$ >shell; echo corrupt; exec >&- 2>&-; sleep 0.2";
    reduce(&sandbox, &[corrupt], "").exits(65).in_one_line();
    assert!(!is_alive(&sandbox, "shell"));
    // A log that is not there is found before a command starts.
    reduce(&sandbox, &["echo started >started"], "none.log").exits(66);
    assert!(!sandbox.exists("started"));
}

#[test]
fn pipes_with_a_path_are_read_like_standard_input() {
    let sandbox = Sandbox::new();
    mknodat(CWD, sandbox.path("p-20211201.log"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let bash = |line: &str| {
        let agg = env!("CARGO_BIN_EXE_agg");
        let mut command = hearing_signals("bash");
        command.current_dir(sandbox.path(""));
        sandbox.run(command.args(["-c", &line.replace("agg ", &format!("{agg} "))]))
    };
    let reduce = format!("agg reduce-day --json --date {DAY}");
    let run =
        bash(&format!("printf '1|2|FR\\n' >p-20211201.log & {reduce} p-20211201.log")).exits(0);
    assert_eq!(
        (&json(&run)["rows"], &json(&run)["inputs"][0]["name"]),
        (&1.into(), &"p-20211201.log".into())
    );
    let run = bash(&format!("{reduce} --force <(printf '1|2|FR\\n') <(printf '3|4|FR\\n' | gzip)"))
        .exits(0);
    assert_eq!(json(&run)["rows"], 2);
    let run = bash(&format!("{reduce} <(printf '1|2|FR\\n3|4|FR\\n') <(printf '5|6|FR\\n')"));
    run.exits(65).shows(&["use --force"]);
    bash(&format!("{reduce} --force <(true)")).exits(65).shows(&["it is empty"]);
    sandbox.agg("reduce-day p-20211201.log").exits(65).in_one_line().shows(&["--date"]);
    // In a folder it is not a log.
    sandbox.agg(&format!("reduce-day --date {DAY} .")).exits(66);
}

#[test]
fn a_pipe_that_nobody_writes_to_is_waited_for_until_a_signal() {
    let sandbox = Sandbox::new();
    mknodat(CWD, sandbox.path("p"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut command = hearing_signals(env!("CARGO_BIN_EXE_agg"));
    command.current_dir(sandbox.path("")).args(["reduce-day", "--date", DAY, "p"]);
    let child = spawn(&mut command);
    wait_until("the store is there", || sandbox.exists("agg-store"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
}

#[test]
fn a_signal_ends_a_run_whose_standard_input_goes_on() {
    let sandbox = Sandbox::new();
    let mut command = hearing_signals(env!("CARGO_BIN_EXE_agg"));
    command.current_dir(sandbox.path("")).args(["reduce-day", "--date", DAY, "-"]);
    let mut child = spawn(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(ROWS.repeat(200_000).as_bytes()).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    drop(stdin);
    assert!(sandbox.files("agg-store").is_empty());
}

#[test]
fn commands_need_the_day_and_are_typed_where_they_are_needed() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    let run = sandbox.run(command.args(["reduce-day", "--from-command", "true"])).exits(2);
    run.in_one_line().shows(&["--date"]);
    let mut command = sandbox.command();
    sandbox.run(command.args(["backfill", "--logs", ".", "--from-command", "true"])).exits(2);
    reduce(&sandbox, &["true"], "--logs .").exits(2).shows(&["cannot be used with"]);
    sandbox.write("agg.toml", "[reduce-day]\nfrom-command = \"true\"\n");
    let run = reduce(&sandbox, &["true"], "--config agg.toml").exits(2).in_one_line();
    run.shows(&["agg.toml", "`from-command` cannot be set in a file"]);
    sandbox.write("agg.toml", "[reduce-day]\nallow-empty = true\n");
    reduce(&sandbox, &["true"], "--config agg.toml").exits(0);
}
