//! Exact daily counts and weekly top songs from huge listening logs, in bounded memory.

pub mod codec;
pub mod input;
pub mod merge;
pub mod model;
pub mod ordered;
pub mod output;
pub mod partial;
pub mod row;
pub mod run;
pub mod topk;

pub mod budget;
mod error;
pub mod fs;
pub mod generate;
pub mod job;
pub mod store;

pub use error::{Error, ErrorClass, ErrorKind, Place, Result};
pub use model::{Batch, Country, Day, Entry, Kind, RowBatch};

#[cfg(test)]
mod testing;
