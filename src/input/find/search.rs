//! Which days are searched for, and how dates in names are read.

use std::path::PathBuf;

use crate::input::dates::Dates;
use crate::input::pattern::Days;
use crate::model::Day;

/// The wanted days, and how dates in names are read.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// First day, if bounded.
    pub from: Option<Day>,
    /// Last day, if bounded.
    pub to: Option<Day>,
    /// Days to add to every date in a name, a folder's name or a pattern; `None` means 0, with a warning if logrotate
    /// seems to have named a log after the day of rotation.
    pub date_offset: Option<i32>,
    /// Folders that are never searched, by identity; missing folders are ignored.
    pub excluded: Vec<PathBuf>,
    /// Bytes of the run's memory; names may take half of it. `None` means no bound.
    pub memory: Option<u64>,
    /// Whether `.csv`, `.tsv` and `.psv` files are logs.
    pub tables: bool,
}

impl Search {
    /// The day of a date in a name.
    pub(super) fn shift(&self, date: Day) -> Option<Day> {
        date.plus_days(i64::from(self.date_offset.unwrap_or(0)))
    }

    pub(super) fn shifted(&self, dates: Dates) -> Dates {
        match dates {
            Dates::One(day) => self.shift(day).map_or(Dates::None, Dates::One),
            Dates::Two(one, other) => self
                .shift(one)
                .zip(self.shift(other))
                .map_or(Dates::None, |(a, b)| Dates::Two(a, b)),
            Dates::None => Dates::None,
        }
    }

    pub(super) fn days(&self) -> Days {
        Days { from: self.from, to: self.to }
    }

    /// The days as names have them.
    pub(super) fn written_days(&self) -> Days {
        let back = -i64::from(self.date_offset.unwrap_or(0));
        let shift = |day: Option<Day>| day.and_then(|day| day.plus_days(back));
        Days { from: shift(self.from), to: shift(self.to) }
    }
}
