//! Rows to the bytes of a table, in stretches that any thread encodes and one writer puts into order.

use std::io::Write;

#[cfg(feature = "parquet")]
use super::parquet;
use super::{Facts, Rows, Table, TableFormat, check_supported};
use crate::error::{Error, Result};

/// Rows of a Parquet row group.
///
/// An engine skips by row groups, so that a user is in one group of a few hundred; a group's encoding takes about 8 MB
/// of memory.
pub const GROUP_ROWS: usize = 128 << 10;

/// Rows of text that are formatted at once: about a megabyte.
const TEXT_ROWS: usize = 16 << 10;

/// Maximum row groups of a file (134 million rows), because the footer's record of each is held in memory until its
/// end. More rows go to the next file.
pub const MAX_GROUPS: usize = 1024;

/// Encodes rows of one table in one format. Shared by the threads that do it.
#[derive(Debug)]
pub struct TableEncoder {
    format: TableFormat,
    table: Table,
    #[cfg(feature = "parquet")]
    layout: parquet::Layout,
}

/// A stretch of encoded rows.
#[derive(Debug)]
pub struct EncodedRows {
    rows: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(Vec<u8>),
    #[cfg(feature = "parquet")]
    RowGroup(parquet::RowGroup),
}

impl TableEncoder {
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a format that this build lacks.
    pub fn new(format: TableFormat, table: Table) -> Result<Self> {
        check_supported(format)?;
        Ok(TableEncoder {
            format,
            table,
            #[cfg(feature = "parquet")]
            layout: parquet::Layout::new(table)?,
        })
    }

    /// The format it writes.
    #[must_use]
    pub fn format(&self) -> TableFormat {
        self.format
    }

    /// Rows of a chunk: of a Parquet row group, or of a buffer of text.
    #[must_use]
    pub fn group_rows(&self) -> usize {
        if self.format.text().is_some() { TEXT_ROWS } else { GROUP_ROWS }
    }

    /// Encodes rows: [`TableEncoder::group_rows`] of them, or fewer at the end of a file.
    pub fn encode(&self, rows: Rows<'_>) -> Result<EncodedRows> {
        let content = match self.format.text() {
            Some(text) => Content::Text((text.lines)(self.table, rows)),
            #[cfg(feature = "parquet")]
            None => Content::RowGroup(self.layout.encode(rows)?),
            #[cfg(not(feature = "parquet"))]
            None => return Err(super::unsupported()),
        };
        Ok(EncodedRows { rows: rows.keys.len(), content })
    }

    /// Starts a file. Its `facts`, if it has any, are in Parquet's footer; the other formats have no place for them.
    pub fn begin<W: Write + Send>(&self, sink: W, facts: Option<&Facts>) -> Result<TableWriter<W>> {
        let sink = match self.format.text() {
            Some(text) => Sink::Text(write_first(sink, &(text.header)(self.table))?),
            #[cfg(feature = "parquet")]
            None => Sink::Parquet(self.layout.begin(sink, facts)?),
            #[cfg(not(feature = "parquet"))]
            None => return Err(super::unsupported()),
        };
        // A build without Parquet has nowhere to put them.
        let _ = facts;
        Ok(TableWriter { sink, rows: 0, chunks: 0 })
    }
}

/// One file of a table, written front to back.
#[derive(Debug)]
pub struct TableWriter<W: Write + Send> {
    sink: Sink<W>,
    rows: u64,
    chunks: usize,
}

#[derive(Debug)]
enum Sink<W: Write + Send> {
    Text(W),
    #[cfg(feature = "parquet")]
    Parquet(parquet::FileWriter<W>),
}

impl<W: Write + Send> TableWriter<W> {
    /// Appends a chunk of the same encoder.
    pub fn append(&mut self, chunk: EncodedRows) -> Result<()> {
        self.rows += chunk.rows as u64;
        self.chunks += 1;
        match (&mut self.sink, chunk.content) {
            (Sink::Text(sink), Content::Text(bytes)) => sink.write_all(&bytes).map_err(failed),
            #[cfg(feature = "parquet")]
            (Sink::Parquet(sink), Content::RowGroup(group)) => sink.append(group),
            #[cfg(feature = "parquet")]
            _ => Err(crate::ErrorKind::Fault("a chunk of another format").into()),
        }
    }

    /// Whether it has as many row groups as a file may have; text has no such bound.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !matches!(self.sink, Sink::Text(_)) && self.chunks >= MAX_GROUPS
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file and gives the sink back, not flushed.
    pub fn finish(self) -> Result<W> {
        match self.sink {
            Sink::Text(sink) => Ok(sink),
            #[cfg(feature = "parquet")]
            Sink::Parquet(sink) => sink.finish(),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("write", error)
}

fn write_first<W: Write>(mut sink: W, bytes: &[u8]) -> Result<W> {
    sink.write_all(bytes).map_err(failed)?;
    Ok(sink)
}
