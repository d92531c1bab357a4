//! A graph out of one that is there already for most of the rows: what a merge does when most of
//! its points come from one segment.
//!
//! The codes are copied, while the rows form the same clusters. The graph is healed: where a neighbour is gone, its own neighbours are
//! candidates in its place (`FreshDiskANN`, Singh et al. 2021). Rows that are new are inserted as in any
//! build. Like a build a function of its input: any number of threads gives the same bytes.

use rayon::prelude::*;

use super::build::{Builder, Graph, NONE, Site, Worker, largest_batch, shrink, shuffle};
use super::given::{measure, nodes_of_rows, parts};
use super::repair::repair;
use super::{BuildOptions, IndexView};
use crate::codes::layout::Fields;
use crate::codes::{Layout, SpaceParams};
use crate::config::Progress;
use crate::error::Result;
use crate::types::IndexKind;

/// How far the centroid may have moved, as a share of the rows' distance to it: codes are made
/// about the old one.
const DRIFT_MAX: f64 = 0.2;

/// At most this share of the slots may be gone for the graph to be healed: with more, what is left
/// finds less than a new graph (`benches/LOG.md`). Above that from which on a merge is due.
const GONE_MAX: f64 = 0.28;
/// The same where the graph is to be as good as a new one: healed again and again it finds a little
/// less each time.
const GONE_FEW: f64 = 0.05;

/// An index that is there already, of which most rows are left. Its bytes are as they were
/// written: whoever makes one has verified them.
#[derive(Debug)]
pub(crate) struct Base<'a> {
    index: IndexView<'a>,
    /// Its slots to rows; `u32::MAX` for those that are gone.
    row_of: Vec<u32>,
    gone_max: f64,
}

impl<'a> Base<'a> {
    /// `row_of` has the row of each slot, `u32::MAX` for those that are gone.
    pub(crate) fn new(index: IndexView<'a>, row_of: Vec<u32>) -> Self {
        Self { index, row_of, gone_max: GONE_MAX }
    }

    /// Has the graph healed only if it will be as good as a new one.
    pub(crate) fn only_if_good(self) -> Self {
        Self { gone_max: GONE_FEW, ..self }
    }

    /// How many it had, gone ones too.
    pub(super) fn rows(&self) -> usize {
        self.row_of.len()
    }

    /// How vectors entered its code space, if that is the space that these rows would enter.
    pub(super) fn params(
        &self,
        fresh: &SpaceParams,
        layout: Layout,
        options: &BuildOptions,
    ) -> Option<SpaceParams> {
        let quantizer = self.index.quantizer;
        let old = &quantizer.params;
        let same = quantizer.layout == layout
            && options.kind == IndexKind::Graph
            && self.row_of.len() == self.index.meta.rows as usize
            && (old.metric, old.dim) == (fresh.metric, fresh.dim)
            && old.norm.to_bits() == fresh.norm.to_bits()
            && old.rotation_seed == fresh.rotation_seed
            && old.centroid.len() == fresh.centroid.len();
        let pairs = old.centroid.iter().zip(&fresh.centroid);
        let moved: f64 = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        let near = moved.sqrt() <= DRIFT_MAX * f64::from(fresh.spread);
        (same && near).then(|| SpaceParams {
            centroid: old.centroid.clone(),
            means: old.means.clone(),
            ..fresh.clone()
        })
    }

    /// Whether enough is left of the graph.
    pub(super) fn is_whole(&self) -> bool {
        let gone = self.row_of.iter().filter(|row| **row == NONE).count();
        gone as f64 <= self.gone_max * self.row_of.len() as f64
    }

    /// The slot of each of so many rows; `NONE` of those that it doesn't have.
    pub(super) fn slots(&self, rows: usize) -> Vec<u32> {
        let mut slots = vec![NONE; rows];
        for (slot, row) in self.row_of.iter().enumerate() {
            if let Some(place) = slots.get_mut(*row as usize) {
                *place = slot as u32;
            }
        }
        slots
    }

    /// Copies the record and the refine row of a slot; whether it has them.
    pub(super) fn copy(&self, slot: u32, record: &mut [u8], refine: &mut [u8]) -> bool {
        let layout = self.index.quantizer.layout;
        let part = |bytes: &'a [u8], each: usize| {
            let from = slot as usize * each;
            bytes.get(from..from + each)
        };
        let (Some(code), Some(row)) = (
            part(self.index.codes, layout.stride()),
            part(self.index.refine, layout.refine_bytes()),
        ) else {
            return false;
        };
        record.copy_from_slice(code);
        refine[..row.len()].copy_from_slice(row);
        let bytes = &mut record[layout.fields_at()..][..layout.field_bytes()];
        let mut fields = Fields::read(bytes);
        fields.twins = 0;
        fields.write(bytes);
        true
    }

    /// The neighbours of a slot.
    fn neighbours(&self, slot: u32) -> impl Iterator<Item = u32> + use<'a> {
        let bytes = self.index.quantizer.layout.edge_bytes();
        let from = slot as usize * bytes;
        let places = self.index.edges.get(from..from + bytes).unwrap_or_default();
        let places = places.as_chunks::<4>().0.iter().map(|place| u32::from_le_bytes(*place));
        places.take_while(|target| *target != NONE)
    }

    /// Each slot that is a node to the node that it is now; `NONE` where all of its points are
    /// gone.
    fn nodes(&self, node_of_row: &[u32]) -> Vec<u32> {
        let layout = self.index.quantizer.layout;
        let mut nodes = vec![NONE; self.row_of.len()];
        let mut slot = 0;
        while slot < nodes.len() {
            let at = slot * layout.stride() + layout.fields_at();
            let fields = &self.index.codes[at..at + layout.field_bytes()];
            let twins = Fields::read(fields).twins as usize;
            let end = (slot + 1).saturating_add(twins).min(nodes.len());
            let now = |row: &u32| node_of_row.get(*row as usize).copied();
            nodes[slot] = self.row_of[slot..end].iter().find_map(now).unwrap_or(NONE);
            slot = end;
        }
        nodes
    }
}

/// Grows the graph of the site from that of the base.
pub(super) fn grow(site: &Site<'_>, base: &Base<'_>, progress: &Progress) -> Result<Graph> {
    let nodes = base.nodes(&nodes_of_rows(site));
    let healed = heal(site, base, &nodes);
    let mut known = vec![false; site.slots()];
    for (node, _) in &healed {
        known[*node as usize] = true;
    }
    let mut builder = Builder::new(site, |slot| known[slot as usize]);
    for (node, edges) in &healed {
        builder.set_edges(*node, edges);
    }
    progress.advance(healed.len() as u64);
    drop(healed);
    let mut fresh: Vec<u32> =
        site.nodes.iter().copied().filter(|node| !known[*node as usize]).collect();
    shuffle(&mut fresh, site.options.seed);
    // Walks begin at gates once all of them are there.
    let gates = site.gates_first(&mut fresh);
    let (gates, others) = fresh.split_at(gates);
    builder.insert(gates);
    builder.open_gates();
    progress.advance(gates.len() as u64);
    for batch in others.chunks(largest_batch(site.nodes.len())) {
        progress.check("build")?;
        builder.insert(batch);
        progress.advance(batch.len() as u64);
    }
    let entries = vec![builder.entry()];
    let mut edges = builder.into_pruned();
    let curve = match &site.options.curve {
        Some(curve) => curve.clone(),
        None => measure(site, edges.clone(), &entries, progress)?,
    };
    repair(&parts(site, site.nodes), &mut edges, &entries, site.options.effort);
    Ok(Graph { entries, edges: edges.iter().flat_map(|e| e.to_le_bytes()).collect(), curve })
}

/// The nodes that are left and their neighbours.
fn heal(site: &Site<'_>, base: &Base<'_>, nodes: &[u32]) -> Vec<(u32, Vec<u32>)> {
    let degree = site.options.degree;
    let pairs = site.pairs();
    let now = |slot: u32| nodes.get(slot as usize).copied().filter(|node| *node != NONE);
    let left: Vec<u32> = (0..nodes.len() as u32).filter(|slot| now(*slot).is_some()).collect();
    left.par_iter()
        .with_min_len(64)
        .map_init(Worker::default, |worker, slot| {
            let node = nodes[*slot as usize];
            let mut edges = Vec::with_capacity(degree);
            let mut more = Vec::new();
            for target in base.neighbours(*slot) {
                match now(target) {
                    Some(target) if target != node && !edges.contains(&target) => {
                        edges.push(target);
                    }
                    Some(_) => {}
                    None => more.extend(base.neighbours(target).filter_map(now)),
                }
            }
            if !more.is_empty() {
                more.extend_from_slice(&edges);
                more.retain(|other| *other != node);
                worker.list = more;
                shrink(pairs, degree, node, worker);
                // What was an edge stays one.
                let better = worker.chosen.iter().filter(|other| !edges.contains(other)).copied();
                let better: Vec<u32> = better.take(degree.saturating_sub(edges.len())).collect();
                edges.extend(better);
            }
            (node, edges)
        })
        .collect()
}
