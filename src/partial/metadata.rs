//! The footer's metadata: what a partial says of its day.
//!
//! Numbers of fixed width, then the inputs, which a reader may leave on the disk: a day of very many logs opens in
//! the memory of any other day. The literal bytes are pinned by a test.

use super::layout::MAX_METADATA_BYTES;
use super::section::SectionReader;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Day, Inputs, PerKind, RejectCounts, RowCounts};
use crate::runfile::{Fields, RunFacts};

/// Bytes before the first input.
const HEAD_BYTES: usize = 4 + 8 * (1 + 6 + RUNS * 4 + 1);
/// Runs of a partial of this version: a further kind of key needs a new one.
const RUNS: usize = 2;

/// What a partial says of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The day.
    pub day: Day,
    /// All rows of the logs.
    pub rows: u64,
    /// Rejected rows by reason.
    pub rejects: RejectCounts,
    /// Number of logs.
    pub inputs: u64,
    /// Whether a table is among the inputs: it has its kind's folder before its name, and no log's base name has a slash.
    pub(super) tables: bool,
    /// The run of each kind.
    pub runs: PerKind<RunFacts>,
}

impl Metadata {
    /// Checks that the sums of both runs are the accepted rows, and that the inputs have room.
    pub(super) fn new(
        day: Day,
        (rows, rejects): (u64, RejectCounts),
        inputs: &Inputs,
        runs: PerKind<RunFacts>,
    ) -> Result<Metadata> {
        let tables = inputs.iter().any(|input| input.name.contains(&b'/'));
        let metadata = Metadata { day, rows, rejects, inputs: inputs.len() as u64, tables, runs };
        let accepted = rows.checked_sub(rejects.total());
        if runs.values().any(|run| Some(run.streams) != accepted) {
            let text = format!("the sums of all runs are not the accepted rows: {metadata:?}");
            return Err(Error::damaged(text));
        }
        let names = inputs.iter().map(|input| input.name.len() as u64).sum();
        check_room_for(inputs.len(), names)?;
        Ok(metadata)
    }

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

    /// Whether the day was made from the tables of another program, so that its logs are not known.
    #[must_use]
    pub fn is_of_tables(&self) -> bool {
        self.tables
    }

    /// The bytes before the inputs.
    pub(super) fn head(&self) -> Vec<u8> {
        let (year, month, day) = self.day.parts();
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&year.to_le_bytes());
        bytes.extend_from_slice(&month.to_le_bytes());
        bytes.extend_from_slice(&day.to_le_bytes());
        let runs =
            self.runs.values().flat_map(|run| [run.keys, run.pairs, run.streams, run.blocks]);
        let numbers = std::iter::once(self.rows).chain(self.rejects.0).chain(runs);
        for number in numbers.chain([self.inputs]) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Decodes the metadata and walks over the inputs, and checks that the numbers agree with each other. The inner
    /// error counts only once the checksum is found to be right.
    pub(super) fn scan(section: &mut SectionReader<'_>) -> Result<Result<Metadata>> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        if !section.take(HEAD_BYTES as u64, |bytes| head.extend_from_slice(bytes))? {
            return Ok(Err(wrong("cannot be decoded: it ends too early")));
        }
        let mut metadata = match Self::decode_head(&head) {
            Ok(metadata) => metadata,
            Err(error) => return Ok(Err(error)),
        };
        for _ in 0..metadata.inputs {
            let (mut length, mut at) = ([0; Inputs::LENGTH_BYTES], 0);
            let whole = section.take(Inputs::LENGTH_BYTES as u64, |bytes| {
                for (slot, byte) in length.iter_mut().skip(at).zip(bytes) {
                    *slot = *byte;
                }
                at += bytes.len();
            })?;
            let name = u64::from_le_bytes(length);
            let mut slash = false;
            let whole = whole
                && section.take(name, |bytes| slash |= bytes.contains(&b'/'))?
                && section.take(Inputs::NUMBER_BYTES as u64, |_| ())?;
            if !whole {
                return Ok(Err(wrong("cannot be decoded: it ends within the inputs")));
            }
            metadata.tables |= slash;
        }
        Ok(if section.is_at_end() { Ok(metadata) } else { Err(wrong("has idle bytes")) })
    }

    fn decode_head(head: &[u8]) -> Result<Metadata> {
        let mut fields = Fields(head);
        let year = i16::from_le_bytes(fields.array());
        let [month, day] = [(); 2].map(|()| i8::from_le_bytes(fields.array()));
        let rows = fields.u64();
        let rejects = RejectCounts([(); 6].map(|()| fields.u64()));
        let runs = PerKind::from([(); RUNS].map(|()| RunFacts {
            keys: fields.u64(),
            pairs: fields.u64(),
            streams: fields.u64(),
            blocks: fields.u64(),
        }));
        let inputs = fields.u64();
        let day = Day::new(year, month, day).ok_or_else(|| wrong("names no day"))?;
        let accepted = rows.checked_sub(rejects.total());
        if runs.values().any(|run| Some(run.streams) != accepted) {
            return Err(wrong("has sums that do not agree"));
        }
        Ok(Metadata { day, rows, rejects, inputs, tables: false, runs })
    }

    /// The inputs, from all bytes of metadata that were scanned before.
    pub(super) fn inputs(&self, mut bytes: Vec<u8>) -> Result<Inputs> {
        bytes.drain(..HEAD_BYTES.min(bytes.len()));
        let count = usize::try_from(self.inputs).unwrap_or(usize::MAX);
        Inputs::from_encoded(bytes, count)
            .ok_or_else(|| wrong("cannot be decoded: it ends within the inputs"))
    }
}

fn wrong(what: &str) -> Error {
    Error::damaged(format!("the metadata {what}"))
}

/// Refuses more logs than the metadata of a partial have room for: `names` is the sum of the lengths of their names.
///
/// # Errors
/// [`ErrorKind::LogsExceedPartial`].
pub fn check_room_for(logs: usize, names: u64) -> Result<()> {
    let each = (Inputs::LENGTH_BYTES + Inputs::NUMBER_BYTES) as u64;
    let needed = names.saturating_add(each.saturating_mul(logs as u64));
    if needed.saturating_add(HEAD_BYTES as u64) > MAX_METADATA_BYTES {
        return Err(ErrorKind::LogsExceedPartial { logs, needed, limit: MAX_METADATA_BYTES }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::section::in_memory;
    use super::*;
    use crate::error::ErrorClass;
    use crate::model::{InputFacts, Kind};

    fn metadata() -> Metadata {
        let run = |keys| RunFacts { keys, pairs: 3, streams: 4, blocks: 1 };
        Metadata {
            day: "2021-12-01".parse().unwrap(),
            rows: 10,
            rejects: RejectCounts([1, 0, 2, 0, 3, 0]),
            inputs: 1,
            tables: false,
            runs: PerKind::from([run(2), run(1)]),
        }
    }

    fn inputs(name: &[u8]) -> Inputs {
        let facts = InputFacts { name, size: 99, modified_ns: -1, digest: 0x0102, rows: 10 };
        [facts].into_iter().collect()
    }

    fn encoded(metadata: &Metadata, inputs: &Inputs) -> Vec<u8> {
        [&metadata.head(), inputs.encoded()].concat()
    }

    fn scanned(bytes: &[u8]) -> Result<Metadata> {
        in_memory(bytes, |section| Metadata::scan(section).unwrap())
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
        let inputs = inputs(b"a.log");
        let bytes = encoded(&metadata(), &inputs);
        assert_eq!(bytes, expected);
        assert_eq!(scanned(&bytes).unwrap(), metadata());
        assert_eq!(metadata().inputs(bytes).unwrap(), inputs);
    }

    #[test]
    fn a_name_with_a_slash_makes_a_day_of_tables_wherever_pieces_end() {
        for length in [0, 65_300, 65_396, 65_397, 65_400, 65_536, 200_000] {
            let name = [vec![b'x'; length], b"/".to_vec()].concat();
            let found = scanned(&encoded(&metadata(), &inputs(&name))).unwrap();
            assert!(found.is_of_tables());
            assert!(!scanned(&encoded(&metadata(), &inputs(&name[..length]))).unwrap().tables);
        }
    }

    #[test]
    fn a_length_that_lies_is_an_error_not_an_allocation() {
        let mut bytes = encoded(&metadata(), &inputs(b"a.log"));
        for at in [HEAD_BYTES - 8, HEAD_BYTES] {
            let kept = bytes[at..at + 8].to_vec();
            bytes[at..at + 8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
            assert!(scanned(&bytes).is_err());
            bytes[at..at + 8].copy_from_slice(&kept);
        }
        for cut in 0..bytes.len() {
            assert!(scanned(&bytes[..cut]).is_err());
        }
        bytes.push(0);
        assert_eq!(
            scanned(&bytes).unwrap_err().to_string(),
            "damaged: the metadata has idle bytes"
        );
    }

    #[test]
    fn more_logs_than_a_partial_has_room_for_are_refused_with_the_limit() {
        assert!(check_room_for(381_000, 381_000 * 40).is_ok());
        let error = check_room_for(400_000, 400_000 * 40).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        assert_eq!(
            error.to_string(),
            "400000 logs of one day take 35200000 bytes of a partial's metadata, over the limit of \
             33554432; join some of the logs"
        );
    }

    #[test]
    fn sums_that_do_not_agree_are_an_error() {
        let mut wrong = metadata();
        wrong.runs[Kind::Country].streams = 5;
        let error = scanned(&encoded(&wrong, &inputs(b"a"))).unwrap_err();
        assert_eq!(error.to_string(), "damaged: the metadata has sums that do not agree");
    }
}
