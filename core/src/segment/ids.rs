//! Ids in place: read and compared by slot without allocating.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::format::{Decoded, Entry, Fault};
use crate::types::{Ids, PointId};

/// A borrowed id. Ordered by value, strings bytewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum IdRef<'a> {
    U64(u64),
    Str(&'a str),
}

impl<'a> IdRef<'a> {
    pub(crate) fn as_u64(self) -> Option<u64> {
        if let Self::U64(id) = self { Some(id) } else { None }
    }

    pub(crate) fn as_str(self) -> Option<&'a str> {
        if let Self::Str(id) = self { Some(id) } else { None }
    }

    pub(crate) fn to_owned(self) -> PointId {
        match self {
            Self::U64(id) => PointId::U64(id),
            Self::Str(id) => PointId::Str(id.to_owned()),
        }
    }
}

impl<'a> From<&'a PointId> for IdRef<'a> {
    fn from(id: &'a PointId) -> Self {
        match id {
            PointId::U64(id) => Self::U64(*id),
            PointId::Str(id) => Self::Str(id),
        }
    }
}

impl<'a> IdRef<'a> {
    /// The id at a row of a column, if there is such a row.
    pub(crate) fn at(ids: &'a Ids, row: usize) -> Option<Self> {
        match ids {
            Ids::U64(ids) => ids.get(row).map(|id| Self::U64(*id)),
            Ids::Str(ids) => ids.get(row).map(|id| Self::Str(id)),
        }
    }
}

/// The ids of a segment, by slot. Their bytes were compared with their checksums.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IdColumn<'a> {
    U64(&'a [[u8; 8]]),
    Str { offsets: &'a [[u8; 8]], bytes: &'a [u8] },
}

impl<'a> IdColumn<'a> {
    /// The id at a slot. A slot beyond the rows, which no caller has, gives an id that no point
    /// can have.
    pub(crate) fn get(&self, slot: u32) -> IdRef<'a> {
        match self {
            Self::U64(ids) => {
                IdRef::U64(ids.get(slot as usize).map_or(u64::MAX, |id| u64::from_le_bytes(*id)))
            }
            Self::Str { offsets, bytes } => {
                IdRef::Str(string_at(offsets, bytes, slot as usize).unwrap_or_default())
            }
        }
    }
}

/// The string between two neighbouring offsets; `None` if they don't fit or it is no UTF-8.
pub(super) fn string_at<'a>(
    offsets: &[[u8; 8]],
    bytes: &'a [u8],
    position: usize,
) -> Option<&'a str> {
    let start = usize::try_from(u64::from_le_bytes(*offsets.get(position)?)).ok()?;
    let end = usize::try_from(u64::from_le_bytes(*offsets.get(position + 1)?)).ok()?;
    std::str::from_utf8(bytes.get(start..end)?).ok()
}

/// Checks that offsets start at 0, don't fall and end with the bytes.
pub(super) fn check_offsets(entry: &Entry, offsets: &[[u8; 8]], bytes: usize) -> Decoded<()> {
    let mut before = 0;
    for (position, offset) in offsets.iter().enumerate() {
        let offset = u64::from_le_bytes(*offset);
        if offset < before || (position == 0 && offset != 0) {
            let at = (entry.range.start + position * 8) as u64;
            let expected = format!("an offset of at least {before}");
            return Err(Fault::damage(at, entry.name(), expected, offset.to_string()));
        }
        before = offset;
    }
    if before != bytes as u64 || offsets.is_empty() {
        let at = entry.range.end as u64;
        let expected = format!("{bytes} as the last offset");
        return Err(Fault::damage(at, entry.name(), expected, before.to_string()));
    }
    Ok(())
}
