//! Tables of counts and tops in the formats that other programs read: Parquet, CSV, JSON lines.
//!
//! A [`Table`] has the [column](crate::model::Kind::column) of its kind, perhaps a `rank`, `sng_id` and `streams`. A [`TableEncoder`]
//! turns stretches of rows into [`EncodedRows`]s on any thread; a [`TableWriter`] puts the chunks of a file one behind
//! the other. Cut every [`TableEncoder::group_rows`] rows, the bytes depend on the rows and their [`Facts`] alone.
//!
//! Tables come back through a `TableDecoder`; the library's own, `TrustingDecoder`, trusts the files that it decodes.
//!
//! Parquet is behind the feature `parquet`; a build without it refuses the format and has no reader. Which files
//! there are and where they go is the business of `store`, what is in them that of `job`.

mod facts;
#[cfg(feature = "parquet")]
mod open;
#[cfg(feature = "parquet")]
mod parquet;
mod table;
mod text;

use std::io::Write;

use crate::error::{Error, Result};

pub use facts::{Facts, Origin, PartialFacts};
#[cfg(feature = "parquet")]
pub use open::{GroupOutline, Judge, OpenTable, Outline, TableDecoder, TableRules};
#[cfg(feature = "parquet")]
pub use parquet::TrustingDecoder;
#[cfg(feature = "parquet")]
pub(crate) use table::RANK;
pub use table::{Rows, SONG, STREAMS, Table, TableFormat};

/// Rows of a Parquet row group.
///
/// An engine skips by row groups, so that one user is one group of a few hundred; a group's encoding takes about 8 MB
/// of memory.
pub const GROUP_ROWS: usize = 128 << 10;

/// Rows of text that are formatted at once: about a megabyte.
const TEXT_ROWS: usize = 16 << 10;

/// Row groups of a file at most (134 million rows): what the file's footer must say of each of them is held in
/// memory until its end. What is more goes to the next file.
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
        match self.format {
            TableFormat::Parquet => GROUP_ROWS,
            TableFormat::Csv | TableFormat::JsonLines => TEXT_ROWS,
        }
    }

    /// Encodes rows: [`TableEncoder::group_rows`] of them, or fewer at the end of a file.
    pub fn encode(&self, rows: Rows<'_>) -> Result<EncodedRows> {
        let content = match self.format {
            TableFormat::Csv => Content::Text(text::csv(self.table, rows)),
            TableFormat::JsonLines => Content::Text(text::json_lines(self.table, rows)),
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => Content::RowGroup(self.layout.encode(rows)?),
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => return Err(unsupported()),
        };
        Ok(EncodedRows { rows: rows.entries.len(), content })
    }

    /// Starts a file. What it says of itself (`facts`) stands in Parquet's footer; the other formats have no place for
    /// it.
    pub fn begin<W: Write + Send>(&self, sink: W, facts: &Facts) -> Result<TableWriter<W>> {
        let sink = match self.format {
            TableFormat::Csv => Sink::Text(write_first(sink, &text::csv_header(self.table))?),
            TableFormat::JsonLines => Sink::Text(sink),
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => Sink::Parquet(self.layout.begin(sink, facts)?),
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => return Err(unsupported()),
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

/// Whether this build writes (and, for Parquet, reads) the format.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage), which says so.
pub fn check_supported(format: TableFormat) -> Result<()> {
    match format {
        #[cfg(not(feature = "parquet"))]
        TableFormat::Parquet => Err(unsupported()),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "parquet"))]
fn unsupported() -> Error {
    let text = "this build of agg lacks Parquet: build it with the feature 'parquet', which is on unless turned off";
    crate::ErrorKind::Usage(text.to_owned()).into()
}
