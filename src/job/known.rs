//! Compares the logs that a day's partial records with the logs that are given now.
//!
//! Digests decide; `seen` says which logs are read for theirs.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Context;
use super::seen::{self, Contents, SeenLogs};
use crate::budget::LogLists;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileType;
use crate::input::{
    self, InputPath, InputPaths, Unread, mark_length, stat_input, uncompressed_name,
};
use crate::model::{Day, InputFacts, Inputs, Rules};
use crate::partial::Partial;
use crate::row::{RowRules, is_good_row};

/// Maximum logs that are compared with the start of others.
const MAX_STARTS: usize = 64;

/// How the given logs compare with the partial's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The same logs, in any order.
    Same,
    /// The same logs, which were counted by other rules.
    OtherRules,
    /// All logs that it was made from are among them, some with other content, or there are more.
    Changed,
    /// A log that it was made from had rows, and is empty now: more often a mishap than a correction.
    Emptied {
        /// Its base name.
        name: Vec<u8>,
        /// Its rows when the day was made.
        rows: u64,
    },
    /// Some logs that it was made from are not among them. Made again from the given logs, the day would lose rows.
    Gone {
        /// The base name of the first.
        name: Vec<u8>,
        /// Number of further logs.
        others: usize,
        /// Whether other logs are given that the day lacks, by name or content.
        further: bool,
    },
    /// Logs from places that version 0.1 did not read would be counted too. The counts of such a day change at a user's
    /// request, not because of an update.
    Gains {
        /// The index of the first such log among the given logs.
        first: usize,
        /// Number of further logs.
        others: usize,
    },
}

/// The result of comparing given logs with a stored day.
pub(super) struct Compared {
    pub(super) comparison: Comparison,
    /// The first log that the day has already, by content or by its place in the day's folder.
    pub(super) known: Option<PathBuf>,
    /// The known facts of the given logs.
    pub(super) contents: Contents,
}

/// The logs of a partial, to be compared with the logs in the run's `lists`.
///
/// # Errors
/// [`ErrorKind::TooManyLogs`] if both do not fit in memory, and those of [`Partial::inputs`].
pub(super) fn inputs_of(context: &Context, partial: &Partial, lists: LogLists) -> Result<Inputs> {
    let stored = usize::try_from(partial.metadata().inputs).unwrap_or(usize::MAX);
    let logs = lists.logs.saturating_add(stored);
    let lists = LogLists { stored: partial.metadata_bytes(), ..lists };
    context.budget.check_reading_beside(logs, lists)?;
    partial.inputs()
}

/// Compares the logs of a source with those of a partial, and reads those that are not known. Version 0.1 did not read
/// the logs `unread_before` (indexes, ascending).
///
/// # Errors
/// As [`input::digest_all`], and signals.
pub(super) fn compare(
    context: &Context,
    (seen, known): (&SeenLogs, &Inputs),
    unread: Unread,
    unread_before: &[usize],
) -> Result<Compared> {
    let paths = unread.paths();
    let contents = seen::contents_of(context, (seen, known), unread)?;
    let given = &contents.facts;
    let comparison = match compare_facts(known, given) {
        Comparison::Same => Comparison::Same,
        other => gains(known, given, unread_before).unwrap_or(other),
    };
    let known = first_known(known, &paths, given).and_then(|at| paths.get(at));
    Ok(Compared { comparison, known: known.map(|log| log.path()), contents })
}

/// The first log with rows that the day has, by content or by name.
fn first_known(known: &Inputs, paths: &InputPaths, given: &Inputs) -> Option<usize> {
    let contents = digests(known.iter());
    let names: HashSet<&[u8]> = known.iter().map(|facts| facts.name).collect();
    let mut given = paths.iter().zip(given);
    given.position(|(path, facts)| {
        facts.rows > 0 && (contents.binary_search(&facts.digest).is_ok() || is_named(&names, path))
    })
}

/// The first given log that begins with a whole log of the day, and that log's name: its rows would count twice. Only plain
/// logs with a good row among their first ones, and the first [`MAX_STARTS`] of each.
///
/// Cost: reads the given logs up to the longest log of the day.
///
/// # Errors
/// A given log that cannot be read.
pub(super) fn that_begins(
    context: &Context,
    known: &Inputs,
    paths: &InputPaths,
    rules: Rules,
) -> Result<Option<(PathBuf, PathBuf)>> {
    let is_plain = |name: &[u8]| uncompressed_name(name) == name;
    let files = context.files.as_ref();
    let logs = known.iter().filter(|facts| facts.rows > 0 && is_plain(facts.name));
    let logs: Vec<InputFacts<'_>> = logs.take(MAX_STARTS).collect();
    let given = paths.iter().filter(|path| is_plain(path.name()));
    for path in given.take(MAX_STARTS) {
        let InputPath::File { .. } = path else { continue };
        let path = path.path();
        let stat = stat_input(files, &path)?;
        if stat.file_type != FileType::File {
            continue;
        }
        let shorter = || logs.iter().filter(|facts| facts.size < stat.size);
        let starts = shorter().map(|facts| (facts.size, facts.digest));
        let found = input::begins_with(files, &path, starts);
        let found = found.map_err(|error| Error::io("read", error).at(&path))?;
        let Some(facts) = found.and_then(|found| shorter().nth(found)) else { continue };
        if has_good_row(context, &path, facts.size, rules)? {
            return Ok(Some((path, PathBuf::from(OsStr::from_bytes(facts.name)))));
        }
    }
    Ok(None)
}

/// Whether a row of the first bytes of a plain log, up to `size`, is good.
fn has_good_row(context: &Context, path: &Path, size: u64, rules: Rules) -> Result<bool> {
    let rules = RowRules::new(&rules);
    let mut start = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(1 << 20)];
    let read = context.files.open(path).and_then(|file| file.read_full_at(&mut start, 0));
    let read = read.map_err(|error| Error::io("read", error).at(path))?;
    let start = start.get(..read).unwrap_or_default();
    let start = start.get(mark_length(start)..).unwrap_or_default();
    Ok(start.split(|byte| *byte == b'\n').any(|row| is_good_row(row, &rules)))
}

/// Whether a log has one of these base names of a day's logs. In a folder below the day's, as of an hour or a host, a
/// name does not identify a log: `hour=01/part-0` is not `hour=00/part-0`.
fn is_named(names: &HashSet<&[u8]>, path: InputPath<'_>) -> bool {
    names.contains(path.name()) && path.is_right_in_day_folder()
}

/// The logs that version 0.1 did not read and that the day lacks. Empty if the day has any log that version 0.1 did not
/// read: then it was counted with such logs at a user's request.
fn gains(known: &Inputs, given: &Inputs, unread_before: &[usize]) -> Option<Comparison> {
    let is_unread = |at: &usize| unread_before.binary_search(at).is_ok();
    let with_rows = || given.iter().enumerate().filter(|(_, facts)| facts.rows > 0);
    let read = digests(with_rows().filter(|(at, _)| !is_unread(at)).map(|(_, facts)| facts));
    let known = digests(known.iter());
    let has =
        |digests: &[u128], facts: &InputFacts<'_>| digests.binary_search(&facts.digest).is_ok();
    let unread = || with_rows().filter(|(at, facts)| is_unread(at) && !has(&read, facts));
    if unread().any(|(_, facts)| has(&known, &facts)) {
        return None;
    }
    let (first, _) = unread().next()?;
    Some(Comparison::Gains { first, others: unread().count() - 1 })
}

/// The digests of logs, ascending.
pub(super) fn digests<'a>(inputs: impl Iterator<Item = InputFacts<'a>>) -> Vec<u128> {
    let mut digests: Vec<u128> = inputs.map(|facts| facts.digest).collect();
    digests.sort_unstable();
    digests
}

/// Given logs with the same name.
#[derive(Default)]
struct NamedLogs {
    /// Logs that are not matched to a log of the day yet.
    logs: u64,
    /// Those among them with rows that the day lacks.
    new: u64,
}

/// How often each of these sorted digests occurs.
fn counts_of(digests: &[u128]) -> HashMap<u128, u64> {
    let equal = digests.chunk_by(|one, other| one == other);
    equal.filter_map(|equal| Some((*equal.first()?, equal.len() as u64))).collect()
}

/// Takes one of these; false if none is left.
fn take(left: &mut HashMap<u128, u64>, digest: u128) -> bool {
    match left.get_mut(&digest).filter(|left| **left > 0) {
        Some(left) => {
            *left -= 1;
            true
        }
        None => false,
    }
}

fn compare_facts(known: &Inputs, given: &Inputs) -> Comparison {
    let contents = digests(given.iter());
    if digests(known.iter()) == contents {
        return Comparison::Same;
    }
    // Each given log matches one log of the day by content; each of the others may match one by its name, compressed or
    // not. Base names may occur more than once.
    let mut left = counts_of(&contents);
    let mut matched = counts_of(&digests(known.iter()));
    let mut names: HashMap<&[u8], NamedLogs> = HashMap::new();
    for facts in given {
        let named = names.entry(uncompressed_name(facts.name)).or_default();
        named.logs += 1;
        named.new += u64::from(facts.rows > 0 && !take(&mut matched, facts.digest));
    }
    // The first and their number.
    let mut gone = None;
    let mut emptied = None;
    for facts in known {
        let is_lost = !take(&mut left, facts.digest) && facts.rows > 0;
        match names.get_mut(uncompressed_name(facts.name)).filter(|named| named.logs > 0) {
            Some(named) => {
                named.logs -= 1;
                if is_lost && named.new == 0 {
                    let name = facts.name.to_vec();
                    emptied = Some(Comparison::Emptied { name, rows: facts.rows });
                }
                named.new = named.new.saturating_sub(u64::from(is_lost));
            }
            None if is_lost => gone.get_or_insert_with(|| (facts.name.to_vec(), 0)).1 += 1,
            None => {}
        }
    }
    let Some((name, gone)) = gone else { return emptied.unwrap_or(Comparison::Changed) };
    let contents = digests(known.iter());
    let names: HashSet<&[u8]> = known.iter().map(|facts| facts.name).collect();
    let is_known = |facts: &InputFacts<'_>| {
        contents.binary_search(&facts.digest).is_ok() || names.contains(facts.name)
    };
    let further = given.iter().any(|facts| facts.rows > 0 && !is_known(&facts));
    Comparison::Gone { name, others: gone - 1, further }
}

/// Refuses logs with the same content, which would count every row twice. Logs without an accepted row, for which
/// `counts` is false, do no harm.
pub(super) fn refuse_copies(
    paths: &InputPaths,
    facts: &Inputs,
    counts: &dyn Fn(usize) -> bool,
) -> Result<()> {
    let mut digests: Vec<(u128, u32)> = Vec::with_capacity(facts.len());
    let with_rows = (0_u32..).zip(facts).filter(|(at, _)| counts(*at as usize));
    digests.extend(with_rows.map(|(at, facts)| (facts.digest, at)));
    digests.sort_unstable();
    let pairs = digests.iter().zip(digests.iter().skip(1));
    let copies = pairs.filter(|((one, _), (other, _))| one == other);
    let Some((at, first)) = copies.map(|((_, first), (_, at))| (*at, *first)).min() else {
        return Ok(());
    };
    let path = |at: u32| paths.get(at as usize).map(|path| path.path()).unwrap_or_default();
    Err(Error::from(ErrorKind::SameContent(path(first))).at(path(at)))
}

/// Refuses a log that the day has already, by its digest; logs without an accepted row do no harm.
///
/// Not by name, size and time: parts of one size that were unpacked in one second would be taken for one another.
pub(super) fn refuse_known(
    day: Day,
    known: &Inputs,
    paths: &InputPaths,
    facts: &Inputs,
    counts: &dyn Fn(usize) -> bool,
) -> Result<()> {
    let digests = digests(known.iter());
    let given = paths.iter().zip(facts).enumerate().filter(|(at, _)| counts(*at));
    for (path, facts) in given.map(|(_, given)| given) {
        if digests.binary_search(&facts.digest).is_ok() {
            let same = known.iter().filter(|known| known.digest == facts.digest).last();
            let name = same.map(|known| String::from_utf8_lossy(known.name).into_owned());
            let name = name.unwrap_or_default();
            return Err(Error::from(ErrorKind::AlreadyInDay { day, name }).at(path.path()));
        }
    }
    Ok(())
}

/// The logs (indexes) whose names come again with other content: either further rows, or a corrected log that would
/// count beside the old log. Only the user knows which.
pub(super) fn names_again(known: &Inputs, paths: &InputPaths, facts: &Inputs) -> Vec<usize> {
    let with_rows = |facts: &InputFacts<'_>| facts.rows > 0;
    let known: HashSet<&[u8]> = known.iter().filter(with_rows).map(|facts| facts.name).collect();
    let given = paths.iter().zip(facts).enumerate();
    let again = given.filter(|(_, (path, facts))| with_rows(facts) && is_named(&known, *path));
    again.map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs by name and digest; those of digest 0 have no rows.
    fn facts(logs: &[(&'static str, u128)]) -> Inputs {
        let facts = |(name, digest): &(&'static str, u128)| InputFacts {
            name: name.as_bytes(),
            size: 0,
            modified_ns: 0,
            digest: *digest,
            rows: u64::from(*digest > 0),
        };
        logs.iter().map(facts).collect()
    }

    #[test]
    fn a_day_of_an_older_version_gains_no_logs_that_it_did_not_read() {
        let gained = |known: &[_], given: &[_], unread: &[usize]| match gains(
            &facts(known),
            &facts(given),
            unread,
        ) {
            Some(Comparison::Gains { first, others }) => Some((first, others)),
            _ => None,
        };
        assert_eq!(gained(&[("a", 1)], &[("a", 1), ("b", 2), ("c", 0)], &[1, 2]), Some((1, 0)));
        assert_eq!(gained(&[("a", 1)], &[("a", 3), ("a", 2)], &[1]), Some((1, 0)));
        assert_eq!(gained(&[("a", 1)], &[("a", 1), ("b", 2), ("c", 3)], &[1, 2]), Some((1, 1)));
        assert_eq!(gained(&[("a", 1)], &[("a", 1), ("b", 2)], &[]), None);
        // A day that has such a log was counted with it on request.
        assert_eq!(gained(&[("a", 1), ("b", 2)], &[("a", 1), ("b", 2), ("c", 3)], &[1, 2]), None);
        assert_eq!(gained(&[("a", 1)], &[("a", 1), ("b", 1), ("c", 3)], &[1, 2]), Some((2, 0)));
    }

    #[test]
    fn logs_are_the_same_changed_or_gone_by_content_first_and_by_name_then() {
        let compared = |known: &[_], given: &[_]| compare_facts(&facts(known), &facts(given));
        let lost = |names: &[&str], further| Comparison::Gone {
            name: names[0].into(),
            others: names.len() - 1,
            further,
        };
        let gone = |names: &[&str]| lost(names, false);
        let day = [("a", 1), ("b", 2)];
        assert_eq!(compared(&day, &[("b", 2), ("a", 1)]), Comparison::Same);
        assert_eq!(compared(&day, &[("x", 1), ("y", 2)]), Comparison::Same);
        assert_eq!(compared(&day, &[("a", 1), ("b", 3)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("a", 1), ("b", 2), ("c", 3)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("a", 1), ("b.gz", 3)]), Comparison::Changed);
        // Renamed, and another log changed.
        assert_eq!(compared(&day, &[("c", 1), ("b", 3)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("a", 1)]), gone(&["b"]));
        assert_eq!(compared(&day, &[("c", 3)]), lost(&["a", "b"], true));
        assert_eq!(compared(&day, &[("a", 1), ("c", 3)]), lost(&["b"], true));
        // A log matches only one log of its name, and a log without rows may go.
        assert_eq!(compared(&[("p", 1), ("p", 2)], &[("p", 3)]), gone(&["p"]));
        assert_eq!(compared(&[("a", 1), ("empty", 0)], &[("a", 1)]), Comparison::Changed);
        // Emptied under its name; it may move to another name beside an empty file.
        let emptied = Comparison::Emptied { name: b"b".to_vec(), rows: 1 };
        assert_eq!(compared(&day, &[("a", 1), ("b", 0)]), emptied);
        assert_eq!(compared(&day, &[("a", 1), ("b", 0), ("c", 2)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("b", 0)]), gone(&["a"]));
    }
}
