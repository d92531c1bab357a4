//! The queries of a bench, in memory.

use std::path::Path;

use nearfield::Vectors;

use crate::commands::Result;
use crate::vectors;

/// Queries of one dimension; at least one.
#[derive(Debug)]
pub struct Queries {
    dim: usize,
    components: Vec<f32>,
}

impl Queries {
    /// The first `at_most` rows of a file.
    ///
    /// # Errors
    /// A file without rows, or one that can't be read.
    pub fn read(path: &Path, at_most: usize) -> Result<Self> {
        let rows = vectors::of_rows(path, 0..at_most)?;
        let dim = rows.dim();
        let mut components = vec![0.0; rows.rows() * dim];
        for (row, out) in components.chunks_exact_mut(dim).enumerate() {
            rows.copy_row(row, out);
        }
        Ok(Self { dim, components })
    }

    /// Components of a query.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.components.len() / self.dim
    }

    /// All of them, for one call.
    pub fn all(&self) -> Result<Vectors<'_>> {
        Ok(Vectors::from_f32(self.dim, &self.components)?)
    }

    /// In calls of `rows` queries, the last of which may have fewer.
    pub fn chunks(&self, rows: usize) -> impl Iterator<Item = Result<Vectors<'_>>> {
        let chunks = self.components.chunks(rows.max(1) * self.dim);
        chunks.map(|chunk| Ok(Vectors::from_f32(self.dim, chunk)?))
    }
}
