//! Whether a published window was made from the partials that are stored now.

use std::collections::BTreeMap;

use super::Context;
use super::emit_window::EmitOptions;
use super::inspect::open_day;
use super::published::read_manifest;
use crate::error::{ErrorClass, Result};
use crate::model::{Day, Shape};
use crate::output::{Manifest, PartialEntry};
use crate::text;

/// The digests of the store's partials, each read once, because many windows share a day.
///
/// Memory: 60 bytes a day.
pub(super) struct Digests<'a> {
    context: &'a Context,
    known: BTreeMap<Day, Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Digest {
    /// The day has no partial.
    Missing,
    /// As manifests write it.
    Stored(String),
    /// The partial cannot be read, or will change before the emission: no manifest has it.
    Other,
}

impl<'a> Digests<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Digests { context, known: BTreeMap::new() }
    }

    /// Says that the day's partial will be made or replaced.
    pub(super) fn will_change(&mut self, day: Day) {
        self.known.insert(day, Digest::Other);
    }

    fn of(&mut self, day: Day) -> Digest {
        let context = self.context;
        let look_up = || match open_day(&context.store(), day) {
            Ok(Some(partial)) => Digest::Stored(text::hex128(partial.digest())),
            Ok(None) => Digest::Missing,
            // The emission will fail too, and report it.
            Err(_) => Digest::Other,
        };
        self.known.entry(day).or_insert_with(look_up).clone()
    }

    /// Whether the published emission for these options has the digests of the stored partials, and its files have
    /// their sizes. False if it cannot be read.
    pub(super) fn are_published(&mut self, options: &EmitOptions) -> bool {
        let output = self.context.output(&options.out);
        let folder = output.day_folder(options.day);
        let Ok(Some(manifest)) = read_manifest(self.context, &output.manifest_path(options.day))
        else {
            return false;
        };
        let size = |name: &str| -> Result<u64, std::io::Error> {
            self.context.files.stat(&folder.join(name)).map(|stat| stat.size)
        };
        let whole =
            manifest.files.iter().all(|file| size(&file.name).is_ok_and(|size| size == file.bytes));
        whole && is_of(&manifest, options) && self.agree_with(&manifest, options)
    }

    /// Whether the published emission for these options was made from other partials than the stored ones, and from no
    /// missing day: an emission that lacks a day is refused.
    pub(super) fn are_stale(&mut self, options: &EmitOptions) -> bool {
        let path = self.context.output(&options.out).manifest_path(options.day);
        match read_manifest(self.context, &path) {
            Ok(Some(manifest)) => {
                is_of(&manifest, options)
                    && !self.agree_with(&manifest, options)
                    && manifest.partials.iter().all(|entry| self.of(entry.day) != Digest::Missing)
            }
            _ => false,
        }
    }

    /// The shape of the emission that is published for the date of these options, if it is another than theirs.
    pub(super) fn other_shape(&self, options: &EmitOptions) -> Result<Option<Shape>> {
        let path = self.context.output(&options.out).manifest_path(options.day);
        let published = read_manifest(self.context, &path)?.map(|manifest| manifest.shape());
        Ok(published.filter(|published| *published != options.shape()))
    }

    /// Whether an emission was made from other partials than those that are stored, or lacks a day that is stored now.
    /// Days that are gone do not count: it cannot be made again.
    pub(super) fn differ_from(&mut self, manifest: &Manifest) -> bool {
        let is_other = |entry: &PartialEntry| match self.of(entry.day) {
            Digest::Stored(digest) => digest != entry.digest,
            Digest::Other => true,
            Digest::Missing => false,
        };
        manifest.partials.iter().any(is_other)
            || manifest.missing.iter().any(|day| self.of(*day) != Digest::Missing)
    }

    /// The days of an emission that are not stored any more: nobody can say whether it would be the same again.
    pub(super) fn gone_from(&mut self, manifest: &Manifest) -> Vec<Day> {
        let days = manifest.partials.iter().map(|entry| entry.day);
        days.filter(|day| self.of(*day) == Digest::Missing).collect()
    }

    fn agree_with(&mut self, manifest: &Manifest, options: &EmitOptions) -> bool {
        let mut partials = manifest.partials.iter();
        let mut missing = manifest.missing.iter();
        let agrees = |day| match self.of(day) {
            Digest::Missing => missing.next() == Some(&day),
            Digest::Stored(digest) => {
                partials.next().is_some_and(|entry| (entry.day, &entry.digest) == (day, &digest))
            }
            Digest::Other => false,
        };
        options.day.window(options.days).into_iter().all(agrees)
            && partials.next().is_none()
            && missing.next().is_none()
    }
}

/// Whether the output folder holds an emission of any date that is of the shape of these options: the same number of days and
/// songs, the same files. Damaged ones are not.
///
/// # Errors
/// An emission that cannot be read.
pub(super) fn holds_emission_like(context: &Context, options: &EmitOptions) -> Result<bool> {
    let output = context.output(&options.out);
    for day in output.days()?.into_iter().rev() {
        let options = EmitOptions { day, ..options.clone() };
        match read_manifest(context, &output.manifest_path(day)) {
            Ok(Some(manifest)) if is_of(&manifest, &options) => return Ok(true),
            Err(error) if error.class() != ErrorClass::Data => return Err(error),
            _ => {}
        }
    }
    Ok(false)
}

/// Whether it has the window, the K and the files of these options.
fn is_of(manifest: &Manifest, options: &EmitOptions) -> bool {
    manifest.window.to == options.day && manifest.shape() == options.shape()
}
