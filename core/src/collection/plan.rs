//! A request checked against a view, resolved once for all queries.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::excluded::{LeftOut, SetSlots, Slots};
use super::expiry::clock_us;
use super::filters::{Filter, Filters, Passing};
use super::input::meant;
use super::scoring::Scoring;
use super::{Place, SegmentHandle, View};
use crate::config::{CollectionConfig, Conditions, SearchRequest};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::retrieval::{Groups, Scorer, Stop};
use crate::segment::IdColumn;
use crate::types::{AttributeType, Ids, VectorData, Vectors};

/// One segment's part of a request.
#[derive(Clone)]
pub(super) struct SegmentPlan<'a> {
    pub(super) ids: IdColumn<'a>,
    /// Slots left out one by one, ascending; none where there is a set.
    pub(super) excluded: Vec<u32>,
    /// Sets of the plan's [`Plan::left_out`].
    pub(super) sets: Vec<Arc<SetSlots>>,
    /// Who is eligible once those are left out, if it had to be known.
    pub(super) without: Arc<OnceLock<Arc<Passing>>>,
    /// How many of those alive [`Plan::left_out`] names, where a search is to be explained.
    pub(super) named: u32,
    /// What can be results, but for [`Plan::left_out`]; `None` for every slot but those excluded.
    pub(super) passing: Option<Arc<Passing>>,
    /// How many are alive and pass the filter, if there is one, excluded ones included.
    pub(super) unfiltered: u32,
    pub(super) scorer: Scorer<'a>,
    /// The column to group by.
    pub(super) group: Option<Arc<Groups<'a>>>,
}

impl SegmentPlan<'_> {
    /// Leaves out one more slot.
    fn leave_out(&mut self, handle: &SegmentHandle, slot: u32) {
        if let Some(passing) = &self.passing {
            if passing.slots.contains(slot) {
                self.passing = Some(Passing::without(Arc::clone(passing), vec![slot]));
            }
        } else if let Err(at) = self.excluded.binary_search(&slot)
            && handle.is_alive(slot)
        {
            self.excluded.insert(at, slot);
        }
    }
}

/// A request over a view.
#[derive(Clone)]
pub(super) struct Plan<'a> {
    pub(super) view: &'a View,
    pub(super) request: &'a SearchRequest,
    pub(super) segments: Vec<SegmentPlan<'a>>,
    /// Whom the request leaves out, where that is looked at only once results are there.
    pub(super) left_out: Option<Arc<LeftOut<'a>>>,
    pub(super) filters: &'a Filters,
    /// Names and positions of the columns to return.
    pub(super) columns: Vec<(&'a str, usize)>,
    /// When the search is to be given up.
    pub(super) deadline: Option<Instant>,
    /// The time that this took, where it is to be told.
    pub(super) prepared: Duration,
}

/// When a request was made and when it is to be given up: once for all of its queries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    now_us: i64,
    deadline: Option<Instant>,
}

impl Moment {
    /// The request is made now.
    pub(super) fn of(view: &View, request: &SearchRequest) -> Self {
        let deadline = request.timeout.and_then(|time| Instant::now().checked_add(time));
        Self { now_us: clock_us().max(view.manifest.latest_us), deadline }
    }
}

/// Who is eligible for some queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Narrowed<'a> {
    pub(super) filter: Option<&'a str>,
    pub(super) exclude: Option<&'a Ids>,
    pub(super) exclude_sets: &'a [String],
}

impl<'a> Narrowed<'a> {
    /// As a request says for all queries.
    pub(super) fn of(request: &'a SearchRequest) -> Self {
        Self {
            filter: request.filter.as_deref(),
            exclude: request.exclude.as_ref(),
            exclude_sets: &request.exclude_sets,
        }
    }

    /// As it says for one query.
    pub(super) fn of_query(request: &'a SearchRequest, conditions: &'a Conditions) -> Self {
        let all = Self::of(request);
        let sets = &conditions.exclude_sets;
        Self {
            filter: conditions.filter.as_deref().or(all.filter),
            exclude: conditions.exclude.as_ref().or(all.exclude),
            exclude_sets: if sets.is_empty() { all.exclude_sets } else { sets },
        }
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        view: &'a View,
        request: &'a SearchRequest,
        narrowed: &Narrowed<'a>,
        filters: &'a Filters,
        Moment { now_us, deadline }: Moment,
    ) -> Result<Self> {
        let start = request.explain.then(Instant::now);
        request.validate()?;
        check_space(&view.config, request)?;
        let column = |name: &'a String| {
            Ok((name.as_str(), position("with_attributes", &view.config, name)?))
        };
        let columns: Result<Vec<_>> = request.with_attributes.iter().map(column).collect();
        let group =
            request.cap.as_ref().map(|cap| groupable(&view.config, &cap.group_by)).transpose()?;
        let scoring = Scoring::new(view, request, now_us)?;
        let filter = narrowed.filter;
        let filter = filter.map(|text| filters.filter(text, &view.config, now_us)).transpose()?;
        let sets = narrowed.exclude_sets;
        let left_out = LeftOut::new(view, narrowed.exclude, sets, filters, now_us)?;
        let column = |handle: &'a Arc<SegmentHandle>, position: usize| {
            let (_, kind) = &view.config.schema.columns()[position];
            handle.attribute(position, *kind)
        };
        // Searches by final scores want a set in any case.
        let is_set = !is_plain(request);
        let later = filter.is_none() && !is_set;
        let segments: Result<Vec<_>> = view
            .segments
            .iter()
            .map(|handle| {
                let (chosen, sets) = match &left_out {
                    Some(left_out) if later => {
                        (choose(filters, None, handle, None, false)?, left_out.sets(handle)?)
                    }
                    left_out => {
                        let slots = left_out.as_ref().map(|left| left.slots(handle)).transpose()?;
                        (choose(filters, filter.as_ref(), handle, slots, is_set)?, Vec::new())
                    }
                };
                let Chosen { passing, unfiltered } = chosen;
                let scorer = scoring.of(handle)?;
                let group = group.map(|position| column(handle, position)).transpose()?;
                let group = group.map(|column| Arc::new(Groups::new(column)));
                let ids = handle.segment.ids()?;
                let (excluded, without) = (Vec::new(), Arc::default());
                let named = left_out.as_ref().filter(|_| later && request.explain);
                let named = named.map(|left_out| left_out.alive(handle)).transpose()?;
                let named = named.unwrap_or_default();
                Ok(SegmentPlan {
                    ids,
                    excluded,
                    sets,
                    without,
                    named,
                    passing,
                    unfiltered,
                    scorer,
                    group,
                })
            })
            .collect();
        let left_out = left_out.filter(|_| later).map(Arc::new);
        let (segments, columns) = (segments?, columns?);
        let prepared = start.map_or(Duration::ZERO, |start| start.elapsed());
        Ok(Self { view, request, segments, left_out, filters, columns, deadline, prepared })
    }

    /// The same, but that these points are left out too.
    pub(super) fn without(&self, places: &[Place]) -> Self {
        let mut plan = self.clone();
        for place in places {
            let handle = self.view.segments.get(place.segment as usize);
            let part = plan.segments.get_mut(place.segment as usize);
            if let Some((part, handle)) = part.zip(handle) {
                part.leave_out(handle, place.slot);
            }
        }
        plan
    }

    /// Gives up where the time is over, or somebody asked for it.
    pub(super) fn check_time(&self) -> Result<()> {
        if let Some(stop) = &self.request.stop {
            stop.check("search")?;
        }
        match (self.deadline, self.request.timeout) {
            (Some(deadline), Some(timeout)) if Instant::now() >= deadline => {
                let allowed_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                Err(Error::Deadline { allowed_ms })
            }
            _ => Ok(()),
        }
    }

    /// Says to a walk when the time is over.
    pub(super) fn stop(&self) -> Option<Stop> {
        let deadline = self.deadline?;
        Some(Stop(Arc::new(move || Instant::now() >= deadline)))
    }

    /// Whether the order of hits follows from similarity alone.
    pub(super) fn is_plain(&self) -> bool {
        is_plain(self.request)
    }
}

fn is_plain(request: &SearchRequest) -> bool {
    request.cap.is_none() && request.decay.is_none() && request.boosts.is_empty()
}

/// Who can be a result of a segment.
struct Chosen {
    passing: Option<Arc<Passing>>,
    unfiltered: u32,
}

/// What can be results of a segment, as a set, unless that is every slot.
fn choose(
    filters: &Filters,
    filter: Option<&Filter>,
    handle: &SegmentHandle,
    excluded: Option<Slots>,
    is_set: bool,
) -> Result<Chosen> {
    let is_set = is_set || filter.is_some() || handle.dead.is_some() || excluded.is_some();
    if !is_set {
        return Ok(Chosen { passing: None, unfiltered: handle.alive() });
    }
    let passing = filters.passing(filter, handle)?;
    let unfiltered = passing.count;
    let passing = match excluded {
        None => passing,
        Some(excluded) => without(passing, excluded),
    };
    Ok(Chosen { passing: Some(passing), unfiltered })
}

/// The same without some slots.
pub(super) fn without(passing: Arc<Passing>, excluded: Slots) -> Arc<Passing> {
    match excluded {
        Slots::Few(few) => Passing::without(passing, few),
        Slots::Many(excluded) => {
            let mut slots = passing.slots.clone();
            slots.remove(excluded.words());
            Arc::new(Passing::new(slots))
        }
    }
}

fn check_space(config: &CollectionConfig, request: &SearchRequest) -> Result<()> {
    match &request.space {
        Some(space) if config.space.as_ref() != Some(space) => Err(Error::SpaceMismatch {
            expected: config.space.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
            found: space.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Where a column is that an argument names.
pub(super) fn position(argument: &str, config: &CollectionConfig, name: &str) -> Result<usize> {
    config.schema.position(name).ok_or_else(|| {
        let names: Vec<&str> = config.schema.columns().iter().map(|(n, _)| n.as_str()).collect();
        let expected = if names.is_empty() {
            "no column: the collection has none".to_owned()
        } else {
            format!("a column of the schema ({})", names.join(", "))
        };
        let fix = meant(name, &names).unwrap_or_default();
        Error::invalid(argument, expected, format!("{name:?}"), fix)
    })
}

fn groupable(config: &CollectionConfig, name: &str) -> Result<usize> {
    let position = position("group_by", config, name)?;
    let (_, kind) = &config.schema.columns()[position];
    match kind {
        AttributeType::Keyword
        | AttributeType::I64
        | AttributeType::Bool
        | AttributeType::Timestamp => Ok(position),
        AttributeType::KeywordList | AttributeType::F64 | AttributeType::Text => {
            let expected = "a keyword, i64, bool or timestamp column";
            Err(Error::invalid("group_by", expected, format!("{name:?}, {}", kind.column()), ""))
        }
    }
}

/// The queries as 32-bit floats, each checked; a copy only of what is something else.
pub(super) fn checked_queries<'q>(
    argument: &str,
    config: &CollectionConfig,
    queries: &'q Vectors<'_>,
) -> Result<Cow<'q, [f32]>> {
    if queries.dim() != config.dim {
        return Err(Error::DimensionMismatch {
            argument: argument.into(),
            expected: config.dim,
            found: queries.dim(),
        });
    }
    let out = if let VectorData::F32(rows) = queries.data() {
        Cow::Borrowed(&**rows)
    } else {
        let mut out = vec![0.0; queries.rows() * config.dim];
        let rows = out.chunks_exact_mut(config.dim).enumerate();
        rows.for_each(|(row, vector)| queries.copy_row(row, vector));
        Cow::Owned(out)
    };
    for (row, vector) in out.chunks_exact(config.dim).enumerate() {
        // No early end, so that many components are looked at together.
        if vector.iter().filter(|v| v.is_finite()).count() < vector.len() {
            let at = vector.iter().position(|v| !v.is_finite()).unwrap_or_default();
            return Err(Error::invalid(
                format!("{argument} row {row}"),
                "finite numbers",
                format!("{} at component {at}", vector[at]),
                "drop or repair the query",
            ));
        }
        if config.metric == Metric::Cosine && vector.iter().all(|v| *v == 0.0) {
            return Err(Error::invalid(
                format!("{argument} row {row}"),
                "a vector with a direction, as the metric is cosine",
                "all zeros",
                "drop the query",
            ));
        }
    }
    Ok(out)
}
