//! One thread's share of a partition while it is being filled.

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

/// Rows that are looked up before they are put.
const AHEAD: usize = 64;

/// Words in a chunk, from its start.
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

/// The chunk of a range that is being filled. Small, for all of them together should stay in the cache.
#[derive(Debug, Default)]
struct OpenChunk<'a> {
    /// What the keys of packed rows are distances from.
    base: u64,
    open: Option<&'a mut Chunk>,
    /// Words in `open`; 0 when it is full or there is none.
    fill: u8,
}

const _: () = assert!(CHUNK_WORDS == u8::MAX as usize + 1);

impl<'a> OpenChunk<'a> {
    fn with_base(base: u64) -> Self {
        OpenChunk { base, ..OpenChunk::default() }
    }

    /// A row packed, if it fits; and has the place where it goes brought near.
    #[inline]
    fn look_up<P: Packed>(&self, packing: Packing, row: Row) -> Option<P> {
        if let Some(chunk) = &self.open {
            prefetch(&chunk[..], usize::from(self.fill));
        }
        packing.pack(self.base, row)
    }

    /// Appends a packed row to `open`, which then has room for it; false when the supply has no chunk left.
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
        if let Some(chunk) = &mut self.open {
            // Of many ranges, the next line of each has left the cache, or was never in it.
            prefetch(&chunk[..], usize::from(self.fill.wrapping_add(LINE)));
            packed.store(chunk, self.fill);
        }
        self.fill = self.fill.wrapping_add(P::WORDS);
        true
    }

    /// Puts the full chunk away and opens another.
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

    /// Appends a row of three words, which never straddles two chunks.
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
        let start = usize::from(self.fill);
        let room = self.open.as_mut().and_then(|chunk| chunk.get_mut(start..start + WIDE_WORDS));
        if let Some(room) = room {
            room.copy_from_slice(&[row.key, row.song, row.tag]);
        }
        // 85 rows fill 255 words: no wrap.
        self.fill = self.fill.saturating_add(3);
        true
    }
}

/// Where a packed row goes.
#[derive(Debug, Clone, Copy, Default)]
struct Target<P> {
    range: usize,
    packed: P,
}

/// The chunks of each range, in one form of row.
#[derive(Debug)]
struct RangeChunks<'a> {
    heads: Vec<OpenChunk<'a>>,
    /// Those that were filled before.
    full: Vec<Vec<FilledChunk<'a>>>,
}

impl<'a> RangeChunks<'a> {
    fn new(bases: impl Iterator<Item = u64>) -> Self {
        let heads: Vec<_> = bases.map(OpenChunk::with_base).collect();
        let full = std::iter::repeat_with(Vec::new).take(heads.len()).collect();
        RangeChunks { heads, full }
    }

    /// Puts a row into its range; false, with nothing done, when the supply has no chunk left.
    #[inline]
    fn push<P: Packed>(&mut self, place: Target<P>, supply: &mut Supply<'_, 'a>) -> bool {
        let range = self.heads.get_mut(place.range).zip(self.full.get_mut(place.range));
        range.is_some_and(|(head, full)| head.push(place.packed, full, supply))
    }

    fn finish(self) -> impl Iterator<Item = Vec<FilledChunk<'a>>> {
        self.heads.into_iter().zip(self.full).map(|(head, mut full)| {
            let words = if head.fill == 0 { CHUNK_WORDS } else { usize::from(head.fill) };
            full.extend(head.open.map(|chunk| FilledChunk { chunk, words }));
            full
        })
    }
}

/// What one thread has put into each range.
///
/// Memory: at most one chunk (2 KiB) a range that is not full, twice that where rows do not fit the packing.
#[derive(Debug)]
pub(super) struct Scatter<'a> {
    packed: RangeChunks<'a>,
    wide: RangeChunks<'a>,
}

impl<'a> Scatter<'a> {
    /// An empty one.
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

    /// Puts rows into their ranges until they end or the supply has no chunk left; returns how many it put.
    ///
    /// The packing is the same for all rows of a scatter.
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

    /// A few rows are looked up before they are put: so the processor works at all of them at once, and their places
    /// are in the cache when they are written.
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
                let head = self.packed.heads.get(range);
                let Some(packed) = head.and_then(|head| head.look_up(packing, row)) else {
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
        let place = heads.get_mut(range).zip(full.get_mut(range));
        place.is_some_and(|(head, full)| head.push_wide(row, full, supply))
    }

    /// The filled chunks of each range: packed rows, and rows of three words.
    pub(super) fn finish(
        self,
    ) -> impl Iterator<Item = (Vec<FilledChunk<'a>>, Vec<FilledChunk<'a>>)> {
        self.packed.finish().zip(self.wide.finish())
    }
}
