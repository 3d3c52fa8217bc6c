//! Compressed logs: any bytes give what the decoder's own library gives, or an error; a file that is whole gives its
//! bytes. Never a panic, and never a short log that looks whole.
//!
//! The first byte chooses gzip, zstd, bzip2 or xz, and whether the rest is the file itself or what is to be compressed: cut into
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
    let codec = match (choice & 4 == 4, choice & 1 == 1) {
        (false, false) => Codec::Gzip,
        (false, true) => Codec::Zstd,
        (true, false) => Codec::Bzip2,
        (true, true) => Codec::Xz,
    };
    let whole = choice & 2 == 2;
    let (file, text) = if whole { compressed(rest, codec) } else { (rest.to_vec(), Vec::new()) };
    // Other content than what the name says is read by its own format, or refused.
    let is_other = !codec.begins(&file);
    let name = codec.file_name();
    let files = Memory::default();
    files.put(name, &file);
    let mut inputs = InputPaths::default();
    inputs.push(Path::new(name));
    let source = Source::open(Arc::new(files), Arc::new(inputs), 64 << 20).unwrap();
    match read(&source) {
        Ok(None) => {}
        Ok(Some((rows, digest))) => {
            if is_other {
                return;
            }
            let text = if whole { text } else { decompressed(&file, codec).expect("a good file") };
            assert!(rows == cut(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text)));
            assert_eq!(digest, digest_of(&text));
        }
        Err(error) => {
            let is_refused = matches!(error.kind(), ErrorKind::NotALog { .. });
            assert!(!whole || is_refused, "{error}");
            assert_eq!(error.class(), ErrorClass::Data, "{error}");
            assert!(error.path().is_some() && error.to_string().lines().count() == 1, "{error}");
            let window = matches!(error.kind(), ErrorKind::Window { .. });
            assert!(window || !matches!(error.kind(), ErrorKind::LogChanged), "{error}");
        }
    }
});

#[derive(Clone, Copy)]
enum Codec {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Codec {
    fn file_name(self) -> &'static str {
        match self {
            Codec::Gzip => "day.log.gz",
            Codec::Zstd => "day.log.zst",
            Codec::Bzip2 => "day.log.bz2",
            Codec::Xz => "day.log.xz",
        }
    }

    fn begins(self, file: &[u8]) -> bool {
        match self {
            Codec::Gzip => file.starts_with(b"\x1f\x8b"),
            Codec::Zstd => {
                file.starts_with(b"\x28\xb5\x2f\xfd") || file.get(1..4) == Some(b"\x2a\x4d\x18")
            }
            Codec::Bzip2 => {
                let ends = [&b"1AY&SY"[..], b"\x17\x72\x45\x38\x50\x90"];
                file.starts_with(b"BZh")
                    && file.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
                    && file.get(4..10).is_some_and(|end| ends.contains(&end))
            }
            Codec::Xz => file.starts_with(b"\xfd7zXZ\0"),
        }
    }

    /// A decoder of the codec's own library, for all members.
    fn decoder<'a>(self, file: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Codec::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Codec::Zstd => Box::new(zstd::Decoder::new(file)?),
            Codec::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(file)),
            Codec::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(file)),
        })
    }

    fn encode(self, member: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Codec::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(member)?;
                encoder.finish()
            }
            Codec::Zstd => zstd::encode_all(member, 1),
            Codec::Bzip2 => {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(member)?;
                encoder.finish()
            }
            Codec::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(member)?;
                encoder.finish()
            }
        }
    }
}

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

fn compressed(bytes: &[u8], codec: Codec) -> (Vec<u8>, Vec<u8>) {
    let mut file = Vec::new();
    for member in bytes.split(|byte| *byte == 0xFF) {
        file.extend(codec.encode(member).unwrap());
    }
    file.extend(vec![0; bytes.len() % 3]);
    let text = bytes.split(|byte| *byte == 0xFF).collect::<Vec<_>>().concat();
    (file, text)
}

/// The output of the decoder's library; zero padding at the end is removed first.
fn decompressed(file: &[u8], codec: Codec) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut last = Ok(());
    // The last byte of a good file may be a zero, so the padding's start is tried byte by byte.
    for end in end..=file.len().min(end + 16) {
        text.clear();
        last = codec.decoder(&file[..end])?.read_to_end(&mut text).map(drop);
        if last.is_ok() {
            return Ok(text);
        }
    }
    last.map(|()| text)
}
