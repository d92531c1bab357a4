//! The calls that change points: checked here, committed by [`super::group`].

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};

use super::commit::{Committer, Swap};
use super::group::{Asked, Request};
use super::input::{Input, check_attributes, check_updates, wrong_id_type};
use super::operation::{
    Operation, Update, encode_clear, encode_exclude, encode_update, encode_upsert,
};
use super::{Collection, Shared, View, lock, merge};
use crate::config::{CollectionConfig, Progress};
use crate::error::{Error, Result};
use crate::exclusions::{NEVER, check_name};
use crate::manifest::{COLUMNS_MAX, ConfigRecord, Shape};
use crate::segment::Rows;
use crate::types::{AttributeType, EXPIRES_AT, Ids, Schema, Vectors};

/// A call of more rows or bytes goes to a file of its own rather than through the log.
const DIRECT_ROWS: usize = if cfg!(test) { 500 } else { 100_000 };
const DIRECT_BYTES: usize = 192 << 20;

pub(super) fn upsert(
    collection: &Collection,
    ids: &Ids,
    vectors: &Vectors<'_>,
    attributes: Option<&RecordBatch>,
    ttl: Option<Duration>,
    progress: &Progress,
) -> Result<()> {
    let shared = &collection.shared;
    let rows = ids.len();
    check_row_count(vectors, rows)?;
    progress.begin(rows as u64);
    let given = attributes.is_some_and(|batch| batch.column_by_name(EXPIRES_AT).is_some());
    let config =
        if given || ttl.is_some() { shared.config_with_expiry("upsert")? } else { shared.config() };
    let mut input = Input::new(&config);
    input.ids(ids)?;
    input.vectors("vectors", vectors)?;
    let mut columns = check_attributes(&config, attributes, rows)?;
    let times = ttl.map(|ttl| times(shared, ttl, given, rows)).transpose()?;
    if let (Some(times), Some(position)) = (&times, config.schema.position(EXPIRES_AT)) {
        columns[position] = Some(times);
    }
    input.attributes(&columns, rows)?;
    progress.check("upsert")?;
    shared.check_writable("upsert")?;
    if rows > 0 {
        put(shared, input.finish(), progress)?;
    }
    progress.advance(rows as u64);
    Ok(())
}

/// What [`upsert`] does before it writes.
pub(super) fn check_upsert(
    collection: &Collection,
    ids: &Ids,
    vectors: &Vectors<'_>,
    attributes: Option<&RecordBatch>,
) -> Result<()> {
    let shared = &collection.shared;
    let rows = ids.len();
    check_row_count(vectors, rows)?;
    shared.check_writable("upsert")?;
    let given = attributes.is_some_and(|batch| batch.column_by_name(EXPIRES_AT).is_some());
    let config = if given { shared.config_with_expiry("upsert")? } else { shared.config() };
    let mut input = Input::new(&config);
    input.ids(ids)?;
    input.vectors("vectors", vectors)?;
    input.attributes(&check_attributes(&config, attributes, rows)?, rows)
}

fn check_row_count(vectors: &Vectors<'_>, rows: usize) -> Result<()> {
    if vectors.rows() == rows {
        return Ok(());
    }
    let found = format!("{} vectors", vectors.rows());
    Err(Error::invalid("vectors", format!("{rows}, one an id"), found, ""))
}

/// A column of the time at which these points expire.
fn times(shared: &Shared, ttl: Duration, given: bool, rows: usize) -> Result<ArrayRef> {
    if given {
        let expected = "one of ttl and a column \"expires_at\"";
        return Err(Error::invalid("ttl", expected, "both", "leave one of them out"));
    }
    let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
    let time = shared.now_us().saturating_add(ttl);
    Ok(Arc::new(TimestampMicrosecondArray::from_value(time, rows)))
}

/// Writes whole points as one unit.
pub(super) fn put(shared: &Shared, rows: Rows, progress: &Progress) -> Result<()> {
    let bytes = rows.bytes();
    if rows.len() >= DIRECT_ROWS || bytes >= DIRECT_BYTES {
        return merge::add_directly(shared, rows, progress);
    }
    let payloads = if shared.on_disk() { encode_upsert(&rows)? } else { Vec::new() };
    progress.check("upsert")?;
    shared.commit(Request { asked: Asked::Apply(Operation::Upsert(rows)), payloads }).map(drop)
}

pub(super) fn delete(collection: &Collection, ids: &Ids) -> Result<u64> {
    let shared = &collection.shared;
    let config = shared.config();
    shared.check_writable("delete")?;
    if ids.is_empty() {
        return Ok(0);
    }
    if ids.id_type() != config.id_type {
        return Err(wrong_id_type("ids", config.id_type, ids.id_type().name()));
    }
    let asked = Asked::Apply(Operation::Delete(ids.clone()));
    shared.commit(Request { asked, payloads: Vec::new() })
}

pub(super) fn delete_where(collection: &Collection, filter: &str) -> Result<u64> {
    let shared = &collection.shared;
    shared.check_writable("delete")?;
    let filter = shared.filters.filter(filter, &shared.config(), shared.now_us())?;
    shared.commit(Request { asked: Asked::DeleteWhere(filter), payloads: Vec::new() })
}

/// Adds ids to an exclusion set.
pub(super) fn exclude(
    collection: &Collection,
    set: &str,
    ids: &Ids,
    ttl: Option<Duration>,
) -> Result<()> {
    let shared = &collection.shared;
    shared.check_writable("exclude")?;
    check_name("set", set)?;
    if ids.is_empty() {
        return Ok(());
    }
    Input::new(&shared.config()).ids(ids)?;
    let until_us = match ttl {
        Some(ttl) => {
            let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
            shared.now_us().saturating_add(ttl)
        }
        None => NEVER,
    };
    let payloads = if shared.on_disk() { encode_exclude(set, ids, until_us)? } else { Vec::new() };
    let operation = Operation::Exclude { set: set.to_owned(), ids: ids.clone(), until_us };
    shared.commit(Request { asked: Asked::Apply(operation), payloads }).map(drop)
}

/// Empties an exclusion set.
pub(super) fn clear_exclusions(collection: &Collection, set: &str) -> Result<()> {
    let shared = &collection.shared;
    shared.check_writable("exclude")?;
    check_name("set", set)?;
    let payloads = if shared.on_disk() { encode_clear(set) } else { Vec::new() };
    let asked = Asked::Apply(Operation::Clear(set.to_owned()));
    shared.commit(Request { asked, payloads }).map(drop)
}

pub(super) fn update(collection: &Collection, ids: &Ids, attributes: &RecordBatch) -> Result<()> {
    let shared = &collection.shared;
    shared.check_writable("update")?;
    let config = if attributes.column_by_name(EXPIRES_AT).is_some() {
        shared.config_with_expiry("update")?
    } else {
        shared.config()
    };
    let mut checked = Input::new(&config);
    checked.ids(ids)?;
    let columns = check_updates(&config, attributes, ids.len())?;
    if ids.is_empty() || columns.is_empty() {
        return Ok(());
    }
    let update = Update { ids: ids.clone(), columns };
    let payloads = if shared.on_disk() { encode_update(&update)? } else { Vec::new() };
    let asked = Asked::Apply(Operation::Update(update));
    shared.commit(Request { asked, payloads }).map(drop)
}

pub(super) fn add_column(collection: &Collection, name: &str, kind: AttributeType) -> Result<()> {
    let shared = &collection.shared;
    shared.check_writable("add_column")?;
    let mut committer = lock(&shared.committer);
    committer.check("add_column")?;
    let view = shared.view("add_column")?;
    let columns = view.config.schema.columns().iter().cloned();
    // Only what is there already may have a reserved name.
    Schema::new([(name.to_owned(), kind)])?;
    let schema = Schema::stored(columns.chain([(name.to_owned(), kind)]))?;
    change_schema(shared, &mut committer, &view, schema)
}

/// Gives a collection another schema: more columns. The view is the live one.
pub(super) fn change_schema(
    shared: &Shared,
    committer: &mut Committer,
    view: &View,
    schema: Schema,
) -> Result<()> {
    if schema.len() > COLUMNS_MAX {
        let found = format!("{} columns", schema.len());
        return Err(Error::invalid("schema", format!("at most {COLUMNS_MAX} columns"), found, ""));
    }
    let config = CollectionConfig { schema, ..CollectionConfig::clone(&view.config) };
    // As it was created, but for the columns.
    let stored = ConfigRecord { shape: Shape::of(&config), ..view.manifest.config.clone() };
    Swap::of(view).config(config, stored).run(shared, committer)
}
