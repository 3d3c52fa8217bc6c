//! Classifies a file by its name alone: a log, on a list of files that are not logs, or neither.
//!
//! Pure functions over names; other modules check the entry itself and find its day.

use super::dates;
use super::decompress::Compression;

/// The class of a file by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// Never reported: hidden files, checksums, markers.
    Quiet,
    /// The same while the file is empty.
    QuietIfEmpty,
    /// Still being written or copied.
    Arriving,
    /// A table with separators of its own: a log where the rules of rows say how to read it.
    Table,
    /// A log.
    Log,
    /// Unknown.
    Other,
}

/// The part of a name that an entry of the lists matches.
#[derive(Debug, Clone, Copy)]
enum Form {
    Start(&'static [u8]),
    End(&'static [u8]),
    Whole(&'static [u8]),
    Around(&'static [u8], &'static [u8]),
}

/// The files that are not logs, whatever else their names contain.
const LISTS: [(NameKind, Form); 25] = {
    use Form::{Around, End, Start, Whole};
    use NameKind::{Arriving, Quiet, QuietIfEmpty};
    [
        (Quiet, Start(b".")),
        (Quiet, End(b"~")),
        (Quiet, End(b".swp")),
        (Quiet, End(b".md5")),
        (Quiet, End(b".sha1")),
        (Quiet, End(b".sha256")),
        (Quiet, End(b".sha512")),
        (Quiet, End(b".crc")),
        (Quiet, End(b".asc")),
        (Quiet, End(b".sig")),
        (Quiet, Around(b"SHA", b"SUMS")),
        (Quiet, Whole(b"_SUCCESS")),
        (Quiet, Start(b"_committed_")),
        (Quiet, Start(b"_started_")),
        (Quiet, Whole(b"_metadata")),
        (Quiet, End(b"_$folder$")),
        (QuietIfEmpty, End(b".ok")),
        (QuietIfEmpty, End(b".done")),
        (QuietIfEmpty, End(b".ready")),
        (Arriving, End(b".part")),
        (Arriving, End(b".filepart")),
        (Arriving, End(b".partial")),
        (Arriving, End(b".tmp")),
        (Arriving, End(b".crdownload")),
        (Arriving, End(b".inprogress")),
    ]
};

/// Folders for files that were put aside: skipped, and reported.
const SET_ASIDE: [&[u8]; 10] = [
    b"archive",
    b"old",
    b"backup",
    b"bak",
    b"tmp",
    b"trash",
    b"quarantine",
    b"rejected",
    b"failed",
    b"incoming",
];

impl Form {
    fn fits(self, name: &[u8]) -> bool {
        match self {
            Form::Start(text) => name.starts_with(text),
            Form::End(text) => name.ends_with(text),
            Form::Whole(text) => name == text,
            Form::Around(start, end) => {
                name.len() >= start.len() + end.len()
                    && name.starts_with(start)
                    && name.ends_with(end)
            }
        }
    }
}

impl NameKind {
    /// The class of a file of this name.
    pub(super) fn of(name: &[u8]) -> NameKind {
        NameKind::listed(name, b"").unwrap_or_else(|| kind_of_stem(stem(name)))
    }

    /// The list that the name is on, unless `pattern`, the last component of a pattern that matches it, spells that
    /// part of the name out.
    pub(super) fn listed(name: &[u8], pattern: &[u8]) -> Option<NameKind> {
        let entry = LISTS.iter().find(|(_, form)| form.fits(name) && !form.fits(pattern));
        entry.map(|(kind, _)| *kind)
    }
}

/// The name that a file gets when it is whole, if it is still arriving under this one.
pub(super) fn arriving_as(name: &[u8]) -> Option<&[u8]> {
    LISTS.iter().find_map(|(kind, form)| match (kind, form) {
        (NameKind::Arriving, Form::End(suffix)) => name.strip_suffix(*suffix),
        _ => None,
    })
}

/// Whether a folder of this name is never reported.
pub(super) fn is_quiet_folder(name: &[u8]) -> bool {
    name.starts_with(b".") || name == b"lost+found" || name == b"_temporary"
}

/// Whether a folder of this name holds files that were put aside.
pub(super) fn is_set_aside(name: &[u8]) -> bool {
    SET_ASIDE.contains(&name)
}

/// The file's compression by its base name: by its suffix, before or after a rotation number.
pub(super) fn compression_of(name: &[u8]) -> Option<Compression> {
    let (_, compression) = Compression::split_name(name);
    let rotated = || Compression::split_name(without_rotation(name)?).1;
    compression.or_else(rotated)
}

/// The base name without a compression suffix: the plain and the compressed form of a log share it.
pub(crate) fn uncompressed_name(name: &[u8]) -> &[u8] {
    Compression::split_name(name).0
}

/// Whether logrotate may have given the name its date: `NAME.log-DATE`.
pub(super) fn has_date_of_rotation(name: &[u8]) -> bool {
    let name = uncompressed_name(name);
    let name = without_rotation(name).unwrap_or(name);
    dates::without_date(name)
        .is_some_and(|(rest, between)| rest.ends_with(b".log") && between == b"-")
}

/// Takes something off the end of a name.
type Strip = fn(&[u8]) -> Option<&[u8]>;

/// The name without the parts that were appended: one compression suffix, one rotation number, and one date, in any
/// order.
fn stem(name: &[u8]) -> &[u8] {
    let strips: [Strip; 3] = [
        |name| {
            Some(Compression::split_name(name))
                .filter(|split| split.1.is_some())
                .map(|split| split.0)
        },
        without_rotation,
        |name| dates::without_date(name).map(|(rest, _)| rest),
    ];
    let (mut rest, mut left) = (name, [true; 3]);
    while let Some((at, shorter)) = (0..)
        .zip(strips)
        .zip(left)
        .find_map(|((at, strip), left)| strip(rest).filter(|_| left).map(|shorter| (at, shorter)))
    {
        rest = shorter;
        left.iter_mut().skip(at).take(1).for_each(|left| *left = false);
    }
    rest
}

/// The name before `.1` to `.999`.
fn without_rotation(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    let (rest, number) = name.split_at_checked(dot)?;
    let digits = number.get(1..)?;
    let is_number = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    (is_number && !digits.starts_with(b"0")).then_some(rest)
}

/// Suffixes of files whose bytes are not rows: read as logs, they would fail the day or be corrupt throughout.
const OTHER_FORMATS: &[&[u8]] = &[
    b".parquet",
    b".orc",
    b".avro",
    b".json",
    b".jsonl",
    b".ndjson",
    b".xml",
    b".arrow",
    b".feather",
    b".snappy",
    b".lz4",
    b".lzo",
    b".deflate",
    b".zip",
    b".7z",
    b".tar",
];

fn kind_of_stem(stem: &[u8]) -> NameKind {
    // Other formats count in capitals, too: their rows must never be counted by mistake.
    let lower = stem.to_ascii_lowercase();
    let is_other = |suffixes: &[&[u8]]| suffixes.iter().any(|suffix| lower.ends_with(suffix));
    if is_other(&[b".csv", b".tsv", b".psv"]) {
        NameKind::Table
    } else if is_other(OTHER_FORMATS) {
        NameKind::Other
    } else if [&b".log"[..], b".txt"].iter().any(|suffix| stem.ends_with(suffix))
        || stem.starts_with(b"part-")
        || !stem.contains(&b'.')
    {
        NameKind::Log
    } else {
        NameKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(kind: NameKind, names: &[&str]) {
        for name in names {
            assert_eq!(NameKind::of(name.as_bytes()), kind, "{name}");
        }
    }

    #[test]
    fn a_log_is_known_by_its_name_without_rotation_compression_and_date() {
        kinds(
            NameKind::Log,
            &[
                "listen.log",
                "listen.txt",
                "listen.log.1",
                "listen.log.999",
                "listen.log.2.gz",
                "listen.log.gz.2",
                "listen.log.zst",
                "listen.log.bz2",
                "listen.log.xz.1",
                "listen.log-20211201",
                "listen.log-20211201.gz",
                "listen.log.2021-12-01",
                "listen-20211204.gz",
                "2021_12_01",
                "2021120113.log",
                "2021-12-01",
                "20211201",
                "20211201.gz",
                "1638316800",
                "listen",
                "part-00003.gz",
                "part-00003.bz2",
                "part-00003",
                "part-0.c000",
                "web1.example.com-20211201.log",
                "01.log",
                "README",
                "listen.log-20211201.1.gz",
            ],
        );
        kinds(
            NameKind::Other,
            &[
                "listen.LOG",
                "listen.log.0",
                "listen.log.01",
                "listen.log.1000",
                "listen.log.1.2",
                "listen-20211201.log.bak7",
                "README.md",
                "listen.log.lz4",
                "listen.log.gz.gz",
                "Part-0.x",
                "part-0.parquet",
                "part-0.snappy.parquet",
                "part-0.PARQUET",
                "part-0.Json.gz",
                "part-0.json.gz",
                "part-0.tar.gz",
                "part-0.c000.snappy",
                "listen.log.2021-02-30",
                "data.json-20211201",
            ],
        );
        kinds(
            NameKind::Table,
            &["a.csv", "part-0.csv", "part-0.CSV", "a.tsv.gz", "a.psv.1", "a.csv-20211201"],
        );
    }

    #[test]
    fn the_lists_go_before_all_that_makes_a_log() {
        kinds(
            NameKind::Quiet,
            &[
                ".hidden.log",
                ".part-0.crc",
                "listen.log~",
                ".listen.log.swp",
                "listen.log.md5",
                "a.log.sha1",
                "a.log.sha256",
                "a.log.sha512",
                "a.crc",
                "a.log.asc",
                "a.log.sig",
                "SHA256SUMS",
                "SHASUMS",
                "_SUCCESS",
                "_committed_42",
                "_started_42",
                "_metadata",
                "logs_$folder$",
            ],
        );
        kinds(NameKind::QuietIfEmpty, &["20211201.ok", "a.done", "a.log.ready"]);
        kinds(
            NameKind::Arriving,
            &[
                "listen.log.part",
                "part-0.part",
                "a.filepart",
                "a.partial",
                "a.log.tmp",
                "a.gz.crdownload",
                "part-0.inprogress",
            ],
        );
    }

    #[test]
    fn a_pattern_takes_what_is_on_a_list_only_if_it_spells_that_out() {
        let listed =
            |name: &str, pattern: &str| NameKind::listed(name.as_bytes(), pattern.as_bytes());
        assert_eq!(listed("a.part", "*"), Some(NameKind::Arriving));
        assert_eq!(listed("a.part", "*.part"), None);
        assert_eq!(listed(".a", ".*"), None);
        assert_eq!(listed("_SUCCESS", "_S*"), Some(NameKind::Quiet));
    }

    #[test]
    fn compression_is_known_by_the_suffix_before_or_after_a_rotation_number() {
        let compressions =
            ["a.gz", "a.zst", "a.bz2", "a.xz", "a.gz.1", "a.1.gz", "a", "gz", "a.gz.x"]
                .map(|name| compression_of(name.as_bytes()));
        let [gzip, zstd, bzip2, xz] = Compression::ALL.map(Some);
        assert_eq!(compressions, [gzip, zstd, bzip2, xz, gzip, gzip, None, None, None]);
    }

    #[test]
    fn the_date_of_a_rotation_comes_after_the_whole_name_of_a_log() {
        for (name, expected) in [
            ("listen.log-20211201", true),
            ("listen.log-20211201.gz", true),
            ("listen.log-2021120113.gz", true),
            ("listen.log-2021-12-01", true),
            ("listen.log.20211201", false),
            ("listen-20211201.log", false),
            ("listen.txt-20211201", false),
        ] {
            assert_eq!(has_date_of_rotation(name.as_bytes()), expected, "{name}");
        }
    }
}
