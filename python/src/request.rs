//! The arguments of `search`, but for the queries.

use std::time::Duration;

use nearfield::{
    Boost, Cap, Conditions, Decay, Effort, Error, IdType, Interests, Result, SearchRequest,
};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::convert;
use crate::errors::OrRaise;

/// Results a query where none are stated.
const K_DEFAULT: usize = 10;

/// What to search for, as the Python package hands it over: a tuple, in this order.
#[derive(FromPyObject)]
pub struct SearchArguments<'py>(
    usize,
    EffortArguments,
    Narrowed<'py>,
    Option<Vec<Narrowed<'py>>>,
    Option<String>,
    Option<usize>,
    BonusArguments,
    Vec<String>,
    bool,
    LimitArguments,
    Option<String>,
    bool,
);

/// What the usual search says: k, recall, ef, threads.
#[derive(FromPyObject)]
pub struct UsualArguments<'py>(
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
);

impl UsualArguments<'_> {
    /// Builds the request, unless there is something to convert or to complain about.
    pub fn parse(self) -> Option<SearchRequest> {
        let Self(k, recall, ef, threads) = self;
        let count = |of: Option<Bound<'_, PyAny>>| match of {
            None => Some(None),
            Some(value) => Some(Some(value.cast_exact::<PyInt>().ok()?.extract::<usize>().ok()?)),
        };
        let mut request = SearchRequest::new(count(k)?.unwrap_or(K_DEFAULT));
        request.effort = match (recall, count(ef)?) {
            (None, None) => Effort::default(),
            (None, Some(ef)) => Effort::Ef(ef),
            (Some(recall), None) => {
                Effort::Recall(recall.cast_exact::<PyFloat>().ok()?.value() as f32)
            }
            _ => return None,
        };
        request.threads = count(threads)?;
        Some(request)
    }
}

/// Threads, least similarity, microseconds that the search may take.
#[derive(FromPyObject)]
pub struct LimitArguments(Option<usize>, Option<f64>, Option<u64>);

/// Who is eligible: a filter, ids to leave out, names of sets of such ids.
#[derive(FromPyObject)]
pub struct Narrowed<'py>(Option<String>, Option<Bound<'py, PyAny>>, Vec<String>);

impl Narrowed<'_> {
    /// `of_query` says which query it is of, if of one only.
    fn parse(
        self,
        py: Python<'_>,
        id_type: IdType,
        of_query: Option<usize>,
    ) -> PyResult<Conditions> {
        let Self(filter, exclude, exclude_sets) = self;
        let argument = || of_query.map_or("exclude".to_owned(), |row| format!("exclude[{row}]"));
        let exclude =
            exclude.map(|ids| convert::ids(py, &argument(), id_type, &ids)).transpose()?;
        Ok(Conditions { filter, exclude, exclude_sets })
    }
}

/// The dial: recall, ef, exact.
#[derive(FromPyObject)]
pub struct EffortArguments(Option<f32>, Option<usize>, bool);

/// A decay: column, half life and origin in microseconds, weight.
#[derive(FromPyObject)]
pub struct DecayArguments(String, u64, Option<i64>, f64);

/// What is added to similarities.
#[derive(FromPyObject)]
pub struct BonusArguments(Option<DecayArguments>, Vec<BoostArguments>);

/// A boost: column, weight, scale.
#[derive(FromPyObject)]
pub struct BoostArguments(String, f64, String);

impl BoostArguments {
    fn parse(self) -> Result<Boost> {
        let Self(column, weight, scale) = self;
        Ok(Boost { column, weight, scale: scale.parse()? })
    }
}

/// Weights and quotas of interests.
#[derive(FromPyObject)]
pub struct InterestArguments(Vec<f64>, Vec<usize>);

impl InterestArguments {
    /// As core takes them.
    pub fn parse(self) -> Interests {
        let Self(weights, quotas) = self;
        Interests { weights, quotas }
    }
}

impl SearchArguments<'_> {
    /// Builds the request; `id_type` is that of the collection.
    pub fn parse(self, py: Python<'_>, id_type: IdType) -> PyResult<SearchRequest> {
        let Self(
            k,
            EffortArguments(recall, ef, exact),
            narrowed,
            each,
            group_by,
            max_per_group,
            BonusArguments(decay, boosts),
            with_attributes,
            with_vectors,
            LimitArguments(threads, min_score, timeout_us),
            space,
            explain,
        ) = self;
        let mut request = SearchRequest::new(k);
        request.effort = effort(recall, ef, exact).or_raise(py)?;
        let all = narrowed.parse(py, id_type, None)?;
        (request.filter, request.exclude) = (all.filter, all.exclude);
        request.exclude_sets = all.exclude_sets;
        let each = each.unwrap_or_default().into_iter().enumerate();
        let each = each.map(|(row, of)| of.parse(py, id_type, Some(row)));
        request.per_query = each.collect::<PyResult<_>>()?;
        request.cap = cap(group_by, max_per_group).or_raise(py)?;
        request.space = space.as_deref().map(str::parse).transpose().or_raise(py)?;
        request.decay = decay.map(|DecayArguments(column, half_life, origin_us, weight)| Decay {
            column,
            half_life: Duration::from_micros(half_life),
            origin_us,
            weight,
        });
        let boosts = boosts.into_iter().map(BoostArguments::parse);
        request.boosts = boosts.collect::<Result<_>>().or_raise(py)?;
        request.explain = explain;
        request.with_attributes = with_attributes;
        request.with_vectors = with_vectors;
        request.threads = threads;
        request.min_score = min_score;
        request.timeout = timeout_us.map(Duration::from_micros);
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
            let fix = "leave all but one out";
            Err(Error::invalid("effort", "one of recall, ef and exact", names.join(" and "), fix))
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
