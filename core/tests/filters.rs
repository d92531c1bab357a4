//! A filter in a search: through the graph and by scan, alone and with exclusions, caps and
//! deletes; how many come back, and that they are the nearest.

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use common::{Numbers, components, every_kind_of_file, open};
use nearfield::{
    AttributeType, Cap, Collection, CollectionConfig, Effort, Error, Ids, Metric, Mode, Progress,
    Schema, SearchRequest, SearchResults, Vectors,
};

const DIM: usize = 32;
const ROWS: usize = 20_000;
const QUERIES: usize = 40;

/// Clustered points with their cluster, a number that says nothing, and their rank along a
/// direction of space.
fn world() -> (Collection, Vec<f32>) {
    let centres = components(30, DIM, 1);
    let noise = components(ROWS + QUERIES, DIM, 2);
    let mut numbers = Numbers(3);
    let clusters: Vec<usize> = (0..ROWS + QUERIES).map(|_| numbers.next() as usize % 30).collect();
    let mut base: Vec<f32> = noise
        .chunks(DIM)
        .zip(&clusters)
        .flat_map(|(noise, c)| {
            noise.iter().zip(&centres[c * DIM..]).map(|(n, c)| c + 0.7 * n).collect::<Vec<_>>()
        })
        .collect();
    let queries = base.split_off(ROWS * DIM);
    let mut config = CollectionConfig::new(DIM, Metric::L2);
    let names = ["cluster", "random", "place"];
    config.schema = Schema::new(names.map(|name| (name.to_owned(), AttributeType::I64))).unwrap();
    let collection = Collection::in_memory(config).unwrap();
    let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let place = base.chunks(DIM).map(|row| (f64::from(row[0]) * 1e6) as i64).collect();
    let batch = RecordBatch::try_from_iter([
        ("cluster", column(clusters[..ROWS].iter().map(|c| *c as i64).collect())),
        ("random", column((0..ROWS).map(|_| (numbers.next() % 10_000) as i64).collect())),
        ("place", column(place)),
    ])
    .unwrap();
    let vectors = Vectors::from_f32(DIM, &base).unwrap();
    let ids = Ids::U64((0..ROWS as u64).collect());
    collection.upsert(&ids, &vectors, Some(&batch), &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    (collection, queries)
}

fn search(world: &(Collection, Vec<f32>), request: &SearchRequest) -> SearchResults {
    world.0.search(&Vectors::from_f32(DIM, &world.1).unwrap(), request).unwrap()
}

fn ids(results: &SearchResults) -> &[u64] {
    let Ids::U64(ids) = &results.ids else { panic!("string ids") };
    ids
}

#[test]
fn whatever_passes_k_come_back_and_the_nearest_ones() {
    let world = world();
    let filters = [
        ("random < 9000", ROWS),
        ("random < 5000", ROWS),
        ("random < 3000", ROWS),
        ("random < 1000", ROWS),
        ("random < 300", ROWS),
        ("random < 30", ROWS),
        ("random < 2", ROWS),
        ("random < 0", 0),
        // As near or as far as can be from many queries.
        ("cluster IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)", ROWS),
        ("cluster = 7", ROWS),
        ("place > 300000", ROWS),
        ("place < -900000 OR random < 100", ROWS),
    ];
    for (filter, most) in filters {
        for k in [1, 10, 100] {
            let request =
                SearchRequest { filter: Some(filter.to_owned()), ..SearchRequest::new(k) };
            let exact = search(&world, &SearchRequest { effort: Effort::Exact, ..request.clone() });
            let found = search(&world, &request);
            assert_eq!(found.counts, exact.counts, "{filter}");
            assert!(exact.counts.iter().all(|count| *count <= most.min(k)));
            let (mut hits, mut all) = (0, 0);
            for (row, count) in exact.counts.iter().enumerate() {
                let places = row * k..row * k + count;
                let truth = &ids(&exact)[places.clone()];
                hits += ids(&found)[places].iter().filter(|id| truth.contains(id)).count();
                all += count;
            }
            assert!(
                hits as f64 >= 0.93 * f64::from(all as u32),
                "{filter}, k {k}: {hits} of {all}"
            );
        }
    }
}

#[test]
fn a_filter_goes_with_everything_else() {
    let world = world();
    let deleted = world.0.delete_where("random BETWEEN 100 AND 199").unwrap();
    assert!((150..250).contains(&deleted), "{deleted}");
    let plain = SearchRequest {
        filter: Some("random < 400".to_owned()),
        effort: Effort::Exact,
        with_attributes: vec!["random".to_owned(), "cluster".to_owned()],
        ..SearchRequest::new(1_000)
    };
    let all = search(&world, &plain);
    let left = all.counts[0];
    assert!(all.counts.iter().all(|count| *count == left) && (500..700).contains(&left));
    // The ten nearest of each query go, and one that doesn't pass.
    let nearest: Vec<u64> =
        (0..QUERIES).flat_map(|q| ids(&all)[q * 1_000..][..10].to_vec()).collect();
    let mut distinct = nearest.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let exclude = Some(Ids::U64([nearest.clone(), vec![1, 2, 3, 99_999]].concat()));
    let excluded = search(&world, &SearchRequest { exclude, ..plain.clone() });
    let passing_of_three = [1, 2, 3].iter().filter(|id| ids(&all)[..left].contains(id));
    let gone = distinct.len() + passing_of_three.filter(|id| !distinct.contains(id)).count();
    assert!(excluded.counts.iter().all(|count| *count == left - gone));
    assert!(!ids(&excluded).iter().any(|id| distinct.contains(id)));
    let cap = Some(Cap { group_by: "cluster".to_owned(), max_per_group: 2 });
    let capped = search(&world, &SearchRequest { cap, ..plain });
    assert!(capped.counts.iter().all(|count| *count == 60), "{:?}", capped.counts);
}

#[test]
fn filters_survive_a_restart_and_reach_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.nf");
    let collection = Collection::create(&path, common::config(8)).unwrap();
    every_kind_of_file(&collection);
    let texts = [
        "tag = 'tag 3'",
        "flair HAS 'f2' AND score > 100",
        "ratio < 20 OR over_18",
        "created > TIMESTAMP '2012-10-12 00:00:00.000500' AND NOT over_18",
        "score IS NULL",
    ];
    let query = components(1, 8, 9);
    let find = |collection: &Collection, text: &str| {
        let query = Vectors::from_f32(8, &query).unwrap();
        let request = SearchRequest { filter: Some(text.to_owned()), ..SearchRequest::new(2_000) };
        let results = collection.search(&query, &request).unwrap();
        (results.counts[0], results.ids)
    };
    let before = texts.map(|text| find(&collection, text));
    assert!(before.iter().all(|(count, _)| *count > 0));
    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!(texts.map(|text| find(&reader, text)), before);
    collection.close().unwrap();
    let writer = open(&path, Mode::Write).unwrap();
    assert_eq!(texts.map(|text| find(&writer, text)), before);
    let deleted = writer.delete_where(texts[0]).unwrap();
    assert_eq!(deleted as usize, before[0].0);
    writer.close().unwrap();
    let again = open(&path, Mode::Read).unwrap();
    assert_eq!(find(&again, texts[0]).0, 0);
    assert_eq!(again.delete_where(texts[0]).unwrap_err().to_string(), {
        "delete: the collection is open for reading; open it with mode \"r+\" to write"
    });
}

#[test]
fn a_wrong_filter_changes_nothing() {
    let collection = Collection::in_memory(common::config(8)).unwrap();
    common::upsert(&collection, 0, 10);
    let query = components(1, 8, 9);
    let query = Vectors::from_f32(8, &query).unwrap();
    for text in ["scor > 1", "title = 'x'", "score > 'x'", "", "score >"] {
        let request = SearchRequest { filter: Some(text.to_owned()), ..SearchRequest::new(5) };
        let error = collection.search(&query, &request).unwrap_err();
        assert!(matches!(error, Error::Filter { .. }), "{error}");
        assert!(matches!(collection.delete_where(text), Err(Error::Filter { .. })));
    }
    assert_eq!(collection.len(), 10);
}
