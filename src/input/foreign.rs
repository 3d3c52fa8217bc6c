//! Content that is not a log: known by its first bytes, and refused with the format's name and what to do.
//!
//! Without this, an archive would be counted as a few long corrupt rows, or as the rows of all logs in it. A log whose
//! first row is valid is never refused: an id and a separator decide before all else.

use super::decompress::Compression;
use super::window::{LF, mark_length};
use crate::error::{Error, ErrorKind, Result};

/// Bytes at the start of a file that decide its format: those of a tar header.
pub(super) const START_BYTES: usize = 512;

/// A format that is not read.
struct Foreign {
    name: &'static str,
    is_it: fn(&[u8]) -> bool,
    remedy: Remedy,
}

/// How to get logs out of such a file.
#[derive(Clone, Copy)]
enum Remedy {
    /// A command that writes the log to its standard output; it reads the file that is named last, or standard input.
    Pipe(&'static str),
    /// A command for the file as it is.
    Run(&'static str),
    /// Another remedy.
    Advice(&'static str),
}

/// The formats, those with the longer mark first.
const FORMATS: [Foreign; 13] = [
    Foreign {
        name: "UTF-32 text",
        is_it: |start| has_mark(start, 4),
        remedy: Remedy::Pipe("iconv -f UTF-32 -t UTF-8"),
    },
    Foreign {
        name: "UTF-32 text",
        is_it: |start| is_wide_text(start, 4, 0),
        remedy: Remedy::Pipe("iconv -f UTF-32LE -t UTF-8"),
    },
    Foreign {
        name: "UTF-32 text",
        is_it: |start| is_wide_text(start, 4, 3),
        remedy: Remedy::Pipe("iconv -f UTF-32BE -t UTF-8"),
    },
    Foreign {
        name: "UTF-16 text",
        is_it: |start| has_mark(start, 2),
        remedy: Remedy::Pipe("iconv -f UTF-16 -t UTF-8"),
    },
    Foreign {
        name: "UTF-16 text",
        is_it: |start| is_wide_text(start, 2, 0),
        remedy: Remedy::Pipe("iconv -f UTF-16LE -t UTF-8"),
    },
    Foreign {
        name: "UTF-16 text",
        is_it: |start| is_wide_text(start, 2, 1),
        remedy: Remedy::Pipe("iconv -f UTF-16BE -t UTF-8"),
    },
    Foreign {
        name: "lz4 data",
        is_it: |start| {
            start.starts_with(b"\x04\x22\x4D\x18") || start.starts_with(b"\x02\x21\x4C\x18")
        },
        remedy: Remedy::Pipe("lz4 -dc"),
    },
    Foreign { name: "a tar archive", is_it: is_tar, remedy: Remedy::Run("tar -xf FILE") },
    Foreign {
        name: "a zip archive",
        is_it: |start| {
            [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"]
                .iter()
                .any(|mark| start.starts_with(*mark))
        },
        remedy: Remedy::Run("unzip FILE"),
    },
    Foreign {
        name: "a 7z archive",
        is_it: |start| start.starts_with(b"7z\xBC\xAF\x27\x1C"),
        remedy: Remedy::Run("7z x FILE"),
    },
    Foreign {
        name: "a Parquet table",
        is_it: |start| {
            (start.starts_with(b"PAR1") || start.starts_with(b"PARE"))
                && start.iter().skip(4).take(60).any(is_not_text)
        },
        remedy: Remedy::Pipe(
            "duckdb -list -noheader -c \"select sng_id, user_id, country from 'FILE'\"",
        ),
    },
    Foreign {
        name: "an Avro file",
        is_it: |start| start.starts_with(b"Obj\x01"),
        remedy: Remedy::Advice(ROWS_AS_TEXT),
    },
    Foreign {
        name: "an ORC file",
        is_it: |start| start.starts_with(b"ORC") && start.iter().skip(3).take(60).any(is_not_text),
        remedy: Remedy::Advice(ROWS_AS_TEXT),
    },
];

const ROWS_AS_TEXT: &str = "write its rows as sng_id|user_id|country, one a line";
/// The commands that take rows from a pipe.
const REDUCE: &str = "agg reduce-day --date DAY -";

/// Refuses what cannot be a log, by its first bytes: at least [`START_BYTES`], or all of them. They were in a file
/// `within` this compression.
///
/// # Errors
/// [`ErrorKind::NotALog`].
pub(super) fn check(bytes: &[u8], within: Option<Compression>) -> Result<()> {
    if begins_a_row(bytes) {
        return Ok(());
    }
    let start = start_of(bytes);
    let refused = |name: &str, remedy| {
        let format = match within {
            Some(outer @ Compression::Xz) => format!("{name} in an {} file", outer.name()),
            Some(outer) => format!("{name} in a {} file", outer.name()),
            None => name.to_owned(),
        };
        let remedy = text_of(remedy, within);
        Err(Error::from(ErrorKind::NotALog { format, remedy, file: None, day: None }))
    };
    if let Some(foreign) = named(start) {
        return refused(foreign.name, foreign.remedy);
    }
    // These bytes of an uncompressed file are read.
    if within.is_some()
        && let Some(inner) = Compression::of_content(start)
    {
        return refused(&format!("{} data", inner.name()), Remedy::Pipe(inner.command()));
    }
    if is_binary(start) && !has_row(bytes) {
        return refused("binary data", Remedy::Advice("check where it comes from"));
    }
    Ok(())
}

/// The bytes that a format is known by.
fn start_of(bytes: &[u8]) -> &[u8] {
    bytes.get(..START_BYTES).unwrap_or(bytes)
}

/// Whether an id and a separator come first, as in every log whose first row is valid.
fn begins_a_row(bytes: &[u8]) -> bool {
    let text = bytes.get(mark_length(bytes)..).unwrap_or_default();
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let mut rest = text.iter().skip_while(is_blank).peekable();
    let begins_with_digit = rest.peek().is_some_and(|byte| byte.is_ascii_digit());
    let mut rest = rest.skip_while(|byte| byte.is_ascii_digit()).skip_while(is_blank);
    begins_with_digit && rest.next() == Some(&b'|')
}

/// Whether the first bytes are of a format with a name.
pub(super) fn is_named(start: &[u8]) -> bool {
    named(start).is_some()
}

fn named(start: &[u8]) -> Option<&'static Foreign> {
    FORMATS.iter().find(|format| (format.is_it)(start))
}

/// What to do, as a command that can be pasted where there is one.
fn text_of(remedy: Remedy, within: Option<Compression>) -> String {
    let unpack = within.map(|outer| format!("{} FILE | ", outer.command()));
    match (remedy, unpack) {
        (Remedy::Pipe(command), None) if command.contains("FILE") => {
            format!("{command} | {REDUCE}")
        }
        (Remedy::Pipe(command), None) => format!("{command} FILE | {REDUCE}"),
        (Remedy::Pipe(command), Some(_)) if command.contains("FILE") => {
            format!("decompress it first, then {command} | {REDUCE}")
        }
        (Remedy::Pipe(command), Some(unpack)) => format!("{unpack}{command} | {REDUCE}"),
        (Remedy::Run(command), _) => format!("extract its logs with {command}"),
        (Remedy::Advice(text), _) => text.to_owned(),
    }
}

/// Whether a byte is neither printable ASCII nor a space, a tab or a line end.
fn is_not_text(byte: &u8) -> bool {
    !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

/// Whether the first bytes are those of a row, or may all be text in ASCII or in a superset of it.
pub(super) fn is_text(start: &[u8]) -> bool {
    let may_be = |byte: &u8| *byte >= 0x80 || !is_not_text(byte);
    begins_a_row(start) || (!start.is_empty() && start.iter().all(may_be))
}

/// Whether a byte-order mark of units of this many bytes comes first, and then nothing, or some bytes that are zero.
fn has_mark(start: &[u8], unit: usize) -> bool {
    let marks: [&[u8]; 2] = match unit {
        2 => [b"\xFF\xFE", b"\xFE\xFF"],
        _ => [b"\xFF\xFE\0\0", b"\0\0\xFE\xFF"],
    };
    marks.iter().any(|mark| {
        let rest = start.strip_prefix(*mark);
        rest.is_some_and(|rest| rest.is_empty() || rest.contains(&0))
    })
}

/// Whether the bytes are at least four ASCII characters in units of this many bytes: the byte at `place` is the character,
/// and the others are zero.
fn is_wide_text(start: &[u8], unit: usize, place: usize) -> bool {
    let units = start.chunks_exact(unit);
    let is_unit = |bytes: &[u8]| {
        bytes.iter().enumerate().all(|(at, byte)| match at == place {
            true => !is_not_text(byte),
            false => *byte == 0,
        })
    };
    units.len() >= 4 && units.clone().all(is_unit)
}

/// Whether the bytes are a header of tar: it has the sum of its own bytes, and zeros after the name.
fn is_tar(start: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let (Some(header), true) = (start.get(..START_BYTES), start.contains(&0)) else {
        return false;
    };
    let field = header.get(SUM).unwrap_or_default().trim_ascii_start();
    let digits = field.split(|byte| matches!(byte, 0 | b' ')).next().unwrap_or_default();
    let octal = |sum: Option<u32>, byte: &u8| match byte {
        b'0'..=b'7' => sum?.checked_mul(8)?.checked_add(u32::from(byte - b'0')),
        _ => None,
    };
    let recorded = digits.iter().fold(Some(0), octal).filter(|_| !digits.is_empty());
    let sum = header
        .iter()
        .enumerate()
        .fold(0, |sum, (at, byte)| sum + u32::from(if SUM.contains(&at) { b' ' } else { *byte }));
    recorded == Some(sum)
}

/// Whether the bytes are most likely not text in any encoding, because of many control characters. Zeros do not count: a
/// crash leaves zeros in a log.
fn is_binary(start: &[u8]) -> bool {
    let is_control = |byte: &&u8| **byte != 0 && **byte < 0x80 && is_not_text(byte);
    let controls = start.iter().filter(is_control).count();
    controls >= 8 && controls * 20 > start.len()
}

/// Whether a line is like a row, whatever separates its fields: corrupt rows before it are counted, and do not make the
/// log another format.
fn has_row(bytes: &[u8]) -> bool {
    let is_like_row = |line: &[u8]| {
        let line = line.trim_ascii();
        let named = line.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
        line.len() >= 5
            && line.first().is_some_and(u8::is_ascii_digit)
            && line.last().is_some_and(u8::is_ascii_alphanumeric)
            && line.iter().all(|byte| (1..0x80).contains(byte))
            && named * 2 >= line.len()
    };
    bytes.split(|byte| *byte == LF).any(is_like_row)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(start: &[u8], within: Option<Compression>) -> String {
        check(start, within).map_or_else(|error| error.to_string(), |()| "a log".into())
    }

    /// The header of tar for a file of this name.
    fn tar(name: &[u8]) -> Vec<u8> {
        let mut header = vec![0; START_BYTES];
        for (at, bytes) in [
            (0, name),
            (100, b"0000644\0"),
            (108, b"0001750\0"),
            (124, b"00000000440\0"),
            (148, b"        "),
            (257, b"ustar  \0"),
        ] {
            header[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }

    fn utf32(text: &str, big: bool) -> Vec<u8> {
        text.chars()
            .map(u32::from)
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }

    #[test]
    fn each_format_is_refused_by_its_name_with_what_to_do() {
        let rows = "1|2|FR\n3|4|US\n";
        let marked = format!("\u{feff}{rows}");
        let control: Vec<u8> = (0..200_u8).map(|byte| byte.wrapping_mul(37)).collect();
        let cases: [(Vec<u8>, &str); 17] = [
            (
                utf16(&marked, false),
                "UTF-16 text, not a log; iconv -f UTF-16 -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf16(&marked, true),
                "UTF-16 text, not a log; iconv -f UTF-16 -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf16(rows, false),
                "UTF-16 text, not a log; iconv -f UTF-16LE -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf16(rows, true),
                "UTF-16 text, not a log; iconv -f UTF-16BE -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf32(&marked, false),
                "UTF-32 text, not a log; iconv -f UTF-32 -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf32(&marked, true),
                "UTF-32 text, not a log; iconv -f UTF-32 -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf32(rows, false),
                "UTF-32 text, not a log; iconv -f UTF-32LE -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                utf32(rows, true),
                "UTF-32 text, not a log; iconv -f UTF-32BE -t UTF-8 FILE | agg reduce-day --date DAY -",
            ),
            (
                b"\x04\x22\x4D\x18\x64\x40".to_vec(),
                "lz4 data, not a log; lz4 -dc FILE | agg reduce-day --date DAY -",
            ),
            (
                tar(b"listen-20211201.log"),
                "a tar archive, not a log; extract its logs with tar -xf FILE",
            ),
            (tar(b"20211201"), "a tar archive, not a log; extract its logs with tar -xf FILE"),
            (
                b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(),
                "a zip archive, not a log; extract its logs with unzip FILE",
            ),
            (
                b"7z\xBC\xAF\x27\x1C\0\x04".to_vec(),
                "a 7z archive, not a log; extract its logs with 7z x FILE",
            ),
            (
                b"PAR1\x15\x04\x15\x10".to_vec(),
                "a Parquet table, not a log; duckdb -list -noheader -c \"select sng_id, user_id, country from 'FILE'\" | agg reduce-day --date DAY -",
            ),
            (
                b"Obj\x01\x04\x16avro.schema".to_vec(),
                "an Avro file, not a log; write its rows as sng_id|user_id|country, one a line",
            ),
            (
                b"ORC\x08\x03\x10\0".to_vec(),
                "an ORC file, not a log; write its rows as sng_id|user_id|country, one a line",
            ),
            (control, "binary data, not a log; check where it comes from"),
        ];
        for (start, text) in cases {
            assert_eq!(refusal(&start, None), format!("this is {text}"));
        }
    }

    #[test]
    fn foreign_content_of_a_compressed_file_is_refused_with_both_names() {
        for (start, within, text) in [
            (
                tar(b"a.log"),
                Compression::Gzip,
                "a tar archive in a gzip file, not a log; extract its logs with tar -xf FILE",
            ),
            (
                utf16("\u{feff}1|2|FR\n", false),
                Compression::Zstd,
                "UTF-16 text in a zstd file, not a log; zstd -dc FILE | iconv -f UTF-16 -t UTF-8 | agg reduce-day --date DAY -",
            ),
            (
                b"\x1f\x8b\x08\0".to_vec(),
                Compression::Gzip,
                "gzip data in a gzip file, not a log; gzip -dc FILE | gzip -dc | agg reduce-day --date DAY -",
            ),
            (
                b"PAR1\x15\x04\x15\x10".to_vec(),
                Compression::Gzip,
                "a Parquet table in a gzip file, not a log; decompress it first",
            ),
        ] {
            let refused = refusal(&start, Some(within));
            assert!(refused.starts_with(&format!("this is {text}")), "{refused}");
        }
    }

    /// What the first bytes are, and these bytes; the Spark job has to agree.
    fn cases() -> Vec<(&'static str, Vec<u8>)> {
        let lines = include_str!("../../tests/data/first-bytes.tsv").lines();
        let case = |line: &'static str| {
            let [format, digits, zeros] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let digits = digits.as_bytes().chunks(2).map(|digits| str::from_utf8(digits).unwrap());
            let bytes = digits.map(|digits| u8::from_str_radix(digits, 16).unwrap());
            (format, bytes.chain(std::iter::repeat_n(0, zeros.parse().unwrap())).collect())
        };
        lines.filter(|line| !line.starts_with('#')).map(case).collect()
    }

    #[test]
    fn the_first_bytes_of_each_format_and_of_corrupt_logs_are_known_for_what_they_are() {
        let cases = cases();
        for (format, start) in &cases {
            let compression = Compression::of_content(start).map(Compression::name);
            let refusal = refusal(start, None);
            let refused = refusal.strip_prefix("this is ").and_then(|text| text.split_once(','));
            let found = compression.or(refused.map(|(name, _)| name)).unwrap_or(&refusal);
            assert_eq!(found, *format, "{}", start.escape_ascii());
        }
        let names = FORMATS.iter().map(|format| format.name);
        for name in names.chain(Compression::ALL.map(Compression::name)) {
            assert!(cases.iter().any(|(format, _)| *format == name), "{name} has a case");
        }
    }

    proptest! {
        #[test]
        fn a_log_whose_first_field_is_an_id_is_never_refused(
            blanks in "[ \t]{0,2}",
            id in "[0-9]{1,19}",
            rest in prop::collection::vec(any::<u8>(), 0..600),
            marked in any::<bool>(),
            within in any::<bool>(),
        ) {
            let mark: &[u8] = if marked { b"\xEF\xBB\xBF" } else { b"" };
            let log = [mark, blanks.as_bytes(), id.as_bytes(), blanks.as_bytes(), b"|", &rest].concat();
            prop_assert!(check(&log, within.then_some(Compression::Gzip)).is_ok());
            prop_assert_eq!(Compression::of_content(&log), None);
            prop_assert!(is_text(&log));
        }
    }
}
