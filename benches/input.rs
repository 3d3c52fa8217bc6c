//! Stage 1: a log in a file to windows of whole rows, with its digest. Run with `cargo bench --bench input`.
//!
//! The file is in the page cache; one thread reads it.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by panicking")]

mod common;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use agg::fs::OsFileSystem;
use agg::generate::Shape;
use agg::input::{InputPaths, Source, Window};
use common::Log;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::xxh3_128;

const ROWS: u64 = 500_000;
/// The most memory of a zstd frame's decoder.
const MEMORY: u64 = 64 << 20;

fn main() {
    common::main();
}

/// The log's format on disk.
#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    Gzip,
    Zstd,
}

impl Form {
    fn write(self, log: &[u8], path: PathBuf) -> PathBuf {
        let (suffix, bytes) = match self {
            Form::Plain => ("log", log.to_vec()),
            Form::Gzip => ("log.gz", gzip(log)),
            Form::Zstd => ("log.zst", zstd::encode_all(log, 3).unwrap()),
        };
        let path = path.with_extension(suffix);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn gzip(log: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(log).unwrap();
    encoder.finish().unwrap()
}

/// Bytes a second are those of the rows, whatever the file's size.
#[divan::bench(args = [Form::Plain, Form::Gzip, Form::Zstd])]
fn windows(bencher: Bencher, form: Form) {
    let log = Log::new(Shape::Normal, ROWS, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = form.write(&log.bytes, folder.path().join("listen-20211201"));
    let mut inputs = InputPaths::default();
    inputs.push(&path);
    let inputs = Arc::new(inputs);
    let digest = digest(&log.bytes);
    assert_eq!(sorted_rows(&inputs), sorted(&log.bytes));
    let bencher = bencher.counter(ItemsCount::new(ROWS)).counter(BytesCount::of_slice(&log.bytes));
    let mut window = Window::new();
    bencher.bench_local(|| {
        let source = Source::open(Arc::new(OsFileSystem), Arc::clone(&inputs), MEMORY).unwrap();
        let mut bytes = 0;
        while source.next(&mut window).unwrap() {
            bytes += window.rows().len();
        }
        assert_eq!(bytes, log.bytes.len());
        let finished = source.finish(&[ROWS]).unwrap();
        assert_eq!(finished.facts.iter().next().unwrap().digest, digest);
    });
}

/// The digest of an input, as it is defined.
fn digest(log: &[u8]) -> u128 {
    let pieces = log.chunks(1 << 20).flat_map(|piece| xxh3_128(piece).to_le_bytes());
    xxh3_128(&pieces.collect::<Vec<u8>>())
}

/// All rows that a source gives.
fn sorted_rows(inputs: &Arc<InputPaths>) -> Vec<Vec<u8>> {
    let source = Source::open(Arc::new(OsFileSystem), Arc::clone(inputs), MEMORY).unwrap();
    let (mut window, mut rows) = (Window::new(), Vec::new());
    while source.next(&mut window).unwrap() {
        rows.extend_from_slice(window.rows());
    }
    sorted(&rows)
}

fn sorted(log: &[u8]) -> Vec<Vec<u8>> {
    let mut rows: Vec<_> = log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    rows.sort_unstable();
    rows
}
