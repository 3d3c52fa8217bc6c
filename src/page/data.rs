//! The figures of a page.

use std::collections::BTreeSet;

use crate::model::{Country, Day, RejectCounts};

/// The figures of a page, without the names of songs.
///
/// Memory: for each song that is shown 32 bytes, and 8 for each day of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The days of the window, oldest first.
    pub days: Vec<Day>,
    /// Maximum number of songs that are shown for a country.
    pub top: u32,
    /// The figures of each of `days`; `None` for a day that is not stored.
    pub daily: Vec<Option<DayFigures>>,
    /// The windows to compare with: those that ended a day earlier and a week earlier.
    pub earlier: [Earlier; 2],
    /// Countries with a stream in the window, by code.
    pub countries: Vec<CountryFigures>,
}

/// The figures of a day.
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
    /// Its last day; `None` before 1970.
    pub end: Option<Day>,
    /// Its days that are not stored.
    pub lacking: Vec<Day>,
    /// Its streams, if it is compared. As in `emit-window`, all its days must be stored, or some of them where missing
    /// days are allowed.
    pub streams: Option<u64>,
}

/// A country in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountryFigures {
    /// The country.
    pub country: Country,
    /// Streams on each day of the window; 0 on a day that is not stored.
    pub streams: Vec<u64>,
    /// Streams in each earlier window; `None` if the window is not compared, or has no stream of the country.
    pub earlier: [Option<u64>; 2],
    /// The best songs, the best first.
    pub songs: Vec<SongFigures>,
}

/// A song among the best of a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SongFigures {
    /// Song id.
    pub song: u64,
    /// Streams on each day of the window; 0 on a day that is not stored.
    pub streams: Vec<u64>,
    /// Its rank in each earlier window.
    pub earlier: [Standing; 2],
}

/// A song's rank in an earlier window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Unknown: the window is not compared, or the country had no stream in it.
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
