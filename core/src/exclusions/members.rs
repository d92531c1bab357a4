//! The ids of a set with the times at which they expire: gathered, and as bytes.
//!
//! ```text
//!  members := group*                    ascending by time
//!  group   := time count length ids     numbers as in `bytes`
//!  time    := 0 for never, else 1 + microseconds since 1970
//!  ids     := u64: the first, then differences; strings: shared prefix, rest's length, rest
//! ```
//!
//! Within a group ids ascend. An id is in one group only.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::bytes::{Reader, put};
use crate::segment::IdRef;
use crate::types::{IdType, Ids, STRING_ID_BYTES_MAX};

/// The time of what never expires.
pub(crate) const NEVER: i64 = i64::MAX;

/// Ids and their times, in any order, an id maybe several times.
#[derive(Debug, Clone)]
pub(crate) enum Members {
    U64(Vec<(u64, i64)>),
    Str(Vec<(String, i64)>),
}

impl Members {
    pub(crate) fn none(id_type: IdType) -> Self {
        match id_type {
            IdType::U64 => Self::U64(Vec::new()),
            IdType::Str => Self::Str(Vec::new()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::U64(members) => members.is_empty(),
            Self::Str(members) => members.is_empty(),
        }
    }

    /// Adds ids of the same type; others are passed over, which no caller has.
    pub(crate) fn extend(&mut self, ids: Ids, until_us: i64) {
        match (self, ids) {
            (Self::U64(members), Ids::U64(ids)) => {
                members.extend(ids.into_iter().map(|id| (id, until_us)));
            }
            (Self::Str(members), Ids::Str(ids)) => {
                members.extend(ids.into_iter().map(|id| (id, until_us)));
            }
            _ => {}
        }
    }

    fn push(&mut self, id: IdRef<'_>, until_us: i64) {
        match (self, id) {
            (Self::U64(members), IdRef::U64(id)) => members.push((id, until_us)),
            (Self::Str(members), IdRef::Str(id)) => members.push((id.to_owned(), until_us)),
            _ => {}
        }
    }

    /// Adds what these bytes hold and has not expired; `None` if they hold no members.
    pub(super) fn read(&mut self, bytes: &[u8], id_type: IdType, now_us: i64) -> Option<()> {
        each_member(bytes, id_type, now_us, |id, until_us| self.push(id, until_us)).map(drop)
    }

    /// The bytes; an id that is there several times expires at the latest of its times.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::U64(members) => {
                encode(members, out, |ids, out| {
                    let mut before = 0;
                    for id in ids {
                        put(id - before, out);
                        before = *id;
                    }
                });
            }
            Self::Str(members) => {
                encode(members, out, |ids, out| {
                    let mut before: &str = "";
                    for id in ids {
                        let same = before.bytes().zip(id.bytes()).take_while(|(a, b)| a == b);
                        let shared = same.count();
                        let rest = id.as_bytes().get(shared..).unwrap_or_default();
                        put(shared as u64, out);
                        put(rest.len() as u64, out);
                        out.extend_from_slice(rest);
                        before = id;
                    }
                });
            }
        }
    }
}

fn encode<T: Ord>(
    mut members: Vec<(T, i64)>,
    out: &mut Vec<u8>,
    put_ids: impl Fn(&[T], &mut Vec<u8>),
) {
    members.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
    members.dedup_by(|a, b| a.0 == b.0);
    members.sort_by_key(|(_, until_us)| *until_us);
    let mut members = members.into_iter().peekable();
    let (mut ids, mut bytes) = (Vec::new(), Vec::new());
    while let Some((id, until_us)) = members.next() {
        ids.push(id);
        if members.peek().is_some_and(|(_, next)| *next == until_us) {
            continue;
        }
        put_ids(&ids, &mut bytes);
        put(if until_us == NEVER { 0 } else { until_us.max(0) as u64 + 1 }, out);
        put(ids.len() as u64, out);
        put(bytes.len() as u64, out);
        out.append(&mut bytes);
        ids.clear();
    }
}

/// Whether nothing in these bytes has expired.
pub(super) fn is_fresh(bytes: &[u8], now_us: i64) -> bool {
    // The first group expires first, but that 0 stands for never.
    matches!(Reader(bytes).number(), None | Some(0))
        || Reader(bytes)
            .number()
            .is_some_and(|time| i64::try_from(time - 1).is_ok_and(|t| t > now_us))
}

/// Calls `each` with the ids that have not expired and their times; the first of these times, or
/// [`NEVER`]. `None` if the bytes are none that were encoded.
pub(super) fn each_member(
    bytes: &[u8],
    id_type: IdType,
    now_us: i64,
    mut each: impl FnMut(IdRef<'_>, i64),
) -> Option<i64> {
    let (mut reader, mut next) = (Reader(bytes), NEVER);
    while !reader.is_empty() {
        let until_us = match reader.number()? {
            0 => NEVER,
            time => i64::try_from(time - 1).ok()?,
        };
        let (count, length) = (reader.number()?, reader.length()?);
        let mut ids = Reader(reader.take(length)?);
        if until_us <= now_us {
            continue;
        }
        next = next.min(until_us);
        match id_type {
            IdType::U64 => {
                let mut id = 0_u64;
                for _ in 0..count {
                    id = id.checked_add(ids.number()?).filter(|id| *id != u64::MAX)?;
                    each(IdRef::U64(id), until_us);
                }
            }
            IdType::Str => {
                let mut id = Vec::new();
                for _ in 0..count {
                    let (shared, rest) = (ids.length()?, ids.length()?);
                    if shared > id.len() || shared + rest.min(1 << 20) > STRING_ID_BYTES_MAX {
                        return None;
                    }
                    id.truncate(shared);
                    id.extend_from_slice(ids.take(rest)?);
                    let text = std::str::from_utf8(&id).ok().filter(|id| !id.is_empty())?;
                    each(IdRef::Str(text), until_us);
                }
            }
        }
        if !ids.is_empty() {
            return None;
        }
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], id_type: IdType, now_us: i64) -> Option<(Vec<(String, i64)>, i64)> {
        let mut found = Vec::new();
        let next = each_member(bytes, id_type, now_us, |id, until_us| {
            found.push((id.to_owned().to_string(), until_us));
        })?;
        found.sort();
        Some((found, next))
    }

    #[test]
    fn members_come_back_until_they_expire() {
        let mut members = Members::none(IdType::U64);
        members.extend(Ids::U64(vec![9, 3, u64::MAX - 1]), 50);
        members.extend(Ids::U64(vec![3, 5]), 70);
        members.extend(Ids::U64(vec![5, 7]), NEVER);
        members.extend(Ids::U64(vec![5]), 10);
        let mut bytes = Vec::new();
        members.encode(&mut bytes);
        let of = |now| read(&bytes, IdType::U64, now).unwrap();
        let (all, next) = of(0);
        assert_eq!(next, 50);
        let last = (u64::MAX - 1).to_string();
        let expected = [(last.as_str(), 50), ("3", 70), ("5", NEVER), ("7", NEVER), ("9", 50)];
        assert_eq!(all, expected.map(|(id, until)| (id.to_owned(), until)));
        assert_eq!(of(50).0.len(), 3);
        assert_eq!(of(70), (vec![("5".to_owned(), NEVER), ("7".to_owned(), NEVER)], NEVER));
    }

    #[test]
    fn strings_share_prefixes() {
        let ids: Vec<String> = (0..1000).map(|n| format!("t3_post{n:05}")).collect();
        let mut members = Members::none(IdType::Str);
        members.extend(Ids::Str(ids.iter().rev().cloned().collect()), 5);
        members.extend(Ids::Str(vec!["é".into()]), NEVER);
        let mut bytes = Vec::new();
        members.encode(&mut bytes);
        assert!(bytes.len() < 4_200, "{}", bytes.len());
        let (found, _) = read(&bytes, IdType::Str, 0).unwrap();
        assert_eq!(found.len(), 1001);
        assert!(found.iter().zip(&ids).all(|((a, _), b)| a == b));
        for end in 0..bytes.len() {
            let _ = read(&bytes[..end], IdType::Str, 0);
            let mut bad = bytes.clone();
            bad[end] ^= 0x55;
            let _ = (read(&bad, IdType::Str, 0), read(&bad, IdType::U64, 0));
        }
    }
}
