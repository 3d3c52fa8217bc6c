//! Parses rows of another shape, field by field. It takes plain rows of the shape: ids of up to sixteen digits, without
//! blanks around the counted fields.
//!
//! Like `plain`, it refuses everything else, and a row too near to either end of the bytes for loads of a fixed size, and
//! gives no reason. For a row that it takes, the rules must give the same values.

use super::plain::{LEAD, MASKED, MASKS, chunk};
use super::shape::Shape;
use super::{AcceptedRow, MAX_ROW_BYTES, RowRules};
use crate::model::Column;
use crate::simd::{DIGITS, Kernel, LOOK, Masked};

/// The row at `start` of `bytes` and its length with its line end, if it is a plain row of the shape.
#[inline(always)]
pub(super) fn row<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    start: usize,
    rules: &RowRules,
) -> Option<(AcceptedRow, usize)> {
    let shape = &rules.shape;
    let bytes = bytes.get(start.checked_sub(LEAD)?..)?;
    let mut at = LEAD;
    // Where both ids end, and their numbers of digits.
    let (mut song, mut user, mut country) = ((LEAD, 0), (LEAD, 0), 0);
    let fields = shape.fields();
    for (place, field) in fields.iter().enumerate() {
        let length = match field {
            Some(Column::Song) => id(kernel, bytes, at, &mut song)?,
            Some(Column::User) => id(kernel, bytes, at, &mut user)?,
            Some(Column::Country) => {
                let letters = u16::from_le_bytes(*chunk(bytes, at)?);
                if letters & 0xe0e0 != 0x4040 {
                    return None;
                }
                country = rules.countries.number_of(letters.into())?;
                2
            }
            None => ignored(bytes.get(at..)?, shape)?,
        };
        at += length;
        if place + 1 < fields.len() {
            if *bytes.get(at)? != shape.delimiter {
                return None;
            }
            at += 1;
        }
    }
    if at - LEAD > MAX_ROW_BYTES {
        return None;
    }
    let end = match chunk(bytes, at)? {
        [b'\n', _] => at + 1,
        b"\r\n" => at + 2,
        _ => return None,
    };
    let [song, user] = kernel.values([masked(bytes, song)?, masked(bytes, user)?]);
    Some((AcceptedRow { song, user, country }, end - LEAD))
}

/// The digits at `at`, if there are one to sixteen: notes their end and number, and returns the number.
#[inline(always)]
fn id<K: Kernel>(kernel: K, bytes: &[u8], at: usize, digits: &mut (usize, usize)) -> Option<usize> {
    let length = kernel.non_digits(chunk::<LOOK>(bytes, at)?).trailing_zeros() as usize;
    *digits = (at + length, length);
    (1..=DIGITS).contains(&length).then_some(length)
}

/// The length of an ignored field, if it cannot break a rule.
#[inline(always)]
fn ignored(bytes: &[u8], shape: &Shape) -> Option<usize> {
    let first = *bytes.first()?;
    if first != shape.delimiter && matches!(first, b'"' | b' ' | b'\t') {
        return None;
    }
    // A CR may end the row, and is data if it does not.
    memchr::memchr3(shape.delimiter, b'\n', b'\r', bytes)
}

#[inline(always)]
fn masked(bytes: &[u8], (end, length): (usize, usize)) -> Option<Masked<'_>> {
    Some((chunk(bytes, end - DIGITS)?, chunk(&MASKS, length % MASKED)?))
}
