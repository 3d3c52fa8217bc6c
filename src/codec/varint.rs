//! Unsigned LEB128: seven bits a byte, lowest first, the top bit says that more follow.

use super::{Corrupt, take_array};

/// The longest encoding of a `u64`.
pub const MAX_BYTES: usize = 10;

/// Appends `value` to `out`: one to ten bytes.
pub fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// How many bytes [`encode`] takes for a value of `bits` significant bits.
#[must_use]
pub const fn encoded_bytes(bits: u32) -> u32 {
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Takes one number off the front of `bytes`. Only the shortest encoding is accepted.
pub fn decode(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
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
            return if shortest { Ok(value) } else { Err(Corrupt("a number has idle bytes")) };
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
            }
        }
    }

    #[test]
    fn cut_idle_and_overlong_numbers_are_refused() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert!(decode(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
