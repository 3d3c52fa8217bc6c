//! Stage 4: a day's two runs to one immutable file, and back.
//!
//! A **partial** has the user run and the country run of a day, each as in a [run file](crate::runfile), their roots,
//! and a footer with the day's metadata. `docs/format.md` describes it byte by byte; `layout` holds the constants of
//! the parts outside of the runs.
//!
//! The writer, the reader and the verification work on any file. `store` decides which file that is and when it gets
//! its name.

mod layout;
mod metadata;
mod reader;
mod section;
mod verify;
mod writer;

pub use layout::VERSION;
pub use metadata::{Metadata, check_room_for};
pub use reader::Partial;
pub use verify::verify;
pub use writer::{FinishedPartial, Writer};

#[cfg(test)]
mod tests;
