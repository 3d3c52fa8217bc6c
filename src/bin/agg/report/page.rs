//! The report of `report`: what the page is made of. The page itself is the library's.

use std::fmt;
use std::path::Path;

use agg::Day;
use agg::job::{ReportOptions, ReportOutcome};
use serde::Serialize;

use super::facts::{Rows, told};
use super::table::Table;
use super::{Run, counted, size};
use crate::message;

/// What a page shows, and where it is.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    command: &'static str,
    /// The window's last day.
    day: Day,
    /// Days in the window.
    days: u32,
    /// Days of the window that are not stored.
    missing: Vec<Day>,
    /// Last days of the earlier windows that ranks are compared with.
    compared: Vec<Day>,
    file: String,
    bytes: u64,
    countries: u64,
    /// Different songs on the page.
    songs: u64,
    /// Those of them that have a name.
    named: u64,
    #[serde(flatten)]
    rows: Rows,
    /// Entries read from the partials.
    entries: u64,
    #[serde(flatten)]
    run: Run,
    #[serde(skip)]
    shown_file: String,
}

impl Page {
    pub(crate) fn new(
        outcome: &ReportOutcome,
        options: &ReportOptions,
        file: &Path,
        run: Run,
    ) -> Self {
        let [songs, named] = outcome.songs;
        Page {
            command: "report",
            day: outcome.day,
            days: options.days,
            missing: outcome.missing.clone(),
            compared: outcome.compared.clone(),
            file: file.to_string_lossy().into_owned(),
            bytes: outcome.page.len() as u64,
            countries: outcome.countries,
            songs,
            named,
            rows: outcome.counts.into(),
            entries: outcome.entries,
            run,
            shown_file: message::path(file),
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = Table::of_pairs();
        pairs.pair("day", self.day);
        pairs.pair("window", counted(self.days.into(), "day"));
        if !self.missing.is_empty() {
            pairs.pair("missing", told(&self.missing));
        }
        let compared: Vec<String> = self.compared.iter().map(Day::to_string).collect();
        let none = "no earlier window is stored".to_owned();
        let windows = |days: Vec<String>| format!("the windows to {}", days.join(" and "));
        pairs.pair("against", if compared.is_empty() { none } else { windows(compared) });
        pairs.pair("rows", self.rows.rows);
        pairs.pair("rejected", self.rows.rejected_share());
        pairs.pair("countries", self.countries);
        pairs.pair("songs", format_args!("{}, {} with a name", self.songs, self.named));
        pairs.pair("file", format_args!("{} ({})", self.shown_file, size(self.bytes)));
        pairs.pair("time", self.run.told(None));
        pairs.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::{counts, day};
    use super::*;

    fn page() -> Page {
        let outcome = ReportOutcome {
            page: vec![b'x'; 2048],
            day: day("2021-12-07"),
            missing: vec![day("2021-12-03")],
            compared: vec![day("2021-12-06"), day("2021-11-30")],
            countries: 3,
            songs: [40, 7],
            counts: counts(100, 1, 2),
            entries: 150,
        };
        let options = ReportOptions::new(outcome.day);
        Page::new(&outcome, &options, Path::new("week.html"), Run::default())
    }

    #[test]
    fn the_text_of_a_page_is_pinned() {
        assert_eq!(
            page().to_string(),
            "\
day        2021-12-07
window     7 days
missing    2021-12-03
against    the windows to 2021-12-06 and 2021-11-30
rows       100
rejected   3 (3.00%)
countries  3
songs      40, 7 with a name
file       week.html (2.0 KiB)
time       0.000 s
"
        );
        let alone = Page { compared: Vec::new(), ..page() };
        assert!(alone.to_string().contains("against    no earlier window is stored"));
    }

    #[test]
    fn the_json_of_a_page_is_pinned() {
        assert_eq!(
            serde_json::to_string(&page()).unwrap(),
            concat!(
                r#"{"command":"report","day":"2021-12-07","days":7,"missing":["2021-12-03"],"#,
                r#""compared":["2021-12-06","2021-11-30"],"file":"week.html","bytes":2048,"#,
                r#""countries":3,"songs":40,"named":7,"#,
                r#""rows":100,"accepted":97,"rejected":3,"#,
                r#""rejects":{"too_long":0,"blank":1,"field_count":0,"song_id":0,"user_id":0,"country":2},"#,
                r#""entries":150,"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
