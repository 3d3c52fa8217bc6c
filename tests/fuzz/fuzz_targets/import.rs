//! Changed tables of agg and of other engines: `agg import` refuses them or takes them, and does no harm.
//!
//! What decodes Parquet may panic or exceed its memory, and does so in a child process of the program. So the target
//! starts the program (`AGG` says which) and not the library: slower, but it is the program that promises. The fuzzer does
//! not see into it. So its bytes are not the table: the first chooses one, and each four that follow change it at some
//! place.
//!
//! An import ends with 0 or 65. With 65 it prints one line and leaves no file; with 0 its peak memory is within 64 MiB, and
//! the partial that it leaves is whole: every byte is checked, and both runs have the same streams. The fuzzer's own limit
//! finds an import that does not end.

#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use agg::fs::{FileSystem, OsFileSystem};
use agg::partial::{Partial, verify};
use libfuzzer_sys::fuzz_target;

const DAY: &str = "2021-12-01";
const MEMORY: u64 = 64 << 20;
/// A table, and the one of the other kind that completes the day.
const TABLES: [[&[u8]; 2]; 9] = [
    [PYARROW_1, PYARROW_2],
    [PYARROW_2, PYARROW_1],
    [include_bytes!("../../data/tables/duckdb-users.parquet"), PYARROW_2],
    [include_bytes!("../../data/tables/polars-countries.parquet"), PYARROW_1],
    [include_bytes!("../../data/tables/spark-like-users.parquet"), PYARROW_2],
    [AGG_USERS, AGG_COUNTRIES],
    [AGG_COUNTRIES, AGG_USERS],
    [include_bytes!("../../data/tables/pyarrow-nullable-users.parquet"), PYARROW_2],
    [include_bytes!("../../data/tables/pyarrow-required-countries.parquet"), PYARROW_1],
];
const PYARROW_1: &[u8] = include_bytes!("../../data/tables/pyarrow-pages-1-users.parquet");
const PYARROW_2: &[u8] = include_bytes!("../../data/tables/pyarrow-pages-2-countries.parquet");
const AGG_USERS: &[u8] = include_bytes!("../../data/tables/agg-users.parquet");
const AGG_COUNTRIES: &[u8] = include_bytes!("../../data/tables/agg-countries.parquet");

/// A folder in memory where there is one: each case writes some small files.
static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let home = parent.join(format!("agg-fuzz-{}", std::process::id()));
    fs::create_dir_all(&home).unwrap();
    home
});

fuzz_target!(|edits: &[u8]| {
    let Some((&first, edits)) = edits.split_first() else { return };
    let [table, partner] = TABLES[usize::from(first) % TABLES.len()];
    let store = HOME.join("store");
    let _ = fs::remove_dir_all(&store);
    fs::write(HOME.join("case.parquet"), changed(table, edits)).unwrap();
    fs::write(HOME.join("good.parquet"), partner).unwrap();
    let output = import();
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => check_day(&store, &output.stdout),
        Some(65) => {
            assert!(errors.lines().count() == 1 && errors.len() < 1000, "{errors}");
            assert_eq!(files_below(&store), [PathBuf::new(); 0]);
        }
        _ => panic!("{}: {errors}", output.status),
    }
});

/// The table with each four bytes as a place, a kind of change and a value.
fn changed(table: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut table = table.to_vec();
    for &[low, high, change, value] in edits.as_chunks().0 {
        let place = usize::from(u16::from_le_bytes([low, high])) % (table.len() + 1);
        match (change % 8, table.get_mut(place)) {
            (0, _) => table.insert(place, value),
            (1, Some(_)) => drop(table.remove(place)),
            // Some bytes once more: a page, a part of a footer.
            (2, _) => {
                let end = table.len().min(place + usize::from(value));
                let again = table[place..end].to_vec();
                table.splice(place..place, again);
            }
            (3, _) => table.truncate(place.max(8)),
            (4, Some(byte)) => *byte ^= 1 << (value % 8),
            (_, Some(byte)) => *byte = value,
            (_, None) => {}
        }
    }
    table
}

fn import() -> Output {
    let program = std::env::var_os("AGG").expect("AGG has to name the program");
    let mut command = Command::new(program);
    command.current_dir(HOME.as_path()).args(["import", "--json", "--threads", "1"]);
    command.args(["--memory", "64MiB", "--date", DAY, "--store", "store"]);
    command.args(["case.parquet", "good.parquet"]).output().unwrap()
}

fn check_day(store: &Path, report: &[u8]) {
    let report: serde_json::Value = serde_json::from_slice(report).unwrap();
    assert!(report["peak_memory_bytes"].as_u64().unwrap() <= MEMORY, "{report}");
    let path = store.join(format!("partials/{DAY}.agg"));
    let partial = Partial::open(OsFileSystem.open(&path).unwrap(), &path).unwrap();
    verify(&partial, &|| Ok(())).unwrap();
    let streams: Vec<u64> = partial.metadata().runs.values().map(|run| run.streams).collect();
    assert!(streams.iter().all(|sum| *sum == streams[0]), "{streams:?}");
    assert_eq!(files_below(store).len(), 2);
}

/// All files but the locks.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if !path.to_string_lossy().ends_with("lock") {
            files.push(path);
        }
    }
    files
}
