//! The built program against its rules, seen from outside: arguments in, files and exit codes out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

/// A file system that fails, tampers or dies at a chosen call.
mod faulty;
/// Runs the program in a fresh folder and tells everything when an expectation fails.
mod harness;
/// Calls the jobs as a library, with tiny budgets.
mod library;

/// `reduce-day --add`: further logs on top of a day.
mod add;
/// Pieces equal the whole; order, files, threads and memory never show.
mod algebra;
/// `backfill`: what is done again, what is left alone, what is told.
mod backfill;
/// Logs that change while they are read.
mod changing;
/// A stored partial of each format version.
mod compat;
/// Partials that lie with good checksums.
mod crafted;
/// Changed and cut partials.
mod damage;
/// Names of logs and folders to days; which of them a backfill takes.
mod days;
/// A full disk, one that may only be read, two writers at once.
mod disks;
mod durable;
/// Tables for other engines, and those of other engines.
mod exchange;
/// What the exit code says, what the streams carry.
mod exit_codes;
/// Calls to the file system that fail, and deaths between them.
mod faults;
/// Files, folders, standard input, compression.
mod files;
/// Links, names and rows laid as traps.
mod guarded;
/// What lies in the way, limits of the system, streams that fail.
mod hostile;
/// Processes that are really killed, at every call that changes something.
mod killed;
/// `--metrics FILE`: what monitoring reads of a run.
mod metrics;
/// The scripts of the night, as cron runs them.
mod nightly;
/// Random small logs against the obvious program.
mod property;
/// `prune`: which days go, and what is never touched.
mod prune;
/// `query`: the songs of one key.
mod query;
/// `reduce-day`: once, again, with other logs, with too many corrupt rows.
mod reduce;
/// The rejects file: which corrupt rows it shows, and how.
mod rejects;
/// `report`: the figures of a page, hostile names, where it goes.
mod report;
/// What a row is, and why it is corrupt.
mod rows;
/// The sample logs against the answers that were computed without `agg`.
mod samples;
/// Logs and windows larger than their memory.
mod spill;
/// `emit-window`: sums, order, ties, missing days, what is published.
mod window;
