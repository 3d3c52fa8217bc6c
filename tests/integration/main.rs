//! The built program against its rules, seen from outside: arguments in, files and exit codes out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

/// What a power cut leaves of what a run wrote.
mod disk;
/// A file system that fails, tampers or dies at a chosen call.
mod faulty;
/// Runs the program in a fresh folder and shows everything when an expectation fails.
mod harness;
/// A machine with settings, on which logs arrive day by day.
mod machine;

/// Calls the jobs as a library, with tiny budgets.
mod library;

/// One module a command, and what all commands share.
mod commands {
    /// `reduce-day --add`: further logs on top of a day.
    mod add;
    /// `backfill`: what is done again, what stays, what is reported.
    mod backfill;
    /// `changes`: lines and songs that differ between two emissions, and back.
    mod changes;
    /// Tables for other engines, and those of other engines.
    mod exchange;
    /// What the exit code says, what the streams carry.
    mod exit_codes;
    /// `--metrics FILE`: what monitoring reads of a run.
    mod metrics;
    /// What a night runs when it has ended.
    mod night_hooks;
    /// The scripts around the night.
    mod night_scripts;
    /// `nightly`: a night, as cron runs it.
    mod nightly;
    /// `prune`: which days go, and what is never touched.
    mod prune;
    /// `query`: the songs of one key.
    mod query;
    /// `reduce-day`: once, again, with other logs, with too many corrupt rows.
    mod reduce;
    /// `report`: the figures of a page, hostile names, where it goes.
    mod report;
    /// What is removed is not counted or emitted again.
    mod retention;
    /// By which rules rows are read, and that days of different rules are not mixed.
    mod rules;
    /// `emit-window`: sums, order, ties, missing days, what is published.
    mod window;
}

/// What is read of logs: names, days, formats, rows.
mod logs {
    /// Logs that change while they are read.
    mod changing;
    /// The content decides the format, and other formats are refused.
    mod contents;
    /// Names of logs and folders to days; which of them a backfill takes.
    mod days;
    /// Files, folders, standard input, compression.
    mod files;
    /// Which files a day is made of, and how the others are reported.
    mod found;
    /// Days of very many logs.
    mod many;
    /// Standard input, pipes, and commands that fail.
    mod pipes;
    /// Days that are refused for corrupt rows.
    mod refused;
    /// The rejects file: which corrupt rows it shows, and how.
    mod rejects;
    /// What a row is, and why it is corrupt.
    mod rows;
    /// Logs that come again compressed, renamed or with another time.
    mod seen;
    /// Rows of another shape, and headers.
    mod shapes;
}

/// That the counts are exact, however they are made.
mod counts {
    /// Pieces equal the whole; order, files, threads and memory never show.
    mod algebra;
    /// Random small logs against the obvious program.
    pub(crate) mod property;
    /// The sample logs against the answers that were computed without `agg`.
    mod samples;
    /// Logs and windows larger than their memory.
    mod spill;
}

/// Partials of released versions, damaged partials and forged partials.
mod formats {
    /// A stored partial of each format version.
    mod compat;
    /// Partials that lie with good checksums.
    mod crafted;
    /// Changed and cut partials.
    mod damage;
}

/// Failing calls, full disks, kills, and traps in folders.
mod faults {
    /// Calls to the file system that fail, and deaths between them.
    pub(crate) mod calls;
    #[cfg(feature = "parquet")]
    /// Tables whose footers claim other rows or columns than their pages have.
    mod claims;
    /// A full disk, a read-only disk, two writers at once.
    mod disks;
    #[cfg(feature = "parquet")]
    /// Tables of other engines that are damaged, or made to do harm.
    mod foreign;
    /// Links, names and rows laid as traps.
    mod guarded;
    /// Obstacles, limits of the system, streams that fail.
    mod hostile;
    /// Processes that are really killed, at every call that changes something.
    mod killed;
    /// Days that another run replaces or removes between the look at them and the reading.
    mod overtaken;
    /// A power cut at any moment of a run.
    mod power;
    /// Locks between several users of one machine.
    mod users;
}
