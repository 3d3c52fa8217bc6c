//! Lock files: `flock`, and who may open one.
//!
//! A user who can open a lock file can hold the lock for ever. So users who may write to its folder can open a lock
//! file, and users who may only read there cannot: its mode follows the folder's at every run. An older version left
//! lock files with the umask's mode, and root left files that the folder's owner could not open.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::Lock;

/// Mode of a lock file that its owner alone opens.
const PRIVATE: u32 = 0o600;
/// Mode of one in a folder that a group may write to.
const SHARED: u32 = 0o660;
const GROUP_WRITES: u32 = 0o020;
/// Milliseconds in which a new lock file has its mode, however busy the machine is.
const SHARED_WITHIN: u32 = 500;

/// An open file with `flock`: the kernel lets go when the last descriptor closes, by a kill too.
#[derive(Debug)]
struct OsLock {
    _file: File,
}

impl Lock for OsLock {}

/// Takes the lock if it is free.
pub(super) fn try_lock(path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
    let file = open(path)?;
    if !file.metadata()?.is_file() {
        return Err(unfit("not a regular file"));
    }
    // Fails where the file system has no modes or owners: the lock works there all the same.
    if let Err(error) = restrict(&file, path) {
        tracing::debug!(?path, %error, "the lock file's mode stays");
    }
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Box::new(OsLock { _file: file }))),
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens the file, or creates it. Two steps: in a sticky folder the kernel refuses to open another user's file with
/// `O_CREAT`.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut waits = 0..SHARED_WITHIN;
    loop {
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => return Ok(file.into()),
            Err(Errno::NOENT) => {}
            Err(Errno::LOOP) => return Err(unfit("a symbolic link, which is not followed")),
            // A colleague's run has created it, and gives it the group's mode in the next instant.
            Err(Errno::ACCESS) if may_be_shared(path) && waits.next().is_some() => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(Errno::ACCESS) => return Err(not_open_to_us(path)),
            Err(error) => return Err(error.into()),
        }
        let new = flags | OFlags::CREATE | OFlags::EXCL;
        match rustix::fs::open(path, new, Mode::from_raw_mode(PRIVATE)) {
            // Another run was faster.
            Err(Errno::EXIST) => {}
            Err(Errno::ACCESS) => return Err(not_open_to_us(folder_of(path))),
            created => return Ok(created?.into()),
        }
    }
}

/// Whether the file is private in a folder that a group may write to.
fn may_be_shared(path: &Path) -> bool {
    let is_private = |file: Metadata| file.mode() & 0o077 == 0;
    fs::symlink_metadata(path).is_ok_and(is_private)
        && fs::metadata(folder_of(path)).is_ok_and(|folder| is_shared(&folder))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unfit(what: &str) -> io::Error {
    let text = format!("the lock file is {what}: remove it and run again");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Gives the file the mode that its folder asks for, if this user may: root and the file's owner.
fn restrict(file: &File, path: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid();
    let before = file.metadata()?;
    // With a second name it can be another user's file, linked here so that root gives it away.
    if before.nlink() != 1 || !(user.is_root() || before.uid() == user.as_raw()) {
        return Ok(());
    }
    let folder = fs::metadata(folder_of(path))?;
    let owner = (user.is_root() && before.uid() != folder.uid()).then_some(folder.uid());
    let group = before.gid() != folder.gid() && (user.is_root() || is_shared(&folder));
    let group = group.then_some(folder.gid());
    if owner.is_some() || group.is_some() {
        // A user who is not of the folder's group may not: then the file stays private.
        let _ = rustix::fs::fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw));
    }
    let now = file.metadata()?;
    let wanted = wanted_mode(folder.mode(), now.gid() == folder.gid());
    if now.mode() & 0o7777 != wanted {
        rustix::fs::fchmod(file, Mode::from_raw_mode(wanted))?;
    }
    Ok(())
}

/// The mode of a lock file in a folder with this mode; `of_its_group` if file and folder have one group.
const fn wanted_mode(folder: u32, of_its_group: bool) -> u32 {
    if folder & GROUP_WRITES != 0 && of_its_group { SHARED } else { PRIVATE }
}

fn is_shared(folder: &Metadata) -> bool {
    folder.mode() & GROUP_WRITES != 0
}

/// Names the user who may open it, or may create files in it: a run that may only read is refused before its work.
fn not_open_to_us(path: &Path) -> io::Error {
    let refused = io::Error::from(Errno::ACCESS);
    match fs::symlink_metadata(path) {
        Ok(found) if found.uid() != rustix::process::geteuid().as_raw() => {
            let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let owner = user_name(&users, found.uid());
            let owner = owner.unwrap_or_else(|| format!("with the id {}", found.uid()));
            let shared = found.mode() & GROUP_WRITES != 0;
            let others = if shared { " and its group" } else { "" };
            let text = format!("only the user {owner}{others} may write here: run as that user");
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        }
        // Not there for us, or our own.
        _ => refused,
    }
}

/// The name of a user in the text of `/etc/passwd`.
fn user_name(users: &str, id: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_is_neither_taken_through_a_link_nor_on_a_folder_or_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        let error = try_lock(&link).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the lock file is a symbolic link, which is not followed: remove it and run again"
        );
        assert!(!folder.path().join("elsewhere").exists());

        assert!(try_lock(folder.path()).is_err());
        let pipe = folder.path().join("pipe");
        let mode = Mode::from_raw_mode(0o666);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, mode, 0).unwrap();
        assert!(try_lock(&pipe).is_err());
    }

    #[test]
    fn the_mode_of_a_lock_file_follows_its_folder() {
        for (folder, of_its_group, wanted) in [
            (0o700, true, 0o600),
            (0o755, true, 0o600),
            (0o757, true, 0o600),
            (0o775, true, 0o660),
            (0o2770, true, 0o660),
            (0o1777, true, 0o660),
            (0o775, false, 0o600),
        ] {
            assert_eq!(wanted_mode(folder, of_its_group), wanted, "{folder:o}");
        }
    }

    #[test]
    fn a_lock_file_is_narrowed_or_shared_as_its_folder_is_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        drop(try_lock(&path).unwrap());
        assert_eq!(mode(&path), PRIVATE);
        // As older versions left it.
        set_mode(&path, 0o666);
        drop(try_lock(&path).unwrap());
        assert_eq!(mode(&path), PRIVATE);
        set_mode(folder.path(), 0o2770);
        drop(try_lock(&path).unwrap());
        assert_eq!(mode(&path), SHARED);
        fs::remove_file(&path).unwrap();
        drop(try_lock(&path).unwrap());
        assert_eq!(mode(&path), SHARED, "whatever the umask");
    }

    #[test]
    fn a_file_with_a_second_name_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (other, path) = (folder.path().join("other"), folder.path().join("lock"));
        fs::write(&other, "").unwrap();
        set_mode(&other, 0o644);
        fs::hard_link(&other, &path).unwrap();
        drop(try_lock(&path).unwrap());
        assert_eq!(mode(&other), 0o644);
    }

    #[test]
    fn users_are_named_by_the_list_of_the_system() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nagg:x:998:997::/:/bin/false\n";
        assert_eq!(user_name(users, 998).as_deref(), Some("agg"));
        assert_eq!(user_name(users, 0).as_deref(), Some("root"));
        assert_eq!(user_name(users, 997), None);
    }
}
