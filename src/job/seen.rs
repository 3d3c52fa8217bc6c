//! The cache of logs that were read, so that no log is read every night.
//!
//! A counted log that comes again compressed, renamed or with another time is read once. Its digest is kept with its size,
//! times and inode, and holds until one of these changes. A changed ctime means one reading, so a file that was replaced
//! with its size and time kept is noticed. A log that changed in the instant before it was read may change again without
//! another ctime, so the next run reads it once more. For a log that is not in the cache, its name, size and time decide.

use std::ops::Range;
use std::sync::Arc;

use super::{Context, Phase};
use crate::budget::LogLists;
use crate::error::Result;
use crate::input::{self, InputPath, InputPaths, InputStat, Source, Unread};
use crate::model::{Day, InputFacts, Inputs};
use crate::store::{SeenLog, StoreLock, replace_seen};

/// The cached logs of a day.
#[derive(Debug)]
pub(super) struct SeenLogs {
    /// Sorted.
    logs: Vec<SeenLog>,
    /// Maximum bytes of them, loaded or kept.
    room: u64,
}

/// What a cache says about a log.
enum Memory {
    /// It was read, and has not changed since.
    Seen(SeenLog),
    /// Another log of its name, size and time was read.
    Changed,
    Unknown,
}

/// How the content of a given log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It was seen before, or is the only content of its name, size and time.
    Known,
    /// Logs of other content have its name, size and time; all of them are given.
    Shared,
    /// It is to be read.
    Unread,
}

/// The known facts of the given logs.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) facts: Inputs,
    /// The logs to keep for later runs.
    pub(super) seen: Vec<SeenLog>,
}

impl SeenLogs {
    /// The cached logs of a day, for a run that holds these lists.
    pub(super) fn of(context: &Context, day: Day, lists: LogLists) -> Self {
        let room = context.budget.seen_logs(lists);
        SeenLogs { logs: context.store().seen_logs(day, room), room }
    }

    /// The cached logs that are needed while logs are counted: those in another form.
    pub(super) fn of_forms(
        context: &Context,
        day: Day,
        lists: LogLists,
        inputs: &InputPaths,
    ) -> Self {
        let mut names: Vec<u64> =
            inputs.other_forms().map(|(_, form)| SeenLog::name_of(form.name())).collect();
        if names.is_empty() {
            return SeenLogs { logs: Vec::new(), room: 0 };
        }
        names.sort_unstable();
        let mut seen = Self::of(context, day, lists);
        seen.logs.retain(|log| names.binary_search(&log.name).is_ok());
        seen.logs.shrink_to_fit();
        seen
    }

    fn recall(&self, log: &SeenLog) -> Memory {
        let key = |log: &SeenLog| (log.name, log.size, log.modified_ns);
        let start = self.logs.partition_point(|seen| key(seen) < key(log));
        let mut alike = self.logs.iter().skip(start).take_while(|seen| key(seen) == key(log));
        let identity = |log: &SeenLog| (log.changed_ns, log.inode);
        let is_same = |seen: &&SeenLog| {
            seen.changed_ns != SeenLog::UNSETTLED && identity(seen) == identity(log)
        };
        match alike.clone().next() {
            None => Memory::Unknown,
            Some(_) => alike.find(is_same).map_or(Memory::Changed, |seen| Memory::Seen(*seen)),
        }
    }

    /// The log as it was seen, if it is still the same.
    pub(super) fn get(&self, log: &SeenLog) -> Option<SeenLog> {
        match self.recall(log) {
            Memory::Seen(seen) => Some(seen),
            Memory::Changed | Memory::Unknown => None,
        }
    }

    /// Keeps these logs of a day for later runs, with `beside` in addition to the kept logs, otherwise instead of them.
    /// A failure only costs later runs a reading.
    pub(super) fn keep(self, (lock, day): (&StoreLock, Day), mut logs: Vec<SeenLog>, beside: bool) {
        if beside {
            logs.extend_from_slice(&self.logs);
        }
        logs.sort_unstable();
        logs.dedup();
        // With a list of some logs, the others would be read every night, and the list written as often.
        if logs == self.logs || (logs.len() * SeenLog::BYTES) as u64 > self.room {
            return;
        }
        drop(self);
        if let Err(error) = replace_seen(lock, day, &logs) {
            tracing::info!("{error}; logs that were read now may be read again");
        }
    }
}

/// The logs of a source that was read, with the digests and rows of these facts.
pub(super) fn logs_of<'a>(
    source: &Source,
    facts: impl Iterator<Item = InputFacts<'a>>,
) -> Vec<SeenLog> {
    let given = source.paths().iter().zip(source.file_stats()).zip(facts);
    let logs = given.filter_map(|((path, stat), InputFacts { digest, rows, .. })| {
        Some(SeenLog { digest, rows, ..SeenLog::unread(path.name(), &stat?) })
    });
    logs.collect()
}

/// The known facts of the logs that are given for a stored day with the logs `known`.
///
/// Reads only logs that were not seen, and whose name, size and time are not those of a log of the day.
///
/// # Errors
/// As [`input::digest_all`], and signals.
pub(super) fn contents_of(
    context: &Context,
    (seen, known): (&SeenLogs, &Inputs),
    unread: Unread,
) -> Result<Contents> {
    let paths = unread.paths();
    let (mut logs, found) = found(seen, known, &unread);
    let are_files: Vec<bool> = unread.stats().map(|stat| stat.is_some()).collect();
    let header = unread.has_headers();
    drop(unread);
    let read = read_those(context, &paths, &found, header)?;
    let (mut facts, mut read) = (Inputs::default(), read.iter());
    for ((path, log), found) in paths.iter().zip(&mut logs).zip(&found) {
        let SeenLog { size, modified_ns, digest, rows, .. } = *log;
        let stored = InputFacts { name: path.name(), size, modified_ns, digest, rows };
        let now = if *found == Found::Unread { read.next() } else { None }.unwrap_or(stored);
        (log.digest, log.rows) = (now.digest, now.rows);
        facts.push(now);
    }
    // The contents are known, but not which log has which.
    let keeps = |(is_file, found): (bool, &Found)| is_file && *found != Found::Shared;
    let mut kept = are_files.into_iter().zip(&found).map(keeps);
    logs.retain(|_| kept.next().unwrap_or(false));
    Ok(Contents { facts, seen: logs })
}

/// The given logs with known contents, and how the contents are known.
fn found(seen: &SeenLogs, known: &Inputs, unread: &Unread) -> (Vec<SeenLog>, Vec<Found>) {
    let mut by_stat = ByStat::new(known, unread);
    let mut logs = Vec::with_capacity(unread.stats().len());
    let mut found = Vec::with_capacity(logs.capacity());
    for (stat, file_stat) in unread.stats().zip(unread.file_stats()) {
        let (Some(stat), Some(file_stat)) = (stat, file_stat) else {
            // A pipe.
            logs.push(SeenLog::default());
            found.push(Found::Unread);
            continue;
        };
        let log = SeenLog::unread(stat.name, &file_stat);
        let (log, how) = match seen.recall(&log) {
            Memory::Seen(log) => (log, Found::Known),
            Memory::Changed => (log, Found::Unread),
            Memory::Unknown => by_stat.find(&stat, log),
        };
        logs.push(log);
        found.push(how);
    }
    (logs, found)
}

/// Reads the logs that are to be read.
fn read_those(
    context: &Context,
    paths: &InputPaths,
    found: &[Found],
    header: bool,
) -> Result<Inputs> {
    let mut unread = InputPaths::default();
    for (path, _) in paths.iter().zip(found).filter(|(_, found)| **found == Found::Unread) {
        match path {
            InputPath::File { .. } => unread.push(&path.path()),
            InputPath::StandardInput => unread.push_standard_input(),
            InputPath::Command { line, day, .. } => unread.push_command(line, day),
        }
    }
    if unread.is_empty() { Ok(Inputs::default()) } else { read(context, unread, header) }
}

/// Reads logs for their digests and rows; `header` is whether the first line of each is none.
pub(super) fn read(context: &Context, paths: InputPaths, header: bool) -> Result<Inputs> {
    let memory = context.budget.memory;
    let unread = Unread::look(Arc::clone(&context.files), Arc::new(paths), memory)?;
    let source = unread.with_headers(header).source()?;
    let total = source.total_disk_bytes();
    let finished = context.phase(Phase::Read, total, || {
        input::digest_all(source, context.budget.threads, &|bytes| {
            context.observer.advance(Phase::Read, bytes);
            context.check_stop()
        })
    })?;
    Ok(finished.facts)
}

/// A log of the day, as its partial has it.
struct CountedLog<'a> {
    stat: InputStat<'a>,
    digest: u128,
    rows: u64,
    /// Whether it is matched to a given log.
    taken: bool,
}

/// The logs of a day and the given logs, each sorted by name, size and time.
struct ByStat<'a> {
    counted: Vec<CountedLog<'a>>,
    given: Vec<InputStat<'a>>,
}

impl<'a> ByStat<'a> {
    fn new(known: &'a Inputs, unread: &'a Unread) -> Self {
        let of = |facts: InputFacts<'a>| {
            let InputFacts { name, size, modified_ns, digest, rows } = facts;
            CountedLog { stat: InputStat { name, size, modified_ns }, digest, rows, taken: false }
        };
        let mut counted: Vec<_> = known.iter().map(of).collect();
        counted.sort_unstable_by(|one, other| one.stat.cmp(&other.stat));
        let mut given: Vec<_> = unread.stats().flatten().collect();
        given.sort_unstable();
        ByStat { counted, given }
    }

    /// The log with the content of the day's log of its name, size and time, if there is exactly one such log.
    fn find(&mut self, stat: &InputStat<'_>, log: SeenLog) -> (SeenLog, Found) {
        let given = equal(&self.given, |given| given, stat).len();
        let counted = equal(&self.counted, |counted| &counted.stat, stat);
        let Some(alike) = self.counted.get_mut(counted) else { return (log, Found::Unread) };
        let is_one = alike.iter().zip(alike.iter().skip(1)).all(|(a, b)| a.digest == b.digest);
        let may_be_known = if is_one { given <= alike.len() } else { given == alike.len() };
        // The taken logs come first.
        let next = alike.partition_point(|counted| counted.taken);
        match alike.get_mut(next).filter(|_| may_be_known) {
            Some(counted) => {
                counted.taken = true;
                let log = SeenLog { digest: counted.digest, rows: counted.rows, ..log };
                (log, if is_one { Found::Known } else { Found::Shared })
            }
            None => (log, Found::Unread),
        }
    }
}

/// Where a sorted list has this key.
fn equal<T, K: Ord>(list: &[T], key: impl Fn(&T) -> &K, wanted: &K) -> Range<usize> {
    let start = list.partition_point(|item| key(item) < wanted);
    start..list.partition_point(|item| key(item) <= wanted)
}
