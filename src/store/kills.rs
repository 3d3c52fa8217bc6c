//! Tests: a run is killed before each of its calls in turn; the old state or the new one must stand,
//! and the next run must make everything good.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    MANIFEST, Output, OutputLock, Store, StoreLock, finish_interrupted, publish_day,
    publish_emission,
};
use crate::error::Result;
use crate::fs::{
    FileStat, FileSystem, FileType, Lock, OsFileSystem, ReadFile, TemporaryFile, TemporaryName,
    WriteFile,
};
use crate::model::Day;

/// The real files until so many changing calls were made; then nothing works any more, clean-up included.
#[derive(Debug, Clone)]
struct Mortal(Arc<AtomicUsize>);

impl Mortal {
    fn living_for(calls: usize) -> Self {
        Mortal(Arc::new(AtomicUsize::new(calls)))
    }

    fn is_dead(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    fn step(&self) -> io::Result<()> {
        let less = |left: usize| left.checked_sub(1);
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("killed")),
        }
    }
}

impl FileSystem for Mortal {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        OsFileSystem.open(path)
    }
    fn stdin(&self) -> io::Result<Box<dyn Read + Send>> {
        OsFileSystem.stdin()
    }
    fn create_temporary(&self, folder: &Path, prefix: &str) -> io::Result<Box<dyn TemporaryFile>> {
        self.step()?;
        let file = OsFileSystem.create_temporary(folder, prefix)?;
        Ok(Box::new(MortalFile { world: self.clone(), file: Some(file) }))
    }
    fn create_temporary_folder(&self, parent: &Path, prefix: &str) -> io::Result<PathBuf> {
        self.step()?;
        OsFileSystem.create_temporary_folder(parent, prefix)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.step()?;
        OsFileSystem.create_new(path)
    }
    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        OsFileSystem.stat(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<(OsString, FileType)>> {
        OsFileSystem.list(folder)
    }
    fn create_folders(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.create_folders(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.rename(from, to)
    }
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.exchange(one, other)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.remove_file(path)
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.remove_folder(folder)
    }
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.symlink(target, link)
    }
    fn read_link(&self, link: &Path) -> io::Result<PathBuf> {
        OsFileSystem.read_link(link)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        OsFileSystem.sync_folder(folder)
    }
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.step()?;
        OsFileSystem.try_lock(path)
    }
}

#[derive(Debug)]
struct MortalFile {
    world: Mortal,
    file: Option<Box<dyn TemporaryFile>>,
}

impl MortalFile {
    fn file(&mut self) -> &mut dyn TemporaryFile {
        self.file.as_mut().unwrap().as_mut()
    }
}

impl Write for MortalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.world.step()?;
        self.file().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl WriteFile for MortalFile {
    fn sync(&mut self) -> io::Result<()> {
        self.world.step()?;
        self.file().sync()
    }
}

impl TemporaryFile for MortalFile {
    fn path(&self) -> &Path {
        self.file.as_ref().unwrap().path()
    }
    fn persist(mut self: Box<Self>, path: &Path) -> io::Result<()> {
        self.world.step()?;
        self.file.take().unwrap().persist(path)
    }
    fn close(mut self: Box<Self>) -> io::Result<Box<dyn TemporaryName>> {
        self.file.take().unwrap().close()
    }
}

impl Drop for MortalFile {
    fn drop(&mut self) {
        if self.world.is_dead() {
            std::mem::forget(self.file.take());
        }
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Runs `attempt` killed at call 0, 1, 2, … over the old state in a fresh folder each time, until it
/// succeeds; `examine` sees the folder after each.
fn kill_at_every_call(
    attempt: impl Fn(&dyn FileSystem, &Path, &str) -> Result<()>,
    examine: impl Fn(&Path),
) {
    for calls in 0.. {
        let folder = tempfile::tempdir().unwrap();
        attempt(&OsFileSystem, folder.path(), "old").unwrap();
        let outcome = attempt(&Mortal::living_for(calls), folder.path(), "new");
        examine(folder.path());
        if outcome.is_ok() {
            assert!(calls >= 8, "that few calls cannot be all");
            return;
        }
    }
}

fn reduce(files: &dyn FileSystem, root: &Path, text: &str) -> Result<()> {
    let lock = StoreLock::take(files, &Store::new(root))?;
    let mut rejects = lock.temporary_rejects(files)?;
    let mut partial = lock.temporary_partial(files)?;
    let failed = |error| crate::Error::io("write", error);
    rejects.write_all(text.as_bytes()).map_err(failed)?;
    partial.write_all(text.as_bytes()).map_err(failed)?;
    publish_day(files, &lock, day("2021-12-01"), rejects, partial)
}

#[test]
fn a_day_killed_at_any_call_is_the_old_one_or_the_new_one_and_the_next_run_cleans_up() {
    let seen = std::cell::RefCell::new(Vec::new());
    kill_at_every_call(reduce, |root| {
        let store = Store::new(root);
        let (day, files) = (day("2021-12-01"), &OsFileSystem);
        let (rejects, partial) = (read(&store.rejects_path(day)), read(&store.partial_path(day)));
        let expected = [("old", "old"), ("new", "old"), ("new", "new")];
        assert!(expected.contains(&(&rejects, &partial)), "{rejects} {partial}");
        assert_eq!(store.days(files).unwrap(), [day]);
        seen.borrow_mut().push(partial);

        reduce(files, root, "next").unwrap();
        assert_eq!(
            [store.rejects_path(day), store.partial_path(day)].map(|p| read(&p)),
            ["next"; 2]
        );
        let folders = [store.partials_folder(), store.rejects_folder(), store.scratch_folder()];
        assert_eq!(folders.map(|folder| files.list(&folder).unwrap().len()), [1, 1, 0]);
    });
    assert!(seen.borrow().is_sorted_by_key(|text| text == "new"), "committed once");
    assert!(seen.borrow().iter().any(|text| text == "old"));
}

fn emit(files: &dyn FileSystem, root: &Path, date: &str, text: &str) -> Result<()> {
    let mut lock = OutputLock::take(files, &Output::new(root))?;
    let built = lock.build_folder(files)?;
    let failed = |error| crate::Error::io("write", error);
    for name in ["countries", "users", MANIFEST] {
        let mut file = built.create_file(name)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync()).map_err(failed)?;
    }
    publish_emission(&mut lock, day(date), built)
}

/// What a next run must leave whatever was killed before it: one that has nothing to emit, and one of an older date.
fn assert_next_run_makes_all_good(root: &Path, newest: &str) {
    finish_interrupted(&OsFileSystem, &Output::new(root)).unwrap();
    assert_in_order(root, newest);
    emit(&OsFileSystem, root, "2021-11-01", "other").unwrap();
    assert_in_order(root, newest);
}

fn assert_in_order(root: &Path, newest: &str) {
    assert_eq!(fs::read_link(root.join("latest")).unwrap(), Path::new(newest));
    let names = OsFileSystem.list(root).unwrap();
    assert!(names.iter().all(|(name, _)| !name.to_str().unwrap().starts_with(".agg")));
}

#[test]
fn an_emission_killed_at_any_call_is_the_old_one_or_the_new_one_and_the_next_run_cleans_up() {
    let attempt =
        |files: &dyn FileSystem, root: &Path, text: &str| emit(files, root, "2021-12-07", text);
    kill_at_every_call(attempt, |root| {
        for date in ["2021-12-07", "latest"] {
            let files = ["countries", "users"].map(|name| read(&root.join(date).join(name)));
            assert!(files == ["old"; 2] || files == ["new"; 2], "{files:?}");
        }
        assert_next_run_makes_all_good(root, "2021-12-07");
    });
}

#[test]
fn a_first_emission_killed_at_any_call_is_whole_or_absent_and_latest_catches_up() {
    let attempt = |files: &dyn FileSystem, root: &Path, text: &str| {
        emit(files, root, if text == "old" { "2021-12-06" } else { "2021-12-07" }, text)
    };
    kill_at_every_call(attempt, |root| {
        let dates = Output::new(root).days(&OsFileSystem).unwrap();
        let newest = dates.last().unwrap().to_string();
        let expected = if newest == "2021-12-07" { "new" } else { "old" };
        for name in ["countries", "users"] {
            assert_eq!(read(&root.join(&newest).join(name)), expected);
            assert!(["old", "new"].contains(&read(&root.join("latest").join(name)).as_str()));
        }
        assert_next_run_makes_all_good(root, &newest);
    });
}
