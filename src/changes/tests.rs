//! Random pairs of files against the obvious program: maps.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::error::{Error, ErrorClass, Place, Result};
use crate::exchange::{Table, TableEncoder, TableFormat};
use crate::model::{Kind, Ranked};
use crate::testing::MemoryFile;

/// The songs of each key, the best first.
type Tops = BTreeMap<u64, Vec<Ranked>>;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn line(kind: Kind, key: u64, songs: &[Ranked]) -> String {
    let songs = songs.iter().map(|ranked| format!("{}:{}", ranked.song, ranked.count));
    format!("{}|{}\n", kind.key_text(key), songs.collect::<Vec<_>>().join(","))
}

fn text(kind: Kind, tops: &Tops) -> String {
    tops.iter().map(|(key, songs)| line(kind, *key, songs)).collect()
}

fn lines(name: &str, text: &str, kind: Option<Kind>) -> Result<TopsLines> {
    // Blocks that end in every line.
    TopsLines::in_blocks(64, Box::new(MemoryFile(text.into())), Path::new(name), kind)
}

fn difference(kind: Kind, older: &str, newer: &str) -> Result<String> {
    let mut take = ChangedLines::new(Vec::new());
    let kind = Some(kind);
    let (mut older, mut newer) = (lines("older", older, kind)?, lines("newer", newer, kind)?);
    compare(&mut older, &mut newer, &mut take, &|| Ok(()))?;
    Ok(String::from_utf8(take.finish().0).unwrap())
}

fn applied(changes: &str, older: &str) -> Result<String> {
    let (changes, older) = (lines("changes", changes, None)?, lines("older", older, None)?);
    let mut out = Vec::new();
    apply(changes, older, &mut out, &|| Ok(()))?;
    Ok(String::from_utf8(out).unwrap())
}

fn table(kind: Kind, older: &str, newer: &str, by: ChangedBy) -> String {
    let encoder = TableEncoder::new(TableFormat::Csv, Table::changes(kind)).unwrap();
    let mut take = ChangedSongs::begin(&encoder, by, Vec::new()).unwrap();
    let open = |name, text| lines(name, text, Some(kind)).unwrap();
    let (mut older, mut newer) = (open("older", older), open("newer", newer));
    compare(&mut older, &mut newer, &mut take, &|| Ok(())).unwrap();
    String::from_utf8(take.finish().unwrap().0).unwrap()
}

/// A list of up to `top` songs of the first `songs` ids.
fn songs(dice: &mut Dice, top: u64, songs: u64) -> Vec<Ranked> {
    let wanted = 1 + dice.below(top.min(songs));
    let picked: BTreeMap<u64, u64> =
        (0..wanted).map(|_| (dice.below(songs), 1 + dice.below(4))).collect();
    let mut ranked: Vec<Ranked> =
        picked.into_iter().map(|(song, count)| Ranked { song, count }).collect();
    ranked.sort_by_key(|ranked| (std::cmp::Reverse(ranked.count), ranked.song));
    ranked.truncate(usize::try_from(top).unwrap());
    ranked
}

/// Two files that have most keys in common: keys are changed, gone and new, the first and the last among them.
fn pair(dice: &mut Dice, kind: Kind, top: u64) -> (Tops, Tops) {
    let keys = if dice.below(10) == 0 { 0 } else { dice.below(40) };
    let span = kind.max_key().min(60);
    let older: Tops = (0..keys).map(|_| (dice.below(span), songs(dice, top, 30))).collect();
    let mut newer = older.clone();
    let first_and_last = [older.keys().next(), older.keys().last()].into_iter().flatten().copied();
    for key in first_and_last.filter(|_| dice.below(3) == 0).collect::<Vec<_>>() {
        newer.remove(&key);
    }
    for _ in 0..dice.below(12) {
        let key = dice.below(span);
        match dice.below(3) {
            0 => drop(newer.remove(&key)),
            _ => drop(newer.insert(key, songs(dice, top, 30))),
        }
    }
    if dice.below(20) == 0 {
        newer.clear();
    }
    (older, newer)
}

/// The difference as maps have it.
fn naive(kind: Kind, older: &Tops, newer: &Tops) -> String {
    let keys: std::collections::BTreeSet<&u64> = older.keys().chain(newer.keys()).collect();
    let changed = keys.into_iter().filter(|key| older.get(key) != newer.get(key));
    changed.map(|key| line(kind, *key, newer.get(key).map_or(&[], Vec::as_slice))).collect()
}

/// The rows of the table, by key and song, as maps have them.
fn naive_rows(kind: Kind, older: &Tops, newer: &Tops, by: ChangedBy) -> Vec<String> {
    type Places = BTreeMap<(u64, u64), (usize, u64)>;
    let places = |tops: &Tops| -> Places {
        let of = |(key, songs): (&u64, &Vec<Ranked>)| {
            let key = *key;
            let place =
                move |(at, ranked): (usize, &Ranked)| ((key, ranked.song), (at + 1, ranked.count));
            songs.iter().enumerate().map(place).collect::<Vec<_>>()
        };
        tops.iter().flat_map(of).collect()
    };
    let (older, newer) = (places(older), places(newer));
    let pairs: std::collections::BTreeSet<_> = older.keys().chain(newer.keys()).collect();
    let mut rows = Vec::new();
    for pair in pairs {
        let (old, new) = (older.get(pair), newer.get(pair));
        let same = |(old, new): (&(usize, u64), &(usize, u64))| match by {
            ChangedBy::Rank => old.0 == new.0,
            ChangedBy::Count => old.1 == new.1,
        };
        if old.zip(new).is_some_and(same) {
            continue;
        }
        let rank =
            |side: Option<&(usize, u64)>| side.map_or(String::new(), |side| side.0.to_string());
        let count =
            |side: Option<&(usize, u64)>| side.map_or(String::new(), |side| side.1.to_string());
        let key = kind.key_text(pair.0);
        rows.push(format!(
            "{key},{},{},{},{},{}",
            pair.1,
            rank(old),
            rank(new),
            count(old),
            count(new)
        ));
    }
    rows.sort();
    rows
}

#[test]
fn the_difference_of_random_pairs_is_that_of_maps_and_applied_gives_the_newer_file() {
    let mut dice = Dice(18);
    for round in 0..5_000 {
        let kind = Kind::ALL[round % 2];
        let top = if round % 4 < 2 { 10 } else { 10_000 };
        let (older, newer) = pair(&mut dice, kind, top);
        let (old, new) = (text(kind, &older), text(kind, &newer));
        let changes = difference(kind, &old, &new).unwrap();
        assert_eq!(changes, naive(kind, &older, &newer), "{old}\n{new}");
        assert_eq!(applied(&changes, &old).unwrap(), new, "{old}\n{changes}");
        for by in [ChangedBy::Rank, ChangedBy::Count] {
            let table = table(kind, &old, &new, by);
            let mut rows: Vec<&str> = table.lines().skip(1).collect();
            rows.sort_unstable();
            assert_eq!(rows, naive_rows(kind, &older, &newer, by), "{by:?}\n{old}\n{new}");
        }
    }
}

#[test]
fn the_lines_of_changes_are_these_bytes() {
    let (older, newer) = ("7|5:2,6:1\n8|1:1\n9|1:1\n", "7|6:2,5:1\n8|1:1\n10|2:1\n");
    assert_eq!(difference(Kind::User, older, newer).unwrap(), "7|6:2,5:1\n9|\n10|2:1\n");
    let (older, newer) = ("DE|1:1\nFR|5:2\n", "FR|5:2\nUS|2:1\n");
    assert_eq!(difference(Kind::Country, older, newer).unwrap(), "DE|\nUS|2:1\n");
}

#[test]
fn lines_of_ten_thousand_songs_and_blocks_that_end_anywhere_in_a_line_are_compared() {
    let long = |count: u64| -> Vec<Ranked> {
        (0..10_000).map(|at| Ranked { song: (1 << 62) + at, count: count + (1 << 62) }).collect()
    };
    for top in [1, 10_000] {
        let short = |key: u64, count| vec![Ranked { song: key, count }];
        let side = |count: u64| -> Tops {
            let key = |at: u64| (1 << 62) + at;
            let of = |at: u64| {
                if at.is_multiple_of(3) { long(count) } else { short(at, at % 5 + count) }
            };
            (0..40).map(|at| (key(at), of(at).into_iter().take(top).collect())).collect()
        };
        let (mut older, mut newer) = (side(1), side(1));
        older.pop_last();
        newer.pop_first();
        newer.insert((1 << 62) + 20, long(2));
        let (old, new) = (text(Kind::User, &older), text(Kind::User, &newer));
        let changes = difference(Kind::User, &old, &new).unwrap();
        assert!(changes == naive(Kind::User, &older, &newer));
        assert!(applied(&changes, &old).unwrap() == new);
    }
}

#[test]
fn a_table_has_the_songs_of_a_key_in_the_newer_order_then_those_that_left() {
    let (older, newer) =
        ("7|5:9,1:8,2:7,3:1\n8|1:1\n9|4:2\n", "7|5:9,2:8,1:7,6:7\n9|4:3\n10|4:1\n");
    let header = "user_id,sng_id,old_rank,new_rank,old_streams,new_streams\n";
    let by_rank = "7,2,3,2,7,8\n7,1,2,3,8,7\n7,6,,4,,7\n7,3,4,,1,\n8,1,1,,1,\n10,4,,1,,1\n";
    assert_eq!(table(Kind::User, older, newer, ChangedBy::Rank), header.to_owned() + by_rank);
    let by_count =
        "7,2,3,2,7,8\n7,1,2,3,8,7\n7,6,,4,,7\n7,3,4,,1,\n8,1,1,,1,\n9,4,1,1,2,3\n10,4,,1,,1\n";
    assert_eq!(table(Kind::User, older, newer, ChangedBy::Count), header.to_owned() + by_count);
}

/// `path:line: what`, if the error is of bad data.
fn refusal<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    let error: Error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data, "{error}");
    let Some(Place::Line(line)) = error.place() else { panic!("no line: {error}") };
    format!("{}:{line}: {}", error.path().unwrap().display(), error.kind())
}

#[test]
fn lines_that_no_emission_has_are_refused_with_their_number() {
    let long = format!("1|{}\n", "1".repeat(2 << 20));
    for (bad, expected) in [
        (
            "1|5:1\n1|5:1\n",
            "older:2: not a valid line here: its key is not greater than that of the line before",
        ),
        (
            "2|5:1\n1|5:1\n",
            "older:2: not a valid line here: its key is not greater than that of the line before",
        ),
        (
            "1|5:1\n2|5:1",
            "older:2: not a valid line here: the last line has no end; the file is cut",
        ),
        ("1|5:1\n\n", "older:2: not a valid line here: no key with a | after it"),
        ("1|5:1\nFR|5:1\n", "older:2: not a valid line here: its key is not a user id"),
        ("FR|5:1\n1|5:1\n", "older:2: not a valid line here: its key is not a country"),
        ("fr|5:1\n", "older:1: not a valid line here: its key is neither a user id nor a country"),
        ("01|5:1\n", "older:1: not a valid line here: its key is neither a user id nor a country"),
        (
            "9223372036854775808|5:1\n",
            "older:1: not a valid line here: its key is neither a user id nor a country",
        ),
        ("1|\n", "older:1: not a valid line here: a key without songs"),
        ("1|5:1,\n", "older:1: not a valid line here: a song is not written as song:count"),
        ("1|5\n", "older:1: not a valid line here: a song is not written as song:count"),
        ("1|5:0\n", "older:1: not a valid line here: a song is not written as song:count"),
        ("1|5:1\r\n", "older:1: not a valid line here: a song is not written as song:count"),
        ("1|05:1\n", "older:1: not a valid line here: a song is not written as song:count"),
        (
            "1|5:1,6:2\n",
            "older:1: not a valid line here: its songs are not in order, the highest count first",
        ),
        (
            "1|6:2,5:2\n",
            "older:1: not a valid line here: its songs are not in order, the highest count first",
        ),
        (&long, "older:1: not a valid line here: longer than a line of 10000 songs"),
    ] {
        assert_eq!(refusal(applied("", bad)), expected);
        // As the difference too, unless that may have the line.
        if !bad.starts_with("1|\n") {
            assert_eq!(refusal(applied(bad, "")), expected.replace("older", "changes"));
        }
    }
}

#[test]
fn a_difference_from_another_file_is_refused_where_it_shows() {
    for (changes, older, line, words) in [
        ("2|\n", "1|5:1\n3|5:1\n", "changes:1", "removes a key that the older file lacks"),
        ("1|6:1\n9|\n", "1|5:1\n3|5:1\n", "changes:2", "removes a key that the older file lacks"),
        ("1|5:1\n", "1|5:1\n3|5:1\n", "changes:1", "the older file has this line"),
        ("FR|5:1\n", "1|5:1\n", "changes:1", "another kind than the keys of the older file"),
    ] {
        let refusal = refusal(applied(changes, older));
        assert!(refusal.starts_with(line) && refusal.contains(words), "{refusal}");
    }
    assert_eq!(applied("", "").unwrap(), "");
    assert_eq!(applied("", "FR|5:1\n").unwrap(), "FR|5:1\n");
}

#[test]
fn a_changed_byte_is_refused_with_its_line_or_gives_other_lines() {
    let (changes, older) = ("7|6:2,5:1\n9|\n10|2:1\n", "7|5:2,6:1\n8|1:1\n9|1:1\n");
    let mut refused = 0;
    for (at, bit) in (0..changes.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
        let flipped = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            String::from_utf8(bytes).unwrap()
        };
        for outcome in [applied(&flipped(changes), older), applied(changes, &flipped(older))] {
            if outcome.is_err() {
                refusal(outcome);
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_was_read_is_the_size_and_the_checksum_of_the_file() {
    let text = "1|5:1\n2|5:1\n";
    let mut lines = lines("file", text, Some(Kind::User)).unwrap();
    while lines.key().is_some() {
        lines.next_line().unwrap();
    }
    let checksum = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
    assert_eq!(lines.read(), (text.len() as u64, checksum));
    assert!(lines.line().bytes.is_empty() && lines.line().key().is_empty());
}
