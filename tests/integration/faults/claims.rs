//! Tables whose footers claim other rows or other columns than their pages have.

use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};

use super::foreign::{imported, table};
use crate::harness::Sandbox;

/// Two tables of one day: without statistics, dictionaries or compression, with page checksums.
const USERS: &str = "pyarrow-nullable-users";
const COUNTRIES: &str = "pyarrow-required-countries";

/// Both tables are refused together, and leave nothing.
#[track_caller]
fn refused(users: &[u8], countries: &[u8], words: &[&str]) {
    let sandbox = Sandbox::new();
    let run = imported(&sandbox, users, countries).exits(65).in_one_line();
    run.shows(&["\"u.parquet\": "]).shows(words);
    assert_eq!(sandbox.files("agg-store"), [""; 0]);
}

fn footer_at(table: &[u8]) -> usize {
    let tail = table.len() - 8;
    let length = u32::from_le_bytes(table[tail..tail + 4].try_into().unwrap());
    tail - usize::try_from(length).unwrap()
}

/// A table with another footer.
fn with_footer(table: &[u8], edit: impl Fn(ParquetMetaData) -> ParquetMetaData) -> Vec<u8> {
    let (pages, footer) = table.split_at(footer_at(table));
    let metadata = ParquetMetaDataReader::decode_metadata(&footer[..footer.len() - 8]).unwrap();
    let mut changed = pages.to_vec();
    ParquetMetaDataWriter::new(&mut changed, &edit(metadata)).finish().unwrap();
    changed
}

/// Rows that a footer claims: of its row group, and of each column.
#[derive(Clone, Copy)]
struct Claim {
    group: i64,
    columns: [i64; 3],
}

impl Claim {
    /// The same everywhere.
    fn of(rows: i64) -> Self {
        Claim { group: rows, columns: [rows; 3] }
    }

    fn in_table(self, name: &str) -> Vec<u8> {
        let column = |(chunk, values): (&ColumnChunkMetaData, i64)| {
            chunk.clone().into_builder().set_num_values(values).build().unwrap()
        };
        let group = |group: &RowGroupMetaData| {
            let columns = group.columns().iter().zip(self.columns).map(column).collect();
            let builder = group.clone().into_builder().set_num_rows(self.group);
            builder.set_column_metadata(columns).build().unwrap()
        };
        // The writer adds up the file's rows.
        with_footer(&table(name), |metadata| {
            let groups = metadata.row_groups().iter().map(group).collect();
            ParquetMetaData::new(metadata.file_metadata().clone(), groups)
        })
    }
}

fn rows_of(name: &str) -> i64 {
    let table = table(name);
    let footer = &table[footer_at(&table)..table.len() - 8];
    ParquetMetaDataReader::decode_metadata(footer).unwrap().file_metadata().num_rows()
}

#[test]
fn a_footer_is_the_same_footer_if_nothing_is_changed() {
    let sandbox = Sandbox::new();
    let whole = |name| Claim::of(rows_of(name)).in_table(name);
    imported(&sandbox, &whole(USERS), &whole(COUNTRIES)).exits(0).in_no_line();
}

#[test]
fn both_tables_of_a_day_that_claim_the_same_number_of_rows_too_few_are_refused() {
    for rows in [-5, 0, 1, 7] {
        let claim = Claim::of(rows);
        let words = if rows < 0 {
            "row group 1: its footer has -5 rows"
        } else {
            "row group 1: its pages have more rows than its footer"
        };
        refused(&claim.in_table(USERS), &claim.in_table(COUNTRIES), &[words]);
    }
}

#[test]
fn rows_of_the_file_its_row_groups_and_their_columns_have_to_agree() {
    let rows = rows_of(USERS);
    let whole = Claim::of(rows);
    for (claim, words) in [
        (Claim { group: rows - 1, ..whole }, "values of column user_id"),
        (Claim { columns: [rows, rows - 1, rows], ..whole }, "values of column sng_id"),
        (Claim { columns: [rows, rows, -1], ..whole }, "-1 values of column streams"),
        (Claim::of(rows + 1), "its columns do not have the rows that its footer promises"),
        (Claim::of(i64::MAX), "more than 16384 for each of its"),
    ] {
        refused(&claim.in_table(USERS), &table(COUNTRIES), &[words]);
    }
    // Sixteen rows of the file as a number of Thrift, then the list of its one row group.
    let mut changed = table(USERS);
    let field = changed.windows(4).position(|bytes| bytes == [0x16, 32, 0x19, 0x1c]).unwrap();
    for (number, words) in [(30, "its footer has 15 rows"), (1, "its footer has -1 rows")] {
        changed[field + 1] = number;
        refused(&changed, &table(COUNTRIES), &[words, ", its row groups have 16"]);
    }
}

#[test]
fn pages_of_two_columns_have_to_be_two() {
    let changed = with_footer(&table(USERS), |metadata| {
        let group = metadata.row_group(0);
        let [key, song, streams] = group.columns() else { panic!("other columns") };
        // The users are read from the pages of the songs.
        let key = key.clone().into_builder().set_data_page_offset(song.data_page_offset());
        let key = key.set_total_compressed_size(song.compressed_size()).build().unwrap();
        let columns = vec![key, song.clone(), streams.clone()];
        let group = group.clone().into_builder().set_column_metadata(columns).build().unwrap();
        ParquetMetaData::new(metadata.file_metadata().clone(), vec![group])
    });
    refused(&changed, &table(COUNTRIES), &["row group 1: two of its columns have the same pages"]);
}

/// The places in a footer of the columns' repetitions: the values of fields 3, whose names follow as fields 4.
fn repetitions(table: &[u8]) -> Vec<usize> {
    let names = ["user_id", "sng_id", "streams"];
    let fields =
        names.map(|name| [&[0x18, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat());
    let places = (footer_at(table)..table.len()).filter(|&at| {
        table[at - 1] == 0x25 && fields.iter().any(|field| table[at + 1..].starts_with(field))
    });
    places.collect()
}

#[test]
fn a_column_whose_levels_would_be_read_as_values_is_refused() {
    for (users, countries, from, to) in [
        ("pyarrow-nullable-users", "pyarrow-required-countries", 2, 0),
        ("pyarrow-required-users", "pyarrow-nullable-countries", 0, 2),
    ] {
        let whole = table(users);
        let places = repetitions(&whole);
        assert_eq!(places.len(), 3);
        for at in places {
            let mut changed = whole.clone();
            assert_eq!(changed[at], from);
            changed[at] = to;
            let words = "row group 1: the bytes of a page are not exactly those of its values";
            refused(&changed, &table(countries), &[words]);
        }
    }
}
