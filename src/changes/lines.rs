//! The lines of a file of tops, one after the other, checked as they are read.

use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memchr;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::ReadFile;
use crate::model::{Kind, MAX_ID, Ranked};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// Maximum bytes of a key.
const MAX_KEY: usize = 19;
/// Maximum songs of a line, and bytes of each with its colon and what follows it.
const MAX_SONGS: usize = 10_000;
const MAX_SONG: usize = 2 * (19 + 1);
/// Maximum bytes of a line without its end.
const MAX_LINE: usize = MAX_KEY + 1 + MAX_SONGS * MAX_SONG;

/// Reads the lines of a file of tops, or of a difference of two, whose keys must ascend.
///
/// It stands on a line, at first on the first one. Memory: a line of 10,000 songs and a block of 1 MiB.
pub struct TopsLines {
    file: Box<dyn ReadFile>,
    path: PathBuf,
    /// The kind of the keys; `None` until the first line shows it.
    kind: Option<Kind>,
    /// Bytes that are read at once.
    block: usize,
    buffer: Vec<u8>,
    /// The line in the buffer, without its end, and the key at its front.
    line: Range<usize>,
    key_end: usize,
    /// The key of the line; `None` after the last line.
    key: Option<u64>,
    /// Where the bytes that were read end in the buffer.
    end: usize,
    /// Bytes that were read.
    bytes: u64,
    /// The line's number, from 1.
    number: u64,
    hasher: Xxh3Default,
}

/// A line with its key.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The whole line, with the LF.
    pub bytes: &'a [u8],
    /// The bytes of the key and of the bar after it.
    key_length: usize,
}

impl<'a> Line<'a> {
    /// The key and the bar after it.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.bytes.get(..self.key_length).unwrap_or_default()
    }

    /// What is between the bar and the LF.
    #[must_use]
    pub fn songs(&self) -> &'a [u8] {
        let songs = self.bytes.get(self.key_length..).unwrap_or_default();
        songs.strip_suffix(b"\n").unwrap_or(songs)
    }
}

impl TopsLines {
    /// Stands on the first line of `file`. Keys of another kind than `kind` are refused; without it, the first key
    /// decides.
    ///
    /// # Errors
    /// As [`TopsLines::next_line`].
    pub fn open(file: Box<dyn ReadFile>, path: &Path, kind: Option<Kind>) -> Result<Self> {
        Self::in_blocks(BLOCK, file, path, kind)
    }

    pub(super) fn in_blocks(
        block: usize,
        file: Box<dyn ReadFile>,
        path: &Path,
        kind: Option<Kind>,
    ) -> Result<Self> {
        let mut lines = TopsLines {
            block,
            file,
            path: path.to_owned(),
            kind,
            buffer: vec![0; block],
            line: 0..0,
            key_end: 0,
            key: None,
            end: 0,
            bytes: 0,
            number: 0,
            hasher: Xxh3Default::new(),
        };
        lines.find_line(0)?;
        Ok(lines)
    }

    /// The kind of the keys; `None` for an empty file of an unknown kind.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// The line's key; `None` after the last line.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<u64> {
        self.key
    }

    /// The line; empty after the last one.
    #[must_use]
    #[inline]
    pub fn line(&self) -> Line<'_> {
        let Range { start, end } = self.line;
        let with_end = if self.key.is_some() { start..end + 1 } else { 0..0 };
        let bytes = self.buffer.get(with_end).unwrap_or_default();
        Line { bytes, key_length: self.key_end.saturating_sub(start) + 1 }
    }

    /// Bytes that were read, and their XXH3-64: of the whole file after its last line.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        (self.bytes, self.hasher.digest())
    }

    /// Goes to the next line.
    ///
    /// # Errors
    /// [`ErrorKind::BadLine`] with the line, [`ErrorKind::Io`].
    #[inline]
    pub fn next_line(&mut self) -> Result<()> {
        self.find_line(self.line.end + 1)
    }

    /// Reads the line's songs, the best first, into `songs`; none of a key that is gone.
    ///
    /// # Errors
    /// [`ErrorKind::BadLine`].
    pub fn songs(&self, songs: &mut Vec<Ranked>) -> Result<()> {
        songs.clear();
        let text = self.line().songs();
        if text.is_empty() {
            return Ok(());
        }
        for pair in text.split(|byte| *byte == b',') {
            let colon = pair.iter().position(|byte| *byte == b':');
            let parts = colon.and_then(|at| Some((pair.get(..at)?, pair.get(at + 1..)?)));
            let ranked = parts.and_then(|(song, count)| {
                Some(Ranked {
                    song: number(song)?,
                    count: number(count).filter(|count| *count > 0)?,
                })
            });
            let Some(ranked) = ranked else {
                return Err(self.wrong("a song is not written as song:count"));
            };
            let follows = |last: &Ranked| {
                last.count > ranked.count || last.count == ranked.count && last.song < ranked.song
            };
            if !songs.last().is_none_or(follows) {
                return Err(self.wrong("its songs are not in order, the highest count first"));
            }
            songs.push(ranked);
        }
        if songs.len() > MAX_SONGS {
            return Err(self.wrong("more than 10000 songs"));
        }
        Ok(())
    }

    /// The error of the line.
    #[must_use]
    pub fn wrong(&self, what: &'static str) -> Error {
        Error::from(ErrorKind::BadLine(what)).at(&self.path).at_line(self.number)
    }

    /// Finds the line that begins at `start` of the buffer.
    fn find_line(&mut self, start: usize) -> Result<()> {
        let mut start = start.min(self.end);
        let mut searched = start;
        let end = loop {
            let rest = self.buffer.get(searched..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', rest) {
                break searched + at;
            }
            searched = self.end - start;
            if !self.fill(start)? {
                return self.find_end();
            }
            start = 0;
        };
        self.number += 1;
        self.line = start..end;
        self.take_key()
    }

    /// The bytes that are left have no LF.
    fn find_end(&mut self) -> Result<()> {
        if self.end > 0 {
            self.number += 1;
            return Err(self.wrong("the last line has no end; the file is cut"));
        }
        (self.line, self.key_end, self.key) = (0..0, 0, None);
        Ok(())
    }

    /// Moves the bytes from `start` on to the front and reads more after them; false at the end of the file.
    fn fill(&mut self, start: usize) -> Result<bool> {
        self.buffer.copy_within(start..self.end, 0);
        self.end -= start;
        if self.end > MAX_LINE {
            self.number += 1;
            return Err(self.wrong("longer than a line of 10000 songs"));
        }
        if self.buffer.len() < self.end + self.block {
            self.buffer.resize(self.end + self.block, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = self.file.read_full_at(room, self.bytes);
        let read = read.map_err(|error| Error::io("read", error).at(&self.path))?;
        self.hasher.update(room.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        self.end += read;
        Ok(read > 0)
    }

    /// Reads the key at the front of the line, which must be greater than the one before.
    #[inline]
    fn take_key(&mut self) -> Result<()> {
        let line = self.buffer.get(self.line.clone()).unwrap_or_default();
        let front = line.get(..MAX_KEY + 1).unwrap_or(line);
        let Some(length) = front.iter().position(|byte| *byte == b'|') else {
            return Err(self.wrong("no key with a | after it"));
        };
        let text = line.get(..length).unwrap_or_default();
        let known =
            self.kind.map_or_else(|| any_key(text), |kind| Some((kind, key_of(kind, text)?)));
        let Some((kind, key)) = known else {
            return Err(self.wrong(match self.kind {
                Some(Kind::User) => "its key is not a user id",
                Some(Kind::Country) => "its key is not a country",
                None => "its key is neither a user id nor a country",
            }));
        };
        if self.key.is_some_and(|last| last >= key) {
            return Err(self.wrong("its key is not greater than that of the line before"));
        }
        (self.kind, self.key, self.key_end) = (Some(kind), Some(key), self.line.start + length);
        Ok(())
    }
}

fn any_key(text: &[u8]) -> Option<(Kind, u64)> {
    Kind::ALL.into_iter().find_map(|kind| Some((kind, key_of(kind, text)?)))
}

/// The key that a text names in the one way in which it is written.
#[inline]
fn key_of(kind: Kind, text: &[u8]) -> Option<u64> {
    if kind.has_codes() {
        return kind.parse_key(str::from_utf8(text).ok()?).ok();
    }
    number(text).filter(|key| *key <= kind.max_key())
}

/// An id or a count, without leading zeros.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > MAX_KEY || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let mut number = 0;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        // 19 digits fit 64 bits.
        number = number * 10 + u64::from(value);
    }
    (number <= MAX_ID).then_some(number)
}
