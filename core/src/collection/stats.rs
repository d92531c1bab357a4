//! What a collection says about itself, and whether it is right.

use super::state;
use super::view::View;
use crate::error::Result;
use crate::manifest::encode_current;
use crate::results::{SegmentStats, Stats, VerifyReport};
use crate::segment::{SegmentBytes, verify_segment};
use crate::types::MemoryMode;
use crate::vfs::Directory;

/// Bytes of `CURRENT` and the manifest.
fn manifest_bytes(view: &View) -> u64 {
    let manifest = view.manifest().encode().map_or(0, |file| file.len());
    (manifest + encode_current(view.version).len()) as u64
}

fn tombstone_bytes(view: &View) -> u64 {
    view.segments.iter().filter_map(|s| s.record.tombstones.as_ref()).map(|t| t.length).sum()
}

pub(super) fn stats(view: &View, on_disk: bool) -> Stats {
    let mut all = SegmentBytes::default();
    let mut segments = Vec::with_capacity(view.segments.len());
    for handle in &view.segments {
        let bytes = handle.segment.bytes();
        all.file += bytes.file;
        all.hot += bytes.hot;
        all.warm += bytes.warm;
        all.cold += bytes.cold;
        all.resident += bytes.resident;
        segments.push(SegmentStats {
            name: if on_disk { handle.record.file() } else { String::new() },
            rows: u64::from(handle.segment.rows()),
            dead: u64::from(handle.segment.rows() - handle.alive()),
            indexed: handle.segment.index().is_some(),
            bytes: bytes.file,
        });
    }
    let config = &view.config;
    let disk = all.file + tombstone_bytes(view) + manifest_bytes(view);
    Stats {
        points: view.points(),
        dim: config.dim,
        metric: config.metric,
        id_type: config.id_type,
        dtype: config.dtype,
        profile: config.profile,
        index: config.index,
        space: config.space.as_ref().map(ToString::to_string),
        schema: config
            .schema
            .columns()
            .iter()
            .map(|(name, kind)| (name.clone(), kind.name().to_owned()))
            .collect(),
        version: view.version,
        segments,
        bytes_disk: if on_disk { disk } else { 0 },
        bytes_hot: all.hot,
        bytes_warm: all.warm,
        bytes_cold: all.cold,
        bytes_resident: all.resident,
    }
}

/// Reads the live state again, from its first file to its last, whatever this handle has open.
pub(super) fn verify(directory: &Directory) -> Result<VerifyReport> {
    let view = state::read(directory, Some(MemoryMode::Mapped))?;
    // CURRENT and the manifest were read whole just now, the tombstones too.
    let mut report = VerifyReport {
        files: 2,
        bytes: manifest_bytes(&view) + tombstone_bytes(&view),
        blocks: 0,
        points: view.points(),
    };
    for handle in &view.segments {
        report.files += 1 + u64::from(handle.record.tombstones.is_some());
        report.bytes += handle.record.length;
        report.blocks += verify_segment(&handle.segment)?;
    }
    Ok(report)
}
