//! Tops as tables in every format of [`exchange`](crate::exchange): a row for each song, with the key's column, `rank`,
//! `sng_id` and `streams`.
//!
//! Threads write each key in a packed form, which becomes row groups in the order of the keys.

use std::io::Write;

use super::Lines;
use super::format::{Format, Pieces};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{
    Facts, Rows, Table, TableEncoder, TableFormat, TableWriter, too_many_groups,
};
use crate::model::{Batch, Entries, Entry, Kind, PerKind, Ranked};

/// Bytes of memory for each row group in the footer of a Parquet file.
const GROUP_BYTES: u64 = 6 << 10;

/// Bytes of a number in the packed form.
const WORD: usize = 8;

/// The best songs of each key as the rows of a table.
#[derive(Debug)]
pub struct Tabular {
    facts: Facts,
    encoders: PerKind<TableEncoder>,
    /// Maximum row groups of a file.
    max_groups: u64,
}

impl Tabular {
    /// Tables of this format, with `facts` where the format has a place for them. `memory` is the maximum bytes of a
    /// footer until it is written.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a format that this build does not have.
    pub fn new(format: TableFormat, facts: Facts, memory: u64) -> Result<Self> {
        let encoders = PerKind::try_new(|kind| TableEncoder::new(format, Table::tops(kind)))?;
        Ok(Tabular { facts, encoders, max_groups: (memory / 8 / GROUP_BYTES).max(1) })
    }
}

impl Format for Tabular {
    fn write_key(&self, _: Kind, key: u64, best: &[Ranked], out: &mut Lines) {
        let songs = best.iter().flat_map(|ranked| [ranked.song, ranked.count]);
        let words = [key, best.len() as u64].into_iter().chain(songs);
        let bytes = WORD * (2 + 2 * best.len());
        let places = out.room(bytes).chunks_exact_mut(WORD);
        places.zip(words).for_each(|(place, word)| place.copy_from_slice(&word.to_le_bytes()));
        out.advance(bytes);
    }

    fn begin<'a>(
        &'a self,
        kind: Kind,
        out: &'a mut (dyn Write + Send),
    ) -> Result<Box<dyn Pieces + 'a>> {
        let encoder = &self.encoders[kind];
        let writer = encoder.begin(out, Some(&self.facts))?;
        let (rows, ranks, max_groups) = (Batch::default(), Vec::new(), self.max_groups);
        Ok(Box::new(Sink { encoder, writer, rows, ranks, max_groups, groups: 0 }))
    }
}

/// Turns packed keys into chunks of rows. Memory: a chunk, plain and encoded (16 MB for Parquet).
struct Sink<'a> {
    encoder: &'a TableEncoder,
    writer: TableWriter<&'a mut (dyn Write + Send)>,
    /// Rows that are not yet a chunk, and their ranks.
    rows: Batch,
    ranks: Vec<u64>,
    max_groups: u64,
    groups: u64,
}

impl Pieces for Sink<'_> {
    fn append(&mut self, piece: &[u8]) -> Result<()> {
        let (words, rest) = piece.as_chunks::<WORD>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let cut = || Error::from(ErrorKind::Fault("a packed key is cut"));
        while let Some(key) = words.next() {
            for rank in 1..=words.next().ok_or_else(cut)? {
                let (song, count) = words.next().zip(words.next()).ok_or_else(cut)?;
                self.rows.push(Entry { key, song, count });
                self.ranks.push(rank);
                if self.rows.len() == self.encoder.group_rows() {
                    self.end_group()?;
                }
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(cut()) }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if !self.rows.is_empty() {
            self.end_group()?;
        }
        self.writer.finish().map(drop)
    }
}

impl Sink<'_> {
    fn end_group(&mut self) -> Result<()> {
        self.groups += 1;
        if self.groups > self.max_groups && self.encoder.format() == TableFormat::Parquet {
            return Err(too_many_groups());
        }
        let Entries { keys, songs, counts } = self.rows.entries();
        let chunk = self.encoder.encode(Rows { keys, numbers: &[&self.ranks, songs, counts] })?;
        self.rows.clear();
        self.ranks.clear();
        self.writer.append(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Origin;
    use crate::model::RejectCounts;

    #[test]
    fn keys_become_rows_with_ranks_wherever_pieces_and_chunks_end() {
        let day = "2021-12-01".parse().unwrap();
        let (rows, rejects) = (0, Some(RejectCounts::default()));
        let origin = Origin::Day(day);
        let facts =
            Facts { origin, partials: Vec::new(), rows, rejects, inputs: Default::default() };
        let tabular = Tabular::new(TableFormat::Csv, facts, 1 << 20).unwrap();
        let keys = 9_000;
        let best = [Ranked { song: 9, count: 3 }, Ranked { song: 5, count: 1 }];
        let mut out = Vec::new();
        let mut pieces = tabular.begin(Kind::User, &mut out).unwrap();
        let mut expected = "user_id,rank,sng_id,streams\n".to_owned();
        let mut piece = Lines::default();
        for key in 0..keys {
            tabular.write_key(Kind::User, key, &best, &mut piece);
            expected.push_str(&format!("{key},1,9,3\n{key},2,5,1\n"));
            if key % 1000 == 7 {
                pieces.append(piece.as_bytes()).unwrap();
                piece.clear();
            }
        }
        pieces.append(piece.as_bytes()).unwrap();
        pieces.finish().unwrap();
        assert!(String::from_utf8(out).unwrap() == expected);
    }
}
