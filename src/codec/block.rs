//! A block: up to 4,096 sorted entries, encoded so that it is read without any other block.
//!
//! Layout (little-endian): `entries: u16`, `keys: u16`, `first_key: u64`, `first_song: u64`, then four
//! [`rice`] columns:
//! 1. `keys - 1` gaps between neighbouring keys, minus 1;
//! 2. `keys` lengths (entries of each key in this block), minus 1;
//! 3. `entries` songs: 0 for the block's first, the song itself for the first of any other key, and for all others the
//!    gap to the song before, minus 1;
//! 4. `entries` counts, minus 1.
//!
//! A key with more entries than fit a block continues in the next block, which then starts with the same key.
//! Cost: 3 to 5 ns an entry to encode or to decode. Memory: the decoded [`Batch`], 98 KB.

use std::ops::Range;

use super::{Corrupt, rice, take_array};
use crate::model::{Batch, Entries, Entry, MAX_ID, Position, SongCounts};
use crate::simd::{Choice, Kernel, Work};

/// Maximum number of entries in a block. Every block of a run has this number, except the last.
///
/// 4,096 entries decode into 98 KB (inside a second-level cache) and take 8 to 17 KB on disk. A block has 40 bytes in
/// the index, so the index is half a percent of the file.
pub const MAX_ENTRIES: usize = 4096;
/// Bytes before the columns.
pub const HEADER_BYTES: usize = 2 + 2 + 8 + 8;
/// A bound on the bytes of any block. Readers check a length from a file against it before they allocate.
pub const MAX_BYTES: usize = HEADER_BYTES + 4 * (rice::HEADER_BYTES + MAX_ENTRIES * 22);

const _: () = assert!(MAX_ENTRIES <= rice::MAX_VALUES && MAX_ENTRIES <= u16::MAX as usize);

/// Encodes blocks. Memory: about 100 KB for its columns, which it keeps between calls.
#[derive(Debug, Default)]
pub struct BlockEncoder {
    gaps: Vec<u64>,
    lengths: Vec<u64>,
    songs: Vec<u64>,
    counts: Vec<u64>,
    /// Where each key starts, and where the last key ends.
    starts: Vec<u16>,
}

impl BlockEncoder {
    /// Appends 1 to [`MAX_ENTRIES`] sorted entries to `out`.
    ///
    /// # Errors
    /// [`Disorder`], with the two entries, for entries out of order, repeated pairs, counts of 0 and numbers above
    /// [`MAX_ID`]: disorder is found where it arises.
    pub fn encode(&mut self, entries: Entries<'_>, out: &mut Vec<u8>) -> Result<(), Disorder> {
        Choice::of_this_run().run(Encode { encoder: self, entries, out })
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "`fill` has refused more than MAX_ENTRIES")]
    fn encode_columns(&mut self, entries: Entries<'_>, out: &mut Vec<u8>) -> Result<(), Disorder> {
        let Some(first) = entries.first() else { return Err(first_disorder(entries)) };
        self.fill(entries)?;
        for number in [self.songs.len(), self.lengths.len()] {
            out.extend_from_slice(&(number as u16).to_le_bytes());
        }
        out.extend_from_slice(&first.key.to_le_bytes());
        out.extend_from_slice(&first.song.to_le_bytes());
        for column in [&self.gaps, &self.lengths, &self.songs, &self.counts] {
            rice::encode_here(column, out);
        }
        Ok(())
    }

    /// Distinct keys of the block encoded last.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a block has at most MAX_ENTRIES keys")]
    pub fn keys(&self) -> u32 {
        self.lengths.len() as u32
    }

    #[inline(always)]
    fn fill(&mut self, entries: Entries<'_>) -> Result<(), Disorder> {
        if !in_order(entries) {
            return Err(first_disorder(entries));
        }
        let Entries { keys, songs, counts } = entries;
        self.fill_keys(keys);
        self.counts.clear();
        self.counts.extend(counts.iter().map(|count| count - 1));
        self.songs.clear();
        self.songs.push(0);
        let pairs = keys.array_windows().zip(songs.array_windows());
        self.songs.extend(pairs.map(|([key, next_key], [song, next_song])| {
            let gap = next_song.wrapping_sub(*song).wrapping_sub(1);
            if key == next_key { gap } else { *next_song }
        }));
        Ok(())
    }

    /// Fills the columns that have one value a key. Each place is written whether or not a key starts there, because a
    /// branch on that would be mispredicted.
    #[inline(always)]
    fn fill_keys(&mut self, keys: &[u64]) {
        self.starts.resize(MAX_ENTRIES + 1, 0);
        let mut before = keys.first().copied();
        let mut last = 0;
        for (at, key) in (0..).zip(keys) {
            last += usize::from(before != Some(*key));
            before = Some(*key);
            // The first place stays 0, where the first key starts. `in_order` has refused more than MAX_ENTRIES.
            self.starts[last + 1] = at + 1;
        }
        // A key ends where the next key starts. `last` is the place of the last key, so it is below the number of
        // entries.
        let ends = &self.starts[..last + 2];
        self.lengths.clear();
        self.lengths.extend(ends.array_windows().map(|[start, end]| u64::from(end - start - 1)));
        self.gaps.clear();
        // Each of these keys starts after an entry, because the first key is not among them.
        self.gaps.extend(ends[1..=last].iter().map(|start| {
            let start = usize::from(*start);
            keys[start] - keys[start - 1] - 1
        }));
    }
}

/// Whether the entries are valid, sorted and without repeated pairs. No branch depends on an entry.
#[inline(always)]
fn in_order(Entries { keys, songs, counts }: Entries<'_>) -> bool {
    let numbers = keys.iter().chain(songs).chain(counts).fold(0, |all, number| all | number);
    let counted = counts.iter().fold(true, |all, count| all & (*count != 0));
    let pairs = keys.array_windows().zip(songs.array_windows());
    let ascending = pairs.fold(true, |all, ([key, next_key], [song, next_song])| {
        all & ((key < next_key) | ((key == next_key) & (song < next_song)))
    });
    counted && ascending && numbers <= MAX_ID && keys.len() <= MAX_ENTRIES
}

/// The first entry that is not valid or out of order, of entries that [`in_order`] refuses.
#[cold]
fn first_disorder(Entries { keys, songs, counts }: Entries<'_>) -> Disorder {
    let mut last: Option<Entry> = None;
    for (at, ((&key, &song), &count)) in keys.iter().zip(songs).zip(counts).enumerate() {
        let entry = Entry { key, song, count };
        let follows = last.is_none_or(|last| (last.key, last.song) < (key, song));
        if count == 0 || (key | song | count) > MAX_ID || at == MAX_ENTRIES || !follows {
            return Disorder { last, entry };
        }
        last = Some(entry);
    }
    Disorder { last, entry: Entry { key: 0, song: 0, count: 0 } }
}

/// Encoding as work for a kernel: the code is plain, and half again as fast when compiled for this processor.
struct Encode<'a> {
    encoder: &'a mut BlockEncoder,
    entries: Entries<'a>,
    out: &'a mut Vec<u8>,
}

impl Work for Encode<'_> {
    type Outcome = Result<(), Disorder>;

    #[inline(always)]
    fn run<K: Kernel>(self, _: K) -> Self::Outcome {
        self.encoder.encode_columns(self.entries, self.out)
    }
}

/// An entry that a block cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "entries out of order or not valid: key {}, song {}, count {}{}",
    .entry.key, .entry.song, .entry.count, after(.last)
)]
pub struct Disorder {
    /// The entry before.
    pub last: Option<Entry>,
    /// The entry that cannot follow it, or is not valid by itself.
    pub entry: Entry,
}

fn after(last: &Option<Entry>) -> String {
    last.map_or_else(String::new, |last| format!(" after key {}, song {}", last.key, last.song))
}

/// The entries of a decoded block by keys. Songs and counts of a key are adjacent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Runs<'d> {
    /// Each key once, ascending.
    keys: &'d [u64],
    /// The end of each key's entries.
    ends: &'d [usize],
    songs: &'d [u64],
    counts: &'d [u64],
    /// Entries outside of this are not handed out.
    range: (usize, usize),
}

impl<'d> Runs<'d> {
    /// Number of entries that are handed out.
    #[must_use]
    pub fn len(&self) -> usize {
        let (start, end) = self.range;
        end - start
    }

    /// Whether no entry is handed out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bits of all counts of the block, joined. No count is larger.
    #[must_use]
    pub fn bits_of_counts(&self) -> u64 {
        self.counts.iter().fold(0, |bits, count| bits | count)
    }

    /// Each key with its songs; no list is empty.
    #[inline]
    pub fn by_key(&self) -> impl Iterator<Item = (u64, SongCounts<'d>)> + 'd {
        let Runs { keys, ends, songs, counts, range: (mut start, end) } = *self;
        let first = ends.partition_point(|end| *end <= start);
        let lists = keys.iter().zip(ends).skip(first);
        lists.map_while(move |(key, end_of_key)| {
            let list = start..end.min(*end_of_key);
            start = list.end;
            // The ends ascend up to the number of songs.
            (!list.is_empty()).then(|| (*key, SongCounts { songs, counts }.slice(list)))
        })
    }

    /// Number of entries before `position`.
    fn before(&self, position: Position) -> usize {
        let below = self.keys.partition_point(|key| *key < position.key);
        // Each key has an end, and the ends ascend up to the number of songs.
        let start = if below == 0 { 0 } else { self.ends[below - 1] };
        if self.keys.get(below) != Some(&position.key) {
            return start;
        }
        let songs = &self.songs[start..self.ends[below]];
        start + songs.partition_point(|song| *song < position.song)
    }

    /// The entries of the block that are in `range`.
    #[must_use]
    pub fn within(&self, range: &Range<Position>) -> Self {
        let end = self.before(range.end);
        Runs { range: (self.before(range.start).min(end), end), ..*self }
    }

    /// The block's first entry; [`Position::FIRST`] if there is none.
    #[must_use]
    pub fn first(&self) -> Position {
        let first = self.keys.first().zip(self.songs.first());
        first.map_or(Position::FIRST, |(&key, &song)| Position { key, song })
    }

    /// The block's last entry; [`Position::FIRST`] if there is none.
    #[must_use]
    pub fn last(&self) -> Position {
        let last = self.keys.last().zip(self.songs.last());
        last.map_or(Position::FIRST, |(&key, &song)| Position { key, song })
    }
}

/// Decodes blocks. Memory: the columns of the last block, at most 197 KB, and half of it where keys have a few entries.
#[derive(Debug, Default)]
pub struct BlockDecoder {
    gaps: Vec<u64>,
    lengths: Vec<u64>,
    keys: Vec<u64>,
    ends: Vec<usize>,
    songs: Vec<u64>,
    counts: Vec<u64>,
}

impl BlockDecoder {
    /// Replaces the content of `batch` by the entries of one block, which `bytes` hold exactly. The entries are sorted,
    /// without repeated pairs, and within [`MAX_ID`].
    ///
    /// # Errors
    /// [`Corrupt`] for any other bytes.
    pub fn decode(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<(), Corrupt> {
        self.decode_runs(bytes)?;
        self.take_batch(batch);
        Ok(())
    }

    /// As [`BlockDecoder::decode`], with the entries by keys.
    pub fn decode_runs(&mut self, bytes: &[u8]) -> Result<Runs<'_>, Corrupt> {
        self.decode_columns(bytes)?;
        Ok(self.runs())
    }

    fn decode_columns(&mut self, mut bytes: &[u8]) -> Result<(), Corrupt> {
        let entries = usize::from(u16::from_le_bytes(take_array(&mut bytes)?));
        let keys = usize::from(u16::from_le_bytes(take_array(&mut bytes)?));
        let first_key = u64::from_le_bytes(take_array(&mut bytes)?);
        let first_song = u64::from_le_bytes(take_array(&mut bytes)?);
        if entries == 0 || entries > MAX_ENTRIES || keys == 0 || keys > entries {
            return Err(Corrupt("a block has an impossible number of entries or keys"));
        }
        let columns = [
            (keys - 1, &mut self.gaps),
            (keys, &mut self.lengths),
            (entries, &mut self.songs),
            (entries, &mut self.counts),
        ];
        for (values, column) in columns {
            rice::decode(&mut bytes, values, column)?;
        }
        if !bytes.is_empty() {
            return Err(Corrupt("a block has extra bytes at its end"));
        }
        self.sum_keys(first_key)?;
        self.sum_lengths(entries)?;
        self.sum_songs(first_song)?;
        restore_counts(&mut self.counts)
    }

    /// The block decoded last.
    #[must_use]
    pub fn runs(&self) -> Runs<'_> {
        let BlockDecoder { keys, ends, songs, counts, .. } = self;
        Runs { keys, ends, songs, counts, range: (0, songs.len()) }
    }

    /// Moves the block decoded last into `batch`. The decoder keeps the old columns of `batch` for the next block.
    pub fn take_batch(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.songs, &mut batch.songs);
        std::mem::swap(&mut self.counts, &mut batch.counts);
        batch.keys.clear();
        for (key, end) in self.keys.iter().zip(&self.ends) {
            batch.keys.resize(*end, *key);
        }
        self.keys.clear();
        self.ends.clear();
        self.songs.clear();
        self.counts.clear();
    }

    #[inline(always)]
    fn sum_keys(&mut self, first_key: u64) -> Result<(), Corrupt> {
        // Gathers the top bit of any number that is too large, so that one comparison at the end is enough.
        let mut excess = first_key;
        let mut key = first_key;
        self.keys.clear();
        self.keys.push(first_key);
        self.keys.extend(self.gaps.iter().map(|less_one| {
            excess |= *less_one;
            // Two numbers below 2^63 and a 1 do not wrap. If one of them is larger, `excess` has its top bit.
            key = key.wrapping_add(*less_one).wrapping_add(1);
            excess |= key;
            key
        }));
        if excess > MAX_ID { Err(Corrupt("a key exceeds 2^63-1")) } else { Ok(()) }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a length is below the number of entries")]
    fn sum_lengths(&mut self, entries: usize) -> Result<(), Corrupt> {
        let mut end = 0;
        self.ends.clear();
        for less_one in &self.lengths {
            if *less_one >= (entries - end) as u64 {
                return Err(Corrupt("a block's keys have more entries than the block"));
            }
            end += *less_one as usize + 1;
            self.ends.push(end);
        }
        if end == entries { Ok(()) } else { Err(Corrupt("a block has entries without a key")) }
    }

    #[inline(always)]
    fn sum_songs(&mut self, first_song: u64) -> Result<(), Corrupt> {
        // As for the keys.
        let mut excess = first_song;
        let mut rest = self.songs.as_mut_slice();
        let mut start = first_song;
        let mut taken = 0;
        for end in &self.ends {
            // The ends ascend up to the number of songs: `sum_lengths` has refused anything else.
            let (list, after) = rest.split_at_mut(end - taken);
            if let Some((first, others)) = list.split_first_mut() {
                excess |= *first;
                let mut song = start.wrapping_add(*first);
                *first = song;
                excess |= song;
                for slot in others {
                    excess |= *slot;
                    song = song.wrapping_add(slot.wrapping_add(1));
                    excess |= song;
                    *slot = song;
                }
            }
            rest = after;
            taken = *end;
            start = 0;
        }
        if excess > MAX_ID { Err(Corrupt("a song exceeds 2^63-1")) } else { Ok(()) }
    }
}

#[inline(always)]
fn restore_counts(counts: &mut [u64]) -> Result<(), Corrupt> {
    let mut excess = 0;
    for count in counts {
        excess |= *count;
        *count = count.wrapping_add(1);
        excess |= *count;
    }
    if excess > MAX_ID { Err(Corrupt("a count exceeds 2^63-1")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn encode(batch: &Batch) -> Result<Vec<u8>, Disorder> {
        let mut out = Vec::new();
        BlockEncoder::default().encode(batch.entries(), &mut out)?;
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Batch, Corrupt> {
        let mut batch = Batch::default();
        BlockDecoder::default().decode(bytes, &mut batch).map(|()| batch)
    }

    fn entry(key: u64, song: u64, count: u64) -> Entry {
        Entry { key, song, count }
    }

    #[test]
    fn a_small_block_is_these_bytes() {
        let batch: Batch = [entry(5, 10, 1), entry(5, 12, 3), entry(7, 0, 1)].into_iter().collect();
        let bytes = encode(&batch).unwrap();
        let mut expected = vec![3, 0, 2, 0];
        expected.extend_from_slice(&5u64.to_le_bytes());
        expected.extend_from_slice(&10u64.to_le_bytes());
        expected.extend_from_slice(&[0, 1, 0, 0, 0, 0b10]); // one gap of 1
        expected.extend_from_slice(&[0, 1, 0, 0, 0, 0b110]); // lengths less one: 1, 0
        expected.extend_from_slice(&[0, 1, 0, 0, 0, 0b1101]); // songs 0, gap 1, 0
        expected.extend_from_slice(&[0, 1, 0, 0, 0, 0b1_1001]); // counts less one: 0, 2, 0
        assert_eq!(bytes, expected);
        assert_eq!(decode(&bytes), Ok(batch));
    }

    #[test]
    fn the_largest_block_stays_below_the_stated_bytes() {
        let wide = |at: u64| entry(at << 50, MAX_ID - at, MAX_ID - at * at);
        let batch: Batch = (0..MAX_ENTRIES as u64).map(wide).collect();
        let bytes = encode(&batch).unwrap();
        assert!(bytes.len() <= MAX_BYTES);
        assert_eq!(decode(&bytes), Ok(batch));
    }

    #[test]
    fn the_bounds_are_those_of_the_format() {
        assert_eq!((HEADER_BYTES, MAX_BYTES), (20, 20 + 4 * (5 + 4096 * 22)));
    }

    /// The bytes of a block with this header and these columns, valid or not.
    fn crafted(entries: u16, keys: u16, first: (u64, u64), columns: [&[u64]; 4]) -> Vec<u8> {
        let mut bytes = [entries.to_le_bytes(), keys.to_le_bytes()].concat();
        bytes.extend_from_slice(&first.0.to_le_bytes());
        bytes.extend_from_slice(&first.1.to_le_bytes());
        columns.iter().for_each(|column| rice::encode(column, &mut bytes));
        bytes
    }

    #[test]
    fn a_header_of_impossible_numbers_is_refused_before_anything_is_made_of_it() {
        for (entries, keys) in [(0, 0), (0, 1), (1, 0), (2, 3), (4097, 1), (4097, 4097)] {
            let bytes = crafted(entries, keys, (0, 0), [&[], &[0], &[0], &[0]]);
            let text = "a block has an impossible number of entries or keys";
            assert_eq!(decode(&bytes), Err(Corrupt(text)), "{entries} {keys}");
        }
        assert!(decode(&crafted(1, 1, (0, 0), [&[], &[0], &[0], &[0]])).is_ok());
    }

    #[test]
    fn lengths_that_are_not_those_of_the_entries_are_refused() {
        let of = |lengths: &[u64; 2]| {
            decode(&crafted(3, 2, (0, 0), [&[0], lengths, &[0; 3], &[0; 3]])).map(drop)
        };
        assert_eq!([of(&[0, 1]), of(&[1, 0])], [Ok(()); 2]);
        let more = Err(Corrupt("a block's keys have more entries than the block"));
        assert_eq!([of(&[0, 2]), of(&[3, 0]), of(&[u64::MAX, 0])], [more; 3]);
        assert_eq!(of(&[0, 0]), Err(Corrupt("a block has entries without a key")));
    }

    #[test]
    fn a_number_beyond_the_limit_is_refused_wherever_it_is_and_however_it_wraps() {
        let refused = |first, columns: [&[u64]; 4], what: &str| {
            let entries = u16::try_from(columns[2].len()).unwrap();
            let keys = u16::try_from(columns[1].len()).unwrap();
            let Err(Corrupt(text)) = decode(&crafted(entries, keys, first, columns)) else {
                panic!("{what} {first:?} {columns:?} was taken");
            };
            assert!(text.contains(what), "{text}");
        };
        let three = &[0; 3];
        // Each comes before small ones, which must not hide it.
        for gaps in [[0, 0], [u64::MAX - 2, 0], [MAX_ID, 0], [0, MAX_ID]] {
            let first = if gaps == [0, 0] { MAX_ID } else { 5 };
            refused((first, 0), [&gaps, three, three, three], "a key exceeds");
        }
        refused((1 << 63, 0), [&[0, 0], three, three, three], "a key exceeds");
        for songs in [[0, 0, 0], [0, u64::MAX - 2, 0], [0, MAX_ID, 0], [0, 0, MAX_ID]] {
            let first = if songs == [0; 3] { MAX_ID } else { 5 };
            refused((0, first), [&[], &[2], &songs, three], "a song exceeds");
        }
        refused((0, 1 << 63), [&[0, 0], three, three, three], "a song exceeds");
        refused((0, 0), [&[0, 0], three, &[0, 1 << 63, 0], three], "a song exceeds");
        for counts in [[MAX_ID, 0, 0], [0, u64::MAX, 0], [1 << 63, 0, 0], [0, 0, MAX_ID]] {
            refused((0, 0), [&[], &[2], three, &counts], "a count exceeds");
        }
    }

    #[test]
    fn numbers_beyond_the_limit_do_not_cancel_each_other_out() {
        let over = 1 << 63;
        let ok = entry(MAX_ID - 1, MAX_ID, MAX_ID);
        for bad in [
            entry(over, 0, 1),
            entry(MAX_ID, over, 1),
            entry(MAX_ID, 0, over),
            entry(over, over, 1),
            entry(over, 0, over),
            entry(MAX_ID, over, over),
        ] {
            let batch: Batch = [ok, bad].into_iter().collect();
            assert_eq!(encode(&batch), Err(Disorder { last: Some(ok), entry: bad }));
        }
        let batch: Batch = [entry(1, 1, over), entry(1, 2, over)].into_iter().collect();
        assert_eq!(encode(&batch), Err(Disorder { last: None, entry: entry(1, 1, over) }));
    }

    #[test]
    fn disorder_repeats_zero_counts_and_large_numbers_are_refused() {
        let ok = entry(5, 5, 1);
        for bad in
            [entry(5, 5, 1), entry(5, 4, 1), entry(4, 9, 1), entry(6, 6, 0), entry(1 << 63, 0, 1)]
        {
            assert_eq!(
                encode(&[ok, bad].into_iter().collect()),
                Err(Disorder { last: Some(ok), entry: bad })
            );
        }
        let many: Batch = (0..=MAX_ENTRIES as u64).map(|song| entry(1, song, 1)).collect();
        assert!(encode(&many).is_err());
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_an_error_or_a_sorted_batch() {
        let batch: Batch = (0..40u64)
            .map(|at| entry(at / 7, at * 1_000_003 % 977 + at * 977, at % 3 + 1))
            .collect();
        let bytes = encode(&batch).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode(bytes.get(..cut).unwrap()).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = decode(&bytes) {
                assert!(encode(&read).is_ok(), "what was decoded is in order");
            }
        }
    }

    fn batches() -> impl Strategy<Value = Batch> {
        let id = prop_oneof![0u64..20, any::<u64>().prop_map(|id| id & MAX_ID)];
        let count = prop_oneof![Just(1u64), 1u64..100, 1u64..=MAX_ID];
        prop::collection::btree_map((id.clone(), id), count, 1..200).prop_map(
            |map: BTreeMap<(u64, u64), u64>| {
                map.into_iter().map(|((key, song), count)| entry(key, song, count)).collect()
            },
        )
    }

    proptest! {
        #[test]
        fn any_sorted_batch_comes_back(batch in batches()) {
            let bytes = encode(&batch).unwrap();
            prop_assert_eq!(decode(&bytes), Ok(batch));
        }

        #[test]
        fn runs_are_the_entries_by_keys_of_the_block_and_of_any_part_of_it(
            batch in batches(), bounds in prop::array::uniform2((0u64..22, 0u64..22)), at in 0usize..400,
        ) {
            let mut bytes = Vec::new();
            let mut encoder = BlockEncoder::default();
            encoder.encode(batch.entries(), &mut bytes).unwrap();
            let entries: Vec<Entry> = batch.iter().collect();
            let keys = entries.chunk_by(|one, two| one.key == two.key).count();
            prop_assert_eq!(Ok(encoder.keys()), u32::try_from(keys));

            let flat = |runs: &Runs<'_>| -> Vec<Entry> {
                let lists = runs.by_key().inspect(|(_, songs)| assert!(!songs.is_empty()));
                let list = |(key, songs): (u64, SongCounts<'_>)| {
                    songs.iter().map(|(song, count)| entry(key, song, count)).collect::<Vec<_>>()
                };
                lists.flat_map(list).collect()
            };
            let mut decoder = BlockDecoder::default();
            let runs = decoder.decode_runs(&bytes).unwrap();
            prop_assert_eq!(&flat(&runs), &entries);
            prop_assert_eq!((runs.len(), runs.is_empty()), (entries.len(), false));
            prop_assert_eq!(runs.by_key().count(), keys);
            let bits = entries.iter().fold(0, |bits, entry| bits | entry.count);
            prop_assert_eq!(runs.bits_of_counts(), bits);
            let position = |entry: &Entry| Position { key: entry.key, song: entry.song };
            prop_assert_eq!(Some(runs.first()), entries.first().map(position));
            prop_assert_eq!(Some(runs.last()), entries.last().map(position));
            prop_assert_eq!(flat(&decoder.runs()), entries.clone());

            // Between any two positions, and from an entry on.
            let [start, end] = bounds.map(|(key, song)| Position { key, song });
            let own = entries.get(at).map_or(start, position);
            for range in [start..end, own..end, start..own, own..Position { key: MAX_ID, song: MAX_ID }] {
                let part = decoder.runs().within(&range);
                let inside = |entry: &&Entry| range.contains(&position(entry));
                let expected: Vec<Entry> = entries.iter().filter(inside).copied().collect();
                prop_assert_eq!((part.len(), part.is_empty()), (expected.len(), expected.is_empty()));
                prop_assert_eq!(flat(&part), expected);
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
