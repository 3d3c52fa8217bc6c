//! Compressed logs: any bytes give what the decoder's own library gives, or an error; a file that is whole gives its
//! bytes. Never a panic, and never a short log that looks whole.
//!
//! The first byte chooses gzip or zstd, and whether the rest is the file itself or what is to be compressed: cut into
//! members at each 0xFF, with zero padding after it.

#![no_main]

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use agg::input::{InputPaths, Source, Window};
use agg::{ErrorClass, ErrorKind, Result};
use agg_fuzz::Memory;
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_128;

/// Decompressed bytes up to which a case is followed; a bomb ends there.
const ENOUGH: usize = 8 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let gzip = choice & 1 == 0;
    let whole = choice & 2 == 2;
    let (file, text) = if whole { compressed(rest, gzip) } else { (rest.to_vec(), Vec::new()) };
    let name = if gzip { "day.log.gz" } else { "day.log.zst" };
    let files = Memory::default();
    files.put(name, &file);
    let mut inputs = InputPaths::default();
    inputs.push(Path::new(name));
    let source = Source::open(Arc::new(files), Arc::new(inputs), 64 << 20).unwrap();
    match read(&source) {
        Ok(None) => {}
        Ok(Some((rows, digest))) => {
            let text = if whole { text } else { decompressed(&file, gzip).expect("a good file") };
            assert!(rows == cut(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text)));
            assert_eq!(digest, digest_of(&text));
        }
        Err(error) => {
            assert!(!whole, "{error}");
            assert_eq!(error.class(), ErrorClass::Data, "{error}");
            assert!(error.path().is_some() && error.to_string().lines().count() == 1, "{error}");
            let window = matches!(error.kind(), ErrorKind::ZstdWindow { .. });
            assert!(window || !matches!(error.kind(), ErrorKind::LogChanged), "{error}");
        }
    }
});

/// All rows and the digest; none if there are too many.
fn read(source: &Source) -> Result<Option<(Vec<Vec<u8>>, u128)>> {
    let (mut window, mut bytes, mut rows) = (Window::new(), Vec::new(), 0);
    while source.next(&mut window)? {
        bytes.extend_from_slice(window.rows());
        rows += window.count_rows();
        if bytes.len() > ENOUGH {
            return Ok(None);
        }
    }
    let facts = source.finish(&[rows])?.facts;
    Ok(Some((cut(&bytes), facts.iter().next().unwrap().digest)))
}

/// The rows, the long ones cut to as many bytes as make them too long.
fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let short = |line: &[u8]| {
        let row = line.strip_suffix(b"\n").unwrap_or(line);
        row[..row.len().min(4098)].to_vec()
    };
    lines.map(short).collect()
}

fn digest_of(text: &[u8]) -> u128 {
    let pieces = text.chunks(1 << 20).map(|piece| xxh3_128(piece).to_le_bytes());
    xxh3_128(&pieces.collect::<Vec<_>>().concat())
}

fn compressed(bytes: &[u8], gzip: bool) -> (Vec<u8>, Vec<u8>) {
    let mut file = Vec::new();
    for member in bytes.split(|byte| *byte == 0xFF) {
        if gzip {
            let mut encoder = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
            encoder.write_all(member).unwrap();
            encoder.finish().unwrap();
        } else {
            file.extend(zstd::encode_all(member, 1).unwrap());
        }
    }
    file.extend(vec![0; bytes.len() % 3]);
    let text = bytes.split(|byte| *byte == 0xFF).collect::<Vec<_>>().concat();
    (file, text)
}

/// The output of the decoder's library; zero padding at the end is removed first.
fn decompressed(file: &[u8], gzip: bool) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut last = Ok(());
    // The last byte of a good file may be a zero, so the padding's start is tried byte by byte.
    for end in end..=file.len().min(end + 16) {
        text.clear();
        last = if gzip {
            flate2::read::MultiGzDecoder::new(&file[..end]).read_to_end(&mut text).map(drop)
        } else {
            zstd::Decoder::new(&file[..end])?.read_to_end(&mut text).map(drop)
        };
        if last.is_ok() {
            return Ok(text);
        }
    }
    last.map(|()| text)
}
