//! A record batch that Python reads column by column or as an Arrow stream.

use std::sync::Arc;

use arrow_array::{RecordBatch, StructArray};
use arrow_schema::Field;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::error::PyArrowResult;
use pyo3_arrow::ffi::{ArrayIterator, to_stream_pycapsule};

use crate::convert::to_numpy;
use crate::errors::invalid;

/// Rows with named columns.
#[pyclass(frozen, module = "nearfield._core")]
pub struct Table {
    batch: RecordBatch,
}

impl Table {
    /// Wraps a batch.
    pub fn new(batch: RecordBatch) -> Self {
        Self { batch }
    }
}

#[pymethods]
impl Table {
    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    /// Names and Arrow types of the columns, in order.
    fn columns(&self) -> Vec<(String, String)> {
        let fields = self.batch.schema_ref().fields();
        fields.iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect()
    }

    /// The column of this name as a numpy array.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        if let Some(column) = self.batch.column_by_name(name) {
            return to_numpy(py, column);
        }
        let fields = self.batch.schema_ref().fields();
        let names: Vec<_> = fields.iter().map(|f| format!("{:?}", f.name())).collect();
        let expected = format!("one of {}", names.join(", "));
        Err(invalid(py, "column", &expected, &format!("{name:?}"), ""))
    }

    /// The rows as a stream of one batch.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyCapsule>> {
        let fields = self.batch.schema_ref().fields().clone();
        let field = Field::new_struct("", fields, false);
        let field = field.with_metadata(self.batch.schema_ref().metadata().clone());
        let rows = StructArray::from(self.batch.clone());
        let batches = vec![Ok(Arc::new(rows) as _)];
        to_stream_pycapsule(
            py,
            Box::new(ArrayIterator::new(batches, Arc::new(field))),
            requested_schema,
        )
    }
}
