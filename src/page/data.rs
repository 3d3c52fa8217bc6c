//! The figures of a page.

use std::collections::BTreeSet;

use crate::model::{Country, Day, RejectCounts};

/// All that a page shows but the names of songs.
///
/// Memory: 32 bytes and 8 for each day of the window a song that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The days of the window, oldest first.
    pub days: Vec<Day>,
    /// Songs of a country that are shown, at most.
    pub top: u32,
    /// What each of `days` counted; `None` for a day that is not stored.
    pub daily: Vec<Option<DayFigures>>,
    /// The windows to compare with: the one that ended a day earlier, and a week earlier.
    pub earlier: [Earlier; 2],
    /// Countries with a stream in the window, by code.
    pub countries: Vec<CountryFigures>,
}

/// What a day counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayFigures {
    /// Accepted rows.
    pub streams: u64,
    /// Rejected rows by reason; `None` where they are unknown.
    pub rejects: Option<RejectCounts>,
}

/// A window of the same length that ended earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its last day; `None` where that lies before 1970.
    pub end: Option<Day>,
    /// Its days that are not stored.
    pub lacking: Vec<Day>,
    /// Its streams, if it is compared with at all: as `emit-window` would, a window is taken when all its days are
    /// stored, or some of them where missing days are allowed.
    pub streams: Option<u64>,
}

/// A country in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountryFigures {
    /// Which.
    pub country: Country,
    /// Streams on each day of the window, 0 on one that is not stored.
    pub streams: Vec<u64>,
    /// Streams in each earlier window; `None` where that window is not compared with, or has none of the country.
    pub earlier: [Option<u64>; 2],
    /// The best songs, the best first.
    pub songs: Vec<SongFigures>,
}

/// A song among the best of a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SongFigures {
    /// Song id.
    pub song: u64,
    /// Streams on each day of the window, 0 on one that is not stored.
    pub streams: Vec<u64>,
    /// Where it stood in each earlier window.
    pub earlier: [Standing; 2],
}

/// Where a song stood in an earlier window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known: the window is not compared with, or the country had no stream in it.
    Unknown,
    /// It was not among the best.
    New,
    /// Its rank, from 1.
    Rank(u32),
}

impl Report {
    /// Ids of all songs that are shown, ascending.
    #[must_use]
    pub fn songs(&self) -> BTreeSet<u64> {
        self.countries.iter().flat_map(|country| &country.songs).map(|song| song.song).collect()
    }
}
