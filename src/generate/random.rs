//! Pseudo-random numbers that depend on their seed alone: a mixer, and a generator made of it.
//!
//! Both are splitmix64 (Steele, Lea and Flood, 2014). It takes nine operations, passes BigCrush, and can start
//! anywhere. So every chunk of rows is independent of all others, and a user's properties are values of a function
//! instead of a table. A crate would be longer than this file, and its next major version would change every generated
//! byte.

/// 2^64 divided by the golden ratio, odd: the step between two states.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64 bits in which every input bit moves every output bit.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A hash of `value`, by a different function for each key.
pub(super) fn hash(key: u64, value: u64) -> u64 {
    mix(key.wrapping_add(value.wrapping_add(1).wrapping_mul(STEP)))
}

/// 53 bits of `bits` as a number in [0, 1).
#[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds exactly")]
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// `bits` scaled to 0 … `count` - 1 without a division; 0 when `count` is 0.
pub(super) fn scale(bits: u64, count: u64) -> u64 {
    ((u128::from(bits) * u128::from(count)) >> 64) as u64
}

/// A sequence of pseudo-random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(mix(seed))
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    pub(super) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    pub(super) fn below(&mut self, count: u64) -> u64 {
        scale(self.bits(), count)
    }

    /// One of `from`.
    #[expect(clippy::cast_possible_truncation, reason = "an index of the array")]
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, from: &[T; N]) -> T {
        const { assert!(N > 0) };
        from[self.below(N as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The first outputs of the published C program for state 0.
        let mut random = Random(0);
        let first = [random.bits(), random.bits(), random.bits()];
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn units_and_scaled_numbers_stay_in_their_ranges() {
        assert_eq!((unit(0), unit(u64::MAX) < 1.0), (0.0, true));
        assert_eq!((scale(0, 7), scale(u64::MAX, 7), scale(u64::MAX, 0)), (0, 6, 0));
    }
}
