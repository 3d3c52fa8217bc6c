//! A few numbers that identify a whole answer.

use agg::{Batch, RowBatch};

/// How many triples there were, and a sum that changes when a number of any triple does. It does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    triples: u64,
    sum: u64,
}

impl Fingerprint {
    /// Adds one triple.
    #[inline]
    pub(crate) fn add(&mut self, one: u64, two: u64, three: u64) {
        self.triples += 1;
        self.sum = self.sum.wrapping_add(one ^ two.rotate_left(21) ^ three.rotate_left(42));
    }

    /// Adds all entries of a batch.
    pub(crate) fn add_entries(&mut self, batch: &Batch) {
        for ((key, song), count) in batch.keys.iter().zip(&batch.songs).zip(&batch.counts) {
            self.add(*key, *song, *count);
        }
    }

    /// Adds all rows of a batch.
    pub(crate) fn add_rows(&mut self, batch: &RowBatch) {
        for ((song, user), country) in batch.songs.iter().zip(&batch.users).zip(&batch.countries) {
            self.add(*song, *user, u64::from(*country));
        }
    }

    /// Of a whole batch.
    pub(crate) fn of(batch: &Batch) -> Self {
        let mut fingerprint = Fingerprint::default();
        fingerprint.add_entries(batch);
        fingerprint
    }
}
