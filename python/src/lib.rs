//! The private module behind the Python package `nearfield`.
//!
//! Thin: it turns Python objects into the types of the core crate and back, lets go of the GIL
//! while core works, and maps errors to the classes of `nearfield._errors`. Defaults, docstrings
//! and whatever is pleasant to use live in the Python package.

mod collection;
mod config;
mod convert;
mod errors;
mod examples;
mod explain;
mod handle;
mod join;
mod load;
mod request;
mod results;
mod stats;
mod table;
mod wait;

use pyo3::prelude::*;

/// The checksum that Ingest of the service asks for.
#[pyfunction]
#[pyo3(name = "crc32c")]
fn checksum(py: Python<'_>, data: &[u8]) -> u32 {
    py.detach(|| crc32c::crc32c(data))
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<collection::Collection>()?;
    module.add_class::<results::SearchResults>()?;
    module.add_class::<table::Table>()?;
    module.add_function(wrap_pyfunction!(checksum, module)?)?;
    Ok(())
}
