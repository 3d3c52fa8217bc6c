//! The columns of our tables as Parquet names them, and how each is written.
//!
//! Ids and counts are signed INT64 (readers turn unsigned ones into decimals), a code (of a country) is a STRING, and nothing is
//! nullable but the sides of a change. Rows are sorted by key, then by rank or song; keys and songs are written as differences, counts and
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
use crate::exchange::table::{Content, RANK, SONG, STREAMS, Table};

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
        let optional = table.is_optional(name);
        let repetition = if optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = builder.with_repetition(repetition).with_logical_type(logical);
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
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_sorting_columns(Some(sorting(table)))
        .set_key_value_metadata(Some(pairs).filter(|pairs| !pairs.is_empty()));
    if table.kind.has_codes() {
        builder = builder
            .set_column_dictionary_enabled(column(key), true)
            .set_column_encoding(column(key), Encoding::PLAIN);
    }
    for name in table.columns().into_iter().filter(|name| *name != key && *name != SONG) {
        builder = builder.set_column_dictionary_enabled(column(name), true);
    }
    if table.content == Content::Counts {
        // Statistics of a page's counts are not worth their space.
        builder = builder.set_column_statistics_enabled(column(STREAMS), EnabledStatistics::Chunk);
    }
    Ok(builder.build())
}

/// By key, then by rank, or by song if there are all songs.
fn sorting(table: Table) -> Vec<SortingColumn> {
    let second = match table.content {
        Content::Counts => Some(SONG),
        Content::Tops => Some(RANK),
        // In the order of the new ranks, then of the old ones.
        Content::Changes => None,
    };
    let by = [table.kind.column()].into_iter().chain(second);
    let columns = table.columns();
    let at = by.filter_map(|name| columns.iter().position(|column| *column == name));
    let sorting = |at: usize| SortingColumn {
        column_idx: i32::try_from(at).unwrap_or(0),
        descending: false,
        nulls_first: false,
    };
    at.map(sorting).collect()
}
