//! From what the user named to a list of inputs: files, folders, standard input.
//!
//! Names and metadata only; nothing is opened here.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, FileType};

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InputPath {
    /// A file; its name tells whether it is compressed.
    File(PathBuf),
    /// Standard input: plain bytes, without a date.
    StandardInput,
}

/// How a file is compressed, as its suffix tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl InputPath {
    /// Where it is; `-` for standard input.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            InputPath::File(path) => path,
            InputPath::StandardInput => Path::new(STANDARD_INPUT),
        }
    }

    /// Its base name in bytes; `-` for standard input.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        base_name(self.path())
    }
}

/// The base name in bytes; empty for a path that has none, such as `..`.
fn base_name(path: &Path) -> &[u8] {
    path.file_name().map(OsStr::as_bytes).unwrap_or_default()
}

/// Splits a base name into the log's own name and its compression.
fn split_compression(name: &[u8]) -> (&[u8], Option<Compression>) {
    let gzip = name.strip_suffix(b".gz").map(|rest| (rest, Some(Compression::Gzip)));
    let zstd = || name.strip_suffix(b".zst").map(|rest| (rest, Some(Compression::Zstd)));
    gzip.or_else(zstd).unwrap_or((name, None))
}

/// How the file is compressed, if its suffix says so.
pub(super) fn compression_of(path: &Path) -> Option<Compression> {
    split_compression(base_name(path)).1
}

/// Whether a file of this name in a folder is a log: `*.log` or `*.txt`, also with `.gz` or `.zst`
/// behind, and not hidden. Capitals matter.
pub(super) fn is_log_name(name: &OsStr) -> bool {
    let (log, _) = split_compression(name.as_bytes());
    !is_hidden(name) && (log.ends_with(b".log") || log.ends_with(b".txt"))
}

/// Whether the name starts with a dot.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// The inputs that `args` name, in their order: each a file, a folder, or `-` for standard input.
///
/// A folder gives its own `*.log` and `*.txt`, also with `.gz` or `.zst` behind, in byte order of
/// their names; folders in it and hidden files are left out, links to files are followed. A file
/// that is named itself may be called anything.
///
/// # Errors
/// [`ErrorKind::Missing`] for a path (or a link in a folder) that leads nowhere,
/// [`ErrorKind::Unreadable`] for what may not be looked at or is no file, [`ErrorKind::NoLogs`] for
/// a folder without logs, [`ErrorKind::TwiceGiven`] if two inputs are one file, differ only in a
/// compression suffix, or are both standard input, [`ErrorKind::Usage`] if there are no `args`.
pub fn expand(files: &dyn FileSystem, args: &[PathBuf]) -> Result<Vec<InputPath>> {
    if args.is_empty() {
        return Err(
            ErrorKind::Usage("name a log, a folder of logs, or - to read one".into()).into()
        );
    }
    let mut inputs = Vec::with_capacity(args.len());
    for path in args {
        if path.as_os_str() == STANDARD_INPUT {
            inputs.push(InputPath::StandardInput);
        } else if stat_input(files, path)?.file_type == FileType::Folder {
            let logs = logs_in(files, path)?;
            if logs.is_empty() {
                return Err(Error::from(ErrorKind::NoLogs).at(path));
            }
            inputs.extend(logs);
        } else {
            inputs.push(InputPath::File(path.clone()));
        }
    }
    refuse_twins(files, &inputs)?;
    Ok(inputs)
}

/// The logs of a folder, in byte order of their names; may be none.
pub(super) fn logs_in(files: &dyn FileSystem, folder: &Path) -> Result<Vec<InputPath>> {
    let mut logs = Vec::new();
    for (name, file_type) in files.list(folder).map_err(|error| unreadable(error).at(folder))? {
        if !is_log_name(&name) {
            continue;
        }
        let path = folder.join(name);
        let file_type = match file_type {
            FileType::Link => stat_input(files, &path)?.file_type,
            known => known,
        };
        if file_type != FileType::Folder {
            logs.push(InputPath::File(path));
        }
    }
    Ok(logs)
}

/// Refuses two inputs that are the same log: one file under two names, or one log twice in a
/// folder, with different compression suffixes or none.
pub(super) fn refuse_twins(files: &dyn FileSystem, inputs: &[InputPath]) -> Result<()> {
    let mut folders: HashMap<&Path, (u64, u64)> = HashMap::new();
    let mut by_identity: HashMap<(u64, u64), &Path> = HashMap::new();
    let mut by_name: HashMap<((u64, u64), &[u8]), &Path> = HashMap::new();
    let mut standard_input = None;
    for input in inputs {
        let path = input.path();
        let twin = match input {
            InputPath::StandardInput => standard_input.replace(path),
            InputPath::File(_) => {
                let folder = folder_of(path);
                let place = match folders.get(folder) {
                    Some(place) => *place,
                    None => stat_input(files, folder)?.identity,
                };
                folders.insert(folder, place);
                let (log, _) = split_compression(input.name());
                let same_file = by_identity.insert(stat_input(files, path)?.identity, path);
                let same_log = by_name.insert((place, log), path);
                same_file.or(same_log)
            }
        };
        if let Some(twin) = twin {
            return Err(Error::from(ErrorKind::TwiceGiven(twin.to_owned())).at(path));
        }
    }
    Ok(())
}

/// The folder that a path stands in, `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What lies under a path that is to be read: a file or a folder, links followed.
pub(super) fn stat_input(files: &dyn FileSystem, path: &Path) -> Result<FileStat> {
    let stat = files.stat(path).map_err(|error| unreadable(error).at(path))?;
    match stat.file_type {
        FileType::File | FileType::Folder => Ok(stat),
        FileType::Link | FileType::Other => {
            let hint = "it is a pipe or a device: lead it into standard input and name that '-'";
            Err(Error::from(ErrorKind::Unreadable(io::Error::other(hint))).at(path))
        }
    }
}

/// What an error says that was met while a log of this size, time and identity was read.
///
/// A damaged stream whose file changed is not damage: its writer is not done. A file that did not change and ends
/// elsewhere than the system says reports a wrong size.
pub(super) fn blame(files: &dyn FileSystem, path: &Path, known: &FileStat, error: Error) -> Error {
    let is_changed = || stat_input(files, path).map(|now| now != *known);
    match error.kind() {
        ErrorKind::Compression { .. } if matches!(is_changed(), Ok(true)) => {
            ErrorKind::LogChanged.into()
        }
        ErrorKind::LogChanged if matches!(is_changed(), Ok(false)) => wrong_size(path, known),
        _ => error,
    }
}

/// The error for a file whose content does not have the size that the system reports.
pub(super) fn wrong_size(path: &Path, known: &FileStat) -> Error {
    ErrorKind::WrongSize { reported: known.size, path: path.to_owned() }.into()
}

/// The error for a path that could not be looked up or opened.
pub(super) fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            ErrorKind::Missing { what: "log", hint: "check the path".into() }.into()
        }
        _ => ErrorKind::Unreadable(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use crate::input::twin::Twin;

    fn paths(args: &[&str]) -> Vec<PathBuf> {
        args.iter().map(PathBuf::from).collect()
    }

    fn expanded(twin: &Twin, args: &[&str]) -> Vec<String> {
        let inputs = expand(twin, &paths(args)).unwrap();
        inputs.iter().map(|input| input.path().to_str().unwrap().to_owned()).collect()
    }

    fn refused(twin: &Twin, args: &[&str]) -> (String, ErrorClass) {
        let error = expand(twin, &paths(args)).unwrap_err();
        (error.to_string(), error.class())
    }

    #[test]
    fn a_folder_gives_its_own_visible_logs_in_byte_order() {
        let twin = Twin::new();
        for name in [
            "d/b.log",
            "d/a.txt.gz",
            "d/B.log",
            "d/c.log.zst",
            "d/.hidden.log",
            "d/.log",
            "d/x.csv",
            "d/y.LOG",
            "d/z.log.bz2",
            "d/sub.log/inner.log",
            "d/log",
            "d/q.gz",
        ] {
            twin.put(name, b"");
        }
        twin.link("d/linked.log", "elsewhere/one");
        twin.put("elsewhere/one", b"");
        twin.link("d/folder-linked.log", "elsewhere");
        assert_eq!(
            expanded(&twin, &["d"]),
            ["d/B.log", "d/a.txt.gz", "d/b.log", "d/c.log.zst", "d/linked.log"]
        );
    }

    #[test]
    fn arguments_keep_their_order_and_a_named_file_may_be_called_anything() {
        let twin = Twin::new();
        twin.put("z", b"");
        twin.put("d/b.log", b"");
        twin.put("-", b"");
        assert_eq!(expanded(&twin, &["z", "-", "d", "./-"]), ["z", "-", "d/b.log", "./-"]);
        assert_eq!(
            expand(&twin, &paths(&["-", "./-"])).unwrap(),
            [InputPath::StandardInput, InputPath::File("./-".into())]
        );
    }

    #[test]
    fn what_is_not_there_or_no_file_is_said_so() {
        let twin = Twin::new();
        twin.put("f", b"");
        twin.put("empty/readme", b"");
        twin.put("denied", b"");
        twin.deny("denied");
        twin.put_pipe("pipe");
        twin.link("d/gone.log", "nowhere");
        let no_input = ErrorClass::NoInput;
        for (args, text) in [
            (["none"], "\"none\": log not found: check the path"),
            (["f/none"], "\"f/none\": log not found: check the path"),
            (["d"], "\"d/gone.log\": log not found: check the path"),
            (
                ["empty"],
                "\"empty\": no log in this folder: a log is named *.log or *.txt, also with .gz or .zst behind",
            ),
            (
                ["pipe"],
                "\"pipe\": cannot read it: it is a pipe or a device: lead it into standard input and name that '-'",
            ),
            (["denied"], "\"denied\": cannot read it: permission denied"),
        ] {
            assert_eq!(refused(&twin, &args), (text.to_owned(), no_input));
        }
        assert_eq!(refused(&twin, &[]).1, ErrorClass::Usage);
    }

    #[test]
    fn the_same_log_twice_is_refused_under_whatever_name() {
        let twin = Twin::new();
        for name in ["d/a.log", "d/b.log.gz", "d/b.log.zst", "e/a.log", "x", "x.gz"] {
            twin.put(name, b"");
        }
        twin.link("other.log", "d/a.log");
        let twice = |path: &str, twin: &str| {
            let text = format!("{path:?}: given twice (also as {twin:?}): name one of them");
            (text, ErrorClass::Data)
        };
        for (args, path, other) in [
            (&["d/a.log", "d/a.log"][..], "d/a.log", "d/a.log"),
            (&["d/a.log", "./d/./a.log"], "./d/./a.log", "d/a.log"),
            (&["e", "other.log", "d/a.log"], "d/a.log", "other.log"),
            (&["d"], "d/b.log.zst", "d/b.log.gz"),
            (&["x", "./x.gz"], "./x.gz", "x"),
            (&["-", "x", "-"], "-", "-"),
        ] {
            assert_eq!(refused(&twin, args), twice(path, other));
        }
        assert_eq!(expanded(&twin, &["d/a.log", "e/a.log"]), ["d/a.log", "e/a.log"]);
    }
}
