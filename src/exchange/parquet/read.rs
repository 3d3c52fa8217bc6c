//! A table of counts read back, from any program: any order of columns and rows, any codec that is built in.
//!
//! Rows come a stretch at a time, checked one by one, in the order of the file: the caller sorts and sums them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::SerializedPageReader;

use super::bytes::Pages;
use super::countries::{Countries, Others};
use super::judge::{Form, bad_row, decimal, number};
use super::pages::JudgedPages;
use super::{claims, footer, read_error};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{
    Facts, GroupOutline, Judge, OpenTable, Outline, SONG, STREAMS, TableDecoder, TableRules,
};
use crate::fs::ReadFile;
use crate::model::{Batch, Country, Kind};

/// Rows that are decoded at once: 32 bytes each at most.
const ROWS_AT_ONCE: usize = 16 << 10;
/// Values that are decoded at once where each may repeat the one before it: a page of such values, of two bytes each if
/// they are countries, can claim values that are as long as itself.
const PREFIXED_AT_ONCE: usize = 4;
/// The footer's length and the magic bytes at the end.
const TAIL_BYTES: usize = 8;
const MAGIC: &[u8] = b"PAR1";

/// Decodes tables in this process and trusts them: the crates below may panic, loop or allocate without bound on a file
/// that was made to do that. Cheap checks come first: they refuse a footer or a page above its limit, a schema of a
/// thousand columns, and a page with an encoding that its column cannot have.
///
/// Memory: some ten times the footer, and up to six pages of the group that is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrustingDecoder;

impl TableDecoder for TrustingDecoder {
    fn open(
        &self,
        file: Arc<dyn ReadFile>,
        path: &Path,
        rules: TableRules,
    ) -> Result<Box<dyn OpenTable>> {
        match TableFile::open(file, path, rules) {
            Ok(table) => Ok(Box::new(table)),
            Err(error) => Err(error.at(path)),
        }
    }
}

/// An open Parquet file with the counts of one kind. Memory: the footer's record of each row group.
#[derive(Debug)]
struct TableFile {
    pages: Arc<Pages>,
    path: PathBuf,
    metadata: ParquetMetaData,
    /// The key, the song, the streams.
    columns: [Column; 3],
    judge: Judge,
    outline: Outline,
}

/// Where a column is, and how its values are stored.
#[derive(Debug, Clone, Copy)]
struct Column {
    name: &'static str,
    at: usize,
    form: Form,
    /// Whether a padding follows the values of its pages.
    padded: bool,
}

impl OpenTable for TableFile {
    fn outline(&self) -> &Outline {
        &self.outline
    }

    fn take_facts(&mut self) -> Option<Facts> {
        self.outline.facts.take()
    }

    fn read(&self, group: usize, take: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        let place = |error| claims::in_group(error, group).at(&self.path);
        let mut reader = self.group(group).map_err(place)?;
        let mut batch = Batch::default();
        while reader.next(&mut batch).map_err(place)? {
            take(&batch)?;
        }
        Ok(())
    }
}

impl TableFile {
    fn open(file: Arc<dyn ReadFile>, path: &Path, rules: TableRules) -> Result<TableFile> {
        let stat = file.stat().map_err(|error| Error::io("read", error))?;
        let pages = Pages { file, size: stat.size, max_page: rules.page };
        let (metadata, footer_bytes) = read_footer(&pages, &rules)?;
        let (kind, columns) = find_columns(&metadata)?;
        let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
        let pairs = pairs.filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?)));
        let facts = Facts::read(pairs)?;
        let [Column { at, form, .. }, ..] = columns;
        let rows = claims::group_rows(&metadata, stat.size)?.into_iter();
        let groups = rows.zip(metadata.row_groups());
        let groups =
            groups.map(|(rows, group)| GroupOutline { rows, keys: group_keys(group, at, form) });
        let outline = Outline { kind, facts, footer_bytes, groups: groups.collect() };
        let (pages, path) = (Arc::new(pages), path.to_owned());
        let table = TableFile { pages, path, metadata, columns, judge: rules.judge, outline };
        table.check_empty_groups()?;
        Ok(table)
    }

    /// Refuses row groups whose pages have rows, although the footer has none of them: nobody will read these.
    fn check_empty_groups(&self) -> Result<()> {
        let groups = self.outline.groups.iter().enumerate();
        let mut empty = groups.filter(|(_, group)| group.rows == 0);
        empty.try_for_each(|(at, _)| self.read(at, &mut |_| Ok(())))
    }

    fn group_rows(&self, group: usize) -> u64 {
        self.outline.groups.get(group).map_or(0, |group| group.rows)
    }

    /// Starts to read a row group.
    fn group(&self, group: usize) -> Result<GroupReader<'_>> {
        let refuse = || Error::from(ErrorKind::NotParquet("there is no such row group".to_owned()));
        let described = self.metadata.row_groups().get(group).ok_or_else(refuse)?;
        let before = self.outline.groups.iter().take(group);
        let row = before.fold(0u64, |sum, group| sum.saturating_add(group.rows));
        let left = self.group_rows(group);
        let read = |column: &Column| {
            let chunk = described.columns().get(column.at).ok_or_else(refuse)?;
            ColumnReader::new(&self.pages, chunk, *column, left, &self.judge)
        };
        let [key, song, count] = self.columns.each_ref().map(read);
        let columns = [key?, song?, count?];
        Ok(GroupReader { judge: &self.judge, columns, row, left })
    }
}

/// The smallest and the largest key of a row group, where the footer has them.
fn group_keys(group: &RowGroupMetaData, at: usize, form: Form) -> Option<(u64, u64)> {
    let statistics = group.columns().get(at)?.statistics()?;
    let key = |bytes: &[u8]| match (form, bytes) {
        (Form::Int64 { .. }, _) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
        (Form::Text, &[first, second]) => {
            Some(u64::from(Country::from_letters(first, second)?.number()))
        }
        _ => None,
    };
    Some((key(statistics.min_bytes_opt()?)?, key(statistics.max_bytes_opt()?)?))
}

/// The footer, and how many bytes it has without its key-value pairs.
fn read_footer(pages: &Pages, rules: &TableRules) -> Result<(ParquetMetaData, u64)> {
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
    let length = u64::from(u32::from_le_bytes(*length));
    let start = tail_at.checked_sub(length).ok_or_else(|| not("its footer is damaged"))?;
    let (footers, pairs) = (rules.footers, rules.pairs);
    if length > footers.saturating_add(pairs) {
        let what = format!("its footer of {length} bytes needs");
        return Err(too_large(rules, &what, length, pairs, "or more"));
    }
    let whole = pages.read(start, usize::try_from(length).unwrap_or(usize::MAX));
    let footer = whole.map_err(read_error)?;
    let of_pairs = footer::check(&footer)? as u64;
    if of_pairs > pairs {
        let what = "the metadata in its footer (of an export: the list of logs) needs";
        return Err(too_large(rules, what, of_pairs, pairs, ""));
    }
    let of_groups = length - of_pairs;
    let together = rules.taken.saturating_add(of_groups);
    if together > footers {
        let what = "the row groups in its footer, with those of the tables before it, need";
        return Err(too_large(rules, what, together, footers, "or larger row groups"));
    }
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(read_error)?;
    Ok((metadata, of_groups))
}

/// The refusal of a part of a footer, with the memory that would do.
fn too_large(rules: &TableRules, what: &str, bytes: u64, max: u64, or: &str) -> Error {
    let needed = u128::from(rules.memory) * u128::from(bytes) / u128::from(max.max(1));
    let needed = format!("{}MiB {or}", needed.div_ceil(1 << 20));
    let (needed, memory) = (needed.trim_end(), rules.memory >> 20);
    let text = format!("{what} --memory {needed}, and it is {memory}MiB; raise it");
    ErrorKind::BadTable(text).into()
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
    let writer = metadata.file_metadata().created_by();
    let padded = writer.is_some_and(|writer| writer.starts_with("fastparquet"));
    let ([kind], 3) = (kinds.as_slice(), names.len()) else { return Err(refuse()) };
    let find = |name: &'static str| {
        let at = names.iter().position(|column| column == name).ok_or_else(refuse)?;
        let text = kind.has_codes() && name == kind.column();
        Ok::<_, Error>(Column { name, at, form: Form::of(&described.column(at), text)?, padded })
    };
    Ok((*kind, [find(kind.column())?, find(SONG)?, find(STREAMS)?]))
}

/// Reads one row group, some thousand rows at a time. After an error it must not be used.
struct GroupReader<'a> {
    judge: &'a Judge,
    columns: [ColumnReader; 3],
    /// Rows of the file before the next one.
    row: u64,
    /// Rows of the group that the footer promises and that were not read yet.
    left: u64,
}

impl GroupReader<'_> {
    /// Replaces `batch` by the next rows, unsorted as they are; false when the group has ended.
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        batch.clear();
        let wanted = ROWS_AT_ONCE.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let [key, song, count] = &mut self.columns;
        let (row, judge) = (self.row, self.judge);
        key.read(wanted, row, judge, 0, &mut batch.keys)?;
        song.read(wanted, row, judge, 0, &mut batch.songs)?;
        count.read(wanted, row, judge, 1, &mut batch.counts)?;
        self.row += wanted as u64;
        self.left -= wanted as u64;
        if wanted == 0 {
            self.columns.iter_mut().try_for_each(|column| column.finish(row, judge))?;
        }
        Ok(wanted > 0)
    }
}

/// One column of a row group.
struct ColumnReader {
    name: &'static str,
    values: Values,
    /// Maximum values that are decoded at once.
    step: usize,
    /// Whether values may be missing; then these are their levels.
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
    /// Countries, where the pages can be rewritten.
    Country {
        reader: ColumnReaderImpl<Int32Type>,
        others: Others,
        buffer: Vec<i32>,
    },
    /// Countries in other encodings.
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
        rows: u64,
        judge: &Judge,
    ) -> Result<Self> {
        let count = usize::try_from(rows).unwrap_or(usize::MAX);
        let reader = SerializedPageReader::new(Arc::clone(pages), chunk, count, None);
        let pages = reader.map_err(read_error)?;
        let encodings: Vec<Encoding> = chunk.encodings().collect();
        let prefixed = encodings.contains(&Encoding::DELTA_BYTE_ARRAY);
        let step = if prefixed { PREFIXED_AT_ONCE } else { ROWS_AT_ONCE };
        let described = chunk.column_descr_ptr();
        let nullable = described.max_def_level() > 0;
        let (Column { form, padded, .. }, others) = (column, Others::default());
        let rewritten = form == Form::Text && Countries::can_rewrite(chunk.encodings());
        let countries = rewritten.then(|| Countries::new(judge, nullable, &others));
        let left = rows;
        let reader = JudgedPages { pages, form, left, nullable, padded, encodings, countries };
        let reader = Box::new(reader);
        let values = match form {
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
            Form::FixedDecimal { .. } => Values::FixedDecimal {
                reader: ColumnReaderImpl::new(described, reader),
                buffer: Vec::new(),
            },
            Form::Text if rewritten => Values::Country {
                reader: ColumnReaderImpl::new(described, reader),
                others,
                buffer: Vec::new(),
            },
            Form::Text => Values::Text {
                reader: ColumnReaderImpl::new(described, reader),
                buffer: Vec::new(),
            },
        };
        Ok(ColumnReader { name: column.name, values, step, nullable, levels: Vec::new() })
    }

    /// Appends `wanted` values of at least `least` to `out`; the first is of row `row`, from 0.
    fn read(
        &mut self,
        wanted: usize,
        row: u64,
        judge: &Judge,
        least: u64,
        out: &mut Vec<u64>,
    ) -> Result<()> {
        let mut done = 0;
        while done < wanted {
            let step = self.step.min(wanted - done);
            if self.read_step(step, row + done as u64, judge, least, out)? != step {
                let text = "its columns do not have the rows that its footer promises".to_owned();
                return Err(ErrorKind::NotParquet(text).into());
            }
            done += step;
        }
        Ok(())
    }

    /// Reads to the end of the column, whose rows were all read: there must be no further page with values.
    fn finish(&mut self, row: u64, judge: &Judge) -> Result<()> {
        self.read_step(1, row, judge, 0, &mut Vec::new()).map(drop)
    }

    /// Appends up to `wanted` values and returns how many there were.
    fn read_step(
        &mut self,
        wanted: usize,
        row: u64,
        judge: &Judge,
        least: u64,
        out: &mut Vec<u64>,
    ) -> Result<usize> {
        let ColumnReader { name, values, nullable, levels, .. } = self;
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
                if let Some((at, value)) = first_below(buffer, i64::try_from(least).unwrap_or(0)) {
                    let value =
                        if *signed { i128::from(value) } else { i128::from(value.cast_unsigned()) };
                    return Err(bad(at, not_in(value, least)));
                }
                out.extend(buffer.iter().map(|value| value.cast_unsigned()));
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
            Values::Country { reader, others, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                if let Some((at, value)) = first_below(buffer, 0) {
                    return Err(bad(at, others.refusal(judge, value)));
                }
                out.extend(buffer.iter().map(|value| u64::from(value.cast_unsigned())));
                Ok(read)
            }
            Values::Text { reader, buffer } => {
                let read = nulls.fill(reader, wanted, buffer)?;
                for (at, value) in buffer.iter().enumerate() {
                    put(at, judge.country(value.data()))?;
                }
                Ok(read)
            }
        }
    }
}

/// The first value below `least`, and where it is.
fn first_below<T: Copy + Ord>(values: &[T], least: T) -> Option<(usize, T)> {
    // Nearly always there is none, and a loop that does not end early finds that fastest.
    if values.iter().fold(true, |all, value| all & (*value >= least)) {
        return None;
    }
    values.iter().copied().enumerate().find(|(_, value)| *value < least)
}

fn not_in(value: i128, least: u64) -> String {
    number(value, least).err().unwrap_or_default()
}

/// Reads values and refuses missing ones.
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
