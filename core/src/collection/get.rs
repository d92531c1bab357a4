//! Points by id.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt64Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};

use super::input::wrong_id_type;
use super::view::{Place, View};
use crate::error::{Error, Result};
use crate::results::Points;
use crate::segment::IdRef;
use crate::types::Ids;

pub(super) fn get(view: &View, ids: &Ids, with_vectors: bool) -> Result<Points> {
    let config = &view.config;
    if ids.id_type() != config.id_type {
        return Err(wrong_id_type("ids", config.id_type, ids.id_type().name()));
    }
    let places = view.places((0..ids.len()).filter_map(|row| IdRef::at(ids, row)))?;
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let id_column: ArrayRef = match ids {
        Ids::U64(ids) => Arc::new(UInt64Array::from(ids.clone())),
        Ids::Str(ids) => Arc::new(StringArray::from_iter_values(ids)),
    };
    fields.push(Field::new("id", id_column.data_type().clone(), false));
    columns.push(id_column);
    for (position, (name, kind)) in config.schema.columns().iter().enumerate() {
        fields.push(Field::new(name, kind.arrow(), true));
        columns.push(view.gather(position, &places)?);
    }
    if with_vectors {
        let vectors = vector_column(view, &places)?;
        fields.push(Field::new("vector", vectors.data_type().clone(), true));
        columns.push(Arc::new(vectors));
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Error::Source(Box::new(e)))?;
    Ok(Points { batch, found: places.iter().map(Option::is_some).collect() })
}

fn vector_column(view: &View, places: &[Option<Place>]) -> Result<FixedSizeListArray> {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let values = Arc::new(Float32Array::from(view.copy_vectors(places)));
    let found: NullBuffer = places.iter().map(Option::is_some).collect();
    FixedSizeListArray::try_new(item, view.config.dim as i32, values, Some(found))
        .map_err(|e| Error::Source(Box::new(e)))
}
