//! A row as one number: the key's distance from its range's start, the song, the tag.
//!
//! The number has 64 bits, or 128 where ids are so wide that few rows would fit. The sample decides which, and how the
//! bits are divided. The number's order is that of (key, song, tag), so a range is sorted as plain numbers.

use super::Row;
use super::chunk::Chunk;
use crate::merge::Word;
use crate::model::Country;

/// A number that a row is packed into.
pub(super) trait Packed: Word {
    /// Words that it takes in a chunk. The words of a chunk are a multiple of this.
    const WORDS: u8;

    /// Writes it into a chunk at word `at`, a multiple of [`Packed::WORDS`].
    fn store(self, chunk: &mut Chunk, at: u8);

    /// The numbers stored in these words.
    fn load(words: &[u64]) -> impl Iterator<Item = Self> + Clone;

    /// Number of bits up to its highest set bit.
    fn width(self) -> u32;
}

impl Packed for u64 {
    const WORDS: u8 = 1;

    #[inline(always)]
    fn store(self, chunk: &mut Chunk, at: u8) {
        chunk[usize::from(at)] = self;
    }

    #[inline]
    fn load(words: &[u64]) -> impl Iterator<Item = Self> + Clone {
        words.iter().copied()
    }

    fn width(self) -> u32 {
        Self::BITS - self.leading_zeros()
    }
}

impl Packed for u128 {
    const WORDS: u8 = 2;

    #[inline(always)]
    fn store(self, chunk: &mut Chunk, at: u8) {
        let [low, high] = bytemuck::cast::<u128, [u64; 2]>(self);
        // An even index below 256, so the next one is in the chunk too.
        chunk[usize::from(at)] = low;
        chunk[usize::from(at) + 1] = high;
    }

    #[inline]
    fn load(words: &[u64]) -> impl Iterator<Item = Self> + Clone {
        let (pairs, _) = words.as_chunks::<2>();
        pairs.iter().map(|pair| bytemuck::cast(*pair))
    }

    fn width(self) -> u32 {
        Self::BITS - self.leading_zeros()
    }
}

/// How the bits of a packed row are divided: the key's distance highest, then the song, the tag lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packing {
    bits: u32,
    song_bits: u32,
    tag_bits: u32,
}

/// Maximum bits of a tag.
const MAX_TAG_BITS: u32 = 10;
/// Bits of the largest id.
const ID_BITS: u32 = 63;

impl Packing {
    /// Rows of 64 bits, with songs of `song_bits` and tags of `tag_bits` (at most 10). The key's distance has the rest,
    /// at least one bit.
    #[must_use]
    pub(super) fn new(song_bits: u32, tag_bits: u32) -> Self {
        let tag_bits = tag_bits.min(MAX_TAG_BITS);
        Packing { bits: 64, song_bits: song_bits.clamp(1, 63 - tag_bits), tag_bits }
    }

    /// Rows of 128 bits, with any song and tags of `tag_bits` (at most 10). The key's distance has the rest, at least
    /// 55 bits.
    #[must_use]
    pub(super) fn double(tag_bits: u32) -> Self {
        Packing { bits: 128, song_bits: ID_BITS, tag_bits: tag_bits.min(MAX_TAG_BITS) }
    }

    /// Whether rows have 128 bits.
    #[must_use]
    pub(super) const fn is_double(self) -> bool {
        self.bits == 128
    }

    /// Words of a packed row.
    #[must_use]
    pub(super) const fn words(self) -> usize {
        if self.is_double() { 2 } else { 1 }
    }

    /// Bits below the key and the song.
    pub(super) const fn tag_bits(self) -> u32 {
        self.tag_bits
    }

    /// Maximum distance of a key from its range's start.
    #[must_use]
    pub(super) const fn max_distance(self) -> u64 {
        u64::MAX >> (self.song_bits + self.tag_bits).saturating_sub(self.bits - 64)
    }

    /// Whether a row in the range that starts at key `base` fits.
    #[must_use]
    #[inline]
    pub(super) const fn fits(self, base: u64, row: Row) -> bool {
        row.key.wrapping_sub(base) <= self.max_distance() && row.song >> self.song_bits == 0
    }

    /// The number of a row in the range that starts at key `base`; `None` if key or song do not fit. The tag must fit.
    #[inline]
    pub(super) fn pack<P: Packed>(self, base: u64, row: Row) -> Option<P> {
        if !self.fits(base, row) {
            return None;
        }
        let distance = P::from(row.key.wrapping_sub(base));
        let upper = (distance << self.song_bits | P::from(row.song)) << self.tag_bits;
        Some(upper | P::from(row.tag))
    }

    /// The row of a number.
    #[inline]
    pub(super) fn unpack<P: Packed>(self, base: u64, packed: P) -> Row {
        let tag = packed.low() & !(u64::MAX << self.tag_bits);
        let upper = packed >> self.tag_bits;
        let song = upper.low() & !(u64::MAX << self.song_bits);
        Row { key: base + (upper >> self.song_bits).low(), song, tag }
    }

    /// The rows of the numbers in a chunk's words.
    #[inline]
    pub(super) fn rows<P: Packed>(
        self,
        base: u64,
        words: &[u64],
    ) -> impl Iterator<Item = Row> + Clone {
        P::load(words).map(move |packed| self.unpack(base, packed))
    }
}

/// Numbers the possible countries densely in their order, so that a tag takes few bits.
#[derive(Debug, Clone)]
pub(super) struct Tags {
    tag_of: Vec<u16>,
    number_of: Vec<u16>,
}

impl Tags {
    /// Tags for these countries, given in ascending order.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most 676 countries")]
    pub(super) fn new(countries: impl IntoIterator<Item = Country>) -> Self {
        let mut tag_of = vec![0; usize::from(Country::COUNT)];
        let mut number_of = Vec::new();
        for country in countries {
            // A country's number is below the number of countries.
            tag_of[usize::from(country.number())] = number_of.len() as u16;
            number_of.push(country.number());
        }
        Tags { tag_of, number_of }
    }

    /// Bits of the largest tag.
    #[must_use]
    pub(super) fn bits(&self) -> u32 {
        usize::BITS - self.number_of.len().saturating_sub(1).leading_zeros()
    }

    /// The tag of a country number.
    #[inline]
    #[must_use]
    pub(super) fn tag(&self, number: u16) -> u64 {
        // The parser has found the number in a set of countries.
        u64::from(self.tag_of[usize::from(number)])
    }

    /// The country number of a tag.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a tag has at most ten bits")]
    pub(super) fn number(&self, tag: u64) -> u64 {
        // Every tag is the index of its country.
        u64::from(self.number_of[tag as usize])
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

    /// Packs two rows, unpacks what fits, and compares the orders.
    fn check<P: Packed>(packing: Packing, base: u64, rows: &[Row]) {
        let packed: Vec<Option<P>> = rows.iter().map(|row| packing.pack(base, *row)).collect();
        for (row, packed) in rows.iter().zip(&packed) {
            if let Some(packed) = packed {
                assert_eq!(packing.unpack(base, *packed), *row);
            } else {
                let room = packing.bits - packing.song_bits - packing.tag_bits;
                let far = room < 64 && (row.key - base) >> room > 0;
                assert!(far || row.song >> packing.song_bits > 0);
            }
        }
        if let [Some(one), Some(other)] = packed[..] {
            assert_eq!(one.cmp(&other), rows[0].cmp(&rows[1]));
        }
    }

    proptest! {
        #[test]
        fn a_packed_row_comes_back_and_keeps_the_order(
            song_bits in 1u32..64, tag_bits in 0u32..11, base in any::<u64>(),
            rows in prop::collection::vec((any::<u64>(), any::<u64>(), 0u64..1024, 0u32..64), 2),
        ) {
            let base = base >> 1;
            let rows: Vec<Row> = rows.iter().map(|&(key, song, tag, shift)| Row {
                key: (base + (key >> 1 >> shift)).min(crate::model::MAX_ID),
                song: song >> 1 >> shift,
                tag: tag & ((1 << tag_bits) - 1),
            }).collect();
            check::<u64>(Packing::new(song_bits, tag_bits), base, &rows);
            check::<u128>(Packing::double(tag_bits), base, &rows);
        }

        #[test]
        fn what_is_stored_in_a_chunk_is_loaded(numbers in prop::collection::vec(any::<u128>(), 0..128)) {
            let mut chunk = [0; 256];
            for (at, number) in (0..).zip(&numbers) {
                number.store(&mut chunk, 2 * at);
            }
            prop_assert_eq!(u128::load(&chunk[..2 * numbers.len()]).collect::<Vec<_>>(), numbers);
        }
    }
}
