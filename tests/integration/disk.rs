//! A disk that loses power: what runs changed and synced on it, and what a power cut at any moment may leave.
//!
//! The model is harsher than the file systems that `agg` is meant for:
//!
//! - A file's bytes are durable after a sync of that file. Until then each sector of 512 bytes has the new bytes or
//!   zeros, and the file has any length from the old one to the new one.
//! - A name (of a new file, folder or link, a rename, an exchange, a removal) is durable after a sync of its folder.
//!   Until then any subset of these changes may be on the disk, in any order, each of them whole or not at all. The
//!   sync of a file does not make its name durable.
//! - A link's target comes with its name.
//!
//! A file system with a journal, as ext4, leaves fewer states: what was changed last is lost first. All of them are
//! among these. A disk that lies loses synced bytes, too: on it, no change of the runs is durable.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::library::Dice;

const SECTOR: usize = 512;
/// Maximum unsynced changes of names for which every subset is tried; with more, some subsets are.
const MAX_SUBSETS_OF: u32 = 8;

/// Ways to tear the unsynced bytes that are tried of each cut.
const TORN: usize = 16;

/// A file, folder or link, by its place in the lists of a [`Disk`]. The root is 0.
type Node = usize;

#[derive(Debug, Clone)]
enum Content {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, Node>),
    Link(PathBuf),
}

#[derive(Clone)]
enum Change {
    /// Bytes at a file's end.
    Write(Node, Vec<u8>),
    /// What names in folders mean from now on.
    Names(Vec<(Node, OsString, Option<Node>)>),
    Sync(Node),
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Write(node, bytes) => write!(f, "{} bytes to {node}", bytes.len()),
            Change::Names(names) => write!(f, "{names:?}"),
            Change::Sync(node) => write!(f, "sync {node}"),
        }
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    /// Durable when the recording began; what is new since is empty here.
    before: Vec<Content>,
    /// As running programs see it.
    now: Vec<Content>,
    changes: Vec<Change>,
    /// Loses what was synced.
    pub(crate) lies: bool,
}

/// A power cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// The changes before it, syncs among them.
    pub(crate) changes: usize,
    /// A bit for each unsynced change of names, the first one lowest: whether it is lost.
    lost: u64,
    unsynced: Unsynced,
}

/// The fate of bytes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Unsynced {
    Lost,
    /// The length alone is on the disk.
    Zeros,
    /// Any sectors and any length, by this number.
    Torn(u64),
    Kept,
}

/// What a name means after a power cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Left {
    Folder,
    File(Vec<u8>),
    Link(PathBuf),
}

/// All that is left, by paths below the root; a folder before what is in it.
pub(crate) type Tree = BTreeMap<PathBuf, Left>;

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut changes = self.changes.iter().enumerate();
        changes.try_for_each(|(at, change)| writeln!(f, "{at}: {change:?}"))
    }
}

impl Disk {
    /// The folders `names` in `root` as they are, durable.
    pub(crate) fn new(root: &Path, names: &[&str]) -> Self {
        let (before, root) = (vec![Content::Folder(BTreeMap::new())], root.to_owned());
        let (now, changes, lies) = (Vec::new(), Vec::new(), false);
        let mut disk = Disk { root, before, now, changes, lies };
        for name in names {
            let path = disk.root.join(name);
            if path.exists() {
                let node = disk.load(&path);
                folder(&mut disk.before, 0).insert(name.into(), node);
            }
        }
        disk.now = disk.before.clone();
        disk
    }

    fn load(&mut self, path: &Path) -> Node {
        let content = if path.is_symlink() {
            Content::Link(fs::read_link(path).unwrap())
        } else if path.is_dir() {
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            let entry = |path: PathBuf| (path.file_name().unwrap().to_owned(), self.load(&path));
            Content::Folder(entries.map(entry).collect())
        } else {
            Content::File(fs::read(path).unwrap())
        };
        self.before.push(content);
        self.before.len() - 1
    }

    pub(crate) fn create_file(&mut self, path: &Path) {
        self.create(path, Content::File(Vec::new()));
    }

    pub(crate) fn create_link(&mut self, target: &Path, link: &Path) {
        self.create(link, Content::Link(target.to_owned()));
    }

    pub(crate) fn create_folders(&mut self, path: &Path) {
        if path != self.root && self.node(path).is_none() {
            self.create_folders(path.parent().unwrap());
            self.create(path, Content::Folder(BTreeMap::new()));
        }
    }

    pub(crate) fn write(&mut self, path: &Path, bytes: &[u8]) {
        let node = self.node(path).unwrap();
        self.changes.push(Change::Write(node, bytes.to_owned()));
    }

    /// Of a file or a folder; what is outside the root is durable.
    pub(crate) fn sync(&mut self, path: &Path) {
        if let Some(node) = self.node(path) {
            self.changes.push(Change::Sync(node));
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.node(from);
        self.name(&[(from, None), (to, node)]);
    }

    pub(crate) fn exchange(&mut self, one: &Path, other: &Path) {
        let (first, second) = (self.node(one), self.node(other));
        self.name(&[(one, second), (other, first)]);
    }

    /// A file or a link, or a folder from the leaves up.
    pub(crate) fn remove(&mut self, path: &Path) {
        let node = self.node(path).unwrap();
        if let Content::Folder(names) = &self.now[node] {
            for name in names.keys().cloned().collect::<Vec<_>>() {
                self.remove(&path.join(name));
            }
        }
        self.name(&[(path, None)]);
    }

    fn create(&mut self, path: &Path, content: Content) {
        if self.node(path).is_none() {
            let node = self.now.len();
            self.before.push(content.clone());
            self.now.push(content);
            self.name(&[(path, Some(node))]);
        }
    }

    fn name(&mut self, names: &[(&Path, Option<Node>)]) {
        let place = |path: &Path, node| {
            let folder = self.node(path.parent().unwrap()).unwrap();
            (folder, path.file_name().unwrap().to_owned(), node)
        };
        let names = names.iter().map(|(path, node)| place(path, *node)).collect();
        apply(&mut self.now, &names);
        self.changes.push(Change::Names(names));
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let mut inside = path.strip_prefix(&self.root).ok()?.iter();
        inside.try_fold(0, |node, name| match &self.now[node] {
            Content::Folder(names) => names.get(name).copied(),
            _ => None,
        })
    }

    /// The number of changes so far.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// The folders that were synced, and the files except empty files, which have nothing to lose.
    pub(crate) fn synced_nodes(&self) -> Vec<Node> {
        let is_written = |node: &Node| {
            let writes =
                |change: &Change| matches!(change, Change::Write(written, _) if written == node);
            matches!(self.now[*node], Content::Folder(_)) || self.changes.iter().any(writes)
        };
        self.synced(self.len()).into_keys().filter(is_written).collect()
    }

    /// As if the file or folder had never been synced.
    pub(crate) fn unsync(&mut self, node: Node) {
        self.changes.retain(|change| !matches!(change, Change::Sync(synced) if *synced == node));
    }

    /// Where in the first `changes` each node was synced last.
    fn synced(&self, changes: usize) -> BTreeMap<Node, usize> {
        let sync = |(at, change): (usize, &Change)| match change {
            Change::Sync(node) if !self.lies => Some((*node, at)),
            _ => None,
        };
        self.changes[..changes].iter().enumerate().filter_map(sync).collect()
    }

    /// The places of changes of names that a cut after the first `changes` may lose.
    fn unsynced_names(&self, changes: usize) -> Vec<usize> {
        let synced = self.synced(changes);
        let is_unsynced = |at: &usize| match &self.changes[*at] {
            Change::Names(names) => {
                let is_synced = |folder| synced.get(folder).is_some_and(|sync| sync > at);
                !names.is_empty() && !names.iter().any(|(folder, ..)| is_synced(folder))
            }
            _ => false,
        };
        (0..changes).filter(is_unsynced).collect()
    }

    /// The cuts after the first `changes`: with every loss of names, or many of them.
    pub(crate) fn cuts_after(&self, changes: usize, dice: &mut Dice) -> Vec<Cut> {
        let names = u32::try_from(self.unsynced_names(changes).len()).unwrap();
        let all = u64::MAX.checked_shr(64 - names.min(64)).unwrap_or(0);
        let losses: Vec<u64> = if names <= MAX_SUBSETS_OF {
            (0..=all).collect()
        } else {
            // What a journal loses is the last ones.
            let journal = (0..=names).map(|kept| all & u64::MAX.checked_shl(kept).unwrap_or(0));
            let random = (0..1 << MAX_SUBSETS_OF)
                .map(|_| all & (dice.below(1 << 31) << 31 | dice.below(1 << 31)));
            journal.chain(random).collect()
        };
        let mut cuts = Vec::new();
        let ways = if self.has_unsynced_bytes(changes) { 3 + TORN } else { 1 };
        for lost in losses {
            let whole = [Unsynced::Lost, Unsynced::Zeros, Unsynced::Kept];
            let torn = std::iter::repeat_with(|| Unsynced::Torn(dice.below(1 << 31)));
            let all = whole.into_iter().chain(torn).take(ways);
            cuts.extend(all.map(|unsynced| Cut { changes, lost, unsynced }));
        }
        cuts
    }

    fn has_unsynced_bytes(&self, changes: usize) -> bool {
        let synced = self.synced(changes);
        let unsynced = |(at, change): (usize, &Change)| match change {
            Change::Write(node, _) => synced.get(node).is_none_or(|sync| *sync < at),
            _ => false,
        };
        self.changes[..changes].iter().enumerate().any(unsynced)
    }

    /// What the cut leaves.
    pub(crate) fn left_by(&self, cut: Cut) -> Tree {
        let synced = self.synced(cut.changes);
        let unsynced = self.unsynced_names(cut.changes);
        let is_lost = |at| {
            let bit = unsynced.iter().position(|unsynced| *unsynced == at);
            bit.is_some_and(|bit| {
                cut.lost.checked_shr(u32::try_from(bit).unwrap()).is_some_and(|lost| lost & 1 == 1)
            })
        };
        let mut left = self.before.clone();
        let mut written: BTreeMap<Node, Vec<u8>> = BTreeMap::new();
        for (at, change) in self.changes[..cut.changes].iter().enumerate() {
            match change {
                Change::Names(names) if !is_lost(at) => apply(&mut left, names),
                Change::Write(node, bytes) if synced.get(node).is_some_and(|sync| *sync > at) => {
                    file(&mut left, *node).extend(bytes);
                }
                Change::Write(node, bytes) => written.entry(*node).or_default().extend(bytes),
                Change::Names(_) | Change::Sync(_) => {}
            }
        }
        for (node, bytes) in written {
            cut.unsynced.append(file(&mut left, node), &bytes, node as u64);
        }
        let mut tree = Tree::new();
        list(&left, 0, Path::new(""), &mut tree);
        tree
    }
}

impl Unsynced {
    /// Appends what is left of these bytes.
    fn append(self, file: &mut Vec<u8>, bytes: &[u8], salt: u64) {
        match self {
            Unsynced::Lost => {}
            Unsynced::Zeros => file.resize(file.len() + bytes.len(), 0),
            Unsynced::Kept => file.extend(bytes),
            Unsynced::Torn(seed) => {
                let mut dice = Dice(seed ^ salt << 32);
                let mut rest = &bytes[..dice.place(bytes.len() + 1)];
                while !rest.is_empty() {
                    let (sector, others) =
                        rest.split_at(rest.len().min(SECTOR - file.len() % SECTOR));
                    match dice.below(2) {
                        0 => file.extend(sector),
                        _ => file.resize(file.len() + sector.len(), 0),
                    }
                    rest = others;
                }
            }
        }
    }
}

fn folder(nodes: &mut [Content], node: Node) -> &mut BTreeMap<OsString, Node> {
    let Content::Folder(names) = &mut nodes[node] else { panic!("{node} is not a folder") };
    names
}

fn file(nodes: &mut [Content], node: Node) -> &mut Vec<u8> {
    let Content::File(bytes) = &mut nodes[node] else { panic!("{node} is not a file") };
    bytes
}

fn apply(nodes: &mut [Content], names: &Vec<(Node, OsString, Option<Node>)>) {
    for (at, name, node) in names {
        let names = folder(nodes, *at);
        match node {
            Some(node) => drop(names.insert(name.clone(), *node)),
            None => drop(names.remove(name)),
        }
    }
}

fn list(nodes: &[Content], node: Node, path: &Path, tree: &mut Tree) {
    let left = match &nodes[node] {
        Content::File(bytes) => Left::File(bytes.clone()),
        Content::Link(target) => Left::Link(target.clone()),
        Content::Folder(names) => {
            for (name, node) in names {
                list(nodes, *node, &path.join(name), tree);
            }
            Left::Folder
        }
    };
    tree.insert(path.to_owned(), left);
}

/// Makes a tree real below `root`, where nothing of it is yet.
pub(crate) fn restore(tree: &Tree, root: &Path) {
    for (path, left) in tree.iter().filter(|(path, _)| !path.as_os_str().is_empty()) {
        let path = root.join(path);
        match left {
            Left::Folder => fs::create_dir(path).unwrap(),
            Left::File(bytes) => fs::write(path, bytes).unwrap(),
            Left::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
        }
    }
}
