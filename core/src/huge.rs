//! Large zeroed buffers in huge pages where the kernel gives them: random reads of codes and
//! edges are bound by address translation otherwise.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Zeroed bytes, page-aligned.
#[derive(Debug)]
pub(crate) struct HugeBytes {
    /// `None` when empty: an empty map is refused by the system.
    map: Option<MmapMut>,
}

impl HugeBytes {
    /// `len` zeroed bytes.
    pub(crate) fn zeroed(len: usize) -> std::io::Result<Self> {
        if len == 0 {
            return Ok(Self { map: None });
        }
        let map = MmapMut::map_anon(len)?;
        // Advice only: a kernel without huge pages serves small ones.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self { map: Some(map) })
    }
}

impl Deref for HugeBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}

impl DerefMut for HugeBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or(&mut [])
    }
}
