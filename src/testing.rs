//! What several modules' tests share: files in memory, pools, small runs.

use std::collections::BTreeMap;
use std::io;

use crate::fs::{FileStat, FileType, ReadFile};
use crate::model::{Batch, Entry};

/// A file that is a byte string.
#[derive(Debug, Clone)]
pub(crate) struct MemoryFile(pub(crate) Vec<u8>);

impl ReadFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let rest = &self.0[start..];
        // Short reads, so that nobody relies on long ones.
        let length = rest.len().min(buffer.len()).min(1000);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn stat(&self) -> io::Result<FileStat> {
        let size = self.0.len() as u64;
        Ok(FileStat {
            file_type: FileType::File,
            size,
            modified_ns: 0,
            changed_ns: 0,
            is_settled: true,
            identity: (0, 0),
        })
    }
}

pub(crate) fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// The obvious run: a map from (key, song) to the count.
pub(crate) type Naive = BTreeMap<(u64, u64), u64>;

pub(crate) fn batch_of(naive: &Naive) -> Batch {
    naive.iter().map(|(&(key, song), &count)| Entry { key, song, count }).collect()
}
