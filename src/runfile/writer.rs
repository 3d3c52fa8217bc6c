//! Writes a run from front to back, from sorted pieces that are made on all threads.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cutter::{Cut, Cutter};
use super::index::{BlockHandle, IndexBuilder, Root};
use crate::codec::block::{self, BlockEncoder, Disorder};
use crate::codec::checksum::Checksum;
use crate::error::{Error, Result};
use crate::model::{Batch, Entries, Position};
use crate::ordered;

/// Size of one run, and the sum of its counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunFacts {
    /// Distinct keys.
    pub keys: u64,
    /// Entries: distinct (key, song) pairs.
    pub pairs: u64,
    /// Sum of all counts: the accepted rows.
    pub streams: u64,
    /// Blocks.
    pub blocks: u64,
}

/// `2 keys, 5 pairs, 9 streams, 1 blocks`, for errors.
impl fmt::Display for RunFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunFacts { keys, pairs, streams, blocks } = self;
        write!(f, "{keys} keys, {pairs} pairs, {streams} streams, {blocks} blocks")
    }
}

/// The pieces of a run, and the threads that make them.
#[derive(Debug, Clone, Copy)]
pub struct RunPieces<'a> {
    /// Where pieces are made and encoded.
    pub pool: &'a rayon::ThreadPool,
    /// Number of pieces. All keys and songs of a piece come before those of the next piece.
    pub pieces: usize,
}

/// Makes the pieces of a run with `make`, encodes them and appends them to `sink` in order.
///
/// `state` makes the state that a thread keeps between its pieces. `make` gets an empty batch with the capacity of the
/// thread's last piece, since allocating it anew costs a page fault for each page. The bytes do not depend on how the run
/// is cut into pieces. Memory: a few pieces a thread, decoded (24 bytes an entry) or encoded.
pub fn write_run<W: Write + Send, S>(
    sink: &mut RunSink<W>,
    block_entries: usize,
    shape: RunPieces<'_>,
    state: impl Fn() -> S + Sync,
    make: impl Fn(&mut S, usize, Batch) -> Result<Batch> + Sync,
) -> Result<(RunFacts, Root)> {
    let mut run = OpenRun::new(sink);
    let mut cutter = Cutter::new(block_entries);
    ordered::run(
        shape.pool,
        shape.pieces,
        || (state(), BlockEncoder::default(), Batch::default()),
        |(state, _, room), piece| make(state, piece, std::mem::take(room)),
        |batch| Ok(cutter.cut(batch)),
        |(_, encoder, room), cut| {
            let blocks = encode(encoder, &cut, block_entries);
            *room = cut.body;
            room.clear();
            blocks
        },
        |blocks| run.push(&blocks),
    )?;
    run.push(&encode(&mut BlockEncoder::default(), &cutter.finish(), block_entries)?)?;
    run.finish()
}

fn encode(encoder: &mut BlockEncoder, cut: &Cut, block_entries: usize) -> Result<EncodedBlocks> {
    let mut blocks = EncodedBlocks::default();
    blocks.bytes.reserve((cut.head.len() + cut.full.len()) * 5);
    blocks.add(encoder, cut.head.entries())?;
    for start in cut.full.clone().step_by(block_entries) {
        blocks.add(encoder, cut.body.entries().slice(start..start + block_entries))?;
    }
    Ok(blocks)
}

/// What the index and the footer need of an encoded block.
#[derive(Debug, Clone, Copy)]
struct BlockFacts {
    first: Position,
    last: Position,
    length: u32,
    entries: u32,
    /// Distinct keys in it, including a key that continues from the block before.
    keys: u32,
    streams: u64,
    checksum: Checksum,
}

/// Blocks side by side in one buffer.
#[derive(Debug, Default)]
struct EncodedBlocks {
    bytes: Vec<u8>,
    facts: Vec<BlockFacts>,
}

impl EncodedBlocks {
    /// Encodes entries as one block. The head of a cut may be empty, and then there is no block.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`block` bounds entries and bytes of a block"
    )]
    fn add(&mut self, encoder: &mut block::BlockEncoder, entries: Entries<'_>) -> Result<()> {
        let start = self.bytes.len();
        let Some((first, last)) = entries.first().zip(entries.last()) else { return Ok(()) };
        let disorder = |error: Disorder| Error::damaged(error.to_string());
        encoder.encode(entries, &mut self.bytes).map_err(disorder)?;
        let streams = entries.counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        let bytes = &self.bytes[start..];
        self.facts.push(BlockFacts {
            first,
            last,
            length: bytes.len() as u32,
            entries: entries.len() as u32,
            keys: encoder.keys(),
            streams: streams.ok_or_else(|| Error::damaged("the streams exceed 2^64-1"))?,
            checksum: Checksum::of(bytes),
        });
        Ok(())
    }
}

/// Buffers bytes on their way to a file and counts them. Memory: 256 KiB.
#[derive(Debug)]
pub struct RunSink<W: Write> {
    sink: BufWriter<W>,
    /// Where it is, for messages.
    path: Option<PathBuf>,
    /// Bytes written so far.
    offset: u64,
}

impl<W: Write> RunSink<W> {
    /// A sink at its first byte.
    pub fn new(sink: W) -> Self {
        RunSink { sink: BufWriter::with_capacity(256 << 10, sink), path: None, offset: 0 }
    }

    /// Sets the path of the file that errors name.
    #[must_use]
    pub fn named(self, path: &Path) -> Self {
        RunSink { path: Some(path.to_owned()), ..self }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).map_err(|error| failed_write(error, self.path.as_deref()))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Writes the rest of the buffer and returns the file, which is not yet synced.
    pub fn finish(self) -> Result<W> {
        let path = self.path;
        let sink = self.sink.into_inner();
        sink.map_err(|error| failed_write(error.into_error(), path.as_deref()))
    }
}

fn failed_write(error: io::Error, path: Option<&Path>) -> Error {
    let error = Error::io("write", error);
    match path {
        Some(path) => error.at(path),
        None => error,
    }
}

/// A run that is being written.
struct OpenRun<'a, W: Write> {
    sink: &'a mut RunSink<W>,
    index: IndexBuilder,
    /// Its last entry so far.
    last: Option<Position>,
    facts: RunFacts,
}

impl<'a, W: Write> OpenRun<'a, W> {
    fn new(sink: &'a mut RunSink<W>) -> Self {
        let index = IndexBuilder::new(sink.offset);
        OpenRun { sink, index, last: None, facts: RunFacts::default() }
    }

    /// Appends blocks; refuses a block that does not follow the block before it.
    fn push(&mut self, blocks: &EncodedBlocks) -> Result<()> {
        let mut rest = blocks.bytes.as_slice();
        for facts in &blocks.facts {
            let first = facts.first;
            if let Some(last) = self.last.filter(|last| *last >= first) {
                return Err(Error::damaged(format!(
                    "blocks out of order: key {}, song {} after key {}, song {}",
                    first.key, first.song, last.key, last.song
                )));
            }
            // `add` has noted the length of each block in these bytes.
            let (bytes, after) = rest.split_at(facts.length as usize);
            rest = after;
            let continued = self.last.is_some_and(|last| last.key == first.key);
            self.facts.keys += u64::from(facts.keys) - u64::from(continued);
            self.facts.pairs += u64::from(facts.entries);
            self.facts.blocks += 1;
            let sum = self.facts.streams.checked_add(facts.streams);
            self.facts.streams = sum.ok_or_else(|| Error::damaged("the streams exceed 2^64-1"))?;
            self.last = Some(facts.last);
            let handle = BlockHandle {
                first,
                offset: self.sink.offset,
                length: facts.length,
                entries: facts.entries,
                checksum: facts.checksum,
            };
            self.sink.put(bytes)?;
            if self.index.add(handle) {
                self.end_page()?;
            }
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        match self.index.take_page(self.sink.offset)? {
            Some(page) => self.sink.put(&page),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(RunFacts, Root)> {
        self.end_page()?;
        Ok((self.facts, self.index.finish()))
    }
}
