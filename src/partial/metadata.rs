//! The metadata of a partial's day, in its footer.
//!
//! Numbers of fixed width come first, then the rules if they are not the default rules, then the inputs. A reader can
//! leave the inputs on the disk, so a day of many logs opens in the memory of any other day. A test pins the bytes.

use super::layout::{MAX_METADATA_BYTES, VERSION, VERSION_WITHOUT_RULES};
use super::section::SectionReader;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Columns, CountryCodes, Day, Delimiter, Inputs, PerKind, RejectCounts, RowCounts, Rules,
};
use crate::runfile::{Fields, RunFacts};

/// Bytes before the rules and the first input.
const HEAD_BYTES: usize = 4 + 8 * (1 + 6 + RUNS * 4 + 1);
/// Delimiter, header, countries, fields, places of song, user and country, and a zero.
const RULES_BYTES: usize = 8;
/// Runs of a partial in these format versions. Another kind of key needs a new version.
const RUNS: usize = 2;

/// The metadata of a partial's day, without its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The day.
    pub day: Day,
    /// The rules by which rows were read. `None` where they are not recorded: the default rules, or those of an older
    /// version of `agg`.
    pub rules: Option<Rules>,
    /// All rows of the logs.
    pub rows: u64,
    /// Rejected rows by reason.
    pub rejects: RejectCounts,
    /// Number of logs.
    pub inputs: u64,
    /// Whether a table is among the inputs. A table's name has a slash after its kind's folder; a log's base name has
    /// none.
    pub(super) tables: bool,
    /// The run of each kind.
    pub runs: PerKind<RunFacts>,
}

impl Metadata {
    /// Checks that the streams of each run are the accepted rows, and that the inputs fit.
    pub(super) fn new(
        day: Day,
        rules: Option<Rules>,
        (rows, rejects): (u64, RejectCounts),
        inputs: &Inputs,
        runs: PerKind<RunFacts>,
    ) -> Result<Metadata> {
        let tables = inputs.iter().any(|input| input.name.contains(&b'/'));
        let logs = inputs.len() as u64;
        let metadata = Metadata { day, rules, rows, rejects, inputs: logs, tables, runs };
        let accepted = rows.checked_sub(rejects.total());
        if let Some((kind, run)) = runs.iter().find(|(_, run)| Some(run.streams) != accepted) {
            let (noun, rejected) = (kind.noun(), rejects.total());
            let text =
                format!("the {noun} run has {run}, but {rejected} of {rows} rows are rejected");
            return Err(Error::damaged(text));
        }
        let names = inputs.iter().map(|input| input.name.len() as u64).sum();
        check_room_for(inputs.len(), names)?;
        Ok(metadata)
    }

    /// Rows that were counted: all except rejected rows.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.rows.saturating_sub(self.rejects.total())
    }

    /// Rows of the day. Rejects of a day that was imported from tables are unknown, and are 0 in the file.
    #[must_use]
    pub fn counts(&self) -> RowCounts {
        RowCounts::of_day(self.rows, (!self.is_of_tables()).then_some(self.rejects))
    }

    /// Whether the day was imported from the tables of another program, so that its logs are unknown.
    #[must_use]
    pub fn is_of_tables(&self) -> bool {
        self.tables
    }

    /// The format version of a partial with this metadata.
    #[must_use]
    pub fn version(&self) -> u16 {
        version_of(self.rules)
    }

    /// The bytes before the inputs.
    pub(super) fn head(&self) -> Vec<u8> {
        let (year, month, day) = self.day.parts();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + RULES_BYTES);
        bytes.extend_from_slice(&year.to_le_bytes());
        bytes.extend_from_slice(&month.to_le_bytes());
        bytes.extend_from_slice(&day.to_le_bytes());
        let runs =
            self.runs.values().flat_map(|run| [run.keys, run.pairs, run.streams, run.blocks]);
        let numbers = std::iter::once(self.rows).chain(self.rejects.0).chain(runs);
        for number in numbers.chain([self.inputs]) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend(self.rules.iter().flat_map(encoded_rules));
        bytes
    }

    /// Decodes the metadata of this version, walks over the inputs, and checks that the numbers match. Calls `see` with
    /// the digest of each input. The inner error is valid only if the section's checksum is right.
    pub(super) fn scan(
        version: u16,
        section: &mut SectionReader<'_>,
        mut see: impl FnMut(u128),
    ) -> Result<Result<Metadata>> {
        let length = head_bytes(version);
        let mut head = Vec::with_capacity(length);
        if !section.take(length as u64, |bytes| head.extend_from_slice(bytes))? {
            return Ok(Err(wrong("cannot be decoded: it ends too early")));
        }
        let mut metadata = match Self::decode_head(version, &head) {
            Ok(metadata) => metadata,
            Err(error) => return Ok(Err(error)),
        };
        for _ in 0..metadata.inputs {
            let (mut length, mut numbers) = ([0; Inputs::LENGTH_BYTES], [0; Inputs::NUMBER_BYTES]);
            let mut slash = false;
            let whole = section.fill(&mut length)?
                && section
                    .take(u64::from_le_bytes(length), |name| slash |= name.contains(&b'/'))?
                && section.fill(&mut numbers)?;
            if !whole {
                return Ok(Err(wrong("cannot be decoded: it ends within the inputs")));
            }
            see(digest_in(&numbers));
            metadata.tables |= slash;
        }
        Ok(if section.is_at_end() {
            Ok(metadata)
        } else {
            Err(wrong("has extra bytes at its end"))
        })
    }

    fn decode_head(version: u16, head: &[u8]) -> Result<Metadata> {
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
        let rules = match version {
            VERSION_WITHOUT_RULES => None,
            _ => {
                let rules = decoded_rules(fields.array());
                Some(rules.ok_or_else(|| wrong("has rules that are not valid"))?)
            }
        };
        let day =
            Day::new(year, month, day).ok_or_else(|| wrong("has a day that is not a real date"))?;
        let accepted = rows.checked_sub(rejects.total());
        if runs.values().any(|run| Some(run.streams) != accepted) {
            return Err(wrong("has sums that do not match"));
        }
        Ok(Metadata { day, rules, rows, rejects, inputs, tables: false, runs })
    }

    /// The inputs, from all bytes of the metadata, which [`Metadata::scan`] has accepted before.
    pub(super) fn inputs(&self, mut bytes: Vec<u8>) -> Result<Inputs> {
        // The scan has found as many bytes.
        bytes.drain(..head_bytes(self.version()));
        let count = usize::try_from(self.inputs).unwrap_or(usize::MAX);
        Inputs::from_encoded(bytes, count)
            .ok_or_else(|| wrong("cannot be decoded: it ends within the inputs"))
    }
}

/// The rules of a day as they are recorded; `None` for the default rules.
pub(super) fn recorded(rules: Rules) -> Option<Rules> {
    (!rules.is_default()).then_some(rules)
}

/// The version of a partial that records these rules.
pub(super) fn version_of(rules: Option<Rules>) -> u16 {
    if rules.is_some() { VERSION } else { VERSION_WITHOUT_RULES }
}

/// Bytes of the metadata before the inputs.
fn head_bytes(version: u16) -> usize {
    HEAD_BYTES + if version == VERSION_WITHOUT_RULES { 0 } else { RULES_BYTES }
}

fn encoded_rules(rules: &Rules) -> [u8; RULES_BYTES] {
    let fields = rules.columns().map_or(0, Columns::fields);
    let [song, user, country] = rules.columns().map_or([0; 3], Columns::places);
    let any = rules.countries() == CountryCodes::Any;
    let (delimiter, header) = (rules.delimiter().byte(), rules.header());
    [delimiter, header.into(), any.into(), fields, song, user, country, 0]
}

/// The rules of these bytes; `None` if they are not the bytes of recorded rules.
fn decoded_rules(bytes: [u8; RULES_BYTES]) -> Option<Rules> {
    let [delimiter, header, any, fields, song, user, country, _] = bytes;
    let columns = match fields {
        0 => None,
        _ => Some(Columns::new(fields, [song, user, country])?),
    };
    let countries = if any == 0 { CountryCodes::Iso } else { CountryCodes::Any };
    let rules = Rules::new(Delimiter::new(delimiter)?, columns, header != 0, countries);
    recorded(rules).filter(|rules| encoded_rules(rules) == bytes)
}

/// The digest among the numbers of an input: after its size and its time.
fn digest_in(numbers: &[u8]) -> u128 {
    let mut fields = Fields(numbers);
    let _: [u64; 2] = [(); 2].map(|()| fields.u64());
    u128::from_le_bytes(fields.array())
}

fn wrong(what: &str) -> Error {
    Error::damaged(format!("the metadata {what}"))
}

/// Refuses more logs than fit the metadata of a partial; `names` is the sum of the lengths of their names.
///
/// # Errors
/// [`ErrorKind::LogsExceedPartial`].
pub fn check_room_for(logs: usize, names: u64) -> Result<()> {
    let each = (Inputs::LENGTH_BYTES + Inputs::NUMBER_BYTES) as u64;
    let needed = names.saturating_add(each.saturating_mul(logs as u64));
    if needed.saturating_add((HEAD_BYTES + RULES_BYTES) as u64) > MAX_METADATA_BYTES {
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
            rules: None,
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
        scanned_of(VERSION_WITHOUT_RULES, bytes)
    }

    fn scanned_of(version: u16, bytes: &[u8]) -> Result<Metadata> {
        in_memory(bytes, |section| Metadata::scan(version, section, |_| ()).unwrap())
    }

    fn rules(delimiter: &str, columns: &str, header: bool, countries: CountryCodes) -> Rules {
        Rules::new(delimiter.parse().unwrap(), columns.parse().ok(), header, countries)
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
    fn other_rules_than_the_default_ones_are_these_bytes_before_the_inputs() {
        use CountryCodes::{Any, Iso};
        let inputs = inputs(b"a.log");
        let without = encoded(&metadata(), &inputs);
        for (rules, expected) in [
            (rules(";", "user_id,sng_id,_,country", false, Iso), [b';', 0, 0, 4, 1, 0, 3, 0]),
            (rules("|", "", false, Any), [b'|', 0, 1, 0, 0, 0, 0, 0]),
            (rules("\\t", "", true, Iso), [b'\t', 1, 0, 0, 0, 0, 0, 0]),
            (rules(",", "sng_id,user_id,country", true, Any), [b',', 1, 1, 3, 0, 1, 2, 0]),
        ] {
            let metadata = Metadata { rules: Some(rules), ..metadata() };
            let bytes = encoded(&metadata, &inputs);
            let parts = [&without[..HEAD_BYTES], &expected, &without[HEAD_BYTES..]];
            assert_eq!(bytes, parts.concat(), "{rules}");
            assert_eq!(metadata.version(), 2);
            assert_eq!(scanned_of(2, &bytes).unwrap(), metadata);
            assert_eq!(metadata.inputs(bytes).unwrap(), inputs);
        }
    }

    #[test]
    fn rules_that_no_day_can_have_are_damage() {
        let any = Metadata { rules: Some(rules("|", "", false, CountryCodes::Any)), ..metadata() };
        let good = encoded(&any, &inputs(b"a.log"));
        for wrong in [
            // The default ones are not recorded, and the usual columns only beside a header.
            [b'|', 0, 0, 0, 0, 0, 0, 0],
            [b';', 0, 0, 3, 0, 1, 2, 0],
            [b'a', 0, 0, 0, 0, 0, 0, 0],
            [b';', 2, 0, 0, 0, 0, 0, 0],
            [b';', 0, 2, 0, 0, 0, 0, 0],
            [b';', 0, 0, 0, 1, 0, 0, 0],
            [b';', 0, 0, 4, 1, 1, 3, 0],
            [b';', 0, 0, 4, 1, 0, 4, 0],
            [b';', 0, 0, 65, 1, 0, 4, 0],
            [b';', 0, 0, 0, 0, 0, 0, 1],
        ] {
            let mut bytes = good.clone();
            bytes[HEAD_BYTES..HEAD_BYTES + RULES_BYTES].copy_from_slice(&wrong);
            let error = scanned_of(2, &bytes).unwrap_err().to_string();
            assert_eq!(error, "damaged: the metadata has rules that are not valid", "{wrong:?}");
        }
        for cut in 0..good.len() {
            assert!(scanned_of(2, &good[..cut]).is_err());
        }
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
    fn a_wrong_length_is_an_error_not_an_allocation() {
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
            "damaged: the metadata has extra bytes at its end"
        );
    }

    #[test]
    fn more_logs_than_fit_a_partial_are_refused_with_the_limit() {
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
    fn sums_that_do_not_match_are_an_error() {
        let mut wrong = metadata();
        wrong.runs[Kind::Country].streams = 5;
        let error = scanned(&encoded(&wrong, &inputs(b"a"))).unwrap_err();
        assert_eq!(error.to_string(), "damaged: the metadata has sums that do not match");
    }
}
