//! The published emission of a date, and whether another may replace it.

use std::path::Path;

use super::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Day, Shape};
use crate::output::{Manifest, PartialEntry};

/// A manifest of 3,660 days takes less than 1 MB; a larger file is not a manifest.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// What to do about a published emission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfPublished {
    /// An emission of another shape stays, because the shape may have been mistyped.
    Refuse,
    /// An emission of another shape is replaced.
    ReplaceOther,
    /// Any emission is replaced.
    Replace,
}

/// Refuses to replace the emission with the manifest at `path`, if it is of the same shape and includes a day which is
/// missing now. Returns the shape of the emission if it is another, and may be replaced.
pub(super) fn check_published(
    context: &Context,
    path: &Path,
    given: &Shape,
    if_published: IfPublished,
    days: &[PartialEntry],
) -> Result<Option<Shape>> {
    if if_published == IfPublished::Replace {
        return Ok(None);
    }
    let Some(manifest) = read_manifest(context, path)? else { return Ok(None) };
    let published = manifest.shape();
    if published == *given {
        return check_days(&manifest, days).map_err(|error| error.at(path)).map(|()| None);
    }
    if if_published == IfPublished::ReplaceOther {
        return Ok(Some(published));
    }
    let (published, given) = (Box::new(published), Box::new(given.clone()));
    Err(Error::from(ErrorKind::PublishedOtherShape { published, given }).at(path))
}

/// Refuses to drop a day that is in the manifest.
fn check_days(published: &Manifest, days: &[PartialEntry]) -> Result<()> {
    let known = published.partials.iter().map(|entry| entry.day);
    let lacks = |day: &Day| !days.iter().any(|entry| entry.day == *day);
    let more: Vec<Day> = known.filter(lacks).collect();
    if more.is_empty() { Ok(()) } else { Err(ErrorKind::PublishedMoreDays(more).into()) }
}

/// The manifest at `path`, if there is one.
pub(super) fn read_manifest(context: &Context, path: &Path) -> Result<Option<Manifest>> {
    let Some(bytes) = read_document(context, path)? else { return Ok(None) };
    Manifest::decode(&bytes).map(Some).map_err(|error| damaged(&error.to_string()).at(path))
}

fn damaged(why: &str) -> Error {
    Error::damaged(format!("{why}; to replace the emission anyway, use agg emit-window --force"))
}

/// The bytes of the manifest at `path`, if there is one.
pub(super) fn read_document(context: &Context, path: &Path) -> Result<Option<Vec<u8>>> {
    let unreadable = |error| Error::from(ErrorKind::Unreadable(error)).at(path);
    let file = match context.files.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let failed = |error| Error::io("read", error).at(path);
    let size = file.stat().map_err(failed)?.size;
    if size > MAX_MANIFEST_BYTES {
        return Err(damaged(&format!("manifest too large: {size} bytes")).at(path));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = file.read_full_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
