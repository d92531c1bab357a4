//! Several interests of one user in one request: one list without duplicates.
//!
//! A point that belongs into the list is among the best k of the interest that it fits best, for
//! all that are before it there are before it in the list too. So each interest is searched for
//! itself, together with the others, and the lists are united. Quotas reach further down: they are sure
//! once they are filled by points that are not beyond the end of a list.

use std::collections::HashMap;
use std::time::Instant;

use super::explain::Took;
use super::plan::{Moment, Narrowed, Plan, checked_queries};
use super::search::{Answered, answers_to, collect};
use super::{Collection, Place, pool};
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
        let asked = checked_queries("vectors", &view.config, vectors)?;
        let narrowed = match request.per_query.as_slice() {
            [] => Narrowed::of(request),
            [only] => Narrowed::of_query(request, only),
            more => {
                let expected = "conditions of one list, as that of one user is made";
                return Err(Error::invalid("per_query", expected, more.len().to_string(), ""));
            }
        };
        let at = Moment::of(&view, request);
        let plan = Plan::new(&view, request, &narrowed, &self.shared.filters, at)?;
        let found = answered(&plan, &asked, interests)?;
        collect(&plan, vec![found])
    }
}

/// The list of one user.
pub(super) fn answered(
    plan: &Plan<'_>,
    vectors: &[f32],
    interests: &Interests,
) -> Result<Answered> {
    let count = vectors.len() / plan.view.config.dim;
    let weights = interests.normalised(count, plan.request.k)?;
    let search = Search { plan, vectors, weights: &weights, interests };
    let mut found = search.run()?;
    if let Some(least) = plan.request.min_score {
        found.0.retain(|(_, hit)| hit.similarity >= least);
    }
    Ok(found)
}

struct Search<'a> {
    plan: &'a Plan<'a>,
    vectors: &'a [f32],
    weights: &'a [f64],
    interests: &'a Interests,
}

/// The list of one interest, as far as it was asked for.
#[derive(Debug)]
struct List {
    interest: usize,
    /// For quotas: without the cap, so that every point that fits the interest best is in it down
    /// to the last. Those that fit another better may fill groups of a list with the cap.
    is_quota: bool,
    wanted: usize,
    hits: Vec<(u32, Hit)>,
}

/// What becomes of the lists.
#[derive(Debug)]
struct Chosen {
    fits: Vec<Fit>,
    /// Of each interest: places of its quota not filled, and the least score that fills one.
    missing: Vec<usize>,
    least: Vec<f64>,
    /// Points that the cap passed over.
    passed: u64,
}

impl Search<'_> {
    fn run(&self) -> Result<Answered> {
        let request = self.plan.request;
        let (k, count) = (request.k, self.weights.len());
        let mut took = Took::begin(self.plan);
        // What is likely to do; the last of a list says whether it does.
        let share = if count == 1 { k } else { (2 * k).div_ceil(count) + 16 };
        let list = |interest: usize, is_quota: bool| {
            let quota = if is_quota { 2 * self.quota(interest) } else { 0 };
            let wanted = share.max(quota).min(k.max(quota));
            List { interest, is_quota, wanted, hits: Vec::new() }
        };
        let mut lists: Vec<List> = (0..count).map(|interest| list(interest, false)).collect();
        let apart = |interest: &usize| request.cap.is_some() && self.quota(*interest) > 0;
        lists.extend((0..count).filter(apart).map(|interest| list(interest, true)));
        let mut stale: Vec<usize> = (0..lists.len()).collect();
        loop {
            for at in std::mem::take(&mut stale) {
                let list = &mut lists[at];
                let (hits, of_list) = self.list(list)?;
                took.add_interest(of_list, list.interest);
                list.hits = hits;
            }
            let start = request.explain.then(Instant::now);
            let fits = self.fits(&lists, &mut took.counters);
            let chosen = self.choose(&fits);
            if let Some(start) = start {
                took.spent(Stage::Merge, start.elapsed());
            }
            for (at, list) in lists.iter_mut().enumerate() {
                if self.wants_more(list, &chosen) {
                    list.wanted = (list.wanted * 4).max(k).min(self.most());
                    stale.push(at);
                }
            }
            if stale.is_empty() {
                took.counters.capped += chosen.passed;
                let place = |fit: Fit| (fit.place.segment, fit.hit);
                return Ok((chosen.fits.into_iter().map(place).collect(), took));
            }
        }
    }

    /// Whether points may be missing that a longer list has.
    fn wants_more(&self, list: &List, chosen: &Chosen) -> bool {
        let List { interest, is_quota, wanted, ref hits } = *list;
        let Some((segment, last)) = hits.last().filter(|_| hits.len() >= wanted) else {
            return false;
        };
        if wanted >= self.most() {
            return false;
        }
        let k = self.plan.request.k;
        let reached = self.weighted(interest, *segment, last);
        // With a cap, quotas have lists of their own.
        if is_quota || (self.plan.request.cap.is_none() && self.quota(interest) > 0) {
            let sure = chosen.missing[interest] == 0 && chosen.least[interest] >= reached;
            if is_quota || !sure {
                return !sure;
            }
        }
        let last = chosen.fits.last().filter(|_| chosen.fits.len() >= k);
        wanted < k && last.is_none_or(|fit| fit.hit.score < reached)
    }

    /// The longest list worth its time.
    fn most(&self) -> usize {
        match self.plan.request.effort {
            Effort::Exact => u32::MAX as usize,
            Effort::Ef(_) | Effort::Recall(_) => K_MAX,
        }
    }

    fn quota(&self, interest: usize) -> usize {
        self.interests.quotas.get(interest).copied().unwrap_or(0)
    }

    /// The best for one interest.
    fn list(&self, list: &List) -> Result<Answered> {
        let List { interest, is_quota, wanted, .. } = *list;
        let dim = self.plan.view.config.dim;
        let mut request = self.plan.request.clone();
        request.k = wanted;
        if is_quota {
            request.cap = None;
        }
        let mut plan = self.plan.clone();
        plan.request = &request;
        // Ordered by `weight * similarity + bonus`, which is `similarity + bonus / weight`.
        for part in &mut plan.segments {
            part.scorer.divide(self.weights[interest]);
        }
        let vector = &self.vectors[interest * dim..(interest + 1) * dim];
        // A thread of the pool would take up the lists of other users while it waits for a scan.
        let alone = request.threads == Some(1) || pool()?.current_thread_index().is_some();
        let scans = request.effort == Effort::Exact && !alone;
        let found = answers_to(&plan, vector, if scans { 2 } else { 1 })?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn weighted(&self, interest: usize, segment: u32, hit: &Hit) -> f64 {
        let scorer = &self.plan.segments[segment as usize].scorer;
        scorer.score(self.weights[interest] * hit.similarity, hit.slot)
    }

    /// Every point of the lists with the interest that it fits best, best first.
    fn fits(&self, lists: &[List], counters: &mut SearchCounters) -> Vec<Fit> {
        let view = self.plan.view;
        let queries: Vec<exact::Query> = self
            .vectors
            .chunks_exact(view.config.dim)
            .map(|vector| exact::Query::new(view.config.metric, vector))
            .collect();
        let mut known: HashMap<(u32, u32), Vec<(usize, f64)>> = HashMap::new();
        for list in lists {
            for (segment, hit) in &list.hits {
                let of = known.entry((*segment, hit.slot)).or_default();
                if !of.iter().any(|(interest, _)| *interest == list.interest) {
                    of.push((list.interest, hit.similarity));
                }
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
    fn choose(&self, fits: &[Fit]) -> Chosen {
        let request = self.plan.request;
        let cap = request.cap.as_ref().map_or(usize::MAX, |cap| cap.max_per_group);
        let mut capped = Capped::new(request.k, cap);
        let group = |fit: &Fit| {
            let part = &self.plan.segments[fit.place.segment as usize];
            GroupKey::of(part.group.as_ref()?.column(), fit.hit.slot)
        };
        let mut missing: Vec<usize> = (0..self.weights.len()).map(|i| self.quota(i)).collect();
        let mut least = vec![f64::INFINITY; missing.len()];
        let mut taken = vec![false; fits.len()];
        for (fit, taken) in fits.iter().zip(&mut taken) {
            if missing[fit.interest] > 0 && capped.take(group(fit)) {
                (missing[fit.interest], *taken) = (missing[fit.interest] - 1, true);
                least[fit.interest] = fit.hit.score;
            }
        }
        // Who was passed over so far is again.
        capped.passed = 0;
        for (fit, taken) in fits.iter().zip(&mut taken) {
            *taken = *taken || capped.take(group(fit));
        }
        let fits = fits.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(fit, _)| *fit);
        Chosen { fits: fits.collect(), missing, least, passed: capped.passed }
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
            let fix = "leave out the interest that shall count for nothing";
            return Err(Error::invalid("weights", "numbers above 0", weight.to_string(), fix));
        }
        let quotas = self.quotas.iter().fold(0_usize, |sum, quota| sum.saturating_add(*quota));
        if quotas > k {
            let expected = format!("at most k = {k} together");
            let fix = "ask for more results or lower the quotas";
            return Err(Error::invalid("quotas", expected, quotas.to_string(), fix));
        }
        let sum: f64 = self.weights.iter().sum();
        Ok(match self.weights.len() {
            0 => vec![1.0 / count as f64; count],
            _ => self.weights.iter().map(|weight| weight / sum).collect(),
        })
    }
}
