//! Schemas proposed for files.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use nearfield_datasets::{InferError, InferOptions, infer};

fn list(item: DataType) -> DataType {
    DataType::new_list(item, true)
}

fn vector(item: DataType, dim: i32) -> DataType {
    DataType::new_fixed_size_list(item, dim, true)
}

fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(
        columns.iter().map(|(name, t)| Field::new(*name, t.clone(), true)).collect::<Fields>(),
    )
}

fn defaults() -> InferOptions {
    InferOptions::default()
}

#[test]
fn every_type_has_its_attribute_or_a_reason() {
    let dictionary = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
    let schema = schema(&[
        ("id", DataType::Int64),
        ("v", vector(DataType::Float64, 8)),
        ("a", DataType::UInt8),
        ("b", DataType::Float16),
        ("c", DataType::Boolean),
        ("d", DataType::Timestamp(TimeUnit::Second, None)),
        ("e", list(DataType::Utf8)),
        ("f", dictionary),
        ("g", DataType::LargeUtf8),
        ("h", DataType::Date32),
        ("expires_at", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ]);
    let inferred = infer(&schema, None, &defaults()).unwrap();
    assert_eq!((inferred.id_type, inferred.dim, inferred.dtype), ("u64", Some(8), "f32"));
    let kinds: Vec<_> =
        inferred.attributes.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let expected = [
        ("a", "i64"),
        ("b", "f64"),
        ("c", "bool"),
        ("d", "timestamp"),
        ("e", "keyword[]"),
        ("f", "keyword"),
        ("g", "keyword"),
    ];
    assert_eq!(kinds, expected);
    let left: Vec<_> = inferred.left_out.iter().map(|(n, why)| format!("{n}: {why}")).collect();
    assert_eq!(left, ["h: no attribute holds Date32", "expires_at: the name is reserved"]);
}

#[test]
fn the_id_is_named_id_or_by_the_caller() {
    let vectors = ("vector", vector(DataType::UInt8, 4));
    let without = schema(&[("key", DataType::Utf8), ("n", DataType::Int32), vectors.clone()]);
    let error = infer(&without, None, &defaults()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "id column: expected one named \"id\", found candidates \"key\", \"n\"; name the id column"
    );
    let named = InferOptions { id: Some("key".into()), ..defaults() };
    let inferred = infer(&without, None, &named).unwrap();
    assert_eq!(
        (inferred.id.as_deref(), inferred.id_type, inferred.dtype),
        (Some("key"), "str", "u8")
    );
    assert_eq!(inferred.attributes, [("n".to_owned(), "i64")]);
    // Nothing that could be an id: rows are numbered.
    let inferred = infer(&schema(std::slice::from_ref(&vectors)), None, &defaults()).unwrap();
    assert_eq!((inferred.id, inferred.id_type), (None, "u64"));
    let odd = schema(&[("id", DataType::Float32), vectors]);
    let error = infer(&odd, None, &defaults()).unwrap_err().to_string();
    assert!(error.contains("expected integers or strings, found Float32"), "{error}");
}

#[test]
fn one_of_several_vectors_needs_a_name() {
    let (a, b) = (vector(DataType::Float32, 4), list(DataType::Float16));
    let two = schema(&[("id", DataType::Int64), ("title_v", a.clone()), ("text_v", b.clone())]);
    let error = infer(&two, None, &defaults()).unwrap_err();
    assert!(matches!(error, InferError::Vector { .. }));
    assert!(error.to_string().contains("found \"title_v\", \"text_v\""), "{error}");
    let named = InferOptions { vector: Some("text_v".into()), ..defaults() };
    let inferred = infer(&two, None, &named).unwrap();
    assert_eq!((inferred.vector.as_str(), inferred.dim, inferred.dtype), ("text_v", None, "f16"));
    assert_eq!(inferred.left_out.len(), 1);
    let preferred = schema(&[("id", DataType::Int64), ("other", a), ("embedding", b)]);
    assert_eq!(infer(&preferred, None, &defaults()).unwrap().vector, "embedding");
    let missing = InferOptions { vector: Some("x".into()), ..defaults() };
    let error = infer(&two, None, &missing).unwrap_err().to_string();
    assert!(
        error.contains("expected one of \"title_v\", \"text_v\", found no such column"),
        "{error}"
    );
    let error = infer(&schema(&[("id", DataType::Int64)]), None, &defaults()).unwrap_err();
    assert!(error.to_string().contains("found none"), "{error}");
}

#[test]
fn a_sample_gives_the_dimension_and_tells_labels_from_prose() {
    let mut lists = ListBuilder::new(Float32Builder::new());
    lists.append_null();
    lists.append_value([Some(1.0), Some(2.0), Some(3.0)]);
    let prose = ["A sentence of more than thirty-two bytes", "Another one of more than that"];
    let sample = RecordBatch::try_from_iter([
        ("id", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
        ("v", Arc::new(lists.finish())),
        ("label", Arc::new(StringArray::from(vec![None, Some("aww")]))),
        ("title", Arc::new(StringArray::from(prose.to_vec()))),
    ])
    .unwrap();
    let inferred = infer(&sample.schema(), Some(&sample), &defaults()).unwrap();
    assert_eq!(inferred.dim, Some(3));
    let expected = [("label".to_owned(), "keyword"), ("title".to_owned(), "text")];
    assert_eq!(inferred.attributes, expected);
}
