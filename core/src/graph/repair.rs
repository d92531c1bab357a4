//! Makes every node reachable, and gives each a second way in where there is room.

use super::build::NONE;
use super::hop::{Beam, Scratch};
use super::refine::Depth;
use super::search::{Edges, Starts, Walk};
use crate::codes::pairs::{Pairs, SignedRow};
use crate::codes::{Quantizer, Query};

/// The graph's other parts.
pub(crate) struct Parts<'a> {
    pub(crate) quantizer: &'a Quantizer,
    pub(crate) codes: &'a [u8],
    pub(crate) refine: &'a [u8],
    pub(crate) nodes: &'a [u32],
}

/// Links each node that can't be reached from the entries to the nearest reachable node with room.
pub(crate) fn repair(parts: &Parts<'_>, edges: &mut [u32], entries: &[u32], effort: usize) {
    let layout = parts.quantizer.layout;
    let degree = layout.degree;
    second_ways_in(parts, edges, degree);
    let mut reached = vec![false; edges.len() / degree];
    for entry in entries {
        mark(edges, degree, *entry, &mut reached);
    }
    let (mut query, mut row, mut scratch) =
        (Query::default(), SignedRow::default(), Scratch::default());
    let pairs = Pairs { layout, codes: parts.codes, refine: parts.refine };
    for node in parts.nodes {
        if reached[*node as usize] {
            continue;
        }
        pairs.unpack(*node, &mut row);
        query.prepare_row(parts.quantizer, &row);
        let mut beam = effort;
        let linked = loop {
            let rows = reached.len();
            let view = Edges::of(edges, degree);
            // From the entries alone: what they reach is reachable.
            let starts = Starts::at(entries);
            let walk = Walk::new(layout, rows, parts.codes, view, parts.refine, starts)
                .expect("the builder's own sections fit");
            walk.search(&query, Beam::whole(beam), &mut scratch);
            walk.refine(&query, Depth::All, &mut scratch);
            let open =
                scratch.refined.iter().find(|c| free_place(edges, degree, c.slot()).is_some());
            match open {
                Some(candidate) => break Some(candidate.slot()),
                None if scratch.refined.len() < beam => break None,
                None => beam *= 4,
            }
        };
        // Every reachable node full: replace the farthest edge of the nearest; what it led to is
        // looked at again, for nodes after it here, or keeps its other ways in.
        let nearest = || scratch.refined.first().map_or(entries[0], |c| c.slot());
        let from = linked.unwrap_or_else(nearest);
        let place = free_place(edges, degree, from).unwrap_or(degree - 1);
        edges[from as usize * degree + place] = *node;
        mark(edges, degree, *node, &mut reached);
    }
}

fn free_place(edges: &[u32], degree: usize, slot: u32) -> Option<usize> {
    let from = slot as usize * degree;
    edges[from..from + degree].iter().position(|e| *e == NONE)
}

/// Marks what can be reached from `start`.
fn mark(edges: &[u32], degree: usize, start: u32, reached: &mut [bool]) {
    let mut stack = vec![start];
    reached[start as usize] = true;
    while let Some(slot) = stack.pop() {
        let from = slot as usize * degree;
        for &next in &edges[from..from + degree] {
            if next != NONE && !reached[next as usize] {
                reached[next as usize] = true;
                stack.push(next);
            }
        }
    }
}

/// A node with fewer than two ways in gets one from its nearest neighbour with room.
fn second_ways_in(parts: &Parts<'_>, edges: &mut [u32], degree: usize) {
    let mut ways = vec![0_u8; edges.len() / degree];
    for &target in edges.iter().filter(|e| **e != NONE) {
        ways[target as usize] = ways[target as usize].saturating_add(1);
    }
    for node in parts.nodes {
        if ways[*node as usize] >= 2 {
            continue;
        }
        let from = *node as usize * degree;
        let neighbours = edges[from..from + degree].to_vec();
        for neighbour in neighbours.into_iter().take_while(|e| *e != NONE) {
            let at = neighbour as usize * degree;
            if edges[at..at + degree].contains(node) {
                continue;
            }
            if let Some(place) = free_place(edges, degree, neighbour) {
                edges[at + place] = *node;
                ways[*node as usize] += 1;
                if ways[*node as usize] >= 2 {
                    break;
                }
            }
        }
    }
}
