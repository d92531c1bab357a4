//! What a collection says about itself, and whether it is right.

use super::view::View;
use super::worker::Worker;
use super::{Shared, lock, state};
use crate::config::Progress;
use crate::error::{Error, Result};
use crate::manifest::{SegmentRecord, encode_current};
use crate::results::{SegmentStats, Stats, VerifyReport};
use crate::segment::{Segment, SegmentBytes, verify_segment_while};
use crate::types::MemoryMode;
use crate::vfs::Directory;

/// Bytes of `CURRENT` and the manifest.
fn manifest_bytes(view: &View) -> u64 {
    let manifest = view.manifest.encode().map_or(0, |file| file.len());
    (manifest + encode_current(view.manifest.version).len()) as u64
}

/// Number and bytes of the files beside the segments and the manifest: what changed since they
/// were sealed, and the log.
fn beside(view: &View) -> (u64, u64) {
    let of_segment = |s: &SegmentRecord| {
        let tombstones = s.tombstones.as_ref().map(|t| t.length);
        [tombstones, s.attributes.as_ref().map(|a| a.length)]
    };
    let changes = view.manifest.segments.iter().flat_map(of_segment).flatten();
    let wals = view.manifest.wals.iter().map(|w| w.length);
    let runs = view.manifest.exclusions.iter().map(|run| run.length);
    changes
        .chain(wals)
        .chain(runs)
        .fold((0, 0), |(files, bytes), length| (files + 1, bytes + length))
}

pub(super) fn stats(view: &View, on_disk: bool) -> Stats {
    let mut all = SegmentBytes::default();
    let mut segments = Vec::with_capacity(view.segments.len());
    let mut growing = SegmentStats::default();
    for handle in &view.segments {
        let bytes = handle.segment.bytes();
        all.hot += bytes.hot;
        all.warm += bytes.warm;
        all.cold += bytes.cold;
        all.resident += bytes.resident;
        let Some(record) = handle.record() else {
            growing.rows += u64::from(handle.segment.rows());
            growing.dead += u64::from(handle.segment.rows() - handle.alive());
            growing.bytes += bytes.file;
            growing.indexed |= handle.segment.index().is_some();
            continue;
        };
        all.file += bytes.file;
        segments.push(SegmentStats {
            name: if on_disk { record.file() } else { String::new() },
            rows: u64::from(handle.segment.rows()),
            dead: u64::from(handle.segment.rows() - handle.alive()),
            indexed: handle.segment.index().is_some(),
            bytes: bytes.file,
        });
    }
    if growing.rows > 0 {
        growing.name = if on_disk { "(growing)".to_owned() } else { String::new() };
        segments.push(growing);
    }
    let config = &view.config;
    let disk = all.file + beside(view).1 + manifest_bytes(view);
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
        version: view.manifest.version,
        segments,
        bytes_disk: if on_disk { disk } else { 0 },
        bytes_hot: all.hot,
        bytes_warm: all.warm,
        bytes_cold: all.cold,
        bytes_resident: all.resident,
        problems: Vec::new(),
    }
}

/// What is wrong, each once: the writer's own end, damage, and what its threads failed at.
pub(super) fn problems(shared: &Shared, view: &View) -> Vec<String> {
    // Nobody waits for a commit to learn that there is nothing to tell.
    let stopped = match shared.committer.try_lock() {
        Ok(committer) => committer.poisoned.clone(),
        Err(_) if shared.failed.is_set() => lock(&shared.committer).poisoned.clone(),
        Err(_) => None,
    };
    let stopped = stopped.map(|cause| Error::Poisoned { cause }.to_string());
    let damage = view.segments.iter().filter_map(|h| h.segment.damage());
    let failures =
        [&shared.indexer, &shared.sealer, &shared.merger].into_iter().filter_map(Worker::failure);
    let all = stopped.into_iter().chain(damage.map(|error| error.to_string())).chain(failures);
    let mut problems: Vec<String> = Vec::new();
    for problem in all {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

/// Reads the live state again, from its first file to its last, whatever this handle has open. In
/// memory there are no files to read again. A step of `progress` is a byte of a segment.
pub(super) fn verify(
    view: &View,
    directory: &Directory,
    on_disk: bool,
    progress: &Progress,
) -> Result<VerifyReport> {
    let segment = |segment: &Segment| {
        let blocks = verify_segment_while(segment, |bytes| {
            progress.advance(bytes as u64);
            !progress.is_cancelled()
        })?;
        progress.check("verify").map(|()| blocks)
    };
    if !on_disk {
        let mut report = VerifyReport { points: view.points(), ..VerifyReport::default() };
        progress.begin(view.segments.iter().map(|handle| handle.segment.file_bytes()).sum());
        for handle in &view.segments {
            report.bytes += handle.segment.file_bytes();
            report.blocks += segment(&handle.segment)?;
        }
        verify_sets(view, &mut report)?;
        return Ok(report);
    }
    let loaded = state::read(directory, Some(MemoryMode::Mapped), None)?;
    let view = &loaded.view;
    // CURRENT and the manifest were read whole just now, and all that lies beside the segments.
    let (files, bytes) = beside(view);
    let mut report = VerifyReport {
        files: 2 + files,
        bytes: manifest_bytes(view) + bytes,
        blocks: 0,
        points: view.points(),
    };
    let sealed = || view.segments.iter().filter_map(|h| Some((h, h.record()?)));
    progress.begin(sealed().map(|(_, record)| record.length).sum());
    for (handle, record) in sealed() {
        report.files += 1;
        report.bytes += record.length;
        report.blocks += segment(&handle.segment)?;
    }
    verify_sets(view, &mut report)?;
    Ok(report)
}

/// Reads every exclusion set. The bytes of their files were counted.
fn verify_sets(view: &View, report: &mut VerifyReport) -> Result<()> {
    for run in view.exclusions.runs() {
        report.blocks += run.verify()?;
    }
    Ok(())
}
