//! Vector instructions, and plain code with the same results.
//!
//! Two [`Kernel`]s give the same results: [`Portable`] on any machine, `Avx2` on a processor that has it. A run asks
//! the processor once and chooses ([`Choice::of_this_run`]); the environment variable `AGG_SIMD=off` chooses the plain
//! kernel. Tests compare both. [`prefetch`] is a hint and changes no result.
//!
//! `unsafe` is allowed only here and in the mapping of memory. Nothing here depends on what callers use it for (rows,
//! ids).

#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernel;
mod words;

use std::sync::OnceLock;

pub(crate) use kernel::{DIGITS, Kernel, LOOK, Masked, Work};
pub(crate) use words::Portable;

/// The environment variable that selects the plain kernel if it is `off`: for tests, and to measure what the other
/// kernel saves.
const VARIABLE: &str = "AGG_SIMD";

/// A kernel that this machine has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice {
    /// Works on any machine.
    Portable(Portable),
    /// Needs a processor with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
}

impl Choice {
    /// The kernel that tests compare other kernels with.
    #[cfg(test)]
    pub(crate) const PORTABLE: Choice = Choice::Portable(Portable);

    /// The fastest kernel of this machine.
    pub(crate) fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detect() {
            return Choice::Avx2(avx2);
        }
        Choice::Portable(Portable)
    }

    /// The fastest kernel, unless the environment variable says otherwise; decided once.
    pub(crate) fn of_this_run() -> Self {
        static CHOICE: OnceLock<Choice> = OnceLock::new();
        *CHOICE.get_or_init(|| {
            let off = std::env::var_os(VARIABLE).is_some_and(|value| value == "off");
            let choice = if off { Choice::Portable(Portable) } else { Choice::fastest() };
            tracing::debug!(?choice, "processor");
            choice
        })
    }

    /// Does the work with this kernel.
    pub(crate) fn run<W: Work>(self, work: W) -> W::Outcome {
        match self {
            Choice::Portable(words) => work.run(words),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(avx2) => avx2.run(work),
        }
    }
}

/// A hint that the word at `at` is used soon. It does nothing on processors without such an instruction.
#[inline(always)]
pub(crate) fn prefetch(words: &[u64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(word) = words.get(at) {
        avx2::prefetch(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Both<'a>(&'a [u8; LOOK], [Masked<'a>; 2]);

    impl Work for Both<'_> {
        type Outcome = (u32, [u64; 2]);

        fn run<K: Kernel>(self, kernel: K) -> Self::Outcome {
            (kernel.non_digits(self.0), kernel.values(self.1))
        }
    }

    struct Find<'a>(&'a [u8; LOOK], u8);

    impl Work for Find<'_> {
        type Outcome = (u32, u32);

        fn run<K: Kernel>(self, kernel: K) -> Self::Outcome {
            (kernel.equal(self.0, self.1), kernel.up_to(self.0, self.1))
        }
    }

    struct Place(u64, u8);

    impl Work for Place {
        type Outcome = usize;

        fn run<K: Kernel>(self, kernel: K) -> usize {
            kernel.place(self.0, self.1)
        }
    }

    fn ascii() -> impl Strategy<Value = u8> {
        prop_oneof![3 => b'0'..=b'9', 1 => 0_u8..128]
    }

    proptest! {
        #[test]
        fn all_kernels_see_the_same_digits_and_values(
            look in prop::array::uniform32(ascii()),
            digits in prop::array::uniform2(prop::array::uniform16(any::<u8>())),
            lengths in prop::array::uniform2(0..=DIGITS),
        ) {
            // As callers do: the bytes under the mask are digits.
            let mut digits = digits;
            let mut masks = [[0; DIGITS]; 2];
            for ((digits, mask), length) in digits.iter_mut().zip(&mut masks).zip(lengths) {
                for (digit, mask) in digits.iter_mut().zip(mask).rev().take(length) {
                    (*digit, *mask) = (b'0' + *digit % 10, 0x0f);
                }
            }
            let both = || Both(&look, [(&digits[0], &masks[0]), (&digits[1], &masks[1])]);
            let (stops, values) = Choice::PORTABLE.run(both());
            prop_assert_eq!(Choice::fastest().run(both()), (stops, values));
            for (at, byte) in look.iter().enumerate() {
                prop_assert_eq!(stops >> at & 1 == 0, byte.is_ascii_digit());
            }
            for ((digits, length), value) in digits.iter().zip(lengths).zip(values) {
                let text: String = digits[DIGITS - length..].iter().copied().map(char::from).collect();
                prop_assert_eq!(text.parse().unwrap_or(0), value);
            }
        }

        #[test]
        fn all_kernels_find_a_byte_and_the_bytes_up_to_it_among_any_bytes(
            look in prop::array::uniform32(prop_oneof![Just(b';'), Just(b':'), any::<u8>()]),
            byte in prop_oneof![Just(b';'), 0_u8..128],
        ) {
            let bits = |is_it: &dyn Fn(&u8) -> bool| {
                look.iter().rev().fold(0, |bits, at| bits << 1 | u32::from(is_it(at)))
            };
            let expected = (bits(&|at| *at == byte), bits(&|at| *at <= byte));
            for choice in [Choice::PORTABLE, Choice::fastest()] {
                prop_assert_eq!(choice.run(Find(&look, byte)), expected);
            }
        }

        #[test]
        fn all_kernels_find_the_place_of_each_bit(places in prop::collection::btree_set(0..64_usize, 0..64)) {
            let bits = places.iter().fold(0, |bits, place| bits | 1 << place);
            for choice in [Choice::PORTABLE, Choice::fastest()] {
                for (before, place) in (0..).zip(places.iter().chain([&64])) {
                    prop_assert_eq!(choice.run(Place(bits, before)), *place);
                }
            }
        }

        #[test]
        fn the_first_byte_that_is_not_a_digit_is_found_among_any_bytes(
            look in prop::array::uniform32(any::<u8>()),
        ) {
            let both = || Both(&look, [(&[b'0'; DIGITS], &[0; DIGITS]); 2]);
            let expected = look.iter().take_while(|byte| byte.is_ascii_digit()).count();
            for choice in [Choice::PORTABLE, Choice::fastest()] {
                prop_assert_eq!(choice.run(both()).0.trailing_zeros() as usize, expected);
            }
        }
    }
}
