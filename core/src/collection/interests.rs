//! Several interests of one user in one request: one list without duplicates.
//!
//! A point that belongs into the list is among the best k of the interest that it fits best, for
//! all that are before it there are before it in the list too. So each interest is searched for
//! itself, together with the others, and the lists are united.

use std::collections::HashMap;
use std::time::Instant;

use super::explain::Took;
use super::plan::{Narrowed, Plan, checked_queries};
use super::search::{Answered, answers_to, collect};
use super::{Collection, Place};
use crate::config::{Effort, Interests, SearchRequest};
use crate::error::{Error, Result};
use crate::explain::Stage;
use crate::kernels::exact;
use crate::results::{SearchCounters, SearchResults};
use crate::retrieval::cap::{Capped, GroupKey};
use crate::retrieval::{Hit, better};
use crate::types::{K_MAX, Vectors};

/// Interests of a request.
pub(super) const INTERESTS_MAX: usize = 64;

/// A point and the interest that it fits best.
#[derive(Debug, Clone, Copy)]
struct Fit {
    place: Place,
    hit: Hit,
    interest: usize,
}

impl Collection {
    /// The points that fit any of these interests best: one row of results. The score of a point
    /// is the largest of `weight * similarity` over the interests, plus what decay and boosts add.
    pub fn search_interests(
        &self,
        vectors: &Vectors<'_>,
        interests: &Interests,
        request: &SearchRequest,
    ) -> Result<SearchResults> {
        let view = self.view("search_interests")?;
        let weights = interests.normalised(vectors.rows(), request.k)?;
        let asked = checked_queries("vectors", &view.config, vectors)?;
        let plan = Plan::new(&view, request, &Narrowed::of(request), &self.shared.filters)?;
        let search = Search { plan: &plan, vectors: &asked, weights: &weights, interests };
        let mut found = search.run()?;
        if let Some(least) = request.min_score {
            found.0.retain(|(_, hit)| hit.similarity >= least);
        }
        collect(&plan, vec![found])
    }
}

struct Search<'a> {
    plan: &'a Plan<'a>,
    vectors: &'a [f32],
    weights: &'a [f64],
    interests: &'a Interests,
}

impl Search<'_> {
    fn run(&self) -> Result<Answered> {
        let k = self.plan.request.k;
        let count = self.weights.len();
        let mut took = Took::begin(self.plan);
        // What is likely to do; the last of a list says whether it does.
        let share = if count == 1 { k } else { (2 * k).div_ceil(count) + 16 };
        let mut wanted = vec![share.min(k); count];
        let mut lists: Vec<Vec<(u32, Hit)>> = vec![Vec::new(); count];
        let mut stale: Vec<usize> = (0..count).collect();
        loop {
            for interest in std::mem::take(&mut stale) {
                let (hits, of_list) = self.list(interest, wanted[interest])?;
                took.add_interest(of_list, interest);
                lists[interest] = hits;
            }
            let start = self.plan.request.explain.then(Instant::now);
            let fits = self.fits(&lists, &mut took.counters);
            let (chosen, capped) = self.choose(&fits);
            if let Some(start) = start {
                took.spent(Stage::Merge, start.elapsed());
            }
            let last = chosen.last().filter(|_| chosen.len() >= k).map(|fit| fit.hit.score);
            for interest in 0..count {
                let list = &lists[interest];
                let whole = list.len() < wanted[interest] || wanted[interest] >= K_MAX;
                if whole {
                    continue;
                }
                let reached =
                    list.last().map(|(segment, hit)| self.weighted(interest, *segment, hit));
                let fills = last.zip(reached).is_some_and(|(last, reached)| reached <= last);
                let quota = self.interests.quotas.get(interest).copied().unwrap_or(0);
                let own = chosen.iter().filter(|fit| fit.interest == interest).count();
                if (!fills && wanted[interest] < k) || own < quota {
                    wanted[interest] = (wanted[interest] * 4).max(k).min(K_MAX);
                    stale.push(interest);
                }
            }
            if stale.is_empty() {
                let hits = chosen.into_iter().map(|fit| (fit.place.segment, fit.hit)).collect();
                took.counters.capped += capped;
                return Ok((hits, took));
            }
        }
    }

    /// The best for one interest.
    fn list(&self, interest: usize, k: usize) -> Result<Answered> {
        let dim = self.plan.view.config.dim;
        let request = SearchRequest { k, ..self.plan.request.clone() };
        let mut plan = self.plan.clone();
        plan.request = &request;
        // Ordered by `weight * similarity + bonus`, which is `similarity + bonus / weight`.
        for part in &mut plan.segments {
            part.scorer.divide(self.weights[interest]);
        }
        let vector = &self.vectors[interest * dim..(interest + 1) * dim];
        let found = answers_to(&plan, vector, if request.effort == Effort::Exact { 2 } else { 1 })?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn weighted(&self, interest: usize, segment: u32, hit: &Hit) -> f64 {
        let scorer = &self.plan.segments[segment as usize].scorer;
        scorer.score(self.weights[interest] * hit.similarity, hit.slot)
    }

    /// Every point of the lists with the interest that it fits best, best first.
    fn fits(&self, lists: &[Vec<(u32, Hit)>], counters: &mut SearchCounters) -> Vec<Fit> {
        let view = self.plan.view;
        let queries: Vec<exact::Query> = self
            .vectors
            .chunks_exact(view.config.dim)
            .map(|vector| exact::Query::new(view.config.metric, vector))
            .collect();
        let mut known: HashMap<(u32, u32), Vec<(usize, f64)>> = HashMap::new();
        for (interest, list) in lists.iter().enumerate() {
            for (segment, hit) in list {
                known.entry((*segment, hit.slot)).or_default().push((interest, hit.similarity));
            }
        }
        let pairs = known.len() * self.weights.len();
        counters.rows_rescored += (pairs - known.values().map(Vec::len).sum::<usize>()) as u64;
        let fit = |((segment, slot), known): ((u32, u32), Vec<(usize, f64)>)| {
            let rows = view.segments[segment as usize].segment.originals();
            let similarity = |interest: usize| {
                let found = known.iter().find(|(i, _)| *i == interest);
                found.map_or_else(|| queries[interest].similarity(&rows, slot), |(_, s)| *s)
            };
            let (mut best, mut fitting) = ((f64::NEG_INFINITY, 0.0), 0);
            for (interest, weight) in self.weights.iter().enumerate() {
                let similarity = similarity(interest);
                if weight * similarity > best.0 {
                    (best, fitting) = ((weight * similarity, similarity), interest);
                }
            }
            let score = self.plan.segments[segment as usize].scorer.score(best.0, slot);
            let hit = Hit { score, similarity: best.1, slot };
            Fit { place: Place { segment, slot }, hit, interest: fitting }
        };
        let mut fits: Vec<Fit> = known.into_iter().map(fit).collect();
        fits.sort_unstable_by(|a, b| better((a.hit.score, self.id(a)), (b.hit.score, self.id(b))));
        fits
    }

    fn id(&self, fit: &Fit) -> crate::segment::IdRef<'_> {
        self.plan.segments[fit.place.segment as usize].ids.get(fit.hit.slot)
    }

    /// The list: quotas first, then the best of the rest; best first.
    fn choose(&self, fits: &[Fit]) -> (Vec<Fit>, u64) {
        let request = self.plan.request;
        let cap = request.cap.as_ref().map_or(usize::MAX, |cap| cap.max_per_group);
        let mut capped = Capped::new(request.k, cap);
        let group = |fit: &Fit| {
            let part = &self.plan.segments[fit.place.segment as usize];
            GroupKey::of(part.group.as_ref()?.column(), fit.hit.slot)
        };
        let mut left: Vec<usize> = self.interests.quotas.clone();
        left.resize(self.weights.len(), 0);
        let mut taken = vec![false; fits.len()];
        for (fit, taken) in fits.iter().zip(&mut taken) {
            if left[fit.interest] > 0 && capped.take(group(fit)) {
                (left[fit.interest], *taken) = (left[fit.interest] - 1, true);
            }
        }
        // Who was passed over so far is again.
        capped.passed = 0;
        for (fit, taken) in fits.iter().zip(&mut taken) {
            *taken = *taken || capped.take(group(fit));
        }
        let passed = capped.passed;
        let chosen = fits.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(fit, _)| *fit);
        (chosen.collect(), passed)
    }
}

impl Interests {
    /// The weights, checked and summing to 1.
    fn normalised(&self, count: usize, k: usize) -> Result<Vec<f64>> {
        if !(1..=INTERESTS_MAX).contains(&count) {
            let expected = format!("1 to {INTERESTS_MAX} interests");
            return Err(Error::invalid("vectors", expected, count.to_string(), ""));
        }
        for (what, given) in [("weights", self.weights.len()), ("quotas", self.quotas.len())] {
            if given != 0 && given != count {
                let expected = format!("{count}, one an interest");
                return Err(Error::invalid(what, expected, given.to_string(), "or leave them out"));
            }
        }
        if let Some(weight) = self.weights.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
            return Err(Error::invalid("weights", "numbers above 0", weight.to_string(), ""));
        }
        let quotas = self.quotas.iter().fold(0_usize, |sum, quota| sum.saturating_add(*quota));
        if quotas > k {
            let expected = format!("quotas of at most k = {k} together");
            return Err(Error::invalid("quotas", expected, quotas.to_string(), ""));
        }
        let sum: f64 = self.weights.iter().sum();
        Ok(match self.weights.len() {
            0 => vec![1.0 / count as f64; count],
            _ => self.weights.iter().map(|weight| weight / sum).collect(),
        })
    }
}
