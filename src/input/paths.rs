//! Inputs by their paths: files and standard input.
//!
//! Names and metadata only; nothing is opened here.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::dates;
use super::decompress::Compression;
use super::names::{self, uncompressed_name};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileStat, FileSystem, FileType};
use crate::model::Day;

/// The name of standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// One input of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPath<'a> {
    /// A file.
    File {
        /// The text before the name: empty, or up to a slash.
        folder: &'a [u8],
        /// The base name.
        name: &'a [u8],
    },
    /// Standard input, without a date.
    StandardInput,
    /// The standard output of a shell command.
    Command {
        /// `command-1`, `command-2` and so on.
        name: &'a [u8],
        /// What the shell is given.
        line: &'a OsStr,
        /// The day that the command is told.
        day: Day,
    },
}

/// The inputs of a run, in their order.
///
/// Memory: 12 bytes an input and its base name; 56 bytes and its path a folder, once for adjacent logs of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputPaths {
    /// All base names.
    names: Vec<u8>,
    /// Where the name of each input ends.
    ends: Vec<usize>,
    /// Which folder each input is in; [`STANDARD_INPUT_FOLDER`] for standard input, and numbers from [`FIRST_COMMAND`] for
    /// commands.
    places: Vec<u32>,
    folders: Vec<Vec<u8>>,
    folder_bytes: u64,
    /// What the shell is given for each command, in their order, and the day.
    commands: Vec<(OsString, Day)>,
    other_forms: Option<Box<OtherForms>>,
}

/// Bytes of a folder beside its path: its place in the list, the allocator's own, and where it is compared.
const FOLDER: u64 = 24 + 16 + 16;

/// Other forms of logs that count, for example `x.log.gz` beside `x.log`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OtherForms {
    paths: InputPaths,
    /// For each, which input counts.
    counted: Vec<u32>,
}

impl Serialize for InputPaths {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let paths = self.iter().map(|input| input.path().to_string_lossy().into_owned());
        serializer.collect_seq(paths)
    }
}

/// The folder's number for standard input.
const STANDARD_INPUT_FOLDER: u32 = u32::MAX;
/// What the first command has there; those of the others follow.
const FIRST_COMMAND: u32 = 1 << 31;

impl<'a> InputPath<'a> {
    /// Where it is; `-` for standard input, the name of a command.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            InputPath::File { folder, name } => {
                OsString::from_vec([*folder, *name].concat()).into()
            }
            InputPath::StandardInput => PathBuf::from(STANDARD_INPUT),
            InputPath::Command { name, .. } => PathBuf::from(OsStr::from_bytes(name)),
        }
    }

    /// Its base name in bytes; `-` for standard input.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        match *self {
            InputPath::File { name, .. } | InputPath::Command { name, .. } => name,
            InputPath::StandardInput => STANDARD_INPUT.as_bytes(),
        }
    }

    /// Whether it is right in the folder of its day, or in no dated folder at all.
    #[must_use]
    pub fn is_right_in_day_folder(&self) -> bool {
        match self {
            InputPath::File { .. } => dates::is_right_in_day_folder(&self.path()),
            InputPath::StandardInput | InputPath::Command { .. } => true,
        }
    }

    /// How it is compressed by its name, which is wrong if the content differs.
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

    /// Adds the standard output of a shell command, which is told the day.
    pub fn push_command(&mut self, line: &OsStr, day: Day) {
        let place = u32::try_from(self.commands.len()).map_or(u32::MAX, |at| FIRST_COMMAND + at);
        self.commands.push((line.to_owned(), day));
        self.add(format!("command-{}", self.commands.len()).as_bytes(), place);
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
        let name = self.names.get(start..end)?;
        if let Some(command) = place.checked_sub(FIRST_COMMAND) {
            let (line, day) = self.commands.get(command as usize)?;
            return Some(InputPath::Command { name, line, day: *day });
        }
        let folder = self.folders.get(place as usize)?;
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

    /// Whether there is no input.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all base names.
    #[must_use]
    pub fn name_bytes(&self) -> u64 {
        self.names.len() as u64
    }

    /// Bytes of memory that their folders and their other forms take.
    #[must_use]
    pub fn folder_bytes(&self) -> u64 {
        let forms = self.other_forms.as_ref();
        let forms = forms
            .map_or(0, |forms| forms.paths.bytes() + size_of_val(forms.counted.as_slice()) as u64);
        self.folder_bytes + forms
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let each = size_of::<usize>() + size_of::<u32>();
        self.name_bytes() + self.folder_bytes() + (each * self.len()) as u64
    }

    /// Files that are inputs in another compression and do not count, each with the index of the input that does.
    pub fn other_forms(&self) -> impl Iterator<Item = (usize, InputPath<'_>)> {
        let forms = self.other_forms.iter();
        forms.flat_map(|forms| forms.counted.iter().map(|at| *at as usize).zip(forms.paths.iter()))
    }

    /// Number of compressed inputs, their other forms included, and whether any needs a window of its own, by their names.
    #[must_use]
    pub fn streams(&self) -> (usize, bool) {
        let (forms, need_window) = self.streams_of_forms();
        let own = streams_of(self.iter());
        (forms + own.0, need_window || own.1)
    }

    /// The same of their other forms alone.
    pub(super) fn streams_of_forms(&self) -> (usize, bool) {
        streams_of(self.other_forms().map(|(_, form)| form))
    }
}

fn streams_of<'a>(inputs: impl Iterator<Item = InputPath<'a>>) -> (usize, bool) {
    inputs
        .filter_map(|input| input.compression())
        .fold((0, false), |found, compression| (found.0 + 1, found.1 || compression.needs_window()))
}

/// Bytes for each input to check that each log is given once.
pub(super) const COMPARED: u64 = 32;

/// Each log once. Of one file under several names, the first name stays. Of one log in several forms, the plain form
/// stays, or otherwise the gzip form; the others are its [`InputPaths::other_forms`]. Also returns the remaining
/// `marked` inputs (indexes, ascending) under their new indexes.
///
/// Memory: [`COMPARED`].
///
/// # Errors
/// A log whose metadata cannot be read; [`ErrorKind::TwiceGiven`] for standard input.
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
            InputPath::Command { .. } => {}
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
    drop(identities);
    let (inputs, marked) = without(&again, inputs, marked);
    let forms = forms(files, &inputs)?;
    if forms.is_empty() {
        return Ok((inputs, marked));
    }
    let left_out: BTreeSet<usize> = forms.iter().map(|(other, _)| *other as usize).collect();
    let mut others = OtherForms::default();
    for (other, counted) in &forms {
        let before = forms.partition_point(|(other, _)| other < counted);
        others.counted.push(counted.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX)));
        others
            .paths
            .push(&inputs.get(*other as usize).map(|input| input.path()).unwrap_or_default());
    }
    let (mut inputs, marked) = without(&left_out, inputs, marked);
    inputs.other_forms = Some(Box::new(others));
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
            InputPath::Command { line, day, .. } => kept.push_command(line, day),
        }
    }
    (kept, still_marked)
}

/// The inputs that are another form of a log that counts (with the same folder and name except for the compression),
/// ascending, each with that log.
fn forms(files: &dyn FileSystem, inputs: &InputPaths) -> Result<Vec<(u32, u32)>> {
    let mut folders = Vec::with_capacity(inputs.folders.len());
    for folder in &inputs.folders {
        let path: &[u8] = if folder.is_empty() { b"." } else { folder };
        folders.push(stat_input(files, Path::new(OsStr::from_bytes(path)))?.identity);
    }
    let log = |at: u32| {
        let name = inputs.get(at as usize).map(|input| input.name()).unwrap_or_default();
        let place = inputs.places.get(at as usize);
        let folder = place.and_then(|place| folders.get(*place as usize));
        (folder, uncompressed_name(name), name)
    };
    let mut logs: Vec<u32> = Vec::with_capacity(inputs.len());
    logs.extend((0_u32..).zip(inputs.iter()).filter_map(|(at, input)| match input {
        InputPath::File { .. } => Some(at),
        InputPath::StandardInput | InputPath::Command { .. } => None,
    }));
    // A plain name is before its compressed forms, and .gz before .zst.
    logs.sort_unstable_by(|one, other| log(*one).cmp(&log(*other)));
    let is_one_log = |one: &u32, other: &u32| {
        let ((folder, name, _), (other_folder, other_name, _)) = (log(*one), log(*other));
        folder == other_folder && name == other_name
    };
    let several = logs.chunk_by(is_one_log).filter_map(<[u32]>::split_first);
    let mut forms: Vec<(u32, u32)> =
        several.flat_map(|(first, others)| others.iter().map(|other| (*other, *first))).collect();
    forms.sort_unstable();
    Ok(forms)
}

/// What is under a path that is to be read: a file or a folder, links followed.
///
/// # Errors
/// [`ErrorKind::Missing`] or [`ErrorKind::Unreadable`], with the path.
pub(crate) fn stat_input(files: &dyn FileSystem, path: &Path) -> Result<FileStat> {
    let stat = files.stat(path).map_err(|error| unreadable(error).at(path))?;
    match stat.file_type {
        FileType::File | FileType::Folder | FileType::Pipe => Ok(stat),
        FileType::Link | FileType::Other => {
            let hint = "it is a device or a socket: lead it into standard input and name that '-'";
            Err(Error::from(ErrorKind::Unreadable(io::Error::other(hint))).at(path))
        }
    }
}

/// The error to report for an error while a log of this size, time and identity was read.
///
/// A damaged stream whose file changed is not damage: its writer is not done. An unchanged file that does not end where
/// the system says has a wrong size. What to do about a file that is not a log names it.
pub(super) fn blame(files: &dyn FileSystem, path: &Path, known: &FileStat, error: Error) -> Error {
    let is_changed = || stat_input(files, path).map(|now| !now.is_same(known));
    match error.kind() {
        ErrorKind::Compression { .. } if matches!(is_changed(), Ok(true)) => {
            ErrorKind::LogChanged.into()
        }
        ErrorKind::LogChanged if matches!(is_changed(), Ok(false)) => wrong_size(known),
        ErrorKind::NotALog { format, remedy, day, .. } => {
            let (format, remedy, file) = (format.clone(), remedy.clone(), Some(path.to_owned()));
            ErrorKind::NotALog { format, remedy, file, day: *day }.into()
        }
        _ => error,
    }
}

/// The error for a file whose content does not have the size that the system reports.
pub(super) fn wrong_size(known: &FileStat) -> Error {
    ErrorKind::WrongSize { reported: known.size, day: None }.into()
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

/// The folder of a path, `.` for a bare name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
