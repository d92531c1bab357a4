//! What a request adds to similarities, resolved against a view.

use super::plan::position;
use super::{SegmentHandle, View};
use crate::config::{Boost, CollectionConfig, Decay, Scale, SearchRequest};
use crate::error::{Error, Result};
use crate::retrieval::Scorer;
use crate::retrieval::score::{Freshness, Lift, number, scaled};
use crate::segment::Column;
use crate::types::AttributeType;

/// Decay and boosts of a request.
pub(super) struct Scoring<'a> {
    view: &'a View,
    decay: Option<(usize, &'a Decay)>,
    /// With the scaled maximum of the column.
    boosts: Vec<(usize, &'a Boost, f64)>,
    now_us: i64,
}

impl<'a> Scoring<'a> {
    pub(super) fn new(view: &'a View, request: &'a SearchRequest, now_us: i64) -> Result<Self> {
        let decay = request.decay.as_ref();
        let decay =
            decay.map(|decay| Ok::<_, Error>((timestamp(&view.config, &decay.column)?, decay)));
        let mut scoring = Self { view, decay: decay.transpose()?, boosts: Vec::new(), now_us };
        for boost in &request.boosts {
            let position = numeric(&view.config, &boost.column)?;
            let mut largest = f64::NEG_INFINITY;
            for handle in &view.segments {
                largest = largest.max(scoring.largest(handle, position)?);
            }
            let largest = scaled(largest, boost.scale == Scale::Log1p);
            scoring.boosts.push((position, boost, largest));
        }
        Ok(scoring)
    }

    fn column(&self, handle: &'a SegmentHandle, position: usize) -> Result<Column<'a>> {
        let (_, kind) = &self.view.config.schema.columns()[position];
        handle.attribute(position, *kind)
    }

    /// The largest value of a column among the points that are alive.
    fn largest(&self, handle: &'a SegmentHandle, position: usize) -> Result<f64> {
        let column = self.column(handle, position)?;
        let alive = |slot: &u32| handle.is_alive(*slot);
        let replaced = column.replaced_slots().filter(alive).filter_map(|s| number(&column, s));
        let largest = replaced.fold(f64::NEG_INFINITY, f64::max);
        let Some(ranked) = handle.segment.ranked(position)? else { return Ok(largest) };
        let mut own = ranked
            .ascending()
            .iter()
            .rev()
            .copied()
            .filter(|slot| alive(slot) && !column.is_replaced(*slot));
        Ok(own.next().and_then(|slot| number(&column, slot)).map_or(largest, |v| v.max(largest)))
    }

    /// What is added in one segment.
    pub(super) fn of(&self, handle: &'a SegmentHandle) -> Result<Scorer<'a>> {
        let mut scorer = Scorer::default();
        if let Some((position, decay)) = self.decay {
            scorer.decay = Some(Freshness {
                column: self.column(handle, position)?,
                position,
                origin_us: decay.origin_us.unwrap_or(self.now_us),
                half_life_us: decay.half_life.as_secs_f64() * 1e6,
                weight: decay.weight,
            });
        }
        for (position, boost, largest) in &self.boosts {
            scorer.boosts.push(Lift {
                column: self.column(handle, *position)?,
                position: *position,
                weight: boost.weight,
                log1p: boost.scale == Scale::Log1p,
                largest: *largest,
            });
        }
        Ok(scorer)
    }
}

fn timestamp(config: &CollectionConfig, name: &str) -> Result<usize> {
    let position = position("decay column", config, name)?;
    let (_, kind) = &config.schema.columns()[position];
    if *kind == AttributeType::Timestamp {
        return Ok(position);
    }
    let found = format!("{name:?}, {}", kind.column());
    Err(Error::invalid("decay column", "a timestamp column", found, ""))
}

fn numeric(config: &CollectionConfig, name: &str) -> Result<usize> {
    let position = position("boost column", config, name)?;
    let (_, kind) = &config.schema.columns()[position];
    if matches!(kind, AttributeType::I64 | AttributeType::F64) {
        return Ok(position);
    }
    let found = format!("{name:?}, {}", kind.column());
    Err(Error::invalid("boost column", "an i64 or f64 column", found, ""))
}
