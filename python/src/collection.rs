//! The class `nearfield._core.Collection`: one method a call of core.

use std::path::Path;
use std::time::Duration;

use nearfield::{AttributeType, Effort, OpenOptions, Progress, SearchRequest, Vectors};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::{CreateArguments, ImportArguments, open_options};
use crate::convert::{self, Matrix};
use crate::errors::OrRaise;
use crate::examples::{Given, Pair, Read};
use crate::handle::Handle;
use crate::join::JoinArguments;
use crate::load::LoadArguments;
use crate::request::{InterestArguments, SearchArguments, UsualArguments};
use crate::results::SearchResults;
use crate::stats;
use crate::table::Table;
use crate::wait::{self, Watcher};

/// An open collection. Methods may be called from many threads at once.
#[pyclass(frozen, module = "nearfield._core")]
pub struct Collection {
    handle: Handle,
}

#[pymethods]
impl Collection {
    /// Creates a collection; in memory when there is no path.
    #[staticmethod]
    fn create(py: Python<'_>, path: Option<String>, arguments: CreateArguments) -> PyResult<Self> {
        let created = py.detach(|| {
            let config = arguments.parse()?;
            match path {
                Some(path) => nearfield::Collection::create(path, config),
                None => nearfield::Collection::in_memory(config),
            }
        });
        Ok(Self { handle: Handle::new(created.or_raise(py)?) })
    }

    /// Creates a collection from a dump of `hnsw_rs`; in memory when there is no path.
    #[staticmethod]
    fn import_hnsw_rs(
        py: Python<'_>,
        dump: &str,
        path: Option<&str>,
        arguments: ImportArguments,
        tick: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let options = arguments.parse().or_raise(py)?;
        let path = path.map(Path::new);
        let imported = wait::run(py, &Watcher::new(tick), |progress| {
            nearfield::Collection::import_hnsw_rs(dump, path, &options, progress)
        })?;
        Ok(Self { handle: Handle::new(imported) })
    }

    /// Opens a collection.
    #[staticmethod]
    fn open(py: Python<'_>, path: String, mode: &str, memory: Option<&str>) -> PyResult<Self> {
        let options: OpenOptions = open_options(mode, memory).or_raise(py)?;
        let opened = py.detach(|| nearfield::Collection::open(path, options));
        Ok(Self { handle: Handle::new(opened.or_raise(py)?) })
    }

    /// What was fixed when the collection was created.
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let config = self.handle.constant().or_raise(py)?.config();
        let out = PyDict::new(py);
        out.set_item("dim", config.dim)?;
        out.set_item("metric", config.metric.name())?;
        out.set_item("id_type", config.id_type.name())?;
        out.set_item("dtype", config.dtype.name())?;
        out.set_item("space", config.space.as_ref().map(nearfield::Space::as_str))?;
        let schema = PyDict::new(py);
        for (name, kind) in config.schema.columns() {
            schema.set_item(name, kind.name())?;
        }
        out.set_item("schema", schema)?;
        Ok(out)
    }

    #[getter]
    fn writable(&self) -> bool {
        self.handle.is_writable()
    }

    #[getter]
    fn closed(&self) -> bool {
        self.handle.is_closed()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let collection = self.handle.to_read("len").or_raise(py)?;
        Ok(usize::try_from(py.detach(|| collection.len())).unwrap_or(usize::MAX))
    }

    fn upsert(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        values: (Option<Bound<'_, PyAny>>, Option<u64>),
        tick: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let collection = self.handle.to_write("upsert").or_raise(py)?;
        let config = collection.config();
        let ids = convert::ids(py, "ids", config.id_type, ids)?;
        let matrix = Matrix::new("vectors", config.dim, vectors)?;
        let vectors = matrix.vectors(py)?;
        let (attributes, ttl_us) = values;
        let attributes = attributes
            .map(|columns| convert::attributes(py, &config.schema, ids.len(), &columns))
            .transpose()?;
        wait::run(py, &Watcher::new(tick), |progress| {
            let attributes = attributes.as_ref();
            match ttl_us.map(Duration::from_micros) {
                Some(ttl) => collection.upsert_with_ttl(&ids, &vectors, attributes, ttl, progress),
                None => collection.upsert(&ids, &vectors, attributes, progress),
            }
        })
    }

    fn delete(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<u64> {
        let collection = self.handle.to_write("delete").or_raise(py)?;
        let ids = convert::ids(py, "ids", collection.config().id_type, ids)?;
        wait::run(py, &Watcher::default(), |_| collection.delete(&ids))
    }

    fn delete_where(&self, py: Python<'_>, r#where: &str) -> PyResult<u64> {
        let collection = self.handle.to_write("delete").or_raise(py)?;
        wait::run(py, &Watcher::default(), |_| collection.delete_where(r#where))
    }

    /// Adds ids to an exclusion set, for so many microseconds or for good.
    fn exclude(
        &self,
        py: Python<'_>,
        name: &str,
        ids: &Bound<'_, PyAny>,
        ttl_us: Option<u64>,
    ) -> PyResult<()> {
        let collection = self.handle.to_write("exclusions.add").or_raise(py)?;
        let ids = convert::ids(py, "ids", collection.config().id_type, ids)?;
        let ttl = ttl_us.map(Duration::from_micros);
        wait::run(py, &Watcher::default(), |_| collection.add_exclusions(name, &ids, ttl))
    }

    fn clear_exclusions(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let collection = self.handle.to_write("exclusions.clear").or_raise(py)?;
        wait::run(py, &Watcher::default(), |_| collection.clear_exclusions(name))
    }

    fn update(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        attributes: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let collection = self.handle.to_write("update").or_raise(py)?;
        let config = collection.config();
        let ids = convert::ids(py, "ids", config.id_type, ids)?;
        let attributes = convert::attributes(py, &config.schema, ids.len(), attributes)?;
        wait::run(py, &Watcher::default(), |_| collection.update(&ids, &attributes))
    }

    fn add_column(&self, py: Python<'_>, name: &str, kind: &str) -> PyResult<()> {
        let collection = self.handle.to_write("add_column").or_raise(py)?;
        let kind: AttributeType = kind.parse().or_raise(py)?;
        py.detach(|| collection.add_column(name, kind)).or_raise(py)
    }

    fn load<'py>(
        &self,
        py: Python<'py>,
        arguments: LoadArguments<'py>,
        tick: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let collection = self.handle.to_write("load").or_raise(py)?;
        let wanted = arguments.parse(py, &collection.config())?;
        let opened = py.detach(|| wanted.open()).or_raise(py)?;
        // As core counts: reading is the first half, building the second.
        let watcher = Watcher { tick, expected: 2 * opened.rows };
        let mut report = wait::run(py, &watcher, |progress: &Progress| {
            collection.load(opened.batches, &opened.options, progress)
        })?;
        report.skipped_columns = opened.skipped;
        stats::load(py, &report)
    }

    fn optimize(&self, py: Python<'_>, tick: Option<Py<PyAny>>) -> PyResult<()> {
        let collection = self.handle.to_write("optimize").or_raise(py)?;
        wait::run(py, &Watcher::new(tick), |progress| collection.optimize(progress))
    }

    /// Bytes that a load of so many points needs, or `optimize`, and bytes available if known.
    fn estimate(
        &self,
        py: Python<'_>,
        points: Option<u64>,
        attribute_bytes: u64,
    ) -> PyResult<(u64, Option<u64>)> {
        let collection = self.handle.to_read("estimate").or_raise(py)?;
        let memory = py.detach(|| match points {
            Some(points) => collection.estimate_load(points, attribute_bytes),
            None => collection.estimate_optimize(),
        });
        let memory = memory.or_raise(py)?;
        Ok((memory.needed, memory.available))
    }

    fn calibrate(
        &self,
        py: Python<'_>,
        queries: &Bound<'_, PyAny>,
        tick: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let collection = self.handle.to_write("calibrate").or_raise(py)?;
        let matrix = Matrix::new("queries", collection.config().dim, queries)?;
        let queries = matrix.vectors(py)?;
        wait::run(py, &Watcher::new(tick), |progress| collection.calibrate(&queries, progress))
    }

    fn search(
        &self,
        py: Python<'_>,
        queries: &Bound<'_, PyAny>,
        arguments: SearchArguments<'_>,
    ) -> PyResult<SearchResults> {
        let collection = self.handle.to_read("search").or_raise(py)?;
        let config = collection.config();
        let mut request: SearchRequest = arguments.parse(py, config.id_type)?;
        let matrix = Matrix::new("queries", config.dim, queries)?;
        let queries = matrix.vectors(py)?;
        let long = is_long(collection, queries.rows(), &request);
        let results =
            wait::search(py, long, &mut request, |request| collection.search(&queries, request))?;
        Ok(SearchResults::new(results, config.dim))
    }

    /// The usual search, of one float32 vector and without conditions; `None` if it is anything
    /// else, for `search` to look at.
    fn search_one(
        &self,
        py: Python<'_>,
        query: &Bound<'_, PyAny>,
        arguments: UsualArguments<'_>,
    ) -> PyResult<Option<SearchResults>> {
        let collection = self.handle.to_read("search").or_raise(py)?;
        let dim = collection.config().dim;
        let Ok(array) = query.cast::<PyArray1<f32>>() else { return Ok(None) };
        let (Some(request), Ok(array)) = (arguments.parse(), array.try_readonly()) else {
            return Ok(None);
        };
        let Ok(vector) = array.as_slice() else { return Ok(None) };
        if vector.len() != dim {
            return Ok(None);
        }
        let vector = Vectors::from_f32(dim, vector).or_raise(py)?;
        let results = py.detach(|| collection.search(&vector, &request)).or_raise(py)?;
        Ok(Some(SearchResults::new(results, dim)))
    }

    /// More like these points.
    fn search_ids(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        arguments: SearchArguments<'_>,
    ) -> PyResult<SearchResults> {
        let collection = self.handle.to_read("search_ids").or_raise(py)?;
        let config = collection.config();
        let mut request: SearchRequest = arguments.parse(py, config.id_type)?;
        let ids = convert::ids(py, "ids", config.id_type, ids)?;
        let long = is_long(collection, ids.len(), &request);
        let results =
            wait::search(py, long, &mut request, |request| collection.search_ids(&ids, request))?;
        Ok(SearchResults::new(results, config.dim))
    }

    /// More like what is liked and less like what is not: ids or vectors each.
    fn recommend(
        &self,
        py: Python<'_>,
        positive: Pair<'_>,
        negative: Option<Pair<'_>>,
        arguments: SearchArguments<'_>,
    ) -> PyResult<SearchResults> {
        let collection = self.handle.to_read("recommend").or_raise(py)?;
        let config = collection.config();
        let mut request: SearchRequest = arguments.parse(py, config.id_type)?;
        let positive = Given::new(py, "positive", &config, positive)?;
        let negative =
            negative.map(|given| Given::new(py, "negative", &config, given)).transpose()?;
        let (liked, others) =
            (positive.read(py)?, negative.as_ref().map(|given| given.read(py)).transpose()?);
        let long = is_long(collection, 1, &request);
        let results = wait::search(py, long, &mut request, |request| {
            let others = others.as_ref().map(Read::examples);
            collection.recommend(liked.examples(), others, request)
        })?;
        Ok(SearchResults::new(results, config.dim))
    }

    /// The interests of one user: one row.
    fn search_interests(
        &self,
        py: Python<'_>,
        vectors: &Bound<'_, PyAny>,
        interests: InterestArguments,
        arguments: SearchArguments<'_>,
    ) -> PyResult<SearchResults> {
        let collection = self.handle.to_read("search_interests").or_raise(py)?;
        let config = collection.config();
        let mut request: SearchRequest = arguments.parse(py, config.id_type)?;
        let interests = interests.parse();
        let matrix = Matrix::new("vectors", config.dim, vectors)?;
        let vectors = matrix.vectors(py)?;
        let long = is_long(collection, vectors.rows(), &request);
        let results = wait::search(py, long, &mut request, |request| {
            collection.search_interests(&vectors, &interests, request)
        })?;
        Ok(SearchResults::new(results, config.dim))
    }

    /// Answers the queries of a file into another.
    fn knn_join<'py>(
        &self,
        py: Python<'py>,
        arguments: JoinArguments<'py>,
        tick: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let collection = self.handle.to_read("knn_join").or_raise(py)?;
        let job = arguments.parse(py, &collection.config())?;
        let report = wait::run(py, &Watcher::new(tick), |progress| job.run(collection, progress))?;
        stats::join(py, &report)
    }

    /// Makes a path an alias of a collection.
    #[staticmethod]
    fn set_alias(py: Python<'_>, alias: &str, path: &str) -> PyResult<()> {
        py.detach(|| nearfield::Collection::set_alias(alias, path)).or_raise(py)
    }

    /// A table and, for each id, whether it was found.
    fn get(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        with_vectors: bool,
    ) -> PyResult<(Table, Vec<bool>)> {
        let collection = self.handle.to_read("get").or_raise(py)?;
        let ids = convert::ids(py, "ids", collection.config().id_type, ids)?;
        let points = py.detach(|| collection.get(&ids, with_vectors)).or_raise(py)?;
        Ok((Table::new(points.batch), points.found))
    }

    /// A table of the points above an id, the only one of `after`, in the order of their ids.
    fn scan(
        &self,
        py: Python<'_>,
        after: Option<&Bound<'_, PyAny>>,
        limit: usize,
        with_vectors: bool,
    ) -> PyResult<(Table, Vec<bool>)> {
        let collection = self.handle.to_read("scan").or_raise(py)?;
        let kind = collection.config().id_type;
        let after = after.map(|ids| convert::ids(py, "after", kind, ids)).transpose()?;
        let after = after.filter(|ids| !ids.is_empty()).map(|ids| ids.get(0));
        let points = py.detach(|| collection.scan(after.as_ref(), limit, with_vectors));
        let points = points.or_raise(py)?;
        Ok((Table::new(points.batch), points.found))
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.handle.to_read("refresh").or_raise(py)?;
        py.detach(|| collection.refresh()).or_raise(py)
    }

    fn snapshot(&self, py: Python<'_>, target: &str) -> PyResult<()> {
        let collection = self.handle.to_read("snapshot").or_raise(py)?;
        wait::run(py, &Watcher::default(), |_| collection.snapshot(target))
    }

    /// Makes a collection of a snapshot.
    #[staticmethod]
    fn restore(py: Python<'_>, snapshot: &str, path: &str) -> PyResult<()> {
        wait::run(py, &Watcher::default(), |_| nearfield::Collection::restore(snapshot, path))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.handle.to_write("flush").or_raise(py)?;
        py.detach(|| collection.flush()).or_raise(py)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let collection = self.handle.to_read("stats").or_raise(py)?;
        let state = py.detach(|| collection.stats()).or_raise(py)?;
        stats::stats(py, &state)
    }

    fn verify<'py>(
        &self,
        py: Python<'py>,
        tick: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let collection = self.handle.to_read("verify").or_raise(py)?;
        let watcher = Watcher::new(tick);
        let report = wait::run(py, &watcher, |progress| collection.verify_with(progress))?;
        stats::verify(py, &report)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.handle.close()).or_raise(py)
    }
}

/// Whether a search may take so long that somebody wants to stop it: many queries, or many
/// comparisons.
fn is_long(collection: &nearfield::Collection, queries: usize, request: &SearchRequest) -> bool {
    let comparisons = || collection.len().saturating_mul(queries as u64);
    queries >= LONG_QUERIES || (request.effort == Effort::Exact && comparisons() >= LONG_ROWS)
}

/// Queries that together take some ten milliseconds.
const LONG_QUERIES: usize = 256;
/// Comparisons that do.
const LONG_ROWS: u64 = 200_000;
