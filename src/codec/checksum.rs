//! XXH3 over whole byte strings: 64 bits for a part of a file, 128 bits to identify an input.
//!
//! It finds damage by disks, cables and interrupted copies. It does not protect against forgery. At over 10 GB/s it
//! costs little compared with reading the bytes.

use std::fmt;

/// XXH3-64 (seed 0) of a byte string.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Checksum(pub u64);

impl Checksum {
    /// The checksum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Checksum(xxhash_rust::xxh3::xxh3_64(bytes))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::hex64(self.0))
    }
}

/// XXH3-128 (seed 0) of a byte string.
#[must_use]
pub fn digest(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}

/// Computes both hashes of bytes that come in pieces.
pub struct Hasher(Box<xxhash_rust::xxh3::Xxh3>);

impl Hasher {
    /// A hasher that has no bytes yet.
    #[must_use]
    pub fn new() -> Self {
        Hasher(Box::new(xxhash_rust::xxh3::Xxh3::new()))
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        Checksum(self.0.digest())
    }

    /// The digest of all bytes so far, equal to [`digest`] of the whole.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.0.digest128()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.checksum()).finish()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_are_the_checksums_that_the_format_names() {
        // Computed by the reference implementation.
        assert_eq!(Checksum::of(b""), Checksum(0x2d06_8005_38d3_94c2));
        assert_eq!(digest(b""), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
        assert_ne!(Checksum::of(b"a"), Checksum::of(b"b"));
        assert_eq!(format!("{:?}", Checksum(0xab)), "00000000000000ab");
    }

    #[test]
    fn pieces_have_the_checksum_and_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for piece in [1, 7, 255, 1000] {
            let mut hasher = Hasher::new();
            bytes.chunks(piece).for_each(|bytes| hasher.update(bytes));
            assert_eq!(
                (hasher.checksum(), hasher.digest()),
                (Checksum::of(&bytes), digest(&bytes))
            );
        }
    }
}
