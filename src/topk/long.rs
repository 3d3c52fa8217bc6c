//! Ranks keys with many songs, nearly none of which are among the best.

use std::sync::{Mutex, PoisonError};

use super::slots::TopK;
use crate::error::Result;
use crate::merge::{Merge, Stream};
use crate::model::{Batch, Ranked};

/// The minimum count of a song among the best of the current key, as far as pieces have found it.
///
/// The K-th best of a part of a key's songs is at most the K-th best of all songs. So a piece in the middle of a key
/// begins with the minimum of the pieces before it, instead of merging everything until it has found one.
#[derive(Debug, Default)]
pub struct Floor(Mutex<Option<(u64, u64)>>);

impl Floor {
    /// The minimum count for this key, if known.
    #[must_use]
    pub fn of(&self, key: u64) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|(known, _)| *known == key).map(|(_, count)| count)
    }

    /// Stores the minimum that a piece has found. Keys ascend, so the largest key is useful for longest.
    pub fn raise(&self, key: u64, count: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(Some((key, count)));
    }
}

/// Ranks the keys of a merge, and sets the merge's floor. Memory: the slots of one key.
#[derive(Debug)]
pub struct LongKeys {
    top: TopK,
    best: Vec<Ranked>,
}

impl LongKeys {
    /// A ranking of the best `top` songs of each key.
    #[must_use]
    pub fn new(top: usize) -> Self {
        LongKeys { top: TopK::new(top), best: Vec::new() }
    }

    /// Calls `each` with the best songs of each key, the best first, in the order of the keys.
    ///
    /// `shared` is the floor of all pieces and the key that this piece begins with. `progress` is called with the
    /// number of further entries read; its error ends the ranking.
    pub fn rank<S: Stream>(
        &mut self,
        mut merge: Merge<S>,
        shared: Option<(&Floor, u64)>,
        progress: &dyn Fn(u64) -> Result<()>,
        mut each: impl FnMut(u64, &[Ranked]),
    ) -> Result<()> {
        let known = shared.and_then(|(floor, key)| Some((key, floor.of(key)?)));
        if let Some((key, count)) = known {
            merge.set_floor(key, count);
        }
        self.top.clear();
        let mut batch = Batch::default();
        let mut open: Option<u64> = None;
        let mut read = 0;
        while merge.next(&mut batch)? {
            progress(merge.entries_read() - read)?;
            read = merge.entries_read();
            for (key, songs) in batch.entries().by_key() {
                if let Some(ended) = open.filter(|open| *open != key) {
                    self.end(ended, &mut each);
                }
                open = Some(key);
                self.top.extend(songs);
            }
            if let Some((key, floor)) = open.zip(self.top.floor()) {
                let known = known.filter(|(known, _)| *known == key);
                merge.set_floor(key, floor.max(known.map_or(0, |(_, count)| count)));
            }
        }
        if let Some(((floor, _), (key, count))) = shared.zip(open.zip(self.top.floor())) {
            floor.raise(key, count);
        }
        if let Some(ended) = open {
            self.end(ended, &mut each);
        }
        Ok(())
    }

    fn end(&mut self, key: u64, each: &mut impl FnMut(u64, &[Ranked])) {
        self.top.best(&mut self.best);
        self.top.clear();
        each(key, &self.best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_rises_moves_to_later_keys_and_holds_for_no_other_key() {
        let floor = Floor::default();
        assert_eq!(floor.of(3), None);
        floor.raise(3, 10);
        floor.raise(3, 7);
        assert_eq!((floor.of(3), floor.of(2), floor.of(4)), (Some(10), None, None));
        floor.raise(4, 1);
        floor.raise(3, 99);
        assert_eq!((floor.of(3), floor.of(4)), (None, Some(1)));
    }
}
