//! All inputs of a run as one supply of windows, for any number of threads.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::decompress::{Compression, Slots, Windows};
use super::facts::{Finished, InputStat};
use super::feed::Feed;
use super::foreign;
use super::lock;
use super::paths::{InputPath, InputPaths, blame, stat_input, unreadable, wrong_size};
use super::plain::{Known, Plain, open_known};
use super::sample::{self, SamplePiece};
use super::stream::{Ended, Origin, Outcome, Stream, Turn};
use super::window::{Geometry, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, FileType};
use crate::model::{InputFacts, Inputs};

/// Minimum limit of a zstd window.
const MIN_WINDOW_LIMIT: u64 = 8 << 20;
/// The part of the memory that the windows of all zstd decoders may take together.
const WINDOWS_SHARE: u64 = 8;
/// The part of the memory that zstd frames decoded ahead may take together.
const AHEAD_SHARE: u64 = 16;

/// The inputs of a run, read in windows by any number of threads at once.
///
/// **Work.** Only one thread at a time can read a stream, so a thread prefers, in this order: a stream that no other
/// thread reads, a new stream, and the next window of a plain file. If only streams of other threads are left, it
/// decodes further frames of a zstd stream ahead. Otherwise it waits for a stream.
///
/// **Memory.** Each window in the callers' hands is about 1 MiB. A stream being read takes 128 KiB,
/// its decoder, and a few kibibytes; no more streams are started than threads call. Before each zstd frame its window
/// is requested, and the windows of all streams together stay within the limit of one: 8 MiB, or an eighth of the
/// memory if that is more. A stream that gets no window holds none and is read later, and no further stream is started
/// meanwhile. Frames decoded ahead take a sixteenth of the memory at most. A plain file that is not being read takes
/// 100 bytes, a compressed one 400. Nothing grows with the size of a log.
///
/// **Files.** Each is opened when its first window is read and closed after its last, so there may
/// be more files than a process may have open.
///
/// **Failure.** A plain file is read up to the size that it had when the source was opened; a log
/// that changed is an error of [`Source::next`] or of [`Source::finish`]. An input that failed stays
/// failed: it never counts as ended.
pub struct Source {
    files: Arc<dyn FileSystem>,
    geometry: Geometry,
    /// The windows of all zstd streams.
    windows: Arc<Windows>,
    /// The room for frames that are decoded ahead.
    slots: Arc<Slots>,
    paths: Arc<InputPaths>,
    /// One for each path.
    inputs: Vec<Input>,
    /// Which inputs are plain files with content, and for each how many windows those before it have.
    plain: Vec<(u32, u64)>,
    /// Number of the next window over all plain files.
    next_plain: AtomicU64,
    /// Which inputs are streams.
    streams: Vec<u32>,
    desk: Mutex<Desk>,
    /// Spreads the threads that must wait over the streams.
    waits: AtomicUsize,
    /// The reading has failed, and the commands were asked to end.
    is_stopped: AtomicBool,
}

struct Input {
    /// When the source was opened; `None` for a pipe.
    stat: Option<FileStat>,
    reader: Reader,
}

enum Reader {
    Plain(Plain),
    Stream(Box<Stream>),
}

/// Which streams are being read.
#[derive(Debug, Default)]
struct Desk {
    /// Streams before this one were started.
    next: usize,
    /// Started and not ended yet.
    open: Vec<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// The index of its input.
    at: usize,
    /// Bytes of the zstd window that it waits for, if it does. Changed by the thread that has the stream's turn.
    waits_for: Option<u64>,
}

/// What a thread can do about streams.
enum Pick<'a> {
    /// Read this stream.
    Turn(usize, Turn<'a>),
    /// Other threads read all of them, for example this stream.
    Busy(usize),
    /// All have ended.
    None,
}

/// The inputs of a run before any is read, so their formats are unknown.
pub struct Unread {
    files: Arc<dyn FileSystem>,
    paths: Arc<InputPaths>,
    memory: u64,
    /// Whether the first line of each is a header.
    header: bool,
    /// One for each path, with the reader of a plain file.
    inputs: Vec<Input>,
}

impl Unread {
    /// Checks all inputs: each must be a file that may be opened. Reads none of them.
    ///
    /// `memory` is what the whole run may use, in bytes; it bounds the windows of streams.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] or [`ErrorKind::Unreadable`], at the input's path.
    pub fn look(files: Arc<dyn FileSystem>, paths: Arc<InputPaths>, memory: u64) -> Result<Self> {
        let look =
            |path: InputPath<'_>| Input::look(&*files, path).map_err(|error| error.at(path.path()));
        let inputs = paths.iter().map(look).collect::<Result<_>>()?;
        Ok(Unread { files, paths, memory, header: false, inputs })
    }

    /// The same where the first line of each input is a header and not a row: it is in [`Window::header`] instead.
    #[must_use]
    pub fn with_headers(self, header: bool) -> Self {
        Unread { header, ..self }
    }

    /// Whether the first line of each input is a header.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.header
    }

    /// Name, size and time of each input, in the order given, to find out without reading whether it is known already;
    /// `None` for standard input, which has none of them.
    pub fn stats(&self) -> impl ExactSizeIterator<Item = Option<InputStat<'_>>> {
        self.inputs.iter().zip(self.paths.iter()).map(|(input, path)| {
            let FileStat { size, modified_ns, .. } = input.stat?;
            Some(InputStat { name: path.name(), size, modified_ns })
        })
    }

    /// What each input is, in the order given; `None` for standard input.
    pub fn file_stats(&self) -> impl ExactSizeIterator<Item = Option<FileStat>> {
        self.inputs.iter().map(|input| input.stat)
    }

    /// The inputs, in the order given.
    #[must_use]
    pub fn paths(&self) -> Arc<InputPaths> {
        Arc::clone(&self.paths)
    }

    /// Reads the first bytes of each file, which decide its format.
    ///
    /// # Errors
    /// [`ErrorKind::LogChanged`] and errors of reading, at the input's path.
    pub fn source(self) -> Result<Source> {
        self.with_geometry(Geometry::REAL)
    }

    pub(super) fn with_geometry(self, geometry: Geometry) -> Result<Source> {
        let Unread { files, paths, memory, header, mut inputs } = self;
        let geometry = Geometry { header, ..geometry };
        let (mut plain, mut streams, mut windows) = (Vec::new(), Vec::new(), 0);
        for (at, (path, input)) in (0_u32..).zip(paths.iter().zip(&mut inputs)) {
            input.detect(&*files, path).map_err(|error| error.at(path.path()))?;
            match (&input.reader, input.stat) {
                (Reader::Stream(_), _) => streams.push(at),
                (Reader::Plain(_), Some(FileStat { size, .. })) if size > 0 => {
                    plain.push((at, windows));
                    windows += geometry.windows(size);
                }
                (Reader::Plain(_), _) => {}
            }
        }
        Ok(Source {
            files,
            geometry,
            windows: Windows::new(MIN_WINDOW_LIMIT.max(memory / WINDOWS_SHARE)),
            slots: Slots::new(memory / AHEAD_SHARE),
            paths,
            inputs,
            plain,
            next_plain: AtomicU64::new(0),
            streams,
            desk: Mutex::default(),
            waits: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
        })
    }

    /// Whether all inputs come through pipes, so that each can be read once.
    #[must_use]
    pub fn are_pipes(&self) -> bool {
        self.inputs.iter().all(|input| input.stat.is_none())
    }

    /// Whether these inputs of a day came through pipes too, and are no more.
    #[must_use]
    pub fn may_begin_with(&self, known: &Inputs) -> bool {
        let were_pipes = || known.iter().all(|known| known.modified_ns == 0);
        (1..=self.inputs.len()).contains(&known.len()) && were_pipes()
    }
}

impl Source {
    /// [`Unread::look`] and [`Unread::source`].
    ///
    /// # Errors
    /// As these.
    pub fn open(files: Arc<dyn FileSystem>, inputs: Arc<InputPaths>, memory: u64) -> Result<Self> {
        Unread::look(files, inputs, memory)?.source()
    }

    /// Bytes on disk of all inputs; `None` if standard input is among them.
    #[must_use]
    pub fn total_disk_bytes(&self) -> Option<u64> {
        let sizes = self.inputs.iter().map(|input| input.stat.map(|stat| stat.size));
        sizes.sum()
    }

    /// Expects the inputs to begin with the bytes of these, one for one: [`Source::has_prefixes`]. Before any is read.
    pub fn expect_prefixes(&mut self, known: &Inputs) {
        for (input, InputFacts { size, digest, .. }) in self.inputs.iter_mut().zip(known) {
            if let Reader::Stream(stream) = &mut input.reader {
                stream.expect_prefix(size, digest);
            }
        }
    }

    /// Whether the first inputs, now that all are read, begin with the bytes of all that were expected: standard input whose
    /// source has written on, and the same for other pipes.
    ///
    /// The bytes are those of the content; of a compressed input, only the size of the compressed one is known, so it
    /// begins with nothing.
    #[must_use]
    pub fn has_prefixes(&self, known: &Inputs) -> bool {
        let has_prefix = |input: &Input| match &input.reader {
            Reader::Stream(stream) => stream.has_prefix(),
            Reader::Plain(_) => false,
        };
        known.len() <= self.inputs.len() && self.inputs.iter().take(known.len()).all(has_prefix)
    }

    /// Asks all commands to end, so that no thread waits for one: the reading has failed.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        for at in &self.streams {
            if let Some(feed) = self.stream(*at as usize).and_then(|(_, stream)| stream.feed()) {
                feed.end();
            }
        }
    }

    /// Number of compressed inputs, their other forms included, and whether any needs a window of its own. Starts all
    /// commands, and waits for the first bytes of each pipe, once.
    ///
    /// # Errors
    /// A pipe cannot be read.
    pub fn streams(&self) -> Result<(usize, bool)> {
        let mut found = self.paths.streams_of_forms();
        for at in &self.streams {
            let Some((path, stream)) = self.stream(*at as usize) else { continue };
            let started = stream.feed().map_or(Ok(()), |feed| feed.start(&*self.files));
            started.map_err(|error| error.at(path.path()))?;
        }
        for at in &self.streams {
            let Some((path, stream)) = self.stream(*at as usize) else { continue };
            if stream.feed().is_some() {
                let room = (&self.windows, &self.slots);
                let opened = stream.open(&mut stream.wait_turn(), &*self.files, &path.path(), room);
                opened.map_err(|error| error.at(path.path()))?;
            }
            if let Some(compression) = stream.compression() {
                found = (found.0 + 1, found.1 || compression.needs_window());
            }
        }
        Ok(found)
    }

    /// What each input was when the source was opened, before any of it was read; `None` for standard input.
    pub fn file_stats(&self) -> impl ExactSizeIterator<Item = Option<FileStat>> {
        self.inputs.iter().map(|input| input.stat)
    }

    /// The inputs, in the order given.
    #[must_use]
    pub fn paths(&self) -> &InputPaths {
        &self.paths
    }

    /// The same, to be kept.
    #[must_use]
    pub fn shared_paths(&self) -> Arc<InputPaths> {
        Arc::clone(&self.paths)
    }

    /// Up to `pieces` pieces of up to `piece_bytes` bytes, spread evenly over the plain files: whole rows, each ended
    /// by LF, except perhaps a file's last row. Empty if there is no plain file with a row. A piece that reaches the
    /// end of a file continues in the next file as a separate piece.
    ///
    /// Leaves [`Source::next`] alone, and may be called at any time. Pieces do not overlap; rows
    /// that are longer than a piece are missed.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub fn sample(&self, pieces: usize, piece_bytes: usize) -> Result<Vec<SamplePiece>> {
        let logs = || {
            let plain = self.plain.iter().filter_map(|(at, _)| self.input(*at as usize));
            plain.filter_map(|(path, input)| Some((path, input.stat?.size)))
        };
        sample::sample(&*self.files, &logs, self.geometry, (pieces, piece_bytes))
    }

    /// Fills `window` with the next window of any input; `false` once all inputs are exhausted.
    ///
    /// Windows of one input have the numbers 0, 1, 2 and so on, in the order of its bytes, but may
    /// reach the callers in any order. A window may hold no row. After an error, the content of `window` is undefined.
    ///
    /// # Errors
    /// At the input's path: [`ErrorKind::Compression`] or [`ErrorKind::Window`] for a stream
    /// that is damaged, cut short, or takes too much memory; [`ErrorKind::LogChanged`];
    /// [`ErrorKind::Missing`] or [`ErrorKind::Unreadable`] if it can no longer be opened;
    /// [`ErrorKind::CommandFailed`]; [`ErrorKind::Io`] if it cannot be read.
    pub fn next(&self, window: &mut Window) -> Result<bool> {
        match self.next_window(window) {
            // Somebody has the error for which the command was ended.
            Err(error)
                if self.is_stopped.load(Ordering::Relaxed)
                    && matches!(error.kind(), ErrorKind::CommandFailed { .. }) =>
            {
                Ok(false)
            }
            Err(error) => {
                self.stop();
                Err(error)
            }
            read => read,
        }
    }

    fn next_window(&self, window: &mut Window) -> Result<bool> {
        loop {
            match self.pick_stream()? {
                Pick::Turn(input, turn) => {
                    if self.read_stream(input, turn, window)? {
                        return Ok(true);
                    }
                }
                Pick::Busy(input) => {
                    if self.read_plain(window)? {
                        return Ok(true);
                    }
                    if self.help() {
                        continue;
                    }
                    if let Some(turn) = self.stream(input).map(|(_, stream)| stream.wait_turn())
                        && self.read_stream(input, turn, window)?
                    {
                        return Ok(true);
                    }
                }
                Pick::None => return self.read_plain(window),
            }
        }
    }

    /// Checks that every input was read to its end and did not change meanwhile, and sums up.
    ///
    /// `rows` is the number of rows of each input, in the order given.
    ///
    /// # Errors
    /// [`ErrorKind::LogChanged`] at the path of a file whose size, time or identity has changed since the source was
    /// opened; [`ErrorKind::Io`] if an input was not read to its end or its metadata can no longer be read.
    ///
    /// # Panics
    /// If `rows` has not one number for each input.
    pub fn finish(&self, rows: &[u64]) -> Result<Finished> {
        assert_eq!(rows.len(), self.inputs.len(), "one number of rows for each input");
        self.slots.clear();
        let mut finished = Finished::default();
        for (at, (rows, path)) in rows.iter().zip(self.paths.iter()).enumerate() {
            let Some(input) = self.inputs.get(at) else { break };
            let outcome = input.outcome(&*self.files, path);
            let (facts, unterminated) = outcome.map_err(|error| error.at(path.path()))?;
            finished.facts.push(InputFacts { rows: *rows, ..facts });
            if input.is_empty_pipe() {
                finished.empty_pipes.push(at);
            }
            if unterminated {
                finished.unterminated.push(at);
            }
        }
        Ok(finished)
    }

    /// The first bytes of an input that was read, `bytes` of them or all; none of standard input, which cannot be read
    /// again.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub fn start(&self, input: usize, bytes: usize) -> Result<Vec<u8>> {
        let Some((path, Input { stat: Some(stat), reader })) = self.input(input) else {
            return Ok(Vec::new());
        };
        let path = path.path();
        let read = || {
            let file = open_known(&*self.files, &path, stat)?;
            let mut start = vec![0; bytes];
            let read = match reader {
                Reader::Plain(_) => {
                    file.read_full_at(&mut start, 0).map_err(|error| Error::io("read", error))?
                }
                Reader::Stream(stream) => stream.start(file, &self.windows, &mut start)?,
            };
            start.truncate(read);
            Ok(start)
        };
        read().map_err(|error| blame(&*self.files, &path, stat, error).at(path.clone()))
    }

    /// The next window of a plain file; `false` if none is left.
    fn read_plain(&self, window: &mut Window) -> Result<bool> {
        let number = self.next_plain.fetch_add(1, Ordering::Relaxed);
        // The last file with no more windows before it than `number`.
        let after = self.plain.partition_point(|(_, before)| *before <= number);
        let at = after.checked_sub(1).and_then(|at| self.plain.get(at));
        let Some((at, before)) = at.copied() else { return Ok(false) };
        let at = at as usize;
        let Some((path, Input { stat: Some(stat), reader: Reader::Plain(plain) })) = self.input(at)
        else {
            return Ok(false);
        };
        let index = number - before;
        if index >= self.geometry.windows(stat.size) {
            return Ok(false);
        }
        let path = || path.path();
        let file = Known { files: &*self.files, path: &path, stat };
        let result = plain.read(file, (at, index), window, self.geometry);
        result.map(|()| true).map_err(|error| {
            let path = path();
            blame(&*self.files, &path, stat, error).at(path)
        })
    }

    /// The next window of a stream; `false` if it has ended, or waits for room for its next frame.
    fn read_stream(&self, at: usize, turn: Turn<'_>, window: &mut Window) -> Result<bool> {
        let Some((path, stream)) = self.stream(at) else { return Ok(false) };
        match stream.read(turn, window, self.geometry) {
            Ok(Outcome::Window(filled)) => {
                window.set(at, filled.index, filled.disk_bytes, &filled.rows);
                if let Some(header) = &filled.header {
                    window.behead(header);
                }
                Ok(true)
            }
            Ok(Outcome::Ended) => {
                lock(&self.desk).open.retain(|open| open.at != at);
                Ok(false)
            }
            Ok(Outcome::Wait { window, turn }) => {
                let mut desk = lock(&self.desk);
                let open = desk.open.iter_mut().find(|open| open.at == at);
                open.into_iter().for_each(|open| open.waits_for = Some(window));
                drop(turn);
                Ok(false)
            }
            Err(error) => {
                let path = path.path();
                Err(stream.blame(&*self.files, &path, error).at(path))
            }
        }
    }

    /// Decodes ahead for a stream that others read; false if none needs it.
    fn help(&self) -> bool {
        let open = lock(&self.desk).open.clone();
        open.iter().any(|open| self.stream(open.at).is_some_and(|(_, stream)| stream.help()))
    }

    /// A stream to read: a free stream, otherwise a new stream, otherwise a stream to wait for.
    fn pick_stream(&self) -> Result<Pick<'_>> {
        if self.streams.is_empty() {
            return Ok(Pick::None);
        }
        let mut desk = lock(&self.desk);
        for open in &mut desk.open {
            let may_go_on = open.waits_for.is_none_or(|window| self.windows.has_room(window));
            if may_go_on
                && let Some(turn) = self.stream(open.at).and_then(|(_, stream)| stream.try_turn())
            {
                open.waits_for = None;
                return Ok(Pick::Turn(open.at, turn));
            }
        }
        if let Some((at, turn)) = self.start_stream(&mut desk)? {
            return Ok(Pick::Turn(at, turn));
        }
        // The streams that hold a window, or will at once; if there is none, all have ended.
        let busy: Vec<usize> =
            desk.open.iter().filter(|open| open.waits_for.is_none()).map(|open| open.at).collect();
        let turn = self.waits.fetch_add(1, Ordering::Relaxed);
        let busy = turn.checked_rem(busy.len()).and_then(|at| busy.get(at));
        Ok(busy.map_or(Pick::None, |at| Pick::Busy(*at)))
    }

    /// Starts the next stream, if there is any and no other stream waits for room.
    fn start_stream(&self, desk: &mut Desk) -> Result<Option<(usize, Turn<'_>)>> {
        if desk.open.iter().any(|open| open.waits_for.is_some()) {
            return Ok(None);
        }
        let Some(at) = self.streams.get(desk.next).map(|at| *at as usize) else { return Ok(None) };
        let Some((path, stream)) = self.stream(at) else { return Ok(None) };
        let path = path.path();
        let mut turn = stream.wait_turn();
        let room = (&self.windows, &self.slots);
        let opened = stream.open(&mut turn, &*self.files, &path, room);
        opened.map_err(|error| stream.blame(&*self.files, &path, error).at(&path))?;
        desk.next += 1;
        desk.open.push(Open { at, waits_for: None });
        Ok(Some((at, turn)))
    }

    fn input(&self, at: usize) -> Option<(InputPath<'_>, &Input)> {
        self.paths.get(at).zip(self.inputs.get(at))
    }

    fn stream(&self, at: usize) -> Option<(InputPath<'_>, &Stream)> {
        match self.input(at)? {
            (path, Input { reader: Reader::Stream(stream), .. }) => Some((path, stream)),
            _ => None,
        }
    }
}

/// How a file is compressed: by its content. The name decides if the content is neither of a known format nor text, for
/// example after damage, or if the file is empty or cut short: the decoder then reports the fault.
fn compression_of(start: &[u8], by_name: Option<Compression>) -> Option<Compression> {
    let is_damaged = |one: &Compression| {
        one.is_cut_in_mark(start) || (!foreign::is_text(start) && !foreign::is_named(start))
    };
    Compression::of_content(start).or_else(|| by_name.filter(is_damaged))
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.paths.iter().map(|path| path.path()).collect();
        f.debug_struct("Source").field("inputs", &paths).finish_non_exhaustive()
    }
}

impl Input {
    /// Checks an input; a file is opened to see that it may be, and closed again.
    fn look(files: &dyn FileSystem, path: InputPath<'_>) -> Result<Self> {
        let feed = || {
            let reader = Reader::Stream(Box::new(Stream::new(Origin::Feed(Feed::of(path)))));
            Ok(Input { stat: None, reader })
        };
        let InputPath::File { .. } = path else { return feed() };
        let file = &path.path();
        // Before it is opened: to open a pipe would wait for its writer.
        match stat_input(files, file)?.file_type {
            FileType::Pipe => return feed(),
            FileType::Folder => {
                let error = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                return Err(ErrorKind::Unreadable(error).into());
            }
            FileType::File | FileType::Link | FileType::Other => {}
        }
        let open = files.open(file).map_err(unreadable)?;
        let stat = open.stat().map_err(|error| Error::io("read", error))?;
        if stat.size == 0
            && open.read_full_at(&mut [0], 0).map_err(|error| Error::io("read", error))? > 0
        {
            return Err(wrong_size(&stat));
        }
        Ok(Input { stat: Some(stat), reader: Reader::Plain(Plain::new(stat.size)) })
    }

    /// Reads the first bytes of a file, and replaces the reader of one that is compressed.
    fn detect(&mut self, files: &dyn FileSystem, path: InputPath<'_>) -> Result<()> {
        let Some(stat) = self.stat else { return Ok(()) };
        let mut start = [0; foreign::START_BYTES];
        let mut read = 0;
        if stat.size > 0 {
            let file = open_known(files, &path.path(), &stat)?;
            let bytes = file.read_full_at(&mut start, 0);
            read = bytes.map_err(|error| Error::io("read", error).at_offset(0))?;
        }
        let start = start.get(..read).unwrap_or_default();
        if let Some(compression) = compression_of(start, path.compression()) {
            self.reader = Reader::Stream(Box::new(Stream::new(Origin::File(stat, compression))));
        }
        Ok(())
    }

    /// Whether it came through a pipe and had no byte.
    fn is_empty_pipe(&self) -> bool {
        match &self.reader {
            Reader::Stream(stream) => {
                self.stat.is_none() && stream.outcome().is_some_and(|(ended, _)| ended.pieces == 0)
            }
            Reader::Plain(_) => false,
        }
    }

    /// The facts at the end (without the number of rows), and whether the last row has no end.
    fn outcome<'a>(
        &self,
        files: &dyn FileSystem,
        path: InputPath<'a>,
    ) -> Result<(InputFacts<'a>, bool)> {
        if let Some(stat) = self.stat {
            match files.stat(&path.path()) {
                Ok(now) if now.is_same(&stat) => {}
                Ok(_) => return Err(ErrorKind::LogChanged.into()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(ErrorKind::LogChanged.into());
                }
                Err(error) => return Err(Error::io("read", error)),
            }
        }
        let outcome = match &self.reader {
            Reader::Plain(plain) => {
                let size = self.stat.map_or(0, |stat| stat.size);
                plain.outcome().map(|(digest, unterminated)| (size, digest, unterminated))
            }
            Reader::Stream(stream) => stream.outcome().map(|(ended, digest)| {
                let Ended { size, unterminated, .. } = ended;
                (size, digest, unterminated)
            }),
        };
        let (size, digest, unterminated) = outcome.ok_or_else(|| {
            Error::io("read", std::io::Error::other("it was not read to its end"))
        })?;
        let facts = InputFacts {
            name: path.name(),
            size,
            modified_ns: self.stat.map_or(0, |stat| stat.modified_ns),
            digest,
            rows: 0,
        };
        Ok((facts, unterminated))
    }
}
