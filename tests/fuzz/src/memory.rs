//! A file system in memory with what the targets need: files, folders, links. It never fails by itself.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use agg::fs::{FileStat, FileSystem, FileType, Lock, ReadFile, TemporaryFile, Visit, WriteFile};

type Bytes = Arc<Mutex<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Node {
    File(Bytes),
    Folder,
    Link(PathBuf),
}

/// Clones are the same file system.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<PathBuf, Node>>>);

impl Memory {
    /// Puts a file there, with the folders above it.
    pub fn put(&self, path: impl Into<PathBuf>, bytes: &[u8]) {
        self.nodes().insert(path.into(), Node::File(Arc::new(Mutex::new(bytes.to_vec()))));
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Node>> {
        self.0.lock().unwrap()
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        self.nodes().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn insert_new(&self, path: &Path, node: Node) -> io::Result<()> {
        if self.node(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.nodes().insert(path.to_owned(), node);
        Ok(())
    }

    /// Takes out a node with all below it.
    fn take(&self, path: &Path) -> Vec<(PathBuf, Node)> {
        let mut nodes = self.nodes();
        let below: Vec<PathBuf> =
            nodes.keys().filter(|name| name.starts_with(path)).cloned().collect();
        below.into_iter().filter_map(|name| nodes.remove_entry(&name)).collect()
    }

    fn put_below(&self, path: &Path, from: &Path, taken: Vec<(PathBuf, Node)>) {
        for (name, node) in taken {
            let rest = name.strip_prefix(from).unwrap();
            let name = if rest.as_os_str().is_empty() { path.to_owned() } else { path.join(rest) };
            self.nodes().insert(name, node);
        }
    }
}

fn stat(node: &Node) -> FileStat {
    let (file_type, size) = match node {
        Node::File(bytes) => (FileType::File, bytes.lock().unwrap().len() as u64),
        Node::Folder => (FileType::Folder, 0),
        Node::Link(_) => (FileType::Link, 0),
    };
    FileStat { file_type, size, modified_ns: 0, changed_ns: 0, is_settled: true, identity: (0, 0) }
}

impl FileSystem for Memory {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        match self.node(path)? {
            Node::File(bytes) => Ok(Box::new(Open(bytes))),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }
    fn stdin(&self) -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(io::empty()))
    }
    fn create_temporary(&self, _: &Path, _: &str) -> io::Result<Box<dyn TemporaryFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn create_temporary_folder(&self, parent: &Path, prefix: &str) -> io::Result<PathBuf> {
        let path = parent.join(format!("{prefix}folder"));
        self.insert_new(&path, Node::Folder)?;
        Ok(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let bytes = Bytes::default();
        self.insert_new(path, Node::File(bytes.clone()))?;
        Ok(Box::new(Open(bytes)))
    }
    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        Ok(stat(&self.node(path)?))
    }
    fn visit(&self, folder: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
        self.node(folder)?;
        let inside: Vec<_> = {
            let nodes = self.nodes();
            let inside = nodes.iter().filter(|(path, _)| path.parent() == Some(folder));
            inside
                .map(|(path, node)| (path.file_name().unwrap().to_owned(), stat(node).file_type))
                .collect()
        };
        let _ = inside.into_iter().try_for_each(|(name, file_type)| visit(name, file_type));
        Ok(())
    }
    fn create_folders(&self, folder: &Path) -> io::Result<()> {
        self.nodes().insert(folder.to_owned(), Node::Folder);
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.node(from)?;
        self.take(to);
        let taken = self.take(from);
        self.put_below(to, from, taken);
        Ok(())
    }
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.node(one)?;
        self.node(other)?;
        let (first, second) = (self.take(one), self.take(other));
        self.put_below(other, one, first);
        self.put_below(one, other, second);
        Ok(())
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.node(path)?;
        self.take(path);
        Ok(())
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.remove_file(folder)
    }
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.insert_new(link, Node::Link(target.to_owned()))
    }
    fn read_link(&self, link: &Path) -> io::Result<PathBuf> {
        match self.node(link)? {
            Node::Link(target) => Ok(target),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.node(folder).map(drop)
    }
    fn try_lock(&self, _: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(Some(Box::new(Locked)))
    }
}

#[derive(Debug)]
struct Open(Bytes);

impl ReadFile for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let length = buffer.len().min(bytes.len() - start);
        buffer[..length].copy_from_slice(&bytes[start..start + length]);
        Ok(length)
    }
    fn stat(&self) -> io::Result<FileStat> {
        Ok(stat(&Node::File(self.0.clone())))
    }
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for Open {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Locked;

impl Lock for Locked {}
