//! What is known of an input log.

use serde::{Deserialize, Serialize};

use crate::text::json;

/// What is known of one input log once it was read to its end. In partials it is binary; in reports and tables, JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFacts {
    /// Base name in bytes as the file system has it (`-` for standard input).
    #[serde(with = "json::name")]
    pub name: Vec<u8>,
    /// Bytes of the file as it lies on disk (of the stream, for standard input).
    #[serde(rename = "bytes")]
    pub size: u64,
    /// Modification time in nanoseconds since 1970 (0 for standard input).
    pub modified_ns: i64,
    /// XXH3-128 over the little-endian XXH3-128s of its decompressed 1-MiB pieces, in order.
    #[serde(with = "json::hex128")]
    pub digest: u128,
    /// Rows in it, corrupt ones too.
    pub rows: u64,
}
