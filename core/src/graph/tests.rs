//! The index against exact search, and against itself: recall, determinism, odd shapes.

use rayon::prelude::*;

use super::hop::{Beam, Scratch};
use super::refine::Depth;
use super::*;
use crate::codes::Query;
use crate::codes::rotation::splitmix;
use crate::config::Progress;
use crate::huge::HugeBytes;
use crate::kernels::exact;
use crate::originals::Originals;
use crate::types::Dtype;

/// Clustered vectors, a little noise in every direction.
fn clustered(rows: usize, dim: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut normal =
        || (0..4).map(|_| (splitmix(&mut state) >> 40) as f32 / 8_388_608.0 - 1.0).sum::<f32>();
    let centres: Vec<f32> = (0..clusters * dim).map(|_| normal()).collect();
    (0..rows)
        .flat_map(|row| {
            let centre = &centres[row % clusters * dim..][..dim];
            centre.iter().map(|c| c + 0.7 * normal()).collect::<Vec<_>>()
        })
        .collect()
}

fn options(metric: Metric, seed: u64) -> BuildOptions {
    BuildOptions::new(metric, Profile::Balanced, seed)
}

/// The same, of each kind.
fn of_each_kind(metric: Metric, seed: u64) -> impl Iterator<Item = BuildOptions> {
    IndexKind::ALL.iter().map(move |kind| BuildOptions { kind: *kind, ..options(metric, seed) })
}

fn bytes(vectors: &[f32]) -> Vec<u8> {
    vectors.iter().flat_map(|v| v.to_le_bytes()).collect()
}

struct BuiltIndex {
    order: Vec<u32>,
    meta: IndexMeta,
    codes: HugeBytes,
    edges: Vec<u8>,
    refine: HugeBytes,
}

fn built(rows: &Originals<'_>, options: &BuildOptions, threads: usize) -> BuiltIndex {
    built_on(rows, options, None, threads)
}

fn built_on(
    rows: &Originals<'_>,
    options: &BuildOptions,
    base: Option<&Base<'_>>,
    threads: usize,
) -> BuiltIndex {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let progress = Progress::new();
    pool.install(|| {
        let ordered = Ordered::new(rows, options, base, &progress).unwrap();
        let start = base.map_or(Start::Nothing, Start::Base);
        let Grown { meta, edges } = ordered.grow(rows, options, start, &progress).unwrap();
        assert_eq!(edges.len(), ordered.edge_bytes());
        let Ordered { order, codes, refine, .. } = ordered;
        BuiltIndex { order, meta, codes, edges, refine }
    })
}

/// Share of the true ten nearest that a walk's best `keep` candidates hold; ties count.
fn recall(rows: &Originals<'_>, index: &BuiltIndex, queries: &[f32], beam: Beam) -> f64 {
    let (meta, dim) = (&index.meta, rows.dim());
    let quantizer = meta.quantizer();
    let view = IndexView {
        meta,
        quantizer: &quantizer,
        codes: &index.codes,
        edges: &index.edges,
        refine: &index.refine,
    };
    let walk = view.walk().unwrap();
    let hits: usize = queries
        .par_chunks_exact(dim)
        .map_init(Scratch::default, |scratch, vector| {
            let exact = exact::Query::new(Metric::ALL[usize::from(meta.metric)], vector);
            let similarity = |slot: u32| exact.similarity(rows, index.order[slot as usize]);
            let mut all: Vec<f64> = (0..rows.rows() as u32).map(similarity).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let mut query = Query::default();
            query.prepare(&quantizer, vector);
            walk.search(&query, beam, scratch);
            walk.refine(&query, Depth::Best(10), scratch);
            let slots = scratch
                .refined
                .iter()
                .take(26)
                .flat_map(|c| c.slot()..=c.slot() + walk.fields(c.slot()).twins);
            slots.filter(|slot| similarity(*slot) >= all[9]).take(10).count()
        })
        .sum();
    hits as f64 / (queries.len() / dim * 10) as f64
}

fn check_recall(metric: Metric, dim: usize, bits: usize, least: f64) {
    let wanted = BuildOptions { bits, ..options(metric, 1) };
    check_recall_of(&wanted, dim, least);
}

fn check_recall_of(wanted: &BuildOptions, dim: usize, least: f64) {
    let data = clustered(6_100, dim, 37, 5);
    let (base, queries) = data.split_at(6_000 * dim);
    let base = bytes(base);
    let rows = Originals::new(Dtype::F32, dim, &base);
    let index = built(&rows, wanted, 2);
    let found = recall(&rows, &index, queries, Beam::whole(80));
    assert!(found >= least, "{wanted:?} {dim}-d: recall {found}");
}

#[test]
fn finds_neighbours_under_every_metric() {
    for metric in Metric::ALL {
        check_recall(metric, 96, 2, 0.95);
    }
}

#[test]
fn finds_neighbours_with_every_code() {
    for bits in [1, 2, 4, 8] {
        check_recall(Metric::Cosine, 128, bits, 0.9);
    }
}

#[test]
fn finds_neighbours_in_few_dimensions() {
    for dim in [1, 2, 3, 8, 33, 63] {
        check_recall(Metric::L2, dim, 2, 0.95);
    }
}

#[test]
fn finds_neighbours_through_the_graph_of_hnsw_rs() {
    let hnsw = |metric, profile| BuildOptions {
        kind: IndexKind::Hnsw,
        ..BuildOptions::new(metric, profile, 1)
    };
    for metric in Metric::ALL {
        check_recall_of(&hnsw(metric, Profile::Balanced), 96, 0.95);
    }
    check_recall_of(&hnsw(Metric::Cosine, Profile::Fast), 96, 0.95);
    check_recall_of(&hnsw(Metric::Cosine, Profile::Compact), 96, 0.9);
    for dim in [1, 3, 33] {
        check_recall_of(&hnsw(Metric::L2, Profile::Balanced), dim, 0.95);
    }
}

#[test]
fn same_bytes_for_any_number_of_threads() {
    let base = bytes(&clustered(5_000, 64, 20, 9));
    let rows = Originals::new(Dtype::F32, 64, &base);
    for wanted in of_each_kind(Metric::Cosine, 3) {
        let one = built(&rows, &wanted, 1);
        for threads in [2, 4, 7] {
            let other = built(&rows, &wanted, threads);
            assert_eq!(one.order, other.order);
            assert_eq!(one.meta, other.meta);
            assert!(*one.codes == *other.codes && one.edges == other.edges);
            assert!(*one.refine == *other.refine);
        }
    }
}

#[test]
fn every_node_can_be_reached() {
    let base = bytes(&clustered(4_000, 32, 400, 2));
    let rows = Originals::new(Dtype::F32, 32, &base);
    for wanted in of_each_kind(Metric::L2, 0) {
        let index = built(&rows, &wanted, 2);
        let edges: Vec<u32> =
            index.edges.as_chunks::<4>().0.iter().map(|e| u32::from_le_bytes(*e)).collect();
        let mut reached = vec![false; 4_000];
        let mut stack = index.meta.entries().to_vec();
        assert!((1..=64).contains(&stack.len()));
        while let Some(slot) = stack.pop() {
            if !std::mem::replace(&mut reached[slot as usize], true) {
                let from = slot as usize * 32;
                stack.extend(edges[from..from + 32].iter().filter(|e| **e != build::NONE));
            }
        }
        assert!(reached.iter().all(|r| *r), "{wanted:?}");
    }
}

#[test]
fn duplicates_hide_nothing() {
    // A quarter of the rows are copies of a few hundred others.
    let dim = 64;
    let mut data = clustered(4_000, dim, 25, 8);
    for copy in 0..1_000 {
        let from = copy % 300 * dim;
        data.copy_within(from..from + dim, (3_000 + copy) * dim);
    }
    let queries = clustered(4_100, dim, 25, 8).split_off(4_000 * dim);
    let base = bytes(&data);
    let rows = Originals::new(Dtype::F32, dim, &base);
    for wanted in of_each_kind(Metric::Cosine, 0) {
        let index = built(&rows, &wanted, 2);
        let found = recall(&rows, &index, &queries, Beam::whole(80));
        assert!(found >= 0.95, "{wanted:?}: recall {found}");
    }
}

#[test]
fn all_points_equal() {
    let base = bytes(&vec![0.5; 2_000 * 64]);
    let rows = Originals::new(Dtype::F32, 64, &base);
    for wanted in Metric::ALL.into_iter().flat_map(|metric| of_each_kind(metric, 0)) {
        let index = built(&rows, &wanted, 2);
        assert!((recall(&rows, &index, &[0.25; 64], Beam::whole(10)) - 1.0).abs() < 1e-9);
    }
}

#[test]
fn few_points() {
    for n in [1, 2, 3, 11] {
        let base = bytes(&clustered(n, 64, 2, 4));
        let rows = Originals::new(Dtype::F32, 64, &base);
        for wanted in of_each_kind(Metric::InnerProduct, 0) {
            assert_eq!(built(&rows, &wanted, 1).order.len(), n);
        }
    }
}

#[test]
fn hostile_sections_are_searched_without_harm() {
    let base = bytes(&clustered(1_500, 64, 5, 6));
    let rows = Originals::new(Dtype::F32, 64, &base);
    let mut index = built(&rows, &options(Metric::L2, 0), 1);
    let mut state = 77;
    for byte in index.codes.iter_mut().chain(&mut index.edges).chain(index.refine.iter_mut()) {
        *byte = splitmix(&mut state) as u8;
    }
    let quantizer = index.meta.quantizer();
    let view = IndexView {
        meta: &index.meta,
        quantizer: &quantizer,
        codes: &index.codes,
        edges: &index.edges,
        refine: &index.refine,
    };
    let (mut query, mut scratch) = (Query::default(), Scratch::default());
    query.prepare(&quantizer, &[1.0; 64]);
    let walk = view.walk().unwrap();
    walk.search(&query, Beam::whole(100), &mut scratch);
    walk.refine(&query, Depth::Best(10), &mut scratch);
    assert!(scratch.refined.iter().all(|c| (c.slot() as usize) < 1_500));
}

/// Far from each other, each within a few dimensions: edges alone don't lead from one to another.
#[test]
fn a_query_finds_its_cluster() {
    let (dim, clusters) = (64, 100);
    let mut data = vec![0.0; 20_200 * dim];
    let mut state = 21;
    let mut uniform = || (splitmix(&mut state) >> 40) as f32 / 8_388_608.0 - 1.0;
    let centres: Vec<f32> = (0..clusters * dim).map(|_| uniform()).collect();
    let axes: Vec<f32> = (0..clusters * 12 * dim).map(|_| 0.05 * uniform()).collect();
    for (row, vector) in data.chunks_exact_mut(dim).enumerate() {
        let cluster = row * 7 % clusters;
        vector.copy_from_slice(&centres[cluster * dim..][..dim]);
        for axis in axes[cluster * 12 * dim..][..12 * dim].chunks_exact(dim) {
            let along = uniform();
            vector.iter_mut().zip(axis).for_each(|(v, a)| *v += along * a);
        }
    }
    let (base, queries) = data.split_at(20_000 * dim);
    let base = bytes(base);
    let rows = Originals::new(Dtype::F32, dim, &base);
    for wanted in of_each_kind(Metric::L2, 0) {
        let found = recall(&rows, &built(&rows, &wanted, 4), queries, Beam::whole(40));
        assert!(found >= 0.95, "{:?}: {found}", wanted.kind);
    }
}

#[test]
fn clusters_that_make_no_sense_are_refused() {
    let base = bytes(&clustered(1_500, 64, 5, 6));
    let rows = Originals::new(Dtype::F32, 64, &base);
    let index = built(&rows, &options(Metric::L2, 0), 1);
    let check = |meta: &IndexMeta| {
        let (codes, edges, refine) = (index.codes.len(), index.edges.len(), index.refine.len());
        meta.check(1_500, 64, codes, edges, refine).map_err(|(what, _, _)| what)
    };
    assert_eq!(check(&index.meta), Ok(()));
    assert!(index.meta.scales.len() >= 8);
    let changes: [fn(&mut IndexMeta); 6] = [
        |meta| meta.scales.truncate(3),
        |meta| meta.means.truncate(64),
        |meta| meta.scales[0] = f32::NAN,
        |meta| meta.inner = -1.0,
        |meta| meta.gates.push(0),
        |meta| meta.gates[1] = 1_500,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut meta = index.meta.clone();
        change(&mut meta);
        assert!(check(&meta).is_err(), "change {number}");
    }
}

#[test]
fn the_dial_is_met_on_unseen_queries() {
    let dim = 64;
    let data = clustered(20_400, dim, 200, 12);
    let (base, queries) = data.split_at(20_000 * dim);
    let base = bytes(base);
    let rows = Originals::new(Dtype::F32, dim, &base);
    for wanted in of_each_kind(Metric::Cosine, 0) {
        let index = built(&rows, &wanted, 4);
        for asked in [0.9, 0.95, 0.98] {
            let effort = index.meta.curve().effort(10, asked);
            let reach = index.meta.curve().reach(10, effort);
            let found = recall(&rows, &index, queries, Beam::of(effort, 10, reach));
            let what = format!("{:?}: asked {asked}, found {found} at {effort}", wanted.kind);
            assert!(found >= f64::from(asked) - 0.02, "{what}");
        }
    }
}

/// Rows of which some are gone and some are new, on what is left of an index.
#[test]
fn an_index_is_healed_and_grows_on() {
    let (dim, old) = (96, 3_000);
    let mut vectors = clustered(4_000, dim, 40, 3);
    // Copies, also of rows that go.
    for (to, from) in [(7, 8), (1_500, 4), (3_500, 5), (3_600, 3)] {
        vectors.copy_within(from * dim..(from + 1) * dim, to * dim);
    }
    let options = options(Metric::L2, 5);
    let first = bytes(&vectors[..old * dim]);
    let before = built(&Originals::new(Dtype::F32, dim, &first), &options, 4);
    let left: Vec<usize> = (0..4_000).filter(|row| *row >= old || row % 4 != 0).collect();
    let picked: Vec<f32> = left.iter().flat_map(|r| &vectors[r * dim..][..dim]).copied().collect();
    let picked = bytes(&picked);
    let rows = Originals::new(Dtype::F32, dim, &picked);
    let quantizer = before.meta.quantizer();
    let view = IndexView {
        meta: &before.meta,
        quantizer: &quantizer,
        codes: &before.codes,
        edges: &before.edges,
        refine: &before.refine,
    };
    let row_of = |row: &u32| left.binary_search(&(*row as usize)).map_or(u32::MAX, |r| r as u32);
    let base = Base::new(view, before.order.iter().map(row_of).collect());
    let on = |threads| built_on(&rows, &options, Some(&base), threads);
    let (healed, anew) = (on(4), built(&rows, &options, 4));
    // So many that chance is below what is allowed.
    let queries = clustered(2_000, dim, 40, 11);
    let beam = Beam::whole(40);
    let (found, expected) =
        (recall(&rows, &healed, &queries, beam), recall(&rows, &anew, &queries, beam));
    assert!(found >= expected - 0.01, "{found} of {expected}");
    assert_ne!(healed.meta, anew.meta, "built on the old index");
    let again = on(1);
    assert_eq!(
        (&again.order, &again.meta, &again.codes[..], &again.edges, &again.refine[..]),
        (&healed.order, &healed.meta, &healed.codes[..], &healed.edges, &healed.refine[..])
    );
    let mut all: Vec<u32> = healed.order.clone();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..left.len() as u32));
}
