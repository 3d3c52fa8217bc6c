//! The record of a day in a store of the Spark job: `_days/YYYY-MM-DD.json` names the files that count.
//!
//! Beside them may be files of an older version, or of a run that was killed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileSystem;
use crate::model::{Day, Kind};

/// The only version of the record with files in folders of their own; earlier versions name files as an export does.
const FORMAT: u16 = 2;

const MAX_RECORD_BYTES: u64 = 16 << 20;

#[derive(Deserialize)]
struct Version {
    format: u16,
}

#[derive(Deserialize)]
struct Record {
    day: String,
    files: BTreeMap<String, Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    /// The path below the store.
    name: String,
    bytes: u64,
}

/// The files that the record of a day names, with the sizes that it gives; `None` if there is no record.
pub(super) fn recorded(
    files: &dyn FileSystem,
    store: &Path,
    day: Day,
) -> Result<Option<Vec<PathBuf>>> {
    let path = store.join("_days").join(format!("{day}.json"));
    let Some(bytes) = read(files, &path)? else { return Ok(None) };
    let damaged = |error: serde_json::Error| Error::damaged(error.to_string()).at(&path);
    let found = serde_json::from_slice::<Version>(&bytes).map_err(damaged)?.format;
    if found < FORMAT {
        return Ok(None);
    }
    if found > FORMAT {
        return Err(Error::from(ErrorKind::NewerVersion { found, newest: FORMAT }).at(&path));
    }
    let record: Record = serde_json::from_slice(&bytes).map_err(damaged)?;
    if record.day != day.to_string() {
        return Err(Error::damaged(format!("the record of {:?}", record.day)).at(&path));
    }
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for named in record.files.get(kind.noun()).into_iter().flatten() {
            found.push(there(files, store, named)?);
        }
    }
    Ok(Some(found))
}

fn read(files: &dyn FileSystem, path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |error| Error::from(ErrorKind::Unreadable(error)).at(path);
    let file = match files.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size = file.stat().map_err(failed)?.size;
    if size > MAX_RECORD_BYTES {
        return Err(Error::damaged(format!("record too large: {size} bytes")).at(path));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = file.read_full_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// The path of a file that is named, if it is in the store and has its size.
fn there(files: &dyn FileSystem, store: &Path, named: &Named) -> Result<PathBuf> {
    let path = store.join(&named.name);
    let below = |part| matches!(part, Component::Normal(_));
    if !Path::new(&named.name).components().all(below) {
        return Err(Error::damaged("the record names a file outside its store").at(path));
    }
    match files.stat(&path) {
        Ok(stat) if stat.size == named.bytes => Ok(path),
        Ok(stat) => {
            let what = format!(
                "{} bytes, {} in the day's record; copy the store again",
                stat.size, named.bytes
            );
            Err(Error::damaged(what).at(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hint = "the day's record names it; copy the store again".to_owned();
            Err(Error::from(ErrorKind::Missing { what: "the table", hint }).at(path))
        }
        Err(error) => Err(Error::from(ErrorKind::Unreadable(error)).at(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFileSystem;
    use std::fs;

    const USER: &str = "day=2021-12-01/v=2/kind=user/part-0.parquet";

    fn store(record: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in [USER, "day=2021-12-01/v=1/kind=user/part-0.parquet", "_days/2021-12-01.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1234").unwrap();
        }
        fs::write(folder.path().join("_days/2021-12-01.json"), record).unwrap();
        folder
    }

    fn found(record: &str) -> Result<Option<Vec<String>>, String> {
        let folder = store(record);
        let relative =
            |path: PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
        recorded(&OsFileSystem, folder.path(), "2021-12-01".parse().unwrap())
            .map(|found| found.map(|paths| paths.into_iter().map(relative).collect()))
            .map_err(|error| error.to_string())
    }

    fn record(day: &str, name: &str, bytes: u64) -> String {
        format!(
            r#"{{"format":2,"day":"{day}","files":{{"user":[{{"name":"{name}","bytes":{bytes},"entries":1}}]}}}}"#
        )
    }

    #[test]
    fn the_files_are_those_that_the_record_names() {
        let named = found(&record("2021-12-01", USER, 4)).unwrap();
        assert_eq!(named, Some(vec![USER.to_owned()]));
        // A record of an earlier version of the job, which put files where an export has them.
        assert_eq!(found(r#"{"format":1,"kinds":{}}"#).unwrap(), None);
        let day = "2021-12-02".parse().unwrap();
        assert_eq!(recorded(&OsFileSystem, store("{}").path(), day).unwrap(), None);
    }

    #[test]
    fn a_record_that_is_damaged_or_names_other_files_is_refused() {
        let outside = "v=1/../../secret.parquet";
        for (record, words) in [
            (String::new(), "EOF"),
            (r#"{"format":2}"#.to_owned(), "missing field"),
            (r#"{"format":3}"#.to_owned(), "format version 3"),
            (record("2021-12-02", USER, 4), "the record of \"2021-12-02\""),
            (record("2021-12-01", USER, 5), "4 bytes, 5 in the day's record"),
            (record("2021-12-01", "gone.parquet", 4), "the day's record names it"),
            (record("2021-12-01", outside, 4), "outside its store"),
            (record("2021-12-01", "/etc/passwd", 4), "outside its store"),
        ] {
            let refusal = found(&record).unwrap_err();
            assert!(refusal.contains(words), "{refusal}");
        }
    }
}
