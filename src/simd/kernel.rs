//! What a kernel does, and what is done with one.

/// Bytes that are looked at together for those that are no digits.
pub(crate) const LOOK: usize = 32;

/// Digits that become a number together.
pub(crate) const DIGITS: usize = 16;

/// Sixteen bytes of which the last are digits, and a mask that has `0x0f` for those and 0 for the others.
pub(crate) type Masked<'a> = (&'a [u8; DIGITS], &'a [u8; DIGITS]);

/// What is done with many bytes at once.
pub(crate) trait Kernel: Copy {
    /// A bit for each byte that is no ASCII digit, the first in the lowest. A digit behind a byte that is
    /// no ASCII may be taken for none.
    fn non_digits(self, bytes: &[u8; LOOK]) -> u32;

    /// The values of two numbers of up to sixteen digits.
    fn values(self, numbers: [Masked<'_>; 2]) -> [u64; 2];
}

/// Something to be done with whichever kernel was chosen. `run` must be `#[inline(always)]`, and with it all that uses
/// the kernel: vector instructions are fast only in code that became part of a function compiled for them.
pub(crate) trait Work {
    /// What comes of it.
    type Outcome;

    /// Does it.
    fn run<K: Kernel>(self, kernel: K) -> Self::Outcome;
}
