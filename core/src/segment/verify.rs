//! Reads every byte of a segment: checksums, padding, and whether the parts make sense together.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::Segment;
use super::checked::check_block;
use super::ids::IdRef;
use crate::error::{Error, Result};
use crate::format::{BLOCK, Decoded, Fault, first_nonzero};
use crate::types::STRING_ID_BYTES_MAX;

/// Checks everything; the number of blocks compared. Damage that is found is remembered: the
/// segment is refused from then on.
pub(crate) fn verify_segment(segment: &Segment) -> Result<u64> {
    verify_segment_while(segment, |_| true)
}

/// The same, but for what is left once `go_on` says no; it is told of the bytes that were read
/// since it was asked last.
pub(crate) fn verify_segment_while(
    segment: &Segment,
    go_on: impl FnMut(usize) -> bool,
) -> Result<u64> {
    try_verify(segment, go_on).inspect_err(|error| segment.refuse(error))
}

fn try_verify(segment: &Segment, mut go_on: impl FnMut(usize) -> bool) -> Result<u64> {
    let blocks = check_bytes(segment, &mut go_on).map_err(|f| f.at(segment.path()))?;
    if !go_on(0) {
        return Ok(blocks);
    }
    check_ids(segment)?;
    let everything: Vec<u32> = (0..segment.rows()).collect();
    for position in 0..segment.columns() {
        let Some(column) = segment.attribute(position)? else { continue };
        // Texts are checked one by one, as they are read; the rest when the column was.
        for slot in &everything {
            column.text(*slot)?;
        }
    }
    Ok(blocks)
}

/// Compares every byte with its checksum. `go_on` is told of the bytes that were read since it was
/// asked last. Damage that is found is remembered, as by [`verify_segment`].
pub(crate) fn scrub_segment(segment: &Segment, go_on: impl FnMut(usize) -> bool) {
    if let Err(fault) = check_bytes(segment, go_on) {
        segment.refuse(&fault.at(segment.path()));
    }
}

fn check_bytes(segment: &Segment, mut go_on: impl FnMut(usize) -> bool) -> Decoded<u64> {
    let (table, file) = (segment.table(), &**segment.file());
    let sums = table.sums(file);
    let (mut end, mut blocks) = (table.head_end, 0);
    let Some((last, sections)) = table.entries.split_last() else { return Ok(0) };
    for entry in sections {
        check_padding(file, end, entry.range.start)?;
        end = entry.range.end;
        let section = file.get(entry.range.clone()).unwrap_or_default();
        for block in 0..section.len().div_ceil(BLOCK) {
            check_block(entry, section, sums, block)?;
            blocks += 1;
            if !go_on(BLOCK) {
                return Ok(blocks);
            }
        }
    }
    check_padding(file, end, last.range.start)?;
    check_padding(file, last.range.end, table.footer_at)?;
    Ok(blocks)
}

fn check_padding(file: &[u8], from: usize, to: usize) -> Decoded<()> {
    match first_nonzero(file.get(from..to).unwrap_or_default()) {
        None => Ok(()),
        Some(at) => {
            let found = file.get(from + at).copied().unwrap_or_default();
            Err(Fault::damage((from + at) as u64, "padding", "zero", format!("{found:#04x}")))
        }
    }
}

/// Checks that the order of the ids is strictly ascending, which makes it a permutation too, and
/// that every id is one that a writer accepts.
fn check_ids(segment: &Segment) -> Result<()> {
    let (ids, order) = (segment.ids()?, segment.id_order()?);
    let mut before = None;
    for (position, slot) in order.iter().enumerate() {
        let slot = u32::from_le_bytes(*slot);
        let id = ids.get(slot);
        let valid = match id {
            IdRef::U64(id) => id != u64::MAX,
            IdRef::Str(id) => (1..=STRING_ID_BYTES_MAX).contains(&id.len()),
        };
        if slot >= segment.rows() || !valid || before.is_some_and(|b| b >= id) {
            return Err(Error::Corruption {
                path: segment.path().to_owned(),
                offset: position as u64 * 4,
                section: "id order".to_owned(),
                expected: "valid ids in ascending order".to_owned(),
                found: format!("slot {slot} at position {position}"),
            });
        }
        before = Some(id);
    }
    Ok(())
}
