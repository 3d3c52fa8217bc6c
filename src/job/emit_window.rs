//! `emit-window`: the partials of a window to the top songs of every country and every user.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Serialize;

use super::join::open_merged;
use super::published::{IfPublished, check_published};
use super::tops::Tops;
use super::warning::Warning;
use super::window::{StoredDay, StoredWindow, overtaken_once};
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::WriteFile;
use crate::model::{Day, Inputs, Kind, RowCounts, Shape, SongLists};
use crate::output::{FileEntry, Format, Manifest, TopsFormat, Window};
use crate::store::{self, BuildFolder, HashingWriter, MANIFEST, Output, OutputLock, Written};
use crate::text::{self, json};
use crate::topk::{Floor, RankInput};

/// The window, the number of songs, and the output.
#[derive(Debug, Clone)]
pub struct EmitOptions {
    /// The window's last day.
    pub day: Day,
    /// Days in the window, 1 to 3,660.
    pub days: u32,
    /// Songs of each key, 1 to 10,000.
    pub top: u32,
    /// The output folder.
    pub out: PathBuf,
    /// Each gives a file for each kind of key.
    pub formats: Vec<TopsFormat>,
    /// Emit without the days that have no partial.
    pub allow_missing: bool,
    /// Publish over an emission that includes more days, or is of another shape.
    pub force: bool,
}

impl EmitOptions {
    /// The usual window: 7 days, 50 songs, as text.
    #[must_use]
    pub fn new(day: Day, out: PathBuf) -> Self {
        let formats = vec![TopsFormat::Text];
        EmitOptions { day, days: 7, top: 50, out, formats, allow_missing: false, force: false }
    }

    /// The shape of the emission.
    pub(super) fn shape(&self) -> Shape {
        let names = |kind| self.formats.iter().map(move |format| format.file_name(kind, self.top));
        let files = Kind::ALL.into_iter().flat_map(names).collect();
        Shape { days: self.days, top: self.top, files }
    }
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmittedFile {
    /// Where it is, published.
    #[serde(serialize_with = "json::path")]
    pub path: PathBuf,
    /// Keys in it: the lines of text.
    pub keys: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3-64 of its bytes.
    #[serde(serialize_with = "json::hex64")]
    pub xxh3_64: u64,
}

/// The report of an emission.
#[derive(Debug, Clone, Serialize)]
pub struct EmitReport {
    /// The window's last day.
    pub day: Day,
    /// Days in the window.
    pub days: u32,
    /// Maximum songs of each key.
    pub top: u32,
    /// The folder that was published.
    #[serde(serialize_with = "json::path")]
    pub folder: PathBuf,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// The files.
    pub files: Vec<EmittedFile>,
    /// Rows of the days.
    #[serde(flatten)]
    pub counts: RowCounts,
    /// Entries read from the partials.
    pub entries: u64,
}

/// Merges the window's partials and publishes its files, two of each format, and its manifest.
///
/// The same partials give the same bytes. Memory stays below the budget for any window and any K; a window of more
/// partials than the budget can read at once is merged in several passes. The store needs no lock and is not
/// written to.
///
/// # Example
/// ```
/// use agg::job::{EmitOptions, emit_window};
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// // The day and the one before it, of which nothing is stored; one song of each.
/// let window = EmitOptions::new(day, folder.path().join("out"));
/// let options = EmitOptions { days: 2, top: 1, allow_missing: true, ..window };
/// let emitted = emit_window(&context, &options)?;
/// assert_eq!(emitted.missing, [day.plus_days(-1).ok_or("no such day")?]);
/// let text = std::fs::read_to_string(emitted.folder.join("top1_songs_per_country.txt"))?;
/// assert_eq!(text, "BR|4:1\nFR|9:2\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::MissingDays`] unless missing days are allowed (and always when all are missing),
/// [`ErrorKind::PublishedMoreDays`], [`ErrorKind::PublishedOtherShape`], [`ErrorKind::CannotCreate`] where a folder of
/// that date is not an emission, [`ErrorKind::SumOverflow`], [`ErrorKind::TooManyRows`], a damaged partial,
/// [`ErrorKind::Locked`], [`ErrorKind::Replaced`] and [`ErrorKind::Removed`] where other runs change days twice
/// meanwhile, failures to write. What was published before is then untouched.
pub fn emit_window(context: &Context, options: &EmitOptions) -> Result<EmitReport> {
    let if_published = if options.force { IfPublished::Replace } else { IfPublished::Refuse };
    overtaken_once(|| emit(context, options, if_published)).map(|(report, _)| report)
}

/// As [`emit_window`], for a run over many days, whose settings are deliberate: also replaces an emission of another
/// shape, and returns that shape.
pub(super) fn emit_window_over(
    context: &Context,
    options: &EmitOptions,
) -> Result<(EmitReport, Option<Shape>)> {
    overtaken_once(|| emit(context, options, IfPublished::ReplaceOther))
}

fn emit(
    context: &Context,
    options: &EmitOptions,
    if_published: IfPublished,
) -> Result<(EmitReport, Option<Shape>)> {
    let days = options.day.window(options.days);
    let window = StoredWindow::look(context, days, |partial| StoredDay::of(&partial))?;
    window.check_missing(context, options.allow_missing)?;
    let counts = window.counts()?;
    let formats = formats(context, options, &window)?;
    let partials = window.manifest_entries();
    let output = context.output(&options.out);
    let mut lock = context.locked(|| OutputLock::take(&output))?;
    store::check_replaceable(&lock, options.day)?;
    let path = output.manifest_path(options.day);
    let replaced = check_published(context, &path, &options.shape(), if_published, &partials)?;

    let pool = context.pool()?;
    let plan = context.budget.emit(window.stored.len());
    let scratch = || lock.scratch_file();
    let built = lock.build_folder()?;
    let entries = window.entries.values().sum::<u64>();
    let files = context.phase(Phase::Emit, Some(entries * formats.len() as u64), || {
        let opened = open_merged(context, &pool, plan, window.inputs(), &scratch)?;
        let runs: Vec<_> = Kind::in_output_order().map(|kind| (kind, opened.of(kind))).collect();
        let progress = |entries| {
            context.observer.advance(Phase::Emit, entries);
            context.check_stop()
        };
        let files = runs
            .iter()
            .flat_map(|(kind, runs)| formats.iter().map(move |format| (*kind, runs, format)));
        let files = files.map(|(kind, runs, (format, writer))| {
            let input = RankInput {
                kind,
                runs,
                top: usize::try_from(options.top).unwrap_or(usize::MAX),
                piece_entries: match kind.song_lists() {
                    SongLists::Long => context.budget.long_piece(runs.len(), options.top),
                    SongLists::Short => plan.piece_entries,
                },
                progress: &progress,
                floor: Floor::default(),
            };
            let tops = Tops { pool: &pool, input, format: &**writer, buffers: Mutex::default() };
            write_file(&built, &tops, format.file_name(kind, options.top))
        });
        files.collect::<Result<Vec<_>>>()
    })?;
    let manifest = Manifest {
        window: Window { from: window.from(options.day), to: options.day, days: options.days },
        top: options.top,
        partials,
        missing: window.missing.clone(),
        files: files.iter().map(|(name, file)| file_entry(name, file)).collect(),
        totals: counts,
    };
    write_manifest(&built, &manifest.encode())?;
    let folder = output.day_folder(options.day);
    context.phase(Phase::Publish, Some(1), || {
        store::publish_emission(&mut lock, options.day, built)
    })?;
    warn_of_lost_latest(context, &output);
    let published =
        |(name, file): (String, EmittedFile)| EmittedFile { path: folder.join(name), ..file };
    let report = EmitReport {
        day: options.day,
        days: options.days,
        top: options.top,
        missing: window.missing,
        files: files.into_iter().map(published).collect(),
        counts,
        entries,
        folder,
    };
    Ok((report, replaced))
}

/// Warns of a link `latest` that leads nowhere, which no run moves back.
pub(super) fn warn_of_lost_latest(context: &Context, output: &Output) {
    // An unreadable link was reported by the publishing code.
    if let Ok(Some(day)) = store::lost_latest(output) {
        let link = output.latest_link();
        context.observer.warn(&Warning::LostLatest { link, day });
    }
}

/// The requested formats, each once, and their writers.
fn formats(
    context: &Context,
    options: &EmitOptions,
    window: &StoredWindow<StoredDay>,
) -> Result<Vec<(TopsFormat, Box<dyn Format>)>> {
    let facts = || window.facts(window.origin(options.day, options.days), Inputs::default());
    let mut formats: Vec<(TopsFormat, Box<dyn Format>)> = Vec::new();
    for format in &options.formats {
        if !formats.iter().any(|(before, _)| before == format) {
            formats.push((*format, format.open(facts, context.budget.memory)?));
        }
    }
    Ok(formats)
}

pub(super) fn file_entry(name: &str, file: &EmittedFile) -> FileEntry {
    FileEntry {
        name: name.to_owned(),
        keys: file.keys,
        bytes: file.bytes,
        xxh3_64: text::hex64(file.xxh3_64),
    }
}

/// Writes and syncs one file of tops; its path is still its name alone.
fn write_file(built: &BuildFolder, tops: &Tops<'_>, name: String) -> Result<(String, EmittedFile)> {
    let path = built.path().join(&name);
    let mut file = built.create_file(&name)?;
    file.bypass_cache();
    let mut out = HashingWriter::new(file);
    let keys = tops.write(&mut out).map_err(|error| match error.kind() {
        // Other errors do not concern this file.
        ErrorKind::Io { .. } => error.at(&path),
        _ => error,
    })?;
    Ok((name, end_file(out, path, keys)?))
}

/// Syncs a file that is written; its path is still the one that it has until it is published.
pub(super) fn end_file(
    out: HashingWriter<Box<dyn WriteFile>>,
    path: PathBuf,
    keys: u64,
) -> Result<EmittedFile> {
    let finished = out.finish().and_then(|(mut file, written)| file.sync().map(|()| written));
    let Written { bytes, xxh3_64 } =
        finished.map_err(|error| Error::io("write", error).at(&path))?;
    Ok(EmittedFile { path, keys, bytes, xxh3_64 })
}

/// Writes and syncs a manifest that is encoded.
pub(super) fn write_manifest(
    built: &BuildFolder,
    encoded: &serde_json::Result<Vec<u8>>,
) -> Result<()> {
    let bytes = encoded.as_ref().map_err(|error| Error::damaged(error.to_string()))?;
    let mut file: Box<dyn WriteFile> = built.create_file(MANIFEST)?;
    let written = file.write_all(bytes).and_then(|()| file.flush()).and_then(|()| file.sync());
    written.map_err(|error| Error::io("write", error).at(built.path().join(MANIFEST)))
}
