//! Attribute columns: every Arrow type that widens without loss is taken, the rest is refused
//! by name.

mod common;

use std::sync::Arc;

use arrow_array::builder::{LargeListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float16Array, Float32Array, Float64Array,
    Int8Array, Int32Array, Int64Array, LargeStringArray, NullArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use half::f16;
use nearfield::{
    AttributeType, Collection, CollectionConfig, Error, Ids, Metric, Progress, Result, Schema,
    Vectors,
};

/// Upserts one column of a type and reads it back.
fn round_trip(kind: AttributeType, array: ArrayRef) -> Result<ArrayRef> {
    let mut config = CollectionConfig::new(1, Metric::L2);
    config.schema = Schema::new([("c".to_owned(), kind)]).unwrap();
    let collection = Collection::in_memory(config).unwrap();
    let rows = array.len();
    let data: Vec<f32> = (0..rows).map(|i| i as f32).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
    let ids = Ids::U64((0..rows as u64).collect());
    let vectors = Vectors::from_f32(1, &data).unwrap();
    let written = collection.upsert(&ids, &vectors, Some(&batch), &Progress::new());
    assert_eq!(collection.len(), if written.is_ok() { rows as u64 } else { 0 });
    written?;
    Ok(collection.get(&ids, false)?.batch.column(1).clone())
}

fn refused(kind: AttributeType, array: ArrayRef) -> String {
    let error = round_trip(kind, array).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("column \"c\""), "{text}");
    text
}

#[test]
fn strings_of_every_kind() {
    let values = vec![Some("b"), None, Some(""), Some("ä"), Some("b")];
    let dictionary: DictionaryArray<Int32Type> = values.iter().copied().collect();
    let kinds: [ArrayRef; 4] = [
        Arc::new(StringArray::from(values.clone())),
        Arc::new(LargeStringArray::from(values.clone())),
        Arc::new(StringViewArray::from(values.clone())),
        Arc::new(dictionary),
    ];
    for array in kinds {
        for kind in [AttributeType::Keyword, AttributeType::Text] {
            let back = round_trip(kind, array.clone()).unwrap();
            assert_eq!(back.as_string::<i32>().iter().collect::<Vec<_>>(), values);
        }
    }
    let text = refused(AttributeType::Keyword, Arc::new(Int64Array::from(vec![1])));
    assert!(text.contains("strings") && text.contains("Int64"), "{text}");
}

#[test]
fn integers_of_every_width() {
    let back = round_trip(AttributeType::I64, Arc::new(Int8Array::from(vec![Some(-3), None])));
    let back = back.unwrap();
    let values: Vec<_> = back.as_primitive::<Int64Type>().iter().collect();
    assert_eq!(values, [Some(-3), None]);
    let largest = i64::MAX as u64;
    let back = round_trip(AttributeType::I64, Arc::new(UInt64Array::from(vec![0, largest])));
    let back = back.unwrap();
    assert_eq!(back.as_primitive::<Int64Type>().values(), &[0, i64::MAX]);
    let text = refused(
        AttributeType::I64,
        Arc::new(UInt64Array::from(vec![Some(1), None, Some(largest + 1)])),
    );
    assert!(text.contains("row 2"), "{text}");
    refused(AttributeType::I64, Arc::new(Float64Array::from(vec![1.0])));
    refused(AttributeType::I64, Arc::new(BooleanArray::from(vec![true])));
}

#[test]
fn floats_of_every_width() {
    let arrays: [ArrayRef; 4] = [
        Arc::new(Float16Array::from(vec![f16::from_f32(0.5), f16::from_f32(-2.0)])),
        Arc::new(Float32Array::from(vec![0.5, -2.0])),
        Arc::new(Float64Array::from(vec![0.5, -2.0])),
        Arc::new(Int32Array::from(vec![3, -2])),
    ];
    for array in arrays {
        let back = round_trip(AttributeType::F64, array).unwrap();
        assert_eq!(back.as_primitive::<Float64Type>().values()[1..], [-2.0]);
    }
    let array = Float64Array::from(vec![Some(0.0), None, Some(f64::NAN)]);
    let text = refused(AttributeType::F64, Arc::new(array));
    assert!(text.contains("row 2") && text.contains("NaN"), "{text}");
    refused(AttributeType::F64, Arc::new(Float32Array::from(vec![f32::INFINITY])));
    refused(AttributeType::F64, Arc::new(Int64Array::from(vec![1])));
}

#[test]
fn timestamps_of_every_unit_are_microseconds_in_utc() {
    let arrays: [ArrayRef; 5] = [
        Arc::new(TimestampSecondArray::from(vec![Some(-2), None])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(-2_000), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-2_000_000), None])),
        Arc::new(TimestampNanosecondArray::from(vec![Some(-2_000_000_000), None])),
        Arc::new(
            TimestampSecondArray::from(vec![Some(-2), None]).with_timezone("America/New_York"),
        ),
    ];
    for array in arrays {
        let back = round_trip(AttributeType::Timestamp, array).unwrap();
        assert_eq!(*back.data_type(), AttributeType::Timestamp.arrow());
        let values: Vec<_> = back.as_primitive::<TimestampMicrosecondType>().iter().collect();
        assert_eq!(values, [Some(-2_000_000), None]);
    }
    let text =
        refused(AttributeType::Timestamp, Arc::new(TimestampSecondArray::from(vec![i64::MAX])));
    assert!(text.contains("row 0"), "{text}");
    refused(AttributeType::Timestamp, Arc::new(Int64Array::from(vec![1])));
}

#[test]
fn lists_may_be_empty_or_null_but_hold_no_null() {
    let mut lists = LargeListBuilder::new(StringBuilder::new());
    lists.append_value([Some("z"), Some("a"), Some("z")]);
    lists.append_null();
    lists.append_value(Vec::<Option<&str>>::new());
    let back = round_trip(AttributeType::KeywordList, Arc::new(lists.finish())).unwrap();
    let back = back.as_list::<i32>();
    let strings = back.value(0);
    let strings: Vec<_> = strings.as_string::<i32>().iter().flatten().collect();
    assert_eq!(strings, ["z", "a", "z"]);
    assert!(back.is_null(1));
    assert!(back.is_valid(2) && back.value(2).is_empty());

    let mut lists = LargeListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a")]);
    lists.append_value([Some("a"), None]);
    let text = refused(AttributeType::KeywordList, Arc::new(lists.finish()));
    assert!(text.contains("row 1"), "{text}");
    refused(AttributeType::KeywordList, Arc::new(StringArray::from(vec!["a"])));
}

#[test]
fn a_column_without_a_type_is_all_null() {
    for kind in AttributeType::ALL {
        let back = round_trip(*kind, Arc::new(NullArray::new(70))).unwrap();
        assert_eq!(back.null_count(), 70, "{kind}");
        assert_eq!(*back.data_type(), kind.arrow());
    }
}

#[test]
fn slices_of_arrays_are_taken_from_where_they_start() {
    let full = common::attributes(0, 40);
    let part = full.slice(13, 20);
    let mut config = CollectionConfig::new(1, Metric::L2);
    config.schema = common::every_type();
    let collection = Collection::in_memory(config).unwrap();
    let data: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let ids = Ids::U64((0..20).collect());
    let vectors = Vectors::from_f32(1, &data).unwrap();
    collection.upsert(&ids, &vectors, Some(&part), &Progress::new()).unwrap();
    let back = collection.get(&ids, false).unwrap();
    let expected = common::attributes(13, 33);
    for (column, expected) in back.batch.columns()[1..].iter().zip(expected.columns()) {
        assert_eq!(column.to_data(), expected.to_data());
    }
}

#[test]
fn without_attributes_everything_is_null() {
    let mut config = CollectionConfig::new(1, Metric::L2);
    config.schema = common::every_type();
    let collection = Collection::in_memory(config).unwrap();
    let ids = Ids::U64(vec![4]);
    let vectors = Vectors::from_f32(1, &[1.0]).unwrap();
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    let back = collection.get(&ids, false).unwrap();
    assert!(back.batch.columns()[1..].iter().all(|c| c.null_count() == 1));
}
