//! The emissions of an output folder, and which of them agg made.

use std::ffi::OsString;
use std::path::Path;

use super::Context;
use super::published::{read_document, read_manifest};
use crate::error::{Error, Result};
use crate::fs::FileType;
use crate::model::Day;
use crate::output::{ChangesManifest, FileEntry, Manifest};
use crate::store::{MANIFEST, Output};

/// A dated folder with a manifest of its date.
pub(super) struct Emission {
    pub(super) manifest: Manifest,
    /// Size of all that is in its folder.
    pub(super) bytes: u64,
    /// The first entry that is not a file of the emission.
    pub(super) stranger: Option<OsString>,
}

/// The emission of a date; `None` where the folder has no manifest, so agg did not make it.
///
/// # Errors
/// A damaged manifest, or one of another date; a folder that cannot be listed.
pub(super) fn emission(context: &Context, output: &Output, day: Day) -> Result<Option<Emission>> {
    let path = output.manifest_path(day);
    let Some(manifest) = read_manifest(context, &path)? else { return Ok(None) };
    let found = manifest.window.to;
    if found != day {
        return Err(Error::damaged(format!("this is the manifest of {found}")).at(path));
    }
    let (bytes, stranger) = contents(context, &output.day_folder(day), &manifest.files)?;
    Ok(Some(Emission { manifest, bytes, stranger }))
}

/// What changed in the emission of a date: the size of all that is in its folder, and the first entry that is not a file
/// of it; `None` where agg did not make the folder.
///
/// # Errors
/// As [`emission`].
pub(super) fn changes(
    context: &Context,
    output: &Output,
    day: Day,
) -> Result<Option<(u64, Option<OsString>)>> {
    let Some(bytes) = read_document(context, &output.manifest_path(day))? else { return Ok(None) };
    match ChangesManifest::decode(&bytes) {
        Ok(manifest) if manifest.newer.window.to == day => {
            contents(context, &output.day_folder(day), &manifest.files).map(Some)
        }
        _ => Ok(None),
    }
}

/// The size of all that is in a folder, and the first entry that is neither one of the files nor their manifest.
fn contents(
    context: &Context,
    folder: &Path,
    files: &[FileEntry],
) -> Result<(u64, Option<OsString>)> {
    let entries = context.files.list(folder);
    let entries = entries.map_err(|error| Error::io("list", error).at(folder))?;
    // A file that goes meanwhile has no size.
    let size = |name: &OsString| context.files.stat(&folder.join(name)).map_or(0, |stat| stat.size);
    let bytes = entries.iter().map(|(name, _)| size(name)).sum();
    let is_own = |(name, kind): &(OsString, FileType)| {
        // `_SUCCESS` and the like are marks that other programs leave.
        let is_mark = matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.'));
        let is_listed = || name == MANIFEST || files.iter().any(|file| *name == *file.name);
        *kind == FileType::File && (is_mark || is_listed())
    };
    let stranger = entries.iter().find(|entry| !is_own(entry)).map(|(name, _)| name.clone());
    Ok((bytes, stranger))
}
