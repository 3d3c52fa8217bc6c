//! Partials whose checksums are all right and whose contents are not: each is refused by name, before a length in it
//! is believed.
//!
//! The files are made here from `docs/format.md`, with a chance to change each part before its checksum is taken.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use agg::codec::checksum::Checksum;
use agg::codec::rice;
use agg::job::{EmitOptions, QueryOptions, emit_window, query, verify};
use agg::{Error, ErrorClass, ErrorKind, Kind, Result};

use crate::harness::{DAY, Sandbox};
use crate::library::{context, unlocked};

/// Key, song, count.
type Entry = (u64, u64, u64);
/// Blocks of a run.
type Run = Vec<Vec<Entry>>;

const USERS: usize = 0;
const COUNTRIES: usize = 1;
const MAX: u64 = i64::MAX as u64;

/// A part that has a checksum of its own. A run has one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Block(usize, usize),
    Page(usize),
    Root(usize),
    Metadata,
    Trailer,
}

/// Two keys, blocks of four entries, the last one shorter; the country run sums up to the same.
fn good() -> [Run; 2] {
    let users = vec![
        vec![(7, 1, 1), (7, 5, 2), (7, 9, 1), (9, 2, 3)],
        vec![(9, 3, 1), (9, 4, 1), (9, 8, 1), (12, 1, 1)],
        vec![(12, 6, 5)],
    ];
    let countries = vec![
        vec![(3, 1, 2), (3, 2, 3), (3, 3, 1), (3, 4, 1)],
        vec![(3, 5, 2), (147, 6, 5), (147, 8, 1), (147, 9, 1)],
    ];
    [users, countries]
}

/// Encodes a block, whatever the order of its entries: numbers wrap around where they should ascend.
fn block(entries: &[Entry]) -> Vec<u8> {
    let (mut gaps, mut lengths, mut songs, mut counts) = (vec![], vec![0], vec![0], vec![]);
    for pair in entries.windows(2) {
        let (before, entry) = (pair[0], pair[1]);
        if before.0 == entry.0 {
            *lengths.last_mut().unwrap() += 1;
            songs.push(entry.1.wrapping_sub(before.1).wrapping_sub(1));
        } else {
            gaps.push(entry.0.wrapping_sub(before.0).wrapping_sub(1));
            lengths.push(0);
            songs.push(entry.1);
        }
    }
    counts.extend(entries.iter().map(|entry| entry.2.wrapping_sub(1)));
    let short = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let mut bytes = [short(entries.len()), short(lengths.len())].concat();
    bytes.extend(u64s(&[entries[0].0, entries[0].1]));
    for column in [gaps, lengths, songs, counts] {
        rice::encode(&column, &mut bytes);
    }
    bytes
}

fn u64s(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn hash(bytes: &[u8]) -> u64 {
    Checksum::of(bytes).0
}

/// Keys, entries, sum, blocks.
fn facts(run: &Run) -> [u64; 4] {
    let entries: Vec<Entry> = run.concat();
    let mut keys: Vec<u64> = entries.iter().map(|entry| entry.0).collect();
    keys.dedup();
    let sum = entries.iter().fold(0, |sum: u64, entry| sum.wrapping_add(entry.2));
    [keys.len() as u64, entries.len() as u64, sum, run.len() as u64]
}

/// A partial of 2021-12-01 with these runs; `edit` may change a part before its checksum is taken.
fn forged(runs: &[Run; 2], edit: impl Fn(Part, &mut Vec<u8>)) -> Vec<u8> {
    let mut file = [&b"agg-part"[..], &[1, 0, 4, 0, 0, 0, 0, 0]].concat();
    edit(Part::Header, &mut file);
    file.extend(u64s(&[hash(&file)]));
    let header = hash(&file);
    let mut sections = Vec::new();
    for (run, blocks) in runs.iter().enumerate() {
        let mut page = Vec::new();
        for (at, entries) in blocks.iter().enumerate() {
            let mut bytes = block(entries);
            edit(Part::Block(run, at), &mut bytes);
            page.extend(u64s(&[entries[0].0, entries[0].1, file.len() as u64]));
            page.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            page.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
            page.extend(u64s(&[hash(&bytes)]));
            file.extend(bytes);
        }
        edit(Part::Page(run), &mut page);
        let [_, entries, _, count] = facts(blocks);
        let mut root = u64s(&[blocks[0][0].0, blocks[0][0].1, file.len() as u64, count]);
        root.extend(u64s(&[entries, hash(&page)]));
        edit(Part::Root(run), &mut root);
        file.extend(page);
        sections.push(root);
    }
    let [users, countries] = [facts(&runs[USERS]), facts(&runs[COUNTRIES])];
    let mut metadata = vec![0xe5, 0x07, 12, 1];
    metadata.extend(u64s(&[users[2], 0, 0, 0, 0, 0, 0]));
    metadata.extend(u64s(&[users, countries].concat()));
    metadata.extend(u64s(&[0]));
    edit(Part::Metadata, &mut metadata);
    sections.push(metadata);
    let mut trailer = Vec::new();
    for section in &sections {
        trailer.extend(u64s(&[file.len() as u64, section.len() as u64, hash(section)]));
        file.extend(section);
    }
    trailer.extend(u64s(&[header]));
    edit(Part::Trailer, &mut trailer);
    trailer.extend(u64s(&[hash(&trailer)]));
    trailer.extend(b"part-end");
    file.extend(trailer);
    file
}

/// Changes one part: puts `bytes` at `at`.
fn with(part: Part, at: usize, bytes: &[u8]) -> Vec<u8> {
    forged(&good(), |now, place| {
        if now == part {
            place[at..at + bytes.len()].copy_from_slice(bytes);
        }
    })
}

fn with_u64(part: Part, at: usize, number: u64) -> Vec<u8> {
    with(part, at, &number.to_le_bytes())
}

/// With another block in the place of one of the user run.
fn with_users(edit: impl Fn(&mut Run)) -> Vec<u8> {
    let mut runs = good();
    edit(&mut runs[USERS]);
    forged(&runs, |_, _| ())
}

fn verified(folder: &Path) -> Result<()> {
    let mut days = verify(&context(folder, 64 << 20, 1), &[]).unwrap().days;
    assert_eq!(days.len(), 1);
    days.remove(0).facts.map(drop)
}

fn emitted(folder: &Path) -> Result<()> {
    let day = DAY.parse().unwrap();
    let options = EmitOptions { days: 1, ..EmitOptions::new(day, folder.join("agg-out")) };
    unlocked(|| match emit_window(&context(folder, 64 << 20, 1), &options) {
        Err(error) if error.class() == ErrorClass::Locked => Err(error),
        outcome => Ok(outcome.map(drop)),
    })
}

/// `verify` refuses the partial with this text, and `emit-window` as well unless its answer does not hang on it.
#[track_caller]
fn refused(bytes: &[u8], text: &str, emission: Emission) {
    let sandbox = Sandbox::new();
    sandbox.write(format!("agg-store/partials/{DAY}.agg"), bytes);
    refused_in(&sandbox, text, emission);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emission {
    Refuses,
    /// What is wrong is nothing that it reads.
    May,
    /// The day has more rows than a BIGINT holds, which it sees before it reads a block.
    TooManyRows,
}

#[track_caller]
fn refused_in(sandbox: &Sandbox, text: &str, emission: Emission) {
    let folder = sandbox.path("");
    let path = sandbox.path(format!("agg-store/partials/{DAY}.agg"));
    let named = |error: Error| {
        assert!(error.to_string().contains(text), "{error}, not {text:?}");
        assert_eq!(error.class(), ErrorClass::Data, "{error}");
        assert_eq!(error.path(), Some(path.as_path()), "{error}");
        assert!(error.place().is_some(), "{error}");
    };
    named(verified(&folder).expect_err(text));
    match emitted(&folder) {
        Err(error) if emission == Emission::TooManyRows => {
            assert!(matches!(error.kind(), ErrorKind::TooManyRows), "{error}");
        }
        Err(error) => named(error),
        Ok(()) => assert_eq!(emission, Emission::May, "emitted: {text}"),
    }
}

#[test]
fn what_is_forged_here_is_good_if_nothing_is_changed() {
    let sandbox = Sandbox::new();
    let bytes = forged(&good(), |_, _| ());
    sandbox.write(format!("agg-store/partials/{DAY}.agg"), bytes);
    verified(&sandbox.path("")).unwrap();
    emitted(&sandbox.path("")).unwrap();
    let (countries, users) = sandbox.tops(DAY);
    assert_eq!(countries, "AD|2:3,1:2,5:2,3:1,4:1\nFR|6:5,8:1,9:1\n");
    assert_eq!(users, "7|5:2,1:1,9:1\n9|2:3,3:1,4:1,8:1\n12|6:5,1:1\n");
}

#[test]
fn a_header_that_makes_no_sense_is_refused() {
    use Emission::Refuses;
    refused(&with(Part::Header, 0, b"x"), "not an agg partial", Refuses);
    refused(&with(Part::Header, 8, &[3, 0]), "format version 3", Refuses);
    refused(&with(Part::Header, 8, &[0, 0]), "the header's checksum", Refuses);
    refused(&with(Part::Header, 10, &[0, 0]), "block size is 0, not 1 to 4096", Refuses);
    refused(&with(Part::Header, 10, &[1, 16]), "block size is 4097, not 1 to 4096", Refuses);
    refused(&with(Part::Header, 12, &[1]), "the header's checksum", Refuses);
    refused(&with_u64(Part::Trailer, 72, 5), "of different files", Refuses);
    refused(b"", "too short", Refuses);
}

#[test]
fn sections_that_are_not_where_they_must_be_are_refused() {
    for section in [0, 24, 48] {
        for number in [0, 1, MAX, u64::MAX, u64::MAX - 100] {
            for field in [0, 8] {
                let bytes = with_u64(Part::Trailer, section + field, number);
                refused(&bytes, "sections do not follow", Emission::Refuses);
            }
        }
    }
}

#[test]
fn a_section_larger_than_any_is_refused_before_memory_is_taken_for_it() {
    for (at, length) in [(0, (128 << 20) + 48), (24, 1 << 40), (48, (32 << 20) + 1)] {
        let sandbox = Sandbox::new();
        let path = sandbox.path(format!("agg-store/partials/{DAY}.agg"));
        let bytes = forged(&good(), |_, _| ());
        sandbox.write(&path, &bytes);
        // A sparse file: header, then nothing, then a trailer that names this one section.
        let file = File::options().write(true).open(&path).unwrap();
        let end = 24 + length;
        let mut trailer = Vec::new();
        for section in [0, 24, 48] {
            let offset = if section <= at { 24 } else { end };
            trailer.extend(u64s(&[offset, if section == at { length } else { 0 }, 0]));
        }
        trailer.extend(u64s(&[hash(&bytes[..24])]));
        trailer.extend(u64s(&[hash(&trailer)]));
        trailer.extend(b"part-end");
        file.set_len(24).unwrap();
        file.write_all_at(&trailer, end).unwrap();
        refused_in(&sandbox, "exceeds the maximum", Emission::Refuses);
    }
}

#[test]
fn a_root_that_lies_is_refused() {
    use Emission::Refuses;
    for run in [USERS, COUNTRIES] {
        let root = Part::Root(run);
        for blocks in [0_u32, 513, u32::MAX] {
            let bytes = with(root, 24, &blocks.to_le_bytes());
            refused(&bytes, "the root has a page", Refuses);
        }
        refused(&with(root, 28, &[1]), "impossible number of blocks", Refuses);
        for entries in [0, 1 << 40, u64::MAX] {
            refused(&with_u64(root, 32, entries), "impossible number of entries", Refuses);
        }
        for offset in [0, 24, 1 << 40, u64::MAX] {
            refused(&with_u64(root, 16, offset), "the root", Refuses);
        }
        let longer = forged(&good(), |part, bytes| {
            if part == root {
                bytes.extend(vec![0; 48]);
            }
        });
        refused(&longer, "the root", Refuses);
        let longer = forged(&good(), |part, bytes| {
            if part == root {
                bytes.push(0);
            }
        });
        refused(&longer, "the root", Refuses);
        refused(&with_u64(root, 0, 1), "out of order", Refuses);
        refused(&with_u64(root, 32, 7), "disagree", Refuses);
    }
}

#[test]
fn an_index_page_that_lies_is_refused() {
    use Emission::Refuses;
    for run in [USERS, COUNTRIES] {
        let page = Part::Page(run);
        for length in [0, 1, 360_489, u32::MAX] {
            refused(&with(page, 24, &length.to_le_bytes()), "impossible place", Refuses);
        }
        for offset in [0, 1 << 40, u64::MAX] {
            refused(&with_u64(page, 16, offset), "impossible place", Refuses);
        }
        for entries in [0, 4_097, u32::MAX] {
            let bytes = with(page, 28, &entries.to_le_bytes());
            refused(&bytes, "impossible number of entries", Refuses);
        }
        refused(&with(page, 28, &[3]), "disagree", Refuses);
        refused(&with_u64(page, 0, 1), "out of order", Refuses);
        refused(&with_u64(page, 40, 1), "out of order", Refuses);
        refused(&with_u64(page, 48, 6), "a block and the index disagree", Refuses);
        refused(&with_u64(page, 32, 0), "checksum of a block", Refuses);
    }
}

#[test]
fn a_block_that_lies_is_refused() {
    use Emission::Refuses;
    let block = Part::Block(USERS, 0);
    for entries in [0_u16, 4_097, u16::MAX] {
        let bytes = with(block, 0, &entries.to_le_bytes());
        refused(&bytes, "impossible number of entries or keys", Refuses);
    }
    refused(&with(block, 2, &[0, 0]), "impossible number of entries or keys", Refuses);
    refused(&with(block, 2, &[5, 0]), "impossible number of entries or keys", Refuses);
    refused(&with(block, 20, &[61]), "too wide", Refuses);
    refused(&with(block, 21, &[255, 255]), "", Refuses);
    refused(&with(block, 23, &[255, 255]), "", Refuses);
    refused(&with_u64(block, 4, 8), "disagree", Refuses);
    refused(&with_u64(block, 4, u64::MAX), "a key exceeds", Refuses);
    refused(&with_u64(block, 12, 2), "disagree", Refuses);
    refused(&with_u64(block, 12, 1 << 63), "a song exceeds", Refuses);
}

#[test]
fn entries_out_of_order_or_out_of_bounds_are_refused() {
    use Emission::Refuses;
    let one = |at: usize, entry: Entry| with_users(move |run| run[0][at] = entry);
    refused(&one(3, (6, 2, 3)), "a key exceeds", Refuses);
    refused(&one(3, (MAX + 1, 2, 3)), "a key exceeds", Refuses);
    refused(&one(2, (7, 4, 1)), "a song exceeds", Refuses);
    refused(&one(2, (7, 5, 1)), "a song exceeds", Refuses);
    refused(&one(3, (9, MAX + 1, 3)), "a song exceeds", Refuses);
    for count in [0, MAX + 1, u64::MAX] {
        let mut runs = good();
        runs[USERS][0][1].2 = count;
        let sum = facts(&runs[USERS])[2];
        // The sums are made to agree, because they are checked first.
        let bytes = forged(&runs, |part, bytes| {
            if part == Part::Metadata {
                [4, 76, 108]
                    .iter()
                    .for_each(|at| bytes[*at..at + 8].copy_from_slice(&sum.to_le_bytes()));
            }
        });
        let emission = if sum > MAX { Emission::TooManyRows } else { Refuses };
        refused(&bytes, "a count exceeds", emission);
    }
}

#[test]
fn blocks_that_overlap_are_refused() {
    use Emission::Refuses;
    let text = "does not follow";
    refused(&with_users(|run| run[0][3] = (9, 5, 3)), text, Refuses);
    refused(&with_users(|run| run[0][3] = (9, 3, 3)), text, Refuses);
    refused(&with_users(|run| run[0][3] = (13, 1, 3)), text, Refuses);
    refused(&with_users(|run| run[1][3] = (12, 6, 1)), text, Refuses);
}

#[test]
fn a_block_that_is_shorter_than_the_others_is_found_by_verify() {
    let bytes = with_users(|run| {
        let entry = run[1].pop().unwrap();
        run[2].insert(0, entry);
    });
    refused(&bytes, "a block has 3 entries instead of 4", Emission::May);
    let bytes = with(Part::Header, 10, &[3, 0]);
    refused(&bytes, "a block has 4 entries instead of 3", Emission::May);
}

#[test]
fn a_country_beyond_the_alphabet_is_refused() {
    for number in [676, 1 << 40, MAX] {
        let mut runs = good();
        runs[COUNTRIES][1][3].0 = number;
        let text = format!("the country number {number} exceeds 675");
        refused(&forged(&runs, |_, _| ()), &text, Emission::Refuses);
    }
}

#[test]
fn metadata_that_is_not_valid_is_refused() {
    use Emission::{May, Refuses};
    let metadata = Part::Metadata;
    refused(&with(metadata, 3, &[2]), "this is the partial of 2021-12-02", Refuses);
    refused(&with(metadata, 2, &[13]), "not a real date", Refuses);
    refused(&with(metadata, 0, &[0, 0]), "not a real date", Refuses);
    refused(&with(metadata, 1, &[0x80]), "not a real date", Refuses);
    for inputs in [1, 1 << 20, 1 << 40, u64::MAX] {
        refused(&with_u64(metadata, 124, inputs), "cannot be decoded", Refuses);
    }
    for name in [1 << 20, 1 << 40, u64::MAX] {
        let bytes = forged(&good(), |part, bytes| {
            if part == metadata {
                bytes[124] = 1;
                bytes.extend(u64s(&[name, 1, 2, 3, 4, 5]));
            }
        });
        refused(&bytes, "cannot be decoded", Refuses);
    }
    let longer = forged(&good(), |part, bytes| {
        if part == metadata {
            bytes.push(0);
        }
    });
    refused(&longer, "extra bytes", Refuses);
    // Rows, a reject, the sum of either run.
    for at in [4, 12, 76, 108] {
        refused(&with_u64(metadata, at, 99), "sums that do not match", Refuses);
    }
    // Entries and blocks of either run.
    for at in [68, 84, 100, 116] {
        refused(&with_u64(metadata, at, 99), "the metadata and the index disagree", Refuses);
    }
    for at in [60, 92] {
        refused(&with_u64(metadata, at, 99), "the metadata and the index disagree", Refuses);
        refused(&with_u64(metadata, at, 1), "but the metadata has", May);
    }
    // Rows and both sums, all alike, and not what the blocks add up to.
    let sums = forged(&good(), |part, bytes| {
        if part == metadata {
            [4, 76, 108].iter().for_each(|at| bytes[*at] += 1);
        }
    });
    refused(&sums, "but the metadata has", May);
}

#[test]
fn sums_beyond_a_bigint_are_refused() {
    let huge = [vec![vec![(7, 1, MAX), (7, 2, MAX)]], vec![vec![(3, 1, MAX), (3, 2, MAX)]]];
    refused(&forged(&huge, |_, _| ()), "the streams exceed 2^63-1", Emission::TooManyRows);

    let sandbox = Sandbox::new();
    let huge = [vec![vec![(7, 9, MAX)]], vec![vec![(3, 9, MAX)]]];
    for day in [1, 2] {
        let bytes = forged(&huge, |part, bytes| {
            if part == Part::Metadata {
                bytes[3] = day;
            }
        });
        sandbox.write(format!("agg-store/partials/2021-12-0{day}.agg"), bytes);
    }
    let day = "2021-12-02".parse().unwrap();
    let options = EmitOptions { days: 2, ..EmitOptions::new(day, sandbox.path("agg-out")) };
    let emit = |options: &EmitOptions| {
        unlocked(|| match emit_window(&context(&sandbox.path(""), 64 << 20, 1), options) {
            Err(error) if error.class() == ErrorClass::Locked => Err(error),
            outcome => Ok(outcome),
        })
    };
    let error = emit(&options).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data);
    assert!(error.to_string().contains("the window has more than 2^63-1 rows"), "{error}");
    let options_of_key = QueryOptions {
        kind: Kind::Country,
        key: 3,
        day: Some(day),
        days: 2,
        top: 50,
        allow_missing: false,
    };
    let error = query(&context(&sandbox.path(""), 64 << 20, 1), &options_of_key).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data);
    let text = "the count of country AD and song 9 exceeds 2^63-1";
    assert!(error.to_string().contains(text), "{error}");
    emit(&EmitOptions { days: 1, ..options }).unwrap();
    assert_eq!(sandbox.tops("2021-12-02").1, format!("7|9:{MAX}\n"));
}

#[test]
fn a_day_whose_own_rows_exceed_a_bigint_is_refused_alone_too() {
    let sandbox = Sandbox::new();
    let [_, _, streams, _] = facts(&good()[USERS]);
    let rows = MAX + 1;
    let bytes = forged(&good(), |part, bytes| {
        if part == Part::Metadata {
            bytes[4..20].copy_from_slice(&u64s(&[rows, rows - streams]));
        }
    });
    sandbox.write(format!("agg-store/partials/{DAY}.agg"), bytes);
    let window = format!("--date {DAY} --days 1");
    for command in [
        format!("emit-window {window}"),
        format!("report {window} --out page.html"),
        format!("export {DAY} --out tables"),
        format!("export --window {DAY} --days 1 --out tables"),
    ] {
        sandbox.agg(&command).exits(65).shows(&["more than 2^63-1 rows"]).in_one_line();
    }
    // The counts of a key are right, and its rows are shown.
    sandbox.agg(&format!("query --user 7 {window}")).exits(0);
    sandbox.agg("list").exits(0);
}

#[test]
fn logs_that_bring_a_day_above_a_bigint_are_refused() {
    let sandbox = Sandbox::new();
    let [_, _, streams, _] = facts(&good()[USERS]);
    let bytes = forged(&good(), |part, bytes| {
        if part == Part::Metadata {
            bytes[4..20].copy_from_slice(&u64s(&[MAX - 1, MAX - 1 - streams]));
        }
    });
    sandbox.write(format!("agg-store/partials/{DAY}.agg"), bytes);
    let add = |log: &str| sandbox.agg(&format!("reduce-day --date {DAY} --add {log}"));
    sandbox.write("two.log", "1|2|FR\n3|4|DE\n");
    let run = add("two.log").exits(65);
    assert!(run.stderr.contains("the rows exceed 2^63-1"), "{run:?}");
    sandbox.write("one.log", "1|2|FR\n");
    add("one.log").exits(0);
    sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
}
