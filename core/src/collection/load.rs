//! Load: a stream of Arrow batches straight into one sealed, indexed segment.

use std::sync::TryLockError;

use arrow_array::{Array, RecordBatch};

use super::columns::{each_run, find};
use super::estimate::{Budget, Points};
use super::input::{Input, column_of, wrong_id_type};
use super::merge::{self, Job};
use super::replace::replace_all;
use super::spool::{self, Spool};
use super::{Collection, pool};
use crate::config::{CollectionConfig, LoadOptions, LoadReport, Progress};
use crate::error::{Error, Result};
use crate::types::{EXPIRES_AT, IdType, Ids};

/// See [`Collection::load`]. What was read is kept where the call was cut short, and only there; of
/// several loads at once, for the first.
pub(super) fn load<E: std::error::Error + Send + Sync + 'static>(
    collection: &Collection,
    batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
    options: &LoadOptions,
    progress: &Progress,
) -> Result<LoadReport> {
    let own = match collection.shared.spooling.try_lock() {
        Ok(own) => Some(own),
        Err(TryLockError::Poisoned(own)) => Some(own.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    let source = options.source.clone().filter(|_| own.is_some());
    let spooled = source.is_some();
    let options = LoadOptions { source, ..options.clone() };
    let loaded = try_load(collection, batches, &options, progress, false);
    let over = !matches!(loaded, Err(Error::Interrupted { .. } | Error::Io { .. }));
    if spooled && over && collection.is_writable() {
        spool::clear(&collection.shared.directory);
    }
    loaded
}

/// See [`Collection::replace`].
pub(super) fn replace<E: std::error::Error + Send + Sync + 'static>(
    collection: &Collection,
    batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
    options: &LoadOptions,
    progress: &Progress,
) -> Result<LoadReport> {
    let options = LoadOptions { source: None, ..options.clone() };
    try_load(collection, batches, &options, progress, true)
}

/// Loads beside what is there, or in place of it.
fn try_load<E: std::error::Error + Send + Sync + 'static>(
    collection: &Collection,
    batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
    options: &LoadOptions,
    progress: &Progress,
    instead: bool,
) -> Result<LoadReport> {
    let shared = &collection.shared;
    shared.check_writable("load")?;
    let mut batches = batches.peekable();
    let expires = |batch: &RecordBatch| batch.column_by_name(EXPIRES_AT).is_some();
    let config = match batches.peek() {
        Some(Ok(first)) if expires(first) => shared.config_with_expiry("load")?,
        _ => shared.config(),
    };
    let budget = Budget::new(shared, "load")?;
    let mut attributes = 0;
    let mut input = Input::new(&config);
    let mut report = LoadReport::default();
    progress.begin(0);
    let source = options.source.as_deref();
    let mut spool = match source.map(|source| Spool::open(shared, &config, source)).transpose()? {
        Some(Some((spool, rows))) => {
            input.resume(rows);
            Some(spool)
        }
        _ => None,
    };
    let skip = spool.as_ref().map_or(0, Spool::rows);
    report.resumed = skip as u64;
    let mut read = 0;
    for batch in batches {
        let batch = batch.map_err(|e| Error::Source(Box::new(e)))?;
        let known = batch.num_rows().min(skip.saturating_sub(read));
        read += batch.num_rows();
        attributes += attribute_bytes(&config, &batch);
        if known < batch.num_rows() {
            let batch = batch.slice(known, batch.num_rows() - known);
            take_batch(&config, &mut input, &batch, options, &mut report)?;
        }
        budget.check(Points { count: input.len() as u64, attributes, mapped: 0 })?;
        progress.advance(batch.num_rows() as u64);
        if let Some(spool) = &mut spool {
            spool.advance(input.rows(), read)?;
        }
        progress.check("load")?;
    }
    let rows = input.len();
    if rows == 0 {
        if instead {
            replace_all(shared, None)?;
        }
        return Ok(report);
    }
    // Reading is the first half, building the second.
    progress.begin(2 * rows as u64);
    progress.advance(rows as u64);
    let rows = input.finish();
    let points = pool()?.install(|| rows.keep_last());
    report.points = points.len() as u64;
    let job = Job { config: &config, threads: pool()?, progress };
    let handle = merge::write_indexed(shared, &shared.directory, &points, None, job)?;
    if instead {
        replace_all(shared, Some(handle))?;
    } else {
        merge::make_live(shared, &points, handle)?;
    }
    shared.wake_all();
    shared.keep_few_segments();
    let (done, total) = progress.get();
    progress.advance(total.saturating_sub(done));
    Ok(report)
}

/// Bytes of a batch that become attributes.
fn attribute_bytes(config: &CollectionConfig, batch: &RecordBatch) -> u64 {
    let names = config.schema.columns().iter().map(|(name, _)| name);
    let columns = names.filter_map(|name| batch.column_by_name(name));
    columns.map(|c| c.to_data().get_slice_memory_size().unwrap_or_default() as u64).sum()
}

/// Appends the rows of a batch.
fn take_batch(
    config: &CollectionConfig,
    input: &mut Input<'_>,
    batch: &RecordBatch,
    options: &LoadOptions,
    report: &mut LoadReport,
) -> Result<()> {
    let first = input.len() as u64;
    let vectors = find(batch, &options.vector, "the vectors")?;
    match &options.id {
        Some(name) => input.id_column(name, find(batch, name, "the ids")?)?,
        None if config.id_type == IdType::U64 => {
            input.ids(&Ids::U64((first..first + batch.num_rows() as u64).collect()))?;
        }
        None => return Err(wrong_id_type("ids", IdType::Str, "row numbers")),
    }
    let what = format!("column {:?}", options.vector);
    each_run(&what, config.dim, vectors, first as usize, |run| input.vectors(&what, run))?;
    let columns: Result<Vec<_>> =
        config.schema.columns().iter().map(|(name, _)| column_of(batch, name)).collect();
    input.attributes(&columns?, batch.num_rows())?;
    for field in batch.schema().fields() {
        let name = field.name();
        let used = *name == options.vector
            || Some(name) == options.id.as_ref()
            || config.schema.position(name).is_some();
        if !used && !report.skipped_columns.contains(name) {
            report.skipped_columns.push(name.clone());
        }
    }
    Ok(())
}
