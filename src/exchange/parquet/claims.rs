//! What a footer claims about its rows and pages, checked against each other before a row is read.
//!
//! The crate reads the number of rows that it is asked for and ignores the rest. So a footer that claims fewer rows than
//! there are would make a short day.

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use crate::error::{Error, ErrorKind, Result};

/// Rows of a file for each of its bytes. Equal rows take nearly no bytes, and the time that they take has no other limit
/// than this. Engines reach 300 by their defaults, and 6,000 with one row group of 8 million rows, all equal.
const MAX_ROWS_A_BYTE: u64 = 16 << 10;

/// The rows of each row group of a file of `size` bytes; its columns have as many values.
pub(super) fn group_rows(metadata: &ParquetMetaData, size: u64) -> Result<Vec<u64>> {
    let groups = metadata.row_groups().iter().enumerate();
    let rows = groups.map(|(at, group)| rows_of(group).map_err(|what| refused(at, &what)));
    let rows = rows.collect::<Result<Vec<u64>>>()?;
    let sum = rows.iter().fold(0u128, |sum, rows| sum + u128::from(*rows));
    let all = metadata.file_metadata().num_rows();
    if u128::try_from(all) != Ok(sum) {
        let text = format!("its footer has {all} rows, its row groups have {sum}");
        return Err(ErrorKind::NotParquet(text).into());
    }
    if sum > u128::from(size) * u128::from(MAX_ROWS_A_BYTE) {
        let text = format!(
            "its footer has {sum} rows, more than {MAX_ROWS_A_BYTE} for each of its {size} bytes: write smaller row groups"
        );
        return Err(ErrorKind::BadTable(text).into());
    }
    check_places(metadata)?;
    Ok(rows)
}

/// The error of a row group with its number, from 1.
pub(super) fn in_group(error: Error, group: usize) -> Error {
    match error.kind() {
        ErrorKind::NotParquet(text) => refused(group, text),
        _ => error,
    }
}

fn refused(group: usize, what: &str) -> Error {
    ErrorKind::NotParquet(format!("row group {}: {what}", group + 1)).into()
}

fn rows_of(group: &RowGroupMetaData) -> Result<u64, String> {
    let rows = group.num_rows();
    let count = u64::try_from(rows).map_err(|_| format!("its footer has {rows} rows"))?;
    match group.columns().iter().find(|chunk| chunk.num_values() != rows) {
        Some(chunk) => {
            let (values, column) = (chunk.num_values(), chunk.column_path().string());
            Err(format!("its footer has {rows} rows, and {values} values of column {column}"))
        }
        None => Ok(count),
    }
}

/// Refuses pages that two columns share: the offset of one of them is wrong.
fn check_places(metadata: &ParquetMetaData) -> Result<()> {
    let mut places = Vec::new();
    for (at, group) in metadata.row_groups().iter().enumerate() {
        for chunk in group.columns() {
            let place = place(chunk).ok_or_else(|| refused(at, "its footer is damaged"))?;
            if group.num_rows() > 0 {
                places.push((place, at));
            }
        }
    }
    places.sort_unstable();
    let shared = places.windows(2).find_map(|pair| match pair {
        [((_, end), _), ((start, _), at)] => (start < end).then_some(*at),
        _ => None,
    });
    shared.map_or(Ok(()), |at| Err(refused(at, "two of its columns have the same pages")))
}

/// Where the pages of a column begin and end; the crate takes for granted that these numbers are not negative, and that
/// a dictionary comes before the data. Other readers begin at the data where it does not.
fn place(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let data = chunk.data_page_offset();
    let dictionary = chunk.dictionary_page_offset();
    if dictionary.is_some_and(|dictionary| dictionary >= data) {
        return None;
    }
    let start = u64::try_from(dictionary.unwrap_or(data)).ok()?;
    let length = u64::try_from(chunk.compressed_size()).ok()?;
    Some((start, start.checked_add(length)?))
}
