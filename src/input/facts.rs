//! What is known of inputs before they are read, and after.

use crate::model::Inputs;

/// What an input looks like from outside, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputStat<'a> {
    /// Base name in bytes as the file system has it.
    pub name: &'a [u8],
    /// Bytes of the file as it lies on disk.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// What is known once all is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Each input, in the order given.
    pub facts: Inputs,
    /// Inputs (indexes, ascending) whose last row has no LF: perhaps they were cut short.
    pub unterminated: Vec<usize>,
}
