//! The partials that were in a store before this version first wrote to it.
//!
//! Version 0.1 did not read some of a day's logs. A day that it made keeps its counts although such logs are there, so
//! that an update changes no number; a day that this version made takes a late log wherever it comes. The two have the
//! same bytes, so the first run records the digests of what it finds.

use super::lock::StoreLock;
use super::paths::Store;
use super::record::{self, Format};
use crate::error::{Error, Result};

const FORMAT: Format = Format {
    magic: *b"aggolder",
    version: 1,
    damage: "not the record of the days of an earlier version; remove the file, and the next run writes it with all stored days",
};
const DIGEST_BYTES: usize = 16;
/// More than the digests of all days from 1970 to 2199 take.
const MAX_BYTES: usize = 2 << 20;

impl Store {
    /// The digests of the partials that an earlier version made, ascending; `None` if this version has not written to
    /// the store.
    ///
    /// Memory: 32 bytes for each while they are read, then 16.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged), [`ErrorKind::NewerVersion`](crate::ErrorKind::NewerVersion),
    /// or that the file cannot be read.
    pub fn earlier_partials(&self) -> Result<Option<Vec<u128>>> {
        let path = self.earlier_path();
        let Some(bytes) = record::read(self.files(), &path, MAX_BYTES)? else { return Ok(None) };
        let decoded = FORMAT.decode(&bytes).and_then(|body| {
            let (digests, rest) = body.as_chunks::<DIGEST_BYTES>();
            let digests: Vec<u128> =
                digests.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
            let is_whole = rest.is_empty() && digests.is_sorted();
            if is_whole { Ok(digests) } else { Err(Error::damaged(FORMAT.damage)) }
        });
        decoded.map(Some).map_err(|error| error.at(path))
    }
}

/// Records the digests of the partials that an earlier version made, durably.
///
/// # Errors
/// [`ErrorKind::CannotCreate`](crate::ErrorKind::CannotCreate), [`ErrorKind::Io`](crate::ErrorKind::Io).
pub fn record_earlier_partials(lock: &StoreLock, mut digests: Vec<u128>) -> Result<()> {
    digests.sort_unstable();
    let body: Vec<u8> = digests.iter().flat_map(|digest| digest.to_le_bytes()).collect();
    let store = lock.store();
    let place = (&*store.partials_folder(), &*store.earlier_path());
    record::replace(store.files(), place, &FORMAT.encode(&body), lock.temporary_partial()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_record_of_two_partials_is_these_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = StoreLock::take(&store).unwrap();
        assert_eq!(store.earlier_partials().unwrap(), None);
        record_earlier_partials(&lock, vec![0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100, 1]).unwrap();
        let bytes = fs::read(store.earlier_path()).unwrap();
        let (content, checksum) = bytes.split_last_chunk::<8>().unwrap();
        let (one, other) = ([&[1][..], &[0; 15]].concat(), (0..16).collect::<Vec<u8>>());
        assert_eq!(content, [b"aggolder\x01\0\0\0", &one[..], &other].concat());
        assert_eq!(*checksum, xxhash_rust::xxh3::xxh3_64(content).to_le_bytes());
        assert_eq!(store.days().unwrap(), []);
        assert_eq!(
            store.earlier_partials().unwrap(),
            Some(vec![1, 0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100])
        );
        record_earlier_partials(&lock, Vec::new()).unwrap();
        assert_eq!(store.earlier_partials().unwrap(), Some(Vec::new()));
    }

    #[test]
    fn a_record_that_is_not_whole_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let _lock = StoreLock::take(&store).unwrap();
        let unsorted = [[2; DIGEST_BYTES], [1; DIGEST_BYTES]].concat();
        for damage in [&b""[..], b"somebody's", &FORMAT.encode(&[0; 15]), &FORMAT.encode(&unsorted)]
        {
            fs::write(store.earlier_path(), damage).unwrap();
            let error = store.earlier_partials().unwrap_err();
            assert_eq!(error.path(), Some(store.earlier_path().as_path()));
            assert!(error.to_string().contains("remove the file"), "{error}");
        }
    }
}
