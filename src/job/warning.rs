//! Warnings: what a user should know of a run that continues. Each has its text here.

use std::path::PathBuf;

use crate::error::Error;
use crate::input::SearchWarning;
use crate::model::{Day, Rules, Shape};
use crate::text;

/// Something unusual that does not stop a run. Its text is one line that says what was done all the same.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// No log of a day has a row: a day without listeners looks like a source that failed.
    #[error(
        "{0} has no rows, all its logs are empty; counted as a day without streams; to refuse such a day, use --min-rows 1"
    )]
    EmptyDay(Day),
    /// A log does not end with a line end.
    #[error("{path:?}: the last line has no end; the log may be incomplete")]
    NoLineEnd {
        /// The log.
        path: PathBuf,
    },
    /// The first line of a log was skipped as a header, and could have been counted.
    #[error(
        "{name:?}: skipped the first line as a header, but it is a good row; if logs have no header, omit --header"
    )]
    HeaderIsRow {
        /// The log's base name.
        name: String,
    },
    /// A log that was added has the name of a log of the day, and another content.
    #[error(
        "{path:?} has the name of a log that the day already has, but other content; both are counted; if it is a corrected log, reduce all logs of the day with --force"
    )]
    SameName {
        /// The log.
        path: PathBuf,
    },
    /// The compressed form of a counted log cannot be read, so the two were not compared.
    #[error("{error}; {counted:?} is counted, which should be the same log")]
    OtherForm {
        /// The error, with its path.
        error: Error,
        /// The log that is counted.
        counted: PathBuf,
    },
    /// A log is in a day and in one of its neighbours.
    #[error(
        "{day}: {path:?} has the same content as a log of {other}; counted for both days; it may be a copy"
    )]
    Repeated {
        /// The day that was reduced.
        day: Day,
        /// The log; only its base name if an earlier run counted it.
        path: PathBuf,
        /// The day before or after.
        other: Day,
    },
    /// A day keeps its partial, because a log that it was made from is not among the logs.
    #[error(
        "{day} is unchanged: {:?}{}, which it was made from, is not among the logs; {}to replace the day and drop the rows of missing logs, use --force",
        name,
        and_more(*others),
        if *further { "to add new logs, use --add; " } else { "" }
    )]
    LogGone {
        /// The day.
        day: Day,
        /// Base name of the first missing log.
        name: String,
        /// Number of further missing logs.
        others: usize,
        /// Whether there are logs that the day lacks.
        further: bool,
    },
    /// A day keeps its partial, because it would gain logs that version 0.1 did not read.
    #[error(
        "{day} is kept: it does not have {:?}{}, in places that agg 0.1 did not read; to count the day again with all its logs, use 'agg reduce-day --force'",
        path,
        and_more(*others),
    )]
    LogsGained {
        /// The day.
        day: Day,
        /// The first of these logs.
        path: PathBuf,
        /// Number of further logs.
        others: usize,
    },
    /// A day has fewer logs than the day before.
    #[error(
        "{day} has fewer logs than the day before: {logs}, and {before} has {known}; to refuse such a day, use --min-logs"
    )]
    FewerLogs {
        /// The day.
        day: Day,
        /// Its logs.
        logs: u64,
        /// The day before.
        before: Day,
        /// Number of that day's logs.
        known: u64,
    },
    /// Days stay as they are, and do not record the rules by which they were counted.
    #[error(
        "{} recorded no rules when stored, and {} taken as counted with {rules}; to count again with these, use 'agg reduce-day --force'",
        text::days(.days),
        if days.len() == 1 { "is" } else { "are" }
    )]
    RulesUnrecorded {
        /// The days, ascending.
        days: Vec<Day>,
        /// The rules of this run.
        rules: Rules,
    },
    /// The days of a window were counted by different rules.
    #[error("the days of this window were counted with different rules: {}", grouped(.groups))]
    MixedRules {
        /// The days of each set of rules; `None` if they are not recorded.
        groups: Vec<(Option<Rules>, Vec<Day>)>,
    },
    /// Days before the window of a night are not stored and have no log.
    #[error(
        "no log for {}, and not stored; windows that include these days are not emitted", text::days(.days)
    )]
    OlderDaysMissing {
        /// The days, ascending.
        days: Vec<Day>,
    },
    /// Logs of a day before the window of a night cannot be read.
    #[error("{day} is left as it is: {text}")]
    OlderDay {
        /// The day.
        day: Day,
        /// What is wrong.
        text: String,
    },
    /// Of the search for logs.
    #[error(transparent)]
    Search(SearchWarning),
    /// A rejects file is missing.
    #[error("{path:?} is missing; to write it again, reduce {day} with --force")]
    RejectsGone {
        /// The file.
        path: PathBuf,
        /// Its day.
        day: Day,
    },
    /// A rejects file is that of a refused run.
    #[error(
        "{path:?} lists rows of a run that was refused; to write it again, reduce {day} with --force"
    )]
    RejectsOfRefused {
        /// The file.
        path: PathBuf,
        /// Its day.
        day: Day,
    },
    /// Logs were added to a day, but its rejects file is not the day's.
    #[error(
        "{path:?} does not match the stored partial; earlier corrupt rows are no longer listed"
    )]
    RejectsChanged {
        /// The file.
        path: PathBuf,
    },
    /// Published windows outside of a backfill's range include days that it changed.
    #[error(
        "{} days that changed; to emit again, run backfill with --emit --from {first} --to {last}",
        if *windows == 1 { format!("the published window of {first} has") } else {
            format!("{windows} published windows of {} have", text::range(*first, *last))
        }
    )]
    StaleWindows {
        /// Number of windows.
        windows: usize,
        /// The date of the first.
        first: Day,
        /// The date of the last.
        last: Day,
    },
    /// Days before the oldest kept day are not counted again.
    #[error(
        "skipped {}: older than {oldest}, the oldest day that the last prune kept; to count these days, use backfill with --from {}",
        text::days(.days), text::days(.days.get(..1).unwrap_or_default())
    )]
    OlderThanKept {
        /// The days, ascending.
        days: Vec<Day>,
        /// The oldest day that is kept.
        oldest: Day,
    },
    /// Windows of dates before the oldest kept emission are not emitted.
    #[error(
        "no window is emitted for {}: older than {oldest}, the oldest emission that is kept; to emit a window, use emit-window",
        text::days(.days)
    )]
    WindowsNotKept {
        /// Their dates, ascending.
        days: Vec<Day>,
        /// The date of the oldest emission that is kept.
        oldest: Day,
    },
    /// A dated folder in the output folder is not, or not only, an emission.
    #[error("{path:?}: never removed, and not counted among the emissions: {why}")]
    NotCounted {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Published emissions of another shape were replaced, or would be.
    #[error(
        "{}: {} windows of {published} by windows of {given}, and {}",
        text::days(.days),
        if *.is_plan { "would replace" } else { "replaced" },
        .given.change_to(.published, if *.is_plan { ["remove", "replace"] } else { ["removed", "replaced"] })
    )]
    OtherShape {
        /// Their dates, ascending.
        days: Vec<Day>,
        /// What was published.
        published: Shape,
        /// What this run publishes.
        given: Shape,
        /// Whether this is a dry run.
        is_plan: bool,
    },
    /// The link `latest` leads to a date that is gone, and no run moves it back.
    #[error(
        "{link:?} points to {day}, which no longer exists; left as it is; remove the link, and the next run creates it"
    )]
    LostLatest {
        /// The link.
        link: PathBuf,
        /// The date that it points to.
        day: Day,
    },
    /// Rows of a list of song names are not songs.
    #[error(
        "{path:?}:{first_line}: skipped {}",
        if *.rows == 1 { "1 row that is not a song".to_owned() } else { format!("{rows} rows that are not songs, the first on this line") }
    )]
    NotSongs {
        /// The list.
        path: PathBuf,
        /// Number of rows.
        rows: u64,
        /// The line of the first of them.
        first_line: u64,
    },
}

/// Maximum groups in a warning.
const MAX_GROUPS: usize = 4;

/// `2021-12-01 with --countries any; 2021-12-02 to 2021-12-07 with …`
fn grouped(groups: &[(Option<Rules>, Vec<Day>)]) -> String {
    let shown = groups.iter().take(MAX_GROUPS).map(|(rules, days)| {
        let days = text::days(days);
        match rules {
            Some(rules) => format!("{days} with {rules}"),
            None => format!("{days} with the default rules, or recorded none"),
        }
    });
    let more = groups.len().saturating_sub(MAX_GROUPS);
    let more = (more > 0).then(|| format!("{more} more"));
    shown.chain(more).collect::<Vec<_>>().join("; ")
}

fn and_more(others: usize) -> String {
    if others > 0 { format!(" and {others} more") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_log_is_named_with_the_number_of_others_and_what_to_do() {
        let day = "2021-12-01".parse().unwrap();
        let text = |others, further| {
            Warning::LogGone { day, name: "a.log".to_owned(), others, further }.to_string()
        };
        assert_eq!(
            text(0, false),
            "2021-12-01 is unchanged: \"a.log\", which it was made from, is not among the logs; \
             to replace the day and drop the rows of missing logs, use --force"
        );
        let both = text(2, true);
        assert!(both.contains("\"a.log\" and 2 more, which"), "{both}");
        assert!(both.contains("to add new logs, use --add; to replace"), "{both}");
    }

    #[test]
    fn rules_are_named_with_their_days() {
        let day = |text: &str| text.parse().unwrap();
        let rules = |columns: &str| {
            let columns = columns.parse().ok();
            Rules::new(";".parse().unwrap(), columns, false, Default::default())
        };
        let mut groups = vec![
            (None, vec![day("2021-12-01"), day("2021-12-02")]),
            (Some(rules("")), vec![day("2021-12-03")]),
        ];
        assert_eq!(
            Warning::MixedRules { groups: groups.clone() }.to_string(),
            "the days of this window were counted with different rules: 2021-12-01 to 2021-12-02 with the default \
             rules, or recorded none; 2021-12-03 with --delimiter ';'"
        );
        let others = ["user,song,country", "country,user,song", "song,country,user"];
        groups.extend(others.map(|columns| (Some(rules(columns)), vec![day("2021-12-04")])));
        let many = Warning::MixedRules { groups }.to_string();
        assert!(many.ends_with("--columns country,user_id,sng_id; 1 more"), "{many}");
        let days = vec![day("2021-12-01"), day("2021-12-03")];
        assert_eq!(
            Warning::RulesUnrecorded { days, rules: rules("") }.to_string(),
            "2021-12-01, 2021-12-03 recorded no rules when stored, and are taken as counted with --delimiter ';'; \
             to count again with these, use 'agg reduce-day --force'"
        );
    }

    #[test]
    fn stale_windows_are_shown_as_one_date_or_a_range() {
        let (first, last) = ("2021-12-01".parse().unwrap(), "2021-12-05".parse().unwrap());
        let one = Warning::StaleWindows { windows: 1, first, last: first }.to_string();
        assert!(one.starts_with("the published window of 2021-12-01 has days"), "{one}");
        let three = Warning::StaleWindows { windows: 3, first, last }.to_string();
        assert!(
            three.starts_with("3 published windows of 2021-12-01 to 2021-12-05 have days"),
            "{three}"
        );
        assert!(three.ends_with("--emit --from 2021-12-01 --to 2021-12-05"), "{three}");
    }
}
