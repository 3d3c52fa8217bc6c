//! The columns of our tables as Parquet names them, and how each is written.
//!
//! Ids and counts are signed INT64 (readers turn unsigned ones into decimals), a code (of a country) is a STRING, and nothing is
//! nullable. Rows are sorted by key, then by rank or song; keys and songs are written as differences, counts and
//! countries, which have few different values, as places in a dictionary.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use super::write_error;
use crate::error::Result;
use crate::exchange::{RANK, SONG, STREAMS, Table};

/// Rows of a page: what is read to find one key is a page a column.
const PAGE_ROWS: usize = 16 << 10;
/// Compression takes longer and gains two percent at higher levels.
const ZSTD_LEVEL: i32 = 1;

/// The schema of a table.
pub(super) fn schema(table: Table) -> Result<TypePtr> {
    let field = |name: &str| {
        let builder = Type::primitive_type_builder(name, physical(table, name));
        let text = physical(table, name) == Physical::BYTE_ARRAY;
        let logical = text.then_some(LogicalType::String);
        let builder = builder.with_repetition(Repetition::REQUIRED).with_logical_type(logical);
        builder.build().map(Arc::new).map_err(write_error)
    };
    let fields = table.columns().into_iter().map(field).collect::<Result<Vec<_>>>()?;
    Type::group_type_builder("agg").with_fields(fields).build().map(Arc::new).map_err(write_error)
}

fn physical(table: Table, name: &str) -> Physical {
    if table.kind.has_codes() && name == table.kind.column() {
        Physical::BYTE_ARRAY
    } else {
        Physical::INT64
    }
}

/// How a table is written; `pairs` go to the footer.
pub(super) fn properties(table: Table, pairs: Vec<KeyValue>) -> Result<WriterProperties> {
    let zstd = ZstdLevel::try_new(ZSTD_LEVEL).map_err(write_error)?;
    let column = |name: &str| ColumnPath::from(name);
    let key = table.kind.column();
    let mut builder: WriterPropertiesBuilder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("agg version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(zstd))
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column(STREAMS), true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_sorting_columns(Some(sorting(table)))
        .set_key_value_metadata(Some(pairs).filter(|pairs| !pairs.is_empty()));
    if table.kind.has_codes() {
        let key = column(key);
        builder = builder
            .set_column_dictionary_enabled(key.clone(), true)
            .set_column_encoding(key, Encoding::PLAIN);
    }
    if table.ranked {
        builder = builder.set_column_dictionary_enabled(column(RANK), true);
    }
    if !table.ranked {
        // Statistics of a page's counts are not worth their space.
        builder = builder.set_column_statistics_enabled(column(STREAMS), EnabledStatistics::Chunk);
    }
    Ok(builder.build())
}

/// By key, then by rank, or by song if there is no rank.
fn sorting(table: Table) -> Vec<SortingColumn> {
    let second = if table.ranked { RANK } else { SONG };
    let by = [table.kind.column(), second];
    let columns = table.columns();
    let at = by.iter().filter_map(|name| columns.iter().position(|column| column == name));
    let sorting = |at: usize| SortingColumn {
        column_idx: i32::try_from(at).unwrap_or(0),
        descending: false,
        nulls_first: false,
    };
    at.map(sorting).collect()
}
