//! The first 32 bytes of every binary file, the same in every version to come:
//!
//! ```text
//!  0        8          12         16            24         28      32
//!  | magic  | version  | features | file length | 0        | crc   |
//! ```
//!
//! `crc` is the CRC32C of the 28 bytes before it, so that a newer version can be told from a
//! flipped bit. A feature bit that this build doesn't know means that it can't read the file.

use super::{Fault, VERSION, crc, u32_at, u64_at};

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 32;

/// Feature bits that this build knows.
const FEATURES: u32 = 0;

/// Which kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Manifest,
    Segment,
    Tombstones,
    Attributes,
    Exclusions,
    /// Its length changes; the header states 0.
    Wal,
}

impl FileKind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Manifest => *b"NEARMAN\0",
            Self::Segment => *b"NEARSEG\0",
            Self::Tombstones => *b"NEARDEL\0",
            Self::Attributes => *b"NEARATT\0",
            Self::Exclusions => *b"NEARSET\0",
            Self::Wal => *b"NEARWAL\0",
        }
    }
}

/// The header of a file of `length` bytes in all; 0 for a write-ahead log, which grows.
pub(crate) fn encode_header(kind: FileKind, length: u64) -> [u8; HEADER_BYTES] {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&kind.magic());
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&FEATURES.to_le_bytes());
    header.extend_from_slice(&length.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&crc(&header).to_le_bytes());
    let mut out = [0; HEADER_BYTES];
    out.copy_from_slice(&header);
    out
}

/// Checks the header of a file whose bytes these are.
pub(crate) fn decode_header(kind: FileKind, file: &[u8]) -> Result<(), Fault> {
    let found = file.len() as u64;
    let Some(header) = file.first_chunk::<HEADER_BYTES>() else {
        let expected = format!("at least {HEADER_BYTES} bytes");
        return Err(Fault::damage(found, "header", expected, format!("{found} bytes")));
    };
    let magic = kind.magic();
    if !header.starts_with(&magic) {
        let text = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
        let start: &[u8] = header.first_chunk::<8>().map_or(&[], |m| m);
        return Err(Fault::damage(0, "header", format!("magic {}", text(&magic)), text(start)));
    }
    let word = |at| u32_at(header, at).unwrap_or_default();
    let (sum, stated) = (crc(header.first_chunk::<28>().map_or(&[], |h| h)), word(28));
    if sum != stated {
        let (expected, found) = (format!("crc {stated:08x}"), format!("crc {sum:08x}"));
        return Err(Fault::damage(0, "header", expected, found));
    }
    let (version, features) = (word(8), word(12));
    if version > VERSION {
        return Err(Fault::Newer { found: version.to_string(), supported: VERSION.to_string() });
    }
    if version == 0 {
        return Err(Fault::damage(8, "header", "version 1 or later", "version 0"));
    }
    if features & !FEATURES != 0 {
        return Err(Fault::Newer {
            found: format!("{version} with unknown features {:#x}", features & !FEATURES),
            supported: VERSION.to_string(),
        });
    }
    if word(24) != 0 {
        return Err(Fault::damage(24, "header", "zero", format!("{:#x}", word(24))));
    }
    let length = u64_at(header, 16).unwrap_or_default();
    let found = if kind == FileKind::Wal { 0 } else { found };
    if length != found {
        let at = found.min(length);
        return Err(Fault::damage(at, "file", format!("{length} bytes"), format!("{found} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_a_header_is_found() {
        let good = encode_header(FileKind::Segment, 32);
        decode_header(FileKind::Segment, &good).unwrap();
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let fault = decode_header(FileKind::Segment, &bad).unwrap_err();
            assert!(matches!(fault, Fault::Damage { .. }), "bit {bit}: {fault:?}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut newer = encode_header(FileKind::Manifest, 32);
        newer[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let sum = crc(&newer[..28]).to_le_bytes();
        newer[28..].copy_from_slice(&sum);
        let fault = decode_header(FileKind::Manifest, &newer).unwrap_err();
        assert!(matches!(fault, Fault::Newer { .. }), "{fault:?}");
    }
}
