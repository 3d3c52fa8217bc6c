//! What to do about an error of the system: the one place for such advice.
//!
//! Only errors that an operator can fix have advice. An error about a name or a format has it in its own text.

use std::io;
use std::path::Path;

use crate::model::Day;
use crate::text;

// The standard library has no kinds for these. Their numbers are Linux's on every processor.
const EIO: i32 = 5;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// What to do, as the end of an error's line; `None` if the system's text is enough, and for an error that is not the
/// system's. `reads` says whether a file or folder was to be read.
pub(super) fn of(error: &io::Error, reads: bool) -> Option<&'static str> {
    let number = error.raw_os_error();
    match (error.kind(), number) {
        (_, Some(EMFILE)) => Some(
            "raise the limit of open files (ulimit -n, or LimitNOFILE= in the unit) and run again",
        ),
        (_, Some(ENFILE)) => Some(
            "the whole system has too many files open; end the processes that hold them or raise fs.file-max, and run again",
        ),
        (_, Some(EIO)) => Some("check the disk and the kernel's log, then run again"),
        (io::ErrorKind::StorageFull, _) => Some("free space there and run again"),
        (io::ErrorKind::QuotaExceeded, _) => {
            Some("free space within the quota, or raise the quota, and run again")
        }
        (io::ErrorKind::FileTooLarge, _) => Some(
            "raise the limit of file sizes (ulimit -f) or use a file system for larger files, and run again",
        ),
        (io::ErrorKind::InvalidFilename, _) => {
            Some("the path is too long: a name may have 255 bytes, a path 4,095; use a shorter one")
        }
        (io::ErrorKind::ReadOnlyFilesystem, _) => Some(
            "make the disk writable, add the folder to ReadWritePaths= in the unit, or use another folder, and run again",
        ),
        (
            io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty,
            Some(_),
        ) => Some(
            "something else has this name or that of a folder above it; use another name, or move it out of the way",
        ),
        (io::ErrorKind::PermissionDenied, Some(_)) if reads => {
            Some("give this user read permission there, or run as another user")
        }
        (io::ErrorKind::PermissionDenied, Some(_)) => {
            Some("give this user write permission there, or run as another user")
        }
        _ => None,
    }
}

/// A command with the file for `FILE` and the day for `DAY`, where they are known. A file whose name needs quotes is not
/// put within those of the command, and a name like a flag not at all.
pub(super) fn filled(command: &str, file: Option<&Path>, day: Option<Day>) -> String {
    let with_day = match day {
        Some(day) => command.replace("--date DAY", &format!("--date {day}")),
        None => command.to_owned(),
    };
    let is_plain = |word: &str, file: &Path| Some(word) == file.to_str();
    match file.map(|file| (text::shell_word(file), file)) {
        Some((word, _)) if word.starts_with('-') => with_day,
        Some((word, file)) if with_day.contains("'FILE'") && !is_plain(&word, file) => with_day,
        Some((word, _)) => with_day.replace("FILE", &word),
        None => with_day,
    }
}

/// Whether the cause is the machine and not the file that was to be opened.
pub(super) fn is_of_the_machine(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EIO | ENFILE | EMFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_that_an_operator_can_fix_says_how_by_its_number() {
        let remedy_of =
            |number| of(&io::Error::from_raw_os_error(number), false).unwrap_or_default();
        let remedies = [
            (5, "the kernel's log"),
            (13, "write permission"),
            (23, "fs.file-max"),
            (17, "another name"),
            (20, "another name"),
            (21, "another name"),
            (39, "another name"),
            (24, "ulimit -n"),
            (27, "ulimit -f"),
            (28, "free space"),
            (30, "writable"),
            (36, "255 bytes"),
            (122, "quota"),
        ];
        for (number, words) in remedies {
            assert!(remedy_of(number).contains(words), "{number}: {:?}", remedy_of(number));
        }
        let unreadable = of(&io::Error::from_raw_os_error(13), true).unwrap_or_default();
        assert!(unreadable.contains("read permission"), "{unreadable}");
    }

    #[test]
    fn a_command_has_the_file_and_the_day_that_are_known() {
        let day = Day::new(2021, 12, 1);
        let filled = |command, file: &str| {
            filled(command, Some(file).filter(|file| !file.is_empty()).map(Path::new), day)
        };
        let convert = "iconv FILE | agg reduce-day --date DAY -";
        for (file, expected) in [
            ("logs/a.log", "iconv logs/a.log | agg reduce-day --date 2021-12-01 -"),
            ("it's FILE", "iconv 'it'\\''s FILE' | agg reduce-day --date 2021-12-01 -"),
            ("-a.log", "iconv FILE | agg reduce-day --date 2021-12-01 -"),
            ("", "iconv FILE | agg reduce-day --date 2021-12-01 -"),
        ] {
            assert_eq!(filled(convert, file), expected);
        }
        assert_eq!(filled("duckdb \"from 'FILE'\"", "a.log"), "duckdb \"from 'a.log'\"");
        assert_eq!(filled("duckdb \"from 'FILE'\"", "a b"), "duckdb \"from 'FILE'\"");
    }

    #[test]
    fn an_error_that_is_clear_or_not_the_system_s_has_no_remedy() {
        assert_eq!(of(&io::Error::from_raw_os_error(2), true), None);
        assert_eq!(of(&io::Error::other("it was not read to its end"), true), None);
        let refused = io::Error::new(io::ErrorKind::PermissionDenied, "says what to do itself");
        assert_eq!(of(&refused, true), None);
    }
}
