//! The operations of a kernel, and the work that uses a kernel.

/// Bytes that are searched together for bytes that are not digits.
pub(crate) const LOOK: usize = 32;

/// Maximum digits of a number.
pub(crate) const DIGITS: usize = 16;

/// Sixteen bytes, the last of which are digits, and a mask with `0x0f` for digits and 0 for other bytes.
pub(crate) type Masked<'a> = (&'a [u8; DIGITS], &'a [u8; DIGITS]);

/// Operations on many bytes at once.
pub(crate) trait Kernel: Copy {
    /// A bit for each byte that is not an ASCII digit, the first byte in the lowest bit. A digit after a byte that is
    /// not ASCII may also have its bit set.
    fn non_digits(self, bytes: &[u8; LOOK]) -> u32;

    /// A bit for each byte that is this byte.
    fn equal(self, bytes: &[u8; LOOK], byte: u8) -> u32;

    /// A bit for each byte up to this byte, which is ASCII.
    fn up_to(self, bytes: &[u8; LOOK], last: u8) -> u32;

    /// The position of the set bit after the `before` lowest set bits; 64 if there are not so many.
    fn place(self, bits: u64, before: u8) -> usize;

    /// The values of two numbers of up to sixteen digits.
    fn values(self, numbers: [Masked<'_>; 2]) -> [u64; 2];
}

/// Work for any kernel. `run` and everything that uses the kernel must be `#[inline(always)]`, because vector
/// instructions are fast only in a function that is compiled for them.
pub(crate) trait Work {
    /// Its result.
    type Outcome;

    /// Does the work.
    fn run<K: Kernel>(self, kernel: K) -> Self::Outcome;
}
