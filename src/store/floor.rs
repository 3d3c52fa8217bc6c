//! The oldest day that is kept, as the last pruning left it: of the days in a store, or of the emissions in an output
//! folder.
//!
//! A run over many days skips what is older; without the record it would count again, from logs that are still there,
//! what was removed the night before. The file is replaced in one step, before anything is removed: a kill between
//! leaves days that are skipped already, and the next pruning removes them.

use std::io;
use std::path::Path;

use super::lock::{OutputLock, StoreLock};
use super::paths::{Output, Store};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, TemporaryFile, creation_error, leads_nowhere};
use crate::model::Day;

const MAGIC: &[u8; 8] = b"aggfloor";
const VERSION: u16 = 1;
/// Magic, version, two zeros, the day, the checksum of all that.
const BYTES: usize = 24;

/// The oldest kept day of the store; `None` if nothing was ever pruned.
///
/// # Errors
/// [`ErrorKind::Damaged`], [`ErrorKind::Foreign`], [`ErrorKind::NewerVersion`], or that the file cannot be read.
pub fn oldest_kept_day(store: &Store) -> Result<Option<Day>> {
    read(store.files(), &store.floor_path())
}

/// The date of the oldest kept emission; `None` if none was ever pruned.
///
/// # Errors
/// As [`oldest_kept_day`].
pub fn oldest_kept_emission(output: &Output) -> Result<Option<Day>> {
    read(output.files().as_ref(), &output.floor_path())
}

/// Records the oldest kept day of the store, durably.
///
/// # Errors
/// [`ErrorKind::CannotCreate`], [`ErrorKind::Io`].
pub fn record_oldest_kept_day(lock: &StoreLock, day: Day) -> Result<()> {
    let store = lock.store();
    let (folder, path) = (store.partials_folder(), store.floor_path());
    record(store.files(), &folder, &path, day, || lock.temporary_partial())
}

/// Records the date of the oldest kept emission, durably.
///
/// # Errors
/// As [`record_oldest_kept_day`].
pub fn record_oldest_kept_emission(lock: &OutputLock, day: Day) -> Result<()> {
    let output = lock.output();
    let (files, path) = (output.files().as_ref(), output.floor_path());
    record(files, output.root(), &path, day, || lock.scratch_file())
}

/// Writes the file, unless it has this day already.
fn record(
    files: &dyn FileSystem,
    folder: &Path,
    path: &Path,
    day: Day,
    temporary: impl FnOnce() -> Result<Box<dyn TemporaryFile>>,
) -> Result<()> {
    // A damaged one is replaced.
    if read(files, path).is_ok_and(|known| known == Some(day)) {
        return Ok(());
    }
    let mut file = temporary()?;
    let written = file.write_all(&encode(day)).and_then(|()| file.sync());
    written.map_err(|error| Error::io("write", error).at(path))?;
    file.persist(path).map_err(|error| creation_error(error).at(path))?;
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
}

fn encode(day: Day) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(u32::try_from(day.since_1970()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Day> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(ErrorKind::Foreign)?;
    let version = rest.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    if let Some(found) = version.filter(|found| *found > VERSION) {
        return Err(ErrorKind::NewerVersion { found, newest: VERSION }.into());
    }
    let damaged = || {
        Error::damaged(
            "not the record of the oldest kept day; remove the file, and the next prune writes it",
        )
    };
    let (body, checksum) = bytes.split_last_chunk().ok_or_else(damaged)?;
    let (head, day) = body.split_last_chunk().ok_or_else(damaged)?;
    let is_whole = bytes.len() == BYTES
        && xxh3_64(body) == u64::from_le_bytes(*checksum)
        && head.strip_prefix(MAGIC) == Some(&[1, 0, 0, 0]);
    let day =
        Day::new(1970, 1, 1).and_then(|first| first.plus_days(u32::from_le_bytes(*day).into()));
    day.filter(|_| is_whole).ok_or_else(damaged)
}

fn read(files: &dyn FileSystem, path: &Path) -> Result<Option<Day>> {
    let file = match files.open(path) {
        Ok(file) => file,
        // Where there can be no folder, nothing was pruned.
        Err(error) if leads_nowhere(&error) || error.kind() == io::ErrorKind::InvalidFilename => {
            return Ok(None);
        }
        Err(error) => return Err(Error::from(ErrorKind::Unreadable(error)).at(path)),
    };
    // A byte more than there are: a longer file is not one of ours.
    let mut bytes = vec![0; BYTES + 1];
    let read = file.read_full_at(&mut bytes, 0);
    let read = read.map_err(|error| Error::io("read", error).at(path))?;
    bytes.truncate(read);
    decode(&bytes).map(Some).map_err(|error| error.at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn the_record_of_a_day_is_these_bytes() {
        #[rustfmt::skip]
        let expected = [
            b'a', b'g', b'g', b'f', b'l', b'o', b'o', b'r', // magic
            1, 0,                                           // version
            0, 0,
            0x1a, 0x4a, 0, 0,                               // 18,970 days after 1970-01-01
            0, 0, 0, 0, 0, 0, 0, 0,                         // checksum of the 16 bytes before
        ];
        let bytes = encode(day("2021-12-09"));
        assert_eq!(bytes[..16], expected[..16]);
        assert_eq!(bytes[16..], xxh3_64(&expected[..16]).to_le_bytes());
        assert_eq!(decode(&bytes).unwrap(), day("2021-12-09"));
        for far in ["1970-01-01", "2199-12-31"] {
            assert_eq!(decode(&encode(day(far))).unwrap(), day(far));
        }
    }

    #[test]
    fn every_change_of_a_bit_and_every_other_length_is_noticed() {
        let whole = encode(day("2021-12-09"));
        for at in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[at / 8] ^= 1 << (at % 8);
            decode(&changed).unwrap_err();
        }
        for length in 0..whole.len() {
            decode(&whole[..length]).unwrap_err();
        }
        decode(&[&whole[..], &[0]].concat()).unwrap_err();
        let mut beyond = whole[..16].to_vec();
        beyond[12..].copy_from_slice(&u32::MAX.to_le_bytes());
        beyond.extend(xxh3_64(&beyond).to_le_bytes());
        assert!(decode(&beyond).unwrap_err().to_string().starts_with("damaged"));
        let mut newer = whole;
        newer[8] = 2;
        let told = decode(&newer).unwrap_err().to_string();
        assert!(told.starts_with("format version 2"), "{told}");
    }

    #[test]
    fn a_record_is_replaced_and_a_damaged_one_is_named_until_then() {
        let folder = tempfile::tempdir().unwrap();
        let (store, output) = (Store::new(folder.path()), Output::new(folder.path()));
        assert_eq!(
            (oldest_kept_day(&store).unwrap(), oldest_kept_emission(&output).unwrap()),
            (None, None)
        );
        let (store_lock, output_lock) =
            (StoreLock::take(&store).unwrap(), OutputLock::take(&output).unwrap());
        for text in ["2021-12-01", "2021-12-05", "2021-12-05", "2021-11-01"] {
            record_oldest_kept_day(&store_lock, day(text)).unwrap();
            record_oldest_kept_emission(&output_lock, day(text)).unwrap();
            assert_eq!(oldest_kept_day(&store).unwrap(), Some(day(text)));
            assert_eq!(oldest_kept_emission(&output).unwrap(), Some(day(text)));
        }
        assert_eq!(store.days().unwrap(), []);
        for damage in [&b"somebody's"[..], &[b'x'; 4096]] {
            fs::write(store.floor_path(), damage).unwrap();
            let error = oldest_kept_day(&store).unwrap_err();
            assert_eq!(error.path(), Some(store.floor_path().as_path()));
            record_oldest_kept_day(&store_lock, day("2021-12-01")).unwrap();
        }
        assert_eq!(oldest_kept_day(&store).unwrap(), Some(day("2021-12-01")));
        assert_eq!(fs::read_dir(store.partials_folder()).unwrap().count(), 1);
    }
}
