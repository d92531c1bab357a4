//! Scoring codes: rows a second of each instruction set of this machine, by the bits of a
//! component. The codes fit the cache, so that arithmetic is measured, not memory.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearfield::bench::{KernelBench, instruction_sets};

const ROWS: usize = 1_024;
const DIM: usize = 384;
const BITS: [usize; 4] = [1, 2, 4, 8];

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.sample_size(50).throughput(Throughput::Elements(ROWS as u64));
    for isa in instruction_sets() {
        for bits in BITS {
            let kernel = KernelBench::new(isa, bits, DIM, ROWS).expect("a set of this machine");
            group.bench_function(BenchmarkId::new(isa, bits), |b| {
                b.iter(|| black_box(&kernel).run());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
