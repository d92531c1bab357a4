//! The builder of our own graph; others are that of [`super::hnsw`] and one that is there already
//! ([`super::given`]).
//!
//! The graph grows in batches. A batch searches the graph as it stood before the batch, prunes what it found, and adds the
//! reverse edges grouped by target; batches double until they are a fiftieth of the rows
//! (`ParlayANN`, Manohar et al. 2024). No locks, and every step is a function of its input: any
//! number of threads gives the same bytes.

use rayon::prelude::*;

use super::hop::{Beam, Jobs, LANES, Lane, Scratch};
use super::prune::{Edge, PruneScratch, distances, prune, sort_edges};
use super::refine::Depth;
use super::search::{Edges, Starts, Walk};
use super::{BuildOptions, calibrate, given, repair};
use crate::codes::layout::Fields;
use crate::codes::pairs::{Pairs, SignedRow};
use crate::codes::rotation::splitmix;
use crate::codes::{Layout, Quantizer, Query};
use crate::config::Progress;
use crate::curve::Curve;
use crate::error::Result;
use crate::originals::Originals;

/// Room for edges of a node while the graph grows, as a multiple of half the degree.
const ROOM_HALVES: usize = 3;
/// Largest batch, as a share of the rows.
const BATCH_SHARE: usize = 50;
/// Nodes that one task inserts.
const TOGETHER: usize = 32;
/// Tasks that share the writing of edges.
const RANGES: usize = 256;
/// No edge.
pub(crate) const NONE: u32 = u32::MAX;

/// What a graph grows on: everything of the index but the graph.
pub(super) struct Site<'a> {
    pub(super) quantizer: &'a Quantizer,
    pub(super) codes: &'a [u8],
    pub(super) refine: &'a [u8],
    /// Slots that are nodes; the others are twins.
    pub(super) nodes: &'a [u32],
    /// The node nearest to the mean of each cluster.
    pub(super) gates: &'a [u32],
    pub(super) rows: &'a Originals<'a>,
    /// Slot to row of `rows`.
    pub(super) order: &'a [u32],
    pub(super) options: &'a BuildOptions,
}

impl Site<'_> {
    pub(super) fn layout(&self) -> Layout {
        self.quantizer.layout
    }

    pub(super) fn slots(&self) -> usize {
        self.order.len()
    }

    /// Moves gates to the front, the others stay in their order; how many they are.
    pub(super) fn gates_first(&self, nodes: &mut [u32]) -> usize {
        let mut is_gate = vec![false; self.slots()];
        self.gates.iter().for_each(|gate| is_gate[*gate as usize] = true);
        nodes.sort_by_key(|node| !is_gate[*node as usize]);
        nodes.partition_point(|node| is_gate[*node as usize])
    }

    pub(super) fn pairs(&self) -> Pairs<'_> {
        Pairs { layout: self.layout(), codes: self.codes, refine: self.refine }
    }
}

/// A graph and what was measured of it.
pub(super) struct Graph {
    pub(super) entries: Vec<u32>,
    /// `degree` little-endian words a slot.
    pub(super) edges: Vec<u8>,
    pub(super) curve: Curve,
}

/// Puts nodes into a random order, the same for the same seed.
pub(super) fn shuffle(nodes: &mut [u32], seed: u64) {
    let mut state = seed ^ 0x5851_f42d_4c95_7f2d;
    for i in (1..nodes.len()).rev() {
        nodes.swap(i, (splitmix(&mut state) % (i as u64 + 1)) as usize);
    }
}

/// Grows our own graph.
pub(super) fn grow(site: &Site<'_>, progress: &Progress) -> Result<Graph> {
    let mut builder = Builder::new(site, |_| true);
    let curve = builder.insert_all(progress)?;
    Ok(Graph { entries: vec![builder.entry], edges: builder.finish(), curve })
}

/// Most nodes that are inserted at once, of so many.
pub(super) fn largest_batch(nodes: usize) -> usize {
    (nodes / BATCH_SHARE).max(1)
}

/// A graph that grows.
pub(super) struct Builder<'a> {
    site: &'a Site<'a>,
    /// `room` neighbours a slot; unused places hold `NONE`, at the end.
    edges: Vec<u32>,
    room: usize,
    degree: usize,
    effort: usize,
    entry: u32,
    /// Those of the site, once they are inserted.
    gates: &'a [u32],
}

/// Buffers of a worker.
#[derive(Default)]
pub(super) struct Worker {
    row: SignedRow,
    prune: PruneScratch,
    pub(super) list: Vec<u32>,
    candidates: Vec<Edge>,
    pub(super) chosen: Vec<u32>,
}

/// Prunes `worker.list`, neighbours of a slot, to the degree; the result is `worker.chosen`.
pub(super) fn shrink(pairs: Pairs<'_>, degree: usize, slot: u32, worker: &mut Worker) {
    let Worker { prune: scratch, list, candidates, chosen, .. } = worker;
    distances(pairs, slot, list, scratch, candidates);
    sort_edges(candidates);
    prune(pairs, candidates, degree, scratch, chosen);
}

/// Finds the neighbours of new nodes.
struct Finding<'f, 'a> {
    builder: &'f Builder<'a>,
    walk: &'f Walk<'f>,
    slots: &'f [u32],
    worker: &'f mut Worker,
    /// Nodes and their neighbours, in the order in which the walks end.
    found: Vec<(u32, Vec<u32>)>,
}

impl Jobs for Finding<'_, '_> {
    fn start(&mut self, job: usize, query: &mut Query) -> Beam {
        let site = self.builder.site;
        site.pairs().unpack(self.slots[job], &mut self.worker.row);
        query.prepare_row(site.quantizer, &self.worker.row);
        Beam::whole(self.builder.effort)
    }

    fn refine(&mut self, query: &Query, scratch: &mut Scratch) {
        self.walk.refine(query, Depth::All, scratch);
    }

    fn finish(&mut self, job: usize, _: &Query, scratch: &mut Scratch) {
        let Worker { prune: buffers, candidates, chosen, .. } = &mut *self.worker;
        candidates.clear();
        candidates.extend(scratch.refined.iter().map(|c| ((-c.score()).max(0.0), c.slot())));
        sort_edges(candidates);
        prune(self.builder.site.pairs(), candidates, self.builder.degree, buffers, chosen);
        self.found.push((self.slots[job], chosen.clone()));
    }
}

impl<'a> Builder<'a> {
    /// No node has edges yet; walks begin at one of those that may be entries.
    pub(super) fn new(site: &'a Site<'a>, may_be_entry: impl Fn(u32) -> bool) -> Self {
        let room = site.options.degree * ROOM_HALVES / 2;
        let mut builder = Self {
            site,
            edges: vec![NONE; site.slots() * room],
            room,
            degree: site.options.degree,
            effort: site.options.effort,
            entry: 0,
            gates: &[],
        };
        builder.entry = builder.medoid(may_be_entry);
        builder
    }

    fn layout(&self) -> Layout {
        self.site.layout()
    }

    /// Where walks begin.
    pub(super) fn entry(&self) -> u32 {
        self.entry
    }

    /// The node nearest to the centroid.
    fn medoid(&self, may_be: impl Fn(u32) -> bool) -> u32 {
        let norm2 = |slot: u32| {
            let at = slot as usize * self.layout().stride() + self.layout().fields_at();
            Fields::read(&self.site.codes[at..at + self.layout().field_bytes()]).norm2
        };
        let nearest = |a: (f32, u32), b: (f32, u32)| {
            if b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).is_lt() { b } else { a }
        };
        let nodes = self.site.nodes.iter().filter(|slot| may_be(**slot));
        nodes.map(|slot| (norm2(*slot), *slot)).fold((f32::INFINITY, 0), nearest).1
    }

    fn walk<'s>(&'s self, edges: Edges<'s>, entry: &'s [u32]) -> Walk<'s> {
        let Site { codes, refine, .. } = *self.site;
        let starts = Starts { entries: entry, gates: self.gates };
        Walk::new(self.layout(), self.site.slots(), codes, edges, refine, starts)
            .expect("the builder's own sections fit")
    }

    /// Inserts every node, in a seeded random order; the last few serve first as unseen queries
    /// that the recall curve is learned from.
    fn insert_all(&mut self, progress: &Progress) -> Result<Curve> {
        let mut sequence: Vec<u32> =
            self.site.nodes.iter().copied().filter(|node| *node != self.entry).collect();
        shuffle(&mut sequence, self.site.options.seed);
        let lent = self.site.options.curve.clone();
        let held_out = if lent.is_some() { 0 } else { calibrate::queries(sequence.len()) };
        let largest = largest_batch(sequence.len());
        let gates = self.site.gates_first(&mut sequence);
        let (first, last) = sequence.split_at(sequence.len() - held_out);
        let mut from = 0;
        while from < first.len() {
            if from >= gates {
                self.open_gates();
            }
            progress.check("build")?;
            let to = (from + (from + 1).min(largest)).min(first.len());
            self.insert(&first[from..to]);
            progress.advance((to - from) as u64);
            from = to;
        }
        if let Some(curve) = lent {
            return Ok(curve);
        }
        // Of the graph as it will be searched: while it grows, nodes have more edges.
        let pruned = self.pruned();
        let entry = [self.entry];
        let inserted: Vec<u32> = [self.entry].iter().chain(first).copied().collect();
        let curve = calibrate::learn_at_build(
            calibrate::Subject {
                walk: &self.walk(Edges::of(&pruned, self.degree), &entry),
                quantizer: self.site.quantizer,
                rows: self.site.rows,
                order: self.site.order,
                nodes: &inserted,
                most: calibrate::MOST_AT_BUILD,
                caution: 1.0,
            },
            last,
            progress,
        )?;
        for batch in last.chunks(largest) {
            self.insert(batch);
            progress.advance(batch.len() as u64);
        }
        Ok(curve)
    }

    /// From now on walks begin at the gates too: all of them are inserted.
    pub(super) fn open_gates(&mut self) {
        self.gates = self.site.gates;
    }

    /// Inserts a batch against the graph as it stands.
    pub(super) fn insert(&mut self, batch: &[u32]) {
        let entry = [self.entry];
        let walk = self.walk(Edges::of(&self.edges, self.room), &entry);
        let found: Vec<Vec<(u32, Vec<u32>)>> = batch
            .par_chunks(TOGETHER)
            .map_init(
                || (<[Lane; LANES]>::default(), Worker::default()),
                |(lanes, worker), slots| {
                    let found = Vec::with_capacity(slots.len());
                    let mut finding = Finding { builder: self, walk: &walk, slots, worker, found };
                    walk.search_many(slots.len(), lanes, &mut finding);
                    finding.found
                },
            )
            .collect();
        let mut found: Vec<(u32, Vec<u32>)> = found.into_iter().flatten().collect();
        let mut reverse: Vec<(u32, u32)> = found
            .iter()
            .flat_map(|(slot, edges)| edges.iter().map(|target| (*target, *slot)))
            .collect();
        reverse.par_sort_unstable();
        found.par_sort_unstable_by_key(|(slot, _)| *slot);
        self.link(&found, &reverse);
    }

    /// Writes the edges of new nodes and adds the reverse ones, (target, source): both sorted. A
    /// target that has no more room is pruned. Each task writes the edges of a range of slots.
    fn link(&mut self, found: &[(u32, Vec<u32>)], reverse: &[(u32, u32)]) {
        let (pairs, room, degree) = (self.site.pairs(), self.room, self.degree);
        let slots = self.site.slots().div_ceil(RANGES);
        let ranges = self.edges.par_chunks_mut(slots * room).enumerate();
        ranges.for_each_init(Worker::default, |worker, (range, edges)| {
            let first = (range * slots) as u32;
            let end = first + (edges.len() / room) as u32;
            let at = |slot: u32| (slot - first) as usize * room;
            let from = found.partition_point(|(slot, _)| *slot < first);
            for (slot, list) in found[from..].iter().take_while(|(slot, _)| *slot < end) {
                let places = &mut edges[at(*slot)..][..room];
                places.fill(NONE);
                places[..list.len()].copy_from_slice(list);
            }
            let from = reverse.partition_point(|(target, _)| *target < first);
            let to = reverse.partition_point(|(target, _)| *target < end);
            for group in reverse[from..to].chunk_by(|a, b| a.0 == b.0) {
                let target = group[0].0;
                let places = &mut edges[at(target)..][..room];
                let len = places.iter().position(|e| *e == NONE).unwrap_or(room);
                if len + group.len() <= room {
                    let free = places[len..].iter_mut();
                    free.zip(group).for_each(|(place, (_, source))| *place = *source);
                    continue;
                }
                worker.list.clear();
                worker.list.extend_from_slice(&places[..len]);
                worker.list.extend(group.iter().map(|(_, source)| *source));
                shrink(pairs, degree, target, worker);
                places.fill(NONE);
                places[..worker.chosen.len()].copy_from_slice(&worker.chosen);
            }
        });
    }

    /// Sets the neighbours of a node, at most the degree.
    pub(super) fn set_edges(&mut self, slot: u32, edges: &[u32]) {
        let from = slot as usize * self.room;
        let places = &mut self.edges[from..from + self.room];
        places.fill(NONE);
        places[..edges.len()].copy_from_slice(edges);
    }

    fn edges_of(&self, slot: u32) -> &[u32] {
        let from = slot as usize * self.room;
        let places = &self.edges[from..from + self.room];
        let len = places.iter().position(|e| *e == NONE).unwrap_or(places.len());
        &places[..len]
    }

    /// Every node's edges, pruned to the degree.
    fn pruned(&self) -> Vec<u32> {
        let degree = self.degree;
        let nodes = self.site.nodes;
        let pairs = self.site.pairs();
        let lists: Vec<Vec<u32>> = nodes
            .par_iter()
            .with_min_len(64)
            .map_init(Worker::default, |worker, node| {
                let list = self.edges_of(*node);
                if list.len() <= degree {
                    return list.to_vec();
                }
                worker.list.clear();
                worker.list.extend_from_slice(list);
                shrink(pairs, degree, *node, worker);
                worker.chosen.clone()
            })
            .collect();
        let mut edges = vec![NONE; self.site.slots() * degree];
        for (node, list) in nodes.iter().zip(&lists) {
            let from = *node as usize * degree;
            edges[from..from + list.len()].copy_from_slice(list);
        }
        edges
    }

    /// [`Self::pruned`], and nothing else any more.
    pub(super) fn into_pruned(self) -> Vec<u32> {
        self.pruned()
    }

    /// Prunes every node to the degree, repairs what can't be reached, and lays the edges out.
    fn finish(&mut self) -> Vec<u8> {
        let mut edges = self.pruned();
        self.edges = Vec::new();
        let Site { nodes, .. } = *self.site;
        repair::repair(&given::parts(self.site, nodes), &mut edges, &[self.entry], self.effort);
        edges.iter().flat_map(|e| e.to_le_bytes()).collect()
    }
}
