//! Tables of other engines that are damaged, or made to do harm: `tests/data/tables/README.md` says what they are.
//!
//! `scripts/dev/sweep-tables` changes each byte of such tables.

use std::fs;
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::harness::{DAY, Run, Sandbox, repository};

/// Two tables of one day that an engine wrote: the users with page checksums, the countries without.
const USERS: &str = "pyarrow-pages-1-users";
const COUNTRIES: &str = "pyarrow-pages-2-countries";

pub(super) fn table(name: &str) -> Vec<u8> {
    fs::read(repository(&format!("tests/data/tables/{name}.parquet"))).unwrap()
}

/// Imports both tables within the least memory, in a sandbox that has nothing else.
pub(super) fn imported(sandbox: &Sandbox, users: &[u8], countries: &[u8]) -> Run {
    sandbox.write("u.parquet", users);
    sandbox.write("c.parquet", countries);
    sandbox.agg(&format!("import --memory 64MiB --date {DAY} u.parquet c.parquet"))
}

/// Imports a table of countries that has to be refused, in a line of bounded length, and leave nothing.
#[track_caller]
fn refused(countries: &[u8], words: &[&str]) {
    let sandbox = Sandbox::new();
    let run = imported(&sandbox, &table(USERS), countries).exits(65).in_one_line();
    assert!(run.stderr.len() < 600, "{} bytes", run.stderr.len());
    run.shows(&["\"c.parquet\": "]).shows(words);
    assert_eq!(sandbox.files("agg-store"), [""; 0]);
}

#[test]
fn a_page_that_does_not_match_its_checksum_is_refused() {
    let sandbox = Sandbox::new();
    let (users, countries) = (table(USERS), table(COUNTRIES));
    let reader = SerializedFileReader::new(bytes::Bytes::from(users.clone())).unwrap();
    for column in reader.metadata().row_group(0).columns() {
        let (start, length) = column.byte_range();
        let mut changed = users.clone();
        // The last byte of a column belongs to its last page.
        changed[usize::try_from(start + length - 1).unwrap()] ^= 1;
        let run = imported(&sandbox, &changed, &countries).exits(65).in_one_line();
        run.shows(&["\"u.parquet\": ", "checksum"]);
        assert_eq!(sandbox.files("agg-store"), [""; 0]);
    }
    imported(&sandbox, &users, &countries).exits(0).in_no_line();
}

#[test]
fn tables_of_one_day_are_the_same_day_from_any_program() {
    let run = |users: &str, countries: &str| {
        let sandbox = Sandbox::new();
        imported(&sandbox, &table(users), &table(countries)).exits(0).in_no_line();
        let partial = sandbox.read(format!("agg-store/partials/{DAY}.agg"));
        crate::library::run_bytes(&partial).to_vec()
    };
    let first = run(USERS, COUNTRIES);
    assert!(run("duckdb-users", "polars-countries") == first);
    assert!(run(USERS, "polars-countries") == first);
}

/// A varint of Thrift's compact protocol.
fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(u8::try_from(value & 127).unwrap() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A file without rows whose schema has these elements, each with its number of children.
fn footer_alone(children: impl ExactSizeIterator<Item = usize>) -> Vec<u8> {
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    footer.extend(varint(children.len()));
    for children in children {
        let leaf = [0x15, 4, 0x25, 0, 0x18, 1, b'a', 0];
        let group = [[0x48, 1, b'a', 0x15].as_slice(), &varint(2 * children), &[0]].concat();
        footer.extend(if children == 0 { &leaf } else { group.as_slice() });
    }
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1".as_slice(), &footer, &length, b"PAR1"].concat()
}

#[test]
fn a_schema_is_not_built_before_its_depth_and_its_columns_are_known() {
    // So deep that a walk by recursion overflows the stack.
    let deep = footer_alone((0..20_001).map(|at| usize::from(at < 20_000)));
    refused(&deep, &["20001 columns and groups, the limit is 1000"]);
    let deep = footer_alone((0..500).map(|at| usize::from(at < 499)));
    refused(&deep, &["nested more than 16 levels deep"]);
    // Each of 2,000 columns below 2,000 groups would have a name of 2,000 parts.
    let wide = footer_alone((0..4_000).map(|at| match at {
        ..1_999 => 1,
        1_999 => 2_000,
        _ => 0,
    }));
    refused(&wide, &["4000 columns and groups"]);
    // A group that claims more children than there are would get the room for them.
    refused(&footer_alone([1 << 29, 0].into_iter()), &["its footer is damaged"]);
    // A thousand names are cut.
    refused(&footer_alone((0..900).map(|at| if at == 0 { 899 } else { 0 })), &["a, a, a, ", "…"]);
}

#[test]
fn long_texts_that_repeat_each_other_are_refused_before_they_are_all_made() {
    let schema = "message m { required binary country (STRING); required int64 sng_id; required int64 streams; }";
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_column_encoding("country".into(), Encoding::DELTA_BYTE_ARRAY)
        .build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let rows = 8_000;
    while let Some(mut column) = group.next_column().unwrap() {
        match column.untyped() {
            ColumnWriter::ByteArrayColumnWriter(to) => {
                let country = ByteArray::from(vec![b'F'; 60_000]);
                to.write_batch(&vec![country; rows], None, None).unwrap();
            }
            ColumnWriter::Int64ColumnWriter(to) => {
                let numbers: Vec<i64> = (1..).take(rows).collect();
                to.write_batch(&numbers, None, None).unwrap();
            }
            _ => panic!("the schema has another type"),
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    let table = writer.into_inner().unwrap();
    assert!(table.len() < 200_000, "{}", table.len());
    refused(&table, &["column country, row 1: 'FFFF"]);
}

#[test]
fn a_page_that_claims_more_values_than_it_has_is_refused() {
    let countries = table(COUNTRIES);
    // Sixteen values as differences: blocks of 128 in four parts, and the number of values.
    let claims = countries.windows(4).enumerate().filter(|(_, bytes)| *bytes == [128, 1, 4, 16]);
    let claims: Vec<usize> = claims.map(|(at, _)| at + 3).collect();
    assert_eq!(claims.len(), 2, "the lengths of prefixes, and the songs");
    for at in claims {
        let mut changed = countries.clone();
        changed[at] = 0xff;
        refused(&changed, &[]);
    }
}

/// What happens where the process that decodes fails. Builds without debug assertions have no such seam.
#[cfg(debug_assertions)]
mod decoder {
    use std::process::{Child, Command};
    use std::thread;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::harness::{drained, hearing_signals, spawn};

    fn sandbox() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.write("u.parquet", table(USERS));
        sandbox.write("c.parquet", table(COUNTRIES));
        sandbox
    }

    /// Imports with a decoder that fails so after the outline.
    #[track_caller]
    fn fails(fault: &str, code: i32, words: &[&str]) {
        let sandbox = sandbox();
        let mut command = sandbox.command();
        command.args(["import", "--memory", "64MiB", "--date", DAY, "u.parquet", "c.parquet"]);
        command.envs([("AGG_DECODER_FAULT", fault), ("AGG_DECODER_SECONDS", "1")]);
        sandbox.run(&mut command).exits(code).in_one_line().shows(words);
        assert_eq!(sandbox.files("agg-store"), [""; 0]);
        assert!(sandbox.names("").iter().all(|name| !name.starts_with("core")));
    }

    #[test]
    fn a_crash_of_the_decoder_is_the_tables_fault_and_the_end_by_another_hand_is_not() {
        for fault in ["panic", "memory", "6"] {
            fails(fault, 65, &["parquet\": ", "SIGABRT", "more than 24.0 MiB"]);
        }
        fails("11", 65, &["parquet\": ", "SIGSEGV"]);
        fails("exit", 65, &["parquet\": "]);
        fails("9", 74, &["parquet\": ", "SIGKILL ended its decoder", "run again"]);
        for (signal, name) in [(1, "HUP"), (2, "INT"), (3, "QUIT"), (5, "TRAP"), (10, "USR1")] {
            fails(
                &signal.to_string(),
                74,
                &["parquet\": ", &format!("SIG{name} ended its decoder")],
            );
        }
        for (signal, name) in [(12, "USR2"), (14, "ALRM"), (15, "TERM"), (24, "XCPU"), (31, "SYS")]
        {
            fails(
                &signal.to_string(),
                74,
                &["parquet\": ", &format!("SIG{name} ended its decoder")],
            );
        }
    }

    #[test]
    fn a_limit_of_processor_time_that_ends_the_decoder_is_named() {
        for (limit, signal) in [("-t 1", "SIGKILL"), ("-S -t 1", "SIGXCPU")] {
            let sandbox = sandbox();
            let mut shell = Command::new("sh");
            shell.current_dir(sandbox.path("")).env("AGG_DECODER_FAULT", "spin");
            let run = format!("ulimit {limit}; exec {} import", env!("CARGO_BIN_EXE_agg"));
            shell.args(["-c", &format!("{run} --date {DAY} u.parquet c.parquet")]);
            let remedy = "; raise the limit of 1 s of processor time (ulimit -t) and run again";
            let words = [&format!("{signal} ended its decoder"), remedy];
            sandbox.run(&mut shell).exits(74).in_one_line().shows(&words);
        }
    }

    #[test]
    fn a_crash_of_the_decoder_is_reported_where_the_caller_ignores_the_end_of_children() {
        let sandbox = sandbox();
        let mut command = Command::new("env");
        command.current_dir(sandbox.path("")).env("AGG_DECODER_FAULT", "panic");
        command.args(["--ignore-signal=CHLD", env!("CARGO_BIN_EXE_agg"), "import"]);
        command.args(["--memory", "64MiB", "--date", DAY, "u.parquet", "c.parquet"]);
        sandbox.run(&mut command).exits(65).in_one_line().shows(&["parquet\": ", "SIGABRT"]);
    }

    #[test]
    fn a_decoder_that_gives_no_row_is_ended_by_its_processor_time() {
        fails("spin", 65, &["parquet\": ", "no row in 1 s of processor time"]);
    }

    #[test]
    fn a_decoder_that_closes_its_socket_and_lives_on_is_not_waited_for_without_end() {
        fails("close", 65, &["parquet\": ", "its decoder returned invalid data"]);
    }

    #[test]
    fn a_decoder_that_gives_no_row_is_ended_where_the_caller_ignores_or_blocks_that_signal() {
        for inherited in ["--ignore-signal=XCPU", "--block-signal=XCPU"] {
            let sandbox = sandbox();
            let mut command = hearing_signals("env");
            command.current_dir(sandbox.path(""));
            command.envs([("AGG_DECODER_FAULT", "spin"), ("AGG_DECODER_SECONDS", "1")]);
            command.args([inherited, env!("CARGO_BIN_EXE_agg"), "import"]);
            command.args(["--memory", "64MiB", "--date", DAY, "u.parquet", "c.parquet"]);
            let run = sandbox.run(&mut command).exits(65).in_one_line();
            run.shows(&["parquet\": ", "no row in 1 s of processor time"]);
        }
    }

    /// A run whose decoder sleeps, and that decoder's process.
    fn asleep(sandbox: &Sandbox) -> (Child, String) {
        let mut command = hearing_signals(env!("CARGO_BIN_EXE_agg"));
        command.current_dir(sandbox.path("")).env("AGG_DECODER_FAULT", "sleep");
        let child = spawn(command.args(["import", "--date", DAY, "u.parquet", "c.parquet"]));
        let decoder = decoder_of(&child, sandbox);
        (child, decoder)
    }

    /// The process of a run's decoder, once it is asked for rows.
    fn decoder_of(run: &Child, sandbox: &Sandbox) -> String {
        loop {
            let tasks = fs::read_dir(format!("/proc/{}/task", run.id())).unwrap();
            let children = |task: std::path::PathBuf| fs::read_to_string(task.join("children"));
            let children: String =
                tasks.filter_map(|task| children(task.unwrap().path()).ok()).collect();
            if let Some(decoder) = children.split_whitespace().next()
                && sandbox.exists("agg-store/tmp")
            {
                return decoder.to_owned();
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until a process is gone, or a zombie that no process has waited for yet.
    fn ends(process: &str) {
        loop {
            match fs::read_to_string(format!("/proc/{process}/stat")) {
                Ok(stat) if !stat.contains(") Z ") => thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
    }

    #[test]
    fn a_signal_ends_a_run_that_waits_for_its_decoder_and_both_are_gone() {
        let sandbox = sandbox();
        let (mut child, decoder) = asleep(&sandbox);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143));
        let message = drained(child.stderr.take().unwrap());
        assert!(
            message.starts_with("agg: stopped by signal 15; ") && message.lines().count() == 1,
            "{message}"
        );
        ends(&decoder);
        assert_eq!(sandbox.files("agg-store"), [""; 0]);
    }

    #[test]
    fn a_decoder_ends_with_a_run_that_is_killed() {
        let sandbox = sandbox();
        let (mut child, decoder) = asleep(&sandbox);
        child.kill().unwrap();
        child.wait().unwrap();
        ends(&decoder);
    }
}
