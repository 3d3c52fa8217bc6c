//! Hooks of a night: when they run, what they are given, and that the recipes of the documentation work.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{repository, spawn};
use crate::machine::{DAYS, Machine};

/// A machine whose last night is due.
fn machine(settings: &str) -> Machine {
    let machine = Machine::with_logs_in("logs", settings);
    DAYS.into_iter().for_each(|day| machine.arrives(day));
    machine.nights_of(DAYS[0], "2021-12-06");
    machine
}

/// The night with a hook that writes what it is given.
fn night_with(machine: &Machine, arguments: &str, hook: &str) -> std::process::Command {
    let mut command = machine.command(arguments);
    let given = r#"echo "$AGG_DAY $AGG_EXIT_CODE $AGG_EMITTED $AGG_OUT_FOLDER $AGG_ERROR" >"#;
    command.args([hook, &format!("{given}{}; cat >report", hook.trim_start_matches('-'))]);
    command
}

#[test]
fn a_good_night_runs_the_success_hook_and_each_code_of_a_failure_the_other() {
    let machine = machine("");
    let sandbox = &machine.sandbox;
    let folder = sandbox.path("agg-out/2021-12-07");
    let mut good = night_with(&machine, "nightly 2021-12-07 --on-failure false", "--on-success");
    let run = sandbox.run(&mut good).exits(0);
    assert_eq!(sandbox.text("on-success"), format!("2021-12-07 0 yes {} \n", folder.display()));
    let report: serde_json::Value = serde_json::from_slice(&sandbox.read("report")).unwrap();
    assert_eq!((&report["command"], &report["day"]), (&"nightly".into(), &"2021-12-07".into()));
    assert!(run.stdout.starts_with("DAY "), "{}", run.stdout);
    // Again: nothing is emitted.
    sandbox.run(&mut good).exits(0);
    assert_eq!(sandbox.text("on-success"), format!("2021-12-07 0 no {} \n", folder.display()));
    fs::remove_file(sandbox.path("on-success")).unwrap();

    let failed = |arguments: &str, code: i32, error: &str| {
        let mut night = night_with(&machine, arguments, "--on-failure");
        sandbox.run(night.args(["--on-success", "touch pwned"])).exits(code);
        let given = sandbox.text("on-failure");
        assert!(given.contains(&format!(" {code} no ")) && given.contains(error), "{given}");
        let report: serde_json::Value = serde_json::from_slice(&sandbox.read("report")).unwrap();
        assert_eq!(report["command"], "nightly");
        report
    };
    let missing = failed("nightly 2021-12-08", 66, "no log for 2021-12-08");
    assert_eq!(missing["errors"][0]["exit_code"], 66);
    failed(
        "nightly 2021-12-07 --top 3 --max-reject-ratio 0 --store other",
        65,
        "2021-12-01: 64 of 3535 rows",
    );
    let io = failed("nightly 2021-12-07 --metrics nowhere/m.prom", 73, "nowhere");
    assert_eq!(io["error"]["exit_code"], 73);
    let lock = fs::File::open(sandbox.path("agg-store/.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    failed("nightly 2021-12-07", 75, "locked by another run");
    assert!(!sandbox.exists("pwned"));
    // Wrong usage is for the one who typed it.
    fs::remove_file(sandbox.path("on-failure")).unwrap();
    let mut wrong =
        night_with(&machine, "nightly 2021-12-07 --keep-days 15 --days 60", "--on-failure");
    sandbox.run(&mut wrong).exits(2);
    assert!(!sandbox.exists("on-failure"));
}

#[test]
fn a_success_hook_that_fails_leaves_all_published_runs_the_failure_hook_and_is_74() {
    let machine = machine("AGG_METRICS=m.prom");
    let sandbox = &machine.sandbox;
    let mut night = night_with(&machine, "nightly 2021-12-07 --hook-timeout 1s", "--on-failure");
    let run = sandbox.run(night.args(["--on-success", "exit 3"])).exits(74);
    run.shows(&["--on-success", "exit status: 3"]).shows(&["the night itself was good"]);
    assert!(sandbox.text("on-failure").starts_with("2021-12-07 74 yes "));
    assert!(sandbox.exists("agg-out/2021-12-07/manifest.json"));
    assert!(sandbox.text("m.prom").contains("agg_exit_status{command=\"backfill\"} 74"));
    assert!(!sandbox.exists("m-night.prom"));
    // The failure is in both documents.
    let mut night = night_with(&machine, "nightly 2021-12-07 --json", "--on-failure");
    let run = sandbox.run(night.args(["--on-success", "exit 3"])).exits(74);
    for document in [run.stdout.as_bytes(), &sandbox.read("report")] {
        let document: serde_json::Value = serde_json::from_slice(document).unwrap();
        assert_eq!(document["errors"][0], document["error"]);
        assert_eq!(document["error"]["exit_code"], 74);
        assert_eq!(document["days"][6]["window"], "fresh");
    }
    assert!(sandbox.text("on-failure").contains("exit status: 3"));
    // One that hangs is ended, with what it started.
    let mut night = night_with(&machine, "nightly 2021-12-07 --hook-timeout 1s", "--on-failure");
    let run = sandbox.run(night.args(["--on-success", "sleep 60 | sleep 60"])).exits(74);
    run.shows(&["it took longer than --hook-timeout"]);
    // The failure hook's own failure is a line.
    let run = machine.agg("nightly 2021-12-08 --on-failure [\"/no/such/program\"]").exits(66);
    run.shows(&["cannot run the hook --on-failure", "no log for 2021-12-08"]);
}

#[test]
fn hooks_hold_no_lock_and_end_with_the_night_at_a_signal() {
    let machine = machine("");
    let mut command = machine.command("nightly 2021-12-07");
    command.args(["--on-success", "echo $$ >pid; sleep 60 & wait", "--on-failure", "touch failed"]);
    let mut night = spawn(&mut command);
    while machine.sandbox.names("").iter().all(|name| name != "pid") {
        thread::sleep(Duration::from_millis(5));
    }
    machine.agg("nightly 2021-12-07").exits(0);
    kill_process(Pid::from_child(&night), Signal::TERM).unwrap();
    assert_eq!(night.wait().unwrap().code(), Some(143));
    let pid = machine.sandbox.text("pid");
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
    assert!(!machine.sandbox.exists("failed"));
}

#[test]
fn a_hook_that_ignores_a_signal_ends_with_the_night_at_the_second() {
    let machine = machine("");
    let mut command = machine.command("nightly 2021-12-07");
    command.args(["--on-success", "trap '' TERM; echo $$ >pid; sleep 60 & wait; sleep 60"]);
    let mut night = spawn(&mut command);
    while machine.sandbox.names("").iter().all(|name| name != "pid") {
        thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..2 {
        kill_process(Pid::from_child(&night), Signal::TERM).unwrap();
        thread::sleep(Duration::from_millis(220));
    }
    assert_eq!(night.wait().unwrap().code(), Some(143));
    let stat = format!("/proc/{}/stat", machine.sandbox.text("pid").trim());
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_dry_run_runs_no_hook_and_a_failed_command_is_a_document() {
    let machine = machine("");
    let mut command = machine.command("nightly 2021-12-07 --dry-run");
    command.args(["--on-success", "touch hooked", "--on-failure", "touch hooked"]);
    machine.sandbox.run(&mut command).exits(0);
    assert!(!machine.sandbox.exists("hooked"));
    for (arguments, code) in [
        ("nightly 2021-12-07 --metrics no/m.prom --json", 73),
        ("emit-window --date 2021-12-31 --json", 66),
        ("inspect 2021-12-31 --json", 66),
        ("emit-window --json", 2),
    ] {
        let run = machine.agg(arguments).exits(code).in_one_line();
        let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(document["command"], arguments.split(' ').next().unwrap());
        assert_eq!(document["error"]["exit_code"], code);
    }
}

#[test]
fn the_document_of_every_failed_run_has_the_error_that_decides_the_exit_code() {
    let machine = machine("");
    let sandbox = &machine.sandbox;
    let document = |arguments: &str, code| {
        let run = machine.agg(&format!("{arguments} --json")).exits(code);
        serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()
    };
    let good = document("nightly 2021-12-07", 0);
    assert!(good.get("error").is_none(), "{good}");
    assert_eq!(document("nightly 2021-12-08", 66)["error"]["exit_code"], 66);
    sandbox.write("agg-store/partials/2021-11-29.agg", "damaged");
    for (arguments, code) in [
        ("list", 65),
        ("verify", 65),
        ("backfill", 65),
        // A missing log too.
        ("nightly 2021-12-08 --catch-up 9", 65),
    ] {
        let document = document(arguments, code);
        assert_eq!(document["error"]["exit_code"], code, "{document}");
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.contains("2021-11-29"), "{message}");
    }
    // A lock stops the run, but the day had failed before.
    let lock = std::fs::File::open(sandbox.path("agg-out/.out.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let stopped = document("backfill --emit --top 3", 65);
    assert_eq!(stopped["stopped"]["exit_code"], 75);
    assert_eq!(stopped["error"]["exit_code"], 65);
}

/// Bytes by path, or by the mail's recipient.
type Kept = Mutex<BTreeMap<String, Vec<u8>>>;

/// A server on this machine that keeps what it is sent, over HTTP or SMTP.
struct Server {
    port: u16,
    received: Arc<Kept>,
}

impl Server {
    fn start(serve: fn(TcpStream, &Kept) -> std::io::Result<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Kept> = Arc::default();
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own business.
                let _ = serve(stream, &kept);
            }
        });
        Server { port, received }
    }

    fn received(&self) -> BTreeMap<String, Vec<u8>> {
        self.received.lock().unwrap().clone()
    }
}

fn line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// One request: PUT and POST are kept, GET gives what was kept.
fn http(mut stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = line(&mut reader)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut length = 0;
    loop {
        let header = line(&mut reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if header == "expect: 100-continue" {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let known = kept.lock().unwrap().get(path).cloned();
    let answer = if method == "GET" { known.unwrap_or_default() } else { Vec::new() };
    if method != "GET" || path == "/agg" {
        kept.lock().unwrap().insert(path.to_owned(), body);
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    )?;
    stream.write_all(&answer)
}

/// One mail.
fn smtp(mut stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 here\r\n")?;
    let mut to = String::new();
    loop {
        let command = line(&mut reader)?;
        if command.starts_with("RCPT") {
            to.clone_from(&command);
        }
        if command == "DATA" {
            stream.write_all(b"354 go\r\n")?;
            let mut text = Vec::new();
            while !text.ends_with(b"\r\n.\r\n") && reader.read_until(b'\n', &mut text)? > 0 {}
            kept.lock().unwrap().insert(to.clone(), text);
        }
        stream.write_all(if command == "QUIT" { b"221 ok\r\n" } else { b"250 ok\r\n" })?;
        if command == "QUIT" || command.is_empty() {
            return Ok(());
        }
    }
}

/// The recipe of the documentation below these words, for a server on this machine.
fn recipe(words: &str, host: &str, server: &Server) -> String {
    let page = fs::read_to_string(repository("docs/guides.md")).unwrap();
    let (_, below) = page.split_once(words).unwrap_or_else(|| panic!("{words}"));
    let (_, text) = below.split_once("```toml\n").unwrap();
    let (text, _) = text.split_once("```\n").unwrap();
    let here = format!("127.0.0.1:{}", server.port);
    let url = format!("//{host}");
    assert!(text.contains(&url), "{text}");
    text.replace("https:", "http:").replace(&url, &format!("//{here}"))
}

/// A machine whose last night is due, with the recipe in its settings file.
fn machine_with(recipe: &str) -> Machine {
    let machine = machine("");
    let sandbox = &machine.sandbox;
    let settings = |name: &str, folder: &str| format!("{name} = {:?}\n", sandbox.path(folder));
    let shared =
        settings("store", "agg-store") + &settings("out", "agg-out") + &settings("logs", "logs");
    sandbox.write("agg.toml", format!("memory = \"64MiB\"\n{shared}{recipe}"));
    machine
}

fn night_of(recipe: &str, day: &str, code: i32) {
    let machine = machine_with(recipe);
    let mut command = machine.command(&format!("nightly {day} --config agg.toml"));
    machine.sandbox.run(&mut command).exits(code);
}

#[test]
fn the_recipe_of_a_ping_works() {
    let server = Server::start(http);
    night_of(&recipe("A dead man's switch", "ping.example.org", &server), "2021-12-07", 0);
    assert_eq!(server.received().keys().collect::<Vec<_>>(), ["/agg"]);
}

#[test]
fn the_recipe_of_a_message_to_a_chat_works() {
    let server = Server::start(http);
    night_of(&recipe("A message to a chat", "chat.example.org", &server), "2021-12-08", 66);
    let message: serde_json::Value = serde_json::from_slice(&server.received()["/hook"]).unwrap();
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("agg 2021-12-08: exit code 66: no log for 2021-12-08"), "{text}");
}

#[test]
fn the_recipe_of_a_mail_works() {
    let server = Server::start(smtp);
    night_of(&recipe("A mail:", "mail.example.org", &server), "2021-12-08", 66);
    let (to, text) = server.received().pop_first().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(to.contains("ops@example.org"), "{to}");
    assert!(text.starts_with("Subject: agg 2021-12-08: exit code 66\r\n\r\nno log"), "{text:?}");
}

/// Stands for the client of an object store, whose objects are in `objects`; `lossy` makes it cut what it is sent.
const AWS: &str = r#"#!/bin/sh
place() { case $1 in s3://*) echo "$HOME/objects/${1#s3://}" ;; -) echo /dev/stdout ;; *) echo "$1" ;; esac; }
[ "$1 $2 $3" = "s3 cp --only-show-errors" ] || exit 2
from=$(place "$4") to=$(place "$5")
case $5 in s3://*) mkdir -p "${to%/*}" ;; esac
if [ -e "$HOME/lossy" ]; then head -c 9 "$from" >"$to"; else cat "$from" >"$to"; fi
"#;

#[test]
fn the_recipe_of_an_upload_sends_what_is_not_there_and_finds_other_content() {
    let page = fs::read_to_string(repository("docs/guides.md")).unwrap();
    let (_, below) = page.split_once("Upload each emission").unwrap();
    let (_, recipe) = below.split_once("```toml\n").unwrap();
    let (recipe, _) = recipe.split_once("```\n").unwrap();
    let machine = machine_with(recipe);
    let sandbox = &machine.sandbox;
    sandbox.write("bin/aws", AWS);
    fs::set_permissions(sandbox.path("bin/aws"), fs::Permissions::from_mode(0o755)).unwrap();
    let night = |arguments: &str, code: i32| {
        let mut command = machine.command(&format!("nightly {arguments} --config agg.toml"));
        let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
        command.env("HOME", sandbox.path("")).env("PATH", path);
        sandbox.run(&mut command).exits(code);
    };
    sandbox.write("lossy", "");
    night("2021-12-07", 74);
    let sent = sandbox.files("objects");
    let [sent] = sent.as_slice() else { panic!("one file and no manifest is sent: {sent:?}") };
    assert!(sent.ends_with("/top50_songs_per_country.txt"), "{sent}");
    // The next night sends it, although it emits nothing.
    fs::remove_file(sandbox.path("lossy")).unwrap();
    night("2021-12-07", 0);
    let copies = sandbox.files("objects/example-windows");
    assert!(copies.iter().any(|copy| copy.ends_with("2021-12-07/manifest.json")), "{copies:?}");
    for copy in copies {
        let original = copy.replace("objects/example-windows", "agg-out");
        assert!(sandbox.read(&copy) == sandbox.read(&original), "{copy}");
    }
}
