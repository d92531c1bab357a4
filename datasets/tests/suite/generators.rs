//! The generators make what they say, and the same bytes forever.

use std::collections::HashSet;

use nearfield_datasets::generate::{
    Clusters, Duplicates, Groups, LowIntrinsic, OffDistribution, Perturb, Shape, flags, gaussian,
    hashed_groups, heavy_tailed, keywords, normalize, quantize_u8, timestamps, uniform,
};

const SHAPE: Shape = Shape { rows: 200, dim: 24, seed: 42 };
const MIXTURE: Clusters = Clusters { shape: SHAPE, clusters: 8, intrinsic: 6, spread: 0.4 };

/// FNV-1a of bytes.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn digest_f32(values: &[f32]) -> u64 {
    digest(values.iter().flat_map(|x| x.to_le_bytes()))
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// A change of any of these changes every benchmark and many tests: make a new generator instead.
#[test]
fn golden_values() {
    let base = MIXTURE.generate();
    let off = OffDistribution { queries: 10, parts: 3, shift: 0.3, seed: 1 };
    let low = LowIntrinsic { shape: SHAPE, intrinsic: 5, noise: 0.01 };
    let duplicates = Duplicates { fraction: 0.3, seed: 1 };
    let perturb = Perturb { rows: 500, noise: 0.1, seed: 1 };
    let groups = Groups { rows: 500, groups: 50, seed: 1 };
    let words = |values: Vec<u32>| digest(values.into_iter().flat_map(u32::to_le_bytes));
    let longs = |values: Vec<i64>| digest(values.into_iter().flat_map(i64::to_le_bytes));
    let found = [
        ("uniform", digest_f32(&uniform(SHAPE))),
        ("gaussian", digest_f32(&gaussian(SHAPE))),
        ("low intrinsic", digest_f32(&low.generate())),
        ("clusters", digest_f32(&base.vectors)),
        ("labels", words(base.clusters.clone())),
        ("queries", digest_f32(&MIXTURE.queries(10).vectors)),
        ("off", digest_f32(&off.apply(&base.vectors, 24))),
        ("duplicates", digest_f32(&duplicates.apply(&base.vectors, 24))),
        ("perturb", digest_f32(&perturb.apply(&base.vectors, 24))),
        ("quantize", digest(quantize_u8(&base.vectors))),
        ("hashed", words(hashed_groups(groups))),
        ("zipf", words(groups.zipf(1.1))),
        ("tail", longs(heavy_tailed(500, 1.2, 1))),
        ("times", longs(timestamps(500, 0..1_000_000_000, 1))),
        ("flags", digest(flags(500, 0.3, 1).into_iter().map(u8::from))),
    ];
    let found: Vec<String> = found.map(|(name, hash)| format!("{name} {hash:016x}")).into();
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 15] = [
    "uniform 56807e680c2ad529",
    "gaussian 104f4dbf2ac64b16",
    "low intrinsic eaa6816877b111a3",
    "clusters 307ba3ac15c2db49",
    "labels 5c10d64ae3e4c926",
    "queries 84d953be38ea40ac",
    "off fb6cc7ef2e738b91",
    "duplicates 1237a10200de4201",
    "perturb b816f2af141e2763",
    "quantize c34aa7102f6875a3",
    "hashed 6f9f92e623357736",
    "zipf 807411bc0ca8d07e",
    "tail 7cdc2445950c6742",
    "times d9a4be51597b7e1a",
    "flags 3dabbe141cec2942",
];

#[test]
fn a_longer_run_begins_with_the_shorter_one() {
    let longer = Shape { rows: 300, ..SHAPE };
    assert_eq!(uniform(longer)[..200 * 24], uniform(SHAPE));
    let more = Clusters { shape: longer, ..MIXTURE }.generate();
    assert_eq!(more.vectors[..200 * 24], MIXTURE.generate().vectors);
    assert_ne!(uniform(Shape { seed: 43, ..SHAPE }), uniform(SHAPE));
}

#[test]
fn clusters_are_apart_and_have_their_spread() {
    let points = Clusters { shape: Shape { rows: 2000, ..SHAPE }, ..MIXTURE }.generate();
    let rows: Vec<&[f32]> = points.vectors.chunks_exact(24).collect();
    let mut centres = vec![(vec![0f64; 24], 0.0); 8];
    for (row, &cluster) in rows.iter().zip(&points.clusters) {
        let (sum, count) = &mut centres[cluster as usize];
        sum.iter_mut().zip(*row).for_each(|(s, &x)| *s += f64::from(x));
        *count += 1.0;
    }
    for (sum, count) in &mut centres {
        assert!(*count > 180.0, "{count} points in a cluster");
        for s in sum {
            *s /= *count;
        }
    }
    let square: f64 = rows
        .iter()
        .zip(&points.clusters)
        .map(|(row, &c)| {
            let centre = &centres[c as usize].0;
            row.iter().zip(centre).map(|(&x, m)| (f64::from(x) - m).powi(2)).sum::<f64>()
        })
        .sum::<f64>();
    let spread = (square / rows.len() as f64).sqrt();
    assert!((spread - 0.4).abs() < 0.05, "{spread}");
    assert_eq!(keywords(&points.clusters)[0], format!("g{}", points.clusters[0]));
}

#[test]
fn the_intrinsic_dimension_is_what_was_asked() {
    // Without noise, rows of a cloud of 5 dimensions: the sixth of an orthogonal basis is zero.
    let cloud = LowIntrinsic { shape: SHAPE, intrinsic: 5, noise: 0.0 }.generate();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for row in cloud.chunks_exact(24).take(20) {
        let mut rest: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        for axis in &basis {
            let along: f64 = rest.iter().zip(axis).map(|(x, a)| x * a).sum();
            rest.iter_mut().zip(axis).for_each(|(x, a)| *x -= along * a);
        }
        let length = rest.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 1e-4 {
            basis.push(rest.iter().map(|x| x / length).collect());
        }
    }
    assert_eq!(basis.len(), 5);
}

#[test]
fn duplicates_are_exact_and_as_many_as_asked() {
    let base = gaussian(Shape { rows: 2000, ..SHAPE });
    let heavy = Duplicates { fraction: 0.4, seed: 3 }.apply(&base, 24);
    let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let distinct: HashSet<_> = heavy.chunks_exact(24).map(bits).collect();
    let share = 1.0 - distinct.len() as f64 / 2000.0;
    assert!((share - 0.4).abs() < 0.05, "{share}");
    assert_eq!(Duplicates { fraction: 0.0, seed: 3 }.apply(&base, 24), base);
}

#[test]
fn noise_keeps_length_and_neighbourhood() {
    let mut base = gaussian(SHAPE);
    let large = Perturb { rows: 450, noise: 0.2, seed: 1 }.apply(&base, 24);
    normalize(&mut base, 24);
    let mut mean = 0.0;
    for (i, row) in large.chunks_exact(24).enumerate() {
        assert!((dot(row, row) - 1.0).abs() < 1e-5);
        let from = i % 200 * 24;
        mean += dot(row, &base[from..from + 24]) / 450.0;
    }
    // cos = 1 / sqrt(1 + noise^2)
    assert!((mean - 0.98).abs() < 0.005, "{mean}");
    let copies = Perturb { rows: 200, noise: 0.0, seed: 1 }.apply(&base, 24);
    assert!(copies.iter().zip(&base).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn off_distribution_queries_are_farther_from_the_points() {
    let mut base = MIXTURE.generate().vectors;
    normalize(&mut base, 24);
    let best = |queries: &[f32]| {
        let nearest = |q: &[f32]| {
            base.chunks_exact(24).map(|row| dot(row, q)).fold(f64::NEG_INFINITY, f64::max)
        };
        queries.chunks_exact(24).map(nearest).sum::<f64>() / (queries.len() / 24) as f64
    };
    let mut on = MIXTURE.queries(50).vectors;
    normalize(&mut on, 24);
    let off = OffDistribution { queries: 50, parts: 3, shift: 0.3, seed: 1 }.apply(&base, 24);
    assert!(best(&on) > best(&off) + 0.1, "{} {}", best(&on), best(&off));
}

#[test]
fn attributes_have_their_distributions() {
    let groups = Groups { rows: 10_000, groups: 100, seed: 1 };
    let size = |values: &[u32], group| values.iter().filter(|&&g| g == group).count() as f64;
    let zipf = groups.zipf(1.0);
    // The harmonic number of 100 is 5.19.
    assert!((size(&zipf, 0) - 10_000.0 / 5.19).abs() < 150.0);
    assert!((size(&zipf, 9) - 1_000.0 / 5.19).abs() < 60.0);
    let hashed = hashed_groups(groups);
    assert!((0..100).all(|g| (60.0..145.0).contains(&size(&hashed, g))));
    let share = flags(10_000, 0.25, 1).iter().filter(|&&set| set).count();
    assert!((2300..2700).contains(&share), "{share}");
    let tail = heavy_tailed(10_000, 1.0, 1);
    let large = tail.iter().filter(|&&x| x >= 10).count();
    assert!(tail.iter().all(|&x| x >= 1) && (850..1150).contains(&large), "{large}");
    assert!(timestamps(1000, -5..5, 1).iter().all(|t| (-5..5).contains(t)));
}

#[test]
fn shapes_without_rows_or_components_are_empty() {
    let none = Shape { rows: 10, dim: 0, seed: 1 };
    assert_eq!(uniform(none), []);
    assert_eq!(
        Clusters { shape: none, clusters: 0, intrinsic: 0, spread: 1.0 }.generate().vectors,
        []
    );
    let perturb = Perturb { rows: 10, noise: 0.1, seed: 1 };
    assert_eq!((perturb.apply(&[], 4), perturb.apply(&[1.0], 0)), (vec![], vec![]));
    let off = OffDistribution { queries: 3, parts: 0, shift: 0.0, seed: 1 };
    assert_eq!(off.apply(&[], 4), []);
    assert_eq!(Duplicates { fraction: 1.0, seed: 1 }.apply(&[1.0, 2.0], 0), []);
    assert_eq!((quantize_u8(&[]), quantize_u8(&[3.0, 3.0])), (vec![], vec![0, 0]));
    assert_eq!(Groups { rows: 2, groups: 0, seed: 1 }.zipf(1.0), [0, 0]);
    assert_eq!(timestamps(2, 5..5, 1), [5, 5]);
}
