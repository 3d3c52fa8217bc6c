//! A table's columns and rows.

use crate::model::Kind;

/// Which rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table {
    /// The kind of its keys.
    pub kind: Kind,
    /// What is in a row besides the key.
    pub(super) content: Content,
}

/// What the rows of a table are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Content {
    Counts,
    Tops,
    Changes,
}

impl Table {
    /// The counts of a run: key, song, streams.
    #[must_use]
    pub const fn counts(kind: Kind) -> Self {
        Table { kind, content: Content::Counts }
    }

    /// The best songs of each key, with their ranks from 1.
    #[must_use]
    pub const fn tops(kind: Kind) -> Self {
        Table { kind, content: Content::Tops }
    }

    /// The songs of each key whose rank or streams differ between two emissions, with those of both.
    #[must_use]
    pub const fn changes(kind: Kind) -> Self {
        Table { kind, content: Content::Changes }
    }

    /// The names of its columns, in order.
    #[must_use]
    pub fn columns(self) -> Vec<&'static str> {
        let numbers: &[&str] = match self.content {
            Content::Counts => &[SONG, STREAMS],
            Content::Tops => &[RANK, SONG, STREAMS],
            Content::Changes => &[SONG, "old_rank", "new_rank", "old_streams", "new_streams"],
        };
        [self.kind.column()].into_iter().chain(numbers.iter().copied()).collect()
    }

    /// Whether a column has rows without a value, which are 0 in [`Rows`].
    #[must_use]
    pub(super) fn is_optional(self, column: &str) -> bool {
        self.content == Content::Changes && column != SONG && column != self.kind.column()
    }
}

/// The column of song ids.
pub const SONG: &str = "sng_id";
/// The column of counts.
pub const STREAMS: &str = "streams";
/// The column of ranks.
pub(super) const RANK: &str = "rank";

/// Rows of a table as columns of equal length.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Keys of the table's kind, ascending.
    pub keys: &'a [u64],
    /// The other columns, in the order of [`Table::columns`].
    pub numbers: &'a [&'a [u64]],
}
