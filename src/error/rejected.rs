//! How errors show corrupt rows: by reason, by share, and one row that stands for the others.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use crate::model::RejectCounts;
use crate::text;

/// Bytes of the longest row that is shown whole, as it is written.
const SHOWN: usize = 60;

/// A corrupt row that stands for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstReject {
    /// Its log.
    pub log: PathBuf,
    /// Its line.
    pub line: u64,
    /// Its first bytes.
    pub row: Vec<u8>,
    /// What it looks like.
    pub hint: Option<Cow<'static, str>>,
}

/// ``; first: "a.log":7 `1|2|de`: country codes are upper case``
impl fmt::Display for FirstReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FirstReject { log, line, row, hint } = self;
        write!(f, "; first: {log:?}:{line} `{}`", shown(row))?;
        hint.iter().try_for_each(|hint| write!(f, ": {hint}"))
    }
}

/// The row, or as much as there is room for.
fn shown(row: &[u8]) -> String {
    let mut written = text::name(row);
    if written.len() > SHOWN {
        // In front of an escape, not within it.
        let cut = written.get(..SHOWN).unwrap_or_default();
        let end = cut.rfind('\\').filter(|at| at + 4 > SHOWN).unwrap_or(SHOWN);
        written.truncate(end);
        written.push('…');
    }
    written
}

/// What follows the counts.
pub(super) fn first_row(first: Option<&FirstReject>) -> String {
    first.map(FirstReject::to_string).unwrap_or_default()
}

/// `150 country, 2 blank`: the most frequent first.
pub(super) fn join_reasons(reasons: &RejectCounts) -> String {
    let mut named: Vec<_> = reasons.named().filter(|(_, count)| *count > 0).collect();
    named.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    named.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// `12.5 %`
pub(super) fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let percent = part as f64 / whole.max(1) as f64 * 100.0;
    format!("{percent:.1} %")
}

/// Whether a higher limit may be right: the day has at most twice as many corrupt rows as are allowed.
pub(super) fn is_barely_above(rejected: u64, rows: u64, limit: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a ratio to be compared with a typed limit")]
    let is_below = rejected as f64 <= 2.0 * limit * rows as f64;
    is_below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    fn refused(rejected: u64, row: &[u8], hint: Option<&'static str>) -> String {
        let first = FirstReject {
            log: "a.log".into(),
            line: 7,
            row: row.to_vec(),
            hint: hint.map(Cow::Borrowed),
        };
        let kind = ErrorKind::TooManyRejects {
            rejected,
            rows: 100,
            limit: 0.1,
            reasons: RejectCounts([0, 1, 0, 0, 0, rejected - 1]),
            first: Some(Box::new(first)),
            rejects: "r.txt".into(),
        };
        Error::from(kind).to_string()
    }

    #[test]
    fn a_refused_day_names_its_reasons_the_first_row_and_what_it_looks_like() {
        assert_eq!(
            refused(50, b"1|2|de", Some("country codes are upper case")),
            "50 of 100 rows rejected, more than --max-reject-ratio 0.1 allows: 49 country, 1 blank; \
             first: \"a.log\":7 `1|2|de`: country codes are upper case; see \"r.txt\""
        );
    }

    #[test]
    fn only_a_day_barely_above_the_limit_is_told_to_raise_it() {
        let raise = "; see \"r.txt\"; if this is expected, raise the limit";
        assert!(refused(11, b"1|2|de", None).ends_with(raise));
        assert!(refused(20, b"1|2|de", None).ends_with(raise));
        assert!(refused(21, b"1|2|de", None).ends_with("`1|2|de`; see \"r.txt\""));
    }

    #[test]
    fn a_row_is_shown_in_one_line_and_cut_in_front_of_an_escape() {
        assert_eq!(shown(b"1|\t|\x1b[2J\xff"), "1|\\x09|\\x1b[2J\\xff");
        assert_eq!(shown(&[b'x'; 60]), "x".repeat(60));
        assert_eq!(shown(&[b'x'; 61]), format!("{}…", "x".repeat(60)));
        for before in 0..5 {
            let row = [&vec![b'x'; before][..], &[0; 200]].concat();
            let expected = format!("{}{}…", "x".repeat(before), "\\x00".repeat((60 - before) / 4));
            assert_eq!(shown(&row), expected);
        }
    }

    #[test]
    fn a_refused_log_names_its_share_of_rows_and_bytes() {
        let kind = ErrorKind::RottenLog {
            rejected: 1,
            rows: 4000,
            rejected_bytes: 2,
            bytes: 3,
            limit: 0.5,
            first: None,
            rejects: "r.txt".into(),
        };
        assert_eq!(
            Error::from(kind).at("a.log").to_string(),
            "\"a.log\": 1 of 4000 rows and 66.7 % of the bytes rejected, \
             more than --max-log-reject-ratio 0.5 allows for one log; see \"r.txt\""
        );
    }
}
