//! A run in a temporary file, until it is merged.

use std::path::Path;
use std::sync::Arc;

use super::index::Root;
use super::reader::Run;
use super::writer::{RunFacts, RunPieces, RunSink, write_run};
use crate::codec::block;
use crate::error::{Error, Result};
use crate::fs::{FileSystem, TemporaryFile, TemporaryName};
use crate::model::{Batch, Kind};

/// A run in a file that is removed when this is dropped. The file is closed, because there can be more of them than a
/// process may have open. Memory: 64 bytes for every two million entries.
#[derive(Debug)]
pub struct RunFile {
    kind: Kind,
    name: Box<dyn TemporaryName>,
    /// Held here and not in the file, which no other process reads.
    root: Root,
    facts: RunFacts,
}

impl RunFile {
    /// Writes a run as [`write_run`] does, from the first byte of `file`.
    pub fn write<S>(
        kind: Kind,
        file: Box<dyn TemporaryFile>,
        shape: RunPieces<'_>,
        state: impl Fn() -> S + Sync,
        make: impl Fn(&mut S, usize, Batch) -> Result<Batch> + Sync,
    ) -> Result<Self> {
        let path = file.path().to_owned();
        let mut sink = RunSink::new(file).named(&path);
        let (facts, root) = write_run(&mut sink, block::MAX_ENTRIES, shape, state, make)?;
        let file = sink.finish()?;
        let name = file.close().map_err(|error| Error::io("close", error).at(&path))?;
        Ok(RunFile { kind, name, root, facts })
    }

    /// The kind of its keys.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its size, and the sum of its counts.
    #[must_use]
    pub fn facts(&self) -> RunFacts {
        self.facts
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.name.path()
    }

    /// Opens the file to read it. It may be removed once it is open.
    pub fn open(&self, files: &dyn FileSystem) -> Result<Run> {
        let path = self.path();
        let file = files.open(path).map_err(|error| Error::io("open", error).at(path))?;
        Ok(Run::new(self.kind, Arc::from(file), path.into(), self.root.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;
    use crate::merge::Stream;
    use crate::model::{Entry, Position};
    use crate::testing::pool;

    fn read(run: &Run) -> Result<Vec<Entry>> {
        let mut reader = run.blocks(Position::FIRST..Position::END);
        let (mut batch, mut entries) = (Batch::default(), Vec::new());
        while reader.next(&mut batch)? {
            entries.extend(batch.iter());
        }
        Ok(entries)
    }

    #[test]
    fn a_run_in_a_file_of_its_own_comes_back_and_every_changed_byte_and_cut_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(2);
        let entries: Vec<Entry> =
            (0..9000).map(|at| Entry { key: at / 100, song: at * 3, count: at % 5 + 1 }).collect();
        let pieces: Vec<_> = entries.chunks(1000).collect();
        let file = OsFileSystem.create_temporary(folder.path(), "tmp-").unwrap();
        let shape = RunPieces { pool: &pool, pieces: pieces.len() };
        let make = |(): &mut (), at: usize, _| Ok(pieces[at].iter().copied().collect());
        let run = RunFile::write(Kind::User, file, shape, || (), make).unwrap();
        let facts = run.facts();
        let streams = entries.iter().map(|entry| entry.count).sum();
        assert_eq!((facts.keys, facts.pairs, facts.streams, facts.blocks), (90, 9000, streams, 3));
        assert_eq!(read(&run.open(&OsFileSystem).unwrap()).unwrap(), entries);

        let bytes = std::fs::read(run.path()).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(run.path(), bytes).unwrap();
            let error = read(&run.open(&OsFileSystem).unwrap()).unwrap_err();
            assert!(error.path() == Some(run.path()) && error.place().is_some(), "{error}");
        };
        for at in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            refused(&changed);
            refused(&bytes[..at]);
        }
        let path = run.path().to_owned();
        drop(run);
        assert!(!path.exists());
    }
}
