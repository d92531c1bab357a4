//! What a search says of itself when it is asked to: which way each segment was searched, why, what
//! that took.

use std::time::Duration;

use crate::counters::SearchCounters;

/// How a segment is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanKind {
    /// Not at all: no point is eligible.
    #[default]
    Nothing,
    /// Every eligible point is compared by its original vector.
    Exact,
    /// The codes of all eligible points are scored.
    Codes,
    /// A walk of the graph to eligible points, peeking past those that are not.
    FilteredGraph,
    /// A walk of the graph; the few that are not eligible are dropped from what it found.
    Graph,
}

impl PlanKind {
    /// Its name in every interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Exact => "exact",
            Self::Codes => "codes",
            Self::FilteredGraph => "filtered_graph",
            Self::Graph => "graph",
        }
    }
}

/// How many points of a collection or a segment can be results, and why others can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Eligibility {
    /// Alive and not expired.
    pub points: u64,
    /// Of those, they don't pass the filter.
    pub filtered: u64,
    /// Of the rest, they are excluded: by id, by a set, or because the search began with them.
    pub excluded: u64,
}

impl Eligibility {
    /// Eligible points.
    pub fn cardinality(&self) -> u64 {
        self.points.saturating_sub(self.filtered).saturating_sub(self.excluded)
    }

    /// Eligible points as a share of those alive, 0 to 1; 0 of none.
    pub fn selectivity(&self) -> f64 {
        if self.points == 0 { 0.0 } else { self.cardinality() as f64 / self.points as f64 }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.points += other.points;
        self.filtered += other.filtered;
        self.excluded += other.excluded;
    }
}

/// A step of a search, for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The request becomes sets of eligible points; once for all queries that share it.
    Prepare,
    /// Codes are scored: a walk, or scans.
    Search,
    /// The best are scored again by their 8-bit rows.
    Refine,
    /// The best of those are compared by their original vectors, or every eligible point is.
    Rescore,
    /// The lists of segments, or of interests, become one.
    Merge,
    /// Attributes and vectors are fetched; once for all queries of a call.
    Gather,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 6] =
        [Self::Prepare, Self::Search, Self::Refine, Self::Rescore, Self::Merge, Self::Gather];

    /// Its name in every interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Search => "search",
            Self::Refine => "refine",
            Self::Rescore => "rescore",
            Self::Merge => "merge",
            Self::Gather => "gather",
        }
    }
}

/// The time of each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages([Duration; Stage::ALL.len()]);

impl Stages {
    /// The time of one stage.
    pub fn get(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// The stages that took any time, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        Stage::ALL.into_iter().zip(self.0).filter(|(_, time)| !time.is_zero())
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, stage: Stage, time: Duration) {
        self.0[stage as usize] += time;
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, time)| *sum += time);
    }
}

/// How one segment was searched for one query.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentExplain {
    /// Its file, in memory the one that it would have; `(growing)` if it is not sealed.
    pub name: String,
    /// Slots, dead ones included.
    pub rows: u64,
    /// Which of several interests this was for.
    pub interest: Option<usize>,
    /// Who can be a result.
    pub eligible: Eligibility,
    /// The way that was chosen.
    pub plan: PlanKind,
    /// Why it was, in words.
    pub why: String,
    /// The way that finished the job where the first one could not fill the list.
    pub fallback: Option<PlanKind>,
    /// With decay or boosts: whether nothing that was not looked at can be among the best by final
    /// scores, as far as codes tell. `false` where a walk found too little to prove that.
    pub stable: Option<bool>,
    /// What was done.
    pub counters: SearchCounters,
    /// What it took.
    pub stages: Stages,
}

/// How one query was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// The way through the segment that has the most eligible points.
    pub plan: PlanKind,
    /// Why it was chosen there.
    pub why: String,
    /// The last way that any segment fell back to.
    pub fallback: Option<PlanKind>,
    /// With decay or boosts: whether it was proven of every segment, see
    /// [`SegmentExplain::stable`].
    pub stable: Option<bool>,
    /// Who can be a result.
    pub eligible: Eligibility,
    /// What was done in all segments, and while their lists were merged.
    pub counters: SearchCounters,
    /// What it took, in all segments and around.
    pub stages: Stages,
    /// Segment by segment; with several interests, once for each list that was made.
    pub segments: Vec<SegmentExplain>,
}
