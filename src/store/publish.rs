//! A day's two files get their names.
//!
//! The order, and what a kill (or a power cut) after each step leaves:
//!
//! 1. both temporaries are synced: the old day; two leftovers, which the next run sweeps;
//! 2. the rejects file is renamed, its folder synced: the old day, with the rejects of the run that
//!    was killed; running it again renames the same bytes;
//! 3. the partial is renamed: the new day;
//! 4. its folder is synced: the new day, after a power cut too.
//!
//! So a partial always has its own rejects file beside it, or the rejects file of a later try.

use std::path::Path;

use super::folders::settle;
use super::lock::StoreLock;
use super::paths::Store;
use crate::error::{Error, Result};
use crate::fs::{FileSystem, TemporaryFile, creation_error};
use crate::model::Day;

/// Publishes a day: its corrupt rows, then its partial, whose rename commits.
///
/// Both come from the lock's [`temporary_rejects`](StoreLock::temporary_rejects) and
/// [`temporary_partial`](StoreLock::temporary_partial), complete and flushed, and need not be synced.
/// What was there is replaced. On an error the partial that was there is still in place, unless
/// only the last sync failed.
///
/// # Errors
/// [`ErrorKind::CannotCreate`](crate::ErrorKind::CannotCreate) or
/// [`ErrorKind::Io`](crate::ErrorKind::Io), with the path.
pub fn publish_day(
    lock: &StoreLock,
    day: Day,
    mut rejects: Box<dyn TemporaryFile>,
    mut partial: Box<dyn TemporaryFile>,
) -> Result<()> {
    let store = lock.store();
    let rejects_path = store.rejects_path(day);
    let partial_path = store.partial_path(day);
    sync(rejects.as_mut(), &rejects_path)?;
    sync(partial.as_mut(), &partial_path)?;
    let files = store.files();
    name(files, rejects, &rejects_path, &store.rejects_folder())?;
    name(files, partial, &partial_path, &store.partials_folder())?;
    tracing::debug!(%day, path = ?partial_path, "published the day");
    Ok(())
}

/// Publishes the corrupt rows of a day that was refused for them; its partial stays what it was.
///
/// # Errors
/// As [`publish_day`].
pub fn publish_rejects_only(
    lock: &StoreLock,
    day: Day,
    mut rejects: Box<dyn TemporaryFile>,
) -> Result<()> {
    let path = lock.store().rejects_path(day);
    sync(rejects.as_mut(), &path)?;
    name(lock.store().files(), rejects, &path, &lock.store().rejects_folder())
}

/// Makes the stored days durable: a run that was killed may have named one and not synced its folder. For a run that
/// publishes nothing because it found a day in order.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io), with the folder.
pub fn settle_days(store: &Store) -> Result<()> {
    settle(store.files(), &store.rejects_folder())?;
    settle(store.files(), &store.partials_folder())
}

fn sync(file: &mut dyn TemporaryFile, path: &Path) -> Result<()> {
    file.sync().map_err(|error| Error::io("sync", error).at(path))
}

fn name(
    files: &dyn FileSystem,
    file: Box<dyn TemporaryFile>,
    path: &Path,
    folder: &Path,
) -> Result<()> {
    file.persist(path).map_err(|error| creation_error(error).at(path))?;
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::fs::OsFileSystem;
    use std::fs;
    use std::io::Write;

    fn filled(mut file: Box<dyn TemporaryFile>, text: &str) -> Box<dyn TemporaryFile> {
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn publish(lock: &StoreLock, day: Day, text: &str) -> Result<()> {
        let rejects = filled(lock.temporary_rejects().unwrap(), text);
        let partial = filled(lock.temporary_partial().unwrap(), text);
        publish_day(lock, day, rejects, partial)
    }

    fn read(store: &Store, day: Day) -> [String; 2] {
        [store.rejects_path(day), store.partial_path(day)].map(|p| fs::read_to_string(p).unwrap())
    }

    #[test]
    fn a_day_is_published_then_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = StoreLock::take(&store).unwrap();
        let day: Day = "2021-12-01".parse().unwrap();
        for text in ["first", "second, longer", "3"] {
            publish(&lock, day, text).unwrap();
            assert_eq!(read(&store, day), [text, text]);
        }
        let rejects = filled(lock.temporary_rejects().unwrap(), "refused");
        publish_rejects_only(&lock, day, rejects).unwrap();
        assert_eq!(read(&store, day), ["refused", "3"]);
        assert_eq!(store.days().unwrap(), [day]);
        for folder in [store.partials_folder(), store.rejects_folder()] {
            assert_eq!(OsFileSystem.list(&folder).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_reader_that_holds_the_old_partial_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = StoreLock::take(&store).unwrap();
        let day: Day = "2021-12-01".parse().unwrap();
        publish(&lock, day, "old").unwrap();
        let reader = store.open_partial(day).unwrap().unwrap();
        publish(&lock, day, "new").unwrap();
        let mut bytes = [0; 8];
        assert_eq!(reader.read_full_at(&mut bytes, 0).unwrap(), 3);
        assert_eq!(bytes.get(..3), Some(b"old".as_slice()));
    }

    #[test]
    fn a_folder_under_the_partial_s_name_is_an_output_that_cannot_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = StoreLock::take(&store).unwrap();
        let day: Day = "2021-12-01".parse().unwrap();
        fs::create_dir(store.partial_path(day)).unwrap();
        let error = publish(&lock, day, "text").unwrap_err();
        assert_eq!(error.class(), ErrorClass::CannotCreate);
        assert_eq!(error.path(), Some(store.partial_path(day).as_path()));
        assert_eq!(OsFileSystem.list(&store.partials_folder()).unwrap().len(), 1);
    }
}
