//! The small files of a store beside its partials: a magic, a version, two zeros, a body and the checksum of all that.

use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileSystem, TemporaryFile, creation_error, leads_nowhere};

/// A kind of record.
pub(super) struct Format {
    pub(super) magic: [u8; 8],
    pub(super) version: u16,
    /// What is said of a file that is not a whole record.
    pub(super) damage: &'static str,
}

impl Format {
    /// Bytes of a record without its body.
    pub(super) const FRAME_BYTES: usize = 20;

    /// The record of this body.
    pub(super) fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::FRAME_BYTES + body.len());
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// The body of a record.
    ///
    /// # Errors
    /// [`ErrorKind::NewerVersion`], [`ErrorKind::Damaged`].
    pub(super) fn decode<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let damaged = || Error::damaged(self.damage);
        let rest = bytes.strip_prefix(&self.magic).ok_or_else(damaged)?;
        let (version, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let found = u16::from_le_bytes(*version);
        if found > self.version {
            return Err(ErrorKind::NewerVersion { found, newest: self.version }.into());
        }
        let (content, checksum) = bytes.split_last_chunk().ok_or_else(damaged)?;
        let is_whole = found == self.version && xxh3_64(content) == u64::from_le_bytes(*checksum);
        let body = rest.strip_prefix(&[0; 2]).and_then(|rest| rest.split_last_chunk::<8>());
        body.filter(|_| is_whole).map(|(body, _)| body).ok_or_else(damaged)
    }
}

/// The first `max + 1` bytes of a file, so that a longer file shows; `None` if the file does not exist.
pub(super) fn read(files: &dyn FileSystem, path: &Path, max: usize) -> Result<Option<Vec<u8>>> {
    let file = match files.open(path) {
        Ok(file) => file,
        // Where there can be no folder, there is no file.
        Err(error) if leads_nowhere(&error) || error.kind() == io::ErrorKind::InvalidFilename => {
            return Ok(None);
        }
        Err(error) => return Err(Error::from(ErrorKind::Unreadable(error)).at(path)),
    };
    let reading = |error| Error::io("read", error).at(path);
    let size = file.stat().map_err(reading)?.size;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(max) + 1];
    let read = file.read_full_at(&mut bytes, 0).map_err(reading)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Puts a record in its place, durably.
///
/// # Errors
/// [`ErrorKind::CannotCreate`], [`ErrorKind::Io`].
pub(super) fn replace(
    files: &dyn FileSystem,
    (folder, path): (&Path, &Path),
    bytes: &[u8],
    mut temporary: Box<dyn TemporaryFile>,
) -> Result<()> {
    let written = temporary.write_all(bytes).and_then(|()| temporary.sync());
    written.map_err(|error| Error::io("write", error).at(path))?;
    temporary.persist(path).map_err(|error| creation_error(error).at(path))?;
    files.sync_folder(folder).map_err(|error| Error::io("sync", error).at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { magic: *b"a record", version: 2, damage: "not a record" };

    #[test]
    fn a_record_is_its_magic_version_body_and_checksum() {
        let bytes = FORMAT.encode(b"body");
        assert_eq!(bytes[..16], *b"a record\x02\0\0\0body");
        assert_eq!(bytes[16..], xxh3_64(&bytes[..16]).to_le_bytes());
        assert_eq!(FORMAT.decode(&bytes).unwrap(), b"body");
        assert_eq!(FORMAT.decode(&FORMAT.encode(b"")).unwrap(), b"");
    }

    #[test]
    fn every_change_of_a_bit_and_every_other_length_is_noticed() {
        let whole = FORMAT.encode(b"body");
        for at in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[at / 8] ^= 1 << (at % 8);
            FORMAT.decode(&changed).unwrap_err();
        }
        for length in 0..whole.len() {
            FORMAT.decode(&whole[..length]).unwrap_err();
        }
        let longer = FORMAT.decode(&[&whole[..], &[0]].concat()).unwrap_err();
        assert_eq!(longer.to_string(), "damaged: not a record");
        let newer = Format { version: 3, ..FORMAT }.encode(b"body");
        let refusal = FORMAT.decode(&newer).unwrap_err().to_string();
        assert!(refusal.starts_with("format version 3"), "{refusal}");
    }
}
