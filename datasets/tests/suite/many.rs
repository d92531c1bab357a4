//! Several files by a pattern.

use arrow_array::types::Float32Type;
use nearfield_datasets::{ReadError, ReadOptions, open_all};

use crate::files::{Place, bin, components, drain, le_f32, npy_of, parquet, table};

fn pattern(place: &Place, name: &str) -> String {
    place.dir.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn files_come_in_the_order_of_their_paths() {
    let place = Place::new();
    place.write("b.fbin", &bin(1, 1, &le_f32(&[2.])));
    place.write("a.fbin", &bin(2, 1, &le_f32(&[0., 1.])));
    place.write("c.fbin", &bin(0, 1, &[]));
    place.write("d.fbin", &bin(1, 1, &le_f32(&[3.])));
    let source = open_all(&pattern(&place, "*.fbin"), &ReadOptions::default()).unwrap();
    assert_eq!(source.rows(), Some(4));
    assert_eq!(components::<Float32Type>(&drain(source).unwrap()), [0., 1., 2., 3.]);
    // The ids of all files together.
    let ids = place.write("ids.npy", &npy_of("<u8", "(4,)", &[0; 32]));
    let source = open_all(&pattern(&place, "*.fbin"), &ReadOptions::default()).unwrap();
    assert_eq!(drain(source.with_ids(ids).unwrap()).unwrap().len(), 3);
}

#[test]
fn a_path_with_brackets_is_a_path() {
    let place = Place::new();
    place.write("a[1].fbin", &bin(1, 1, &le_f32(&[2.])));
    let source = open_all(&pattern(&place, "a[1].fbin"), &ReadOptions::default()).unwrap();
    assert_eq!(source.rows(), Some(1));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let place = Place::new();
    place.write("a.parquet", &parquet(&table(3), 3, false));
    place.write("b.parquet", &parquet(&table(3).project(&[0, 1]).unwrap(), 3, false));
    let error = open_all(&pattern(&place, "*.parquet"), &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, ReadError::SchemaMismatch { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("b.parquet: expected column \"label\"") && text.contains("no further column"),
        "{text}"
    );
    // With the columns that both have it works.
    let options = ReadOptions { columns: Some(vec!["name".into()]), ..ReadOptions::default() };
    assert_eq!(open_all(&pattern(&place, "*.parquet"), &options).unwrap().rows(), Some(6));
}

#[test]
fn patterns_without_a_match_say_so() {
    let place = Place::new();
    let none = open_all(&pattern(&place, "*.npy"), &ReadOptions::default()).unwrap_err();
    assert!(none.to_string().contains("expected at least one matching file, found none"), "{none}");
    let bad = open_all(&pattern(&place, "[.npy"), &ReadOptions::default()).unwrap_err();
    assert!(bad.to_string().contains("expected a glob"), "{bad}");
    let missing = open_all(&pattern(&place, "a.npy"), &ReadOptions::default()).unwrap_err();
    assert!(missing.to_string().contains("cannot open"), "{missing}");
    place.write("note.txt", b"");
    let foreign = open_all(&pattern(&place, "*"), &ReadOptions::default()).unwrap_err();
    assert!(matches!(foreign, ReadError::UnknownExtension { .. }), "{foreign}");
}
