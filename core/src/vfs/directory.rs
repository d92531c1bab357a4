//! The directory of one collection: a [`Vfs`] and a root, with errors that name the file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Access, Bytes, Locking, Output, Vfs};
use crate::error::{Error, Result};

/// How fast files are written at most.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    pub(crate) bytes_a_second: u64,
    /// Once set, as fast as can be: whoever waits is to be let go.
    pub(crate) hurried: Arc<AtomicBool>,
}

/// Files by their name relative to the root, e.g. `segments/3.seg`.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    rate: Option<Rate>,
}

impl Directory {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, root: impl Into<PathBuf>) -> Self {
        Self { vfs, root: root.into(), rate: None }
    }

    /// The same, but that files are written slowly, and synced as they are: what else is synced
    /// meanwhile doesn't wait for much.
    pub(crate) fn paced(&self, rate: Rate) -> Self {
        Self { rate: Some(rate), ..self.clone() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of this name is; the empty name is the root.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    pub(crate) fn create_dir(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        self.vfs.create_dir(&path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::AlreadyExists { path },
            _ => Error::io(path, "create the directory", source),
        })
    }

    /// Whether there is a directory, rather than a link to one.
    pub(crate) fn is_own_dir(&self, name: &str) -> Result<bool> {
        let path = self.path(name);
        self.vfs.is_own_dir(&path).map_err(|e| Error::io(path, "look at the directory", e))
    }

    pub(crate) fn remove_dir(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        self.vfs.remove_dir(&path).map_err(|e| Error::io(path, "remove the directory", e))
    }

    /// The entries of a directory. The error is the system's, for the caller to interpret.
    pub(crate) fn list(&self, name: &str) -> io::Result<Vec<String>> {
        self.vfs.list(&self.path(name))
    }

    /// Makes the entries of a directory durable.
    pub(crate) fn sync(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        self.vfs.sync_dir(&path).map_err(|e| Error::io(path, "sync the directory", e))
    }

    /// Makes the root's own entry durable.
    pub(crate) fn sync_parent(&self) -> Result<()> {
        let parent = match self.root.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        self.vfs.sync_dir(parent).map_err(|e| Error::io(parent, "sync the directory", e))
    }

    /// Writes a whole file and syncs it. One that failed is removed again.
    pub(crate) fn write(
        &self,
        name: &str,
        fill: impl FnOnce(&mut FileWriter) -> Result<()>,
    ) -> Result<()> {
        let mut writer = self.start(name)?;
        let done = fill(&mut writer).and_then(|()| writer.sync());
        if done.is_err() {
            drop(writer);
            self.remove_if_there(name);
        }
        done
    }

    /// Starts a file that is appended to for long.
    pub(crate) fn start(&self, name: &str) -> Result<FileWriter> {
        let path = self.path(name);
        let output = self.vfs.create(&path).map_err(|e| Error::io(&path, "create the file", e))?;
        let pace = self.rate.clone().map(Pace::new);
        Ok(FileWriter { output, path, pace })
    }

    /// [`Self::write`] of bytes at hand.
    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, |file| file.append(bytes))
    }

    /// Reads a small file whole. The error is the system's, for the caller to interpret.
    pub(crate) fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.vfs.read(&self.path(name), limit)
    }

    /// The bytes of a file that is finished or only grows. The error is the system's, for the caller to interpret.
    pub(crate) fn map(&self, name: &str, access: Access, limit: u64) -> io::Result<Bytes> {
        self.vfs.map(&self.path(name), access, limit)
    }

    /// Another directory of the same file system.
    pub(crate) fn beside(&self, root: &Path) -> Self {
        Self { vfs: Arc::clone(&self.vfs), root: root.to_owned(), rate: None }
    }

    /// Has a finished file in another directory too: the same one where that can be, else a copy.
    pub(crate) fn share(&self, name: &str, to: &Self) -> Result<()> {
        let (from, path) = (self.path(name), to.path(name));
        match self.vfs.link(&from, &path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::io(from, "link the file", error))
            }
            // Across devices, or where there are no links.
            Err(_) => {
                let bytes = self.vfs.map(&from, Access::Map, u64::MAX);
                let bytes = bytes.map_err(|e| Error::io(&from, "read the file", e))?;
                to.write(name, |file| bytes.chunks(1 << 20).try_for_each(|part| file.append(part)))
            }
        }
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let path = self.path(from);
        self.vfs.rename(&path, &self.path(to)).map_err(|e| Error::io(path, "rename the file", e))
    }

    /// Removes a file; that it can't be is not worth failing for: the next writer tries again.
    pub(crate) fn remove_if_there(&self, name: &str) {
        let _ = self.vfs.remove(&self.path(name));
    }

    /// Takes the writer's lock.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Locking> {
        let path = self.path(name);
        self.vfs.try_lock(&path).map_err(|e| Error::io(path, "lock the file", e))
    }
}

/// A file of the directory that is being written, front to back.
pub(crate) struct FileWriter {
    output: Box<dyn Output>,
    path: PathBuf,
    pace: Option<Pace>,
}

/// Bytes that may wait to be synced where a file is written slowly.
const UNSYNCED: u64 = 8 << 20;

/// Keeps to a rate.
struct Pace {
    rate: Rate,
    begin: Instant,
    written: u64,
    unsynced: u64,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        Self { rate, begin: Instant::now(), written: 0, unsynced: 0 }
    }

    /// Counts bytes that were written, and waits if they came too early; whether to sync.
    fn spend(&mut self, bytes: u64) -> bool {
        self.written += bytes;
        self.unsynced += bytes;
        let rate = self.rate.bytes_a_second.max(1) as f64;
        let due = Duration::from_secs_f64(self.written as f64 / rate);
        if !self.rate.hurried.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_sub(self.begin.elapsed()));
        }
        let sync = self.unsynced >= UNSYNCED;
        self.unsynced = if sync { 0 } else { self.unsynced };
        sync
    }
}

impl FileWriter {
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.write_all(bytes).map_err(|e| Error::io(&self.path, "write the file", e))?;
        let sync = self.pace.as_mut().is_some_and(|pace| pace.spend(bytes.len() as u64));
        if sync { self.sync_data() } else { Ok(()) }
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.output.sync().map_err(|e| Error::io(&self.path, "sync the file", e))
    }

    /// [`Self::sync`], but for times and the like.
    pub(crate) fn sync_data(&mut self) -> Result<()> {
        self.output.sync_data().map_err(|e| Error::io(&self.path, "sync the file", e))
    }
}
