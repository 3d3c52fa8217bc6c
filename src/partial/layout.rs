//! The constants of the format, each offset built on the offset before, and the encoding of the fixed parts.
//!
//! `docs/format.md` describes the same. A test in `tests.rs` spells out a small partial byte by byte and pins both.

use crate::codec::block;
use crate::codec::checksum::Checksum;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Kind, PerKind};
use crate::runfile::{Fields, MAX_ROOT_BYTES};

/// The newest format version, for days that were not read by the default rules.
pub const VERSION: u16 = 2;
/// The format version for days with the default rules, and of all days that an older `agg` wrote.
pub(super) const VERSION_WITHOUT_RULES: u16 = 1;

/// First bytes of every partial.
pub(super) const MAGIC: [u8; 8] = *b"agg-part";
/// Last bytes of every partial.
pub(super) const END_MAGIC: [u8; 8] = *b"part-end";

/// Header: magic, version, block entries (u16), four zero bytes, checksum of the bytes before.
pub(super) const HEADER_VERSION: usize = MAGIC.len();
pub(super) const HEADER_BLOCK_ENTRIES: usize = HEADER_VERSION + 2;
pub(super) const HEADER_ZERO: usize = HEADER_BLOCK_ENTRIES + 2;
pub(super) const HEADER_CHECKSUM: usize = HEADER_ZERO + 4;
pub(super) const HEADER_BYTES: usize = HEADER_CHECKSUM + 8;

/// Maximum bytes of the metadata: a hundred thousand inputs with long names.
pub(super) const MAX_METADATA_BYTES: u64 = 32 << 20;

/// A section in the trailer: offset, length, checksum.
pub(super) const SECTION_BYTES: usize = 8 + 8 + 8;
/// Trailer: roots in the order of [`Kind::ALL`], metadata, checksum of the header, checksum of the trailer so far, end
/// magic.
pub(super) const TRAILER_HEADER: usize = (Kind::ALL.len() + 1) * SECTION_BYTES;
pub(super) const TRAILER_CHECKSUM: usize = TRAILER_HEADER + 8;
pub(super) const TRAILER_MAGIC: usize = TRAILER_CHECKSUM + 8;
pub(super) const TRAILER_BYTES: usize = TRAILER_MAGIC + END_MAGIC.len();

/// Bytes of a file without blocks, pages, roots and metadata: no partial is smaller.
pub(super) const MIN_BYTES: u64 = (HEADER_BYTES + TRAILER_BYTES) as u64;

/// The header of a partial of this version whose blocks have up to `block_entries` entries.
pub(super) fn header(version: u16, block_entries: u16) -> [u8; HEADER_BYTES] {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&block_entries.to_le_bytes());
    bytes.extend_from_slice(&[0; HEADER_CHECKSUM - HEADER_ZERO]);
    bytes.extend_from_slice(&Checksum::of(&bytes).0.to_le_bytes());
    let mut header = [0; HEADER_BYTES];
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    header
}

/// Checks the header of a file and returns its version and block entries.
///
/// Magic and version come first in every version. So a foreign file and a newer partial differ from a damaged partial.
pub(super) fn read_header(bytes: &[u8; HEADER_BYTES]) -> Result<(u16, u16)> {
    let mut fields = Fields(bytes);
    if fields.array::<8>() != MAGIC {
        return Err(Error::from(ErrorKind::Foreign).at_offset(0));
    }
    let found = fields.u16();
    if found > VERSION {
        let kind = ErrorKind::NewerVersion { found, newest: VERSION };
        return Err(Error::from(kind).at_offset(HEADER_VERSION as u64));
    }
    let block_entries = fields.u16();
    let zero = fields.u32();
    let (checked, _) = bytes.split_at(HEADER_CHECKSUM);
    if Checksum::of(checked) != Checksum(fields.u64()) || found == 0 || zero != 0 {
        return Err(Error::damaged("the header's checksum is wrong").at_offset(0));
    }
    if block_entries == 0 || usize::from(block_entries) > block::MAX_ENTRIES {
        let max = block::MAX_ENTRIES;
        let what = format!("the header's block size is {block_entries}, not 1 to {max}");
        return Err(Error::damaged(what).at_offset(HEADER_BLOCK_ENTRIES as u64));
    }
    Ok((found, block_entries))
}

/// Where a part of the file is, and the checksum of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) checksum: Checksum,
}

impl Section {
    /// The first byte after it; `None` beyond 64 bits.
    pub(super) fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}

/// The last bytes of a partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trailer {
    /// Roots of the runs.
    pub(super) roots: PerKind<Section>,
    pub(super) metadata: Section,
    pub(super) header: Checksum,
}

impl Trailer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TRAILER_BYTES);
        for section in self.roots.values().chain([&self.metadata]) {
            bytes.extend_from_slice(&section.offset.to_le_bytes());
            bytes.extend_from_slice(&section.length.to_le_bytes());
            bytes.extend_from_slice(&section.checksum.0.to_le_bytes());
        }
        bytes.extend_from_slice(&self.header.0.to_le_bytes());
        bytes.extend_from_slice(&Checksum::of(&bytes).0.to_le_bytes());
        bytes.extend_from_slice(&END_MAGIC);
        bytes
    }

    /// Decodes the trailer of a file of `file_bytes` bytes. Its sections follow one another up to the trailer, so every
    /// later read stays inside the file.
    pub(super) fn decode(bytes: &[u8; TRAILER_BYTES], file_bytes: u64) -> Result<Trailer> {
        let start = file_bytes.saturating_sub(TRAILER_BYTES as u64);
        let wrong = |what: &str| Error::damaged(what).at_offset(start);
        let mut fields = Fields(bytes);
        let mut section = || Section {
            offset: fields.u64(),
            length: fields.u64(),
            checksum: Checksum(fields.u64()),
        };
        let roots = PerKind::new(|_| section());
        let metadata = section();
        let header = Checksum(fields.u64());
        let (checked, _) = bytes.split_at(TRAILER_CHECKSUM);
        let checksum = Checksum(fields.u64());
        if fields.array::<8>() != END_MAGIC {
            return Err(wrong("the file is cut short or its end was overwritten"));
        }
        if checksum != Checksum::of(checked) {
            return Err(wrong("the trailer's checksum is wrong"));
        }
        let offsets = roots.values().chain([&metadata]).map(|section| section.offset);
        let ends = roots.values().chain([&metadata]).map(Section::end);
        // Each section ends where the next begins, and the last where the trailer begins.
        let follow = ends.eq(offsets.skip(1).chain([start]).map(Some))
            && roots[Kind::FIRST].offset >= HEADER_BYTES as u64;
        if !follow {
            return Err(wrong("the sections do not follow one another"));
        }
        let bounded = roots.values().all(|root| root.length <= MAX_ROOT_BYTES)
            && metadata.length <= MAX_METADATA_BYTES;
        if !bounded {
            return Err(wrong("a section exceeds the maximum of the format"));
        }
        Ok(Trailer { roots, metadata, header })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_parts_have_the_stated_lengths() {
        assert_eq!((HEADER_BYTES, SECTION_BYTES, TRAILER_BYTES), (24, 24, 96));
        assert_eq!(Trailer::default().encode().len(), TRAILER_BYTES);
    }

    #[test]
    fn foreign_newer_and_damaged_headers_have_different_errors() {
        for version in 1..=VERSION {
            assert_eq!(read_header(&header(version, 16)).unwrap(), (version, 16));
        }
        let changed = |at: usize, to: u8| {
            let mut bytes = header(VERSION, 16);
            bytes[at] = to;
            read_header(&bytes).unwrap_err().to_string()
        };
        assert_eq!(changed(0, b'A'), "not an agg partial (bad magic number)");
        let newer = "format version 3, but this agg reads up to version 2; update agg";
        assert_eq!(changed(HEADER_VERSION, 3), newer);
        for (at, to) in [(HEADER_VERSION, 0), (HEADER_BLOCK_ENTRIES, 1), (HEADER_ZERO, 1)] {
            assert_eq!(changed(at, to), "damaged: the header's checksum is wrong", "{at}");
        }
    }
}
