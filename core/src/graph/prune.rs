//! Which candidates become edges: the nearest, less those that a nearer edge already leads to
//! (`RobustPrune`, Subramanya et al. 2019, with alpha = 1; the rule of Arya and Mount 1993).

use crate::codes::pairs::{Pairs, SignedRow, with_kernels};
use crate::kernels::Kernel;

/// A candidate edge: its distance and its slot.
pub(crate) type Edge = (f32, u32);

/// Buffers of a prune, reused.
#[derive(Debug, Default)]
pub(crate) struct PruneScratch {
    chosen: Vec<SignedRow>,
    node: SignedRow,
}

/// Sorts candidates by (distance, slot) and drops repetitions.
pub(crate) fn sort_edges(candidates: &mut Vec<Edge>) {
    candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    candidates.dedup_by_key(|edge| edge.1);
}

/// Chooses at most `degree` of the sorted candidates; nearest first.
pub(crate) fn prune(
    pairs: Pairs<'_>,
    candidates: &[Edge],
    degree: usize,
    scratch: &mut PruneScratch,
    out: &mut Vec<u32>,
) {
    with_kernels!(prune_with(
        pairs: Pairs<'_>,
        candidates: &[Edge],
        degree: usize,
        scratch: &mut PruneScratch,
        out: &mut Vec<u32>,
    ));
}

#[inline(always)]
fn prune_with<K: Kernel>(
    pairs: Pairs<'_>,
    candidates: &[Edge],
    degree: usize,
    scratch: &mut PruneScratch,
    out: &mut Vec<u32>,
) {
    out.clear();
    for (distance, slot) in candidates {
        let chosen = &scratch.chosen[..out.len()];
        // The latest choices are the likeliest to be near this candidate.
        let covered = chosen.iter().rev().any(|row| pairs.distance::<K>(row, *slot) < *distance);
        if covered {
            continue;
        }
        if scratch.chosen.len() == out.len() {
            scratch.chosen.push(SignedRow::default());
        }
        pairs.unpack(*slot, &mut scratch.chosen[out.len()]);
        out.push(*slot);
        if out.len() == degree {
            break;
        }
    }
}

/// The distances from `slot` to each of `others`, as candidates.
pub(crate) fn distances(
    pairs: Pairs<'_>,
    slot: u32,
    others: &[u32],
    scratch: &mut PruneScratch,
    out: &mut Vec<Edge>,
) {
    pairs.unpack(slot, &mut scratch.node);
    let node = &scratch.node;
    with_kernels!(distances_with(
        pairs: Pairs<'_>,
        node: &SignedRow,
        others: &[u32],
        out: &mut Vec<Edge>,
    ));
}

#[inline(always)]
fn distances_with<K: Kernel>(
    pairs: Pairs<'_>,
    node: &SignedRow,
    others: &[u32],
    out: &mut Vec<Edge>,
) {
    out.clear();
    out.extend(others.iter().map(|other| (pairs.distance::<K>(node, *other), *other)));
}
