//! `report`: the country runs of a window, and of two earlier ones, to a page.

mod collect;
mod windows;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::windows::ComparedWindows;
pub use self::windows::ReportOptions;
use super::warning::Warning;
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::ReadFile;
use crate::model::{Day, RowCounts};
use crate::page::{self, Report, SongNames};
use crate::store;
use crate::text::json;

/// Songs of a country on the page.
const TOP: u32 = 50;

/// The result of a report.
#[derive(Debug, Clone, Serialize)]
pub struct ReportOutcome {
    /// The page.
    #[serde(skip)]
    pub page: Vec<u8>,
    /// The window's last day.
    pub day: Day,
    /// Days in the window.
    pub days: u32,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// Last days of the two earlier windows, if they were compared with.
    pub compared: Vec<Day>,
    /// Where the page was published, if it was.
    #[serde(serialize_with = "json::optional_path")]
    pub file: Option<PathBuf>,
    /// Size of the page.
    pub bytes: u64,
    /// Countries with a stream.
    pub countries: u64,
    /// Different songs that are shown.
    pub songs: u64,
    /// Number of shown songs that have a name.
    pub named: u64,
    /// Rows of the days.
    #[serde(flatten)]
    pub counts: RowCounts,
    /// Entries read from the partials.
    pub entries: u64,
}

/// Makes the page of a window from the country runs of its days, and publishes it.
///
/// Each country's blocks are read once, although they belong to up to three windows. The same partials and names give
/// the same bytes. Memory stays below the budget; the page itself and its figures are a few MB. The store needs no
/// lock and is not written to.
///
/// # Example
/// ```
/// use agg::job::{ReportOptions, report};
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let made = report(&context, &ReportOptions { days: 1, ..ReportOptions::new(day) })?;
/// assert_eq!((made.countries, made.counts.rows), (2, 4));
/// assert!(made.page.starts_with(b"<!doctype html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::MissingDays`] unless missing days are allowed (and always when all are missing), [`ErrorKind::Usage`]
/// for more than [`ReportOptions::MAX_DAYS`] days, a list of songs that is missing or not valid,
/// [`ErrorKind::SumOverflow`], [`ErrorKind::TooManyRows`], a damaged partial, [`ErrorKind::CannotCreate`], failures to
/// write. What was published before is then untouched.
pub fn report(context: &Context, options: &ReportOptions) -> Result<ReportOutcome> {
    if !(1..=ReportOptions::MAX_DAYS).contains(&options.days) {
        let text = format!("a report is of 1 to {} days", ReportOptions::MAX_DAYS);
        return Err(ErrorKind::Usage(text).into());
    }
    let windows = ComparedWindows::open(context, options)?;
    let entries = windows.entries();
    let figures =
        context.phase(Phase::Emit, Some(entries), || collect::figures(context, &windows, TOP))?;
    let wanted = figures.songs();
    let names = match &options.songs {
        Some(path) => read_names(context, path, &wanted)?,
        None => SongNames::new(),
    };
    let rendered = page::render(&figures, &names)?;
    if let Some(path) = &options.out {
        context.phase(Phase::Publish, Some(1), || {
            store::Aside::Report.publish(context.files.as_ref(), path, &rendered)
        })?;
    }
    Ok(ReportOutcome {
        day: options.day,
        days: options.days,
        missing: windows.missing.clone(),
        compared: compared(&figures),
        countries: figures.countries.len() as u64,
        file: options.out.clone(),
        bytes: rendered.len() as u64,
        page: rendered,
        songs: wanted.len() as u64,
        named: names.len() as u64,
        counts: windows.counts,
        entries,
    })
}

fn compared(figures: &Report) -> Vec<Day> {
    let taken = figures.earlier.iter().filter(|window| window.streams.is_some());
    taken.filter_map(|window| window.end).collect()
}

/// Reads the names of the songs that are shown; rows that are not songs are a warning.
fn read_names(
    context: &Context,
    path: &Path,
    wanted: &std::collections::BTreeSet<u64>,
) -> Result<SongNames> {
    let file = context.files.open(path).map_err(|error| opening_error(error).at(path))?;
    let from_start = FromStart { context, file: file.as_ref(), offset: 0 };
    let read = page::read_song_names(from_start, wanted);
    // A signal shows as a failure to read.
    context.check_stop()?;
    let (names, passed_over) = read.map_err(|error| error.at(path))?;
    if let Some(passed) = passed_over {
        let (rows, first_line) = (passed.rows, passed.first_line);
        context.observer.warn(&Warning::NotSongs { path: path.to_owned(), rows, first_line });
    }
    Ok(names)
}

fn opening_error(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let hint = "name a CSV file with the columns id,title,artist".to_owned();
            ErrorKind::Missing { what: "the list of songs", hint }.into()
        }
        _ => ErrorKind::Unreadable(source).into(),
    }
}

/// A file front to back, until a signal comes.
struct FromStart<'a> {
    context: &'a Context,
    file: &'a dyn ReadFile,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.context.check_stop().map_err(io::Error::other)?;
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
