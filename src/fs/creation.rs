//! Decides whether a failure means "this output may not be created" or "the disk failed".

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// The error of an output that could not be created, locked or given its name.
///
/// [`ErrorKind::CannotCreate`] when the name is the problem and a person has to change something
/// (permissions, a read-only disk, a file where a folder should be); [`ErrorKind::Io`] for a full disk, a quota, a
/// broken device and all else, where trying again may help. The caller adds the path.
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

/// Whether a path was not found because nothing is there: no such name, a file where a folder should be, or a link that
/// leads to itself.
#[must_use]
pub fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// Whether a link with this target leads to a device or to the kernel's own files, as `/dev/stdout` does even where
/// that is a file. Such a link must not be replaced.
#[must_use]
pub fn leads_to_device(target: &Path) -> bool {
    ["/proc", "/dev"].iter().any(|devices| target.starts_with(devices))
        && !target.starts_with("/dev/shm")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn a_path_that_leads_nowhere_differs_from_a_path_that_cannot_be_read() {
        for (errno, nowhere) in [
            (Errno::NOENT, true),
            (Errno::NOTDIR, true),
            (Errno::LOOP, true),
            (Errno::ACCESS, false),
            (Errno::IO, false),
        ] {
            assert_eq!(leads_nowhere(&errno.into()), nowhere, "{errno}");
        }
    }

    #[test]
    fn links_of_the_system_are_known_by_where_they_lead() {
        for (target, is_device) in [
            ("/proc/self/fd/1", true),
            ("/dev/stdout", true),
            ("/dev/null", true),
            ("/dev/shm/agg.prom", false),
            ("/devices", false),
            ("dev/null", false),
            ("", false),
        ] {
            assert_eq!(leads_to_device(Path::new(target)), is_device, "{target}");
        }
    }

    #[test]
    fn a_refused_name_and_a_failing_disk_have_different_classes() {
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
