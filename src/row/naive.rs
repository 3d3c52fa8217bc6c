//! The rules of a row, one after the other. They decide every row that `plain` refuses. Tests compare `plain` with
//! them, so this file is written to be read, not to be fast.

use super::shape::Shape;
use super::{AcceptedRow, CountrySet, MAX_ROW_BYTES, RowRules};
use crate::model::{Column, Country, MAX_ID, RejectReason};

/// A line without one CR at its end. The line has no LF.
pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The values of a row, or the first rule that it breaks.
pub(super) fn classify(row: &[u8], rules: &RowRules) -> Result<AcceptedRow, RejectReason> {
    if row.len() > MAX_ROW_BYTES {
        return Err(RejectReason::TooLong);
    }
    if trim(row).is_empty() {
        return Err(RejectReason::Blank);
    }
    let [song, user, country] = fields(row, &rules.shape).ok_or(RejectReason::FieldCount)?;
    Ok(AcceptedRow {
        song: id(song).ok_or(RejectReason::SongId)?,
        user: id(user).ok_or(RejectReason::UserId)?,
        country: country_number(country, &rules.countries).ok_or(RejectReason::Country)?,
    })
}

/// Song, user and country of a row with the shape's number of fields, and no quote before an ignored field: quotes are
/// not interpreted, so the end of such a field is unknown.
fn fields<'a>(row: &'a [u8], shape: &Shape) -> Option<[&'a [u8]; 3]> {
    let mut taken = [&row[..0]; 3];
    let mut expected = shape.fields().iter();
    for field in row.split(|byte| *byte == shape.delimiter).map(trim) {
        match expected.next()? {
            Some(Column::Song) => taken[0] = field,
            Some(Column::User) => taken[1] = field,
            Some(Column::Country) => taken[2] = field,
            None if field.starts_with(b"\"") => return None,
            None => {}
        }
    }
    expected.next().is_none().then_some(taken)
}

/// The bytes without the spaces and tabs around them.
fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = bytes.iter().position(|byte| !is_blank(byte)) else { return &[] };
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    // The last byte that is not blank is at or after the first such byte.
    &bytes[start..end]
}

/// The value of one or more digits, if it fits.
fn id(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit).filter(|value| *value <= MAX_ID)
    })
}

fn country_number(letters: &[u8], countries: &CountrySet) -> Option<u16> {
    let [first, second] = letters else { return None };
    let country = Country::from_letters(*first, *second)?;
    countries.contains(country).then(|| country.number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CountryCodes, Rules};

    fn iso(row: &[u8]) -> Result<(u64, u64, String), RejectReason> {
        let row = classify(row, &RowRules::default())?;
        let country = Country::from_number(row.country.into()).unwrap();
        Ok((row.song, row.user, country.to_string()))
    }

    fn reason(row: &[u8]) -> RejectReason {
        iso(row).expect_err(&row.escape_ascii().to_string())
    }

    #[test]
    fn a_row_is_a_song_a_user_and_a_country() {
        assert_eq!(iso(b"968675|9263463|FR"), Ok((968_675, 9_263_463, "FR".into())));
        assert_eq!(iso(b"0|0|AD"), Ok((0, 0, "AD".into())));
        assert_eq!(iso(b"4294967296|4294967297|ZW"), Ok((1 << 32, (1 << 32) + 1, "ZW".into())));
    }

    #[test]
    fn spaces_and_tabs_around_a_field_are_ignored() {
        assert_eq!(iso(b" \t1 \t|\t 2\t |  BR\t"), Ok((1, 2, "BR".into())));
    }

    #[test]
    fn leading_zeros_do_not_change_a_value() {
        let row = [&[b'0'; 60][..], b"7|", &[b'0'; 60], b"|FR"].concat();
        assert_eq!(iso(&row), Ok((7, 0, "FR".into())));
    }

    #[test]
    fn the_largest_id_is_the_largest_bigint() {
        let most = i64::MAX.unsigned_abs();
        let row = b"9223372036854775807|0009223372036854775807|FR";
        assert_eq!(iso(row), Ok((most, most, "FR".into())));
        for beyond in ["9223372036854775808", "18446744073709551616", "99999999999999999999"] {
            assert_eq!(reason(format!("{beyond}|1|FR").as_bytes()), RejectReason::SongId);
            assert_eq!(reason(format!("1|{beyond}|FR").as_bytes()), RejectReason::UserId);
        }
    }

    #[test]
    fn a_row_of_4096_bytes_is_whole_and_one_of_4097_is_too_long_whatever_is_in_it() {
        let padded = |length: usize| [&vec![b' '; length - 6][..], b"1|2|FR"].concat();
        assert_eq!(iso(&padded(4096)), Ok((1, 2, "FR".into())));
        assert_eq!(reason(&padded(4097)), RejectReason::TooLong);
        assert_eq!(reason(&[b' '; 4097]), RejectReason::TooLong);
        assert_eq!(reason(&[b' '; 4096]), RejectReason::Blank);
    }

    #[test]
    fn every_kind_of_corrupt_row_has_its_reason() {
        use RejectReason::{Blank, Country, FieldCount, SongId, UserId};
        let table: [(&[u8], RejectReason); 46] = [
            (b"", Blank),
            (b" ", Blank),
            (b"\t \t", Blank),
            // Nothing but a CR that is data, a NUL, a form feed: not blank.
            (b"\r", FieldCount),
            (b"\0", FieldCount),
            (b"\x0c", FieldCount),
            // The separator between two ids is missing; two rows are on one line.
            (b"12345678901234|FR", FieldCount),
            (b"1|2|FR3|4|GB", FieldCount),
            (b"1|2|FR 3|4|GB", FieldCount),
            // Commas for pipes, and other separators.
            (b"1,2,FR", FieldCount),
            (b"1;2;FR", FieldCount),
            (b"1\t2\tFR", FieldCount),
            (b"1|2", FieldCount),
            (b"1|2|FR|", FieldCount),
            (b"|1|2|FR", FieldCount),
            (b"123", FieldCount),
            (b"\xff\xfe", FieldCount),
            // Song ids.
            (b"||", SongId),
            (b"|2|FR", SongId),
            (b" |2|FR", SongId),
            (b"-1|2|FR", SongId),
            (b"+1|2|FR", SongId),
            (b"1 1|2|FR", SongId),
            (b"1.0|2|FR", SongId),
            (b"0x1|2|FR", SongId),
            (b"1e3|2|FR", SongId),
            (b"\xef\xbb\xbf1|2|FR", SongId),
            (b"\xd9\xa1|2|FR", SongId),
            (b"\r1|2|FR", SongId),
            (b"song|-2|XX", SongId),
            // User ids: a space, nothing, a sign.
            (b"1| |FR", UserId),
            (b"1||FR", UserId),
            (b"1|-2|FR", UserId),
            (b"1|+2|VJ", UserId),
            (b"1|2\0|FR", UserId),
            (b"1|2\xa0|FR", UserId),
            // Countries: doubled, not assigned, small letters, more or fewer letters, other bytes.
            (b"1|2|FRFR", Country),
            (b"1|2|VJ", Country),
            (b"1|2|fr", Country),
            (b"1|2|Fr", Country),
            (b"1|2|F", Country),
            (b"1|2|", Country),
            (b"1|2|F R", Country),
            (b"1|2|FR\r", Country),
            (b"1|2|FR\0", Country),
            (b"1|2|\xc3\x89", Country),
        ];
        for (row, expected) in table {
            assert_eq!(reason(row), expected, "{}", row.escape_ascii());
        }
    }

    /// The result for a row of the shape `user_id;_;country;sng_id`.
    fn shaped(row: &str) -> Result<(u64, u64), RejectReason> {
        let columns = "user_id,_,country,sng_id".parse().ok();
        let rules = Rules::new(";".parse().unwrap(), columns, false, CountryCodes::Any);
        let row = classify(row.as_bytes(), &RowRules::new(&rules))?;
        Ok((row.song, row.user))
    }

    #[test]
    fn rows_of_another_shape_have_the_same_rules() {
        use RejectReason::{Blank, Country, FieldCount, SongId, UserId};
        for row in ["7;a title;ZZ;9", " 7 ;; ZZ\t;009", "7; it's \"good\";ZZ;9", "7;1|2|FR\r;ZZ;9"]
        {
            assert_eq!(shaped(row), Ok((9, 7)), "{row}");
        }
        for (row, reason) in [
            (" \t", Blank),
            ("7;a;ZZ", FieldCount),
            ("7;a;b;ZZ;9", FieldCount),
            ("9|7|FR", FieldCount),
            ("7;a;zz;", SongId),
            ("x;a;zz;9", UserId),
            ("7;a;zz;9", Country),
            // A quote before a field is never taken for a part of it.
            ("7;\"a\";ZZ;9", FieldCount),
            ("7; \"a;ZZ;9", FieldCount),
            ("7;\"a;b\";ZZ;9", FieldCount),
            ("\"7\";a;ZZ;9", UserId),
            ("7;a;\"ZZ\";9", Country),
            ("7;a;ZZ;\"9\"", SongId),
        ] {
            assert_eq!(shaped(row), Err(reason), "{row}");
        }
    }

    #[test]
    fn a_blank_that_separates_fields_is_not_around_them() {
        for (delimiter, row) in [("\\t", "9\t 7\tFR "), (" ", "9 \t7 FR\t")] {
            let rules = Rules::new(delimiter.parse().unwrap(), None, false, CountryCodes::Iso);
            let row = classify(row.as_bytes(), &RowRules::new(&rules)).unwrap();
            assert_eq!((row.song, row.user), (9, 7), "{delimiter}");
        }
    }

    #[test]
    fn one_cr_belongs_to_the_line_end_and_a_second_is_data() {
        assert_eq!(without_cr(b"1|2|FR\r"), b"1|2|FR");
        assert_eq!(without_cr(b"1|2|FR\r\r"), b"1|2|FR\r");
        assert_eq!(without_cr(b"\r"), b"");
        assert_eq!(without_cr(b"\r1"), b"\r1");
    }
}
