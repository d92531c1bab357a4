//! Search results as flat numpy arrays, and as a long table of one row a hit.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, UInt32Array, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::take::take;
use nearfield::Ids;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::to_numpy;
use crate::errors::invalid;
use crate::explain;
use crate::table::Table;

/// Names of the long table that an attribute of the same name must leave free.
const LONG_NAMES: [&str; 6] = ["query", "rank", "id", "score", "distance", "vector"];

/// Hits of all queries: `queries * k` places, row after row.
#[pyclass(frozen, module = "nearfield._core")]
pub struct SearchResults {
    results: nearfield::SearchResults,
    dim: usize,
}

impl SearchResults {
    /// Wraps results of a collection of `dim` components.
    pub fn new(results: nearfield::SearchResults, dim: usize) -> Self {
        Self { results, dim }
    }

    /// Query and rank of every hit.
    fn hits(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let counts = self.results.counts.iter().enumerate();
        counts.flat_map(|(query, &count)| (0..count).map(move |rank| (query, rank)))
    }

    fn long_batch(&self) -> Result<RecordBatch, ArrowError> {
        let k = self.results.k;
        let query: Int64Array = self.hits().map(|(query, _)| query as i64).collect();
        let rank: Int64Array = self.hits().map(|(_, rank)| rank as i64).collect();
        let places: Vec<usize> = self.hits().map(|(query, rank)| query * k + rank).collect();
        let rows: UInt32Array = places.iter().map(|&place| place as u32).collect();
        let scores = to_f32(&self.results.scores);
        let distances = to_f32(&self.results.distances);
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("query".into(), Arc::new(query)),
            ("rank".into(), Arc::new(rank)),
            ("id".into(), take(&id_array(&self.results.ids), &rows, None)?),
            ("score".into(), take(&Float32Array::from(scores), &rows, None)?),
            ("distance".into(), take(&Float32Array::from(distances), &rows, None)?),
        ];
        for (name, column) in &self.results.attributes {
            let mut name = name.clone();
            while LONG_NAMES.contains(&name.as_str()) || columns.iter().any(|c| c.0 == name) {
                name.insert_str(0, "attribute_");
            }
            columns.push((name, take(column, &rows, None)?));
        }
        if let Some(vectors) = &self.results.vectors {
            let item = Arc::new(Field::new("item", DataType::Float32, false));
            let values: Vec<f32> = places
                .iter()
                .flat_map(|&p| vectors.get(p * self.dim..(p + 1) * self.dim).unwrap_or_default())
                .copied()
                .collect();
            let values = Arc::new(Float32Array::from(values));
            let lists = FixedSizeListArray::try_new(item, self.dim as i32, values, None)?;
            columns.push(("vector".into(), Arc::new(lists)));
        }
        let fields: Vec<_> =
            columns.iter().map(|(n, c)| Field::new(n, c.data_type().clone(), true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let arrays = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }
}

#[pymethods]
impl SearchResults {
    #[getter]
    fn queries(&self) -> usize {
        self.results.queries
    }

    #[getter]
    fn k(&self) -> usize {
        self.results.k
    }

    fn counts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        PyArray1::from_iter(py, self.results.counts.iter().map(|&count| count as i64))
    }

    /// uint64, or objects: str, and None where there is no hit.
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.results.ids {
            Ids::U64(ids) => Ok(PyArray1::from_slice(py, ids).into_any()),
            Ids::Str(ids) => {
                let mut objects: Vec<Py<PyAny>> = ids.iter().map(|_| py.None()).collect();
                for (query, rank) in self.hits() {
                    let place = query * self.results.k + rank;
                    if let (Some(object), Some(id)) = (objects.get_mut(place), ids.get(place)) {
                        *object = id.into_pyobject(py)?.into_any().unbind();
                    }
                }
                Ok(PyArray1::from_vec(py, objects).into_any())
            }
        }
    }

    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_vec(py, to_f32(&self.results.scores))
    }

    fn similarities<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_vec(py, to_f32(&self.results.similarities))
    }

    fn distances<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_vec(py, to_f32(&self.results.distances))
    }

    /// One flat array a column.
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for (name, column) in &self.results.attributes {
            columns.set_item(name, to_numpy(py, column)?)?;
        }
        Ok(columns)
    }

    fn vectors<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        self.results.vectors.as_ref().map(|vectors| PyArray1::from_slice(py, vectors))
    }

    /// How each query was answered, if asked for: a dict each.
    fn explain<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.results.explain.iter().map(|told| explain::query(py, told)).collect()
    }

    /// One row a hit; padding left out.
    fn long(&self, py: Python<'_>) -> PyResult<Table> {
        let batch = py.detach(|| self.long_batch());
        batch.map(Table::new).map_err(|error| {
            invalid(py, "results", "columns of one length", &error.to_string(), "report this")
        })
    }
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

fn id_array(ids: &Ids) -> ArrayRef {
    match ids {
        Ids::U64(ids) => Arc::new(UInt64Array::from(ids.clone())),
        Ids::Str(ids) => Arc::new(StringArray::from_iter_values(ids)),
    }
}
