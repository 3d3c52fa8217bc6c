//! All access to the operating system's files.
//!
//! The library uses files only through [`FileSystem`]. So tests can replace the real one ([`OsFileSystem`]) with
//! one that fails, and everything specific to Linux is in one place. `store` and `input` decide which files there are
//! and what they mean.

mod command;
mod creation;
mod direct;
mod lock;
mod os;
mod temporaries;
mod write_back;

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

pub use command::{
    CommandEnd, RunningCommand, end_group, kill_commands, spawn_group, terminate_commands,
    try_wait_group,
};
pub use creation::{creation_error, leads_nowhere, leads_to_device};
pub use os::OsFileSystem;
pub use temporaries::remove_temporaries;

/// The type of an entry in a folder. Links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A named pipe, or an end of a pipe that has no name.
    Pipe,
    /// A socket or device.
    Other,
}

/// Size, times and identity of an open file or a path.
#[derive(Debug, Clone, Copy)]
pub struct FileStat {
    /// What it is.
    pub file_type: FileType,
    /// Bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Time of the last change of its content, names or mode, in nanoseconds since 1970.
    pub changed_ns: i64,
    /// Whether any later change has another `changed_ns`. A file system's clock stands still between two ticks, so two
    /// changes in quick succession can have the same time.
    pub is_settled: bool,
    /// Device and inode: equal for two names of one file.
    pub identity: (u64, u64),
}

impl FileStat {
    /// Whether this is the same file of the same size and time. A new mode or another link is not a change.
    #[must_use]
    pub fn is_same(&self, other: &FileStat) -> bool {
        let of = |stat: &FileStat| (stat.file_type, stat.size, stat.modified_ns, stat.identity);
        of(self) == of(other)
    }
}

/// Takes a name in a folder, and says whether to go on.
pub type Visit<'a> = dyn FnMut(OsString, FileType) -> ControlFlow<()> + 'a;

/// The file operations that the library needs. Paths are used as given; errors are the system's.
pub trait FileSystem: Debug + Send + Sync {
    /// Opens a file to read by position. Anything but a regular file is an error. Never waits for a pipe.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;
    /// Standard input, read front to back.
    fn stdin(&self) -> io::Result<Box<dyn io::Read + Send>>;
    /// Opens a pipe, read front to back. Waits for its writer. An error where there are no pipes.
    fn open_pipe(&self, _: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Starts `sh -c line` with a variable besides the process's own; returns its standard output too. An error where there
    /// are no commands.
    fn start_command(
        &self,
        _line: &OsStr,
        _variable: (&str, &str),
    ) -> io::Result<(RunningCommand, Box<dyn io::Read + Send>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// A private new file in `folder`, named `prefix` and something random; gone when dropped.
    /// Its mode is the umask's; no symbolic link is followed.
    fn create_temporary(&self, folder: &Path, prefix: &str) -> io::Result<Box<dyn TemporaryFile>>;
    /// A private new folder in `parent`, named `prefix` and something random. Stays when dropped.
    fn create_temporary_folder(&self, parent: &Path, prefix: &str) -> io::Result<PathBuf>;
    /// A new file under exactly this name, an error if there is one already.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;
    /// Size and time; follows links.
    fn stat(&self, path: &Path) -> io::Result<FileStat>;
    /// Hands over the names in a folder with their types, in no order, until `visit` breaks off.
    fn visit(&self, folder: &Path, visit: &mut Visit<'_>) -> io::Result<()>;
    /// Names in a folder with their types, in byte order of the names. All of them are in memory at once: use it for
    /// our own folders, and [`FileSystem::visit`] for other folders.
    fn list(&self, folder: &Path) -> io::Result<Vec<(OsString, FileType)>> {
        let mut entries = Vec::new();
        self.visit(folder, &mut |name, file_type| {
            entries.push((name, file_type));
            ControlFlow::Continue(())
        })?;
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(entries)
    }
    /// Creates a folder and those above it. Succeeds if the folder is there.
    fn create_folders(&self, folder: &Path) -> io::Result<()>;
    /// Gives a file or folder another name; a file there is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Swaps the names of two files or folders in one step.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
    /// Removes a file or a symbolic link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all that is in it.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// Creates a symbolic link `link` to `target`.
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()>;
    /// The target of a symbolic link.
    fn read_link(&self, link: &Path) -> io::Result<PathBuf>;
    /// Makes a folder's names durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on the file `path` (created if absent, open to those who may write to its folder), held
    /// until dropped or until the process ends; `None` when another process holds it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// An open file, read by position from any thread.
pub trait ReadFile: Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end. May read fewer.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Size and time now.
    fn stat(&self) -> io::Result<FileStat>;
    /// The system's open file, to give it to another process; `None` where there is none.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Fills `buffer` from `offset` as far as the file goes; returns how much that was.
    fn read_full_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// A file being written front to back.
pub trait WriteFile: io::Write + Debug + Send {
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Asks that later writes bypass the page cache: for a large file that is synced at its end and not read again
    /// soon. A hint. Bytes may reach the file only with [`WriteFile::sync`]; that call or a later write returns the
    /// failure of an earlier one.
    fn bypass_cache(&mut self) {}
}

/// A file that is removed when dropped, unless it was given a name.
pub trait TemporaryFile: WriteFile {
    /// Where it is until then; it can be opened there to read.
    fn path(&self) -> &Path;
    /// Gives it its name in one step, replacing what was there; it stays from then on.
    fn persist(self: Box<Self>, path: &Path) -> io::Result<()>;
    /// Asks that later writes be made durable in the background: for a large file that will be synced at its end. A
    /// hint; without it the last sync takes longer.
    fn sync_early(&mut self) {}
    /// Closes it. The file is removed when the returned value is dropped. A run can have thousands of spilled files,
    /// more than a process may have open.
    fn close(self: Box<Self>) -> io::Result<Box<dyn TemporaryName>>;
}

/// A closed temporary file, which is removed when this is dropped.
pub trait TemporaryName: Debug + Send + Sync {
    /// Where it is until then.
    fn path(&self) -> &Path;
}

/// The lock is held until this is dropped.
pub trait Lock: Debug + Send + Sync {}
