//! The two-level index: a page of up to 512 block handles follows its blocks, and a run's root has an entry for each
//! page.
//!
//! Only the root is held in memory (64 bytes for two million entries); a lookup reads one page. Each level has the
//! checksums of the level below, so the root vouches for every byte of the run. Decoding checks that blocks and pages
//! tile the run without a gap, so a checksum covers every byte.

use crate::codec::block;
use crate::codec::checksum::Checksum;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Position;

/// One block in an index page: first key, first song, offset, length (u32), entries (u32), checksum.
pub(super) const HANDLE_BYTES: usize = 8 + 8 + 8 + 4 + 4 + 8;
/// Blocks in an index page. Every page of a run has this number, except the last.
pub(super) const PAGE_HANDLES: usize = 512;
/// One page in a root: first key, first song, offset, blocks (u32), zero (u32), entries, checksum.
pub(super) const ROOT_ENTRY_BYTES: usize = 8 + 8 + 8 + 4 + 4 + 8 + 8;
/// Maximum bytes of a root: 2.8 million pages, 5.8 * 10^12 entries.
pub(crate) const MAX_ROOT_BYTES: u64 = 128 << 20;

/// Where one block is, and what it starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHandle {
    /// Key and song of its first entry.
    pub first: Position,
    /// Where it starts in the file.
    pub offset: u64,
    /// Bytes, at most [`block::MAX_BYTES`].
    pub length: u32,
    /// Entries, at least 1.
    pub entries: u32,
    /// Checksum of its bytes.
    pub checksum: Checksum,
}

/// Where one index page is, and what its first block starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHandle {
    pub(super) first: Position,
    /// Where the page starts. Its blocks are right before it.
    pub(super) offset: u64,
    /// Blocks in the page, 1 to [`PAGE_HANDLES`].
    pub(super) blocks: u32,
    /// Entries of all its blocks.
    pub(super) entries: u64,
    pub(super) checksum: Checksum,
}

impl PageHandle {
    pub(super) const fn bytes(&self) -> usize {
        self.blocks as usize * HANDLE_BYTES
    }

    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes() as u64)
    }
}

/// Finds a run's index pages. It is all that an open run holds in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Root {
    /// Where the run starts.
    pub(super) start: u64,
    pub(super) pages: Vec<PageHandle>,
}

/// Gathers a run's handles into pages and pages into the root.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    page: Vec<BlockHandle>,
    root: Root,
}

impl IndexBuilder {
    /// An index for a run that starts at `start`.
    pub(super) fn new(start: u64) -> Self {
        IndexBuilder { page: Vec::new(), root: Root { start, pages: Vec::new() } }
    }

    /// Adds a block; true when the page is full and must be written now.
    pub(super) fn add(&mut self, handle: BlockHandle) -> bool {
        self.page.push(handle);
        self.page.len() == PAGE_HANDLES
    }

    /// The page so far, to be written at `offset`; `None` when it has no block.
    #[expect(clippy::cast_possible_truncation, reason = "a page has at most PAGE_HANDLES blocks")]
    pub(super) fn take_page(&mut self, offset: u64) -> Result<Option<Vec<u8>>> {
        let Some(first) = self.page.first().map(|handle| handle.first) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(self.page.len() * HANDLE_BYTES);
        let mut entries = 0u64;
        for handle in &self.page {
            entries += u64::from(handle.entries);
            bytes.extend_from_slice(&handle.first.key.to_le_bytes());
            bytes.extend_from_slice(&handle.first.song.to_le_bytes());
            bytes.extend_from_slice(&handle.offset.to_le_bytes());
            bytes.extend_from_slice(&handle.length.to_le_bytes());
            bytes.extend_from_slice(&handle.entries.to_le_bytes());
            bytes.extend_from_slice(&handle.checksum.0.to_le_bytes());
        }
        let blocks = self.page.len() as u32;
        self.page.clear();
        let checksum = Checksum::of(&bytes);
        self.root.pages.push(PageHandle { first, offset, blocks, entries, checksum });
        if (self.root.pages.len() * ROOT_ENTRY_BYTES) as u64 > MAX_ROOT_BYTES {
            let text = "a run exceeds 5.8 * 10^12 entries, the maximum of a partial";
            return Err(ErrorKind::Usage(text.to_owned()).into());
        }
        Ok(Some(bytes))
    }

    /// The root, after the last page.
    pub(super) fn finish(self) -> Root {
        self.root
    }
}

impl Root {
    /// The bytes of the root in a partial.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pages.len() * ROOT_ENTRY_BYTES);
        for page in &self.pages {
            bytes.extend_from_slice(&page.first.key.to_le_bytes());
            bytes.extend_from_slice(&page.first.song.to_le_bytes());
            bytes.extend_from_slice(&page.offset.to_le_bytes());
            bytes.extend_from_slice(&page.blocks.to_le_bytes());
            bytes.extend_from_slice(&0u32.to_le_bytes());
            bytes.extend_from_slice(&page.entries.to_le_bytes());
            bytes.extend_from_slice(&page.checksum.0.to_le_bytes());
        }
        bytes
    }

    /// Blocks of the run, and its entries.
    pub(crate) fn size(&self) -> (u64, u64) {
        let blocks = self.pages.iter().map(|page| u64::from(page.blocks)).sum();
        (blocks, self.pages.iter().map(|page| page.entries).sum())
    }

    /// Decodes the root at `offset` of a run from `start` to `end`. The caller has verified its checksum.
    pub(crate) fn decode(bytes: &[u8], offset: u64, start: u64, end: u64) -> Result<Self> {
        let wrong = |what: &str| Err(Error::damaged(what).at_offset(offset));
        let entries = bytes.chunks_exact(ROOT_ENTRY_BYTES);
        if !entries.remainder().is_empty() {
            return wrong("the root's length is not a multiple of an entry");
        }
        let mut pages: Vec<PageHandle> = Vec::with_capacity(entries.len());
        let mut expected_end = start;
        for entry in entries {
            let mut fields = Fields(entry);
            let first = fields.position();
            let offset = fields.u64();
            let blocks = fields.u32();
            let zero = fields.u32();
            let page = PageHandle {
                first,
                offset,
                blocks,
                entries: fields.u64(),
                checksum: Checksum(fields.u64()),
            };
            let last = pages.last();
            let full = last.is_none_or(|last| last.blocks as usize == PAGE_HANDLES);
            let max_entries = u64::from(blocks) * block::MAX_ENTRIES as u64;
            if zero != 0 || blocks == 0 || blocks as usize > PAGE_HANDLES || !full {
                return wrong("the root has a page with an impossible number of blocks");
            }
            if page.entries < u64::from(blocks) || page.entries > max_entries {
                return wrong("the root has a page with an impossible number of entries");
            }
            if last.is_some_and(|last| last.first >= first) {
                return wrong("the root's pages are out of order");
            }
            if page.offset <= expected_end || page.end() > end {
                return wrong("the root has a page outside its run");
            }
            expected_end = page.end();
            pages.push(page);
        }
        if expected_end != end {
            return wrong("the root's pages do not reach the run's end");
        }
        Ok(Root { start, pages })
    }
}

/// Where the run with this root ends by its last page, which is not checked yet. `None` if the root has no page.
pub(crate) fn end_of_root(bytes: &[u8]) -> Option<u64> {
    let mut fields = Fields(bytes.get(bytes.len().checked_sub(ROOT_ENTRY_BYTES)?..)?);
    let (_, offset, blocks) = (fields.position(), fields.u64(), fields.u32());
    Some(offset.saturating_add(u64::from(blocks) * HANDLE_BYTES as u64))
}

/// Decodes one page whose blocks start at `start`. The caller has verified its checksum.
pub(super) fn decode_page(bytes: &[u8], page: &PageHandle, start: u64) -> Result<Vec<BlockHandle>> {
    let mut handles: Vec<BlockHandle> = Vec::with_capacity(bytes.len() / HANDLE_BYTES);
    let mut expected = start;
    let mut entries = 0u64;
    for (at, bytes) in bytes.chunks_exact(HANDLE_BYTES).enumerate() {
        let place = page.offset + (at * HANDLE_BYTES) as u64;
        let wrong = |what: &str| Err(Error::damaged(what).at_offset(place));
        let mut fields = Fields(bytes);
        let handle = BlockHandle {
            first: fields.position(),
            offset: fields.u64(),
            length: fields.u32(),
            entries: fields.u32(),
            checksum: Checksum(fields.u64()),
        };
        if handle.offset != expected || handle.length as usize > block::MAX_BYTES {
            return wrong("the index has a block in an impossible place");
        }
        let in_order = match handles.last() {
            None => handle.first == page.first,
            Some(last) => handle.first > last.first,
        };
        if !in_order {
            return wrong("the index's blocks are out of order");
        }
        if handle.entries == 0 || handle.entries as usize > block::MAX_ENTRIES {
            return wrong("the index has a block with an impossible number of entries");
        }
        expected += u64::from(handle.length);
        entries += u64::from(handle.entries);
        handles.push(handle);
    }
    if expected != page.offset || entries != page.entries {
        return Err(Error::damaged("an index page and its root disagree").at_offset(page.offset));
    }
    Ok(handles)
}

/// Takes fixed-width little-endian numbers off a byte string, which callers have found long enough.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        // Callers read a number of fields that fits a length they have checked.
        let (head, rest) = self.0.split_at(N);
        self.0 = rest;
        let mut bytes = [0; N];
        bytes.copy_from_slice(head);
        bytes
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub(crate) fn position(&mut self) -> Position {
        Position { key: self.u64(), song: self.u64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_have_the_stated_lengths() {
        assert_eq!((HANDLE_BYTES, ROOT_ENTRY_BYTES), (40, 48));
    }
}
