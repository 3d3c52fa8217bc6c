//! What a corrupt row looks like, in words that help to repair its log. All hints are in one table.

use std::borrow::Cow;
use std::str;

use super::{CountrySet, RejectSample};
use crate::model::{
    Column, Columns, Country, CountryCodes, Delimiter, MAX_ID, RejectReason, Rules,
};

/// Finds one thing that whole logs have wrong: what it is, and what to do, if the row looks so.
type Hint = fn(&Row<'_>) -> Option<Cow<'static, str>>;

/// All hints; the first that fits is shown. Those that explain the others come first.
const HINTS: [Hint; 15] = [
    zero_bytes,
    carriage_returns,
    header,
    quotes,
    separator,
    binary,
    more_fields,
    other_order,
    uuid,
    sign,
    large_id,
    named_id,
    lower_case,
    united_kingdom,
    other_country,
];

/// Separators that logs have, with their names.
const SEPARATORS: [(u8, &str); 6] = [
    (b'|', "'|'"),
    (b'\t', "tabs"),
    (b';', "semicolons"),
    (b',', "commas"),
    (1, "the byte 1"),
    (b' ', "spaces"),
];

/// A corrupt row to be looked at: its first bytes.
struct Row<'a> {
    bytes: &'a [u8],
    line: u64,
    reason: RejectReason,
    rules: &'a Rules,
}

/// What a corrupt row looks like, and what to do about it; `None` for a row of its own kind.
#[must_use]
pub fn hint(sample: &RejectSample, rules: &Rules) -> Option<Cow<'static, str>> {
    let row = Row { bytes: &sample.row, line: sample.line, reason: sample.reason, rules };
    HINTS.iter().find_map(|hint| hint(&row))
}

impl<'a> Row<'a> {
    fn fields(&self, separator: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.split(move |byte| *byte == separator).map(<[u8]>::trim_ascii)
    }

    /// The field of the column that is corrupt; all fields if only the log's header has the columns.
    fn corrupt_fields(&self) -> Vec<&'a [u8]> {
        let Some(column) = self.reason.column() else { return Vec::new() };
        let mut fields = self.fields(self.rules.delimiter().byte());
        match (self.rules.columns(), self.rules.header()) {
            (None, true) => fields.collect(),
            (columns, _) => {
                let place = columns.unwrap_or(Columns::USUAL).place(column);
                fields.nth(place.into()).into_iter().collect()
            }
        }
    }

    /// Whether the corrupt field is known, and not only that it is one of several.
    fn has_corrupt_field(&self) -> bool {
        self.rules.columns().is_some() || !self.rules.header()
    }

    fn corrupt_ids(&self) -> Vec<&'a [u8]> {
        if self.reason == RejectReason::Country { Vec::new() } else { self.corrupt_fields() }
    }

    fn corrupt_countries(&self) -> Vec<&'a [u8]> {
        if self.reason == RejectReason::Country { self.corrupt_fields() } else { Vec::new() }
    }
}

fn is_number(field: &[u8]) -> bool {
    !field.is_empty() && field.iter().all(u8::is_ascii_digit)
}

fn is_country(field: &[u8]) -> bool {
    let country = |field: &[u8]| match field {
        [first, second] => Country::from_letters(*first, *second),
        _ => None,
    };
    country(field).is_some_and(|country| CountrySet::iso().contains(country))
}

fn zero_bytes(row: &Row<'_>) -> Option<Cow<'static, str>> {
    row.bytes.contains(&0).then_some(
        "it has zero bytes, which a crash or an interrupted copy leaves in a log; fetch the log again".into(),
    )
}

fn carriage_returns(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let ends = row.bytes.iter().filter(|byte| **byte == b'\r').count();
    (ends > 1 || (ends == 1 && row.reason == RejectReason::FieldCount)).then_some(
        "lines end with CR alone; convert them: tr '\\r' '\\n' <LOG | agg reduce-day --date DAY -"
            .into(),
    )
}

fn header(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let own = row.rules.delimiter().byte();
    let names = |separator: &u8| row.fields(*separator).filter_map(Column::named).count() >= 2;
    let separator = SEPARATORS.iter().map(|(byte, _)| *byte).chain([own]).rev().find(names)?;
    if row.line > 1 || row.rules.header() {
        return None;
    }
    Some(match Delimiter::new(separator).filter(|_| separator != own) {
        Some(delimiter) => {
            format!("it is a header; skip it with --header --delimiter '{delimiter}'").into()
        }
        None => "it is a header; skip it with --header".into(),
    })
}

fn quotes(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_quoted = |field: &[u8]| {
        field.starts_with(b"\"") || (field.starts_with(b"'") && field.ends_with(b"'"))
    };
    let separators = SEPARATORS.iter().map(|(byte, _)| *byte);
    let mut separators = separators.chain([row.rules.delimiter().byte()]);
    separators
        .any(|separator| row.fields(separator).any(is_quoted))
        .then_some("fields are in quotes, and quotes are not read; write logs without them".into())
}

fn separator(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let own = row.rules.delimiter().byte();
    if row.reason != RejectReason::FieldCount || row.bytes.contains(&own) {
        return None;
    }
    let fits = |(separator, _): &&(u8, &str)| {
        let fields: Vec<_> = row.fields(*separator).collect();
        fields.len() >= 3 && fields.iter().filter(|field| is_number(field)).count() >= 2
    };
    let (separator, name) = SEPARATORS.iter().find(fits)?;
    let delimiter = Delimiter::new(*separator)?;
    let fields = row.fields(*separator).count();
    let wanted = row.rules.columns().unwrap_or(Columns::USUAL).fields();
    let columns = match fields == usize::from(wanted) || row.rules.header() {
        true => "",
        false => ", and name the fields with --columns",
    };
    Some(format!("fields are separated by {name}; use --delimiter '{delimiter}'{columns}").into())
}

fn binary(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_control = |byte: &&u8| **byte < b' ' && !matches!(**byte, b'\t' | b'\r');
    // The end may be cut within a letter.
    let is_utf8 =
        str::from_utf8(row.bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    let others = row.bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let is_binary = row.bytes.iter().filter(is_control).count() > 1 || (!is_utf8 && others > 4);
    is_binary.then_some("it is binary data, not text; check where the log comes from".into())
}

fn more_fields(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let delimiter = row.rules.delimiter();
    let fields = row.fields(delimiter.byte()).count();
    let wanted = row.rules.columns().unwrap_or(Columns::USUAL).fields();
    if row.reason != RejectReason::FieldCount || fields <= wanted.into() {
        return None;
    }
    let apart = format!("no field may contain '{delimiter}'");
    let hint = match (row.rules.columns(), row.rules.header()) {
        (Some(_), _) => {
            format!(
                "it has {fields} fields, and --columns names {wanted}; name all of them, and {apart}"
            )
        }
        (None, true) => {
            format!("it has {fields} fields, which is not the number of its log's columns; {apart}")
        }
        (None, false) => {
            format!(
                "it has {fields} fields, and {wanted} are read; name all of them with --columns"
            )
        }
    };
    Some(hint.into())
}

fn other_order(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let fields: Vec<_> = row.fields(row.rules.delimiter().byte()).collect();
    let columns = row.rules.columns().unwrap_or(Columns::USUAL);
    let place = fields.iter().position(|field| is_country(field))?;
    let is_other = place != usize::from(columns.place(Column::Country)) && !row.rules.header();
    is_other.then(|| {
        format!("field {} is the country; name the fields in their order with --columns", place + 1)
            .into()
    })
}

fn uuid(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_uuid = |field: &&[u8]| {
        field.len() == 36
            && field.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    row.corrupt_ids().iter().any(is_uuid).then_some(
        "ids are whole numbers, and this is a UUID; write logs with numbers for ids".into(),
    )
}

fn sign(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_signed =
        |field: &&[u8]| matches!(field, [b'-' | b'+', digits @ ..] if is_number(digits));
    row.corrupt_ids().iter().any(is_signed).then_some("ids have no sign".into())
}

fn large_id(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_large = |field: &&[u8]| {
        is_number(field)
            && !str::from_utf8(field)
                .is_ok_and(|text| text.parse::<u64>().is_ok_and(|id| id <= MAX_ID))
    };
    let found = row.corrupt_ids().iter().any(is_large);
    found.then(|| format!("ids are {MAX_ID} at most").into())
}

fn named_id(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_name =
        |field: &&[u8]| field.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    (row.has_corrupt_field() && row.corrupt_ids().iter().any(is_name)).then_some(
        "ids are whole numbers, and this is a name; write logs with numbers for ids".into(),
    )
}

fn lower_case(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let is_small = |field: &&[u8]| {
        let capitals = field.to_ascii_uppercase();
        capitals != **field && is_country(&capitals)
    };
    let found = row.corrupt_countries().iter().any(is_small);
    found.then_some("country codes are upper case, and this is in lower case".into())
}

fn united_kingdom(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let found = row.corrupt_countries().iter().any(|field| field.eq_ignore_ascii_case(b"UK"));
    found.then_some("the code of the United Kingdom is GB, not UK".into())
}

fn other_country(row: &Row<'_>) -> Option<Cow<'static, str>> {
    let countries = row.corrupt_countries();
    let is_word = |field: &&[u8]| field.len() > 2 && field.iter().all(u8::is_ascii_alphabetic);
    if row.has_corrupt_field() && countries.iter().any(is_word) {
        return Some("a country is a code of two letters, like FR".into());
    }
    let is_code = |field: &&[u8]| matches!(field, [b'A'..=b'Z', b'A'..=b'Z']) && !is_country(field);
    let found = countries.iter().any(is_code);
    (found && row.rules.countries() == CountryCodes::Iso)
        .then_some("ISO 3166-1 has no such country; --countries any takes any two capitals".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_of(reason: RejectReason, row: &[u8], flags: (&str, &str)) -> String {
        let (delimiter, columns) = flags;
        let columns = (!columns.is_empty()).then(|| columns.parse().unwrap());
        let rules = Rules::new(delimiter.parse().unwrap(), columns, false, CountryCodes::Iso);
        let sample = RejectSample { input: 0, line: 1, reason, row: row.to_vec() };
        hint(&sample, &rules).unwrap_or_default().into_owned()
    }

    fn usual(reason: RejectReason, row: &[u8]) -> String {
        hint_of(reason, row, ("|", ""))
    }

    #[test]
    fn each_hint_is_found_by_what_the_row_looks_like() {
        use RejectReason::{Country, FieldCount, SongId, TooLong, UserId};
        let table: [(RejectReason, &[u8], &str); 29] = [
            (TooLong, &[0; 200], "zero bytes"),
            (UserId, b"1|2\0|FR", "zero bytes"),
            (FieldCount, b"1|2|FR\r3|4|GB\r5|6|US", "lines end with CR alone"),
            (SongId, b"sng_id|user_id|country", "a header; skip it with --header"),
            (FieldCount, b"song,user,country,date", "skip it with --header --delimiter ','"),
            (FieldCount, b"\"1\",\"2\",\"FR\"", "in quotes"),
            (SongId, b"'1'|'2'|'FR'", "in quotes"),
            (FieldCount, b"1,2,FR", "by commas; use --delimiter ','"),
            (FieldCount, b"1;2;FR", "by semicolons; use --delimiter ';'"),
            (FieldCount, b"1\t2\tFR", "by tabs; use --delimiter '\\t'"),
            (FieldCount, b"1 2 FR", "by spaces; use --delimiter ' '"),
            (FieldCount, b"1\x012\x01FR", "by the byte 1; use --delimiter '\\x01'"),
            (FieldCount, b"1;2;x;FR", "use --delimiter ';', and name the fields with --columns"),
            (FieldCount, b"\x89PNG\x1a\x03\x05", "binary data"),
            (
                FieldCount,
                b"1|2|FR|12",
                "it has 4 fields, and 3 are read; name all of them with --columns",
            ),
            (
                SongId,
                b"FR|1|2",
                "field 1 is the country; name the fields in their order with --columns",
            ),
            (UserId, b"1|1b4e28ba-2fa1-11d2-883f-0016d3cca427|FR", "a UUID"),
            (UserId, b"1|-1|FR", "ids have no sign"),
            (SongId, b"9223372036854775808|1|FR", "ids are 9223372036854775807 at most"),
            (SongId, b"99999999999999999999|1|FR", "ids are 9223372036854775807 at most"),
            (SongId, b"Yesterday|1|FR", "this is a name"),
            (UserId, "1|Zoë|FR".as_bytes(), "this is a name"),
            (Country, b"1|2|de", "upper case"),
            (Country, b"1|2|Fr", "upper case"),
            (Country, b"1|2|UK", "GB, not UK"),
            (Country, b"1|2|uk", "GB, not UK"),
            (Country, b"1|2|FRA", "a code of two letters"),
            (Country, b"1|2|France", "a code of two letters"),
            (Country, b"1|2|XK", "--countries any"),
        ];
        for (reason, row, words) in table {
            let found = usual(reason, row);
            assert!(found.contains(words), "{}: {found}", row.escape_ascii());
        }
    }

    #[test]
    fn a_row_of_its_own_kind_has_no_hint() {
        use RejectReason::{Blank, Country, FieldCount, SongId, TooLong, UserId};
        let table: [(RejectReason, &[u8]); 7] = [
            (Blank, b""),
            (FieldCount, b"1|2"),
            (FieldCount, b"one, two, three"),
            (TooLong, &[b'1'; 200]),
            (UserId, b"1||FR"),
            (SongId, b"1 1|2|FR"),
            (Country, b"1|2|"),
        ];
        for (reason, row) in table {
            assert_eq!(usual(reason, row), "", "{}", row.escape_ascii());
        }
    }

    #[test]
    fn hints_go_by_the_shape_in_force() {
        use RejectReason::{Country, FieldCount, UserId};
        let shape = (";", "user_id,_,sng_id,country");
        for (reason, row, words) in [
            (FieldCount, "1|2|3|FR", "by '|'; use --delimiter '|'"),
            (
                FieldCount,
                "1;x;2;FR;9",
                "it has 5 fields, and --columns names 4; name all of them, and no field may contain ';'",
            ),
            (UserId, "bob;x;2;FR", "this is a name"),
            (Country, "1;x;2;de", "upper case"),
            (Country, "1;FR;2;x1", "field 2 is the country"),
        ] {
            let found = hint_of(reason, row.as_bytes(), shape);
            assert!(found.contains(words), "{row}: {found}");
        }
    }

    #[test]
    fn a_hint_does_not_guess_the_columns_that_only_the_header_of_the_log_names() {
        use RejectReason::{Country, FieldCount, SongId};
        let rules = Rules::new(Delimiter::PIPE, None, true, CountryCodes::Iso);
        for (reason, row, words) in [
            (Country, "de|1|2", Some("upper case")),
            (SongId, "A title|-1|2|FR", Some("ids have no sign")),
            (SongId, "A title||2|FR", None),
            (Country, "Title|1|2|", None),
            (
                FieldCount,
                "a|b|1|2|FR",
                Some(
                    "it has 5 fields, which is not the number of its log's columns; no field may contain '|'",
                ),
            ),
            (FieldCount, "1|2", None),
        ] {
            let sample = RejectSample { input: 0, line: 2, reason, row: row.into() };
            let found = hint(&sample, &rules);
            let fits = match words {
                Some(words) => found.as_deref().is_some_and(|found| found.contains(words)),
                None => found.is_none(),
            };
            assert!(fits, "{row}: {found:?}");
        }
    }
}
