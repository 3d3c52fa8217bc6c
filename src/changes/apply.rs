//! A difference and the older file to the newer file.

use std::io::Write;

use super::TopsLines;
use super::compare::LINES_A_CHECK;
use crate::error::{Error, Result};
use crate::model::Ranked;

/// Writes the newer file to `out`, which should have a buffer; returns the number of its lines. `check` is called as by
/// [`compare`](super::compare()).
///
/// A difference from another file than `older` is refused where it shows: it removes a key that `older` lacks, or has a
/// line that `older` has.
///
/// # Errors
/// [`ErrorKind::BadLine`](crate::ErrorKind::BadLine) with path and line, for any line of either file that is not as an
/// emission or a difference has it; the errors of `out` and `check`. A part of the newer file may be written then.
pub fn apply(
    changes: TopsLines,
    older: TopsLines,
    out: &mut dyn Write,
    check: &dyn Fn() -> Result<()>,
) -> Result<u64> {
    if let (Some(kind), Some(other)) = (changes.kind(), older.kind())
        && kind != other
    {
        return Err(changes.wrong("its key is of another kind than the keys of the older file"));
    }
    let mut run = Run { changes, older, out, songs: Vec::new(), written: 0 };
    for lines in 0_u64.. {
        if lines.is_multiple_of(LINES_A_CHECK) {
            check()?;
        }
        match (run.changes.key(), run.older.key()) {
            (None, None) => break,
            (Some(key), old) if old.is_none_or(|old| key <= old) => run.change(old == Some(key))?,
            _ => run.keep()?,
        }
    }
    Ok(run.written)
}

struct Run<'a> {
    changes: TopsLines,
    older: TopsLines,
    out: &'a mut dyn Write,
    /// The songs of a line that is checked.
    songs: Vec<Ranked>,
    /// Lines of the newer file so far.
    written: u64,
}

impl Run<'_> {
    /// Copies the older file's line.
    fn keep(&mut self) -> Result<()> {
        self.check_older()?;
        write(self.out, self.older.line().bytes)?;
        self.written += 1;
        self.older.next_line()
    }

    /// Takes the line of the difference, `in_place` of the older file's.
    fn change(&mut self, in_place: bool) -> Result<()> {
        let Run { changes, older, songs, .. } = self;
        changes.songs(songs)?;
        let is_gone = songs.is_empty();
        if is_gone && !in_place {
            return Err(changes.wrong(
                "removes a key that the older file lacks; use the file that it is a difference from",
            ));
        }
        if in_place && changes.line().bytes == older.line().bytes {
            return Err(changes
                .wrong("the older file has this line; use the file that it is a difference from"));
        }
        if in_place {
            self.check_older()?;
        }
        if !is_gone {
            write(self.out, self.changes.line().bytes)?;
            self.written += 1;
        }
        self.changes.next_line()?;
        if in_place { self.older.next_line() } else { Ok(()) }
    }

    fn check_older(&mut self) -> Result<()> {
        self.older.songs(&mut self.songs)?;
        if self.songs.is_empty() { Err(self.older.wrong("a key without songs")) } else { Ok(()) }
    }
}

fn write(out: &mut dyn Write, line: &[u8]) -> Result<()> {
    out.write_all(line).map_err(|error| Error::io("write", error))
}
