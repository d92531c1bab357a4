//! Messages to the library's words and back. Only what a message can say and a call can't is
//! checked here; ranges, dimensions and columns are checked once, in the library.

use std::borrow::Cow;
use std::time::Duration;

use half::f16;
use nearfield::{
    Cap, CollectionConfig, Decay, Effort, Error, IdType, Ids, PointId, Result, SearchRequest,
    SearchResults, VectorData, Vectors,
};

use super::MESSAGE_BYTES_MAX;
use crate::cell::Cell;
use crate::v1;
use crate::v1::{point_id, search_request, value, vector};
use crate::vectors;

/// Hits when the request does not say how many.
const K_DEFAULT: usize = 10;

/// What a point as new as the origin gains when the decay does not say.
const WEIGHT_DEFAULT: f64 = 1.0;

/// A search as the library takes it.
pub struct Search {
    /// One row.
    pub query: Vectors<'static>,
    /// Everything but the query.
    pub request: SearchRequest,
}

/// A request for a collection of this configuration.
///
/// # Errors
/// [`Error::InvalidArgument`] or [`Error::DimensionMismatch`] naming the field;
/// [`Error::ResourceLimit`] when the vectors asked for can't fit into an answer.
pub fn request(message: v1::SearchRequest, config: &CollectionConfig) -> Result<Search> {
    let query = query(message.vector, config.dim)?;
    let mut request = SearchRequest::new(message.k.map_or(K_DEFAULT, |k| k as usize));
    request.effort = match message.effort {
        Some(search_request::Effort::Recall(recall)) => Effort::Recall(recall),
        Some(search_request::Effort::Ef(ef)) => Effort::Ef(ef as usize),
        Some(search_request::Effort::Exact(true)) => Effort::Exact,
        Some(search_request::Effort::Exact(false)) | None => Effort::default(),
    };
    request.space = message.space.as_deref().map(str::parse).transpose()?;
    request.exclude = ids(message.exclude, config.id_type)?;
    request.cap = cap(message.group_by, message.max_per_group)?;
    request.decay = message.decay.map(decay).transpose()?;
    request.with_attributes = message.with_attributes;
    request.with_vectors = message.with_vectors;
    request.validate()?;
    if request.with_vectors {
        check_vectors_fit(request.k, config.dim)?;
    }
    Ok(Search { query, request })
}

fn query(message: Option<v1::Vector>, dim: usize) -> Result<Vectors<'static>> {
    let Some(data) = message.and_then(|vector| vector.data) else {
        return Err(Error::invalid("vector", "one of floats, f32_le, f16_le", "none of them", ""));
    };
    let data = match data {
        vector::Data::Floats(list) => VectorData::F32(Cow::Owned(list.values)),
        vector::Data::F32Le(bytes) => {
            VectorData::F32(Cow::Owned(words("vector.f32_le", &bytes, f32::from_le_bytes)?))
        }
        vector::Data::F16Le(bytes) => {
            VectorData::F16(Cow::Owned(words("vector.f16_le", &bytes, f16::from_le_bytes)?))
        }
    };
    let found = match &data {
        VectorData::F32(x) => x.len(),
        VectorData::F16(x) => x.len(),
        _ => 0,
    };
    if found != dim {
        return Err(Error::DimensionMismatch { argument: "vector".into(), expected: dim, found });
    }
    Vectors::new(dim, data)
}

fn words<const N: usize, T>(
    field: &str,
    bytes: &[u8],
    from_le: fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let (words, rest) = bytes.as_chunks::<N>();
    if rest.is_empty() {
        return Ok(words.iter().map(|word| from_le(*word)).collect());
    }
    let expected = format!("a multiple of {N} bytes");
    Err(Error::invalid(field, expected, format!("{} bytes", bytes.len()), "send whole components"))
}

fn ids(messages: Vec<v1::PointId>, id_type: IdType) -> Result<Option<Ids>> {
    if messages.is_empty() {
        return Ok(None);
    }
    let mut ids = match id_type {
        IdType::U64 => Ids::U64(Vec::with_capacity(messages.len())),
        IdType::Str => Ids::Str(Vec::with_capacity(messages.len())),
    };
    for (row, message) in messages.into_iter().enumerate() {
        match (&mut ids, message.kind) {
            (Ids::U64(ids), Some(point_id::Kind::U64(id))) => ids.push(id),
            (Ids::Str(ids), Some(point_id::Kind::Str(id))) => ids.push(id),
            (_, found) => {
                let found = match found {
                    Some(point_id::Kind::U64(_)) => "a u64",
                    Some(point_id::Kind::Str(_)) => "a str",
                    None => "nothing",
                };
                let expected = format!("a {id_type} id");
                let fix = "use the kind of id that the collection was created with";
                return Err(Error::invalid(format!("exclude, row {row}"), expected, found, fix));
            }
        }
    }
    Ok(Some(ids))
}

fn cap(group_by: Option<String>, max_per_group: Option<u32>) -> Result<Option<Cap>> {
    match (group_by, max_per_group) {
        (None, None) => Ok(None),
        (Some(group_by), Some(max)) => Ok(Some(Cap { group_by, max_per_group: max as usize })),
        (Some(_), None) => {
            Err(Error::invalid("max_per_group", "a number of at least 1", "none", "give both"))
        }
        (None, Some(_)) => Err(Error::invalid("group_by", "a column", "none", "give both")),
    }
}

fn decay(message: v1::Decay) -> Result<Decay> {
    let half_life = message.half_life.and_then(|time| Duration::try_from(time).ok());
    let origin = message.origin.map(|moment| {
        let seconds = moment.seconds.checked_mul(1_000_000);
        seconds.and_then(|us| us.checked_add(i64::from(moment.nanos) / 1000)).ok_or_else(|| {
            let found = format!("{} seconds since 1970", moment.seconds);
            Error::invalid("decay.origin", "a moment that fits in microseconds", found, "")
        })
    });
    Ok(Decay {
        column: message.column,
        half_life: half_life.ok_or_else(|| {
            Error::invalid("decay.half_life", "a time above zero", "none, or one below zero", "")
        })?,
        origin_us: origin.transpose()?,
        weight: message.weight.unwrap_or(WEIGHT_DEFAULT),
    })
}

fn check_vectors_fit(k: usize, dim: usize) -> Result<()> {
    // What a hit takes beside its vector is a rounding error next to it.
    let bytes = k.saturating_mul(dim).saturating_mul(size_of::<f32>());
    if bytes <= MESSAGE_BYTES_MAX / 2 {
        return Ok(());
    }
    Err(Error::ResourceLimit {
        what: "with_vectors".into(),
        limit: format!("{} bytes of vectors", MESSAGE_BYTES_MAX / 2),
        found: format!("{bytes} bytes ({k} hits of {dim} components)"),
        fix: "ask for fewer hits, or leave the vectors out".into(),
    })
}

/// The answer for the first query.
pub fn response(results: &SearchResults) -> v1::SearchResponse {
    let hits = results.counts.first().copied().unwrap_or(0).min(results.k);
    v1::SearchResponse { hits: (0..hits).map(|at| hit(results, at)).collect() }
}

fn hit(results: &SearchResults, at: usize) -> v1::Hit {
    let attributes = results.attributes.iter();
    v1::Hit {
        id: Some(id(results.ids.get(at))),
        score: results.scores[at],
        similarity: results.similarities[at],
        distance: results.distances[at],
        attributes: attributes
            .map(|(name, column)| (name.clone(), value(Cell::of(column, at))))
            .collect(),
        vector: vectors::of_hit(results, at).map(<[f32]>::to_vec).unwrap_or_default(),
    }
}

fn id(id: PointId) -> v1::PointId {
    let kind = match id {
        PointId::U64(id) => point_id::Kind::U64(id),
        PointId::Str(id) => point_id::Kind::Str(id),
    };
    v1::PointId { kind: Some(kind) }
}

fn value(cell: Cell) -> v1::Value {
    let kind = match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(value::Kind::StringValue(text)),
        Cell::List(values) => Some(value::Kind::StringListValue(v1::StringList { values })),
        Cell::Int(value) => Some(value::Kind::IntValue(value)),
        Cell::Float(value) => Some(value::Kind::FloatValue(value)),
        Cell::Bool(value) => Some(value::Kind::BoolValue(value)),
        Cell::Timestamp(us) => Some(value::Kind::TimestampValue(prost_types::Timestamp {
            seconds: us.div_euclid(1_000_000),
            nanos: us.rem_euclid(1_000_000) as i32 * 1000,
        })),
    };
    v1::Value { kind }
}
