//! Sorts packed rows without regard to their lowest bits.
//!
//! A radix sort by the leading digits of the bits that differ brings nearly all words to their places. An insertion
//! sort moves the others. Of the 56 bits that differ in a range of users, the first 33 distinguish nearly all rows, so
//! three passes are enough instead of six. Where they are not enough, the words are sorted by all digits. Numbers that
//! differ in more bits than six digits have are sorted by the leading digits, which distinguish keys, and the rows of a
//! key by comparing them.

use super::packing::Packed;

/// Minimum number of words for a radix sort. For fewer, the standard library's sort is faster than clearing counters.
const MIN_RADIX_WORDS: usize = 1024;
/// Bits of a radix digit: 2,048 counters and as many write heads stay in the second-level cache.
const DIGIT_BITS: u32 = 11;
const SIZE: usize = 1 << DIGIT_BITS;
/// Digits of a number of 64 bits.
const MAX_PASSES: usize = 64usize.div_ceil(DIGIT_BITS as usize);
/// Digits of the radix sort before the insertion sort.
const LEADING: u32 = 3;
/// Maximum steps of the insertion sort, on average for each word. Beyond that, sorting by the other digits costs less.
const MAX_STEPS: usize = 4;

/// Sorts words. Memory, which it keeps between calls: twice the largest number of words that it sorted.
#[derive(Debug, Default)]
pub(super) struct Radix<P> {
    words: Vec<P>,
    other: Vec<P>,
}

impl<P: Packed> Radix<P> {
    /// The numbers in the words of all `parts`, sorted by their bits from `lowest` on. The parts are read in place,
    /// without a copy.
    pub(super) fn sort<'w>(
        &mut self,
        parts: impl Iterator<Item = &'w [u64]> + Clone,
        lowest: u32,
    ) -> &mut [P] {
        let words: usize = parts.clone().map(<[u64]>::len).sum();
        let length = words / usize::from(P::WORDS);
        if length < MIN_RADIX_WORDS {
            self.words.clear();
            parts.for_each(|part| self.words.extend(P::load(part)));
            self.words.sort_unstable_by_key(|word| *word >> lowest);
            return &mut self.words;
        }
        let width = differing_bits::<P>(parts.clone());
        let bits = width.saturating_sub(lowest);
        // At least one pass is needed, because it copies the words to `self.words`.
        let leading = RadixDigits::of(bits.clamp(1, LEADING * DIGIT_BITS), width);
        self.words.resize(length, P::default());
        self.other.resize(length, P::default());
        self.sort_by(parts.map(P::load), leading);
        if leading.lowest <= lowest {
            return &mut self.words;
        }
        let all = RadixDigits::of(bits, width);
        if all.passes as usize > MAX_PASSES {
            sort_tied(&mut self.words, leading.lowest, lowest);
        } else if !insert(&mut self.words, lowest) {
            let unsorted = std::mem::take(&mut self.words);
            self.words.resize(length, P::default());
            self.sort_by(std::iter::once(unsorted.iter().copied()), all);
        }
        &mut self.words
    }

    /// Sorts by these digits, the lowest first. Each pass keeps the order of words with the same digit.
    fn sort_by<I: Iterator<Item = P>>(
        &mut self,
        parts: impl Iterator<Item = I> + Clone,
        digits: RadixDigits,
    ) {
        let mut heads = [[0u32; SIZE]; MAX_PASSES];
        for word in parts.clone().flatten() {
            for (pass, heads) in (0..digits.passes).zip(&mut heads) {
                heads[digits.digit(word, pass)] += 1;
            }
        }
        for (pass, heads) in (0..digits.passes).zip(&mut heads) {
            let mut sum = 0;
            for head in heads.iter_mut() {
                sum += std::mem::replace(head, sum);
            }
            let mut place = |word: P, to: &mut [P]| {
                let head = &mut heads[digits.digit(word, pass)];
                // The heads are sums over the same words.
                to[*head as usize] = word;
                *head += 1;
            };
            if pass == 0 {
                parts.clone().for_each(|part| part.for_each(|word| place(word, &mut self.words)));
            } else {
                self.words.iter().for_each(|word| place(*word, &mut self.other));
                std::mem::swap(&mut self.words, &mut self.other);
            }
        }
    }
}

/// Number of bits up to the highest bit in which any two words differ.
fn differing_bits<'w, P: Packed>(parts: impl Iterator<Item = &'w [u64]> + Clone) -> u32 {
    let first = parts.clone().flat_map(P::load).next().unwrap_or_default();
    let in_part = |part| P::load(part).fold(P::default(), |bits, word| bits | (word ^ first));
    parts.fold(P::default(), |bits, part| bits | in_part(part)).width()
}

/// Sorts each group of words that are equal above their `tied` bits.
fn sort_tied<P: Packed>(words: &mut [P], tied: u32, lowest: u32) {
    for group in words.chunk_by_mut(|one, other| *one >> tied == *other >> tied) {
        group.sort_unstable_by_key(|word| *word >> lowest);
    }
}

/// A stretch of bits as digits of equal width.
#[derive(Debug, Clone, Copy)]
struct RadixDigits {
    lowest: u32,
    bits_each: u32,
    passes: u32,
}

impl RadixDigits {
    /// The `bits` bits below bit `end`.
    fn of(bits: u32, end: u32) -> Self {
        let passes = bits.div_ceil(DIGIT_BITS);
        RadixDigits { lowest: end.saturating_sub(bits), bits_each: bits.div_ceil(passes), passes }
    }

    #[inline(always)]
    fn digit<P: Packed>(self, word: P, pass: u32) -> usize {
        let mask = (1u64 << self.bits_each) - 1;
        #[expect(clippy::cast_possible_truncation, reason = "masked to 11 bits")]
        let digit = ((word >> (self.lowest + pass * self.bits_each)).low() & mask) as usize;
        digit & (SIZE - 1)
    }
}

/// Sorts nearly sorted words by insertion. Returns false, with the words in any order, if that takes too many steps.
fn insert<P: Packed>(words: &mut [P], lowest: u32) -> bool {
    let mut budget = words.len() * MAX_STEPS;
    for at in 1..words.len() {
        if words[at - 1] >> lowest > words[at] >> lowest {
            let steps = sink(&mut words[..=at], lowest, budget);
            let Some(rest) = budget.checked_sub(steps) else { return false };
            budget = rest;
        }
    }
    true
}

/// Moves the last word to its place among the sorted words before it. Returns the number of steps, and stops at more
/// than `max_steps`.
#[inline(never)]
fn sink<P: Packed>(words: &mut [P], lowest: u32, max_steps: usize) -> usize {
    let mut steps = 0;
    for at in (1..words.len()).rev() {
        if words[at - 1] >> lowest <= words[at] >> lowest || steps > max_steps {
            break;
        }
        words.swap(at - 1, at);
        steps += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(words: &[u64], lowest: u32) -> Vec<u64> {
        Radix::<u64>::default().sort(words.chunks(100), lowest).to_vec()
    }

    /// Most words differ in their last bits alone, so leading digits distinguish few of them.
    #[test]
    fn words_that_are_not_nearly_sorted_by_their_leading_digits_are_sorted_by_all() {
        for spread in [1, 50, 1 << 20] {
            let words: Vec<u64> = (0..3000u64)
                .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15))
                .map(|word| if word % 7 == 0 { word } else { (word >> 40) % spread })
                .collect();
            let mut expected = words.clone();
            expected.sort_unstable();
            assert_eq!(sorted(&words, 0), expected, "{spread}");
        }
    }

    proptest! {
        #[test]
        fn the_radix_sort_sorts(
            seed in any::<u64>(), length in 0usize..5000, shift in 0u32..64, lowest in 0u32..12,
        ) {
            let mut state = seed;
            let words: Vec<u64> = (0..length).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state ^ state >> 33) >> shift
            }).collect();
            let mut found = sorted(&words, lowest);
            prop_assert!(found.is_sorted_by_key(|word| word >> lowest));
            let mut expected = words;
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn numbers_of_two_words_are_sorted_alike(
            seed in any::<u64>(), length in 0usize..5000, shift in 0u32..128, keys in 1u64..3000,
            lowest in 0u32..12,
        ) {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state ^ state >> 33
            };
            let keys: Vec<u64> = (0..keys).map(|_| next()).collect();
            let words: Vec<u128> = (0..length)
                .map(|at| (u128::from(keys[at % keys.len()]) << 64 | u128::from(next())) >> shift)
                .collect();
            let mut radix = Radix::<u128>::default();
            let mut found = radix.sort(bytemuck::cast_slice(&words).chunks(100), lowest).to_vec();
            prop_assert!(found.is_sorted_by_key(|word| word >> lowest));
            let mut expected = words;
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
