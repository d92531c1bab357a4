//! Immutable bytes of a file, mapped or copied into anonymous memory. The only unsafe code of
//! the storage half.
//!
//! Invariants: the bytes never change while a [`Bytes`] lives; those of a file start on a page, so
//! that an aligned section is aligned in memory too.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::{Advice, Mmap, MmapMut};

/// How the bytes of a file are brought into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Mapped: the page cache holds what is used.
    Map,
    /// Read whole into anonymous memory.
    Copy,
}

/// How a range of bytes is going to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Here and there: don't read ahead.
    Random,
    /// All of it, soon: in huge pages where the file system has them.
    Soon,
}

/// Bytes below which [`Bytes::filled`] asks the heap.
const HEAP_MAX: usize = 128 << 10;

/// Immutable bytes, cheap to clone.
#[derive(Clone)]
pub(crate) struct Bytes(Arc<Region>);

enum Region {
    Empty,
    /// So few that a mapping would cost more than they; not on a page.
    Heap(Box<[u8]>),
    File(Mmap),
    Anonymous(Mmap),
}

impl Bytes {
    /// Maps `len` bytes of a file.
    pub(super) fn map(file: &File, len: usize) -> io::Result<Self> {
        if len == 0 {
            return Ok(Self(Arc::new(Region::Empty)));
        }
        // SAFETY: files of a collection are written once, before they are named by a manifest,
        // and from then on only ever unlinked, which leaves the mapped inode as it is, or appended
        // to, which leaves the bytes that are mapped as they are. Only this
        // crate's writer, which holds the lock, writes there. Truncating a live file from
        // outside is documented as ending the process.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file)? };
        Ok(Self(Arc::new(Region::File(map))))
    }

    /// Reads `len` bytes of a file into anonymous memory.
    pub(super) fn read(file: &mut File, len: usize) -> io::Result<Self> {
        Self::anonymous(len, |out| file.read_exact(out))
    }

    /// A copy in anonymous memory, in huge pages where the kernel gives them.
    pub(crate) fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        Self::anonymous(bytes.len(), |out| {
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// `len` bytes of anonymous memory, zeroed, then filled.
    pub(crate) fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> io::Result<Self> {
        if len < HEAP_MAX {
            let mut bytes = vec![0; len].into_boxed_slice();
            fill(&mut bytes);
            return Ok(Self(Arc::new(Region::Heap(bytes))));
        }
        Self::anonymous(len, |out| {
            fill(out);
            Ok(())
        })
    }

    fn anonymous(len: usize, fill: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<Self> {
        if len == 0 {
            return Ok(Self(Arc::new(Region::Empty)));
        }
        let mut map = MmapMut::map_anon(len)?;
        #[cfg(target_os = "linux")]
        if len >= 2 << 20 {
            // Advice: a kernel without huge pages refuses, which costs speed only.
            let _ = map.advise(Advice::HugePage);
        }
        fill(&mut map)?;
        Ok(Self(Arc::new(Region::Anonymous(map.make_read_only()?))))
    }

    /// Tells the kernel how a range is going to be read.
    pub(crate) fn expect(&self, range: &Range<usize>, how: Expect) {
        if let Region::File(map) = &*self.0
            && !range.is_empty()
            && range.end <= map.len()
        {
            let advice = match how {
                Expect::Random => Advice::Random,
                // Not `WillNeed`: it fills the page cache with small pages.
                #[cfg(target_os = "linux")]
                Expect::Soon => Advice::HugePage,
                #[cfg(not(target_os = "linux"))]
                Expect::Soon => Advice::WillNeed,
            };
            // Advice: refusal costs speed only.
            let _ = map.advise_range(advice, range.start, range.len());
        }
    }

    /// Asks the kernel to read a part of a file, and doesn't wait.
    pub(crate) fn fetch(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Region::File(map) = &*self.0
            && !range.is_empty()
            && range.end <= map.len()
        {
            // Advice: refusal costs speed only.
            let _ = map.advise_range(Advice::WillNeed, range.start, range.len());
        }
    }

    /// Bytes that are in physical memory now.
    pub(crate) fn resident(&self) -> u64 {
        match &*self.0 {
            Region::Empty => 0,
            Region::Heap(bytes) => bytes.len() as u64,
            Region::Anonymous(map) => map.len() as u64,
            Region::File(map) => resident_pages(map),
        }
    }
}

#[cfg(target_os = "linux")]
fn resident_pages(map: &Mmap) -> u64 {
    // SAFETY: sysconf only reads a constant of the system.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096).max(1);
    let mut pages = vec![0_u8; map.len().div_ceil(page)];
    // SAFETY: the pointer is the start of a live mapping, so page-aligned, `len` is its length,
    // and `pages` has one byte for each of its pages, which is what mincore writes.
    let status = unsafe {
        libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr().cast())
    };
    if status != 0 {
        return 0;
    }
    let resident = pages.iter().filter(|p| **p & 1 == 1).count() * page;
    resident.min(map.len()) as u64
}

#[cfg(not(target_os = "linux"))]
fn resident_pages(map: &Mmap) -> u64 {
    map.len() as u64
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Region::Empty => &[],
            Region::Heap(bytes) => bytes,
            Region::File(map) | Region::Anonymous(map) => map,
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &*self.0 {
            Region::Empty => "empty",
            Region::Heap(_) => "heap",
            Region::File(_) => "mapped",
            Region::Anonymous(_) => "anonymous",
        };
        write!(f, "Bytes({kind}, {})", self.len())
    }
}
