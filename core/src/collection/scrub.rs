//! Reads all of a writer's segments once after it was opened, slowly, beside everything else:
//! codes, edges and vectors are not compared with their checksums when they are used. A segment
//! in which damage is found is refused from then on.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Shared;
use crate::error::{Error, Result};
use crate::segment::scrub_segment;
use crate::sync::{JoinHandle, spawn};

/// Bytes that are read at once, and how long it rests after them: 32 MiB a second.
const PIECE: usize = 1 << 20;
const REST: Duration = Duration::from_millis(31);

/// Starts the thread.
pub(super) fn start(shared: &Arc<Shared>) -> Result<JoinHandle<()>> {
    let weak = Arc::downgrade(shared);
    spawn("nearfield-scrub", move || run(&weak)).map_err(|error| Error::ResourceLimit {
        what: "threads".to_owned(),
        limit: "what the system allows".to_owned(),
        found: error.to_string(),
        fix: "end other processes".to_owned(),
    })
}

fn run(shared: &Weak<Shared>) {
    let Some(shared) = shared.upgrade() else { return };
    let Ok(view) = shared.view("scrub") else { return };
    let mut read = 0;
    for handle in view.segments.iter().filter(|handle| handle.record().is_some()) {
        let mut stopped = false;
        scrub_segment(&handle.segment, |bytes| {
            read += bytes;
            if read >= PIECE {
                read = 0;
                stopped = !shared.scrubber.pause(REST);
            }
            !stopped
        });
        if stopped {
            return;
        }
    }
}
