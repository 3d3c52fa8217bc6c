//! The operations of a kernel, and the work that is done with one.

/// Bytes that are searched together for bytes other than digits.
pub(crate) const LOOK: usize = 32;

/// Digits that become a number together.
pub(crate) const DIGITS: usize = 16;

/// Sixteen bytes of which the last are digits, and a mask that has `0x0f` for those and 0 for the others.
pub(crate) type Masked<'a> = (&'a [u8; DIGITS], &'a [u8; DIGITS]);

/// What is done with many bytes at once.
pub(crate) trait Kernel: Copy {
    /// A bit for each byte that is not an ASCII digit, the first in the lowest. A digit after a byte that is
    /// not ASCII may be taken for another byte.
    fn non_digits(self, bytes: &[u8; LOOK]) -> u32;

    /// The values of two numbers of up to sixteen digits.
    fn values(self, numbers: [Masked<'_>; 2]) -> [u64; 2];
}

/// Something to be done with whichever kernel was chosen. `run` must be `#[inline(always)]`, and with it all that uses
/// the kernel: vector instructions are fast only in code that became part of a function compiled for them.
pub(crate) trait Work {
    /// Its result.
    type Outcome;

    /// Does it.
    fn run<K: Kernel>(self, kernel: K) -> Self::Outcome;
}
