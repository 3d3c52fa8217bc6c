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
use crate::exchange::{Facts, Rows, Table};

/// Codes that are handed to the encoder at once.
const CODES_AT_ONCE: usize = 16 << 10;

/// What the row groups of one table have in common.
#[derive(Debug)]
pub(in crate::exchange) struct Layout {
    table: Table,
    schema: TypePtr,
    descriptor: SchemaDescriptor,
    properties: WriterPropertiesPtr,
    /// The code of each key, by its number; empty where keys are numbers.
    codes: Vec<ByteArray>,
}

/// An encoded row group: its columns' bytes, and their record for the footer.
#[derive(Debug)]
pub(in crate::exchange) struct RowGroup {
    columns: Vec<(Bytes, ColumnCloseResult)>,
}

impl Layout {
    pub(in crate::exchange) fn new(table: Table) -> Result<Self> {
        let schema = schema(table)?;
        let kind = table.kind;
        let codes = (0..=kind.max_key()).take_while(|_| kind.has_codes());
        let code = |key| ByteArray::from(kind.key_text(key).to_string().into_bytes());
        Ok(Layout {
            table,
            descriptor: SchemaDescriptor::new(Arc::clone(&schema)),
            schema,
            properties: Arc::new(properties(table, Vec::new())?),
            codes: codes.map(code).collect(),
        })
    }

    /// Encodes rows as one row group.
    pub(in crate::exchange) fn encode(&self, rows: Rows<'_>) -> Result<RowGroup> {
        let values = [rows.keys].into_iter().chain(rows.numbers.iter().copied());
        let columns = self.descriptor.columns().iter().zip(values);
        let columns = columns.map(|(column, values)| self.encode_column(column, values));
        Ok(RowGroup { columns: columns.collect::<Result<_>>()? })
    }

    fn encode_column(
        &self,
        column: &ColumnDescPtr,
        values: &[u64],
    ) -> Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let writer = get_column_writer(Arc::clone(column), Arc::clone(&self.properties), pages);
        let close = match (writer, column.max_def_level()) {
            (ColumnWriter::Int64ColumnWriter(mut writer), 1..) => {
                let present: Vec<u64> = values.iter().copied().filter(|value| *value > 0).collect();
                let levels: Vec<i16> = values.iter().map(|value| i16::from(*value > 0)).collect();
                let present: &[i64] = bytemuck::cast_slice(&present);
                let written = writer.write_batch(present, Some(&levels), None);
                written.and_then(|_| writer.close())
            }
            (ColumnWriter::Int64ColumnWriter(mut writer), _) => {
                // Ids and counts are below 2^63.
                let values: &[i64] = bytemuck::cast_slice(values);
                let written = writer.write_batch(values, None, None);
                written.and_then(|_| writer.close())
            }
            (ColumnWriter::ByteArrayColumnWriter(mut writer), _) => {
                let mut codes = Vec::with_capacity(CODES_AT_ONCE.min(values.len()));
                for keys in values.chunks(CODES_AT_ONCE) {
                    codes.clear();
                    for key in keys {
                        codes.push(self.code(*key)?);
                    }
                    writer.write_batch(&codes, None, None).map_err(write_error)?;
                }
                writer.close()
            }
            _ => return Err(ErrorKind::Fault("a column of an unknown type").into()),
        };
        let close = close.map_err(write_error)?;
        let bytes = sink.into_inner().map_err(write_error)?;
        Ok((Bytes::from(bytes), close))
    }

    fn code(&self, key: u64) -> Result<ByteArray> {
        let at = usize::try_from(key).ok();
        let code = at.and_then(|at| self.codes.get(at)).cloned();
        code.ok_or_else(|| Error::damaged(format!("a key without a code: {key}")))
    }

    /// Starts a file.
    pub(in crate::exchange) fn begin<W: Write + Send>(
        &self,
        sink: W,
        facts: Option<&Facts>,
    ) -> Result<FileWriter<W>> {
        let pair = |(key, value): (&str, String)| KeyValue::new(key.to_owned(), value);
        let pairs = facts.map(Facts::pairs).transpose()?.unwrap_or_default();
        let pairs = pairs.into_iter().map(pair).collect();
        let properties = Arc::new(properties(self.table, pairs)?);
        let writer = SerializedFileWriter::new(sink, Arc::clone(&self.schema), properties);
        Ok(FileWriter(writer.map_err(write_error)?))
    }
}

/// One Parquet file. Memory: the footer's record of each row group, about 4 KB.
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
