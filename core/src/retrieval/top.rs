//! The best hits so far: score first, ties to the smaller id.

use std::cmp::Ordering;

use crate::segment::{IdColumn, IdRef};

/// A point found in a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    pub(crate) score: f64,
    pub(crate) similarity: f64,
    pub(crate) slot: u32,
}

/// The best `k` hits of a segment.
#[derive(Debug)]
pub(crate) struct Top<'a> {
    k: usize,
    ids: IdColumn<'a>,
    /// At most `2k` hits; the best `k` first after `cut`.
    hits: Vec<Hit>,
    /// No hit with a smaller score can be among the best `k`.
    threshold: f64,
}

impl<'a> Top<'a> {
    pub(crate) fn new(k: usize, ids: IdColumn<'a>) -> Self {
        Self { k, ids, hits: Vec::with_capacity(k + k.min(32)), threshold: f64::NEG_INFINITY }
    }

    /// The score that a hit must reach to matter.
    pub(crate) fn threshold(&self) -> f64 {
        self.threshold
    }

    pub(crate) fn push(&mut self, hit: Hit) {
        if hit.score < self.threshold {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= 2 * self.k + 32 {
            self.cut();
        }
    }

    /// Keeps the best `k`, and knows the threshold exactly.
    pub(crate) fn cut(&mut self) {
        if self.hits.len() < self.k {
            return;
        }
        let ids = self.ids;
        self.hits.select_nth_unstable_by(self.k - 1, |a, b| order(ids, a, b));
        self.hits.truncate(self.k);
        self.threshold = self.hits[self.k - 1].score;
    }

    /// Whether `k` hits were offered that mattered.
    pub(crate) fn is_full(&self) -> bool {
        self.hits.len() >= self.k
    }

    /// Hits so far, at most `k`.
    pub(crate) fn len(&self) -> usize {
        self.hits.len().min(self.k)
    }

    /// The best `k`, best first.
    pub(crate) fn finish(mut self) -> Vec<Hit> {
        self.cut();
        let ids = self.ids;
        self.hits.sort_unstable_by(|a, b| order(ids, a, b));
        self.hits
    }
}

/// Orders the better hit of a segment first. Ids are far away: they are looked at only for equal
/// scores.
pub(crate) fn order(ids: IdColumn<'_>, a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then_with(|| ids.get(a.slot).cmp(&ids.get(b.slot)))
}

/// Orders the better (score, id) first.
pub(crate) fn better(a: (f64, IdRef<'_>), b: (f64, IdRef<'_>)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1))
}
