//! The real file system. Everything specific to Linux is here.
//!
//! Errors are the system's own, untouched, so that a caller sees the error number; the one exception
//! is a lock file that is unfit or not open to this user, which is explained. Every descriptor is closed
//! on `exec`.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt as _, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{CWD, OFlags, RenameFlags};
use tempfile::{NamedTempFile, TempPath};

use super::direct::DirectWriter;
use super::temporaries::ListedPath;
use super::write_back::WriteBack;
use super::{
    FileStat, FileSystem, FileType, Lock, ReadFile, RunningCommand, TemporaryFile, TemporaryName,
    Visit, WriteFile, lock,
};

/// The mode of new files before the umask, as for any file that a shell creates.
const FILE_MODE: u32 = 0o666;

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFileSystem;

impl OsFileSystem {
    /// Standard input as a file that is read by position.
    pub fn stdin_file() -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(OsFile(File::from(io::stdin().as_fd().try_clone_to_owned()?))))
    }
}

impl FileSystem for OsFileSystem {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        // Without O_NONBLOCK, to open a pipe would wait for its writer, perhaps for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
        let kind = file.metadata()?.file_type();
        match file_type(kind) {
            FileType::File => Ok(Box::new(OsFile(file))),
            FileType::Folder => Err(io::ErrorKind::IsADirectory.into()),
            FileType::Link | FileType::Pipe | FileType::Other => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
            }
        }
    }

    fn stdin(&self) -> io::Result<Box<dyn Read + Send>> {
        // A second descriptor of the same pipe: std's own handle would copy through its buffer.
        let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Box::new(File::from(descriptor)))
    }

    fn open_pipe(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn start_command(
        &self,
        line: &OsStr,
        variable: (&str, &str),
    ) -> io::Result<(RunningCommand, Box<dyn Read + Send>)> {
        let (command, output) = RunningCommand::start(line, variable)?;
        Ok((command, Box::new(output)))
    }

    fn create_temporary(&self, folder: &Path, prefix: &str) -> io::Result<Box<dyn TemporaryFile>> {
        let mut listed = None;
        let file = tempfile::Builder::new().prefix(prefix).make_in(folder, |path| {
            // Listed before it exists, so that no file exists unlisted. A name that is taken leaves the list again.
            listed = Some(ListedPath::new(path));
            create_exclusively(path)
        })?;
        Ok(Box::new(OsTemporaryFile { file, write_back: None, listed }))
    }

    fn create_temporary_folder(&self, parent: &Path, prefix: &str) -> io::Result<PathBuf> {
        // `make_in` and not `tempdir_in`: the latter hides the error number and takes the mode 0o700.
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(prefix).disable_cleanup(true);
        let folder = builder.make_in(parent, |path| fs::create_dir(path))?;
        Ok(folder.path().to_owned())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(OsNewFile { file: create_exclusively(path)?, direct: None }))
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        Ok(file_stat(&fs::metadata(path)?))
    }

    fn visit(&self, folder: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let seen = match entry.file_type() {
                Ok(kind) => visit(entry.file_name(), file_type(kind)),
                // Removed since the folder was read, on a file system that does not list types.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if seen.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn create_folders(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir_all(folder)
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, link)
    }

    fn read_link(&self, link: &Path) -> io::Result<PathBuf> {
        fs::read_link(link)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = rustix::fs::open(folder, flags, rustix::fs::Mode::empty())?;
        Ok(rustix::fs::fsync(folder)?)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        lock::try_lock(path)
    }
}

/// `O_EXCL`: an error if the name is taken, also by a symbolic link that leads nowhere.
fn create_exclusively(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

fn file_type(kind: fs::FileType) -> FileType {
    if kind.is_file() {
        FileType::File
    } else if kind.is_dir() {
        FileType::Folder
    } else if kind.is_symlink() {
        FileType::Link
    } else if kind.is_fifo() {
        FileType::Pipe
    } else {
        FileType::Other
    }
}

/// Nanoseconds of an i64 reach from 1677 to 2262; a time beyond that is cut to the nearest bound.
fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Longer than a tick of the kernel's clock, whose times are those of changes on most file systems.
const TICK_NS: i64 = 20_000_000;
/// Longer than a tick of file systems that have whole seconds, or pairs of them.
const COARSE_TICK_NS: i64 = 3_000_000_000;

/// Whether a file that was changed at `changed_ns` would get another time if it were changed `now`.
fn is_settled(changed_ns: i64, now: SystemTime) -> bool {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ns = i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX);
    let tick = if changed_ns % 1_000_000_000 == 0 { COARSE_TICK_NS } else { TICK_NS };
    now_ns.saturating_sub(changed_ns) > tick
}

fn file_stat(metadata: &Metadata) -> FileStat {
    let changed_ns = nanoseconds(metadata.ctime(), metadata.ctime_nsec());
    FileStat {
        file_type: file_type(metadata.file_type()),
        size: metadata.size(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns,
        is_settled: is_settled(changed_ns, SystemTime::now()),
        identity: (metadata.dev(), metadata.ino()),
    }
}

/// An open file under a name that stays.
#[derive(Debug)]
struct OsFile(File);

impl ReadFile for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn stat(&self) -> io::Result<FileStat> {
        Ok(file_stat(&self.0.metadata()?))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

/// A file that was created, under a name that stays.
#[derive(Debug)]
struct OsNewFile {
    file: File,
    direct: Option<DirectWriter>,
}

impl Write for OsNewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.direct {
            Some(direct) => direct.write(bytes),
            None => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl WriteFile for OsNewFile {
    fn sync(&mut self) -> io::Result<()> {
        if let Some(direct) = &mut self.direct {
            direct.finish()?;
            self.direct = None;
        }
        self.file.sync_all()
    }

    fn bypass_cache(&mut self) {
        match DirectWriter::start(&self.file) {
            Ok(direct) => self.direct = Some(direct),
            Err(error) => tracing::debug!(%error, "the file is written through the page cache"),
        }
    }
}

/// An open file that is removed when dropped.
#[derive(Debug)]
struct OsTemporaryFile {
    file: NamedTempFile,
    write_back: Option<WriteBack>,
    /// Dropped after the file, so that the file stays listed until it is removed or has its name.
    listed: Option<ListedPath>,
}

impl Write for OsTemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Bypasses the wrapper, which would replace the error number with its own text.
        let written = self.file.as_file_mut().write(bytes)?;
        if let Some(write_back) = &mut self.write_back {
            write_back.written(written);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

impl WriteFile for OsTemporaryFile {
    fn sync(&mut self) -> io::Result<()> {
        self.file.as_file().sync_all()
    }
}

impl TemporaryFile for OsTemporaryFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn persist(self: Box<Self>, path: &Path) -> io::Result<()> {
        // Only the file is moved out of `self`, so it leaves the list after it has its name.
        let OsTemporaryFile { file, listed, .. } = *self;
        let named = file.persist(path).map(drop).map_err(|failure| failure.error);
        drop(listed);
        named
    }

    fn sync_early(&mut self) {
        match WriteBack::start(self.file.path()) {
            Ok(write_back) => self.write_back = Some(write_back),
            Err(error) => tracing::debug!(%error, "the file is not synced early"),
        }
    }

    fn close(self: Box<Self>) -> io::Result<Box<dyn TemporaryName>> {
        Ok(Box::new(OsTemporaryName { path: self.file.into_temp_path(), _listed: self.listed }))
    }
}

/// A closed file that is removed when dropped.
#[derive(Debug)]
struct OsTemporaryName {
    path: TempPath,
    _listed: Option<ListedPath>,
}

impl TemporaryName for OsTemporaryName {
    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    fn names(folder: &Path) -> Vec<(String, FileType)> {
        let entries = OsFileSystem.list(folder).unwrap();
        entries.into_iter().map(|(name, kind)| (name.into_string().unwrap(), kind)).collect()
    }

    #[test]
    fn a_time_of_change_is_settled_after_a_tick_of_its_file_system() {
        let changed = |at_ns, later_ms| {
            let at = Duration::from_nanos(at_ns) + Duration::from_millis(later_ms);
            is_settled(i64::try_from(at_ns).unwrap(), SystemTime::UNIX_EPOCH + at)
        };
        assert_eq!([0, 10, 21].map(|ms| changed(5_000_000_001, ms)), [false, false, true]);
        // Whole seconds alone.
        assert_eq!([21, 2_000, 3_001].map(|ms| changed(5_000_000_000, ms)), [false, false, true]);
        // Changed after now, by another computer's clock.
        assert!(!is_settled(i64::MAX, SystemTime::now()));
        assert!(is_settled(i64::MIN, SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn a_closed_temporary_file_can_be_read_until_its_name_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = OsFileSystem.create_temporary(folder.path(), "tmp-").unwrap();
        file.write_all(b"spilled").unwrap();
        let name = file.close().unwrap();
        assert_eq!(fs::read(name.path()).unwrap(), b"spilled");
        drop(name);
        assert_eq!(names(folder.path()), []);
    }

    #[test]
    fn a_temporary_file_vanishes_when_dropped_and_stays_once_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = OsFileSystem.create_temporary(folder.path(), "tmp-").unwrap();
        let dropped = OsFileSystem.create_temporary(folder.path(), "tmp-").unwrap();
        kept.write_all(b"kept").unwrap();
        kept.sync().unwrap();
        assert_eq!(OsFileSystem.open(kept.path()).unwrap().stat().unwrap().size, 4);
        let target = folder.path().join("target");
        fs::write(&target, "old").unwrap();
        kept.persist(&target).unwrap();
        drop(dropped);
        assert_eq!(names(folder.path()), [("target".to_owned(), FileType::File)]);
        assert_eq!(fs::read(target).unwrap(), b"kept");
    }

    #[test]
    fn a_temporary_file_that_cannot_take_its_name_vanishes_and_returns_the_error_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = OsFileSystem.create_temporary(folder.path(), "tmp-").unwrap();
        let error = file.persist(&folder.path().join("absent").join("target")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
        assert_eq!(names(folder.path()), []);
        let gone = folder.path().join("gone");
        let error = OsFileSystem.create_temporary(&gone, "tmp-").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
        let error = OsFileSystem.create_temporary_folder(&gone, "tmp-").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
    }

    #[test]
    fn files_and_folders_have_the_mode_that_the_umask_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode();
        let plain_file = folder.path().join("plain");
        File::create(&plain_file).unwrap();
        let plain_folder = folder.path().join("plain-folder");
        fs::create_dir(&plain_folder).unwrap();

        let temporary = OsFileSystem.create_temporary(folder.path(), "tmp-").unwrap();
        assert_eq!(mode(temporary.path()), mode(&plain_file));
        let new = folder.path().join("new");
        OsFileSystem.create_new(&new).unwrap();
        assert_eq!(mode(&new), mode(&plain_file));
        let built = OsFileSystem.create_temporary_folder(folder.path(), "tmp-").unwrap();
        assert_eq!(mode(&built), mode(&plain_folder));
    }

    #[test]
    fn a_new_file_never_follows_a_link_nor_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        let error = OsFileSystem.create_new(&link).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(folder.path()), [("link".to_owned(), FileType::Link)]);
    }

    #[test]
    fn a_listing_is_in_byte_order_and_does_not_follow_links() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "B", "é", "_"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("folder")).unwrap();
        symlink(folder.path(), folder.path().join("link")).unwrap();
        let expected = [
            ("B", FileType::File),
            ("_", FileType::File),
            ("a", FileType::File),
            ("b", FileType::File),
            ("folder", FileType::Folder),
            ("link", FileType::Link),
            ("é", FileType::File),
        ];
        assert_eq!(names(folder.path()), expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn a_folder_or_a_pipe_is_not_opened_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let kind = OsFileSystem.open(folder.path()).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::IsADirectory);
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(FILE_MODE);
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = OsFileSystem.open(&pipe).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_file_is_read_by_position_up_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "0123456789").unwrap();
        let file = OsFileSystem.open(&path).unwrap();
        let mut buffer = [b'.'; 4];
        assert_eq!(file.read_full_at(&mut buffer, 8).unwrap(), 2);
        assert_eq!(&buffer, b"89..");
        assert_eq!(file.read_full_at(&mut buffer, 2).unwrap(), 4);
        assert_eq!(&buffer, b"2345");
        assert_eq!(file.read_full_at(&mut buffer, 11).unwrap(), 0);
        assert!(file.stat().unwrap().is_same(&OsFileSystem.stat(&path).unwrap()));
    }

    #[test]
    fn a_modification_time_has_its_nanoseconds_before_1970_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        let base = std::time::SystemTime::UNIX_EPOCH;
        file.set_modified(base + std::time::Duration::new(5, 7)).unwrap();
        assert_eq!(OsFileSystem.stat(&path).unwrap().modified_ns, 5_000_000_007);
        file.set_modified(base - std::time::Duration::new(1, 0)).unwrap();
        assert_eq!(OsFileSystem.stat(&path).unwrap().modified_ns, -1_000_000_000);
    }

    #[test]
    fn an_exchange_swaps_two_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(one.join("file"), "").unwrap();
        OsFileSystem.exchange(&one, &other).unwrap();
        assert_eq!(names(&one), []);
        assert_eq!(names(&other), [("file".to_owned(), FileType::File)]);
        let error = OsFileSystem.exchange(&one, &folder.path().join("absent")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
