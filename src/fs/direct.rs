//! Writes a large file around the page cache.
//!
//! A file that is synced at its end and not read again gains nothing from the cache: each page of it is taken from
//! the system, filled by a copy, and written from there when the sync asks for it. With `O_DIRECT` the disk takes the
//! writer's own memory, and nearly all is durable before the sync. docs/performance.md has what that saves.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Bytes of one write.
const BLOCK: usize = 512 << 10;
/// Memory, offset and length of a direct write are multiples of this: of a page, and of any disk's sector.
const ALIGNMENT: usize = 4096;
/// Enough for a piece of an emission, so its writer rarely waits for the disk. With 3 MiB in all, an emission took 6 %
/// longer.
const BLOCKS: usize = 8;

/// Hands blocks to a thread that writes them.
///
/// Memory: 4 MiB. A failure to write is returned by a later write or by [`DirectWriter::finish`]; all later calls fail
/// too.
#[derive(Debug)]
pub(super) struct DirectWriter {
    filling: Block,
    /// To the thread; `None` ends it.
    full: Option<SyncSender<Block>>,
    /// Back from the thread.
    empty: Receiver<Block>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl DirectWriter {
    /// Writes on where the file's own position is. The file itself must not be written to until this is finished.
    ///
    /// On a file system without direct writes, the blocks go through the page cache.
    ///
    /// # Errors
    /// No thread may be started.
    pub(super) fn start(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (full, to_write) = sync_channel::<Block>(BLOCKS);
        let (written, empty) = sync_channel(BLOCKS);
        for _ in 1..BLOCKS {
            // There is room for all.
            let _ = written.try_send(Block::new());
        }
        let write = move || {
            if let Err(error) = set_direct(&file, true) {
                tracing::debug!(%error, "the file is written through the page cache");
            }
            for mut block in to_write {
                write_block(&file, block.bytes())?;
                block.used = 0;
                let _ = written.try_send(block);
            }
            set_direct(&file, false)
        };
        let thread = std::thread::Builder::new().name("agg-write".to_owned()).spawn(write)?;
        Ok(DirectWriter { filling: Block::new(), full: Some(full), empty, thread: Some(thread) })
    }

    /// Takes some of these bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full.is_none() {
            return Err(ended());
        }
        if self.filling.used == BLOCK {
            match self.empty.recv() {
                Ok(empty) => self.hand_over(empty)?,
                Err(_) => return Err(self.failure()),
            }
        }
        Ok(self.filling.take(bytes))
    }

    /// Waits until all is written. The file's own position is at its end then.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let none = Block { memory: Vec::new(), start: 0, used: 0 };
        self.hand_over(none)?;
        self.end()
    }

    /// Hands over what was filled; goes on with `next`.
    fn hand_over(&mut self, next: Block) -> io::Result<()> {
        let block = std::mem::replace(&mut self.filling, next);
        match self.full.as_ref().map(|full| full.send(block)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(self.failure()),
        }
    }

    /// Why the thread has ended early.
    fn failure(&mut self) -> io::Error {
        self.end().err().unwrap_or_else(ended)
    }

    /// Ends the thread when it has written its blocks, and returns its outcome, once.
    fn end(&mut self) -> io::Result<()> {
        self.full = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(ended()),
        }
    }
}

impl Drop for DirectWriter {
    /// Waits for the thread, so that it does not write to a file that the caller removes next.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn ended() -> io::Error {
    io::Error::other("writing went on after an error")
}

/// Writes a full block directly. The last block, whose length is not a multiple of the alignment, goes through the page
/// cache.
fn write_block(file: &File, mut bytes: &[u8]) -> io::Result<()> {
    if bytes.len() < BLOCK {
        set_direct(file, false)?;
    }
    let mut file = file;
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A file system can accept the flag and refuse such a block.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && is_direct(file)? => {
                set_direct(file, false)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_direct(file: &File) -> io::Result<bool> {
    Ok(fcntl_getfl(file)?.contains(OFlags::DIRECT))
}

fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    Ok(fcntl_setfl(file, flags)?)
}

/// Memory for one block.
#[derive(Debug)]
struct Block {
    memory: Vec<u8>,
    /// Where in it the alignment is right.
    start: usize,
    used: usize,
}

impl Block {
    fn new() -> Self {
        let memory = vec![0; BLOCK + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Block { memory, start, used: 0 }
    }

    fn bytes(&self) -> &[u8] {
        // The alignment is right within its own length, and `take` fills no more than a block.
        &self.memory[self.start..self.start + self.used]
    }

    /// Appends as many of these bytes as there is room for.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.memory[self.start + self.used..self.start + BLOCK];
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.used += length;
        length
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    fn written(before: &[u8], length: usize, part: usize) -> (Vec<u8>, Vec<u8>) {
        // The folder of the build is on a disk; that of temporary files may not be.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(before).unwrap();
        let mut writer = DirectWriter::start(&file).unwrap();
        let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        for part in bytes.chunks(part) {
            let mut rest = part;
            while !rest.is_empty() {
                let taken = writer.write(rest).unwrap();
                rest = &rest[taken..];
            }
        }
        writer.finish().unwrap();
        assert_eq!(file.stream_position().unwrap(), (before.len() + length) as u64);
        assert!(!is_direct(&file).unwrap());
        // A later write continues after it.
        file.write_all(b"end").unwrap();
        let expected = [before, bytes.as_slice(), b"end"].concat();
        (std::fs::read(&path).unwrap(), expected)
    }

    #[test]
    fn any_length_in_any_parts_is_written_whole() {
        let cases = [
            (0, 1),
            (5, 2),
            (BLOCK - 1, 70_001),
            (BLOCK, BLOCK),
            (BLOCK + 1, 4096),
            (11 * BLOCK + 5, 3 * BLOCK + 1),
        ];
        // A start at no multiple of the alignment is refused by the system, and goes through the page cache.
        for (before, (length, part)) in
            [&b""[..], b"odd"].iter().flat_map(|before| cases.map(|case| (before, case)))
        {
            let (found, expected) = written(before, length, part);
            assert!(found == expected, "{length} bytes in parts of {part} after {before:?}");
        }
    }

    #[test]
    fn dropping_it_waits_for_the_blocks_that_were_handed_over() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        let mut writer = DirectWriter::start(&file).unwrap();
        for _ in 0..3 {
            assert_eq!(writer.write(&vec![7; BLOCK]).unwrap(), BLOCK);
        }
        drop(writer);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * BLOCK as u64);
    }

    #[test]
    fn a_file_that_may_not_be_written_to_is_reported_once_and_stays_failed() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"old").unwrap();
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        let mut writer = DirectWriter::start(&file).unwrap();
        let block = vec![1; BLOCK];
        let failed = (0..9).find_map(|_| writer.write(&block).err()).unwrap();
        assert_eq!(failed.raw_os_error(), Some(9), "not open for writing");
        assert!(writer.write(&block).is_err() && writer.finish().is_err());
        assert!(std::fs::read(&path).unwrap() == b"old");
    }
}
