//! Entries to checked bytes and back: the one encoding of everything that is sorted, on disk.
//!
//! A [`block`] holds up to [`block::MAX_ENTRIES`] sorted entries as four [`rice`] columns. What the
//! blocks of a file are called and where they lie is the business of `partial`; nothing here knows
//! of files. Decoding takes any bytes: a wrong one is a [`Corrupt`], never a panic, and never more
//! memory than one full block.

pub mod block;
pub mod checksum;
pub mod rice;
pub mod varint;

/// Bytes that no encoder of ours has written: what was expected, for the error's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Corrupt(pub &'static str);

/// Takes the first `count` bytes off `bytes`.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Corrupt> {
    let (head, rest) = bytes.split_at_checked(count).ok_or(Corrupt("it ends too early"))?;
    *bytes = rest;
    Ok(head)
}

/// Takes a fixed number of bytes off `bytes`, to be read as a little-endian number.
pub(crate) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Corrupt> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(Corrupt("it ends too early"))?;
    *bytes = rest;
    Ok(*head)
}
