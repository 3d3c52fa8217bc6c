//! Checks a whole run.

use super::reader::Run;
use super::writer::RunFacts;
use crate::codec::block::Runs;
use crate::error::{Error, Result};
use crate::model::{MAX_ID, Position};

/// Reads a whole run and checks it: checksums, that blocks tile it, order within and across blocks, and that every
/// block except the last has `block_entries` entries. Returns the totals that it counted. `stop` is called once a
/// block; its error ends the check.
pub(crate) fn verify_run(
    run: &Run,
    block_entries: u16,
    stop: &dyn Fn() -> Result<()>,
) -> Result<RunFacts> {
    let mut totals = RunFacts::default();
    let mut last: Option<Position> = None;
    let everything = Position::default()..Position { key: u64::MAX, song: u64::MAX };
    let mut reader = run.blocks(everything);
    let pages = run.page_count();
    for page in 0..pages {
        let handles = run.page(page)?;
        for (at, handle) in handles.iter().enumerate() {
            stop()?;
            let wrong =
                |what: String| Err(Error::damaged(what).at_offset(handle.offset).at(run.path()));
            let runs = reader.read_block(handle)?;
            if last.is_some_and(|last| last >= handle.first) {
                return wrong("a block does not follow the block before it".to_owned());
            }
            let is_last = page + 1 == pages && at + 1 == handles.len();
            let (found, expected) = (handle.entries, u32::from(block_entries));
            if found > expected || (found < expected && !is_last) {
                return wrong(format!("a block has {found} entries instead of {expected}"));
            }
            last = Some(add(&mut totals, last, runs));
            if totals.streams > MAX_ID {
                return wrong("the streams exceed 2^63-1".to_owned());
            }
        }
    }
    Ok(totals)
}

/// Adds a block's entries to the totals of its run; returns its last position.
fn add(totals: &mut RunFacts, last: Option<Position>, runs: Runs<'_>) -> Position {
    let mut key = last.map(|last| last.key);
    for (next, songs) in runs.by_key() {
        if key.replace(next) != Some(next) {
            totals.keys += 1;
        }
        totals.streams =
            songs.counts.iter().fold(totals.streams, |sum, count| sum.saturating_add(*count));
    }
    totals.pairs += runs.len() as u64;
    totals.blocks += 1;
    runs.last()
}
