//! From what the user named to a list of inputs: files, folders, standard input.
//!
//! Names and metadata only; nothing is opened here.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, FileType};

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// One input of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPath<'a> {
    /// A file; its name tells whether it is compressed.
    File {
        /// What stands before the name: empty, or up to a slash.
        folder: &'a [u8],
        /// The base name.
        name: &'a [u8],
    },
    /// Standard input: plain bytes, without a date.
    StandardInput,
}

/// The inputs of a run, in their order.
///
/// Memory: 12 bytes an input and its base name; a folder once for all logs of it that follow one another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputPaths {
    /// All base names.
    names: Vec<u8>,
    /// Where the name of each input ends.
    ends: Vec<usize>,
    /// Which folder each input is in; [`STANDARD_INPUT_FOLDER`] for standard input.
    places: Vec<u32>,
    folders: Vec<Vec<u8>>,
}

/// What standard input has in the place of a folder.
const STANDARD_INPUT_FOLDER: u32 = u32::MAX;

/// How a file is compressed, as its suffix tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl<'a> InputPath<'a> {
    /// Where it is; `-` for standard input.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            InputPath::File { folder, name } => {
                OsString::from_vec([*folder, *name].concat()).into()
            }
            InputPath::StandardInput => PathBuf::from(STANDARD_INPUT),
        }
    }

    /// Its base name in bytes; `-` for standard input.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        match *self {
            InputPath::File { name, .. } => name,
            InputPath::StandardInput => STANDARD_INPUT.as_bytes(),
        }
    }

    /// How it is compressed, if its suffix says so.
    pub(super) fn compression(&self) -> Option<Compression> {
        split_compression(self.name()).1
    }
}

impl InputPaths {
    /// Adds a file.
    pub fn push(&mut self, path: &Path) {
        let path = path.as_os_str().as_bytes();
        let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let (folder, name) = path.split_at(start);
        if self.folders.last().is_none_or(|last| last != folder) {
            self.folders.push(folder.to_vec());
        }
        let place = u32::try_from(self.folders.len() - 1).unwrap_or(STANDARD_INPUT_FOLDER);
        self.add(name, place);
    }

    /// Adds standard input.
    pub fn push_standard_input(&mut self) {
        self.add(STANDARD_INPUT.as_bytes(), STANDARD_INPUT_FOLDER);
    }

    fn add(&mut self, name: &[u8], place: u32) {
        self.names.extend_from_slice(name);
        self.ends.push(self.names.len());
        self.places.push(place);
    }

    /// The input of this index.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<InputPath<'_>> {
        let (end, place) = (*self.ends.get(at)?, *self.places.get(at)?);
        if place == STANDARD_INPUT_FOLDER {
            return Some(InputPath::StandardInput);
        }
        let start = at.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let (folder, name) = (self.folders.get(place as usize)?, self.names.get(start..end)?);
        Some(InputPath::File { folder, name })
    }

    /// The inputs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = InputPath<'_>> {
        // Each index below the length has one.
        (0..self.len()).map(|at| self.get(at).unwrap_or(InputPath::StandardInput))
    }

    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all base names.
    #[must_use]
    pub fn name_bytes(&self) -> u64 {
        self.names.len() as u64
    }

    /// Number of compressed inputs, and whether any is a zstd stream.
    #[must_use]
    pub fn streams(&self) -> (usize, bool) {
        let mut found = (0, false);
        for compression in self.iter().filter_map(|input| input.compression()) {
            found = (found.0 + 1, found.1 || compression == Compression::Zstd);
        }
        found
    }

    fn extend(&mut self, other: &InputPaths) {
        for input in other.iter() {
            match input {
                InputPath::File { .. } => self.push(&input.path()),
                InputPath::StandardInput => self.push_standard_input(),
            }
        }
    }
}

/// Splits a base name into the log's own name and its compression.
fn split_compression(name: &[u8]) -> (&[u8], Option<Compression>) {
    let gzip = name.strip_suffix(b".gz").map(|rest| (rest, Some(Compression::Gzip)));
    let zstd = || name.strip_suffix(b".zst").map(|rest| (rest, Some(Compression::Zstd)));
    gzip.or_else(zstd).unwrap_or((name, None))
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
pub fn expand(files: &dyn FileSystem, args: &[PathBuf]) -> Result<InputPaths> {
    if args.is_empty() {
        return Err(
            ErrorKind::Usage("name a log, a folder of logs, or - to read one".into()).into()
        );
    }
    let mut inputs = InputPaths::default();
    for path in args {
        if path.as_os_str() == STANDARD_INPUT {
            inputs.push_standard_input();
        } else if stat_input(files, path)?.file_type == FileType::Folder {
            let logs = logs_in(files, path)?;
            if logs.is_empty() {
                return Err(Error::from(ErrorKind::NoLogs).at(path));
            }
            inputs.extend(&logs);
        } else {
            inputs.push(path);
        }
    }
    refuse_twins(files, &inputs)?;
    Ok(inputs)
}

/// The logs of a folder, in byte order of their names; may be none.
pub(super) fn logs_in(files: &dyn FileSystem, folder: &Path) -> Result<InputPaths> {
    let mut logs = InputPaths::default();
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
            logs.push(&path);
        }
    }
    Ok(logs)
}

/// Refuses two inputs that are the same log: one file under two names, or one log twice in a
/// folder, with different compression suffixes or none.
///
/// Memory: 32 bytes an input.
pub(super) fn refuse_twins(files: &dyn FileSystem, inputs: &InputPaths) -> Result<()> {
    let mut identities = Vec::with_capacity(inputs.len());
    for (at, input) in (0_u32..).zip(inputs.iter()) {
        // All standard inputs are one.
        let identity = match input {
            InputPath::File { .. } => Some(stat_input(files, &input.path())?.identity),
            InputPath::StandardInput => None,
        };
        identities.push((identity, at));
    }
    identities.sort_unstable();
    let same_file = first_twin(&identities, |(_, at)| *at, |(one, _), (other, _)| one == other);
    let same_log = twin_names(files, inputs)?;
    let twins = [same_file, same_log].into_iter().flatten();
    let Some((at, twin)) = twins.min_by_key(|(at, _)| *at) else { return Ok(()) };
    let path = |at: u32| inputs.get(at as usize).map(|input| input.path()).unwrap_or_default();
    Err(Error::from(ErrorKind::TwiceGiven(path(twin))).at(path(at)))
}

/// The first input that has the folder and the name of one before it, compression aside, and that one.
fn twin_names(files: &dyn FileSystem, inputs: &InputPaths) -> Result<Option<(u32, u32)>> {
    let mut folders = Vec::with_capacity(inputs.folders.len());
    for folder in &inputs.folders {
        let path: &[u8] = if folder.is_empty() { b"." } else { folder };
        folders.push(stat_input(files, Path::new(OsStr::from_bytes(path)))?.identity);
    }
    let log = |at: usize| match inputs.get(at) {
        Some(input @ InputPath::File { .. }) => {
            let folder = inputs.places.get(at).and_then(|place| folders.get(*place as usize));
            Some((folder, split_compression(input.name()).0))
        }
        Some(InputPath::StandardInput) | None => None,
    };
    let mut logs: Vec<u32> = Vec::with_capacity(inputs.len());
    logs.extend((0_u32..).zip(inputs.iter()).filter_map(|(at, input)| match input {
        InputPath::File { .. } => Some(at),
        InputPath::StandardInput => None,
    }));
    logs.sort_unstable_by(|one, other| {
        log(*one as usize).cmp(&log(*other as usize)).then(one.cmp(other))
    });
    Ok(first_twin(&logs, |at| *at, |one, other| log(*one as usize) == log(*other as usize)))
}

/// Of sorted neighbours that are alike, the pair whose second comes first among the inputs.
fn first_twin<T>(
    sorted: &[T],
    at: impl Fn(&T) -> u32,
    alike: impl Fn(&T, &T) -> bool,
) -> Option<(u32, u32)> {
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs.filter(|(one, other)| alike(one, other)).map(|(one, other)| (at(other), at(one))).min()
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
        let inputs = expand(&twin, &paths(&["-", "./-"])).unwrap();
        let file = InputPath::File { folder: b"./", name: b"-" };
        assert_eq!(inputs.iter().collect::<Vec<_>>(), [InputPath::StandardInput, file]);
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
                "\"empty\": no log in this folder; logs are named *.log or *.txt, or the same with .gz or .zst at the end",
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
            let text = format!("{path:?}: given twice (also as {twin:?}); name it once");
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
