//! A graph that somebody else built over the same rows, such as an imported dump: its edges in
//! the flat form that is searched, every node reachable, its recall measured.
//!
//! The edges are kept. Only where exact duplicates become one node, or a list is longer than a
//! flat graph allows, are a node's edges pruned to the degree.

use std::collections::HashSet;

use rayon::prelude::*;

use super::build::{Graph, NONE, Site, shuffle};
use super::calibrate::{self, MOST_AT_BUILD, Subject};
use super::prune::{Edge, PruneScratch, distances, prune, sort_edges};
use super::repair::{Parts, repair};
use super::search::{Edges, Starts, Walk};
use crate::codes::pairs::Pairs;
use crate::config::Progress;
use crate::curve::Curve;
use crate::error::Result;

/// Most edges of a node in the flat form.
const DEGREE_MAX: usize = 256;
/// Edges of a node are a multiple of this: whole cache lines.
const DEGREE_STEP: usize = 16;
/// Nodes between two looks at the progress.
const STEP: usize = 8_192;

/// Neighbours of each row, in any order, and where walks begin. Rows that are not there are
/// ignored.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Where the neighbours of each row end.
    ends: Vec<usize>,
    neighbours: Vec<u32>,
    longest: usize,
    /// Rows where a walk begins, the best first.
    entries: Vec<u32>,
}

impl Given {
    /// A neighbour of the row after the last that was ended.
    pub(crate) fn push(&mut self, neighbour: u32) {
        self.neighbours.push(neighbour);
    }

    /// The neighbours of a row are complete.
    pub(crate) fn end_row(&mut self) {
        let before = self.ends.last().copied().unwrap_or_default();
        self.longest = self.longest.max(self.neighbours.len() - before);
        self.ends.push(self.neighbours.len());
    }

    /// Walks begin at these rows.
    pub(crate) fn set_entries(&mut self, rows: Vec<u32>) {
        self.entries = rows;
    }

    /// Places for edges of a node that hold the longest list.
    pub(crate) fn degree(&self) -> usize {
        self.longest.next_multiple_of(DEGREE_STEP).clamp(DEGREE_STEP, DEGREE_MAX)
    }

    /// The neighbours of a row; none of one that is not there.
    pub(crate) fn neighbours(&self, row: u32) -> &[u32] {
        let row = row as usize;
        let from =
            row.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or(0));
        let to = self.ends.get(row).copied().unwrap_or(from);
        &self.neighbours[from..to]
    }
}

/// The given graph over the slots of the site.
pub(super) fn grow(site: &Site<'_>, given: &Given, progress: &Progress) -> Result<Graph> {
    let node_of = nodes_of_rows(site);
    let mut entries = Vec::new();
    for node in given.entries.iter().filter_map(|row| node_of.get(*row as usize)) {
        if !entries.contains(node) {
            entries.push(*node);
        }
    }
    if entries.is_empty() {
        entries.extend(site.nodes.first());
    }
    let mut edges = flatten(site, given, &node_of, progress)?;
    let curve = measure(site, edges.clone(), &entries, progress)?;
    repair(&parts(site, site.nodes), &mut edges, &entries, site.options.effort);
    progress.check("build")?;
    Ok(Graph { entries, edges: edges.iter().flat_map(|e| e.to_le_bytes()).collect(), curve })
}

pub(super) fn parts<'a>(site: &Site<'a>, nodes: &'a [u32]) -> Parts<'a> {
    let Site { codes, refine, .. } = *site;
    Parts { quantizer: site.quantizer, codes, refine, nodes }
}

/// The slots of a node: its own, then its twins'.
fn slots(site: &Site<'_>, position: usize) -> std::ops::Range<usize> {
    let next = site.nodes.get(position + 1).map_or(site.slots(), |next| *next as usize);
    site.nodes[position] as usize..next
}

/// Row to the slot of its node.
pub(super) fn nodes_of_rows(site: &Site<'_>) -> Vec<u32> {
    let mut node_of = vec![NONE; site.slots()];
    for (position, node) in site.nodes.iter().enumerate() {
        for slot in slots(site, position) {
            node_of[site.order[slot] as usize] = *node;
        }
    }
    node_of
}

/// The edges of every node, nearest first, `degree` places a slot.
fn flatten(
    site: &Site<'_>,
    given: &Given,
    node_of: &[u32],
    progress: &Progress,
) -> Result<Vec<u32>> {
    let degree = site.options.degree;
    let Site { codes, refine, nodes, .. } = *site;
    let pairs = Pairs { layout: site.layout(), codes, refine };
    let mut edges = vec![NONE; site.slots() * degree];
    for from in (0..nodes.len()).step_by(STEP) {
        progress.check("build")?;
        let positions = from..nodes.len().min(from + STEP);
        let steps = positions.len() as u64;
        let lists: Vec<Vec<u32>> = positions
            .clone()
            .into_par_iter()
            .with_min_len(64)
            .map_init(Worker::default, |worker, position| {
                let node = nodes[position];
                worker.list.clear();
                for slot in slots(site, position) {
                    let rows = given.neighbours(site.order[slot]).iter();
                    let found = rows.filter_map(|row| node_of.get(*row as usize));
                    worker.list.extend(found.filter(|other| **other != node));
                }
                worker.edges_of(pairs, node, degree)
            })
            .collect();
        for (position, list) in positions.zip(&lists) {
            let at = nodes[position] as usize * degree;
            edges[at..at + list.len()].copy_from_slice(list);
        }
        progress.advance(steps);
    }
    Ok(edges)
}

/// Buffers of a worker.
#[derive(Default)]
struct Worker {
    list: Vec<u32>,
    candidates: Vec<Edge>,
    prune: PruneScratch,
    chosen: Vec<u32>,
}

impl Worker {
    /// The nodes of `list` nearest first, each once; too many are pruned.
    fn edges_of(&mut self, pairs: Pairs<'_>, node: u32, degree: usize) -> Vec<u32> {
        let Self { list, candidates, prune: scratch, chosen } = self;
        distances(pairs, node, list, scratch, candidates);
        sort_edges(candidates);
        if candidates.len() <= degree {
            return candidates.iter().map(|(_, slot)| *slot).collect();
        }
        prune(pairs, candidates, degree, scratch, chosen);
        chosen.clone()
    }
}

/// Recall against effort. The queries must be strangers to the graph that is measured: a few
/// nodes and the edges to them are left out of it.
pub(super) fn measure(
    site: &Site<'_>,
    mut edges: Vec<u32>,
    entries: &[u32],
    progress: &Progress,
) -> Result<Curve> {
    let degree = site.options.degree;
    let starts: HashSet<u32> = entries.iter().chain(site.gates).copied().collect();
    let mut sequence: Vec<u32> =
        site.nodes.iter().copied().filter(|node| !starts.contains(node)).collect();
    shuffle(&mut sequence, site.options.seed);
    let held_out = calibrate::queries(sequence.len());
    let unseen = sequence.split_off(sequence.len() - held_out);
    let mut known = sequence;
    known.extend(starts);
    known.sort_unstable();

    let mut stranger = vec![false; site.slots()];
    for node in &unseen {
        stranger[*node as usize] = true;
    }
    edges.par_chunks_exact_mut(degree).enumerate().for_each(|(slot, places)| {
        let mut kept = 0;
        for place in 0..places.len() {
            let target = places[place];
            if target != NONE && !stranger[target as usize] && !stranger[slot] {
                places[kept] = target;
                kept += 1;
            }
        }
        places[kept..].fill(NONE);
    });
    repair(&parts(site, &known), &mut edges, entries, site.options.effort);

    let Site { codes, refine, .. } = *site;
    let places = Edges::of(&edges, degree);
    let starts = Starts { entries, gates: site.gates };
    let walk = Walk::new(site.layout(), site.slots(), codes, places, refine, starts)
        .expect("the builder's own sections fit");
    let subject = Subject {
        walk: &walk,
        quantizer: site.quantizer,
        rows: site.rows,
        order: site.order,
        nodes: &known,
        most: MOST_AT_BUILD,
        caution: 1.0,
    };
    calibrate::learn_at_build(subject, &unseen, progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_again_and_foreign_rows_are_harmless() {
        let mut given = Given::default();
        assert_eq!((given.degree(), given.neighbours(0)), (16, &[][..]));
        for list in [&[1, 2][..], &[], &[0, 7, 9, 7]] {
            for neighbour in list {
                given.push(*neighbour);
            }
            given.end_row();
        }
        assert_eq!(given.neighbours(0), [1, 2]);
        assert!(given.neighbours(1).is_empty());
        assert_eq!(given.neighbours(2), [0, 7, 9, 7]);
        assert!(given.neighbours(3).is_empty());
        for neighbour in 0..300 {
            given.push(neighbour);
        }
        given.end_row();
        assert_eq!(given.degree(), 256);
    }
}
