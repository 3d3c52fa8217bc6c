//! A file system in memory for the tests of this stage: files to read, with faults on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::fs::{FileStat, FileSystem, FileType, Lock, ReadFile, TemporaryFile, Visit, WriteFile};

#[derive(Debug, Clone, Default)]
pub(super) struct Twin(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    tree: Mutex<Tree>,
    /// Files open now, and the maximum so far.
    open: AtomicUsize,
    max_open: AtomicUsize,
    read_at_most: AtomicUsize,
}

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, Node>,
    links: BTreeMap<PathBuf, PathBuf>,
    /// Pipes and devices.
    others: BTreeMap<PathBuf, FileType>,
    denied: BTreeSet<PathBuf>,
    stdin: Vec<u8>,
    last_identity: u64,
}

#[derive(Debug, Clone)]
struct Node {
    bytes: Arc<Mutex<Vec<u8>>>,
    modified_ns: i64,
    identity: u64,
    fail_from: u64,
    /// The size that the system reports, if it is wrong.
    reported: Option<u64>,
}

/// One gzip member.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One zstd frame with a checksum.
pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One bzip2 stream.
pub(super) fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One xz stream with a small dictionary.
pub(super) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The path without `.`, links followed.
fn resolve(tree: &Tree, path: &Path) -> PathBuf {
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    tree.links.get(&path).cloned().unwrap_or(path)
}

impl Twin {
    pub(super) fn new() -> Self {
        let twin = Twin::default();
        twin.read_at_most(usize::MAX);
        twin
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.tree.lock().unwrap()
    }

    /// A new file (with a new identity, also under an old name).
    pub(super) fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let mut tree = self.tree();
        tree.last_identity += 1;
        let node = Node {
            bytes: Arc::new(Mutex::new(bytes.to_vec())),
            modified_ns: 1_000_000_000 + i64::try_from(tree.last_identity).unwrap(),
            identity: tree.last_identity,
            fail_from: u64::MAX,
            reported: None,
        };
        tree.files.insert(path.as_ref().to_owned(), node);
    }

    /// Changes the bytes of a file, and its time if `touch`.
    pub(super) fn change(&self, path: &str, bytes: &[u8], touch: bool) {
        let mut tree = self.tree();
        let node = tree.files.get_mut(Path::new(path)).unwrap();
        *node.bytes.lock().unwrap() = bytes.to_vec();
        node.modified_ns += i64::from(touch);
    }

    pub(super) fn remove(&self, path: &str) {
        self.tree().files.remove(Path::new(path)).unwrap();
    }

    pub(super) fn link(&self, link: &str, target: &str) {
        self.tree().links.insert(link.into(), target.into());
    }

    pub(super) fn put_pipe(&self, path: &str) {
        self.tree().others.insert(path.into(), FileType::Pipe);
    }

    pub(super) fn put_device(&self, path: &str) {
        self.tree().others.insert(path.into(), FileType::Other);
    }

    /// It can be neither opened nor listed, nor its metadata read, except a folder's.
    pub(super) fn deny(&self, path: &str) {
        self.tree().denied.insert(path.into());
    }

    pub(super) fn set_stdin(&self, bytes: &[u8]) {
        self.tree().stdin = bytes.to_vec();
    }

    /// No single read gives more bytes than this.
    pub(super) fn read_at_most(&self, bytes: usize) {
        self.0.read_at_most.store(bytes, Ordering::Relaxed);
    }

    /// Reads that touch a byte from here on fail.
    pub(super) fn fail_reads_from(&self, path: &str, offset: u64) {
        self.tree().files.get_mut(Path::new(path)).unwrap().fail_from = offset;
    }

    /// The file keeps its bytes, and reports this size.
    pub(super) fn report_size(&self, path: &str, size: u64) {
        self.tree().files.get_mut(Path::new(path)).unwrap().reported = Some(size);
    }

    pub(super) fn max_open(&self) -> usize {
        self.0.max_open.load(Ordering::Relaxed)
    }
}

fn stat_of(node: &Node) -> FileStat {
    FileStat {
        file_type: FileType::File,
        size: node.reported.unwrap_or_else(|| node.bytes.lock().unwrap().len() as u64),
        modified_ns: node.modified_ns,
        changed_ns: 0,
        is_settled: true,
        identity: (1, node.identity),
    }
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

#[derive(Debug)]
struct Open {
    shared: Arc<Shared>,
    path: PathBuf,
    node: Node,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ReadFile for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = self.shared.read_at_most.load(Ordering::Relaxed);
        let bytes = self.node.bytes.lock().unwrap();
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        let count = buffer.len().min(most).min(bytes.len() - start);
        if offset + count as u64 > self.node.fail_from {
            return Err(io::Error::other("the disk failed"));
        }
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn stat(&self) -> io::Result<FileStat> {
        // The time may have changed since it was opened.
        let tree = self.shared.tree.lock().unwrap();
        let now = tree.files.get(&self.path).filter(|now| now.identity == self.node.identity);
        Ok(stat_of(now.unwrap_or(&self.node)))
    }
}

/// Standard input that gives a few bytes at a time, like a slow pipe.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        self.0.read(&mut buffer[..room])
    }
}

impl FileSystem for Twin {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let tree = self.tree();
        let path = resolve(&tree, path);
        if tree.denied.contains(&path) {
            return Err(denied());
        }
        let node = tree.files.get(&path).cloned().ok_or(io::ErrorKind::NotFound)?;
        let open = self.0.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.max_open.fetch_max(open, Ordering::Relaxed);
        Ok(Box::new(Open { shared: Arc::clone(&self.0), path, node }))
    }

    fn stdin(&self) -> io::Result<Box<dyn Read + Send>> {
        let most = self.0.read_at_most.load(Ordering::Relaxed);
        Ok(Box::new(Trickle(Cursor::new(self.tree().stdin.clone()), most)))
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let tree = self.tree();
        let path = resolve(&tree, path);
        if let Some(node) = tree.files.get(&path) {
            return if tree.denied.contains(&path) { Err(denied()) } else { Ok(stat_of(node)) };
        }
        if path.ancestors().skip(1).any(|above| tree.files.contains_key(above)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let is_folder = tree.files.keys().chain(tree.links.keys()).any(|p| p.starts_with(&path));
        let file_type = match tree.others.get(&path) {
            Some(file_type) => *file_type,
            None if is_folder => FileType::Folder,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let identity = path
            .to_string_lossy()
            .bytes()
            .fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Ok(FileStat {
            file_type,
            size: 0,
            modified_ns: 0,
            changed_ns: 0,
            is_settled: true,
            identity: (2, identity),
        })
    }

    fn visit(&self, folder: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
        let tree = self.tree();
        let folder = resolve(&tree, folder);
        if tree.denied.contains(&folder) {
            return Err(denied());
        }
        let mut entries = BTreeMap::new();
        let files = tree.files.keys().map(|path| (path, FileType::File));
        let links = tree.links.keys().map(|path| (path, FileType::Link));
        let others = tree.others.iter().map(|(path, file_type)| (path, *file_type));
        for (path, file_type) in files.chain(links).chain(others) {
            let Ok(inner) = path.strip_prefix(&folder) else { continue };
            let mut parts = inner.components();
            let Some(name) = parts.next() else { continue };
            let file_type = parts.next().map_or(file_type, |_| FileType::Folder);
            entries.insert(name.as_os_str().to_owned(), file_type);
        }
        drop(tree);
        let _ = entries.into_iter().try_for_each(|(name, file_type)| visit(name, file_type));
        Ok(())
    }

    fn create_temporary(&self, _: &Path, _: &str) -> io::Result<Box<dyn TemporaryFile>> {
        unsupported()
    }
    fn create_temporary_folder(&self, _: &Path, _: &str) -> io::Result<PathBuf> {
        unsupported()
    }
    fn create_new(&self, _: &Path) -> io::Result<Box<dyn WriteFile>> {
        unsupported()
    }
    fn create_folders(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn remove_file(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn remove_folder(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn symlink(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn read_link(&self, _: &Path) -> io::Result<PathBuf> {
        unsupported()
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn try_lock(&self, _: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        unsupported()
    }
}
