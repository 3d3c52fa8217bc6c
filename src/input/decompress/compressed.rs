//! The compressed bytes under a decoder: a file or standard input, read front to back through a small buffer.

use std::io::{self, BufRead, Read};
use std::mem;
use std::sync::Arc;

use crate::fs::ReadFile;

/// Bytes of the file held at a time.
const BUFFER: usize = 128 << 10;

/// Where the bytes come from.
enum Origin {
    File(Arc<dyn ReadFile>),
    Stream(Box<dyn Read + Send>),
}

impl Origin {
    /// Some bytes from `offset`, which is where the last read of a stream ended.
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            let read = match self {
                Origin::File(file) => file.read_at(buffer, offset),
                Origin::Stream(stream) => stream.read(buffer),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// A file read front to back, by position, so that it needs no place of its own in the file; or a stream.
///
/// Keeps the error of a failed read, because decoders may replace it by their own: a disk that fails must not look like
/// a damaged stream.
pub(in crate::input) struct Compressed {
    origin: Origin,
    /// Allocated by the first read.
    buffer: Vec<u8>,
    /// The unconsumed part of the buffer: `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// Where in the file the buffer's `end` is.
    offset: u64,
    failure: Option<io::Error>,
}

impl Compressed {
    /// At the start of the file.
    pub(in crate::input) fn new(file: Arc<dyn ReadFile>) -> Self {
        Self::over(Origin::File(file))
    }

    /// At the start of a stream.
    pub(in crate::input) fn stream(stream: Box<dyn Read + Send>) -> Self {
        Self::over(Origin::Stream(stream))
    }

    fn over(origin: Origin) -> Self {
        Compressed { origin, buffer: Vec::new(), start: 0, end: 0, offset: 0, failure: None }
    }

    /// Moves all out, and leaves an empty shell in its place.
    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::stream(Box::new(io::empty())))
    }

    /// How many bytes of the file are consumed.
    pub(super) fn position(&self) -> u64 {
        self.offset - (self.end - self.start) as u64
    }

    /// Goes to another place, ahead of the position.
    pub(super) fn skip_to(&mut self, offset: u64) {
        let ahead = offset.saturating_sub(self.position());
        match usize::try_from(ahead) {
            Ok(ahead) if ahead <= self.end - self.start => self.start += ahead,
            _ => (self.start, self.end, self.offset) = (0, 0, offset),
        }
    }

    /// Returns the next bytes without consuming any; fewer only at the end. There is room for them in the buffer.
    pub(super) fn peek(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Origin::File(file) = &self.origin {
            return file.read_full_at(into, self.position());
        }
        self.allocate();
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < into.len()
            && let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty())
        {
            match self.origin.read_at(room, self.offset)? {
                0 => break,
                read => {
                    self.end += read;
                    self.offset += read as u64;
                }
            }
        }
        self.buffer.get(..self.end).unwrap_or_default().read(into)
    }

    fn allocate(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.resize(BUFFER, 0);
        }
    }

    /// Consumes the zeros that come next; returns their number.
    pub(super) fn skip_zeros(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let zeros = self.fill_buf()?.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(skipped);
            }
            self.consume(zeros);
            skipped += zeros as u64;
        }
    }

    /// Consumes the zeros that come next; whether the file ends with them.
    pub(super) fn rest_is_zero(&mut self) -> io::Result<bool> {
        self.skip_zeros()?;
        Ok(self.fill_buf()?.is_empty())
    }

    /// Why the last read failed, if it did.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}

impl BufRead for Compressed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.allocate();
            // Up to a multiple of the buffer's size, also after a skip: an error has the offset where the current
            // buffer starts, which must not depend on what was skipped before.
            let room = BUFFER - usize::try_from(self.offset % BUFFER as u64).unwrap_or(0);
            let buffer = self.buffer.get_mut(..room).unwrap_or_default();
            let read = match self.origin.read_at(buffer, self.offset) {
                Ok(read) => read,
                Err(error) => {
                    let stand_in = io::Error::from(error.kind());
                    self.failure = Some(error);
                    return Err(stand_in);
                }
            };
            (self.start, self.end) = (0, read);
            self.offset += read as u64;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.end);
    }
}

impl Read for Compressed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}
