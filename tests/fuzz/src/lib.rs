//! What the fuzz targets share: a file system in memory, so that no case waits for a disk.

mod memory;
mod signed;

pub use memory::Memory;
pub use signed::signed;
