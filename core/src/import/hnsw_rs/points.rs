//! The points of a dump and their neighbours in the bottom layer: the body of the graph file.
//!
//! Read twice: neighbours name places in layers that come later, so the first pass learns what is
//! where and the second finds each neighbour there, under the id that it was named with.

use super::bytes::Bytes;
use super::head::Head;
use crate::config::Progress;
use crate::error::{Error, Result};
use crate::graph::Given;

const LAYER: u32 = 0x000a_676f;
const POINT: u32 = 0x000a_678f;
/// Bytes of a neighbour.
const NEIGHBOUR: u64 = 8 + 1 + 4 + 4;
/// Places where walks may begin.
const ENTRIES_MAX: usize = 64;
/// Points between two looks at the progress.
const STEP: usize = 1_024;

/// A point as others name it.
#[derive(Debug, Clone, Copy)]
struct Place {
    id: u64,
    layer: u8,
    rank: i32,
}

impl Place {
    fn read(graph: &mut Bytes, what: &str) -> Result<Self> {
        Ok(Self { id: graph.u64(what)?, layer: graph.u8(what)?, rank: graph.i32(what)? })
    }
}

/// What is where.
#[derive(Debug, Default)]
struct Index {
    /// The first point of each layer, and behind the last one the end.
    starts: Vec<usize>,
    ids: Vec<u64>,
}

impl Index {
    /// The position of a point in the dump.
    fn find(&self, graph: &Bytes, what: &str, place: Place) -> Result<u32> {
        let layer = usize::from(place.layer);
        let position = match (self.starts.get(layer), self.starts.get(layer + 1)) {
            (Some(start), Some(end)) => {
                usize::try_from(place.rank).ok().map(|rank| start + rank).filter(|p| p < end)
            }
            _ => None,
        };
        let found = position.filter(|position| self.ids.get(*position) == Some(&place.id));
        found.map(|position| position as u32).ok_or_else(|| {
            let Place { id, layer, rank } = place;
            let found = format!("id {id} at place {rank} of layer {layer}");
            graph.damaged(what, "a point of the dump", found)
        })
    }
}

/// Ids and edges, in the order of the points.
pub(super) fn read(
    graph: &mut Bytes,
    head: &Head,
    progress: &Progress,
) -> Result<(Vec<u64>, Given)> {
    let body = graph.at();
    let index = index(graph, head, progress)?;
    let entry = Place::read(graph, "the entry point")?;
    let entry = index.find(graph, "the entry point", entry)?;
    if graph.left() > 0 {
        let found = format!("{} bytes more", graph.left());
        return Err(graph.damaged("the end", "the end of the file", found));
    }
    graph.back_to(body)?;
    let mut given = edges(graph, head, &index, progress)?;
    given.set_entries(entries(&index, entry));
    Ok((index.ids, given))
}

fn index(graph: &mut Bytes, head: &Head, progress: &Progress) -> Result<Index> {
    let layers = layers(graph, head)?;
    let mut index = Index { starts: vec![0], ids: Vec::with_capacity(head.points) };
    for layer in 0..layers {
        let points = points_of_layer(graph)?;
        let room = head.points - index.ids.len();
        if points > room as u64 {
            let expected = format!("at most {room}, of {} in all", head.points);
            return Err(graph.damaged("the points of a layer", expected, points.to_string()));
        }
        for rank in 0..points {
            if index.ids.len().is_multiple_of(STEP) {
                progress.check("import")?;
            }
            index.ids.push(point(graph, layer, rank)?);
            for _ in 0..head.lists {
                let count = neighbours(graph)?;
                graph.skip("neighbours", count * NEIGHBOUR)?;
            }
        }
        index.starts.push(index.ids.len());
    }
    if index.ids.len() != head.points {
        let (expected, found) = (head.points.to_string(), index.ids.len().to_string());
        return Err(graph.damaged("the points of all layers", expected, found));
    }
    check_ids(&index.ids)?;
    Ok(index)
}

/// Every id must be there once.
fn check_ids(ids: &[u64]) -> Result<()> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    if let Some((id, _)) = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a == b) {
        let fix = "insert every point under an id of its own and dump the index again";
        return Err(Error::invalid("ids of the dump", "every id once", format!("{id} twice"), fix));
    }
    Ok(())
}

fn edges(graph: &mut Bytes, head: &Head, index: &Index, progress: &Progress) -> Result<Given> {
    let mut given = Given::default();
    let mut done = 0;
    for layer in 0..layers(graph, head)? {
        for rank in 0..points_of_layer(graph)? {
            point(graph, layer, rank)?;
            // The first list is the bottom layer's.
            for list in 0..head.lists {
                let count = neighbours(graph)?;
                if list > 0 {
                    graph.skip("neighbours", count * NEIGHBOUR)?;
                    continue;
                }
                for _ in 0..count {
                    let neighbour = Place::read(graph, "a neighbour")?;
                    graph.u32("a distance")?;
                    given.push(index.find(graph, "a neighbour", neighbour)?);
                }
            }
            given.end_row();
            done += 1;
            if done % STEP == 0 {
                progress.check("import")?;
                progress.advance(STEP as u64);
            }
        }
    }
    progress.advance((done % STEP) as u64);
    Ok(given)
}

/// The number of layers, which begins the body.
fn layers(graph: &mut Bytes, head: &Head) -> Result<u8> {
    let layers = graph.u8("the layers")?;
    if (1..=head.lists).contains(&layers) {
        return Ok(layers);
    }
    Err(graph.damaged("the layers", format!("1 to {}", head.lists), layers.to_string()))
}

fn points_of_layer(graph: &mut Bytes) -> Result<u64> {
    graph.magic("a layer", LAYER)?;
    graph.u64("the points of a layer")
}

/// The id of a point, which must be the one expected here.
fn point(graph: &mut Bytes, layer: u8, rank: u64) -> Result<u64> {
    graph.magic("a point", POINT)?;
    let place = Place::read(graph, "a point")?;
    if place.layer != layer || u64::try_from(place.rank) != Ok(rank) {
        let expected = format!("place {rank} of layer {layer}");
        let found = format!("place {} of layer {}", place.rank, place.layer);
        return Err(graph.damaged("a point", expected, found));
    }
    Ok(place.id)
}

/// How many neighbours follow; the file has room for them.
fn neighbours(graph: &mut Bytes) -> Result<u64> {
    let count = graph.u64("the number of neighbours")?;
    let most = graph.left() / NEIGHBOUR;
    if count <= most {
        return Ok(count);
    }
    Err(graph.damaged("the number of neighbours", format!("at most {most}"), count.to_string()))
}

/// The entry point, then the points of the layers above the bottom one, the highest first.
fn entries(index: &Index, entry: u32) -> Vec<u32> {
    let above = index.starts.get(1).copied().unwrap_or_default() as u32..index.ids.len() as u32;
    [entry].into_iter().chain(above.rev().filter(|p| *p != entry)).take(ENTRIES_MAX).collect()
}
