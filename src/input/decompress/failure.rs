//! The trait of decoders, the results of a read, and the errors of a stream.

use std::io::{self, BufRead as _};

use super::compressed::Compressed;
use crate::error::{Error, ErrorKind, Result};

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::input) enum Progress {
    /// The number of bytes; 0 only at a proper end.
    Read(usize),
    /// No bytes, because the next frame needs a zstd window of this number of bytes, for which there is no room now.
    /// Nothing is held meanwhile.
    Wait {
        /// Bytes.
        window: u64,
    },
}

/// A decoder of a compressed log.
pub(in crate::input) trait Decode: Send {
    /// The next bytes. `buffer` is not empty.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress>;
    /// Bytes consumed so far, of the file as it is on disk.
    fn consumed(&self) -> u64;
}

/// Hands a decoder the bytes at the file's position, none at its end, and consumes those that it took. `decode` returns its
/// outcome and their number; the result is the outcome, and whether the file has ended.
pub(super) fn feed<T>(
    file: &mut Compressed,
    format: &'static str,
    decode: impl FnOnce(&[u8]) -> (T, u64),
) -> Result<(T, bool)> {
    let input = match file.fill_buf() {
        Ok(input) => input,
        Err(error) => return Err(decoder_error(format, file, &error)),
    };
    let at_end = input.is_empty();
    let (outcome, taken) = decode(input);
    file.consume(usize::try_from(taken).unwrap_or(0));
    Ok((outcome, at_end))
}

/// Steps to the next member of a file, and returns whether there is one. If not, only zero padding follows, which is
/// consumed.
pub(super) fn next_member(
    file: &mut Compressed,
    format: &'static str,
    is_first: bool,
    begins: impl Fn(&[u8]) -> bool,
) -> Result<bool> {
    let mut start = [0; 16];
    let peeked = file.peek(&mut start);
    let length = peeked.map_err(|error| Error::io("read", error).at_offset(file.position()))?;
    let start = start.get(..length).unwrap_or_default();
    if is_first && start.is_empty() {
        return Err(damage(format, NO_BYTES, 0));
    }
    if is_first || (!start.is_empty() && begins(start)) {
        return Ok(true);
    }
    let zero = file.rest_is_zero();
    if zero.map_err(|error| decoder_error(format, file, &error))? {
        return Ok(false);
    }
    Err(damage(format, TRAILING, file.position()))
}

/// The error for damage in a stream, found at this byte of the compressed file.
pub(super) fn damage(format: &'static str, reason: impl Into<String>, offset: u64) -> Error {
    Error::from(ErrorKind::Compression { format, reason: reason.into() }).at_offset(offset)
}

/// The error for a decoder's error, which can be a failure to read the file.
pub(super) fn decoder_error(
    format: &'static str,
    file: &mut Compressed,
    error: &io::Error,
) -> Error {
    if let Some(failure) = file.take_failure() {
        return Error::io("read", failure).at_offset(file.position());
    }
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => CUT_SHORT.to_owned(),
        _ => without_format(format, error.to_string()),
    };
    damage(format, reason, file.position())
}

/// A decoder's message, without the name of the stream that the error has already.
fn without_format(format: &str, said: String) -> String {
    match said.strip_prefix("corrupt ").and_then(|rest| rest.strip_prefix(format)) {
        Some(rest) => {
            rest.strip_prefix(" stream ").map(|what| format!("it {what}")).unwrap_or(said)
        }
        None => said,
    }
}

/// Why a stream is damaged: its file ends too early.
pub(super) const CUT_SHORT: &str = "it is cut short";
/// Why a stream is damaged: it cannot be of zero bytes.
pub(super) const NO_BYTES: &str = "the file is empty";
/// Why a stream is damaged: there is more in its file.
pub(super) const TRAILING: &str = "other bytes than zero padding follow its end";
