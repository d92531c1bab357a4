//! A disk for tests: it lives in memory, keeps a log of everything that changed it, fails where it
//! is told to, and shows what a power cut after any entry of that log would leave.
//!
//! It is stricter than any file system: what no `sync` covered may be lost, kept or torn sector by
//! sector, names apart from contents, and each name apart from the others.

mod disk;
mod image;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Bytes, Lock, Locking, Output, Vfs};
pub(crate) use disk::{Disk, NodeId};
pub(crate) use image::{Crash, Image};

/// A change of the disk: the boundaries at which the power may go.
#[derive(Clone)]
pub(crate) enum Op {
    CreateDir(PathBuf),
    RemoveDir(PathBuf),
    SyncDir(PathBuf),
    Create(PathBuf),
    Write(NodeId, usize, Arc<[u8]>),
    Sync(NodeId),
    /// A sync that failed: the system forgets what it could not write.
    FailSync(NodeId),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateDir(path) => write!(f, "mkdir {}", path.display()),
            Self::RemoveDir(path) => write!(f, "rmdir {}", path.display()),
            Self::SyncDir(path) => write!(f, "sync dir {}", path.display()),
            Self::Create(path) => write!(f, "create {}", path.display()),
            Self::Write(node, at, bytes) => write!(f, "write {node:?} {at}+{}", bytes.len()),
            Self::Sync(node) => write!(f, "sync {node:?}"),
            Self::FailSync(node) => write!(f, "sync {node:?} fails"),
            Self::Rename(from, to) => write!(f, "rename {} {}", from.display(), to.display()),
            Self::Link(from, to) => write!(f, "link {} {}", from.display(), to.display()),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
        }
    }
}

/// What a failing call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The device fails: any call.
    Io,
    /// The disk is full: calls that need room. A write gets half of its bytes down first.
    Full,
    /// Too many open files: calls that open one.
    Handles,
}

impl Failure {
    pub(crate) const ALL: [Self; 3] = [Self::Io, Self::Full, Self::Handles];

    fn hits(self, call: Call) -> bool {
        match self {
            Self::Io => true,
            Self::Full => matches!(call, Call::Create | Call::Write | Call::Rename),
            Self::Handles => matches!(call, Call::Create | Call::Open),
        }
    }

    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Io => libc::EIO,
            Self::Full => libc::ENOSPC,
            Self::Handles => libc::EMFILE,
        })
    }
}

/// When calls fail: the `nth` (from 0) of those that the failure hits, and with `sticky` all
/// after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) failure: Failure,
    pub(crate) nth: u64,
    pub(crate) sticky: bool,
}

/// A bug that the disk plays, so that the tests can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Syncs of files whose path contains this do nothing.
    SkipSync(&'static str),
    /// Syncs of directories whose path ends so do nothing.
    SkipDirSync(&'static str),
    /// A rename is a copy over the target: not atomic.
    RenameByCopy,
}

/// The kinds of calls, as far as failures tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Create,
    Open,
    Write,
    Sync,
    Rename,
    Remove,
}

/// The disk. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct FaultVfs {
    inner: Arc<Mutex<Inner>>,
    /// Calls of a process that has ended do nothing.
    process: u64,
}

#[derive(Default)]
struct Inner {
    /// The process that runs now.
    process: u64,
    disk: Disk,
    log: Vec<Op>,
    /// Calls that the plan's failure hits, so far.
    calls: u64,
    /// Calls that failed by plan.
    failed: u64,
    plan: Option<Plan>,
    tricks: Vec<Trick>,
    /// What happens when a file is created whose name ends so.
    hook: Option<(&'static str, Hook)>,
}

/// What happens once, in the middle of something else.
type Hook = Box<dyn FnOnce() + Send>;

impl FaultVfs {
    /// A disk on which this survived.
    pub(crate) fn of(image: &Image) -> Self {
        let inner = Inner { disk: Disk::of(image), ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)), process: 0 }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, for a call.
    fn running(&self) -> io::Result<MutexGuard<'_, Inner>> {
        crate::sync::scheduled::point();
        let inner = self.inner();
        if inner.process == self.process { Ok(inner) } else { Err(Failure::Io.error()) }
    }

    /// Ends the process that has the disk open: whatever it still tries fails. The disk of the
    /// next process.
    pub(crate) fn kill(&self) -> Self {
        let mut inner = self.inner();
        inner.process += 1;
        Self { inner: Arc::clone(&self.inner), process: inner.process }
    }

    /// Entries of the log so far: a position at which the power may go.
    pub(crate) fn position(&self) -> usize {
        self.inner().log.len()
    }

    /// Everything that changed the disk.
    pub(crate) fn log(&self) -> Vec<Op> {
        self.inner().log.clone()
    }

    /// The disk itself, for a replay of its log.
    pub(crate) fn disk(&self) -> Disk {
        self.inner().disk.clone()
    }

    /// What a power cut now would leave.
    pub(crate) fn image(&self, crash: Crash) -> Image {
        self.inner().disk.image(crash)
    }

    /// Fails calls from now on; `None` heals.
    pub(crate) fn fail(&self, plan: Option<Plan>) {
        let mut inner = self.inner();
        (inner.plan, inner.calls, inner.failed) = (plan, 0, 0);
    }

    /// How many calls failed by plan.
    pub(crate) fn failed(&self) -> u64 {
        self.inner().failed
    }

    /// Plays a bug from now on.
    pub(crate) fn play(&self, trick: Trick) {
        self.inner().tricks.push(trick);
    }

    /// Does this, once, in the call that next creates a file whose name ends so.
    pub(crate) fn when_created(&self, end: &'static str, hook: impl FnOnce() + Send + 'static) {
        self.inner().hook = Some((end, Box::new(hook)));
    }

    /// Whether what was to happen did not happen; it won't any more.
    pub(crate) fn forget_hook(&self) -> bool {
        self.inner().hook.take().is_some()
    }

    /// What the rules of the house forbid and was done: a file changed that is mapped.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.inner().disk.violations.clone()
    }
}

impl Inner {
    /// Counts a call; fails it if the plan says so.
    fn call(&mut self, call: Call) -> io::Result<()> {
        let Some(plan) = self.plan else { return Ok(()) };
        if !plan.failure.hits(call) {
            return Ok(());
        }
        let nth = self.calls;
        self.calls += 1;
        if nth == plan.nth || (plan.sticky && nth > plan.nth) {
            self.failed += 1;
            return Err(plan.failure.error());
        }
        Ok(())
    }

    fn apply(&mut self, op: Op) -> io::Result<()> {
        self.disk.apply(&op)?;
        self.log.push(op);
        Ok(())
    }

    fn write(&mut self, node: NodeId, at: usize, bytes: &[u8]) -> io::Result<()> {
        let result = self.call(Call::Write);
        let fits = match (&result, self.plan) {
            (Ok(()), _) => bytes,
            (Err(_), Some(Plan { failure: Failure::Full, .. })) => &bytes[..bytes.len() / 2],
            (Err(_), _) => &[],
        };
        if !fits.is_empty() {
            self.apply(Op::Write(node, at, fits.into()))?;
        }
        result
    }

    fn sync(&mut self, node: NodeId) -> io::Result<()> {
        let result = self.call(Call::Sync);
        let name = self.disk.name(node);
        let skip = |trick: &Trick| matches!(trick, Trick::SkipSync(part) if name.contains(part));
        if self.tricks.iter().any(skip) {
            return result;
        }
        self.apply(if result.is_ok() { Op::Sync(node) } else { Op::FailSync(node) })?;
        result
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.call(Call::Sync)?;
        let skip = |trick: &Trick| matches!(trick, Trick::SkipDirSync(end) if path.ends_with(end));
        if self.tricks.iter().any(skip) {
            return Ok(());
        }
        self.apply(Op::SyncDir(path.to_owned()))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename)?;
        if !self.tricks.contains(&Trick::RenameByCopy) {
            return self.apply(Op::Rename(from.to_owned(), to.to_owned()));
        }
        let bytes = self.disk.file(from)?.to_vec();
        self.apply(Op::Create(to.to_owned()))?;
        let node = self.disk.find(to)?;
        self.apply(Op::Write(node, 0, bytes.into()))?;
        self.apply(Op::Sync(node))?;
        self.apply(Op::Remove(from.to_owned()))
    }
}

impl fmt::Debug for FaultVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultVfs({} changes)", self.position())
    }
}

/// A file of the disk that is being written.
struct FaultOutput {
    vfs: FaultVfs,
    node: NodeId,
    at: usize,
}

impl Output for FaultOutput {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.vfs.running()?.write(self.node, self.at, bytes)?;
        self.at += bytes.len();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.vfs.running()?.sync(self.node)
    }

    /// What it leaves out, times and the like, is not on this disk.
    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }
}

impl Vfs for FaultVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.running()?;
        inner.call(Call::Create)?;
        inner.apply(Op::CreateDir(path.to_owned()))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.running()?;
        inner.call(Call::Remove)?;
        inner.apply(Op::RemoveDir(path.to_owned()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut inner = self.running()?;
        inner.call(Call::Open)?;
        inner.disk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.running()?.sync_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let mut inner = self.running()?;
        inner.call(Call::Create)?;
        inner.apply(Op::Create(path.to_owned()))?;
        let node = inner.disk.find(path)?;
        let meant = |(end, _): &mut (&str, _)| path.to_string_lossy().ends_with(*end);
        let hook = inner.hook.take_if(meant);
        drop(inner);
        if let Some((_, hook)) = hook {
            hook();
        }
        Ok(Box::new(FaultOutput { vfs: self.clone(), node, at: 0 }))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut inner = self.running()?;
        inner.call(Call::Open)?;
        let bytes = inner.disk.file(path)?.to_vec();
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn map(&self, path: &Path, _access: Access, limit: u64) -> io::Result<Bytes> {
        let mut inner = self.running()?;
        inner.call(Call::Open)?;
        if inner.disk.file(path)?.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        inner.disk.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.running()?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.running()?;
        inner.call(Call::Remove)?;
        inner.apply(Op::Remove(path.to_owned()))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.running()?;
        inner.call(Call::Create)?;
        inner.apply(Op::Link(from.to_owned(), to.to_owned()))
    }

    fn try_lock(&self, _path: &Path) -> io::Result<Locking> {
        self.running()?.call(Call::Open)?;
        // One handle a disk at a time; that two are kept apart is tested on a real one.
        Ok(Locking::Held(Lock::new(None)))
    }
}
