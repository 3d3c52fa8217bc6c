//! What is known of an input log.

use serde::{Deserialize, Serialize};

/// What is known of one input log once it was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFacts {
    /// Base name in bytes as the file system has it (`-` for standard input).
    pub name: Vec<u8>,
    /// Bytes of the file as it lies on disk (of the stream, for standard input).
    pub size: u64,
    /// Modification time in nanoseconds since 1970 (0 for standard input).
    pub modified_ns: i64,
    /// XXH3-128 over the little-endian XXH3-128s of its decompressed 1-MiB pieces, in order.
    pub digest: u128,
    /// Rows in it, corrupt ones too.
    pub rows: u64,
}
