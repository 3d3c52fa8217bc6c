//! The exact difference of two files of tops, and back: which lines to send to readers that have the older file.
//!
//! Both files have a line a key, in the order of the keys, so one pass over both finds what differs, and one pass over
//! the difference and the older file makes the newer one. [`TopsLines`] reads and checks lines; [`compare`](compare())
//! finds the keys that differ and passes them to a [`TakeChange`]: [`ChangedLines`] writes them as lines,
//! [`ChangedSongs`] as a table of songs. [`apply`](apply()) goes back.
//!
//! `job` decides which files are compared, checks them against their manifests, and publishes the result. Memory: a
//! buffer of about 1.4 MB a file, whatever its size.

mod apply;
mod compare;
mod lines;
mod songs;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use compare::{ChangedLines, TakeChange, compare};
pub use lines::{Line, TopsLines};
pub use songs::{ChangedBy, ChangedSongs};
