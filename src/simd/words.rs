//! The kernel for any machine: eight digits in a word.

use super::{Kernel, LOOK, Masked};

/// The kernel for any machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn non_digits(self, bytes: &[u8; LOOK]) -> u32 {
        top_bits(bytes, stops)
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; LOOK], byte: u8) -> u32 {
        top_bits(bytes, |word| !above(word ^ all(byte), 0))
    }

    #[inline(always)]
    fn up_to(self, bytes: &[u8; LOOK], last: u8) -> u32 {
        top_bits(bytes, |word| !above(word, last))
    }

    #[inline(always)]
    fn place(self, bits: u64, before: u8) -> usize {
        (0..before).fold(bits, |bits, _| bits & bits.wrapping_sub(1)).trailing_zeros() as usize
    }

    #[inline(always)]
    fn values(self, [one, other]: [Masked<'_>; 2]) -> [u64; 2] {
        [value(one), value(other)]
    }
}

/// The top bit of each byte, after this was done to each word; the first byte's in the lowest bit.
#[inline(always)]
fn top_bits(bytes: &[u8; LOOK], of: impl Fn(u64) -> u64) -> u32 {
    let (words, _) = bytes.as_chunks::<8>();
    // The multiplication gathers the top bits of a word in its highest byte.
    let bits = |word: &[u8; 8]| {
        let tops = of(u64::from_le_bytes(*word)) & all(0x80);
        (tops.wrapping_mul(0x0002_0408_1020_4081) >> 56) as u32
    };
    words.iter().enumerate().fold(0, |all, (at, word)| all | bits(word) << (at * 8))
}

#[inline(always)]
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Sets the top bit of each byte that is not a digit.
///
/// After an exclusive or with `0x30`, a digit is its value, and adding `0x76` sets the top bit of every byte that is
/// not a digit. A byte of `0xba` or above carries into the next byte, so a digit there may have its bit set.
#[inline(always)]
fn stops(word: u64) -> u64 {
    (word ^ all(b'0')).wrapping_add(all(0x76)) | word
}

/// Sets the top bit of each byte above `last`, which is ASCII. Nothing carries, because the sum is without the top bits.
#[inline(always)]
fn above(word: u64, last: u8) -> u64 {
    ((word & all(0x7f)) + all(0x7f - last)) | word
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the two halves are wanted")]
fn value((digits, mask): Masked<'_>) -> u64 {
    let digits = u128::from_le_bytes(*digits) & u128::from_le_bytes(*mask);
    eight_digits(digits as u64) * 100_000_000 + eight_digits((digits >> 64) as u64)
}

/// The value of eight digits, the first digit in the lowest byte.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    // Each multiplication adds ten (a hundred, ten thousand) times the lower neighbour to every second lane. No lane
    // overflows: the maximum is 99, 9,999 and 99,999,999.
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}
