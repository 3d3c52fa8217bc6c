//! Stage 2: the bytes of whole rows to columns of accepted rows, and counts of the rejected rows.
//!
//! **A row** is `sng_id|user_id|country`: the bytes up to an LF or the end, without that LF and without one CR before
//! it. Ids are one or more ASCII digits of a value up to 2^63-1 (leading zeros do not change it, signs are refused). A
//! country is two capitals of a [`CountrySet`]. Spaces and tabs around a field are ignored. Every other byte is data,
//! so a NUL, a second CR or a byte that is not UTF-8 makes its field invalid. Any other line is corrupt: it is counted
//! under the first [`RejectReason`] that applies, and is never repaired.
//!
//! [`RejectReason`]: crate::model::RejectReason
//!
//! **Two parsers with the same result.** [`parse()`] tries each row with `plain`, or with `shaped` if rows have another
//! shape. Both accept plain rows, as nearly all rows are, and refuse any other row without a reason. A refused row goes to
//! `naive`, which applies the rules one after the other and decides.
//!
//! `input` opens and decompresses logs, drops the byte-order mark and cuts logs into windows of whole rows. `run`
//! counts.

mod country;
mod header;
mod hint;
mod naive;
mod parse;
mod plain;
mod reject;
mod shape;
mod shaped;
mod shown;

pub use country::CountrySet;
pub use header::{columns_of, is_good_row};
pub use hint::hint;
pub use parse::parse;
pub use reject::{RejectLog, RejectReport, RejectSample, Suspect};
pub use shape::RowRules;
pub use shown::ShownRejects;

/// Maximum bytes of a row, without its LF and one CR.
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
