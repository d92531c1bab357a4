//! Files of exclusion sets, merged beside the writers so that there are few. What is in memory is
//! saved when the log is let go of, see [`super::commit`].

use super::commit::{Swap, write_run};
use super::{Shared, lock};
use crate::canary::sings;
use crate::error::Result;

/// Merges files that are small beside newer ones, or `all`, without what has expired; whether there
/// was anything to do. The caller holds the right to merge.
pub(super) fn merge_files(shared: &Shared, all: bool) -> Result<bool> {
    let before = shared.view("merge")?;
    let files = before.exclusions.to_merge(all);
    if files.is_empty() {
        return Ok(false);
    }
    let merged = before.exclusions.merged(&files, shared.now_us())?;
    let merged = merged.map(|run| write_run(shared, &before.config, &run)).transpose()?;
    let name = merged.as_ref().and_then(|run| Some(run.record?.file()));
    let forget = || name.iter().for_each(|name| shared.directory.remove_if_there(name));

    let mut committer = lock(&shared.committer);
    let view = committer.check("merge").and_then(|()| shared.view("merge"));
    let mut view = view.inspect_err(|_| forget())?;
    if sings("forget exclusions that come while files of sets are merged") {
        view = before;
    }
    // Newer ones may have come, below none.
    let Some(sets) = view.exclusions.exchanged(&files, merged) else {
        forget();
        return Ok(true);
    };
    let mut swap = Swap::of(&view).exclusions(sets);
    if let Some(name) = &name {
        swap = swap.written(name.clone());
    }
    swap.run(shared, &mut committer)?;
    Ok(true)
}

/// Makes one file of all exclusion sets. The caller holds the right to merge.
pub(super) fn merge_all(shared: &Shared) -> Result<()> {
    {
        let mut committer = lock(&shared.committer);
        committer.check("optimize")?;
        let view = shared.view("optimize")?;
        if view.exclusions.is_unsaved() {
            let segments = view.segments.clone();
            Swap::of(&view).segments(segments, 0).run(shared, &mut committer)?;
        }
    }
    merge_files(shared, true).map(drop)
}
