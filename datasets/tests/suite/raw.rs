//! `.npy`, `.*vecs` and `.*bin`: what is read, and what is refused where.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int32Type, UInt8Type, UInt64Type,
};
use arrow_schema::DataType;
use half::f16;
use nearfield_datasets::{Position, ReadError, ReadOptions, open};

use crate::files::{Place, bin, components, drain, failure, le_f32, le_u64, npy, npy_of, vecs};

#[test]
fn npy_of_every_type_and_version() {
    let place = Place::new();
    let floats = [1.5f32, -2., 0.25, 4., 5., 6.];
    let path = place.write("a.npy", &npy_of("<f4", "(2, 3)", &le_f32(&floats)));
    let source = open(&path).unwrap();
    assert_eq!(source.rows(), Some(2));
    let DataType::FixedSizeList(item, 3) = source.schema().field(0).data_type().clone() else {
        panic!("not a list of 3")
    };
    assert_eq!(item.data_type(), &DataType::Float32);
    assert_eq!(components::<Float32Type>(&drain(source).unwrap()), floats);

    let halves: Vec<u8> = floats.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    let batches = drain(open(place.write("h.npy", &npy_of("<f2", "(3, 2)", &halves))).unwrap());
    assert_eq!(components::<Float16Type>(&batches.unwrap()), floats.map(f16::from_f32));

    let doubles: Vec<u8> = floats.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
    let batches = drain(open(place.write("d.npy", &npy_of("<f8", "(1, 6)", &doubles))).unwrap());
    assert_eq!(components::<Float64Type>(&batches.unwrap()), floats.map(f64::from));

    for version in [1, 2, 3] {
        let dict = "{'shape': (2, 2), 'fortran_order': False, 'descr': '|u1'}";
        let path = place.write("u.NPY", &npy(version, dict, &[0, 127, 128, 255]));
        let batches = drain(open(path).unwrap()).unwrap();
        assert_eq!(components::<UInt8Type>(&batches), [0, 127, 128, 255]);
    }
    let path = place.write("i.npy", &npy_of("|i1", "(2, 2)", &[0, 127, 128, 255]));
    assert_eq!(components::<Int8Type>(&drain(open(path).unwrap()).unwrap()), [0, 127, -128, -1]);
    let path = place.write("none.npy", &npy_of("<f4", "(0, 3)", &[]));
    let source = open(path).unwrap();
    assert_eq!((source.rows(), drain(source).unwrap().len()), (Some(0), 0));
}

#[test]
fn vecs_and_bin() {
    let place = Place::new();
    let rows = [le_f32(&[1., 2.]), le_f32(&[3., 4.])];
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let batches = drain(open(place.write("a.fvecs", &vecs(&rows, 2))).unwrap()).unwrap();
    assert_eq!(components::<Float32Type>(&batches), [1., 2., 3., 4.]);
    let bytes = vecs(&[&[1, 2, 255], &[4, 5, 6]], 3);
    let batches = drain(open(place.write("a.bvecs", &bytes)).unwrap()).unwrap();
    assert_eq!(components::<UInt8Type>(&batches), [1, 2, 255, 4, 5, 6]);
    let bytes = vecs(&[&7i32.to_le_bytes(), &(-1i32).to_le_bytes()], 1);
    let batches = drain(open(place.write("a.ivecs", &bytes)).unwrap()).unwrap();
    assert_eq!(components::<Int32Type>(&batches), [7, -1]);

    let bytes = bin(2, 2, &le_f32(&[1., 2., 3., 4.]));
    let batches = drain(open(place.write("a.fbin", &bytes)).unwrap()).unwrap();
    assert_eq!(components::<Float32Type>(&batches), [1., 2., 3., 4.]);
    let batches = drain(open(place.write("a.u8bin", &bin(2, 1, &[1, 200]))).unwrap()).unwrap();
    assert_eq!(components::<UInt8Type>(&batches), [1, 200]);
    let batches = drain(open(place.write("a.i8bin", &bin(1, 2, &[1, 200]))).unwrap()).unwrap();
    assert_eq!(components::<Int8Type>(&batches), [1, -56]);
}

#[test]
fn batches_hold_as_many_rows_as_asked() {
    let place = Place::new();
    let values: Vec<f32> = (0..50).map(|i| i as f32).collect();
    let path = place.write("a.fbin", &bin(25, 2, &le_f32(&values)));
    let options = ReadOptions { batch_rows: 10, ..ReadOptions::default() };
    let batches = drain(options.open(&path).unwrap()).unwrap();
    let sizes: Vec<_> = batches.iter().map(arrow_array::RecordBatch::num_rows).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(components::<Float32Type>(&batches), values);
    // None at all would never end.
    let options = ReadOptions { batch_rows: 0, ..ReadOptions::default() };
    assert_eq!(drain(options.open(&path).unwrap()).unwrap().len(), 25);
    let options = ReadOptions { columns: Some(vec!["embedding".into()]), ..options };
    let error = options.open(&path).unwrap_err().to_string();
    assert!(error.contains("expected a column \"embedding\", found \"vector\""), "{error}");
}

#[test]
fn ids_beside_the_vectors() {
    let place = Place::new();
    let vectors = place.write("v.fbin", &bin(3, 1, &le_f32(&[1., 2., 3.])));
    let ids = place.write("ids.npy", &npy_of("<u8", "(3,)", &le_u64(&[9, 0, u64::MAX])));
    let options = ReadOptions { batch_rows: 2, ..ReadOptions::default() };
    let source = options.open(&vectors).unwrap().with_ids(&ids).unwrap();
    assert_eq!((source.rows(), source.schema().field(0).name().as_str()), (Some(3), "id"));
    let batches = drain(source).unwrap();
    let read: Vec<u64> = batches
        .iter()
        .flat_map(|b| b.column(0).as_primitive::<UInt64Type>().values().to_vec())
        .collect();
    assert_eq!(read, [9, 0, u64::MAX]);

    let attach = |name: &str, bytes: &[u8]| {
        let source = open(&vectors).unwrap().with_ids(place.write(name, bytes));
        source.and_then(drain).unwrap_err()
    };
    let negative = attach("neg.npy", &npy_of("<i8", "(3,)", &le_u64(&[1, 2, u64::MAX])));
    assert_eq!(negative.position().row, Some(2));
    assert!(negative.to_string().contains("expected ids of 0 or more, found -1"), "{negative}");
    let few = attach("few.npy", &npy_of("<u8", "(2,)", &le_u64(&[1, 2]))).to_string();
    assert!(few.contains("an id for each of the 3 vectors, found 2 ids"), "{few}");
    let floats = attach("f.npy", &npy_of("<f8", "(3,)", &le_u64(&[1, 2, 3]))).to_string();
    assert!(floats.contains("found dtype <f8"), "{floats}");
    let square = attach("s.npy", &npy_of("<u8", "(3, 1)", &le_u64(&[1, 2, 3]))).to_string();
    assert!(square.contains("found shape [3, 1]"), "{square}");
    let cut = attach("cut.npy", &npy_of("<u8", "(3,)", &le_u64(&[1, 2])));
    assert_eq!(cut.position().row, Some(2));
    let twice = open(&vectors).unwrap().with_ids(&ids).unwrap().with_ids(&ids).unwrap_err();
    assert!(twice.to_string().contains("a column \"id\" beside the vectors"), "{twice}");
}

#[test]
fn npy_that_is_sound_but_not_taken() {
    let place = Place::new();
    let data = le_f32(&[1., 2., 3., 4.]);
    let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }";
    let records = "{'descr': [('x', '<f4'), ('y', '<f4')], 'fortran_order': False, 'shape': (2,)}";
    for (bytes, expected) in [
        (npy(1, fortran, &data), "expected C order, found Fortran order"),
        (npy_of("|O", "(2, 2)", &data), "an array of objects or records"),
        (npy(1, records, &data), "an array of objects or records"),
        (npy_of(">f4", "(2, 2)", &data), "found >f4; save it again with arr.astype"),
        (npy_of("<i8", "(1, 2)", &data), "found <i8"),
        (
            npy_of("<f4", "(4,)", &data),
            "expected 2 dimensions (rows, components), found 1: shape [4]",
        ),
        (npy_of("<f4", "(1, 2, 2)", &data), "found 3: shape [1, 2, 2]"),
        (npy_of("<f4", "()", &data), "found 0: shape []"),
        (npy(9, fortran, &data), "expected version 1, 2 or 3, found version 9.0"),
    ] {
        let error = failure(&place.write("a.npy", &bytes));
        assert!(matches!(error, ReadError::Unsupported(_)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn contradictions_are_damage_and_say_where() {
    let place = Place::new();
    let data = le_f32(&[1., 2., 3., 4.]);
    let start = npy_of("<f4", "(2, 2)", &[]).len() as u64;
    let rows = [le_f32(&[1., 2.]), le_f32(&[3., 4.])];
    let mut mixed = vecs(&[&rows[0]], 2);
    mixed.extend(vecs(&[&rows[1]], 3));
    let huge = "(18446744073709551615, 65536)";
    let cases: [(&str, Vec<u8>, Position, &str); 14] = [
        ("a.npy", npy_of("<f4", "(2, 2)", &data[..12]), at_row(1, start + 8), "found 82 bytes"),
        ("b.npy", npy_of("<f4", "(1, 2)", &data), Position::byte(6), "more than one array"),
        ("c.npy", npy_of("<f4", huge, &data), Position::UNKNOWN, "more than fits a file"),
        ("d.npy", npy_of("<f4", "(2, 0)", &data), Position::byte(6), "a dimension of 1 to 65536"),
        ("e.npy", b"PK\x03\x04\x00\x00".to_vec(), Position::byte(0), "found \"PK\\x03\\x04"),
        ("f.npy", npy(1, "{'descr': '<f4'}", &data), Position::byte(10), "the entries descr"),
        ("g.npy", npy(1, "{'descr': <f4}", &data), Position::byte(20), "found \"<f4}\""),
        (
            "h.npy",
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
            Position::byte(8),
            "4294967295 bytes",
        ),
        ("a.fvecs", mixed, at_row(1, 12), "expected dimension 2, that of row 0, found 3"),
        ("b.fvecs", vecs(&[&rows[0], &rows[1][..5]], 2), at_row(1, 12), "cut off"),
        ("c.fvecs", vecs(&[&rows[0]], -2), at_row(0, 0), "a dimension above 0, found -2"),
        ("d.fvecs", vec![], Position::byte(0), "found an empty file"),
        ("a.fbin", bin(u32::MAX, 65_536, &data), at_row(0, 8), "found 24 bytes"),
        ("b.fbin", bin(1, u32::MAX, &data), Position::byte(4), "found 4294967295"),
    ];
    for (name, bytes, at, expected) in cases {
        let error = failure(&place.write(name, &bytes));
        assert!(matches!(error, ReadError::Malformed(_)), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        if at != Position::UNKNOWN {
            assert_eq!(error.position(), at, "{name}: {error}");
        }
    }
}

fn at_row(row: u64, byte: u64) -> Position {
    Position::row(row, byte)
}

#[test]
fn paths_that_are_not_files() {
    let place = Place::new();
    let missing = failure(&place.dir.path().join("none.npy")).to_string();
    assert!(missing.contains("cannot open: No such file"), "{missing}");
    std::fs::create_dir(place.dir.path().join("d.parquet")).unwrap();
    let directory = failure(&place.dir.path().join("d.parquet")).to_string();
    assert!(directory.contains("found a directory"), "{directory}");
    let csv = failure(&place.write("a.csv", b"1,2")).to_string();
    assert!(csv.contains(".npy .fvecs") && csv.contains("found .csv"), "{csv}");
    let bare = failure(&place.write("vectors", b"")).to_string();
    assert!(bare.contains("found none"), "{bare}");
}

#[test]
fn errors_cross_threads_and_name_the_file_and_the_fix() {
    fn check<T: std::error::Error + Send + Sync + 'static>() {}
    check::<ReadError>();
    let place = Place::new();
    let path = place.write("a.fbin", &bin(2, 1, &[0; 4]));
    assert_eq!(
        failure(&path).to_string(),
        format!(
            "{}: damaged or foreign at row 1, byte 12: expected 16 bytes (2 rows of 1 components), \
             found 12 bytes; the file is cut off; copy it again",
            path.display()
        )
    );
}
