//! Logs and windows larger than their memory, against the obvious program: several spilled runs, several passes, files
//! split and compressed at odds, one key over many pieces, ties at K.

use std::path::PathBuf;

use agg::job::{EmitOptions, ReduceOptions, ReduceReport, emit_window, reduce_day};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::counts::property::{Model, file, row};
use crate::harness::{DAY, Sandbox, Totals, gz, zst};
use crate::library::{Dice, context, unlocked};

impl Dice {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Rows; one in twenty is odd, and most of the odd rows are corrupt.
fn rows(dice: &mut Dice, count: usize) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let odd: Vec<Vec<u8>> =
        (0..300).map(|_| row().new_tree(&mut runner).unwrap().current()).collect();
    let (users, songs) = (dice.pick(&[1, 50, 5_000]), dice.pick(&[1, 300, 1 << 31]));
    let spread = dice.pick(&[1, 1_000_003, (1 << 63) / 5_001]);
    let country = dice.pick(&["FR", "AD", "ZW"]);
    let good = |dice: &mut Dice| {
        let (song, user) = (dice.below(songs), dice.below(users) * spread);
        let country = if dice.below(3) > 0 { country } else { "DE" };
        format!("{song}|{user}|{country}\n").into_bytes()
    };
    (0..count)
        .map(|_| match dice.below(20) {
            // The bytes of an odd row may lack an end.
            0 => {
                let at = usize::try_from(dice.below(odd.len() as u64)).unwrap();
                [&odd[at][..], b"\n"].concat()
            }
            _ => good(dice),
        })
        .collect()
}

/// Puts the rows into one to four files in a folder, some compressed; the last may lack its end.
fn write_logs(sandbox: &Sandbox, dice: &mut Dice, rows: &[Vec<u8>], model: &mut Model) -> PathBuf {
    let mut rest = rows;
    for part in (0..=dice.below(4)).rev() {
        let most = rest.len() as u64;
        let length = if part == 0 { most } else { dice.below(most + 1) };
        let (own, others) = rest.split_at(usize::try_from(length).unwrap());
        rest = others;
        let mut log = own.concat();
        if dice.below(2) == 0 {
            log.pop();
        }
        model.read(&log);
        let (ending, bytes) = match dice.below(3) {
            0 => ("log", log),
            1 => ("log.gz", gz(log)),
            _ => ("txt.zst", zst(log)),
        };
        sandbox.write(format!("logs/part-{part}.{ending}"), bytes);
    }
    sandbox.path("logs")
}

fn reduce(
    sandbox: &Sandbox,
    logs: PathBuf,
    day: &str,
    memory: u64,
    threads: usize,
) -> ReduceReport {
    let options = ReduceOptions {
        logs: vec![logs],
        day: Some(day.parse().unwrap()),
        force: true,
        max_reject_ratio: 1.0,
        ..ReduceOptions::default()
    };
    unlocked(|| reduce_day(&context(&sandbox.path(""), memory, threads), &options))
}

/// Emits the window and gives its country file and its user file.
fn emit(
    sandbox: &Sandbox,
    day: &str,
    days: u32,
    top: usize,
    memory: u64,
    threads: usize,
) -> (String, String) {
    let options = EmitOptions {
        days,
        top: u32::try_from(top).unwrap(),
        force: true,
        ..EmitOptions::new(day.parse().unwrap(), sandbox.path("agg-out"))
    };
    unlocked(|| emit_window(&context(&sandbox.path(""), memory, threads), &options));
    let file = |kind| sandbox.text(format!("agg-out/{day}/top{top}_songs_per_{kind}.txt"));
    (file("country"), file("user"))
}

#[test]
fn random_logs_at_odds_with_memory_files_and_compression_are_what_the_obvious_program_finds() {
    let mut spilled = 0;
    for seed in 1..=8 {
        let sandbox = Sandbox::new();
        let mut dice = Dice(seed);
        let mut model = Model::default();
        let rows = rows(&mut dice, 45_000);
        let logs = write_logs(&sandbox, &mut dice, &rows, &mut model);
        let top = dice.pick(&[1, 2, 50, 10_000]);
        let mut partial = None;
        for (memory, threads) in [(150 << 10, 1), (300 << 10, 2), (1 << 20, 4), (64 << 20, 3)] {
            let report = reduce(&sandbox, logs.clone(), DAY, memory, threads);
            spilled += report.spilled_runs;
            let bytes = std::fs::read(&report.partial).unwrap();
            let first = partial.get_or_insert_with(|| bytes.clone());
            assert!(*first == bytes, "seed {seed}, {threads} threads in {memory} bytes");
            let (countries, users) = emit(&sandbox, DAY, 1, top, memory, threads);
            let what = format!("seed {seed}, {top} songs, {threads} threads in {memory} bytes");
            assert!(countries == file(&model.countries, top), "{what}");
            assert!(users == file(&model.users, top), "{what}");
            assert_eq!(Totals::of(&sandbox.manifest(DAY)), model.totals, "{what}");
        }
    }
    assert!(spilled >= 30, "{spilled} runs were spilled");
}

#[test]
fn a_key_over_many_pieces_and_ties_at_k_are_what_the_obvious_program_finds() {
    let sandbox = Sandbox::new();
    let mut model = Model::default();
    for day in 1..=3_u64 {
        let mut log = String::new();
        for song in 0..20_000_u64 {
            // One user and one country with many blocks, counts 1 to 3 in a window, nearly all of them ties.
            if (song + day) % 3 > 0 {
                log += &format!("{}|8|FR\n", song * 1_000);
            }
            if song % 1_000 == 0 {
                log += &format!("{song}|{}|DE\n", song % 17);
            }
        }
        // A country whose later songs are the better ones, each as often on every day: what its first pieces know must
        // not shut them out.
        for song in 0..4_000_usize {
            log += &format!("{song}|9|IT\n").repeat(1 + song / 400);
        }
        // A country whose later pieces are skipped, except for a song or two and its last songs.
        for song in 0..6_000_u64 {
            let often = match song {
                0..120 | 3_001 => 40,
                5_990.. => 3,
                _ => 1,
            };
            log += &format!("{song}|10|NO\n").repeat(often);
        }
        model.read(log.as_bytes());
        sandbox.write(format!("{day}/day.log"), &log);
        let day_name = format!("2021-12-0{day}");
        reduce(&sandbox, sandbox.path(day.to_string()), &day_name, 64 << 20, 2);
    }
    for top in [1, 50, 10_000] {
        let expected = (file(&model.countries, top), file(&model.users, top));
        for (memory, threads) in [(150 << 10, 1), (200 << 10, 3), (4 << 20, 4), (64 << 20, 2)] {
            let found = emit(&sandbox, "2021-12-03", 3, top, memory, threads);
            assert!(found == expected, "{top} songs, {threads} threads in {memory} bytes");
        }
    }
}

#[test]
fn forty_days_in_many_passes_are_what_they_are_in_one_the_manifest_too() {
    let sandbox = Sandbox::new();
    let mut dice = Dice(3);
    let mut model = Model::default();
    let mut days = Vec::new();
    for day in 0..40_i64 {
        let log: String = (0..150)
            .map(|_| format!("{}|{}|FR\n", dice.below(40), dice.below(9) * 1_000_003))
            .collect();
        model.read(log.as_bytes());
        sandbox.write(format!("{day}/day.log"), log);
        let date = "2021-11-01".parse::<agg::Day>().unwrap().plus_days(day).unwrap().to_string();
        reduce(&sandbox, sandbox.path(day.to_string()), &date, 1 << 20, 1);
        days.push(date);
    }
    let last = days.last().unwrap();
    let mut manifests = Vec::new();
    for (memory, threads) in [(150 << 10, 1), (150 << 10, 4), (64 << 20, 1), (64 << 20, 4)] {
        let (countries, users) = emit(&sandbox, last, 40, 7, memory, threads);
        assert_eq!(countries, file(&model.countries, 7));
        assert_eq!(users, file(&model.users, 7));
        manifests.push(sandbox.text(format!("agg-out/{last}/manifest.json")));
    }
    manifests.dedup();
    assert_eq!(manifests.len(), 1);
}
