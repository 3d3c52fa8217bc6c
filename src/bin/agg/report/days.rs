//! The reports on the store's days: `list`, `inspect`, `verify`.

use std::fmt;

use agg::job::DayFacts;
use agg::{Day, Kind};
use serde::Serialize;

use super::facts::{Failure, StoredDay, told};
use super::table::{Side, Table};
use super::{Run, counted, size};
use crate::message;

/// A day, or what is wrong with it.
type Checked = (Day, agg::Result<DayFacts>);

/// The days of the store and the gaps between them.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    command: &'static str,
    days: Vec<ListedDay>,
    gaps: Vec<Gap>,
    #[serde(flatten)]
    run: Run,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ListedDay {
    Stored(Box<StoredDay>),
    Failed { day: Day, error: Failure },
}

/// Days between two stored ones that are not stored.
#[derive(Debug, Serialize)]
struct Gap {
    first: Day,
    last: Day,
    days: u64,
}

impl ListedDay {
    fn day(&self) -> Day {
        match self {
            ListedDay::Stored(stored) => stored.day,
            ListedDay::Failed { day, .. } => *day,
        }
    }
}

impl From<&Checked> for ListedDay {
    fn from((day, facts): &Checked) -> Self {
        match facts {
            Ok(facts) => ListedDay::Stored(Box::new(facts.into())),
            Err(error) => ListedDay::Failed { day: *day, error: error.into() },
        }
    }
}

impl List {
    pub(crate) fn new(days: &[Checked], run: Run) -> Self {
        let days: Vec<ListedDay> = days.iter().map(ListedDay::from).collect();
        let neighbours = days.iter().zip(days.iter().skip(1));
        let gaps = neighbours.filter_map(|(a, b)| Gap::between(a.day(), b.day())).collect();
        List { command: "list", days, gaps, run }
    }
}

impl Gap {
    fn between(before: Day, after: Day) -> Option<Self> {
        let (first, last) = (before.plus_days(1)?, after.plus_days(-1)?);
        let mut days = 0;
        let mut day = first;
        while day <= last {
            days += 1;
            day = day.plus_days(1)?;
        }
        (days > 0).then_some(Gap { first, last, days })
    }

    fn told(&self) -> String {
        let days = counted(self.days, "day");
        if self.first == self.last {
            format!("-- gap of {days}: {}", self.first)
        } else {
            format!("-- gap of {days}: {} to {}", self.first, self.last)
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = ["ROWS", "REJECTS", "USERS", "PAIRS", "SIZE"].map(|name| (name, Side::Right));
        let columns: Vec<_> = std::iter::once(("DAY", Side::Left)).chain(numbers).collect();
        let mut table = Table::with_header(&columns);
        let mut gaps = self.gaps.iter().peekable();
        for day in &self.days {
            if let Some(gap) = gaps.next_if(|gap| gap.last < day.day()) {
                table.line(gap.told());
            }
            match day {
                ListedDay::Stored(stored) => table.row([
                    stored.day.to_string(),
                    stored.rows.rows.to_string(),
                    stored.rows.rejected_text(),
                    stored.runs[Kind::User].keys.to_string(),
                    stored.runs[Kind::User].pairs.to_string(),
                    size(stored.partial_bytes),
                ]),
                ListedDay::Failed { day, .. } => table.line(format!("{day}  failed")),
            }
        }
        table.fmt(f)
    }
}

/// All that a partial's footer says.
#[derive(Debug, Serialize)]
pub(crate) struct Inspect {
    command: &'static str,
    #[serde(flatten)]
    day: StoredDay,
    #[serde(flatten)]
    run: Run,
    #[serde(skip)]
    shown_partial: String,
}

impl Inspect {
    pub(crate) fn new(facts: &DayFacts, run: Run) -> Self {
        let shown_partial = message::path(&facts.path);
        Inspect { command: "inspect", day: facts.into(), run, shown_partial }
    }
}

impl fmt::Display for Inspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = &self.day;
        let mut pairs = Table::of_pairs();
        pairs.pair("day", day.day);
        pairs.pair("partial", &self.shown_partial);
        pairs.pair("bytes", day.partial_bytes);
        pairs.pair("version", day.version);
        pairs.pair("digest", &day.digest);
        pairs.pair("rows", day.rows.rows);
        pairs.pair("accepted", day.rows.accepted);
        pairs.pair("rejected", day.rows.rejected_text());
        for (reason, count) in day.rows.rejects.iter().flat_map(|rejects| rejects.0.named()) {
            pairs.pair(&format!("rejected.{reason}"), count);
        }
        for (kind, run) in day.runs.iter() {
            let label = kind.plural();
            pairs.pair(label, run.keys);
            pairs.pair(&format!("{label}.pairs"), run.pairs);
            pairs.pair(&format!("{label}.blocks"), day.blocks[kind]);
        }
        pairs.pair("inputs", day.inputs.len());
        for (number, input) in (1..).zip(&day.inputs) {
            pairs.pair(&format!("input.{number}.name"), &input.name);
            pairs.pair(&format!("input.{number}.bytes"), input.bytes);
            pairs.pair(&format!("input.{number}.rows"), input.rows);
            pairs.pair(&format!("input.{number}.modified_ns"), input.modified_ns);
            pairs.pair(&format!("input.{number}.digest"), &input.digest);
        }
        pairs.fmt(f)
    }
}

/// Which days are whole.
#[derive(Debug, Serialize)]
pub(crate) struct Verify {
    command: &'static str,
    days: Vec<VerifiedDay>,
    #[serde(flatten)]
    run: Run,
}

#[derive(Debug, Serialize)]
struct VerifiedDay {
    day: Day,
    ok: bool,
    /// Size of a day that is whole.
    partial_bytes: Option<u64>,
    /// Rows of a day that is whole.
    rows: Option<u64>,
    error: Option<Failure>,
}

impl From<&Checked> for VerifiedDay {
    fn from((day, facts): &Checked) -> Self {
        VerifiedDay {
            day: *day,
            ok: facts.is_ok(),
            partial_bytes: facts.as_ref().ok().map(|facts| facts.bytes),
            rows: facts.as_ref().ok().map(|facts| facts.counts.rows),
            error: facts.as_ref().err().map(Failure::from),
        }
    }
}

impl Verify {
    pub(crate) fn new(days: &[Checked], run: Run) -> Self {
        Verify { command: "verify", days: days.iter().map(VerifiedDay::from).collect(), run }
    }

    /// What to say on standard error when not every day is whole.
    pub(crate) fn complaint(&self) -> Option<String> {
        let failed: Vec<Day> = self.days.iter().filter(|day| !day.ok).map(|day| day.day).collect();
        let all = counted(self.days.len() as u64, "day");
        let text = || format!("{} of {all} failed the check: {}", failed.len(), told(&failed));
        (!failed.is_empty()).then(text)
    }
}

impl fmt::Display for VerifiedDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            write!(f, "{} failed {}", self.day, error.message)?;
            return match &error.remedy {
                Some(remedy) => write!(f, "; mend it: {remedy}"),
                None => Ok(()),
            };
        }
        let rows = counted(self.rows.unwrap_or_default(), "row");
        write!(f, "{} ok {rows}, {}", self.day, size(self.partial_bytes.unwrap_or_default()))
    }
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.days.iter().try_for_each(|day| writeln!(f, "{day}"))
    }
}

#[cfg(test)]
mod tests {
    use agg::Error;

    use super::super::facts::tests::{day, day_facts};
    use super::*;

    fn days() -> Vec<Checked> {
        let stored = |text: &str| (day(text), Ok(day_facts(text)));
        let error = Error::damaged("checksum").at_offset(7).at("s/partials/2021-12-05.agg");
        vec![
            stored("2021-11-30"),
            stored("2021-12-01"),
            stored("2021-12-03"),
            (day("2021-12-05"), Err(error)),
            stored("2021-12-09"),
        ]
    }

    #[test]
    fn the_text_of_a_list_with_gaps_and_a_damaged_day_is_pinned() {
        assert_eq!(
            List::new(&days(), Run::default()).to_string(),
            "\
DAY         ROWS  REJECTS  USERS  PAIRS     SIZE
2021-11-30   100        3     10     90  1.5 KiB
2021-12-01   100        3     10     90  1.5 KiB
-- gap of 1 day: 2021-12-02
2021-12-03   100        3     10     90  1.5 KiB
-- gap of 1 day: 2021-12-04
2021-12-05  failed
-- gap of 3 days: 2021-12-06 to 2021-12-08
2021-12-09   100        3     10     90  1.5 KiB
"
        );
    }

    #[test]
    fn the_json_of_a_list_is_pinned() {
        let json = serde_json::to_string(&List::new(&days()[2..4], Run::default())).unwrap();
        let stored = serde_json::to_string(&StoredDay::from(&day_facts("2021-12-03"))).unwrap();
        let failed = concat!(
            r#"{"day":"2021-12-05","error":{"exit_code":65,"message":"#,
            r#""\"s/partials/2021-12-05.agg\" at offset 7: damaged: checksum","#,
            r#""remedy":"agg reduce-day --store s --date 2021-12-05 --force LOG…"}}"#
        );
        assert_eq!(
            json,
            format!(
                r#"{{"command":"list","days":[{stored},{failed}],"gaps":[{{"first":"2021-12-04","last":"2021-12-04","days":1}}],"seconds":0.0,"phases":{{}},"peak_memory_bytes":null,"warnings":[]}}"#
            )
        );
    }

    #[test]
    fn the_text_of_an_inspected_day_is_pinned() {
        assert_eq!(
            Inspect::new(&day_facts("2021-12-01"), Run::default()).to_string(),
            "\
day                   2021-12-01
partial               agg-store/partials/2021-12-01.agg
bytes                 1536
version               1
digest                00000000000000000000000000001234
rows                  100
accepted              97
rejected              3
rejected.too_long     0
rejected.blank        1
rejected.field_count  0
rejected.song_id      0
rejected.user_id      0
rejected.country      2
users                 10
users.pairs           90
users.blocks          2
countries             3
countries.pairs       60
countries.blocks      1
inputs                1
input.1.name          listen-20211201.log
input.1.bytes         2048
input.1.rows          100
input.1.modified_ns   1638400000000000000
input.1.digest        00000000000000000000000000000abc
"
        );
    }

    #[test]
    fn the_json_of_an_inspected_day_is_pinned() {
        let facts = day_facts("2021-12-01");
        let stored = serde_json::to_string(&StoredDay::from(&facts)).unwrap();
        assert_eq!(
            serde_json::to_string(&Inspect::new(&facts, Run::default())).unwrap(),
            format!(
                r#"{{"command":"inspect",{},"seconds":0.0,"phases":{{}},"peak_memory_bytes":null,"warnings":[]}}"#,
                stored.trim_start_matches('{').strip_suffix('}').unwrap()
            )
        );
    }

    #[test]
    fn the_text_of_a_verification_names_the_command_that_mends() {
        let report = Verify::new(&days()[2..4], Run::default());
        assert_eq!(
            report.to_string(),
            "\
2021-12-03 ok 100 rows, 1.5 KiB
2021-12-05 failed \"s/partials/2021-12-05.agg\" at offset 7: damaged: checksum; mend it: agg reduce-day --store s --date 2021-12-05 --force LOG…
"
        );
        assert_eq!(report.complaint().unwrap(), "1 of 2 days failed the check: 2021-12-05");
        assert_eq!(Verify::new(&days()[..3], Run::default()).complaint(), None);
    }

    #[test]
    fn the_json_of_a_verification_is_pinned() {
        assert_eq!(
            serde_json::to_string(&Verify::new(&days()[2..3], Run::default())).unwrap(),
            concat!(
                r#"{"command":"verify","days":[{"day":"2021-12-03","ok":true,"partial_bytes":1536,"#,
                r#""rows":100,"error":null}],"seconds":0.0,"phases":{},"peak_memory_bytes":null,"warnings":[]}"#
            )
        );
    }
}
