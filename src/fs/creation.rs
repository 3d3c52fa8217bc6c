//! The one decision whether a failure means "this output may not be created" or "the disk failed".

use std::io;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// The error of an output that could not be created, locked or given its name.
///
/// [`ErrorKind::CannotCreate`] when the name is the trouble and a person has to change something
/// (permissions, a read-only disk, a file where a folder should be); [`ErrorKind::Io`] for a full
/// disk, a quota, a broken device and all else, where trying again may help. The caller adds the path.
#[must_use]
pub fn creation_error(source: io::Error) -> Error {
    let refused = matches!(
        source.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput
    );
    // std has no stable name for a loop of symbolic links.
    if refused || Errno::from_io_error(&source) == Some(Errno::LOOP) {
        ErrorKind::CannotCreate(source).into()
    } else {
        Error::io("create", source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn a_refused_name_and_a_failing_disk_are_told_apart() {
        let class = |errno: Errno| creation_error(errno.into()).class();
        let refusals = [
            Errno::ACCESS,
            Errno::PERM,
            Errno::ROFS,
            Errno::NOENT,
            Errno::NOTDIR,
            Errno::ISDIR,
            Errno::NOTEMPTY,
            Errno::EXIST,
            Errno::NAMETOOLONG,
            Errno::LOOP,
        ];
        for errno in refusals {
            assert_eq!(class(errno), ErrorClass::CannotCreate, "{errno}");
        }
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::MFILE, Errno::NOLCK] {
            assert_eq!(class(errno), ErrorClass::Io, "{errno}");
        }
    }
}
