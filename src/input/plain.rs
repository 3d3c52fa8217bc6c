//! Plain files: windows by position, read by many threads at once.
//!
//! Window i consumes the bytes from i to i+1 times the window's size; a row belongs to the window
//! in which it starts. A window therefore reads one byte before its bytes, to know whether a row starts at their first,
//! and a few kibibytes after them, for the rest of its last row.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use memchr::{memchr, memrchr};

use super::digest::PieceDigests;
use super::foreign;
use super::lock;
use super::paths::unreadable;
use super::window::{Geometry, LF, Rows, Window, mark_length, read_first_line};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, ReadFile};

/// One plain file: how far it is read.
///
/// Memory: 32 bytes before it is read, and again after.
pub(super) struct Plain(Mutex<State>);

enum State {
    Unread,
    /// Open from its first window to its last, so that thousands of files are never open at once.
    Reading(Arc<Reading>),
    Read {
        digest: [u8; 16],
        /// The last row has no LF.
        unterminated: bool,
    },
}

struct Reading {
    file: Box<dyn ReadFile>,
    /// Its first line, if that is a header.
    header: Option<Vec<u8>>,
    /// Windows not read yet.
    left: AtomicU64,
    unterminated: AtomicBool,
    digests: Mutex<PieceDigests>,
}

/// A file as it was found first.
pub(super) struct Known<'a> {
    pub(super) files: &'a dyn FileSystem,
    pub(super) path: &'a dyn Fn() -> PathBuf,
    /// Size, time and identity when the source was opened.
    pub(super) stat: &'a FileStat,
}

impl Plain {
    /// A file of this size, before any byte is read.
    pub(super) fn new(size: u64) -> Self {
        let empty = || {
            let mut digests = PieceDigests::default();
            digests.end(0);
            digests.digest().map(u128::to_le_bytes)
        };
        Plain(Mutex::new(match size {
            0 => {
                empty().map_or(State::Unread, |digest| State::Read { digest, unterminated: false })
            }
            _ => State::Unread,
        }))
    }

    /// Reads window `index`, below the number of windows of the size, each once.
    pub(super) fn read(
        &self,
        known: Known<'_>,
        (input, index): (usize, u64),
        window: &mut Window,
        geometry: Geometry,
    ) -> Result<()> {
        let reading = self.reading(&known, geometry)?;
        let size = known.stat.size;
        let start = index.saturating_mul(geometry.window as u64);
        let end = start.saturating_add(geometry.window as u64).min(size);
        let from = start.saturating_sub(1);
        let to = end.saturating_add(geometry.kept as u64).min(size);
        let view = View {
            lead: length(start - from),
            end: length(end - from),
            to: length(to - from),
            reaches_end: to == size,
        };
        let buffer = window.buffer(geometry).get_mut(..view.to).unwrap_or_default();
        let file = &reading.file;
        let read = file.read_full_at(buffer, from);
        if read.map_err(|error| Error::io("read", error).at_offset(from))? < view.to {
            return Err(ErrorKind::LogChanged.into());
        }
        if index == 0 {
            foreign::check(buffer, None)?;
        }
        let rows = view.rows(buffer, geometry.kept);
        if end == size {
            let after = file.read_full_at(&mut [0], size);
            if after.map_err(|error| Error::io("read", error).at_offset(size))? > 0 {
                return Err(ErrorKind::LogChanged.into());
            }
            reading.unterminated.store(view.is_unterminated(buffer), Ordering::Relaxed);
        }
        let digest = window.digest(index, view.lead..view.end, geometry);
        window.set(input, index, end - start, &rows);
        if let Some(header) = &reading.header {
            window.behead(header);
        }
        lock(&reading.digests).add(index, digest);
        if reading.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end(&reading);
        }
        Ok(())
    }

    /// The digest of all bytes and whether the last row has no LF, once all windows were read.
    pub(super) fn outcome(&self) -> Option<(u128, bool)> {
        match *lock(&self.0) {
            State::Read { digest, unterminated } => {
                Some((u128::from_le_bytes(digest), unterminated))
            }
            State::Unread | State::Reading(_) => None,
        }
    }

    /// The open file, which is still the file that was found first.
    fn reading(&self, known: &Known<'_>, geometry: Geometry) -> Result<Arc<Reading>> {
        let mut state = lock(&self.0);
        if let State::Reading(reading) = &*state {
            return Ok(Arc::clone(reading));
        }
        let file = open_known(known.files, &(known.path)(), known.stat)?;
        let windows = geometry.windows(known.stat.size);
        let mut digests = PieceDigests::default();
        digests.end(windows);
        let header = geometry.header.then(|| read_first_line(&*file, geometry.kept)).transpose()?;
        let reading = Arc::new(Reading {
            file,
            header,
            left: AtomicU64::new(windows),
            unterminated: AtomicBool::new(false),
            digests: Mutex::new(digests),
        });
        *state = State::Reading(Arc::clone(&reading));
        Ok(reading)
    }

    /// All windows were read: only the outcome is left.
    fn end(&self, reading: &Reading) {
        if let Some(digest) = lock(&reading.digests).digest() {
            let unterminated = reading.unterminated.load(Ordering::Relaxed);
            *lock(&self.0) = State::Read { digest: digest.to_le_bytes(), unterminated };
        }
    }
}

/// Opens a file again, and refuses it if it is no longer the same.
pub(super) fn open_known(
    files: &dyn FileSystem,
    path: &Path,
    known: &FileStat,
) -> Result<Box<dyn ReadFile>> {
    let file = files.open(path).map_err(unreadable)?;
    let stat = file.stat().map_err(|error| Error::io("read", error))?;
    if stat.is_same(known) { Ok(file) } else { Err(ErrorKind::LogChanged.into()) }
}

/// A distance within one window's bytes, which are a few mebibytes at most.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Which of the bytes read are the window's own.
struct View {
    /// Bytes before the window's: 1, or 0 for the first window.
    lead: usize,
    /// End of the window's bytes, at least one byte.
    end: usize,
    /// End of all bytes read.
    to: usize,
    /// No byte of the file follows those read.
    reaches_end: bool,
}

impl View {
    /// Where the rows are that start in the window.
    fn rows(&self, bytes: &[u8], kept: usize) -> Rows {
        let own = bytes.get(..self.end).unwrap_or_default();
        let start = self.first_row(own);
        let behind_last_end =
            memrchr(LF, own.get(start..).unwrap_or_default()).map_or(start, |at| start + at + 1);
        if start >= self.end || behind_last_end == self.end {
            return Rows::whole(start.min(self.end)..self.end);
        }
        match memchr(LF, bytes.get(self.end..self.to).unwrap_or_default()) {
            Some(at) => Rows::whole(start..self.end + at + 1),
            None if self.reaches_end => Rows::whole(start..self.to),
            // Then `kept` bytes were read after the window, so the row has at least that number.
            None => Rows::cut(start, behind_last_end, kept),
        }
    }

    /// Where the first row starts, if it is before the window's end.
    fn first_row(&self, own: &[u8]) -> usize {
        if self.lead == 0 {
            return mark_length(own);
        }
        memchr(LF, own).map_or(self.end, |at| at + 1)
    }

    /// Whether the file, whose last window this is, has a last row without an end.
    fn is_unterminated(&self, bytes: &[u8]) -> bool {
        let own = bytes.get(..self.end).unwrap_or_default();
        let only_a_mark = self.lead == 0 && mark_length(own) == own.len();
        !only_a_mark && own.last() != Some(&LF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a window over bytes 4..8 of a file, kept length 3.
    fn rows(file: &[u8]) -> (Vec<u8>, Option<usize>) {
        let end = file.len().min(8);
        let to = file.len().min(11);
        let view = View { lead: 1, end: end - 3, to: to - 3, reaches_end: to == file.len() };
        let bytes = &file[3..to];
        let rows = view.rows(bytes, 3);
        (bytes[rows.range].to_vec(), rows.cut)
    }

    #[test]
    fn a_row_belongs_to_the_window_in_which_it_starts() {
        for (file, expected, cut) in [
            (&b"xxx\nab\nc\nzz"[..], &b"ab\nc\n"[..], None),
            (b"xxxxab\nc\nzz", b"c\n", None),
            (b"xxxxabc\nd\nz", b"", None),
            (b"xxxxabcd\ne\n", b"", None),
            (b"xxx\nabcd\nzz", b"abcd\n", None),
            (b"xxx\nabc\nzzz", b"abc\n", None),
            (b"xxx\nabcdef\n", b"abcdef\n", None),
            (b"xxx\nabcdefg", b"abcdefg", None),
            (b"xxx\nabcdefgh", b"abcd", Some(4)),
            (b"xxx\n\n\nabcdef", b"\n\nabcd", Some(6)),
            (b"xxxxab\ncdefgh", b"cdef", Some(7)),
            (b"xxx\na", b"a", None),
            (b"xxx\n\n", b"\n", None),
        ] {
            let text = String::from_utf8_lossy(file);
            assert_eq!(rows(file), (expected.to_vec(), cut), "{text:?}");
        }
    }
}
