//! Streams: compressed files and standard input, read front to back, one window after the other.
//!
//! One thread at a time reads a stream; the others may help it by decoding ahead, where its format allows.
//!
//! A window consumes a fixed number of decompressed bytes, as a plain file's does, but holds the rows that *end* in
//! them; the start of the next row is carried over. A row whose start grows beyond what is kept is cut, and the rest of
//! it skipped: no row, however long, takes more memory.

use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use memchr::{memchr, memrchr};

use super::decompress::{Ahead, Compressed, Compression, Decoder, Progress, Slots, Windows};
use super::digest::{PieceDigests, Prefix};
use super::feed::Feed;
use super::foreign;
use super::lock;
use super::paths::blame;
use super::plain::open_known;
use super::window::{Geometry, LF, Rows, Window, first_line, mark_length};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, ReadFile};

/// The source of a stream's bytes.
pub(super) enum Origin {
    /// A compressed file, with its facts when the source was opened.
    File(FileStat, Compression),
    /// What comes through a pipe.
    Feed(Feed),
}

/// One stream: its facts, and its reading by one thread at a time.
pub(super) struct Stream {
    origin: Origin,
    state: Mutex<State>,
    digests: Mutex<PieceDigests>,
    /// What it is expected to begin with.
    prefix: Option<Box<Prefix>>,
    /// For waiting threads, while it is being read and has frames to decode ahead.
    ahead: Mutex<Option<Arc<Ahead>>>,
}

/// How far a stream is.
pub(super) enum State {
    /// Not opened yet.
    Unopened,
    /// Being read.
    Reading(Box<Reading>),
    /// Read to its proper end.
    Ended(Ended),
    /// A read failed; it stays failed, so that a part never counts as the whole, and every further thread gets the same
    /// error.
    Failed(Error),
}

/// The facts of a stream at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// Bytes on disk, or read from standard input.
    pub(super) size: u64,
    /// Decompressed pieces.
    pub(super) pieces: u64,
    /// Its last row has no LF.
    pub(super) unterminated: bool,
}

/// The right to read a stream.
pub(super) type Turn<'a> = MutexGuard<'a, State>;

impl Stream {
    /// A stream before any byte is read.
    pub(super) fn new(origin: Origin) -> Self {
        Stream {
            origin,
            state: Mutex::new(State::Unopened),
            digests: Mutex::default(),
            prefix: None,
            ahead: Mutex::new(None),
        }
    }

    /// Digests the first bytes too, to see whether they are those of this digest. Before anything is read.
    pub(super) fn expect_prefix(&mut self, bytes: u64, digest: u128) {
        self.prefix = Some(Box::new(Prefix::new(bytes, digest)));
    }

    /// Whether it begins with the bytes that are expected, now that it was read to its end.
    pub(super) fn has_prefix(&self) -> bool {
        self.prefix.as_ref().is_some_and(|prefix| prefix.is_met())
    }

    /// What it comes from, if that is a pipe.
    pub(super) fn feed(&self) -> Option<&Feed> {
        match &self.origin {
            Origin::Feed(feed) => Some(feed),
            Origin::File(..) => None,
        }
    }

    /// Waits until no other thread reads it.
    pub(super) fn wait_turn(&self) -> Turn<'_> {
        lock(&self.state)
    }

    /// The right to read it, unless another thread has it.
    pub(super) fn try_turn(&self) -> Option<Turn<'_>> {
        match self.state.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Opens it at its start, unless it is open already.
    pub(super) fn open(
        &self,
        turn: &mut State,
        files: &dyn FileSystem,
        path: &Path,
        (windows, slots): (&Arc<Windows>, &Arc<Slots>),
    ) -> Result<()> {
        if !matches!(turn, State::Unopened) {
            return Ok(());
        }
        let (compression, decoder) = match &self.origin {
            Origin::Feed(feed) => {
                let open = || {
                    let (start, bytes) = with_start(feed.open(files, path)?)?;
                    let compression = Compression::of_content(&start);
                    let decoder = match compression {
                        None => Decoder::plain(bytes),
                        Some(one) => Decoder::open(one, Compressed::stream(bytes), windows, None)?,
                    };
                    Ok((compression, decoder))
                };
                open().map_err(|error| feed.blame(error))?
            }
            Origin::File(stat, compression) => {
                let compression = *compression;
                let file: Arc<dyn ReadFile> = Arc::from(open_known(files, path, stat)?);
                let ahead = (compression.has_frames())
                    .then(|| Ahead::new(Arc::clone(&file), slots, windows.limit()));
                lock(&self.ahead).clone_from(&ahead);
                let file = Compressed::new(file);
                (Some(compression), Decoder::open(compression, file, windows, ahead)?)
            }
        };
        *turn = State::Reading(Box::new(Reading::new(decoder, compression)));
        Ok(())
    }

    /// How it is compressed, if that is known: a pipe must be open.
    pub(super) fn compression(&self) -> Option<Compression> {
        match (&self.origin, &*lock(&self.state)) {
            (Origin::File(_, compression), _) => Some(*compression),
            (Origin::Feed(_), State::Reading(reading)) => reading.compression,
            (Origin::Feed(_), _) => None,
        }
    }

    /// While another thread reads it: decodes some of the next frames, if possible; false if not.
    pub(super) fn help(&self) -> bool {
        let ahead = lock(&self.ahead).clone();
        ahead.is_some_and(|ahead| ahead.help())
    }

    /// Nothing more will be read of it.
    fn settle(&self, turn: &mut State, state: State) {
        *lock(&self.ahead) = None;
        *turn = state;
    }

    /// Reads the next window into `window`, and lets the next thread go on before it is digested.
    pub(super) fn read<'t>(
        &self,
        mut turn: Turn<'t>,
        window: &mut Window,
        geometry: Geometry,
    ) -> Result<Outcome<'t>> {
        let result = match &mut *turn {
            State::Reading(reading) => reading.fill(window.buffer(geometry), geometry),
            State::Ended(_) => return Ok(Outcome::Ended),
            State::Failed(error) => return Err(error.clone()),
            State::Unopened => {
                let error = std::io::Error::other("it is not open");
                return Err(Error::io("read", error));
            }
        };
        match result {
            Ok(Fill::Window(filled)) => {
                drop(turn);
                if !filled.fresh.is_empty() {
                    let digest = window.digest(filled.index, filled.fresh.clone(), geometry);
                    lock(&self.digests).add(filled.index, digest);
                    if let Some(prefix) = &self.prefix {
                        let piece = window.bytes(filled.fresh.clone());
                        prefix.take(filled.index, piece, digest, geometry.window as u64);
                    }
                }
                Ok(Outcome::Window(filled))
            }
            Ok(Fill::Wait { window }) => Ok(Outcome::Wait { window, turn }),
            Ok(Fill::End(ended)) => {
                let whole = match &self.origin {
                    Origin::File(stat, _) if stat.size == ended.size => Ok(()),
                    Origin::File(..) => Err(Error::from(ErrorKind::LogChanged)),
                    Origin::Feed(feed) => feed.finish(),
                };
                if let Err(error) = whole {
                    self.settle(&mut turn, State::Failed(error.clone()));
                    return Err(error);
                }
                lock(&self.digests).end(ended.pieces);
                self.settle(&mut turn, State::Ended(ended));
                Ok(Outcome::Ended)
            }
            Err(error) => {
                let error = self.feed().map_or(error.clone(), |feed| feed.blame(error));
                self.settle(&mut turn, State::Failed(error.clone()));
                Err(error)
            }
        }
    }

    /// Fills the buffer with the first bytes of the stream's file, opened again; returns how many there are.
    pub(super) fn start(
        &self,
        file: Box<dyn ReadFile>,
        windows: &Arc<Windows>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let Origin::File(_, compression) = &self.origin else { return Ok(0) };
        let file = Compressed::new(Arc::from(file));
        let mut decoder = Decoder::open(*compression, file, windows, None)?;
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match decoder.read(rest)? {
                // No other thread holds a window once all is read.
                Progress::Read(0) | Progress::Wait { .. } => break,
                Progress::Read(read) => done += read,
            }
        }
        Ok(done)
    }

    /// Size, end and digest, if it was read to its end.
    pub(super) fn outcome(&self) -> Option<(Ended, u128)> {
        match *lock(&self.state) {
            State::Ended(ended) => lock(&self.digests).digest().map(|digest| (ended, digest)),
            _ => None,
        }
    }

    /// The error for the user, now that the file's metadata can be read again.
    pub(super) fn blame(&self, files: &dyn FileSystem, path: &Path, error: Error) -> Error {
        match &self.origin {
            Origin::File(known, _) => blame(files, path, known, error),
            Origin::Feed(_) => error,
        }
    }
}

/// A window that was filled.
#[derive(Debug)]
pub(super) struct Filled {
    /// The first line of the stream, if that is a header.
    pub(super) header: Option<Arc<[u8]>>,
    pub(super) index: u64,
    pub(super) disk_bytes: u64,
    pub(super) rows: Rows,
    /// Which bytes of the buffer were decompressed for it: all of a piece of the digest.
    fresh: Range<usize>,
}

/// The result of reading a stream.
pub(super) enum Outcome<'t> {
    Window(Filled),
    Ended,
    /// Its next frame needs a zstd window of this number of bytes, for which there is no room now. The turn is kept, so
    /// that no thread reads on before the wait is recorded.
    Wait {
        window: u64,
        turn: Turn<'t>,
    },
}

enum Fill {
    Window(Filled),
    End(Ended),
    Wait { window: u64 },
}

/// A stream being read.
pub(super) struct Reading {
    decoder: Decoder,
    compression: Option<Compression>,
    splitter: Splitter,
    /// Number of the next window.
    index: u64,
    /// Windows that had bytes of their own.
    pieces: u64,
    /// Bytes on disk consumed by the windows before.
    consumed: u64,
    /// The decoder has reported its end.
    at_end: bool,
    /// The start of the next window, whose rest had to wait.
    started: Vec<u8>,
    /// The first line, if that is a header and was read.
    header: Option<Arc<[u8]>>,
}

impl Reading {
    fn new(decoder: Decoder, compression: Option<Compression>) -> Self {
        Reading {
            decoder,
            compression,
            splitter: Splitter::default(),
            index: 0,
            pieces: 0,
            consumed: 0,
            at_end: false,
            started: Vec::new(),
            header: None,
        }
    }

    fn fill(&mut self, buffer: &mut [u8], geometry: Geometry) -> Result<Fill> {
        if self.at_end {
            let unterminated = self.splitter.unterminated;
            let ended = Ended { size: self.consumed, pieces: self.pieces, unterminated };
            return Ok(Fill::End(ended));
        }
        let carried = self.splitter.give_back(buffer);
        let goal = carried + geometry.window;
        let mut filled = carried + self.started.len();
        if let Some(room) = buffer.get_mut(carried..filled) {
            room.copy_from_slice(&self.started);
        }
        // Not kept: few windows have to wait.
        self.started = Vec::new();
        while let Some(room) = buffer.get_mut(filled..goal).filter(|room| !room.is_empty()) {
            match self.decoder.read(room)? {
                Progress::Read(0) => {
                    self.at_end = true;
                    break;
                }
                Progress::Read(read) => filled += read,
                Progress::Wait { window } => {
                    let started = buffer.get(carried..filled).unwrap_or_default();
                    self.started = started.to_vec();
                    return Ok(Fill::Wait { window });
                }
            }
        }
        let bytes = buffer.get(..filled).unwrap_or_default();
        if self.index == 0 {
            foreign::check(bytes, self.compression)?;
        }
        if geometry.header && self.header.is_none() {
            self.header = Some(first_line(bytes, geometry.kept).into());
        }
        let rows = self.splitter.split(bytes, carried, self.at_end, geometry.kept);
        let consumed = self.decoder.consumed();
        let disk_bytes = consumed - self.consumed;
        self.consumed = consumed;
        let index = self.index;
        self.index += 1;
        self.pieces += u64::from(filled > carried);
        let (header, fresh) = (self.header.clone(), carried..filled);
        Ok(Fill::Window(Filled { header, index, disk_bytes, rows, fresh }))
    }
}

/// The first bytes of a stream, which decide its format, and the whole stream.
fn with_start(mut stream: Box<dyn Read + Send>) -> Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::with_capacity(foreign::START_BYTES);
    let read = (&mut stream).take(foreign::START_BYTES as u64).read_to_end(&mut start);
    read.map_err(|error| Error::io("read", error).at_offset(start.len() as u64))?;
    let whole = Cursor::new(start.clone()).chain(stream);
    Ok((start, Box::new(whole)))
}

/// Cuts a stream's bytes at the ends of rows.
#[derive(Debug, Default)]
struct Splitter {
    /// The start of a row whose end was not read yet; at most as long as a cut row.
    carry: Vec<u8>,
    /// Within the rest of a row that was cut; nothing is carried then.
    skipping: bool,
    /// The first bytes were seen.
    begun: bool,
    /// The last byte seen was of a row, and not its end.
    unterminated: bool,
}

impl Splitter {
    /// Puts the carried start of a row at the start of the buffer; returns its length.
    fn give_back(&mut self, buffer: &mut [u8]) -> usize {
        let carried = self.carry.len();
        if let Some(room) = buffer.get_mut(..carried) {
            room.copy_from_slice(&self.carry);
        }
        carried
    }

    /// Where the whole rows are in the carried bytes and the bytes after them; keeps the bytes after the last whole
    /// row. The first call has at least four bytes, or all bytes.
    fn split(&mut self, bytes: &[u8], carried: usize, at_end: bool, kept: usize) -> Rows {
        self.carry.clear();
        let length = bytes.len();
        let mark = if self.begun { 0 } else { mark_length(bytes) };
        self.begun = true;
        if length > carried.max(mark) {
            self.unterminated = bytes.last() != Some(&LF);
        }
        let start = match memchr(LF, bytes) {
            Some(at) if self.skipping => at + 1,
            None if self.skipping => return Rows::whole(length..length),
            _ => mark,
        };
        self.skipping = false;
        if at_end {
            return Rows::whole(start..length);
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let last = memrchr(LF, rest).map_or(start, |at| start + at + 1);
        if length - last > kept {
            self.skipping = true;
            return Rows::cut(start, last, kept);
        }
        self.carry.extend_from_slice(bytes.get(last..).unwrap_or_default());
        Rows::whole(start..last)
    }
}
