//! All points replaced by others, in one commit: searches see the old ones, then the new ones.
//! Exclusion sets stay.

use std::sync::Arc;

use super::commit::Swap;
use super::{Shared, lock, merge};
use crate::error::Result;
use crate::segment::SegmentHandle;

/// Puts a segment that was just written, or nothing, in place of all there is. What was written
/// before this began to wait for the lock is gone then; what comes after stays.
pub(super) fn replace_all(shared: &Shared, handle: Option<SegmentHandle>) -> Result<()> {
    // What is merged now is not to come back.
    let merging = shared.begin_merge();
    let file = handle.as_ref().and_then(|handle| Some(handle.record()?.file()));
    let swapped = (|| {
        let mut committer = lock(&shared.committer);
        committer.check("replace")?;
        committer.freeze()?;
        let view = shared.view("replace")?;
        let through = committer.next_wal - 1;
        let segments = handle.clone().map(Arc::new).into_iter().collect();
        let mut swap = Swap::of(&view).segments(segments, through);
        if let Some(file) = file {
            swap = swap.written(file);
        }
        swap.run(shared, &mut committer)
    })();
    drop(merging);
    match (swapped, handle) {
        (Err(error), Some(handle)) if lock(&shared.committer).poisoned.is_none() => {
            merge::forget(shared, &handle, error)
        }
        (swapped, _) => swapped,
    }
}
