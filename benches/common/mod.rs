//! Shared by all benches: the same generated days, the obvious way to every answer, and how they are run.
//!
//! A bench covers one stage. Before it measures, it compares the stage's whole answer with that of the obvious
//! program; while it measures, it asserts a [`Fingerprint`] of the answer each time, which costs under a nanosecond a
//! row. So a fast wrong answer fails, and `cargo test --benches` runs everything once as a test. `cargo bench --bench merge`
//! runs one bench, `cargo bench` all of them.
//!
//! Days are small, so that a figure takes a second or two, but have the proportions of days of 30 million rows:
//! twelve rows a user, and lists of songs whose counts follow the same law. Effects of sheer size (tables that leave
//! the cache, disks) show in `scripts/dev/bench` only. All benches use one thread.

#![allow(dead_code, unused_imports, reason = "every bench takes what it needs of it")]

mod fingerprint;
mod log;
mod runs;

pub(crate) use fingerprint::Fingerprint;
pub(crate) use log::{Listening, Log};
pub(crate) use runs::{Blocks, count, days, sum};

/// Runs the benches of a binary, 20 times each if the command line says nothing else.
pub(crate) fn main() {
    divan::Divan::default().sample_count(20).sample_size(1).config_with_args().main();
}
