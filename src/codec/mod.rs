//! Entries to checked bytes and back: the only encoding of sorted entries on disk.
//!
//! A [`block`] holds up to [`block::MAX_ENTRIES`] sorted entries as four [`rice`] columns. `runfile` decides where
//! blocks are in a file; nothing here uses files. Decoding accepts any bytes: a wrong byte is a [`Corrupt`], never a
//! panic, and takes no more memory than a full block.

pub mod block;
pub mod checksum;
pub mod rice;
pub mod varint;

/// What is wrong with bytes that no encoder of `agg` has written.
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
