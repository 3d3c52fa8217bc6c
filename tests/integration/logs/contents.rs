//! The content of a log decides its format, whatever its name says. Other formats are refused by name.

use crate::harness::{DAY, Run, Sandbox, bz2, gz, xz, zst};

/// A function that compresses a text.
type Compress = fn(&str) -> Vec<u8>;

const CODECS: [(Compress, &str); 4] = [
    (|text| gz(text), "gzip"),
    (|text| zst(text), "zstd"),
    (|text| bz2(text), "bzip2"),
    (|text| xz(text), "xz"),
];

const ROWS: &str = "1|2|FR\n3|4|US\n1|2|FR\n";

#[track_caller]
fn reduce(sandbox: &Sandbox, input: &str) -> Run {
    sandbox.agg(&format!("reduce-day --date {DAY} {input}"))
}

/// Expects that this content of [`ROWS`] is read under each of these names, and from standard input.
#[track_caller]
fn assert_read(content: &[u8], names: &[&str]) {
    let plain = Sandbox::new();
    plain.reduced(DAY, ROWS);
    let expected = plain.tops_of_day(DAY);
    for name in names {
        let sandbox = Sandbox::new();
        sandbox.write(name, content);
        reduce(&sandbox, name).exits(0).in_no_line();
        assert_eq!(sandbox.tops_of_day(DAY), expected, "{name}");
    }
    let sandbox = Sandbox::new();
    sandbox.agg_reading(content, &format!("reduce-day --date {DAY} -")).exits(0).in_no_line();
    assert_eq!(sandbox.tops_of_day(DAY), expected, "standard input");
}

/// Expects that this content is refused with these words, under a log's name and from standard input.
#[track_caller]
fn assert_refused(content: &[u8], words: &[&str]) {
    for name in ["a.log", "a.log.gz"] {
        let sandbox = Sandbox::new();
        sandbox.write(name, content);
        reduce(&sandbox, name).exits(65).shows(&[name]).shows(words).in_one_line();
        assert!(!sandbox.has_partial(DAY));
    }
    let sandbox = Sandbox::new();
    let run = sandbox.agg_reading(content, &format!("reduce-day --date {DAY} -"));
    run.exits(65).shows(words).in_one_line();
}

#[test]
fn compressed_logs_are_read_under_any_name_and_from_standard_input() {
    for (compress, _) in CODECS {
        assert_read(&compress(ROWS), &["a.log", "a.gz", "a.log.zst", "a.txt.1", "a.bz2", "a.xz"]);
        let (one, two) = ROWS.split_at(9);
        let members = [compress(one), compress(two), vec![0; 9]].concat();
        assert_read(&members, &["a.log"]);
    }
}

#[test]
fn text_is_read_under_names_of_compressed_files() {
    assert_read(ROWS.as_bytes(), &["a.gz", "a.log.zst"]);
    let with_zeros = [ROWS.as_bytes(), &[0; 64]].concat();
    let sandbox = Sandbox::new();
    sandbox.write("a.log.gz", with_zeros);
    reduce(&sandbox, "--max-reject-ratio 0.5 a.log.gz").exits(0);
    assert_eq!(sandbox.rejects(DAY).lines().count(), 1);
}

#[test]
fn damage_is_reported_under_any_name_and_from_standard_input() {
    for (compress, name) in CODECS {
        let content = compress(ROWS);
        for damaged in [content[..content.len() - 3].to_vec(), [&content[..], b"x"].concat()] {
            assert_refused(&damaged, &[&format!("damaged {name} stream")]);
        }
    }
    // What was meant to be compressed, and is of no format, is a damaged stream.
    let sandbox = Sandbox::new();
    sandbox.write("a.log.gz", b"\x9c\x8b\x08\x00\x01\x02\x03");
    reduce(&sandbox, "a.log.gz").exits(65).shows(&["damaged gzip stream"]).in_one_line();
}

#[test]
fn other_formats_are_refused_by_name_with_what_to_do() {
    let mut utf16 = vec![0xFF, 0xFE];
    utf16.extend(ROWS.encode_utf16().flat_map(u16::to_le_bytes));
    let convert = "| agg reduce-day --date 2021-12-01 -";
    assert_refused(
        &utf16,
        &["this is UTF-16 text, not a log", "iconv -f UTF-16 -t UTF-8", convert],
    );
    assert_refused(b"PK\x03\x04\x14\0\0\0\x08\0a.log", &["a zip archive", "with unzip "]);
    assert_refused(b"PAR1\x15\x04\x15\x10", &["a Parquet table", "duckdb"]);
    assert_refused(&gz(&utf16), &["UTF-16 text in a gzip file", "gzip -dc ", " | iconv"]);
    assert_refused(&gz(gz(ROWS)), &["gzip data in a gzip file", " | gzip -dc |"]);
    // The command can be pasted.
    let sandbox = Sandbox::new();
    for name in ["a.log", "it's a.log", "b.gz"] {
        sandbox.write(name, if name == "b.gz" { gz(&utf16) } else { utf16.clone() });
        let run =
            sandbox.run(sandbox.command().args(["reduce-day", "--date", DAY, name])).exits(65);
        let command = run.stderr.trim().rsplit("; ").next().unwrap();
        let command = command.replace("| agg ", "| \"$agg\" ");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-euc", &format!("{command} --force")]).env("agg", env!("CARGO_BIN_EXE_agg"));
        shell.env_remove("AGG_STORE").env_remove("AGG_OUT");
        sandbox.run(shell.current_dir(sandbox.path(""))).exits(0);
    }
    // Standard input has no name.
    let run = sandbox.agg_reading(&utf16, &format!("reduce-day --date {DAY} -"));
    run.exits(65).shows(&["iconv -f UTF-16 -t UTF-8 FILE | agg reduce-day --date 2021-12-01 -"]);
}

#[test]
fn an_archive_of_several_days_is_not_the_log_of_a_day() {
    let sandbox = Sandbox::new();
    for day in ["20211201", "20211202"] {
        sandbox.write(format!("t/{day}"), ROWS);
    }
    let mut tar = std::process::Command::new("tar");
    tar.args(["-cf", "-", "20211201", "20211202"]).current_dir(sandbox.path("t"));
    let archive = tar.output().unwrap().stdout;
    assert_refused(&archive, &["this is a tar archive, not a log", "tar -xf "]);
    for (compressed, name) in [
        (gz(&archive), "gzip"),
        (zst(&archive), "zstd"),
        (bz2(&archive), "bzip2"),
        (xz(&archive), "xz"),
    ] {
        let words = format!("this is a tar archive in a {name} file, not a log");
        assert_refused(&compressed, &[&words.replace("a xz", "an xz"), "tar -xf "]);
    }
}

#[test]
fn a_dictionary_over_the_limit_is_refused_with_what_to_do() {
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    options.dict_size(96 << 20);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    let check = liblzma::stream::Check::Crc64;
    let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    std::io::Write::write_all(&mut encoder, ROWS.as_bytes()).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("a.xz", encoder.finish().unwrap());
    let words = "needs an xz dictionary of 100663296 bytes, more than the limit of 67108864; raise --memory to eight times as much";
    reduce(&sandbox, "a.xz").exits(65).shows(&["\"a.xz\"", words]).in_one_line();
    reduce(&sandbox, "--memory 768MiB a.xz").exits(0);
}

#[test]
fn a_bomb_in_any_format_takes_no_more_memory_than_the_run_has() {
    let row = "1|2|FR\n".repeat(3_000_000);
    for (compress, name) in CODECS {
        let sandbox = Sandbox::new();
        sandbox.write("a.log", compress(&row));
        let run = sandbox
            .agg(&format!("reduce-day --date {DAY} --memory 64MiB --threads 2 --json a.log"));
        let report: serde_json::Value = serde_json::from_str(&run.exits(0).stdout).unwrap();
        assert_eq!(report["rows"], 3_000_000, "{name}");
        let peak = report["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak < 64 << 20, "{name}: {peak} bytes");
    }
}
