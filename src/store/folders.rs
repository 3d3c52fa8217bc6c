//! Folders that are created and made durable, and what is in their way.

use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, creation_error};

/// Creates a folder and the folders above it, each durable before the next one is made in it.
pub(super) fn create_folders(files: &dyn FileSystem, folder: &Path) -> Result<()> {
    // The last ancestor of a relative path is the empty path, which means the working folder.
    let mut named = folder.ancestors().filter(|path| !path.as_os_str().is_empty());
    let absent = named.clone().take_while(|path| is_absent(files, path)).collect::<Vec<_>>();
    if let (Some(there), false) = (named.nth(absent.len()), absent.is_empty()) {
        settle_name(files, there)?;
    }
    for path in absent.into_iter().rev() {
        files.create_folders(path).map_err(|error| creation_error(error).at(folder))?;
        sync_folder(files, parent_of(path))?;
    }
    // Fails where something else has the name.
    files.create_folders(folder).map_err(|error| creation_error(error).at(folder))
}

pub(super) fn is_absent(files: &dyn FileSystem, path: &Path) -> bool {
    files.stat(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn parent_of(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => folder,
    }
}

/// Makes the name of a folder durable that a killed run may have made and not synced.
pub(super) fn settle_name(files: &dyn FileSystem, folder: &Path) -> Result<()> {
    settle(files, parent_of(folder))
}

/// Makes the names in a folder durable that a killed run may have made and not synced.
///
/// It made none in a folder that is absent, closed to us, or on a file system that is read-only.
pub(super) fn settle(files: &dyn FileSystem, folder: &Path) -> Result<()> {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied, ReadOnlyFilesystem};
    match files.sync_folder(folder) {
        Err(error) => match error.kind() {
            InvalidInput | NotFound | PermissionDenied | ReadOnlyFilesystem => Ok(()),
            _ => Err(Error::io("sync", error).at(folder)),
        },
        Ok(()) => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(files: &dyn FileSystem, folder: &Path) -> Result<()> {
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
}

/// Something that agg did not make has the name of a result.
pub(super) fn in_the_way(what: &str) -> Error {
    let text = format!("{what} already has this name; move it out of the way and run again");
    ErrorKind::CannotCreate(io::Error::new(io::ErrorKind::AlreadyExists, text)).into()
}
