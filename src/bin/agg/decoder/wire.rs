//! What a decoder and its parent send each other over a socket.
//!
//! A request is the number of a row group, 8 bytes. An answer is one frame or more: a tag of one byte, the length of its
//! content in 4 bytes, the content. All numbers are little-endian. The first frame, without a request, is the outline; a
//! row group is some frames of rows and an end; a refusal may take the place of any frame and is the last.

use std::io::{self, Write};

use agg::exchange::{Facts, GroupOutline, Outline, SONG, STREAMS};
use agg::{Batch, Error, ErrorKind, Kind, Result};
use serde::{Deserialize, Serialize};

/// The most rows of a frame.
pub(super) const MAX_ROWS: usize = 64 << 10;
/// Bytes of a row.
const ROW: usize = 24;
/// Bytes before a frame's content.
pub(super) const HEADER: usize = 5;
/// The longest content but for that of an outline.
pub(super) const MAX_CONTENT: usize = MAX_ROWS * ROW;

/// The outline as JSON.
pub(super) const OUTLINE: u8 = 1;
/// Rows: their keys, their songs, their counts, 8 bytes each.
pub(super) const ROWS: u8 = 2;
/// The end of a row group: the decoder's peak memory in bytes.
pub(super) const END: u8 = 3;
/// Why the table is refused, as JSON.
pub(super) const REFUSAL: u8 = 4;

/// Writes a frame at once.
pub(super) fn send(to: &mut impl Write, tag: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(HEADER + content.len());
    frame.push(tag);
    frame.extend(length.to_le_bytes());
    frame.extend(content);
    to.write_all(&frame)
}

/// A header's tag and length.
pub(super) fn header(bytes: [u8; HEADER]) -> (u8, usize) {
    let [tag, length @ ..] = bytes;
    (tag, usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX))
}

/// Appends rows as they are sent.
pub(super) fn put_rows(batch: &Batch, to: &mut Vec<u8>) {
    for column in [&batch.keys, &batch.songs, &batch.counts] {
        to.extend(column.iter().flat_map(|value| value.to_le_bytes()));
    }
}

/// Replaces the rows of `batch` by those of a frame; false when they cannot be rows.
pub(super) fn take_rows(content: &[u8], batch: &mut Batch) -> bool {
    batch.clear();
    let mut columns = content.chunks_exact((content.len() / 3).max(1));
    for column in [&mut batch.keys, &mut batch.songs, &mut batch.counts] {
        let (values, _) = columns.next().unwrap_or_default().as_chunks();
        column.extend(values.iter().map(|value| u64::from_le_bytes(*value)));
    }
    content.len().is_multiple_of(ROW) && batch.len() * ROW == content.len()
}

#[derive(Serialize, Deserialize)]
struct SentOutline {
    /// The column of its keys.
    key: String,
    /// The facts as the pairs of a footer.
    pairs: Option<Vec<(String, String)>>,
    footer_bytes: u64,
    groups: Vec<GroupOutline>,
}

/// An outline as the content of a frame.
pub(super) fn outline_to_json(outline: &Outline) -> Result<Vec<u8>> {
    let pairs = outline.facts.as_ref().map(Facts::pairs).transpose()?;
    let owned = |pairs: Vec<(&str, String)>| {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let sent = SentOutline {
        key: outline.kind.column().to_owned(),
        pairs: pairs.map(owned),
        footer_bytes: outline.footer_bytes,
        groups: outline.groups.clone(),
    };
    json(&sent)
}

/// And back; `None` for what is no outline.
pub(super) fn outline_of_json(content: &[u8]) -> Option<Outline> {
    let sent: SentOutline = serde_json::from_slice(content).ok()?;
    let facts = match &sent.pairs {
        Some(pairs) => {
            Some(Facts::read(pairs.iter().map(|(key, value)| (&**key, &**value))).ok()??)
        }
        None => None,
    };
    let kind = Kind::ALL.into_iter().find(|kind| kind.column() == sent.key)?;
    Some(Outline { kind, facts, footer_bytes: sent.footer_bytes, groups: sent.groups })
}

/// The errors that a decoder meets.
#[derive(Serialize, Deserialize)]
enum Refusal {
    NotParquet(String),
    BadTable(String),
    BadRow { column: String, row: u64, reason: String },
    NewerVersion { found: u16, newest: u16 },
    Read(i32),
}

/// An error as the content of a frame, without its path.
pub(super) fn refusal_to_json(error: &Error) -> Result<Vec<u8>> {
    json(&match error.kind() {
        ErrorKind::BadTable(text) => Refusal::BadTable(text.clone()),
        ErrorKind::BadRow { column, row, reason } => {
            Refusal::BadRow { column: (*column).to_owned(), row: *row, reason: reason.clone() }
        }
        ErrorKind::NewerVersion { found, newest } => {
            Refusal::NewerVersion { found: *found, newest: *newest }
        }
        ErrorKind::Io { source, .. } => Refusal::Read(source.raw_os_error().unwrap_or(0)),
        ErrorKind::NotParquet(text) => Refusal::NotParquet(text.clone()),
        other => Refusal::NotParquet(other.to_string()),
    })
}

/// And back; `None` for what is no error.
pub(super) fn refusal_of_json(content: &[u8]) -> Option<Error> {
    Some(match serde_json::from_slice(content).ok()? {
        Refusal::NotParquet(text) => ErrorKind::NotParquet(text).into(),
        Refusal::BadTable(text) => ErrorKind::BadTable(text).into(),
        Refusal::BadRow { column, row, reason } => {
            let columns = Kind::ALL.map(Kind::column).into_iter().chain([SONG, STREAMS]);
            let column = columns.into_iter().find(|known| **known == column)?;
            ErrorKind::BadRow { column, row, reason }.into()
        }
        Refusal::NewerVersion { found, newest } => ErrorKind::NewerVersion { found, newest }.into(),
        Refusal::Read(number) => Error::io("read", io::Error::from_raw_os_error(number)),
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::io("send an answer", io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use agg::Entry;

    use super::*;

    #[test]
    fn rows_arrive_as_they_were_sent_and_half_a_row_is_refused() {
        let batch: Batch =
            (1..4).map(|at| Entry { key: at, song: u64::MAX - at, count: at << 40 }).collect();
        let (mut bytes, mut back) = (Vec::new(), Batch::default());
        put_rows(&batch, &mut bytes);
        assert_eq!(bytes.len(), 3 * ROW);
        assert_eq!(bytes[..16], [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert!(take_rows(&bytes, &mut back));
        assert!(back.iter().eq(batch.iter()));
        assert!(take_rows(&[], &mut back) && back.is_empty());
        for length in 1..bytes.len() {
            assert_eq!(take_rows(&bytes[..length], &mut back), length % ROW == 0, "{length}");
        }
    }

    #[test]
    fn a_frame_is_a_tag_a_length_and_the_content() {
        let mut bytes = Vec::new();
        send(&mut bytes, END, &[7, 8]).unwrap();
        assert_eq!(bytes, [3, 2, 0, 0, 0, 7, 8]);
        assert_eq!(header([3, 2, 0, 0, 0]), (END, 2));
    }

    #[test]
    fn errors_and_outlines_arrive_as_they_were() {
        let kinds = [
            ErrorKind::NotParquet("x".to_owned()),
            ErrorKind::BadTable("y".to_owned()),
            ErrorKind::BadRow { column: "sng_id", row: 7, reason: "z".to_owned() },
            ErrorKind::NewerVersion { found: 9, newest: 1 },
            ErrorKind::Io { action: "read", source: io::Error::from_raw_os_error(5) },
        ];
        for kind in kinds {
            let error = Error::from(kind);
            let back = refusal_of_json(&refusal_to_json(&error).unwrap()).unwrap();
            assert_eq!(back.to_string(), error.to_string());
        }
        let groups = vec![
            GroupOutline { rows: 3, keys: None },
            GroupOutline { rows: u64::MAX, keys: Some((0, u64::MAX)) },
        ];
        let outline = Outline { kind: Kind::Country, facts: None, footer_bytes: 99, groups };
        let json = outline_to_json(&outline).unwrap();
        assert_eq!(outline_of_json(&json), Some(outline));
        assert!(outline_of_json(b"[]").is_none() && refusal_of_json(b"{}").is_none());
    }
}
