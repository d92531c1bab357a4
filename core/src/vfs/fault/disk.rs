//! Files and directories, each as it is now and as the last `sync` left it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, OnceLock};

use super::Op;
use super::image::Image;
use crate::vfs::Bytes;

/// What a disk writes at once.
pub(super) const SECTOR: usize = 512;

/// A file or a directory, whatever its names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

/// The bytes of a file at one time; shared between the images that hold them.
#[derive(Debug, Default)]
pub(super) struct Blob {
    pub(super) bytes: Vec<u8>,
    pub(super) mapped: OnceLock<Bytes>,
    pub(super) sum: OnceLock<u64>,
}

pub(super) type Content = Arc<Blob>;

impl Clone for Blob {
    fn clone(&self) -> Self {
        self.bytes.clone().into()
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    /// The path it was created under.
    name: String,
    /// What a reader sees.
    pub(super) current: Content,
    /// What survives for certain.
    pub(super) durable: Content,
    /// Sectors written since the last sync.
    pub(super) dirty: BTreeSet<usize>,
    /// Bytes of it that are mapped.
    mapped: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Dir {
    pub(super) current: BTreeMap<String, NodeId>,
    pub(super) durable: BTreeMap<String, NodeId>,
    /// What happened since the last sync.
    pub(super) pending: Vec<Entry>,
}

/// A change of a directory; each is atomic.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Add(String, NodeId),
    Move(String, String, NodeId),
    Remove(String),
}

impl Entry {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(File),
    Dir(Dir),
}

/// All files and directories; the first node is the root.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(super) nodes: Vec<Node>,
    pub(super) violations: Vec<String>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { nodes: vec![Node::Dir(Dir::default())], violations: Vec::new() }
    }
}

pub(super) fn error(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

impl Disk {
    pub(super) fn of(image: &Image) -> Self {
        let mut disk = Self::default();
        for path in &image.dirs {
            disk.add(path, Node::Dir(Dir::default()));
        }
        for (path, content) in &image.files {
            let (current, durable) = (Arc::clone(content), Arc::clone(content));
            let name = path.to_string_lossy().into_owned();
            let file = File { name, current, durable, ..File::default() };
            disk.add(path, Node::File(file));
        }
        disk
    }

    /// A node that was always there.
    fn add(&mut self, path: &Path, node: Node) {
        let id = self.push(node);
        let (parent, name) = self.parent(path).expect("parents come first");
        let dir = self.dir_mut(parent).expect("a directory");
        dir.current.insert(name.clone(), id);
        dir.durable.insert(name, id);
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    pub(super) const ROOT: NodeId = NodeId(0);

    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = Self::ROOT;
        for name in names(path) {
            let Node::Dir(dir) = self.node(at) else {
                return Err(error(io::ErrorKind::NotADirectory));
            };
            at = *dir.current.get(name).ok_or(error(io::ErrorKind::NotFound))?;
        }
        Ok(at)
    }

    fn parent(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let name = names(path).last().ok_or(error(io::ErrorKind::InvalidInput))?;
        Ok((self.find(path.parent().unwrap_or(path))?, name.to_owned()))
    }

    fn dir_mut(&mut self, id: NodeId) -> io::Result<&mut Dir> {
        match &mut self.nodes[id.0] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(error(io::ErrorKind::NotADirectory)),
        }
    }

    fn file_mut(&mut self, id: NodeId) -> io::Result<&mut File> {
        match &mut self.nodes[id.0] {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(error(io::ErrorKind::IsADirectory)),
        }
    }

    pub(super) fn name(&self, id: NodeId) -> String {
        match self.node(id) {
            Node::File(file) => file.name.clone(),
            Node::Dir(_) => String::new(),
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<&[u8]> {
        match self.node(self.find(path)?) {
            Node::File(file) => Ok(&file.current.bytes),
            Node::Dir(_) => Err(error(io::ErrorKind::IsADirectory)),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        match self.node(self.find(path)?) {
            Node::Dir(dir) => Ok(dir.current.keys().cloned().collect()),
            Node::File(_) => Err(error(io::ErrorKind::NotADirectory)),
        }
    }

    pub(super) fn map(&mut self, path: &Path) -> io::Result<Bytes> {
        let id = self.find(path)?;
        let file = self.file_mut(id)?;
        file.mapped = Some(file.current.bytes.len());
        if let Some(bytes) = file.current.mapped.get() {
            return Ok(bytes.clone());
        }
        let bytes = Bytes::copy_of(&file.current.bytes)?;
        Ok(file.current.mapped.get_or_init(|| bytes).clone())
    }

    fn enter(&mut self, id: NodeId, entry: Entry) -> io::Result<()> {
        let dir = self.dir_mut(id)?;
        entry.apply(&mut dir.current);
        dir.pending.push(entry);
        Ok(())
    }

    /// A file that is written to. The log may grow beyond what is mapped of it.
    fn touch(&mut self, id: NodeId, at: usize) -> io::Result<&mut File> {
        if let Node::File(File { mapped: Some(length), name, .. }) = self.node(id)
            && (at < *length || !name.contains("wal/"))
        {
            self.violations.push(format!("{name} was changed although it is mapped"));
        }
        self.file_mut(id)
    }

    pub(crate) fn apply(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::CreateDir(path) => self.create(path, || Node::Dir(Dir::default())),
            Op::RemoveDir(path) => {
                if !self.list(path)?.is_empty() {
                    return Err(error(io::ErrorKind::DirectoryNotEmpty));
                }
                let (parent, name) = self.parent(path)?;
                self.enter(parent, Entry::Remove(name))
            }
            Op::SyncDir(path) => {
                let id = self.find(path)?;
                let dir = self.dir_mut(id)?;
                dir.durable = dir.current.clone();
                dir.pending.clear();
                Ok(())
            }
            Op::Create(path) => {
                let Ok(id) = self.find(path) else {
                    let name = path.to_string_lossy().into_owned();
                    return self.create(path, || Node::File(File { name, ..File::default() }));
                };
                let file = self.touch(id, 0)?;
                file.current = Content::default();
                file.dirty.clear();
                Ok(())
            }
            Op::Write(id, at, bytes) => {
                let file = self.touch(*id, *at)?;
                let end = at + bytes.len();
                let blob = Arc::make_mut(&mut file.current);
                (blob.mapped, blob.sum) = (OnceLock::new(), OnceLock::new());
                blob.bytes.resize(blob.bytes.len().max(end), 0);
                blob.bytes[*at..end].copy_from_slice(bytes);
                file.dirty.extend(at / SECTOR..end.div_ceil(SECTOR));
                Ok(())
            }
            Op::Sync(id) => {
                self.file_mut(*id)?.sync();
                Ok(())
            }
            Op::FailSync(id) => {
                self.file_mut(*id)?.dirty.clear();
                Ok(())
            }
            Op::Rename(from, to) => {
                let id = self.find(from)?;
                let ((old, from), (new, to)) = (self.parent(from)?, self.parent(to)?);
                if let Some(there) = self.dir_mut(new)?.current.get(&to).copied()
                    && matches!(self.node(there), Node::Dir(_))
                {
                    return Err(error(io::ErrorKind::IsADirectory));
                }
                if old == new {
                    return self.enter(old, Entry::Move(from, to, id));
                }
                self.enter(new, Entry::Add(to, id))?;
                self.enter(old, Entry::Remove(from))
            }
            Op::Link(from, to) => {
                let id = self.find(from)?;
                if self.find(to).is_ok() {
                    return Err(error(io::ErrorKind::AlreadyExists));
                }
                let (parent, name) = self.parent(to)?;
                self.enter(parent, Entry::Add(name, id))
            }
            Op::Remove(path) => {
                if matches!(self.node(self.find(path)?), Node::Dir(_)) {
                    return Err(error(io::ErrorKind::IsADirectory));
                }
                let (parent, name) = self.parent(path)?;
                self.enter(parent, Entry::Remove(name))
            }
        }
    }

    fn create(&mut self, path: &Path, node: impl FnOnce() -> Node) -> io::Result<()> {
        if self.find(path).is_ok() {
            return Err(error(io::ErrorKind::AlreadyExists));
        }
        let (parent, name) = self.parent(path)?;
        let id = self.push(node());
        self.enter(parent, Entry::Add(name, id))
    }
}

impl File {
    /// What is dirty becomes durable; what a failed sync forgot does not.
    fn sync(&mut self) {
        let mut durable = self.durable.bytes.clone();
        durable.resize(self.current.bytes.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let from = (sector * SECTOR).min(durable.len());
            let to = (from + SECTOR).min(durable.len());
            durable[from..to].copy_from_slice(&self.current.bytes[from..to]);
        }
        self.durable = if durable == self.current.bytes {
            Arc::clone(&self.current)
        } else {
            Arc::new(durable.into())
        };
    }
}
