//! The two emissions that are compared, with their text files open.

use std::path::PathBuf;

use super::options::ChangesOptions;
use crate::changes::TopsLines;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::ReadFile;
use crate::job::Context;
use crate::job::published::read_manifest;
use crate::job::window::overtaken_once;
use crate::model::{Day, Kind, PerKind, Shape};
use crate::output::{ComparedEmission, FileEntry, Manifest, TopsFormat};
use crate::store::Output;
use crate::text;

/// Both emissions, which are of one shape.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) older: Side,
    pub(super) newer: Side,
    /// Maximum songs of each key.
    pub(super) top: u32,
}

/// An emission whose text files are open.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) compared: ComparedEmission,
    files: PerKind<TextFile>,
}

#[derive(Debug)]
struct TextFile {
    path: PathBuf,
    entry: FileEntry,
    /// `None` once it is being read.
    file: Option<Box<dyn ReadFile>>,
}

/// Opens both emissions. Whoever replaces one of them meanwhile makes the run look again, once.
pub(super) fn open(context: &Context, options: &ChangesOptions) -> Result<Sides> {
    overtaken_once(|| {
        let output = context.output(&options.out);
        let manifest = manifest_of(context, &output, options.day)?;
        let against = match options.against {
            Some(against) => against,
            None => earlier(context, &output, options.day, &manifest)?
                .ok_or_else(|| no_earlier(&output, options.day, &manifest))?,
        };
        let other = manifest_of(context, &output, against)?;
        if !is_alike(&manifest, &other) {
            let of = |manifest: &Manifest| Box::new(manifest.shape());
            let (day, shape, other) = (options.day, of(&manifest), of(&other));
            let kind = ErrorKind::OtherShape { day, shape, against, other };
            return Err(Error::from(kind).at(output.manifest_path(against)));
        }
        let top = manifest.top;
        let older = Side::open(context, &output, against, other)?;
        Ok(Sides { older, newer: Side::open(context, &output, options.day, manifest)?, top })
    })
}

/// The date of the newest emission before `day` that is of the shape of that of `day`.
pub(super) fn find_earlier(context: &Context, output: &Output, day: Day) -> Result<Option<Day>> {
    earlier(context, output, day, &manifest_of(context, output, day)?)
}

fn earlier(
    context: &Context,
    output: &Output,
    day: Day,
    manifest: &Manifest,
) -> Result<Option<Day>> {
    for other in output.days()?.into_iter().rev().filter(|other| *other < day) {
        let found = read_manifest(context, &output.manifest_path(other))?;
        if found.is_some_and(|found| is_alike(manifest, &found)) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Whether both have the same days and songs; they may have other formats.
fn is_alike(one: &Manifest, other: &Manifest) -> bool {
    (one.window.days, one.top) == (other.window.days, other.top)
}

fn manifest_of(context: &Context, output: &Output, day: Day) -> Result<Manifest> {
    let path = output.manifest_path(day);
    let Some(manifest) = read_manifest(context, &path)? else {
        let hint = format!(
            "'agg list --out DIR' shows the emissions of DIR, and 'agg emit-window --date {day}' makes it"
        );
        return Err(Error::from(ErrorKind::Missing { what: "emission", hint }).at(path));
    };
    Ok(manifest)
}

fn no_earlier(output: &Output, day: Day, manifest: &Manifest) -> Error {
    let Shape { days, top, .. } = manifest.shape();
    let hint = format!(
        "'agg list --out DIR' shows the emissions of DIR; one before {day} is made with 'agg emit-window --days {days} --top {top}'"
    );
    let what = "an earlier emission of the same days and songs";
    Error::from(ErrorKind::Missing { what, hint }).at(output.root())
}

impl Side {
    /// Opens the text files of an emission with this manifest.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] for a file that was not emitted, [`ErrorKind::Damaged`] for one of another size,
    /// [`ErrorKind::Replaced`] if another emission of the date was published meanwhile.
    fn open(context: &Context, output: &Output, day: Day, manifest: Manifest) -> Result<Self> {
        let opened = PerKind::try_new(|kind| TextFile::open(context, output, day, &manifest, kind));
        if read_manifest(context, &output.manifest_path(day))?.as_ref() != Some(&manifest) {
            return Err(Error::from(ErrorKind::Replaced).at(output.day_folder(day)));
        }
        let files = opened?;
        let entries = Kind::in_output_order().map(|kind| files[kind].entry.clone()).collect();
        Ok(Side { compared: ComparedEmission { window: manifest.window, files: entries }, files })
    }

    /// The lines of the file of a kind, each kind once.
    pub(super) fn lines(&mut self, kind: Kind) -> Result<TopsLines> {
        let text = &mut self.files[kind];
        let file = text.file.take().ok_or(ErrorKind::Fault("a file is compared twice"))?;
        TopsLines::open(file, &text.path, Some(kind))
    }

    /// Compares what was read of the file of a kind with the manifest.
    pub(super) fn check_read(&self, kind: Kind, lines: &TopsLines) -> Result<()> {
        let TextFile { path, entry, .. } = &self.files[kind];
        let (bytes, checksum) = lines.read();
        check_size(entry, bytes).map_err(|error| error.at(path))?;
        let found = text::hex64(checksum);
        if found != entry.xxh3_64 {
            let what = format!("checksum {found}, and its manifest has {}", entry.xxh3_64);
            return Err(Error::damaged(what).at(path));
        }
        Ok(())
    }
}

fn check_size(entry: &FileEntry, bytes: u64) -> Result<()> {
    if bytes == entry.bytes {
        return Ok(());
    }
    Err(Error::damaged(format!("{bytes} bytes, and its manifest has {}", entry.bytes)))
}

impl TextFile {
    fn open(
        context: &Context,
        output: &Output,
        day: Day,
        manifest: &Manifest,
        kind: Kind,
    ) -> Result<Self> {
        let name = TopsFormat::Text.file_name(kind, manifest.top);
        let path = output.day_folder(day).join(&name);
        let Some(entry) = manifest.files.iter().find(|file| file.name == name).cloned() else {
            let hint = "changes are those of the text files; emit the window again with --format text besides its other formats".to_owned();
            return Err(Error::from(ErrorKind::Missing { what: "text file", hint }).at(path));
        };
        let file = context.files.open(&path);
        let file = file.map_err(|error| Error::from(ErrorKind::Unreadable(error)).at(&path))?;
        let size = file.stat().map_err(|error| Error::io("look at", error).at(&path))?.size;
        check_size(&entry, size).map_err(|error| error.at(&path))?;
        Ok(TextFile { path, entry, file: Some(file) })
    }
}
