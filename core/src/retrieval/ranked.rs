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

/// A slot that was found, by its score.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Candidate,
    similarity: f32,
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
    merged: Vec<Entry>,
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
            merged: Vec::new(),
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

    /// Takes nodes, each with its twins.
    fn take_nodes(&mut self, walk: &Walk<'_>, found: &[Candidate]) {
        for candidate in found {
            if candidate.score() + self.most < self.threshold {
                continue;
            }
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

    fn push(&mut self, similarity: f32, slot: u32) {
        if similarity + self.most < self.threshold {
            return;
        }
        let score = self.order.scorer.score(f64::from(similarity), slot) as f32;
        if score >= self.threshold {
            self.entries.push(Entry { key: Candidate::new(score, slot), similarity });
        }
    }

    fn prune_if_many(&mut self) {
        if self.entries.len() >= 2 * self.keep + 256 {
            self.prune();
        }
    }

    /// Keeps the best, in order, and knows the last of the results.
    pub(crate) fn prune(&mut self) {
        let (old, new) = self.entries.split_at_mut(self.sorted);
        new.sort_unstable_by_key(|e| e.key);
        let (mut old, mut new) = (&*old, &*new);
        self.merged.clear();
        self.counts.clear();
        let (mut strict, mut last) = (0, None);
        self.kth = f32::NEG_INFINITY;
        loop {
            let from = match (old.first(), new.first()) {
                (Some(a), Some(b)) if a.key <= b.key => &mut old,
                (Some(_), None) => &mut old,
                _ => &mut new,
            };
            let Some((&entry, rest)) = from.split_first() else { break };
            *from = rest;
            // What was found twice has the same score twice.
            if last.replace(entry.key) == Some(entry.key) {
                continue;
            }
            let (mut counts, mut keeps) = (true, true);
            if let Some((groups, cap)) = self.order.groups
                && let Some(group) = groups.of(entry.key.slot())
            {
                let members = self.counts.entry(group).or_default();
                counts = *members < cap;
                keeps = *members < cap.saturating_add(SPARE);
                *members += 1;
            }
            if counts {
                strict += 1;
                if strict == self.order.k {
                    self.kth = entry.key.score();
                }
            }
            if keeps {
                self.merged.push(entry);
                if self.merged.len() == self.keep && strict >= self.order.k {
                    self.threshold = entry.key.score();
                    break;
                }
            }
        }
        std::mem::swap(&mut self.entries, &mut self.merged);
        self.sorted = self.entries.len();
    }

    /// The best, in order, by their similarities.
    pub(crate) fn finish(&mut self) -> Vec<Candidate> {
        self.prune();
        self.entries.iter().map(|e| Candidate::new(e.similarity, e.key.slot())).collect()
    }
}

impl Judge for Ranked<'_> {
    fn take(&mut self, walk: &Walk<'_>, found: &[Candidate]) {
        let first = 2 * self.keep;
        if found.len() <= 2 * first {
            self.take_nodes(walk, found);
            return;
        }
        // The nearest first: then most of the others need not be sorted.
        let mut found = found.to_vec();
        found.select_nth_unstable(first);
        let (near, others) = found.split_at(first);
        self.take_nodes(walk, near);
        self.prune();
        self.take_nodes(walk, others);
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
