//! The real file system. What only Linux has stands here and nowhere else.

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFileSystem;
