//! The best of what a search finds by their final scores, at most so many of a group: what is
//! kept, so that after refinement and exact comparison enough are left, and how near more must be
//! to matter.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::eligible::Eligible;
use super::groups::{Group, Groups};
use super::score::Scorer;
use crate::graph::filtered::Judge;
use crate::graph::search::Walk;
use crate::kernels::candidate::Candidate;

/// Kept of a group beyond the cap: codes may put them in another order.
const SPARE: usize = 2;

/// What orders results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) scorer: &'a Scorer<'a>,
    /// With the cap.
    pub(crate) groups: Option<(&'a Groups<'a>, usize)>,
    pub(crate) k: usize,
}

/// A slot that was found.
#[derive(Debug, Clone, Copy)]
struct Entry {
    score: f32,
    similarity: f32,
    slot: u32,
}

/// The best so far.
#[derive(Debug)]
pub(crate) struct Ranked<'a> {
    order: Order<'a>,
    eligible: &'a Eligible<'a>,
    keep: usize,
    entries: Vec<Entry>,
    /// How many of them are in order, the best of their groups.
    sorted: usize,
    threshold: f32,
    kth: f32,
    most: f32,
    counts: HashMap<Group, usize, BuildHasherDefault<Mix>>,
}

impl<'a> Ranked<'a> {
    pub(crate) fn new(order: Order<'a>, eligible: &'a Eligible<'a>, keep: usize) -> Self {
        let most = order.scorer.most() as f32;
        Self {
            order,
            eligible,
            keep: keep.max(order.k),
            entries: Vec::new(),
            sorted: 0,
            threshold: f32::NEG_INFINITY,
            kth: f32::NEG_INFINITY,
            most,
            counts: HashMap::default(),
        }
    }

    /// From now on, no more than this is added to what is taken.
    pub(crate) fn at_most(&mut self, most: f64) {
        self.most = most as f32;
    }

    /// The score of the last result so far; minus infinity while there are too few.
    pub(crate) fn kth(&mut self) -> f64 {
        self.prune();
        f64::from(self.kth)
    }

    /// Takes slots, each for itself.
    pub(crate) fn take_slots(&mut self, found: &[Candidate]) {
        for candidate in found {
            self.push(candidate.score(), candidate.slot());
        }
        self.prune_if_many();
    }

    fn push(&mut self, similarity: f32, slot: u32) {
        if similarity + self.most < self.threshold {
            return;
        }
        let score = self.order.scorer.score(f64::from(similarity), slot) as f32;
        if score >= self.threshold {
            self.entries.push(Entry { score, similarity, slot });
        }
    }

    fn prune_if_many(&mut self) {
        if self.entries.len() >= 2 * self.keep + 256 {
            self.prune();
        }
    }

    /// Keeps the best, in order, and knows the last of the results.
    pub(crate) fn prune(&mut self) {
        let key = |e: &Entry| Candidate::new(e.score, e.slot);
        self.entries.sort_unstable_by_key(key);
        self.entries.dedup_by_key(|e| e.slot);
        self.counts.clear();
        let (mut strict, mut kept) = (0, 0);
        self.kth = f32::NEG_INFINITY;
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            let (mut counts, mut keeps) = (true, true);
            if let Some((groups, cap)) = self.order.groups
                && let Some(group) = groups.of(entry.slot)
            {
                let members = self.counts.entry(group).or_default();
                counts = *members < cap;
                keeps = *members < cap.saturating_add(SPARE);
                *members += 1;
            }
            if counts {
                strict += 1;
                if strict == self.order.k {
                    self.kth = entry.score;
                }
            }
            if keeps {
                self.entries[kept] = entry;
                kept += 1;
                if kept == self.keep && strict >= self.order.k {
                    self.threshold = entry.score;
                    break;
                }
            }
        }
        self.entries.truncate(kept);
        self.sorted = kept;
    }

    /// The best, in order, by their similarities.
    pub(crate) fn finish(&mut self) -> Vec<Candidate> {
        self.prune();
        self.entries.iter().map(|e| Candidate::new(e.similarity, e.slot)).collect()
    }
}

impl Judge for Ranked<'_> {
    fn take(&mut self, walk: &Walk<'_>, found: &[Candidate]) {
        for candidate in found {
            let node = candidate.slot();
            let last = node.saturating_add(walk.fields(node).twins).min(self.eligible.rows());
            for slot in node..=last {
                if self.eligible.contains(slot) {
                    self.push(candidate.score(), slot);
                }
            }
        }
        self.prune_if_many();
    }

    fn last(&mut self) -> f32 {
        let more = self.entries.len().saturating_sub(self.sorted);
        let enough = if self.kth == f32::NEG_INFINITY { 64 } else { self.keep / 2 };
        if more > enough || self.sorted == 0 {
            self.prune();
        }
        self.kth
    }
}

/// A hash of one number.
#[derive(Debug, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}
