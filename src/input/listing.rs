//! The names in a folder, in little memory, and the signs of a folder that agg wrote.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::error::{ErrorKind, Result};
use crate::fs::FileType;

/// Bytes of memory that the names of a search may take: half of the run's.
#[derive(Debug)]
pub(super) struct Room {
    memory: u64,
    used: Cell<u64>,
    names: Cell<u64>,
}

impl Room {
    /// For a run with this memory; `None` means no bound.
    pub(super) fn of(memory: Option<u64>) -> Room {
        Room { memory: memory.unwrap_or(u64::MAX), used: Cell::new(0), names: Cell::new(0) }
    }

    /// Takes the bytes of this number of names.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyNames`].
    pub(super) fn take(&self, names: u64, bytes: u64) -> Result<()> {
        self.names.set(self.names.get() + names);
        self.used.set(self.used.get().saturating_add(bytes));
        if self.used.get() > self.memory / 2 {
            let names = self.names.get();
            return Err(ErrorKind::TooManyNames { names, memory: self.memory }.into());
        }
        Ok(())
    }

    /// Gives bytes back.
    pub(super) fn give(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }
}

/// Where a name starts, its length, its type.
type Entry = (usize, u16, FileType);

/// Names in a folder with their types.
///
/// Memory: 16 bytes a name, and the name.
#[derive(Debug, Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
    pub(super) marks: Marks,
    /// The first names that are of unwanted days.
    pub(super) outside: BTreeSet<OsString>,
}

/// Maximum names in the error of a place without logs.
const MAX_NAMED: usize = 3;

/// Adds a name to the first few in their order; the names may come in any order.
pub(super) fn keep_few<T: Ord>(few: &mut BTreeSet<T>, one: T) {
    if few.len() < MAX_NAMED || few.last().is_some_and(|last| one < *last) {
        few.insert(one);
    }
    if few.len() > MAX_NAMED {
        few.pop_last();
    }
}

/// The signs that a folder is a store, an output folder, an emission or a dataset.
#[derive(Debug, Default)]
pub(super) struct Marks {
    lock: bool,
    partials: bool,
    rejects: bool,
    lock_of_output: bool,
    /// An entry that may be the manifest of an emission.
    pub(super) manifest: bool,
    dataset: bool,
}

impl Marks {
    /// Takes a name in the folder into account.
    pub(super) fn see(&mut self, name: &OsStr, file_type: FileType) {
        match name.as_bytes() {
            b".lock" => self.lock = true,
            b".out.lock" => self.lock_of_output = true,
            b"rejects" => self.rejects = file_type != FileType::File,
            b"partials" => self.partials = file_type != FileType::File,
            b"manifest.json" => self.manifest = file_type == FileType::File,
            name if name.starts_with(b"kind=") => self.dataset |= file_type == FileType::Folder,
            _ => {}
        }
    }

    /// Whether it is a store, or the copy of a store without its lock.
    pub(super) fn is_store(&self) -> bool {
        self.partials && (self.lock || self.rejects)
    }

    /// Whether agg wrote the folder, whatever its manifest contains.
    pub(super) fn is_of_agg(&self) -> bool {
        self.lock_of_output || self.is_store() || self.dataset
    }

    /// Whether it is a dataset.
    pub(super) fn is_dataset(&self) -> bool {
        self.dataset
    }
}

impl Listing {
    /// Adds a name.
    pub(super) fn push(&mut self, name: &OsStr, file_type: FileType, room: &Room) -> Result<()> {
        // No file system has names of more than 255 bytes.
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        let name = name.as_bytes().get(..usize::from(length)).unwrap_or_default();
        self.entries.push((self.names.len(), length, file_type));
        self.names.extend_from_slice(name);
        room.take(1, name.len() as u64 + size_of::<Entry>() as u64)
    }

    /// Puts the names in byte order.
    pub(super) fn sort(&mut self) {
        let Listing { names, entries, .. } = self;
        entries.sort_unstable_by_key(|(start, length, _)| name_at(names, *start, *length));
    }

    /// The names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (OsString, FileType)> {
        self.entries.iter().map(|(start, length, file_type)| {
            let name = name_at(&self.names, *start, *length);
            (OsString::from_vec(name.to_vec()), *file_type)
        })
    }

    /// Bytes that were taken for it.
    pub(super) fn bytes(&self) -> u64 {
        (self.names.len() + size_of_val(self.entries.as_slice())) as u64
    }
}

fn name_at(names: &[u8], start: usize, length: u16) -> &[u8] {
    names.get(start..start + usize::from(length)).unwrap_or_default()
}
