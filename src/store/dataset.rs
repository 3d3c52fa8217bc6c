//! Exported tables as the partitioned dataset that other engines read: `DIR/kind=K/day=D/part-0.parquet`.
//!
//! A partition's folder is built under a temporary name in DIR and swapped in by one rename, as an emission is
//! (`emission.rs` has the steps): a reader meets the old files or the new ones. Each kind of a day is a partition of
//! its own; they are swapped in one after the other.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::build::BuildFolder;
use super::emission::emission_there;
use super::folders::{create_folders, in_the_way};
use super::lock::OutputLock;
use crate::error::{Error, Result};
use crate::fs::FileType;
use crate::model::{Day, Kind};

/// One folder of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetFolder {
    /// What its keys are.
    pub kind: Kind,
    /// What it was counted from.
    pub days: PartitionDays,
}

/// The days of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionDays {
    /// One day: `day=D`.
    Day(Day),
    /// The sums of the days that end on this one: `window=D`.
    Window(Day),
}

impl PartitionDays {
    /// The name of the folder of these days.
    #[must_use]
    pub fn folder_name(self) -> String {
        match self {
            PartitionDays::Day(day) => format!("day={day}"),
            PartitionDays::Window(day) => format!("window={day}"),
        }
    }
}

impl DatasetFolder {
    /// The folder of its kind in the dataset `root`.
    #[must_use]
    pub fn kind_folder(root: &Path, kind: Kind) -> PathBuf {
        root.join(format!("kind={}", kind.noun()))
    }

    /// Its folder in the dataset `root`.
    #[must_use]
    pub fn folder(&self, root: &Path) -> PathBuf {
        Self::kind_folder(root, self.kind).join(self.days.folder_name())
    }
}

/// The name of a partition's file number `part`, from 0.
#[must_use]
pub fn part_name(part: usize, extension: &str) -> String {
    format!("part-{part}.{extension}")
}

/// Refuses to replace a folder that holds anything but tables, which `is_table` knows by their names: publishing
/// removes what had the folder's name.
///
/// # Errors
/// [`ErrorKind::CannotCreate`](crate::ErrorKind::CannotCreate), or that the folder cannot be listed.
pub fn check_partition(
    lock: &OutputLock,
    partition: DatasetFolder,
    is_table: fn(&OsStr) -> bool,
) -> Result<()> {
    let files = lock.output().files().as_ref();
    let target = partition.folder(lock.output().root());
    if emission_there(files, &target)? != Some(FileType::Folder) {
        return Ok(());
    }
    let entries = files.list(&target).map_err(|error| Error::io("list", error).at(&target))?;
    let stranger = entries.iter().find(|(name, kind)| {
        // `_SUCCESS` and checksums of other engines.
        let marker =
            name.as_encoded_bytes().starts_with(b"_") || name.as_encoded_bytes().starts_with(b".");
        *kind != FileType::File || !(marker || is_table(name))
    });
    match stranger {
        None => Ok(()),
        Some((name, _)) => {
            let what = format!("a folder with {name:?} in it, so not a partition of tables,");
            Err(in_the_way(&what).at(target))
        }
    }
}

/// Publishes a partition: `built` holds its complete files, each synced by its writer. What was there is replaced.
///
/// # Errors
/// As [`publish_emission`](super::publish_emission).
pub fn publish_partition(
    lock: &mut OutputLock,
    partition: DatasetFolder,
    mut built: BuildFolder,
) -> Result<()> {
    let files = lock.output().files().as_ref();
    let root = lock.output().root();
    let parent = DatasetFolder::kind_folder(root, partition.kind);
    create_folders(files, &parent)?;
    let target = partition.folder(root);
    let old = emission_there(files, &target)?;
    built.publish(&target, old, &parent)?;
    tracing::debug!(path = ?target, "published the partition");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::paths::Output;
    use super::*;
    use crate::error::ErrorClass;
    use crate::fs::{FileSystem, OsFileSystem};
    use std::fs;

    fn is_table(name: &OsStr) -> bool {
        [&b".parquet"[..], b".csv"].iter().any(|end| name.as_encoded_bytes().ends_with(end))
    }

    #[test]
    fn a_partition_is_published_then_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(folder.path().join("data"));
        let mut lock = OutputLock::take(&output).unwrap();
        let days = PartitionDays::Day("2021-12-01".parse().unwrap());
        let partition = DatasetFolder { kind: Kind::Country, days };
        let target = output.root().join("kind=country/day=2021-12-01");
        for name in ["part-0.csv", "part-0.parquet"] {
            check_partition(&lock, partition, is_table).unwrap();
            let built = lock.build_folder().unwrap();
            built.create_file(name).unwrap().sync().unwrap();
            publish_partition(&mut lock, partition, built).unwrap();
            let names = OsFileSystem.list(&target).unwrap();
            assert_eq!(names, [(name.into(), FileType::File)]);
        }
        let names: Vec<_> = OsFileSystem.list(output.root()).unwrap();
        let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [".out.lock", "kind=country"]);
    }

    #[test]
    fn a_folder_with_anything_but_tables_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(folder.path());
        let lock = OutputLock::take(&output).unwrap();
        let days = PartitionDays::Window("2021-12-07".parse().unwrap());
        let partition = DatasetFolder { kind: Kind::User, days };
        let target = folder.path().join("kind=user/window=2021-12-07");
        fs::create_dir_all(&target).unwrap();
        for name in ["_SUCCESS", ".part-00000.crc", "part-00000-c000.snappy.parquet"] {
            fs::write(target.join(name), "").unwrap();
        }
        check_partition(&lock, partition, is_table).unwrap();
        fs::write(target.join("notes.md"), "").unwrap();
        let error = check_partition(&lock, partition, is_table).unwrap_err();
        assert_eq!(error.class(), ErrorClass::CannotCreate);
        assert_eq!(error.path(), Some(target.as_path()));
        assert!(error.to_string().contains("notes.md"), "{error}");
    }
}
