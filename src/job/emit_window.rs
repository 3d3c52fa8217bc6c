//! `emit-window`: the partials of a window to the top songs of every country and every user.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use super::inspect::open_day;
use super::join::{Input, open_merged, overtaken_once};
use super::tops::{Floor, Tops};
use super::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Facts, Origin, PartialFacts, TableFormat};
use crate::fs::WriteFile;
use crate::model::{Day, Kind, Ranking, RowCounts};
use crate::output::{FileEntry, Format, Manifest, PartialEntry, Tabular, Text, Totals, Window};
use crate::partial::Partial;
use crate::store::{
    self, BuildFolder, HashingWriter, MANIFEST, Output, OutputLock, Store, Written,
};

/// A manifest of 3,660 days takes less than 1 MB; what is larger is none.
const MOST_MANIFEST_BYTES: u64 = 16 << 20;

/// Which window, how many songs, and where to.
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
    /// Publish over an emission that knew more days.
    pub force: bool,
}

/// How tops are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopsFormat {
    /// A line a key, `key|song:count,…`.
    Text,
    /// A table with a row a song.
    Table(TableFormat),
}

impl TopsFormat {
    /// The name of the file of one kind's top K.
    pub(super) fn file_name(self, kind: Kind, top: u32) -> String {
        match self {
            TopsFormat::Text => Text.file_name(kind, top),
            TopsFormat::Table(format) => Tabular::name_of(format, kind, top),
        }
    }
}

impl EmitOptions {
    /// The usual window: 7 days, 50 songs, as text.
    #[must_use]
    pub fn new(day: Day, out: PathBuf) -> Self {
        let formats = vec![TopsFormat::Text];
        EmitOptions { day, days: 7, top: 50, out, formats, allow_missing: false, force: false }
    }
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmittedFile {
    /// Where it is, published.
    pub path: PathBuf,
    /// Keys in it: the lines of text.
    pub keys: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3-64 of its bytes.
    pub xxh3_64: u64,
}

/// What an emission did.
#[derive(Debug, Clone)]
pub struct EmitReport {
    /// The window's last day.
    pub day: Day,
    /// The folder that was published.
    pub folder: PathBuf,
    /// Days of the window without a partial.
    pub missing: Vec<Day>,
    /// The files.
    pub files: Vec<EmittedFile>,
    /// Rows of the days.
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
/// [`ErrorKind::KnewMoreDays`], [`ErrorKind::CannotCreate`] where a folder of that date is no emission,
/// [`ErrorKind::SumOverflow`], [`ErrorKind::TooManyRows`], a damaged partial, [`ErrorKind::Locked`], [`ErrorKind::Replaced`] and
/// [`ErrorKind::Removed`] where other runs change days twice meanwhile, failures to write. What was published
/// before is then untouched.
pub fn emit_window(context: &Context, options: &EmitOptions) -> Result<EmitReport> {
    overtaken_once(|| emit(context, options))
}

fn emit(context: &Context, options: &EmitOptions) -> Result<EmitReport> {
    let (window, missing) = look_at_window(context, options)?;
    let formats = formats(context, options, &window, &missing)?;
    let output = Output::new(&options.out);
    let mut lock = OutputLock::take(context.files.as_ref(), &output)?;
    store::check_replaceable(context.files.as_ref(), &lock, options.day)?;
    check_published(context, options, &output, &window.days)?;

    let pool = context.pool()?;
    let plan = context.budget.emit(window.inputs.len());
    let scratch = || lock.scratch_file(context.files.as_ref());
    let built = lock.build_folder(context.files.as_ref())?;
    let files = context.phase(Phase::Emit, Some(window.entries * formats.len() as u64), || {
        let opened = open_merged(context, &pool, plan, window.inputs, &scratch)?;
        let runs: Vec<_> = Kind::in_output_order().map(|kind| (kind, opened.of(kind))).collect();
        let files = runs
            .iter()
            .flat_map(|(kind, runs)| formats.iter().map(move |format| (*kind, runs, format)));
        let files = files.map(|(kind, runs, format)| {
            let tops = Tops {
                context,
                pool: &pool,
                runs,
                kind,
                top: options.top,
                format: format.as_ref(),
                piece_entries: match kind.ranking() {
                    Ranking::Long => context.budget.long_piece(runs.len(), options.top),
                    Ranking::Short => plan.piece_entries,
                },
                buffers: Mutex::default(),
                floor: Floor::default(),
            };
            write_file(&built, &tops)
        });
        files.collect::<Result<Vec<_>>>()
    })?;
    let manifest = Manifest {
        window: Window { from: first_day(options), to: options.day, days: options.days },
        top: options.top,
        partials: window.days,
        missing: missing.clone(),
        files: files.iter().map(|(name, file)| file_entry(name, file)).collect(),
        totals: Totals::from(window.counts),
    };
    write_manifest(&built, &manifest)?;
    let folder = output.day_folder(options.day);
    context.phase(Phase::Publish, Some(1), || {
        store::publish_emission(&mut lock, options.day, built)
    })?;
    warn_of_lost_latest(context, &output);
    let published =
        |(name, file): (String, EmittedFile)| EmittedFile { path: folder.join(name), ..file };
    Ok(EmitReport {
        day: options.day,
        missing,
        files: files.into_iter().map(published).collect(),
        counts: window.counts,
        entries: window.entries,
        folder,
    })
}

/// Warns of a link `latest` that leads nowhere, which no run moves back.
pub(super) fn warn_of_lost_latest(context: &Context, output: &Output) {
    // What cannot be looked at was told by whoever publishes.
    if let Ok(Some(day)) = store::lost_latest(context.files.as_ref(), output) {
        let link = output.latest_link();
        context.observer.warn(&format!(
            "{link:?} points to {day}, which is gone, and is left as it is: remove the link, and the next run makes it"
        ));
    }
}

fn first_day(options: &EmitOptions) -> Day {
    options.day.window(options.days).first().copied().unwrap_or(options.day)
}

/// The formats that were asked for, each once.
fn formats(
    context: &Context,
    options: &EmitOptions,
    window: &StoredWindow,
    missing: &[Day],
) -> Result<Vec<Box<dyn Format>>> {
    let facts = || Facts {
        origin: Origin::Window {
            from: first_day(options),
            to: options.day,
            days: options.days,
            missing: missing.to_vec(),
        },
        partials: window.partials.clone(),
        rows: window.counts.rows,
        rejects: window.counts.rejects,
        inputs: Vec::new(),
    };
    let mut formats: Vec<Box<dyn Format>> = Vec::new();
    for (at, format) in options.formats.iter().enumerate() {
        if options.formats.iter().take(at).any(|before| before == format) {
            continue;
        }
        formats.push(match format {
            TopsFormat::Text => Box::new(Text),
            TopsFormat::Table(format) => {
                Box::new(Tabular::new(*format, facts(), context.budget.memory)?)
            }
        });
    }
    Ok(formats)
}

/// What is known of a window's partials before their runs are read.
struct StoredWindow {
    /// Oldest first; not open, since there may be more than a process may have open.
    inputs: Vec<Input>,
    days: Vec<PartialEntry>,
    /// The same partials, as tables tell them.
    partials: Vec<PartialFacts>,
    counts: RowCounts,
    /// Entries of all runs.
    entries: u64,
}

impl StoredWindow {
    fn new() -> Self {
        let (inputs, days, partials) = (Vec::new(), Vec::new(), Vec::new());
        StoredWindow { inputs, days, partials, counts: RowCounts::NONE, entries: 0 }
    }

    fn add(&mut self, partial: &Partial) -> Result<()> {
        let metadata = partial.metadata();
        self.counts = self.counts.checked_add(&metadata.counts()).ok_or(ErrorKind::TooManyRows)?;
        self.entries += metadata.runs.values().map(|run| run.pairs).sum::<u64>();
        self.partials.push(PartialFacts {
            day: metadata.day,
            version: partial.version(),
            digest: format!("{:032x}", partial.digest()),
        });
        self.days.push(partial_entry(partial));
        self.inputs.push(Input::stored(partial));
        Ok(())
    }
}

/// Looks at the partials of the window's days; also tells the days without one.
fn look_at_window(context: &Context, options: &EmitOptions) -> Result<(StoredWindow, Vec<Day>)> {
    let store = Store::new(&context.store);
    let mut window = StoredWindow::new();
    let mut missing = Vec::new();
    for day in options.day.window(options.days) {
        match open_day(context, &store, day)? {
            Some(partial) => window.add(&partial)?,
            None => missing.push(day),
        }
    }
    let can_skip = !window.inputs.is_empty();
    if !can_skip || !(missing.is_empty() || options.allow_missing) {
        return Err(
            Error::from(ErrorKind::MissingDays { days: missing, can_skip }).at(&context.store)
        );
    }
    Ok((window, missing))
}

/// Refuses to replace an emission of the same window and K that knew a day which is missing now.
fn check_published(
    context: &Context,
    options: &EmitOptions,
    output: &Output,
    days: &[PartialEntry],
) -> Result<()> {
    if options.force {
        return Ok(());
    }
    let path = output.manifest_path(options.day);
    let Some(published) = read_manifest(context, &path)? else { return Ok(()) };
    if published.window.days != options.days || published.top != options.top {
        return Ok(());
    }
    let known = published.partials.iter().map(|entry| entry.day);
    let lacks = |day: &Day| !days.iter().any(|entry| entry.day == *day);
    let more: Vec<Day> = known.filter(lacks).collect();
    if more.is_empty() { Ok(()) } else { Err(Error::from(ErrorKind::KnewMoreDays(more)).at(path)) }
}

/// The manifest at `path`, if there is one.
pub(super) fn read_manifest(context: &Context, path: &std::path::Path) -> Result<Option<Manifest>> {
    let unreadable = |error| Error::from(ErrorKind::Unreadable(error)).at(path);
    let file = match context.files.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let damaged = |why: String| {
        Error::damaged(format!("{why}; to replace the emission all the same, use --force")).at(path)
    };
    let failed = |error| Error::io("read", error).at(path);
    let size = file.stat().map_err(failed)?.size;
    if size > MOST_MANIFEST_BYTES {
        return Err(damaged(format!("a manifest of {size} bytes is none")));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = file.read_full_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Manifest::decode(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
}

/// A partial's digest as manifests write it.
pub(super) fn digest_text(partial: &Partial) -> String {
    format!("{:032x}", partial.digest())
}

fn partial_entry(partial: &Partial) -> PartialEntry {
    let metadata = partial.metadata();
    PartialEntry {
        day: metadata.day,
        digest: digest_text(partial),
        rows: metadata.rows,
        rejected: metadata.counts().rejected(),
    }
}

fn file_entry(name: &str, file: &EmittedFile) -> FileEntry {
    FileEntry {
        name: name.to_owned(),
        keys: file.keys,
        bytes: file.bytes,
        xxh3_64: format!("{:016x}", file.xxh3_64),
    }
}

/// Writes and syncs one file of tops; its path is still its name alone.
fn write_file(built: &BuildFolder<'_>, tops: &Tops<'_>) -> Result<(String, EmittedFile)> {
    let name = tops.format.file_name(tops.kind, tops.top);
    let path = built.path().join(&name);
    let mut file = built.create_file(&name)?;
    file.bypass_cache();
    let mut out = HashingWriter::new(file);
    let keys = tops.write(&mut out).map_err(|error| match error.kind() {
        // All others are no fault of this file.
        ErrorKind::Io { .. } => error.at(&path),
        _ => error,
    })?;
    let finished = out.finish().and_then(|(mut file, written)| file.sync().map(|()| written));
    let Written { bytes, xxh3_64 } =
        finished.map_err(|error| Error::io("write", error).at(&path))?;
    Ok((name, EmittedFile { path, keys, bytes, xxh3_64 }))
}

fn write_manifest(built: &BuildFolder<'_>, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.encode().map_err(|error| Error::damaged(error.to_string()))?;
    let mut file: Box<dyn WriteFile> = built.create_file(MANIFEST)?;
    let written = file.write_all(&bytes).and_then(|()| file.flush()).and_then(|()| file.sync());
    written.map_err(|error| Error::io("write", error).at(built.path().join(MANIFEST)))
}
