//! The merge, in rounds.
//!
//! Each input holds one decoded batch. A round takes the smallest of the batches' last positions as its
//! bound, gathers from every input what is not beyond it, and brings that into order: at least one batch
//! is used up, and nothing that comes later can belong before the bound. The gathered entries are sorted
//! runs side by side, which the standard library's stable sort recognises and merges
//! (driftsort, Peters and Bergdoll 2024); positions are packed into one word first where they fit.
//!
//! Compared with a heap of cursors, a round has no branch an entry that depends on which input is next, and costs
//! about log2(inputs) simple steps an entry, for ten-song users and for countries with a million songs alike.

use super::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Batch, Entry, Kind, MAX_ID, Position};

/// The merge of sorted streams; itself a [`Stream`].
///
/// Memory: a batch (98 KB) an input, and 40 bytes for each entry of a round (rarely more than one batch).
/// After an error it stays failed.
#[derive(Debug)]
pub struct Merge<S> {
    /// What the keys are, for messages.
    kind: Kind,
    heads: Vec<Head<S>>,
    narrow: Vec<(u64, u64)>,
    wide: Vec<(u128, u64)>,
    failed: bool,
}

#[derive(Debug)]
struct Head<S> {
    stream: S,
    batch: Batch,
    /// Entries of the batch that were handed out.
    taken: usize,
}

impl<S: Stream> Head<S> {
    /// Makes sure that there is an entry to take; false when the stream has ended.
    fn refill(&mut self) -> Result<bool> {
        while self.taken >= self.batch.len() {
            self.taken = 0;
            if !self.stream.next(&mut self.batch)? {
                self.batch.clear();
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn first(&self) -> Option<Position> {
        position(&self.batch, self.taken)
    }

    fn last(&self) -> Option<Position> {
        position(&self.batch, self.batch.len().checked_sub(1)?)
    }

    /// The end of the entries that are not beyond `bound`.
    fn end(&self, bound: Position) -> usize {
        let keys = self.batch.keys.get(self.taken..).unwrap_or_default();
        let below = self.taken + keys.partition_point(|key| *key < bound.key);
        let keys = self.batch.keys.get(below..).unwrap_or_default();
        let same = keys.partition_point(|key| *key == bound.key);
        let songs = self.batch.songs.get(below..below + same).unwrap_or_default();
        below + songs.partition_point(|song| *song <= bound.song)
    }
}

fn position(batch: &Batch, at: usize) -> Option<Position> {
    let key = *batch.keys.get(at)?;
    batch.songs.get(at).map(|&song| Position { key, song })
}

impl<S: Stream> Merge<S> {
    /// The merge of these streams, whose keys are of one kind.
    pub fn new(kind: Kind, streams: Vec<S>) -> Self {
        let head = |stream| Head { stream, batch: Batch::default(), taken: 0 };
        let heads = streams.into_iter().map(head).collect();
        Merge { kind, heads, narrow: Vec::new(), wide: Vec::new(), failed: false }
    }

    fn round(&mut self, out: &mut Batch) -> Result<bool> {
        out.clear();
        let mut at = 0;
        while let Some(head) = self.heads.get_mut(at) {
            if head.refill()? {
                at += 1;
            } else {
                self.heads.remove(at);
            }
        }
        if let [head] = self.heads.as_mut_slice() {
            // Nothing to merge with: the rest of the batch as it is.
            out.extend_from(&head.batch, head.taken..head.batch.len());
            head.taken = head.batch.len();
            return Ok(true);
        }
        let Some(bound) = self.heads.iter().filter_map(Head::last).min() else { return Ok(false) };
        let Some(base) = self.heads.iter().filter_map(Head::first).min() else { return Ok(false) };
        let song_bits = self.song_bits(bound);
        let key_bits = 64 - (bound.key - base.key.min(bound.key)).leading_zeros();
        if key_bits + song_bits <= 64 {
            gather(&mut self.heads, bound, &mut self.narrow, Packing::<u64>::new(base, song_bits));
            consolidate(self.kind, &mut self.narrow, &Packing::<u64>::new(base, song_bits), out)?;
        } else {
            gather(&mut self.heads, bound, &mut self.wide, Packing::<u128>::new(base, 64));
            consolidate(self.kind, &mut self.wide, &Packing::<u128>::new(base, 64), out)?;
        }
        Ok(true)
    }

    /// Bits of the widest song that this round can meet.
    fn song_bits(&self, bound: Position) -> u32 {
        let songs = |head: &Head<S>| {
            let songs = head.batch.songs.get(head.taken..head.end(bound)).unwrap_or_default();
            songs.iter().fold(0, |all, song| all | song)
        };
        64 - self.heads.iter().fold(0, |all, head| all | songs(head)).leading_zeros()
    }
}

impl<S: Stream> Stream for Merge<S> {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        if self.failed {
            return Err(Error::damaged("merging went on after an error"));
        }
        let outcome = self.round(batch);
        self.failed = outcome.is_err();
        outcome
    }
}

/// A position as one number that has the same order.
#[derive(Debug, Clone, Copy)]
struct Packing<P> {
    base: u64,
    song_bits: u32,
    packed: std::marker::PhantomData<P>,
}

trait Packed: Copy + Ord {
    fn pack(packing: &Packing<Self>, position: Position) -> Self;
    fn unpack(packing: &Packing<Self>, packed: Self) -> Position;
}

impl<P> Packing<P> {
    fn new(base: Position, song_bits: u32) -> Self {
        Packing { base: base.key, song_bits, packed: std::marker::PhantomData }
    }
}

impl Packed for u64 {
    fn pack(packing: &Packing<Self>, position: Position) -> Self {
        // With all 64 bits for the song, the key's part is 0 and the shift is none of the hardware's.
        let key = (position.key - packing.base).checked_shl(packing.song_bits).unwrap_or(0);
        key | position.song
    }

    fn unpack(packing: &Packing<Self>, packed: Self) -> Position {
        let key = packed.checked_shr(packing.song_bits).unwrap_or(0);
        let song = packed ^ key.checked_shl(packing.song_bits).unwrap_or(0);
        Position { key: key + packing.base, song }
    }
}

impl Packed for u128 {
    fn pack(packing: &Packing<Self>, position: Position) -> Self {
        u128::from(position.key - packing.base) << 64 | u128::from(position.song)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves are taken apart")]
    fn unpack(packing: &Packing<Self>, packed: Self) -> Position {
        Position { key: (packed >> 64) as u64 + packing.base, song: packed as u64 }
    }
}

/// Takes from every head the entries that are not beyond `bound`.
fn gather<S: Stream, P: Packed>(
    heads: &mut [Head<S>],
    bound: Position,
    gathered: &mut Vec<(P, u64)>,
    packing: Packing<P>,
) {
    gathered.clear();
    for head in heads {
        let end = head.end(bound);
        let range = head.taken..end;
        let keys = head.batch.keys.get(range.clone()).unwrap_or_default();
        let songs = head.batch.songs.get(range.clone()).unwrap_or_default();
        let counts = head.batch.counts.get(range).unwrap_or_default();
        gathered.extend(
            keys.iter()
                .zip(songs)
                .zip(counts)
                .map(|((&key, &song), &count)| (P::pack(&packing, Position { key, song }), count)),
        );
        head.taken = end;
    }
}

/// Sorts the gathered entries and adds equal neighbours.
fn consolidate<P: Packed>(
    kind: Kind,
    gathered: &mut [(P, u64)],
    packing: &Packing<P>,
    out: &mut Batch,
) -> Result<()> {
    gathered.sort_by_key(|(packed, _)| *packed);
    let mut rest = gathered.iter();
    let Some(&(mut open, mut sum)) = rest.next() else { return Ok(()) };
    for &(packed, count) in rest {
        if packed == open {
            // Two numbers below 2^63 never wrap; the limit is checked after each.
            sum += count;
            if sum > MAX_ID {
                let Position { key, song } = P::unpack(packing, open);
                return Err(ErrorKind::SumOverflow { key: kind.describe(key), song }.into());
            }
        } else {
            push(out, P::unpack(packing, open), sum);
            (open, sum) = (packed, count);
        }
    }
    push(out, P::unpack(packing, open), sum);
    Ok(())
}

fn push(out: &mut Batch, Position { key, song }: Position, count: u64) {
    out.push(Entry { key, song, count });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Naive, batch_of};

    /// Hands out a batch in parts of `part` entries, an empty one first.
    struct Parts {
        whole: Batch,
        part: usize,
        at: Option<usize>,
    }

    impl Stream for Parts {
        fn next(&mut self, batch: &mut Batch) -> Result<bool> {
            batch.clear();
            let Some(at) = self.at else {
                self.at = Some(0);
                return Ok(true);
            };
            let end = self.whole.len().min(at + self.part);
            batch.extend_from(&self.whole, at..end);
            self.at = Some(end);
            Ok(end > at)
        }
    }

    fn merge(inputs: &[Naive], part: usize) -> Result<Vec<Entry>> {
        let parts = |naive| Parts { whole: batch_of(naive), part, at: None };
        let mut merge = Merge::new(Kind::User, inputs.iter().map(parts).collect());
        let mut batch = Batch::default();
        let mut entries = Vec::new();
        while merge.next(&mut batch)? {
            entries.extend(batch.iter());
        }
        Ok(entries)
    }

    #[test]
    fn a_sum_up_to_the_limit_is_exact_and_beyond_it_an_error_that_lasts() {
        let one = Naive::from([((1, 2), MAX_ID - 1)]);
        let two = Naive::from([((1, 2), 1)]);
        let exact = vec![Entry { key: 1, song: 2, count: MAX_ID }];
        assert_eq!(merge(&[one.clone(), two.clone()], 5).unwrap(), exact);
        let parts = |naive: &Naive| Parts { whole: batch_of(naive), part: 5, at: None };
        let mut over = Merge::new(Kind::User, vec![parts(&one), parts(&two), parts(&two)]);
        let mut batch = Batch::default();
        let text = "the count of user 1 and song 2 exceeds 2^63-1";
        assert_eq!(over.next(&mut batch).unwrap_err().to_string(), text);
        assert!(over.next(&mut batch).is_err());
    }

    proptest! {
        #[test]
        fn a_merge_is_the_sum_of_its_inputs_wherever_batches_end(
            inputs in prop::collection::vec(
                prop::collection::btree_map(
                    (prop_oneof![0u64..9, any::<u64>().prop_map(|id| id >> 1)],
                     prop_oneof![0u64..20, any::<u64>().prop_map(|id| id >> 1)]),
                    1u64..5, 0..60),
                0..9),
            part in 1usize..20,
        ) {
            let mut sums = Naive::new();
            for (position, count) in inputs.iter().flatten() {
                *sums.entry(*position).or_default() += count;
            }
            let expected: Vec<Entry> = batch_of(&sums).iter().collect();
            prop_assert_eq!(merge(&inputs, part).unwrap(), expected);
        }
    }
}
