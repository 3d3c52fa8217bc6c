//! Reads a section of a partial in pieces, so that it need not fit the memory. Its checksum is known only at the end.

use super::layout::Section;
use crate::codec::checksum::Hasher;
use crate::error::Result;
use crate::fs::ReadFile;
use crate::runfile::read_exact;

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Reads a section front to back.
///
/// Memory: 64 KiB at most.
pub(super) struct SectionReader<'a> {
    file: &'a dyn ReadFile,
    section: Section,
    /// Where the buffer ends in the section.
    read: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
    own: Hasher,
    /// Also gets all bytes of the section.
    whole: &'a mut Hasher,
}

impl<'a> SectionReader<'a> {
    pub(super) fn new(file: &'a dyn ReadFile, section: Section, whole: &'a mut Hasher) -> Self {
        let (read, taken) = (0, 0);
        SectionReader { file, section, read, buffer: Vec::new(), taken, own: Hasher::new(), whole }
    }

    /// Passes the next `count` bytes to `see`, in one or more pieces; false if the section has fewer.
    pub(super) fn take(&mut self, count: u64, mut see: impl FnMut(&[u8])) -> Result<bool> {
        let mut left = count;
        loop {
            // `taken` only grows by bytes that the buffer has.
            let rest = &self.buffer[self.taken..];
            let here = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
            see(&rest[..here]);
            self.taken += here;
            left -= here as u64;
            if left == 0 {
                return Ok(true);
            }
            if !self.refill()? {
                return Ok(false);
            }
        }
    }

    /// Takes the next bytes into `buffer`; false if there are fewer.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<bool> {
        let (count, mut rest) = (buffer.len() as u64, buffer);
        self.take(count, |bytes| {
            if let Some((here, after)) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len())
            {
                here.copy_from_slice(bytes);
                rest = after;
            }
        })
    }

    /// Whether all bytes were taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.read == self.section.length && self.taken == self.buffer.len()
    }

    /// Reads the rest; returns whether the checksum of the whole section is right.
    pub(super) fn is_intact(&mut self) -> Result<bool> {
        while self.refill()? {}
        Ok(self.own.checksum() == self.section.checksum)
    }

    fn refill(&mut self) -> Result<bool> {
        let left = self.section.length.saturating_sub(self.read);
        let count = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        self.buffer.resize(count, 0);
        self.taken = 0;
        if count == 0 {
            return Ok(false);
        }
        read_exact(self.file, &mut self.buffer, self.section.offset.saturating_add(self.read))?;
        self.read += count as u64;
        self.own.update(&self.buffer);
        self.whole.update(&self.buffer);
        Ok(true)
    }
}

/// Runs `run` on bytes as on a section of a file.
#[cfg(test)]
pub(super) fn in_memory<T>(bytes: &[u8], run: impl FnOnce(&mut SectionReader<'_>) -> T) -> T {
    let (length, checksum) = (bytes.len() as u64, crate::codec::checksum::Checksum::of(bytes));
    let file = crate::testing::MemoryFile(bytes.to_vec());
    let mut whole = Hasher::new();
    let section = Section { offset: 0, length, checksum };
    let mut reader = SectionReader::new(&file, section, &mut whole);
    let outcome = run(&mut reader);
    assert!(reader.is_intact().unwrap());
    outcome
}
