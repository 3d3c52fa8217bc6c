//! One stored partial of each format version: old stores stay readable, and the same logs still give the same bytes.
//!
//! A stored file is never written anew. A new version of the format gets a folder of its own beside the old one.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use agg::job::{EmitOptions, ReduceOptions, emit_window, reduce_day, verify};
use agg::model::{CountryCodes, Rules};
use agg::{Kind, Result};

use crate::harness::{DAY, Sandbox, repository};
use crate::library::{Sums, context, entries, open, unlocked};

/// Of the log that the stored partials were made from.
const LOG: &str = "listen-20211201.log";
const LOG_SECONDS: u64 = 1_638_403_199;
const LOG_NANOSECONDS: u32 = 123_456_789;

/// Song, user, country: a few busy keys, many small ones, ids up to the largest.
fn rows() -> Vec<(u64, u64, &'static str)> {
    let row = |at: u64| {
        let song = match at % 11 {
            0 => at * at % 37,
            1 => (1 << 63) - 1 - at % 5,
            _ => at * 7_919 % 60_013,
        };
        let user = if at.is_multiple_of(4) { 77 } else { at * 613 % 307 * 1_003 };
        (song, user, ["FR", "FR", "DE", "AD", "ZW", "FR", "GB"][(at % 7) as usize])
    };
    (0..6_000).map(row).collect()
}

fn log() -> String {
    let mut log = String::new();
    for (at, (song, user, country)) in rows().into_iter().enumerate() {
        log += &format!("{song}|{user}|{country}\n");
        if at % 500 == 7 {
            log += "1|2|FRFR\n\n";
        }
    }
    log
}

/// The same rows in another shape, with a header.
fn shaped_log() -> String {
    let row = |(song, user, country)| format!("{user};{song};x;{country}\n");
    ["user_id;sng_id;title;country\n".to_owned()]
        .into_iter()
        .chain(rows().into_iter().map(row))
        .collect()
}

fn stored(name: &str) -> Vec<u8> {
    fs::read(repository("tests/data/format-1").join(name)).unwrap()
}

fn stored_2() -> Vec<u8> {
    fs::read(repository("tests/data/format-2").join(format!("{DAY}.agg"))).unwrap()
}

/// A store that holds the stored partial.
fn store() -> Sandbox {
    let sandbox = Sandbox::new();
    let name = format!("{DAY}.agg");
    sandbox.write(format!("agg-store/partials/{name}"), stored(&name));
    sandbox
}

#[test]
fn a_partial_of_version_1_is_read_and_says_what_it_said() -> Result<()> {
    let sandbox = store();
    let days = verify(&context(&sandbox.path(""), 64 << 20, 1), &[])?.days;
    assert_eq!(days.len(), 1);
    has_the_rows(&sandbox)?;
    let found: serde_json::Value =
        serde_json::from_str(&sandbox.agg(&format!("inspect {DAY} --json")).exits(0).stdout)
            .unwrap();
    let said: serde_json::Value = serde_json::from_slice(&stored("inspect.json")).unwrap();
    for (field, value) in said.as_object().unwrap() {
        assert_eq!(found.get(field), Some(value), "{field}");
    }
    Ok(())
}

/// Compares the runs of the stored partial with the rows.
fn has_the_rows(sandbox: &Sandbox) -> Result<()> {
    let partial = open(&sandbox.path(format!("agg-store/partials/{DAY}.agg")))?;
    let (mut users, mut countries) = (Sums::new(), Sums::new());
    for (song, user, country) in rows() {
        let [first, second] = country.as_bytes() else { panic!("two letters") };
        let country = agg::Country::from_letters(*first, *second).unwrap();
        *users.entry((user, song)).or_default() += 1;
        *countries.entry((u64::from(country.number()), song)).or_default() += 1;
    }
    assert!(entries(&partial, Kind::User)? == users);
    assert!(entries(&partial, Kind::Country)? == countries);
    Ok(())
}

#[test]
fn a_partial_of_version_1_gives_the_tops_and_the_manifest_that_it_gave() {
    let sandbox = store();
    let day = DAY.parse().unwrap();
    let options = EmitOptions { days: 1, top: 3, ..EmitOptions::new(day, sandbox.path("agg-out")) };
    unlocked(|| emit_window(&context(&sandbox.path(""), 64 << 20, 2), &options));
    for name in ["top3_songs_per_country.txt", "top3_songs_per_user.txt", "manifest.json"] {
        assert!(sandbox.read(format!("agg-out/{DAY}/{name}")) == stored(name), "{name}");
    }
}

#[test]
fn a_partial_of_version_2_is_read_with_its_rules() -> Result<()> {
    let sandbox = Sandbox::new();
    sandbox.write(format!("agg-store/partials/{DAY}.agg"), stored_2());
    sandbox.agg("verify").exits(0);
    has_the_rows(&sandbox)?;
    let text = sandbox.agg(&format!("inspect {DAY}")).exits(0).stdout;
    assert!(text.contains(" --delimiter ';' --header --countries any\n"), "{text}");
    Ok(())
}

#[test]
fn the_logs_of_the_stored_partials_still_give_their_bytes() {
    let rules = Rules::new(";".parse().unwrap(), None, true, CountryCodes::Any);
    assert!(reduced(log(), Rules::default()) == stored(&format!("{DAY}.agg")));
    assert!(reduced(shaped_log(), rules) == stored_2());
}

/// The partial of a log read by these rules.
fn reduced(log: String, rules: Rules) -> Vec<u8> {
    let sandbox = Sandbox::new();
    sandbox.write(LOG, log);
    let time = SystemTime::UNIX_EPOCH + Duration::new(LOG_SECONDS, LOG_NANOSECONDS);
    let file = File::options().write(true).open(sandbox.path(LOG)).unwrap();
    file.set_modified(time).unwrap();
    let options =
        ReduceOptions { logs: vec![sandbox.path(LOG)], rules, ..ReduceOptions::default() };
    let report = unlocked(|| reduce_day(&context(&sandbox.path(""), 64 << 20, 2), &options));
    fs::read(report.partial).unwrap()
}
