//! A log's bytes as they were before they were compressed.
//!
//! A [`Decoder`] reports its end only when all is well: the last member or frame is complete, its
//! checksum (if it has one) is right, and only zero padding follows. Anything else that stops it is an error, so a
//! damaged log never counts as a shorter log.

mod ahead;
mod bzip2;
mod compressed;
mod failure;
mod frames;
mod gzip;
mod slots;
mod windows;
mod xz;
mod zstandard;

use std::io::{self, Read};
use std::sync::Arc;

pub(super) use ahead::Ahead;
use bzip2::Bzip2;
pub(super) use compressed::Compressed;
use failure::Decode;
pub(super) use failure::Progress;
use gzip::Gzip;
pub(super) use slots::Slots;
pub(super) use windows::Windows;
use xz::Xz;
use zstandard::Zstandard;

use crate::error::{Error, Result};

/// How a log is compressed. All that depends on it is here, except how it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames.
    Zstd,
    /// One or more bzip2 streams.
    Bzip2,
    /// One or more xz streams.
    Xz,
}

impl Compression {
    /// Number of compressions; the match reminds you to add a new one to [`Compression::ALL`].
    const COUNT: usize = match Compression::Gzip {
        Compression::Gzip | Compression::Zstd | Compression::Bzip2 | Compression::Xz => 4,
    };

    /// All of them.
    pub(super) const ALL: [Compression; Compression::COUNT] =
        [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Compression::Gzip => gzip::FORMAT,
            Compression::Zstd => zstandard::FORMAT,
            Compression::Bzip2 => bzip2::FORMAT,
            Compression::Xz => xz::FORMAT,
        }
    }

    /// How names of such files usually end.
    pub(super) const fn suffix(self) -> &'static [u8] {
        match self {
            Compression::Gzip => b".gz",
            Compression::Zstd => b".zst",
            Compression::Bzip2 => b".bz2",
            Compression::Xz => b".xz",
        }
    }

    /// The command that decompresses a file to its standard output.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip -dc",
            Compression::Zstd => "zstd -dc",
            Compression::Bzip2 => "bzip2 -dc",
            Compression::Xz => "xz -dc",
        }
    }

    /// Whether the bytes begin with the mark of such a file, as far as they go, and the bytes of that mark.
    fn begins(self, start: &[u8]) -> (bool, usize) {
        let with = |mark: &[u8]| {
            let length = mark.len().min(start.len());
            (start.get(..length) == mark.get(..length), mark.len())
        };
        match self {
            Compression::Gzip => with(gzip::MARK),
            Compression::Zstd => (frames::begins(start), frames::MARK),
            Compression::Bzip2 => (bzip2::begins(start), bzip2::MARK),
            Compression::Xz => with(xz::MARK),
        }
    }

    /// Whether a stream needs memory that is shared out by [`Windows`].
    pub(super) const fn needs_window(self) -> bool {
        match self {
            Compression::Gzip => false,
            Compression::Zstd | Compression::Bzip2 | Compression::Xz => true,
        }
    }

    /// Whether idle threads can decode parts of such a file ahead.
    pub(super) const fn has_frames(self) -> bool {
        matches!(self, Compression::Zstd)
    }

    /// Splits a base name into the name before the suffix, and the suffix's compression.
    pub(super) fn split_name(name: &[u8]) -> (&[u8], Option<Compression>) {
        let split = |one: Compression| Some((name.strip_suffix(one.suffix())?, Some(one)));
        Compression::ALL.into_iter().find_map(split).unwrap_or((name, None))
    }

    /// How a file with these first bytes is compressed.
    pub(super) fn of_content(start: &[u8]) -> Option<Compression> {
        let is_it = |one: &Compression| {
            let (begins, mark) = one.begins(start);
            begins && start.len() >= mark
        };
        Compression::ALL.into_iter().find(is_it)
    }

    /// Whether a file of these bytes may be such a file that was cut short within its mark.
    pub(super) fn is_cut_in_mark(self, start: &[u8]) -> bool {
        let (begins, mark) = self.begins(start);
        begins && start.len() < mark
    }
}

/// A stream of decompressed bytes.
pub(super) enum Decoder {
    /// Bytes as they come.
    Plain {
        /// Their source.
        reader: Box<dyn Read + Send>,
        /// Number of bytes so far.
        taken: u64,
    },
    /// Bytes that are decoded.
    Compressed(Box<dyn Decode>),
}

impl Decoder {
    /// Bytes that need no decoder.
    pub(super) fn plain(reader: Box<dyn Read + Send>) -> Self {
        Decoder::Plain { reader, taken: 0 }
    }

    /// A decoder at the start of a compressed file; windows are asked of `windows`, and frames that were decoded
    /// ahead, of `ahead`.
    pub(super) fn open(
        compression: Compression,
        file: Compressed,
        windows: &Arc<Windows>,
        ahead: Option<Arc<Ahead>>,
    ) -> Result<Self> {
        Ok(Decoder::Compressed(match compression {
            Compression::Gzip => Box::new(Gzip::open(file)?),
            Compression::Zstd => Box::new(Zstandard::open(file, windows, ahead)),
            Compression::Bzip2 => Box::new(Bzip2::open(file, windows)),
            Compression::Xz => Box::new(Xz::open(file, windows)),
        }))
    }

    /// The next bytes. `buffer` is not empty.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        match self {
            Decoder::Plain { reader, taken } => loop {
                match reader.read(buffer) {
                    Ok(read) => {
                        *taken += read as u64;
                        return Ok(Progress::Read(read));
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Error::io("read", error).at_offset(*taken)),
                }
            },
            Decoder::Compressed(decoder) => decoder.read(buffer),
        }
    }

    /// Bytes consumed so far, of the file as it is on disk.
    pub(super) fn consumed(&self) -> u64 {
        match self {
            Decoder::Plain { taken, .. } => *taken,
            Decoder::Compressed(decoder) => decoder.consumed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::failure::{CUT_SHORT, NO_BYTES, TRAILING};
    use super::*;
    use crate::error::{ErrorClass, ErrorKind};
    use crate::input::twin::{Twin, bzip2, gzip, xz, zstd};

    const LIMIT: u64 = 8 << 20;

    fn skippable(content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap();
        [&0x184D_2A53_u32.to_le_bytes()[..], &length.to_le_bytes(), content].concat()
    }

    fn compressed(bytes: &[u8], short_reads: usize) -> Compressed {
        let twin = Twin::new();
        twin.put("f", bytes);
        twin.read_at_most(short_reads);
        Compressed::new(Arc::from(crate::fs::FileSystem::open(&twin, "f".as_ref()).unwrap()))
    }

    /// All that a decoder gives, and how much of the file it took.
    fn decode(compression: Compression, bytes: &[u8], room: usize) -> Result<(Vec<u8>, u64)> {
        let file = compressed(bytes, usize::MAX);
        decode_file(compression, file, room, LIMIT)
    }

    fn decode_file(
        compression: Compression,
        file: Compressed,
        room: usize,
        limit: u64,
    ) -> Result<(Vec<u8>, u64)> {
        let mut decoder = Decoder::open(compression, file, &Windows::new(limit), None)?;
        let (mut out, mut buffer) = (Vec::new(), vec![0; room]);
        loop {
            match decoder.read(&mut buffer)? {
                Progress::Read(0) => return Ok((out, decoder.consumed())),
                Progress::Read(read) => out.extend_from_slice(&buffer[..read]),
                Progress::Wait { .. } => panic!("nobody else holds a window"),
            }
        }
    }

    fn each(bytes: &[u8]) -> [(Compression, Vec<u8>); Compression::COUNT] {
        Compression::ALL.map(|one| (one, encode(one, bytes)))
    }

    fn encode(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => gzip(bytes),
            Compression::Zstd => zstd(bytes),
            Compression::Bzip2 => bzip2(bytes),
            Compression::Xz => xz(bytes),
        }
    }

    fn reason(result: Result<(Vec<u8>, u64)>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        match error.kind() {
            ErrorKind::Compression { reason, .. } => reason.clone(),
            _ => error.to_string(),
        }
    }

    const TEXT: &[u8] = b"1|2|FR\n3|4|US\n1|2|FR\n3|4|US\n5555|6666|GB\n";

    #[test]
    fn members_and_frames_are_one_stream_and_zero_padding_may_follow() {
        for (compression, one) in each(TEXT) {
            let empty = encode(compression, b"");
            for (file, times) in [
                (one.clone(), 1),
                ([&one[..], &one].concat(), 2),
                ([&empty[..], &one, &empty, &one, &empty].concat(), 2),
                (empty.clone(), 0),
                ([&one[..], &[0]].concat(), 1),
                ([&one[..], &one, &[0; 300_000]].concat(), 2),
            ] {
                for room in [1, 7, 1000] {
                    let (out, consumed) = decode(compression, &file, room).unwrap();
                    assert_eq!(out, TEXT.repeat(times));
                    assert_eq!(consumed, file.len() as u64);
                }
            }
        }
    }

    #[test]
    fn xz_streams_may_have_zeros_in_fours_between_them() {
        let one = xz(TEXT);
        for zeros in [4, 8, 300_000] {
            let file = [&one[..], &vec![0; zeros], &one, &[0; 4], &one, &[0]].concat();
            for room in [7, 1000] {
                let (out, consumed) = decode(Compression::Xz, &file, room).unwrap();
                assert_eq!((out, consumed), (TEXT.repeat(3), file.len() as u64));
            }
        }
        for zeros in [1, 3, 6, 300_001] {
            let file = [&one[..], &vec![0; zeros], &one].concat();
            let error = decode(Compression::Xz, &file, 100).unwrap_err().at("f");
            let at = format!("\"f\": at offset {}: ", one.len() + zeros);
            assert!(error.to_string().starts_with(&at), "{error}");
            assert_eq!(reason(Err(error)), TRAILING);
        }
        // No other format has zeros between its parts.
        for (compression, one) in each(TEXT) {
            let file = [&one[..], &[0; 4], &one].concat();
            assert_eq!(decode(compression, &file, 100).is_ok(), compression == Compression::Xz);
        }
    }

    #[test]
    fn a_frame_that_is_to_be_skipped_is_skipped() {
        let frame = zstd(TEXT);
        let (filled, empty) = (skippable(b"whatever"), skippable(b""));
        for (file, times) in [
            ([&filled[..], &frame, &empty, &frame, &filled].concat(), 2),
            ([&empty[..], &frame].concat(), 1),
            ([&filled[..], &[0; 9]].concat(), 0),
        ] {
            let (out, consumed) = decode(Compression::Zstd, &file, 100).unwrap();
            assert_eq!((out, consumed), (TEXT.repeat(times), file.len() as u64));
        }
        assert_eq!(reason(decode(Compression::Zstd, &filled[..filled.len() - 1], 100)), CUT_SHORT);
    }

    #[test]
    fn an_empty_file_and_bytes_after_the_end_are_damage() {
        for (compression, one) in each(TEXT) {
            assert_eq!(reason(decode(compression, b"", 100)), NO_BYTES);
            for tail in [&b"x"[..], b"\0x", b"\0\0\0\0\x1f\x8b", b"\n", b"\x27\xB5"] {
                let file = [&one[..], tail].concat();
                assert_eq!(reason(decode(compression, &file, 100)), TRAILING, "{tail:?}");
            }
            let late = [&one[..], &[0; 300_000], b"x"].concat();
            assert_eq!(reason(decode(compression, &late, 100)), TRAILING);
            assert!(decode(compression, &[0; 100], 100).is_err());
            assert!(decode(compression, TEXT, 100).is_err());
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_is_damage_unless_between_members() {
        for (compression, one) in each(TEXT) {
            let file = [&one[..], &one].concat();
            for cut in 0..file.len() {
                let result = decode(compression, &file[..cut], 16);
                if cut == one.len() {
                    assert_eq!(result.unwrap().0, TEXT);
                } else {
                    let reason = reason(result);
                    let expected = if cut == 0 { NO_BYTES } else { CUT_SHORT };
                    assert_eq!(reason, expected, "{compression:?} {cut}");
                }
            }
        }
    }

    #[test]
    fn a_changed_bit_is_damage_or_changes_nothing() {
        for (compression, one) in each(TEXT) {
            let mut harmless = 0;
            for bit in 0..one.len() * 8 {
                let mut file = one.clone();
                file[bit / 8] ^= 1 << (bit % 8);
                match decode(compression, &file, 64) {
                    Ok((out, _)) => {
                        assert_eq!(out, TEXT, "{compression:?} bit {bit}");
                        harmless += 1;
                    }
                    Err(error) => assert_eq!(error.class(), ErrorClass::Data),
                }
            }
            // A gzip header's text flag, time, system and level, and some of zstd's, mean nothing.
            assert!(harmless < 60, "{compression:?} {harmless}");
        }
    }

    #[test]
    fn a_failing_disk_is_not_damage() {
        for (compression, one) in each(TEXT) {
            for fail_from in 0..one.len() {
                let twin = Twin::new();
                twin.put("f", &one);
                twin.read_at_most(1);
                twin.fail_reads_from("f", fail_from as u64);
                let file = crate::fs::FileSystem::open(&twin, "f".as_ref()).unwrap();
                let file = Compressed::new(Arc::from(file));
                let error = decode_file(compression, file, 64, LIMIT).unwrap_err();
                assert_eq!(error.class(), ErrorClass::Io, "{compression:?} {fail_from} {error}");
            }
        }
    }

    #[test]
    fn a_window_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
        // Frames of one empty block: only the header's window differs.
        let frame = |descriptor: u8| {
            let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, descriptor];
            frame.extend([0x01, 0x00, 0x00]);
            frame
        };
        let window = |exponent: u8, mantissa: u8| exponent << 3 | mantissa;
        let decode = |bytes: &[u8], limit| {
            decode_file(Compression::Zstd, compressed(bytes, usize::MAX), 64, limit)
        };
        assert_eq!(decode(&frame(window(13, 0)), 8 << 20).unwrap().0, b"");
        assert_eq!(decode(&frame(window(13, 4)), 12 << 20).unwrap().0, b"");
        for (descriptor, limit, text) in [
            (
                window(13, 1),
                8 << 20,
                "at offset 0: needs a zstd window of 9437184 bytes, more than the limit of 8388608",
            ),
            (
                window(31, 7),
                64 << 20,
                "at offset 0: needs a zstd window of 4123168604160 bytes, more than the limit of 67108864",
            ),
        ] {
            let error = decode(&frame(descriptor), limit).unwrap_err().at("f");
            assert_eq!(error.class(), ErrorClass::Data);
            assert!(error.to_string().contains(text), "{error}");
        }
        // In a later frame too, and after a skippable frame.
        let later = [zstd(TEXT), skippable(b"x"), frame(window(13, 1))].concat();
        let error = decode(&later, 8 << 20).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Window { needed: 9_437_184, .. }));
    }

    #[test]
    fn a_wrong_checksum_names_the_stream_once() {
        let mut bytes = gzip(b"1|2|FR\n");
        let at = bytes.len() - 8;
        bytes[at] ^= 1;
        let error = decode(Compression::Gzip, &bytes, 64).unwrap_err().at("f.gz");
        let text = format!(
            "\"f.gz\": at offset {}: damaged gzip stream: it does not have a matching checksum; fetch the log again",
            bytes.len()
        );
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_spare_decoder_serves_the_next_file_even_from_the_middle_of_a_frame() {
        let whole = zstd(b"1|2|FR\n3|4|DE\n");
        let windows = Windows::new(LIMIT);
        let mut buffer = [0; 64];
        for bytes in [&whole[..whole.len() - 6], &whole, &whole] {
            let file = compressed(bytes, usize::MAX);
            let mut decoder = Decoder::open(Compression::Zstd, file, &windows, None).unwrap();
            let mut out = Vec::new();
            let end = loop {
                match decoder.read(&mut buffer) {
                    Ok(Progress::Read(0)) => break Ok(()),
                    Ok(Progress::Wait { .. }) => panic!("nobody else holds a window"),
                    Ok(Progress::Read(read)) => out.extend_from_slice(&buffer[..read]),
                    Err(error) => break Err(error),
                }
            };
            assert_eq!(end.is_ok(), bytes.len() == whole.len());
            if end.is_ok() {
                assert_eq!(out, b"1|2|FR\n3|4|DE\n");
            }
            drop(decoder);
            assert!(windows.has_room(LIMIT), "all is given back");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_in_any_pieces_come_back(
            parts in prop::collection::vec(prop::collection::vec(0_u8..4, 0..400), 1..4),
            short_reads in 1_usize..50,
            room in 1_usize..500,
        ) {
            for compression in Compression::ALL {
                let file: Vec<u8> = parts.iter().flat_map(|part| encode(compression, part)).collect();
                let length = file.len() as u64;
                let decoded = decode_file(compression, compressed(&file, short_reads), room, LIMIT);
                prop_assert_eq!(decoded.unwrap(), (parts.concat(), length));
            }
        }

        #[test]
        fn no_bytes_at_all_make_a_decoder_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            magic in any::<bool>(),
        ) {
            let file = |start: &[u8]| if magic { [start, &bytes].concat() } else { bytes.clone() };
            let _ = decode(Compression::Gzip, &file(&[0x1f, 0x8b, 8]), 10);
            let _ = decode(Compression::Zstd, &file(&[0x28, 0xB5, 0x2F, 0xFD]), 10);
            let _ = decode(Compression::Bzip2, &file(b"BZh91AY&SY"), 10);
            let _ = decode(Compression::Xz, &file(b"\xFD7zXZ\0\0\x04\xE6\xD6\xB4\x46"), 10);
        }
    }
}
