//! Synthetic logs of any size, shaped like real ones: for tests, benches and trials.
//!
//! [`generate`] writes one plain log a day, `listen-YYYYMMDD.log`, with the given number of lines
//! `song|user|country`. They have these properties of real logs:
//!
//! - Songs follow the law of Zipf and Mandelbrot in each country: rank r has the weight (r + 6)^-0.85. A
//!   country is offered half of the catalogue; with the usual 6,500,000 songs its top song has
//!   0.35 % of its streams and rank 50 has 0.06 %.
//! - Rankings differ between countries, share their hits, and drift slowly.
//! - Users keep their id, country, activity (a few listen all day, most a little) and favourites, which have 30 % of
//!   their streams; no user listens every day.
//! - All 249 countries occur, the first with 16 % of the users, the last with a handful of streams.
//! - Ids are sparse, and one in 32 exceeds 32 bits.
//! - Some rows are corrupt, in each of the ways seen in real logs.
//!
//! [`Shape`] selects other distributions, which are hard to count.
//!
//! Everything is a function of the seed and of numbers (of the day, the row, the user, the song), without tables. So
//! memory is a few chunks of text per thread (under 2 MB each) for any number of users and songs. One thread makes a
//! chunk of 65,536 rows from its number, and the chunks are written in order, so the bytes do not depend on the number
//! of threads. They do not depend on the C library either (see `law`).
//!
//! # Limits
//! A song's rank among its country's streams follows the law exactly only without favourites. A favourite keeps
//! the rank that the song had when it was chosen, up to two months before, which blurs ranks that are close.

mod countries;
mod flaw;
mod ids;
mod law;
mod options;
mod permutation;
mod random;
mod row;
mod songs;
mod users;
mod world;
mod write;

pub use options::{NoShape, Options, Shape};
pub use write::{GenerateReport, GeneratedLog, generate, write_day};

#[cfg(test)]
mod tests;
