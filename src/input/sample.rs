//! A sample of plain files: a few pieces, which represent the whole.

use memchr::{memchr, memrchr};

use super::paths::{InputPath, unreadable};
use super::window::{Geometry, LF, mark_length, read_first_line};
use crate::error::{Error, Result};
use crate::fs::{FileSystem, ReadFile};

/// Whole rows from somewhere in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplePiece {
    /// Each row ends with LF, except perhaps the last row of its log; a header may be among them.
    pub rows: Vec<u8>,
    /// The first line of the log, if that is a header.
    pub header: Vec<u8>,
}

/// Pieces of whole rows, spread evenly over all bytes of the files (path and size) as if they were one file; a piece
/// across two files comes as two.
pub(super) fn sample<'a, I: Iterator<Item = (InputPath<'a>, u64)>>(
    files: &dyn FileSystem,
    logs: &dyn Fn() -> I,
    geometry: Geometry,
    (pieces, piece_bytes): (usize, usize),
) -> Result<Vec<SamplePiece>> {
    let total = logs().fold(0_u64, |sum, (_, size)| sum.saturating_add(size));
    let wanted = piece_bytes as u64;
    // The number that fits without overlap, at least one.
    let count = total.checked_div(wanted).unwrap_or(0).max(1).min(pieces as u64);
    let mut sample = Vec::new();
    for piece in 0..count {
        let start = u128::from(total) * u128::from(piece) / u128::from(count);
        let start = u64::try_from(start).unwrap_or(u64::MAX);
        let end = start.saturating_add(wanted).min(total);
        let mut before = 0_u64;
        for (path, size) in logs() {
            let (from, to) = (start.max(before), end.min(before.saturating_add(size)));
            if from < to {
                let path = path.path();
                let open = files.open(&path).map_err(|error| unreadable(error).at(&path))?;
                let piece = read_piece(&*open, size, (from - before, to - from), geometry);
                sample.push(piece.map_err(|error| error.at(path))?);
            }
            before = before.saturating_add(size);
            if before >= end {
                break;
            }
        }
    }
    sample.retain(|piece| !piece.rows.is_empty());
    Ok(sample)
}

/// The whole rows within some bytes (start and length) of a file of this size.
fn read_piece(
    file: &dyn ReadFile,
    size: u64,
    (start, length): (u64, u64),
    geometry: Geometry,
) -> Result<SamplePiece> {
    let from = start.saturating_sub(1);
    let lead = start - from;
    let to = start.saturating_add(length).min(size);
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(usize::MAX)];
    let read = file.read_full_at(&mut bytes, from);
    bytes.truncate(read.map_err(|error| Error::io("read", error).at_offset(from))?);
    let first = match lead {
        0 => mark_length(&bytes),
        _ => memchr(LF, &bytes).map_or(bytes.len(), |at| at + 1),
    };
    if to < size {
        bytes.truncate(memrchr(LF, &bytes).map_or(0, |at| at + 1));
    }
    bytes.drain(..first.min(bytes.len()));
    let header = if geometry.header { read_first_line(file, geometry.kept)? } else { Vec::new() };
    Ok(SamplePiece { rows: bytes, header })
}
