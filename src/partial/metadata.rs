//! The footer's metadata: what a partial says of its day. The one place where `bincode` is used.
//!
//! `bincode` 2.0.1 with its `legacy()` configuration (fixed-width little-endian integers, lengths as u64) and a
//! size limit; the checksum is verified before a byte is decoded. The crate is no longer maintained, so
//! its version is pinned, its output is pinned by a test of literal bytes, and `docs/design.md` has the way out.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Deserialize, Serialize};

use super::layout::MAX_METADATA_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Day, InputFacts, PerKind, RejectCounts, RowCounts};
use crate::runfile::RunFacts;

/// What a partial says of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The day.
    pub day: Day,
    /// All rows of the logs.
    pub rows: u64,
    /// Rejected rows by reason.
    pub rejects: RejectCounts,
    /// The logs, in the order read.
    pub inputs: Vec<InputFacts>,
    /// The run of each kind.
    pub runs: PerKind<RunFacts>,
}

impl Metadata {
    /// Rows that were counted: all but the rejected ones.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.rows.saturating_sub(self.rejects.total())
    }

    /// Rows of the day. Rejects of a day that came from tables are unknown, and stand as 0 in the file.
    #[must_use]
    pub fn counts(&self) -> RowCounts {
        RowCounts::of_day(self.rows, (!self.is_of_tables()).then_some(self.rejects))
    }

    /// Whether the day was made from the tables of another program, so that its logs are not known: a table stands
    /// among the inputs with its kind's folder, and no log's base name has a slash.
    #[must_use]
    pub fn is_of_tables(&self) -> bool {
        self.inputs.iter().any(|input| input.name.contains(&b'/'))
    }
}

/// As it is encoded: fields of fixed width, then the inputs. The runs are those of [`Kind::ALL`](crate::model::Kind::ALL).
#[derive(Serialize, Deserialize)]
struct Encoded {
    year: i16,
    month: i8,
    day: i8,
    rows: u64,
    rejects: [u64; 6],
    runs: [RunFacts; 2],
    inputs: Vec<InputFacts>,
}

const LIMIT: usize = 32 << 20;
const _: () = assert!(LIMIT as u64 == MAX_METADATA_BYTES);

fn configuration() -> Configuration<LittleEndian, Fixint, Limit<LIMIT>> {
    bincode::config::legacy().with_limit::<LIMIT>()
}

impl Metadata {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let (year, month, day) = self.day.parts();
        let encoded = Encoded {
            year,
            month,
            day,
            rows: self.rows,
            rejects: self.rejects.0,
            runs: self.runs.into_array(),
            inputs: self.inputs.clone(),
        };
        let bytes = bincode::serde::encode_to_vec(encoded, configuration())
            .map_err(|error| Error::damaged(format!("the metadata cannot be encoded: {error}")))?;
        // The limit of the configuration holds for decoding alone.
        if bytes.len() > LIMIT {
            let inputs = self.inputs.len();
            let text = format!(
                "{inputs} logs with long names: their account exceeds 32 MiB; join some of them"
            );
            return Err(ErrorKind::Usage(text).into());
        }
        Ok(bytes)
    }

    /// Decodes bytes whose checksum was verified, and checks that the numbers agree with each other.
    pub(super) fn decode(bytes: &[u8]) -> Result<Metadata> {
        let wrong = |what: &str| Error::damaged(format!("the metadata {what}"));
        let (encoded, used): (Encoded, usize) =
            bincode::serde::decode_from_slice(bytes, configuration())
                .map_err(|error| wrong(&format!("cannot be decoded: {error}")))?;
        if used != bytes.len() {
            return Err(wrong("has idle bytes"));
        }
        let day = Day::new(encoded.year, encoded.month, encoded.day)
            .ok_or_else(|| wrong("names no day"))?;
        let metadata = Metadata {
            day,
            rows: encoded.rows,
            rejects: RejectCounts(encoded.rejects),
            inputs: encoded.inputs,
            runs: PerKind::from(encoded.runs),
        };
        let accepted = metadata.rows.checked_sub(metadata.rejects.total());
        if metadata.runs.values().any(|run| Some(run.streams) != accepted) {
            return Err(wrong("has sums that do not agree"));
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    fn metadata() -> Metadata {
        let run = |keys| RunFacts { keys, pairs: 3, streams: 4, blocks: 1 };
        Metadata {
            day: "2021-12-01".parse().unwrap(),
            rows: 10,
            rejects: RejectCounts([1, 0, 2, 0, 3, 0]),
            inputs: vec![InputFacts {
                name: b"a.log".to_vec(),
                size: 99,
                modified_ns: -1,
                digest: 0x0102,
                rows: 10,
            }],
            runs: PerKind::from([run(2), run(1)]),
        }
    }

    #[test]
    fn the_metadata_is_these_bytes() {
        let u64s =
            |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        let mut expected = vec![0xe5, 0x07, 12, 1];
        expected.extend(u64s(&[10, 1, 0, 2, 0, 3, 0]));
        expected.extend(u64s(&[2, 3, 4, 1, 1, 3, 4, 1]));
        expected.extend(u64s(&[1, 5]));
        expected.extend(b"a.log");
        expected.extend(u64s(&[99, u64::MAX, 0x0102, 0, 10]));
        let bytes = metadata().encode().unwrap();
        assert_eq!(bytes, expected);
        assert_eq!(Metadata::decode(&bytes).unwrap(), metadata());
    }

    #[test]
    fn a_length_that_lies_is_an_error_not_an_allocation() {
        let mut bytes = metadata().encode().unwrap();
        let inputs = 4 + 15 * 8;
        bytes[inputs..inputs + 8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        assert!(Metadata::decode(&bytes).is_err());
    }

    #[test]
    fn an_account_of_more_logs_than_can_be_read_back_is_refused() {
        let mut metadata = metadata();
        metadata.inputs[0].name = vec![b'x'; LIMIT];
        assert!(metadata.encode().unwrap_err().to_string().starts_with("1 logs with long names"));
    }

    #[test]
    fn sums_that_do_not_agree_are_an_error() {
        let mut wrong = metadata();
        wrong.runs[Kind::Country].streams = 5;
        let error = Metadata::decode(&wrong.encode().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "damaged: the metadata has sums that do not agree");
    }
}
