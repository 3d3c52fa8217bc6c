//! The row arena: one anonymous mapping with huge pages, handed out in chunks of 2 KiB.
//!
//! The mapping is as large as the budget allows, but a page counts as memory only after it was touched. Chunks are
//! disjoint mutable slices of the mapping, so threads write without locks and without `unsafe`.

use std::sync::{Mutex, PoisonError};

use memmap2::MmapMut;

use crate::error::{Error, Result};

/// Words in a chunk. A `u8` counts them, which wraps to 0 when the chunk is full.
pub(super) const CHUNK_WORDS: usize = 256;
/// Bytes of a chunk and of its entry in the pool.
pub(super) const CHUNK_BYTES: usize = CHUNK_WORDS * 8 + 8;
/// Maximum number of chunks that a thread takes from the pool at once.
const MAX_GRAB: usize = 32;

pub(super) type Chunk = [u64; CHUNK_WORDS];

/// Memory for rows, reserved but not yet touched.
#[derive(Debug)]
pub struct Arena(MmapMut);

impl Arena {
    /// Reserves about `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Result<Self> {
        let chunks = Self::chunks_in(bytes);
        let map = MmapMut::map_anon(chunks * CHUNK_WORDS * 8).map_err(|error| {
            Error::io("reserve memory for rows (a lower --memory reserves less)", error)
        })?;
        // Huge pages save a tenth of the time (fewer page faults and TLB misses). Without them the run is only slower,
        // so a refusal by the kernel is not an error.
        #[cfg(target_os = "linux")]
        if let Err(error) = map.advise(memmap2::Advice::HugePage) {
            tracing::debug!(%error, "no huge pages");
        }
        Ok(Arena(map))
    }

    /// Number of chunks in an arena of `bytes` bytes.
    pub(super) fn chunks_in(bytes: usize) -> usize {
        (bytes / CHUNK_BYTES).max(1)
    }
}

/// The chunks of an arena that hold no rows.
#[derive(Debug)]
pub(super) struct ChunkPool<'a> {
    free: Mutex<Vec<&'a mut Chunk>>,
    /// Chunks that filling does not take, so that draining always finds a free chunk.
    reserve: usize,
    /// Chunks that a thread takes at once.
    grab: usize,
}

/// Why draining needs free chunks, beyond those that the drained rows give back.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainNeeds {
    /// Chunks in the arena.
    pub(super) chunks: usize,
    /// Threads that drain.
    pub(super) threads: usize,
    /// Ranges of the partition that rows are scattered into again.
    pub(super) ranges: usize,
    /// Rows above which a range is split.
    pub(super) max_rows: usize,
}

impl DrainNeeds {
    /// Chunks to keep in reserve, provided that no row has more words in the second partition than in the first.
    ///
    /// Each thread has one open chunk for each range and each form of row, and some in its hand. Splitting cuts a range
    /// of n times `max_rows` into up to 3n parts (quantiles of a sample, and heavy positions). Each part has an open
    /// chunk of each form, in either partition.
    #[must_use]
    pub(super) const fn reserve(&self) -> usize {
        let rescattered = self.threads * (2 * self.ranges + 2 * grab(self.chunks));
        let split = 6 * (self.chunks * CHUNK_WORDS).div_ceil(self.max_rows);
        rescattered + 2 * split + 2
    }

    /// Maximum number of ranges for which the reserve is within a third of the arena; at least 1.
    #[must_use]
    pub(super) fn max_ranges(&self) -> usize {
        let rest = (self.chunks / 3).saturating_sub(DrainNeeds { ranges: 0, ..*self }.reserve());
        (rest / (2 * self.threads.max(1))).max(1)
    }
}

const fn grab(chunks: usize) -> usize {
    let share = chunks / 128;
    if share > MAX_GRAB {
        MAX_GRAB
    } else if share == 0 {
        1
    } else {
        share
    }
}

impl<'a> ChunkPool<'a> {
    /// A pool of all chunks of the arena. [`Supply::filling`] leaves `reserve` of them.
    pub(super) fn new(arena: &'a mut Arena, reserve: usize) -> Self {
        // A mapping starts at a page boundary, so its bytes are aligned words.
        let words: &mut [u64] = bytemuck::cast_slice_mut(&mut arena.0);
        let (chunks, _) = words.as_chunks_mut::<CHUNK_WORDS>();
        // Chunks are taken from the end, so the lowest addresses are used first, page after page.
        let free: Vec<_> = chunks.iter_mut().rev().collect();
        let grab = grab(free.len());
        ChunkPool { free: Mutex::new(free), reserve, grab }
    }

    fn take(&self, max_chunks: usize, reserve: usize, into: &mut Vec<&'a mut Chunk>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let available = free.len().saturating_sub(reserve).min(max_chunks);
        let from = free.len() - available;
        into.extend(free.drain(from..).rev());
    }

    fn give(&self, chunks: &mut Vec<&'a mut Chunk>, keep: usize) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(chunks.drain(keep.min(chunks.len())..));
    }

    /// Number of chunks without rows.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A thread's access to the pool, which takes and gives back several chunks at a time.
#[derive(Debug)]
pub(super) struct Supply<'p, 'a> {
    pool: &'p ChunkPool<'a>,
    reserve: usize,
    hand: Vec<&'a mut Chunk>,
}

impl<'p, 'a> Supply<'p, 'a> {
    /// A supply for filling, which leaves the reserve.
    pub(super) fn filling(pool: &'p ChunkPool<'a>) -> Self {
        Supply { pool, reserve: pool.reserve, hand: Vec::new() }
    }

    /// A supply for draining, which may use the reserve.
    pub(super) fn draining(pool: &'p ChunkPool<'a>) -> Self {
        Supply { pool, reserve: 0, hand: Vec::new() }
    }

    pub(super) fn take(&mut self) -> Option<&'a mut Chunk> {
        if self.hand.is_empty() {
            self.pool.take(self.pool.grab, self.reserve, &mut self.hand);
        }
        self.hand.pop()
    }

    pub(super) fn give(&mut self, chunk: &'a mut Chunk) {
        self.hand.push(chunk);
        if self.hand.len() >= 2 * self.pool.grab {
            self.pool.give(&mut self.hand, self.pool.grab);
        }
    }
}

impl Drop for Supply<'_, '_> {
    fn drop(&mut self) {
        self.pool.give(&mut self.hand, 0);
    }
}
