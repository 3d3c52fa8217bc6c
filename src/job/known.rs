//! What a day's partial knows of its logs, held against logs that are given now.
//!
//! Logs of equal base name, size and time are the same, and are not read; otherwise their digests decide.

use std::collections::{HashMap, HashSet};

use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::input::{self, InputPath, InputStat, Source};
use crate::model::InputFacts;
use crate::partial::Metadata;

/// How the logs that are given compare with those of the partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The same ones, in whatever order.
    Same,
    /// All that it was made from are among them, some with other content, or there are more.
    Changed,
    /// One that it was made from, and that had so many rows, has none now: more often a mishap than a correction.
    Emptied {
        /// Its base name.
        name: Vec<u8>,
        /// Its rows when the day was made.
        rows: u64,
    },
    /// Some that it was made from are not among them. Made again from what is there, the day would lose rows.
    Gone {
        /// Their base names.
        names: Vec<Vec<u8>>,
        /// Whether others are given that the day has not, by name or content.
        further: bool,
    },
}

/// Compares the logs of a source with those of a partial, reading them only if name, size and time of any differ.
///
/// # Errors
/// As [`input::digest_all`], and signals.
pub(super) fn compare(
    context: &Context,
    metadata: &Metadata,
    source: Source,
) -> Result<Comparison> {
    if same_stats(metadata, source.stats()) {
        return Ok(Comparison::Same);
    }
    let total = source.total_disk_bytes();
    let digested = context.phase(Phase::Read, total, || {
        input::digest_all(source, context.budget.threads, &|bytes| {
            context.observer.advance(Phase::Read, bytes);
            context.check_stop()
        })
    })?;
    Ok(compare_facts(&metadata.inputs, &digested.facts))
}

/// Whether name, size and time of all logs are those of the partial's.
fn same_stats(metadata: &Metadata, given: Vec<Option<InputStat>>) -> bool {
    let Some(mut given) = given.into_iter().collect::<Option<Vec<_>>>() else { return false };
    let mut known: Vec<InputStat> = metadata.inputs.iter().map(stat_of).collect();
    let order = |stat: &InputStat| (stat.name.clone(), stat.size, stat.modified_ns);
    known.sort_by_cached_key(order);
    given.sort_by_cached_key(order);
    known == given
}

fn stat_of(facts: &InputFacts) -> InputStat {
    let InputFacts { name, size, modified_ns, .. } = facts;
    InputStat { name: name.clone(), size: *size, modified_ns: *modified_ns }
}

fn compare_facts(known: &[InputFacts], given: &[InputFacts]) -> Comparison {
    let digests = |inputs: &[InputFacts]| {
        let mut digests: Vec<u128> = inputs.iter().map(|facts| facts.digest).collect();
        digests.sort_unstable();
        digests
    };
    if digests(known) == digests(given) {
        return Comparison::Same;
    }
    let contents: HashSet<u128> = given.iter().map(|facts| facts.digest).collect();
    let empty = |name: &[u8]| {
        let mut named = given.iter().filter(|facts| facts.name == name).peekable();
        named.peek().is_some() && named.all(|facts| facts.rows == 0)
    };
    let mut names: HashMap<&[u8], usize> = HashMap::new();
    for facts in given {
        *names.entry(&facts.name).or_default() += 1;
    }
    let mut gone = Vec::new();
    let mut emptied = None;
    for facts in known {
        let lost = facts.rows > 0 && !contents.contains(&facts.digest);
        // Base names may occur more than once: each log that is given stands for one.
        let named = names.get_mut(facts.name.as_slice()).filter(|left| **left > 0);
        if let Some(left) = named {
            *left -= 1;
            if lost && empty(&facts.name) {
                emptied = Some(Comparison::Emptied { name: facts.name.clone(), rows: facts.rows });
            }
        } else if lost {
            gone.push(facts.name.clone());
        }
    }
    if gone.is_empty() {
        return emptied.unwrap_or(Comparison::Changed);
    }
    let is_known = |facts: &InputFacts| {
        known.iter().any(|known| known.digest == facts.digest || known.name == facts.name)
    };
    let further = given.iter().any(|facts| facts.rows > 0 && !is_known(facts));
    Comparison::Gone { names: gone, further }
}

/// Refuses the same log under two names, which would count every row twice; logs without rows do no harm.
pub(super) fn refuse_copies(inputs: &[InputPath], facts: &[InputFacts]) -> Result<()> {
    let mut known: HashMap<u128, &InputPath> = HashMap::new();
    for (input, facts) in inputs.iter().zip(facts).filter(|(_, facts)| facts.rows > 0) {
        if let Some(first) = known.insert(facts.digest, input) {
            let other = first.path().to_owned();
            return Err(Error::from(ErrorKind::TwiceGiven(other)).at(input.path()));
        }
    }
    Ok(())
}

/// Refuses a log that the day has already, by its digest; logs without rows do no harm.
///
/// Not by name, size and time: parts of one size that were unpacked in one second would be taken for one another.
pub(super) fn refuse_known(
    metadata: &Metadata,
    inputs: &[InputPath],
    facts: &[InputFacts],
) -> Result<()> {
    let known: HashMap<u128, &[u8]> =
        metadata.inputs.iter().map(|facts| (facts.digest, facts.name.as_slice())).collect();
    for (input, facts) in inputs.iter().zip(facts).filter(|(_, facts)| facts.rows > 0) {
        if let Some(name) = known.get(&facts.digest) {
            return Err(already_in(metadata, input, name));
        }
    }
    Ok(())
}

/// The base names that come again with other content: further rows, or a corrected log that would count beside the old
/// one. Which of the two only people know.
pub(super) fn names_again(metadata: &Metadata, facts: &[InputFacts]) -> Vec<Vec<u8>> {
    let with_rows = |facts: &&InputFacts| facts.rows > 0;
    let known: HashSet<&[u8]> =
        metadata.inputs.iter().filter(with_rows).map(|facts| facts.name.as_slice()).collect();
    let again =
        facts.iter().filter(with_rows).filter(|facts| known.contains(facts.name.as_slice()));
    again.map(|facts| facts.name.clone()).collect()
}

fn already_in(metadata: &Metadata, input: &InputPath, name: &[u8]) -> Error {
    let name = String::from_utf8_lossy(name).into_owned();
    Error::from(ErrorKind::AlreadyInDay { day: metadata.day, name }).at(input.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs by name and digest; those of digest 0 have no rows.
    fn facts(logs: &[(&str, u128)]) -> Vec<InputFacts> {
        let facts = |(name, digest): &(&str, u128)| InputFacts {
            name: name.as_bytes().to_vec(),
            size: 0,
            modified_ns: 0,
            digest: *digest,
            rows: u64::from(*digest > 0),
        };
        logs.iter().map(facts).collect()
    }

    #[test]
    fn logs_are_the_same_changed_or_gone_by_content_first_and_by_name_then() {
        let compared = |known: &[_], given: &[_]| compare_facts(&facts(known), &facts(given));
        let lost = |names: &[&str], further| {
            let names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
            Comparison::Gone { names, further }
        };
        let gone = |names: &[&str]| lost(names, false);
        let day = [("a", 1), ("b", 2)];
        assert_eq!(compared(&day, &[("b", 2), ("a", 1)]), Comparison::Same);
        assert_eq!(compared(&day, &[("x", 1), ("y", 2)]), Comparison::Same);
        assert_eq!(compared(&day, &[("a", 1), ("b", 3)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("a", 1), ("b", 2), ("c", 3)]), Comparison::Changed);
        // Renamed, and another one changed.
        assert_eq!(compared(&day, &[("c", 1), ("b", 3)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("a", 1)]), gone(&["b"]));
        assert_eq!(compared(&day, &[("c", 3)]), lost(&["a", "b"], true));
        assert_eq!(compared(&day, &[("a", 1), ("c", 3)]), lost(&["b"], true));
        // One log of a name does not stand for two, and one without rows may go.
        assert_eq!(compared(&[("p", 1), ("p", 2)], &[("p", 3)]), gone(&["p"]));
        assert_eq!(compared(&[("a", 1), ("empty", 0)], &[("a", 1)]), Comparison::Changed);
        // Emptied under its name; moved to another one beside an empty file is well.
        let emptied = Comparison::Emptied { name: b"b".to_vec(), rows: 1 };
        assert_eq!(compared(&day, &[("a", 1), ("b", 0)]), emptied);
        assert_eq!(compared(&day, &[("a", 1), ("b", 0), ("c", 2)]), Comparison::Changed);
        assert_eq!(compared(&day, &[("b", 0)]), gone(&["a"]));
    }
}
