//! An input's digest: XXH3-128 over the XXH3-128s of its pieces, in the order of the pieces.
//!
//! Pieces may be digested by many threads and arrive in any order; only those that came early are
//! held, so memory depends on the threads, not on the size of the log.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The digest of one piece (all of 1 MiB but the last).
pub(super) fn digest_of_piece(piece: &[u8]) -> u128 {
    xxh3_128(piece)
}

/// Puts the digests of pieces in order and folds them into one.
pub(super) struct PieceDigests {
    /// All pieces before this one are folded.
    next: u64,
    /// Pieces that came before an earlier one; all indexes are above `next`.
    early: BTreeMap<u64, u128>,
    fold: Box<Xxh3>,
}

impl PieceDigests {
    /// No piece yet.
    pub(super) fn new() -> Self {
        PieceDigests { next: 0, early: BTreeMap::new(), fold: Box::new(Xxh3::new()) }
    }

    /// Adds the piece of this index; each index once.
    pub(super) fn add(&mut self, index: u64, digest: u128) {
        self.early.insert(index, digest);
        while let Some(digest) = self.early.remove(&self.next) {
            self.fold.update(&digest.to_le_bytes());
            self.next += 1;
        }
    }

    /// How many pieces, from the first on, were added without a gap.
    pub(super) fn pieces(&self) -> u64 {
        self.next
    }

    /// The digest of those pieces; that of no bytes at all when there is none.
    pub(super) fn digest(&self) -> u128 {
        self.fold.digest128()
    }
}

/// The definition, written down in the shortest way.
#[cfg(test)]
pub(super) fn naive_digest(bytes: &[u8], piece: usize) -> u128 {
    let pieces: Vec<u8> =
        bytes.chunks(piece).flat_map(|piece| xxh3_128(piece).to_le_bytes()).collect();
    xxh3_128(&pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order_give_the_digest_of_the_definition() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let digests: Vec<u128> = bytes.chunks(7).map(digest_of_piece).collect();
        let mut digest = PieceDigests::new();
        for start in [3, 0, 2, 1] {
            for index in (start..digests.len()).step_by(4) {
                digest.add(index as u64, digests[index]);
            }
        }
        assert_eq!(digest.pieces(), 143);
        assert!(digest.early.is_empty());
        assert_eq!(digest.digest(), naive_digest(&bytes, 7));
    }

    #[test]
    fn an_empty_input_has_the_digest_of_nothing() {
        assert_eq!(PieceDigests::new().digest(), 0x99AA_06D3_0147_98D8_6001_C324_468D_497F);
        assert_eq!(naive_digest(b"", 7), PieceDigests::new().digest());
    }

    #[test]
    fn a_gap_is_not_counted() {
        let mut digest = PieceDigests::new();
        digest.add(0, 1);
        digest.add(2, 3);
        assert_eq!(digest.pieces(), 1);
    }
}
