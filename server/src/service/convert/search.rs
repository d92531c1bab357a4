//! What is asked of a search.

use nearfield::{
    Boost, Cap, CollectionConfig, Conditions, Decay, Effort, Error, Examples, Ids, K_MAX, Result,
    Scale, SearchRequest, Vectors,
};
use prost_types::FieldMask;

use super::{duration, ids, moment, vectors};
use crate::v1;
use crate::v1::examples::Kind;
use crate::v1::search_options;

/// Hits when the request does not say how many.
const K_DEFAULT: usize = 10;

/// What a point as new as the origin, or the largest value, gains when the request does not say.
const WEIGHT_DEFAULT: f64 = 1.0;

/// The columns that a field mask names.
#[derive(Debug)]
pub enum Fields {
    /// Every column of the schema.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

impl Fields {
    /// Those of a mask.
    pub fn of(mask: Option<FieldMask>, absent: Self) -> Self {
        match mask {
            None => absent,
            Some(mask) if mask.paths.iter().any(|path| path == "*") => Self::All,
            Some(mask) => Self::Named(mask.paths),
        }
    }

    /// Whether a column is among them.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|wanted| wanted == name),
        }
    }

    fn names(self, config: &CollectionConfig) -> Vec<String> {
        match self {
            Self::All => config.schema.columns().iter().map(|(name, _)| name.clone()).collect(),
            Self::Named(names) => names,
        }
    }
}

/// Whether somebody asked how the search is answered.
pub fn is_explained(message: Option<&v1::SearchOptions>) -> bool {
    message.is_some_and(|options| options.explain)
}

/// The options of a search in a collection of this configuration.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the field.
pub fn options(
    message: Option<v1::SearchOptions>,
    config: &CollectionConfig,
) -> Result<SearchRequest> {
    let message = message.unwrap_or_default();
    let all = if message.min_score.is_some() { K_MAX } else { K_DEFAULT };
    let mut request = SearchRequest::new(message.k.map_or(all, |k| k as usize));
    request.effort = match message.effort {
        Some(search_options::Effort::Recall(recall)) => Effort::Recall(recall),
        Some(search_options::Effort::Ef(ef)) => Effort::Ef(ef as usize),
        Some(search_options::Effort::Exact(true)) => Effort::Exact,
        Some(search_options::Effort::Exact(false)) | None => Effort::default(),
    };
    request.filter = message.r#where;
    request.exclude = excluded("exclude", message.exclude, config)?;
    request.exclude_sets = message.exclude_sets;
    request.cap = cap(message.group_by, message.max_per_group)?;
    request.decay = message.decay.map(decay).transpose()?;
    request.boosts = message.boosts.into_iter().map(boost).collect::<Result<_>>()?;
    request.min_score = message.min_score;
    let none = Fields::Named(Vec::new());
    request.with_attributes = Fields::of(message.with_attributes, none).names(config);
    request.with_vectors = message.with_vectors;
    request.timeout = message.timeout.map(|time| duration("timeout", time)).transpose()?;
    request.threads = message.threads.map(|threads| threads as usize);
    request.space = message.space.as_deref().map(str::parse).transpose()?;
    request.explain = message.explain;
    request.validate()?;
    Ok(request)
}

fn excluded(
    field: &str,
    message: Option<v1::Ids>,
    config: &CollectionConfig,
) -> Result<Option<Ids>> {
    let ids = ids(field, message, config.id_type)?;
    Ok(Some(ids).filter(|ids| !ids.is_empty()))
}

/// Who is eligible for each of several queries.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the row.
pub fn conditions(
    messages: Vec<v1::Conditions>,
    config: &CollectionConfig,
) -> Result<Vec<Conditions>> {
    let messages = messages.into_iter().enumerate();
    let of = |(row, message): (usize, v1::Conditions)| {
        Ok(Conditions {
            filter: message.r#where,
            exclude: excluded(&format!("per_query, row {row}, exclude"), message.exclude, config)?,
            exclude_sets: message.exclude_sets,
        })
    };
    messages.map(of).collect()
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
    let Some(half_life) = message.half_life else {
        return Err(Error::invalid("decay.half_life", "a time above zero", "none", ""));
    };
    Ok(Decay {
        column: message.column,
        half_life: duration("decay.half_life", half_life)?,
        origin_us: message.origin.map(|origin| moment("decay.origin", origin)).transpose()?,
        weight: message.weight.unwrap_or(WEIGHT_DEFAULT),
    })
}

fn boost(message: v1::Boost) -> Result<Boost> {
    let scale = match v1::Scale::try_from(message.scale) {
        Ok(v1::Scale::Unspecified | v1::Scale::Linear) => Scale::Linear,
        Ok(v1::Scale::Log1p) => Scale::Log1p,
        Err(_) => {
            let found = format!("the unknown number {}", message.scale);
            return Err(Error::invalid("boosts.scale", "SCALE_LINEAR or SCALE_LOG1P", found, ""));
        }
    };
    Ok(Boost { column: message.column, weight: message.weight.unwrap_or(WEIGHT_DEFAULT), scale })
}

/// What to recommend from.
#[derive(Debug)]
pub enum Liked {
    /// Points of the collection.
    Ids(Ids),
    /// Vectors.
    Vectors(Vectors<'static>),
}

impl Liked {
    /// As the library takes it.
    pub fn as_examples(&self) -> Examples<'_> {
        match self {
            Self::Ids(ids) => Examples::Ids(ids),
            Self::Vectors(vectors) => Examples::Vectors(vectors),
        }
    }
}

/// Examples of what is liked or not.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the field.
pub fn examples(
    field: &str,
    message: Option<v1::Examples>,
    config: &CollectionConfig,
) -> Result<Liked> {
    Ok(match message.and_then(|message| message.kind) {
        None => Liked::Ids(ids(field, None, config.id_type)?),
        Some(Kind::Ids(message)) => Liked::Ids(ids(field, Some(message), config.id_type)?),
        Some(Kind::Vectors(message)) => {
            Liked::Vectors(vectors::many(field, Some(message), config.dim)?)
        }
    })
}
