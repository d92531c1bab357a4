//! Small metadata as bytes: bincode 2.0.1 with fixed-width little-endian integers, in one place.
//!
//! The encoding is spelt out in `docs/format.md`, so that another crate can replace this one.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

use crate::error::{Error, Result};

/// Most bytes of one value, encoded or decoded: what a hostile length can make us allocate.
pub(crate) const BYTES_MAX: usize = 16 << 20;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<BYTES_MAX>> = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<BYTES_MAX>();

/// The bytes of a value.
pub(crate) fn encode<T: Encode>(what: &str, value: &T) -> Result<Vec<u8>> {
    let too_large = |found: String| Error::ResourceLimit {
        what: what.to_owned(),
        limit: format!("{BYTES_MAX} bytes"),
        found,
        fix: "use fewer or shorter columns".to_owned(),
    };
    let bytes = bincode::encode_to_vec(value, CONFIG).map_err(|e| too_large(e.to_string()))?;
    if bytes.len() > BYTES_MAX {
        return Err(too_large(format!("{} bytes", bytes.len())));
    }
    Ok(bytes)
}

/// The value of exactly these bytes; else what is wrong with them.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> std::result::Result<T, String> {
    let (value, rest) = decode_first(bytes)?;
    if rest.is_empty() { Ok(value) } else { Err(format!("{} bytes after the value", rest.len())) }
}

/// The value that these bytes begin with; zeros may follow.
pub(crate) fn decode_padded<T: Decode<()>>(bytes: &[u8]) -> std::result::Result<T, String> {
    let (value, rest) = decode_first(bytes)?;
    match rest.iter().position(|byte| *byte != 0) {
        None => Ok(value),
        Some(at) => Err(format!("a byte other than zero, {at} bytes after the value")),
    }
}

fn decode_first<T: Decode<()>>(bytes: &[u8]) -> std::result::Result<(T, &[u8]), String> {
    let (value, used) = bincode::decode_from_slice(bytes, CONFIG).map_err(|e| e.to_string())?;
    Ok((value, bytes.get(used..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_length_is_refused_without_the_memory() {
        let mut bytes = (u64::MAX / 2).to_le_bytes().to_vec();
        bytes.extend_from_slice(b"abc");
        assert!(decode::<Vec<u8>>(&bytes).is_err());
        assert!(decode::<Vec<u64>>(&bytes).is_err());
        assert!(decode::<String>(&bytes).is_err());
    }

    #[test]
    fn bytes_beyond_the_value_are_refused() {
        let mut bytes = encode("test", &(7_u32, "seven".to_owned())).unwrap();
        assert_eq!(decode::<(u32, String)>(&bytes).unwrap(), (7, "seven".to_owned()));
        bytes.push(0);
        assert!(decode::<(u32, String)>(&bytes).is_err());
        assert_eq!(decode_padded::<(u32, String)>(&bytes).unwrap(), (7, "seven".to_owned()));
        bytes.push(1);
        assert!(decode_padded::<(u32, String)>(&bytes).is_err());
    }
}
