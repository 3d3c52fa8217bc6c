//! The oldest day that is kept, as the last pruning left it: of the days in a store, or of the emissions in an output
//! folder.
//!
//! A run over many days skips what is older; without the record it would count again, from logs that are still there,
//! what was removed the night before. The file is replaced in one step, before anything is removed: a kill between
//! leaves days that are skipped already, and the next pruning removes them.

use std::path::Path;

use super::lock::{OutputLock, StoreLock};
use super::paths::{Output, Store};
use super::record::{self, Format};
use crate::error::{Error, Result};
use crate::fs::{FileSystem, TemporaryFile};
use crate::model::Day;

const FORMAT: Format = Format {
    magic: *b"aggfloor",
    version: 1,
    damage: "not the record of the oldest kept day; remove the file, and the next prune writes it",
};
/// The frame and the day.
const BYTES: usize = Format::FRAME_BYTES + 4;

/// The oldest kept day of the store; `None` if nothing was ever pruned.
///
/// # Errors
/// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged), [`ErrorKind::NewerVersion`](crate::ErrorKind::NewerVersion), or that
/// the file cannot be read.
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
/// [`ErrorKind::CannotCreate`](crate::ErrorKind::CannotCreate), [`ErrorKind::Io`](crate::ErrorKind::Io).
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
    record::replace(files, (folder, path), &encode(day), temporary()?)
}

fn encode(day: Day) -> Vec<u8> {
    FORMAT.encode(&u32::try_from(day.since_1970()).unwrap_or(u32::MAX).to_le_bytes())
}

fn decode(bytes: &[u8]) -> Result<Day> {
    let days = FORMAT.decode(bytes)?.try_into().ok().map(u32::from_le_bytes);
    let first = Day::new(1970, 1, 1);
    let day = first.zip(days).and_then(|(first, days)| first.plus_days(days.into()));
    day.ok_or_else(|| Error::damaged(FORMAT.damage))
}

fn read(files: &dyn FileSystem, path: &Path) -> Result<Option<Day>> {
    let Some(bytes) = record::read(files, path, BYTES)? else { return Ok(None) };
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
        assert_eq!(bytes[16..], xxhash_rust::xxh3::xxh3_64(&expected[..16]).to_le_bytes());
        assert_eq!(decode(&bytes).unwrap(), day("2021-12-09"));
        for far in ["1970-01-01", "2199-12-31"] {
            assert_eq!(decode(&encode(day(far))).unwrap(), day(far));
        }
    }

    #[test]
    fn a_record_of_another_length_or_of_no_day_is_damaged() {
        for body in [&[0; 3][..], &[0; 5], &u32::MAX.to_le_bytes()] {
            assert!(decode(&FORMAT.encode(body)).unwrap_err().to_string().starts_with("damaged"));
        }
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
