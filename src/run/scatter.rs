//! One thread's share of a partition while it is being filled.

use super::Row;
use super::chunk::{CHUNK_WORDS, Chunk, Supply};
use super::packing::Packing;
use super::splitters::Splitters;
use crate::model::Position;

/// Words of a row that does not fit the packing.
pub(super) const WIDE_WORDS: usize = 3;

/// Words in a chunk, from its start.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    pub(super) chunk: &'a mut Chunk,
    pub(super) words: usize,
}

impl Filled<'_> {
    pub(super) fn words(&self) -> &[u64] {
        self.chunk.get(..self.words).unwrap_or_default()
    }
}

/// The chunk being filled, and the full ones before it.
#[derive(Debug, Default)]
struct Slot<'a> {
    /// Words in `open`; 0 when it is full or there is none.
    fill: u8,
    open: Option<&'a mut Chunk>,
    full: Vec<Filled<'a>>,
}

const _: () = assert!(CHUNK_WORDS == u8::MAX as usize + 1);

impl<'a> Slot<'a> {
    /// Appends one word; false when the supply has no chunk left.
    #[inline]
    fn push(&mut self, word: u64, supply: &mut Supply<'_, 'a>) -> bool {
        if self.fill == 0 && !self.rotate(CHUNK_WORDS, supply) {
            return false;
        }
        if let Some(chunk) = &mut self.open {
            chunk[usize::from(self.fill)] = word;
        }
        self.fill = self.fill.wrapping_add(1);
        true
    }

    /// Puts the full chunk away and opens another.
    #[cold]
    fn rotate(&mut self, words: usize, supply: &mut Supply<'_, 'a>) -> bool {
        let Some(fresh) = supply.take() else { return false };
        if let Some(chunk) = self.open.replace(fresh) {
            self.full.push(Filled { chunk, words });
        }
        self.fill = 0;
        true
    }

    /// Appends a row of three words, which never straddles two chunks.
    fn push_wide(&mut self, row: Row, supply: &mut Supply<'_, 'a>) -> bool {
        let filled = usize::from(self.fill);
        if (self.open.is_none() || filled + WIDE_WORDS > CHUNK_WORDS)
            && !self.rotate(filled, supply)
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

    fn finish(mut self) -> Vec<Filled<'a>> {
        if let Some(chunk) = self.open {
            let words = if self.fill == 0 { CHUNK_WORDS } else { usize::from(self.fill) };
            self.full.push(Filled { chunk, words });
        }
        self.full
    }
}

/// What one thread has put into each range.
///
/// Memory: at most one chunk (2 KiB) a range that is not full, twice that where rows do not fit the packing.
#[derive(Debug)]
pub struct Scatter<'a> {
    narrow: Vec<Slot<'a>>,
    wide: Vec<Slot<'a>>,
    bases: Vec<u64>,
}

impl<'a> Scatter<'a> {
    /// An empty one.
    #[must_use]
    pub fn new(splitters: &Splitters) -> Self {
        let ranges = splitters.ranges();
        let slots = || std::iter::repeat_with(Slot::default).take(ranges).collect();
        let bases = (0..ranges).map(|range| splitters.base(range)).collect();
        Scatter { narrow: slots(), wide: slots(), bases }
    }

    /// As [`Scatter::new`], for ranges within one range that starts at `base`.
    pub(super) fn within(splitters: &Splitters, base: u64) -> Self {
        let mut scatter = Self::new(splitters);
        scatter.bases.fill(base);
        scatter
    }

    /// Puts a row into its range; false, with nothing done, when the supply has no chunk left.
    #[inline]
    pub fn put(
        &mut self,
        row: Row,
        splitters: &Splitters,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
    ) -> bool {
        let range = splitters.range_of(Position { key: row.key, song: row.song });
        let slot = self.bases.get(range).zip(self.narrow.get_mut(range));
        if let Some((base, slot)) = slot
            && let Some(word) = packing.pack(*base, row)
        {
            return slot.push(word, supply);
        }
        self.put_wide(range, row, supply)
    }

    #[cold]
    fn put_wide(&mut self, range: usize, row: Row, supply: &mut Supply<'_, 'a>) -> bool {
        self.wide.get_mut(range).is_some_and(|slot| slot.push_wide(row, supply))
    }

    /// The filled chunks of each range: packed rows, and rows of three words.
    pub(super) fn finish(self) -> impl Iterator<Item = (Vec<Filled<'a>>, Vec<Filled<'a>>)> {
        self.narrow
            .into_iter()
            .zip(self.wide)
            .map(|(narrow, wide)| (narrow.finish(), wide.finish()))
    }
}
