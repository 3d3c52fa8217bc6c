//! The right to write: one writer at a time in a store, one in an output folder.
//!
//! Taking a lock creates the folders and sweeps what a killed run left. The locks also hand out the
//! temporaries, so that a temporary is always where the sweep looks and its rename stays within a folder.

use std::path::Path;

use super::build::BuildFolder;
use super::folders::{create_folders, is_absent, settle_name};
use super::paths::{Output, Store, TEMPORARY_PREFIX};
use super::sweep::{Swept, sweep};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, Lock, TemporaryFile, creation_error};

/// Held by the one writer of a store, until it is dropped or the process ends.
#[derive(Debug)]
pub struct StoreLock {
    store: Store,
    swept: Swept,
    _lock: Box<dyn Lock>,
}

impl StoreLock {
    /// Creates the store's folders where they are missing, takes its lock, and sweeps.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another process holds it (this never waits); [`ErrorKind::CannotCreate`]
    /// where nothing may be created; [`ErrorKind::Io`].
    pub fn take(store: &Store) -> Result<Self> {
        let files = store.files();
        let lock = lock_folder(files, store.root(), &store.lock_path())?;
        let folders = [store.partials_folder(), store.rejects_folder(), store.scratch_folder()];
        for folder in &folders {
            create_folders(files, folder)?;
        }
        let swept = sweep(files, &folders.each_ref().map(AsRef::as_ref))?;
        // A cache: whatever is wrong with it ends no run.
        let _ = sweep(files, &[&store.seen_folder()]);
        Ok(StoreLock { store: store.clone(), swept, _lock: lock })
    }

    /// The store that is locked.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was swept when the lock was taken.
    #[must_use]
    pub fn swept(&self) -> Swept {
        self.swept
    }

    /// An empty file for a partial, to be given its name by [`publish_day`](super::publish_day).
    pub fn temporary_partial(&self) -> Result<Box<dyn TemporaryFile>> {
        let mut file = create_temporary(self.store.files(), &self.store.partials_folder())?;
        file.sync_early();
        Ok(file)
    }

    /// An empty file for a day's corrupt rows, to be given its name by
    /// [`publish_day`](super::publish_day) or [`publish_rejects_only`](super::publish_rejects_only).
    pub fn temporary_rejects(&self) -> Result<Box<dyn TemporaryFile>> {
        create_temporary(self.store.files(), &self.store.rejects_folder())
    }

    /// An empty file for the seen logs of a day, in a folder that must be there.
    pub(super) fn temporary_seen(&self) -> Result<Box<dyn TemporaryFile>> {
        create_temporary(self.store.files(), &self.store.seen_folder())
    }

    /// An empty file for a sorted run that does not fit in memory; gone when dropped.
    pub fn scratch_file(&self) -> Result<Box<dyn TemporaryFile>> {
        create_temporary(self.store.files(), &self.store.scratch_folder())
    }
}

/// Held by the one writer of an output folder, until it is dropped or the process ends.
#[derive(Debug)]
pub struct OutputLock {
    output: Output,
    swept: Swept,
    _lock: Box<dyn Lock>,
}

impl OutputLock {
    /// Creates the output folder where it is missing, takes its lock, and sweeps.
    ///
    /// # Errors
    /// As [`StoreLock::take`].
    pub fn take(output: &Output) -> Result<Self> {
        let files = output.files().as_ref();
        let lock = lock_folder(files, output.root(), &output.lock_path())?;
        let swept = sweep(files, &[output.root()])?;
        Ok(OutputLock { output: output.clone(), swept, _lock: lock })
    }

    /// The output folder that is locked.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// What was swept when the lock was taken.
    #[must_use]
    pub fn swept(&self) -> Swept {
        self.swept
    }

    /// An empty folder to build an emission in, for [`publish_emission`](super::publish_emission).
    pub fn build_folder(&self) -> Result<BuildFolder> {
        BuildFolder::create(self.output.files(), self.output.root())
    }

    /// An empty file for what an emission cannot hold in memory; gone when dropped.
    pub fn scratch_file(&self) -> Result<Box<dyn TemporaryFile>> {
        create_temporary(self.output.files().as_ref(), self.output.root())
    }
}

fn create_temporary(files: &dyn FileSystem, folder: &Path) -> Result<Box<dyn TemporaryFile>> {
    let created = files.create_temporary(folder, TEMPORARY_PREFIX);
    created.map_err(|error| creation_error(error).at(folder))
}

fn lock_folder(files: &dyn FileSystem, root: &Path, path: &Path) -> Result<Box<dyn Lock>> {
    let is_first = is_absent(files, path);
    create_folders(files, root)?;
    if is_first {
        settle_name(files, root)?;
    }
    let lock = files.try_lock(path).map_err(|error| creation_error(error).at(path))?;
    lock.ok_or_else(|| Error::from(ErrorKind::Locked).at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use std::fs;

    #[test]
    fn a_store_has_one_writer_and_the_next_one_may_follow() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("deep").join("store"));
        let held = StoreLock::take(&store).unwrap();
        let error = StoreLock::take(&store).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Locked);
        assert_eq!(error.path(), Some(store.lock_path().as_path()));
        drop(held);
        StoreLock::take(&store).unwrap();
        assert_eq!(store.days().unwrap(), []);
    }

    #[test]
    fn one_folder_can_be_the_store_and_the_output_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _store = StoreLock::take(&Store::new(folder.path())).unwrap();
        let output = Output::new(folder.path());
        let _output = OutputLock::take(&output).unwrap();
        let error = OutputLock::take(&output).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Locked);
    }

    #[test]
    fn the_lock_sweeps_every_folder_of_the_store_but_not_while_another_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let held = StoreLock::take(&store).unwrap();
        assert_eq!(held.swept(), Swept::default());
        let in_use = [
            held.temporary_partial().unwrap(),
            held.temporary_rejects().unwrap(),
            held.scratch_file().unwrap(),
        ];
        StoreLock::take(&store).unwrap_err();
        assert!(in_use.iter().all(|file| file.path().exists()));
        // A killed process drops nothing.
        in_use.into_iter().for_each(std::mem::forget);
        drop(held);
        let next = StoreLock::take(&store).unwrap();
        assert_eq!(next.swept(), Swept { files: 3, folders: 0 });
    }

    #[test]
    fn a_link_under_the_lock_s_name_is_refused_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        std::os::unix::fs::symlink("elsewhere", store.lock_path()).unwrap();
        let error = StoreLock::take(&store).unwrap_err();
        assert_eq!(error.class(), ErrorClass::CannotCreate);
        assert_eq!(error.path(), Some(store.lock_path().as_path()));
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_file_in_the_way_of_a_folder_is_an_output_that_cannot_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for root in [file.clone(), file.join("below")] {
            let error = StoreLock::take(&Store::new(&root)).unwrap_err();
            assert_eq!(error.class(), ErrorClass::CannotCreate);
            assert_eq!(error.path(), Some(root.as_path()));
            let error = OutputLock::take(&Output::new(&root)).unwrap_err();
            assert_eq!(error.class(), ErrorClass::CannotCreate);
        }
        assert!(fs::read(&file).unwrap().is_empty());
    }
}
