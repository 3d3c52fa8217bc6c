//! A range of rows to sorted, counted entries.

use super::Row;
use super::chunk::Supply;
use super::packing::Packing;
use super::partition::Range;
use crate::error::Result;
use crate::model::{Batch, Entry};

/// Below this many rows the standard library's sort is faster than clearing counters.
const RADIX_FROM: usize = 1024;
/// Bits of a radix digit: 2,048 counters and as many write heads stay in the second-level cache.
const DIGIT_BITS: u32 = 11;

/// Sorts ranges; holds its memory between them (16 bytes a row of the largest range, 40 for rows that do not fit
/// the packing).
#[derive(Debug, Default)]
pub struct Sorter {
    words: Vec<u64>,
    other: Vec<u64>,
    wide: Vec<Row>,
}

impl Sorter {
    /// Sorts a range and counts equal neighbours. Each row is also given to `each` (in no particular order), after
    /// the chunks it may need were given back.
    pub fn count<'a>(
        &mut self,
        range: Range<'a>,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
        mut each: impl FnMut(Row, &mut Supply<'_, 'a>) -> bool,
    ) -> Result<Batch> {
        let mut each = |row, supply: &mut Supply<'_, 'a>| {
            if each(row, supply) { Ok(()) } else { Err(super::partition::arena_is_full()) }
        };
        if range.uniform {
            count_uniform(range, packing, supply, each)
        } else if range.wide.is_empty() {
            self.count_narrow(range, packing, supply, each)
        } else {
            self.wide.clear();
            range.drain(packing, supply, |row, _| {
                self.wide.push(row);
                Ok(())
            })?;
            self.wide.sort_unstable();
            let mut counter = Counter::default();
            for row in &self.wide {
                each(*row, supply)?;
                counter.add(row.key, row.song);
            }
            Ok(counter.finish())
        }
    }

    fn count_narrow<'a>(
        &mut self,
        range: Range<'a>,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
        mut each: impl FnMut(Row, &mut Supply<'_, 'a>) -> Result<()>,
    ) -> Result<Batch> {
        let base = range.base;
        self.words.clear();
        self.words.reserve(range.rows());
        for filled in range.narrow {
            self.words.extend_from_slice(filled.words());
            supply.give(filled.chunk);
        }
        sort_above(&mut self.words, &mut self.other, packing.tag_bits());
        let mut counter = Counter::with_capacity(self.words.len());
        for word in &self.words {
            let row = packing.unpack(base, *word);
            each(row, supply)?;
            counter.add(row.key, row.song);
        }
        Ok(counter.finish())
    }
}

/// Rows of one position need no sorting, however many there are.
fn count_uniform<'a>(
    range: Range<'a>,
    packing: Packing,
    supply: &mut Supply<'_, 'a>,
    mut each: impl FnMut(Row, &mut Supply<'_, 'a>) -> Result<()>,
) -> Result<Batch> {
    let mut counter = Counter::default();
    range.drain(packing, supply, |row, supply| {
        counter.add(row.key, row.song);
        each(row, supply)
    })?;
    Ok(counter.finish())
}

/// Counts equal neighbours.
#[derive(Default)]
struct Counter {
    batch: Batch,
    open: Option<Entry>,
}

impl Counter {
    fn with_capacity(rows: usize) -> Self {
        Counter { batch: Batch::with_capacity(rows), open: None }
    }

    #[inline]
    fn add(&mut self, key: u64, song: u64) {
        match &mut self.open {
            // No log has 2^63 rows.
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

/// Sorts `words` by their bits from `lowest` on: least significant digit first, digits that are the same in all words
/// left out. `other` is as long afterwards.
fn sort_above(words: &mut Vec<u64>, other: &mut Vec<u64>, lowest: u32) {
    if words.len() < RADIX_FROM {
        words.sort_unstable_by_key(|word| word >> lowest);
        return;
    }
    let Some(&first) = words.first() else { return };
    let differing = words.iter().fold(0, |bits, word| bits | (word ^ first));
    let bits = (64 - differing.leading_zeros()).saturating_sub(lowest);
    let passes = bits.div_ceil(DIGIT_BITS);
    if passes == 0 {
        return;
    }
    let digit_bits = bits.div_ceil(passes);
    other.clear();
    other.resize(words.len(), 0);
    for pass in 0..passes {
        pass_by_digit(words, other, lowest + pass * digit_bits, digit_bits);
        std::mem::swap(words, other);
    }
}

/// One stable pass: `to` is `from` by the digit at `shift`.
fn pass_by_digit(from: &[u64], to: &mut [u64], shift: u32, digit_bits: u32) {
    const SIZE: usize = 1 << DIGIT_BITS;
    let mask = SIZE.min(1 << digit_bits) - 1;
    let digit = |word: u64| {
        #[expect(clippy::cast_possible_truncation, reason = "masked to 11 bits")]
        let digit = (word >> shift) as usize & mask & (SIZE - 1);
        digit
    };
    let mut heads = [0usize; SIZE];
    for word in from {
        heads[digit(*word)] += 1;
    }
    let mut sum = 0;
    for head in &mut heads {
        sum += std::mem::replace(head, sum);
    }
    for word in from {
        let head = &mut heads[digit(*word)];
        if let Some(place) = to.get_mut(*head) {
            *place = *word;
        }
        *head += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_radix_sort_sorts(
            seed in any::<u64>(), length in 0usize..5000, shift in 0u32..64, lowest in 0u32..12,
        ) {
            let mut state = seed;
            let mut words: Vec<u64> = (0..length).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state ^ state >> 33) >> shift
            }).collect();
            let mut expected = words.clone();
            sort_above(&mut words, &mut Vec::new(), lowest);
            prop_assert!(words.is_sorted_by_key(|word| word >> lowest));
            words.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(words, expected);
        }
    }
}
