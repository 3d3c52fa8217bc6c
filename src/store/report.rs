//! The page of `agg report` gets its name.
//!
//! It lies wherever its reader wants it, so neither the store's nor the output folder's lock guards it, and its
//! temporary bears a prefix that their sweeps leave alone. A run that is killed leaves the old page, and perhaps the
//! temporary, which the next run for the same page removes. Two runs for one page at the same time: one may
//! fail, the page is whole.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType, creation_error, leads_to_device};

/// Publishes `page` under `path` in one step, replacing a file that is there.
///
/// # Errors
/// [`ErrorKind::CannotCreate`], also for a path at which a device or a pipe is; [`ErrorKind::Io`]. What was there
/// is then untouched, unless only the last sync failed.
pub fn publish_report(files: &dyn FileSystem, path: &Path, page: &[u8]) -> Result<()> {
    let refused = |why: io::Error| Error::from(ErrorKind::CannotCreate(why)).at(path);
    let name = path.file_name().ok_or_else(|| refused(io::ErrorKind::IsADirectory.into()))?;
    // A rename would put the page in the place of /dev/null, or of /dev/stdout, also where that leads to a file.
    let is_link_to_device = files.read_link(path).is_ok_and(|target| leads_to_device(&target));
    if is_link_to_device || files.stat(path).is_ok_and(|stat| stat.file_type == FileType::Other) {
        let why = "it is a device or a pipe: write to standard output with '-'";
        return Err(refused(io::Error::other(why)));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let prefix = temporary_prefix(name);
    sweep(files, folder, &prefix);
    let prefix = prefix.to_str().unwrap_or(NAMELESS_PREFIX);
    let created = files.create_temporary(folder, prefix);
    let mut file = created.map_err(|error| creation_error(error).at(path))?;
    let written = file.write_all(page).and_then(|()| file.sync());
    written.map_err(|error| Error::io("write", error).at(path))?;
    file.persist(path).map_err(|error| creation_error(error).at(path))?;
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
}

/// For a page whose name is no UTF-8.
const NAMELESS_PREFIX: &str = ".agg-report-";

fn temporary_prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(NAMELESS_PREFIX);
    // A name may have 255 bytes: a long one leaves no room for the prefix.
    if name.len() <= 200 && name.to_str().is_some() {
        prefix.push(name);
        prefix.push("-");
    }
    prefix
}

/// Removes what a killed run for the same page left. A folder that cannot be listed tells so when the page is written.
fn sweep(files: &dyn FileSystem, folder: &Path, prefix: &OsStr) {
    if prefix == NAMELESS_PREFIX {
        return;
    }
    for (name, file_type) in files.list(folder).unwrap_or_default() {
        let ours = name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
        if ours && file_type == FileType::File {
            // What cannot be removed harms nobody.
            let _ = files.remove_file(&folder.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::fs::OsFileSystem;
    use std::fs;

    fn publish(path: &Path, page: &str) -> Result<()> {
        publish_report(&OsFileSystem, path, page.as_bytes())
    }

    #[test]
    fn a_page_replaces_the_old_one_and_sweeps_only_its_own_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("week.html");
        let leftovers = [".agg-report-week.html-old", ".agg-report-other.html-x", ".agg-tmp-y"];
        for name in leftovers {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for page in ["first", "second, longer", "3"] {
            publish(&path, page).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), page);
        }
        let left: Vec<bool> =
            leftovers.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, [false, true, true]);
        assert_eq!(OsFileSystem.list(folder.path()).unwrap().len(), 3);
    }

    #[test]
    fn a_page_with_a_name_of_255_bytes_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        publish(&path, "page").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "page");
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
