//! The flaws of corrupt rows. Real logs have each of them, and no flaw leaves a valid row.

use super::random::Random;
use super::row::{LogRow, write_id};
use crate::model::RejectReason;
use crate::row::MAX_ROW_BYTES;

/// A way in which a row is corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    /// No `|` between the two ids.
    SeparatorMissing,
    /// Two rows without the end of line between them.
    TwoRows,
    /// Nothing, or spaces.
    Blank,
    /// Commas for `|`.
    Commas,
    /// `FRFR`.
    DoubledCode,
    /// A minus before the song's id.
    NegativeSong,
    /// A minus before the user's id.
    NegativeUser,
    /// A space, or nothing, for the user's id.
    NoUser,
    /// Two capitals that are not a country.
    UnknownCode,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Rows without the ends of line between them, together over the limit.
    TooLong,
}

/// Codes that ISO 3166-1 does not assign.
const UNKNOWN: [[u8; 2]; 4] = [*b"VJ", *b"XX", *b"ZZ", *b"UK"];

/// One corrupt row in this number is too long. Such rows are rare, because each is as large as hundreds of others.
const TOO_LONG: u64 = 256;

impl Flaw {
    /// The flaws that are equally likely. A row that is too long is rare.
    const COMMON: [Flaw; 10] = [
        Flaw::SeparatorMissing,
        Flaw::TwoRows,
        Flaw::Blank,
        Flaw::Commas,
        Flaw::DoubledCode,
        Flaw::NegativeSong,
        Flaw::NegativeUser,
        Flaw::NoUser,
        Flaw::UnknownCode,
        Flaw::NotUtf8,
    ];

    /// Any flaw.
    pub(super) fn draw(random: &mut Random) -> Self {
        let common = random.pick(&Self::COMMON);
        let rare = random.below(TOO_LONG) == 0;
        if rare { Flaw::TooLong } else { common }
    }

    /// Appends `row`, or `row` and `next`, with this flaw and without an end of line.
    pub(super) fn write(self, row: &LogRow, next: &LogRow, random: &mut Random, out: &mut Vec<u8>) {
        let LogRow { song, user, country } = *row;
        let coin = random.below(2) == 0;
        match self {
            Flaw::SeparatorMissing => fields(out, song, b"", user, b"|", &country),
            Flaw::TwoRows => {
                row.write(out);
                next.write(out);
            }
            Flaw::Blank => out.extend_from_slice(if coin { b"" } else { b"  " }),
            Flaw::Commas => fields(out, song, b",", user, b",", &country),
            Flaw::DoubledCode => {
                row.write(out);
                out.extend_from_slice(&country);
            }
            Flaw::NegativeSong => {
                out.push(b'-');
                row.write(out);
            }
            Flaw::NegativeUser => fields(out, song, b"|-", user, b"|", &country),
            Flaw::NoUser => {
                write_id(out, song);
                out.extend_from_slice(if coin { b"||" } else { b"| |" });
                out.extend_from_slice(&country);
            }
            Flaw::UnknownCode => {
                let country = random.pick(&UNKNOWN);
                LogRow { country, ..*row }.write(out);
            }
            // A letter of Latin-1, or the byte-order mark of UTF-16.
            Flaw::NotUtf8 => {
                LogRow { country: if coin { [country[0], 0xe9] } else { [0xff, 0xfe] }, ..*row }
                    .write(out);
            }
            Flaw::TooLong => {
                let start = out.len();
                while out.len() - start <= MAX_ROW_BYTES {
                    row.write(out);
                }
            }
        }
    }

    /// Why a reader rejects the row.
    pub(super) fn reason(self) -> RejectReason {
        match self {
            Flaw::SeparatorMissing | Flaw::TwoRows | Flaw::Commas => RejectReason::FieldCount,
            Flaw::Blank => RejectReason::Blank,
            Flaw::DoubledCode | Flaw::UnknownCode | Flaw::NotUtf8 => RejectReason::Country,
            Flaw::NegativeSong => RejectReason::SongId,
            Flaw::NegativeUser | Flaw::NoUser => RejectReason::UserId,
            Flaw::TooLong => RejectReason::TooLong,
        }
    }
}

fn fields(out: &mut Vec<u8>, song: u64, one: &[u8], user: u64, other: &[u8], country: &[u8]) {
    write_id(out, song);
    out.extend_from_slice(one);
    write_id(out, user);
    out.extend_from_slice(other);
    out.extend_from_slice(country);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RejectCounts, RowBatch};
    use crate::row::{RejectLog, RowRules, parse};
    use std::collections::BTreeMap;

    const ROW: LogRow = LogRow { song: 11, user: 22, country: *b"FR" };
    const NEXT: LogRow = LogRow { song: 33, user: 44, country: *b"GB" };

    fn written(flaw: Flaw, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        flaw.write(&ROW, &NEXT, random, &mut out);
        out
    }

    /// Every text that a flaw makes of `ROW` and `NEXT`.
    fn texts(flaw: Flaw) -> Vec<String> {
        let mut random = Random::new(1);
        let mut texts: Vec<_> =
            (0..100).map(|_| written(flaw, &mut random).escape_ascii().to_string()).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    #[test]
    fn every_flaw_looks_as_in_real_logs() {
        let expected: [&[&str]; 10] = [
            &["1122|FR"],
            &["11|22|FR33|44|GB"],
            &["", "  "],
            &["11,22,FR"],
            &["11|22|FRFR"],
            &["-11|22|FR"],
            &["11|-22|FR"],
            &["11| |FR", "11||FR"],
            &["11|22|UK", "11|22|VJ", "11|22|XX", "11|22|ZZ"],
            &[r"11|22|F\xe9", r"11|22|\xff\xfe"],
        ];
        for (flaw, expected) in Flaw::COMMON.into_iter().zip(expected) {
            assert_eq!(texts(flaw), expected, "{flaw:?}");
        }
        assert_eq!(texts(Flaw::TooLong), ["11|22|FR".repeat(513)]);
    }

    #[test]
    fn no_flaw_leaves_a_valid_row_and_each_is_rejected_for_its_reason() {
        let mut random = Random::new(2);
        for flaw in Flaw::COMMON.into_iter().chain([Flaw::TooLong]) {
            for _ in 0..20 {
                let (mut batch, mut rejects) = (RowBatch::new(), RejectLog::new());
                let mut line = written(flaw, &mut random);
                line.push(b'\n');
                parse(&line, &RowRules::default(), &mut batch, &mut rejects);
                let mut expected = RejectCounts::default();
                expected.count(flaw.reason());
                assert_eq!((batch.len(), rejects.counts()), (0, expected), "{flaw:?}");
            }
        }
    }

    #[test]
    fn common_flaws_are_equally_likely_and_a_long_row_is_rare() {
        let mut random = Random::new(3);
        let mut counts = BTreeMap::new();
        (0..100_000).for_each(|_| *counts.entry(Flaw::draw(&mut random)).or_insert(0) += 1);
        let long = counts.remove(&Flaw::TooLong).unwrap();
        assert!((300..500).contains(&long), "{long}");
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|count| (9_500..10_400).contains(count)), "{counts:?}");
    }
}
