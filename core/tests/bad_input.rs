//! What can't be written is refused whole, by an error that names the place.

mod common;

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use common::{attributes, batch, config, source};
use nearfield::{
    Collection, CollectionConfig, Conditions, Dtype, Error, IdType, Ids, LoadOptions, Metric,
    Progress, SearchRequest, VectorData, Vectors,
};

fn collection(id_type: IdType, dtype: Dtype) -> Collection {
    let mut config = CollectionConfig::new(2, Metric::Cosine);
    (config.id_type, config.dtype) = (id_type, dtype);
    Collection::in_memory(config).unwrap()
}

/// The error of an upsert, after which the collection must be empty.
fn refused(collection: &Collection, ids: &Ids, data: VectorData<'_>) -> String {
    let vectors = Vectors::new(2, data).unwrap();
    let error = collection.upsert(ids, &vectors, None, &Progress::new()).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    assert!(collection.is_empty());
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

fn f32s(data: &[f32]) -> VectorData<'_> {
    VectorData::F32(Cow::Borrowed(data))
}

#[test]
fn vectors_that_cannot_be_compared() {
    let c = collection(IdType::U64, Dtype::F32);
    let ids = || Ids::U64(vec![10, 11, 12]);
    let text = refused(&c, &ids(), f32s(&[1.0, 2.0, 3.0, f32::NAN, 5.0, 6.0]));
    assert!(text.contains("row 1") && text.contains("NaN"), "{text}");
    let text = refused(&c, &ids(), f32s(&[1.0, 2.0, 3.0, 4.0, f32::NEG_INFINITY, 6.0]));
    assert!(text.contains("row 2") && text.contains("inf"), "{text}");
    let text = refused(&c, &ids(), f32s(&[1.0, 2.0, 0.0, -0.0, 5.0, 6.0]));
    assert!(text.contains("row 1") && text.contains("zero vector"), "{text}");
    let data = vec![1.0, 2.0, 3.0, 4.0, 5.0, 1e300];
    let text = refused(&c, &ids(), VectorData::F64(data.into()));
    assert!(text.contains("row 2") && text.contains("1000000000"), "{text}");
    let text = refused(&c, &Ids::U64(vec![1]), VectorData::U8(vec![1, 2].into()));
    assert!(text.contains("u8"), "{text}");
    let text = refused(&c, &ids(), f32s(&[1.0, 2.0]));
    assert!(text.contains('3') && text.contains('1'), "{text}");

    let half = collection(IdType::U64, Dtype::F16);
    let text = refused(&half, &Ids::U64(vec![1]), f32s(&[1.0, 70_000.0]));
    assert!(text.contains("16-bit") && text.contains("70000"), "{text}");
    let text = refused(&half, &Ids::U64(vec![1]), f32s(&[1e-30, 0.0]));
    assert!(text.contains("zero vector"), "{text}");
    let bytes = collection(IdType::U64, Dtype::U8);
    for wrong in [-1.0, 256.0, 0.5] {
        let text = refused(&bytes, &Ids::U64(vec![1]), f32s(&[1.0, wrong]));
        assert!(text.contains("integer of 0 to 255"), "{text}");
    }
    let text = refused(&bytes, &Ids::U64(vec![1]), VectorData::I8(vec![1, 2].into()));
    assert!(text.contains("i8"), "{text}");
}

#[test]
fn another_dimension() {
    let c = collection(IdType::U64, Dtype::F32);
    let vectors = Vectors::from_f32(3, &[1.0, 2.0, 3.0]).unwrap();
    let error = c.upsert(&Ids::U64(vec![1]), &vectors, None, &Progress::new()).unwrap_err();
    assert!(matches!(error, Error::DimensionMismatch { expected: 2, found: 3, .. }), "{error}");
}

#[test]
fn ids_that_no_point_can_have() {
    let c = collection(IdType::U64, Dtype::F32);
    let text = refused(&c, &Ids::U64(vec![1, u64::MAX]), f32s(&[1.0; 4]));
    assert!(text.contains("row 1"), "{text}");
    let text = refused(&c, &Ids::Str(vec!["a".to_owned()]), f32s(&[1.0; 2]));
    assert!(text.contains("integers"), "{text}");
    let c = collection(IdType::Str, Dtype::F32);
    let text = refused(&c, &Ids::Str(vec!["a".to_owned(), String::new()]), f32s(&[1.0; 4]));
    assert!(text.contains("row 1") && text.contains("0 bytes"), "{text}");
    let text = refused(&c, &Ids::Str(vec!["a".repeat(513)]), f32s(&[1.0; 2]));
    assert!(text.contains("513 bytes"), "{text}");
    let text = refused(&c, &Ids::U64(vec![1]), f32s(&[1.0; 2]));
    assert!(text.contains("strings"), "{text}");
    let longest = Ids::Str(vec!["a".repeat(512)]);
    c.upsert(&longest, &Vectors::from_f32(2, &[1.0; 2]).unwrap(), None, &Progress::new()).unwrap();
}

#[test]
fn columns_that_do_not_fit_the_schema() {
    let c = Collection::in_memory(config(2)).unwrap();
    let vectors = Vectors::from_f32(2, &[1.0, 2.0]).unwrap();
    let upsert = |batch: &RecordBatch| {
        let ids = Ids::U64(vec![1]);
        let error = c.upsert(&ids, &vectors, Some(batch), &Progress::new()).unwrap_err();
        assert!(c.is_empty());
        error.to_string()
    };
    let good = attributes(0, 1);
    let missing = good.project(&[0, 1, 2, 3, 4, 5]).unwrap();
    let text = upsert(&missing);
    assert!(text.contains("\"title\""), "{text}");
    let mut columns: Vec<(String, ArrayRef)> = good
        .schema()
        .fields()
        .iter()
        .zip(good.columns())
        .map(|(f, c)| (f.name().clone(), c.clone()))
        .collect();
    columns.push(("titel".to_owned(), Arc::new(StringArray::from(vec!["x"]))));
    let text = upsert(&RecordBatch::try_from_iter(columns).unwrap());
    assert!(text.contains("\"titel\"") && text.contains("did you mean \"title\""), "{text}");
    let text = upsert(&attributes(0, 2));
    assert!(text.contains("2 rows"), "{text}");
}

#[test]
fn loads_that_do_not_fit() {
    let config = config(4);
    let c = Collection::in_memory(config.clone()).unwrap();
    let load = |batch: RecordBatch, options: &LoadOptions| {
        // A good batch before it: nothing of that is kept either.
        let good = common::batch(&config, 50, 60);
        let error = c.load(source(vec![good, batch]), options, &Progress::new()).unwrap_err();
        assert!(c.is_empty());
        error.to_string()
    };
    let options = LoadOptions::default();
    let good = batch(&config, 0, 3);
    let replaced = |name: &str, column: ArrayRef| {
        let columns = good
            .schema()
            .fields()
            .iter()
            .zip(good.columns())
            .map(|(f, c)| {
                (f.name().clone(), if f.name() == name { column.clone() } else { c.clone() })
            })
            .collect::<Vec<_>>();
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let ids: ArrayRef = Arc::new(UInt64Array::from(vec![Some(1), None, Some(2)]));
    let text = load(replaced("id", ids), &options);
    assert!(text.contains("\"id\", row 11") && text.contains("null"), "{text}");
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, -5]));
    let text = load(replaced("id", ids), &options);
    assert!(text.contains("\"id\", row 12") && text.contains("negative"), "{text}");
    let text = load(replaced("id", Arc::new(StringArray::from(vec!["a"; 3]))), &options);
    assert!(text.contains("integers") && text.contains("Utf8"), "{text}");
    let text = load(replaced("vector", Arc::new(Float64Array::from(vec![1.0; 3]))), &options);
    assert!(text.contains("\"vector\"") && text.contains("lists"), "{text}");

    let lists = |rows: &[Option<&[f32]>]| -> ArrayRef {
        let mut lists = ListBuilder::new(Float32Builder::new());
        for row in rows {
            match row {
                Some(row) => lists.append_value(row.iter().map(|v| v.is_finite().then_some(*v))),
                None => lists.append_null(),
            }
        }
        Arc::new(lists.finish())
    };
    let row = Some(&[1.0_f32, 2.0, 3.0, 4.0][..]);
    let text = load(replaced("vector", lists(&[row, None, row])), &options);
    assert!(text.contains("row 11") && text.contains("null"), "{text}");
    let text = load(replaced("vector", lists(&[row, row, Some(&[1.0])])), &options);
    assert!(text.contains("row 12") && text.contains("dimension 4, found 1"), "{text}");
    let null = Some(&[1.0, f32::NAN, 3.0, 4.0][..]);
    let text = load(replaced("vector", lists(&[row, null, row])), &options);
    assert!(text.contains("row 11") && text.contains("null"), "{text}");
    let text = load(replaced("vector", lists(&[row, row, Some(&[0.0; 4])])), &options);
    assert!(text.contains("row 12") && text.contains("zero vector"), "{text}");

    let text = load(good.project(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap(), &options);
    assert!(text.contains("\"title\""), "{text}");
    let named = LoadOptions { vector: "embedding".to_owned(), ..options.clone() };
    let text = load(good.clone(), &named);
    assert!(text.contains("\"embedding\"") || text.contains("\"vector\""), "{text}");
}

/// Found by a matrix of bad arguments from Python: it was a division by zero.
#[test]
fn no_threads_are_refused_with_conditions_of_each_query() {
    let c = collection(IdType::U64, Dtype::F32);
    c.upsert(
        &Ids::U64(vec![1, 2]),
        &Vectors::from_f32(2, &[1.0, 0.0, 0.0, 1.0]).unwrap(),
        None,
        &Progress::new(),
    )
    .unwrap();
    let mut request = SearchRequest::new(1);
    request.threads = Some(0);
    let error = c.search_ids(&Ids::U64(vec![1]), &request).unwrap_err();
    assert!(error.to_string().starts_with("threads: expected at least 1"), "{error}");
    request.per_query = vec![Conditions::default()];
    let error = c.search(&Vectors::from_f32(2, &[1.0, 0.0]).unwrap(), &request).unwrap_err();
    assert!(error.to_string().starts_with("threads: expected at least 1"), "{error}");
}

#[test]
fn a_filter_that_cannot_be_used_is_told_with_its_query() {
    let c = collection(IdType::U64, Dtype::F32);
    let mut request = SearchRequest::new(1);
    let filters = [None, Some("id = 1"), Some("nope > 1")];
    request.per_query = filters
        .map(|filter| Conditions { filter: filter.map(str::to_owned), ..Conditions::default() })
        .to_vec();
    let queries = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let error = c.search(&Vectors::from_f32(2, &queries).unwrap(), &request).unwrap_err();
    assert!(error.to_string().starts_with("filter: query 2: unknown column"), "{error}");
}
