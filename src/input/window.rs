//! The buffer that travels from the reading side to the parsing side, and its measures.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::digest::digest_of_piece;
use super::trace::{Trace, trace};
use crate::error::{Error, Result};
use crate::fs::ReadFile;

/// A line of the processor's cache.
const ALIGNMENT: usize = 64;

/// The end of a row.
pub(super) const LF: u8 = b'\n';

/// The byte-order mark that some programs put at the start of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes of the byte-order mark at the start of an input: 3 or 0.
pub(crate) fn mark_length(start: &[u8]) -> usize {
    if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// The sizes that decide where windows are cut; tests use tiny ones, so that every case has a cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Decompressed bytes of an input that a window consumes, which is also a piece of its digest.
    /// At least 4, so that a byte-order mark and a byte after it are in the first window.
    pub(super) window: usize,
    /// Bytes kept of a row whose end is not in sight. A row that is cut has exactly this number.
    pub(super) kept: usize,
    /// Whether the first line of each input is a header, and not a row.
    pub(super) header: bool,
}

impl Geometry {
    /// A mebibyte; and two bytes more than the longest good row, so that a cut row is too long even without a CR at its
    /// end.
    pub(super) const REAL: Geometry = Geometry { window: 1 << 20, kept: 4096 + 2, header: false };

    /// Number of windows of a file of this size.
    pub(super) const fn windows(self, size: u64) -> u64 {
        size.div_ceil(self.window as u64)
    }

    /// The room that a window needs: its bytes, one before them, and the rest of its last row.
    const fn buffer(self) -> usize {
        1 + self.window + self.kept
    }
}

/// About a mebibyte of whole rows of one input.
///
/// Reused from call to call: its buffer (1 MiB and 4 KiB) is allocated by the first read and never
/// cleared again.
#[derive(Debug, Default)]
pub struct Window {
    /// Its input: an index into the list that the source was opened with.
    pub input: usize,
    /// Number of the window in its input, from 0 without gaps, in the order of the bytes.
    pub index: u64,
    /// Bytes of the file on disk that were consumed for it (compressed ones, if it is compressed).
    /// Over all windows of a file they add up to its size.
    pub disk_bytes: u64,
    /// Bytes before [`Window::lead`] stay unused.
    buffer: Vec<u8>,
    /// Where reads start: such that the second byte read, which is the first of a plain file's
    /// window and of a page of the file, is aligned. The kernel copies a quarter faster then.
    lead: usize,
    /// Where the rows are, counted from `lead`.
    rows: Range<usize>,
    /// Bytes of the piece that was digested.
    read: usize,
    traces: Vec<Trace>,
    header: Vec<u8>,
}

impl Window {
    /// A window that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows, each ended by LF. Only the last row of an input may lack its LF.
    ///
    /// A row so long that its end is not within a few kibibytes of the window's may have been cut
    /// to its first 4,098 bytes and ended by LF there: it is still one row, and still over the 4,096
    /// bytes that a good row may have.
    #[must_use]
    pub fn rows(&self) -> &[u8] {
        self.bytes(self.rows.clone())
    }

    /// The first line of its input, if that is a header: without its LF, cut as rows are. It is not among the rows.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Decompressed bytes that were consumed for it, without a header. Over all windows of an input they add up to all of
    /// its bytes.
    #[must_use]
    pub fn read_bytes(&self) -> usize {
        self.read
    }

    /// Number of rows.
    #[must_use]
    pub fn count_rows(&self) -> u64 {
        let rows = self.rows();
        let unended = rows.last().is_some_and(|last| *last != LF);
        memchr_iter(LF, rows).count() as u64 + u64::from(unended)
    }

    /// Traces of the bytes that were read for it.
    #[must_use]
    pub fn traces(&self) -> &[Trace] {
        &self.traces
    }

    /// The whole buffer, to read into.
    pub(super) fn buffer(&mut self, geometry: Geometry) -> &mut [u8] {
        (self.rows, self.read) = (0..0, 0);
        self.traces.clear();
        if self.buffer.len() != geometry.buffer() + ALIGNMENT {
            self.buffer.resize(geometry.buffer() + ALIGNMENT, 0);
            let aligned = self.buffer.as_ptr().align_offset(ALIGNMENT);
            self.lead = aligned.wrapping_sub(1) % ALIGNMENT;
        }
        self.buffer.get_mut(self.lead..).unwrap_or_default()
    }

    /// The digest of what was read as piece `index` of its input; keeps its traces. Before [`Window::set`], which may
    /// overwrite a byte.
    pub(super) fn digest(&mut self, index: u64, piece: Range<usize>, geometry: Geometry) -> u128 {
        self.read = piece.len();
        let mut traces = std::mem::take(&mut self.traces);
        let piece = self.bytes(piece);
        let digest = digest_of_piece(piece);
        trace(index, piece, digest, geometry.window, &mut traces);
        self.traces = traces;
        digest
    }

    /// Some of what was read.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(self.lead..).and_then(|bytes| bytes.get(range)).unwrap_or_default()
    }

    /// Sets what the buffer holds; a cut row gets its LF, which may overwrite a byte of its rest.
    pub(super) fn set(&mut self, input: usize, index: u64, disk_bytes: u64, rows: &Rows) {
        self.input = input;
        self.index = index;
        self.disk_bytes = disk_bytes;
        self.rows = rows.range.clone();
        if let Some(end) = rows.cut.and_then(|at| self.buffer.get_mut(self.lead + at)) {
            *end = LF;
        }
    }
}

impl Window {
    /// Keeps the header of its input, and takes it off the rows of the first window. After [`Window::set`].
    pub(super) fn behead(&mut self, header: &[u8]) {
        self.header.clear();
        self.header.extend_from_slice(header);
        if self.index == 0 {
            let rows = self.rows();
            let header = memchr(LF, rows).map_or(rows.len(), |end| end + 1);
            self.rows.start += header;
            self.read = self.read.saturating_sub(header);
        }
    }
}

/// The first line of an input that begins with these bytes, without its LF, cut to `kept` bytes.
pub(super) fn first_line(start: &[u8], kept: usize) -> &[u8] {
    let line = start.get(mark_length(start)..).unwrap_or_default();
    let line = memchr(LF, line).and_then(|end| line.get(..end)).unwrap_or(line);
    line.get(..kept).unwrap_or(line)
}

/// As [`first_line`], read from an open file.
pub(super) fn read_first_line(file: &dyn ReadFile, kept: usize) -> Result<Vec<u8>> {
    let mut start = vec![0; BYTE_ORDER_MARK.len() + kept];
    let read = file.read_full_at(&mut start, 0);
    let read = read.map_err(|error| Error::io("read", error).at_offset(0))?;
    Ok(first_line(start.get(..read).unwrap_or_default(), kept).to_vec())
}

/// Where in the bytes read the rows are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rows {
    /// All rows, with their ends.
    pub(super) range: Range<usize>,
    /// Where to end the last row, which is too long to be kept whole. Written only after the bytes
    /// were digested, because it replaces one of them.
    pub(super) cut: Option<usize>,
}

impl Rows {
    /// Rows that need no cut.
    pub(super) fn whole(range: Range<usize>) -> Self {
        Rows { range, cut: None }
    }

    /// Rows; the last row starts at `last` and is cut to `kept` bytes.
    pub(super) fn cut(start: usize, last: usize, kept: usize) -> Self {
        let end = last.saturating_add(kept);
        Rows { range: start..end.saturating_add(1), cut: Some(end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_a_last_row_without_its_end() {
        let mut window = Window::new();
        assert_eq!((window.rows(), window.count_rows()), (&b""[..], 0));
        let second = window.buffer(Geometry::REAL)[1..].as_ptr();
        assert_eq!(second.align_offset(ALIGNMENT), 0);
        let bytes = b"\na\nb";
        window.buffer(Geometry::REAL)[..bytes.len()].copy_from_slice(bytes);
        window.set(3, 5, 7, &Rows::whole(0..4));
        assert_eq!((window.rows(), window.count_rows()), (&bytes[..], 3));
        window.set(3, 5, 7, &Rows::cut(1, 1, 2));
        assert_eq!((window.rows(), window.count_rows()), (&b"a\n\n"[..], 2));
    }

    #[test]
    fn a_window_takes_little_over_a_mebibyte() {
        assert_eq!(Geometry::REAL.buffer(), 1_048_576 + 4_099);
    }
}
