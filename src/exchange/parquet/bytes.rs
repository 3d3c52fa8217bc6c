//! A file as the crate reads it, with bounds on the size of a page.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, ErrorKind};
use crate::fs::ReadFile;

/// Bytes that are read where a page's header is expected; most headers are shorter.
const HEADER_BYTES: usize = 256;

/// An open file, read by position.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    pub(super) file: Arc<dyn ReadFile>,
    pub(super) size: u64,
    /// The largest page, compressed or not.
    pub(super) max_page: u64,
}

impl Pages {
    /// Reads exactly `length` bytes.
    pub(super) fn read(&self, start: u64, length: usize) -> Result<Vec<u8>> {
        // Before anything is allocated.
        if start.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Err(ParquetError::EOF("it points past its end".to_owned()));
        }
        let mut bytes = vec![0; length];
        let read = self.file.read_full_at(&mut bytes, start);
        let read = read.map_err(|error| ParquetError::External(Box::new(failed(error))))?;
        if read == length {
            Ok(bytes)
        } else {
            Err(ParquetError::EOF("it was cut short".to_owned()))
        }
    }

    /// Refuses a page whose header claims more than a page may have, because the crate believes the header.
    fn check_header(&self, header: &[u8]) -> Result<()> {
        let (Some(uncompressed), Some(compressed)) = page_sizes(header) else {
            return Err(ParquetError::General("a page's header is damaged".to_owned()));
        };
        let bytes = uncompressed.max(compressed);
        if bytes <= self.max_page {
            return Ok(());
        }
        let max = self.max_page;
        let text = format!(
            "a page of {bytes} bytes, and --memory allows {max}: raise it, or write smaller pages"
        );
        Err(ParquetError::External(Box::new(Error::from(ErrorKind::BadTable(text)))))
    }
}

/// Its type distinguishes it from the errors of decoders.
fn failed(error: io::Error) -> Error {
    Error::io("read", error)
}

/// The sizes that a page's header begins with: its fields 1 to 3 in Thrift's compact protocol are the page's type and
/// both sizes, each an i32 after the byte 0x15.
fn page_sizes(header: &[u8]) -> (Option<u64>, Option<u64>) {
    let mut rest = header;
    let mut field = || {
        let (0x15, after) = rest.split_first()? else { return None };
        rest = after;
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                // Zigzag; a size is not negative.
                return (value & 1 == 0).then_some(value >> 1);
            }
        }
        None
    };
    let page_type = field();
    (page_type.and_then(|_| field()), field())
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Pages {
    type T = HeaderReader;

    /// The crate reads page headers this way.
    fn get_read(&self, start: u64) -> Result<HeaderReader> {
        let left = self.size.saturating_sub(start).min(HEADER_BYTES as u64);
        let buffer = self.read(start, usize::try_from(left).unwrap_or(0))?;
        self.check_header(&buffer)?;
        Ok(HeaderReader { pages: self.clone(), next: start + left, buffer, taken: 0 })
    }

    /// And the rest of a page this way.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(Bytes::from(self.read(start, length)?))
    }
}

/// Reads on from a page's header.
#[derive(Debug)]
pub(super) struct HeaderReader {
    pages: Pages,
    next: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl Read for HeaderReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() {
            self.buffer.resize(HEADER_BYTES, 0);
            let read = self.pages.file.read_full_at(&mut self.buffer, self.next);
            let read = read.map_err(|error| io::Error::other(failed(error)))?;
            self.buffer.truncate(read);
            self.next += read as u64;
            self.taken = 0;
        }
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(to.len());
        to.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_a_page_are_at_the_start_of_its_header() {
        // Type 0, uncompressed 300 (zigzag 600), compressed 5 (zigzag 10).
        let header = [0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x0a, 0x2c];
        assert_eq!(page_sizes(&header), (Some(300), Some(5)));
        for wrong in [&[][..], &[0x15], &[0x16, 0x00], &[0x15, 0, 0x15, 1, 0x15, 0]] {
            assert_ne!(page_sizes(wrong).0.and(page_sizes(wrong).1), Some(0), "{wrong:?}");
            assert!(page_sizes(wrong).0.is_none());
        }
        assert_eq!(page_sizes(&[0x15, 0, 0x15, 0x80, 0x80, 0x80, 0x80, 0x80]).0, None);
    }
}
