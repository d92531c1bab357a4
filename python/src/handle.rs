//! Who may use an open collection: nobody once it is closed, and only readers in a forked child.
//!
//! A child of `fork` shares the lock of its parent. It must not write beside it, and must not
//! let go of the lock: what it inherited is leaked, never dropped.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use nearfield::{Collection, Error, Result};

/// An open collection and the process that opened it.
#[derive(Debug)]
pub struct Handle {
    /// `None` only while it is dropped.
    collection: Option<Collection>,
    closed: AtomicBool,
    pid: u32,
}

impl Handle {
    /// Takes charge of a collection that this process has opened.
    pub fn new(collection: Collection) -> Self {
        Self { collection: Some(collection), closed: AtomicBool::new(false), pid: process::id() }
    }

    /// The collection, to read.
    pub fn to_read(&self, operation: &'static str) -> Result<&Collection> {
        match &self.collection {
            Some(collection) if !self.is_closed() => Ok(collection),
            _ => Err(Error::Closed { operation }),
        }
    }

    /// The collection, to write.
    pub fn to_write(&self, operation: &'static str) -> Result<&Collection> {
        let collection = self.to_read(operation)?;
        if self.is_writable() { Ok(collection) } else { Err(Error::ReadOnly { operation }) }
    }

    /// The collection whether closed or not, for what never changes.
    pub fn constant(&self) -> Result<&Collection> {
        self.collection.as_ref().ok_or(Error::Closed { operation: "open" })
    }

    /// Whether writes may succeed.
    pub fn is_writable(&self) -> bool {
        !self.is_forked() && self.collection.as_ref().is_some_and(Collection::is_writable)
    }

    /// Whether [`Handle::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes the handle; files and locks stay with the parent in a forked child. Idempotent.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) || self.is_forked() {
            return Ok(());
        }
        self.collection.as_ref().map_or(Ok(()), Collection::close)
    }

    fn is_forked(&self) -> bool {
        self.pid != process::id()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.is_forked() {
            std::mem::forget(self.collection.take());
        }
    }
}
