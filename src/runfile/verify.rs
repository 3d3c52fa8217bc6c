//! Walks over a whole run.

use super::reader::Run;
use super::writer::RunFacts;
use crate::codec::block::Runs;
use crate::error::{Error, Result};
use crate::model::{MAX_ID, Position};

/// Reads a run whole and checks everything that can be checked of it: checksums, that blocks tile it, order within and
/// across blocks, and that all blocks but the last have `block_entries` entries. Returns what it adds up to. `stop` is
/// asked once a block.
pub(crate) fn verify_run(
    run: &Run,
    block_entries: u16,
    stop: &dyn Fn() -> Result<()>,
) -> Result<RunFacts> {
    let mut found = RunFacts::default();
    let mut last: Option<Position> = None;
    let everything = Position::default()..Position { key: u64::MAX, song: u64::MAX };
    let mut reader = run.blocks(everything);
    let pages = run.page_count();
    for page in 0..pages {
        let handles = run.page(page)?;
        for (at, handle) in handles.iter().enumerate() {
            stop()?;
            let wrong =
                |what: &str| Err(Error::damaged(what).at_offset(handle.offset).at(run.path()));
            let runs = reader.read_block(handle)?;
            if last.is_some_and(|last| last >= handle.first) {
                return wrong("a block does not follow the one before it");
            }
            let is_last = page + 1 == pages && at + 1 == handles.len();
            let most = u32::from(block_entries);
            let shorter = handle.entries < most;
            if handle.entries > most || (shorter && !is_last) {
                return wrong("a block is not as long as all others");
            }
            last = Some(add(&mut found, last, runs));
            if found.streams > MAX_ID {
                return wrong("the streams exceed 2^63-1");
            }
        }
    }
    Ok(found)
}

/// Adds a block's entries to the run's facts; returns its last position.
fn add(found: &mut RunFacts, last: Option<Position>, runs: Runs<'_>) -> Position {
    let mut key = last.map(|last| last.key);
    for (next, songs) in runs.by_key() {
        if key.replace(next) != Some(next) {
            found.keys += 1;
        }
        found.streams =
            songs.counts.iter().fold(found.streams, |sum, count| sum.saturating_add(*count));
    }
    found.pairs += runs.len() as u64;
    found.blocks += 1;
    runs.last()
}
