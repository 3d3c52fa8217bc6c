//! The temporary files of this process that are not published yet. The process removes them when it has to end and
//! their owners cannot, because a thread waits for a pipe or a disk.
//!
//! Removing them is safe at any time, because a temporary file never has the name of a published file: a rename that
//! comes later fails, and the published file stays. Folders are not listed, because a folder can become an emission
//! while it is emptied. The next run removes those that are left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those of the whole process.
static UNNAMED: List = List::new();

/// Removes all temporary files that [`OsFileSystem`](super::OsFileSystem) has made and that are neither named nor
/// dropped yet: right before the process is ended from a thread that does not own them.
///
/// Threads that create or drop a temporary file later wait for ever, so no new one appears. A file that cannot be
/// removed stays.
pub fn remove_temporaries() {
    std::mem::forget(UNNAMED.remove_files());
}

/// The paths of temporary files.
struct List(Mutex<BTreeSet<PathBuf>>);

impl List {
    const fn new() -> Self {
        List(Mutex::new(BTreeSet::new()))
    }

    fn add(&'static self, path: &Path) -> ListedPath {
        self.lock().insert(path.to_owned());
        ListedPath { list: self, path: path.to_owned() }
    }

    /// The list does not change while the returned guard lives.
    fn remove_files(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        let paths = self.lock();
        for path in paths.iter() {
            let _ = fs::remove_file(path);
        }
        paths
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path's place in the list, until it is dropped.
pub(super) struct ListedPath {
    list: &'static List,
    path: PathBuf,
}

impl ListedPath {
    /// Lists a file that is about to be created.
    pub(super) fn new(path: &Path) -> Self {
        UNNAMED.add(path)
    }
}

impl Drop for ListedPath {
    fn drop(&mut self) {
        self.list.lock().remove(&self.path);
    }
}

impl std::fmt::Debug for ListedPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ListedPath").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_removed_and_what_was_dropped_or_is_gone_does_no_harm() {
        static LIST: List = List::new();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            fs::write(folder.path().join(name), name).unwrap();
            LIST.add(&folder.path().join(name))
        };
        let (kept, gone) = (at("kept"), at("gone"));
        drop(at("named"));
        fs::remove_file(&gone.path).unwrap();
        drop(LIST.remove_files());
        assert!(!kept.path.exists());
        assert_eq!(fs::read(folder.path().join("named")).unwrap(), b"named");
        drop((kept, gone));
        assert!(LIST.lock().is_empty());
    }
}
