//! The id in the log for the number of a song or user. Numbers are dense and start at 0.
//!
//! Each way is a bijection: distinct numbers have distinct ids, without a table.

use super::permutation::scramble;
use super::random::hash;

/// How ids are spread.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ids {
    /// Anywhere below 2^32, and one in 32 from there to 2^33, as in real logs.
    Sparse {
        /// Names the bijection.
        key: u64,
    },
    /// Anywhere below 2^63.
    Wide {
        /// Names the bijection.
        key: u64,
    },
    /// 1, 2, 3, …
    Dense,
    /// Sparse below 2^33 and rising with the number: one anywhere in each interval of `stride`.
    Ascending {
        /// Chooses the places in the intervals.
        key: u64,
        /// 2^33 divided by the number of ids, at least 2.
        stride: u64,
    },
}

/// One sparse id in this number exceeds 32 bits.
const OVER_32_BITS: u64 = 32;

impl Ids {
    /// Rising ids for `count` numbers, at most 2^32.
    pub(super) fn ascending(key: u64, count: u64) -> Self {
        Ids::Ascending { key, stride: (1 << 33) / count.max(1) }
    }

    /// The id of `number`, which is below 2^32.
    pub(super) fn of(&self, number: u64) -> u64 {
        match *self {
            Ids::Sparse { key } => {
                // The low 32 bits alone are unique already.
                let over = u64::from(hash(key, number).is_multiple_of(OVER_32_BITS));
                scramble(number, key, 32) | over << 32
            }
            Ids::Wide { key } => scramble(number, key, 63),
            Ids::Dense => number + 1,
            Ids::Ascending { key, stride } => number * stride + hash(key, number) % stride,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MAX_ID;

    fn sorted_ids(ids: Ids) -> Vec<u64> {
        let mut ids: Vec<_> = (0..100_000).map(|number| ids.of(number)).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn ids_are_unique() {
        let all = [
            Ids::Sparse { key: 5 },
            Ids::Wide { key: 5 },
            Ids::Dense,
            Ids::ascending(5, 100_000),
            Ids::ascending(5, 1 << 32),
        ];
        for ids in all {
            let mut sorted = sorted_ids(ids);
            sorted.dedup();
            assert_eq!(sorted.len(), 100_000, "{ids:?}");
        }
    }

    #[test]
    fn sparse_ids_are_spread_over_32_bits_and_a_few_percent_exceed_them() {
        let ids = sorted_ids(Ids::Sparse { key: 9 });
        let part_below = |bound: u64| ids.partition_point(|id| *id < bound) as f64 / 1e5;
        assert!((part_below(1 << 31) - 0.484).abs() < 0.01);
        assert!((part_below(1 << 32) - 0.969).abs() < 0.003);
        assert_eq!(part_below(1 << 33), 1.0);
    }

    #[test]
    fn wide_ids_use_all_63_bits() {
        let ids = sorted_ids(Ids::Wide { key: 9 });
        assert!(ids.last().is_some_and(|last| (MAX_ID - MAX_ID / 1000..=MAX_ID).contains(last)));
    }

    #[test]
    fn ascending_ids_rise_with_the_number() {
        let ids = Ids::ascending(3, 1000);
        assert!((1..1000).all(|number| ids.of(number - 1) < ids.of(number)));
        assert!(ids.of(999) < 1 << 33);
    }
}
