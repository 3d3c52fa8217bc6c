//! The valid types and values of another program's columns.
//!
//! Whatever converts exactly is taken: 32 and 64 bits, signed or not, and decimals without a fraction for numbers; any
//! byte array for countries. All else is refused, with the cast that helps.

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::schema::types::ColumnDescriptor;

use crate::error::{Error, ErrorKind, Result};
use crate::exchange::Judge;
use crate::model::{Country, MAX_ID};

/// The bytes of a text that a message shows.
pub(super) const MAX_SHOWN: usize = 20;

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// INT32 that is signed, or not.
    Int32 { signed: bool },
    /// INT64 that is signed, or not.
    Int64 { signed: bool },
    /// A whole decimal in big-endian bytes of any length.
    Decimal,
    /// The same, all values with the same length.
    FixedDecimal { bytes: u32 },
    /// Bytes.
    Text,
}

impl Form {
    /// The form of a column of numbers, or of text.
    pub(super) fn of(column: &ColumnDescriptor, text: bool) -> Result<Form> {
        let name = column.name();
        let refuse = |why: String| Err(ErrorKind::BadTable(format!("column {name} {why}")).into());
        if column.max_rep_level() > 0
            || column.max_def_level() > 1
            || column.path().parts().len() > 1
        {
            return refuse("is nested".to_owned());
        }
        let logical = column.logical_type_ref();
        if text {
            let plain = matches!(logical, None | Some(LogicalType::String | LogicalType::Enum));
            return match column.physical_type() {
                Physical::BYTE_ARRAY if plain => Ok(Form::Text),
                other => refuse(format!("is {}: cast it to VARCHAR", described(column, other))),
            };
        }
        let number = whole_number(column);
        match (column.physical_type(), number) {
            (Physical::INT32, Some(signed)) => Ok(Form::Int32 { signed }),
            (Physical::INT64, Some(signed)) => Ok(Form::Int64 { signed }),
            (Physical::BYTE_ARRAY, Some(_)) if is_decimal(column) => Ok(Form::Decimal),
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(_)) if is_decimal(column) => {
                match u32::try_from(column.type_length()) {
                    Ok(bytes @ 1..) => Ok(Form::FixedDecimal { bytes }),
                    _ => refuse("has values of no bytes".to_owned()),
                }
            }
            (other, _) => refuse(format!("is {}: cast it to BIGINT", described(column, other))),
        }
    }
}

fn is_decimal(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Decimal(_)))
        || column.converted_type() == ConvertedType::DECIMAL
}

/// Whether a column's type says that it holds whole numbers: `Some(signed)`.
fn whole_number(column: &ColumnDescriptor) -> Option<bool> {
    if is_decimal(column) {
        return (column.type_scale() == 0).then_some(true);
    }
    match column.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => Some(integer.is_signed),
        Some(_) => None,
        None => match column.converted_type() {
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => Some(true),
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Some(false),
            _ => None,
        },
    }
}

fn described(column: &ColumnDescriptor, physical: Physical) -> String {
    match column.converted_type() {
        ConvertedType::NONE => physical.to_string(),
        ConvertedType::DECIMAL => {
            format!("a decimal with {} digits after the decimal point", column.type_scale())
        }
        converted => format!("{physical} ({converted})"),
    }
}

impl Judge {
    /// The number of a country.
    pub(super) fn country(&self, bytes: &[u8]) -> Result<u64, String> {
        let country = match *bytes {
            [first, second] => Country::from_letters(first, second),
            _ => None,
        };
        let number = country.map(|country| u64::from(country.number()));
        number.filter(|number| self.knows(*number)).ok_or_else(|| {
            let shown = bytes.get(..MAX_SHOWN).unwrap_or(bytes).escape_ascii();
            format!("'{shown}' is not an assigned country of ISO 3166-1 (--countries any accepts any two capitals)")
        })
    }
}

/// An id or a count of at least `least`.
pub(super) fn number(value: i128, least: u64) -> Result<u64, String> {
    match u64::try_from(value) {
        Ok(number) if (least..=MAX_ID).contains(&number) => Ok(number),
        _ => Err(format!("{value} is not in {least} to 2^63-1")),
    }
}

/// The value of a decimal's bytes, if it fits 128 bits.
pub(super) fn decimal(bytes: &[u8]) -> Result<i128, String> {
    let too_long = || "a decimal of more than 128 bits".to_owned();
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { -1 } else { 0 };
    // Any number of leading bytes may repeat the sign.
    let split = bytes.len().saturating_sub(16);
    let (lead, value) = bytes.split_at_checked(split).unwrap_or_default();
    let sign = if negative { 0xff } else { 0 };
    let value = value.iter().fold(fill, |value: i128, byte| value << 8 | i128::from(*byte));
    let fits = lead.iter().all(|byte| *byte == sign) && (value < 0) == negative;
    if fits { Ok(value) } else { Err(too_long()) }
}

/// The error of one value.
pub(super) fn bad_row(column: &'static str, row: u64, reason: String) -> Error {
    ErrorKind::BadRow { column, row, reason }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_big_endian_and_signed() {
        for value in [0, 1, -1, 127, 128, -129, i128::from(u64::MAX), i128::MAX, i128::MIN] {
            let bytes = value.to_be_bytes();
            assert_eq!(decimal(&bytes), Ok(value));
            let fill = if value < 0 { 0xff } else { 0 };
            let mut longer = vec![fill; 4];
            longer.extend(bytes);
            assert_eq!(decimal(&longer), Ok(value));
        }
        assert_eq!(decimal(&[0xff]), Ok(-1));
        assert_eq!(decimal(&[]), Ok(0));
        let mut long = vec![1];
        long.extend([0; 16]);
        assert!(decimal(&long).is_err());
    }

    #[test]
    fn ids_start_at_0_and_counts_at_1() {
        assert_eq!(number(0, 0), Ok(0));
        assert_eq!(number(i128::from(MAX_ID), 1), Ok(MAX_ID));
        for (value, least) in [(0, 1), (-1, 0), (i128::from(MAX_ID) + 1, 0), (i128::MAX, 0)] {
            assert!(number(value, least).unwrap_err().contains(&value.to_string()));
        }
    }

    #[test]
    fn a_country_is_two_known_capitals() {
        let judge = Judge::new(|country| country.to_string() == "FR");
        let country = |text: &str| judge.country(text.as_bytes());
        assert!(country("FR").is_ok());
        for other in ["", "F", "fr", "FRA", "DE"] {
            assert!(country(other).unwrap_err().contains(&format!("'{other}'")));
        }
    }
}
