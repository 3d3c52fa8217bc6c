//! Rows as comma-separated values and as JSON lines. No value needs quoting.

use super::{Rows, Table};
use crate::model::{KeyText, Kind};

/// A way to write rows as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextForm {
    /// The first bytes of a file.
    pub(super) header: fn(Table) -> Vec<u8>,
    /// The lines of some rows.
    pub(super) lines: fn(Table, Rows<'_>) -> Vec<u8>,
}

/// Comma-separated values.
pub(super) const CSV: TextForm = TextForm { header: csv_header, lines: csv };
/// JSON objects.
pub(super) const JSON_LINES: TextForm = TextForm { header: |_| Vec::new(), lines: json_lines };

/// Usual bytes of a row, to reserve memory.
const USUAL_ROW: usize = 32;

/// The first line of a CSV file.
fn csv_header(table: Table) -> Vec<u8> {
    let mut line = table.columns().join(",").into_bytes();
    line.push(b'\n');
    line
}

/// A line a row, fields separated by commas.
fn csv(table: Table, rows: Rows<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.keys.len() * USUAL_ROW);
    let columns = numbers(table, rows);
    for (at, key) in rows.keys.iter().enumerate() {
        write_key(table.kind, *key, &mut out);
        for column in &columns {
            out.push(b',');
            if let Some(number) = column.number(at) {
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
        out.push(b'\n');
    }
    out
}

/// An object a row; codes are strings, all else numbers or null.
fn json_lines(table: Table, rows: Rows<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.keys.len() * 2 * USUAL_ROW);
    let quote: &[u8] = if table.kind.has_codes() { b"\"" } else { b"" };
    let columns = numbers(table, rows);
    let name = |out: &mut Vec<u8>, before: &[u8], name: &str| {
        out.extend_from_slice(before);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    for (at, key) in rows.keys.iter().enumerate() {
        name(&mut out, b"{\"", table.kind.column());
        out.extend_from_slice(quote);
        write_key(table.kind, *key, &mut out);
        out.extend_from_slice(quote);
        for column in &columns {
            name(&mut out, b",\"", column.name);
            match column.number(at) {
                Some(number) => {
                    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b"}\n");
    }
    out
}

/// A column after the key's.
struct Numbers<'a> {
    name: &'static str,
    values: &'a [u64],
    is_optional: bool,
}

impl Numbers<'_> {
    /// The value of a row; `None` if it has none.
    #[inline]
    fn number(&self, row: usize) -> Option<u64> {
        // The columns have equal lengths.
        let value = self.values[row];
        (value > 0 || !self.is_optional).then_some(value)
    }
}

fn numbers<'a>(table: Table, rows: Rows<'a>) -> Vec<Numbers<'a>> {
    let columns = table.columns().into_iter().skip(1).zip(rows.numbers);
    let numbers = |(name, values): (&'static str, &&'a [u64])| Numbers {
        name,
        values,
        is_optional: table.is_optional(name),
    };
    columns.map(numbers).collect()
}

fn write_key(kind: Kind, key: u64, out: &mut Vec<u8>) {
    match kind.key_text(key) {
        KeyText::Code(code) => out.extend_from_slice(code.as_bytes()),
        KeyText::Number(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn counts_are_these_lines() {
        let table = Table::counts(Kind::User);
        let rows = Rows { keys: &[7, 8], numbers: &[&[1, 9_000_000_000], &[3, 1]] };
        assert_eq!(text(csv_header(table)), "user_id,sng_id,streams\n");
        assert_eq!(text(csv(table, rows)), "7,1,3\n8,9000000000,1\n");
        assert_eq!(
            text(json_lines(table, rows)),
            "{\"user_id\":7,\"sng_id\":1,\"streams\":3}\n{\"user_id\":8,\"sng_id\":9000000000,\"streams\":1}\n"
        );
    }

    #[test]
    fn tops_have_a_rank_and_countries_their_letters() {
        let table = Table::tops(Kind::Country);
        let france = Kind::Country.parse_key("FR").unwrap();
        let rows = Rows { keys: &[france], numbers: &[&[1], &[5], &[2]] };
        assert_eq!(text(csv_header(table)), "country,rank,sng_id,streams\n");
        assert_eq!(text(csv(table, rows)), "FR,1,5,2\n");
        assert_eq!(
            text(json_lines(table, rows)),
            "{\"country\":\"FR\",\"rank\":1,\"sng_id\":5,\"streams\":2}\n"
        );
    }

    #[test]
    fn a_change_without_one_of_its_sides_is_empty_or_null_there() {
        let table = Table::changes(Kind::User);
        let numbers: [&[u64]; 5] = [&[0, 5], &[1, 0], &[0, 2], &[9, 0], &[0, 3]];
        let rows = Rows { keys: &[0, 7], numbers: &numbers };
        let header = "user_id,sng_id,old_rank,new_rank,old_streams,new_streams\n";
        assert_eq!(text(csv_header(table)), header);
        assert_eq!(text(csv(table, rows)), "0,0,1,,9,\n7,5,,2,,3\n");
        let lines = concat!(
            r#"{"user_id":0,"sng_id":0,"old_rank":1,"new_rank":null,"old_streams":9,"new_streams":null}"#,
            "\n",
            r#"{"user_id":7,"sng_id":5,"old_rank":null,"new_rank":2,"old_streams":null,"new_streams":3}"#,
            "\n"
        );
        assert_eq!(text(json_lines(table, rows)), lines);
    }
}
