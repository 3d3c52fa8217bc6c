//! The search of a folder, or of the places where a pattern can match, file by file.
//!
//! It reads names and metadata through the file trait and decides nothing: callers decide what a day is made of.

use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::dates::{Dates, Place};
use super::listing::{Listing, Marks, Room, keep_few};
use super::names::{NameKind, is_quiet_folder, is_set_aside};
use super::paths::{unlistable, unreadable};
use super::pattern::{Days, Entered, Pattern, State};
use super::skipped::SkipReason;
use crate::error::{Error, Result};
use crate::fs::{FileSystem, FileType};

/// Bytes of a `manifest.json` that show whether agg wrote it.
const MANIFEST_START: usize = 4096;

/// A file or folder that was found.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) path: PathBuf,
    pub(super) what: What,
    /// The dates in its own name, its folders' names or the pattern, as they are written there.
    pub(super) dates: Dates,
}

/// The kind of a file or folder.
#[derive(Debug)]
pub(super) enum What {
    Log,
    /// A link under a log's name that does not lead to a file that can be read.
    BrokenLog(Error),
    Skip(SkipReason),
}

/// Where the search is.
#[derive(Debug)]
pub(super) enum At<'p> {
    Folder(Place),
    Pattern(&'p Pattern, State),
}

/// A search.
pub(super) struct Walk<'a> {
    pub(super) files: &'a dyn FileSystem,
    /// Folders that are never searched, by device and inode.
    pub(super) excluded: Vec<(u64, u64)>,
    /// The days that are wanted, as names have them.
    pub(super) days: Days,
    pub(super) room: &'a Room,
    /// Whether tables with separators of their own are logs.
    pub(super) tables: bool,
    /// Receives every entry, in byte order of the names in each folder.
    pub(super) found: &'a mut dyn FnMut(Met) -> Result<()>,
}

/// What to do with a name in a folder.
enum Use {
    /// Neither a log nor worth a report.
    None,
    /// It is of an unwanted day: an example if there is nothing else.
    Outside,
    Entry,
}

/// The entry under a name once links are followed.
enum Under {
    File,
    Folder,
    LinkedFolder,
    Other,
    Broken(Error),
}

impl Walk<'_> {
    /// Searches a folder that was named, and all folders below it that are not excluded; `""` is the current folder.
    /// The named folder may be the folder of emissions, which are excluded below it, but not a store or a dataset.
    ///
    /// # Errors
    /// A folder that cannot be listed, and what `found` returns.
    pub(super) fn named(&mut self, folder: &Path, at: &At<'_>) -> Result<()> {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let listing = self.listing(listed, at)?;
        if listing.marks.is_store() || listing.marks.is_dataset() && !at.means_dataset() {
            return self.skip(listed.to_owned(), SkipReason::OfAgg, at.dates());
        }
        self.entries(folder, &listing, at)
    }

    fn folder(&mut self, folder: PathBuf, at: &At<'_>) -> Result<()> {
        let identity = || self.files.stat(&folder).map(|stat| stat.identity);
        if !self.excluded.is_empty() && identity().is_ok_and(|found| self.excluded.contains(&found))
        {
            return Ok(());
        }
        let listing = self.listing(&folder, at)?;
        if self.is_of_agg(&folder, &listing.marks) && !at.means_dataset() {
            self.room.give(listing.bytes());
            return self.skip(folder, SkipReason::OfAgg, at.dates());
        }
        self.entries(&folder, &listing, at)
    }

    /// The names in a folder that may matter: a folder can have many more files of other days than fit in memory.
    fn listing(&self, folder: &Path, at: &At<'_>) -> Result<Listing> {
        let (mut listing, mut pushed) = (Listing::default(), Ok(()));
        let visited = self.files.visit(folder, &mut |name, file_type| {
            listing.marks.see(&name, file_type);
            match self.use_of(&name, file_type, at) {
                Use::None => return ControlFlow::Continue(()),
                Use::Outside => {
                    keep_few(&mut listing.outside, name);
                    return ControlFlow::Continue(());
                }
                Use::Entry => {}
            }
            pushed = listing.push(&name, file_type, self.room);
            if pushed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.map_err(unlistable).and(pushed).map_err(|error| error.at(folder))?;
        listing.sort();
        Ok(listing)
    }

    /// What to do with a name in a folder. Folders and links are always checked.
    fn use_of(&self, name: &OsStr, file_type: FileType, at: &At<'_>) -> Use {
        if matches!(file_type, FileType::Folder | FileType::Link) {
            return Use::Entry;
        }
        let (kind, dates) = match at {
            At::Folder(place) => (NameKind::of(name.as_bytes()), place.dates_of(name.as_bytes())),
            At::Pattern(pattern, state) => match pattern.file(state, name, self.days) {
                Some(matched) => matched,
                None => return Use::None,
            },
        };
        let is_outside = match dates {
            Dates::None => false,
            Dates::One(day) => !self.days.contain(day),
            Dates::Two(one, other) => !self.days.contain(one) && !self.days.contain(other),
        };
        match kind {
            NameKind::Quiet => Use::None,
            _ if is_outside => Use::Outside,
            _ => Use::Entry,
        }
    }

    fn entries(&mut self, folder: &Path, listing: &Listing, at: &At<'_>) -> Result<()> {
        if let At::Folder(place) = at {
            for name in &listing.outside {
                let (path, dates) = (folder.join(name), place.dates_of(name.as_bytes()));
                (self.found)(Met { path, what: What::Log, dates })?;
            }
        }
        for (name, file_type) in listing.iter() {
            let path = folder.join(&name);
            match self.under(&path, file_type) {
                Under::Folder => self.enter(path, &name, at)?,
                Under::LinkedFolder => self.linked_folder(path, &name, at)?,
                under => self.file(path, &name, under, at)?,
            }
        }
        self.room.give(listing.bytes());
        Ok(())
    }

    fn under(&self, path: &Path, file_type: FileType) -> Under {
        match file_type {
            FileType::File => Under::File,
            FileType::Folder => Under::Folder,
            FileType::Pipe | FileType::Other => Under::Other,
            FileType::Link => match self.files.stat(path) {
                Ok(stat) => match stat.file_type {
                    FileType::File => Under::File,
                    FileType::Folder => Under::LinkedFolder,
                    FileType::Link | FileType::Pipe | FileType::Other => Under::Other,
                },
                Err(error) => Under::Broken(unreadable(error).at(path)),
            },
        }
    }

    fn enter(&mut self, path: PathBuf, name: &OsStr, at: &At<'_>) -> Result<()> {
        match at {
            At::Folder(_) if is_quiet_folder(name.as_bytes()) => Ok(()),
            At::Folder(place) => {
                let place = place.enter(name.as_bytes());
                if is_set_aside(name.as_bytes()) {
                    return self.skip(path, SkipReason::SetAside, place.dates());
                }
                self.folder(path, &At::Folder(place))
            }
            At::Pattern(pattern, state) => match pattern.enter(state, name, self.days) {
                Entered::Into(state, ends_here) => {
                    if let Some(dates) = ends_here {
                        self.skip(path.clone(), SkipReason::Folder, dates)?;
                    }
                    self.folder(path, &At::Pattern(pattern, state))
                }
                Entered::SetAside(dates) => self.skip(path, SkipReason::SetAside, dates),
                Entered::Match(dates) => self.skip(path, SkipReason::Folder, dates),
                Entered::No => Ok(()),
            },
        }
    }

    /// Links to folders are reported and not followed: so a search ends, and finds no log twice. A component of a pattern
    /// follows them, as in a shell; `**` does not.
    fn linked_folder(&mut self, path: PathBuf, name: &OsStr, at: &At<'_>) -> Result<()> {
        let dates = match at {
            At::Folder(_) if is_quiet_folder(name.as_bytes()) => return Ok(()),
            At::Folder(place) => place.enter(name.as_bytes()).dates(),
            At::Pattern(pattern, state) => match pattern.enter(state, name, self.days) {
                Entered::No => return Ok(()),
                Entered::Match(dates) | Entered::SetAside(dates) => dates,
                Entered::Into(next, _) if pattern.is_between_folders(state) => {
                    Pattern::dates(&next)
                }
                Entered::Into(next, _) => return self.folder(path, &At::Pattern(pattern, next)),
            },
        };
        self.skip(path, SkipReason::Link, dates)
    }

    fn file(&mut self, path: PathBuf, name: &OsStr, under: Under, at: &At<'_>) -> Result<()> {
        let (kind, dates) = match at {
            At::Folder(place) => (NameKind::of(name.as_bytes()), place.dates_of(name.as_bytes())),
            At::Pattern(pattern, state) => match pattern.file(state, name, self.days) {
                Some(matched) => matched,
                None => return Ok(()),
            },
        };
        let kind = if kind == NameKind::Table && self.tables { NameKind::Log } else { kind };
        let what = match (kind, under) {
            (NameKind::Quiet, _) => return Ok(()),
            (NameKind::QuietIfEmpty, _)
                if self.files.stat(&path).is_ok_and(|stat| stat.size == 0) =>
            {
                return Ok(());
            }
            (NameKind::Arriving, _) => What::Skip(SkipReason::Arriving),
            (NameKind::Table, _) => What::Skip(SkipReason::Table),
            (NameKind::QuietIfEmpty | NameKind::Other, Under::Broken(_)) => {
                What::Skip(SkipReason::BrokenLink)
            }
            (NameKind::QuietIfEmpty | NameKind::Other, _) => What::Skip(SkipReason::NotALog),
            (NameKind::Log, Under::Broken(error)) => What::BrokenLog(error),
            (NameKind::Log, Under::File) => What::Log,
            (NameKind::Log, _) => What::Skip(SkipReason::NotAFile),
        };
        (self.found)(Met { path, what, dates })
    }

    fn skip(&mut self, path: PathBuf, reason: SkipReason, dates: Dates) -> Result<()> {
        (self.found)(Met { path, what: What::Skip(reason), dates })
    }

    /// Whether a store, an output folder, an emission or a dataset is in this folder.
    fn is_of_agg(&self, folder: &Path, marks: &Marks) -> bool {
        let manifest = || self.is_manifest(&folder.join("manifest.json")).unwrap_or(false);
        marks.is_of_agg() || marks.manifest && manifest()
    }

    /// Whether the file begins as the manifest of an emission, or of what changed in one, does.
    fn is_manifest(&self, path: &Path) -> io::Result<bool> {
        let mut bytes = vec![0; MANIFEST_START];
        let read = self.files.open(path)?.read_full_at(&mut bytes, 0)?;
        let start = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
        let has = |fields: [&str; 3]| fields.iter().all(|field| start.contains(field));
        let of_emission = ["\"window\"", "\"top\"", "\"partials\""];
        Ok(has(of_emission) || has(["\"top\"", "\"older\"", "\"newer\""]))
    }
}

impl At<'_> {
    /// Whether a pattern spells the folders of a dataset out.
    fn means_dataset(&self) -> bool {
        matches!(self, At::Pattern(pattern, _) if pattern.means("kind="))
    }

    fn dates(&self) -> Dates {
        match self {
            At::Folder(place) => place.dates(),
            At::Pattern(_, state) => Pattern::dates(state),
        }
    }
}

/// Device and inode of folders, without missing folders.
pub(super) fn identities(files: &dyn FileSystem, folders: &[PathBuf]) -> Vec<(u64, u64)> {
    folders.iter().filter_map(|folder| files.stat(folder).ok()).map(|stat| stat.identity).collect()
}

/// The place that a `--logs` names.
#[derive(Debug)]
pub(super) enum Where {
    Folder(PathBuf),
    Pattern(Box<Pattern>),
}

impl Where {
    /// The folder, or the first path that the pattern can match.
    pub(super) fn first_path(&self, days: Days) -> PathBuf {
        match self {
            Where::Folder(folder) => folder.clone(),
            Where::Pattern(pattern) => pattern.first_path(days),
        }
    }

    /// A folder that exists, or otherwise a pattern.
    ///
    /// # Errors
    /// A path without a letter of a pattern that is missing or is not a folder; a pattern that is not valid.
    pub(super) fn parse(files: &dyn FileSystem, path: &Path, has_day: bool) -> Result<Where> {
        let found = files.stat(path);
        if found.as_ref().is_ok_and(|stat| stat.file_type == FileType::Folder) {
            return Ok(Where::Folder(path.to_owned()));
        }
        let is_plain = !path.as_os_str().as_bytes().iter().any(|byte| b"%*?[".contains(byte));
        if is_plain && !(has_day && found.is_ok()) {
            let error = found.err().unwrap_or_else(|| io::ErrorKind::NotADirectory.into());
            return Err(unlistable(error).at(path));
        }
        Pattern::parse(path, !has_day).map(|pattern| Where::Pattern(Box::new(pattern)))
    }

    /// Searches it.
    pub(super) fn search(&self, walk: &mut Walk<'_>) -> Result<()> {
        match self {
            Where::Folder(folder) => walk.named(folder, &At::Folder(Place::default())),
            Where::Pattern(pattern) => {
                let root = pattern.root();
                let listed = if root.as_os_str().is_empty() { Path::new(".") } else { root };
                match walk.files.stat(listed) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    _ => walk.named(root, &At::Pattern(pattern, pattern.start())),
                }
            }
        }
    }
}
