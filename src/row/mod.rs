//! Stage 2: the bytes of whole rows to columns of accepted rows, and an account of the others.
//!
//! **A row** is `sng_id|user_id|country`: the bytes up to an LF or the end, less that LF, then less
//! one CR. Ids are one or more ASCII digits of a value up to 2^63-1 (leading zeros do not change it,
//! signs are refused), a country is two capitals of a [`CountrySet`]. Spaces and tabs around a field
//! are ignored; every other byte is data, so a NUL, a second CR or a byte that is not UTF-8 makes its
//! field invalid. Any other line is corrupt: it is rejected under the first [`RejectReason`] that holds,
//! is counted, and is never repaired.
//!
//! [`RejectReason`]: crate::model::RejectReason
//!
//! **Two ways to the same answer.** [`parse()`] tries each row with `plain`, which takes the plain rows
//! that nearly all rows are and refuses everything else without saying why. A refused row goes to
//! `naive`, which has the rules one after the other, and decides.
//!
//! Left to others: opening, decompressing and cutting logs into windows of whole rows, the byte-order
//! mark among it (`input`), and counting (`run`).

mod country;
mod naive;
mod parse;
mod plain;
mod reject;
mod shown;

pub use country::CountrySet;
pub use parse::parse;
pub use reject::{RejectLog, RejectReport, RejectSample};
pub use shown::ShownRejects;

/// The most bytes of a row, without its LF and one CR.
pub const MAX_ROW_BYTES: usize = 4096;

/// One accepted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AcceptedRow {
    /// At most [`MAX_ID`](crate::model::MAX_ID).
    song: u64,
    /// At most [`MAX_ID`](crate::model::MAX_ID).
    user: u64,
    /// Number of a country of the set in force.
    country: u16,
}
