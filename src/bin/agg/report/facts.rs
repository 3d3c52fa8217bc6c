//! The facts that several reports share, in the form in which JSON shows them.

use agg::Day;
use agg::job::DayFacts;
use agg::model::{InputFacts, PerKind, RejectCounts, RowCounts};
use agg::runfile::RunFacts;
use serde::ser::{Serialize, Serializer};

use crate::exit::Exit;
use crate::message;

/// Rejected rows by reason, in the order of the checks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rejects(pub(crate) RejectCounts);

impl Serialize for Rejects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.named())
    }
}

/// Rows of a day or a window.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Rows {
    /// All rows.
    pub(crate) rows: u64,
    /// Good rows.
    pub(crate) accepted: u64,
    /// Corrupt rows; none where they are unknown.
    pub(crate) rejected: Option<u64>,
    /// Corrupt rows by reason; likewise.
    pub(crate) rejects: Option<Rejects>,
}

impl From<RowCounts> for Rows {
    fn from(counts: RowCounts) -> Self {
        let RowCounts { rows, accepted, rejects } = counts;
        Rows { rows, accepted, rejected: counts.rejected(), rejects: rejects.map(Rejects) }
    }
}

impl Rows {
    /// `12 (0.05%)`, `0`, or `unknown`.
    pub(crate) fn rejected_share(&self) -> String {
        match self.rejected {
            None | Some(0) => self.rejected_text(),
            Some(rejected) => {
                #[expect(clippy::cast_precision_loss, reason = "a percentage of two decimals")]
                let percent = rejected as f64 * 100.0 / self.rows as f64;
                format!("{rejected} ({percent:.2}%)")
            }
        }
    }

    /// `12`, or `unknown`.
    pub(crate) fn rejected_text(&self) -> String {
        self.rejected.map_or_else(|| "unknown".to_owned(), |rejected| rejected.to_string())
    }

    /// Name and count of the reasons that occurred.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.rejects.iter().flat_map(|rejects| rejects.0.named()).filter(|(_, count)| *count > 0)
    }
}

/// Size of a run.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Size {
    /// Distinct keys.
    pub(crate) keys: u64,
    /// Distinct songs of each, summed.
    pub(crate) pairs: u64,
}

impl From<RunFacts> for Size {
    fn from(run: RunFacts) -> Self {
        Size { keys: run.keys, pairs: run.pairs }
    }
}

/// One input log.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Input {
    /// Base name, bytes beyond printable ASCII as `\xNN`.
    pub(crate) name: String,
    /// Size as it lay on disk.
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified_ns: i64,
    /// XXH3-128, hexadecimal.
    pub(crate) digest: String,
    /// Rows in it, corrupt ones too.
    pub(crate) rows: u64,
}

impl From<&InputFacts> for Input {
    fn from(facts: &InputFacts) -> Self {
        Input {
            name: message::name(&facts.name),
            bytes: facts.size,
            modified_ns: facts.modified_ns,
            digest: hex(facts.digest),
            rows: facts.rows,
        }
    }
}

/// A stored day, as its partial's footer tells it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct StoredDay {
    pub(crate) day: Day,
    pub(crate) partial: String,
    pub(crate) partial_bytes: u64,
    /// Version of the partial's format.
    pub(crate) version: u16,
    /// XXH3-128 of the whole partial, hexadecimal.
    pub(crate) digest: String,
    #[serde(flatten)]
    pub(crate) rows: Rows,
    pub(crate) inputs: Vec<Input>,
    #[serde(flatten)]
    pub(crate) runs: PerKind<Size>,
    /// Blocks of each run.
    pub(crate) blocks: PerKind<u64>,
}

impl From<&DayFacts> for StoredDay {
    fn from(facts: &DayFacts) -> Self {
        StoredDay {
            day: facts.day,
            partial: facts.path.to_string_lossy().into_owned(),
            partial_bytes: facts.bytes,
            version: facts.version,
            digest: hex(facts.digest),
            rows: facts.counts.into(),
            inputs: facts.inputs.iter().map(Input::from).collect(),
            runs: facts.runs.map(Size::from),
            blocks: facts.runs.map(|run| run.blocks),
        }
    }
}

/// What went wrong with one of several days.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Failure {
    /// What the exit code would be if this were all.
    pub(crate) exit_code: u8,
    /// One line.
    pub(crate) message: String,
    /// The command that mends it.
    pub(crate) remedy: Option<String>,
}

impl From<&agg::Error> for Failure {
    fn from(error: &agg::Error) -> Self {
        Failure {
            exit_code: Exit::from(error.class()).code(),
            message: message::clean(&error.to_string()),
            remedy: message::remedy(error),
        }
    }
}

/// A digest of 128 bits as 32 hexadecimal digits.
pub(crate) fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

/// Stretches of days that follow each other, as `first` and `last`.
pub(crate) fn stretches(days: &[Day]) -> Vec<(Day, Day)> {
    let mut stretches: Vec<(Day, Day)> = Vec::new();
    for &day in days {
        match stretches.last_mut() {
            Some((_, last)) if last.plus_days(1) == Some(day) => *last = day,
            _ => stretches.push((day, day)),
        }
    }
    stretches
}

/// `2021-12-01, 2021-12-03 to 2021-12-05`.
pub(crate) fn told(days: &[Day]) -> String {
    let told = |(first, last): (Day, Day)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    stretches(days).into_iter().map(told).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    pub(crate) fn rejects(blank: u64, country: u64) -> RejectCounts {
        RejectCounts([0, blank, 0, 0, 0, country])
    }

    pub(crate) fn counts(rows: u64, blank: u64, country: u64) -> RowCounts {
        RowCounts::of_day(rows, Some(rejects(blank, country)))
    }

    pub(crate) fn input() -> InputFacts {
        InputFacts {
            name: b"listen-20211201.log".to_vec(),
            size: 2048,
            modified_ns: 1_638_400_000_000_000_000,
            digest: 0xabc,
            rows: 100,
        }
    }

    pub(crate) fn day_facts(text: &str) -> DayFacts {
        DayFacts {
            day: day(text),
            path: format!("agg-store/partials/{text}.agg").into(),
            bytes: 1536,
            version: 1,
            digest: 0x1234,
            counts: counts(100, 1, 2),
            inputs: vec![input()],
            runs: runs(),
        }
    }

    /// Ten users and three countries.
    pub(crate) fn runs() -> PerKind<RunFacts> {
        let run = |keys, pairs, blocks| RunFacts { keys, pairs, streams: 97, blocks };
        PerKind::from([run(10, 90, 2), run(3, 60, 1)])
    }

    #[test]
    fn days_that_follow_each_other_are_told_as_a_stretch() {
        let days = ["2021-11-30", "2021-12-01", "2021-12-02", "2021-12-05"].map(day);
        assert_eq!(told(&days), "2021-11-30 to 2021-12-02, 2021-12-05");
        assert_eq!(told(&[]), "");
    }

    #[test]
    fn the_share_of_rejects_has_two_decimals() {
        let share = |counts: RowCounts| Rows::from(counts).rejected_share();
        assert_eq!(share(counts(2000, 1, 0)), "1 (0.05%)");
        assert_eq!(share(RowCounts::NONE), "0");
        assert_eq!(share(RowCounts::of_day(9, None)), "unknown");
    }

    #[test]
    fn a_stored_day_in_json_is_pinned() {
        let json =
            serde_json::to_string_pretty(&StoredDay::from(&day_facts("2021-12-01"))).unwrap();
        assert_eq!(
            json,
            r#"{
  "day": "2021-12-01",
  "partial": "agg-store/partials/2021-12-01.agg",
  "partial_bytes": 1536,
  "version": 1,
  "digest": "00000000000000000000000000001234",
  "rows": 100,
  "accepted": 97,
  "rejected": 3,
  "rejects": {
    "too_long": 0,
    "blank": 1,
    "field_count": 0,
    "song_id": 0,
    "user_id": 0,
    "country": 2
  },
  "inputs": [
    {
      "name": "listen-20211201.log",
      "bytes": 2048,
      "modified_ns": 1638400000000000000,
      "digest": "00000000000000000000000000000abc",
      "rows": 100
    }
  ],
  "users": {
    "keys": 10,
    "pairs": 90
  },
  "countries": {
    "keys": 3,
    "pairs": 60
  },
  "blocks": {
    "users": 2,
    "countries": 1
  }
}"#
        );
    }

    #[test]
    fn a_failure_in_json_is_pinned() {
        let error = agg::Error::damaged("checksum").at_offset(7).at("s/partials/2021-12-01.agg");
        assert_eq!(
            serde_json::to_string(&Failure::from(&error)).unwrap(),
            r#"{"exit_code":65,"message":"\"s/partials/2021-12-01.agg\" at offset 7: damaged: checksum","remedy":"agg reduce-day --store s --date 2021-12-01 --force LOG…"}"#
        );
    }
}
