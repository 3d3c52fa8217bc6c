//! An input's digest: XXH3-128 over the XXH3-128s of its pieces, in the order of the pieces.
//!
//! Pieces may be digested by many threads and arrive in any order; only those that came early are
//! held, so memory depends on the threads, not on the size of the log.

use std::collections::BTreeMap;
use std::sync::Mutex;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::lock;

/// The digest of one piece (all of 1 MiB but the last).
pub(crate) fn digest_of_piece(piece: &[u8]) -> u128 {
    xxh3_128(piece)
}

/// Puts the digests of pieces in order and folds them into one.
///
/// Memory: 80 bytes, and 600 more from the second piece to the last.
#[derive(Default)]
pub(crate) struct PieceDigests {
    /// All pieces before this one are folded.
    next: u64,
    /// Number of pieces, once it is known.
    total: Option<u64>,
    /// Pieces that came before an earlier one; all indexes are above `next`.
    early: BTreeMap<u64, u128>,
    fold: Fold,
}

/// Whether an input begins with the bytes of another, of which only the length and the digest are known.
pub(super) struct Prefix {
    bytes: u64,
    digest: u128,
    digests: Mutex<PieceDigests>,
}

impl Prefix {
    pub(super) fn new(bytes: u64, digest: u128) -> Self {
        Prefix { bytes, digest, digests: Mutex::default() }
    }

    /// Takes a piece with its digest; all of `length` bytes but the last.
    pub(super) fn take(&self, index: u64, piece: &[u8], digest: u128, length: u64) {
        let before = index.saturating_mul(length);
        let rest = usize::try_from(self.bytes.saturating_sub(before)).unwrap_or(usize::MAX);
        let mut digests = lock(&self.digests);
        digests.end(self.bytes.div_ceil(length));
        // A piece that is too short is the input's last, which has no digest of the whole then.
        match piece.get(..rest) {
            Some([]) => {}
            Some(start) if start.len() < piece.len() => digests.add(index, digest_of_piece(start)),
            _ if piece.len() as u64 == length || piece.len() == rest => digests.add(index, digest),
            _ => {}
        }
    }

    /// Whether all its pieces were taken, and have its digest.
    pub(super) fn is_met(&self) -> bool {
        let mut digests = lock(&self.digests);
        if self.bytes == 0 {
            digests.end(0);
        }
        digests.digest() == Some(self.digest)
    }
}

/// The result of the pieces so far.
#[derive(Default)]
enum Fold {
    #[default]
    Nothing,
    /// On days with very many logs, most logs have a single piece.
    One(u128),
    Many(Box<Xxh3>),
    /// The digest of all pieces.
    All(u128),
}

impl PieceDigests {
    /// Adds the piece of this index; each index once.
    pub(crate) fn add(&mut self, index: u64, digest: u128) {
        self.early.insert(index, digest);
        while let Some(digest) = self.early.remove(&self.next) {
            self.fold.add(digest);
            self.next += 1;
        }
        self.close();
    }

    /// There are this many pieces.
    pub(crate) fn end(&mut self, total: u64) {
        self.total = Some(total);
        self.close();
    }

    /// The digest of all pieces; `None` unless all of them were added.
    pub(crate) fn digest(&self) -> Option<u128> {
        match self.fold {
            Fold::All(digest) => Some(digest),
            _ => None,
        }
    }

    fn close(&mut self) {
        if self.total == Some(self.next) {
            self.fold = Fold::All(self.fold.digest());
        }
    }
}

impl Fold {
    fn add(&mut self, digest: u128) {
        match self {
            Fold::Nothing => *self = Fold::One(digest),
            Fold::One(first) => {
                let mut fold = Box::new(Xxh3::new());
                fold.update(&first.to_le_bytes());
                fold.update(&digest.to_le_bytes());
                *self = Fold::Many(fold);
            }
            Fold::Many(fold) => fold.update(&digest.to_le_bytes()),
            // Each piece is added once.
            Fold::All(_) => {}
        }
    }

    fn digest(&self) -> u128 {
        match self {
            Fold::Nothing => xxh3_128(&[]),
            Fold::One(first) => xxh3_128(&first.to_le_bytes()),
            Fold::Many(fold) => fold.digest128(),
            Fold::All(digest) => *digest,
        }
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
    fn an_input_begins_with_another_if_it_has_its_bytes_wherever_pieces_end() {
        const PIECE: usize = 4;
        let whole: Vec<u8> = (0..19).collect();
        let begins_with = |whole: &[u8], start: &[u8]| {
            let prefix = Prefix::new(start.len() as u64, naive_digest(start, PIECE));
            // In an order that threads could have.
            let pieces: Vec<(u64, &[u8])> = (0..).zip(whole.chunks(PIECE)).collect();
            for (index, piece) in pieces.iter().rev() {
                prefix.take(*index, piece, digest_of_piece(piece), PIECE as u64);
            }
            prefix.is_met()
        };
        for length in 0..=whole.len() {
            for start in 0..=whole.len() {
                let is_prefix = start <= length;
                assert_eq!(
                    begins_with(&whole[..length], &whole[..start]),
                    is_prefix,
                    "{start} {length}"
                );
            }
            for at in 0..length {
                let mut other = whole.clone();
                other[at] = 99;
                assert!(!begins_with(&other, &whole[..length]), "{at} of {length}");
            }
        }
    }

    #[test]
    fn pieces_in_any_order_give_the_digest_of_the_definition() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for length in [0, 1, 7, 8, 14, 1000] {
            let bytes = &bytes[..length];
            let digests: Vec<u128> = bytes.chunks(7).map(digest_of_piece).collect();
            for end_first in [false, true] {
                let mut digest = PieceDigests::default();
                if end_first {
                    digest.end(digests.len() as u64);
                }
                for start in [3, 0, 2, 1] {
                    for index in (start..digests.len()).step_by(4) {
                        digest.add(index as u64, digests[index]);
                    }
                }
                digest.end(digests.len() as u64);
                assert!(digest.early.is_empty());
                assert_eq!(digest.digest(), Some(naive_digest(bytes, 7)));
            }
        }
    }

    #[test]
    fn an_empty_input_has_the_digest_of_nothing() {
        let mut digest = PieceDigests::default();
        digest.end(0);
        assert_eq!(digest.digest(), Some(0x99AA_06D3_0147_98D8_6001_C324_468D_497F));
    }

    #[test]
    fn pieces_with_a_gap_have_no_digest() {
        let mut digest = PieceDigests::default();
        digest.add(0, 1);
        digest.add(2, 3);
        digest.end(3);
        assert_eq!(digest.digest(), None);
    }
}
