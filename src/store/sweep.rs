//! Removes what a killed run left; called by the next run that holds the lock.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::paths::TEMPORARY_PREFIX;
use crate::error::{Error, Result};
use crate::fs::{FileSystem, FileType};

/// Leftovers that were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Temporary files, spilled runs, links that were not yet renamed.
    pub files: u64,
    /// Emissions that were half built, or replaced and not yet removed.
    pub folders: u64,
}

/// Removes every entry of the folders whose name has our prefix; other files are left alone.
///
/// The caller holds the lock, so none of them is in use. A leftover that cannot be removed costs disk space only: it is
/// reported, and left for the next run.
pub(super) fn sweep(files: &dyn FileSystem, folders: &[&Path]) -> Result<Swept> {
    let mut swept = Swept::default();
    for folder in folders {
        sweep_folder(files, folder, &mut swept)
            .map_err(|error| Error::io("list", error).at(folder))?;
    }
    if swept != Swept::default() {
        let Swept { files, folders } = swept;
        tracing::info!(files, folders, "removed what an interrupted run had left");
    }
    Ok(swept)
}

/// Whether a sweep would find something in the folder; false where the folder is missing.
pub(super) fn has_leftovers(files: &dyn FileSystem, folder: &Path) -> Result<bool> {
    match files.list(folder) {
        Ok(entries) => Ok(entries.iter().any(is_leftover)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("list", error).at(folder)),
    }
}

fn is_leftover((name, _): &(OsString, FileType)) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

fn sweep_folder(files: &dyn FileSystem, folder: &Path, swept: &mut Swept) -> io::Result<()> {
    let mut entries = files.list(folder)?;
    entries.retain(is_leftover);
    if entries.is_empty() {
        return Ok(());
    }
    // A leftover may be the emission that a killed run had just swapped out. That swap must be
    // durable before the old files go, or a power cut could bring the date back without them.
    files.sync_folder(folder)?;
    for (name, kind) in entries {
        let path = folder.join(name);
        match remove(files, &path, kind) {
            Ok(()) if kind == FileType::Folder => swept.folders += 1,
            Ok(()) => swept.files += 1,
            Err(error) => {
                tracing::warn!("cannot remove {path:?}: {error}; remove it by hand")
            }
        }
    }
    Ok(())
}

/// Removes a file, a link or a folder. One that is gone already is fine.
pub(super) fn remove(files: &dyn FileSystem, path: &Path, kind: FileType) -> io::Result<()> {
    let removed = match kind {
        FileType::Folder => files.remove_folder(path),
        FileType::File | FileType::Link | FileType::Pipe | FileType::Other => {
            files.remove_file(path)
        }
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;
    use std::fs;

    #[test]
    fn leftovers_go_and_strangers_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".agg-tmp-1", ".agg-tmp-2", ".agg-tmp", "agg-tmp-3", "x.agg-tmp-4", "user"] {
            fs::write(at(name), "").unwrap();
        }
        for name in [".agg-tmp-folder", "folder"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join(".agg-tmp-inside"), "").unwrap();
        }
        std::os::unix::fs::symlink("folder", at(".agg-tmp-link")).unwrap();

        let swept = sweep(&OsFileSystem, &[folder.path()]).unwrap();
        assert_eq!(swept, Swept { files: 3, folders: 1 });
        let names: Vec<_> = OsFileSystem.list(folder.path()).unwrap();
        let names: Vec<_> = names.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, [".agg-tmp", "agg-tmp-3", "folder", "user", "x.agg-tmp-4"]);
        assert!(at("folder").join(".agg-tmp-inside").exists());
        assert_eq!(sweep(&OsFileSystem, &[folder.path()]).unwrap(), Swept::default());
    }
}
