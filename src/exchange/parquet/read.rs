//! A table of counts read back, whoever wrote it: any order of columns and rows, any codec that is built in.
//!
//! Rows come a stretch at a time, checked one by one, in the order of the file: sorting and summing them is the
//! caller's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::SerializedPageReader;

use super::bytes::Pages;
use super::judge::{Form, Judge, bad_row, decimal, number};
use super::read_error;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Facts, SONG, STREAMS};
use crate::fs::{FileStat, ReadFile};
use crate::model::{Batch, Country, Kind};

/// Rows that are decoded at once: 32 bytes each at most.
const ROWS_AT_ONCE: usize = 16 << 10;
/// The footer's length and the magic bytes at the end.
const TAIL_BYTES: usize = 8;
const MAGIC: &[u8] = b"PAR1";

/// What a file may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLimits {
    /// Bytes of its footer; in memory, these become some ten times as many.
    pub footer: u64,
    /// Bytes of a page, compressed or not.
    pub page: u64,
}

/// An open Parquet file with the counts of one kind. Memory: what its footer says of each row group.
#[derive(Debug)]
pub struct TableFile {
    pages: Arc<Pages>,
    path: PathBuf,
    stat: FileStat,
    metadata: ParquetMetaData,
    kind: Kind,
    /// The key, the song, the streams.
    columns: [Column; 3],
    facts: Option<Facts>,
    footer_bytes: u64,
}

/// Where a column is, and how its values are stored.
#[derive(Debug, Clone, Copy)]
struct Column {
    name: &'static str,
    at: usize,
    form: Form,
}

impl TableFile {
    /// Reads and checks the footer.
    ///
    /// # Errors
    /// [`ErrorKind::NotParquet`]; [`ErrorKind::BadTable`] for other columns than those of [`Table::counts`]
    /// (in any order), for types that do not convert exactly, and for a footer above the limit.
    ///
    /// [`Table::counts`]: crate::exchange::Table::counts
    pub fn open(file: Box<dyn ReadFile>, path: &Path, limits: TableLimits) -> Result<TableFile> {
        Self::read(file, path, limits).map_err(|error| error.at(path))
    }

    fn read(file: Box<dyn ReadFile>, path: &Path, limits: TableLimits) -> Result<TableFile> {
        let stat = file.stat().map_err(|error| Error::io("read", error))?;
        let pages = Pages { file: Arc::from(file), size: stat.size, most_page: limits.page };
        let (metadata, footer_bytes) = read_footer(&pages, limits.footer)?;
        let (kind, columns) = find_columns(&metadata)?;
        let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
        let pairs = pairs.filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?)));
        let facts = Facts::read(pairs)?;
        let path = path.to_owned();
        Ok(TableFile {
            pages: Arc::new(pages),
            path,
            stat,
            metadata,
            kind,
            columns,
            facts,
            footer_bytes,
        })
    }

    /// What its keys are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it says of itself, if `agg` wrote it.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// Size of its footer.
    #[must_use]
    pub fn footer_bytes(&self) -> u64 {
        self.footer_bytes
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size and time when it was opened.
    #[must_use]
    pub fn stat(&self) -> FileStat {
        self.stat
    }

    /// The file itself, read by position.
    #[must_use]
    pub fn file(&self) -> &dyn ReadFile {
        self.pages.file.as_ref()
    }

    /// Row groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Rows of a row group, as the footer has it.
    #[must_use]
    pub fn group_rows(&self, group: usize) -> u64 {
        let group = self.metadata.row_groups().get(group);
        group.map_or(0, |group| u64::try_from(group.num_rows()).unwrap_or(0))
    }

    /// The smallest and the largest key of a row group, where the footer tells: a hint, for it may be wrong.
    #[must_use]
    pub fn group_keys(&self, group: usize) -> Option<(u64, u64)> {
        let [Column { at, form, .. }, ..] = self.columns;
        let statistics = self.metadata.row_groups().get(group)?.columns().get(at)?.statistics()?;
        let key = |bytes: &[u8]| match (form, bytes) {
            (Form::Int64 { .. }, _) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
            (Form::Text, &[first, second]) => {
                Some(u64::from(Country::from_letters(first, second)?.number()))
            }
            _ => None,
        };
        Some((key(statistics.min_bytes_opt()?)?, key(statistics.max_bytes_opt()?)?))
    }

    /// Starts to read a row group.
    pub fn group<'a>(&'a self, group: usize, judge: &'a Judge) -> Result<GroupReader<'a>> {
        let refuse = || Error::from(ErrorKind::NotParquet("there is no such row group".to_owned()));
        let described = self.metadata.row_groups().get(group).ok_or_else(refuse)?;
        let before = (0..group).map(|group| self.group_rows(group)).sum();
        let read = |column: &Column| {
            let chunk = described.columns().get(column.at).ok_or_else(refuse)?;
            ColumnReader::new(&self.pages, chunk, *column, described.num_rows())
        };
        let [key, song, count] = self.columns.each_ref().map(read);
        let place = |error: Error| error.at(&self.path);
        Ok(GroupReader {
            file: self,
            judge,
            columns: [key.map_err(place)?, song.map_err(place)?, count.map_err(place)?],
            row: before,
            left: self.group_rows(group),
        })
    }
}

/// The footer, and how many bytes it has.
fn read_footer(pages: &Pages, most: u64) -> Result<(ParquetMetaData, u64)> {
    let not = |text: &str| Error::from(ErrorKind::NotParquet(text.to_owned()));
    let tail_at =
        pages.size.checked_sub(TAIL_BYTES as u64).ok_or_else(|| not("it is too short"))?;
    let tail = pages.read(tail_at, TAIL_BYTES).map_err(read_error)?;
    let (length, magic) = tail.split_first_chunk::<4>().ok_or_else(|| not("it is too short"))?;
    if magic != MAGIC {
        return Err(not(if magic == b"PARE" {
            "it is encrypted"
        } else {
            "it does not end with PAR1"
        }));
    }
    let length = u32::from_le_bytes(*length);
    if u64::from(length) > most {
        let text = format!(
            "a footer of {length} bytes, and --memory allows {most}: raise it, or write larger row groups"
        );
        return Err(ErrorKind::BadTable(text).into());
    }
    let start =
        tail_at.checked_sub(u64::from(length)).ok_or_else(|| not("its footer is damaged"))?;
    let footer = pages.read(start, length as usize).map_err(read_error)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(read_error)?;
    Ok((metadata, u64::from(length)))
}

/// The key, the song and the streams among the columns of a file, and nothing else.
fn find_columns(metadata: &ParquetMetaData) -> Result<(Kind, [Column; 3])> {
    let described = metadata.file_metadata().schema_descr();
    let names: Vec<String> =
        described.columns().iter().map(|column| column.path().string()).collect();
    let has = |name: &str| names.iter().any(|column| column == name);
    let kinds = Kind::ALL.into_iter().filter(|kind| has(kind.column())).collect::<Vec<_>>();
    let keys: Vec<&str> = Kind::in_output_order().map(Kind::column).collect();
    let wanted = format!("{}, {SONG}, {STREAMS}", keys.join(" or "));
    let refuse = || {
        let text = format!("its columns are {}, where {wanted} are wanted", names.join(", "));
        Error::from(ErrorKind::BadTable(text))
    };
    let ([kind], 3) = (kinds.as_slice(), names.len()) else { return Err(refuse()) };
    let find = |name: &'static str| {
        let at = names.iter().position(|column| column == name).ok_or_else(refuse)?;
        let text = kind.has_codes() && name == kind.column();
        Ok::<_, Error>(Column { name, at, form: Form::of(&described.column(at), text)? })
    };
    Ok((*kind, [find(kind.column())?, find(SONG)?, find(STREAMS)?]))
}

/// Reads one row group, a stretch of rows at a time. After an error it must not be used.
pub struct GroupReader<'a> {
    file: &'a TableFile,
    judge: &'a Judge,
    columns: [ColumnReader; 3],
    /// Rows of the file before the next one.
    row: u64,
    /// Rows of the group that the footer promises and that did not come yet.
    left: u64,
}

impl GroupReader<'_> {
    /// Appends up to `most` rows to `batch`, unsorted as they are; false when the group has ended.
    ///
    /// # Errors
    /// [`ErrorKind::BadRow`] with the row's number in the file, [`ErrorKind::NotParquet`], failures to read.
    pub fn next(&mut self, most: usize, batch: &mut Batch) -> Result<bool> {
        self.advance(most, batch).map_err(|error| error.at(&self.file.path))
    }

    fn advance(&mut self, most: usize, batch: &mut Batch) -> Result<bool> {
        let mut room = most;
        while room > 0 && self.left > 0 {
            let wanted =
                room.min(ROWS_AT_ONCE).min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let [key, song, count] = &mut self.columns;
            let row = self.row;
            let read = [
                key.read(wanted, row, self.judge, 0, &mut batch.keys)?,
                song.read(wanted, row, self.judge, 0, &mut batch.songs)?,
                count.read(wanted, row, self.judge, 1, &mut batch.counts)?,
            ];
            if read.iter().any(|rows| *rows != wanted) {
                let text = "its columns do not have the rows that its footer promises".to_owned();
                return Err(ErrorKind::NotParquet(text).into());
            }
            self.row += wanted as u64;
            self.left -= wanted as u64;
            room -= wanted;
        }
        Ok(self.left > 0)
    }
}

/// One column of a row group.
struct ColumnReader {
    name: &'static str,
    values: Values,
    /// Whether values may be missing; then these are the levels that tell.
    nullable: bool,
    levels: Vec<i16>,
}

enum Values {
    Int32 {
        reader: ColumnReaderImpl<Int32Type>,
        signed: bool,
        buffer: Vec<i32>,
    },
    Int64 {
        reader: ColumnReaderImpl<Int64Type>,
        signed: bool,
        buffer: Vec<i64>,
    },
    Decimal {
        reader: ColumnReaderImpl<ByteArrayType>,
        buffer: Vec<ByteArray>,
    },
    FixedDecimal {
        reader: ColumnReaderImpl<FixedLenByteArrayType>,
        buffer: Vec<<FixedLenByteArrayType as DataType>::T>,
    },
    Text {
        reader: ColumnReaderImpl<ByteArrayType>,
        buffer: Vec<ByteArray>,
    },
}

impl ColumnReader {
    fn new(
        pages: &Arc<Pages>,
        chunk: &ColumnChunkMetaData,
        column: Column,
        rows: i64,
    ) -> Result<Self> {
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        // The crate takes these for granted.
        let inside =
            start >= 0 && chunk.compressed_size() >= 0 && chunk.num_values() >= 0 && rows >= 0;
        if !inside {
            return Err(ErrorKind::NotParquet("its footer is damaged".to_owned()).into());
        }
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let reader = SerializedPageReader::new(Arc::clone(pages), chunk, rows, None);
        let reader = Box::new(reader.map_err(read_error)?);
        let described = chunk.column_descr_ptr();
        let nullable = described.max_def_level() > 0;
        let values = match column.form {
            Form::Int32 { signed } => Values::Int32 {
                reader: ColumnReaderImpl::new(described, reader),
                signed,
                buffer: Vec::new(),
            },
            Form::Int64 { signed } => Values::Int64 {
                reader: ColumnReaderImpl::new(described, reader),
                signed,
                buffer: Vec::new(),
            },
            Form::Decimal => Values::Decimal {
                reader: ColumnReaderImpl::new(described, reader),
                buffer: Vec::new(),
            },
            Form::FixedDecimal => Values::FixedDecimal {
                reader: ColumnReaderImpl::new(described, reader),
                buffer: Vec::new(),
            },
            Form::Text => Values::Text {
                reader: ColumnReaderImpl::new(described, reader),
                buffer: Vec::new(),
            },
        };
        Ok(ColumnReader { name: column.name, values, nullable, levels: Vec::new() })
    }

    /// Appends up to `wanted` values of at least `least` to `out`; the first is of row `row`, from 0.
    fn read(
        &mut self,
        wanted: usize,
        row: u64,
        judge: &Judge,
        least: u64,
        out: &mut Vec<u64>,
    ) -> Result<usize> {
        let ColumnReader { name, values, nullable, levels } = self;
        let mut nulls = Nulls { name, row, levels: nullable.then_some(levels) };
        let bad = |at: usize, reason: String| bad_row(name, row + at as u64 + 1, reason);
        let mut put = |at: usize, value: Result<u64, String>| {
            out.push(value.map_err(|reason| bad(at, reason))?);
            Ok::<_, Error>(())
        };
        match values {
            Values::Int32 { reader, signed, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                for (at, &value) in buffer.iter().enumerate() {
                    let value =
                        if *signed { i128::from(value) } else { i128::from(value.cast_unsigned()) };
                    put(at, number(value, least))?;
                }
                Ok(read)
            }
            Values::Int64 { reader, signed, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                for (at, &value) in buffer.iter().enumerate() {
                    match u64::try_from(value) {
                        Ok(value) if value >= least => out.push(value),
                        _ if *signed => return Err(bad(at, not_in(i128::from(value), least))),
                        _ => return Err(bad(at, not_in(i128::from(value.cast_unsigned()), least))),
                    }
                }
                Ok(read)
            }
            Values::Decimal { reader, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                for (at, value) in buffer.iter().enumerate() {
                    put(at, decimal(value.data()).and_then(|value| number(value, least)))?;
                }
                Ok(read)
            }
            Values::FixedDecimal { reader, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                for (at, value) in buffer.iter().enumerate() {
                    put(at, decimal(value.data()).and_then(|value| number(value, least)))?;
                }
                Ok(read)
            }
            Values::Text { reader, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                for (at, value) in buffer.iter().enumerate() {
                    put(at, judge.country(value))?;
                }
                Ok(read)
            }
        }
    }
}

fn not_in(value: i128, least: u64) -> String {
    number(value, least).err().unwrap_or_default()
}

/// Reads values and sees to it that none is missing.
struct Nulls<'a> {
    name: &'static str,
    row: u64,
    levels: Option<&'a mut Vec<i16>>,
}

impl Nulls<'_> {
    /// Replaces `buffer` by the next values, `wanted` at most.
    fn fill<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        wanted: usize,
        buffer: &mut Vec<T::T>,
    ) -> Result<usize> {
        buffer.clear();
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        let levels = self.levels.as_deref_mut();
        let (rows, values, _) =
            reader.read_records(wanted, levels, None, buffer).map_err(read_error)?;
        if values < rows {
            let levels = self.levels.as_deref().into_iter().flatten();
            let at = levels.take_while(|level| **level > 0).count();
            return Err(bad_row(self.name, self.row + at as u64 + 1, "it is null".to_owned()));
        }
        Ok(rows)
    }
}
