//! The `hnsw_rs` crate as a second opinion: on the same data, at the same beam, our graph finds
//! at least what a well-known graph finds.

use hnsw_rs::prelude::{DistL2, Hnsw};
use nearfield::{CollectionConfig, Effort, Ids, Metric, Progress, SearchRequest, Vectors};

const DIM: usize = 48;
const ROWS: usize = 4_000;
const QUERIES: usize = 100;
const K: usize = 10;

/// Seeded vectors around a few dozen centres.
fn data(rows: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let centres: Vec<f32> = (0..40 * DIM).map(|_| next()).collect();
    (0..rows * DIM).map(|i| centres[i / DIM % 40 * DIM + i % DIM] + 0.6 * next()).collect()
}

#[test]
fn finds_what_hnsw_rs_finds() {
    let all = data(ROWS + QUERIES, 11);
    let (base, queries) = all.split_at(ROWS * DIM);

    let hnsw = Hnsw::<f32, DistL2>::new(16, ROWS, 16, 200, DistL2 {});
    for (row, vector) in base.chunks_exact(DIM).enumerate() {
        hnsw.insert((vector, row));
    }

    let collection =
        nearfield::Collection::in_memory(CollectionConfig::new(DIM, Metric::L2)).unwrap();
    let ids = Ids::U64((0..ROWS as u64).collect());
    let vectors = Vectors::from_f32(DIM, base).unwrap();
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();

    let search = |effort| {
        let request = SearchRequest { effort, ..SearchRequest::new(K) };
        let found = collection.search(&Vectors::from_f32(DIM, queries).unwrap(), &request).unwrap();
        let Ids::U64(ids) = found.ids else { panic!("u64 ids") };
        ids
    };
    let truth = search(Effort::Exact);
    let ours = search(Effort::Ef(60));
    let (mut our_hits, mut their_hits) = (0, 0);
    for (query, vector) in queries.chunks_exact(DIM).enumerate() {
        let truth = &truth[query * K..][..K];
        our_hits += ours[query * K..][..K].iter().filter(|id| truth.contains(id)).count();
        let theirs = hnsw.search(vector, K, 60);
        their_hits += theirs.iter().filter(|n| truth.contains(&(n.d_id as u64))).count();
    }
    let places = (QUERIES * K) as f64;
    assert!(our_hits as f64 / places >= 0.95, "recall {}", our_hits as f64 / places);
    assert!(our_hits + 10 >= their_hits, "we found {our_hits}, hnsw_rs {their_hits}");
}
