//! Sorting words whose lowest bits do not matter.
//!
//! A radix sort by the leading digits of what differs, which brings nearly all words to their places, and an insertion
//! sort that brings the others there. Of the 56 bits that differ in a range of users, the first 33 tell all
//! but a few rows apart, so three passes do instead of six. Where that is not so, all digits are sorted by.

/// Below this many words the standard library's sort is faster than clearing counters.
const RADIX_FROM: usize = 1024;
/// Bits of a radix digit: 2,048 counters and as many write heads stay in the second-level cache.
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Leading digits that are sorted by before insertion is tried.
const LEADING: u32 = 3;
/// Steps of an insertion sort for each word, on average, beyond which sorting by the other digits costs less.
const STEPS: usize = 4;

/// What sorting needs beside the words: 8 bytes for each.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    other: Vec<u64>,
}

/// Sorts `words` by their bits from `lowest` on.
pub(super) fn sort_above(words: &mut Vec<u64>, scratch: &mut Scratch, lowest: u32) {
    if words.len() < RADIX_FROM {
        words.sort_unstable_by_key(|word| word >> lowest);
        return;
    }
    let Some(&first) = words.first() else { return };
    let differing = words.iter().fold(0, |bits, word| bits | (word ^ first));
    let width = 64 - differing.leading_zeros();
    let bits = width.saturating_sub(lowest);
    let leading = bits.min(LEADING * DIGIT_BITS);
    sort_digits(words, &mut scratch.other, width - leading, leading);
    if leading < bits && !insert(words, lowest) {
        sort_digits(words, &mut scratch.other, lowest, bits);
    }
}

/// Sorts by `bits` bits from `lowest` on, stably, least significant digit first.
fn sort_digits(words: &mut Vec<u64>, other: &mut Vec<u64>, lowest: u32, bits: u32) {
    let passes = bits.div_ceil(DIGIT_BITS);
    if passes == 0 {
        return;
    }
    let digit_bits = bits.div_ceil(passes);
    other.resize(words.len(), 0);
    for pass in 0..passes {
        pass_by_digit(words, other, lowest + pass * digit_bits, digit_bits);
        std::mem::swap(words, other);
    }
}

/// One stable pass: `to` is `from` by the digit at `shift`.
fn pass_by_digit(from: &[u64], to: &mut [u64], shift: u32, digit_bits: u32) {
    let mask = DIGITS.min(1 << digit_bits) - 1;
    let digit = |word: u64| {
        #[expect(clippy::cast_possible_truncation, reason = "masked to 11 bits")]
        let digit = (word >> shift) as usize & mask & (DIGITS - 1);
        digit
    };
    let mut heads = [0u32; DIGITS];
    for word in from {
        heads[digit(*word)] += 1;
    }
    let mut sum = 0;
    for head in &mut heads {
        sum += std::mem::replace(head, sum);
    }
    for word in from {
        let head = &mut heads[digit(*word)];
        if let Some(place) = to.get_mut(*head as usize) {
            *place = *word;
        }
        *head += 1;
    }
}

/// Sorts nearly sorted words by insertion; false, with the words in some other order, when they are not nearly sorted.
fn insert(words: &mut [u64], lowest: u32) -> bool {
    let mut budget = words.len() * STEPS;
    for at in 1..words.len() {
        let Some(&[before, word]) = words.get(at - 1..).and_then(|pair| pair.first_chunk()) else {
            break;
        };
        if before >> lowest > word >> lowest {
            let steps = sink(words.get_mut(..=at).unwrap_or_default(), lowest, budget);
            let Some(rest) = budget.checked_sub(steps) else { return false };
            budget = rest;
        }
    }
    true
}

/// Brings the last word to its place among the sorted ones before it, and says how many it passed. Gives up behind
/// more than `most`.
#[inline(never)]
fn sink(words: &mut [u64], lowest: u32, most: usize) -> usize {
    let mut steps = 0;
    for at in (1..words.len()).rev() {
        match words.get_mut(at - 1..=at) {
            Some([before, word]) if *before >> lowest > *word >> lowest && steps <= most => {
                std::mem::swap(before, word);
                steps += 1;
            }
            _ => break,
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words of which most differ in their last bits alone, so that leading digits tell few apart.
    #[test]
    fn words_that_are_not_nearly_sorted_by_their_leading_digits_are_sorted_by_all() {
        for spread in [1, 50, 1 << 20] {
            let mut words: Vec<u64> = (0..3000u64)
                .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15))
                .map(|word| if word % 7 == 0 { word } else { (word >> 40) % spread })
                .collect();
            let mut expected = words.clone();
            expected.sort_unstable();
            sort_above(&mut words, &mut Scratch::default(), 0);
            assert_eq!(words, expected, "{spread}");
        }
    }

    proptest! {
        #[test]
        fn the_radix_sort_sorts(
            seed in any::<u64>(), length in 0usize..5000, shift in 0u32..64, lowest in 0u32..12,
        ) {
            let mut state = seed;
            let mut words: Vec<u64> = (0..length).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state ^ state >> 33) >> shift
            }).collect();
            let mut expected = words.clone();
            sort_above(&mut words, &mut Scratch::default(), lowest);
            prop_assert!(words.is_sorted_by_key(|word| word >> lowest));
            words.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(words, expected);
        }
    }
}
