//! `emit-window`: sums, order, ties, missing days, what is published and what is refused.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::harness::{DAY, Sandbox};

/// A log of streams, `count` times each song for the user in the country.
fn log(streams: &[(u64, u64, &str, usize)]) -> String {
    streams
        .iter()
        .map(|(song, user, country, count)| format!("{song}|{user}|{country}\n").repeat(*count))
        .collect()
}

/// A sandbox with a stored day each, the first on 2021-12-01.
fn stored(logs: &[String]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (at, log) in logs.iter().enumerate() {
        sandbox.reduced(&format!("2021-12-{:02}", at + 1), log);
    }
    sandbox
}

/// A sandbox with `days` stored days; on each, user n listens to song n on the n-th.
fn stored_days(days: u64) -> Sandbox {
    stored(&(1..=days).map(|n| log(&[(n, n, "FR", 1), (1000, 1000, "DE", 1)])).collect::<Vec<_>>())
}

/// Everything below the output folder: path and content, links as what they say.
fn published(sandbox: &Sandbox, out: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for day in sandbox.names(out) {
        let path = format!("{out}/{day}");
        if let Ok(target) = fs::read_link(sandbox.path(&path)) {
            all.push((day, target.into_os_string().into_encoded_bytes()));
            continue;
        }
        for file in sandbox.names(&path) {
            all.push((format!("{day}/{file}"), sandbox.read(format!("{path}/{file}"))));
        }
    }
    all
}

#[test]
fn a_line_is_a_key_and_its_songs_by_count() {
    let sandbox = stored(&[log(&[
        (20, 7, "FR", 2),
        (10, 7, "FR", 5),
        (10, 100, "FR", 1),
        (30, 30, "DE", 1),
        (20, 9, "AD", 1),
    ])]);
    let (countries, users) = sandbox.tops_of_day(DAY);
    assert_eq!(countries, "AD|20:1\nDE|30:1\nFR|10:6,20:2\n");
    assert_eq!(users, "7|10:5,20:2\n9|20:1\n30|30:1\n100|10:1\n");
}

#[test]
fn equal_counts_are_ordered_by_song_as_a_number() {
    let songs = [10_000, 9, 1_000_000_000_000, 10, 4_294_967_296, 99, 100, 0, i64::MAX as u64];
    let streams: Vec<_> =
        songs.iter().map(|&song| (song, 1, "FR", 2)).chain([(50, 1, "FR", 3)]).collect();
    let sandbox = stored(&[log(&streams)]);
    let best =
        "50:3,0:2,9:2,10:2,99:2,100:2,10000:2,4294967296:2,1000000000000:2,9223372036854775807:2";
    assert_eq!(sandbox.tops_of_day(DAY), (format!("FR|{best}\n"), format!("1|{best}\n")));
}

#[test]
fn a_tie_at_rank_k_is_cut_at_the_lowest_songs() {
    // 48 songs with two streams, then ten with one, given in falling order.
    let many = (1..=48).rev().map(|song| (song * 7, 1, "FR", 2));
    let tied = (1..=10).rev().map(|song| (song * 1000 + 1, 1, "FR", 1));
    let sandbox = stored(&[log(&tied.chain(many).collect::<Vec<_>>())]);
    let mut best: Vec<String> = (1..=48).map(|song| format!("{}:2", song * 7)).collect();
    best.extend(["1001:1".to_owned(), "2001:1".to_owned()]);
    assert_eq!(sandbox.tops_of_day(DAY).1, format!("1|{}\n", best.join(",")));
}

#[test]
fn k_names_the_files_and_fewer_songs_are_all_given() {
    let streams: Vec<_> =
        (1..=120).rev().zip(1..=120).map(|(count, song)| (song, 1, "FR", count)).collect();
    let sandbox = stored(&[log(&streams)]);
    let best =
        |k: u64| (1..=k).map(|song| format!("{song}:{}", 121 - song)).collect::<Vec<_>>().join(",");
    for (top, given) in [
        (1, 1),
        (2, 2),
        (49, 49),
        (50, 50),
        (51, 51),
        (119, 119),
        (120, 120),
        (121, 120),
        (10_000, 120),
    ] {
        sandbox.agg(&format!("emit-window --date {DAY} --days 1 --top {top} --force")).exits(0);
        let name = |kind| format!("top{top}_songs_per_{kind}.txt");
        // Nothing of the emission before is left.
        assert_eq!(
            sandbox.names(&format!("agg-out/{DAY}")),
            ["manifest.json".to_owned(), name("country"), name("user")]
        );
        assert_eq!(
            sandbox.text(format!("agg-out/{DAY}/{}", name("user"))),
            format!("1|{}\n", best(given))
        );
        assert_eq!(sandbox.manifest(DAY)["top"], top);
    }
}

#[test]
fn a_window_is_the_sum_of_its_days_and_of_no_other() {
    let sandbox = stored(&[
        log(&[(1, 1, "FR", 100)]),
        log(&[(1, 1, "FR", 1), (2, 1, "FR", 3)]),
        log(&[(1, 1, "FR", 4), (2, 2, "DE", 1)]),
        log(&[(9, 9, "FR", 100)]),
    ]);
    sandbox.agg("emit-window --date 2021-12-03 --days 2").exits(0);
    assert_eq!(
        sandbox.tops("2021-12-03"),
        ("DE|2:1\nFR|1:5,2:3\n".to_owned(), "1|1:5,2:3\n2|2:1\n".to_owned())
    );
    let manifest = sandbox.manifest("2021-12-03");
    assert_eq!(
        manifest["window"],
        serde_json::json!({"from": "2021-12-02", "to": "2021-12-03", "days": 2})
    );
}

#[test]
fn a_window_has_seven_days_by_default() {
    let sandbox = stored_days(8);
    sandbox.agg("emit-window --date 2021-12-08").exits(0);
    let expected: String = (2..=8).map(|n| format!("{n}|{n}:1\n")).collect();
    assert_eq!(sandbox.tops("2021-12-08").1, expected + "1000|1000:7\n");
    sandbox.agg("emit-window --date 2021-12-08 --days 8 --force").exits(0);
    assert!(sandbox.tops("2021-12-08").1.ends_with("1000|1000:8\n"));
}

#[test]
fn a_window_passes_the_ends_of_months_and_leap_days() {
    let sandbox = Sandbox::new();
    for (n, day) in ["2020-02-28", "2020-02-29", "2020-03-01"].iter().enumerate() {
        sandbox.reduced(day, format!("{n}|1|FR\n"));
    }
    sandbox.agg("emit-window --date 2020-03-01 --days 3").exits(0);
    assert_eq!(sandbox.tops("2020-03-01").1, "1|0:1,1:1,2:1\n");
}

#[test]
fn a_song_outside_every_days_top_can_lead_the_weeks() {
    // Each day, two hits of its own rank before song 5; with K = 2 no day's top has it.
    let day = |n: u64| log(&[(n * 10 + 1, 1, "FR", 3), (n * 10 + 2, 1, "FR", 3), (5, 1, "FR", 2)]);
    let sandbox = stored(&(1..=7).map(day).collect::<Vec<_>>());
    sandbox.agg("emit-window --date 2021-12-07 --top 2").exits(0);
    assert_eq!(sandbox.text("agg-out/2021-12-07/top2_songs_per_user.txt"), "1|5:14,11:3\n");
    assert_eq!(sandbox.text("agg-out/2021-12-07/top2_songs_per_country.txt"), "FR|5:14,11:3\n");
}

#[test]
fn a_user_who_moves_is_one_user_of_several_countries() {
    let sandbox = stored(&[log(&[(1, 1, "FR", 1), (1, 1, "DE", 2), (2, 1, "ES", 1)])]);
    let (countries, users) = sandbox.tops_of_day(DAY);
    assert_eq!(countries, "DE|1:2\nES|2:1\nFR|1:1\n");
    assert_eq!(users, "1|1:3,2:1\n");
}

#[test]
fn days_without_a_row_give_empty_files() {
    let sandbox = stored(&[String::new()]);
    assert_eq!(sandbox.tops_of_day(DAY), (String::new(), String::new()));
    assert_eq!(sandbox.totals(DAY), crate::harness::Totals::default());
}

#[test]
fn a_missing_day_is_named_with_the_way_out_and_nothing_is_published() {
    let sandbox = stored_days(3);
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    let run = sandbox.agg("emit-window --date 2021-12-03 --days 4");
    let words = ["2021-11-30", "2021-12-02", "reduce-day", "--allow-missing"];
    let run = run.exits(66).shows(&words).in_one_line();
    assert!(!run.stderr.contains("2021-12-01"), "a day that is there: {run:?}");
    assert_eq!(sandbox.names("agg-out"), [""; 0]);
}

#[test]
fn a_window_without_its_missing_days_is_emitted_when_asked_for_and_says_so() {
    let sandbox = stored_days(3);
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    sandbox.agg("emit-window --date 2021-12-03 --days 4 --allow-missing").exits(0);
    assert_eq!(sandbox.tops("2021-12-03").1, "1|1:1\n3|3:1\n1000|1000:2\n");
    let manifest = sandbox.manifest("2021-12-03");
    assert_eq!(manifest["missing"], serde_json::json!(["2021-11-30", "2021-12-02"]));
    let days: Vec<_> = manifest["partials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|partial| partial["day"].clone())
        .collect();
    assert_eq!(days, ["2021-12-01", "2021-12-03"]);
}

#[test]
fn the_manifest_counts_keys_and_bytes_of_each_file() {
    let sandbox = stored_days(2);
    sandbox.agg("emit-window --date 2021-12-02 --days 2").exits(0);
    let manifest = sandbox.manifest("2021-12-02");
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let text = sandbox.text(format!("agg-out/2021-12-02/{}", file["name"].as_str().unwrap()));
        assert_eq!(file["keys"], text.lines().count());
        assert_eq!(file["bytes"], text.len());
    }
    assert_eq!(manifest["missing"], serde_json::json!([]));
    assert_eq!(manifest["partials"].as_array().unwrap().len(), 2);
    assert_ne!(manifest["partials"][0]["digest"], manifest["partials"][1]["digest"]);
}

#[test]
fn the_manifest_has_the_xxh3_64_of_each_file_that_is_published() {
    let sandbox = stored_days(2);
    let formats =
        if cfg!(feature = "parquet") { "text,csv,jsonl,parquet" } else { "text,csv,jsonl" };
    sandbox.agg(&format!("emit-window --date 2021-12-02 --days 2 --format {formats}")).exits(0);
    let manifest = sandbox.manifest("2021-12-02");
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), 2 * formats.split(',').count());
    for file in files {
        let bytes = sandbox.read(format!("agg-out/2021-12-02/{}", file["name"].as_str().unwrap()));
        let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes));
        assert_eq!(file["xxh3_64"], hash, "{file}");
    }
}

#[test]
fn the_same_partials_give_the_same_bytes_the_manifest_too() {
    let sandbox = stored_days(7);
    sandbox.agg("emit-window --date 2021-12-07 --out one --threads 1 --memory 64MiB").exits(0);
    sandbox.agg("emit-window --date 2021-12-07 --out two --threads 4").exits(0);
    sandbox.agg("emit-window --date 2021-12-07 --out two --threads 3").exits(0);
    assert_eq!(published(&sandbox, "one"), published(&sandbox, "two"));
    let manifest = sandbox.text("one/2021-12-07/manifest.json");
    let folder = sandbox.path("");
    assert!(!manifest.contains(folder.to_str().unwrap()), "an absolute path: {manifest}");
}

#[test]
fn latest_is_a_relative_link_that_never_moves_back() {
    let sandbox = stored_days(4);
    let latest = || fs::read_link(sandbox.path("agg-out/latest")).unwrap();
    for (emitted, expected) in
        [("03", "2021-12-03"), ("02", "2021-12-03"), ("04", "2021-12-04"), ("01", "2021-12-04")]
    {
        sandbox.agg(&format!("emit-window --date 2021-12-{emitted} --days 1")).exits(0);
        assert_eq!(latest(), Path::new(expected));
    }
    assert_eq!(sandbox.text("agg-out/latest/top50_songs_per_user.txt"), "4|4:1\n1000|1000:1\n");
}

#[test]
fn an_emission_leaves_its_folder_and_the_link_and_nothing_else() {
    let sandbox = stored_days(2);
    for _ in 0..2 {
        sandbox.agg("emit-window --date 2021-12-02 --days 2").exits(0);
        let files = ["manifest.json", "top50_songs_per_country.txt", "top50_songs_per_user.txt"];
        let files = files.map(|file| format!("agg-out/2021-12-02/{file}"));
        assert_eq!(sandbox.files("agg-out"), [&files[..], &["agg-out/latest".to_owned()]].concat());
    }
}

#[test]
fn a_window_that_includes_a_day_more_is_kept_unless_forced() {
    let sandbox = stored_days(3);
    sandbox.agg("emit-window --date 2021-12-03 --days 3").exits(0);
    let before = published(&sandbox, "agg-out");
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    let run = sandbox.agg("emit-window --date 2021-12-03 --days 3 --allow-missing");
    run.exits(65).shows(&["2021-12-02", "--force"]).in_one_line();
    assert_eq!(published(&sandbox, "agg-out"), before);
    sandbox.agg("emit-window --date 2021-12-03 --days 3 --allow-missing --force").exits(0);
    assert_eq!(sandbox.tops("2021-12-03").1, "1|1:1\n3|3:1\n1000|1000:2\n");
}

#[test]
fn a_window_of_another_n_k_or_set_of_formats_is_kept_unless_forced() {
    let sandbox = stored_days(3);
    sandbox.agg("emit-window --date 2021-12-03 --days 3 --format text,csv").exits(0);
    let before = published(&sandbox, "agg-out");
    let remove = |names: &str| format!("remove {names}");
    let both = "top50_songs_per_country.csv, top50_songs_per_country.txt, top50_songs_per_user.csv, top50_songs_per_user.txt";
    for (flags, goes) in [
        ("--days 3 --format text,csv --top 7", remove(both)),
        ("--days 1 --format csv,text", format!("replace {both}")),
        (
            "--days 3",
            "remove top50_songs_per_country.csv, top50_songs_per_user.csv and replace \
             top50_songs_per_country.txt, top50_songs_per_user.txt"
                .to_owned(),
        ),
        ("--days 3 --format text,csv,jsonl", format!("replace {both}")),
        // Days that are missing do not matter then.
        ("--days 4 --allow-missing --format jsonl", remove(both)),
    ] {
        let run = sandbox.agg(&format!("emit-window --date 2021-12-03 {flags}")).exits(65);
        run.shows(&[
            "agg-out/2021-12-03",
            "published with 3 days, top 50",
            &goes,
            "--force",
            "--out",
        ])
        .in_one_line();
        assert_eq!(published(&sandbox, "agg-out"), before);
        let elsewhere = format!("emit-window --date 2021-12-03 {flags} --out other --force");
        sandbox.agg(&elsewhere).exits(0);
    }
    // The order of formats, and a format twice, do not make another set.
    sandbox.agg("emit-window --date 2021-12-03 --days 3 --format csv,text,csv").exits(0);
    sandbox.agg("emit-window --date 2021-12-03 --days 1 --top 7 --force").exits(0);
    assert_eq!(
        sandbox.names("agg-out/2021-12-03"),
        ["manifest.json", "top7_songs_per_country.txt", "top7_songs_per_user.txt"]
    );
    assert_eq!(sandbox.manifest("2021-12-03")["window"]["days"], 1);
}

#[test]
fn a_backfill_replaces_a_window_of_another_shape_with_a_warning() {
    let sandbox = stored_days(2);
    sandbox.agg("emit-window --date 2021-12-02 --days 2").exits(0);
    let before = published(&sandbox, "agg-out");
    let logs = "logs/2021-12-02.log";
    sandbox.write(logs, log(&[(2, 2, "FR", 1), (1000, 1000, "DE", 1)]));
    let files = "top50_songs_per_country.txt, top50_songs_per_user.txt";
    let line = "backfill --logs logs --emit --days 2 --top 7 --from 2021-12-02";
    let run = sandbox.agg(&format!("{line} --dry-run"));
    let run = run.exits(0).shows(&[
        "2021-12-02: would replace windows of 2 days, top 50 by",
        "and remove",
        files,
    ]);
    assert!(run.stdout.contains("would emit"), "{run:?}");
    assert_eq!(published(&sandbox, "agg-out"), before);
    let run = sandbox.agg(&format!("{line} --json")).exits(0);
    run.shows(&["2021-12-02: replaced windows of 2 days, top 50 by", "and removed", files]);
    assert_eq!(
        sandbox.names("agg-out/2021-12-02"),
        ["manifest.json", "top7_songs_per_country.txt", "top7_songs_per_user.txt"]
    );
    // Once: the same settings find it fresh, and no warning.
    let run = sandbox.agg(line).exits(0);
    assert!(run.stdout.contains("fresh") && !run.stderr.contains("top 50"), "{run:?}");
}

#[test]
fn a_window_is_emitted_anew_when_a_day_was_replaced_or_came_late() {
    let sandbox = stored_days(3);
    fs::remove_file(sandbox.path("agg-store/partials/2021-12-02.agg")).unwrap();
    sandbox.agg("emit-window --date 2021-12-03 --days 3 --allow-missing").exits(0);
    sandbox.write("late-20211202.log", "5|5|IT\n");
    sandbox.agg("reduce-day late-20211202.log").exits(0);
    sandbox.agg("emit-window --date 2021-12-03 --days 3").exits(0);
    assert_eq!(sandbox.tops("2021-12-03").0, "DE|1000:2\nFR|1:1,3:1\nIT|5:1\n");
    sandbox.write("again-20211202.log", "6|5|IT\n");
    sandbox.agg("reduce-day --force again-20211202.log").exits(0);
    sandbox.agg("emit-window --date 2021-12-03 --days 3").exits(0);
    assert_eq!(sandbox.tops("2021-12-03").0, "DE|1000:2\nFR|1:1,3:1\nIT|6:1\n");
}

#[test]
fn many_keys_and_one_huge_key_come_out_whole() {
    // 20,000 users with a stream each, all in one country of 20,000 songs, and one with all songs.
    let mut day = String::new();
    let mut users = String::new();
    for n in 0..20_000_u64 {
        let (user, song) = (1 + n * 104_729, 1 + (n * 7_919) % 20_000);
        writeln!(day, "{song}|{user}|FR\n{song}|0|FR").unwrap();
        writeln!(users, "{user}|{song}:1").unwrap();
    }
    let sandbox = stored(&[day.clone(), day]);
    sandbox.agg("emit-window --date 2021-12-02 --days 2 --memory 64MiB").exits(0);
    let (countries, found) = sandbox.tops("2021-12-02");
    let best =
        |count: u32| (1..=50).map(|song| format!("{song}:{count}")).collect::<Vec<_>>().join(",");
    assert_eq!(countries, format!("FR|{}\n", best(4)));
    assert!(found == format!("0|{}\n", best(2)) + &users.replace(":1\n", ":2\n"));
}
