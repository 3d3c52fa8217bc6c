//! Exact daily counts and weekly top songs from huge listening logs, in bounded memory.

pub mod model;

pub mod budget;
mod error;
pub mod fs;
pub mod job;
pub mod row;

pub use error::{Error, ErrorClass, ErrorKind, Place, Result};
pub use model::{Batch, Country, Day, Entry, Kind, RowBatch};
