//! Sorts the rows of a range and counts them.

use super::Row;
use super::chunk::Supply;
use super::packing::Packed;
use super::partition::{Range, TakeRows};
use super::radix::Radix;
use super::scatter::FilledChunk;
use crate::error::Result;
use crate::merge::Word;
use crate::model::{Batch, Entry};

/// Sorts ranges. Memory, which it keeps between ranges: 20 bytes a row of the largest range, 36 where packed rows have
/// 128 bits, 52 where rows do not fit the packing.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    single: Radix<u64>,
    double: Radix<u128>,
    /// For each distinct pair, the number of rows up to its last row.
    ends: Vec<u32>,
    /// The positions of the rows of a range where some rows do not fit the packing.
    positions: Vec<u128>,
}

/// Bits of the song in a position as one number.
const SONG_BITS: u32 = 64;

impl Sorter {
    /// Sorts a range and counts equal neighbours. Its rows are also passed to `taker`, in any order, after their chunks
    /// were given back.
    pub(super) fn count<'a>(
        &mut self,
        range: Range<'a>,
        supply: &mut Supply<'_, 'a>,
        taker: &mut impl TakeRows<'a>,
    ) -> Result<Batch> {
        if range.uniform {
            count_uniform(range, supply, taker)
        } else if !range.wide.is_empty() {
            self.count_wide(range, supply, taker)
        } else if range.packing.is_double() {
            count_packed(&mut self.double, &mut self.ends, range, supply, taker)
        } else {
            count_packed(&mut self.single, &mut self.ends, range, supply, taker)
        }
    }

    /// Counts a range whose rows do not all fit the packing, by sorting their positions.
    fn count_wide<'a>(
        &mut self,
        range: Range<'a>,
        supply: &mut Supply<'_, 'a>,
        taker: &mut impl TakeRows<'a>,
    ) -> Result<Batch> {
        // Frees the memory in which rows of 64 bits were sorted.
        self.single = Radix::default();
        self.positions.clear();
        let keep = |row: Row| self.positions.push(position(row));
        range.drain(supply, &mut Passing { see: keep, taker })?;
        let words = bytemuck::cast_slice(&self.positions);
        let sorted = self.double.sort(std::iter::once(words), 0);
        let distinct = keep_distinct(sorted, &mut self.ends, 0);
        let sorted = &sorted[..distinct];
        Ok(Batch {
            keys: sorted.iter().map(|position| (position >> SONG_BITS).low()).collect(),
            songs: sorted.iter().map(|position| position.low()).collect(),
            counts: counts(&self.ends),
        })
    }
}

/// A row's key and song as one number.
fn position(row: Row) -> u128 {
    u128::from(row.key) << SONG_BITS | u128::from(row.song)
}

fn count_packed<'a, P: Packed>(
    radix: &mut Radix<P>,
    ends: &mut Vec<u32>,
    range: Range<'a>,
    supply: &mut Supply<'_, 'a>,
    taker: &mut impl TakeRows<'a>,
) -> Result<Batch> {
    let (base, packing) = (range.base, range.packing);
    let parts = range.packed.iter().map(FilledChunk::words);
    let words = radix.sort(parts, packing.tag_bits());
    range.packed.into_iter().for_each(|filled| supply.give(filled.chunk));
    taker.take_rows(words.iter().map(|word| packing.unpack(base, *word)), supply)?;
    let distinct = keep_distinct(words, ends, packing.tag_bits());
    let words = &words[..distinct];
    let rows = || words.iter().map(|word| packing.unpack(base, *word));
    Ok(Batch {
        keys: rows().map(|row| row.key).collect(),
        songs: rows().map(|row| row.song).collect(),
        counts: counts(ends),
    })
}

/// The lengths of the groups with these ends.
fn counts(ends: &[u32]) -> Vec<u64> {
    let starts = std::iter::once(&0).chain(ends);
    ends.iter().zip(starts).map(|(end, start)| u64::from(end - start)).collect()
}

/// Moves the first of each group of sorted words that are equal above their `lowest` bits to the front. Puts the number
/// of words up to each group's end into `ends`. Returns the number of groups.
///
/// Each word is written whether or not it begins a group, because a branch on that would be mispredicted.
#[expect(clippy::cast_possible_truncation, reason = "the caller has less than 2^32 words")]
fn keep_distinct<P: Packed>(words: &mut [P], ends: &mut Vec<u32>, lowest: u32) -> usize {
    let Some(mut before) = words.first().map(|word| *word >> lowest) else {
        ends.clear();
        return 0;
    };
    ends.resize(words.len(), 0);
    let mut group = 0;
    for at in 0..words.len() {
        let word = words[at];
        group += usize::from(word >> lowest != before);
        before = word >> lowest;
        // A group has at least one word, so there are at most as many groups as words so far.
        words[group] = word;
        ends[group] = at as u32 + 1;
    }
    ends.truncate(group + 1);
    group + 1
}

/// Counts rows of one position, which need no sorting.
fn count_uniform<'a>(
    range: Range<'a>,
    supply: &mut Supply<'_, 'a>,
    taker: &mut impl TakeRows<'a>,
) -> Result<Batch> {
    let mut counter = NeighbourCounter::default();
    let count = |row: Row| counter.add(row.key, row.song);
    range.drain(supply, &mut Passing { see: count, taker })?;
    Ok(counter.finish())
}

/// Passes rows to a function, and then to another taker.
struct Passing<'t, S, T> {
    see: S,
    taker: &'t mut T,
}

impl<'a, S: FnMut(Row), T: TakeRows<'a>> TakeRows<'a> for Passing<'_, S, T> {
    fn take_rows(
        &mut self,
        rows: impl Iterator<Item = Row> + Clone,
        supply: &mut Supply<'_, 'a>,
    ) -> Result<()> {
        rows.clone().for_each(&mut self.see);
        self.taker.take_rows(rows, supply)
    }
}

/// Counts equal neighbours.
#[derive(Default)]
struct NeighbourCounter {
    batch: Batch,
    open: Option<Entry>,
}

impl NeighbourCounter {
    #[inline]
    fn add(&mut self, key: u64, song: u64) {
        match &mut self.open {
            // No log has 2^63 rows, so this does not overflow.
            Some(open) if open.key == key && open.song == song => open.count += 1,
            open => {
                if let Some(entry) = open.replace(Entry { key, song, count: 1 }) {
                    self.batch.push(entry);
                }
            }
        }
    }

    fn finish(mut self) -> Batch {
        self.batch.extend(self.open);
        self.batch
    }
}
