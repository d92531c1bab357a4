//! A part is searched, and its lists become a batch of results.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float32Array, Int32Array, RecordBatch, RecordBatchOptions, StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use super::intake::Part;
use super::names::{Kind, Name};
use super::order::{Order, reordered};
use super::{Collection, JoinOptions};
use crate::collection::plan::{Moment, Narrowed, Plan};
use crate::collection::search::Answered;
use crate::collection::{View, batch, interests, pool};
use crate::config::{Conditions, Interests, SearchRequest};
use crate::error::{Error, Result};
use crate::segment::IdRef;
use crate::types::IdType;

/// The lists of a part.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) batch: RecordBatch,
    pub(super) lists: u64,
    /// Rows of the file.
    pub(super) rows: u64,
}

/// What is the same for all parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) view: &'a View,
    pub(super) options: &'a JoinOptions,
    pub(super) schema: &'a SchemaRef,
    pub(super) order: Option<&'a Order>,
    /// When the join began: what depends on time is judged by it down to the last query.
    pub(super) at: Moment,
}

/// The columns of results.
pub(super) fn schema(kind: Kind, id_type: IdType) -> SchemaRef {
    let id = match id_type {
        IdType::U64 => DataType::UInt64,
        IdType::Str => DataType::Utf8,
    };
    let columns = [
        ("query_id", kind.arrow()),
        ("rank", DataType::Int32),
        ("id", id),
        ("score", DataType::Float32),
    ];
    Arc::new(Schema::new(columns.map(|(name, kind)| Field::new(name, kind, false)).to_vec()))
}

impl Collection {
    /// Searches what is asked in a part.
    pub(super) fn answer(&self, task: Task<'_>, mut part: Part) -> Result<Answer> {
        let Task { view, options, schema, order, at } = task;
        let found = if part.ends.is_empty() {
            let order = order.map(|order| order.of(&part.vectors));
            let conditions = std::mem::take(&mut part.conditions);
            let request = SearchRequest { per_query: conditions, ..options.request.clone() };
            match order {
                Some(order) => self.in_order((view, at), request, &part, &order)?,
                None => batch::answered(&self.shared, (view, at), &part.vectors, &[], &request)?,
            }
        } else {
            self.users((view, at), &options.request, &part)?
        };
        let batch = results(view, &part.names, &found, schema)?;
        Ok(Answer { batch, lists: part.names.len() as u64, rows: part.rows })
    }

    /// Searches in another order than that of the part; the lists are in that of the part.
    fn in_order(
        &self,
        (view, at): (&View, Moment),
        mut request: SearchRequest,
        part: &Part,
        order: &[u32],
    ) -> Result<Vec<Answered>> {
        let mut conditions = std::mem::take(&mut request.per_query);
        if !conditions.is_empty() {
            let of = |row: &u32| std::mem::take(&mut conditions[*row as usize]);
            request.per_query = order.iter().map(of).collect();
        }
        let vectors = reordered(&part.vectors, view.config.dim, order);
        let answers = batch::answered(&self.shared, (view, at), &vectors, &[], &request)?;
        let mut found = Vec::new();
        found.resize_with(order.len(), Answered::default);
        for (row, answer) in order.iter().zip(answers) {
            found[*row as usize] = answer;
        }
        Ok(found)
    }

    /// The lists of users, each of all of their interests.
    fn users(
        &self,
        (view, at): (&View, Moment),
        request: &SearchRequest,
        part: &Part,
    ) -> Result<Vec<Answered>> {
        let dim = view.config.dim;
        let nothing = Conditions::default();
        let list = |user: usize| {
            let start = user.checked_sub(1).map_or(0, |before| part.ends[before]);
            let rows = start..part.ends[user];
            let weights = part.weights.get(rows.clone()).unwrap_or_default().to_vec();
            let conditions = part.conditions.get(user).unwrap_or(&nothing);
            let narrowed = Narrowed::of_query(request, conditions);
            let plan = Plan::new(view, request, &narrowed, &self.shared.filters, at)?;
            let vectors = &part.vectors[rows.start * dim..rows.end * dim];
            let interests = Interests { weights, quotas: Vec::new() };
            interests::answered(&plan, vectors, &interests).map_err(|error| match error {
                Error::InvalidArgument { argument, expected, found, fix } => {
                    let argument = format!("user {}, {argument}", part.names[user]);
                    Error::InvalidArgument { argument, expected, found, fix }
                }
                other => other,
            })
        };
        let users = 0..part.ends.len();
        if request.threads == Some(1) {
            return users.map(list).collect();
        }
        let threads = request.threads.unwrap_or(usize::MAX);
        let task = users.len().div_ceil(threads.max(1)).max(1);
        pool()?.install(|| users.into_par_iter().with_min_len(task).map(list).collect())
    }
}

/// One row a hit.
fn results(
    view: &View,
    names: &[Name],
    found: &[Answered],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let ids: Result<Vec<_>> = view.segments.iter().map(|handle| handle.segment.ids()).collect();
    let ids = ids?;
    let hits = || found.iter().flat_map(|(hits, _)| hits);
    let count: usize = found.iter().map(|(hits, _)| hits.len()).sum();
    let counts = names.iter().zip(found.iter().map(|(hits, _)| hits.len()));
    let kind = match names.first() {
        Some(Name::Signed(_)) => Kind::Signed,
        Some(Name::Unsigned(_)) | None => Kind::Unsigned,
        Some(Name::Text(_)) => Kind::Text,
    };
    let mut ranks = Vec::with_capacity(count);
    let mut scores = Vec::with_capacity(count);
    for (hits, _) in found {
        ranks.extend(0..hits.len() as i32);
        scores.extend(hits.iter().map(|(_, hit)| hit.score as f32));
    }
    let id = |segment: u32, slot: u32| ids.get(segment as usize).map(|ids| ids.get(slot));
    let of_hits: ArrayRef = match view.config.id_type {
        IdType::U64 => {
            let ids = hits().map(|(segment, hit)| match id(*segment, hit.slot) {
                Some(IdRef::U64(id)) => id,
                _ => u64::MAX,
            });
            let mut all = Vec::with_capacity(count);
            all.extend(ids);
            Arc::new(UInt64Array::from(all))
        }
        IdType::Str => {
            let ids = hits().map(|(segment, hit)| match id(*segment, hit.slot) {
                Some(IdRef::Str(id)) => Some(id),
                _ => None,
            });
            Arc::new(ids.collect::<StringArray>())
        }
    };
    if names.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let columns: Vec<ArrayRef> = vec![
        kind.array(&counts),
        Arc::new(Int32Array::from(ranks)),
        of_hits,
        Arc::new(Float32Array::from(scores)),
    ];
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::invalid("results", "columns of one length", error.to_string(), ""))
}
