//! Unsigned LEB128: seven bits a byte, lowest first. The top bit is set where more bytes follow.

use super::{Corrupt, take_array};

/// Maximum bytes of an encoded `u64`.
pub const MAX_BYTES: usize = 10;

/// Appends `value` to `out`: one to ten bytes.
pub fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Number of bytes that [`encode`] appends for a value of `bits` significant bits.
#[must_use]
pub const fn encoded_bytes(bits: u32) -> u32 {
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Takes one number off the front of `bytes`.
///
/// # Errors
/// [`Corrupt`] for a number that is cut, exceeds 64 bits or is not in its shortest encoding.
pub fn decode(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    match bytes.first_chunk::<8>().and_then(|chunk| decode_word(u64::from_le_bytes(*chunk))) {
        Some((value, taken)) => {
            // The number was in the first eight bytes.
            *bytes = &bytes[taken..];
            Ok(value)
        }
        None => decode_by_bytes(bytes),
    }
}

/// The number in the lowest bytes of a word, and how many bytes it takes. `None` if it does not end in the word or is
/// not in its shortest encoding.
fn decode_word(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let unused = 63 - ends.trailing_zeros();
    let own = word << unused >> unused & 0x7f7f_7f7f_7f7f_7f7f;
    // Seven bits of every byte, moved together by halves.
    let twos = own & 0x007f_007f_007f_007f | (own & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = twos & 0x0000_3fff_0000_3fff | (twos & 0x3fff_0000_3fff_0000) >> 2;
    let value = fours & 0x0fff_ffff | fours >> 32 << 28;
    let taken = (8 - unused / 8) as usize;
    // A last byte of zero adds nothing, so a shorter encoding exists.
    let shortest = taken == 1 || own >> (8 * (taken - 1)) != 0;
    shortest.then_some((value, taken))
}

fn decode_by_bytes(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut value = 0u64;
    for shift in (0..).step_by(7).take(MAX_BYTES) {
        let [byte] = take_array(bytes)?;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return Err(Corrupt("a number exceeds 64 bits"));
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            let shortest = shift == 0 || byte != 0;
            return if shortest {
                Ok(value)
            } else {
                Err(Corrupt("a number is not in its shortest encoding"))
            };
        }
    }
    Err(Corrupt("a number has too many bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_every_width_come_back_and_take_the_stated_bytes() {
        for bits in 0..=64u32 {
            let top = if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
            for value in [top, top - (top >> 1)] {
                let mut bytes = Vec::new();
                encode(value, &mut bytes);
                let bits = 64 - value.leading_zeros();
                assert_eq!(Ok(encoded_bytes(bits)), u32::try_from(bytes.len()));
                let mut rest = bytes.as_slice();
                assert_eq!(decode(&mut rest), Ok(value));
                assert!(rest.is_empty());
                let length = bytes.len();
                for next in [0, 0x7f, 0x80, 0xff] {
                    bytes.resize(length + 8, next);
                    let mut rest = bytes.as_slice();
                    assert_eq!(decode(&mut rest), Ok(value), "whatever follows");
                    assert_eq!(rest.len(), 8);
                    bytes.truncate(length);
                }
            }
        }
    }

    #[test]
    fn a_word_gives_the_number_in_its_lowest_bytes_or_nothing() {
        for bits in 0..=56u32 {
            let value =
                if bits == 0 { 0 } else { 0x00a5_5a3c_c30f_f0e7 >> (56 - bits) | 1 << (bits - 1) };
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            let length = bytes.len();
            for next in [0, 0x7f, 0x80, 0xff] {
                bytes.resize(8, next);
                let word = u64::from_le_bytes(*bytes.first_chunk().unwrap());
                assert_eq!(decode_word(word), Some((value, length)), "{bits} bits, then {next:x}");
                bytes.truncate(length);
            }
        }
        // Numbers whose last byte is zero, and a number that does not end.
        for length in 1..8 {
            let mut bytes = vec![0xff; length];
            bytes.push(0);
            bytes.resize(8, 0x7f);
            assert_eq!(decode_word(u64::from_le_bytes(*bytes.first_chunk().unwrap())), None);
        }
        assert_eq!(decode_word(u64::MAX), None);
    }

    #[test]
    fn numbers_that_are_cut_or_too_long_or_not_in_their_shortest_encoding_are_refused() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0x80, 0x00, 1, 1, 1, 1, 1, 1, 1],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert!(decode(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
