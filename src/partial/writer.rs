//! Writes a partial front to back: header, the two runs with their index pages, roots, metadata, trailer.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::index::{BlockHandle, IndexBuilder};
use super::layout::{self, HEADER_BYTES, Section, Trailer};
use super::metadata::{Metadata, RunFacts};
use crate::codec::block::{self, Disorder};
use crate::codec::checksum::{self, Checksum};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Batch, Day, InputFacts, Kind, PerKind, Position, RejectCounts};

/// An encoded block and what the index and the footer must know of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockFacts {
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) length: u32,
    pub(super) entries: u32,
    /// Distinct keys in it, one that goes on from the block before included.
    pub(super) keys: u32,
    pub(super) streams: u64,
    pub(super) checksum: Checksum,
}

/// Blocks side by side in one buffer.
#[derive(Debug, Default)]
pub(super) struct EncodedBlocks {
    pub(super) bytes: Vec<u8>,
    pub(super) facts: Vec<BlockFacts>,
}

impl EncodedBlocks {
    /// Encodes the entries `range` of `batch` as one block.
    pub(super) fn add(
        &mut self,
        encoder: &mut block::Encoder,
        batch: &Batch,
        range: std::ops::Range<usize>,
    ) -> Result<()> {
        let start = self.bytes.len();
        let bounds = |at: usize| {
            let key = batch.keys.get(at).copied()?;
            batch.songs.get(at).map(|&song| Position { key, song })
        };
        let ends = bounds(range.start).zip(range.end.checked_sub(1).and_then(bounds));
        let Some((first, last)) = ends else { return Ok(()) };
        let disorder = |error: Disorder| Error::damaged(error.to_string());
        encoder.encode(batch, range.clone(), &mut self.bytes).map_err(disorder)?;
        let counts = batch.counts.get(range.clone()).unwrap_or_default();
        let streams = counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        let bytes = self.bytes.get(start..).unwrap_or_default();
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.facts.push(BlockFacts {
            first,
            last,
            length: narrow(bytes.len()),
            entries: narrow(range.len()),
            keys: encoder.keys(),
            streams: streams.ok_or_else(|| Error::damaged("the streams exceed 2^64-1"))?,
            checksum: Checksum::of(bytes),
        });
        Ok(())
    }
}

/// Writes one partial. Runs are pushed in the order of [`Kind::ALL`], then
/// [`Writer::finish`] consumes the writer.
///
/// Memory: a 256-KiB buffer, one index page, and 48 bytes for every two million entries.
#[derive(Debug)]
pub struct Writer<W: Write> {
    sink: BufWriter<W>,
    /// Where the sink is, for messages.
    path: Option<PathBuf>,
    /// Bytes written so far.
    offset: u64,
    header: [u8; HEADER_BYTES],
    block_entries: usize,
    index: IndexBuilder,
    /// Last entry of the open run.
    last: Option<Position>,
    /// Of the open run.
    facts: RunFacts,
    /// Facts and roots of the ended runs.
    ended: Vec<(RunFacts, Vec<u8>)>,
}

fn failed_write(error: io::Error, path: Option<&Path>) -> Error {
    let error = Error::io("write", error);
    match path {
        Some(path) => error.at(path),
        None => error,
    }
}

/// A partial that was written whole.
#[derive(Debug)]
pub struct Finished<W> {
    /// What it was written to; not yet synced.
    pub sink: W,
    /// Its size.
    pub bytes: u64,
    /// XXH3-128 of its header, roots, metadata and trailer, which vouch for all other bytes.
    pub digest: u128,
    /// As they stand in the footer.
    pub metadata: Metadata,
}

impl<W: Write> Writer<W> {
    /// Starts a partial with blocks of [`block::MAX_ENTRIES`].
    pub fn new(sink: W) -> Result<Self> {
        Self::with_block_entries(sink, block::MAX_ENTRIES)
    }

    /// Starts a partial with smaller blocks, 1 to [`block::MAX_ENTRIES`] entries: for tests, where tiny
    /// blocks put a boundary under every case.
    pub fn with_block_entries(sink: W, block_entries: usize) -> Result<Self> {
        let block_entries = block_entries.clamp(1, block::MAX_ENTRIES);
        let header = layout::header(u16::try_from(block_entries).unwrap_or(u16::MAX));
        let mut writer = Writer {
            sink: BufWriter::with_capacity(256 << 10, sink),
            path: None,
            offset: 0,
            header,
            block_entries,
            index: IndexBuilder::default(),
            last: None,
            facts: RunFacts::default(),
            ended: Vec::new(),
        };
        writer.put(&header)?;
        Ok(writer)
    }

    /// Says in messages that the sink is the file `path`.
    #[must_use]
    pub fn named(self, path: &Path) -> Self {
        Writer { path: Some(path.to_owned()), ..self }
    }

    pub(super) fn block_entries(&self) -> usize {
        self.block_entries
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).map_err(|error| failed_write(error, self.path.as_deref()))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Appends blocks to the open run; refuses blocks that do not follow what is there.
    pub(super) fn push(&mut self, blocks: &EncodedBlocks) -> Result<()> {
        let mut rest = blocks.bytes.as_slice();
        for facts in &blocks.facts {
            if self.last.is_some_and(|last| last >= facts.first) {
                let (last, first) = (self.last, facts.first);
                return Err(Error::damaged(format!(
                    "blocks out of order: {first:?} after {last:?}"
                )));
            }
            let (bytes, after) = rest.split_at_checked(facts.length as usize).unwrap_or_default();
            rest = after;
            let goes_on = self.last.is_some_and(|last| last.key == facts.first.key);
            self.facts.keys += u64::from(facts.keys) - u64::from(goes_on);
            self.facts.pairs += u64::from(facts.entries);
            self.facts.blocks += 1;
            let sum = self.facts.streams.checked_add(facts.streams);
            self.facts.streams = sum.ok_or_else(|| Error::damaged("the streams exceed 2^64-1"))?;
            self.last = Some(facts.last);
            let handle = BlockHandle {
                first: facts.first,
                offset: self.offset,
                length: facts.length,
                entries: facts.entries,
                checksum: facts.checksum,
            };
            self.put(bytes)?;
            if self.index.add(handle) {
                self.end_page()?;
            }
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        match self.index.take_page(self.offset)? {
            Some(page) => self.put(&page),
            None => Ok(()),
        }
    }

    /// Ends the open run; the next push starts the next one.
    pub(super) fn end_run(&mut self) -> Result<()> {
        self.end_page()?;
        let root = self.index.take_root();
        self.ended.push((std::mem::take(&mut self.facts), root));
        self.last = None;
        Ok(())
    }

    /// Facts of the runs that have ended, in the order of [`Kind::ALL`].
    #[must_use]
    pub fn ended_runs(&self) -> Vec<RunFacts> {
        self.ended.iter().map(|(facts, _)| *facts).collect()
    }

    /// Writes the footer. The sums of each run must be the accepted rows.
    pub fn finish(
        mut self,
        day: Day,
        rows: u64,
        rejects: RejectCounts,
        inputs: Vec<InputFacts>,
    ) -> Result<Finished<W>> {
        let Ok(ended) = <[_; Kind::ALL.len()]>::try_from(std::mem::take(&mut self.ended)) else {
            return Err(ErrorKind::Fault("a partial without a run of each kind").into());
        };
        let ended = PerKind::from(ended);
        let runs = PerKind::new(|kind| ended[kind].0);
        let metadata = Metadata { day, rows, rejects, inputs, runs };
        let accepted = rows.checked_sub(rejects.total());
        if runs.values().any(|run| Some(run.streams) != accepted) {
            let text = format!("the sums of all runs are not the accepted rows: {metadata:?}");
            return Err(Error::damaged(text));
        }
        let encoded = metadata.encode()?;
        let mut vouching = self.header.to_vec();
        let mut section = |bytes: &[u8]| {
            let checksum = Checksum::of(bytes);
            let section = Section { offset: self.offset, length: bytes.len() as u64, checksum };
            vouching.extend_from_slice(bytes);
            self.put(bytes).map(|()| section)
        };
        let trailer = Trailer {
            roots: PerKind::try_new(|kind| section(&ended[kind].1))?,
            metadata: section(&encoded)?,
            header: Checksum::of(&self.header),
        };
        let trailer = trailer.encode();
        self.put(&trailer)?;
        vouching.extend_from_slice(&trailer);
        let bytes = self.offset;
        let path = self.path;
        let sink = self.sink.into_inner();
        let sink = sink.map_err(|error| failed_write(error.into_error(), path.as_deref()))?;
        Ok(Finished { sink, bytes, digest: checksum::digest(&vouching), metadata })
    }
}
