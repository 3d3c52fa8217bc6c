//! `prune`: which days go, and what is never touched.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{DAY, Sandbox};

/// A sandbox with a stored day for each of these dates.
fn stored(days: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, "1|1|FR\nno row\n");
    for day in days.iter().filter(|day| **day != DAY) {
        // The bytes do not matter here: nothing reads them.
        fs::copy(partial(&sandbox, DAY), partial(&sandbox, day)).unwrap();
        sandbox.write(format!("agg-store/rejects/{day}.txt"), "rejects\n");
    }
    sandbox
}

fn partial(sandbox: &Sandbox, day: &str) -> std::path::PathBuf {
    sandbox.path(format!("agg-store/partials/{day}.agg"))
}

/// The days that have a partial, and those that have a rejects file.
fn days(sandbox: &Sandbox) -> (Vec<String>, Vec<String>) {
    let of = |folder: &str, suffix: &str| -> Vec<String> {
        let names = sandbox.names(folder).into_iter();
        names.filter_map(|name| Some(name.strip_suffix(suffix)?.to_owned())).collect()
    };
    (of("agg-store/partials", ".agg"), of("agg-store/rejects", ".txt"))
}

const DAYS: [&str; 5] = ["2021-10-01", "2021-11-11", "2021-11-12", "2021-11-17", "2021-12-01"];

#[test]
fn the_days_before_the_newest_n_go_with_their_rejects_counted_from_the_newest_stored_day() {
    for (keep, stay) in
        [("20", &DAYS[2..]), ("21d", &DAYS[1..]), ("15", &DAYS[3..]), ("13", &DAYS[4..])]
    {
        let sandbox = stored(&DAYS);
        sandbox.agg(&format!("prune --keep-days {keep}")).exits(0);
        assert_eq!(days(&sandbox), (stay.map_to_owned(), stay.map_to_owned()), "{keep}");
    }
    let sandbox = stored(&DAYS);
    let run = sandbox.agg("prune --keep-days 35").exits(0);
    assert!(run.stdout.contains("2021-10-01") && run.stdout.contains("4 days kept"), "{run:?}");
    assert_eq!(days(&sandbox).0, DAYS[1..].map_to_owned());
    // Again: nothing to do.
    let run = sandbox.agg("prune --keep-days 35").exits(0);
    assert!(run.stdout.starts_with("0 days gone"), "{run:?}");
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for [&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn a_dry_run_prints_the_same_and_touches_nothing_not_even_the_lock() {
    let sandbox = stored(&DAYS);
    fs::remove_file(sandbox.path("agg-store/.lock")).unwrap();
    let planned = sandbox.agg("prune --keep-days 15 --dry-run --json").exits(0).stdout;
    assert_eq!(days(&sandbox), (DAYS.map_to_owned(), DAYS.map_to_owned()));
    assert!(!sandbox.exists("agg-store/.lock"));
    let done = sandbox.agg("prune --keep-days 15 --json").exits(0).stdout;
    let report = |text: &str| {
        let mut report: serde_json::Value = serde_json::from_str(text).unwrap();
        let fields = report.as_object_mut().unwrap();
        fields.retain(|name, _| !["dry_run", "seconds", "peak_memory_bytes"].contains(&&**name));
        report
    };
    assert_eq!(report(&planned), report(&done));
    assert_eq!(report(&planned)["days"].as_array().unwrap().len(), 3);
}

#[test]
fn strangers_stay_and_the_rejects_of_a_day_whose_partial_is_gone_go() {
    let sandbox = stored(&DAYS);
    fs::remove_file(partial(&sandbox, "2021-10-01")).unwrap();
    fs::create_dir(partial(&sandbox, "2021-09-01")).unwrap();
    sandbox.write("agg-store/partials/2021-09-02.agg.bak", "mine");
    sandbox.write("agg-store/partials/2021-09-31.agg", "no day");
    sandbox.write("agg-store/rejects/notes.txt", "mine");
    sandbox.write("agg-store/2021-09-01.agg", "mine");
    sandbox.agg("prune --keep-days 15").exits(0);
    assert_eq!(
        sandbox.files("agg-store"),
        [
            "agg-store/2021-09-01.agg",
            "agg-store/partials/.floor",
            "agg-store/partials/2021-09-02.agg.bak",
            "agg-store/partials/2021-09-31.agg",
            "agg-store/partials/2021-11-17.agg",
            "agg-store/partials/2021-12-01.agg",
            "agg-store/rejects/2021-11-17.txt",
            "agg-store/rejects/2021-12-01.txt",
            "agg-store/rejects/notes.txt",
        ]
    );
    assert!(partial(&sandbox, "2021-09-01").is_dir());
}

#[test]
fn of_a_day_that_was_moved_to_another_disk_the_link_goes_alone() {
    let sandbox = stored(&DAYS);
    fs::rename(partial(&sandbox, "2021-10-01"), sandbox.path("moved")).unwrap();
    symlink(sandbox.path("moved"), partial(&sandbox, "2021-10-01")).unwrap();
    symlink("nowhere", partial(&sandbox, "2021-10-02")).unwrap();
    sandbox.agg("prune --keep-days 35").exits(0);
    assert_eq!(days(&sandbox).0, DAYS[1..].map_to_owned());
    assert!(sandbox.exists("moved"));
}

#[test]
fn without_a_store_nothing_is_made_and_without_a_day_nothing_goes() {
    let sandbox = Sandbox::new();
    sandbox.agg("prune --keep-days 35").exits(66).shows(&["agg-store", "--store"]).in_one_line();
    assert_eq!(sandbox.names(""), [""; 0]);
    sandbox.write("agg-store/partials/readme", "");
    sandbox.write("agg-store/rejects/2021-01-01.txt", "");
    let run = sandbox.agg("prune --keep-days 35").exits(0);
    assert_eq!(run.stdout, "0 days gone (0 B), 0 days kept\n");
    assert!(sandbox.exists("agg-store/rejects/2021-01-01.txt"));
}

#[test]
fn a_newest_file_that_is_not_a_partial_of_its_day_keeps_all_others() {
    let sandbox = stored(&DAYS);
    let before = days(&sandbox);
    // Another file, an empty file, another day's partial, and a link to a disk that is not mounted.
    let stray = partial(&sandbox, "2022-03-03");
    for bytes in
        [Some(&b"no partial"[..]), Some(b""), Some(&sandbox.read(partial(&sandbox, DAY))), None]
    {
        match bytes {
            Some(bytes) => fs::write(&stray, bytes).unwrap(),
            None => symlink("/nowhere/2022-03-03.agg", &stray).unwrap(),
        }
        for line in ["prune --keep-days 35 --dry-run", "prune --keep-days 35"] {
            let run = sandbox.agg(line).exits(if bytes.is_some() { 65 } else { 66 });
            run.shows(&["2022-03-03.agg"]).in_one_line();
        }
        fs::remove_file(&stray).unwrap();
        assert_eq!(days(&sandbox), before);
    }
    sandbox.agg("prune --keep-days 35").exits(0);
}

#[test]
fn a_day_of_the_future_keeps_all_others() {
    let sandbox = Sandbox::new();
    for day in ["2021-01-01", "2021-12-01", "2190-01-01"] {
        sandbox.reduced(day, "1|1|FR\n");
    }
    for flags in ["", "--dry-run"] {
        let run = sandbox.agg(&format!("prune --keep-days 35 {flags}")).exits(65).in_one_line();
        run.shows(&["2190-01-01.agg", "ahead of the clock"]);
    }
    assert_eq!(sandbox.names("agg-store/partials").len(), 3);
    fs::remove_file(sandbox.path("agg-store/partials/2190-01-01.agg")).unwrap();
    sandbox.agg("prune --keep-days 35").exits(0);
    assert_eq!(sandbox.names("agg-store/partials"), ["2021-12-01.agg"]);
}

#[test]
fn nothing_goes_unless_days_or_emissions_are_asked_for() {
    let sandbox = stored(&DAYS);
    for line in ["prune", "prune --dry-run --json", "prune --out agg-out --days 1"] {
        sandbox.agg(line).exits(2).shows(&["--keep-days", "--keep-emissions"]).in_one_line();
    }
    assert_eq!(days(&sandbox).0, DAYS.map_to_owned());
    let run = sandbox.agg("prune --keep-days all").exits(0);
    assert!(run.stdout.starts_with("0 days gone"), "{run:?}");
}

#[test]
fn fewer_days_than_two_windows_less_one_and_fewer_emissions_than_two_are_refused() {
    let sandbox = stored(&DAYS);
    for (flags, told) in [
        ("--keep-days 12", "at least 13"),
        ("--keep-days 60 --days 31", "at least 61"),
        ("--keep-days 0 --days 1", "at least 1"),
        ("--keep-days 100 --keep-emissions 1", "--keep-emissions 1"),
        ("--keep-emissions 0", "the minimum is 2"),
    ] {
        sandbox.agg(&format!("prune {flags}")).exits(2).shows(&[told]).in_one_line();
    }
    assert_eq!(days(&sandbox).0, DAYS.map_to_owned());
    sandbox.agg("prune --keep-days 1 --days 1").exits(0);
    assert_eq!(days(&sandbox).0, ["2021-12-01"].map_to_owned());
}

/// A sandbox with the emissions of these days of December 2021, each with its store's day.
fn emitted(days: std::ops::RangeInclusive<u32>) -> Sandbox {
    let sandbox = Sandbox::new();
    for day in days {
        sandbox.reduced(&format!("2021-12-{day:02}"), format!("{day}|1|FR\n"));
        sandbox.agg(&format!("emit-window --date 2021-12-{day:02} --days 1")).exits(0);
    }
    sandbox
}

/// The dates below the output folder, links too, and `latest`.
fn dates(sandbox: &Sandbox) -> Vec<String> {
    let names = sandbox.names("agg-out").into_iter();
    names.map(|name| name.strip_prefix("2021-12-").unwrap_or(&name).to_owned()).collect()
}

#[test]
fn the_emissions_before_the_newest_n_go_and_the_store_is_not_touched() {
    let sandbox = emitted(1..=5);
    let store = sandbox.files("agg-store");
    let dry = sandbox.agg("prune --keep-emissions 2 --dry-run --json").exits(0);
    assert_eq!(dates(&sandbox), ["01", "02", "03", "04", "05", "latest"]);
    let run = sandbox.agg("prune --keep-emissions 2 --json").exits(0);
    assert_eq!(dates(&sandbox), ["04", "05", "latest"]);
    assert_eq!(sandbox.files("agg-store"), store);
    let emissions = |text: &str| {
        let report: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(report["keep_days"], serde_json::Value::Null);
        report["emissions"].clone()
    };
    assert_eq!(emissions(&run.stdout), emissions(&dry.stdout));
    assert_eq!(emissions(&run.stdout)["keep_from"], "2021-12-04");
    assert_eq!(emissions(&run.stdout)["removed"].as_array().unwrap().len(), 3);
    let run = sandbox.agg("prune --keep-emissions 2").exits(0);
    assert_eq!(run.stdout, "0 emissions gone (0 B), 2 emissions kept, from 2021-12-04\n");
    // Fewer than that: all stay. So do those of a folder that is not there, which is not made.
    sandbox.agg("prune --keep-emissions all").exits(0);
    sandbox.agg("prune --keep-emissions 2 --out none").exits(0);
    assert!(!sandbox.exists("none"));
    assert_eq!(dates(&sandbox), ["04", "05", "latest"]);
    // What was removed may come again then.
    sandbox.write("logs/listen-20211203.log", "3|1|FR\n");
    let planned = |keep: &str| {
        sandbox.agg(&format!("prune --keep-emissions {keep}")).exits(0);
        sandbox.agg("backfill --emit --days 1 --logs logs --dry-run").exits(0).stdout
    };
    assert!(!planned("2").contains("would emit"));
    assert!(planned("all").contains("would emit"));
}

#[test]
fn links_foreign_folders_and_the_emission_that_latest_names_are_never_removed() {
    let sandbox = emitted(1..=9);
    let out = |name: &str| sandbox.path(format!("agg-out/{name}"));
    // Moved to another disk, and back by a link.
    fs::rename(out("2021-12-01"), sandbox.path("moved")).unwrap();
    symlink(sandbox.path("moved"), out("2021-12-01")).unwrap();
    // Somebody's dated folders: without a manifest, with that of another program, of another date, with a note.
    sandbox.write("agg-out/2021-11-01/notes.md", "mine");
    sandbox.write("agg-out/2021-11-02/manifest.json", "{\"name\": \"app\"}");
    fs::create_dir(out("2021-11-03")).unwrap();
    fs::copy(out("2021-12-02/manifest.json"), out("2021-11-03/manifest.json")).unwrap();
    sandbox.write("agg-out/2021-12-02/notes.md", "mine");
    fs::create_dir(out("2021-12-03/more")).unwrap();
    symlink("/etc/passwd", out("2021-12-04/passwd")).unwrap();
    // Marks of other programs go with an emission.
    sandbox.write("agg-out/2021-12-05/_SUCCESS", "");
    for name in ["2021-12-32", "2021-12-1", " 2021-12-01", "+021-12-01", "2021-12-01.bak"] {
        fs::create_dir(out(name)).unwrap();
        fs::copy(out("2021-12-06/manifest.json"), out(name).join("manifest.json")).unwrap();
    }
    fs::remove_file(out("latest")).unwrap();
    symlink(out("2021-12-06"), out("latest")).unwrap();
    let before = sandbox.names("agg-out");

    let run = sandbox.agg("prune --keep-emissions 2").exits(0);
    run.shows(&["2021-11-02", "2021-11-03", "notes.md", "more", "passwd", "never removed"]);
    let gone = ["2021-12-05", "2021-12-07"];
    let stay: Vec<_> = before.iter().filter(|name| !gone.contains(&name.as_str())).collect();
    assert_eq!(sandbox.names("agg-out").iter().collect::<Vec<_>>(), stay);
    assert!(sandbox.path("moved/manifest.json").exists());
    assert_eq!(sandbox.text("agg-out/2021-12-02/notes.md"), "mine");
}

#[test]
fn an_output_folder_that_another_run_writes_to_is_locked() {
    let sandbox = emitted(1..=3);
    let lock = fs::File::open(sandbox.path("agg-out/.out.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    sandbox.agg("prune --keep-emissions 2").exits(75).shows(&["agg-out", "locked"]).in_one_line();
    sandbox.agg("prune --keep-emissions 2 --dry-run").exits(0);
    assert_eq!(dates(&sandbox), ["01", "02", "03", "latest"]);
}

#[test]
fn the_list_has_the_emissions_and_which_of_them_are_stale() {
    let sandbox = emitted(1..=3);
    sandbox
        .agg("emit-window --date 2021-12-04 --days 3 --top 7 --format csv,text --allow-missing")
        .exits(0);
    sandbox.write("again-20211202.log", "9|9|IT\n");
    sandbox.agg("reduce-day --force again-20211202.log").exits(0);
    fs::remove_file(partial(&sandbox, "2021-12-01")).unwrap();
    sandbox.write("agg-out/2021-12-05/notes.md", "mine");
    let listed = |flags: &str, code| {
        let run = sandbox.agg(&format!("list --json {flags}")).exits(code);
        serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()["emissions"].clone()
    };
    assert_eq!(listed("", 0), serde_json::Value::Null);
    let emissions = listed("--out agg-out", 0);
    let emissions = emissions.as_array().unwrap();
    let stale: Vec<_> = emissions.iter().map(|found| found["stale"].as_bool().unwrap()).collect();
    // The first cannot be emitted again, and the fourth has the second day, too.
    assert_eq!(stale, [false, true, false, true]);
    let gone: Vec<_> = emissions.iter().map(|found| found["gone"].clone()).collect();
    assert_eq!(gone[0], serde_json::json!(["2021-12-01"]));
    assert!(gone[1..].iter().all(|gone| *gone == serde_json::json!([])));
    assert_eq!(emissions[3]["window"]["days"], 3);
    assert_eq!(emissions[3]["top"], 7);
    assert_eq!(emissions[3]["formats"], serde_json::json!(["text", "csv"]));
    assert_eq!(emissions[3]["missing"], serde_json::json!(["2021-12-04"]));
    let bytes: usize =
        sandbox.files("agg-out/2021-12-04").iter().map(|name| sandbox.read(name).len()).sum();
    assert_eq!(emissions[3]["bytes"], bytes);
    let run = sandbox.agg("list --out agg-out").exits(0);
    assert!(run.stdout.contains("2021-12-04  2 of 3 days    7  text,csv"), "{run:?}");
    let states = run.stdout.lines().skip_while(|line| !line.starts_with("EMISSION")).skip(1);
    let states: Vec<_> = states.map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(states, ["1 day no longer stored", "stale", "fresh", "stale"]);
    sandbox.write("agg-out/2021-12-03/manifest.json", "{");
    assert_eq!(listed("--out agg-out", 65)[2]["error"]["exit_code"], 65);
    assert_eq!(listed("--out none", 0), serde_json::json!([]));
}
