//! Stage 6: tops to files.
//!
//! A format is a file behind the small trait [`Format`]; who emits chooses one (`job::TopsFormat`). The manifest that
//! says what an emission was made from stands beside.

mod format;
mod lines;
mod manifest;
mod table;
mod text;

pub use format::{Format, Pieces};
pub use lines::Lines;
pub use manifest::{FileEntry, Manifest, PartialEntry, Window};
pub use table::Tabular;
pub use text::Text;
