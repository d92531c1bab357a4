//! The file system of the operating system.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use super::{Access, Bytes, Lock, Locking, Output, Vfs};

/// Files on disk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OsVfs;

struct OsOutput(File);

impl Output for OsOutput {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn check_length(length: u64, limit: u64) -> io::Result<()> {
    if length <= limit {
        return Ok(());
    }
    let found = format!("more than the {limit} bytes such a file can have");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, found))
}

impl Vfs for OsVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn is_own_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::symlink_metadata(path)?.is_dir())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // A name that is no UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Elsewhere a directory can't be opened, and needs no sync.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        // Never into what is there: it may be a link to elsewhere, or be mapped.
        let new = || File::options().write(true).create_new(true).open(path);
        let file = match new() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(path)?;
                new()?
            }
            file => file?,
        };
        Ok(Box::new(OsOutput(file)))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let (file, len) = regular(path)?;
        check_length(len, limit)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        check_length(bytes.len() as u64, limit)?;
        Ok(bytes)
    }

    fn map(&self, path: &Path, access: Access, limit: u64) -> io::Result<Bytes> {
        let (mut file, len) = regular(path)?;
        check_length(len, limit)?;
        let len = usize::try_from(len)
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "beyond the address space"))?;
        match access {
            Access::Map => Bytes::map(&file, len),
            Access::Copy => Bytes::read(&mut file, len),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Locking> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        // What a link leads to is not ours to write to.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                write!(file, "pid {}", std::process::id())?;
                Ok(Locking::Held(Lock::new(Some(file))))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // What it says is only for the message.
                let _ = file.take(64).read_to_string(&mut holder);
                let holder = holder.trim();
                let named = if holder.is_empty() { "unknown process" } else { holder };
                Ok(Locking::Busy(named.to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Opens a regular file for reading. A pipe or a device would block or never end.
fn regular(path: &Path) -> io::Result<(File, u64)> {
    let kind = fs::metadata(path)?;
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}
