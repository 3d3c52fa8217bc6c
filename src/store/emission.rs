//! A date's folder of results is built beside the old one and swapped in by one rename.
//!
//! The order, and what a kill (or a power cut) after each step leaves:
//!
//! 1. the built folder is synced (its files were when they were written): the old emission, and a
//!    leftover that the next run sweeps;
//! 2. it is renamed to the date, or exchanged with the folder there: the new emission, perhaps the old
//!    one under the temporary name, and `latest` still at an older date;
//! 3. the output folder is synced: the same, after a power cut too;
//! 4. `latest` is replaced and the output folder synced: all new. A run that was killed before this
//!    leaves it to the next one, of any date, since `latest` goes to the newest emission that is there; a run that
//!    finds nothing to emit calls [`finish_interrupted`];
//! 5. the old emission is removed: last, and only when the swap is durable.
//!
//! A reader that goes through the date's name meets the old folder or the new one, complete. A reader that opens
//! several files by path can meet a swap between two of them; the digests in the manifest show it.

use std::io;
use std::path::Path;

use super::build::BuildFolder;
use super::folders::{in_the_way, settle};
use super::latest::{advance_latest, check_latest, unlinked};
use super::lock::OutputLock;
use super::paths::{MANIFEST, Output};
use super::sweep::has_leftovers;
use crate::error::{Error, Result};
use crate::fs::{FileSystem, FileType, creation_error};
use crate::model::Day;

/// Publishes the emission of `day`: `built` holds its complete files, each synced by its writer.
///
/// An emission of that date is replaced, then `OUT/latest` goes to the newest emission that is there.
/// Needs the lock for itself: two threads would race for `latest`.
///
/// # Errors
/// `ErrorKind::CannotCreate` where something that is not an emission is in the way, before anything has changed;
/// `ErrorKind::Io`, also where the file system cannot exchange two folders.
pub fn publish_emission(lock: &mut OutputLock, day: Day, built: BuildFolder) -> Result<()> {
    check_latest(lock.output())?;
    publish_changes(lock, day, built)?;
    advance_latest(lock.output())
}

/// Publishes what changed in the emission of `day`, as [`publish_emission`] does an emission, in a folder of changes,
/// which has no `latest`.
///
/// # Errors
/// As [`publish_emission`].
pub fn publish_changes(lock: &mut OutputLock, day: Day, mut built: BuildFolder) -> Result<()> {
    let output = lock.output();
    let target = output.day_folder(day);
    let old = emission_there(output.files().as_ref(), &target)?;
    built.publish(&target, old, output.root())?;
    tracing::debug!(%day, path = ?target, "published");
    Ok(())
}

/// As [`finish_interrupted`], for a folder of changes.
///
/// # Errors
/// As [`finish_interrupted`].
pub fn settle_changes(output: &Output) -> Result<()> {
    let files = output.files().as_ref();
    if has_leftovers(files, output.root())? {
        // Sweeps.
        return OutputLock::take(output).map(drop);
    }
    settle(files, output.root())
}

/// Ends what a killed run had begun: moves `latest`, removes leftovers, and makes durable what that run named. Takes
/// the lock only where there is something to do, so a folder in order is not written to.
///
/// # Errors
/// `ErrorKind::Locked` where another run holds the lock, which does the same; `ErrorKind::CannotCreate`,
/// `ErrorKind::Io`.
pub fn finish_interrupted(output: &Output) -> Result<()> {
    let files = output.files().as_ref();
    if unlinked(output)?.is_none() && !has_leftovers(files, output.root())? {
        return settle(files, output.root());
    }
    // Sweeps.
    let lock = OutputLock::take(output)?;
    advance_latest(lock.output())
}

/// Refuses to replace what is not an emission: a folder without a manifest, which every emission has.
///
/// Publishing removes what had the date's name, and that can be a dated folder of logs. An
/// empty folder may be replaced, and a link, whose target stays.
///
/// # Errors
/// `ErrorKind::CannotCreate`, or that the folder cannot be listed.
pub fn check_replaceable(lock: &OutputLock, day: Day) -> Result<()> {
    let files = lock.output().files().as_ref();
    let target = lock.output().day_folder(day);
    if emission_there(files, &target)? != Some(FileType::Folder) {
        return Ok(());
    }
    let entries = files.list(&target).map_err(|error| Error::io("list", error).at(&target))?;
    if entries.is_empty() || entries.iter().any(|(name, _)| name == MANIFEST) {
        return Ok(());
    }
    Err(in_the_way(&format!("a folder without {MANIFEST}, so not an emission,")).at(target))
}

/// What an emission of the date is now: a folder, or a link that an operator left for a moved one.
pub(super) fn emission_there(files: &dyn FileSystem, target: &Path) -> Result<Option<FileType>> {
    if files.read_link(target).is_ok() {
        return Ok(Some(FileType::Link));
    }
    match files.stat(target) {
        Ok(stat) if stat.file_type == FileType::Folder => Ok(Some(FileType::Folder)),
        Ok(_) => Err(in_the_way("something that is not a folder").at(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(creation_error(error).at(target)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lost_latest;
    use super::super::sweep::Swept;
    use super::*;
    use crate::error::ErrorClass;
    use crate::fs::OsFileSystem;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Place {
        folder: tempfile::TempDir,
        output: Output,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let output = Output::new(folder.path().join("out"));
            Place { folder, output }
        }

        fn lock(&self) -> OutputLock {
            OutputLock::take(&self.output).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = OsFileSystem.list(self.output.root()).unwrap();
            entries.into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
        }

        fn latest(&self) -> String {
            fs::read_link(self.output.latest_link())
                .unwrap()
                .into_os_string()
                .into_string()
                .unwrap()
        }

        fn text(&self, date: &str) -> String {
            fs::read_to_string(self.output.root().join(date).join("top.txt")).unwrap()
        }
    }

    fn build(lock: &OutputLock, text: &str) -> BuildFolder {
        let built = lock.build_folder().unwrap();
        for (name, text) in [("top.txt", text), (MANIFEST, "{}")] {
            let mut file = built.create_file(name).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.sync().unwrap();
        }
        built
    }

    fn publish(lock: &mut OutputLock, date: &str, text: &str) -> Result<()> {
        let built = build(lock, text);
        publish_emission(lock, date.parse().unwrap(), built)
    }

    #[test]
    fn an_emission_is_published_then_replaced_and_nothing_else_is_left() {
        let place = Place::new();
        let mut lock = place.lock();
        for text in ["first", "second", "third"] {
            publish(&mut lock, "2021-12-07", text).unwrap();
            assert_eq!(place.text("2021-12-07"), text);
            assert_eq!(place.text("latest"), text);
        }
        assert_eq!(place.names(), [".out.lock", "2021-12-07", "latest"]);
    }

    #[test]
    fn an_unpublished_folder_is_removed_with_its_files() {
        let place = Place::new();
        let lock = place.lock();
        drop(build(&lock, "text"));
        assert_eq!(place.names(), [".out.lock"]);
    }

    #[test]
    fn latest_goes_to_newer_dates_only() {
        let place = Place::new();
        let mut lock = place.lock();
        for (date, latest) in [
            ("2021-12-07", "2021-12-07"),
            ("2021-12-05", "2021-12-07"),
            ("2022-01-01", "2022-01-01"),
            ("2021-12-31", "2022-01-01"),
        ] {
            publish(&mut lock, date, date).unwrap();
            assert_eq!(place.latest(), latest);
        }
        // Not an emission: nothing to read there.
        fs::create_dir(place.output.root().join("2022-02-02")).unwrap();
        symlink("nowhere", place.output.root().join("2022-02-03")).unwrap();
        fs::write(place.folder.path().join("file"), "").unwrap();
        symlink("../file", place.output.root().join("2022-02-04")).unwrap();
        symlink("2022-02-05", place.output.root().join("2022-02-05")).unwrap();
        publish(&mut lock, "2021-12-31", "").unwrap();
        assert_eq!(place.latest(), "2022-01-01");
        assert_eq!(lost_latest(&place.output).unwrap(), None);
        fs::remove_dir_all(place.output.root().join("2022-01-01")).unwrap();
        publish(&mut lock, "2021-12-30", "").unwrap();
        assert_eq!(place.latest(), "2022-01-01", "not back, though its folder is gone");
        let lost = lost_latest(&place.output).unwrap();
        assert_eq!(lost, "2022-01-01".parse().ok());
        fs::remove_file(place.output.latest_link()).unwrap();
        publish(&mut lock, "2021-12-30", "").unwrap();
        assert_eq!(place.latest(), "2021-12-31");
    }

    #[test]
    fn a_foreign_latest_link_is_replaced() {
        let place = Place::new();
        let mut lock = place.lock();
        for foreign in ["nowhere", "/tmp/2029-01-01", "../2029-01-01", "2021-02-30"] {
            let _ = fs::remove_file(place.output.latest_link());
            symlink(foreign, place.output.latest_link()).unwrap();
            publish(&mut lock, "2021-12-07", "").unwrap();
            assert_eq!(place.latest(), "2021-12-07");
        }
    }

    #[test]
    fn a_real_folder_or_file_in_the_way_is_named_and_nothing_is_changed() {
        let place = Place::new();
        let mut lock = place.lock();
        publish(&mut lock, "2021-12-07", "old").unwrap();
        let latest = place.output.latest_link();
        fs::remove_file(&latest).unwrap();
        fs::create_dir(&latest).unwrap();
        let error = publish(&mut lock, "2021-12-07", "new").unwrap_err();
        assert_eq!(error.class(), ErrorClass::CannotCreate);
        assert_eq!(error.path(), Some(latest.as_path()));
        assert_eq!(place.text("2021-12-07"), "old");

        fs::remove_dir(&latest).unwrap();
        let file = place.output.root().join("2021-12-08");
        fs::write(&file, "a file").unwrap();
        let error = publish(&mut lock, "2021-12-08", "new").unwrap_err();
        assert_eq!(error.class(), ErrorClass::CannotCreate);
        assert_eq!(error.path(), Some(file.as_path()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "a file");
        assert_eq!(place.names(), [".out.lock", "2021-12-07", "2021-12-08"]);
    }

    #[test]
    fn a_link_to_a_moved_emission_is_replaced_and_its_target_kept() {
        let place = Place::new();
        let mut lock = place.lock();
        let moved = place.folder.path().join("moved");
        fs::create_dir(&moved).unwrap();
        fs::write(moved.join("top.txt"), "moved").unwrap();
        symlink(&moved, place.output.root().join("2021-12-07")).unwrap();
        symlink("nowhere", place.output.root().join("2021-12-08")).unwrap();
        publish(&mut lock, "2021-12-07", "new").unwrap();
        publish(&mut lock, "2021-12-08", "new").unwrap();
        assert_eq!([place.text("2021-12-07"), place.text("2021-12-08")], ["new", "new"]);
        assert_eq!(fs::read_to_string(moved.join("top.txt")).unwrap(), "moved");
        assert_eq!(place.names(), [".out.lock", "2021-12-07", "2021-12-08", "latest"]);
    }

    #[test]
    fn a_later_run_of_any_date_repairs_what_a_kill_after_the_swap_left() {
        let place = Place::new();
        let mut lock = place.lock();
        publish(&mut lock, "2021-12-06", "old").unwrap();
        // Killed after step 2: date swapped in, `latest` not moved, old folder and link left.
        let mut built = build(&lock, "new");
        built.swap_in(&place.output.root().join("2021-12-07"), None).unwrap();
        let mut built = build(&lock, "newer");
        let old = Some(FileType::Folder);
        built.swap_in(&place.output.root().join("2021-12-07"), old).unwrap();
        built.leftover = None;
        symlink("2021-12-07", place.output.root().join(".agg-tmp-latest-link")).unwrap();
        drop(lock);
        assert_eq!([place.text("2021-12-07"), place.text("latest")], ["newer", "old"]);

        let mut lock = place.lock();
        assert_eq!(lock.swept(), Swept { files: 1, folders: 1 });
        publish(&mut lock, "2021-12-05", "older").unwrap();
        assert_eq!(place.latest(), "2021-12-07");
        let names = [".out.lock", "2021-12-05", "2021-12-06", "2021-12-07", "latest"];
        assert_eq!(place.names(), names);
    }

    #[test]
    fn a_reader_always_meets_one_emission_or_the_next() {
        let place = Place::new();
        let mut lock = place.lock();
        let text = |number: u32| format!("{number}\n").repeat(5_000);
        publish(&mut lock, "2021-12-07", &text(0)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut newest = 0;
                while !done.load(Ordering::Relaxed) {
                    for name in ["2021-12-07", "latest"] {
                        let found = place.text(name);
                        let number = found.lines().next().unwrap().parse().unwrap();
                        assert!(found == text(number), "a mixture");
                        assert!(number >= newest, "went back");
                        newest = number;
                    }
                }
            });
            for number in 1..=40 {
                publish(&mut lock, "2021-12-07", &text(number)).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
    }
}
