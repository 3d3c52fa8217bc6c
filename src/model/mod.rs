//! The vocabulary that every stage shares: days, countries, kinds of key, rows and entries, and *the* order.
//!
//! Nothing here reads, writes or allocates more than its caller asks for. Stages exchange **batches**
//! (columns of thousands of values), never single rows through a virtual call.
//!
//! **The order.** Entries are sorted by key, then by song, both numerically. A key is a number whatever its
//! [`Kind`]: a user id, or a [`Country`]'s number, which follows the alphabet. So "sorted" means the same in every run.

mod columns;
mod country;
mod day;
mod entries;
mod input;
mod kind;
mod rejects;
mod rules;
mod shape;

pub use columns::{Column, Columns, Delimiter, NoColumns, NoDelimiter};
pub use country::Country;
pub use day::{Day, NoDay};
pub use entries::{Batch, Entries, Entry, Position, Ranked, RowBatch, SongCounts};
pub use input::{InputFacts, Inputs, Iter as InputsIter};
pub use kind::{BadKey, Code, KeyText, Kind, PerKind, SongLists};
pub use rejects::{RejectCounts, RejectReason, RowCounts};
pub use rules::{CountryCodes, Rules};
pub use shape::Shape;

/// The largest id and the largest count: a BIGINT in every database (2^63 - 1).
pub const MAX_ID: u64 = i64::MAX as u64;
