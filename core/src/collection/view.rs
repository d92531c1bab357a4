//! What a search sees: an immutable set of segments and their dead slots.

use std::sync::Arc;

use arrow_array::ArrayRef;

use super::pool;
use crate::config::CollectionConfig;
use crate::error::Result;
use crate::exclusions::Exclusions;
use crate::graph::BuildOptions;
use crate::manifest::Manifest;
use crate::segment::{Column, ColumnOut, IdRef, SegmentHandle};
use crate::types::EXPIRES_AT;

/// One state of a collection. Swapped whole; never changed.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// With the memory mode of the handle.
    pub(crate) config: Arc<CollectionConfig>,
    /// The manifest that is live on disk. The log has what it doesn't name.
    pub(crate) manifest: Arc<Manifest>,
    /// Sealed ones first, each kind oldest first. An id is alive in one of them at most.
    pub(crate) segments: Vec<Arc<SegmentHandle>>,
    pub(crate) exclusions: Arc<Exclusions>,
    /// Nothing expires before this time; the smallest while nobody has looked.
    pub(crate) expires_us: i64,
}

/// What changes with a write.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) segments: Vec<Arc<SegmentHandle>>,
    pub(crate) exclusions: Arc<Exclusions>,
}

/// Where a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Position in [`View::segments`].
    pub(crate) segment: u32,
    pub(crate) slot: u32,
}

impl View {
    pub(crate) fn new(
        config: Arc<CollectionConfig>,
        manifest: Arc<Manifest>,
        content: Content,
    ) -> Self {
        let Content { segments, exclusions } = content;
        let next = segments.iter().map(|h| h.expires_us.unwrap_or(i64::MIN)).min();
        let expires = config.schema.position(EXPIRES_AT).and(next);
        let expires_us = expires.unwrap_or(i64::MAX);
        Self { config, manifest, segments, exclusions, expires_us }
    }

    /// Points alive.
    pub(crate) fn points(&self) -> u64 {
        self.segments.iter().map(|s| u64::from(s.alive())).sum()
    }

    /// Has codes made of the rows that are growing, beside everything else.
    pub(crate) fn encode_pieces(&self) {
        let pieces = self.segments.iter().filter(|h| h.wal().is_some());
        for piece in pieces.filter(|h| h.segment.wants_flat()) {
            let Ok(pool) = pool::encoding() else { return };
            let segment = Arc::clone(&piece.segment);
            let config = Arc::clone(&self.config);
            pool.spawn(move || {
                // Merged into another meanwhile.
                if Arc::strong_count(&segment) == 1 {
                    return;
                }
                segment.make_flat(&BuildOptions::new(config.metric, config.profile, config.seed));
            });
        }
    }

    /// Where each of these ids is, if it is alive.
    pub(crate) fn places<'a>(
        &self,
        ids: impl Iterator<Item = IdRef<'a>>,
    ) -> Result<Vec<Option<Place>>> {
        let finders: Result<Vec<_>> = self.segments.iter().map(|s| s.segment.finder()).collect();
        let finders = finders?;
        let find = |id: IdRef<'_>| {
            let mut newest_first = self.segments.iter().zip(&finders).enumerate().rev();
            newest_first.find_map(|(segment, (handle, finder))| {
                let slot = finder.find(id).filter(|slot| handle.is_alive(*slot))?;
                Some(Place { segment: segment as u32, slot })
            })
        };
        Ok(ids.map(find).collect())
    }

    /// The values of an attribute column at these places, as an Arrow array; null for `None`.
    pub(crate) fn gather(&self, position: usize, places: &[Option<Place>]) -> Result<ArrayRef> {
        let (_, kind) = &self.config.schema.columns()[position];
        let columns: Result<Vec<Column<'_>>> =
            self.segments.iter().map(|s| s.attribute(position, *kind)).collect();
        let columns = columns?;
        let mut out = ColumnOut::new(*kind);
        for place in places {
            let column = place.and_then(|p| Some((columns.get(p.segment as usize)?, p.slot)));
            match column {
                Some((column, slot)) => out.push(column, slot)?,
                None => out.push_null(),
            }
        }
        Ok(out.finish())
    }

    /// Copies the vectors at these places as 32-bit floats, 0 for `None`.
    pub(crate) fn copy_vectors(&self, places: &[Option<Place>]) -> Vec<f32> {
        let dim = self.config.dim;
        let mut out = vec![0.0; places.len() * dim];
        for (row, place) in out.chunks_exact_mut(dim).zip(places) {
            let segment =
                place.and_then(|p| Some((self.segments.get(p.segment as usize)?, p.slot)));
            if let Some((handle, slot)) = segment {
                handle.segment.originals().copy_row(slot as usize, row);
            }
        }
        out
    }
}
