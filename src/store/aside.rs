//! Publishes a file outside of the store and the output folder in one step: the page of `agg report`, or metrics.
//!
//! Neither the store's nor the output folder's lock guards it, and its temporary has a prefix that their sweeps leave
//! alone. A killed run leaves the old file, and perhaps the temporary, which the next run for the same file removes.
//! So, of two runs for one file at the same time, one can lose its temporary; it then writes another.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType, TemporaryFile, creation_error, leads_to_device};
use crate::text;

/// Random letters and digits at the end of a temporary's name.
const RANDOM: usize = 6;
/// How often a temporary may be lost to other runs.
const MAX_LOST: u32 = 100;

/// What such a file is: files of two uses never touch the other's temporaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// A page of `agg report`.
    Report,
    /// A file of metrics.
    Metrics,
}

impl Aside {
    /// Publishes `bytes` under `path` in one step, replacing a file that is there.
    ///
    /// # Errors
    /// [`ErrorKind::CannotCreate`], also for a path at which a device or a pipe is; [`ErrorKind::Io`]. What was there
    /// is then untouched, unless only the last sync failed.
    pub fn publish(self, files: &dyn FileSystem, path: &Path, bytes: &[u8]) -> Result<()> {
        let refused = |why: io::Error| Error::from(ErrorKind::CannotCreate(why)).at(path);
        // A rename would replace /dev/null, or /dev/stdout, even where that leads to a file.
        let is_link_to_device = files.read_link(path).is_ok_and(|target| leads_to_device(&target));
        let is_device = |file_type| matches!(file_type, FileType::Pipe | FileType::Other);
        if is_link_to_device || files.stat(path).is_ok_and(|stat| is_device(stat.file_type)) {
            let why = "it is a device or a pipe: write to standard output with '-'";
            return Err(refused(io::Error::other(why)));
        }
        self.sweep(files, path)?;
        let mut lost = 0;
        loop {
            let mut file = self.create(files, path)?;
            let written = file.write_all(bytes).and_then(|()| file.sync());
            written.map_err(|error| Error::io("write", error).at(path))?;
            match file.persist(path) {
                Ok(()) => break,
                // Another run for the same file has swept it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && lost < MAX_LOST => {
                    lost += 1;
                }
                Err(error) => return Err(creation_error(error).at(path)),
            }
        }
        let folder = folder_of(path);
        files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
    }

    /// Whether the file could be published: for a run that does its work first.
    ///
    /// # Errors
    /// As [`Aside::publish`].
    pub fn check(self, files: &dyn FileSystem, path: &Path) -> Result<()> {
        self.create(files, path).map(drop)
    }

    /// An empty temporary in the same folder.
    fn create(self, files: &dyn FileSystem, path: &Path) -> Result<Box<dyn TemporaryFile>> {
        let prefix = self.temporary_prefix(path)?;
        let created = files.create_temporary(folder_of(path), &prefix);
        created.map_err(|error| creation_error(error).at(path))
    }

    /// Removes what a killed run for the same file left. Once a run, because two runs that swept at each try could
    /// remove each other's temporaries for ever. A folder that cannot be listed fails when the file is created.
    fn sweep(self, files: &dyn FileSystem, path: &Path) -> Result<()> {
        let (folder, prefix) = (folder_of(path), self.temporary_prefix(path)?);
        for (name, file_type) in files.list(folder).unwrap_or_default() {
            if file_type == FileType::File && is_temporary(&name, &prefix) {
                // What cannot be removed does no harm.
                let _ = files.remove_file(&folder.join(name));
            }
        }
        Ok(())
    }

    fn temporary_prefix(self, path: &Path) -> Result<String> {
        let no_name = || Error::from(ErrorKind::CannotCreate(io::ErrorKind::IsADirectory.into()));
        let name = path.file_name().ok_or_else(|| no_name().at(path))?;
        let noun = match self {
            Aside::Report => "report",
            Aside::Metrics => "metrics",
        };
        Ok(match name.to_str() {
            // A name may have 255 bytes: a long one leaves no room for the prefix.
            Some(name) if name.len() <= 200 => format!(".agg-{noun}-{name}-"),
            _ => format!(".agg-{noun}-{}-", text::hex64(xxh3_64(name.as_encoded_bytes()))),
        })
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Whether only the random part follows the prefix: the temporaries of `week-2` begin with the prefix of `week`, too.
fn is_temporary(name: &OsString, prefix: &str) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_bytes());
    rest.is_some_and(|rest| rest.len() == RANDOM && rest.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::fs::OsFileSystem;
    use std::fs;

    fn publish(path: &Path, page: &str) -> Result<()> {
        Aside::Report.publish(&OsFileSystem, path, page.as_bytes())
    }

    #[test]
    fn a_page_replaces_the_old_one_and_sweeps_only_its_own_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("week.html");
        let leftovers = [
            ".agg-report-week.html-aB3dE6",
            ".agg-report-week.html-2-aB3dE6",
            ".agg-report-other.html-aB3dE6",
            ".agg-metrics-week.html-aB3dE6",
            ".agg-tmp-aB3dE6",
        ];
        for name in leftovers {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for page in ["first", "second, longer", "3"] {
            publish(&path, page).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), page);
        }
        let left: Vec<bool> =
            leftovers.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, [false, true, true, true, true]);
        assert_eq!(OsFileSystem.list(folder.path()).unwrap().len(), 5);
    }

    #[test]
    fn a_page_with_a_name_of_255_bytes_is_published_and_swept_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        let left = Aside::Report.create(&OsFileSystem, &path).unwrap();
        std::mem::forget(left);
        publish(&path, "page").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "page");
        assert_eq!(OsFileSystem.list(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn runs_for_one_file_at_the_same_time_all_succeed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("night.prom");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        Aside::Metrics.publish(&OsFileSystem, &path, b"metrics").unwrap();
                    }
                });
            }
        });
        assert_eq!(OsFileSystem.list(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn folders_devices_and_missing_folders_are_outputs_that_cannot_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/week.html");
        for path in [folder.path(), &missing, Path::new("/dev/null"), Path::new("..")] {
            let error = publish(path, "page").unwrap_err();
            assert_eq!(error.class(), ErrorClass::CannotCreate, "{error}");
        }
        assert_eq!(OsFileSystem.list(folder.path()).unwrap(), []);
        // Where standard output is a file, such a link leads to a file.
        let link = folder.path().join("stdout");
        std::os::unix::fs::symlink("/proc/self/fd/1", &link).unwrap();
        assert_eq!(publish(&link, "page").unwrap_err().class(), ErrorClass::CannotCreate);
        assert!(fs::read_link(&link).is_ok());
    }
}
