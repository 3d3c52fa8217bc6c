//! The Parquet files of a day: named ones, those of a folder, those of a dataset, those of a store of the Spark job.
//!
//! A folder with a record of the day is such a store. A folder with `kind=country` or `kind=user` in it is a dataset,
//! and a folder with `day=…` has the tables of a kind. Any other folder gives its own `*.parquet`, in byte order of
//! their names. Names that begin with `.` or `_` are an engine's own files (`_SUCCESS`, checksums, temporaries) and are
//! skipped.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::record::recorded;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, FileType};
use crate::model::{Day, Kind};
use crate::store::{DatasetFolder, PartitionDays};

/// The files of the arguments, each once.
pub(super) fn find(files: &dyn FileSystem, day: Day, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        match type_of(files, path)? {
            FileType::Folder => look_into(files, day, path, &mut found)?,
            _ => found.push(path.clone()),
        }
    }
    let mut known: HashMap<(u64, u64), &Path> = HashMap::new();
    for path in &found {
        let stat = files.stat(path).map_err(|error| unreadable(error).at(path))?;
        if let Some(other) = known.insert(stat.identity, path) {
            return Err(Error::from(ErrorKind::TwiceGiven(other.to_owned())).at(path));
        }
    }
    Ok(found)
}

fn type_of(files: &dyn FileSystem, path: &Path) -> Result<FileType> {
    files.stat(path).map(|stat| stat.file_type).map_err(|error| unreadable(error).at(path))
}

fn unreadable(error: io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        let hint = "name a Parquet file, or a folder that 'agg export' wrote".to_owned();
        return ErrorKind::Missing { what: "the table", hint }.into();
    }
    ErrorKind::Unreadable(error).into()
}

fn look_into(
    files: &dyn FileSystem,
    day: Day,
    folder: &Path,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    if let Some(recorded) = recorded(files, folder, day)? {
        found.extend(recorded);
        return Ok(());
    }
    let mut names = Vec::new();
    for (name, kind) in files.list(folder).map_err(|error| unreadable(error).at(folder))? {
        let hidden = matches!(name.as_encoded_bytes(), [b'.' | b'_', ..]);
        if !hidden {
            let kind = match kind {
                FileType::Link => type_of(files, &folder.join(&name))?,
                kind => kind,
            };
            names.push((name, kind));
        }
    }
    let kind_folders = Kind::ALL.map(|kind| DatasetFolder::kind_folder(folder, kind));
    let of_kinds: Vec<&PathBuf> = kind_folders
        .iter()
        .filter(|path| names.iter().any(|(name, _)| path.file_name() == Some(name)))
        .collect();
    if !of_kinds.is_empty() {
        return of_kinds.into_iter().try_for_each(|path| look_into(files, day, path, found));
    }
    let days = names.iter().any(|(name, kind)| {
        *kind == FileType::Folder && name.as_encoded_bytes().starts_with(b"day=")
    });
    if days {
        let wanted = PartitionDays::Day(day).folder_name();
        let of_day = names.iter().find(|(name, _)| *name == *wanted);
        return match of_day {
            Some((name, _)) => look_into(files, day, &folder.join(name), found),
            None => {
                Err(missing("the table", &format!("there is no {wanted} in this folder"))
                    .at(folder))
            }
        };
    }
    let before = found.len();
    let is_table = |name: &OsStr| name.as_encoded_bytes().ends_with(b".parquet");
    let tables = names.iter().filter(|(name, kind)| *kind == FileType::File && is_table(name));
    found.extend(tables.map(|(name, _)| folder.join(name)));
    if found.len() == before {
        let hint = "a folder of tables has *.parquet in it, or kind=country and kind=user";
        return Err(missing("the table", hint).at(folder));
    }
    Ok(())
}

fn missing(what: &'static str, hint: &str) -> Error {
    ErrorKind::Missing { what, hint: hint.to_owned() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;
    use std::fs;

    fn found(root: &Path, paths: &[&str]) -> Result<Vec<String>, String> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
        let found = find(&OsFileSystem, "2021-12-01".parse().unwrap(), &paths);
        let relative = |path: PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        found
            .map(|paths| paths.into_iter().map(relative).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn datasets_folders_and_files_give_their_tables_and_not_what_engines_leave_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            "set/kind=user/day=2021-12-01/part-00001-c000.snappy.parquet",
            "set/kind=user/day=2021-12-01/part-00000-c000.snappy.parquet",
            "set/kind=user/day=2021-12-01/_SUCCESS",
            "set/kind=user/day=2021-12-01/.part-00000.parquet.crc",
            "set/kind=user/day=2021-12-01/_temporary/x.parquet",
            "set/kind=user/day=2021-12-02/part-0.parquet",
            "set/kind=country/day=2021-12-01/part-0.parquet",
            "set/kind=country/_SUCCESS",
            "flat/b.parquet",
            "flat/a.parquet",
            "flat/a.csv",
            "other/kind=user/day=2021-12-02/part-0.parquet",
            "empty/notes.txt",
            "spark/day=2021-12-01/v=1/kind=user/part-0.parquet",
            "spark/day=2021-12-01/v=2/kind=user/part-0.parquet",
            "spark/_days/2021-12-01.json",
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let stored = "day=2021-12-01/v=2/kind=user/part-0.parquet";
        let named = format!(r#"[{{"name":"{stored}","bytes":{}}}]"#, stored.len() + "spark/".len());
        let record = format!(r#"{{"format":2,"day":"2021-12-01","files":{{"user":{named}}}}}"#);
        fs::write(root.join("spark/_days/2021-12-01.json"), record).unwrap();
        let users = [
            "set/kind=user/day=2021-12-01/part-00000-c000.snappy.parquet",
            "set/kind=user/day=2021-12-01/part-00001-c000.snappy.parquet",
        ];
        let country = "set/kind=country/day=2021-12-01/part-0.parquet";
        assert_eq!(found(root, &["set"]).unwrap(), [users[0], users[1], country]);
        assert_eq!(found(root, &["set/kind=user"]).unwrap(), users);
        assert_eq!(
            found(root, &["flat", country]).unwrap(),
            ["flat/a.parquet", "flat/b.parquet", country]
        );
        assert_eq!(found(root, &["spark"]).unwrap(), [format!("spark/{stored}")]);
        for (given, words) in [
            ("other", "there is no day=2021-12-01 in this folder"),
            ("empty", "a folder of tables has *.parquet"),
            ("nowhere", "the table not found"),
        ] {
            let refusal = found(root, &[given]).unwrap_err();
            assert!(refusal.contains(words), "{refusal}");
        }
        assert!(found(root, &["flat", "flat/a.parquet"]).unwrap_err().contains("given twice"));
    }
}
