//! The graph of the `hnsw_rs` crate, for `index="hnsw"`: built by the crate, searched by us.
//!
//! The crate inserts slot numbers and asks for the distances of our 8-bit rows. Its bottom layer
//! becomes the edges of a flat graph with the same codes and sections as ours, the points of its
//! top layers the entries. Points are inserted one after the other: in parallel the crate's
//! result depends on the threads' timing, and the same points must give the same bytes.

use std::sync::{Mutex, PoisonError};

use hnsw_rs::prelude::{Distance, Hnsw};

use super::build::{self, NONE, Site, shuffle};
use super::calibrate::{self, MOST_AT_BUILD, Subject};
use super::given::parts;
use super::repair::repair;
use super::search::{Edges, Starts, Walk};
use crate::codes::pairs::{Pairs, SignedRow, with_kernels};
use crate::config::Progress;
use crate::error::Result;
use crate::kernels::Kernel;

/// Most entries of a walk.
const ENTRIES_MAX: usize = 64;
/// Layers that the crate allows.
const LAYERS: usize = 16;
/// Insertions between two looks at the progress.
const STEP: usize = 64;

/// Grows the graph: a few nodes last, which serve as unseen queries before.
pub(super) fn grow(site: &Site<'_>, progress: &Progress) -> Result<build::Graph> {
    let mut sequence = site.nodes.to_vec();
    shuffle(&mut sequence, site.options.seed);
    // Walks begin at gates: none is held out.
    site.gates_first(&mut sequence);
    let held_out = calibrate::queries(sequence.len());
    let (first, last) = sequence.split_at(sequence.len() - held_out);

    let graph = Graph::new(site);
    graph.insert(first, progress)?;
    let (entries, edges) = graph.flatten(first);
    let places = Edges::of(&edges, site.options.degree);
    let starts = Starts { entries: &entries, gates: site.gates };
    let walk = Walk::new(site.layout(), site.slots(), site.codes, places, site.refine, starts)
        .expect("the builder's own sections fit");
    let subject = Subject {
        walk: &walk,
        quantizer: site.quantizer,
        rows: site.rows,
        order: site.order,
        nodes: first,
        most: MOST_AT_BUILD,
        caution: 1.0,
    };
    let curve = calibrate::learn_at_build(subject, last, progress)?;

    graph.insert(last, progress)?;
    let (entries, edges) = graph.flatten(site.nodes);
    progress.check("build")?;
    Ok(build::Graph { entries, edges: edges.iter().flat_map(|e| e.to_le_bytes()).collect(), curve })
}

struct Graph<'a> {
    site: &'a Site<'a>,
    hnsw: Hnsw<'a, u32, Distances<'a>>,
}

impl<'a> Graph<'a> {
    fn new(site: &'a Site<'a>) -> Self {
        let pairs = Pairs { layout: site.layout(), codes: site.codes, refine: site.refine };
        let distances = Distances { pairs, last: Mutex::new((NONE, SignedRow::default())) };
        // The bottom layer has twice as many neighbours as the others.
        let (neighbours, effort) = (site.options.degree / 2, site.options.effort);
        Self { site, hnsw: Hnsw::new(neighbours, site.nodes.len(), LAYERS, effort, distances) }
    }

    fn insert(&self, nodes: &[u32], progress: &Progress) -> Result<()> {
        for step in nodes.chunks(STEP) {
            progress.check("build")?;
            for node in step {
                self.hnsw.insert((&[*node], *node as usize));
            }
            progress.advance(step.len() as u64);
        }
        Ok(())
    }

    /// Entries, and the edges of the bottom layer, repaired so that each of `nodes` (those
    /// inserted) can be reached.
    fn flatten(&self, nodes: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let degree = self.site.options.degree;
        let mut edges = vec![NONE; self.site.slots() * degree];
        let mut entries = Vec::new();
        let points = self.hnsw.get_point_indexation();
        // A layer's list has the points that reach no higher.
        for layer in (0..=usize::from(points.get_max_level_observed())).rev() {
            for point in points.get_layer_iterator(layer) {
                let slot = point.get_origin_id();
                if entries.is_empty() || (layer > 0 && entries.len() < ENTRIES_MAX) {
                    entries.push(slot as u32);
                }
                let places = &mut edges[slot * degree..(slot + 1) * degree];
                // The first list is the bottom layer's, nearest first; those of layers that the
                // point does not reach hold leftovers.
                let lists = point.get_neighborhood_id();
                for (place, neighbour) in places.iter_mut().zip(lists.iter().take(1).flatten()) {
                    *place = neighbour.get_origin_id() as u32;
                }
            }
        }
        repair(&parts(self.site, nodes), &mut edges, &entries, self.site.options.effort);
        (entries, edges)
    }
}

/// Squared L2 distances of rows in code space: never negative, never NaN, on both of which the
/// crate panics.
struct Distances<'a> {
    pairs: Pairs<'a>,
    /// The slot asked about last, and its row: most questions are about the same one. Points are
    /// inserted by one thread, so nobody waits for the lock.
    last: Mutex<(u32, SignedRow)>,
}

impl Distance<u32> for Distances<'_> {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let (&[a], &[b]) = (a, b) else { return 0.0 };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (slot, row) = &mut *last;
        if *slot != a {
            self.pairs.unpack(a, row);
            *slot = a;
        }
        distance(self.pairs, row, b)
    }
}

fn distance(pairs: Pairs<'_>, row: &SignedRow, slot: u32) -> f32 {
    with_kernels!(distance_with(pairs: Pairs<'_>, row: &SignedRow, slot: u32) -> f32)
}

#[inline(always)]
fn distance_with<K: Kernel>(pairs: Pairs<'_>, row: &SignedRow, slot: u32) -> f32 {
    pairs.distance::<K>(row, slot)
}
