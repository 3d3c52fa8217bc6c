//! Zstd: one or more frames, some perhaps to be skipped, then perhaps zero padding.
//!
//! Frames are stepped through here, because the library underneath lacks two things: its limit on the window is a power
//! of two and not checked for every frame, and it does not accept zero padding. Frames that other threads have decoded
//! meanwhile ([`super::ahead`]) are used.

use std::sync::Arc;

use ::zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use super::ahead::{Ahead, Decoded};
use super::compressed::Compressed;
use super::failure::{
    CUT_SHORT, Decode, NO_BYTES, Progress, TRAILING, damage, decoder_error, feed,
};
use super::frames::{MAX_HEADER, starts_a_frame, window_of};
use super::windows::{Lease, Windows};
use crate::error::{Error, ErrorKind, Result};

pub(super) const FORMAT: &str = "zstd";

/// A zstd file being decoded. Takes the window that its frames ask for, and some 500 KiB.
pub(in crate::input) struct Zstandard {
    lease: Lease,
    file: Compressed,
    state: State,
    /// The frames that are decoded ahead, if that is allowed.
    ahead: Option<Arc<Ahead>>,
    /// Frames before the file's position that were decoded ahead, and how much of their text was given.
    given: Option<(Decoded, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first frame, which must exist.
    Start,
    /// Within a frame.
    Frame,
    /// After a frame.
    Between,
    /// The last frame has ended, and all bytes after it were checked.
    Ended,
}

impl Zstandard {
    /// At the start of the first frame.
    pub(super) fn open(
        file: Compressed,
        windows: &Arc<Windows>,
        ahead: Option<Arc<Ahead>>,
    ) -> Self {
        Zstandard { lease: Lease::new(windows), file, state: State::Start, ahead, given: None }
    }

    /// At the end of a frame, or before the first.
    fn is_between(&self) -> bool {
        matches!(self.state, State::Start | State::Between)
    }

    /// Gets the next frames, if they were decoded ahead.
    fn take_ahead(&mut self) -> bool {
        let at = self.file.position();
        let Some(decoded) = self.ahead.as_ref().and_then(|ahead| ahead.take(at)) else {
            return false;
        };
        self.file.skip_to(decoded.end);
        self.state = State::Between;
        self.given = Some((decoded, 0));
        true
    }

    /// Gives some of the text that was decoded ahead; 0 if none is left.
    fn give(&mut self, buffer: &mut [u8]) -> usize {
        let Some((decoded, given)) = &mut self.given else { return 0 };
        let rest = decoded.text().get(*given..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let Some((into, from)) = buffer.get_mut(..length).zip(rest.get(..length)) {
            into.copy_from_slice(from);
        }
        *given += length;
        if length == rest.len() {
            // Other threads may use its slot from now on.
            self.given = None;
        }
        length
    }

    /// Feeds the decoder once; returns how much it gave, which may be nothing.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Zstandard { lease, file, .. } = self;
        let Some(decoder) = lease.decoder() else { return Ok(0) };
        let mut sink = OutBuffer::around(buffer);
        let (hint, at_end) = feed(file, FORMAT, |input| {
            let mut source = InBuffer::around(input);
            let hint = decoder.run(&mut source, &mut sink);
            (hint, source.pos() as u64)
        })?;
        let written = sink.pos();
        let hint = hint.map_err(|error| decoder_error(FORMAT, file, &error))?;
        if hint == 0 {
            // The frame is complete, its checksum (if any) is right, and all of it was given.
            self.state = State::Between;
        } else if at_end && written == 0 {
            return Err(damage(FORMAT, CUT_SHORT, file.position()));
        }
        Ok(written)
    }

    /// Checks the bytes after the last frame, and gets the window of the next. If it gets none, it returns the size
    /// that it needs, and consumes nothing.
    fn next_frame(&mut self) -> Result<Option<u64>> {
        let offset = self.file.position();
        let mut header = [0; MAX_HEADER];
        let peeked = self.file.peek(&mut header);
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
            let kind = ErrorKind::Window { what: "a zstd window", needed, limit };
            return Err(Error::from(kind).at_offset(offset));
        }
        if !self.lease.grow(needed)? {
            return Ok(Some(needed));
        }
        self.state = State::Frame;
        Ok(None)
    }
}

impl Decode for Zstandard {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        loop {
            let given = self.give(buffer);
            if given > 0 {
                return Ok(Progress::Read(given));
            }
            if self.is_between() && self.take_ahead() {
                continue;
            }
            if self.is_between()
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

    fn consumed(&self) -> u64 {
        self.file.position()
    }
}
