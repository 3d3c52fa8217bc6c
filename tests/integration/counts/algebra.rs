//! The laws: pieces equal the whole; row order, files, threads and memory never show.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use agg::job::{EmitOptions, ReduceOptions, ReduceReport, emit_window, reduce_day};
use agg::merge::Merge;
use agg::model::{Batch, RejectCounts};
use agg::partial::Writer;
use agg::runfile::{Run, RunPieces, split};
use agg::{Country, Day, Kind};

use crate::harness::{DAY, Sandbox};
use crate::library::{Dice, Sums, context, entries, open, run_bytes, unlocked};

/// A row: song, user, country.
type Row = (u64, u64, &'static str);

const COUNTRIES: [&str; 6] = ["FR", "FR", "FR", "DE", "ZW", "AD"];
/// Budgets in bytes: the first spill a few thousand rows at a time, the last never here.
const BUDGETS: [u64; 4] = [200 << 10, 400 << 10, 2 << 20, 64 << 20];

impl Dice {
    fn row(&mut self, shape: &str) -> Row {
        let country = COUNTRIES[usize::try_from(self.below(6)).unwrap()];
        let (song, user) = (self.below(3000), self.below(500));
        match shape {
            "plain" => (song * 700_001, user * 1_000_003, country),
            "one user" => (song * 700_001, 77, country),
            "one pair" => (9, 7, country),
            "hot pair" if song < 1500 => (9, 7, country),
            "hot user" if song < 1000 => (song, 77, country),
            "wide" => ((1 << 62) + song * (1 << 50), (1 << 63) - 1 - user, country),
            "mixed" if song % 7 == 0 => ((1 << 63) - 1 - song, (1 << 60) + user, country),
            // Songs of 55 bits: a row of one user must not take fewer words than the same row of its country.
            "packing limit" => ((1 << 54) + song * (1 << 20), 77, country),
            "one country" => (song, user, "FR"),
            "distinct" => (self.below(1 << 31), self.below(1 << 31), country),
            _ => (song, user, country),
        }
    }
}

const SHAPES: [&str; 10] = [
    "plain",
    "one user",
    "one pair",
    "hot pair",
    "hot user",
    "wide",
    "mixed",
    "one country",
    "distinct",
    "packing limit",
];

fn rows(shape: &str, count: usize, seed: u64) -> Vec<Row> {
    let mut dice = Dice(seed);
    (0..count).map(|_| dice.row(shape)).collect()
}

fn log(rows: &[Row]) -> String {
    let mut text = String::new();
    for (at, (song, user, country)) in rows.iter().enumerate() {
        writeln!(text, "{song}|{user}|{country}").unwrap();
        if at % 100 == 3 {
            text.push_str("no row\n");
        }
    }
    text
}

/// Where, when, for whom and with what a store lives: nothing of it may show.
struct Place {
    /// What starts the program.
    prefix: &'static [&'static str],
    /// How a name in the sandbox is given.
    path: fn(&Sandbox, &str) -> String,
    environment: &'static [(&'static str, &'static str)],
    flags: &'static str,
}

const NEAR: Place = Place {
    prefix: &["env"],
    path: |_, name| name.to_owned(),
    environment: &[("TZ", "UTC"), ("USER", "ann"), ("LANG", "C")],
    flags: "--threads 1 --memory 64MiB",
};

const FAR: Place = Place {
    prefix: &[
        "unshare",
        "--user",
        "--map-root-user",
        "--uts",
        "sh",
        "-c",
        "hostname far && exec \"$@\"",
        "sh",
    ],
    path: |sandbox, name| sandbox.path(name).to_str().unwrap().to_owned(),
    environment: &[("TZ", "Asia/Tokyo"), ("USER", "bob"), ("LANG", "fr_FR.UTF-8")],
    flags: "--threads 7 --memory 1GiB",
};

/// Whether this machine lets a process have another host name.
fn may_rename_host() -> bool {
    let (program, arguments) = FAR.prefix.split_first().unwrap();
    let status = Command::new(program).args(arguments).arg("true").stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Place {
    /// The whole life of a store, here.
    fn lived(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        let rows = rows("plain", 20_000, 5);
        let (first, rest) = rows.split_at(9_000);
        for (name, rows) in
            [("20211201.log", first), ("logs/20211202.log", rest), ("late.log", &rest[..200])]
        {
            sandbox.write(name, log(rows));
            let file = File::options().write(true).open(sandbox.path(name)).unwrap();
            // The time of a log is stored.
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_638_400_000)).unwrap();
        }
        sandbox.write("page/empty", "");
        let run = |arguments: &str| self.run(&sandbox, arguments);
        run("reduce-day --store @agg-store @20211201.log");
        run("backfill --store @agg-store --logs @logs");
        run("reduce-day --store @agg-store --add --date 2021-12-01 --allow-duplicates @late.log");
        let mut formats = vec!["csv", "jsonl"];
        if cfg!(feature = "parquet") {
            formats.push("parquet");
        }
        let window = "--date 2021-12-02 --days 2";
        let emit = format!("emit-window --store @agg-store --out @agg-out {window}");
        run(&format!("{emit} --format text,{}", formats.join(",")));
        for format in formats {
            let export =
                format!("export --store @agg-store --out @tables-{format} --format {format}");
            run(&format!("{export} 2021-12-01 2021-12-02"));
            run(&format!("{export} --window 2021-12-02 --days 2"));
        }
        #[cfg(feature = "parquet")]
        run("import --store @imported --date 2021-12-01 @tables-parquet");
        run(&format!("report --store @agg-store {window} --out @page/page.html"));
        sandbox
    }

    /// Runs words, those after an `@` as paths.
    fn run(&self, sandbox: &Sandbox, arguments: &str) {
        let (program, prefix) = self.prefix.split_first().unwrap();
        let agg = sandbox.command();
        let mut command = Command::new(program);
        command.args(prefix).arg(agg.get_program()).current_dir(sandbox.path(""));
        for word in arguments.split_whitespace().chain(self.flags.split_whitespace()) {
            match word.strip_prefix('@') {
                Some(name) => command.arg((self.path)(sandbox, name)),
                None => command.arg(word),
            };
        }
        sandbox.run(command.envs(self.environment.iter().copied())).exits(0);
    }
}

#[test]
fn no_place_clock_host_user_thread_or_memory_shows_in_any_file() {
    let far = if may_rename_host() { FAR } else { Place { prefix: NEAR.prefix, ..FAR } };
    let tree = |place: &Place| {
        place.lived().tree(&[
            "agg-store",
            "agg-out",
            "tables-csv",
            "tables-jsonl",
            "tables-parquet",
            "imported",
            "page",
        ])
    };
    let (near, far) = (tree(&NEAR), tree(&far));
    assert!(near.len() > 20 && near.keys().eq(far.keys()), "{:?} {:?}", near.keys(), far.keys());
    for (name, bytes) in &near {
        assert!(*bytes == far[name], "{name}");
    }
}

/// The obvious program: both runs.
fn naive(rows: &[Row]) -> [Sums; 2] {
    let (mut users, mut countries) = (Sums::new(), Sums::new());
    for &(song, user, country) in rows {
        let [first, second] = country.as_bytes() else { panic!("two letters") };
        let number = Country::from_letters(*first, *second).unwrap().number();
        *users.entry((user, song)).or_default() += 1;
        *countries.entry((u64::from(number), song)).or_default() += 1;
    }
    [users, countries]
}

fn options(logs: Vec<PathBuf>, day: &str) -> ReduceOptions {
    let day = Some(day.parse().unwrap());
    ReduceOptions { logs, day, force: true, ..ReduceOptions::default() }
}

fn reduce(folder: &Path, logs: &[PathBuf], day: &str, memory: u64, threads: usize) -> ReduceReport {
    unlocked(|| reduce_day(&context(folder, memory, threads), &options(logs.to_vec(), day)))
}

#[test]
fn threads_and_memory_never_show_in_a_partial_whatever_the_rows() {
    let mut spilled = 0;
    for (seed, shape) in (1..).zip(SHAPES) {
        let sandbox = Sandbox::new();
        let rows = rows(shape, 20_000, seed);
        sandbox.write("day.log", log(&rows));
        let mut first: Option<Vec<u8>> = None;
        for (threads, memory) in (1..=4).zip(BUDGETS) {
            let report =
                reduce(&sandbox.path(""), &[sandbox.path("day.log")], DAY, memory, threads);
            spilled += report.spilled_runs;
            assert_eq!((report.counts.rows, report.counts.rejected()), (20_200, Some(200)));
            let bytes = sandbox.read(format!("agg-store/partials/{DAY}.agg"));
            if let Some(first) = &first {
                assert!(*first == bytes, "{shape} with {threads} threads in {memory} bytes");
            } else {
                let partial = open(&report.partial).unwrap();
                agg::partial::verify(&partial, &|| Ok(())).unwrap();
                let found = Kind::ALL.map(|kind| entries(&partial, kind).unwrap());
                assert!(found == naive(&rows), "{shape}");
            }
            first.get_or_insert(bytes);
        }
        assert_eq!(
            sandbox.files("agg-store").len(),
            2,
            "a partial and a rejects file, nothing else"
        );
    }
    assert!(spilled > 20, "{spilled} runs were spilled");
}

#[test]
fn the_order_of_rows_and_their_files_never_show_in_the_runs() {
    let sandbox = Sandbox::new();
    let mut rows = rows("hot user", 9_000, 5);
    sandbox.write("1/whole.log", log(&rows));
    rows.sort_unstable();
    sandbox.write("2/sorted.log", log(&rows));
    rows.reverse();
    for (part, rows) in rows.chunks(2_999).enumerate() {
        sandbox.write(format!("3/part-{part}.log"), log(rows));
    }
    let runs = ["1", "2", "3"].map(|logs| {
        let report = reduce(&sandbox.path(""), &[sandbox.path(logs)], DAY, 300 << 10, 2);
        run_bytes(&std::fs::read(report.partial).unwrap()).to_vec()
    });
    assert!(runs[0] == runs[1] && runs[1] == runs[2]);
}

#[test]
fn pieces_of_a_day_merged_in_any_order_are_the_whole_byte_for_byte() {
    let sandbox = Sandbox::new();
    let rows = rows("mixed", 12_000, 11);
    sandbox.write("whole.log", log(&rows));
    let whole = reduce(&sandbox.path(""), &[sandbox.path("whole.log")], DAY, 64 << 20, 2).partial;
    let mut partials = Vec::new();
    for (piece, rows) in rows.chunks(5_000).enumerate() {
        let (name, day) = (format!("piece-{piece}.log"), format!("2022-01-0{}", piece + 1));
        sandbox.write(&name, log(rows));
        let report = reduce(&sandbox.path(""), &[sandbox.path(&name)], &day, 64 << 20, 1);
        partials.push(open(&report.partial).unwrap());
    }
    for piece_entries in [1, 5_000, 1 << 40] {
        partials.rotate_left(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let mut writer = Writer::new(Vec::new()).unwrap();
        for kind in Kind::ALL {
            let runs: Vec<&Run> = partials.iter().map(|partial| partial.run(kind)).collect();
            let pieces = split(&runs, piece_entries).unwrap();
            let shape = RunPieces { pool: &pool, pieces: pieces.len() };
            let make = |(): &mut (), at: usize, _| {
                use agg::merge::Stream;
                let streams = runs.iter().map(|run| run.blocks(pieces[at].clone()));
                let mut merge = Merge::new(kind, streams.collect());
                let (mut batch, mut all) = (Batch::default(), Batch::default());
                while merge.next(&mut batch)? {
                    all.extend_from(&batch, 0..batch.len());
                }
                Ok(all)
            };
            writer.write_run(shape, || (), make).unwrap();
        }
        let day: Day = DAY.parse().unwrap();
        let merged =
            writer.finish(day, 12_000, RejectCounts::default(), Default::default()).unwrap().sink;
        assert!(run_bytes(&merged) == run_bytes(&std::fs::read(&whole).unwrap()));
    }
}

/// The obvious window: all sums, all sorted.
fn expected(sums: &Sums, top: usize, name: impl Fn(u64) -> String) -> String {
    let mut by_key: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for (&(key, song), &count) in sums {
        by_key.entry(key).or_default().push((song, count));
    }
    let mut text = String::new();
    for (key, mut songs) in by_key {
        songs.sort_by_key(|(song, count)| (Reverse(*count), *song));
        songs.truncate(top);
        let songs: Vec<String> =
            songs.iter().map(|(song, count)| format!("{song}:{count}")).collect();
        writeln!(text, "{}|{}", name(key), songs.join(",")).unwrap();
    }
    text
}

#[test]
fn a_window_is_the_same_with_any_threads_memory_and_number_of_passes() {
    let sandbox = Sandbox::new();
    let mut sums = [Sums::new(), Sums::new()];
    for (day, shape) in (1..=27).zip(SHAPES.into_iter().cycle()) {
        let rows = rows(shape, 1_500, day);
        sandbox.write("day.log", log(&rows));
        let date = format!("2022-03-{day:02}");
        reduce(&sandbox.path(""), &[sandbox.path("day.log")], &date, 64 << 20, 1);
        for (sums, day) in sums.iter_mut().zip(naive(&rows)) {
            day.into_iter().for_each(|(pair, count)| *sums.entry(pair).or_default() += count);
        }
    }
    for top in [1, 3, 50, 10_000] {
        let [users, countries] = &sums;
        let users = expected(users, top, |user| user.to_string());
        let countries =
            expected(countries, top, |key| Country::from_number(key).unwrap().to_string());
        for (threads, memory) in (1..=4).zip(BUDGETS) {
            let day = "2022-03-27".parse().unwrap();
            let emit = EmitOptions {
                days: 27,
                top: u32::try_from(top).unwrap(),
                force: true,
                ..EmitOptions::new(day, sandbox.path("agg-out"))
            };
            let report =
                unlocked(|| emit_window(&context(&sandbox.path(""), memory, threads), &emit));
            assert_eq!((report.missing, report.counts.rows), (vec![], 27 * 1_515));
            let file =
                |kind| sandbox.text(format!("agg-out/2022-03-27/top{top}_songs_per_{kind}.txt"));
            assert!(file("user") == users, "{top} songs with {threads} threads in {memory} bytes");
            assert!(
                file("country") == countries,
                "{top} songs with {threads} threads in {memory} bytes"
            );
        }
    }
    assert_eq!(sandbox.files("agg-out").len(), 4, "two files, a manifest, the link, nothing else");
}
