//! Stage 4: a day's two runs to one immutable file, and back.
//!
//! A **partial** has the user run and the country run of a day, each as a [run file](crate::runfile) has it, their
//! roots, and a footer with the day's metadata. `docs/format.md` has it byte by byte; `layout` holds the constants of
//! the parts that are not in the runs.
//!
//! Here are writer, reader and verification over anything that takes or gives bytes. Which file that is, and
//! when it gets its name, is the business of `store`.

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
