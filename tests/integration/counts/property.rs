//! Random small logs, good, corrupt and nearly good, against the obvious program.
//!
//! The model reads bytes, counts in a `BTreeMap` and sorts everything. It shares no line with the library.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, FileFailurePersistence};

use crate::harness::{Sandbox, Totals};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Counts of songs by key.
pub(crate) type Counts<K> = BTreeMap<K, BTreeMap<u64, u64>>;

/// What the days of a window add up to.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) countries: Counts<String>,
    pub(crate) users: Counts<u64>,
    pub(crate) totals: Totals,
}

impl Model {
    pub(crate) fn read(&mut self, log: &[u8]) {
        let log = log.strip_prefix(BOM).unwrap_or(log);
        let mut rows: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
        if rows.last().is_some_and(|row| row.is_empty()) {
            rows.pop();
        }
        for row in rows {
            self.totals.rows += 1;
            match parsed(row.strip_suffix(b"\r").unwrap_or(row)) {
                Ok((song, user, country)) => {
                    self.totals.accepted += 1;
                    *self.countries.entry(country).or_default().entry(song).or_default() += 1;
                    *self.users.entry(user).or_default().entry(song).or_default() += 1;
                }
                Err(reason) => {
                    self.totals.rejected += 1;
                    *self.totals.rejects.entry(reason.to_owned()).or_default() += 1;
                }
            }
        }
    }
}

fn parsed(row: &[u8]) -> Result<(u64, u64, String), &'static str> {
    if row.len() > 4096 {
        return Err("too_long");
    }
    if trimmed(row).is_empty() {
        return Err("blank");
    }
    let fields: Vec<&[u8]> = row.split(|byte| *byte == b'|').map(trimmed).collect();
    let [song, user, country] = fields[..] else { return Err("field_count") };
    let song = id(song).ok_or("song_id")?;
    let user = id(user).ok_or("user_id")?;
    match std::str::from_utf8(country) {
        Ok(code) if ASSIGNED.contains(code) => Ok((song, user, code.to_owned())),
        _ => Err("country"),
    }
}

/// The assigned codes, from a list that the library does not know.
static ASSIGNED: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../data/iso3166.txt").lines();
    lines.filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
});

fn trimmed(mut field: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = field {
        field = rest;
    }
    field
}

fn id(field: &[u8]) -> Option<u64> {
    let value: i64 =
        std::str::from_utf8(field).ok()?.trim_start_matches('0').parse().ok().or_else(|| {
            // Nothing is left of zeros alone.
            (!field.is_empty() && field.iter().all(|byte| *byte == b'0')).then_some(0)
        })?;
    field.iter().all(u8::is_ascii_digit).then_some(u64::try_from(value).ok()?)
}

/// The file of one kind: all sorted, the best `top` of each key.
pub(crate) fn file<K: std::fmt::Display>(counts: &Counts<K>, top: usize) -> String {
    let mut text = String::new();
    for (key, songs) in counts {
        let mut songs: Vec<(u64, u64)> =
            songs.iter().map(|(song, count)| (*song, *count)).collect();
        songs.sort_by_key(|(song, count)| (Reverse(*count), *song));
        let best: Vec<String> =
            songs.iter().take(top).map(|(song, count)| format!("{song}:{count}")).collect();
        text += &format!("{key}|{}\n", best.join(","));
    }
    text
}

/// An id, mostly one of a few so that keys and songs meet again.
fn an_id() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => (0..9_u64).prop_map(|id| id.to_string()),
        2 => (0..40_u64).prop_map(|id| format!("{id:012}")),
        2 => (0..=i64::MAX as u64).prop_map(|id| id.to_string()),
        1 => Just(i64::MAX.to_string()),
    ]
}

/// Something in the place of a field that is odd or wrong.
fn odd() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "\t",
        "-1",
        "+1",
        "9223372036854775808",
        "18446744073709551616",
        "1.0",
        "FR",
        "fr",
        "FRFR",
        "VJ",
        "\0",
        "|",
        ",",
        "\r",
        "\u{feff}",
        "\u{e9}",
        "1 1",
        "||",
        "\u{661}",
        "00000000000000000000000000000000000005",
    ];
    select(odd.to_vec()).prop_map(str::to_owned)
}

fn field(good: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let good = good.boxed();
    prop_oneof![
        30 => good.clone(),
        2 => good.clone().prop_map(|field| format!(" {field}\t")),
        1 => odd(),
        1 => (good, odd()).prop_map(|(field, odd)| field + &odd),
    ]
    .boxed()
}

pub(crate) fn row() -> impl Strategy<Value = Vec<u8>> {
    let country = select(vec!["FR", "FR", "DE", "AD", "ZW"]).prop_map(str::to_owned);
    let ends = select(vec!["\n", "\n", "\n", "\r\n", "\n\n"]);
    let fields = (field(an_id()), field(an_id()), field(country), ends);
    let rows = fields.prop_map(|(song, user, country, end)| {
        format!("{song}|{user}|{country}{end}").into_bytes()
    });
    let bytes = proptest::collection::vec(select(b"0189|FR \t\r\n\0\xff-,".to_vec()), 0..20);
    let long =
        (4090..4103_usize).prop_map(|length| format!("{:<length$}\n", "1|2|FR").into_bytes());
    prop_oneof![20 => rows, 1 => bytes, 1 => long]
}

/// A log; some start with a byte-order mark, some have no end on the last row.
fn log() -> impl Strategy<Value = Vec<u8>> {
    (
        proptest::bool::weighted(0.2),
        proptest::collection::vec(row(), 0..150),
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(bom, rows, cut)| {
            let mut log = if bom { BOM.to_vec() } else { Vec::new() };
            log.extend(rows.concat());
            if cut {
                log.pop();
            }
            log
        })
}

/// The logs of two or three days, one to three a day.
fn window() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    proptest::collection::vec(proptest::collection::vec(log(), 1..4), 2..4)
}

proptest! {
    #![proptest_config(Config {
        cases: 25,
        max_shrink_iters: 200,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    })]

    #[test]
    fn the_program_finds_what_the_obvious_program_finds(days in window(), threads in 1..=4_usize, top in 1..8_usize) {
        let sandbox = Sandbox::new();
        let mut model = Model::default();
        for (day, logs) in days.iter().enumerate() {
            for (part, log) in logs.iter().enumerate() {
                // A row of its own makes logs of equal content differ, and says where a row came from.
                let (mark, rest) = log.split_at(if log.starts_with(BOM) { BOM.len() } else { 0 });
                let log = [mark, format!("{day}|{part}|AD\n").as_bytes(), rest].concat();
                sandbox.write(format!("logs/2021-12-0{}/part-{part}.log", day + 1), &log);
                model.read(&log);
            }
        }
        let (last, window) = (format!("2021-12-0{}", days.len()), days.len());
        let options = format!("--emit --days {window} --top {top} --threads {threads} --max-reject-ratio 1 --max-log-reject-ratio 1");
        sandbox.agg(&format!("backfill --logs logs {options}")).exits(0);
        let found = |kind: &str| sandbox.text(format!("agg-out/{last}/top{top}_songs_per_{kind}.txt"));
        prop_assert_eq!(found("country"), file(&model.countries, top));
        prop_assert_eq!(found("user"), file(&model.users, top));
        prop_assert_eq!(sandbox.totals(&last), model.totals);
    }
}

#[test]
fn the_obvious_program_knows_the_rules_itself() {
    let mut model = Model::default();
    model.read(b"\xef\xbb\xbf1|2|FR\r\n 01 |2|FR\n\n1|2|VJ\n1|2\n-1|2|FR\n1||FR\n5|00|DE");
    assert_eq!(file(&model.users, 50), "0|5:1\n2|1:2\n");
    assert_eq!(file(&model.countries, 50), "DE|5:1\nFR|1:2\n");
    let rejects = ["blank", "country", "field_count", "song_id", "user_id"];
    assert_eq!(
        model.totals,
        Totals {
            rows: 8,
            accepted: 3,
            rejected: 5,
            rejects: rejects.map(|reason| (reason.to_owned(), 1)).into()
        }
    );
}
