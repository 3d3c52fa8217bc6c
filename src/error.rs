//! The library's one error: what happened, where, and what to do about it, in one line.

mod rejected;
mod remedy;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

pub use rejected::FirstReject;
use rejected::{first_row, is_barely_above, join_reasons, percent};

use crate::model::{Day, Inputs, RejectCounts, Rules, Shape};
use crate::text;

/// Maximum bytes of a text that may come from a foreign file.
const MAX_FOREIGN_TEXT: usize = 500;

/// Maximum logs that are named in the command which makes a day again.
const MAX_NAMED_LOGS: usize = 5;

/// Result of everything in the library that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: its [`ErrorKind`], and where it occurred.
///
/// Boxed inside, so that a `Result` in the hot path stays two words. A clone reports the same failure to another
/// thread.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Arc<ErrorKind>,
    path: Option<PathBuf>,
    place: Option<Place>,
    /// The logs that a damaged partial was made from, as words of a shell.
    logs: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Byte offset from the start of the file.
    Offset(u64),
    /// Line number from 1, after decompression.
    Line(u64),
}

/// What a caller does with a failure; the program's exit codes follow it one to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// Wrong usage (2).
    Usage,
    /// Bad data, or a refusal that protects data (65).
    Data,
    /// Something to read is missing or unreadable (66).
    NoInput,
    /// An output may not be created (73).
    CannotCreate,
    /// An I/O error, a full disk among them (74).
    Io,
    /// Another run holds the lock, or was faster (75): try again.
    Locked,
    /// Stopped by SIGINT (130) or SIGTERM (143).
    Interrupted(i32),
}

/// What happened. Each text ends with what to do, where there is something to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option's value is not valid.
    #[error("{0}")]
    Usage(String),
    /// Neither a file's name nor its folder's names a day.
    #[error("no date in its name or its folder's; name the day with --date YYYY-MM-DD")]
    NoDate,
    /// A name has a date that the calendar does not have.
    #[error("{0} is not a real date; name the day with --date YYYY-MM-DD")]
    UnrealDate(String),
    /// A name holds different days.
    #[error(
        "two dates in its name, {first} and {second}; name the day with --date YYYY-MM-DD, or take the first with --date {day} --logs '{pattern}'"
    )]
    TwoDates {
        /// The first.
        first: Day,
        /// The next one that differs.
        second: Day,
        /// The day that the first date means.
        day: Day,
        /// The pattern that takes the first as its day.
        pattern: String,
    },
    /// The inputs of one run are of different days.
    #[error(
        "logs of several days, {}; name those of one day, or count every day with 'agg backfill --logs'",
        join_logs(.0)
    )]
    SeveralDays(Vec<(Day, PathBuf)>),
    /// Something to read is missing.
    #[error("{what} not found; {hint}")]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// What to do.
        hint: String,
    },
    /// Something to read cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[source] io::Error),
    /// A folder holds no log.
    #[error(
        "no log in this folder; a log is named like listen.log, listen.txt, part-0 or 20211201, also compressed (like .log.gz) or rotated (.1)"
    )]
    NoLogs,
    /// A folder holds no log of the days that are wanted, but tables of separated values.
    #[error(
        "no log but .csv, .tsv or .psv files; they are read with --delimiter, --columns or --header, for example: --delimiter , --header"
    )]
    OnlyTables,
    /// A folder holds no log of the days that are wanted.
    #[error(
        "no log with a date in the range; found {}; a date is in the log's name or its folder's, like listen-20211201.log or 2021-12-01/listen.log",
        join_paths(.0)
    )]
    NoDatedLogs(Vec<PathBuf>),
    /// Nothing matches a pattern.
    #[error("no log matches this; check the pattern and the days")]
    NoMatch,
    /// The night's day has neither a log nor a partial.
    #[error("no log for {day} matches {}", join_paths(.places))]
    NoLogOfDay {
        /// The day.
        day: Day,
        /// Where logs were looked for.
        places: Vec<PathBuf>,
    },
    /// The logs of the night's day are not complete when the time to wait is over.
    #[error("the logs of {day} are still being written: {}", join_paths(.paths))]
    StillArriving {
        /// The day.
        day: Day,
        /// Files that are being written or copied; or where the logs are, which change.
        paths: Vec<PathBuf>,
    },
    /// Two inputs that are the same log, twice.
    #[error("given twice (also as {0:?}); name it once")]
    TwiceGiven(PathBuf),
    /// Two logs of a day that have the same content.
    #[error(
        "has the same content as {0:?}, so its rows would count twice; leave one of them out, or count both with --allow-duplicates"
    )]
    SameContent(PathBuf),
    /// A log in two forms whose contents differ.
    #[error(
        "has other content than {0:?}, whose compressed form it should be; remove the wrong one, or rename it"
    )]
    OtherContent(PathBuf),
    /// A log that begins with another log of the day.
    #[error(
        "begins with the whole content of {0:?}, so those rows would count twice; leave one of them out, or count both with --allow-duplicates"
    )]
    BeginsWith(PathBuf),
    /// Two logs of a day with a piece in common.
    #[error(
        "has a whole MiB in common with {0:?}, so those rows would count twice; leave one of them out, or count both with --allow-duplicates"
    )]
    SharedPiece(PathBuf),
    /// A command whose output is read has failed.
    #[error(
        "the command {ended}, so its output may be incomplete and is not counted{}",
        match last_line {
            Some(line) => format!("; the last line of its standard error: \"{line}\""),
            None => "; its standard error was empty".to_owned(),
        }
    )]
    CommandFailed {
        /// `ended with status 3`, or by which signal.
        ended: String,
        /// The start of the last line of its standard error, printable.
        last_line: Option<String>,
    },
    /// Standard input, a pipe or the output of a command has no byte.
    #[error(
        "it is empty, as after a source that failed; if the day has no streams, use --allow-empty"
    )]
    EmptyInput,
    /// A compressed log is damaged, cut short, or continues after its end.
    #[error("damaged {format} stream: {reason}; fetch the log again")]
    Compression {
        /// `gzip`, `zstd` or another.
        format: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A compressed log that is made in a way that is not read.
    #[error("this {format} stream {reason}; compress the log again without unusual options")]
    UnknownOptions {
        /// `xz` or another.
        format: &'static str,
        /// What it needs.
        reason: &'static str,
    },
    /// A compressed log needs more memory than it may have.
    #[error(
        "needs {what} of {needed} bytes, more than the limit of {limit}; raise --memory to eight times as much, or compress the log again with a smaller one"
    )]
    Window {
        /// `a zstd window` or `an xz dictionary`.
        what: &'static str,
        /// Bytes that the stream asks for.
        needed: u64,
        /// Maximum bytes.
        limit: u64,
    },
    /// A file or standard input that has another format than a log.
    #[error("this is {format}, not a log; {}", remedy::filled(.remedy, .file.as_deref(), *.day))]
    NotALog {
        /// What it is.
        format: String,
        /// What to do, mostly a command, with `FILE` and `--date DAY`.
        remedy: String,
        /// The file, if it can be read again.
        file: Option<PathBuf>,
        /// The day that it was to be counted for, where that is known.
        day: Option<Day>,
    },
    /// A log grew, shrank or was replaced while it was read.
    #[error("the log changed while it was read; run again when it is complete")]
    LogChanged,
    /// A file whose size, as the system reports it, is not that of its content, as in `/proc` and on some FUSE file
    /// systems. Its end cannot be known before it is read.
    #[error(
        "reports size {reported} but has {}; copy it to a disk and count the copy",
        if *.reported == 0 { "content" } else { "a different amount of content" }
    )]
    WrongSize {
        /// Bytes that the system reports.
        reported: u64,
        /// The day that it was to be counted for, where that is known.
        day: Option<Day>,
    },
    /// The lists of a day's logs do not fit in memory.
    #[error(
        "{logs} logs at once need --memory {}MiB, and it is {}MiB; raise it, or join some of the logs",
        .needed.div_ceil(1 << 20), .memory >> 20
    )]
    TooManyLogs {
        /// Number of logs.
        logs: usize,
        /// Bytes of memory that would be enough.
        needed: u64,
        /// Bytes of memory of the run.
        memory: u64,
    },
    /// The lists of the logs of several days together do not fit in memory.
    #[error(
        "{logs} logs of {days} days at once need --memory {}MiB, and it is {}MiB; raise it, or take fewer days with --from and --to",
        .needed.div_ceil(1 << 20), .memory >> 20
    )]
    TooManyDays {
        /// Number of days.
        days: usize,
        /// Number of their logs.
        logs: usize,
        /// Bytes of memory that would be enough.
        needed: u64,
        /// Bytes of memory of the run.
        memory: u64,
    },
    /// The names in the searched places do not fit in memory.
    #[error(
        "more than {names} names at once, which take over half of --memory {}MiB; raise it, or search fewer files",
        .memory >> 20
    )]
    TooManyNames {
        /// Number of names found.
        names: u64,
        /// Bytes of memory of the run.
        memory: u64,
    },
    /// The list of a day's logs does not fit a partial.
    #[error(
        "{logs} logs of one day take {needed} bytes of a partial's metadata, over the limit of {limit}; join some of the logs"
    )]
    LogsExceedPartial {
        /// Number of logs.
        logs: usize,
        /// Bytes of their names and numbers.
        needed: u64,
        /// Maximum bytes.
        limit: u64,
    },
    /// Too many corrupt rows.
    #[error(
        "{rejected} of {} rejected, more than --max-reject-ratio {limit} allows: {}{}; see {rejects:?}{}",
        text::counted(*.rows, "row"),
        join_reasons(.reasons),
        first_row(.first.as_deref()),
        if is_barely_above(*.rejected, *.rows, *.limit) { "; if this is expected, raise the limit" } else { "" }
    )]
    TooManyRejects {
        /// Corrupt rows.
        rejected: u64,
        /// All rows.
        rows: u64,
        /// The limit in force.
        limit: f64,
        /// Corrupt rows by reason.
        reasons: RejectCounts,
        /// The first corrupt row of the most frequent reason.
        first: Option<Box<FirstReject>>,
        /// Where the first corrupt rows are listed.
        rejects: PathBuf,
    },
    /// A log with too many corrupt rows, or too many bytes in corrupt rows.
    #[error(
        "{rejected} of {} and {} of the bytes rejected, more than --max-log-reject-ratio {limit} allows for one log{}; see {rejects:?}",
        text::counted(*.rows, "row"),
        percent(*.rejected_bytes, *.bytes),
        first_row(.first.as_deref())
    )]
    RottenLog {
        /// Its corrupt rows.
        rejected: u64,
        /// Its rows.
        rows: u64,
        /// Bytes of its corrupt rows.
        rejected_bytes: u64,
        /// Its bytes.
        bytes: u64,
        /// The limit in force.
        limit: f64,
        /// Its first corrupt row of the most frequent reason.
        first: Option<Box<FirstReject>>,
        /// Where the day's first corrupt rows can be read.
        rejects: PathBuf,
    },
    /// Too few good rows.
    #[error(
        "{}, fewer than --min-rows {limit}; the log may be incomplete",
        text::counted(*.accepted, "good row")
    )]
    TooFewRows {
        /// Accepted rows.
        accepted: u64,
        /// The limit in force.
        limit: u64,
    },
    /// Too few logs.
    #[error(
        "{day} has {}, fewer than --min-logs {limit}; wait for the others, or lower the limit",
        text::counted(*.logs, "log")
    )]
    TooFewLogs {
        /// The day.
        day: Day,
        /// Its logs.
        logs: u64,
        /// The limit in force.
        limit: u64,
    },
    /// The logs that a day was made from have fewer good rows now.
    #[error(
        "the logs of {day} have {}, and the stored day has {stored}; a log may be empty or cut off; the day is unchanged; if the logs are right, reduce all of them with 'agg reduce-day --force'",
        text::counted(*.accepted, "good row")
    )]
    FewerRows {
        /// The day.
        day: Day,
        /// Good rows of the logs.
        accepted: u64,
        /// Good rows that the day's partial has.
        stored: u64,
    },
    /// A log that a day was made from is empty now.
    #[error(
        "the log {name:?} of {day} had {} and now has none; the day is unchanged; if the logs are right, reduce all of them with 'agg reduce-day --force'",
        text::counted(*.stored, "row")
    )]
    EmptiedLog {
        /// The day.
        day: Day,
        /// The log's base name.
        name: String,
        /// Its rows when the day was made.
        stored: u64,
    },
    /// A stored day that is in the future.
    #[error(
        "{day} is more than a day ahead of the clock ({today} in UTC); nothing is removed, because days are counted from the newest; if its date is wrong, remove this file"
    )]
    FutureDay {
        /// The newest stored day.
        day: Day,
        /// Today by the system's clock.
        today: Day,
    },
    /// The day has a partial of other inputs.
    #[error(
        "{day} is already reduced from other logs; use --force to replace the day by these{}",
        match known {
            Some(path) => format!("; --add would count rows twice, because the day has {path:?}"),
            None => ", or --add to add them".to_owned(),
        }
    )]
    DayExists {
        /// The day.
        day: Day,
        /// The first log that the day has already, by name or by content.
        known: Option<PathBuf>,
    },
    /// The day was made from other bytes of standard input than those that it begins with now.
    #[error(
        "{0} is already reduced, and its rows are not the first ones of this input; use --force to replace the day"
    )]
    OtherStart(Day),
    /// The day was counted by other rules.
    #[error(
        "{day} is already counted with {stored}, and this run has {given}; use the same rules, or replace the day with --force"
    )]
    OtherRules {
        /// The day.
        day: Day,
        /// The rules that its partial records.
        stored: Rules,
        /// The rules of this run.
        given: Rules,
    },
    /// The day has a partial of other tables, or of logs.
    #[error("{0} is already stored with other counts; use --force to replace them")]
    OtherCounts(Day),
    /// The first line of a log is not a header that fits.
    #[error("the header \"{header}\" {what}")]
    BadHeader {
        /// Its first bytes, printable.
        header: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Logs are to be added to a day that was made from the tables of another program.
    #[error(
        "{0} was imported from tables; imported tables do not record their source logs, so adding a log could count rows twice; reduce all logs of the day with --force"
    )]
    AddToTables(Day),
    /// A log that is to be added has been counted for the day already.
    #[error("{day} already has this log, as {name:?}; its rows would count twice; omit it")]
    AlreadyInDay {
        /// The day.
        day: Day,
        /// The base name under which it was read.
        name: String,
    },
    /// A file of agg with wrong bytes.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Not a partial.
    #[error("not an agg partial (bad magic number)")]
    Foreign,
    /// A partial of a later release.
    #[error("format version {found}, but this agg reads up to version {newest}; update agg")]
    NewerVersion {
        /// The version in the file.
        found: u16,
        /// The newest version that this build reads.
        newest: u16,
    },
    /// Days of the window have no partial.
    #[error(
        "no partial for {}; run 'agg reduce-day' with the logs of each day{}",
        text::days(.days),
        if *.can_skip { ", or continue without them with --allow-missing" } else { "" }
    )]
    MissingDays {
        /// The days, ascending.
        days: Vec<Day>,
        /// Whether `--allow-missing` would continue without them.
        can_skip: bool,
    },
    /// The emission there was made from days that are missing now.
    #[error(
        "the published window includes {}, which is missing from the store; restore the partials, or publish without these days with --force",
        text::days(.0)
    )]
    PublishedMoreDays(Vec<Day>),
    /// The emission there is of another shape.
    #[error(
        "already published with {published}; this run has {given} and would {}; to do so, use --force; to keep both, emit into another folder with --out",
        .given.change_to(.published, ["remove", "replace"])
    )]
    PublishedOtherShape {
        /// The emission's.
        published: Box<Shape>,
        /// That of this run.
        given: Box<Shape>,
    },
    /// A sum does not fit a BIGINT. No log has that number of rows, so imported tables did.
    #[error(
        "the count of {key} and song {song} exceeds 2^63-1; a day has counts that no log can have; find it by its rows in 'agg list', and reduce its logs with --force, or ask for fewer days"
    )]
    SumOverflow {
        /// The user or the country.
        key: String,
        /// The song.
        song: u64,
    },
    /// The rows of some days do not fit a BIGINT.
    #[error(
        "the window has more than 2^63-1 rows; a day has counts that no log can have; find it by its rows in 'agg list', and reduce its logs with --force, or ask for fewer days"
    )]
    TooManyRows,
    /// Another run gave a day another partial while this one was about to read it.
    #[error("another run replaced the day while this run read it; run again")]
    Replaced,
    /// Another run removed a day while this one was about to read it.
    #[error("another run removed the day while this run read it")]
    Removed,
    /// Another process writes there.
    #[error(
        "locked by another run of agg; try again when it has ended, or wait for it with --wait"
    )]
    Locked,
    /// An output may not be created.
    #[error("cannot create it: {0}")]
    CannotCreate(#[source] io::Error),
    /// Any other failure of reading or writing.
    #[error("cannot {action}: {source}")]
    Io {
        /// The verb: `write`, `sync`, `rename`, …
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A table to import that is not a Parquet file, or is damaged.
    #[error("not a readable Parquet file: {0}")]
    NotParquet(String),
    /// A table to import whose columns, or whose metadata, are not those of a day's counts.
    #[error("not a table of a day's counts: {0}")]
    BadTable(String),
    /// A row of such a table that is not valid.
    #[error("column {column}, row {row}: {reason}")]
    BadRow {
        /// The column's name.
        column: &'static str,
        /// The row's number in the file, from 1.
        row: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line that no file of tops has, or not in this place.
    #[error("not a valid line here: {0}")]
    BadLine(&'static str),
    /// Two emissions that answer different questions.
    #[error(
        "the emission of {day} has {shape}, and that of {against} has {other}; only emissions with the same days and songs can be compared"
    )]
    OtherShape {
        /// The date of the newer one.
        day: Day,
        /// Its shape.
        shape: Box<Shape>,
        /// The date of the other one.
        against: Day,
        /// That one's shape.
        other: Box<Shape>,
    },
    /// An internal error, which neither data nor operator can cause.
    #[error("internal error (this is a bug): {0}; nothing was published; please report it")]
    Fault(&'static str),
    /// A signal asked the run to stop.
    #[error(
        "stopped by signal {0}; what was published before is complete, everything else is unchanged; run again"
    )]
    Interrupted(i32),
}

/// `2021-12-01 ("a.log"), 2021-12-02 ("b.log")`
fn join_logs(logs: &[(Day, PathBuf)]) -> String {
    logs.iter().map(|(day, path)| format!("{day} ({path:?})")).collect::<Vec<_>>().join(", ")
}

fn join_paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// Adds the path, unless a path is known already: the place nearest to the fault wins. A signal has no path.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        if !matches!(self.kind(), ErrorKind::Interrupted(_)) {
            self.0.path.get_or_insert_with(|| path.as_ref().to_owned());
        }
        self
    }

    /// Adds the day that a log was to be counted for.
    #[must_use]
    pub(crate) fn of_day(self, day: Day) -> Self {
        let day = Some(day);
        let kind = match self.kind() {
            ErrorKind::WrongSize { reported, .. } => {
                ErrorKind::WrongSize { reported: *reported, day }
            }
            ErrorKind::NotALog { format, remedy, file, .. } => {
                let (format, remedy, file) = (format.clone(), remedy.clone(), file.clone());
                ErrorKind::NotALog { format, remedy, file, day }
            }
            _ => return self,
        };
        Error(Box::new(Inner { kind: Arc::new(kind), ..*self.0 }))
    }

    /// Adds a byte offset, unless a place is known already.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.0.place.get_or_insert(Place::Offset(offset));
        self
    }

    /// Adds a line number, unless a place is known already.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.0.place.get_or_insert(Place::Line(line));
        self
    }

    /// Adds the logs that a damaged partial was made from, for the command that makes it again.
    #[must_use]
    pub(crate) fn made_from(mut self, inputs: &Inputs) -> Self {
        let names = inputs.iter().map(|log| Path::new(OsStr::from_bytes(log.name)));
        let mut words: Vec<String> = names.take(MAX_NAMED_LOGS).map(text::shell_word).collect();
        if inputs.len() > words.len() {
            words.push("…".to_owned());
        }
        self.0.logs = Some(words.join(" ")).filter(|words| !words.is_empty());
        self
    }

    /// A failed system call while doing `action`, because of a full disk or a broken disk.
    #[must_use]
    pub fn io(action: &'static str, source: io::Error) -> Self {
        ErrorKind::Io { action, source }.into()
    }

    /// Damage in a file of agg.
    #[must_use]
    pub fn damaged(what: impl Into<String>) -> Self {
        ErrorKind::Damaged(what.into()).into()
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The file or folder it happened to.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The place in that file.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// The command that makes a damaged partial again, from the partial's place in its store.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        if !matches!(self.kind(), ErrorKind::Damaged(_) | ErrorKind::Foreign) {
            return None;
        }
        let partial = self.path().filter(|path| path.extension().is_some_and(|e| e == "agg"))?;
        let day: Day = partial.file_stem()?.to_str()?.parse().ok()?;
        let store = text::shell_word(partial.parent()?.parent()?);
        let logs = self.0.logs.as_deref().unwrap_or("LOG…");
        Some(format!("agg reduce-day --store {store} --date {day} --force {logs}"))
    }

    /// What a caller does with it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.kind() {
            ErrorKind::Usage(_) => ErrorClass::Usage,
            ErrorKind::Unreadable(error) if remedy::is_of_the_machine(error) => ErrorClass::Io,
            ErrorKind::Missing { .. }
            | ErrorKind::Unreadable(_)
            | ErrorKind::NoLogs
            | ErrorKind::OnlyTables
            | ErrorKind::CommandFailed { .. }
            | ErrorKind::Removed
            | ErrorKind::NoDatedLogs(_)
            | ErrorKind::NoMatch
            | ErrorKind::NoLogOfDay { .. }
            | ErrorKind::StillArriving { .. }
            | ErrorKind::MissingDays { .. } => ErrorClass::NoInput,
            ErrorKind::CannotCreate(_) => ErrorClass::CannotCreate,
            ErrorKind::Io { .. } | ErrorKind::Fault(_) => ErrorClass::Io,
            ErrorKind::Locked | ErrorKind::Replaced => ErrorClass::Locked,
            ErrorKind::Interrupted(signal) => ErrorClass::Interrupted(*signal),
            _ => ErrorClass::Data,
        }
    }
}

impl ErrorClass {
    /// The exit code of a run that fails like this.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorClass::Usage => 2,
            ErrorClass::Data => 65,
            ErrorClass::NoInput => 66,
            ErrorClass::CannotCreate => 73,
            ErrorClass::Io => 74,
            ErrorClass::Locked => 75,
            ErrorClass::Interrupted(signal) => {
                u8::try_from(128_i32.saturating_add(signal)).unwrap_or(u8::MAX)
            }
        }
    }
}

/// As reports show it: the exit code of this error alone, one line, and the command that repairs it, if there is one.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Error", 3)?;
        fields.serialize_field("exit_code", &self.class().exit_code())?;
        fields.serialize_field("message", &text::line(&self.to_string()))?;
        fields.serialize_field("remedy", &self.remedy())?;
        fields.end()
    }
}

impl ErrorKind {
    /// The system's error, if a system call failed.
    fn system_error(&self) -> Option<&io::Error> {
        match self {
            ErrorKind::Unreadable(source)
            | ErrorKind::CannotCreate(source)
            | ErrorKind::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind: Arc::new(cut(kind)), path: None, place: None, logs: None }))
    }
}

/// Cuts a text that may hold what is in a foreign file.
fn cut(mut kind: ErrorKind) -> ErrorKind {
    if let ErrorKind::NotParquet(text) | ErrorKind::BadTable(text) = &mut kind
        && text.len() > MAX_FOREIGN_TEXT
    {
        text.truncate(text.floor_char_boundary(MAX_FOREIGN_TEXT - '…'.len_utf8()));
        text.push('…');
    }
    kind
}

/// `"PATH": what is wrong`, with the place as `"PATH":LINE: …` or `"PATH": at offset N: …`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, path, place, .. } = self.0.as_ref();
        if let Some(path) = path {
            // Debug form of the path: quoted, control characters escaped.
            write!(f, "{path:?}")?;
            match place {
                Some(Place::Offset(offset)) => write!(f, ": at offset {offset}")?,
                Some(Place::Line(line)) => write!(f, ":{line}")?,
                None => {}
            }
            f.write_str(": ")?;
        }
        write!(f, "{kind}")?;
        let reads = matches!(**kind, ErrorKind::Unreadable(_));
        match kind.system_error().and_then(|error| remedy::of(error, reads)) {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The kind's own text includes its source already, and one line should not repeat it.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_nearest_to_the_fault_wins_and_the_path_is_quoted() {
        let error = Error::damaged("checksum").at_offset(7).at("a\nb").at_offset(9).at("other");
        assert_eq!(error.to_string(), "\"a\\nb\": at offset 7: damaged: checksum");
        assert_eq!(error.class(), ErrorClass::Data);
        let stopped = Error::from(ErrorKind::Interrupted(15)).at("songs.csv");
        assert!(stopped.to_string().starts_with("stopped by signal 15; "), "{stopped}");
        let error = Error::damaged("no columns").at_line(3).at("songs.csv");
        assert_eq!(error.to_string(), "\"songs.csv\":3: damaged: no columns");
    }

    #[test]
    fn every_class_has_its_exit_code() {
        let codes = [
            (ErrorClass::Usage, 2),
            (ErrorClass::Data, 65),
            (ErrorClass::NoInput, 66),
            (ErrorClass::CannotCreate, 73),
            (ErrorClass::Io, 74),
            (ErrorClass::Locked, 75),
            (ErrorClass::Interrupted(2), 130),
            (ErrorClass::Interrupted(15), 143),
        ];
        for (class, code) in codes {
            assert_eq!(class.exit_code(), code, "{class:?}");
        }
    }

    #[test]
    fn an_error_in_json_is_pinned() {
        let error = Error::damaged("checksum").at_offset(7).at("s/partials/2021-12-01.agg");
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"exit_code":65,"message":"\"s/partials/2021-12-01.agg\": at offset 7: damaged: checksum","remedy":"agg reduce-day --store s --date 2021-12-01 --force LOG…"}"#
        );
        let missing = Error::from(ErrorKind::NoLogs).at("s/partials/2021-12-01.agg");
        assert_eq!(missing.remedy(), None);
    }

    #[test]
    fn a_failure_of_the_system_ends_with_its_remedy_wherever_it_occurred() {
        let full = || io::Error::from_raw_os_error(28);
        let kinds = [
            ErrorKind::Io { action: "write", source: full() },
            ErrorKind::CannotCreate(full()),
            ErrorKind::Unreadable(full()),
        ];
        for (kind, verb) in kinds.into_iter().zip(["write", "create it", "read it"]) {
            let text = format!(
                "\"s\": cannot {verb}: No space left on device (os error 28); free space there and run again"
            );
            assert_eq!(Error::from(kind).at("s").to_string(), text);
        }
        // A text of our own includes what to do.
        let failure = Error::io("write", io::Error::other("it is full: empty it"));
        assert_eq!(failure.to_string(), "cannot write: it is full: empty it");
    }

    #[test]
    fn a_count_of_one_is_in_the_singular() {
        let day = "2021-12-01".parse().unwrap();
        let few = |accepted| ErrorKind::TooFewRows { accepted, limit: 5 }.to_string();
        assert!(few(1).starts_with("1 good row, fewer"), "{}", few(1));
        assert!(few(2).starts_with("2 good rows, fewer"), "{}", few(2));
        let logs = ErrorKind::TooFewLogs { day, logs: 1, limit: 2 }.to_string();
        assert!(logs.starts_with("2021-12-01 has 1 log, fewer"), "{logs}");
    }

    #[test]
    fn a_command_in_an_error_has_its_path_as_one_word_of_a_shell() {
        let remedy = Error::damaged("checksum").at("my store's/partials/2021-12-01.agg").remedy();
        let remedy = remedy.unwrap();
        assert!(remedy.contains(r" --store 'my store'\''s' "), "{remedy}");
    }

    #[test]
    fn a_text_that_may_come_from_a_foreign_file_is_cut_at_500_bytes() {
        for kind in [ErrorKind::NotParquet, ErrorKind::BadTable] {
            let whole = Error::from(kind("é".repeat(250)));
            assert!(whole.to_string().ends_with("éé"));
            let cut = Error::from(kind("é".repeat(2_000_000)));
            let (ErrorKind::NotParquet(text) | ErrorKind::BadTable(text)) = cut.kind() else {
                panic!("another kind: {cut}");
            };
            assert!(text.len() <= 500 && text.ends_with("é…"), "{text}");
        }
    }
}
