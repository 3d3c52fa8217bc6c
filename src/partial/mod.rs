//! Stage 4: a day's two runs to one immutable file, and back.
//!
//! A **partial** holds the user run and the country run of a day, each a sequence of
//! [blocks](crate::codec::block) sorted by key, then song, with a two-level index that finds any position without
//! reading the rest, and a footer with the day's metadata. `docs/format.md` has it byte by byte;
//! `layout` holds every constant of it. Spilled runs are files of the same format.
//!
//! The bytes of both runs depend on the entries alone: blocks are cut every
//! [`MAX_ENTRIES`](crate::codec::block::MAX_ENTRIES) entries, whatever pieces the entries came in.
//!
//! Here are writer, reader and verification over anything that takes or gives bytes. Which file that is, and
//! when it gets its name, is the business of `store`.

mod cutter;
mod index;
mod layout;
mod metadata;
mod reader;
mod run_writer;
mod split;
mod verify;
mod writer;

pub(crate) use cutter::{Cut, Cutter};
pub use index::BlockHandle;
pub use layout::VERSION;
pub use metadata::{Metadata, RunFacts};
pub use reader::{BlockReader, Partial};
pub use run_writer::{Shape, write_run};
pub use split::{Piece, split, split_range};
pub use verify::verify;
pub use writer::{Finished, Writer};

#[cfg(test)]
mod tests;
