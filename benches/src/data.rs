//! Generated vectors, the same for the same seed: clusters of few intrinsic dimensions, so that
//! near neighbours exist and are hard to tell apart, as in embeddings.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field};
use nearfield::{Result, Vectors};
use nearfield_datasets::ReadOptions;
use nearfield_datasets::generate::{Clusters, Shape};

/// Vectors of one dimension, row after row.
#[derive(Debug, Clone)]
pub struct Data {
    dim: usize,
    components: Vec<f32>,
}

/// Points a cluster, on average.
const CLUSTER: usize = 100;

impl Data {
    /// `shape.rows` vectors to store and `queries` fresh ones of the same clusters to ask for.
    pub fn clustered(shape: Shape, queries: usize) -> (Self, Self) {
        let clusters = (shape.rows / CLUSTER).max(1);
        let mixture = Clusters { shape, clusters, intrinsic: 64, spread: 1.0 };
        let data = |components| Self { dim: shape.dim, components };
        (data(mixture.generate().vectors), data(mixture.queries(queries).vectors))
    }

    /// The first rows of a file of vectors, and the last few as queries.
    pub fn read(
        path: &Path,
        rows: usize,
        queries: usize,
    ) -> std::result::Result<(Self, Self), Box<dyn std::error::Error>> {
        let source = ReadOptions::default().open(path)?;
        let (mut dim, mut components) = (0, Vec::new());
        for batch in source.batches() {
            let batch = batch?;
            let column = batch.column_by_name("vector").ok_or("a column of vectors")?;
            let lists = column.as_fixed_size_list_opt().ok_or("vectors of one length")?;
            let values = lists.values().as_primitive_opt::<Float32Type>().ok_or("f32")?;
            dim = lists.value_length() as usize;
            components.extend_from_slice(values.values());
        }
        let all = Self { dim, components };
        if all.rows() < rows + queries {
            return Err(format!("{} has {} rows", path.display(), all.rows()).into());
        }
        Ok((all.range(0..rows), all.range(all.rows() - queries..all.rows())))
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.components.len() / self.dim
    }

    /// One vector.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.components[row * self.dim..(row + 1) * self.dim]
    }

    /// All of them, as the library takes them.
    pub fn vectors(&self) -> Result<Vectors<'_>> {
        Vectors::from_f32(self.dim, &self.components)
    }

    /// These rows, one after the other.
    pub fn rows_of(&self, rows: Range<usize>) -> &[f32] {
        &self.components[rows.start * self.dim..rows.end * self.dim]
    }

    /// A copy of these rows.
    #[must_use]
    pub fn range(&self, rows: Range<usize>) -> Self {
        Self { dim: self.dim, components: self.rows_of(rows).to_vec() }
    }

    /// A copy of these rows, in this order.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Self {
        let components = rows.iter().flat_map(|row| self.row(*row)).copied().collect();
        Self { dim: self.dim, components }
    }

    /// All rows as Arrow batches of so many, with columns `id` (the row) and `vector`.
    pub fn batches(
        &self,
        rows: usize,
    ) -> impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>> {
        (0..self.rows()).step_by(rows).map(move |start| {
            let range = start..(start + rows).min(self.rows());
            let ids = UInt64Array::from_iter_values(range.clone().map(|row| row as u64));
            let item = Arc::new(Field::new_list_field(DataType::Float32, false));
            let values = Arc::new(Float32Array::from(self.rows_of(range).to_vec()));
            let vectors = FixedSizeListArray::try_new(item, self.dim as i32, values, None)?;
            let columns: [(&str, ArrayRef); 2] =
                [("id", Arc::new(ids)), ("vector", Arc::new(vectors))];
            RecordBatch::try_from_iter(columns)
        })
    }

    /// Writes all rows as an `.npy` file.
    pub fn write_npy(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let (rows, dim) = (self.rows(), self.dim);
        let shape =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
        // The header ends in a line feed, at a multiple of 64 bytes.
        let length = (10 + shape.len() + 1).next_multiple_of(64) - 10;
        out.write_all(b"\x93NUMPY\x01\x00")?;
        out.write_all(&(length as u16).to_le_bytes())?;
        out.write_all(format!("{shape:<width$}\n", width = length - 1).as_bytes())?;
        for component in &self.components {
            out.write_all(&component.to_le_bytes())?;
        }
        out.flush()
    }

    /// The same vectors as integers from `low` to `high`, for collections of bytes.
    #[must_use]
    pub fn integers(&self, low: f32, high: f32) -> Self {
        let largest = self.components.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        let middle = f32::midpoint(low, high);
        let scale = (high - middle) / largest;
        let integer = |x: &f32| (middle + x * scale).round().clamp(low, high);
        Self { dim: self.dim, components: self.components.iter().map(integer).collect() }
    }
}
