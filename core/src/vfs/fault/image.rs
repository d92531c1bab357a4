//! What a power cut leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Blob, Content, Dir, Disk, File, Node, NodeId, SECTOR};

/// What of the unsynced survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Crash {
    /// Nothing.
    OnlySynced,
    /// Everything: what the end of the process alone leaves.
    Everything,
    /// A random choice of sectors, lengths and names.
    RandomSectors(u64),
    /// All contents, but no names.
    NamesDropped,
    /// Names and lengths, with zeros for contents.
    LengthWithoutData,
}

/// A disk that nobody has open: what is on it for certain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) files: BTreeMap<PathBuf, Content>,
}

impl Image {
    /// Tells images with different contents apart.
    pub(crate) fn sum(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        for dir in &self.dirs {
            mix(dir.as_os_str().as_encoded_bytes());
            mix(&[0]);
        }
        for (path, content) in &self.files {
            mix(path.as_os_str().as_encoded_bytes());
            let sum = content.sum.get_or_init(|| sum(&content.bytes));
            mix(&sum.to_le_bytes());
            mix(&content.bytes.len().to_le_bytes());
        }
        hash
    }

    /// Paths of the files.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.files.keys().cloned().collect()
    }

    /// The same with another content of this file.
    pub(crate) fn with(&self, path: &Path, bytes: Vec<u8>) -> Self {
        let mut image = self.clone();
        image.files.insert(path.to_owned(), Arc::new(bytes.into()));
        image
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(|content| &*content.bytes)
    }
}

/// Two checksums: that of bytes which end in their own is a constant.
fn sum(bytes: &[u8]) -> u64 {
    let body = bytes.get(..bytes.len().saturating_sub(4)).unwrap_or_default();
    u64::from(crc32c::crc32c(body)) << 32 | u64::from(crc32c::crc32c(bytes))
}

/// A stream of numbers that is the same everywhere.
#[derive(Debug, Clone)]
struct Coins(u64);

impl Coins {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }

    fn heads(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

impl Disk {
    /// What survives if the power goes now.
    pub(crate) fn image(&self, crash: Crash) -> Image {
        let mut coins = match crash {
            Crash::RandomSectors(seed) => Coins(seed),
            _ => Coins(0),
        };
        let mut image = Image::default();
        self.collect(Self::ROOT, Path::new("/"), crash, &mut coins, &mut image);
        image
    }

    fn collect(&self, id: NodeId, path: &Path, crash: Crash, coins: &mut Coins, image: &mut Image) {
        match self.node(id) {
            Node::File(file) => {
                image.files.insert(path.to_owned(), file.survives(crash, coins));
            }
            Node::Dir(dir) => {
                if id != Self::ROOT {
                    image.dirs.insert(path.to_owned());
                }
                for (name, node) in dir.survives(crash, coins) {
                    self.collect(node, &path.join(name), crash, coins, image);
                }
            }
        }
    }
}

impl Dir {
    fn survives(&self, crash: Crash, coins: &mut Coins) -> BTreeMap<String, NodeId> {
        match crash {
            Crash::OnlySynced | Crash::NamesDropped => self.durable.clone(),
            Crash::Everything | Crash::LengthWithoutData => self.current.clone(),
            Crash::RandomSectors(_) => {
                let mut names = self.durable.clone();
                for entry in &self.pending {
                    if coins.heads() {
                        entry.apply(&mut names);
                    }
                }
                names
            }
        }
    }
}

impl File {
    fn survives(&self, crash: Crash, coins: &mut Coins) -> Content {
        if Arc::ptr_eq(&self.current, &self.durable) {
            return Arc::clone(&self.current);
        }
        match crash {
            Crash::OnlySynced => Arc::clone(&self.durable),
            Crash::Everything | Crash::NamesDropped => Arc::clone(&self.current),
            Crash::LengthWithoutData => Arc::new(self.mix(self.current.bytes.len(), |_| false)),
            Crash::RandomSectors(_) => {
                let (before, after) = (self.durable.bytes.len(), self.current.bytes.len());
                let (low, high) = (before.min(after), before.max(after));
                let length = match coins.below(4) {
                    0 => before,
                    1 => low + coins.below(high - low + 1),
                    _ => after,
                };
                // Most of what is dirty survives, or little of it, or half.
                let share = [1, 4, 7][coins.below(3)];
                Arc::new(self.mix(length, |_| coins.below(8) < share))
            }
        }
    }

    /// The durable bytes with some of the dirty sectors over them; zeros beyond both.
    fn mix(&self, length: usize, mut survives: impl FnMut(usize) -> bool) -> Blob {
        let mut bytes = self.durable.bytes.clone();
        bytes.resize(length, 0);
        for sector in &self.dirty {
            let from = sector * SECTOR;
            let to = (from + SECTOR).min(length).min(self.current.bytes.len());
            if from < to && survives(*sector) {
                bytes[from..to].copy_from_slice(&self.current.bytes[from..to]);
            }
        }
        bytes.into()
    }
}
