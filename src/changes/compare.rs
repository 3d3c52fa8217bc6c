//! Two files of tops to the keys that differ.

use std::io::Write;

use super::TopsLines;
use crate::error::{Error, Result};

/// Takes the keys that differ, in their order.
pub trait TakeChange {
    /// A key whose line is new, other, or gone: each side stands on its line of the key, or is `None` if it has none.
    fn take(
        &mut self,
        key: u64,
        older: Option<&TopsLines>,
        newer: Option<&TopsLines>,
    ) -> Result<()>;
}

/// How many lines pass between two calls of `check`.
pub(super) const LINES_A_CHECK: u64 = 1 << 14;

/// Passes every key whose lines differ to `take`. Time: one pass over both files. `check` is called once in a while, and
/// can end the comparison with an error.
///
/// # Errors
/// What is wrong with a line ([`TopsLines::next_line`]), and the errors of `take` and `check`.
pub fn compare(
    older: &mut TopsLines,
    newer: &mut TopsLines,
    take: &mut dyn TakeChange,
    check: &dyn Fn() -> Result<()>,
) -> Result<()> {
    for lines in 0_u64.. {
        if lines.is_multiple_of(LINES_A_CHECK) {
            check()?;
        }
        match (older.key(), newer.key()) {
            (None, None) => break,
            (Some(old), Some(new)) if old == new => {
                if older.line().bytes != newer.line().bytes {
                    take.take(new, Some(older), Some(newer))?;
                }
                older.next_line()?;
                newer.next_line()?;
            }
            (old, Some(new)) if old.is_none_or(|old| new < old) => {
                take.take(new, None, Some(newer))?;
                newer.next_line()?;
            }
            (Some(old), _) => {
                take.take(old, Some(older), None)?;
                older.next_line()?;
            }
            (None, Some(_)) => {}
        }
    }
    Ok(())
}

/// Writes what differs as lines: those of the newer file as they are, and `key|` for a key that is gone.
#[derive(Debug)]
pub struct ChangedLines<W> {
    out: W,
    keys: u64,
}

impl<W: Write> ChangedLines<W> {
    /// Lines for `out`, which should have a buffer.
    pub fn new(out: W) -> Self {
        ChangedLines { out, keys: 0 }
    }

    /// The writer, not flushed, and the number of lines.
    pub fn finish(self) -> (W, u64) {
        (self.out, self.keys)
    }
}

impl<W: Write> TakeChange for ChangedLines<W> {
    fn take(&mut self, _: u64, older: Option<&TopsLines>, newer: Option<&TopsLines>) -> Result<()> {
        self.keys += 1;
        let written = match (newer, older) {
            (Some(newer), _) => self.out.write_all(newer.line().bytes),
            (None, Some(older)) => {
                self.out.write_all(older.line().key()).and_then(|()| self.out.write_all(b"\n"))
            }
            (None, None) => Ok(()),
        };
        written.map_err(|error| Error::io("write", error))
    }
}
