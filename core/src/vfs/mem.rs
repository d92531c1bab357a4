//! A file system in memory: what `Collection::in_memory` lives on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Bytes, Lock, Locking, Output, Vfs};

/// Files in memory, gone with the value.
#[derive(Debug, Default)]
pub(crate) struct MemVfs {
    tree: Mutex<Tree>,
}

#[derive(Debug, Default)]
struct Tree {
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
}

#[derive(Debug)]
enum Content {
    /// Written so far.
    Growing(Vec<u8>),
    /// Read at least once: on a page boundary, as readers expect.
    Finished(Bytes),
}

impl Content {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Growing(bytes) => bytes,
            Self::Finished(bytes) => bytes,
        }
    }
}

struct MemOutput(Arc<Mutex<Content>>);

/// What a panic elsewhere left is still a consistent tree: each call changes it in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Output for MemOutput {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut *lock(&self.0) {
            Content::Growing(all) => all.extend_from_slice(bytes),
            Content::Finished(_) => return Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MemVfs {
    fn file(&self, path: &Path) -> io::Result<Arc<Mutex<Content>>> {
        lock(&self.tree).files.get(path).cloned().ok_or_else(missing)
    }
}

impl Vfs for MemVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if lock(&self.tree).dirs.insert(path.to_owned()) {
            Ok(())
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        if lock(&self.tree).dirs.remove(path) { Ok(()) } else { Err(missing()) }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let tree = lock(&self.tree);
        if !tree.dirs.contains(path) {
            return Err(missing());
        }
        let inside = tree.files.keys().chain(&tree.dirs).filter(|p| p.parent() == Some(path));
        Ok(inside.filter_map(|p| Some(p.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let content = Arc::new(Mutex::new(Content::Growing(Vec::new())));
        lock(&self.tree).files.insert(path.to_owned(), Arc::clone(&content));
        Ok(Box::new(MemOutput(content)))
    }

    fn read(&self, path: &Path, _limit: u64) -> io::Result<Vec<u8>> {
        Ok(lock(&*self.file(path)?).bytes().to_vec())
    }

    fn map(&self, path: &Path, _access: Access, _limit: u64) -> io::Result<Bytes> {
        let file = self.file(path)?;
        let mut content = lock(&file);
        if let Content::Growing(bytes) = &*content {
            let bytes = Bytes::copy_of(bytes)?;
            *content = Content::Finished(bytes);
        }
        match &*content {
            Content::Finished(bytes) => Ok(bytes.clone()),
            Content::Growing(_) => Err(missing()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = lock(&self.tree);
        let content = tree.files.remove(from).ok_or_else(missing)?;
        tree.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        lock(&self.tree).files.remove(path).map(drop).ok_or_else(missing)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let content = self.file(from)?;
        lock(&self.tree).files.insert(to.to_owned(), content);
        Ok(())
    }

    fn try_lock(&self, _path: &Path) -> io::Result<Locking> {
        // Nobody else can reach this tree.
        Ok(Locking::Held(Lock::new(None)))
    }
}
