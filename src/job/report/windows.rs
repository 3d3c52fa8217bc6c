//! The window of a report and the two earlier ones that it is compared with: finds and opens each stored day once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::Context;
use super::super::window::{StoredWindow, check_missing, total};
use crate::error::Result;
use crate::model::{Day, Kind, RowCounts};
use crate::page::{DayFigures, Earlier};
use crate::partial::Partial;
use crate::runfile::RunFacts;

/// The window, and where the page goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    /// The window's last day.
    pub day: Day,
    /// Days in the window, 1 to [`ReportOptions::MAX_DAYS`].
    pub days: u32,
    /// The file to publish; with `None` the page is only returned.
    pub out: Option<PathBuf>,
    /// A CSV file with the names of songs.
    pub songs: Option<PathBuf>,
    /// Report without the days that have no partial.
    pub allow_missing: bool,
}

impl ReportOptions {
    /// A page shows every day of every song: a month is still readable, and keeps the page small.
    pub const MAX_DAYS: u32 = 31;

    /// The usual window of 7 days, without names, returned.
    #[must_use]
    pub fn new(day: Day) -> Self {
        ReportOptions { day, days: 7, out: None, songs: None, allow_missing: false }
    }
}

/// How many days earlier the compared windows end.
const EARLIER: [i64; 2] = [1, 7];

/// Partials of three overlapping windows, open: at most 38.
pub(super) struct ComparedWindows {
    /// Each day once, oldest first.
    pub(super) partials: Vec<Partial>,
    /// The days of the report's own window, and the place of each among `partials` if it is stored.
    pub(super) current: Vec<(Day, Option<usize>)>,
    /// Days of it that are not stored.
    pub(super) missing: Vec<Day>,
    /// The windows that ended a day and a week earlier.
    pub(super) earlier: [EarlierWindow; 2],
    /// Rows of the window's days. They fit a BIGINT, as those of the earlier windows do, and so do all sums of streams.
    pub(super) counts: RowCounts,
}

/// A window to compare with.
pub(super) struct EarlierWindow {
    end: Option<Day>,
    lacking: Vec<Day>,
    /// Places of its days among the partials; empty when it is not compared with.
    pub(super) places: Vec<usize>,
}

impl ComparedWindows {
    /// Opens what is stored of the windows' days.
    pub(super) fn open(context: &Context, options: &ReportOptions) -> Result<Self> {
        let days = options.day.window(options.days);
        let ends = EARLIER.map(|back| options.day.plus_days(-back));
        let earlier_days = ends.iter().flatten().flat_map(|end| end.window(options.days));
        let mut all: Vec<Day> = earlier_days.chain(days.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let partials = StoredWindow::look(context, all, |partial| partial)?.stored;
        let places = partials.iter().zip(0..).map(|(partial, at)| (partial.metadata().day, at));
        let places: BTreeMap<Day, usize> = places.collect();
        let current: Vec<_> = days.iter().map(|day| (*day, places.get(day).copied())).collect();
        let missing: Vec<Day> = days.into_iter().filter(|day| !places.contains_key(day)).collect();
        let stored = current.len() - missing.len();
        check_missing(context, &missing, stored, options.allow_missing)?;
        let earlier = ends.map(|end| EarlierWindow::of(end, options, &places));
        let counts_of = |place: &usize| Some(partials.get(*place)?.metadata().counts());
        let all = |places: &[usize]| total(places.iter().filter_map(counts_of));
        let counts = all(&current.iter().filter_map(|(_, place)| *place).collect::<Vec<_>>())?;
        for window in &earlier {
            all(&window.places)?;
        }
        Ok(ComparedWindows { partials, current, missing, earlier, counts })
    }

    /// Entries of the country runs of all days.
    pub(super) fn entries(&self) -> u64 {
        self.partials.iter().map(|partial| countries(partial).pairs).sum()
    }

    /// The figures of each day of the window, from its footer.
    pub(super) fn daily(&self) -> Vec<Option<DayFigures>> {
        let day = |place: usize| {
            let partial = self.partials.get(place)?;
            let rejects = partial.metadata().counts().rejects;
            Some(DayFigures { streams: countries(partial).streams, rejects })
        };
        self.current.iter().map(|(_, place)| place.and_then(day)).collect()
    }

    /// The earlier windows as the page shows them.
    pub(super) fn earlier_on_page(&self) -> [Earlier; 2] {
        self.earlier.each_ref().map(|window| {
            let partials = window.places.iter().filter_map(|place| self.partials.get(*place));
            let sum =
                partials.fold(0_u64, |sum, partial| sum.saturating_add(countries(partial).streams));
            let streams = (!window.places.is_empty()).then_some(sum);
            Earlier { end: window.end, lacking: window.lacking.clone(), streams }
        })
    }
}

impl EarlierWindow {
    fn of(end: Option<Day>, options: &ReportOptions, places: &BTreeMap<Day, usize>) -> Self {
        let days = end.map(|end| end.window(options.days)).unwrap_or_default();
        let stored: Vec<usize> = days.iter().filter_map(|day| places.get(day).copied()).collect();
        let taken = stored.len() == days.len() || options.allow_missing;
        let places_of = if taken { stored } else { Vec::new() };
        let lacking = days.into_iter().filter(|day| !places.contains_key(day)).collect();
        EarlierWindow { end, lacking, places: places_of }
    }
}

/// The size of the country run, from the footer.
pub(super) fn countries(partial: &Partial) -> RunFacts {
    partial.metadata().runs[Kind::Country]
}
