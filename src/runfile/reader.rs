//! Reads a run by position: a lookup reads one index page, and a [`BlockReader`] the blocks that it walks over. Every
//! byte is checked before it is used.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::index::{BlockHandle, Root, decode_page};
use crate::codec::block::{BlockDecoder, Runs};
use crate::codec::checksum::Checksum;
use crate::error::{Error, Result};
use crate::fs::ReadFile;
use crate::merge::{Merge, Stream};
use crate::model::{Batch, Kind, Position};

/// An open run in any file. Memory: 64 bytes for every two million entries.
#[derive(Debug, Clone)]
pub struct Run {
    kind: Kind,
    file: Arc<dyn ReadFile>,
    path: Arc<Path>,
    root: Root,
}

impl Run {
    /// The run with this root; `path` is for messages.
    #[must_use]
    pub fn new(kind: Kind, file: Arc<dyn ReadFile>, path: Arc<Path>, root: Root) -> Self {
        Run { kind, file, path, root }
    }

    /// The kind of its keys.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where its file is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The index pages whose blocks may have entries in `range`.
    pub(super) fn pages_in(&self, range: &Range<Position>) -> Range<usize> {
        let end = self.root.pages.partition_point(|page| page.first < range.end);
        self.page_of(range.start).min(end)..end
    }

    /// Blocks of those pages.
    pub(super) fn blocks_in(&self, range: &Range<Position>) -> u64 {
        let pages = &self.root.pages[self.pages_in(range)];
        pages.iter().map(|page| u64::from(page.blocks)).sum()
    }

    /// Number of index pages.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.root.pages.len()
    }

    /// The handles of one index page, read and checked. `page` is below [`Run::page_count`].
    pub fn page(&self, page: usize) -> Result<Vec<BlockHandle>> {
        let pages = &self.root.pages;
        let handle = &pages[page];
        let start = page.checked_sub(1).map_or(self.root.start, |before| pages[before].end());
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

    /// The page that has `position` or would have it; 0 if there is no page.
    fn page_of(&self, position: Position) -> usize {
        self.root.pages.partition_point(|page| page.first <= position).saturating_sub(1)
    }

    /// Reads the entries in `range`.
    pub fn blocks(&self, range: Range<Position>) -> BlockReader<'_> {
        BlockReader {
            run: self,
            page: self.page_of(range.start),
            range,
            handles: Vec::new().into_iter(),
            bytes: Vec::new(),
            decoder: BlockDecoder::default(),
            begun: false,
            failed: false,
        }
    }
}

/// Merges the entries of all runs in a piece of the key space.
pub fn merge_piece<'a>(
    runs: &[&'a Run],
    kind: Kind,
    piece: &Range<Position>,
) -> Merge<BlockReader<'a>> {
    Merge::new(kind, runs.iter().map(|run| run.blocks(piece.clone())).collect())
}

/// Walks over the blocks of a run that a range of positions touches, one decoded block at a time.
///
/// Memory: one encoded block (8 to 17 KB), one index page (20 KB), and the decoder (65 KB). After an error every call
/// fails, because a short answer that looks whole would be the worst outcome.
#[derive(Debug)]
pub struct BlockReader<'a> {
    run: &'a Run,
    /// The next index page.
    page: usize,
    range: Range<Position>,
    /// The rest of the page before it.
    handles: std::vec::IntoIter<BlockHandle>,
    bytes: Vec<u8>,
    decoder: BlockDecoder,
    begun: bool,
    failed: bool,
}

impl Stream for BlockReader<'_> {
    /// Puts the entries of the next block that are in the range into `batch`; false at the end. The batch is empty
    /// where a block only touches the range.
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
    /// As [`Stream::next`], with the entries by keys; `None` at the end.
    pub fn next_runs(&mut self) -> Result<Option<Runs<'_>>> {
        Ok(if self.step()? { Some(self.decoder.runs().within(&self.range)) } else { None })
    }

    /// Decodes the next block that touches the range; false at the end.
    fn step(&mut self) -> Result<bool> {
        if self.failed {
            return Err(Error::damaged("reading went on after an error").at(&self.run.path));
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
            let what = "the next block does not follow this block";
            return Err(Error::damaged(what).at_offset(handle.offset).at(&self.run.path));
        }
        Ok(true)
    }

    /// Where the block after the current one starts; [`Position::END`] after the run's last block.
    fn next_first(&self) -> Position {
        let in_page = self.handles.as_slice().first().map(|handle| handle.first);
        let in_root = || self.run.root.pages.get(self.page).map(|page| page.first);
        in_page.or_else(in_root).unwrap_or(Position::END)
    }

    fn next_handle(&mut self) -> Result<Option<BlockHandle>> {
        let mut skip = 0;
        if self.handles.as_slice().is_empty() {
            if self.page == self.run.page_count() {
                return Ok(None);
            }
            let handles = self.run.page(self.page)?;
            self.page += 1;
            if !self.begun {
                let start = self.range.start;
                skip = handles.partition_point(|handle| handle.first <= start).saturating_sub(1);
            }
            self.handles = handles.into_iter();
        }
        self.begun = true;
        Ok(self.handles.nth(skip))
    }

    /// Reads, checks and decodes one block, whole.
    pub(super) fn read_block(&mut self, handle: &BlockHandle) -> Result<Runs<'_>> {
        let length = handle.length as usize;
        // Decoding the index page has bounded the length by `block::MAX_BYTES`.
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        let bytes = &mut self.bytes[..length];
        self.run.read_checked(bytes, handle.offset, handle.checksum, "a block")?;
        let path = &self.run.path;
        let place = |error: Error| error.at_offset(handle.offset).at(path);
        let runs = self.decoder.decode_runs(bytes);
        let runs = runs.map_err(|error| place(Error::damaged(error.0)))?;
        if runs.len() != handle.entries as usize || runs.first() != handle.first {
            return Err(place(Error::damaged("a block and the index disagree")));
        }
        let (noun, last, max_key) =
            (self.run.kind.noun(), runs.last().key, self.run.kind.max_key());
        if last > max_key {
            let text = format!("the {noun} number {last} exceeds {max_key}");
            return Err(place(Error::damaged(text)));
        }
        Ok(runs)
    }
}

/// Drops the entries of a sorted batch that are outside `range`.
fn cut_to(batch: &mut Batch, range: &Range<Position>) {
    let end = batch.entries().lower_bound(range.end);
    let start = batch.entries().lower_bound(range.start).min(end);
    for column in [&mut batch.keys, &mut batch.songs, &mut batch.counts] {
        column.truncate(end);
        column.drain(..start);
    }
}

/// Fills `buffer` up to the end of the file; returns the number of bytes.
pub(crate) fn fill(file: &dyn ReadFile, buffer: &mut [u8], offset: u64) -> Result<usize> {
    file.read_full_at(buffer, offset).map_err(|error| Error::io("read", error).at_offset(offset))
}

/// Fills the whole `buffer`; a file that ends before is damaged.
pub(crate) fn read_exact(file: &dyn ReadFile, buffer: &mut [u8], offset: u64) -> Result<()> {
    let got = fill(file, buffer, offset)?;
    if got == buffer.len() {
        return Ok(());
    }
    Err(Error::damaged("the file ends too early").at_offset(offset.saturating_add(got as u64)))
}
