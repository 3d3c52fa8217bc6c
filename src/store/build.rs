//! A folder of results under a temporary name, until it is complete.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folders::sync_folder;
use super::paths::TEMPORARY_PREFIX;
use super::sweep::remove;
use crate::error::{Error, Result};
use crate::fs::{FileSystem, FileType, WriteFile, creation_error};

/// A folder under a temporary name, removed when dropped: a run that fails gives its disk space back.
#[derive(Debug)]
pub struct BuildFolder {
    files: Arc<dyn FileSystem>,
    path: PathBuf,
    /// What is under `path`, to be removed; `None` once nothing is, or once it must stay.
    pub(super) leftover: Option<FileType>,
}

impl BuildFolder {
    pub(super) fn create(files: &Arc<dyn FileSystem>, parent: &Path) -> Result<Self> {
        let created = files.create_temporary_folder(parent, TEMPORARY_PREFIX);
        let path = created.map_err(|error| creation_error(error).at(parent))?;
        Ok(BuildFolder { files: Arc::clone(files), path, leftover: Some(FileType::Folder) })
    }

    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An empty file in it. The caller writes it, and syncs it before the folder is published.
    pub fn create_file(&self, name: &str) -> Result<Box<dyn WriteFile>> {
        let path = self.path.join(name);
        self.files.create_new(&path).map_err(|error| creation_error(error).at(path))
    }

    /// Makes the folder durable, gives it the name `target` in `parent`, and makes that durable. Its files were synced
    /// by their writers. What had the name (`old`) is removed when this is dropped.
    pub(super) fn publish(
        &mut self,
        target: &Path,
        old: Option<FileType>,
        parent: &Path,
    ) -> Result<()> {
        sync_folder(self.files.as_ref(), &self.path)?;
        self.swap_in(target, old)?;
        sync_folder(self.files.as_ref(), parent).inspect_err(|_| {
            // The swap may not be durable: what was there must outlive it.
            self.leftover = None;
        })
    }

    /// Gives the folder its name. What was there (`old`) is under the temporary name from then on.
    pub(super) fn swap_in(&mut self, target: &Path, old: Option<FileType>) -> Result<()> {
        let swapped = match old {
            None => self.files.rename(&self.path, target).map_err(creation_error),
            Some(_) => self.files.exchange(&self.path, target).map_err(exchange_error),
        };
        swapped.map_err(|error| error.at(target))?;
        self.leftover = old;
        Ok(())
    }
}

impl Drop for BuildFolder {
    fn drop(&mut self) {
        let Some(kind) = self.leftover else { return };
        if let Err(error) = remove(self.files.as_ref(), &self.path, kind) {
            let path = &self.path;
            tracing::warn!("cannot remove {path:?}: {error}; the next run will");
        }
    }
}

fn exchange_error(error: io::Error) -> Error {
    // EINVAL and ENOSYS: the file system, or the kernel, does not know RENAME_EXCHANGE. EXDEV: overlayfs, for a folder
    // of a lower layer.
    match error.kind() {
        io::ErrorKind::InvalidInput
        | io::ErrorKind::Unsupported
        | io::ErrorKind::CrossesDevices => {
            let text = "this file system cannot swap two folders in one step; remove the old \
                        folder and run again, or put --out on ext4, xfs, btrfs or tmpfs";
            Error::io("replace it", io::Error::new(io::ErrorKind::Unsupported, text))
        }
        _ => creation_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn a_file_system_that_cannot_exchange_is_explained() {
        // EINVAL, ENOSYS, EXDEV.
        for number in [22, 38, 18] {
            let error = exchange_error(io::Error::from_raw_os_error(number)).at("out/2021-12-07");
            assert_eq!(error.class(), ErrorClass::Io);
            assert_eq!(
                error.to_string(),
                "\"out/2021-12-07\": cannot replace it: this file system cannot swap two folders in one \
                 step; remove the old folder and run again, or put --out on ext4, xfs, btrfs or tmpfs"
            );
        }
    }
}
