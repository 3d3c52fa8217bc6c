//! The JSON form of parts of reports, where serde's own form does not fit.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::model::{Kind, PerKind, Ranked};
use crate::runfile::RunFacts;
use crate::store::{DatasetFolder, PartitionDays};

#[derive(Serialize)]
struct RunSize {
    keys: u64,
    pairs: u64,
}

fn sizes(runs: &PerKind<RunFacts>) -> PerKind<RunSize> {
    runs.map(|RunFacts { keys, pairs, .. }| RunSize { keys, pairs })
}

/// A shared value, as the value itself.
pub(super) fn shared<T: Serialize, S: Serializer>(
    value: &Arc<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().serialize(serializer)
}

/// `"users":{"keys":…,"pairs":…}` and the same for each other kind.
pub(super) fn run_sizes<S: Serializer>(
    runs: &PerKind<RunFacts>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    sizes(runs).serialize(serializer)
}

/// As [`run_sizes`], and `"blocks":{"users":…,…}`.
pub(super) fn run_sizes_and_blocks<S: Serializer>(
    runs: &PerKind<RunFacts>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (kind, size) in sizes(runs).iter() {
        map.serialize_entry(kind.plural(), size)?;
    }
    map.serialize_entry("blocks", &runs.map(|run| run.blocks))?;
    map.end()
}

/// `"user"` or `"country"`.
pub(super) fn kind<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.noun())
}

/// `"kind":"user","day":"2021-12-07","window":false`; the day of a window is its last.
pub(super) fn partition<S: Serializer>(
    partition: &DatasetFolder,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let (day, is_window) = match partition.days {
        PartitionDays::Day(day) => (day, false),
        PartitionDays::Window(day) => (day, true),
    };
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry("kind", partition.kind.noun())?;
    map.serialize_entry("day", &day)?;
    map.serialize_entry("window", &is_window)?;
    map.end()
}

/// `{"rank":1,"song":…,"count":…}` of each song.
pub(super) fn songs<S: Serializer>(songs: &[Ranked], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ranks(songs))
}

/// A song with its rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RankedSong {
    /// From 1.
    pub rank: u32,
    /// The song.
    pub song: u64,
    /// Its count.
    pub count: u64,
}

/// The songs, the best first, with their ranks.
pub(super) fn ranks(songs: &[Ranked]) -> impl Iterator<Item = RankedSong> + '_ {
    (1..).zip(songs).map(|(rank, &Ranked { song, count })| RankedSong { rank, song, count })
}
