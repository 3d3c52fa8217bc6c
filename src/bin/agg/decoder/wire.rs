//! The protocol of a decoder and its parent over a socket.
//!
//! A request is the number of a row group, 8 bytes. An answer is one frame or more: a tag of one byte, the length of its
//! content in 4 bytes, the content. All numbers are little-endian. The first frame, without a request, is the outline; a
//! row group is some frames of rows and an end; a refusal may replace any frame and is the last.

use std::io::{self, BufWriter, Write};

use agg::exchange::{Facts, GroupOutline, Outline, SONG, STREAMS};
use agg::{Batch, Error, ErrorKind, Kind, Result};
use serde::{Deserialize, Serialize};

/// Maximum rows of a frame.
pub(super) const MAX_ROWS: usize = 64 << 10;
/// Maximum bytes of a row.
const ROW: usize = 24;
/// Bytes before a frame's content.
pub(super) const HEADER: usize = 5;
/// Maximum content, except an outline's.
pub(super) const MAX_CONTENT: usize = 4 + 3 + MAX_ROWS * ROW;

/// The outline as JSON.
pub(super) const OUTLINE: u8 = 1;
/// Rows: their number, then their keys, their songs, their counts.
pub(super) const ROWS: u8 = 2;
/// The end of a row group, without content.
pub(super) const END: u8 = 3;
/// Why the table is refused, as JSON.
pub(super) const REFUSAL: u8 = 4;

/// Writes a frame.
pub(super) fn send(to: &mut impl Write, tag: u8, content: &[u8]) -> io::Result<()> {
    to.write_all(&frame(tag, content.len())?)?;
    to.write_all(content)
}

/// A header.
fn frame(tag: u8, length: usize) -> io::Result<[u8; HEADER]> {
    let [a, b, c, d] = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
    Ok([tag, a, b, c, d])
}

/// A header's tag and length.
pub(super) fn header(bytes: [u8; HEADER]) -> (u8, usize) {
    let [tag, length @ ..] = bytes;
    (tag, usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX))
}

/// Appends rows as they are sent: their number in 4 bytes, then each column.
pub(super) fn put_rows(batch: &Batch, to: &mut Vec<u8>) {
    to.extend(u32::try_from(batch.len()).unwrap_or(u32::MAX).to_le_bytes());
    for column in [&batch.keys, &batch.songs, &batch.counts] {
        match column.iter().fold(0, |all, value| all | value) {
            0..=0xff => put_column::<1>(column, to),
            0x100..=0xffff => put_column::<2>(column, to),
            0x1_0000..=0xffff_ffff => put_column::<4>(column, to),
            _ => put_column::<8>(column, to),
        }
    }
}

/// A byte with the bytes of a value, and the values. Copying fewer bytes through the kernel pays.
fn put_column<const WIDTH: usize>(column: &[u64], to: &mut Vec<u8>) {
    to.extend(u8::try_from(WIDTH));
    let start = to.len();
    to.resize(start + WIDTH * column.len(), 0);
    let (chunks, _) = to.get_mut(start..).unwrap_or_default().as_chunks_mut::<WIDTH>();
    for (chunk, value) in chunks.iter_mut().zip(column) {
        if let Some(low) = value.to_le_bytes().first_chunk() {
            *chunk = *low;
        }
    }
}

/// Replaces the rows of `batch` by those of a frame; false if they are not valid rows.
pub(super) fn take_rows(content: &[u8], batch: &mut Batch) -> bool {
    take_columns(content, batch).is_some_and(<[u8]>::is_empty)
}

/// What follows the rows, if there are all of them.
fn take_columns<'a>(content: &'a [u8], batch: &mut Batch) -> Option<&'a [u8]> {
    batch.clear();
    let (rows, mut rest) = content.split_first_chunk()?;
    let rows = usize::try_from(u32::from_le_bytes(*rows)).ok()?;
    for column in [&mut batch.keys, &mut batch.songs, &mut batch.counts] {
        let (&width, after) = rest.split_first()?;
        let (values, after) = after.split_at_checked(rows.checked_mul(width.into())?)?;
        match width {
            1 => take_column::<1>(values, column),
            2 => take_column::<2>(values, column),
            4 => take_column::<4>(values, column),
            8 => take_column::<8>(values, column),
            _ => return None,
        }
        rest = after;
    }
    Some(rest)
}

fn take_column<const WIDTH: usize>(values: &[u8], column: &mut Vec<u64>) {
    let (values, _) = values.as_chunks::<WIDTH>();
    column.extend(values.iter().map(|value| {
        let mut bytes = [0; 8];
        if let Some(low) = bytes.first_chunk_mut() {
            *low = *value;
        }
        u64::from_le_bytes(bytes)
    }));
}

/// The most pairs of a footer.
const MAX_PAIRS: usize = 6;

#[derive(Serialize, Deserialize)]
struct SentOutline {
    /// The column of its keys.
    key: String,
    /// The facts as the pairs of a footer.
    pairs: Option<[Option<(String, String)>; MAX_PAIRS]>,
    footer_bytes: u64,
    groups: Vec<GroupOutline>,
}

/// Sends an outline, whose list of logs can be long: its text is not held.
pub(super) fn send_outline(to: &mut impl Write, outline: &Outline) -> Result<()> {
    let pairs = outline.facts.as_ref().map(Facts::pairs).transpose()?;
    let owned = |pairs: Vec<(&str, String)>| {
        let mut pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value));
        std::array::from_fn(|_| pairs.next())
    };
    let sent = SentOutline {
        key: outline.kind.column().to_owned(),
        pairs: pairs.map(owned),
        footer_bytes: outline.footer_bytes,
        groups: outline.groups.clone(),
    };
    let mut length = Length(0);
    let written = serde_json::to_writer(&mut length, &sent).map_err(io::Error::other);
    let header = written.and_then(|()| frame(OUTLINE, length.0));
    let sent = header.and_then(|header| {
        let mut to = BufWriter::with_capacity(64 << 10, to);
        to.write_all(&header)?;
        serde_json::to_writer(&mut to, &sent).map_err(io::Error::other)?;
        to.flush()
    });
    sent.map_err(|error| Error::io("send an answer", error))
}

/// Counts the bytes that are written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The outline that [`send_outline`] sent; `None` if it is not an outline.
pub(super) fn outline_of_json(content: Vec<u8>) -> Option<Outline> {
    let sent: SentOutline = serde_json::from_slice(&content).ok()?;
    drop(content);
    let facts = match &sent.pairs {
        Some(pairs) => {
            let pairs = pairs.iter().flatten().map(|(key, value)| (&**key, &**value));
            Some(Facts::read(pairs).ok()??)
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

/// And back; `None` if it is not an error.
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
    use agg::exchange::{Origin, PartialFacts};
    use agg::model::{InputFacts, RejectCounts};

    use super::*;

    fn facts() -> Facts {
        let day = "2021-12-01".parse().unwrap();
        let digest = "5".repeat(32);
        let log = InputFacts { name: b"\xff\"", size: 8, modified_ns: -7, digest: 5, rows: 9 };
        Facts {
            origin: Origin::Day(day),
            partials: vec![PartialFacts { day, version: 1, digest, rules: None }],
            rows: 9,
            rejects: Some(RejectCounts([1, 0, 2, 0, 0, 0])),
            inputs: [log].into_iter().collect(),
        }
    }

    fn batch(entries: &[(u64, u64, u64)]) -> Batch {
        entries.iter().map(|&(key, song, count)| Entry { key, song, count }).collect()
    }

    #[test]
    fn rows_arrive_as_they_were_sent_and_half_a_row_is_refused() {
        let (mut bytes, mut back) = (Vec::new(), Batch::default());
        put_rows(&batch(&[(1, 256, 1 << 16), (2, 3, 1)]), &mut bytes);
        let spelled = [2, 0, 0, 0, 1, 1, 2, 2, 0, 1, 3, 0, 4, 0, 0, 1, 0, 1, 0, 0, 0];
        assert_eq!(bytes, spelled);
        for length in 0..spelled.len() {
            assert!(!take_rows(&spelled[..length], &mut back), "{length}");
        }
        assert!(!take_rows(&[spelled.as_slice(), &[0]].concat(), &mut back));
        assert!(!take_rows(&[1, 0, 0, 0, 3, 1, 1, 1, 1, 1, 1, 1], &mut back), "three bytes");
        let edges = [0, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, u64::MAX];
        for (key, song, count) in edges.iter().flat_map(|&edge| [(edge, 1, 0), (0, edge, edge)]) {
            let sent = batch(&[(key, song, count), (0, 7, 1)]);
            bytes.clear();
            put_rows(&sent, &mut bytes);
            assert!(take_rows(&bytes, &mut back) && back.iter().eq(sent.iter()));
        }
        bytes.clear();
        put_rows(&Batch::default(), &mut bytes);
        assert!(take_rows(&bytes, &mut back) && back.is_empty());
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
        for facts in [None, Some(facts())] {
            let outline = Outline { facts, ..outline.clone() };
            let mut sent = Vec::new();
            send_outline(&mut sent, &outline).unwrap();
            let json = sent.split_off(HEADER);
            assert_eq!(header(sent.try_into().unwrap()), (OUTLINE, json.len()));
            assert_eq!(outline_of_json(json), Some(outline));
        }
        assert!(outline_of_json(b"[]".to_vec()).is_none() && refusal_of_json(b"{}").is_none());
    }
}
