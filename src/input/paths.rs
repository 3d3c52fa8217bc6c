//! Inputs by their paths: files and standard input.
//!
//! Names and metadata only; nothing is opened here.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::names::{self, Compression};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, FileType};

/// The name of standard input.
pub(super) const STANDARD_INPUT: &str = "-";

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
/// Memory: 12 bytes an input and its base name; 56 bytes and its path a folder, once for all logs of it that follow one
/// another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputPaths {
    /// All base names.
    names: Vec<u8>,
    /// Where the name of each input ends.
    ends: Vec<usize>,
    /// Which folder each input is in; [`STANDARD_INPUT_FOLDER`] for standard input.
    places: Vec<u32>,
    folders: Vec<Vec<u8>>,
    folder_bytes: u64,
}

/// Bytes of a folder beside its path: its place in the list, the allocator's own, and where it is compared.
const FOLDER: u64 = 24 + 16 + 16;
impl Serialize for InputPaths {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let paths = self.iter().map(|input| input.path().to_string_lossy().into_owned());
        serializer.collect_seq(paths)
    }
}

/// What standard input has in the place of a folder.
const STANDARD_INPUT_FOLDER: u32 = u32::MAX;

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
        names::compression_of(self.name())
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
            self.folder_bytes += folder.len() as u64 + FOLDER;
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

    /// Bytes of memory that their folders take.
    #[must_use]
    pub fn folder_bytes(&self) -> u64 {
        self.folder_bytes
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let each = size_of::<usize>() + size_of::<u32>();
        self.name_bytes() + self.folder_bytes + (each * self.len()) as u64
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
}

/// Each log once: of one file under several names the first one. Of `marked` inputs (indexes, ascending), those that
/// are left, under their new indexes.
///
/// Memory: 32 bytes an input.
///
/// # Errors
/// A log that cannot be looked at; [`ErrorKind::TwiceGiven`] for standard input, and for a log that is there with
/// different compression suffixes, or with one and without.
pub(super) fn one_of_each(
    files: &dyn FileSystem,
    inputs: InputPaths,
    marked: Vec<usize>,
) -> Result<(InputPaths, Vec<usize>)> {
    let mut identities = Vec::with_capacity(inputs.len());
    let mut standard_inputs = 0;
    for (at, input) in inputs.iter().enumerate() {
        match input {
            InputPath::File { .. } => {
                identities.push((stat_input(files, &input.path())?.identity, at));
            }
            InputPath::StandardInput => standard_inputs += 1,
        }
    }
    if standard_inputs > 1 {
        let path = PathBuf::from(STANDARD_INPUT);
        return Err(Error::from(ErrorKind::TwiceGiven(path.clone())).at(path));
    }
    identities.sort_unstable();
    let pairs = identities.iter().zip(identities.iter().skip(1));
    let again = pairs.filter(|((one, _), (other, _))| one == other).map(|(_, (_, at))| *at);
    let again: BTreeSet<usize> = again.collect();
    let (inputs, marked) = without(&again, inputs, marked);
    if let Some((at, twin)) = twin_names(files, &inputs)? {
        let path = |at: u32| inputs.get(at as usize).map(|input| input.path()).unwrap_or_default();
        return Err(Error::from(ErrorKind::TwiceGiven(path(twin))).at(path(at)));
    }
    Ok((inputs, marked))
}

/// The inputs without those of these indexes.
fn without(
    left_out: &BTreeSet<usize>,
    inputs: InputPaths,
    marked: Vec<usize>,
) -> (InputPaths, Vec<usize>) {
    if left_out.is_empty() {
        return (inputs, marked);
    }
    let (mut kept, mut still_marked) = (InputPaths::default(), Vec::new());
    for (at, input) in inputs.iter().enumerate().filter(|(at, _)| !left_out.contains(at)) {
        if marked.binary_search(&at).is_ok() {
            still_marked.push(kept.len());
        }
        match input {
            InputPath::File { .. } => kept.push(&input.path()),
            InputPath::StandardInput => kept.push_standard_input(),
        }
    }
    (kept, still_marked)
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
            Some((folder, names::split_compression(input.name()).0))
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

/// The error for a folder that could not be listed.
pub(super) fn unlistable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            ErrorKind::Missing { what: "folder", hint: "check the path".into() }.into()
        }
        _ => ErrorKind::Unreadable(error).into(),
    }
}

/// The folder that a path stands in, `.` for a bare name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
