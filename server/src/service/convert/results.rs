//! Results as messages.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use bytes::Bytes;
use nearfield::{Ids, Points, SearchResults};

use super::attributes::columns_of;
use super::explain::explain;
use super::ids::ids_message;
use super::search::Fields;
use crate::v1;

/// Hits of each query.
pub fn counts(results: &SearchResults) -> Vec<u32> {
    results.counts.iter().map(|count| *count as u32).collect()
}

/// The hits of all queries, one query after the other, without the places that have none; `told`
/// says whether how they were answered is to be said too.
pub fn hits(results: &SearchResults, told: bool) -> v1::Hits {
    let rows = results.counts.iter().enumerate();
    let places: Vec<usize> = rows
        .flat_map(|(row, count)| row * results.k..row * results.k + (*count).min(results.k))
        .collect();
    let at = |values: &[f64]| places.iter().map(|place| values[*place]).collect();
    let ids = match &results.ids {
        Ids::U64(ids) => Ids::U64(places.iter().map(|place| ids[*place]).collect()),
        Ids::Str(ids) => Ids::Str(places.iter().map(|place| ids[*place].clone()).collect()),
    };
    let attributes = results.attributes.iter().map(|(name, column)| (name.as_str(), column));
    v1::Hits {
        ids: Some(ids_message(ids)),
        scores: at(&results.scores),
        similarities: at(&results.similarities),
        distances: at(&results.distances),
        attributes: (!results.attributes.is_empty()).then(|| columns_of(attributes, &places)),
        vectors_f32_le: results.vectors.as_deref().map_or_else(Bytes::new, |vectors| {
            let dim = vectors.len() / (results.queries * results.k).max(1);
            packed(places.iter().flat_map(|place| &vectors[place * dim..(place + 1) * dim]))
        }),
        explain: results.explain.iter().filter(|_| told).map(explain).collect(),
    }
}

fn packed<'a>(values: impl Iterator<Item = &'a f32>) -> Bytes {
    let mut bytes = Vec::with_capacity(4 * values.size_hint().0);
    values.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes.into()
}

/// Points by id.
pub fn points(ids: Ids, points: &Points, fields: &Fields) -> v1::PointServiceGetResponse {
    let places: Vec<usize> = (0..points.found.len()).collect();
    let schema = points.batch.schema_ref();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let columns = names.zip(points.batch.columns());
    let wanted = columns.filter(|(name, _)| !["id", "vector"].contains(name) && fields.has(name));
    let vectors = points.batch.column_by_name("vector");
    let vectors = vectors.and_then(|column| column.as_fixed_size_list_opt());
    let vectors = vectors.and_then(|list| list.values().as_primitive_opt::<Float32Type>());
    v1::PointServiceGetResponse {
        ids: Some(ids_message(ids)),
        found: points.found.clone(),
        attributes: Some(columns_of(wanted, &places)),
        vectors_f32_le: vectors.map_or_else(Bytes::new, |v| packed(v.values().iter())),
    }
}
