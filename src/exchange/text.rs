//! Rows as comma-separated values and as JSON lines. No value needs quoting.

use super::{Rows, Table};
use crate::model::{Entries, KeyText, Kind};

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
    let mut out = Vec::with_capacity(rows.entries.len() * USUAL_ROW);
    each(table, rows, |key, numbers| {
        write_key(table.kind, key, &mut out);
        for number in numbers {
            out.push(b',');
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        out.push(b'\n');
    });
    out
}

/// An object a row; codes are strings, all else numbers.
fn json_lines(table: Table, rows: Rows<'_>) -> Vec<u8> {
    let columns = table.columns();
    let mut out = Vec::with_capacity(rows.entries.len() * 2 * USUAL_ROW);
    let quote: &[u8] = if table.kind.has_codes() { b"\"" } else { b"" };
    each(table, rows, |key, numbers| {
        let name = |out: &mut Vec<u8>, before: &[u8], column: usize| {
            out.extend_from_slice(before);
            // The key's column is the first, and each number has a column after it.
            out.extend_from_slice(columns[column].as_bytes());
            out.extend_from_slice(b"\":");
        };
        name(&mut out, b"{\"", 0);
        out.extend_from_slice(quote);
        write_key(table.kind, key, &mut out);
        out.extend_from_slice(quote);
        for (column, number) in (1..).zip(numbers) {
            name(&mut out, b",\"", column);
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        out.extend_from_slice(b"}\n");
    });
    out
}

/// Calls `row` with each row: its key, then its numbers in the order of the columns.
fn each(table: Table, rows: Rows<'_>, mut row: impl FnMut(u64, &[u64])) {
    let Entries { keys, songs, counts } = rows.entries;
    for (at, (&key, (&song, &count))) in keys.iter().zip(songs.iter().zip(counts)).enumerate() {
        if table.ranked {
            // The columns have equal lengths.
            row(key, &[rows.ranks[at], song, count]);
        } else {
            row(key, &[song, count]);
        }
    }
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
        let rows = Rows {
            entries: Entries { keys: &[7, 8], songs: &[1, 9_000_000_000], counts: &[3, 1] },
            ranks: &[],
        };
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
        let rows =
            Rows { entries: Entries { keys: &[france], songs: &[5], counts: &[2] }, ranks: &[1] };
        assert_eq!(text(csv_header(table)), "country,rank,sng_id,streams\n");
        assert_eq!(text(csv(table, rows)), "FR,1,5,2\n");
        assert_eq!(
            text(json_lines(table, rows)),
            "{\"country\":\"FR\",\"rank\":1,\"sng_id\":5,\"streams\":2}\n"
        );
    }
}
