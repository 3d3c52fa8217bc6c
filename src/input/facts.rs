//! The facts of inputs before they are read, and after.

use crate::model::Inputs;

/// The facts of an input before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputStat<'a> {
    /// Base name, in the bytes of the file system.
    pub name: &'a [u8],
    /// Bytes of the file on disk.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// The facts of all inputs once they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Each input, in the order given.
    pub facts: Inputs,
    /// Inputs (indexes, ascending) whose last row has no LF: perhaps they were cut short.
    pub unterminated: Vec<usize>,
    /// Inputs (indexes, ascending) that came through a pipe and had no byte: perhaps their source failed.
    pub empty_pipes: Vec<usize>,
}
