//! Several runs as one.

use std::sync::Arc;

use super::members::{self, Members};
use super::run::{Builder, Cursor, Entry, Run};
use super::wrong_members;
use crate::canary::sings;
use crate::error::Result;
use crate::types::IdType;

/// What these runs say, oldest first, without what has expired. `bottom` says that nothing is below
/// them, so that nothing needs to be said of a set that is empty. `None` if nothing is left.
pub(super) fn merge(
    runs: &[Arc<Run>],
    id_type: IdType,
    now_us: i64,
    bottom: bool,
) -> Result<Option<Run>> {
    let mut builder = Builder::new(id_type);
    // Newest first: where names are the same, that is the order in which they count.
    let mut cursors = Vec::with_capacity(runs.len());
    for run in runs.iter().rev() {
        let mut cursor = run.cursor();
        if cursor.advance().map_err(|f| f.at(run.path()))? {
            cursors.push((run, cursor));
        }
    }
    let mut encoded = Vec::new();
    while let Some(name) = cursors.iter().map(|(_, cursor)| cursor.name()).min() {
        let name = name.to_vec();
        let mut here = cursors.iter().filter(|(_, cursor)| cursor.name() == name);
        if let (Some((_, one)), None) = (here.next(), here.next())
            && let Some(entry) = one.entry()
            && members::is_fresh(entry.members, now_us)
        {
            let cleared = entry.cleared && !bottom;
            if cleared || !entry.members.is_empty() {
                builder.push(&name, Entry { cleared, ..entry });
            }
            advance(&mut cursors, &name)?;
            continue;
        }
        let (mut all, mut cleared, mut version) = (Members::none(id_type), false, 0);
        for (run, cursor) in cursors.iter().filter(|(_, cursor)| cursor.name() == name) {
            let Some(entry) = cursor.entry() else { continue };
            version = version.max(entry.version);
            if !cleared {
                all.read(entry.members, id_type, now_us)
                    .ok_or_else(|| wrong_members().at(run.path()))?;
            }
            cleared |= entry.cleared && !sings("forget that a set was cleared");
        }
        if !all.is_empty() || (cleared && !bottom) {
            encoded.clear();
            all.encode(&mut encoded);
            let cleared = cleared && !bottom;
            builder.push(&name, Entry { cleared, version, members: &encoded });
        }
        advance(&mut cursors, &name)?;
    }
    Ok(builder.finish())
}

/// Moves those on that stand at this name.
fn advance(cursors: &mut Vec<(&Arc<Run>, Cursor<'_>)>, name: &[u8]) -> Result<()> {
    let mut position = 0;
    while let Some((run, cursor)) = cursors.get_mut(position) {
        if cursor.name() != name || cursor.advance().map_err(|f| f.at(run.path()))? {
            position += 1;
        } else {
            cursors.remove(position);
        }
    }
    Ok(())
}
