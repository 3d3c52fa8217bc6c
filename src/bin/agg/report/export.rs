//! The report of `export`.

use std::fmt;

use agg::Day;
use agg::job::{ExportOptions, ExportReport, ExportedFile, ExportedPartition};
use agg::store::PartitionDays;
use serde::Serialize;

use super::facts::{Rows, told};
use super::table::Table;
use super::{Run, counted, size};
use crate::message;

/// What was exported.
#[derive(Debug, Serialize)]
pub(crate) struct Export {
    command: &'static str,
    format: &'static str,
    partitions: Vec<Partition>,
    /// Days of the window that are not stored.
    missing: Vec<Day>,
    #[serde(flatten)]
    rows: Rows,
    #[serde(flatten)]
    run: Run,
}

#[derive(Debug, Serialize)]
struct Partition {
    kind: &'static str,
    /// The day, or the window's last day.
    day: Day,
    /// Whether it is the sums of a window.
    window: bool,
    folder: String,
    files: Vec<File>,
    #[serde(skip)]
    shown_folder: String,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    /// Rows of the table.
    rows: u64,
    bytes: u64,
    /// Hexadecimal.
    xxh3_64: String,
}

impl Export {
    pub(crate) fn new(report: &ExportReport, options: &ExportOptions, run: Run) -> Self {
        Export {
            command: "export",
            format: options.format.extension(),
            partitions: report.partitions.iter().map(Partition::from).collect(),
            missing: report.missing.clone(),
            rows: report.counts.into(),
            run,
        }
    }
}

impl From<&ExportedPartition> for Partition {
    fn from(exported: &ExportedPartition) -> Self {
        let (day, window) = match exported.partition.days {
            PartitionDays::Day(day) => (day, false),
            PartitionDays::Window(day) => (day, true),
        };
        Partition {
            kind: exported.partition.kind.noun(),
            day,
            window,
            folder: exported.folder.to_string_lossy().into_owned(),
            files: exported.files.iter().map(File::from).collect(),
            shown_folder: message::path(&exported.folder),
        }
    }
}

impl From<&ExportedFile> for File {
    fn from(file: &ExportedFile) -> Self {
        File {
            path: file.path.to_string_lossy().into_owned(),
            rows: file.rows,
            bytes: file.bytes,
            xxh3_64: format!("{:016x}", file.xxh3_64),
        }
    }
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = Table::of_pairs();
        if !self.missing.is_empty() {
            pairs.pair("missing", told(&self.missing));
        }
        pairs.pair("rows", self.rows.rows);
        pairs.pair("rejected", self.rows.rejected_share());
        for Partition { shown_folder, files, .. } in &self.partitions {
            let rows = files.iter().map(|file| file.rows).sum();
            let bytes = files.iter().map(|file| file.bytes).sum();
            let files = counted(files.len() as u64, "file");
            let text =
                format!("{shown_folder} ({files}, {}, {})", counted(rows, "row"), size(bytes));
            pairs.pair("folder", text);
        }
        pairs.pair("time", self.run.told(None));
        pairs.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::{counts, day};
    use super::*;
    use agg::Kind;
    use agg::exchange::TableFormat;
    use agg::job::Selection;

    fn report() -> Export {
        let partition =
            agg::store::Partition { kind: Kind::User, days: PartitionDays::Day(day("2021-12-01")) };
        let folder = std::path::PathBuf::from("D/kind=user/day=2021-12-01");
        let path = folder.join("part-0.parquet");
        let files = vec![ExportedFile { path, rows: 90, bytes: 2048, xxh3_64: 0xfeed }];
        let report = ExportReport {
            partitions: vec![ExportedPartition { partition, folder, files }],
            missing: Vec::new(),
            counts: counts(100, 1, 2),
        };
        let options = ExportOptions {
            selection: Selection::Days(vec![day("2021-12-01")]),
            kinds: vec![Kind::User],
            format: TableFormat::Parquet,
            out: "D".into(),
        };
        Export::new(&report, &options, Run::default())
    }

    #[test]
    fn the_text_of_an_export_is_pinned() {
        assert_eq!(
            report().to_string(),
            "\
rows      100
rejected  3 (3.00%)
folder    D/kind=user/day=2021-12-01 (1 file, 90 rows, 2.0 KiB)
time      0.000 s
"
        );
    }

    #[test]
    fn the_json_of_an_export_is_pinned() {
        assert_eq!(
            serde_json::to_string(&report()).unwrap(),
            concat!(
                r#"{"command":"export","format":"parquet","partitions":[{"kind":"user","day":"2021-12-01","#,
                r#""window":false,"folder":"D/kind=user/day=2021-12-01","files":[{"path":"#,
                r#""D/kind=user/day=2021-12-01/part-0.parquet","rows":90,"bytes":2048,"#,
                r#""xxh3_64":"000000000000feed"}]}],"missing":[],"rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
