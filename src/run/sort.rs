//! A range of rows to sorted, counted entries.

use super::Row;
use super::chunk::Supply;
use super::packing::Packing;
use super::partition::{Range, TakeRows};
use super::radix::Radix;
use super::scatter::Filled;
use super::wide;
use crate::error::Result;
use crate::model::{Batch, Entry};

/// Sorts ranges; holds its memory between them (20 bytes a row of the largest range, 40 for rows that do not fit
/// the packing).
#[derive(Debug, Default)]
pub struct Sorter {
    radix: Radix,
    /// Of each distinct pair, how many rows there are up to its last one.
    ends: Vec<u32>,
    wide: Vec<Row>,
}

impl Sorter {
    /// Sorts a range and counts equal neighbours. Its rows are also given to `taker` (in no particular order), after
    /// the chunks they may need were given back.
    pub fn count<'a>(
        &mut self,
        range: Range<'a>,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
        taker: &mut impl TakeRows<'a>,
    ) -> Result<Batch> {
        if range.uniform {
            count_uniform(range, packing, supply, taker)
        } else if range.wide.is_empty() {
            self.count_narrow(range, packing, supply, taker)
        } else {
            self.wide.clear();
            range.drain(packing, supply, &mut self.wide)?;
            let sorted = wide::sorted(&self.wide, &mut self.radix);
            taker.take_rows(sorted.clone(), supply)?;
            let mut counter = Counter::default();
            sorted.for_each(|row| counter.add(row.key, row.song));
            Ok(counter.finish())
        }
    }

    fn count_narrow<'a>(
        &mut self,
        range: Range<'a>,
        packing: Packing,
        supply: &mut Supply<'_, 'a>,
        taker: &mut impl TakeRows<'a>,
    ) -> Result<Batch> {
        let base = range.base;
        let parts = range.narrow.iter().map(Filled::words);
        let words = self.radix.sort(parts, packing.tag_bits());
        range.narrow.into_iter().for_each(|filled| supply.give(filled.chunk));
        taker.take_rows(words.iter().map(|word| packing.unpack(base, *word)), supply)?;
        let distinct = keep_distinct(words, &mut self.ends, packing.tag_bits());
        let words = words.get(..distinct).unwrap_or_default();
        let rows = || words.iter().map(|word| packing.unpack(base, *word));
        let starts = std::iter::once(&0).chain(&self.ends);
        Ok(Batch {
            keys: rows().map(|row| row.key).collect(),
            songs: rows().map(|row| row.song).collect(),
            counts: self
                .ends
                .iter()
                .zip(starts)
                .map(|(end, start)| u64::from(end - start))
                .collect(),
        })
    }
}

/// Moves the first of each group of sorted words that are equal above their `lowest` bits to the front, and says in
/// `ends` how many words there are up to each group's end. Returns how many groups.
///
/// Each word is written whether or not it opens a group: nobody can guess whether it does.
#[expect(clippy::cast_possible_truncation, reason = "the caller has less than 2^32 words")]
fn keep_distinct(words: &mut [u64], ends: &mut Vec<u32>, lowest: u32) -> usize {
    let Some(mut before) = words.first().map(|word| word >> lowest) else {
        ends.clear();
        return 0;
    };
    ends.resize(words.len(), 0);
    let mut group = 0;
    for at in 0..words.len() {
        let Some(&word) = words.get(at) else { break };
        group += usize::from(word >> lowest != before);
        before = word >> lowest;
        if let (Some(place), Some(end)) = (words.get_mut(group), ends.get_mut(group)) {
            *place = word;
            *end = at as u32 + 1;
        }
    }
    ends.truncate(group + 1);
    group + 1
}

/// Rows of one position need no sorting, however many there are.
fn count_uniform<'a>(
    range: Range<'a>,
    packing: Packing,
    supply: &mut Supply<'_, 'a>,
    taker: &mut impl TakeRows<'a>,
) -> Result<Batch> {
    let mut counting = Counting { counter: Counter::default(), taker };
    range.drain(packing, supply, &mut counting)?;
    Ok(counting.counter.finish())
}

/// Counts rows that come sorted, and hands them on.
struct Counting<'t, T> {
    counter: Counter,
    taker: &'t mut T,
}

impl<'a, T: TakeRows<'a>> TakeRows<'a> for Counting<'_, T> {
    fn take_rows(
        &mut self,
        rows: impl Iterator<Item = Row> + Clone,
        supply: &mut Supply<'_, 'a>,
    ) -> Result<()> {
        rows.clone().for_each(|row| self.counter.add(row.key, row.song));
        self.taker.take_rows(rows, supply)
    }
}

impl<'a> TakeRows<'a> for Vec<Row> {
    fn take_rows(&mut self, rows: impl Iterator<Item = Row>, _: &mut Supply<'_, 'a>) -> Result<()> {
        self.extend(rows);
        Ok(())
    }
}

/// Counts equal neighbours.
#[derive(Default)]
struct Counter {
    batch: Batch,
    open: Option<Entry>,
}

impl Counter {
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
