//! `export` and `import`: tables that other engines read, and tables that they wrote.
//!
//! Real engines read and write such tables in `tests/oracle/readers.py`.

use std::collections::BTreeMap;

use crate::harness::{DAY, Sandbox};

/// A log with a corrupt row, ties, ids over 32 bits and two countries.
const LOG: &str =
    "9|7|FR\n9|7|FR\n5|7|BR\n9,8,FR\n4|8|BR\n9|8|FR\n70000000000|8|FR\n9|80000000000|BR\n";
const COUNTRIES: &str =
    "country,sng_id,streams\nBR,4,1\nBR,5,1\nBR,9,1\nFR,9,3\nFR,70000000000,1\n";
const USERS: &str =
    "user_id,sng_id,streams\n7,5,1\n7,9,2\n8,4,1\n8,9,1\n8,70000000000,1\n80000000000,9,1\n";

fn reduced() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.reduced(DAY, LOG);
    sandbox
}

#[test]
fn a_day_as_csv_and_json_lines_has_its_counts_sorted_by_key_and_song() {
    let sandbox = reduced();
    sandbox.agg(&format!("export {DAY} --out D --format csv")).exits(0);
    let file = |kind, ending| format!("D/kind={kind}/day={DAY}/part-0.{ending}");
    assert_eq!(sandbox.text(file("country", "csv")), COUNTRIES);
    assert_eq!(sandbox.text(file("user", "csv")), USERS);
    sandbox.agg(&format!("export {DAY} --out D --format jsonl --kind country")).exits(0);
    let files = sandbox.files("D");
    // The country's partition is replaced whole, the other stays.
    assert_eq!(files, [file("country", "jsonl"), file("user", "csv")]);
    let text = sandbox.text(file("country", "jsonl"));
    let keys = ["country", "sng_id", "streams"];
    let lines = text.lines().map(|line| {
        let row: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let cells = keys.map(|key| row[key].to_string().trim_matches('"').to_owned());
        assert_eq!(row.len(), keys.len());
        cells.join(",") + "\n"
    });
    assert_eq!(format!("{}\n{}", keys.join(","), lines.collect::<String>()), COUNTRIES);
}

#[test]
fn a_window_is_the_sums_of_its_days_and_needs_all_of_them() {
    let sandbox = reduced();
    sandbox.reduced("2021-12-03", "9|7|FR\n5|9|FR\n");
    let window = "export --window 2021-12-03 --days 3 --out D --format csv";
    sandbox.agg(window).exits(66).shows(&["2021-12-02"]).in_one_line();
    assert!(!sandbox.exists("D"));
    let run = sandbox.agg(&format!("{window} --allow-missing --json")).exits(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["missing"], serde_json::json!(["2021-12-02"]));
    assert_eq!((&report["rows"], &report["rejected"]), (&10.into(), &1.into()));
    assert_eq!(
        sandbox.text("D/kind=country/window=2021-12-03/part-0.csv"),
        COUNTRIES.replace("FR,9,3", "FR,5,1\nFR,9,4")
    );
    let users = USERS.replace("7,9,2", "7,9,3").replace("\n80000000000", "\n9,5,1\n80000000000");
    assert_eq!(sandbox.text("D/kind=user/window=2021-12-03/part-0.csv"), users);
}

#[test]
fn a_day_that_is_not_stored_is_named_and_nothing_is_written() {
    let sandbox = reduced();
    let run = sandbox.agg(&format!("export {DAY} 2021-12-02 2021-12-05 --out D --format csv"));
    run.exits(66).shows(&["2021-12-02, 2021-12-05"]).in_one_line();
    assert!(!sandbox.exists("D"));
}

#[test]
fn a_folder_with_other_things_than_tables_is_not_replaced() {
    let sandbox = reduced();
    sandbox.write(format!("D/kind=user/day={DAY}/notes.txt"), "mine");
    let run = sandbox.agg(&format!("export {DAY} --out D --format csv"));
    run.exits(73).shows(&["notes.txt", "out of the way"]).in_one_line();
    assert_eq!(sandbox.files("D"), [format!("D/kind=user/day={DAY}/notes.txt")]);
}

#[test]
fn tops_come_in_several_formats_at_once_and_the_manifest_lists_each() {
    let sandbox = reduced();
    let emit = format!("emit-window --date {DAY} --days 1 --top 2");
    sandbox.agg(&emit).exits(0);
    let name = |kind, ending| format!("agg-out/{DAY}/top2_songs_per_{kind}.{ending}");
    let text = ["country", "user"].map(|kind| sandbox.read(name(kind, "txt")));
    sandbox.agg(&format!("{emit} --format csv,text --format jsonl --format csv --force")).exits(0);
    assert_eq!(["country", "user"].map(|kind| sandbox.read(name(kind, "txt"))), text);
    assert_eq!(
        sandbox.text(name("country", "csv")),
        "country,rank,sng_id,streams\nBR,1,4,1\nBR,2,5,1\nFR,1,9,3\nFR,2,70000000000,1\n"
    );
    assert!(sandbox.text(name("user", "jsonl")).starts_with(
        "{\"user_id\":7,\"rank\":1,\"sng_id\":9,\"streams\":2}\n{\"user_id\":7,\"rank\":2,"
    ));
    let manifest = sandbox.manifest(DAY);
    let files = manifest["files"].as_array().unwrap().iter();
    let shown: Vec<_> = files.map(|file| (file["name"].as_str().unwrap(), &file["keys"])).collect();
    let names =
        ["country", "user"].map(|kind| ["csv", "txt", "jsonl"].map(|ending| (kind, ending)));
    let names = names.concat().into_iter().map(|(kind, ending)| {
        (
            format!("top2_songs_per_{kind}.{ending}"),
            serde_json::json!(if kind == "user" { 3 } else { 2 }),
        )
    });
    let expected: Vec<_> = names.collect();
    let expected: Vec<_> = expected.iter().map(|(name, keys)| (name.as_str(), keys)).collect();
    assert_eq!(shown, expected);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_so() {
    let sandbox = reduced();
    let emit = format!("emit-window --date {DAY} --days 1 --format parquet");
    for command in [format!("export {DAY} --out D"), format!("import --date {DAY} D"), emit] {
        sandbox.agg(&command).exits(2).shows(&["this build of agg lacks Parquet"]).in_one_line();
    }
}

#[cfg(feature = "parquet")]
mod with_parquet {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::sync::Arc;

    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::{ByteArray, FixedLenByteArray};
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::harness::repository;
    use crate::library::{context, entries, open, unless_locked, unlocked};

    use agg::job::{ImportOptions, import};
    use agg::{Day, Kind};

    /// A column as some engine may write it.
    #[derive(Clone)]
    enum Column {
        Int32(Vec<i32>),
        Int64(Vec<i64>),
        /// Present or null.
        Nullable(Vec<Option<i64>>),
        Double(Vec<f64>),
        /// Big-endian, nine bytes each.
        Decimal(Vec<i128>),
        Text(Vec<&'static str>),
    }

    /// Writes a table with this schema, its rows in row groups of `rows` rows.
    fn table(schema: &str, columns: &[Column], rows: usize, codec: Compression) -> Vec<u8> {
        let schema =
            Arc::new(parse_message_type(&format!("message other {{ {schema} }}")).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(codec).build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        let length = |column: &Column| match column {
            Column::Int32(values) => values.len(),
            Column::Int64(values) => values.len(),
            Column::Nullable(values) => values.len(),
            Column::Double(values) => values.len(),
            Column::Decimal(values) => values.len(),
            Column::Text(values) => values.len(),
        };
        let all = columns.first().map_or(0, length);
        for start in (0..all).step_by(rows) {
            let range = start..all.min(start + rows);
            let mut group = writer.next_row_group().unwrap();
            for column in columns {
                let mut to = group.next_column().unwrap().unwrap();
                let optional = vec![1; range.len()];
                let range = range.clone();
                match (column, to.untyped()) {
                    (Column::Int32(values), ColumnWriter::Int32ColumnWriter(to)) => {
                        to.write_batch(&values[range], Some(&optional), None).unwrap();
                    }
                    (Column::Int64(values), ColumnWriter::Int64ColumnWriter(to)) => {
                        to.write_batch(&values[range], Some(&optional), None).unwrap();
                    }
                    (Column::Nullable(values), ColumnWriter::Int64ColumnWriter(to)) => {
                        let values = &values[range];
                        let levels: Vec<i16> =
                            values.iter().map(|value| value.is_some().into()).collect();
                        let present: Vec<i64> = values.iter().flatten().copied().collect();
                        to.write_batch(&present, Some(&levels), None).unwrap();
                    }
                    (Column::Double(values), ColumnWriter::DoubleColumnWriter(to)) => {
                        to.write_batch(&values[range], Some(&optional), None).unwrap();
                    }
                    (Column::Decimal(values), ColumnWriter::FixedLenByteArrayColumnWriter(to)) => {
                        let bytes = |value: &i128| {
                            FixedLenByteArray::from(value.to_be_bytes()[7..].to_vec())
                        };
                        let values: Vec<_> = values[range].iter().map(bytes).collect();
                        to.write_batch(&values, Some(&optional), None).unwrap();
                    }
                    (Column::Text(values), ColumnWriter::ByteArrayColumnWriter(to)) => {
                        let values: Vec<_> =
                            values[range].iter().map(|value| ByteArray::from(*value)).collect();
                        to.write_batch(&values, Some(&optional), None).unwrap();
                    }
                    _ => panic!("the schema has another type"),
                }
                to.close().unwrap();
            }
            group.close().unwrap();
        }
        writer.into_inner().unwrap()
    }

    const COUNTRY_SCHEMA: &str =
        "required binary country (STRING); required int64 sng_id; required int64 streams;";
    const USER_SCHEMA: &str =
        "required int64 user_id; required int64 sng_id; required int64 streams;";

    /// The counts of [`LOG`] as another program may have written them: plain and sorted.
    fn plain_countries() -> Vec<u8> {
        let countries = Column::Text(vec!["BR", "BR", "BR", "FR", "FR"]);
        let songs = Column::Int64(vec![4, 5, 9, 9, 70_000_000_000]);
        let columns = [countries, songs, Column::Int64(vec![1, 1, 1, 3, 1])];
        table(COUNTRY_SCHEMA, &columns, 2, Compression::SNAPPY)
    }

    fn plain_users() -> Vec<u8> {
        let users = Column::Int64(vec![7, 7, 8, 8, 8, 80_000_000_000]);
        let songs = Column::Int64(vec![5, 9, 4, 9, 70_000_000_000, 9]);
        let columns = [users, songs, Column::Int64(vec![1, 2, 1, 1, 1, 1])];
        table(USER_SCHEMA, &columns, 4, Compression::UNCOMPRESSED)
    }

    /// Both runs of a stored day, as bytes.
    fn runs(sandbox: &Sandbox, store: &str) -> Vec<u8> {
        let partial = sandbox.read(format!("{store}/partials/{DAY}.agg"));
        crate::library::run_bytes(&partial).to_vec()
    }

    /// Imports tables to a store of their own and gives its runs.
    #[track_caller]
    fn imported(sandbox: &Sandbox, tables: &[Vec<u8>]) -> Vec<u8> {
        let folder = tempfile::tempdir_in(sandbox.path("")).unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        for (at, bytes) in tables.iter().enumerate() {
            sandbox.write(format!("{name}/tables/{at}.parquet"), bytes);
        }
        sandbox.agg(&format!("import --date {DAY} --store {name}/store {name}/tables")).exits(0);
        sandbox.agg(&format!("verify --store {name}/store")).exits(0);
        runs(sandbox, &format!("{name}/store"))
    }

    #[test]
    fn exported_and_imported_every_day_of_the_samples_is_the_same_file_again() {
        let sandbox = Sandbox::new();
        let logs = repository("data-samples");
        let mut command = sandbox.command();
        sandbox.run(command.args(["backfill", "--logs"]).arg(logs)).exits(0);
        let days = sandbox.names("agg-store/partials");
        let days: Vec<&str> = days.iter().map(|name| name.trim_end_matches(".agg")).collect();
        assert_eq!(days.len(), 9);
        sandbox.agg(&format!("export {} --out D", days.join(" "))).exits(0);
        for day in days {
            sandbox.agg(&format!("import --date {day} --store S D")).exits(0);
            let read = |store| sandbox.read(format!("{store}/partials/{day}.agg"));
            assert!(read("S") == read("agg-store"), "{day}");
            assert_eq!(sandbox.text(format!("S/rejects/{day}.txt")), "");
            // And again: nothing to do, from the tables as from the logs.
            let again = sandbox.agg(&format!("import --date {day} --store S D")).exits(0);
            assert!(again.stdout.contains("(unchanged)"), "{}", again.stdout);
        }
    }

    #[test]
    fn a_log_is_added_to_what_agg_exported_and_not_to_tables_that_do_not_record_their_logs() {
        let sandbox = reduced();
        sandbox.write("late.log", "77|7|FR\n");
        sandbox.agg(&format!("export {DAY} --out D")).exits(0);
        sandbox.agg(&format!("import --date {DAY} --store S D")).exits(0);
        let add =
            |store| sandbox.agg(&format!("reduce-day --add --date {DAY} --store {store} late.log"));
        add("S").exits(0);
        add("agg-store").exits(0);
        assert!(runs(&sandbox, "S") == runs(&sandbox, "agg-store"));
        sandbox.write("users.parquet", plain_users());
        sandbox.write("countries.parquet", plain_countries());
        sandbox
            .agg(&format!("import --date {DAY} --store F users.parquet countries.parquet"))
            .exits(0);
        let before = sandbox.read(format!("F/partials/{DAY}.agg"));
        add("F").exits(65).in_one_line().shows(&["imported from tables", "--force"]);
        assert!(sandbox.read(format!("F/partials/{DAY}.agg")) == before);
    }

    #[test]
    fn an_imported_day_shows_only_the_corrupt_rows_of_the_log_that_was_added_last() {
        let sandbox = Sandbox::new();
        sandbox.write("day.log", "1|1|FR\n2|2|DE\nfirst\n");
        sandbox.write("late.log", "3|3|FR\nsecond\n");
        sandbox.write("later.log", "4|4|FR\nthird\n");
        let reduce = "reduce-day --max-reject-ratio 1 --max-log-reject-ratio 1 --date 2021-12-01";
        sandbox.agg(&format!("{reduce} day.log")).exits(0);
        sandbox.agg(&format!("export {DAY} --out D")).exits(0);
        // Over the day that is there nothing is done, and its lines stay.
        sandbox.agg(&format!("import --date {DAY} D")).exits(0);
        assert_eq!(sandbox.rejects(DAY), "day.log:3: field_count: first\n");
        sandbox.agg(&format!("import --date {DAY} --force D")).exits(0);
        assert_eq!(sandbox.rejects(DAY), "");
        for (log, line) in [
            ("late.log", "late.log:2: field_count: second\n"),
            ("later.log", "later.log:2: field_count: third\n"),
        ] {
            let added = sandbox.agg(&format!("{reduce} --add {log}")).exits(0);
            added.shows(&["rejects/2021-12-01.txt", "no longer listed"]).in_one_line();
            assert_eq!(sandbox.rejects(DAY), line);
        }
        // The counts are of all of them; the lines of all come back with all logs.
        sandbox.agg(&format!("emit-window --date {DAY} --days 1")).exits(0);
        assert_eq!(sandbox.totals(DAY).rejected, 3);
        sandbox.agg(&format!("{reduce} --force day.log late.log later.log")).exits(0);
        assert_eq!(sandbox.rejects(DAY).lines().count(), 3);
    }

    #[test]
    fn threads_and_memory_do_not_show_in_tables_of_many_row_groups() {
        let sandbox = Sandbox::new();
        sandbox.agg("generate --rows 600000 --days 1 logs").exits(0);
        sandbox.agg("reduce-day logs/listen-20211201.log").exits(0);
        for (out, how) in [("A", "--threads 1 --memory 64MiB"), ("B", "--threads 4")] {
            sandbox.agg(&format!("export {DAY} --out {out} {how}")).exits(0);
        }
        for kind in ["country", "user"] {
            let name = format!("kind={kind}/day={DAY}/part-0.parquet");
            assert!(sandbox.read(format!("A/{name}")) == sandbox.read(format!("B/{name}")));
        }
        for (store, how) in [("S", "--threads 1 --memory 64MiB"), ("T", "--threads 4")] {
            sandbox.agg(&format!("import --date {DAY} --store {store} A {how}")).exits(0);
            let read = |store| sandbox.read(format!("{store}/partials/{DAY}.agg"));
            assert!(read(store) == read("agg-store"), "{store}");
        }
    }

    #[test]
    fn a_table_says_that_it_is_sorted_and_where_each_page_begins() {
        let sandbox = Sandbox::new();
        sandbox.agg("generate --rows 400000 --days 1 logs").exits(0);
        sandbox.agg("reduce-day logs/listen-20211201.log").exits(0);
        sandbox.agg(&format!("export {DAY} --out D --kind user")).exits(0);
        let path = sandbox.path(format!("D/kind=user/day={DAY}/part-0.parquet"));
        let options =
            parquet::file::serialized_reader::ReadOptionsBuilder::new().with_page_index().build();
        let file = fs::File::open(path).unwrap();
        let reader = SerializedFileReader::new_with_options(file, options).unwrap();
        let metadata = reader.metadata();
        let groups = metadata.row_groups();
        assert_eq!(groups[0].num_rows(), agg::exchange::GROUP_ROWS as i64);
        assert!(groups.len() > 2);
        let mut last = None;
        for (at, group) in groups.iter().enumerate() {
            let sorting: Vec<_> = group.sorting_columns().unwrap().iter().collect();
            assert_eq!(sorting.iter().map(|by| by.column_idx).collect::<Vec<_>>(), [0, 1]);
            assert!(sorting.iter().all(|by| !by.descending));
            // Row groups follow each other, so that statistics lead to the one with a user.
            let key = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap());
            let statistics = group.column(0).statistics().unwrap();
            let bounds = (statistics.min_bytes_opt().unwrap(), statistics.max_bytes_opt().unwrap());
            assert!(last <= Some(key(bounds.0)));
            last = Some(key(bounds.1));
            // A page of 16,384 rows is what one user takes.
            let pages = metadata.page_index_for_row_group(at);
            let locations = pages.offset_index(0).unwrap().page_locations();
            assert_eq!(locations.len() as i64, (group.num_rows() + 16_383) / 16_384);
            let index = format!("{:?}", pages.column_index(0).unwrap());
            assert!(index.contains("boundary_order: ASCENDING"), "{index}");
        }
    }

    #[test]
    fn tables_of_other_programs_give_the_runs_of_the_log() {
        let sandbox = reduced();
        let expected = runs(&sandbox, "agg-store");
        assert!(imported(&sandbox, &[plain_countries(), plain_users()]) == expected);
        assert!(imported(&sandbox, &[plain_users(), plain_countries()]) == expected);
    }

    #[test]
    fn rows_may_come_in_any_order_pairs_several_times_in_several_files() {
        let sandbox = reduced();
        let users = Column::Int64(vec![80_000_000_000, 7, 8, 7]);
        let columns = [users, Column::Int64(vec![9, 9, 4, 9]), Column::Int64(vec![1; 4])];
        let one = table(USER_SCHEMA, &columns, 3, Compression::SNAPPY);
        let columns = [
            Column::Int64(vec![8, 8, 7]),
            Column::Int64(vec![70_000_000_000, 9, 5]),
            Column::Int64(vec![1; 3]),
        ];
        let two = table(USER_SCHEMA, &columns, 1, Compression::SNAPPY);
        let empty = table(USER_SCHEMA, &vec![Column::Int64(vec![]); 3], 1, Compression::SNAPPY);
        let imported = imported(&sandbox, &[one, plain_countries(), two, empty]);
        assert!(imported == runs(&sandbox, "agg-store"));
    }

    #[test]
    fn whole_numbers_of_any_type_nullable_columns_and_any_codec_are_taken() {
        let sandbox = Sandbox::new();
        sandbox.reduced(DAY, "3|1|FR\n3|2|FR\n3|2|FR\n");
        let int64 = Column::Int64(vec![1, 2]);
        let int32 = Column::Int32(vec![1, 2]);
        let decimal = Column::Decimal(vec![1, 2]);
        let variants = [
            ("optional int64 user_id; optional int64 streams;", &int64, &int64),
            ("required int64 user_id (UINT_64); required int32 streams;", &int64, &int32),
            (
                "required int32 user_id (INTEGER(16,false)); required int64 streams (INT_64);",
                &int32,
                &int64,
            ),
            (
                "required fixed_len_byte_array(9) user_id (DECIMAL(20,0)); required int64 streams (DECIMAL(18,0));",
                &decimal,
                &int64,
            ),
        ];
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let gzip = Compression::GZIP(GzipLevel::default());
        let codecs = [zstd, gzip, Compression::LZ4_RAW, Compression::SNAPPY];
        for ((schema, users, streams), codec) in variants.into_iter().zip(codecs) {
            // In another order than ours.
            let schema = format!("required int64 sng_id; {schema}");
            let columns = [Column::Int64(vec![3, 3]), users.clone(), streams.clone()];
            let users = table(&schema, &columns, 1, codec);
            let columns =
                [Column::Int64(vec![3]), Column::Text(vec!["FR"]), Column::Int64(vec![3])];
            let schema = "optional int64 sng_id; optional binary country; optional int64 streams;";
            let countries = table(schema, &columns, 1, codec);
            assert!(imported(&sandbox, &[users, countries]) == runs(&sandbox, "agg-store"));
        }
    }

    /// Imports one bad table beside a good one of the other kind and expects the reason.
    #[track_caller]
    fn refused(bad: Vec<u8>, good: Vec<u8>, shown: &[&str]) {
        let sandbox = Sandbox::new();
        sandbox.write("bad.parquet", bad);
        sandbox.write("good.parquet", good);
        let run = sandbox.agg(&format!("import --date {DAY} good.parquet bad.parquet"));
        run.exits(65).shows(shown).in_one_line();
        assert!(!sandbox.has_partial(DAY));
    }

    #[test]
    fn rows_that_cannot_be_counts_are_refused_with_column_and_row() {
        let users = |user, song, streams| {
            let columns = [[7, 7, user], [5, 9, song], [1, 2, streams]];
            let columns = columns.map(|values: [i64; 3]| Column::Int64(values.to_vec()));
            table(USER_SCHEMA, &columns, 2, Compression::SNAPPY)
        };
        for (bad, column, reason) in [
            (users(-1, 1, 1), "user_id", "-1 is not in 0 to 2^63-1"),
            (users(1, -2, 1), "sng_id", "-2 is not in 0 to 2^63-1"),
            (users(1, 1, 0), "streams", "0 is not in 1 to 2^63-1"),
            (users(1, 1, -3), "streams", "-3 is not in 1 to 2^63-1"),
        ] {
            let shown = format!("\"bad.parquet\": column {column}, row 3: {reason}");
            refused(bad, plain_countries(), &[&shown]);
        }
        let nulls = Column::Nullable(vec![Some(1), None, Some(2)]);
        let schema = USER_SCHEMA.replace("required int64 streams", "optional int64 streams");
        let columns = [Column::Int64(vec![1, 2, 3]), Column::Int64(vec![1; 3]), nulls];
        let bad = table(&schema, &columns, 9, Compression::SNAPPY);
        refused(bad, plain_countries(), &["column streams, row 2: it is null"]);
        let unsigned = USER_SCHEMA.replace("user_id", "user_id (UINT_64)");
        let columns = [Column::Int64(vec![-1]), Column::Int64(vec![1]), Column::Int64(vec![1])];
        let bad = table(&unsigned, &columns, 9, Compression::SNAPPY);
        refused(bad, plain_countries(), &["row 1: 18446744073709551615 is not in 0"]);
        for country in ["XX", "fr", "FRA", ""] {
            let columns = [
                Column::Text(vec!["BR", country]),
                Column::Int64(vec![1, 1]),
                Column::Int64(vec![1, 1]),
            ];
            let bad = table(COUNTRY_SCHEMA, &columns, 9, Compression::SNAPPY);
            let shown = format!("column country, row 2: '{country}' is not an assigned country");
            refused(bad, plain_users(), &[&shown]);
        }
    }

    #[test]
    fn other_columns_and_what_is_not_a_table_are_refused() {
        let one = || Column::Int64(vec![1]);
        let of =
            |schema: &str, columns: &[Column]| table(schema, columns, 9, Compression::UNCOMPRESSED);
        let more = USER_SCHEMA.to_owned() + "required int64 rank;";
        let bad = of(&more, &[one(), one(), one(), one()]);
        refused(bad, plain_countries(), &["its columns are user_id, sng_id, streams, rank"]);
        let bad = of("required int64 user_id; required int64 song;", &[one(), one()]);
        refused(bad, plain_countries(), &["its columns are user_id, song"]);
        let schema = USER_SCHEMA.replace("int64 streams", "double streams");
        let bad = of(&schema, &[one(), one(), Column::Double(vec![1.0])]);
        refused(bad, plain_countries(), &["column streams is DOUBLE: cast it to BIGINT"]);
        let schema = USER_SCHEMA.replace("user_id", "user_id (DECIMAL(18,2))");
        let bad = of(&schema, &[one(), one(), one()]);
        refused(
            bad,
            plain_countries(),
            &["column user_id is a decimal with 2 digits after the decimal point"],
        );
        let schema = USER_SCHEMA.replace("user_id", "user_id (TIMESTAMP_MICROS)");
        let bad = of(&schema, &[one(), one(), one()]);
        refused(bad, plain_countries(), &["column user_id is INT64 (TIMESTAMP_MICROS)"]);
        let schema = COUNTRY_SCHEMA.replace("binary country (STRING)", "int64 country");
        let bad = of(&schema, &[one(), one(), one()]);
        refused(bad, plain_users(), &["column country is INT64: cast it to VARCHAR"]);
        for no_parquet in
            [&b"user_id,sng_id,streams\n"[..], b"PAR1", b"", b"PAR1\xff\xff\xff\x0fPAR1"]
        {
            refused(no_parquet.to_vec(), plain_users(), &["not a"]);
        }
    }

    #[test]
    fn a_day_needs_both_tables_of_the_same_rows() {
        let sandbox = reduced();
        sandbox.write("users.parquet", plain_users());
        let run = sandbox.agg("import --date 2021-12-02 users.parquet").exits(65);
        run.shows(&["the counts by country are missing"]).in_one_line();
        let columns = [Column::Text(vec!["FR"]), Column::Int64(vec![1]), Column::Int64(vec![6])];
        let six = table(COUNTRY_SCHEMA, &columns, 1, Compression::SNAPPY);
        sandbox.write("countries.parquet", six);
        let run = sandbox.agg("import --date 2021-12-02 users.parquet countries.parquet").exits(65);
        run.shows(&["the streams of its users sum to 7, those of its countries to 6"])
            .in_one_line();
        let songs = Column::Int64(vec![4, 5, 9, 70_000_000_000]);
        let fr = Column::Text(vec!["FR"; 4]);
        let moved = table(
            COUNTRY_SCHEMA,
            &[fr, songs, Column::Int64(vec![2, 1, 3, 1])],
            1,
            Compression::SNAPPY,
        );
        sandbox.write("countries.parquet", moved);
        let run = sandbox.agg("import --date 2021-12-02 users.parquet countries.parquet").exits(65);
        run.shows(&["\"users.parquet\": ", "a song has other streams by its users"]).in_one_line();
        assert!(!sandbox.has_partial("2021-12-02"));
        // An export of another day, or of a window.
        sandbox.agg(&format!("export {DAY} --out D")).exits(0);
        let path = format!("D/kind=user/day={DAY}");
        let run = sandbox.agg(&format!("import --date 2021-12-02 {path}")).exits(65);
        run.shows(&["it is of 2021-12-01: import it with --date 2021-12-01"]).in_one_line();
        sandbox.agg(&format!("export --window {DAY} --days 1 --out D")).exits(0);
        let run = sandbox.agg(&format!("import --date {DAY} D/kind=user/window={DAY}")).exits(65);
        run.shows(&["it has the sums of 2021-12-01 to 2021-12-01"]).in_one_line();
    }

    #[test]
    fn a_day_that_is_there_stays_unless_forced_and_copies_are_the_same_tables() {
        let sandbox = Sandbox::new();
        for copy in ["a", "b"] {
            sandbox.write(format!("{copy}/users.parquet"), plain_users());
            sandbox.write(format!("{copy}/countries.parquet"), plain_countries());
        }
        let import = |rest: &str| sandbox.agg(&format!("import --date {DAY} {rest}"));
        assert!(import("a").exits(0).stdout.contains("(imported)"));
        let first = sandbox.read(format!("agg-store/partials/{DAY}.agg"));
        assert!(import("a").exits(0).stdout.contains("(unchanged)"));
        assert!(import("b").exits(0).stdout.contains("(unchanged)"));
        // The same songs, but of other users.
        let songs = Column::Int64(vec![4, 5, 9, 70_000_000_000]);
        let columns = [Column::Int64(vec![7; 4]), songs, Column::Int64(vec![1, 1, 4, 1])];
        sandbox.write("b/users.parquet", table(USER_SCHEMA, &columns, 1, Compression::SNAPPY));
        import("b").exits(65).shows(&[DAY, "--force"]).in_one_line();
        assert!(sandbox.read(format!("agg-store/partials/{DAY}.agg")) == first);
        assert!(import("b --force").exits(0).stdout.contains("(replaced)"));
        // A log is another input.
        sandbox.write("logs/listen-20211201.log", LOG);
        sandbox
            .agg(
                "reduce-day logs/listen-20211201.log --max-reject-ratio 1 --max-log-reject-ratio 1",
            )
            .exits(65)
            .shows(&["--force"]);
    }

    #[test]
    fn of_foreign_tables_rows_are_those_counted_and_the_tables_are_the_inputs() {
        let sandbox = Sandbox::new();
        sandbox.write("t/users.parquet", plain_users());
        sandbox.write("t/countries.parquet", plain_countries());
        let run = sandbox.agg(&format!("import --date {DAY} t")).exits(0);
        assert!(run.stdout.contains("rejected   unknown"), "{}", run.stdout);
        let run = sandbox.agg(&format!("inspect {DAY} --json")).exits(0);
        let day: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let null = serde_json::Value::Null;
        assert_eq!((&day["rows"], &day["accepted"]), (&7.into(), &7.into()));
        assert_eq!((&day["rejected"], &day["rejects"]), (&null, &null));
        let list = sandbox.agg("list").exits(0).stdout;
        assert!(list.lines().any(|line| line.contains("7  unknown")), "{list}");
        let inputs = day["inputs"].as_array().unwrap();
        let shown: Vec<_> = inputs.iter().map(|input| (&input["name"], &input["rows"])).collect();
        let (countries, users) = ("kind=country/countries.parquet", "kind=user/users.parquet");
        assert_eq!(shown, [(&countries.into(), &0.into()), (&users.into(), &7.into())]);
        let pieces = xxhash_rust::xxh3::xxh3_128(&plain_users()).to_le_bytes();
        let digest = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&pieces));
        assert_eq!(inputs[1]["digest"], serde_json::json!(digest));
    }

    /// A day of logs with a rejected row, and one of foreign tables.
    fn known_and_unknown() -> Sandbox {
        let sandbox = reduced();
        sandbox.write("t/users.parquet", plain_users());
        sandbox.write("t/countries.parquet", plain_countries());
        sandbox.agg("import --date 2021-12-02 t").exits(0);
        sandbox
    }

    #[test]
    fn one_day_with_unknown_rejects_makes_those_of_the_window_unknown() {
        let sandbox = known_and_unknown();
        let json = |arguments: &str| -> serde_json::Value {
            serde_json::from_str(&sandbox.agg(&format!("{arguments} --json")).exits(0).stdout)
                .unwrap()
        };
        let window = "--date 2021-12-02 --days 2";
        let null = serde_json::Value::Null;
        for arguments in [
            format!("emit-window {window} --metrics m.prom"),
            "export --window 2021-12-02 --days 2 --out D".to_owned(),
            format!("report {window} --out page.html"),
        ] {
            let shown = json(&arguments);
            assert_eq!((&shown["rows"], &shown["accepted"]), (&15.into(), &14.into()), "{shown}");
            assert_eq!((&shown["rejected"], &shown["rejects"]), (&null, &null), "{shown}");
        }
        let manifest = sandbox.manifest("2021-12-02");
        let of_days = [&manifest["partials"][0]["rejected"], &manifest["partials"][1]["rejected"]];
        assert_eq!(of_days, [&serde_json::json!(1), &null]);
        let totals =
            serde_json::json!({"rows": 15, "accepted": 14, "rejected": null, "rejects": null});
        assert_eq!(manifest["totals"], totals);
        let metrics = sandbox.text("m.prom");
        assert!(metrics.contains("agg_accepted_rows{command=\"emit-window\"} 14"), "{metrics}");
        assert!(!metrics.contains("agg_rejected_rows"), "{metrics}");
        assert!(sandbox.text("page.html").contains("\"rejects\":null}"));
        let table = sandbox.path("D/kind=user/window=2021-12-02/part-0.parquet");
        assert_eq!(footer(&table, "agg.rejects"), "null");
    }

    /// A value of a table's own account.
    fn footer(table: &std::path::Path, key: &str) -> String {
        let reader = SerializedFileReader::new(fs::File::open(table).unwrap()).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
        pairs.into_iter().find(|pair| pair.key == key).unwrap().value.unwrap()
    }

    #[test]
    fn unknown_rejects_stay_unknown_when_the_day_is_exported_and_imported() {
        let sandbox = known_and_unknown();
        sandbox.agg("export 2021-12-02 --out D").exits(0);
        let run = sandbox.agg("import --date 2021-12-02 --store S D").exits(0);
        assert!(run.stdout.contains("rejected   unknown"), "{}", run.stdout);
        let partial = |store: &str| sandbox.read(format!("{store}/partials/2021-12-02.agg"));
        assert!(partial("S") == partial("agg-store"));
    }

    #[test]
    fn a_window_whose_manifest_has_no_rejects_of_an_imported_day_is_fresh() {
        let sandbox = known_and_unknown();
        sandbox.agg("emit-window --date 2021-12-02 --days 2").exits(0);
        let outcome = || {
            let backfill = "backfill --logs logs --emit --days 2 --from 2021-12-01 --to 2021-12-02";
            let run = sandbox.agg(&format!("{backfill} --json")).exits(0);
            let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            report["days"][1]["window"].clone()
        };
        assert_eq!(outcome(), "fresh");
        // As older versions wrote it.
        let mut manifest = sandbox.manifest("2021-12-02");
        manifest["partials"][1]["rejected"] = 0.into();
        manifest["totals"]["rejected"] = 1.into();
        let reasons = ["too_long", "blank", "field_count", "song_id", "user_id", "country"];
        manifest["totals"]["rejects"] =
            reasons.iter().map(|reason| (*reason, u64::from(*reason == "field_count"))).collect();
        sandbox.write("agg-out/2021-12-02/manifest.json", manifest.to_string());
        assert_eq!(outcome(), "fresh");
    }

    #[test]
    fn a_window_of_more_rows_than_a_bigint_holds_is_refused() {
        let sandbox = Sandbox::new();
        for (at, day) in ["2021-12-01", "2021-12-02"].into_iter().enumerate() {
            let columns = |key| [key, Column::Int64(vec![at as i64]), Column::Int64(vec![1 << 62])];
            let users = columns(Column::Int64(vec![1]));
            let countries = columns(Column::Text(vec!["FR"]));
            sandbox.write("t/u.parquet", table(USER_SCHEMA, &users, 1, Compression::SNAPPY));
            sandbox.write("t/c.parquet", table(COUNTRY_SCHEMA, &countries, 1, Compression::SNAPPY));
            sandbox.agg(&format!("import --date {day} t")).exits(0);
        }
        let window = "--date 2021-12-02 --days 2";
        for arguments in [
            format!("emit-window {window}"),
            "export --window 2021-12-02 --days 2 --out D".to_owned(),
            "export 2021-12-01 2021-12-02 --out D".to_owned(),
            format!("report {window} --out page.html"),
        ] {
            sandbox.agg(&arguments).exits(65).shows(&["more than 2^63-1 rows"]).in_one_line();
        }
        assert!(!sandbox.exists("agg-out") && !sandbox.exists("D") && !sandbox.exists("page.html"));
        // No song has that number.
        sandbox.agg(&format!("query --user 1 {window}")).exits(0);
        sandbox.agg("emit-window --date 2021-12-02 --days 1").exits(0);
    }

    #[test]
    fn a_changed_export_is_refused_and_a_changed_byte_is_never_a_wrong_day() {
        let sandbox = reduced();
        sandbox.agg(&format!("export {DAY} --out D")).exits(0);
        let expected = sandbox.read(format!("agg-store/partials/{DAY}.agg"));
        let name = format!("D/kind=user/day={DAY}/part-0.parquet");
        let bytes = sandbox.read(&name);
        let day: Day = DAY.parse().unwrap();
        let options = |tables: PathBuf| ImportOptions {
            day,
            tables: vec![tables],
            force: true,
            countries: Default::default(),
        };
        let mut refused = 0;
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            sandbox.write(&name, &changed);
            let folder = sandbox.path("T");
            let outcome = unless_locked(|| {
                import(&context(&folder, 64 << 20, 1), &options(sandbox.path("D")))
            });
            match outcome {
                // Bytes that no reader uses may change: an unused statistic, a type's second name.
                Ok(report) => assert!(fs::read(report.partial).unwrap() == expected, "{at}"),
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.class(), agg::ErrorClass::Data, "{at}: {error}");
                }
            }
        }
        assert!(refused > bytes.len() / 12, "{refused} of {}", bytes.len() / 3);
    }

    #[test]
    fn a_changed_export_that_does_not_name_its_partial_is_refused() {
        let sandbox = reduced();
        sandbox.agg(&format!("export {DAY} --out D")).exits(0);
        let names =
            ["country", "user"].map(|kind| format!("D/kind={kind}/day={DAY}/part-0.parquet"));
        let partials = footer(&sandbox.path(&names[0]), "agg.partials");
        let nothing = format!("[{:1$}]", "", partials.len() - 2);
        for changed in [nothing, partials.replace(r#""version":1"#, r#""version":9"#)] {
            let mut tables = names.each_ref().map(|name| sandbox.read(name));
            for table in &mut tables {
                let length = partials.len();
                let at = table.windows(length).position(|part| part == partials.as_bytes());
                table[at.unwrap()..][..length].copy_from_slice(changed.as_bytes());
            }
            sandbox.write("T/c.parquet", &tables[0]);
            sandbox.write("T/u.parquet", &tables[1]);
            let run = sandbox.agg(&format!("import --date {DAY} --store S T")).exits(65);
            run.shows(&["T/c.parquet\": ", "its footer"]).in_one_line();
            assert_eq!(sandbox.files("S"), [""; 0]);
        }
    }

    #[test]
    fn a_day_of_many_logs_is_imported_with_the_memory_that_the_refusal_names() {
        let sandbox = Sandbox::new();
        // As text, each byte of such a name takes five.
        for log in 0..2_300 {
            let name = [format!("{log}").as_bytes(), &[0xff; 240], b".log"].concat();
            let folder = std::path::Path::new("many");
            sandbox.write(folder.join(OsStr::from_bytes(&name)), format!("{log}|1|FR\n"));
        }
        sandbox.agg(&format!("reduce-day --date {DAY} many")).exits(0);
        sandbox.agg(&format!("export {DAY} --out D")).exits(0);
        let import = |memory: u64| {
            sandbox.agg(&format!("import --date {DAY} --store S D --memory {memory}MiB"))
        };
        let refusal = import(64).exits(65).in_one_line().shows(&["its footer", "; raise it"]);
        let (_, needed) = refusal.stderr.split_once("needs --memory ").unwrap();
        let needed: u64 = needed.split_once("MiB").unwrap().0.parse().unwrap();
        import(needed - 1)
            .exits(65)
            .shows(&[&format!("list of logs) needs --memory {needed}MiB, and")]);
        import(needed).exits(0).in_no_line();
        let partial = |store: &str| sandbox.read(format!("{store}/partials/{DAY}.agg"));
        assert!(partial("S") == partial("agg-store"));
    }

    #[test]
    fn what_exceeds_the_memory_is_spilled_and_merged() {
        let sandbox = Sandbox::new();
        let rows = 20_000;
        // Songs fall, users go round: nothing is sorted, and every pair comes twice.
        let half: Vec<(i64, i64)> = (0..rows / 2).map(|at| (at % 97, 1_000_000 - at)).collect();
        let all: Vec<(i64, i64)> = half.iter().chain(&half).copied().collect();
        let users = Column::Int64(all.iter().map(|(user, _)| *user).collect());
        let songs = Column::Int64(all.iter().map(|(_, song)| *song).collect());
        let ones = Column::Int64(vec![1; all.len()]);
        let columns = [users, songs.clone(), ones.clone()];
        sandbox.write("t/users.parquet", table(USER_SCHEMA, &columns, 3000, Compression::SNAPPY));
        let columns = [Column::Text(vec!["FR"; all.len()]), songs, ones];
        sandbox.write(
            "t/countries.parquet",
            table(COUNTRY_SCHEMA, &columns, 7000, Compression::SNAPPY),
        );
        let mut expected = crate::library::Sums::new();
        for (user, song) in all {
            *expected.entry((user.cast_unsigned(), song.cast_unsigned())).or_default() += 1;
        }
        let options = ImportOptions {
            day: DAY.parse().unwrap(),
            tables: vec![sandbox.path("t")],
            force: false,
            countries: Default::default(),
        };
        for (threads, memory) in [(1, 64 << 20), (1, 200 << 10), (3, 400 << 10)] {
            let folder = sandbox.path(format!("{threads}-{memory}"));
            let report = unlocked(|| import(&context(&folder, memory, threads), &options));
            assert!((memory < 1 << 20) == (report.spilled_runs > 10), "{report:?}");
            let partial = open(&report.partial).unwrap();
            assert!(entries(&partial, Kind::User).unwrap() == expected);
        }
    }
}
