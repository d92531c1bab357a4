//! The rows of a stream as Arrow batches, for a load.

use std::io;
use std::sync::Arc;

use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int8Type, UInt8Type};
use arrow_array::{
    ArrayRef, FixedSizeListArray, PrimitiveArray, RecordBatch, StringArray, UInt64Array,
    new_null_array,
};
use arrow_schema::{ArrowError, Field, Schema};
use nearfield::{CollectionConfig, Ids, VectorData, Vectors};
use prost::Message;

use crate::service::points::Given;
use crate::v1::Rows;

/// Why a batch that was accepted can't be read again.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file.
    #[error("cannot read the file of the stream: {0}")]
    File(#[from] io::Error),
    /// The message.
    #[error("cannot read a batch of the stream: {0}")]
    Message(#[from] prost::DecodeError),
    /// What it says.
    #[error("{0}")]
    Rows(#[from] nearfield::Error),
    /// Its columns.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
}

/// Batches with the columns `id` and `vector` and every column of the schema.
pub fn record_batches(
    rows: impl Iterator<Item = io::Result<Vec<u8>>>,
    config: Arc<CollectionConfig>,
) -> impl Iterator<Item = Result<RecordBatch, Unreadable>> {
    rows.map(move |bytes| {
        let rows = Rows::decode(bytes?.as_slice())?;
        Ok(record_batch(&Given::of(rows, &config)?, &config)?)
    })
}

fn record_batch(given: &Given, config: &CollectionConfig) -> Result<RecordBatch, ArrowError> {
    let rows = given.ids.len();
    let ids: ArrayRef = match &given.ids {
        Ids::U64(ids) => Arc::new(UInt64Array::from(ids.clone())),
        Ids::Str(ids) => Arc::new(StringArray::from_iter_values(ids)),
    };
    let mut fields = vec![Field::new("id", ids.data_type().clone(), false)];
    let mut columns = vec![ids];
    let vectors: ArrayRef = Arc::new(lists(&given.vectors)?);
    fields.push(Field::new("vector", vectors.data_type().clone(), false));
    columns.push(vectors);
    for (name, kind) in config.schema.columns() {
        let column = given.attributes.as_ref().and_then(|batch| batch.column_by_name(name));
        let column = column.cloned().unwrap_or_else(|| new_null_array(&kind.arrow(), rows));
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn lists(vectors: &Vectors<'_>) -> Result<FixedSizeListArray, ArrowError> {
    let values: ArrayRef = match vectors.data() {
        VectorData::F32(x) => Arc::new(PrimitiveArray::<Float32Type>::from(x.to_vec())),
        VectorData::F16(x) => Arc::new(PrimitiveArray::<Float16Type>::from(x.to_vec())),
        VectorData::F64(x) => Arc::new(PrimitiveArray::<Float64Type>::from(x.to_vec())),
        VectorData::U8(x) => Arc::new(PrimitiveArray::<UInt8Type>::from(x.to_vec())),
        VectorData::I8(x) => Arc::new(PrimitiveArray::<Int8Type>::from(x.to_vec())),
    };
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    FixedSizeListArray::try_new(item, vectors.dim() as i32, values, None)
}
