//! What `recommend` begins with: ids or vectors.

use nearfield::{CollectionConfig, Examples, Ids, Vectors};
use pyo3::prelude::*;

use crate::convert::{self, Matrix};

/// Whether these are ids, and they.
#[derive(FromPyObject)]
pub struct Pair<'py>(bool, Bound<'py, PyAny>);

/// As the caller gave it.
pub enum Given<'py> {
    Ids(Ids),
    Vectors(Matrix<'py>),
}

/// The same, as core reads it.
pub enum Read<'a> {
    Ids(&'a Ids),
    Vectors(Vectors<'a>),
}

impl<'py> Given<'py> {
    /// Takes hold of them; `what` is the argument's name in errors.
    pub fn new(
        py: Python<'py>,
        what: &'static str,
        config: &CollectionConfig,
        Pair(ids, value): Pair<'py>,
    ) -> PyResult<Self> {
        if ids {
            return convert::ids(py, what, config.id_type, &value).map(Self::Ids);
        }
        Matrix::new(what, config.dim, &value).map(Self::Vectors)
    }

    pub fn read(&self, py: Python<'py>) -> PyResult<Read<'_>> {
        match self {
            Self::Ids(ids) => Ok(Read::Ids(ids)),
            Self::Vectors(matrix) => matrix.vectors(py).map(Read::Vectors),
        }
    }
}

impl Read<'_> {
    pub fn examples(&self) -> Examples<'_> {
        match self {
            Self::Ids(ids) => Examples::Ids(ids),
            Self::Vectors(vectors) => Examples::Vectors(vectors),
        }
    }
}
