//! Points that end by themselves: those whose time in the reserved column `expires_at` has come
//! are dead, as if they had been deleted.
//!
//! Every view knows a time before which nothing in it expires. What asks for a view later than
//! that gets one in which the points that expired are dead; a merge then leaves them out. The log
//! knows nothing of this: time is judged anew where it is read. It never goes back: not below
//! what was judged by before, nor below the time in the manifest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::view::Content;
use super::{Shared, View, lock};
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::segment::{Dead, SegmentHandle};
use crate::types::{AttributeType, EXPIRES_AT, Schema};

/// Microseconds since 1970.
pub(super) fn clock_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

impl Shared {
    /// The time by which expiry is judged.
    pub(super) fn now_us(&self) -> i64 {
        let now = clock_us();
        self.latest_us.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// A view in which nothing has expired that is not dead.
    pub(super) fn judged(&self, mut view: Arc<View>, operation: &'static str) -> Result<Arc<View>> {
        while view.expires_us != i64::MAX {
            let now = self.now_us();
            if now < view.expires_us {
                break;
            }
            let judged = Arc::new(view.without_expired(now)?);
            let mut slot = self.view.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            match &*slot {
                Some(current) if Arc::ptr_eq(current, &view) => {
                    *slot = Some(Arc::clone(&judged));
                    view = judged;
                }
                // Replaced meanwhile.
                Some(current) => view = Arc::clone(current),
                None => return Err(Error::Closed { operation }),
            }
        }
        Ok(view)
    }

    /// The configuration, with a column for times at which points expire.
    pub(super) fn config_with_expiry(
        &self,
        operation: &'static str,
    ) -> Result<Arc<CollectionConfig>> {
        self.check_writable(operation)?;
        if self.config().schema.position(EXPIRES_AT).is_none() {
            let mut committer = lock(&self.committer);
            committer.check(operation)?;
            let view = self.view(operation)?;
            if view.config.schema.position(EXPIRES_AT).is_none() {
                let columns = view.config.schema.columns().iter().cloned();
                let added = (EXPIRES_AT.to_owned(), AttributeType::Timestamp);
                let schema = Schema::stored(columns.chain([added]))?;
                super::write::change_schema(self, &mut committer, &view, schema)?;
            }
        }
        Ok(self.config())
    }
}

impl View {
    /// The same, with what has expired dead.
    fn without_expired(&self, now: i64) -> Result<Self> {
        let Some(position) = self.config.schema.position(EXPIRES_AT) else {
            return Ok(Self { expires_us: i64::MAX, ..self.clone() });
        };
        let judge = |handle: &Arc<SegmentHandle>| match handle.expires_us {
            Some(time) if now < time => Ok(Arc::clone(handle)),
            _ => handle.without_expired(position, now).map(Arc::new),
        };
        let segments: Result<Vec<_>> = self.segments.iter().map(judge).collect();
        let (config, manifest) = (Arc::clone(&self.config), Arc::clone(&self.manifest));
        let exclusions = Arc::clone(&self.exclusions);
        Ok(Self::new(config, manifest, Content { segments: segments?, exclusions }))
    }
}

impl SegmentHandle {
    /// The same, with what has expired dead.
    fn without_expired(&self, position: usize, now: i64) -> Result<Self> {
        let column = self.attribute(position, AttributeType::Timestamp)?;
        let (mut dead, mut next) = (None, i64::MAX);
        for slot in self.alive_slots() {
            match column.i64(slot) {
                Some(time) if time <= now => {
                    let dead = dead.get_or_insert_with(|| match &self.dead {
                        Some(dead) => Dead::clone(dead),
                        None => Dead::none(self.segment.rows()),
                    });
                    dead.insert(slot);
                }
                Some(time) => next = next.min(time),
                None => {}
            }
        }
        let mut handle = self.clone();
        handle.dead = dead.map(Arc::new).or(handle.dead);
        handle.expires_us = Some(next);
        Ok(handle)
    }
}
