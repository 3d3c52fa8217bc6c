//! `report`: what is on the page, against the obvious computation; what may not be on it; where it goes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use agg::Day;
use agg::job::{self, ReportOptions};
use serde_json::{Value, json};

use crate::counts::property::{Counts, Model};
use crate::harness::{Run, Sandbox, repository};
use crate::library::{Dice, context, run_bytes, unlocked};

/// The logs of each sample day.
const SAMPLES: [(&str, &[&str]); 9] = [
    ("2021-11-29", &["sample_listen-2021-11-29.log"]),
    ("2021-11-30", &["sample_listen-2021-11-30.log"]),
    ("2021-12-01", &["sample_listen-2021-12-01_2Mlines.log"]),
    ("2021-12-02", &["listen-20211202.log.gz"]),
    (
        "2021-12-03",
        &[
            "sample_listen-2021-12-03_parts/part-1.log",
            "sample_listen-2021-12-03_parts/part-2.log.gz",
            "sample_listen-2021-12-03_parts/part-3.txt",
            "sample_listen-2021-12-03_parts/part-4.txt.zst",
        ],
    ),
    ("2021-12-04", &["listen-20211204.log.zst"]),
    ("2021-12-05", &["listen-20211205.log"]),
    ("2021-12-06", &["sample_listen-2021-12-06.txt"]),
    ("2021-12-07", &["listen-20211207.log"]),
];

/// What the obvious program counts on each stored day.
type Days = BTreeMap<Day, Model>;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn decompressed(name: &str) -> Vec<u8> {
    let bytes = fs::read(repository("data-samples").join(name)).unwrap();
    let mut log = Vec::new();
    match name.rsplit('.').next() {
        Some("gz") => {
            flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut log).unwrap();
        }
        Some("zst") => zstd::stream::copy_decode(&*bytes, &mut log).unwrap(),
        _ => log = bytes,
    }
    log
}

fn sample_days() -> Days {
    let read = |logs: &[&str]| {
        let mut model = Model::default();
        logs.iter().for_each(|log| model.read(&decompressed(log)));
        model
    };
    SAMPLES.iter().map(|(name, logs)| (day(name), read(logs))).collect()
}

/// Sums of the stored days among `days`, by country.
fn summed(stored: &Days, days: &[Day]) -> Counts<String> {
    let mut sums = Counts::<String>::new();
    for model in days.iter().filter_map(|day| stored.get(day)) {
        for (country, songs) in &model.countries {
            for (song, count) in songs {
                *sums.entry(country.clone()).or_default().entry(*song).or_default() += count;
            }
        }
    }
    sums
}

fn best(songs: &BTreeMap<u64, u64>) -> Vec<u64> {
    let mut ids: Vec<u64> = songs.keys().copied().collect();
    ids.sort_by_key(|song| (Reverse(songs[song]), *song));
    ids.truncate(50);
    ids
}

/// A country of the page as [`shown`] gives it, computed by sorting everything.
fn expected_countries(stored: &Days, last: Day, days: u32, allow_missing: bool) -> Value {
    let window = last.window(days);
    let earlier = [1, 7].map(|back| {
        let days = last.plus_days(-back).unwrap().window(days);
        let whole = days.iter().all(|day| stored.contains_key(day));
        if whole || allow_missing { summed(stored, &days) } else { Counts::new() }
    });
    let on = |day: &Day, country: &str| stored.get(day).and_then(|m| m.countries.get(country));
    let countries = summed(stored, &window).into_iter().map(|(country, songs)| {
        let ranked = earlier.each_ref().map(|sums| sums.get(&country).map(best));
        let rank = |song: u64, window: usize| match &ranked[window] {
            None => -1,
            Some(best) => best.iter().zip(1..).find(|(one, _)| **one == song).map_or(0, |(_, at)| at),
        };
        let row = |song: u64| {
            let count = |day: &Day| on(day, &country).and_then(|songs| songs.get(&song)).copied();
            let counts: Vec<u64> = window.iter().map(|day| count(day).unwrap_or(0)).collect();
            json!([song.to_string(), rank(song, 0), rank(song, 1), counts])
        };
        let streams = |day: &Day| on(day, &country).map_or(0, |songs| songs.values().sum::<u64>());
        json!({
            "code": country,
            "streams": window.iter().map(streams).collect::<Vec<u64>>(),
            "earlier": earlier.each_ref().map(|sums| sums.get(&country).map(|songs| songs.values().sum::<u64>())),
            "songs": best(&songs).into_iter().map(row).collect::<Vec<_>>(),
        })
    });
    countries.collect()
}

/// The JSON of a page.
fn figures(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"figures\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// The countries of a page, the songs with their ids, and without the names of countries.
fn shown(figures: &Value) -> Value {
    let row = |row: &Value| {
        let row = row.as_array().unwrap();
        let id = &figures["songs"][usize::try_from(row[0].as_u64().unwrap()).unwrap()][0];
        json!([id, row[1], row[2], row[3..]])
    };
    let country = |country: &Value| {
        let songs: Vec<Value> = country["songs"].as_array().unwrap().iter().map(row).collect();
        json!({
            "code": country["code"],
            "streams": country["streams"],
            "earlier": country["earlier"],
            "songs": songs,
        })
    };
    figures["countries"].as_array().unwrap().iter().map(country).collect()
}

/// A sandbox with all samples reduced.
fn samples() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    command.args(["backfill", "--logs"]).arg(repository("data-samples"));
    sandbox.run(&mut command).exits(0);
    sandbox
}

/// Runs `agg report` with `flags`, which must succeed, and gives the page.
#[track_caller]
fn page(sandbox: &Sandbox, flags: &str) -> String {
    sandbox.agg(&format!("report --out week.html {flags}")).exits(0);
    sandbox.text("week.html")
}

#[test]
fn the_figures_of_the_samples_are_those_of_the_obvious_program() {
    let (sandbox, stored) = (samples(), sample_days());
    for (last, days, allow_missing) in [
        ("2021-12-07", 7, false),
        ("2021-12-07", 2, false),
        ("2021-12-06", 1, false),
        ("2021-12-03", 7, true),
        ("2021-12-15", 9, true),
    ] {
        let missing = if allow_missing { "--allow-missing" } else { "" };
        let figures = figures(&page(&sandbox, &format!("--date {last} --days {days} {missing}")));
        let expected = expected_countries(&stored, day(last), days, allow_missing);
        assert_eq!(shown(&figures), expected, "{last} {days}");

        let window = day(last).window(days);
        let daily = window.iter().map(|day| {
            let model = stored.get(day)?;
            let rejects: Vec<u64> = figures["reasons"]
                .as_array()?
                .iter()
                .map(|reason| model.totals.rejects.get(reason.as_str()?).copied().or(Some(0)))
                .collect::<Option<_>>()?;
            Some(json!({"streams": model.totals.accepted, "rejects": rejects}))
        });
        assert_eq!(figures["daily"], daily.collect::<Value>(), "{last} {days}");
        assert_eq!(figures["days"], json!(window));
    }
}

#[test]
fn new_risen_fallen_and_unknown_songs_are_distinguished() {
    let sandbox = Sandbox::new();
    // A week earlier there is no DE, and a day earlier no 5 in FR.
    sandbox.reduced("2021-12-01", "1|1|FR\n1|1|FR\n3|1|FR\n");
    sandbox.reduced("2021-12-07", "3|1|FR\n3|1|FR\n1|1|FR\n4|1|DE\n");
    sandbox
        .reduced("2021-12-08", "5|1|FR\n5|1|FR\n5|1|FR\n1|1|FR\n1|1|FR\n3|1|FR\n4|1|DE\n6|1|BR\n");
    let figures = figures(&page(&sandbox, "--date 2021-12-08 --days 1"));
    assert_eq!(
        shown(&figures),
        json!([
            {"code": "BR", "streams": [1], "earlier": [null, null], "songs": [["6", -1, -1, [1]]]},
            {"code": "DE", "streams": [1], "earlier": [1, null], "songs": [["4", 1, -1, [1]]]},
            {"code": "FR", "streams": [6], "earlier": [3, 3],
             "songs": [["5", 0, 0, [3]], ["1", 2, 1, [2]], ["3", 1, 2, [1]]]},
        ])
    );
    let week = json!({"end": "2021-12-01", "lacking": [], "streams": 3});
    assert_eq!(figures["earlier"][1], week);
    assert_eq!(figures["countries"][0]["name"], "Brazil");
}

#[test]
fn days_that_are_not_stored_are_an_error_or_a_gap() {
    let sandbox = Sandbox::new();
    sandbox.reduced("2021-12-06", "1|1|FR\n");
    sandbox.reduced("2021-12-08", "1|1|FR\n2|1|FR\n");
    sandbox
        .agg("report --date 2021-12-08 --days 3 --out week.html")
        .exits(66)
        .in_one_line()
        .shows(&["no partial for 2021-12-07"]);
    sandbox.agg("report --date 2022-12-08 --out week.html --allow-missing").exits(66).in_one_line();
    assert!(!sandbox.exists("week.html"));
    let figures = figures(&page(&sandbox, "--date 2021-12-08 --days 3 --allow-missing"));
    assert_eq!(figures["daily"][1], Value::Null);
    assert_eq!(figures["countries"][0]["streams"], json!([1, 0, 2]));
    let lacking = json!(["2021-12-05", "2021-12-07"]);
    assert_eq!(
        figures["earlier"][0],
        json!({"end": "2021-12-07", "lacking": lacking, "streams": 1})
    );
    assert_eq!(figures["earlier"][1]["streams"], Value::Null);
}

#[test]
fn names_of_songs_are_data_whatever_they_hold() {
    let sandbox = Sandbox::new();
    sandbox.reduced("2021-12-08", "1|1|FR\n2|1|FR\n3|1|FR\n9223372036854775807|1|FR\n");
    let hostile = "</script><img src=x onerror=alert(1)>&amp;\u{2028}<!--<script>";
    let mut songs = format!("id,title,artist\n1,\"{hostile}\",\"a,\"\"b\"\"\"\n77,unseen,x\n");
    songs += "9223372036854775807,\"two\nlines\",\nbad,row\n";
    sandbox.write("songs.csv", songs);
    let flags = "--date 2021-12-08 --days 1";
    let plain = page(&sandbox, flags);
    let run = sandbox.agg(&format!("report {flags} --songs songs.csv --out week.html")).exits(0);
    run.shows(&["songs.csv\":6: skipped 1 row that is not a song"]);
    let named = sandbox.text("week.html");
    let expected =
        json!([["1", hostile, "a,\"b\""], ["2"], ["3"], ["9223372036854775807", "two\nlines", ""]]);
    assert_eq!(figures(&named)["songs"], expected);
    for mark in ["<", ">", "\u{2028}"] {
        assert_eq!(named.matches(mark).count(), plain.matches(mark).count(), "{mark}");
    }
}

#[test]
fn the_same_partials_give_the_same_page_whatever_the_means() {
    let sandbox = samples();
    let flags = "--date 2021-12-07 --days 4";
    let first = page(&sandbox, flags);
    assert!(page(&sandbox, flags) == first);
    assert!(page(&sandbox, &format!("{flags} --memory 64MiB --threads 1")) == first);
    let Run { stdout, stderr, .. } = sandbox.agg(&format!("report {flags} --out -")).exits(0);
    assert!(stdout == first && stderr.is_empty(), "{stderr}");
    // Without a clock, too, the page says whose it is.
    assert!(first.contains(concat!("agg ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_country_in_many_pieces_gives_the_same_page() {
    let sandbox = Sandbox::new();
    let mut dice = Dice(5);
    let mut stored = Days::new();
    for name in ["2021-12-05", "2021-12-06", "2021-12-07", "2021-12-08"] {
        // Tens of thousands of songs, most of them once: a country has several blocks a day.
        let row = |dice: &mut Dice| {
            let song = if dice.below(3) == 0 { dice.below(90) } else { dice.below(40_000) };
            let country = ["BR", "DE", "FR", "FR", "FR"][usize::try_from(dice.below(5)).unwrap()];
            format!("{song}|{}|{country}\n", dice.below(7))
        };
        let log: String = (0..40_000).map(|_| row(&mut dice)).collect();
        sandbox.reduced(name, &log);
        stored.entry(day(name)).or_default().read(log.as_bytes());
    }
    let options = ReportOptions { days: 3, ..ReportOptions::new(day("2021-12-08")) };
    let expected = expected_countries(&stored, options.day, 3, false);
    for (memory, threads) in [(1 << 20, 3), (64 << 20, 1)] {
        let context = context(&sandbox.path(""), memory, threads);
        let outcome = unlocked(|| job::report(&context, &options));
        assert_eq!(shown(&figures(std::str::from_utf8(&outcome.page).unwrap())), expected);
    }
}

#[test]
fn what_cannot_be_done_leaves_the_old_page() {
    let sandbox = Sandbox::new();
    sandbox.reduced("2021-12-07", "1|1|FR\n");
    sandbox.reduced("2021-12-08", "1|1|FR\n");
    sandbox.write("week.html", "old");
    sandbox.write("no-songs.csv", "1,title\n");
    let report = "report --date 2021-12-08 --days";
    for (flags, code, words) in [
        ("1 --out week.html --songs missing.csv", 66, "columns id,title,artist"),
        ("1 --out week.html --songs no-songs.csv", 65, "id,title,artist"),
        ("1 --out missing/week.html", 73, "missing/week.html"),
        ("1 --out /dev/null", 73, "standard output with '-'"),
        ("1 --out . ", 73, "cannot create"),
        ("32 --out week.html", 2, "1..=31"),
        ("1 --out - --json", 2, "--json and --out -"),
    ] {
        let flags = format!("{report} {flags}");
        sandbox.agg(&flags).exits(code).in_one_line().shows(&[words]);
    }
    // A day that is only compared with is checked like any other. The last byte before the roots is of its country run.
    let path = sandbox.path("agg-store/partials/2021-12-07.agg");
    let mut bytes = fs::read(&path).unwrap();
    let last = 24 + run_bytes(&bytes).len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    sandbox
        .agg(&format!("{report} 1 --out week.html"))
        .exits(65)
        .in_one_line()
        .shows(&["checksum"]);
    assert_eq!(sandbox.text("week.html"), "old");
    assert_eq!(sandbox.names(""), ["agg-store", "logs", "no-songs.csv", "week.html"]);
}

#[test]
fn the_report_of_a_page_shows_what_is_on_it() {
    let sandbox = samples();
    let run = sandbox.agg("report --date 2021-12-07 --days 2 --out week.html --json").exits(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let size = sandbox.read("week.html").len();
    for (field, expected) in [
        ("command", json!("report")),
        ("compared", json!(["2021-12-06", "2021-11-30"])),
        ("file", json!("week.html")),
        ("bytes", json!(size)),
        ("countries", json!(39)),
        ("named", json!(0)),
        ("rows", json!(6089)),
        ("rejected", json!(55)),
    ] {
        assert_eq!(report[field], expected, "{field}");
    }
}
