//! Bzip2: one or more streams, then perhaps zero padding.

use std::io;

use ::bzip2::{Decompress, Status};

use super::compressed::Compressed;
use super::failure::{CUT_SHORT, Decode, Progress, damage, feed, next_member};
use super::windows::{Claim, Windows};
use crate::error::{Error, Result};

pub(super) const FORMAT: &str = "bzip2";
/// Bytes that a decoder takes for the largest block, besides [`Claim`]'s allowance for buffers.
const WINDOW: u64 = 3_200 << 10;

/// Bytes of the mark: the format, the level, and what begins the first block or the end.
pub(super) const MARK: usize = 10;

/// Whether the bytes begin with that mark, as far as they go.
pub(super) fn begins(start: &[u8]) -> bool {
    let is_mark = |after_level: &[u8; 6]| {
        let level = start.get(3).copied().filter(|level| (b'1'..=b'9').contains(level));
        let mark = b"BZh".iter().copied().chain([level.unwrap_or(b'1')]);
        mark.chain(*after_level).zip(start).all(|(expected, byte)| expected == *byte)
    };
    is_mark(b"1AY&SY") || is_mark(b"\x17\x72\x45\x38\x50\x90")
}

/// A bzip2 file being decoded. Takes up to 3.7 MB for a block.
pub(super) struct Bzip2 {
    claim: Claim,
    file: Compressed,
    /// The current stream.
    stream: Option<Decompress>,
    is_first: bool,
}

impl Bzip2 {
    /// At the start of the first stream.
    pub(super) fn open(file: Compressed, windows: &std::sync::Arc<Windows>) -> Self {
        Bzip2 { claim: Claim::new(windows), file, stream: None, is_first: true }
    }

    /// Feeds the decoder once; returns how much it gave, which may be nothing.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Bzip2 { file, stream, .. } = self;
        let Some(decoder) = stream else { return Ok(0) };
        let before = (decoder.total_in(), decoder.total_out());
        let (status, at_end) = feed(file, FORMAT, |input| {
            let status = decoder.decompress(input, buffer);
            (status, decoder.total_in() - before.0)
        })?;
        let written = usize::try_from(decoder.total_out() - before.1).unwrap_or(0);
        match status {
            Ok(Status::StreamEnd) => *stream = None,
            Ok(Status::MemNeeded) => {
                return Err(Error::io("decompress", io::ErrorKind::OutOfMemory.into()));
            }
            Ok(_) if at_end && written == 0 => {
                return Err(damage(FORMAT, CUT_SHORT, file.position()));
            }
            Ok(_) => {}
            Err(error) => return Err(damage(FORMAT, error.to_string(), file.position())),
        }
        Ok(written)
    }
}

impl Decode for Bzip2 {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        if !self.claim.grow(WINDOW) {
            return Ok(Progress::Wait { window: WINDOW });
        }
        loop {
            if self.stream.is_none() {
                if !next_member(&mut self.file, FORMAT, self.is_first, begins)? {
                    return Ok(Progress::Read(0));
                }
                self.is_first = false;
                self.stream = Some(Decompress::new(false));
            }
            let written = self.step(buffer)?;
            if written > 0 {
                return Ok(Progress::Read(written));
            }
        }
    }

    fn consumed(&self) -> u64 {
        self.file.position()
    }
}
