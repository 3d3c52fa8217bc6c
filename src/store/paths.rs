//! The names of everything in a store and in an output folder, and which days are there.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType, OsFileSystem, ReadFile};
use crate::model::Day;

/// Prefix of every name that is not yet, or no longer, a result.
///
/// The next writer sweeps such names from a store and an output folder. So writers without the lock must use another
/// prefix.
pub const TEMPORARY_PREFIX: &str = ".agg-tmp-";
/// The manifest's name in an emission.
pub const MANIFEST: &str = "manifest.json";

const PARTIAL_SUFFIX: &str = ".agg";
const REJECTS_SUFFIX: &str = ".txt";
const SEEN_SUFFIX: &str = ".seen";

/// The folder that holds the partials.
///
/// # Example
/// ```
/// use agg::partial::Partial;
/// use agg::store::Store;
/// # use agg::budget::Budget;
/// # use agg::job::{Context, ReduceOptions, reduce_day};
/// # let folder = tempfile::tempdir()?;
/// # let log = folder.path().join("listen-20211201.log");
/// # std::fs::write(&log, "9|7|FR\n5|7|FR\n9|8|FR\n4|8|BR\n")?;
/// # let context = Context::new(folder.path().join("store"), Budget::new(64 << 20, 2)?);
/// # let options = ReduceOptions { logs: vec![log], ..Default::default() };
/// # let day = reduce_day(&context, &options)?.day;
///
/// let store = Store::new(&context.store);
/// assert_eq!(store.days()?, [day]);
/// let file = store.open_partial(day)?.ok_or("no partial")?;
/// let partial = Partial::open(file, &store.partial_path(day))?;
/// assert_eq!((partial.metadata().day, partial.metadata().accepted()), (day, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    files: Arc<dyn FileSystem>,
    root: PathBuf,
}

impl Store {
    /// The store in this folder of this machine's files, which need not exist.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(OsFileSystem), root)
    }

    /// The store in this folder of `files`.
    #[must_use]
    pub fn on(files: Arc<dyn FileSystem>, root: impl Into<PathBuf>) -> Self {
        Store { files, root: root.into() }
    }

    pub(super) fn files(&self) -> &dyn FileSystem {
        self.files.as_ref()
    }

    /// The store's own folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that its one writer locks. It is never removed: a lock on a removed file excludes no process.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.root.join(".lock")
    }

    /// Where the partials are, their temporaries too.
    #[must_use]
    pub fn partials_folder(&self) -> PathBuf {
        self.root.join("partials")
    }

    /// Where the corrupt rows are, their temporaries too.
    #[must_use]
    pub fn rejects_folder(&self) -> PathBuf {
        self.root.join("rejects")
    }

    /// The folder of the cache of seen logs.
    #[must_use]
    pub fn seen_folder(&self) -> PathBuf {
        self.root.join("seen")
    }

    /// The seen logs of a day.
    #[must_use]
    pub fn seen_path(&self, day: Day) -> PathBuf {
        self.seen_folder().join(format!("{day}{SEEN_SUFFIX}"))
    }

    /// The days whose seen logs are kept, ascending; none where that cannot be listed.
    #[must_use]
    pub fn seen_days(&self) -> Vec<Day> {
        let entries = self.files.list(&self.seen_folder()).unwrap_or_default();
        days_of(&entries, FileType::File, SEEN_SUFFIX)
    }

    /// Where sorted runs are spilled. Nothing is ever renamed out of it, so it may be a link to a
    /// folder on a faster or larger disk; not to a folder that two stores share, because each sweeps it.
    #[must_use]
    pub fn scratch_folder(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The day's partial.
    #[must_use]
    pub fn partial_path(&self, day: Day) -> PathBuf {
        self.partials_folder().join(format!("{day}{PARTIAL_SUFFIX}"))
    }

    /// The day's first corrupt rows.
    #[must_use]
    pub fn rejects_path(&self, day: Day) -> PathBuf {
        self.rejects_folder().join(format!("{day}{REJECTS_SUFFIX}"))
    }

    /// The record of the partials that an earlier version made.
    #[must_use]
    pub fn earlier_path(&self) -> PathBuf {
        self.partials_folder().join(".earlier")
    }

    /// The record of the oldest kept day.
    #[must_use]
    pub fn floor_path(&self) -> PathBuf {
        self.partials_folder().join(".floor")
    }

    /// The days that have a partial, ascending. Files of other names are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] where there is no store, [`ErrorKind::Unreadable`] where it cannot be listed.
    pub fn days(&self) -> Result<Vec<Day>> {
        let listing = self.files.list(&self.partials_folder());
        let entries = listing.map_err(|error| self.listing_error(error))?;
        Ok(days_of(&entries, FileType::File, PARTIAL_SUFFIX))
    }

    /// The days whose partial's name is taken by a folder, a pipe or a device, ascending. They are not partials, but
    /// should be reported.
    ///
    /// # Errors
    /// As [`Store::days`].
    pub fn impostors(&self) -> Result<Vec<Day>> {
        let listing = self.files.list(&self.partials_folder());
        let mut entries = listing.map_err(|error| self.listing_error(error))?;
        entries.retain(|(_, kind)| {
            matches!(kind, FileType::Folder | FileType::Pipe | FileType::Other)
        });
        let folders = entries.into_iter().map(|(name, _)| (name, FileType::File));
        Ok(days_of(&folders.collect::<Vec<_>>(), FileType::File, PARTIAL_SUFFIX))
    }

    /// The days that have a rejects file, ascending; none where there is no folder of them.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] or [`ErrorKind::Io`] where it cannot be listed.
    pub fn rejects_days(&self) -> Result<Vec<Day>> {
        match self.files.list(&self.rejects_folder()) {
            Ok(entries) => Ok(days_of(&entries, FileType::File, REJECTS_SUFFIX)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(reading_error("list", error).at(self.rejects_folder())),
        }
    }

    /// The day's partial, opened to read; `None` if the day has none.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] for a partial that this user may not open, otherwise [`ErrorKind::Io`].
    pub fn open_partial(&self, day: Day) -> Result<Option<Box<dyn ReadFile>>> {
        let path = self.partial_path(day);
        match self.files.open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(reading_error("open", error).at(path)),
        }
    }

    /// The first `most` bytes of the day's rejects file; none if there is no such file.
    ///
    /// # Errors
    /// As [`Store::open_partial`].
    pub fn read_rejects(&self, day: Day, most: u64) -> Result<Vec<u8>> {
        let path = self.rejects_path(day);
        let read = || {
            let file = self.files.open(&path)?;
            let size = file.stat()?.size.min(most);
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            let read = file.read_full_at(&mut bytes, 0)?;
            bytes.truncate(read);
            Ok::<_, io::Error>(bytes)
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(|error| reading_error("read", error).at(&path)),
        }
    }

    fn listing_error(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::NotFound {
            let hint =
                "run 'agg reduce-day' first, or name the right folder with --store".to_owned();
            return Error::from(ErrorKind::Missing { what: "store", hint }).at(&self.root);
        }
        reading_error("list", error).at(self.partials_folder())
    }
}

/// The folder that holds the emissions.
#[derive(Debug, Clone)]
pub struct Output {
    files: Arc<dyn FileSystem>,
    root: PathBuf,
}

impl Output {
    /// The output folder of this path among this machine's files, which need not exist.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(OsFileSystem), root)
    }

    /// The output folder of this path in `files`.
    #[must_use]
    pub fn on(files: Arc<dyn FileSystem>, root: impl Into<PathBuf>) -> Self {
        Output { files, root: root.into() }
    }

    pub(super) fn files(&self) -> &Arc<dyn FileSystem> {
        &self.files
    }

    /// The output folder itself; temporaries of an emission are in it, too.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that its one writer locks.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.root.join(".out.lock")
    }

    /// The emission of the window that ends on `day`.
    #[must_use]
    pub fn day_folder(&self, day: Day) -> PathBuf {
        self.root.join(day.to_string())
    }

    /// An emission's manifest: a dated folder without it is not an emission.
    #[must_use]
    pub fn manifest_path(&self, day: Day) -> PathBuf {
        self.day_folder(day).join(MANIFEST)
    }

    /// The symbolic link to the newest date's folder.
    #[must_use]
    pub fn latest_link(&self) -> PathBuf {
        self.root.join("latest")
    }

    /// The folder of what changed from one emission to the next, which has a lock of its own.
    #[must_use]
    pub fn changes(&self) -> Output {
        Output { files: Arc::clone(&self.files), root: self.root.join("changes") }
    }

    /// The record of the oldest kept emission.
    #[must_use]
    pub fn floor_path(&self) -> PathBuf {
        self.root.join(".floor")
    }

    /// The dates that have a folder, ascending, which may be an emission; none where there is no output folder.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] or [`ErrorKind::Io`] where it cannot be listed.
    pub fn days(&self) -> Result<Vec<Day>> {
        Ok(days_of(&self.list()?, FileType::Folder, ""))
    }

    /// As [`Output::days`], without the links that operators leave for what they move to another disk.
    ///
    /// # Errors
    /// As [`Output::days`].
    pub fn days_of_folders(&self) -> Result<Vec<Day>> {
        let mut entries = self.list()?;
        entries.retain(|(_, kind)| *kind == FileType::Folder);
        Ok(days_of(&entries, FileType::Folder, ""))
    }

    fn list(&self) -> Result<Vec<(OsString, FileType)>> {
        match self.files.list(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.map_err(|error| reading_error("list", error).at(&self.root)),
        }
    }
}

/// The days of the names `YYYY-MM-DD` and `suffix`, for each `wanted` entry and each link: operators
/// move old days to another disk and leave a link.
fn days_of(entries: &[(OsString, FileType)], wanted: FileType, suffix: &str) -> Vec<Day> {
    // A listing is in byte order, which is the order of the days.
    let fitting = entries.iter().filter(|(_, kind)| [wanted, FileType::Link].contains(kind));
    let day = |name: &OsString| name.to_str()?.strip_suffix(suffix)?.parse().ok();
    fitting.filter_map(|(name, _)| day(name)).collect()
}

fn reading_error(action: &'static str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => ErrorKind::Unreadable(source).into(),
        _ => Error::io(action, source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;
    use std::fs;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn every_path_is_pinned() {
        let store = Store::new("s");
        let day = day("2021-12-01");
        assert_eq!(store.lock_path(), Path::new("s/.lock"));
        assert_eq!(store.partial_path(day), Path::new("s/partials/2021-12-01.agg"));
        assert_eq!(store.rejects_path(day), Path::new("s/rejects/2021-12-01.txt"));
        assert_eq!(store.scratch_folder(), Path::new("s/tmp"));
        assert_eq!(store.floor_path(), Path::new("s/partials/.floor"));
        let output = Output::new("o");
        assert_eq!(output.lock_path(), Path::new("o/.out.lock"));
        assert_eq!(output.day_folder(day), Path::new("o/2021-12-01"));
        assert_eq!(output.latest_link(), Path::new("o/latest"));
        assert_eq!(output.floor_path(), Path::new("o/.floor"));
        assert_eq!(output.changes().day_folder(day), Path::new("o/changes/2021-12-01"));
    }

    #[test]
    fn stored_days_are_listed_in_order_and_strangers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let partials = store.partials_folder();
        fs::create_dir_all(partials.join("2021-12-09.agg")).unwrap();
        for name in [
            "2021-12-02.agg",
            "2021-11-30.agg",
            "2021-12-01.agg",
            "2021-12-01.agg.bak",
            "2021-02-30.agg",
            "2021-12-03.AGG",
            "2021-12-04",
            ".agg-tmp-2021-12-05.agg",
            ".DS_Store",
        ] {
            fs::write(partials.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("2021-12-01.agg", partials.join("2021-12-08.agg")).unwrap();
        let expected = ["2021-11-30", "2021-12-01", "2021-12-02", "2021-12-08"].map(day);
        assert_eq!(store.days().unwrap(), expected);
        assert_eq!(store.impostors().unwrap(), [day("2021-12-09")]);
    }

    #[test]
    fn a_missing_store_says_what_to_do() {
        let store = Store::new("/nonexistent/store");
        let error = store.days().unwrap_err();
        assert_eq!(error.class(), ErrorClass::NoInput);
        assert_eq!(
            error.to_string(),
            "\"/nonexistent/store\": store not found; run 'agg reduce-day' first, or name the right folder with --store"
        );
    }

    #[test]
    fn a_day_without_a_partial_is_none_and_a_store_that_is_a_file_is_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        assert!(store.open_partial(day("2021-12-01")).unwrap().is_none());
        fs::create_dir(store.partials_folder()).unwrap();
        fs::write(store.partial_path(day("2021-12-01")), "bytes").unwrap();
        let file = store.open_partial(day("2021-12-01")).unwrap().unwrap();
        assert_eq!(file.stat().unwrap().size, 5);

        fs::write(folder.path().join("file"), "").unwrap();
        let store = Store::new(folder.path().join("file"));
        assert_eq!(store.days().unwrap_err().class(), ErrorClass::NoInput);
    }

    #[test]
    fn emitted_dates_are_folders_and_links_to_folders() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(folder.path());
        assert_eq!(Output::new("/nonexistent/out").days().unwrap(), []);
        for name in ["2021-12-02", "2021-12-01", "2021-12", ".agg-tmp-x"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("2021-12-03"), "").unwrap();
        std::os::unix::fs::symlink("2021-12-02", output.latest_link()).unwrap();
        std::os::unix::fs::symlink("2021-12-02", output.day_folder(day("2021-12-04"))).unwrap();
        let expected = ["2021-12-01", "2021-12-02", "2021-12-04"].map(day);
        assert_eq!(output.days().unwrap(), expected);
        assert_eq!(output.days_of_folders().unwrap(), expected[..2]);
    }
}
