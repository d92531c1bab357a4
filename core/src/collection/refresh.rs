//! A reader's view moves to the newest state. It writes nothing; what is open stays open.

use std::sync::atomic::Ordering;

use super::draft::Draft;
use super::state::{self, live_version, read_log, replay_file};
use super::{Shared, View, lock};
use crate::error::Result;

pub(super) fn refresh(shared: &Shared) -> Result<()> {
    let view = shared.view("refresh")?;
    // The writer of this handle sees its own writes; so does memory.
    if shared.is_writable() || !shared.on_disk() {
        return Ok(());
    }
    let mut tail = lock(&shared.tail);
    if live_version(&shared.directory)? == view.manifest.version {
        let Some(mut reader) = *tail else { return Ok(()) };
        // A file that is gone belonged to a state that is gone: read the one that is live.
        if let Ok(file) = read_log(&shared.directory, reader.reached(), view.config.memory) {
            let mut draft = Draft::new(&view, reader.reached().id);
            let path = shared.directory.path(&reader.reached().file());
            let units = replay_file(&mut draft, &mut reader, &file, &view.config);
            if units.map_err(|unfit| unfit.at(&path))? > 0 {
                let (config, manifest) = (view.config.clone(), view.manifest.clone());
                shared.publish(View::new(config, manifest, draft.finish()?));
                *tail = Some(reader);
            }
            return Ok(());
        }
    }
    let loaded = state::read(&shared.directory, Some(view.config.memory), Some(&view))?;
    *tail = loaded.tail;
    shared.latest_us.fetch_max(loaded.view.manifest.latest_us, Ordering::Relaxed);
    shared.publish(loaded.view);
    Ok(())
}
