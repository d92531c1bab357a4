//! `nearfield import hnsw_rs`, through the binary, on the bundled sample.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use hnsw_rs::prelude::{AnnT, DistCosine, DistHamming, Hnsw};
use nearfield::{Collection, Effort, Ids, OpenOptions, SearchRequest, Vectors};
use nearfield_datasets::ReadOptions;
use nearfield_datasets::reddit_mini::{DIM, VECTOR, posts};

use crate::command::{fails, json, works};
use crate::support::Dir;

const ROWS: usize = 4_000;
const QUERIES: usize = 200;
const K: usize = 10;

/// Embeddings of the first posts.
fn embeddings() -> Vec<f32> {
    let mut components = Vec::new();
    for batch in posts(&ReadOptions::default()).unwrap() {
        let batch = batch.unwrap();
        let lists = batch.column_by_name(VECTOR).unwrap().as_fixed_size_list().clone();
        let values = arrow_cast::cast(lists.values(), &arrow_schema::DataType::Float32).unwrap();
        components.extend_from_slice(values.as_primitive::<Float32Type>().values());
        if components.len() >= (ROWS + QUERIES) * DIM {
            break;
        }
    }
    components.truncate((ROWS + QUERIES) * DIM);
    components
}

fn id(row: usize) -> u64 {
    1_000_000_007 * row as u64 % 999_999_937
}

#[test]
fn an_index_of_real_posts_finds_what_it_found() {
    let dir = Dir::new();
    let mut base = embeddings();
    let queries = base.split_off(ROWS * DIM);
    let hnsw = Hnsw::<f32, DistCosine>::new(16, ROWS, 16, 200, DistCosine {});
    let rows: Vec<(&[f32], usize)> =
        base.chunks_exact(DIM).enumerate().map(|(row, v)| (v, id(row) as usize)).collect();
    hnsw.parallel_insert_slice(&rows);
    hnsw.file_dump(&dir.path(""), "posts").unwrap();

    let (dump, path) = (dir.text("posts"), dir.text("posts.nf"));
    let report = json(&["import", "hnsw_rs", &dump, &path]);
    assert_eq!((&report["points"], &report["dim"]), (&ROWS.into(), &DIM.into()));
    assert_eq!((&report["metric"], &report["indexed"]), (&"cosine".into(), &true.into()));
    works(&["verify", &path]);

    let collection = Collection::open(dir.path("posts.nf"), OpenOptions::default()).unwrap();
    let search = |effort| {
        let request = SearchRequest { effort, ..SearchRequest::new(K) };
        let queries = Vectors::from_f32(DIM, &queries).unwrap();
        let Ids::U64(ids) = collection.search(&queries, &request).unwrap().ids else { panic!() };
        ids
    };
    let truth = search(Effort::Exact);
    // Our beam is ordered by codes, theirs by vectors: a narrow one of ours finds a little less.
    for (effort, allowed) in [(64, QUERIES * K / 100), (128, 2)] {
        let (mut ours, mut theirs) = (0, 0);
        let found = search(Effort::Ef(effort));
        for (row, query) in queries.chunks_exact(DIM).enumerate() {
            let truth = &truth[row * K..][..K];
            ours += found[row * K..][..K].iter().filter(|id| truth.contains(id)).count();
            let found = hnsw.search(query, K, effort);
            theirs += found.iter().filter(|n| truth.contains(&(n.d_id as u64))).count();
        }
        assert!(ours + allowed >= theirs, "ef {effort}: {ours} hits, hnsw_rs has {theirs}");
        assert!(ours * 100 >= 97 * QUERIES * K, "ef {effort}: {ours} hits");
    }
}

#[test]
fn says_what_it_cannot_import() {
    let dir = Dir::new();
    let (dump, path) = (dir.text("d"), dir.text("c.nf"));
    let import = ["import", "hnsw_rs", &dump, &path];
    fails(&import, 1, &["d.hnsw.graph", "both files"]);
    let rows: Vec<[u8; 2]> = (0..20).map(|i| [i, 255 - i]).collect();
    let hnsw = Hnsw::<u8, DistHamming>::new(8, 20, 16, 40, DistHamming {});
    for (row, vector) in rows.iter().enumerate() {
        hnsw.insert((vector, row));
    }
    hnsw.file_dump(&dir.path(""), "d").unwrap();
    fails(&import, 1, &["DistHamming", "expected DistCosine, DistDot or DistL2"]);
    assert!(!dir.path("c.nf").exists());
    fails(&["import", "hnsw_rs", &dump], 2, &["PATH"]);
    fails(&["import", "faiss", &dump, &path], 2, &["faiss"]);
    fails(&["import", "hnsw_rs", &dump, &path, "--metric", "hamming"], 2, &["hamming", "cosine"]);
    let help = works(&["import", "hnsw_rs", "--help"]);
    assert!(help.contains("nearfield import hnsw_rs dumps/posts posts.nf"), "{help}");
}
