//! Graph search through the public API: one query a call on one thread at several efforts, and a
//! batch on every thread. Recall of each effort is noted beside the time.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearfield::{Collection, CollectionConfig, Effort, Metric, SearchRequest, Vectors};
use nearfield_bench::{Data, K, in_memory, note_recall, recall};
use nearfield_datasets::generate::Shape;

const ROWS: usize = 20_000;
const QUERIES: usize = 256;
const DIM: usize = 384;
const EFFORTS: [usize; 4] = [10, 16, 32, 64];

fn search(c: &mut Criterion) {
    let (base, queries) = Data::clustered(Shape { rows: ROWS, dim: DIM, seed: 3 }, QUERIES);
    let config = CollectionConfig::new(DIM, Metric::Cosine);
    let collection = in_memory(config, &base).expect("a filled collection");
    let batch = queries.vectors().expect("queries");
    for ef in EFFORTS {
        let recall = recall(&collection, &batch, K, Effort::Ef(ef)).expect("recall");
        for group in ["search", "search_batch"] {
            note_recall(&format!("{group}/ef/{ef}"), recall).expect("a note beside the results");
        }
    }
    single(c, &collection, &queries);
    batched(c, &collection, &batch);
}

fn single(c: &mut Criterion, collection: &Collection, queries: &Data) {
    let queries: Vec<Vectors<'_>> = (0..queries.rows())
        .map(|row| Vectors::from_f32(DIM, queries.row(row)).expect("one query"))
        .collect();
    let mut group = c.benchmark_group("search");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(1));
    for ef in EFFORTS {
        let request = request(ef, Some(1));
        let mut turn = queries.iter().cycle();
        group.bench_function(BenchmarkId::new("ef", ef), |b| {
            b.iter(|| {
                let query = turn.next().expect("a cycle has no end");
                black_box(collection.search(query, &request).expect("hits"))
            });
        });
    }
    group.finish();
}

fn batched(c: &mut Criterion, collection: &Collection, queries: &Vectors<'_>) {
    let mut group = c.benchmark_group("search_batch");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.sample_size(20).throughput(Throughput::Elements(QUERIES as u64));
    for ef in EFFORTS {
        let request = request(ef, None);
        group.bench_function(BenchmarkId::new("ef", ef), |b| {
            b.iter(|| black_box(collection.search(queries, &request).expect("hits")));
        });
    }
    group.finish();
}

fn request(ef: usize, threads: Option<usize>) -> SearchRequest {
    SearchRequest { effort: Effort::Ef(ef), threads, ..SearchRequest::new(K) }
}

criterion_group!(benches, search);
criterion_main!(benches);
