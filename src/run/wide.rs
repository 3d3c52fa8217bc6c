//! Rows that do not fit the packing, sorted: by a word for each, which tells most of them apart.

use super::Row;
use super::radix::Radix;

/// Bits of a word that say which row it stands for; a range that is sorted has fewer rows.
const INDEX_BITS: u32 = 20;
/// The other bits: the start of key and song.
const PREFIX_BITS: u32 = 64 - INDEX_BITS;

/// The rows by key, then song. Rows themselves stay where they are; 16 bytes for each are sorted.
pub(super) fn sorted<'r>(
    rows: &'r [Row],
    radix: &'r mut Radix,
) -> impl Iterator<Item = Row> + Clone + 'r {
    debug_assert!(rows.len() < 1 << INDEX_BITS);
    let prefix = Prefix::of(rows);
    let words: Vec<u64> =
        (0..).zip(rows).map(|(at, row)| prefix.of_row(*row) << INDEX_BITS | at).collect();
    let words = radix.sort(std::iter::once(words.as_slice()), INDEX_BITS);
    let row_of = |word: &u64| rows.get(index(*word)).copied();
    for tied in words.chunk_by_mut(|one, other| one >> INDEX_BITS == other >> INDEX_BITS) {
        if tied.len() > 1 {
            tied.sort_unstable_by_key(|word| row_of(word).map(|row| (row.key, row.song)));
        }
    }
    words.iter().filter_map(move |word| rows.get(index(*word)).copied())
}

const fn index(word: u64) -> usize {
    (word & !(u64::MAX << INDEX_BITS)) as usize
}

/// Which bits of key and song make a number that never falls when the row's position grows.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    /// Bits of a key up to the highest in which keys differ.
    key_bits: u32,
    /// The same of songs.
    song_bits: u32,
}

impl Prefix {
    fn of(rows: &[Row]) -> Self {
        let Some(first) = rows.first() else { return Prefix { key_bits: 0, song_bits: 0 } };
        let differing = |number: fn(&Row) -> u64| {
            let all = rows.iter().fold(0, |all, row| all | (number(row) ^ number(first)));
            64 - all.leading_zeros()
        };
        Prefix { key_bits: differing(|row| row.key), song_bits: differing(|row| row.song) }
    }

    /// The leading bits of the key, and where it has few of them, those of the song.
    fn of_row(self, row: Row) -> u64 {
        let low = |number: u64, bits: u32| number & !u64::MAX.checked_shl(bits).unwrap_or(0);
        let key = low(row.key, self.key_bits);
        if self.key_bits >= PREFIX_BITS {
            return key >> (self.key_bits - PREFIX_BITS);
        }
        let song_room = (PREFIX_BITS - self.key_bits).min(self.song_bits);
        let song = low(row.song, self.song_bits) >> (self.song_bits - song_room).min(63);
        key << song_room | song
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_of_any_width_come_in_order(
            rows in prop::collection::vec((any::<u64>(), any::<u64>(), 0u64..8), 0..3000),
            shifts in (0u32..64, 0u32..64),
        ) {
            let row = |&(key, song, tag): &(u64, u64, u64)| Row { key: key >> shifts.0, song: song >> shifts.1, tag };
            let rows: Vec<Row> = rows.iter().map(row).collect();
            let mut radix = Radix::default();
            let mut found: Vec<Row> = sorted(&rows, &mut radix).collect();
            prop_assert!(found.is_sorted_by_key(|row| (row.key, row.song)));
            let mut expected = rows.clone();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
