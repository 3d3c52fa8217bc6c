//! Scatters one thread's rows into the chunks of their ranges.

use super::Row;
use super::chunk::{CHUNK_WORDS, Chunk, Supply};
use super::packing::{Packed, Packing};
use super::splitters::Splitters;
use crate::model::Position;
use crate::simd::prefetch;

/// Words of a row that does not fit the packing.
pub(super) const WIDE_WORDS: usize = 3;

/// Words in a line of the cache.
const LINE: u8 = 8;

/// Rows that are looked up before any of them is put.
const AHEAD: usize = 64;

/// A chunk with rows in its first words.
#[derive(Debug)]
pub(super) struct FilledChunk<'a> {
    pub(super) chunk: &'a mut Chunk,
    pub(super) words: usize,
}

impl FilledChunk<'_> {
    pub(super) fn words(&self) -> &[u64] {
        &self.chunk[..self.words]
    }
}

/// The chunk of a range that is being filled. It is small, because the open chunks of all ranges should stay in the
/// cache.
#[derive(Debug, Default)]
struct OpenChunk<'a> {
    /// The key that packed rows hold distances from.
    base: u64,
    open: Option<&'a mut Chunk>,
    /// Words in `open`; 0 when the chunk is full or absent.
    fill: u8,
}

const _: () = assert!(CHUNK_WORDS == u8::MAX as usize + 1);

impl<'a> OpenChunk<'a> {
    fn with_base(base: u64) -> Self {
        OpenChunk { base, ..OpenChunk::default() }
    }

    /// Packs a row, if it fits, and prefetches its place.
    #[inline]
    fn look_up<P: Packed>(&self, packing: Packing, row: Row) -> Option<P> {
        if let Some(chunk) = &self.open {
            prefetch(&chunk[..], usize::from(self.fill));
        }
        packing.pack(self.base, row)
    }

    /// Appends a packed row; false if the supply has no chunk left.
    #[inline]
    fn push<P: Packed>(
        &mut self,
        packed: P,
        full: &mut Vec<FilledChunk<'a>>,
        supply: &mut Supply<'_, 'a>,
    ) -> bool {
        if self.fill == 0 && !self.rotate(CHUNK_WORDS, full, supply) {
            return false;
        }
        // A chunk is open: it was not full, or `rotate` has opened one.
        let Some(chunk) = &mut self.open else { return false };
        // With many ranges, the next line of each has left the cache or was never in it.
        prefetch(&chunk[..], usize::from(self.fill.wrapping_add(LINE)));
        packed.store(chunk, self.fill);
        self.fill = self.fill.wrapping_add(P::WORDS);
        true
    }

    /// Adds the open chunk to `full` and opens another.
    #[cold]
    #[inline(never)]
    fn rotate(
        &mut self,
        words: usize,
        full: &mut Vec<FilledChunk<'a>>,
        supply: &mut Supply<'_, 'a>,
    ) -> bool {
        let Some(fresh) = supply.take() else { return false };
        if let Some(chunk) = self.open.replace(fresh) {
            full.push(FilledChunk { chunk, words });
        }
        self.fill = 0;
        true
    }

    /// Appends a row of three words to one chunk; false if the supply has no chunk left.
    fn push_wide(
        &mut self,
        row: Row,
        full: &mut Vec<FilledChunk<'a>>,
        supply: &mut Supply<'_, 'a>,
    ) -> bool {
        let filled = usize::from(self.fill);
        if (self.open.is_none() || filled + WIDE_WORDS > CHUNK_WORDS)
            && !self.rotate(filled, full, supply)
        {
            return false;
        }
        // A chunk is open: it had room, or `rotate` has opened one.
        let Some(chunk) = &mut self.open else { return false };
        let start = usize::from(self.fill);
        chunk[start..start + WIDE_WORDS].copy_from_slice(&[row.key, row.song, row.tag]);
        // 85 rows fill 255 words, so this does not wrap.
        self.fill = self.fill.saturating_add(3);
        true
    }
}

/// A packed row and its range.
#[derive(Debug, Clone, Copy, Default)]
struct Target<P> {
    range: usize,
    packed: P,
}

/// The chunks of each range, for one form of row.
#[derive(Debug)]
struct RangeChunks<'a> {
    heads: Vec<OpenChunk<'a>>,
    /// Chunks that were filled before.
    full: Vec<Vec<FilledChunk<'a>>>,
}

impl<'a> RangeChunks<'a> {
    fn new(bases: impl Iterator<Item = u64>) -> Self {
        let heads: Vec<_> = bases.map(OpenChunk::with_base).collect();
        let full = std::iter::repeat_with(Vec::new).take(heads.len()).collect();
        RangeChunks { heads, full }
    }

    /// Puts a row into its range; false, without a change, if the supply has no chunk left.
    #[inline]
    fn push<P: Packed>(&mut self, place: Target<P>, supply: &mut Supply<'_, 'a>) -> bool {
        // The splitters name ranges that have a head.
        self.heads[place.range].push(place.packed, &mut self.full[place.range], supply)
    }

    fn finish(self) -> impl Iterator<Item = Vec<FilledChunk<'a>>> {
        self.heads.into_iter().zip(self.full).map(|(head, mut full)| {
            let words = if head.fill == 0 { CHUNK_WORDS } else { usize::from(head.fill) };
            full.extend(head.open.map(|chunk| FilledChunk { chunk, words }));
            full
        })
    }
}

/// The rows that one thread has put into each range.
///
/// Memory: the rows, and a chunk (2 KiB) a range that is not full; two where rows do not fit the packing.
#[derive(Debug)]
pub(super) struct Scatter<'a> {
    packed: RangeChunks<'a>,
    wide: RangeChunks<'a>,
}

impl<'a> Scatter<'a> {
    /// A scatter without rows.
    #[must_use]
    pub(super) fn new(splitters: &Splitters) -> Self {
        let bases = || (0..splitters.ranges()).map(|range| splitters.base(range));
        Scatter { packed: RangeChunks::new(bases()), wide: RangeChunks::new(bases()) }
    }

    /// As [`Scatter::new`], for ranges within one range that starts at `base`.
    pub(super) fn within(splitters: &Splitters, base: u64) -> Self {
        let bases = || std::iter::repeat_n(base, splitters.ranges());
        Scatter { packed: RangeChunks::new(bases()), wide: RangeChunks::new(bases()) }
    }

    /// Puts rows into their ranges until they end or the supply has no chunk left; returns the number of rows put.
    ///
    /// All rows of a scatter have the same packing.
    #[inline]
    pub(super) fn put(
        &mut self,
        rows: impl Iterator<Item = Row>,
        splitters: &Splitters,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
    ) -> usize {
        if packing.is_double() {
            self.put_packed::<u128>(rows, splitters, packing, supply)
        } else {
            self.put_packed::<u64>(rows, splitters, packing, supply)
        }
    }

    /// Looks up some rows before it puts them. So the processor works on all of them at once, and their places are in
    /// the cache when they are written.
    #[inline]
    fn put_packed<P: Packed>(
        &mut self,
        mut rows: impl Iterator<Item = Row>,
        splitters: &Splitters,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
    ) -> usize {
        let mut put = 0;
        let mut places = [Target::<P>::default(); AHEAD];
        loop {
            let mut found = 0;
            let mut wide = None;
            for (place, row) in places.iter_mut().zip(&mut rows) {
                let range = splitters.range_of(Position { key: row.key, song: row.song });
                let Some(packed) = self.packed.heads[range].look_up(packing, row) else {
                    wide = Some((range, row));
                    break;
                };
                *place = Target { range, packed };
                found += 1;
            }
            for place in places.iter().take(found) {
                if !self.packed.push(*place, supply) {
                    return put;
                }
                put += 1;
            }
            match wide {
                Some((range, row)) if self.put_wide(range, row, supply) => put += 1,
                None if found == AHEAD => {}
                _ => return put,
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn put_wide(&mut self, range: usize, row: Row, supply: &mut Supply<'_, 'a>) -> bool {
        let RangeChunks { heads, full } = &mut self.wide;
        heads[range].push_wide(row, &mut full[range], supply)
    }

    /// The chunks of each range: those of packed rows, and those of rows of three words.
    pub(super) fn finish(
        self,
    ) -> impl Iterator<Item = (Vec<FilledChunk<'a>>, Vec<FilledChunk<'a>>)> {
        self.packed.finish().zip(self.wide.finish())
    }
}
