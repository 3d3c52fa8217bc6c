//! The text format: a line for each key, `key|song:count,song:count,…`.

use super::{Format, Lines};
use crate::model::{KeyText, Kind, Ranked};

/// Writes a line for each key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Format for Text {
    fn write_key(&self, kind: Kind, key: u64, best: &[Ranked], out: &mut Lines) {
        let line = out.room(MAX_KEY_BYTES + best.len() * MAX_SONG_BYTES + SPARE);
        let mut at = match kind.key_text(key) {
            KeyText::Code(code) => {
                put(line, 0, u64::from_le_bytes(code.padded()));
                code.len()
            }
            KeyText::Number(number) => put_number(line, 0, number),
        };
        put(line, at, u64::from(b'|'));
        at += 1;
        for ranked in best {
            at = put_song(line, at, *ranked);
        }
        // Replaces the comma after the last song.
        put(line, at - 1, u64::from(b'\n'));
        out.advance(at);
    }
}

/// A number of 20 digits and the byte after it.
const MAX_KEY_BYTES: usize = 20 + 1;
/// A song and a count, each with the byte after it.
const MAX_SONG_BYTES: usize = 2 * MAX_KEY_BYTES;
/// Room after the line, because whole words are written.
const SPARE: usize = 8;

/// Writes `song:count,` at `at`; returns where it ends.
#[inline]
fn put_song(line: &mut [u8], at: usize, Ranked { song, count }: Ranked) -> usize {
    let at = put_number(line, at, song);
    if count < 10 {
        // Nearly all counts are below 10.
        put(line, at, u64::from_le_bytes(*b":0,\0\0\0\0\0") + (count << 8));
        return at + 3;
    }
    put(line, at, u64::from(b':'));
    let at = put_number(line, at + 1, count);
    put(line, at, u64::from(b','));
    at + 1
}

/// Writes a number at `at`; returns where it ends.
#[inline(always)]
fn put_number(line: &mut [u8], at: usize, number: u64) -> usize {
    const EIGHT: u64 = 100_000_000;
    let (head, tail) = (number / EIGHT, eight_digits(number % EIGHT));
    if head >= 10_000 {
        return put_long(line, at, number);
    }
    if head == 0 {
        return put_without_zeros(line, at, tail, 8);
    }
    let at = put_without_zeros(line, at, u64::from(four_digits(head)), 4);
    put(line, at, tail);
    at + 8
}

/// As [`put_number`], for a number of more than 12 digits.
#[cold]
fn put_long(line: &mut [u8], at: usize, number: u64) -> usize {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number).as_bytes();
    line[at..at + digits.len()].copy_from_slice(digits);
    at + digits.len()
}

/// The numbers below 10,000 as text of four digits, the first digit in the lowest byte. The 40 KB fit the first levels
/// of a cache. The table is a third faster than eight digits by arithmetic, and twice as fast as two digits at a time.
static FOUR_DIGITS: [u32; 10_000] = all_four_digits();

const fn all_four_digits() -> [u32; 10_000] {
    let mut texts = [0; 10_000];
    let mut number = 0;
    while number < 10_000 {
        let digits = [number / 1000, number / 100 % 10, number / 10 % 10, number % 10];
        let [first, second, third, fourth] = digits;
        texts[number as usize] = (first | second << 8 | third << 16 | fourth << 24) + 0x3030_3030;
        number += 1;
    }
    texts
}

/// The text of a number below 10,000, with leading zeros.
#[inline]
fn four_digits(number: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "below 10,000")]
    FOUR_DIGITS[number as usize]
}

/// The text of a number below 10^8, with leading zeros.
#[inline]
fn eight_digits(number: u64) -> u64 {
    u64::from(four_digits(number / 10_000)) | u64::from(four_digits(number % 10_000)) << 32
}

/// Writes the lowest `length` bytes of a text at `at` without its leading zeros; returns where it ends.
#[inline]
fn put_without_zeros(line: &mut [u8], at: usize, digits: u64, length: usize) -> usize {
    // A digit is 0x30 plus its value. The last digit is written even if it is a zero.
    let values = digits & 0x0f0f_0f0f_0f0f_0f0f | 1 << (8 * (length - 1));
    let zeros = values.trailing_zeros() / 8;
    put(line, at, digits >> (8 * zeros));
    at + length - zeros as usize
}

/// Writes eight bytes, some of which the next call may overwrite.
#[inline]
fn put(line: &mut [u8], at: usize, bytes: u64) {
    // `write_key` has asked for enough room.
    line[at..at + SPARE].copy_from_slice(&bytes.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(kind: Kind, key: u64, best: &[Ranked]) -> String {
        let mut out = Lines::default();
        Text.write_key(kind, key, best, &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_line_is_the_key_and_its_songs() {
        let best = [Ranked { song: 12, count: 3 }, Ranked { song: 9_000_000_000, count: 1 }];
        let france = Kind::Country.parse_key("FR").unwrap();
        let line = write(Kind::Country, france, &best);
        assert_eq!(line, "FR|12:3,9000000000:1\n");
        assert_eq!(write(Kind::User, 77, &best[..1]), "77|12:3\n");
    }

    #[test]
    fn numbers_of_every_length_are_written_as_they_are() {
        let powers = (0..20).map(|digits| 10u64.pow(digits));
        let numbers =
            powers.flat_map(|power| [power - 1, power, power + 1, power.saturating_mul(9)]);
        for number in numbers.chain([u64::MAX, u64::MAX - 1]).chain(0..2000) {
            let best = [Ranked { song: number, count: number }];
            assert_eq!(write(Kind::User, number, &best), format!("{number}|{number}:{number}\n"));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_what_the_obvious_program_writes(
            keys in prop::collection::vec(
                (any::<u64>(), 0u32..64, prop::collection::vec((any::<u64>(), 0u32..64, any::<u64>(), 0u32..64), 1..9)), 1..9),
        ) {
            let (mut lines, mut expected) = (Lines::default(), String::new());
            for (key, shift, songs) in keys {
                let best: Vec<Ranked> = songs.iter().map(|(song, narrow, count, less)| Ranked { song: song >> narrow, count: count >> less }).collect();
                Text.write_key(Kind::User, key >> shift, &best, &mut lines);
                let songs: Vec<String> = best.iter().map(|ranked| format!("{}:{}", ranked.song, ranked.count)).collect();
                expected.push_str(&format!("{}|{}\n", key >> shift, songs.join(",")));
            }
            prop_assert_eq!(lines.as_bytes(), expected.as_bytes());
        }
    }
}
