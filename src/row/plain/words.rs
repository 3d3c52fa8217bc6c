//! The kernel of any machine: eight digits to a word.

use super::{LEAD, Masked, WINDOW, chunk};

/// Bytes that are looked at before it is known how long the row is: enough for two ids of up to
/// fifteen digits each.
const FIRST: usize = 32;

/// Where the first two bytes from [`LEAD`] on that are no digits stand, lower first, if both are among
/// the [`FIRST`]. A digit behind a byte of `0xba` and above may be taken for none.
///
/// Both come of one look. Looking for the second from the first on would take as many instructions,
/// but each of them would wait for the ones before.
#[inline(always)]
pub(super) fn digit_ends(window: &[u8; WINDOW]) -> Option<[usize; 2]> {
    let mut stops = 0_u32;
    for at in 0..FIRST / 8 {
        let word = u64::from_le_bytes(*chunk(window, LEAD + at * 8)?);
        stops |= stop_bits(word) << (at * 8);
    }
    let behind_first = stops & stops.wrapping_sub(1);
    let at = |stops: u32| LEAD + stops.trailing_zeros() as usize;
    (behind_first != 0).then(|| [at(stops), at(behind_first)])
}

/// A bit for each of eight bytes that is no digit, the first in the lowest.
///
/// With `0x30` taken out by exclusive or, a digit is its value, and adding `0x76` sets the top bit of
/// every byte that is none. A byte of `0xba` and above carries into the next, which may then be taken
/// for none though it is a digit. The multiplication gathers the top bits in the highest byte.
#[inline(always)]
fn stop_bits(word: u64) -> u32 {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let stops = ((word ^ all(b'0')).wrapping_add(all(0x76)) | word) & all(0x80);
    (stops.wrapping_mul(0x0002_0408_1020_4081) >> 56) as u32
}

/// The values of two numbers of up to sixteen digits.
#[inline(always)]
pub(super) fn values(song: Masked<'_>, user: Masked<'_>) -> [u64; 2] {
    [value(song), value(user)]
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves of sixteen bytes are wanted")]
fn value((digits, mask): Masked<'_>) -> u64 {
    let digits = u128::from_le_bytes(*digits) & u128::from_le_bytes(*mask);
    eight_digits(digits as u64) * 100_000_000 + eight_digits((digits >> 64) as u64)
}

/// The value of eight digits, a byte each, the first in the lowest byte.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    // Each multiplication adds to every other lane ten (a hundred, ten thousand) times its lower
    // neighbour, and cannot overflow the lane: the most are 99, 9,999 and 99,999,999.
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}
