//! Reads back a stored rejects file: which of its lines are those of the day's partial.
//!
//! When logs are added to a day, the old logs are not read again, so old corrupt rows can be shown only by keeping
//! their lines. A partial with `n` shown rows (all its corrupt rows, at most 1,000) has the first `n` lines of its
//! file, whatever follows them. The lines are accepted if they match the partial: each names an input, in the order of
//! the inputs, with a line number that the input has, ascending, and the reasons are those that the partial has
//! counted. The file of a refused run, or an edited file, does not match.

use super::reject::MAX_SAMPLES;
use crate::model::{Inputs, InputsIter, RejectCounts, RejectReason};
use crate::text::escape;

// A line is a name of at most 255 bytes and 200 bytes of a row, escaped to four bytes each, a number and a reason.
const _: () = assert!(MAX_SAMPLES as u64 * (4 * (255 + 200) + 100) <= ShownRejects::MAX_BYTES);

/// The lines of a day's corrupt rows, the LFs included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShownRejects {
    text: Vec<u8>,
    lines: usize,
}

impl ShownRejects {
    /// Maximum bytes of the lines of a day. Nothing after them needs to be read.
    pub const MAX_BYTES: u64 = 4 << 20;

    /// The lines of a day with these inputs and counts, from its rejects file; `None` if the file does not begin with
    /// them. `header`: whether the first line of each input is a header.
    #[must_use]
    pub fn of(file: &[u8], inputs: &Inputs, counts: &RejectCounts, header: bool) -> Option<Self> {
        let lines =
            usize::try_from(counts.total()).map_or(MAX_SAMPLES, |total| total.min(MAX_SAMPLES));
        let mut reader = LineWalk { inputs: inputs.iter(), header, input: None, line: 0 };
        let mut found = RejectCounts::default();
        let mut end = 0;
        let mut rest = file.split_inclusive(|byte| *byte == b'\n');
        for _ in 0..lines {
            let line = rest.next().filter(|line| line.ends_with(b"\n"))?;
            found.count(reader.reason_of(line)?);
            end += line.len();
        }
        let all = counts.total() == lines as u64;
        let fits = found.0.iter().zip(&counts.0).all(|(found, counted)| found <= counted);
        if !fits || (all && found != *counts) {
            return None;
        }
        // The lines are a prefix of the file.
        Some(ShownRejects { text: file[..end].to_vec(), lines })
    }

    /// The lines, with their LFs.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Number of further lines that may follow.
    #[must_use]
    pub fn room(&self) -> usize {
        MAX_SAMPLES.saturating_sub(self.lines)
    }
}

/// Walks over the inputs in step with the lines.
struct LineWalk<'a> {
    inputs: InputsIter<'a>,
    /// Whether inputs have one line more than rows.
    header: bool,
    /// Rows of the last line's input, and its name as shown.
    input: Option<(u64, Vec<u8>)>,
    /// The last line's number in that input.
    line: u64,
}

impl LineWalk<'_> {
    /// The reason in a line, if the line can follow the last line.
    fn reason_of(&mut self, line: &[u8]) -> Option<RejectReason> {
        loop {
            if let Some((rows, name)) = &self.input
                && let Some((number, reason)) = parse(line, name)
                && (self.line + 1..=rows.saturating_add(self.header.into())).contains(&number)
            {
                self.line = number;
                return Some(reason);
            }
            let next = self.inputs.next()?;
            let mut name = Vec::new();
            escape(next.name, &mut name);
            self.input = Some((next.rows, name));
            self.line = 0;
        }
    }
}

/// Number and reason of a line of the input of this name.
fn parse(line: &[u8], name: &[u8]) -> Option<(u64, RejectReason)> {
    let rest = line.strip_prefix(name)?.strip_prefix(b":")?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (number, rest) = rest.split_at_checked(digits)?;
    let rest = rest.strip_prefix(b": ")?;
    let end = rest.iter().position(|byte| *byte == b':')?;
    let (reason, rest) = rest.split_at_checked(end)?;
    rest.strip_prefix(b": ")?;
    let reason = RejectReason::ALL.into_iter().find(|known| known.name().as_bytes() == reason)?;
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InputFacts;

    fn inputs(logs: &[(&'static str, u64)]) -> Inputs {
        let facts = |(name, rows): &(&'static str, u64)| InputFacts {
            name: name.as_bytes(),
            size: 0,
            modified_ns: 0,
            digest: 0,
            rows: *rows,
        };
        logs.iter().map(facts).collect()
    }

    const BLANK: usize = RejectReason::Blank as usize;
    const FIELDS: usize = RejectReason::FieldCount as usize;

    fn counts(of: &[(usize, u64)]) -> RejectCounts {
        let mut counts = RejectCounts::default();
        for (reason, count) in of {
            counts.0[*reason] = *count;
        }
        counts
    }

    #[test]
    fn the_lines_of_the_day_are_kept_and_those_of_a_refused_run_after_them_are_not() {
        let logs = inputs(&[("a:b.log", 9), ("none.log", 5), ("a\n.log", 3), ("a\n.log", 2)]);
        let own = "a:b.log:2: field_count: x: blank: y\na:b.log:9: blank: \n\
                   a\\x0a.log:3: blank: \na\\x0a.log:1: blank: \n";
        let file = format!("{own}new.log:1: blank: \n");
        let counts = counts(&[(FIELDS, 1), (BLANK, 3)]);
        let shown = ShownRejects::of(file.as_bytes(), &logs, &counts, false).unwrap();
        assert_eq!((shown.text(), shown.room()), (own.as_bytes(), 996));
    }

    #[test]
    fn a_file_of_other_logs_other_reasons_or_fewer_lines_is_not_the_days() {
        let logs = inputs(&[("a.log", 3), ("b.log", 3)]);
        let counts = counts(&[(BLANK, 2)]);
        let of = |file: &str| ShownRejects::of(file.as_bytes(), &logs, &counts, false);
        assert!(of("a.log:1: blank: \nb.log:1: blank: \n").is_some());
        for other in [
            "",
            "a.log:1: blank: \n",
            "a.log:1: blank: \nb.log:1: blank: ",
            "a.log:1: blank: \nb.log:1: field_count: 1\n",
            "a.log:1: blank: \nc.log:1: blank: \n",
            "b.log:1: blank: \na.log:1: blank: \n",
            "a.log:2: blank: \na.log:2: blank: \n",
            "a.log:2: blank: \na.log:4: blank: \n",
            "a.log:0: blank: \na.log:1: blank: \n",
            "a.log: blank: \na.log:99999999999999999999: blank: \n",
        ] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }

    #[test]
    fn logs_with_a_header_have_a_line_more() {
        let logs = inputs(&[("a.log", 2)]);
        let of = |line: u64, header| {
            let file = format!("a.log:{line}: blank: \n");
            ShownRejects::of(file.as_bytes(), &logs, &counts(&[(BLANK, 1)]), header).is_some()
        };
        assert_eq!(
            [of(2, false), of(3, false), of(3, true), of(4, true)],
            [true, false, true, false]
        );
    }

    #[test]
    fn a_day_of_more_corrupt_rows_than_are_shown_has_no_room_for_more() {
        let logs = inputs(&[("a.log", 5000)]);
        let file: String = (1..=1500).map(|line| format!("a.log:{line}: blank: \n")).collect();
        let shown =
            ShownRejects::of(file.as_bytes(), &logs, &counts(&[(BLANK, 1001)]), false).unwrap();
        assert_eq!(shown.text().split_inclusive(|byte| *byte == b'\n').count(), 1000);
        assert_eq!(shown.room(), 0);
        assert_eq!(
            ShownRejects::of(file.as_bytes(), &logs, &counts(&[(FIELDS, 1001)]), false),
            None
        );
        let none = ShownRejects::of(b"whatever", &logs, &RejectCounts::default(), false).unwrap();
        assert_eq!((none.text(), none.room()), (&b""[..], 1000));
    }
}
