//! Opens a partial: reads and checks everything except its runs.

use std::path::Path;
use std::sync::Arc;

use super::layout::{self, HEADER_BYTES, MIN_BYTES, Section, TRAILER_BYTES, Trailer};
use super::metadata::Metadata;
use super::section::SectionReader;
use crate::codec::checksum::{Checksum, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{FileType, ReadFile};
use crate::model::{Inputs, Kind, PerKind};
use crate::runfile::{Root, Run, end_of_root, fill, read_exact};

/// An open partial. Memory: 64 bytes for every two million entries, and little more, because the list of its logs stays
/// on the disk.
#[derive(Debug)]
pub struct Partial {
    path: Arc<Path>,
    bytes: u64,
    digest: u128,
    block_entries: u16,
    metadata: Metadata,
    metadata_section: Section,
    /// The whole file.
    file: Arc<dyn ReadFile>,
    runs: PerKind<Run>,
}

impl Partial {
    /// Reads and checks header and footer of an open file; `path` is for messages.
    ///
    /// # Errors
    /// [`ErrorKind::Foreign`], [`ErrorKind::NewerVersion`], [`ErrorKind::Damaged`] and [`ErrorKind::Io`], at the path.
    pub fn open(file: Box<dyn ReadFile>, path: &Path) -> Result<Partial> {
        Self::read(file, path).map_err(|error| error.at(path))
    }

    fn read(file: Box<dyn ReadFile>, path: &Path) -> Result<Partial> {
        let stat = file.stat().map_err(|error| Error::io("read", error))?;
        if stat.file_type != FileType::File {
            return Err(Error::from(ErrorKind::Foreign).at_offset(0));
        }
        let bytes = stat.size;
        let mut header = [0; HEADER_BYTES];
        let got = fill(file.as_ref(), &mut header, 0)?;
        if got >= layout::MAGIC.len() {
            // A file that is shorter than a header fails by its checksum.
            layout::read_header(&header)?;
        }
        if bytes < MIN_BYTES || got < HEADER_BYTES {
            return Err(Error::damaged("the file is too short for a partial").at_offset(bytes));
        }
        let (version, block_entries) = layout::read_header(&header)?;
        let mut trailer = [0; TRAILER_BYTES];
        read_exact(file.as_ref(), &mut trailer, bytes - TRAILER_BYTES as u64)?;
        let decoded = Trailer::decode(&trailer, bytes)?;
        if decoded.header != Checksum::of(&header) {
            return Err(
                Error::damaged("the header and the trailer are of different files").at_offset(0)
            );
        }
        let roots = PerKind::try_new(|kind| {
            let what = format!("the {} run's root", kind.noun());
            read_section(file.as_ref(), decoded.roots[kind], &what)
        })?;
        let mut vouching = Hasher::new();
        vouching.update(&header);
        roots.values().for_each(|root| vouching.update(root));
        let section = decoded.metadata;
        let metadata = read_metadata(file.as_ref(), version, section, &mut vouching, |_| ())?;
        vouching.update(&trailer);
        let mut roots = decode_roots(&roots, &decoded)?;
        check_totals(&roots, &metadata)
            .map_err(|error| error.at_offset(decoded.metadata.offset))?;
        let (file, path): (Arc<dyn ReadFile>, Arc<Path>) = (Arc::from(file), Arc::from(path));
        let runs = PerKind::new(|kind| {
            let root = std::mem::take(&mut roots[kind]);
            Run::new(kind, Arc::clone(&file), Arc::clone(&path), root)
        });
        Ok(Partial {
            digest: vouching.digest(),
            file,
            runs,
            path,
            bytes,
            block_entries,
            metadata,
            metadata_section: decoded.metadata,
        })
    }

    /// Bytes of the metadata, with the inputs.
    pub(crate) fn metadata_bytes(&self) -> u64 {
        self.metadata_section.length
    }

    /// Where the metadata is, for messages.
    pub(super) fn metadata_offset(&self) -> u64 {
        self.metadata_section.offset
    }

    /// The day's metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The logs that the day was made from. They are read and checked again, because an open partial does not hold
    /// them.
    ///
    /// Memory: 48 bytes a log and its name.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] and [`ErrorKind::Io`], at the partial's path.
    pub fn inputs(&self) -> Result<Inputs> {
        let bytes = read_section(self.file.as_ref(), self.metadata_section, "the metadata");
        bytes.and_then(|bytes| self.metadata.inputs(bytes)).map_err(|error| error.at(&self.path))
    }

    /// Hands the digest of each log that the day was made from to `see`, without holding the logs.
    ///
    /// # Errors
    /// As [`Partial::inputs`].
    pub(crate) fn visit_digests(&self, see: impl FnMut(u128)) -> Result<()> {
        let (file, section) = (self.file.as_ref(), self.metadata_section);
        let read = read_metadata(file, self.version(), section, &mut Hasher::new(), see);
        read.map(|_| ()).map_err(|error| error.at(&self.path))
    }

    /// Size of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// XXH3-128 of header, roots, metadata and trailer, which vouch for all other bytes.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// Format version of the file.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.metadata.version()
    }

    /// The file, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Entries of every block except a run's last.
    #[must_use]
    pub fn block_entries(&self) -> u16 {
        self.block_entries
    }

    /// The run of this kind.
    #[must_use]
    pub fn run(&self, kind: Kind) -> &Run {
        &self.runs[kind]
    }

    /// Its runs: all that a merge needs of a partial.
    #[must_use]
    pub fn into_runs(self) -> PerKind<Run> {
        self.runs
    }
}

fn check_totals(roots: &PerKind<Root>, metadata: &Metadata) -> Result<()> {
    for (kind, facts) in metadata.runs.iter() {
        let (blocks, entries) = roots[kind].size();
        if blocks != facts.blocks || entries != facts.pairs || facts.keys > entries {
            return Err(Error::damaged("the metadata and the index disagree"));
        }
    }
    Ok(())
}

/// Decodes the roots of all runs. The runs follow one another from the header to the first root.
fn decode_roots(roots: &PerKind<Vec<u8>>, trailer: &Trailer) -> Result<PerKind<Root>> {
    let runs_end = trailer.roots[Kind::FIRST].offset;
    let mut start = HEADER_BYTES as u64;
    PerKind::try_new(|kind| {
        let (bytes, offset) = (&roots[kind], trailer.roots[kind].offset);
        // A run ends with its last page, where the next run starts. The last run must reach the roots. A root without
        // pages is that of an empty run.
        let is_last = Kind::ALL.last() == Some(&kind);
        let end = if is_last { runs_end } else { end_of_root(bytes).unwrap_or(start) };
        if end > runs_end {
            return Err(Error::damaged("the root has a page outside its run").at_offset(offset));
        }
        Root::decode(bytes, offset, std::mem::replace(&mut start, end), end)
    })
}

/// Reads the metadata, and adds its bytes to `vouching`.
fn read_metadata(
    file: &dyn ReadFile,
    version: u16,
    section: Section,
    vouching: &mut Hasher,
    see: impl FnMut(u128),
) -> Result<Metadata> {
    let mut reader = SectionReader::new(file, section, vouching);
    let metadata = Metadata::scan(version, &mut reader, see)?;
    if !reader.is_intact()? {
        let what = "the checksum of the metadata is wrong";
        return Err(Error::damaged(what).at_offset(section.offset));
    }
    metadata.map_err(|error| error.at_offset(section.offset))
}

/// Reads a section, whose bounds the trailer has checked, and verifies its checksum.
fn read_section(file: &dyn ReadFile, section: Section, what: &str) -> Result<Vec<u8>> {
    let wrong = |text: String| Error::damaged(text).at_offset(section.offset);
    let length =
        usize::try_from(section.length).map_err(|_| wrong(format!("{what} is too long")))?;
    let mut bytes = vec![0; length];
    read_exact(file, &mut bytes, section.offset)?;
    if Checksum::of(&bytes) == section.checksum {
        Ok(bytes)
    } else {
        Err(wrong(format!("the checksum of {what} is wrong")))
    }
}
