//! Reads a partial whole and checks everything that can be checked.

use super::metadata::RunFacts;
use super::reader::Partial;
use crate::codec::block::Runs;
use crate::error::{Error, Result};
use crate::model::{Kind, MAX_ID, Position};

/// Checks every byte of an open partial: checksums, that blocks tile the file, order within and across
/// blocks, block lengths, keys, and the totals against the footer. `stop` is asked once a block.
pub fn verify(partial: &Partial, stop: &dyn Fn() -> Result<()>) -> Result<()> {
    for (kind, facts) in partial.metadata().runs.iter() {
        let found = walk(partial, kind, stop)?;
        if found != *facts {
            let text = format!("the {} run is {found:?}, the footer says {facts:?}", kind.noun());
            return Err(Error::damaged(text)
                .at_offset(partial.metadata_offset())
                .at(partial.path()));
        }
    }
    Ok(())
}

fn walk(partial: &Partial, kind: Kind, stop: &dyn Fn() -> Result<()>) -> Result<RunFacts> {
    let mut found = RunFacts::default();
    let mut last: Option<Position> = None;
    let everything = Position::default()..Position { key: u64::MAX, song: u64::MAX };
    let mut reader = partial.blocks(kind, everything);
    let pages = partial.page_count(kind);
    for page in 0..pages {
        let handles = partial.page(kind, page)?;
        for (at, handle) in handles.iter().enumerate() {
            stop()?;
            let wrong =
                |what: &str| Err(Error::damaged(what).at_offset(handle.offset).at(partial.path()));
            let runs = reader.read_block(handle)?;
            if last.is_some_and(|last| last >= handle.first) {
                return wrong("a block does not follow the one before it");
            }
            let is_last = page + 1 == pages && at + 1 == handles.len();
            let most = u32::from(partial.block_entries());
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
