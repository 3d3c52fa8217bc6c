//! The report of `prune`.

use std::fmt;

use agg::Day;
use agg::job::{PruneOptions, PruneReport, PrunedDay};
use serde::Serialize;

use super::table::{Side, Table};
use super::{Run, counted, size};

/// What left the store, and what stays.
#[derive(Debug, Serialize)]
pub(crate) struct Prune {
    command: &'static str,
    keep_days: u32,
    /// Nothing was touched.
    dry_run: bool,
    /// The newest stored day; null in a store without a day.
    newest: Option<Day>,
    /// The first day that stays.
    keep_from: Option<Day>,
    /// Days that stay.
    kept: u64,
    days: Vec<Pruned>,
    /// Of all files that went.
    bytes: u64,
    #[serde(flatten)]
    run: Run,
}

#[derive(Debug, Serialize)]
struct Pruned {
    day: Day,
    /// Null if it had no partial.
    partial_bytes: Option<u64>,
    /// Null if it had no rejects file.
    rejects_bytes: Option<u64>,
}

impl From<&PrunedDay> for Pruned {
    fn from(pruned: &PrunedDay) -> Self {
        let PrunedDay { day, partial_bytes, rejects_bytes } = *pruned;
        Pruned { day, partial_bytes, rejects_bytes }
    }
}

impl Prune {
    pub(crate) fn new(report: &PruneReport, options: &PruneOptions, run: Run) -> Self {
        let sizes = report.pruned.iter().flat_map(|day| [day.partial_bytes, day.rejects_bytes]);
        Prune {
            command: "prune",
            keep_days: options.keep_days,
            dry_run: report.dry_run,
            newest: report.newest,
            keep_from: report.keep_from,
            kept: report.kept,
            days: report.pruned.iter().map(Pruned::from).collect(),
            bytes: sizes.flatten().sum(),
            run,
        }
    }
}

impl fmt::Display for Prune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goes = if self.dry_run { "would go" } else { "gone" };
        if !self.days.is_empty() {
            let mut table = Table::with_header(&[
                ("DAY", Side::Left),
                ("PARTIAL", Side::Right),
                ("REJECTS", Side::Right),
            ]);
            let cell = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), size);
            for pruned in &self.days {
                let (partial, rejects) = (cell(pruned.partial_bytes), cell(pruned.rejects_bytes));
                table.row([pruned.day.to_string(), partial, rejects]);
            }
            table.fmt(f)?;
        }
        let days = counted(self.days.len() as u64, "day");
        write!(f, "{days} {goes} ({}), {}", size(self.bytes), counted(self.kept, "day"))?;
        match self.keep_from {
            Some(from) => writeln!(f, " kept, from {from}"),
            None => writeln!(f, " kept"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::day;
    use super::*;

    fn report() -> PruneReport {
        PruneReport {
            newest: Some(day("2021-12-31")),
            keep_from: Some(day("2021-12-17")),
            kept: 14,
            pruned: vec![
                PrunedDay {
                    day: day("2021-12-01"),
                    partial_bytes: Some(2048),
                    rejects_bytes: Some(10),
                },
                PrunedDay { day: day("2021-12-02"), partial_bytes: None, rejects_bytes: Some(0) },
            ],
            dry_run: false,
        }
    }

    fn options() -> PruneOptions {
        PruneOptions { keep_days: 15, dry_run: false }
    }

    #[test]
    fn the_text_of_a_pruning_is_pinned() {
        assert_eq!(
            Prune::new(&report(), &options(), Run::default()).to_string(),
            "\
DAY         PARTIAL  REJECTS
2021-12-01  2.0 KiB     10 B
2021-12-02        -      0 B
2 days gone (2.0 KiB), 14 days kept, from 2021-12-17
"
        );
        let nothing = PruneReport { pruned: Vec::new(), dry_run: true, ..report() };
        assert_eq!(
            Prune::new(&nothing, &options(), Run::default()).to_string(),
            "0 days would go (0 B), 14 days kept, from 2021-12-17\n"
        );
    }

    #[test]
    fn the_json_of_a_pruning_is_pinned() {
        assert_eq!(
            serde_json::to_string(&Prune::new(&report(), &options(), Run::default())).unwrap(),
            concat!(
                r#"{"command":"prune","keep_days":15,"dry_run":false,"newest":"2021-12-31","#,
                r#""keep_from":"2021-12-17","kept":14,"days":["#,
                r#"{"day":"2021-12-01","partial_bytes":2048,"rejects_bytes":10},"#,
                r#"{"day":"2021-12-02","partial_bytes":null,"rejects_bytes":0}],"bytes":2058,"#,
                r#""seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
