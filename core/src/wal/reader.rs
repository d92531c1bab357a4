//! Reads the units of a file of the log, as far as they are whole.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::Mark;
use super::record::{FILE_HEAD_BYTES, HEAD_BYTES, Head, Kind, Salt, decode_file_head};
use crate::canary::sings;
use crate::format::{Decoded, Fault, u64_at};

/// So far after what is no whole record one that proves something is looked for: further than
/// anything is written without a sync.
const PROOF_BYTES: usize = 1 << 30;

/// A whole unit.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    /// Counts the units of the collection.
    pub(crate) number: u64,
    /// Its records, with where their payloads are in the file.
    pub(crate) records: Vec<(Kind, &'a [u8], u64)>,
}

/// Where reading stands in a file. Goes on when the file has grown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    /// What was read so far: a boundary between units.
    at: Mark,
    next_unit: u64,
    /// What the manifest says.
    mark: Mark,
    /// Whether a later file follows: then it ends at the mark.
    closed: bool,
    salt: Salt,
}

impl Reader {
    /// Begins to read a file that must hold what the mark says.
    pub(crate) fn new(file: &[u8], mark: Mark, closed: bool) -> Decoded<Self> {
        let (next_unit, chain, salt) = decode_file_head(file, mark.id)?;
        if (file.len() as u64) < mark.length || mark.length < FILE_HEAD_BYTES as u64 {
            let at = (file.len() as u64).min(mark.length);
            let expected = format!("at least {} bytes", mark.length);
            return Err(Fault::damage(at, "log", expected, format!("{} bytes", file.len())));
        }
        let at = Mark { id: mark.id, length: FILE_HEAD_BYTES as u64, chain };
        Ok(Self { at, next_unit, mark, closed, salt })
    }

    /// How far it got.
    pub(crate) fn reached(&self) -> Mark {
        self.at
    }

    /// The number that the unit after the last one read has.
    pub(crate) fn next_unit(&self) -> u64 {
        self.next_unit
    }

    /// The next whole unit; `None` at the end, torn or not.
    pub(crate) fn next<'a>(&mut self, file: &'a [u8]) -> Decoded<Option<Unit<'a>>> {
        if self.at.length == self.mark.length && self.at.chain != self.mark.chain {
            return Err(damage(self.mark.length, "the records that were flushed", "others"));
        }
        if self.closed && self.at.length >= self.mark.length {
            return Ok(None);
        }
        let mut records = Vec::new();
        let (mut position, mut chain) = (self.at.length, self.at.chain);
        loop {
            let Some((head, payload)) = record(file, position, chain, self.salt) else {
                if !records.is_empty() && sings("apply a unit that was not closed") {
                    self.at = Mark { id: self.at.id, length: position, chain };
                    return Ok(Some(Unit { number: self.next_unit, records }));
                }
                return self.end(file, position).map(|()| None);
            };
            let after = position + (HEAD_BYTES + head.length.next_multiple_of(8)) as u64;
            let Some(kind) = head.kind else {
                // A whole record that this version doesn't write: its version would say so.
                return Err(damage(position, "a kind of record of this version", "another"));
            };
            if kind == Kind::Commit {
                let stated = (u64_at(payload, 0), u64_at(payload, 8));
                if stated != (Some(self.next_unit), Some(records.len() as u64)) {
                    let expected = format!("unit {} of {}", self.next_unit, records.len());
                    return Err(damage(position, &expected, &format!("{stated:?}")));
                }
                // A mark lies between units, so none may be jumped over.
                if self.at.length < self.mark.length && after > self.mark.length {
                    return Err(damage(self.mark.length, "the end of a unit", "none"));
                }
                if after == file.len() as u64 && sings("forget the last unit of the log") {
                    return Ok(None);
                }
                let number = self.next_unit;
                self.at = Mark { id: self.at.id, length: after, chain: head.chain };
                self.next_unit += 1;
                if self.at.length == self.mark.length && self.at.chain != self.mark.chain {
                    return Err(damage(after, "the records that were flushed", "others"));
                }
                return Ok(Some(Unit { number, records }));
            }
            records.push((kind, payload, position + HEAD_BYTES as u64));
            (position, chain) = (after, head.chain);
        }
    }

    /// Whether the file may end in what is no whole record at this position.
    fn end(&self, file: &[u8], position: u64) -> Decoded<()> {
        if self.at.length < self.mark.length {
            return Err(damage(position, "a whole record", "damaged or missing bytes"));
        }
        // Records start at multiples of 8. One that was written after this place had been synced
        // proves that what is here was acknowledged once.
        let first = position as usize + 8;
        let mut later = (first..file.len().min(first.saturating_add(PROOF_BYTES))).step_by(8);
        let proves = |head: Head, at: usize| head.durable > position && head.durable <= at as u64;
        let proof = later.find(|at| Head::at(file, *at, self.salt).is_some_and(|h| proves(h, *at)));
        match proof {
            Some(at) => {
                let found = format!("damage, before the later record at byte {at}");
                Err(damage(position, "a whole record", &found))
            }
            None => Ok(()),
        }
    }
}

fn damage(offset: u64, expected: &str, found: &str) -> Fault {
    Fault::damage(offset, "log", expected, found)
}

/// The record at a position, if it is whole and follows from the chain.
fn record(file: &[u8], position: u64, chain: u32, salt: Salt) -> Option<(Head, &[u8])> {
    let position = usize::try_from(position).ok()?;
    let head = Head::at(file, position, salt).filter(|head| head.before == chain)?;
    let payload = head.payload(file, position)?;
    Some((head, payload))
}
