//! The columns that a header, the first line of a log, names.

use super::shape::RowRules;
use super::{MAX_ROW_BYTES, naive};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Column, Columns, Rules};
use crate::text;

/// Maximum bytes of a header in a message.
const SHOWN: usize = 100;

/// The columns of a log that begins with this line: those of the rules, or otherwise those that the header names, or
/// the usual columns if it names none. [`Column::named`] has the known names.
///
/// # Errors
/// [`ErrorKind::BadHeader`] for a header that contradicts the given columns; without given columns, for a header that
/// names only some of the three columns, or a column twice.
pub fn columns_of(header: &[u8], rules: &Rules) -> Result<Columns> {
    let header = naive::without_cr(header);
    let fields = header.split(|byte| *byte == rules.delimiter().byte());
    let fields: Vec<_> = fields.map(Column::named).collect();
    let places = Column::ALL.map(|column| {
        let named = fields.iter().enumerate().filter(|(_, field)| **field == Some(column));
        named.map(|(place, _)| place).collect::<Vec<_>>()
    });
    if places.iter().all(Vec::is_empty) {
        return Ok(rules.columns().unwrap_or(Columns::USUAL));
    }
    let bad = |what: String| {
        let shown = text::name(header.get(..SHOWN).unwrap_or(header));
        Error::from(ErrorKind::BadHeader { header: shown, what })
    };
    if let Some(columns) = rules.columns() {
        let agrees = |column: Column| {
            let named = &places[column as usize];
            named.is_empty() || named.contains(&columns.place(column).into())
        };
        let is_whole = fields.len() == usize::from(columns.fields());
        return if is_whole && Column::ALL.into_iter().all(agrees) {
            Ok(columns)
        } else {
            Err(bad(format!(
                "contradicts --columns {columns}; correct it, or omit --columns to take them from the header"
            )))
        };
    }
    let [song, user, country] = Column::ALL.map(|column| match places[column as usize][..] {
        [place] => Ok(place),
        [] => Err(bad(format!("does not name {}; name the fields with --columns", column.name()))),
        _ => Err(bad(format!("names {} twice; name the fields with --columns", column.name()))),
    });
    let number = |place: usize| u8::try_from(place).unwrap_or(u8::MAX);
    let columns = Columns::new(number(fields.len()), [song?, user?, country?].map(number));
    columns.ok_or_else(|| bad(format!("has more than {} fields", Columns::MAX_FIELDS)))
}

/// Whether a header could be counted, so that it may be a row of a log without a header.
#[must_use]
pub fn is_good_row(header: &[u8], rules: &RowRules) -> bool {
    header.len() <= MAX_ROW_BYTES && naive::classify(naive::without_cr(header), rules).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, given: Option<&str>) -> std::result::Result<String, String> {
        let given = given.map(|columns| columns.parse().unwrap());
        let rules = Rules::new(",".parse().unwrap(), given, true, Default::default());
        let columns = columns_of(header.as_bytes(), &rules);
        columns.map(|columns| columns.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_taken_from_a_header_that_names_them() {
        let usual = "sng_id,user_id,country";
        for (header, expected) in [
            ("user_id,title,Song_ID,country", "user_id,_,sng_id,country"),
            ("\"country\", \"user\" ,\"song\"\r", "country,user_id,sng_id"),
            ("sng_id,user_id,country", usual),
            // None is named.
            ("", usual),
            ("# exported 2021-12-01", usual),
            ("a,b,c,d", usual),
        ] {
            assert_eq!(columns(header, None).as_deref(), Ok(expected), "{header}");
        }
    }

    #[test]
    fn a_header_that_names_some_columns_or_a_column_twice_is_refused() {
        for (header, what) in [
            ("sng_id,user_id", "\"sng_id,user_id\" does not name country; name the fields"),
            ("country", "\"country\" does not name sng_id; name the fields"),
            ("song,song_id,user,country", "names sng_id twice; name the fields with --columns"),
        ] {
            let refusal = columns(header, None).unwrap_err();
            assert!(refusal.contains(what), "{refusal}");
        }
        let long = format!("sng_id,user_id,country{}", ",x".repeat(62));
        assert!(columns(&long, None).unwrap_err().contains("has more than 64 fields"));
    }

    #[test]
    fn a_header_must_not_contradict_the_columns_that_are_given() {
        let given = Some("user_id,_,sng_id,country");
        for header in
            ["user_id,title,song_id,country", "user_id,x,y,z", "user,song,song_id,c", "#", ""]
        {
            assert_eq!(
                columns(header, given).as_deref(),
                Ok("user_id,_,sng_id,country"),
                "{header}"
            );
        }
        for header in [
            "sng_id,x,user_id,country",
            "user_id,sng_id,title,country",
            "user_id,x,sng_id",
            "a,b,c,d,user",
        ] {
            let refusal = columns(header, given).unwrap_err();
            let expected = format!(
                "the header \"{header}\" contradicts --columns user_id,_,sng_id,country; correct it, or omit \
                 --columns to take them from the header"
            );
            assert_eq!(refusal, expected);
        }
    }
}
