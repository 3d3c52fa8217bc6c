//! Orders without a table: a bijection of 0 … n - 1 for each key.

/// The bijection of the numbers below 2^`bits` (at most 63) for `key`.
///
/// It is a bijection because each of its steps can be undone: adding, multiplying by an odd number, and folding high
/// bits onto low bits.
pub(super) fn scramble(value: u64, key: u64, bits: u32) -> u64 {
    let mask = (1_u64 << bits) - 1;
    let fold = bits / 2 + 1;
    let mut value = value & mask;
    for (add, factor) in
        [(key, 0x9fb2_1c65_1e98_df25), (key >> 32, key | 1), (0, 0xd6e8_feb8_6659_fd93)]
    {
        value = value.wrapping_add(add).wrapping_mul(factor) & mask;
        value ^= value >> fold;
    }
    value
}

/// The place of `index` of 0 … `count` - 1 in the order of `key`.
///
/// It applies the bijection of the next power of two until the result is below `count`: under two steps on average.
/// `index` must be below `count`, which is at most 2^63.
pub(super) fn permute(index: u64, key: u64, count: u64) -> u64 {
    let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
    let mut place = scramble(index, key, bits);
    while place >= count {
        place = scramble(place, key, bits);
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_taken_once() {
        for count in (1..70).chain([255, 256, 257, 1000, 5000]) {
            for key in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
                let mut places: Vec<_> =
                    (0..count).map(|index| permute(index, key, count)).collect();
                places.sort_unstable();
                assert_eq!(places, (0..count).collect::<Vec<_>>(), "{count} {key}");
            }
        }
    }

    #[test]
    fn another_key_is_another_order() {
        let order = |key| (0..1000).map(|index| permute(index, key, 1000)).collect::<Vec<_>>();
        assert_ne!(order(1), order(2));
    }
}
