//! Points in the order of their ids, a part at a time.

use super::View;
use super::get::get;
use crate::error::{Error, Result};
use crate::results::Points;
use crate::segment::IdRef;
use crate::types::{IdType, Ids, PointId};

/// The first `limit` points whose ids are above `after`.
pub(super) fn scan(
    view: &View,
    after: Option<&PointId>,
    limit: usize,
    with_vectors: bool,
) -> Result<Points> {
    if limit == 0 {
        return Err(Error::invalid("limit", "at least 1", "0", ""));
    }
    let after = after.map(IdRef::from);
    let fits = |id: IdRef<'_>| match view.config.id_type {
        IdType::U64 => matches!(id, IdRef::U64(_)),
        IdType::Str => matches!(id, IdRef::Str(_)),
    };
    if after.is_some_and(|id| !fits(id)) {
        let expected = format!("an id of type {}", view.config.id_type);
        return Err(Error::invalid("after", expected, "one of the other type", ""));
    }
    let mut ids: Vec<IdRef<'_>> = Vec::new();
    for handle in &view.segments {
        let finder = handle.segment.finder()?;
        let first = after.map_or(0, |id| finder.lower_bound(id));
        let slots = (first..).map_while(|position| finder.slot(position));
        let alive = slots.filter(|slot| handle.is_alive(*slot)).map(|slot| finder.id(slot));
        ids.extend(alive.filter(|id| Some(*id) > after).take(limit));
    }
    ids.sort_unstable();
    ids.truncate(limit);
    let ids = match view.config.id_type {
        IdType::U64 => Ids::U64(ids.iter().filter_map(|id| id.as_u64()).collect()),
        IdType::Str => {
            Ids::Str(ids.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect())
        }
    };
    get(view, &ids, with_vectors)
}
