//! Reads a partial by position: opening reads the footer alone, a lookup one index page, a cursor the
//! blocks it walks over. Every byte is checked before it is believed.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::index::{BlockHandle, PageHandle, decode_page, decode_root};
use super::layout::{self, HEADER_BYTES, LEAST_BYTES, Section, TRAILER_BYTES, Trailer};
use super::metadata::Metadata;
use crate::codec::block::{Decoder, Runs};
use crate::codec::checksum::{self, Checksum};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileType, ReadFile};
use crate::merge::Stream;
use crate::model::{Batch, Kind, PerKind, Position};

/// An open partial. Memory: its metadata and 48 bytes for every two million entries.
#[derive(Debug)]
pub struct Partial {
    file: Box<dyn ReadFile>,
    path: PathBuf,
    bytes: u64,
    digest: u128,
    block_entries: u16,
    metadata: Metadata,
    metadata_offset: u64,
    indexes: PerKind<RunIndex>,
}

impl Partial {
    /// Reads and checks header and footer of an open file; `path` is for messages.
    pub fn open(file: Box<dyn ReadFile>, path: &Path) -> Result<Partial> {
        Self::read(file, path).map_err(|error| error.at(path))
    }

    fn read(file: Box<dyn ReadFile>, path: &Path) -> Result<Partial> {
        let stat = file.stat().map_err(|error| Error::io("read", error))?;
        if stat.file_type != FileType::File {
            return Err(Error::from(ErrorKind::Foreign).at_offset(0));
        }
        let bytes = stat.size;
        let mut header = [0; HEADER_BYTES];
        let got = fill(file.as_ref(), &mut header, 0)?;
        if got >= layout::MAGIC.len() {
            // A file that is shorter than a header fails by its checksum.
            layout::read_header(&header)?;
        }
        if bytes < LEAST_BYTES || got < HEADER_BYTES {
            return Err(Error::damaged("the file is too short for a partial").at_offset(bytes));
        }
        let block_entries = layout::read_header(&header)?;
        let mut trailer = [0; TRAILER_BYTES];
        read_exact(file.as_ref(), &mut trailer, bytes - TRAILER_BYTES as u64)?;
        let decoded = Trailer::decode(&trailer, bytes)?;
        if decoded.header != Checksum::of(&header) {
            return Err(Error::damaged("header and trailer are of different files").at_offset(0));
        }
        let mut vouching = header.to_vec();
        let roots = PerKind::try_new(|kind| {
            let what = format!("the {} run's root", kind.noun());
            read_section(file.as_ref(), decoded.roots[kind], &what)
        })?;
        let metadata_bytes = read_section(file.as_ref(), decoded.metadata, "the metadata")?;
        for part in roots.values().chain([&metadata_bytes]) {
            vouching.extend_from_slice(part);
        }
        vouching.extend_from_slice(&trailer);
        let metadata = Metadata::decode(&metadata_bytes)
            .map_err(|error| error.at_offset(decoded.metadata.offset))?;
        let indexes = decode_roots(&roots, &decoded)?;
        let partial = Partial {
            digest: checksum::digest(&vouching),
            file,
            path: path.to_owned(),
            bytes,
            block_entries,
            metadata,
            metadata_offset: decoded.metadata.offset,
            indexes,
        };
        partial.check_totals()?;
        Ok(partial)
    }

    fn check_totals(&self) -> Result<()> {
        for (kind, facts) in self.metadata.runs.iter() {
            let pages = self.pages(kind);
            let blocks: u64 = pages.iter().map(|page| u64::from(page.blocks)).sum();
            let entries: u64 = pages.iter().map(|page| page.entries).sum();
            if blocks != facts.blocks || entries != facts.pairs || facts.keys > entries {
                let what = "the metadata and the index disagree";
                return Err(Error::damaged(what).at_offset(self.metadata_offset));
            }
        }
        Ok(())
    }

    /// Where the metadata start, for messages.
    pub(super) fn metadata_offset(&self) -> u64 {
        self.metadata_offset
    }

    /// What the footer says of the day.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Size of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// XXH3-128 of header, roots, metadata and trailer, which vouch for all other bytes.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// Format version of the file.
    #[must_use]
    pub fn version(&self) -> u16 {
        // Every file that opens is of the one version there is; a second one keeps its own here.
        layout::VERSION
    }

    /// The index pages whose blocks may have entries in `range`.
    pub(super) fn pages_in(&self, kind: Kind, range: &Range<Position>) -> Range<usize> {
        let end = self.pages(kind).partition_point(|page| page.first < range.end);
        self.page_of(kind, range.start).min(end)..end
    }

    /// Blocks of those pages.
    pub(super) fn blocks_in(&self, kind: Kind, range: &Range<Position>) -> u64 {
        let pages = self.pages(kind).get(self.pages_in(kind, range)).unwrap_or_default();
        pages.iter().map(|page| u64::from(page.blocks)).sum()
    }

    /// Where the file is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Entries of every block but a run's last.
    #[must_use]
    pub fn block_entries(&self) -> u16 {
        self.block_entries
    }

    fn pages(&self, kind: Kind) -> &[PageHandle] {
        &self.indexes[kind].pages
    }

    /// Index pages of a run.
    #[must_use]
    pub fn page_count(&self, kind: Kind) -> usize {
        self.pages(kind).len()
    }

    /// The handles of one index page, read and checked; empty beyond the last page.
    pub fn page(&self, kind: Kind, page: usize) -> Result<Vec<BlockHandle>> {
        let pages = self.pages(kind);
        let Some(handle) = pages.get(page) else { return Ok(Vec::new()) };
        let before = page.checked_sub(1).and_then(|before| pages.get(before));
        let start = before.map_or(self.indexes[kind].start, PageHandle::end);
        let mut bytes = vec![0; handle.bytes()];
        self.read_checked(&mut bytes, handle.offset, handle.checksum, "an index page")?;
        decode_page(&bytes, handle, start).map_err(|error| error.at(&self.path))
    }

    fn read_checked(
        &self,
        bytes: &mut [u8],
        offset: u64,
        checksum: Checksum,
        what: &str,
    ) -> Result<()> {
        read_exact(self.file.as_ref(), bytes, offset).map_err(|error| error.at(&self.path))?;
        if Checksum::of(bytes) == checksum {
            Ok(())
        } else {
            let text = format!("the checksum of {what} is wrong");
            Err(Error::damaged(text).at_offset(offset).at(&self.path))
        }
    }

    /// The page in which `position` is, or would be.
    fn page_of(&self, kind: Kind, position: Position) -> usize {
        self.pages(kind).partition_point(|page| page.first <= position).saturating_sub(1)
    }

    /// Reads the blocks of a run whose entries are in `range` (and what else is in those blocks).
    pub fn blocks(&self, kind: Kind, range: Range<Position>) -> BlockReader<'_> {
        BlockReader {
            partial: self,
            kind,
            page: self.page_of(kind, range.start),
            range,
            handles: Vec::new().into_iter(),
            bytes: Vec::new(),
            decoder: Decoder::default(),
            begun: false,
            failed: false,
        }
    }
}

/// Walks over the blocks of a run that a range of positions touches, one decoded block at a time.
///
/// Memory: one encoded block (8 to 17 KB), one index page (20 KB), and the decoder (65 KB). After an
/// error it stays failed: a short answer that looks whole would be the worst outcome.
#[derive(Debug)]
pub struct BlockReader<'a> {
    partial: &'a Partial,
    kind: Kind,
    /// The next index page.
    page: usize,
    range: Range<Position>,
    /// What is left of the page before it.
    handles: std::vec::IntoIter<BlockHandle>,
    bytes: Vec<u8>,
    decoder: Decoder,
    begun: bool,
    failed: bool,
}

impl Stream for BlockReader<'_> {
    /// Puts the entries of the next block into `batch`, those outside the range cut off; false at the end.
    /// A batch may be empty when a block only touches the range.
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        batch.clear();
        if !self.step()? {
            return Ok(false);
        }
        self.decoder.take_batch(batch);
        cut_to(batch, &self.range);
        Ok(true)
    }
}

impl BlockReader<'_> {
    /// The entries of the next block that are in the range, by keys; `None` at the end. What is said of
    /// [`Stream::next`] holds.
    pub fn next_runs(&mut self) -> Result<Option<Runs<'_>>> {
        Ok(if self.step()? { Some(self.decoder.runs().within(&self.range)) } else { None })
    }

    /// Decodes the next block that touches the range; false at the end.
    fn step(&mut self) -> Result<bool> {
        if self.failed {
            return Err(Error::damaged("reading went on after an error").at(self.partial.path()));
        }
        let outcome = self.advance();
        self.failed = outcome.is_err();
        outcome
    }

    fn advance(&mut self) -> Result<bool> {
        if self.range.is_empty() {
            return Ok(false);
        }
        let Some(handle) = self.next_handle()? else { return Ok(false) };
        if handle.first >= self.range.end {
            return Ok(false);
        }
        self.read_block(&handle)?;
        if self.decoder.runs().last() >= self.next_first() {
            let what = "the next block does not follow it";
            return Err(Error::damaged(what).at_offset(handle.offset).at(self.partial.path()));
        }
        Ok(true)
    }

    /// Where the block behind the current one starts; [`Position::END`] behind the run's last.
    fn next_first(&self) -> Position {
        let in_page = self.handles.as_slice().first().map(|handle| handle.first);
        let in_root = || self.partial.pages(self.kind).get(self.page).map(|page| page.first);
        in_page.or_else(in_root).unwrap_or(Position::END)
    }

    fn next_handle(&mut self) -> Result<Option<BlockHandle>> {
        if !self.begun {
            self.begun = true;
            let handles = self.partial.page(self.kind, self.page)?;
            self.page += 1;
            let start = self.range.start;
            let skip = handles.partition_point(|handle| handle.first <= start).saturating_sub(1);
            self.handles = handles.into_iter();
            return Ok(self.handles.nth(skip));
        }
        if self.handles.as_slice().is_empty() {
            self.handles = self.partial.page(self.kind, self.page)?.into_iter();
            self.page += 1;
        }
        Ok(self.handles.next())
    }

    /// Reads, checks and decodes one block, whole.
    pub(super) fn read_block(&mut self, handle: &BlockHandle) -> Result<Runs<'_>> {
        let length = handle.length as usize;
        // Bounded by `block::MAX_BYTES` when the index page was decoded.
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        let bytes = self.bytes.get_mut(..length).unwrap_or_default();
        self.partial.read_checked(bytes, handle.offset, handle.checksum, "a block")?;
        let path = self.partial.path();
        let place = |error: Error| error.at_offset(handle.offset).at(path);
        let runs = self.decoder.decode_runs(bytes);
        let runs = runs.map_err(|error| place(Error::damaged(error.0)))?;
        if runs.len() != handle.entries as usize || runs.first() != handle.first {
            return Err(place(Error::damaged("a block and the index disagree")));
        }
        let (noun, most) = (self.kind.noun(), self.kind.max_key());
        if runs.last().key > most {
            return Err(place(Error::damaged(format!("a {noun} number exceeds {most}"))));
        }
        Ok(runs)
    }
}

/// Drops the entries of a sorted batch that are outside `range`.
fn cut_to(batch: &mut Batch, range: &Range<Position>) {
    let before = |batch: &Batch, position: Position| {
        let start = batch.keys.partition_point(|key| *key < position.key);
        let keys = batch.keys.get(start..).unwrap_or_default();
        let same = keys.partition_point(|key| *key == position.key);
        let songs = batch.songs.get(start..start + same).unwrap_or_default();
        start + songs.partition_point(|song| *song < position.song)
    };
    let end = before(batch, range.end);
    let start = before(batch, range.start).min(end);
    for column in [&mut batch.keys, &mut batch.songs, &mut batch.counts] {
        column.truncate(end);
        column.drain(..start);
    }
}

/// What is known of one run without reading it.
#[derive(Debug, Default)]
struct RunIndex {
    /// Where the run starts.
    start: u64,
    pages: Vec<PageHandle>,
}

/// Decodes the roots of all runs, which follow one another from the header to the first root.
fn decode_roots(roots: &PerKind<Vec<u8>>, trailer: &Trailer) -> Result<PerKind<RunIndex>> {
    let runs_end = trailer.roots[Kind::ALL[0]].offset;
    let mut start = HEADER_BYTES as u64;
    PerKind::try_new(|kind| {
        let (bytes, root) = (&roots[kind], trailer.roots[kind]);
        // A run ends where its last page does, and the next one starts there. The last one must reach the roots.
        let is_last = Kind::ALL.last() == Some(&kind);
        let end = if is_last { runs_end } else { end_of_run(bytes, start) };
        if end > runs_end {
            let what = "the root has a page outside its run";
            return Err(Error::damaged(what).at_offset(root.offset));
        }
        let pages = decode_root(bytes, root, start, end)?;
        Ok(RunIndex { start: std::mem::replace(&mut start, end), pages })
    })
}

/// Where the last page of a root ends; `start` where the root has none.
fn end_of_run(root: &[u8], start: u64) -> u64 {
    let last_page = root.len().checked_sub(layout::ROOT_ENTRY_BYTES).and_then(|at| root.get(at..));
    last_page.map_or(start, |entry| {
        let mut fields = layout::Fields(entry);
        let (_, offset, blocks) = (fields.position(), fields.u64(), fields.u32());
        offset.saturating_add(u64::from(blocks) * layout::HANDLE_BYTES as u64)
    })
}

/// Fills `buffer` as far as the file goes.
fn fill(file: &dyn ReadFile, buffer: &mut [u8], offset: u64) -> Result<usize> {
    file.read_full_at(buffer, offset).map_err(|error| Error::io("read", error).at_offset(offset))
}

/// Fills `buffer` whole; a file that ends before is damaged.
fn read_exact(file: &dyn ReadFile, buffer: &mut [u8], offset: u64) -> Result<()> {
    let got = fill(file, buffer, offset)?;
    if got == buffer.len() {
        return Ok(());
    }
    Err(Error::damaged("the file ends too early").at_offset(offset.saturating_add(got as u64)))
}

/// Reads a section, whose bounds the trailer has checked, and verifies its checksum.
fn read_section(file: &dyn ReadFile, section: Section, what: &str) -> Result<Vec<u8>> {
    let wrong = |text: String| Error::damaged(text).at_offset(section.offset);
    let length =
        usize::try_from(section.length).map_err(|_| wrong(format!("{what} is too long")))?;
    let mut bytes = vec![0; length];
    read_exact(file, &mut bytes, section.offset)?;
    if Checksum::of(&bytes) == section.checksum {
        Ok(bytes)
    } else {
        Err(wrong(format!("the checksum of {what} is wrong")))
    }
}
