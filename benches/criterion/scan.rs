//! Exact search: one thread compares a query with every row. Rows a second of the kernels that
//! score original vectors, by metric and stored type.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearfield::{CollectionConfig, Dtype, Effort, Metric, SearchRequest};
use nearfield_bench::{Data, K, in_memory};
use nearfield_datasets::generate::Shape;

const ROWS: usize = 20_000;
const DIM: usize = 384;

fn scan(c: &mut Criterion) {
    let (floats, float_queries) = Data::clustered(Shape { rows: ROWS, dim: DIM, seed: 1 }, 1);
    let mut group = c.benchmark_group("scan");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.sample_size(20).throughput(Throughput::Elements(ROWS as u64));
    let cases = [
        (Metric::Cosine, Dtype::F32),
        (Metric::Cosine, Dtype::F16),
        (Metric::InnerProduct, Dtype::F32),
        (Metric::L2, Dtype::F32),
        (Metric::L2, Dtype::U8),
        (Metric::L2, Dtype::I8),
    ];
    for (metric, dtype) in cases {
        let fit = |data: &Data| match dtype {
            Dtype::U8 => data.integers(0.0, 255.0),
            Dtype::I8 => data.integers(-128.0, 127.0),
            Dtype::F32 | Dtype::F16 => data.clone(),
        };
        let (base, query) = (fit(&floats), fit(&float_queries));
        let config = CollectionConfig { dtype, ..CollectionConfig::new(DIM, metric) };
        let collection = in_memory(config, &base).expect("a filled collection");
        let query = query.vectors().expect("one query");
        let request =
            SearchRequest { effort: Effort::Exact, threads: Some(1), ..SearchRequest::new(K) };
        group.bench_function(BenchmarkId::new(metric.name(), dtype), |b| {
            b.iter(|| black_box(collection.search(&query, &request).expect("hits")));
        });
    }
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
