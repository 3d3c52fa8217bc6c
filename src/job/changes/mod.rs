//! `changes`: the exact difference of two published emissions, and the newer one again from the older.
//!
//! Only the text files are compared. They are open before a byte is compared, and their manifests are read again then:
//! so both files of an emission, and its manifest, are of one publication. What was read is compared with the sizes and
//! checksums of the manifests at the end; so a result on standard output is good only if the run ends well.

mod options;
mod sides;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::options::ChangesOptions;
use self::sides::Sides;
use super::emit_window::{EmittedFile, end_file, file_entry, write_manifest};
use super::published::read_document;
use super::{Context, Phase};
use crate::changes::{self, ChangedLines, ChangedSongs, TopsLines, compare};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Table, TableEncoder};
use crate::model::{Day, Kind};
use crate::output::{ChangesManifest, TopsFormat};
use crate::store::{self, HashingWriter, OutputLock};
use crate::text::json;

/// What was compared, and the files of the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangesReport {
    /// The date of the newer emission.
    pub day: Day,
    /// The date of the older emission.
    pub against: Day,
    /// Days in both windows.
    pub days: u32,
    /// Maximum songs of each key, of both.
    pub top: u32,
    /// The folder that was published.
    #[serde(serialize_with = "json::path")]
    pub folder: PathBuf,
    /// The files; their keys are those that changed.
    pub files: Vec<EmittedFile>,
}

/// Publishes the difference of two emissions in the folder `to`: a folder of the date with a file for each kind and a
/// manifest that names both emissions, swapped in as an emission is. Apart from `to`, nothing is written.
///
/// Time: one pass over the text files. Memory: a few megabytes, for tables some 30.
///
/// # Example
/// ```
/// use agg::changes::ChangedBy;
/// use agg::job::{ChangesOptions, EmitOptions, emit_window, write_changes};
/// use agg::output::TopsFormat;
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let out = folder.path().join("out");
/// # for (name, rows) in [("listen-20211201.log", "9|7|FR\n5|8|FR\n"), ("listen-20211202.log", "5|8|FR\n4|9|FR\n")] {
/// #     let log = folder.path().join(name);
/// #     std::fs::write(&log, rows)?;
/// #     let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// #     let day = reduce_day(&context, &options)?.day;
/// #     emit_window(&context, &EmitOptions { days: 1, ..EmitOptions::new(day, out.clone()) })?;
/// # }
///
/// let options = ChangesOptions {
///     day: "2021-12-02".parse()?,
///     against: None,
///     out: out.clone(),
///     format: TopsFormat::Text,
///     by: ChangedBy::default(),
/// };
/// let written = write_changes(&context, &options, &out.join("changes"))?;
/// assert_eq!(written.against, "2021-12-01".parse()?);
/// let text = std::fs::read_to_string(written.folder.join("top50_changes_per_user.txt"))?;
/// assert_eq!(text, "7|\n9|4:1\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Missing`] for an emission or a text file that is not there, [`ErrorKind::OtherShape`],
/// [`ErrorKind::Damaged`] and [`ErrorKind::BadLine`] for files that are not those of the manifests,
/// [`ErrorKind::CannotCreate`] where something else has the folder's name, [`ErrorKind::Locked`], failures to write.
pub fn write_changes(
    context: &Context,
    options: &ChangesOptions,
    to: &Path,
) -> Result<ChangesReport> {
    write(context, options, sides::open(context, options)?, to)
}

/// Writes the changes of a night's emission to the folder of changes beside it, unless they are there. `None` where that
/// is so, and where no emission is before it.
pub(super) fn refresh_changes(
    context: &Context,
    options: &ChangesOptions,
) -> Result<Option<ChangesReport>> {
    let output = context.output(&options.out);
    let Some(against) = sides::find_earlier(context, &output, options.day)? else {
        return Ok(None);
    };
    let options = ChangesOptions { against: Some(against), ..options.clone() };
    let sides = sides::open(context, &options)?;
    let there = output.changes();
    let is_there = |manifest: ChangesManifest| {
        manifest.older == sides.older.compared && manifest.newer == sides.newer.compared
    };
    if published(context, &there.manifest_path(options.day))?.is_some_and(is_there) {
        return Ok(None);
    }
    write(context, &options, sides, there.root()).map(Some)
}

/// Writes the difference of the files of one kind to `out`, which is flushed.
///
/// # Errors
/// As [`write_changes`]; a part of the difference may be written then.
pub fn print_changes(
    context: &Context,
    options: &ChangesOptions,
    kind: Kind,
    out: &mut (dyn Write + Send),
) -> Result<()> {
    let mut sides = sides::open(context, options)?;
    let out = BufWriter::with_capacity(HashingWriter::<io::Sink>::BUFFER, out);
    let (mut out, _) = compare_kind(context, options, &mut sides, kind, out)?;
    out.flush().map_err(|error| Error::io("write", error))
}

/// Writes the newer file, made from a difference in lines and the older file, to `out`, which is flushed; returns the
/// number of its lines.
///
/// # Errors
/// [`ErrorKind::Unreadable`], and as [`apply`](changes::apply()).
pub fn apply_changes(
    context: &Context,
    difference: &Path,
    older: &Path,
    out: &mut (dyn Write + Send),
) -> Result<u64> {
    let open = |path: &Path| {
        let file = context.files.open(path);
        let file = file.map_err(|error| Error::from(ErrorKind::Unreadable(error)).at(path))?;
        TopsLines::open(file, path, None)
    };
    let mut out = BufWriter::with_capacity(HashingWriter::<io::Sink>::BUFFER, out);
    let check = || context.check_stop();
    let lines = changes::apply(open(difference)?, open(older)?, &mut out, &check)?;
    out.flush().map_err(|error| Error::io("write", error))?;
    Ok(lines)
}

fn write(
    context: &Context,
    options: &ChangesOptions,
    mut sides: Sides,
    to: &Path,
) -> Result<ChangesReport> {
    let output = context.output(to);
    let mut lock = context.locked(|| OutputLock::take(&output))?;
    store::check_replaceable(&lock, options.day)?;
    check_is_of_changes(context, &output.manifest_path(options.day))?;
    let top = sides.top;
    let built = lock.build_folder()?;
    let mut files = Vec::new();
    for kind in Kind::in_output_order() {
        let name = options.format.changes_name(kind, top);
        let path = built.path().join(&name);
        let out = HashingWriter::new(built.create_file(&name)?);
        let compared = compare_kind(context, options, &mut sides, kind, out);
        let (out, keys) = compared.map_err(|error| match error.kind() {
            // Other errors have the path of what was read.
            ErrorKind::Io { .. } => error.at(&path),
            _ => error,
        })?;
        files.push((name, end_file(out, path, keys)?));
    }
    let Sides { older, newer, .. } = sides;
    let (against, days) = (older.compared.window.to, newer.compared.window.days);
    let manifest = ChangesManifest {
        top,
        older: older.compared,
        newer: newer.compared,
        files: files.iter().map(|(name, file)| file_entry(name, file)).collect(),
    };
    write_manifest(&built, &manifest.encode())?;
    context
        .phase(Phase::Publish, Some(1), || store::publish_changes(&mut lock, options.day, built))?;
    let folder = output.day_folder(options.day);
    let published =
        |(name, file): (String, EmittedFile)| EmittedFile { path: folder.join(name), ..file };
    let files = files.into_iter().map(published).collect();
    Ok(ChangesReport { day: options.day, against, days, top, files, folder })
}

/// The manifest of published changes; `None` where there is none, or another document has its name.
fn published(context: &Context, path: &Path) -> Result<Option<ChangesManifest>> {
    let bytes = read_document(context, path)?;
    Ok(bytes.and_then(|bytes| ChangesManifest::decode(&bytes).ok()))
}

/// Refuses to replace an emission: the folder of changes may be mistyped.
fn check_is_of_changes(context: &Context, path: &Path) -> Result<()> {
    if read_document(context, path)?.is_none() || published(context, path)?.is_some() {
        return Ok(());
    }
    let text = "a manifest of something else, perhaps an emission, already has this name; \
                write the changes to another folder";
    let error = io::Error::new(io::ErrorKind::AlreadyExists, text);
    Err(Error::from(ErrorKind::CannotCreate(error)).at(path))
}

/// Compares the files of a kind, and what was read of them with their manifests; returns the writer, not flushed, and the
/// number of keys.
fn compare_kind<W: Write + Send>(
    context: &Context,
    options: &ChangesOptions,
    sides: &mut Sides,
    kind: Kind,
    out: W,
) -> Result<(W, u64)> {
    let (mut older, mut newer) = (sides.older.lines(kind)?, sides.newer.lines(kind)?);
    let check = || context.check_stop();
    let done = match options.format {
        TopsFormat::Text => {
            let mut take = ChangedLines::new(out);
            compare(&mut older, &mut newer, &mut take, &check)?;
            take.finish()
        }
        TopsFormat::Table(format) => {
            let encoder = TableEncoder::new(format, Table::changes(kind))?;
            let mut take = ChangedSongs::begin(&encoder, options.by, out)?;
            compare(&mut older, &mut newer, &mut take, &check)?;
            take.finish()?
        }
    };
    sides.older.check_read(kind, &older)?;
    sides.newer.check_read(kind, &newer)?;
    Ok(done)
}
