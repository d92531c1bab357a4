//! The bundled sample is what its README says.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Int32Type};
use nearfield_datasets::reddit_mini::{COMMUNITIES, DIM, POSTS, VECTOR};
use nearfield_datasets::{InferOptions, ReadOptions, Source, infer, open};

use crate::files::drain;

fn sample(name: &str) -> Source {
    open(Path::new(env!("CARGO_MANIFEST_DIR")).join("reddit-mini").join(name)).unwrap()
}

#[test]
fn posts() {
    let source = sample("posts.parquet");
    assert_eq!(source.rows(), Some(POSTS));
    let mut titles = HashMap::new();
    let mut communities = HashSet::new();
    for batch in source {
        let batch = batch.unwrap();
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        let scores = batch.column_by_name("score").unwrap().as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let post = (text("title").value(row).to_owned(), scores.value(row));
            titles.insert(text("id").value(row).to_owned(), post);
            communities.insert(text("subreddit").value(row).to_owned());
        }
        let vectors = batch.column_by_name(VECTOR).unwrap().as_fixed_size_list();
        assert_eq!(vectors.value_length() as usize, DIM);
        let values = vectors.values().as_primitive::<Float16Type>().values();
        for vector in values.chunks_exact(DIM) {
            let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((square.sqrt() - 1.0).abs() < 1e-3, "length {}", square.sqrt());
        }
    }
    assert_eq!(titles.len() as u64, POSTS);
    assert_eq!(communities.len(), 2411);
    let (title, score) = &titles["t3_101eb1"];
    assert_eq!(title, "I know it's not about cats, but the Oatmeal strikes again.");
    assert_eq!(*score, 10_336);
}

#[test]
fn communities() {
    let options = ReadOptions { columns: Some(vec!["name".into()]), ..ReadOptions::default() };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reddit-mini/communities.parquet");
    let source = options.open(path).unwrap();
    assert_eq!(source.rows(), Some(COMMUNITIES));
    let batches = drain(source).unwrap();
    let names: Vec<_> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten())
        .collect();
    assert_eq!(names.len() as u64, COMMUNITIES);
    assert!(names.contains(&"aww") && names.is_sorted());
}

#[test]
fn inference_proposes_what_a_person_would() {
    let mut source = sample("posts.parquet");
    let schema = source.schema();
    let batch = source.next().unwrap().unwrap();
    let inferred = infer(&schema, Some(&batch), &InferOptions::default()).unwrap();
    assert_eq!((inferred.id.as_deref(), inferred.id_type), (Some("id"), "str"));
    assert_eq!(
        (inferred.vector.as_str(), inferred.dim, inferred.dtype),
        (VECTOR, Some(DIM), "f16")
    );
    let expected = [
        ("subreddit", "keyword"),
        ("title", "text"),
        ("score", "i64"),
        ("num_comments", "i64"),
        ("created_utc", "timestamp"),
        ("over_18", "bool"),
        ("is_self", "bool"),
        ("domain", "keyword"),
    ];
    assert_eq!(inferred.attributes, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(inferred.left_out, []);
}

#[test]
#[cfg(feature = "bundled")]
fn the_binary_holds_the_same_rows() {
    use arrow_schema::DataType;
    use nearfield_datasets::reddit_mini;

    let options = ReadOptions::default();
    for (bundled, name) in [
        (reddit_mini::posts(&options).unwrap(), "posts.parquet"),
        (reddit_mini::communities(&options).unwrap(), "communities.parquet"),
    ] {
        assert_eq!(drain(bundled).unwrap(), drain(sample(name)).unwrap());
    }
    assert!(matches!(
        reddit_mini::posts(&options).unwrap().schema().field_with_name(VECTOR).unwrap().data_type(),
        DataType::FixedSizeList(_, 384)
    ));
}
