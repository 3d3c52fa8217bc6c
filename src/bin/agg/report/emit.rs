//! The report of `emit-window`.

use std::fmt;

use agg::Day;
use agg::job::{EmitOptions, EmitReport, EmittedFile};
use serde::Serialize;

use super::facts::{Rows, told};
use super::table::Table;
use super::{Run, counted, size};
use crate::message;

/// What was emitted of a window.
#[derive(Debug, Serialize)]
pub(crate) struct Emit {
    command: &'static str,
    #[serde(flatten)]
    window: EmittedWindow,
    #[serde(flatten)]
    run: Run,
}

/// One emitted window, here and in a backfill.
#[derive(Debug, Serialize)]
pub(crate) struct EmittedWindow {
    /// The window's last day.
    day: Day,
    /// Days in the window.
    days: u32,
    /// Songs of each key.
    top: u32,
    folder: String,
    /// Days of the window that are not stored.
    missing: Vec<Day>,
    files: Vec<File>,
    #[serde(flatten)]
    rows: Rows,
    /// Entries read from the partials.
    entries: u64,
    #[serde(skip)]
    shown_folder: String,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    /// Lines, one a country or user.
    keys: u64,
    bytes: u64,
    /// Hexadecimal.
    xxh3_64: String,
    #[serde(skip)]
    shown_name: String,
}

impl Emit {
    pub(crate) fn new(report: &EmitReport, options: &EmitOptions, run: Run) -> Self {
        Emit { command: "emit-window", window: EmittedWindow::new(report, options), run }
    }
}

impl EmittedWindow {
    pub(crate) fn new(report: &EmitReport, options: &EmitOptions) -> Self {
        EmittedWindow {
            day: report.day,
            days: options.days,
            top: options.top,
            folder: report.folder.to_string_lossy().into_owned(),
            missing: report.missing.clone(),
            files: report.files.iter().map(File::from).collect(),
            rows: report.counts.into(),
            entries: report.entries,
            shown_folder: message::path(&report.folder),
        }
    }
}

impl From<&EmittedFile> for File {
    fn from(file: &EmittedFile) -> Self {
        let name = file.path.file_name().unwrap_or(file.path.as_os_str());
        File {
            path: file.path.to_string_lossy().into_owned(),
            keys: file.keys,
            bytes: file.bytes,
            xxh3_64: format!("{:016x}", file.xxh3_64),
            shown_name: message::path(name.as_ref()),
        }
    }
}

impl fmt::Display for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = &self.window;
        let mut pairs = Table::of_pairs();
        pairs.pair("day", window.day);
        let days = counted(window.days.into(), "day");
        pairs.pair("window", format_args!("{days}, top {}", window.top));
        if !window.missing.is_empty() {
            pairs.pair("missing", told(&window.missing));
        }
        pairs.pair("rows", window.rows.rows);
        pairs.pair("rejected", window.rows.rejected_share());
        pairs.pair("folder", &window.shown_folder);
        for file in &window.files {
            let keys = counted(file.keys, "key");
            let bytes = size(file.bytes);
            pairs.pair("file", format_args!("{} ({keys}, {bytes})", file.shown_name));
        }
        pairs.pair("time", self.run.told(None));
        pairs.fmt(f)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::facts::tests::{counts, day};
    use super::*;

    pub(crate) fn options() -> EmitOptions {
        EmitOptions::new(day("2021-12-07"), "agg-out".into())
    }

    pub(crate) fn report() -> EmitReport {
        let file = |name: &str, keys| EmittedFile {
            path: format!("agg-out/2021-12-07/{name}").into(),
            keys,
            bytes: 2048,
            xxh3_64: 0xfeed,
        };
        EmitReport {
            day: day("2021-12-07"),
            folder: "agg-out/2021-12-07".into(),
            missing: vec![day("2021-12-03")],
            files: vec![
                file("top50_songs_per_country.txt", 3),
                file("top50_songs_per_user.txt", 1),
            ],
            counts: counts(100, 1, 2),
            entries: 150,
        }
    }

    #[test]
    fn the_text_of_an_emission_is_pinned() {
        assert_eq!(
            Emit::new(&report(), &options(), Run::default()).to_string(),
            "\
day       2021-12-07
window    7 days, top 50
missing   2021-12-03
rows      100
rejected  3 (3.00%)
folder    agg-out/2021-12-07
file      top50_songs_per_country.txt (3 keys, 2.0 KiB)
file      top50_songs_per_user.txt (1 key, 2.0 KiB)
time      0.000 s
"
        );
    }

    #[test]
    fn the_json_of_an_emission_is_pinned() {
        let mut report = report();
        report.files.truncate(1);
        assert_eq!(
            serde_json::to_string(&Emit::new(&report, &options(), Run::default())).unwrap(),
            concat!(
                r#"{"command":"emit-window","day":"2021-12-07","days":7,"top":50,"#,
                r#""folder":"agg-out/2021-12-07","missing":["2021-12-03"],"#,
                r#""files":[{"path":"agg-out/2021-12-07/top50_songs_per_country.txt","keys":3,"#,
                r#""bytes":2048,"xxh3_64":"000000000000feed"}],"#,
                r#""rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"#,
                r#""entries":150,"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
