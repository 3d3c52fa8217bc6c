//! The cache of seen logs: a file for each day, `seen/DAY.seen`, of the logs whose content is known, so that they are not
//! read again.
//!
//! It may be removed at any time, and a damaged file is not used: then name, size and time decide which logs are read.
//! So it is renamed into its place without a sync.

use std::io::{self, Write};

use xxhash_rust::xxh3::xxh3_64;

use super::lock::StoreLock;
use super::paths::Store;
use super::record::Format;
use crate::error::{Error, Result};
use crate::fs::{FileStat, creation_error};
use crate::model::Day;

const FORMAT: Format =
    Format { magic: *b"agg-seen", version: 1, damage: "not a cache of seen logs" };
/// Bytes of the number of logs.
const COUNT_BYTES: usize = 4;

/// A log whose content is known, as it was before it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SeenLog {
    /// XXH3-64 of its base name.
    pub name: u64,
    /// Bytes of the file on disk.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Time of the last change of its content, names or mode, in nanoseconds since 1970; [`SeenLog::UNSETTLED`] if a
    /// later change may have the same time.
    pub changed_ns: i64,
    /// Its inode.
    pub inode: u64,
    /// The digest of its content.
    pub digest: u128,
    /// Its rows, corrupt ones too.
    pub rows: u64,
}

impl SeenLog {
    /// Bytes of an entry, on disk and in memory.
    pub const BYTES: usize = 64;

    /// The time of change of a log that may have changed unnoticed since: the next run reads it again.
    pub const UNSETTLED: i64 = i64::MIN;

    /// The hash of a base name.
    #[must_use]
    pub fn name_of(name: &[u8]) -> u64 {
        xxh3_64(name)
    }

    /// A log of this base name before it is read: its digest and rows are 0.
    #[must_use]
    pub fn unread(name: &[u8], stat: &FileStat) -> Self {
        let FileStat { size, modified_ns, identity: (_, inode), .. } = *stat;
        let name = Self::name_of(name);
        let changed_ns = if stat.is_settled { stat.changed_ns } else { Self::UNSETTLED };
        SeenLog { name, size, modified_ns, changed_ns, inode, digest: 0, rows: 0 }
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.name.to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.modified_ns.to_le_bytes());
        bytes.extend_from_slice(&self.changed_ns.to_le_bytes());
        bytes.extend_from_slice(&self.inode.to_le_bytes());
        bytes.extend_from_slice(&self.digest.to_le_bytes());
        bytes.extend_from_slice(&self.rows.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        Some(SeenLog {
            name: u64::from_le_bytes(taken(&mut rest)?),
            size: u64::from_le_bytes(taken(&mut rest)?),
            modified_ns: i64::from_le_bytes(taken(&mut rest)?),
            changed_ns: i64::from_le_bytes(taken(&mut rest)?),
            inode: u64::from_le_bytes(taken(&mut rest)?),
            digest: u128::from_le_bytes(taken(&mut rest)?),
            rows: u64::from_le_bytes(taken(&mut rest)?),
        })
    }
}

fn taken<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// The file of these logs; `None` for more than it can count.
fn encode(logs: &[SeenLog]) -> Option<Vec<u8>> {
    let count = u32::try_from(logs.len()).ok()?;
    let mut body = Vec::with_capacity(COUNT_BYTES + logs.len() * SeenLog::BYTES);
    body.extend_from_slice(&count.to_le_bytes());
    logs.iter().for_each(|log| log.encode(&mut body));
    Some(FORMAT.encode(&body))
}

/// The logs of a file; `None` if it is damaged or of another format or version.
fn decode(bytes: &[u8]) -> Option<Vec<SeenLog>> {
    let (count, entries) = FORMAT.decode(bytes).ok()?.split_first_chunk::<COUNT_BYTES>()?;
    let count = u64::from(u32::from_le_bytes(*count));
    let is_whole = entries.len() as u64 == count * SeenLog::BYTES as u64;
    let logs = || entries.chunks_exact(SeenLog::BYTES).filter_map(SeenLog::decode).collect();
    // They are searched by name, size and time.
    is_whole.then(logs).filter(|logs: &Vec<_>| logs.is_sorted())
}

impl Store {
    /// The logs of a day that were seen before, sorted. Empty if the cache has no file of them, or the file is damaged
    /// or larger than `max_bytes`.
    ///
    /// Memory: twice the bytes of the file while it is read, and then once.
    #[must_use]
    pub fn seen_logs(&self, day: Day, max_bytes: u64) -> Vec<SeenLog> {
        let path = self.seen_path(day);
        match self.read_seen(day, max_bytes) {
            Ok(Some(bytes)) => decode(&bytes).unwrap_or_else(|| {
                tracing::info!("{path:?} is damaged or not a cache of seen logs; it is not used");
                Vec::new()
            }),
            Ok(None) => {
                tracing::info!("{path:?} is larger than {max_bytes} bytes; it is not used");
                Vec::new()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::info!("cannot read {path:?}: {error}; it is not used");
                Vec::new()
            }
        }
    }

    /// The bytes of a day's file; `None` if there are more than `max_bytes`.
    fn read_seen(&self, day: Day, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let file = self.files().open(&self.seen_path(day))?;
        let size = file.stat()?.size;
        let Some(size) = usize::try_from(size).ok().filter(|_| size <= max_bytes) else {
            return Ok(None);
        };
        let mut bytes = vec![0; size];
        let read = file.read_full_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Removes the files of all days before this one. Nothing depends on it.
    pub fn remove_seen_before(&self, day: Day) {
        for path in
            self.seen_days().into_iter().filter(|seen| *seen < day).map(|day| self.seen_path(day))
        {
            if let Err(error) = self.files().remove_file(&path) {
                tracing::info!("cannot remove {path:?}: {error}");
            }
        }
    }
}

/// Replaces the cached logs of a day, which are sorted.
///
/// # Errors
/// [`ErrorKind::CannotCreate`](crate::ErrorKind::CannotCreate) or [`ErrorKind::Io`](crate::ErrorKind::Io), with the path.
pub fn replace_seen(lock: &StoreLock, day: Day, logs: &[SeenLog]) -> Result<()> {
    let store = lock.store();
    let path = store.seen_path(day);
    let Some(bytes) = encode(logs) else { return Ok(()) };
    let folder = store.seen_folder();
    store.files().create_folders(&folder).map_err(|error| creation_error(error).at(&folder))?;
    let mut file = lock.temporary_seen()?;
    let written = file.write_all(&bytes).and_then(|()| file.flush());
    written.map_err(|error| Error::io("write", error).at(&path))?;
    file.persist(&path).map_err(|error| creation_error(error).at(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn log(at: u64) -> SeenLog {
        SeenLog {
            name: at,
            size: 0x0102_0304,
            modified_ns: -1,
            changed_ns: 5,
            inode: 6,
            digest: 0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100,
            rows: 8,
        }
    }

    #[test]
    fn the_file_of_one_log_is_these_bytes() {
        let bytes = encode(&[log(7)]).unwrap();
        assert_eq!(bytes.len(), Format::FRAME_BYTES + COUNT_BYTES + SeenLog::BYTES);
        assert_eq!(size_of::<SeenLog>(), SeenLog::BYTES);
        let (body, checksum) = bytes.split_last_chunk::<8>().unwrap();
        let digest: Vec<u8> = (0..16).collect();
        let expected = [
            &b"agg-seen\x01\0\0\0\x01\0\0\0"[..],
            b"\x07\0\0\0\0\0\0\0\x04\x03\x02\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0",
            &digest,
            b"\x08\0\0\0\0\0\0\0",
        ];
        assert_eq!(body, expected.concat());
        assert_eq!(*checksum, xxh3_64(body).to_le_bytes());
    }

    #[test]
    fn seen_logs_come_back_and_a_damaged_file_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = StoreLock::take(&store).unwrap();
        let day = "2021-12-01".parse().unwrap();
        assert_eq!(store.seen_logs(day, 1 << 20), []);
        replace_seen(&lock, day, &[log(1), log(2)]).unwrap();
        assert_eq!(store.seen_logs(day, 1 << 20), [log(1), log(2)]);
        let path = store.seen_path(day);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(store.seen_logs(day, bytes.len() as u64 - 1), [], "larger than allowed");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(decode(&changed), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(decode(&encode(&[log(2), log(1)]).unwrap()), None, "not sorted");
        assert_eq!(decode(&encode(&[]).unwrap()), Some(Vec::new()));
        fs::write(&path, "x").unwrap();
        assert_eq!(store.seen_logs(day, 1 << 20), []);
        replace_seen(&lock, day, &[log(3)]).unwrap();
        assert_eq!(store.seen_logs(day, 1 << 20), [log(3)]);
        store.remove_seen_before(day);
        assert_eq!(store.seen_days(), [day]);
        store.remove_seen_before(day.plus_days(1).unwrap());
        assert_eq!(store.seen_days(), []);
    }

    #[test]
    fn a_header_that_claims_more_logs_than_the_file_has_is_refused() {
        for count in [1_u32, u32::MAX] {
            let mut bytes = encode(&[]).unwrap();
            bytes.truncate(12);
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
            assert_eq!(decode(&bytes), None);
        }
    }

    #[test]
    fn what_a_killed_run_left_in_the_cache_is_swept_and_a_file_in_its_place_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = StoreLock::take(&store).unwrap();
        let day = "2021-12-01".parse().unwrap();
        replace_seen(&lock, day, &[log(1)]).unwrap();
        std::mem::forget(lock.temporary_seen().unwrap());
        drop(lock);
        drop(StoreLock::take(&store).unwrap());
        assert_eq!(fs::read_dir(store.seen_folder()).unwrap().count(), 1);
        fs::remove_dir_all(store.seen_folder()).unwrap();
        fs::write(store.seen_folder(), "").unwrap();
        let lock = StoreLock::take(&store).unwrap();
        assert!(replace_seen(&lock, day, &[log(1)]).is_err());
        assert_eq!(store.seen_logs(day, 1 << 20), []);
        assert_eq!(store.seen_days(), []);
    }
}
