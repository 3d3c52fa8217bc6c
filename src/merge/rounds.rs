//! The merge, in rounds and by keys.
//!
//! Each input holds one decoded batch. A round takes the smallest of the batches' last positions as its bound, because
//! no later entry comes before it. Up to the bound, the keys are taken in order. If one input has the key, its list of
//! songs is copied. If several have it, their lists are merged pairwise. Each round uses up at least one batch.
//!
//! A heap of cursors takes a branch for each entry, which depends on the input that is next. This merge has no such
//! branch. An entry costs a few nanoseconds, for a user with ten songs and for a country with a million.

use super::Stream;
use super::lists::{Lists, SongOverflow, add_songs_from, merge_two};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Batch, Entries, Kind, MAX_ID, Position, SongCounts};

/// Beyond every key, because keys are below 2^63.
const NO_KEY: u64 = u64::MAX;

/// Candidates are looked up in every list if at most one song in this number is a candidate.
const MIN_SONGS_A_CANDIDATE: usize = 16;

/// The merge of sorted streams; itself a [`Stream`].
///
/// Memory: a batch (98 KB) an input, and 32 bytes for each entry of the largest key of a round (rarely more than two
/// batches). After an error every call fails.
#[derive(Debug)]
pub struct Merge<S> {
    /// What the keys are, for messages.
    kind: Kind,
    heads: Vec<Head<S>>,
    /// The next key of each head, so that the smallest is found without touching the heads.
    next_keys: Vec<u64>,
    /// Indexes in `heads` of the heads that have the key that is being merged. They are found for each key of a round,
    /// and the heads do not change within a round.
    holders: Vec<usize>,
    lists: Lists,
    other: Lists,
    /// A key and a count: sums of that key below the count may be omitted.
    floor: Option<(u64, u64)>,
    candidates: Vec<u64>,
    /// Entries taken from the inputs so far.
    read: u64,
    failed: bool,
}

#[derive(Debug)]
struct Head<S> {
    stream: S,
    batch: Batch,
    /// Entries of the batch that were merged.
    taken: usize,
    /// The end of this round's entries.
    end: usize,
    /// The end of the entries of the key that is being merged.
    end_of_key: usize,
}

impl<S: Stream> Head<S> {
    /// Reads batches until there is an entry to take; false when the stream has ended.
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

    /// The next key of this round, or [`NO_KEY`].
    fn key_or_none(&self) -> u64 {
        self.key().unwrap_or(NO_KEY)
    }

    /// Entries of the batch that were not merged yet.
    fn rest(&self) -> Entries<'_> {
        // `taken` is 0 after a refill, and then only ends of entries that are in the batch.
        self.batch.entries().slice(self.taken..self.batch.len())
    }

    /// Ends this round's entries after `bound`.
    fn set_end(&mut self, bound: Position) {
        // The bound is the position of an entry, so its song is below 2^63.
        let after = Position { song: bound.song + 1, ..bound };
        self.end = self.taken + self.rest().lower_bound(after);
    }

    /// The next key of this round.
    fn key(&self) -> Option<u64> {
        // The end of a round is at most the end of the batch.
        (self.taken < self.end).then(|| self.batch.keys[self.taken])
    }

    /// The end of the entries of `key`, which is the next one.
    fn end_of(&self, key: u64) -> usize {
        self.taken + self.batch.entries().slice(self.taken..self.end).length_of(key)
    }

    /// Its entries of the key that is being merged.
    fn list(&self) -> SongCounts<'_> {
        self.batch.entries().slice(self.taken..self.end_of_key).songs()
    }
}

impl<S: Stream> Merge<S> {
    /// The merge of these streams, whose keys are of one kind.
    pub fn new(kind: Kind, streams: Vec<S>) -> Self {
        let head =
            |stream| Head { stream, batch: Batch::default(), taken: 0, end: 0, end_of_key: 0 };
        let heads = streams.into_iter().map(head).collect();
        Merge {
            kind,
            heads,
            next_keys: Vec::new(),
            holders: Vec::new(),
            lists: Lists::default(),
            other: Lists::default(),
            floor: None,
            candidates: Vec::new(),
            read: 0,
            failed: false,
        }
    }

    /// From now on, songs of `key` whose sum is below `count` may be omitted.
    ///
    /// This is for the best 50 songs of a country: its first block already gives a lower bound of the 50th sum. A song
    /// can reach that sum only if one of its counts is large enough. Few songs have such a count, so most of a
    /// country's lists are only scanned, not merged.
    pub fn set_floor(&mut self, key: u64, count: u64) {
        self.floor = Some((key, count));
    }

    /// Entries taken from the inputs so far.
    pub fn entries_read(&self) -> u64 {
        self.read
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
            // One input is left, so the rest of its batch is the result.
            out.extend_from(&head.batch, head.taken..head.batch.len());
            self.read += out.len() as u64;
            head.taken = head.batch.len();
            return Ok(true);
        }
        let Some(bound) = self.heads.iter().filter_map(|head| head.batch.entries().last()).min()
        else {
            return Ok(false);
        };
        for head in &mut self.heads {
            head.set_end(bound);
            self.read += (head.end - head.taken) as u64;
        }
        self.next_keys.clear();
        self.next_keys.extend(self.heads.iter().map(Head::key_or_none));
        while let Some(key) = self.next_keys.iter().copied().min().filter(|key| *key != NO_KEY) {
            self.find_holders(key);
            self.merge_key(key, out).map_err(|SongOverflow { song }| {
                Error::from(ErrorKind::SumOverflow { key: self.kind.describe(key), song })
            })?;
            out.keys.resize(out.songs.len(), key);
        }
        Ok(true)
    }

    /// Appends the songs of `key` in this round, and their counts.
    fn merge_key(&mut self, key: u64, out: &mut Batch) -> Result<(), SongOverflow> {
        if let Some((_, floor)) = self.floor.filter(|(open, _)| *open == key)
            && self.find_candidates(floor)
        {
            self.sum_candidates(out)?;
            self.pass_key();
            return Ok(());
        }
        match *self.holders.as_slice() {
            [one] => {
                let list = self.heads[one].list();
                out.songs.extend_from_slice(list.songs);
                out.counts.extend_from_slice(list.counts);
            }
            [one, two] => {
                let (one, two) = (self.heads[one].list(), self.heads[two].list());
                merge_two(one, two, &mut out.songs, &mut out.counts)?;
            }
            _ => {
                self.lists.clear();
                for head in holders(&self.heads, &self.holders) {
                    self.lists.push(head.list());
                }
                let [one, two] = self.lists.merge(&mut self.other)?;
                merge_two(one, two, &mut out.songs, &mut out.counts)?;
            }
        }
        self.pass_key();
        Ok(())
    }

    /// Finds the inputs that have `key` next, and where their entries of it end.
    fn find_holders(&mut self, key: u64) {
        self.holders.clear();
        let keys = self.next_keys.iter().enumerate().filter(|(_, next)| **next == key);
        self.holders.extend(keys.map(|(at, _)| at));
        for at in &self.holders {
            let head = &mut self.heads[*at];
            head.end_of_key = head.end_of(key);
        }
    }

    /// Skips the entries of the key that was merged.
    fn pass_key(&mut self) {
        for at in &self.holders {
            let head = &mut self.heads[*at];
            head.taken = head.end_of_key;
            self.next_keys[*at] = head.key_or_none();
        }
    }

    /// Finds the songs of the key whose sum may reach `floor`: one of their counts is at least the floor divided by the
    /// number of lists. False if there are too many, and merging all songs is cheaper.
    fn find_candidates(&mut self, floor: u64) -> bool {
        let min_count = floor.div_ceil(self.holders.len().max(1) as u64);
        self.candidates.clear();
        let mut songs = 0;
        for head in holders(&self.heads, &self.holders) {
            let list = head.list();
            songs += list.len();
            add_songs_from(list, min_count, &mut self.candidates);
            if self.candidates.len() * MIN_SONGS_A_CANDIDATE > songs {
                return false;
            }
        }
        self.candidates.sort_unstable();
        self.candidates.dedup();
        true
    }

    /// Appends the sums of the candidates; all other songs of the key are omitted.
    fn sum_candidates(&self, out: &mut Batch) -> Result<(), SongOverflow> {
        for &song in &self.candidates {
            let mut sum = 0;
            for head in holders(&self.heads, &self.holders) {
                // Two numbers below 2^63 do not wrap, and the limit is checked after each addition.
                sum += head.list().count_of(song);
                if sum > MAX_ID {
                    return Err(SongOverflow { song });
                }
            }
            out.songs.push(song);
            out.counts.push(sum);
        }
        Ok(())
    }
}

/// The heads at these indexes.
fn holders<'h, S>(heads: &'h [Head<S>], at: &'h [usize]) -> impl Iterator<Item = &'h Head<S>> {
    at.iter().map(|at| &heads[*at])
}

impl<S: Stream> Stream for Merge<S> {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        if self.failed {
            return Err(ErrorKind::Fault("merging went on after an error").into());
        }
        let outcome = self.round(batch);
        self.failed = outcome.is_err();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Entry;
    use crate::testing::{Naive, batch_of};

    /// Hands out a batch in parts of `part` entries, an empty part first.
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
        all_of(&mut merge_of(inputs, part))
    }

    /// The merge of inputs that are handed out in parts.
    fn merge_of(inputs: &[Naive], part: usize) -> Merge<Parts> {
        let parts = |naive| Parts { whole: batch_of(naive), part, at: None };
        Merge::new(Kind::User, inputs.iter().map(parts).collect())
    }

    /// All further entries.
    fn all_of(merge: &mut Merge<Parts>) -> Result<Vec<Entry>> {
        let (mut batch, mut entries) = (Batch::default(), Vec::new());
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
        let mut over = merge_of(&[one, two.clone(), two], 5);
        let mut batch = Batch::default();
        let text = "the count of user 1 and song 2 exceeds 2^63-1; a day has counts that no log can have; find it by its rows \
                    in 'agg list', and reduce its logs with --force, or ask for fewer days";
        assert_eq!(over.next(&mut batch).unwrap_err().to_string(), text);
        assert!(over.next(&mut batch).is_err());
    }

    #[test]
    fn above_a_floor_too_a_sum_up_to_the_limit_is_exact_and_beyond_it_an_error() {
        let list = |count| -> Naive {
            (0..200).map(|song| ((3, song), if song == 7 { count } else { 1 })).collect()
        };
        let (found, _) = merge_above(MAX_ID, &[list(MAX_ID - 1), list(1)], 500);
        assert_eq!(found, [Entry { key: 3, song: 7, count: MAX_ID }]);
        let mut over = merge_of(&[list(MAX_ID), list(1)], 500);
        over.set_floor(3, MAX_ID);
        let text = all_of(&mut over).unwrap_err().to_string();
        assert!(text.starts_with("the count of user 3 and song 7 exceeds"), "{text}");
    }

    #[test]
    fn the_song_that_a_message_names_is_the_one_beyond_the_limit() {
        let one = Naive::from([((1, 2), MAX_ID - 1), ((1, 3), MAX_ID)]);
        let two = Naive::from([((1, 2), 1), ((1, 3), 1)]);
        let text = merge(&[one, two], 5).unwrap_err().to_string();
        assert!(text.starts_with("the count of user 1 and song 3 exceeds"), "{text}");
    }

    /// The entries of the merge with a floor for key 3, and the number of entries that it has read.
    fn merge_above(floor: u64, inputs: &[Naive], part: usize) -> (Vec<Entry>, u64) {
        let mut merge = merge_of(inputs, part);
        merge.set_floor(3, floor);
        let found = all_of(&mut merge).unwrap();
        (found, merge.entries_read())
    }

    #[test]
    fn a_song_that_may_reach_the_floor_is_summed_over_all_lists_and_others_are_omitted() {
        // Of 200 songs, 7 and 190 have large counts; 190 is missing in the second list.
        let list = |seven: u64, more: Option<u64>| -> Naive {
            let once = (0..200).filter(|song| *song != 190).map(|song| ((3, song), 1));
            let large = more.map(|count| ((3, 190), count));
            once.chain([((3, 7), seven), ((4, 7), 1)]).chain(large).collect()
        };
        let inputs = [list(10, Some(19)), list(9, None), list(1, Some(1))];
        let expected = [(3, 7, 20), (3, 190, 20), (4, 7, 3)];
        let expected = expected.map(|(key, song, count)| Entry { key, song, count });
        let (found, read) = merge_above(20, &inputs, 500);
        assert_eq!((found.as_slice(), read), (&expected[..], 201 + 200 + 201));
    }

    proptest! {
        #[test]
        fn above_a_floor_the_sums_are_those_of_the_whole_merge(
            inputs in prop::collection::vec(
                prop::collection::btree_map(
                    (Just(3u64), 0u64..400),
                    prop_oneof![30 => Just(1u64), 1 => 5u64..60], 0..300), 0..5),
            part in 1usize..400, floor in 1u64..100,
        ) {
            let whole = merge(&inputs, part).unwrap();
            let (found, read) = merge_above(floor, &inputs, part);
            prop_assert!(found.iter().all(|entry| whole.contains(entry)));
            let missed = whole.iter().filter(|entry| !found.contains(entry));
            prop_assert!(missed.into_iter().all(|entry| entry.count < floor));
            let entries: usize = inputs.iter().map(Naive::len).sum();
            prop_assert_eq!(read, entries as u64);
        }

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
