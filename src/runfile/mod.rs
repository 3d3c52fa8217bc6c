//! Tool: one sorted run on disk, in which any position is found without reading the rest.
//!
//! A run is [blocks](crate::codec::block) of entries sorted by key, then song, with an index page after every 512
//! blocks, and a root with an entry for each page. It has no day and no metadata. A partial is a run of each kind,
//! their roots, and the day's metadata. A spill ([`RunFile`]) is a file that has one run and nothing else; its root
//! stays in memory. `docs/format.md` has blocks, pages and roots byte by byte.
//!
//! The bytes depend on the entries alone: blocks are cut every [`MAX_ENTRIES`](crate::codec::block::MAX_ENTRIES)
//! entries, whatever pieces the entries came in (`Cutter`). The root has the checksums of the pages, and a page has
//! those of its blocks, so a root vouches for every byte of its run.

mod cutter;
mod index;
mod reader;
mod spill;
mod split;
mod verify;
mod writer;

pub(crate) use cutter::{Cut, Cutter};
pub use index::{BlockHandle, Root};
pub(crate) use index::{Fields, MAX_ROOT_BYTES, end_of_root};
pub use reader::{BlockReader, Run, merge_piece};
pub(crate) use reader::{fill, read_exact};
pub use spill::RunFile;
pub use split::{Piece, split, split_range};
pub(crate) use verify::verify_run;
pub use writer::{RunFacts, RunPieces, RunSink, write_run};
