//! Reports of core as Python dicts.

use nearfield::{JoinReport, LoadReport, Stats, VerifyReport};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// The state of a collection.
pub fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("points", stats.points)?;
    out.set_item("dim", stats.dim)?;
    out.set_item("metric", stats.metric.name())?;
    out.set_item("id_type", stats.id_type.name())?;
    out.set_item("dtype", stats.dtype.name())?;
    out.set_item("profile", stats.profile.name())?;
    out.set_item("index", stats.index.name())?;
    out.set_item("space", stats.space.as_deref())?;
    let schema = PyDict::new(py);
    for (name, kind) in &stats.schema {
        schema.set_item(name, kind)?;
    }
    out.set_item("schema", schema)?;
    out.set_item("version", stats.version)?;
    let segments = PyList::empty(py);
    for segment in &stats.segments {
        let row = PyDict::new(py);
        row.set_item("name", &segment.name)?;
        row.set_item("rows", segment.rows)?;
        row.set_item("dead", segment.dead)?;
        row.set_item("indexed", segment.indexed)?;
        row.set_item("bytes", segment.bytes)?;
        segments.append(row)?;
    }
    out.set_item("segments", segments)?;
    out.set_item("bytes_disk", stats.bytes_disk)?;
    out.set_item("bytes_hot", stats.bytes_hot)?;
    out.set_item("bytes_warm", stats.bytes_warm)?;
    out.set_item("bytes_cold", stats.bytes_cold)?;
    out.set_item("bytes_resident", stats.bytes_resident)?;
    out.set_item("problems", &stats.problems)?;
    Ok(out)
}

/// What `verify` read.
pub fn verify<'py>(py: Python<'py>, report: &VerifyReport) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("files", report.files)?;
    out.set_item("bytes", report.bytes)?;
    out.set_item("blocks", report.blocks)?;
    out.set_item("points", report.points)?;
    Ok(out)
}

/// What `load` did.
pub fn load<'py>(py: Python<'py>, report: &LoadReport) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("points", report.points)?;
    out.set_item("skipped_columns", &report.skipped_columns)?;
    Ok(out)
}

/// What `knn_join` did.
pub fn join<'py>(py: Python<'py>, report: &JoinReport) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("lists", report.lists)?;
    out.set_item("hits", report.hits)?;
    out.set_item("resumed", report.resumed)?;
    Ok(out)
}
