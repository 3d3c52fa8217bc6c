//! Zstd: one or more frames, some perhaps to be skipped, then perhaps zero padding.
//!
//! Frames are stepped through here, for two things that the library underneath leaves open: its
//! limit on the window is a power of two and not asked for every frame, and zero padding is none of
//! its formats.

use std::io::BufRead;
use std::sync::Arc;

use ::zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use super::windows::{Lease, Windows};
use super::{CUT_SHORT, Compressed, NO_BYTES, Progress, TRAILING, damage, decoder_error};
use crate::error::{Error, ErrorKind, Result};

const FORMAT: &str = "zstd";
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Bytes of the longest frame header, magic included.
const LONGEST_HEADER: usize = 18;

/// A zstd file being decoded. Takes the window that its frames ask for, and some 500 KiB.
pub(in crate::input) struct Zstandard {
    lease: Lease,
    file: Compressed,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first frame, which must be there.
    Start,
    /// Within a frame.
    Frame,
    /// Behind a frame.
    Between,
    /// The last frame is over and all behind it was seen.
    Ended,
}

impl Zstandard {
    /// At the start of the first frame.
    pub(super) fn open(file: Compressed, windows: &Arc<Windows>) -> Self {
        Zstandard { lease: Lease::new(windows), file, state: State::Start }
    }

    /// The next bytes; none only at a proper end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        loop {
            if self.state != State::Frame
                && let Some(window) = self.next_frame()?
            {
                return Ok(Progress::Wait { window });
            }
            if self.state == State::Ended {
                return Ok(Progress::Read(0));
            }
            let written = self.step(buffer)?;
            if written > 0 {
                return Ok(Progress::Read(written));
            }
        }
    }

    /// Bytes of the file consumed.
    pub(super) fn consumed(&self) -> u64 {
        self.file.position()
    }

    /// Feeds the decoder once; returns how much it gave, perhaps nothing.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Zstandard { lease, file, .. } = self;
        let Some(decoder) = lease.decoder() else { return Ok(0) };
        let input = match file.fill_buf() {
            Ok(input) => input,
            Err(error) => return Err(decoder_error(FORMAT, file, &error)),
        };
        let at_end = input.is_empty();
        let mut source = InBuffer::around(input);
        let mut sink = OutBuffer::around(buffer);
        let hint = decoder.run(&mut source, &mut sink);
        let (taken, written) = (source.pos(), sink.pos());
        file.consume(taken);
        let hint = hint.map_err(|error| decoder_error(FORMAT, file, &error))?;
        if hint == 0 {
            // The frame is complete, its checksum (if any) is right, and all of it was given.
            self.state = State::Between;
        } else if at_end && written == 0 {
            return Err(damage(FORMAT, CUT_SHORT, file.position()));
        }
        Ok(written)
    }

    /// Looks at what follows the last frame, and gets the window of the next; says how large one it wants if it gets
    /// none, and nothing is consumed then.
    fn next_frame(&mut self) -> Result<Option<u64>> {
        let offset = self.file.position();
        let mut header = [0; LONGEST_HEADER];
        let peeked = self.file.peek(&mut header, 0);
        let length = peeked.map_err(|error| Error::io("read", error).at_offset(offset))?;
        let header = header.get(..length).unwrap_or_default();
        if self.state == State::Between && !starts_a_frame(header) {
            let zero = self.file.rest_is_zero();
            if !zero.map_err(|error| decoder_error(FORMAT, &mut self.file, &error))? {
                return Err(damage(FORMAT, TRAILING, self.file.position()));
            }
            self.state = State::Ended;
            return Ok(None);
        }
        if header.is_empty() {
            return Err(damage(FORMAT, NO_BYTES, 0));
        }
        let needed = window_of(header).unwrap_or(0);
        let limit = self.lease.limit();
        if needed > limit {
            let kind = ErrorKind::ZstdWindow { needed, limit };
            return Err(Error::from(kind).at_offset(offset));
        }
        if !self.lease.grow(needed)? {
            return Ok(Some(needed));
        }
        self.state = State::Frame;
        Ok(None)
    }
}

/// Whether the bytes may be the start of a frame, as far as they go.
fn starts_a_frame(header: &[u8]) -> bool {
    let magic = header.get(..4).unwrap_or(header);
    let skippable = skipped(header).is_some() || magic.first().is_some_and(|b| b & 0xF0 == 0x50);
    !magic.is_empty() && (MAGIC.starts_with(magic) || skippable)
}

/// How many bytes a frame to be skipped takes, if it is one.
fn skipped(header: &[u8]) -> Option<u64> {
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    let is_skippable = u32::from_le_bytes(*magic) & 0xFFFF_FFF0 == 0x184D_2A50;
    is_skippable.then(|| 8 + u64::from(length))
}

/// The window that a frame's header asks for, in bytes; `None` if it is no whole header of a frame
/// with content.
fn window_of(header: &[u8]) -> Option<u64> {
    let (descriptor, rest) = header.strip_prefix(&MAGIC)?.split_first()?;
    if descriptor & 0x20 == 0 {
        let window = rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // A single segment: the window is the content, whose size stands behind the dictionary's id.
    let id_length = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let size_length = [1, 2, 4, 8].get(usize::from(descriptor >> 6))?;
    let size = rest.get(*id_length..id_length + size_length)?;
    let value = size.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some(if *size_length == 2 { value + 256 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_from_every_kind_of_header() {
        let of = |tail: &[u8]| window_of(&[&MAGIC[..], tail].concat());
        assert_eq!(of(&[0x00, 0x00]), Some(1 << 10));
        assert_eq!(of(&[0x04, 0x0F]), Some((1 << 11) + 7 * (1 << 8)));
        assert_eq!(of(&[0x20, 200]), Some(200));
        assert_eq!(of(&[0x61, 9, 0x01, 0x02]), Some(0x0201 + 256));
        assert_eq!(of(&[0xA2, 9, 9, 1, 2, 3, 4]), Some(0x0403_0201));
        assert_eq!(of(&[0xE3, 9, 9, 9, 9, 1, 0, 0, 0, 0, 0, 0, 1]), Some(0x0100_0000_0000_0001));
        assert_eq!(of(&[0xE3, 9, 9, 9, 9, 1, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(of(&[0x00]), None);
        assert_eq!(window_of(b"\x29\xB5\x2F\xFD\x00\x00"), None);
    }
}
