//! Rows to row groups in memory, and row groups to a file.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, TypePtr};

use super::schema::{properties, schema};
use super::write_error;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Facts, RANK, Rows, SONG, STREAMS, Table};
use crate::model::{Country, Kind};

/// Countries that are handed to the encoder at once.
const COUNTRIES_AT_ONCE: usize = 16 << 10;

/// What the row groups of one table have in common.
#[derive(Debug)]
pub(in crate::exchange) struct Layout {
    table: Table,
    schema: TypePtr,
    descriptor: SchemaDescriptor,
    properties: WriterPropertiesPtr,
    /// The letters of each country, by its number; empty for users.
    countries: Vec<ByteArray>,
}

/// An encoded row group: its columns' bytes, and what the footer must know of them.
#[derive(Debug)]
pub(in crate::exchange) struct RowGroup {
    columns: Vec<(Bytes, ColumnCloseResult)>,
}

impl Layout {
    pub(in crate::exchange) fn new(table: Table) -> Result<Self> {
        let schema = schema(table)?;
        let countries = match table.kind {
            Kind::User => Vec::new(),
            Kind::Country => (0..u64::from(Country::COUNT))
                .filter_map(Country::from_number)
                .map(|country| ByteArray::from(country.letters().to_vec()))
                .collect(),
        };
        Ok(Layout {
            table,
            descriptor: SchemaDescriptor::new(Arc::clone(&schema)),
            schema,
            properties: Arc::new(properties(table, Vec::new())?),
            countries,
        })
    }

    /// Encodes rows as one row group.
    pub(in crate::exchange) fn encode(&self, rows: Rows<'_>) -> Result<RowGroup> {
        let columns = self.descriptor.columns().iter();
        let columns = columns.map(|column| self.encode_column(column, rows));
        Ok(RowGroup { columns: columns.collect::<Result<_>>()? })
    }

    fn encode_column(
        &self,
        column: &ColumnDescPtr,
        rows: Rows<'_>,
    ) -> Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let writer = get_column_writer(Arc::clone(column), Arc::clone(&self.properties), pages);
        let close = match (writer, column.name()) {
            (ColumnWriter::Int64ColumnWriter(mut writer), name) => {
                let values = match name {
                    RANK => rows.ranks,
                    SONG => rows.songs,
                    STREAMS => rows.counts,
                    _ => rows.keys,
                };
                // Ids and counts are below 2^63.
                let values: &[i64] = bytemuck::cast_slice(values);
                let written = writer.write_batch(values, None, None);
                written.and_then(|_| writer.close())
            }
            (ColumnWriter::ByteArrayColumnWriter(mut writer), _) => {
                let mut letters = Vec::with_capacity(COUNTRIES_AT_ONCE.min(rows.keys.len()));
                for keys in rows.keys.chunks(COUNTRIES_AT_ONCE) {
                    letters.clear();
                    for key in keys {
                        letters.push(self.letters(*key)?);
                    }
                    writer.write_batch(&letters, None, None).map_err(write_error)?;
                }
                writer.close()
            }
            _ => return Err(ErrorKind::Fault("a column of an unknown type").into()),
        };
        let close = close.map_err(write_error)?;
        let bytes = sink.into_inner().map_err(write_error)?;
        Ok((Bytes::from(bytes), close))
    }

    fn letters(&self, key: u64) -> Result<ByteArray> {
        let at = usize::try_from(key).ok();
        let letters = at.and_then(|at| self.countries.get(at)).cloned();
        letters.ok_or_else(|| Error::damaged("a country number exceeds 675"))
    }

    /// Starts a file.
    pub(in crate::exchange) fn begin<W: Write + Send>(
        &self,
        sink: W,
        facts: &Facts,
    ) -> Result<FileWriter<W>> {
        let pair = |(key, value): (&str, String)| KeyValue::new(key.to_owned(), value);
        let pairs = facts.pairs()?.into_iter().map(pair).collect();
        let properties = Arc::new(properties(self.table, pairs)?);
        let writer = SerializedFileWriter::new(sink, Arc::clone(&self.schema), properties);
        Ok(FileWriter(writer.map_err(write_error)?))
    }
}

/// One Parquet file. Memory: what its footer says of each row group, about 4 KB.
#[derive(Debug)]
pub(in crate::exchange) struct FileWriter<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> FileWriter<W> {
    pub(in crate::exchange) fn append(&mut self, group: RowGroup) -> Result<()> {
        let mut to = self.0.next_row_group().map_err(write_error)?;
        for (bytes, close) in group.columns {
            to.append_column(&bytes, close).map_err(write_error)?;
        }
        to.close().map_err(write_error)?;
        Ok(())
    }

    pub(in crate::exchange) fn finish(self) -> Result<W> {
        self.0.into_inner().map_err(write_error)
    }
}
