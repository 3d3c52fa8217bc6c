//! Two files of tops to a table of the songs that moved.

use std::io::Write;

use super::{TakeChange, TopsLines};
use crate::error::Result;
use crate::exchange::{Rows, TableEncoder, TableWriter, too_many_groups};
use crate::model::Ranked;

/// Which songs of a key that has them before and after are in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChangedBy {
    /// Those with another rank.
    #[default]
    Rank,
    /// Those with another count.
    Count,
}

/// Columns of the table: key, song, both ranks, both counts; 0 where there is none.
const COLUMNS: usize = 6;

/// Writes what differs as a table: a row for each song that entered or left, or changed as [`ChangedBy`] says. A key's
/// songs are in the order of the newer file, then those that left in that of the older one.
///
/// Memory: a chunk of rows, plain and encoded (24 MB for Parquet), and both lists of a key.
#[derive(Debug)]
pub struct ChangedSongs<'a, W: Write + Send> {
    by: ChangedBy,
    encoder: &'a TableEncoder,
    writer: TableWriter<W>,
    rows: [Vec<u64>; COLUMNS],
    /// The songs of the key before and after, and their places by song.
    older: Songs,
    newer: Songs,
    keys: u64,
}

/// The songs of a key, the best first.
#[derive(Debug, Default)]
struct Songs {
    ranked: Vec<Ranked>,
    /// Song, and its place in `ranked`, ascending.
    places: Vec<(u64, usize)>,
}

impl Songs {
    fn read(&mut self, lines: Option<&TopsLines>) -> Result<()> {
        self.ranked.clear();
        lines.map_or(Ok(()), |lines| lines.songs(&mut self.ranked))?;
        self.places.clear();
        self.places.extend(self.ranked.iter().enumerate().map(|(at, ranked)| (ranked.song, at)));
        self.places.sort_unstable();
        Ok(())
    }

    /// Each song with its rank, the best first.
    fn iter(&self) -> impl Iterator<Item = (Ranked, u64)> + '_ {
        self.ranked.iter().copied().zip(1..)
    }

    /// The rank and the count of a song; zeros if it is not among them.
    fn find(&self, song: u64) -> (u64, u64) {
        let place = self.places.binary_search_by_key(&song, |(song, _)| *song);
        let at = place.ok().and_then(|place| self.places.get(place)).map(|(_, at)| *at);
        let found = at.and_then(|at| Some((at as u64 + 1, self.ranked.get(at)?.count)));
        found.unwrap_or_default()
    }
}

impl<'a, W: Write + Send> ChangedSongs<'a, W> {
    /// A table of `encoder`, which is one of [`Table::changes`](crate::exchange::Table::changes).
    ///
    /// # Errors
    /// A failure to write.
    pub fn begin(encoder: &'a TableEncoder, by: ChangedBy, out: W) -> Result<Self> {
        let (older, newer) = Default::default();
        let writer = encoder.begin(out, None)?;
        Ok(ChangedSongs { by, encoder, writer, rows: Default::default(), older, newer, keys: 0 })
    }

    /// Ends the table; returns the writer, not flushed, and the number of keys with a row.
    ///
    /// # Errors
    /// As [`ChangedSongs::take`].
    pub fn finish(mut self) -> Result<(W, u64)> {
        if self.rows.iter().any(|column| !column.is_empty()) {
            self.end_group()?;
        }
        Ok((self.writer.finish()?, self.keys))
    }

    fn push(&mut self, row: [u64; COLUMNS]) -> Result<()> {
        let mut length = 0;
        for (column, value) in self.rows.iter_mut().zip(row) {
            column.push(value);
            length = column.len();
        }
        if length == self.encoder.group_rows() { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<()> {
        if self.writer.is_full() {
            return Err(too_many_groups());
        }
        let [keys, songs, old_ranks, new_ranks, old_streams, new_streams] = &self.rows;
        let numbers: [&[u64]; COLUMNS - 1] =
            [songs, old_ranks, new_ranks, old_streams, new_streams];
        let chunk = self.encoder.encode(Rows { keys, numbers: &numbers })?;
        self.rows.iter_mut().for_each(Vec::clear);
        self.writer.append(chunk)
    }

    /// The rows of a key whose songs were read.
    fn push_songs(&mut self, key: u64) -> Result<bool> {
        let (older, newer) = (std::mem::take(&mut self.older), std::mem::take(&mut self.newer));
        let mut has_rows = false;
        for (Ranked { song, count }, rank) in newer.iter() {
            let (old_rank, old_count) = older.find(song);
            let is_same = match self.by {
                ChangedBy::Rank => old_rank == rank,
                ChangedBy::Count => old_count == count,
            };
            if !is_same {
                self.push([key, song, old_rank, rank, old_count, count])?;
                has_rows = true;
            }
        }
        for (Ranked { song, count }, rank) in older.iter() {
            if newer.find(song) == (0, 0) {
                self.push([key, song, rank, 0, count, 0])?;
                has_rows = true;
            }
        }
        (self.older, self.newer) = (older, newer);
        Ok(has_rows)
    }
}

impl<W: Write + Send> TakeChange for ChangedSongs<'_, W> {
    fn take(
        &mut self,
        key: u64,
        older: Option<&TopsLines>,
        newer: Option<&TopsLines>,
    ) -> Result<()> {
        self.older.read(older)?;
        self.newer.read(newer)?;
        self.keys += u64::from(self.push_songs(key)?);
        Ok(())
    }
}
