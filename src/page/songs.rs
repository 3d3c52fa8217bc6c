//! Names of songs from a CSV file: columns `id`, `title` and `artist`.
//!
//! The catalogue may be far larger than the page. It is read once, a row at a time, and only the songs that are shown
//! are kept. A row that is not a song is skipped and counted, because a page is good without some names. A file that is
//! not a catalogue is refused.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::model::MAX_ID;

/// Maximum characters of a title or an artist. A longer text is cut and ends with an ellipsis.
pub const MAX_NAME_CHARACTERS: usize = 120;
/// Maximum bytes of a row. A longer row most likely has a quote that is not closed.
const MAX_ROW_BYTES: u64 = 1 << 20;

/// The name of a song. Both texts may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SongName {
    /// Title.
    pub title: String,
    /// Artist.
    pub artist: String,
}

/// Names by song id.
pub type SongNames = BTreeMap<u64, SongName>;

/// Rows of a catalogue that are not songs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedRows {
    /// Number of rows.
    pub rows: u64,
    /// The line of the first row.
    pub first_line: u64,
}

/// Reads the names of the `wanted` songs. If an id occurs more than once, the last row counts.
///
/// The first row names the columns, in any order and among any others; `artist` is optional. Memory: one row of at most
/// 1 MiB, and the names.
///
/// # Errors
/// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) for a file without the columns or with a row of over 1 MiB, with
/// the line; [`ErrorKind::Io`](crate::ErrorKind::Io) for a file that cannot be read. The caller adds the path.
pub fn read_song_names(
    catalogue: impl Read,
    wanted: &BTreeSet<u64>,
) -> Result<(SongNames, Option<SkippedRows>)> {
    let taken = Rc::new(Cell::new(0));
    let bounded = Bounded { source: catalogue, taken: Rc::clone(&taken) };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bounded);
    let columns = Columns::find(reader.byte_headers().map_err(refused)?)?;
    let mut names = SongNames::new();
    let mut skipped: Option<SkippedRows> = None;
    let mut row = csv::ByteRecord::new();
    loop {
        taken.set(0);
        if !reader.read_byte_record(&mut row).map_err(refused)? {
            return Ok((names, skipped));
        }
        match columns.song_of(&row) {
            Some((id, name)) if wanted.contains(&id) => drop(names.insert(id, name)),
            Some(_) => {}
            None => {
                let line = row.position().map_or(0, csv::Position::line);
                let skipped = skipped.get_or_insert(SkippedRows { rows: 0, first_line: line });
                skipped.rows += 1;
            }
        }
    }
}

/// The positions of the columns.
struct Columns {
    id: usize,
    title: usize,
    artist: Option<usize>,
}

impl Columns {
    fn find(header: &csv::ByteRecord) -> Result<Self> {
        let find = |name: &str| {
            let named = |cell: &[u8]| cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            header.iter().position(named)
        };
        match (find("id"), find("title")) {
            (Some(id), Some(title)) => Ok(Columns { id, title, artist: find("artist") }),
            _ => {
                let what = "the first row does not have the columns id,title,artist";
                Err(Error::damaged(what).at_line(1))
            }
        }
    }

    /// The song of a row, if it has an id and its texts are UTF-8.
    fn song_of(&self, row: &csv::ByteRecord) -> Option<(u64, SongName)> {
        let text = |at: usize| std::str::from_utf8(row.get(at)?).ok().map(str::trim);
        let digits = text(self.id).filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?;
        let id = digits.parse().ok().filter(|id| *id <= MAX_ID)?;
        let title = shortened(text(self.title)?);
        let artist = match self.artist {
            Some(at) => shortened(text(at)?),
            None => String::new(),
        };
        Some((id, SongName { title, artist }))
    }
}

/// At most [`MAX_NAME_CHARACTERS`] of the text.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME_CHARACTERS) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MAX_NAME_CHARACTERS - 1).chain(['…']).collect(),
    }
}

/// Fails when a row has taken more bytes than the maximum, before the reader holds all of it.
struct Bounded<R> {
    source: R,
    /// Bytes since the last row began.
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken.get() > MAX_ROW_BYTES {
            return Err(io::Error::other(TooLong));
        }
        let read = self.source.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// A row that exceeds the maximum.
#[derive(Debug, thiserror::Error)]
#[error("a row exceeds 1 MiB; close its quotes")]
struct TooLong;

fn refused(error: csv::Error) -> Error {
    let line = error.position().map(csv::Position::line);
    let text = error.to_string();
    let error = match error.into_kind() {
        csv::ErrorKind::Io(source) if source.get_ref().is_some_and(|why| why.is::<TooLong>()) => {
            Error::damaged(TooLong.to_string())
        }
        csv::ErrorKind::Io(source) => Error::io("read", source),
        _ => Error::damaged(text),
    };
    match line {
        Some(line) => error.at_line(line),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    fn read(text: impl AsRef<[u8]>) -> Result<(SongNames, Option<SkippedRows>)> {
        read_song_names(text.as_ref(), &BTreeSet::from([1, 2, MAX_ID]))
    }

    fn name(title: &str, artist: &str) -> SongName {
        SongName { title: title.to_owned(), artist: artist.to_owned() }
    }

    #[test]
    fn names_of_wanted_songs_are_kept_whatever_the_order_of_the_columns() {
        let text = "\u{feff}Artist,year, ID ,title\r\n\"A, \"\"B\"\"\",1999,007,not wanted\r\n\
                    X,,1,\"two\nlines\"\r\n,,2, plain \r\nY,,1,the last row counts\r\n";
        let expected =
            SongNames::from([(1, name("the last row counts", "Y")), (2, name("plain", ""))]);
        assert_eq!(read(text).unwrap(), (expected, None));
        let (names, _) = read("id,title\n9223372036854775807,no artist").unwrap();
        assert_eq!(names, SongNames::from([(MAX_ID, name("no artist", ""))]));
    }

    #[test]
    fn rows_that_are_not_songs_are_skipped_and_counted() {
        let mut text = b"id,title,artist\n1,good,x\n-2,sign,x\n2\n,none,x\n".to_vec();
        text.extend(b"9223372036854775808,beyond,x\n2,\xff,x\n2,late,y\n");
        let expected = SongNames::from([(1, name("good", "x")), (2, name("late", "y"))]);
        let skipped = SkippedRows { rows: 5, first_line: 3 };
        assert_eq!(read(text).unwrap(), (expected, Some(skipped)));
    }

    #[test]
    fn a_file_that_is_not_a_list_of_songs_is_refused() {
        for text in ["", "1,one,x\n2,two,y\n", "id,artist\n"] {
            let error = read(text).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Data, "{text}");
            assert!(error.to_string().contains("id,title,artist"), "{error}");
        }
        let endless = format!("id,title\n1,good\n2,\"{}", "x,y\n".repeat(1 << 19));
        let error = read(endless).unwrap_err().to_string();
        assert!(error.contains("exceeds 1 MiB"), "{error}");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let long = "é".repeat(MAX_NAME_CHARACTERS + 1);
        let (names, _) = read(format!("id,title\n1,{long}\n2,{}", &long[2..])).unwrap();
        let cut = format!("{}…", "é".repeat(MAX_NAME_CHARACTERS - 1));
        assert_eq!(names, SongNames::from([(1, name(&cut, "")), (2, name(&long[2..], ""))]));
    }
}
