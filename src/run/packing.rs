//! A row in one word: the key's distance from its range's start, the song, the tag.
//!
//! The widths are chosen from the sample. The word's order is that of (key, song, tag), so a range is sorted
//! as plain numbers.

use super::Row;
use crate::model::Country;

/// How the 64 bits of a packed row are divided: key distance above, then the song, the tag lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    song_bits: u32,
    tag_bits: u32,
}

impl Packing {
    /// Room for songs of `song_bits` and tags of `tag_bits` (at most 10); the key's distance has the rest, at least
    /// one bit.
    #[must_use]
    pub fn new(song_bits: u32, tag_bits: u32) -> Self {
        let tag_bits = tag_bits.min(10);
        Packing { song_bits: song_bits.clamp(1, 63 - tag_bits), tag_bits }
    }

    /// Bits below the key and the song.
    pub(super) const fn tag_bits(self) -> u32 {
        self.tag_bits
    }

    /// The largest distance of a key from its range's start that fits.
    #[must_use]
    pub const fn most_distance(self) -> u64 {
        u64::MAX >> (self.song_bits + self.tag_bits)
    }

    /// The word of a row in the range that starts at key `base`, or `None` when it does not fit. The tag must.
    #[inline]
    pub(super) const fn pack(self, base: u64, row: Row) -> Option<u64> {
        let distance = row.key.wrapping_sub(base);
        if distance > self.most_distance() || row.song >> self.song_bits != 0 {
            return None;
        }
        let upper = (distance << self.song_bits | row.song) << self.tag_bits;
        Some(upper | row.tag)
    }

    /// The row of a word.
    #[inline]
    pub(super) const fn unpack(self, base: u64, word: u64) -> Row {
        let tag = word & !(u64::MAX << self.tag_bits);
        let upper = word >> self.tag_bits;
        let song = upper & !(u64::MAX << self.song_bits);
        Row { key: base + (upper >> self.song_bits), song, tag }
    }
}

/// The countries that can occur, numbered densely in their order, so that a tag takes few bits.
#[derive(Debug, Clone)]
pub struct Tags {
    tag_of: Vec<u16>,
    number_of: Vec<u16>,
}

impl Tags {
    /// Tags for these countries, given in ascending order.
    #[must_use]
    pub fn new(countries: impl IntoIterator<Item = Country>) -> Self {
        let mut tag_of = vec![0; usize::from(Country::COUNT)];
        let mut number_of = Vec::new();
        for country in countries {
            if let Some(tag) = tag_of.get_mut(usize::from(country.number())) {
                *tag = u16::try_from(number_of.len()).unwrap_or(u16::MAX);
                number_of.push(country.number());
            }
        }
        Tags { tag_of, number_of }
    }

    /// Bits of the largest tag.
    #[must_use]
    pub fn bits(&self) -> u32 {
        usize::BITS - self.number_of.len().saturating_sub(1).leading_zeros()
    }

    /// The tag of a country number.
    #[inline]
    #[must_use]
    pub fn tag(&self, number: u16) -> u64 {
        self.tag_of.get(usize::from(number)).copied().map_or(0, u64::from)
    }

    /// The country number of a tag.
    #[inline]
    #[must_use]
    pub fn number(&self, tag: u64) -> u64 {
        let at = usize::try_from(tag).unwrap_or(usize::MAX);
        self.number_of.get(at).copied().map_or(0, u64::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_hundred_and_fifty_countries_take_eight_bits_and_keep_their_order() {
        let countries: Vec<_> =
            (0..250).map(|at| Country::from_number(at * 2 + 5).unwrap()).collect();
        let tags = Tags::new(countries.iter().copied());
        assert_eq!(tags.bits(), 8);
        for (tag, country) in (0..).zip(countries) {
            assert_eq!(tags.tag(country.number()), tag);
            assert_eq!(tags.number(tag), u64::from(country.number()));
        }
    }

    proptest! {
        #[test]
        fn a_packed_row_comes_back_and_keeps_the_order(
            song_bits in 1u32..64, tag_bits in 0u32..11, base in any::<u64>(),
            rows in prop::collection::vec((any::<u64>(), any::<u64>(), 0u64..1024, 0u32..64), 2),
        ) {
            let packing = Packing::new(song_bits, tag_bits);
            let base = base >> 1;
            let rows: Vec<Row> = rows.iter().map(|&(key, song, tag, shift)| Row {
                key: (base + (key >> 1 >> shift)).min(crate::model::MAX_ID),
                song: song >> 1 >> shift,
                tag: tag & ((1 << tag_bits) - 1),
            }).collect();
            let words: Vec<_> = rows.iter().map(|row| packing.pack(base, *row)).collect();
            for (row, word) in rows.iter().zip(&words) {
                if let Some(word) = word {
                    prop_assert_eq!(packing.unpack(base, *word), *row);
                } else {
                    prop_assert!(row.key - base > packing.most_distance() || row.song >> song_bits.min(63 - tag_bits) > 0);
                }
            }
            if let [Some(one), Some(other)] = words[..] {
                prop_assert_eq!(one.cmp(&other), rows[0].cmp(&rows[1]));
            }
        }
    }
}
