//! Writes a partial from front to back: header, the runs with their index pages, roots, metadata, trailer.

use std::io::Write;
use std::path::Path;

use super::layout::{self, HEADER_BYTES, Section, Trailer};
use super::metadata::{Metadata, recorded, version_of};
use crate::codec::block;
use crate::codec::checksum::{Checksum, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Batch, Day, Inputs, Kind, PerKind, RejectCounts, Rules};
use crate::runfile::{Root, RunFacts, RunPieces, RunSink, write_run};

/// Writes one partial: its runs in the order of [`Kind::ALL`], then [`Writer::finish`] the rest.
///
/// Memory: a 256-KiB buffer, one index page, and 64 bytes for every two million entries.
#[derive(Debug)]
pub struct Writer<W: Write> {
    sink: RunSink<W>,
    header: [u8; HEADER_BYTES],
    rules: Rules,
    block_entries: usize,
    /// Facts and roots of the runs so far.
    runs: Vec<(RunFacts, Root)>,
}

/// A complete partial.
#[derive(Debug)]
pub struct FinishedPartial<W> {
    /// What it was written to; not yet synced.
    pub sink: W,
    /// Its size.
    pub bytes: u64,
    /// XXH3-128 of its header, roots, metadata and trailer, which vouch for all other bytes.
    pub digest: u128,
    /// As in the footer.
    pub metadata: Metadata,
    /// The logs, as in the footer.
    pub inputs: Inputs,
}

impl<W: Write> Writer<W> {
    /// Starts the partial of a day with the default rules.
    pub fn new(sink: W) -> Result<Self> {
        Self::with_rules(sink, Rules::default())
    }

    /// Starts the partial of a day whose rows were read by these rules, with blocks of [`block::MAX_ENTRIES`].
    pub fn with_rules(sink: W, rules: Rules) -> Result<Self> {
        Self::with_block_entries(sink, rules, block::MAX_ENTRIES)
    }

    /// Starts a partial with blocks of 1 to [`block::MAX_ENTRIES`] entries. Tests use tiny blocks, so that every case
    /// has a block boundary.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to MAX_ENTRIES")]
    pub fn with_block_entries(sink: W, rules: Rules, block_entries: usize) -> Result<Self> {
        let block_entries = block_entries.clamp(1, block::MAX_ENTRIES);
        let version = version_of(recorded(rules));
        let header = layout::header(version, block_entries as u16);
        let mut sink = RunSink::new(sink);
        sink.put(&header)?;
        Ok(Writer { sink, header, rules, block_entries, runs: Vec::new() })
    }

    /// Sets the path of the file that errors name.
    #[must_use]
    pub fn named(self, path: &Path) -> Self {
        Writer { sink: self.sink.named(path), ..self }
    }

    /// Writes the next run, as [`write_run`] does.
    pub fn write_run<S>(
        &mut self,
        shape: RunPieces<'_>,
        state: impl Fn() -> S + Sync,
        make: impl Fn(&mut S, usize, Batch) -> Result<Batch> + Sync,
    ) -> Result<RunFacts>
    where
        W: Send,
    {
        let run = write_run(&mut self.sink, self.block_entries, shape, state, make)?;
        let facts = run.0;
        self.runs.push(run);
        Ok(facts)
    }

    /// Facts of the runs written so far, in the order of [`Kind::ALL`].
    #[must_use]
    pub fn written_runs(&self) -> Vec<RunFacts> {
        self.runs.iter().map(|(facts, _)| *facts).collect()
    }

    /// Writes the footer.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] if the streams of a run are not the accepted rows; [`ErrorKind::LogsExceedPartial`];
    /// [`ErrorKind::Io`].
    pub fn finish(
        mut self,
        day: Day,
        rows: u64,
        rejects: RejectCounts,
        inputs: Inputs,
    ) -> Result<FinishedPartial<W>> {
        let Ok(ended) = <[_; Kind::ALL.len()]>::try_from(self.runs) else {
            return Err(ErrorKind::Fault("a partial without a run of each kind").into());
        };
        let ended = PerKind::from(ended);
        let runs = PerKind::new(|kind| ended[kind].0);
        let metadata = Metadata::new(day, recorded(self.rules), (rows, rejects), &inputs, runs)?;
        let head = metadata.head();
        let mut vouching = Hasher::new();
        vouching.update(&self.header);
        let mut section = |parts: [&[u8]; 2]| {
            let offset = self.sink.offset();
            let mut checksum = Hasher::new();
            for bytes in parts {
                checksum.update(bytes);
                vouching.update(bytes);
                self.sink.put(bytes)?;
            }
            let (length, checksum) = (self.sink.offset() - offset, checksum.checksum());
            Ok::<_, Error>(Section { offset, length, checksum })
        };
        let trailer = Trailer {
            roots: PerKind::try_new(|kind| section([&ended[kind].1.encode(), &[]]))?,
            metadata: section([&head, inputs.encoded()])?,
            header: Checksum::of(&self.header),
        };
        let trailer = trailer.encode();
        self.sink.put(&trailer)?;
        vouching.update(&trailer);
        let bytes = self.sink.offset();
        let sink = self.sink.finish()?;
        Ok(FinishedPartial { sink, bytes, digest: vouching.digest(), metadata, inputs })
    }
}
