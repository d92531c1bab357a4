//! Opening a sealed collection on disk for reading. The time must not grow with its rows: opening
//! reads tables of contents, not vectors.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nearfield::{Collection, CollectionConfig, Metric, OpenOptions};
use nearfield_bench::{Data, fill};
use nearfield_datasets::generate::Shape;

const DIM: usize = 128;

fn open(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut group = c.benchmark_group("open");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for rows in [2_000, 20_000] {
        let path = directory.path().join(format!("{rows}.nf"));
        let (data, _) = Data::clustered(Shape { rows, dim: DIM, seed: 4 }, 0);
        let config = CollectionConfig::new(DIM, Metric::Cosine);
        let collection = Collection::create(&path, config).expect("an empty collection");
        fill(&collection, &data).expect("a filled collection");
        collection.close().expect("closed");
        group.bench_function(BenchmarkId::new("rows", rows), |b| {
            b.iter(|| black_box(Collection::open(&path, OpenOptions::default()).expect("open")));
        });
    }
    group.finish();
}

criterion_group!(benches, open);
criterion_main!(benches);
