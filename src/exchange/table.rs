//! A table's columns and rows.

use crate::model::{Entries, Kind};

/// Which rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table {
    /// The kind of its keys.
    pub kind: Kind,
    /// Whether it has a column `rank` after the key.
    pub ranked: bool,
}

impl Table {
    /// The counts of a run: key, song, streams.
    #[must_use]
    pub const fn counts(kind: Kind) -> Self {
        Table { kind, ranked: false }
    }

    /// The best songs of each key, with their ranks from 1.
    #[must_use]
    pub const fn tops(kind: Kind) -> Self {
        Table { kind, ranked: true }
    }

    /// The names of its columns, in order.
    #[must_use]
    pub fn columns(self) -> Vec<&'static str> {
        let ranked = self.ranked.then_some(RANK);
        [self.kind.column()].into_iter().chain(ranked).chain([SONG, STREAMS]).collect()
    }
}

/// The column of song ids.
pub const SONG: &str = "sng_id";
/// The column of counts.
pub const STREAMS: &str = "streams";
/// The column of ranks.
pub(crate) const RANK: &str = "rank";

/// Rows of a table as columns of equal length.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Keys of the table's kind, songs and streams. In a table with ranks, a key's songs are in the order of the ranks.
    pub entries: Entries<'a>,
    /// Ranks from 1; empty for a table without them.
    pub ranks: &'a [u64],
}
