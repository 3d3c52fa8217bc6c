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
    for (keep, stay) in [("20", &DAYS[2..]), ("21d", &DAYS[1..]), ("15", &DAYS[3..])] {
        let sandbox = stored(&DAYS);
        sandbox.agg(&format!("prune --keep-days {keep}")).exits(0);
        assert_eq!(days(&sandbox), (stay.map_to_owned(), stay.map_to_owned()), "{keep}");
    }
    let sandbox = stored(&DAYS);
    let run = sandbox.agg("prune").exits(0);
    assert!(run.stdout.contains("2021-10-01") && run.stdout.contains("4 days kept"), "{run:?}");
    assert_eq!(days(&sandbox).0, DAYS[1..].map_to_owned());
    // Again: nothing to do.
    let run = sandbox.agg("prune").exits(0);
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
    sandbox.agg("prune").exits(0);
    assert_eq!(days(&sandbox).0, DAYS[1..].map_to_owned());
    assert!(sandbox.exists("moved"));
}

#[test]
fn without_a_store_nothing_is_made_and_without_a_day_nothing_goes() {
    let sandbox = Sandbox::new();
    sandbox.agg("prune").exits(66).tells(&["agg-store", "--store"]).in_one_line();
    sandbox.agg("prune --keep-days 14").exits(2).tells(&["15"]);
    assert_eq!(sandbox.names(""), [""; 0]);
    sandbox.write("agg-store/partials/readme", "");
    sandbox.write("agg-store/rejects/2021-01-01.txt", "");
    let run = sandbox.agg("prune").exits(0);
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
        for line in ["prune --dry-run", "prune"] {
            let run = sandbox.agg(line).exits(if bytes.is_some() { 65 } else { 66 });
            run.tells(&["2022-03-03.agg"]).in_one_line();
        }
        fs::remove_file(&stray).unwrap();
        assert_eq!(days(&sandbox), before);
    }
    sandbox.agg("prune").exits(0);
}

#[test]
fn a_day_of_the_future_keeps_all_others() {
    let sandbox = Sandbox::new();
    for day in ["2021-01-01", "2021-12-01", "2190-01-01"] {
        sandbox.reduced(day, "1|1|FR\n");
    }
    for flags in ["", "--dry-run"] {
        let run = sandbox.agg(&format!("prune {flags}")).exits(65).in_one_line();
        run.tells(&["2190-01-01.agg", "ahead of the clock"]);
    }
    assert_eq!(sandbox.names("agg-store/partials").len(), 3);
    fs::remove_file(sandbox.path("agg-store/partials/2190-01-01.agg")).unwrap();
    sandbox.agg("prune").exits(0);
    assert_eq!(sandbox.names("agg-store/partials"), ["2021-12-01.agg"]);
}
