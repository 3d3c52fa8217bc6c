//! Who may hold how many bytes: `--memory` divided among the parts of a run, before it starts.

use crate::error::{ErrorKind, Result};

/// The memory a run may use, as the kernel counts it, and the threads that it feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Peak resident bytes for the whole process.
    pub memory: u64,
    /// Worker threads, at least 1.
    pub threads: usize,
}

impl Budget {
    /// The least that a run can be asked to live in.
    pub const LEAST: u64 = 64 << 20;
    /// What a run takes when nothing is said.
    pub const DEFAULT: u64 = 512 << 20;

    /// A budget of at least 64 MiB; threads are cut to what the memory feeds.
    pub fn new(memory: u64, threads: usize) -> Result<Self> {
        if memory < Self::LEAST {
            let text = format!("--memory {memory}: the least is 64MiB");
            return Err(ErrorKind::Usage(text).into());
        }
        Ok(Budget { memory, threads: threads.max(1) })
    }
}
