//! Folders that are created and made durable, and what is in their way.

use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, creation_error};

/// Creates a folder and those above it; the names of the new ones are durable on return.
pub(super) fn create_folders(files: &dyn FileSystem, folder: &Path) -> Result<()> {
    let absent = |path: &&Path| {
        let stat = files.stat(path);
        stat.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    // The last ancestor of a relative path is the empty one: it stands for the working folder.
    let named = folder.ancestors().filter(|path| !path.as_os_str().is_empty());
    let new: Vec<&Path> = named.take_while(absent).collect();
    files.create_folders(folder).map_err(|error| creation_error(error).at(folder))?;
    for path in new.into_iter().rev() {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        sync_folder(files, parent)?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(files: &dyn FileSystem, folder: &Path) -> Result<()> {
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
}

/// Something that agg did not make has the name of a result.
pub(super) fn in_the_way(what: &str) -> Error {
    let text = format!("what has this name is {what}: move it away and run again");
    ErrorKind::CannotCreate(io::Error::new(io::ErrorKind::AlreadyExists, text)).into()
}
