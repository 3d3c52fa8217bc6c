//! A faulty twin of the file system: the real one, with a say before each of its calls.
//!
//! A test gives a judge, which sees every call (its number, what it does, to which path) and lets it go, fails it,
//! or kills the process there and then: nothing works any more and nothing is cleaned up, as after `kill -9`, or it is
//! `kill -9` (in a process that a test has started for that). A judge may also change the files that are being read. What is removed by being dropped makes no call.
//!
//! Calls are numbered in the order in which they are made; with one thread that order is always the same.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use agg::fs::{
    FileStat, FileSystem, Lock, OsFileSystem, ReadFile, TemporaryFile, TemporaryName, Visit,
    WriteFile,
};
use rustix::io::Errno;

use crate::disk::Disk;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Close,
    CreateFolders,
    CreateNew,
    CreateTemporary,
    CreateTemporaryFolder,
    Exchange,
    List,
    Open,
    Persist,
    Read,
    ReadLink,
    RemoveFile,
    RemoveFolder,
    Rename,
    Stat,
    Symlink,
    Sync,
    SyncFolder,
    TryLock,
    Write,
}

/// A call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// From 0.
    pub(crate) number: usize,
    pub(crate) operation: Operation,
    /// The path of the two that is changed.
    pub(crate) path: PathBuf,
}

/// The fate of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// A read or write of at most this number of bytes; all else succeeds.
    Bite(usize),
    Fail(Errno),
    /// A signal asks the run to stop; the call goes.
    Stop,
    /// Nothing works from this call on, clean-up included: as if the process had died before it.
    Die,
    /// The process really dies before this call.
    Kill,
}

type Judge = dyn Fn(&Call) -> Verdict + Send + Sync;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Faulty(Arc<World>);

struct World {
    judge: Box<Judge>,
    next: AtomicUsize,
    dead: AtomicBool,
    stop: Arc<AtomicI32>,
    calls: Mutex<Vec<Call>>,
    /// Bytes that one read or write moves at most.
    bite: usize,
    /// All changes have one time.
    clock_stands: bool,
    /// Records what the calls change and sync.
    disk: Option<Arc<Mutex<Disk>>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Faulty {
    pub(crate) fn new(judge: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Self {
        Self::biting(usize::MAX, judge)
    }

    /// As [`Faulty::new`], moving at most `bite` bytes a read or write.
    pub(crate) fn biting(
        bite: usize,
        judge: impl Fn(&Call) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Faulty(Arc::new(World {
            judge: Box::new(judge),
            next: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            stop: Arc::default(),
            calls: Mutex::default(),
            bite,
            clock_stands: false,
            disk: None,
        }))
    }

    /// Records on `disk` what the calls change and sync.
    pub(crate) fn recording(mut self, disk: &Arc<Mutex<Disk>>) -> Self {
        Arc::get_mut(&mut self.0).unwrap().disk = Some(Arc::clone(disk));
        self
    }

    /// As on a file system whose clock does not tick while the test runs.
    pub(crate) fn between_ticks() -> Self {
        let mut twin = Self::watching();
        Arc::get_mut(&mut twin.0).unwrap().clock_stands = true;
        twin
    }

    /// Only watches.
    pub(crate) fn watching() -> Self {
        Self::new(|_| Verdict::Go)
    }

    /// Fails call `number` alone.
    pub(crate) fn failing_at(number: usize, errno: Errno) -> Self {
        Self::new(
            move |call| {
                if call.number == number { Verdict::Fail(errno) } else { Verdict::Go }
            },
        )
    }

    /// Fails call `number` and every call after it.
    pub(crate) fn failing_from(number: usize, errno: Errno) -> Self {
        Self::new(
            move |call| {
                if call.number >= number { Verdict::Fail(errno) } else { Verdict::Go }
            },
        )
    }

    /// Moves one byte of what call `number` is to write, and finds the disk full from then on.
    pub(crate) fn filling_at(number: usize) -> Self {
        Self::new(move |call| match call.operation {
            _ if call.number == number => Verdict::Bite(1),
            Operation::Write | Operation::CreateTemporary | Operation::CreateNew
                if call.number > number =>
            {
                Verdict::Fail(Errno::NOSPC)
            }
            _ => Verdict::Go,
        })
    }

    /// Moves one byte of what call `number` is to read or write; the next calls move the rest.
    pub(crate) fn biting_at(number: usize) -> Self {
        Self::new(move |call| if call.number == number { Verdict::Bite(1) } else { Verdict::Go })
    }

    /// Raises the flag of a signal before call `number`.
    pub(crate) fn stopping_at(number: usize) -> Self {
        Self::new(move |call| if call.number == number { Verdict::Stop } else { Verdict::Go })
    }

    /// Ends this process by SIGKILL before call `number`.
    pub(crate) fn killing_at(number: usize) -> Self {
        Self::new(move |call| if call.number == number { Verdict::Kill } else { Verdict::Go })
    }

    /// Dies before call `number`.
    pub(crate) fn dying_at(number: usize) -> Self {
        Self::new(move |call| if call.number == number { Verdict::Die } else { Verdict::Go })
    }

    pub(crate) fn files(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.clone())
    }

    /// The flag that [`Verdict::Stop`] sets to 15, for the context of the run.
    pub(crate) fn stop(&self) -> Arc<AtomicI32> {
        Arc::clone(&self.0.stop)
    }

    /// All calls so far, refused ones too.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.calls.lock().unwrap().clone()
    }

    fn is_dead(&self) -> bool {
        self.0.dead.load(Ordering::SeqCst)
    }

    fn stat_of(&self, stat: io::Result<FileStat>) -> io::Result<FileStat> {
        let between_ticks = |stat| FileStat { changed_ns: 1, is_settled: false, ..stat };
        if self.0.clock_stands { stat.map(between_ticks) } else { stat }
    }

    fn record(&self, change: impl FnOnce(&mut Disk)) {
        if let Some(disk) = &self.0.disk {
            change(&mut disk.lock().unwrap());
        }
    }

    /// How many bytes the call may move.
    fn ask(&self, operation: Operation, path: &Path) -> io::Result<usize> {
        if self.is_dead() {
            return Err(io::Error::other("killed"));
        }
        let number = self.0.next.fetch_add(1, Ordering::SeqCst);
        let call = Call { number, operation, path: path.to_owned() };
        let verdict = (self.0.judge)(&call);
        self.0.calls.lock().unwrap().push(call);
        match verdict {
            Verdict::Go => Ok(self.0.bite),
            Verdict::Bite(bite) => Ok(bite.min(self.0.bite)),
            Verdict::Fail(errno) => Err(errno.into()),
            Verdict::Stop => {
                self.0.stop.store(15, Ordering::Relaxed);
                Ok(self.0.bite)
            }
            Verdict::Die => {
                self.0.dead.store(true, Ordering::SeqCst);
                Err(io::Error::other("killed"))
            }
            Verdict::Kill => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL)?;
                unreachable!("a killed process goes on");
            }
        }
    }
}

impl FileSystem for Faulty {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        self.ask(Operation::Open, path)?;
        let file = OsFileSystem.open(path)?;
        Ok(Box::new(FaultyRead { world: self.clone(), path: path.to_owned(), file }))
    }
    fn stdin(&self) -> io::Result<Box<dyn Read + Send>> {
        OsFileSystem.stdin()
    }
    fn create_temporary(&self, folder: &Path, prefix: &str) -> io::Result<Box<dyn TemporaryFile>> {
        self.ask(Operation::CreateTemporary, folder)?;
        let file = OsFileSystem.create_temporary(folder, prefix)?;
        self.record(|disk| disk.create_file(file.path()));
        Ok(Box::new(FaultyTemporary { world: self.clone(), file: Some(file) }))
    }
    fn create_temporary_folder(&self, parent: &Path, prefix: &str) -> io::Result<PathBuf> {
        self.ask(Operation::CreateTemporaryFolder, parent)?;
        let folder = OsFileSystem.create_temporary_folder(parent, prefix)?;
        self.record(|disk| disk.create_folders(&folder));
        Ok(folder)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.ask(Operation::CreateNew, path)?;
        let file = OsFileSystem.create_new(path)?;
        self.record(|disk| disk.create_file(path));
        let path = path.to_owned();
        Ok(Box::new(FaultyWrite { world: self.clone(), path, file, bypasses: false }))
    }
    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        self.ask(Operation::Stat, path)?;
        self.stat_of(OsFileSystem.stat(path))
    }
    fn visit(&self, folder: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
        self.ask(Operation::List, folder)?;
        OsFileSystem.visit(folder, visit)
    }
    fn create_folders(&self, folder: &Path) -> io::Result<()> {
        self.ask(Operation::CreateFolders, folder)?;
        OsFileSystem.create_folders(folder)?;
        self.record(|disk| disk.create_folders(folder));
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Operation::Rename, to)?;
        OsFileSystem.rename(from, to)?;
        self.record(|disk| disk.rename(from, to));
        Ok(())
    }
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.ask(Operation::Exchange, other)?;
        OsFileSystem.exchange(one, other)?;
        self.record(|disk| disk.exchange(one, other));
        Ok(())
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::RemoveFile, path)?;
        OsFileSystem.remove_file(path)?;
        self.record(|disk| disk.remove(path));
        Ok(())
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.ask(Operation::RemoveFolder, folder)?;
        OsFileSystem.remove_folder(folder)?;
        self.record(|disk| disk.remove(folder));
        Ok(())
    }
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.ask(Operation::Symlink, link)?;
        OsFileSystem.symlink(target, link)?;
        self.record(|disk| disk.create_link(target, link));
        Ok(())
    }
    fn read_link(&self, link: &Path) -> io::Result<PathBuf> {
        self.ask(Operation::ReadLink, link)?;
        OsFileSystem.read_link(link)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Recorded only: hundreds of runs would wait for the disk.
        self.ask(Operation::SyncFolder, folder)?;
        self.record(|disk| disk.sync(folder));
        Ok(())
    }
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.ask(Operation::TryLock, path)?;
        let lock = OsFileSystem.try_lock(path)?;
        self.record(|disk| disk.create_file(path));
        Ok(lock)
    }
}

#[derive(Debug)]
struct FaultyRead {
    world: Faulty,
    path: PathBuf,
    file: Box<dyn ReadFile>,
}

impl ReadFile for FaultyRead {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bite = self.world.ask(Operation::Read, &self.path)?.min(buffer.len());
        self.file.read_at(&mut buffer[..bite], offset)
    }
    fn stat(&self) -> io::Result<FileStat> {
        self.world.ask(Operation::Stat, &self.path)?;
        self.world.stat_of(self.file.stat())
    }
}

#[derive(Debug)]
struct FaultyWrite {
    world: Faulty,
    path: PathBuf,
    file: Box<dyn WriteFile>,
    /// What was written is in the file only when that is synced.
    bypasses: bool,
}

impl Write for FaultyWrite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bite = self.world.ask(Operation::Write, &self.path)?.min(bytes.len());
        let written = self.file.write(&bytes[..bite])?;
        // Where the cache is bypassed, this is more than the disk has yet: until the sync, any part of it may be there.
        self.world.record(|disk| disk.write(&self.path, &bytes[..written]));
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl WriteFile for FaultyWrite {
    fn sync(&mut self) -> io::Result<()> {
        self.world.ask(Operation::Sync, &self.path)?;
        if self.bypasses {
            self.file.sync()?;
        }
        self.world.record(|disk| disk.sync(&self.path));
        Ok(())
    }

    fn bypass_cache(&mut self) {
        self.bypasses = true;
        self.file.bypass_cache();
    }
}

#[derive(Debug)]
struct FaultyTemporary {
    world: Faulty,
    /// Taken only by what consumes it, and by death.
    file: Option<Box<dyn TemporaryFile>>,
}

impl FaultyTemporary {
    fn ask(&self, operation: Operation) -> io::Result<usize> {
        self.world.ask(operation, self.path())
    }
}

impl Write for FaultyTemporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bite = self.ask(Operation::Write)?.min(bytes.len());
        let file = self.file.as_mut().unwrap();
        let written = file.write(&bytes[..bite])?;
        self.world.record(|disk| disk.write(file.path(), &bytes[..written]));
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().unwrap().flush()
    }
}

impl WriteFile for FaultyTemporary {
    fn sync(&mut self) -> io::Result<()> {
        self.ask(Operation::Sync)?;
        self.world.record(|disk| disk.sync(self.path()));
        Ok(())
    }
}

impl TemporaryFile for FaultyTemporary {
    fn path(&self) -> &Path {
        self.file.as_ref().unwrap().path()
    }
    fn persist(mut self: Box<Self>, path: &Path) -> io::Result<()> {
        self.world.ask(Operation::Persist, path)?;
        let file = self.file.take().unwrap();
        let temporary = file.path().to_owned();
        file.persist(path)?;
        self.world.record(|disk| disk.rename(&temporary, path));
        Ok(())
    }
    fn sync_early(&mut self) {
        self.file.as_mut().unwrap().sync_early();
    }
    fn close(mut self: Box<Self>) -> io::Result<Box<dyn TemporaryName>> {
        self.ask(Operation::Close)?;
        let name = self.file.take().unwrap().close()?;
        Ok(Box::new(FaultyName { world: self.world.clone(), name: Some(name) }))
    }
}

impl Drop for FaultyTemporary {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if self.world.is_dead() {
            std::mem::forget(file);
        } else {
            self.world.record(|disk| disk.remove(file.path()));
        }
    }
}

#[derive(Debug)]
struct FaultyName {
    world: Faulty,
    name: Option<Box<dyn TemporaryName>>,
}

impl TemporaryName for FaultyName {
    fn path(&self) -> &Path {
        self.name.as_ref().unwrap().path()
    }
}

impl Drop for FaultyName {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        if self.world.is_dead() {
            std::mem::forget(name);
        } else {
            self.world.record(|disk| disk.remove(name.path()));
        }
    }
}
