//! The plain row, read eight bytes at a time without looking for its end first.
//!
//! **Trick.** After an exclusive or with `0x30` a digit's byte is its value, so adding `0x76` sets the
//! top bit of every byte that is no digit, and the lowest such bit tells how many digits lead. A byte
//! of `0xba` and above carries into the byte behind it; only bytes after the first that is no digit
//! can be touched by that, and they are not looked at. The digits are then shifted to the end
//! of sixteen, zeros in front, and halves, quarters and eighths are folded with a multiplication each.
//! Nothing branches on how many digits there are, which in real logs nobody can guess.

use super::{CountrySet, Row};
use crate::model::MAX_ID;

/// Bytes that must lie before the reader: more than the longest plain row
/// (`19 digits|19 digits|FR CR LF`) and the loads that reach past its parts.
pub(super) const WINDOW: usize = 64;

/// `c` in each of sixteen bytes.
const fn sixteen(c: u8) -> u128 {
    u128::from_le_bytes([c; 16])
}

/// `|`, two bytes of `0x40` to `0x5f`, LF; little-endian, seen through [`TAIL_MASK`].
const TAIL_LF: u32 = u32::from_le_bytes([b'|', 0x40, 0x40, b'\n']);
/// The same with CR, which an LF must follow.
const TAIL_CR: u32 = u32::from_le_bytes([b'|', 0x40, 0x40, b'\r']);
const TAIL_MASK: u32 = u32::from_le_bytes([0xff, 0xe0, 0xe0, 0xff]);

/// The row at the start of `window` and its length with its LF, if it is a plain one: digits, `|`,
/// digits, `|`, two capitals of the set, LF or CR LF, and no id of more than 19 digits.
#[inline(always)]
pub(super) fn row(window: &[u8; WINDOW], countries: &CountrySet) -> Option<(Row, usize)> {
    let (song, song_end) = id(window, 0)?;
    if *window.get(song_end)? != b'|' {
        return None;
    }
    let (user, user_end) = id(window, song_end + 1)?;
    let tail = u32::from_le_bytes(*chunk(window, user_end)?);
    let length = match tail & TAIL_MASK {
        TAIL_LF => user_end + 4,
        TAIL_CR if *window.get(user_end + 4)? == b'\n' => user_end + 5,
        _ => return None,
    };
    let [_, first, second, _] = tail.to_le_bytes();
    let country = countries.number_of(first, second)?;
    Some((Row { song, user, country }, length))
}

/// The id at `start`, one to 19 digits, and where it ends.
#[inline(always)]
fn id(window: &[u8; WINDOW], start: usize) -> Option<(u64, usize)> {
    let digits = u128::from_le_bytes(*chunk(window, start)?) ^ sixteen(0x30);
    let stops = (digits.wrapping_add(sixteen(0x76)) | digits) & sixteen(0x80);
    // A stop is the top bit of its byte: seven above the bits of the digits before it.
    let bits = stops.trailing_zeros() & !7;
    if bits == 0 {
        return None;
    }
    let value = sixteen_digits(digits << (128 - bits));
    let end = start + (bits / 8) as usize;
    if bits == 128 { long_id(window, end, value) } else { Some((value, end)) }
}

/// The rest of an id whose first sixteen digits have `value`, up to three digits from `start` on.
/// Nineteen digits stay below 2^64.
#[cold]
fn long_id(window: &[u8; WINDOW], start: usize, value: u64) -> Option<(u64, usize)> {
    let digits = window.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).take(4);
    let rest = digits.map(|byte| u64::from(byte - b'0'));
    let count = rest.clone().count();
    let value = rest.take(3).fold(value, |value, digit| value * 10 + digit);
    (count < 4 && value <= MAX_ID).then_some((value, start + count))
}

/// The value of sixteen digits, a byte each, the first in the lowest byte.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves of sixteen bytes are wanted")]
fn sixteen_digits(digits: u128) -> u64 {
    eight_digits(digits as u64) * 100_000_000 + eight_digits((digits >> 64) as u64)
}

/// The value of eight digits, a byte each, the first in the lowest byte.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    // Each multiplication adds to every other lane ten (a hundred, ten thousand) times its lower
    // neighbour, and cannot overflow the lane, as lanes hold 99 (9999, 99999999) at most.
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}

/// The `N` bytes at `start`, if the window has them.
#[inline(always)]
fn chunk<const N: usize>(window: &[u8; WINDOW], start: usize) -> Option<&[u8; N]> {
    window.get(start..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`row`] says of a line with LF, followed by `behind`.
    fn taken(line: &[u8], behind: u8) -> Option<(Row, usize)> {
        let mut window = [behind; WINDOW];
        window[..line.len()].copy_from_slice(line);
        row(&window, &CountrySet::iso())
    }

    #[test]
    fn a_plain_row_is_taken_whatever_the_lengths_of_its_ids_and_the_bytes_behind_it() {
        let fr = Some(5 * 26 + 17);
        for (song_digits, user_digits) in (1..=19).flat_map(|s| (1..=19).map(move |u| (s, u))) {
            let digits = |count: usize| &"9123456789012345678"[19 - count..];
            let (song, user) = (digits(song_digits), digits(user_digits));
            for (end, behind) in [("\n", b'0'), ("\r\n", b'|'), ("\n", 0xff), ("\r\n", b'\n')] {
                let line = format!("{song}|{user}|FR{end}");
                let (row, length) = taken(line.as_bytes(), behind).expect(&line);
                assert_eq!(row.song, song.parse::<u64>().unwrap());
                assert_eq!(row.user, user.parse::<u64>().unwrap());
                assert_eq!((Some(row.country), length), (fr, line.len()));
            }
        }
    }

    #[test]
    fn a_row_that_is_not_plain_is_left_to_the_rules() {
        for line in [
            "\n",
            "||FR\n",
            "|1|FR\n",
            "1||FR\n",
            "1|2|VJ\n",
            "1|2|fr\n",
            "1|2|FR \n",
            "1 |2|FR\n",
            "1|2|FR\r\r\n",
            "1|2|FR\r0\n",
            "1|2|FRFR\n",
            "1|2|F\n",
            "1|2|\n",
            "-1|2|FR\n",
            "1|2|[A\n",
            "1|2|@A\n",
            "1|2|A_\n",
            "1:|2|FR\n",
            "1/|2|FR\n",
            "\u{ba}1|2|FR\n",
            "9223372036854775808|2|FR\n",
            "1|9223372036854775808|FR\n",
            "00000000000000000001|2|FR\n",
        ] {
            assert_eq!(taken(line.as_bytes(), b'0'), None, "{line:?}");
        }
        assert_eq!(taken(b"1|2|FR", b'\n').map(|(_, length)| length), Some(7));
        assert_eq!(taken(b"9223372036854775807|9223372036854775807|FR\r\n", 0).unwrap().1, 44);
    }
}
