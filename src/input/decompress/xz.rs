//! Xz: one or more streams, with zeros in fours between them, then perhaps zero padding.
//!
//! The library stops at a block that needs more memory than it may have. So a stream begins with almost none; its first
//! block needs a dictionary of a known size, and the memory is claimed before it is given to the library.

use std::io;
use std::sync::Arc;

use liblzma::stream::{Action, Error as XzError, Status, Stream, TELL_UNSUPPORTED_CHECK};

use super::compressed::Compressed;
use super::failure::{CUT_SHORT, Decode, Progress, damage, decoder_error, feed, next_member};
use super::windows::{Claim, Windows};
use crate::error::{Error, ErrorKind, Result};

pub(super) const FORMAT: &str = "xz";
/// The bytes that every stream begins with.
pub(super) const MARK: &[u8] = b"\xFD7zXZ\0";
/// Bytes that no block needs: its dictionary has 4 GiB at most.
const TOO_MUCH: u64 = 16 << 30;

/// An xz file being decoded. Takes the dictionary that its streams ask for, and some 100 KiB.
pub(super) struct Xz {
    claim: Claim,
    file: Compressed,
    /// The current stream.
    stream: Option<Stream>,
    is_first: bool,
    /// Bytes of the current stream's dictionary, once a block asked for it.
    dictionary: Option<u64>,
}

impl Xz {
    /// At the start of the first stream.
    pub(super) fn open(file: Compressed, windows: &Arc<Windows>) -> Self {
        let claim = Claim::new(windows);
        Xz { claim, file, stream: None, is_first: true, dictionary: None }
    }

    /// Steps to the next stream; false at the end of the file.
    fn next_stream(&mut self) -> Result<bool> {
        let padding = if self.is_first { Ok(0) } else { self.file.skip_zeros() };
        let padding = padding.map_err(|error| decoder_error(FORMAT, &mut self.file, &error))?;
        let begins = |start: &[u8]| {
            let length = MARK.len().min(start.len());
            padding.is_multiple_of(4) && MARK.get(..length) == start.get(..length)
        };
        let more = next_member(&mut self.file, FORMAT, self.is_first, begins)?;
        if more {
            let stream = Stream::new_stream_decoder(1, TELL_UNSUPPORTED_CHECK);
            self.stream = Some(stream.map_err(|error| failure(&error, &self.file))?);
            self.dictionary = None;
            self.is_first = false;
        }
        Ok(more)
    }

    /// Feeds the decoder once; returns how much it gave, which may be nothing.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Xz { file, stream, .. } = self;
        let Some(decoder) = stream else { return Ok(0) };
        let before = (decoder.total_in(), decoder.total_out());
        let (status, at_end) = feed(file, FORMAT, |input| {
            let status = decoder.process(input, buffer, Action::Run);
            (status, decoder.total_in() - before.0)
        })?;
        let written = usize::try_from(decoder.total_out() - before.1).unwrap_or(0);
        match status {
            Ok(Status::StreamEnd) => *stream = None,
            Err(XzError::MemLimit) => self.ask()?,
            Ok(_) if at_end && written == 0 => {
                return Err(damage(FORMAT, CUT_SHORT, file.position()));
            }
            Ok(_) => {}
            Err(error) => return Err(failure(&error, file)),
        }
        Ok(written)
    }

    /// Notes how large a dictionary the next block needs. Later blocks of a stream may not need a larger one: two
    /// streams that hold a dictionary each could wait for one another.
    fn ask(&mut self) -> Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let needed = dictionary_in(memory_for(stream));
        let limit = self.dictionary.unwrap_or(self.claim.limit());
        if needed > limit {
            let kind = ErrorKind::Window { what: "an xz dictionary", needed, limit };
            return Err(Error::from(kind).at_offset(self.file.position()));
        }
        self.dictionary = Some(needed);
        Ok(())
    }
}

impl Decode for Xz {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        loop {
            if self.stream.is_none() && !self.next_stream()? {
                return Ok(Progress::Read(0));
            }
            if let Some(window) = self.dictionary
                && !self.claim.grow(window)
            {
                return Ok(Progress::Wait { window });
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

/// The bytes that the next block needs. From now on the stream may take that number.
fn memory_for(stream: &mut Stream) -> u64 {
    // The library has the number but its binding does not show it: it refuses limits below.
    let (mut low, mut high) = (1, TOO_MUCH);
    while low < high {
        let middle = low.midpoint(high);
        match stream.set_memlimit(middle) {
            Ok(()) => high = middle,
            Err(_) => low = middle + 1,
        }
    }
    high
}

/// The largest dictionary in this much memory: sizes are 2^n and 3 * 2^n.
fn dictionary_in(memory: u64) -> u64 {
    let sizes = (12..=31).flat_map(|log| [1 << log, 3 << (log - 1)]).chain([1 << 32]);
    sizes.take_while(|size| *size <= memory).last().unwrap_or(1 << 12)
}

fn unknown(reason: &'static str, file: &Compressed) -> Error {
    Error::from(ErrorKind::UnknownOptions { format: FORMAT, reason }).at_offset(file.position())
}

fn failure(error: &XzError, file: &Compressed) -> Error {
    let reason = match error {
        XzError::Mem | XzError::Program => {
            return Error::io("decompress", io::ErrorKind::OutOfMemory.into());
        }
        XzError::Options => return unknown("has filters that are not known", file),
        XzError::UnsupportedCheck => return unknown("has a checksum of an unknown kind", file),
        XzError::Format => "it does not begin as one",
        XzError::Data | XzError::MemLimit | XzError::NoCheck => "its content is corrupt",
    };
    damage(FORMAT, reason, file.position())
}
