//! Searches that begin with points rather than with vectors.

use std::borrow::Cow;

use super::{Collection, Place, View, batch};
use crate::config::SearchRequest;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::results::SearchResults;
use crate::segment::IdRef;
use crate::types::{Ids, Vectors};

use super::plan::checked_queries;

/// What to recommend from.
#[derive(Debug, Clone, Copy)]
pub enum Examples<'a> {
    /// Points of the collection.
    Ids(&'a Ids),
    /// Vectors, maybe of no point.
    Vectors(&'a Vectors<'a>),
}

impl Collection {
    /// More like these points: one row an id, in their order. Each leaves itself out.
    ///
    /// # Errors
    /// [`Error::NotFound`] names the first id that is not there; else as [`Self::search`].
    pub fn search_ids(&self, ids: &Ids, request: &SearchRequest) -> Result<SearchResults> {
        let view = self.view("search_ids")?;
        let places = places(&view, "ids", ids)?;
        let vectors = vectors_at(&view, &places);
        let left_out: Vec<Vec<Place>> = places.into_iter().map(|place| vec![place]).collect();
        batch::search(&self.shared, &view, &vectors, &left_out, request)
    }

    /// The points nearest to the mean of what is liked minus the mean of what is not: one row.
    /// Under cosine these are means of unit vectors. Points given by id are left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] names the first id that is not there; [`Error::InvalidArgument`] if nothing
    /// is liked or the two cancel out under cosine; else as [`Self::search`].
    pub fn recommend(
        &self,
        positive: Examples<'_>,
        negative: Option<Examples<'_>>,
        request: &SearchRequest,
    ) -> Result<SearchResults> {
        let view = self.view("recommend")?;
        let mut left_out = Vec::new();
        let mut query = vec![0.0; view.config.dim];
        if !add_mean(&view, "positive", positive, 1.0, &mut query, &mut left_out)? {
            let fix = "give at least one id or vector";
            return Err(Error::invalid("positive", "what is liked", "nothing", fix));
        }
        if let Some(negative) = negative {
            add_mean(&view, "negative", negative, -1.0, &mut query, &mut left_out)?;
        }
        let query: Vec<f32> = query.into_iter().map(|x| x as f32).collect();
        if view.config.metric == Metric::Cosine && query.iter().all(|x| *x == 0.0) {
            let expected = "another mean than that of what is liked";
            return Err(Error::invalid("negative", expected, "the same: they cancel out", ""));
        }
        batch::search(&self.shared, &view, &query, &[left_out], request)
    }
}

/// Where these points are.
fn places(view: &View, argument: &'static str, ids: &Ids) -> Result<Vec<Place>> {
    let wanted = view.config.id_type;
    if ids.id_type() != wanted && !ids.is_empty() {
        let found = format!("{} ids", ids.id_type());
        return Err(Error::invalid(argument, format!("{wanted} ids"), found, ""));
    }
    let found = view.places((0..ids.len()).filter_map(|row| IdRef::at(ids, row)))?;
    let missing = |row| Error::NotFound { what: "id", id: ids.get(row).to_string() };
    found.into_iter().enumerate().map(|(row, at)| at.ok_or_else(|| missing(row))).collect()
}

fn vectors_at(view: &View, places: &[Place]) -> Vec<f32> {
    let places: Vec<Option<Place>> = places.iter().copied().map(Some).collect();
    view.copy_vectors(&places)
}

/// Adds `sign` times the mean of the examples; whether there are any. Points are left out.
fn add_mean(
    view: &View,
    argument: &'static str,
    examples: Examples<'_>,
    sign: f64,
    query: &mut [f64],
    left_out: &mut Vec<Place>,
) -> Result<bool> {
    let vectors = match examples {
        Examples::Vectors(vectors) => checked_queries(argument, &view.config, vectors)?,
        Examples::Ids(ids) => {
            let places = places(view, argument, ids)?;
            let vectors = vectors_at(view, &places);
            left_out.extend(places);
            Cow::Owned(vectors)
        }
    };
    let count = vectors.len() / view.config.dim;
    for vector in vectors.chunks_exact(view.config.dim) {
        let norm = match view.config.metric {
            Metric::Cosine => vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt(),
            Metric::InnerProduct | Metric::L2 => 1.0,
        };
        let weight = sign / (norm * count as f64);
        query.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * f64::from(*x));
    }
    Ok(count > 0)
}
