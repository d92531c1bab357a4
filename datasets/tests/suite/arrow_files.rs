//! Parquet and Arrow IPC.

use std::sync::Arc;

use arrow_array::builder::{LargeListBuilder, ListBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float64Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, RecordBatch};
use arrow_ipc::CompressionType;
use arrow_schema::{DataType, Field};
use half::f16;
use nearfield_datasets::{ReadError, ReadOptions, Source, open};

use crate::files::{Place, drain, failure, ipc_file, ipc_stream, parquet, table};

fn options(batch_rows: usize, columns: Option<&[&str]>) -> ReadOptions {
    let columns = columns.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    ReadOptions { batch_rows, columns }
}

/// Puts batches together and compares them with what was written.
fn assert_rows(source: Source, written: &RecordBatch) {
    let schema = source.schema();
    let batches = drain(source).unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == schema));
    let mut row = 0;
    for batch in &batches {
        let expected = written.slice(row, batch.num_rows());
        for (found, expected) in batch.columns().iter().zip(expected.columns()) {
            assert_eq!(found.as_ref(), expected.as_ref(), "from row {row}");
        }
        row += batch.num_rows();
    }
    assert_eq!(row, written.num_rows());
}

#[test]
fn parquet_row_groups_and_batches() {
    let place = Place::new();
    let written = table(100);
    for (group, zstd, batch) in [(100, false, 7), (30, true, 8192), (30, false, 13)] {
        let path = place.write("a.parquet", &parquet(&written, group, zstd));
        let source = options(batch, None).open(path).unwrap();
        assert_eq!(source.rows(), Some(100));
        assert_rows(source, &written);
    }
}

#[test]
fn ipc_files_and_streams() {
    let place = Place::new();
    let written = table(90);
    let parts = [written.slice(0, 50), written.slice(50, 0), written.slice(50, 40)];
    for codec in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        for name in ["a.arrow", "a.feather", "a.ipc"] {
            let source = options(20, None).open(place.write(name, &ipc_file(&parts, codec)));
            let source = source.unwrap();
            assert_eq!(source.rows(), Some(90));
            assert_rows(source, &written);
        }
        let stream = ipc_stream(&parts, codec);
        let source = options(1000, None).open(place.write("a.arrows", &stream)).unwrap();
        assert_eq!(source.rows(), None);
        assert_rows(source, &written);
        // The mark of the end may be missing: then the end of the file is it.
        let path = place.write("open.arrows", &stream[..stream.len() - 8]);
        assert_rows(open(path).unwrap(), &written);
    }
}

#[test]
fn columns_left_out() {
    let place = Place::new();
    let written = table(40);
    let expected = written.project(&[0, 3]).unwrap();
    for (name, bytes) in [
        ("a.parquet", parquet(&written, 15, true)),
        ("a.arrow", ipc_file(std::slice::from_ref(&written), None)),
        ("a.arrows", ipc_stream(std::slice::from_ref(&written), None)),
    ] {
        let path = place.write(name, &bytes);
        // The file's order, whatever the order asked in.
        let source = options(10, Some(&["vector", "id"])).open(&path).unwrap();
        assert_eq!(source.schema().fields(), expected.schema().fields());
        assert_rows(source, &expected);
        let error = options(10, Some(&["title"])).open(&path).unwrap_err();
        assert!(matches!(error, ReadError::MissingColumn { .. }), "{error}");
        assert!(error.to_string().contains("\"id\", \"name\", \"label\", \"vector\""), "{error}");
    }
}

#[test]
fn lists_of_every_float_stay_as_they_are() {
    let mut halves = ListBuilder::new(PrimitiveBuilder::<Float16Type>::new());
    let mut doubles = LargeListBuilder::new(PrimitiveBuilder::<Float64Type>::new());
    for row in 0..10 {
        halves.append_value((0..4).map(|i| Some(f16::from_f32((row * i) as f32))));
        doubles.append_value((0..4).map(|i| Some(f64::from(row * i) / 3.0)));
    }
    let written = RecordBatch::try_from_iter([
        ("half", Arc::new(halves.finish()) as ArrayRef),
        ("double", Arc::new(doubles.finish())),
    ])
    .unwrap();
    let place = Place::new();
    for (name, bytes) in [
        ("a.parquet", parquet(&written, 4, false)),
        ("a.feather", ipc_file(std::slice::from_ref(&written), None)),
    ] {
        let source = open(place.write(name, &bytes)).unwrap();
        assert!(matches!(source.schema().field(0).data_type(), DataType::List(_)));
        assert!(matches!(source.schema().field(1).data_type(), DataType::LargeList(_)));
        assert_rows(source, &written);
    }
}

#[test]
fn damage_in_a_parquet_page_names_its_row_group() {
    let place = Place::new();
    let written = table(60).project(&[3]).unwrap();
    let sound = parquet(&written, 20, true);
    // Overwrites the second row group's pages: it begins about a third into the file.
    let first = open(place.write("a.parquet", &sound)).unwrap();
    assert_eq!(drain(first).unwrap().len(), 3);
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let frames: Vec<usize> = (0..sound.len() - 4).filter(|&i| sound[i..i + 4] == magic).collect();
    let mut bytes = sound.clone();
    bytes[frames[frames.len() / 3]] ^= 0xff;
    let error = failure(&place.write("a.parquet", &bytes));
    let at = error.position();
    assert_eq!((at.row, at.row_group), (Some(20), Some(1)), "{error}");
    assert!(at.byte.is_some(), "{error}");
}

#[test]
fn foreign_and_cut_files() {
    let place = Place::new();
    let written = table(20);
    let parquet = parquet(&written, 20, false);
    let file = ipc_file(std::slice::from_ref(&written), None);
    let stream = ipc_stream(std::slice::from_ref(&written), None);
    let mut hostile = parquet.clone();
    let tail = hostile.len() - 8;
    hostile[tail..tail + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (name, bytes, expected) in [
        ("empty.parquet", &[][..], "at least 12 bytes"),
        ("csv.parquet", b"id,title\n1,a title", "expected \"PAR1\" at the end, found \"itle\""),
        ("cut.parquet", &parquet[..parquet.len() - 9], "\"PAR1\" at the end"),
        ("huge.parquet", &hostile, "a footer that fits the file, found 4294967295 bytes"),
        ("v1.feather", b"FEA1\0\0\0\0\0\0FEA1", "expected Feather version 2"),
        ("empty.arrow", &[], "expected \"ARROW1\" or a schema message"),
        ("cut.arrow", &file[..file.len() - 1], "\"ARROW1\" at the end"),
        ("text.arrow", b"once upon a time", "metadata of at most 12 bytes"),
        ("cut.arrows", &stream[..stream.len() - 40], "a body of at most"),
    ] {
        let error = failure(&place.write(name, bytes)).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_null_list_stays_null() {
    let mut lists = ListBuilder::new(PrimitiveBuilder::<Float64Type>::new());
    lists.append_value([Some(1.0)]);
    lists.append_null();
    let written = RecordBatch::try_from_iter([("v", Arc::new(lists.finish()) as ArrayRef)]);
    let place = Place::new();
    let path = place.write("a.parquet", &parquet(&written.unwrap(), 10, false));
    let batches = drain(open(path).unwrap()).unwrap();
    let lists = batches[0].column(0).as_list::<i32>();
    assert!(lists.is_valid(0) && lists.is_null(1));
}

#[test]
fn sizes_that_no_file_holds_are_refused_before_memory_is_taken() {
    let place = Place::new();
    // A list of more components than any vector has, with a null row that would have to be filled.
    let item = Arc::new(Field::new("item", DataType::Float64, true));
    let wide = FixedSizeListArray::new_null(item, 100_000, 1);
    let wide = RecordBatch::try_from_iter([("v", Arc::new(wide) as ArrayRef)]).unwrap();
    for (name, bytes) in [
        ("wide.parquet", parquet(&wide, 1, false)),
        ("wide.arrow", ipc_file(std::slice::from_ref(&wide), None)),
        ("wide.arrows", ipc_stream(std::slice::from_ref(&wide), None)),
    ] {
        let error = failure(&place.write(name, &bytes)).to_string();
        assert!(error.contains("expected fixed sizes of 0 to 65536"), "{error}");
    }
    // A compressed buffer that claims to become a terabyte: the length is in front of the frame.
    let mut bytes = ipc_file(&[table(500)], Some(CompressionType::ZSTD));
    let frame = bytes.windows(4).position(|w| w == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    bytes[frame - 8..frame].copy_from_slice(&(1u64 << 40).to_le_bytes());
    let error = failure(&place.write("bomb.arrow", &bytes));
    assert!(error.to_string().contains("expected at most 67108864 bytes"), "{error}");
    assert_eq!(error.position().row, Some(0));
}

#[test]
fn a_codec_that_is_not_built_in_is_named_when_the_file_is_opened() {
    let mut bytes = parquet(&table(5).project(&[0]).unwrap(), 5, false);
    // In the footer the codec follows the path of the column: 1 (Snappy) becomes 4 (Brotli).
    let path = [0x18, 2, b'i', b'd', 0x15, 2];
    let at = bytes.windows(path.len()).position(|window| window == path).unwrap();
    bytes[at + 5] = 8;
    let error = open(Place::new().write("a.parquet", &bytes)).unwrap_err();
    assert!(matches!(error, ReadError::Unsupported(_)), "{error}");
    assert!(error.to_string().contains("at row group 0: expected pages compressed"), "{error}");
    assert!(error.to_string().contains("in column \"id\""), "{error}");
}
