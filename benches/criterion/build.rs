//! From vectors in memory to a sealed, indexed collection in memory, with every thread of the
//! pool. Rows a second.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearfield::{Collection, CollectionConfig, Metric, Profile};
use nearfield_bench::{Data, fill};
use nearfield_datasets::generate::Shape;

const ROWS: usize = 5_000;

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(6));
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for (profile, dim) in [(Profile::Balanced, 128), (Profile::Balanced, 768), (Profile::Fast, 128)]
    {
        let (data, _) = Data::clustered(Shape { rows: ROWS, dim, seed: 2 }, 0);
        let config = CollectionConfig { profile, ..CollectionConfig::new(dim, Metric::Cosine) };
        group.bench_function(BenchmarkId::new(profile.name(), dim), |b| {
            b.iter_batched(
                || Collection::in_memory(config.clone()).expect("an empty collection"),
                |collection| {
                    fill(&collection, &data).expect("a filled collection");
                    collection
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
