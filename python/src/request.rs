//! The arguments of `search`, but for the queries.

use std::time::Duration;

use nearfield::{Cap, Decay, Effort, Error, IdType, Result, SearchRequest};
use pyo3::prelude::*;

use crate::convert;
use crate::errors::OrRaise;

/// What to search for, as the Python package hands it over.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SearchArguments<'py> {
    k: usize,
    recall: Option<f32>,
    ef: Option<usize>,
    exact: bool,
    exclude: Option<Bound<'py, PyAny>>,
    group_by: Option<String>,
    max_per_group: Option<usize>,
    decay: Option<DecayArguments>,
    with_attributes: Vec<String>,
    with_vectors: bool,
    threads: Option<usize>,
    space: Option<String>,
}

/// A decay: column, half life and origin in microseconds, weight.
#[derive(FromPyObject)]
struct DecayArguments(String, u64, Option<i64>, f64);

impl SearchArguments<'_> {
    /// Builds the request; `id_type` is that of the collection.
    pub fn parse(self, py: Python<'_>, id_type: IdType) -> PyResult<SearchRequest> {
        let mut request = SearchRequest::new(self.k);
        request.effort = effort(self.recall, self.ef, self.exact).or_raise(py)?;
        request.cap = cap(self.group_by, self.max_per_group).or_raise(py)?;
        request.space = self.space.as_deref().map(str::parse).transpose().or_raise(py)?;
        if let Some(exclude) = &self.exclude {
            request.exclude = Some(convert::ids(py, "exclude", id_type, exclude)?);
        }
        request.decay = self.decay.map(|DecayArguments(column, half_life, origin_us, weight)| {
            Decay { column, half_life: Duration::from_micros(half_life), origin_us, weight }
        });
        request.with_attributes = self.with_attributes;
        request.with_vectors = self.with_vectors;
        request.threads = self.threads;
        Ok(request)
    }
}

fn effort(recall: Option<f32>, ef: Option<usize>, exact: bool) -> Result<Effort> {
    match (recall, ef, exact) {
        (None, None, false) => Ok(Effort::default()),
        (Some(recall), None, false) => Ok(Effort::Recall(recall)),
        (None, Some(ef), false) => Ok(Effort::Ef(ef)),
        (None, None, true) => Ok(Effort::Exact),
        _ => {
            let given = [("recall", recall.is_some()), ("ef", ef.is_some()), ("exact", exact)];
            let names: Vec<_> = given.iter().filter(|g| g.1).map(|g| g.0).collect();
            Err(Error::invalid("effort", "one of recall, ef and exact", names.join(" and "), ""))
        }
    }
}

fn cap(group_by: Option<String>, max_per_group: Option<usize>) -> Result<Option<Cap>> {
    let lonely = |argument: &str, other: &str| {
        Err(Error::invalid(argument, format!("{other} as well"), "only one of the two", ""))
    };
    match (group_by, max_per_group) {
        (Some(group_by), Some(max_per_group)) => Ok(Some(Cap { group_by, max_per_group })),
        (None, None) => Ok(None),
        (Some(_), None) => lonely("group_by", "max_per_group"),
        (None, Some(_)) => lonely("max_per_group", "group_by"),
    }
}
