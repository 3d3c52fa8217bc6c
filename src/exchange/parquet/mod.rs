//! Tables as Parquet: the one place where the crate `parquet` is used.
//!
//! Its low-level writer and reader of columns suffice, so none of the crates of arrow comes with it. Row groups are
//! encoded in memory on any thread and appended to the file in order; they are read back a stretch of rows at a
//! time.

mod bytes;
mod claims;
mod countries;
mod exact;
mod footer;
mod judge;
mod pages;
mod read;
mod schema;
mod varint;
mod write;

use ::parquet::errors::ParquetError;

use crate::error::{Error, ErrorKind};

pub use read::TrustingDecoder;
pub(super) use write::{FileWriter, Layout, RowGroup};

/// A failure to write: the sink's, or the crate's own.
fn write_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => Error::io("write", *source),
            Err(source) => Error::io("write", std::io::Error::other(source)),
        },
        other => Error::io("write", std::io::Error::other(other)),
    }
}

/// A failure to read: an error of ours, which `bytes` put in there, or bytes that are not Parquet. Decoders report
/// damage as an I/O error, too, so an I/O error that is not ours is not a failure of the disk.
fn read_error(error: ParquetError) -> Error {
    let ParquetError::External(source) = error else {
        return ErrorKind::NotParquet(plain(&error)).into();
    };
    match source.downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => {
            let inner = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let ours = inner.and_then(|inner| inner.downcast_ref::<Error>()).cloned();
            ours.unwrap_or_else(|| ErrorKind::NotParquet(source.to_string()).into())
        }
    }
}

/// The crate's text without its heading.
fn plain(error: &ParquetError) -> String {
    match error {
        ParquetError::General(text) | ParquetError::NYI(text) | ParquetError::EOF(text) => {
            text.clone()
        }
        other => other.to_string(),
    }
}
