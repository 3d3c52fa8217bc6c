//! The temporary files of this process that have no name of their own yet, for the one moment when their owners cannot
//! remove them: a thread waits for a pipe or a disk, and the process has to end.
//!
//! To remove them is safe at any time, for a temporary file's name is never that of a published one: whoever was
//! about to give it that name fails, and what was there stands. Folders are not listed. One may become
//! an emission while it is emptied; what is left of them is swept by the next run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those of the whole process.
static UNNAMED: List = List::new();

/// Removes all temporary files that [`OsFileSystem`](super::OsFileSystem) has made and that are neither named nor
/// dropped yet: right before the process is ended from a thread that does not own them.
///
/// From then on whoever creates or drops a temporary file waits for ever, so that none is left behind. A file that cannot
/// be removed stays.
pub fn remove_temporaries() {
    std::mem::forget(UNNAMED.remove_files());
}

/// The paths of temporary files.
struct List(Mutex<BTreeSet<PathBuf>>);

impl List {
    const fn new() -> Self {
        List(Mutex::new(BTreeSet::new()))
    }

    fn add(&'static self, path: &Path) -> Listed {
        self.lock().insert(path.to_owned());
        Listed { list: self, path: path.to_owned() }
    }

    /// Nothing is added or taken away while what is returned lives.
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
pub(super) struct Listed {
    list: &'static List,
    path: PathBuf,
}

impl Listed {
    /// Lists a file that is about to be created.
    pub(super) fn new(path: &Path) -> Self {
        UNNAMED.add(path)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.list.lock().remove(&self.path);
    }
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listed").field(&self.path).finish()
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
