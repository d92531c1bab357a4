//! The one seam to the operating system: a dozen calls on files and directories.
//!
//! Owns how bytes reach a disk and come back; knows nothing of formats. Every file is written
//! once, front to back, and is immutable from then on: [`Bytes`] may be shared for ever.

mod directory;
#[cfg(test)]
pub(crate) mod fault;
mod mem;
mod mmap;
mod os;

use std::fmt;
use std::io;
use std::path::Path;

pub(crate) use directory::{Directory, FileWriter, Rate};
pub(crate) use mem::MemVfs;
pub(crate) use mmap::{Access, Bytes, Expect};
pub(crate) use os::OsVfs;

/// What a collection asks of a file system.
pub(crate) trait Vfs: fmt::Debug + Send + Sync {
    /// Makes a directory that is not there yet.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether there is a directory, rather than a link to one.
    fn is_own_dir(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }

    /// Names of the entries of a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes the entries of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Starts a file; what was there under that name is replaced.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>>;

    /// Reads a small file whole; one longer than `limit` is an error.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// The bytes of a file that is finished or only grows, as far as they are there now; one longer
    /// than `limit` is an error.
    fn map(&self, path: &Path, access: Access, limit: u64) -> io::Result<Bytes>;

    /// Moves a file, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a finished file a second name; `CrossesDevices` or `Unsupported` where that can't be.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes the writer's lock, which ends with the process at the latest.
    fn try_lock(&self, path: &Path) -> io::Result<Locking>;
}

/// A file that is being written.
pub(crate) trait Output: Send {
    /// Appends.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written durable.
    fn sync(&mut self) -> io::Result<()>;

    /// [`Self::sync`], but for times and the like: what reading the bytes back needs.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// The outcome of [`Vfs::try_lock`].
#[derive(Debug)]
pub(crate) enum Locking {
    /// Taken; released when dropped.
    Held(Lock),
    /// Someone else has it: what they wrote about themselves.
    Busy(String),
}

/// A held lock; dropping it releases it, unless it was dropped by a fork of its owner.
#[derive(Debug)]
pub(crate) struct Lock {
    /// `None` where there is nothing to lock.
    file: Option<std::fs::File>,
    owner: u32,
}

impl Lock {
    /// A lock that this process took.
    fn new(file: Option<std::fs::File>) -> Self {
        Self { file, owner: std::process::id() }
    }
}

impl Drop for Lock {
    /// Released by a call, not only by closing: a forked child may still hold the descriptor. The
    /// child's own copy is not the owner, and only closes.
    fn drop(&mut self) {
        if let Some(file) = &self.file
            && self.owner == std::process::id()
        {
            // If it fails, closing the descriptor releases the lock all the same.
            let _ = file.unlock();
        }
    }
}
