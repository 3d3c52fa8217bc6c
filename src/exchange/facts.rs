//! The metadata of an exported table as key-value pairs of Parquet's footer, and back.
//!
//! With these facts an import gives the same partial to the last byte. A table of another program has no facts.
//! `docs/format.md` lists the keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Day, Inputs, MAX_ID, RejectCounts, RejectReason, Rules};

/// The newest version of the pairs, and of the columns: where a day has other rules than the default ones.
const VERSION: u16 = 2;
const VERSION_WITHOUT_RULES: u16 = 1;

const KEY_FORMAT: &str = "agg.format";
const KEY_DAY: &str = "agg.day";
const KEY_WINDOW: &str = "agg.window";
const KEY_PARTIALS: &str = "agg.partials";
const KEY_ROWS: &str = "agg.rows";
const KEY_REJECTS: &str = "agg.rejects";
const KEY_INPUTS: &str = "agg.inputs";

/// What the rows of a table were counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// A day, or a window of days.
    pub origin: Origin,
    /// The partials, oldest first.
    pub partials: Vec<PartialFacts>,
    /// All rows of the logs.
    pub rows: u64,
    /// Rejected rows by reason; `None` where those of a day are unknown.
    pub rejects: Option<RejectCounts>,
    /// The logs of a day, in the order read; empty for a window.
    pub inputs: Inputs,
}

/// Which days were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One day.
    Day(Day),
    /// The days of a window.
    Window {
        /// The first day.
        from: Day,
        /// The last day.
        to: Day,
        /// Number of days.
        days: u32,
        /// Days without a partial.
        missing: Vec<Day>,
    },
}

/// Which partial was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialFacts {
    /// Its day.
    pub day: Day,
    /// Format version of the file.
    pub version: u16,
    /// Its digest, 32 hexadecimal digits.
    pub digest: String,
    /// The rules by which its rows were read, if it records them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
}

#[derive(Serialize, Deserialize)]
struct WindowDays {
    from: Day,
    to: Day,
    days: u32,
    missing: Vec<Day>,
}

impl Facts {
    /// The pairs, always in the same order.
    pub fn pairs(&self) -> Result<Vec<(&'static str, String)>> {
        let origin = match &self.origin {
            Origin::Day(day) => (KEY_DAY, day.to_string()),
            Origin::Window { from, to, days, missing } => {
                let (from, to, days, missing) = (*from, *to, *days, missing.clone());
                (KEY_WINDOW, json(&WindowDays { from, to, days, missing })?)
            }
        };
        let mut pairs = vec![
            (KEY_FORMAT, self.version().to_string()),
            origin,
            (KEY_PARTIALS, json(&self.partials)?),
            (KEY_ROWS, self.rows.to_string()),
            (KEY_REJECTS, json(&self.rejects)?),
        ];
        if matches!(self.origin, Origin::Day(_)) {
            pairs.push((KEY_INPUTS, json(&self.inputs)?));
        }
        Ok(pairs)
    }

    /// Reads the pairs of a footer; `None` if `agg` did not write them.
    ///
    /// # Errors
    /// [`ErrorKind::NewerVersion`], and [`ErrorKind::BadTable`] for pairs that are not valid.
    pub fn read<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Option<Facts>> {
        let pairs: BTreeMap<&str, &str> =
            pairs.filter(|(key, _)| key.starts_with("agg.")).collect();
        let Some(version) = pairs.get(KEY_FORMAT) else { return Ok(None) };
        let found: u16 = version.parse().map_err(|_| wrong(KEY_FORMAT))?;
        if found > VERSION {
            return Err(ErrorKind::NewerVersion { found, newest: VERSION }.into());
        }
        let get = |key: &'static str| pairs.get(key).copied().ok_or_else(|| wrong(key));
        let origin = match pairs.get(KEY_DAY) {
            Some(day) => Origin::Day(day.parse().map_err(|_| wrong(KEY_DAY))?),
            None => {
                let WindowDays { from, to, days, missing } = parsed(KEY_WINDOW, get(KEY_WINDOW)?)?;
                Origin::Window { from, to, days, missing }
            }
        };
        let inputs = match origin {
            Origin::Day(_) => parsed(KEY_INPUTS, get(KEY_INPUTS)?)?,
            Origin::Window { .. } => Inputs::default(),
        };
        let facts = Facts {
            origin,
            partials: parsed(KEY_PARTIALS, get(KEY_PARTIALS)?)?,
            rows: get(KEY_ROWS)?.parse().map_err(|_| wrong(KEY_ROWS))?,
            rejects: rejects(get(KEY_REJECTS)?)?,
            inputs,
        };
        if found != facts.version() || !facts.has_partials() {
            return Err(wrong(KEY_PARTIALS));
        }
        // The rows of a window must fit a BIGINT too.
        if facts.rows > MAX_ID {
            return Err(wrong(KEY_ROWS));
        }
        // The rejects of a day that was made from logs are known.
        let of_tables = facts.inputs.iter().any(|input| input.name.contains(&b'/'));
        let of_day = matches!(facts.origin, Origin::Day(_));
        if facts.rows < facts.rejected() || (of_day && facts.rejects.is_none() && !of_tables) {
            return Err(wrong(KEY_REJECTS));
        }
        Ok(Some(facts))
    }

    /// Whether the partials can be those of its days: a day has one, by whose digest an import is checked.
    fn has_partials(&self) -> bool {
        match (&self.origin, self.partials.as_slice()) {
            (Origin::Day(day), [partial]) => partial.day == *day,
            (Origin::Day(_), _) => false,
            (Origin::Window { .. }, partials) => !partials.is_empty(),
        }
    }

    /// The version that has room for this.
    fn version(&self) -> u16 {
        let has_rules = self.partials.iter().any(|partial| partial.rules.is_some());
        if has_rules { VERSION } else { VERSION_WITHOUT_RULES }
    }

    /// By which rules the rows of a day were read.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.partials.iter().find_map(|partial| partial.rules).unwrap_or_default()
    }

    /// Rows that were counted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.rows.saturating_sub(self.rejected())
    }

    /// Rejected rows, 0 where they are unknown.
    fn rejected(&self) -> u64 {
        self.rejects.map_or(0, |rejects| rejects.total())
    }
}

/// Reads rejects. An empty object and an unknown reason are refused, because the counts of a day must be exact.
fn rejects(text: &str) -> Result<Option<RejectCounts>> {
    let named: Option<BTreeMap<String, u64>> = parsed(KEY_REJECTS, text)?;
    let Some(named) = named else { return Ok(None) };
    let is_known = |name: &String| RejectReason::ALL.iter().any(|reason| reason.name() == name);
    // The sum must not wrap.
    let fits = named.values().try_fold(0u64, |sum, count| sum.checked_add(*count)).is_some();
    if fits && !named.is_empty() && named.keys().all(is_known) {
        parsed(KEY_REJECTS, text)
    } else {
        Err(wrong(KEY_REJECTS))
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::damaged(error.to_string()))
}

fn parsed<'a, T: Deserialize<'a>>(key: &str, text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| wrong(key))
}

fn wrong(key: &str) -> Error {
    ErrorKind::BadTable(format!("its footer's {key} is missing or not valid")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CountryCodes, InputFacts};

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn facts() -> Facts {
        let name = b"a\\x41\xff \n.log";
        let input = InputFacts { name, size: 8, modified_ns: -7, digest: u128::MAX, rows: 9 };
        Facts {
            origin: Origin::Day(day("2021-12-01")),
            partials: vec![PartialFacts {
                day: day("2021-12-01"),
                version: 1,
                digest: crate::text::hex128(5),
                rules: None,
            }],
            rows: 9,
            rejects: Some(RejectCounts([1, 0, 2, 0, 0, 0])),
            inputs: [input].into_iter().collect(),
        }
    }

    fn read(pairs: &[(&str, String)]) -> Result<Option<Facts>> {
        Facts::read(pairs.iter().map(|(key, value)| (*key, value.as_str())))
    }

    #[test]
    fn the_pairs_of_a_day_are_these() {
        let expected = [
            ("agg.format", "1"),
            ("agg.day", "2021-12-01"),
            (
                "agg.partials",
                r#"[{"day":"2021-12-01","version":1,"digest":"00000000000000000000000000000005"}]"#,
            ),
            ("agg.rows", "9"),
            (
                "agg.rejects",
                r#"{"too_long":1,"blank":0,"field_count":2,"song_id":0,"user_id":0,"country":0}"#,
            ),
            (
                "agg.inputs",
                r#"[{"name":"a\\x5cx41\\xff \\x0a.log","bytes":8,"modified_ns":-7,"digest":"ffffffffffffffffffffffffffffffff","rows":9}]"#,
            ),
        ];
        let pairs = facts().pairs().unwrap();
        let found: Vec<_> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(found, expected);
        assert_eq!(read(&pairs).unwrap(), Some(facts()));
    }

    #[test]
    fn the_rules_of_a_day_make_version_2_of_the_pairs() {
        let rules = Rules::new(";".parse().unwrap(), None, true, CountryCodes::Any);
        let mut facts = facts();
        facts.partials[0] =
            PartialFacts { version: 2, rules: Some(rules), ..facts.partials[0].clone() };
        let pairs = facts.pairs().unwrap();
        let expected = r#"[{"day":"2021-12-01","version":2,"digest":"00000000000000000000000000000005","rules":{"delimiter":";","columns":null,"header":true,"countries":"any"}}]"#;
        assert_eq!(pairs[0], ("agg.format", "2".to_owned()));
        assert_eq!(pairs[2], ("agg.partials", expected.to_owned()));
        assert_eq!(read(&pairs).unwrap().unwrap().rules(), rules);
        assert_eq!(read(&pairs).unwrap(), Some(facts));
        for (at, text) in [(0, "1"), (2, &expected.replace(";", "a")), (2, "[]")] {
            let mut wrong = pairs.clone();
            wrong[at].1 = text.to_owned();
            assert!(read(&wrong).unwrap_err().to_string().contains("agg.partials"), "{text}");
        }
    }

    #[test]
    fn a_day_has_one_partial_which_is_its_own() {
        let pairs = facts().pairs().unwrap();
        let twice = pairs[2].1.replace(['[', ']'], "");
        let twice = format!("[{twice},{twice}]");
        for text in ["[]", &twice, &pairs[2].1.replace("-01", "-02")] {
            let mut wrong = pairs.clone();
            wrong[2].1 = text.to_owned();
            assert!(read(&wrong).unwrap_err().to_string().contains("agg.partials"), "{text}");
        }
    }

    #[test]
    fn unknown_rejects_are_null_and_only_of_days_that_came_from_tables() {
        let mut facts = Facts { rejects: None, ..facts() };
        let of_logs = facts.pairs().unwrap();
        assert!(of_logs.contains(&("agg.rejects", "null".to_owned())));
        assert!(read(&of_logs).unwrap_err().to_string().contains("agg.rejects"));
        let name = b"kind=user/part-0.parquet";
        facts.inputs = facts.inputs.iter().map(|input| InputFacts { name, ..input }).collect();
        assert_eq!(read(&facts.pairs().unwrap()).unwrap(), Some(facts));
    }

    #[test]
    fn the_pairs_of_a_window_come_back() {
        let (from, to) = (day("2021-12-01"), day("2021-12-03"));
        let origin = Origin::Window { from, to, days: 3, missing: vec![day("2021-12-02")] };
        let facts = Facts { origin, inputs: Inputs::default(), ..facts() };
        assert_eq!(read(&facts.pairs().unwrap()).unwrap(), Some(facts));
    }

    #[test]
    fn pairs_of_other_programs_are_ignored_and_pairs_that_are_not_valid_are_refused() {
        assert_eq!(read(&[("ARROW:schema", String::new())]).unwrap(), None);
        let pairs = facts().pairs().unwrap();
        let newer = read(&[("agg.format", "3".to_owned())]).unwrap_err();
        assert!(matches!(newer.kind(), ErrorKind::NewerVersion { found: 3, newest: 2 }));
        for (at, (key, _)) in pairs.iter().enumerate() {
            for value in ["", "-1", "{}", "[{}]"] {
                let mut pairs = pairs.clone();
                pairs[at].1 = value.to_owned();
                let error = read(&pairs).unwrap_err();
                assert!(error.to_string().contains(key), "{error}");
            }
        }
        let mut more = facts();
        more.rejects = Some(RejectCounts([10, 0, 2, 0, 0, 0]));
        assert!(read(&more.pairs().unwrap()).is_err());
    }

    #[test]
    fn rows_beyond_a_bigint_are_refused_though_most_were_rejected() {
        let of = |rows: u64| {
            let rejects = Some(RejectCounts([rows - 6, 0, 0, 0, 0, 0]));
            read(&Facts { rows, rejects, ..facts() }.pairs().unwrap())
        };
        assert_eq!(of(MAX_ID).unwrap().unwrap().accepted(), 6);
        for rows in [MAX_ID + 1, u64::MAX] {
            let error = of(rows).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::BadTable(_)), "{error}");
            assert!(error.to_string().contains("agg.rows"), "{error}");
        }
    }
}
