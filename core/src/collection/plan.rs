//! A request checked against a view, resolved once for all queries.

use std::sync::Arc;

use super::expiry::clock_us;
use super::filters::{Filters, Passing};
use super::{SegmentHandle, View};
use crate::config::{CollectionConfig, Decay, SearchRequest};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::retrieval::Scorer;
use crate::segment::{Column, IdColumn, IdRef};
use crate::types::{AttributeType, Vectors};

/// One segment's part of a request.
pub(super) struct SegmentPlan<'a> {
    pub(super) ids: IdColumn<'a>,
    /// Excluded slots that are alive and pass the filter, ascending.
    pub(super) excluded: Vec<u32>,
    /// What passes the filter, if there is one.
    pub(super) passing: Option<Arc<Passing>>,
    pub(super) scorer: Scorer<'a>,
    /// The column to group by.
    pub(super) group: Option<Column<'a>>,
}

/// A request over a view.
pub(super) struct Plan<'a> {
    pub(super) view: &'a View,
    pub(super) request: &'a SearchRequest,
    pub(super) segments: Vec<SegmentPlan<'a>>,
    /// Names and positions of the columns to return.
    pub(super) columns: Vec<(&'a str, usize)>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        view: &'a View,
        request: &'a SearchRequest,
        filters: &Filters,
    ) -> Result<Self> {
        request.validate()?;
        check_space(&view.config, request)?;
        let column = |name: &'a String| Ok((name.as_str(), position(&view.config, name)?));
        let columns: Result<Vec<_>> = request.with_attributes.iter().map(column).collect();
        let group =
            request.cap.as_ref().map(|cap| groupable(&view.config, &cap.group_by)).transpose()?;
        let decay = request
            .decay
            .as_ref()
            .map(|decay| Ok::<_, Error>((timestamp(&view.config, &decay.column)?, decay)))
            .transpose()?;
        let now_us = clock_us();
        let filter = request.filter.as_ref();
        let filter = filter.map(|text| filters.filter(text, &view.config, now_us)).transpose()?;
        let excluded = excluded(view, request)?;
        let column = |handle: &'a Arc<SegmentHandle>, position: usize| {
            let (_, kind) = &view.config.schema.columns()[position];
            handle.attribute(position, *kind)
        };
        let segments: Result<Vec<_>> = view
            .segments
            .iter()
            .zip(excluded)
            .map(|(handle, mut excluded)| {
                let segment = &handle.segment;
                let passing =
                    filter.as_ref().map(|filter| filters.passing(filter, handle)).transpose()?;
                if let Some(passing) = &passing {
                    excluded.retain(|slot| passing.slots.contains(*slot));
                }
                let scorer = match decay {
                    Some((position, decay)) => scorer(column(handle, position)?, decay, now_us),
                    None => Scorer::Plain,
                };
                let group = group.map(|position| column(handle, position)).transpose()?;
                Ok(SegmentPlan { ids: segment.ids()?, excluded, passing, scorer, group })
            })
            .collect();
        Ok(Self { view, request, segments: segments?, columns: columns? })
    }

    /// Whether the order of hits follows from similarity alone.
    pub(super) fn is_plain(&self) -> bool {
        self.request.cap.is_none() && self.request.decay.is_none()
    }
}

fn scorer<'a>(column: Column<'a>, decay: &Decay, now_us: i64) -> Scorer<'a> {
    Scorer::Decay {
        column,
        origin_us: decay.origin_us.unwrap_or(now_us),
        half_life_us: decay.half_life.as_secs_f64() * 1e6,
        weight: decay.weight,
    }
}

/// The slots to leave out, a list a segment.
fn excluded(view: &View, request: &SearchRequest) -> Result<Vec<Vec<u32>>> {
    let mut slots = vec![Vec::new(); view.segments.len()];
    let Some(ids) = &request.exclude else { return Ok(slots) };
    if ids.id_type() != view.config.id_type && !ids.is_empty() {
        let found = format!("{} ids", ids.id_type());
        return Err(Error::invalid("exclude", format!("{} ids", view.config.id_type), found, ""));
    }
    let ids = (0..ids.len()).filter_map(|row| IdRef::at(ids, row));
    for place in view.places(ids)?.into_iter().flatten() {
        if let Some(list) = slots.get_mut(place.segment as usize) {
            list.push(place.slot);
        }
    }
    for list in &mut slots {
        list.sort_unstable();
        list.dedup();
    }
    Ok(slots)
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

fn position(config: &CollectionConfig, name: &str) -> Result<usize> {
    config.schema.position(name).ok_or_else(|| {
        let names: Vec<&str> = config.schema.columns().iter().map(|(n, _)| n.as_str()).collect();
        let expected = if names.is_empty() {
            "no column: the collection has none".to_owned()
        } else {
            format!("one of {}", names.join(", "))
        };
        Error::invalid("column", expected, format!("{name:?}"), "")
    })
}

fn groupable(config: &CollectionConfig, name: &str) -> Result<usize> {
    let position = position(config, name)?;
    let (_, kind) = &config.schema.columns()[position];
    match kind {
        AttributeType::Keyword
        | AttributeType::I64
        | AttributeType::Bool
        | AttributeType::Timestamp => Ok(position),
        AttributeType::KeywordList | AttributeType::F64 | AttributeType::Text => {
            let expected = "a keyword, i64, bool or timestamp column";
            Err(Error::invalid("group_by", expected, format!("{name:?}, a {kind} column"), ""))
        }
    }
}

fn timestamp(config: &CollectionConfig, name: &str) -> Result<usize> {
    let position = position(config, name)?;
    let (_, kind) = &config.schema.columns()[position];
    if *kind == AttributeType::Timestamp {
        Ok(position)
    } else {
        let found = format!("{name:?}, a {kind} column");
        Err(Error::invalid("decay column", "a timestamp column", found, ""))
    }
}

/// The queries as 32-bit floats, each checked.
pub(super) fn checked_queries(
    config: &CollectionConfig,
    queries: &Vectors<'_>,
) -> Result<Vec<f32>> {
    if queries.dim() != config.dim {
        return Err(Error::DimensionMismatch {
            argument: "queries".into(),
            expected: config.dim,
            found: queries.dim(),
        });
    }
    let mut out = vec![0.0; queries.rows() * config.dim];
    for (row, vector) in out.chunks_exact_mut(config.dim).enumerate() {
        queries.copy_row(row, vector);
        if let Some(at) = vector.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(
                format!("queries row {row}"),
                "finite numbers",
                format!("{} at component {at}", vector[at]),
                "drop or repair the query",
            ));
        }
        if config.metric == Metric::Cosine && vector.iter().all(|v| *v == 0.0) {
            return Err(Error::invalid(
                format!("queries row {row}"),
                "a vector with a direction, as the metric is cosine",
                "all zeros",
                "drop the query",
            ));
        }
    }
    Ok(out)
}
