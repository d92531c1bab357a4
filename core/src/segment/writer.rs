//! Writes a segment, to a file or to memory: once, front to back.
//!
//! What is known first stands first, so that a thread writes it while the graph still grows: by
//! then the disk has most of the file.

use std::path::Path;
use std::sync::mpsc;

use super::meta::SegmentMeta;
use super::reader::Segment;
use super::rows::Kept;
use crate::codec;
use crate::config::{CollectionConfig, Stop};
use crate::error::{Error, Result};
use crate::format::{BlockSums, Layout, Planned, SectionKind, crc};
use crate::graph::{Grown, IndexMeta, Ordered};
use crate::originals::Originals;
use crate::types::Ids;
use crate::vfs::{Bytes, Directory, FileWriter};

/// Vectors are gathered and written up to multiples of this offset: pages of a file that are
/// written together, aligned, are kept and mapped together where the system can (Linux 6.16 with
/// ext4, XFS), and random rows cost fewer misses of the TLB.
const CHUNK_BYTES: usize = 4 << 20;

/// Room kept for what a graph adds to the metadata: its entries and its curve.
const GRAPH_META_BYTES: usize = 4096;

/// The index of a segment to be written.
pub(crate) struct Index<'a> {
    pub(crate) ordered: &'a Ordered,
    pub(crate) graph: IndexGraph<'a>,
}

/// The graph of an index.
pub(crate) enum IndexGraph<'a> {
    Grown(Grown),
    /// Grows while the rest is written, until it is told that this has failed.
    Growing(Box<dyn FnOnce() -> Result<Grown> + 'a>, Stop),
}

/// What the manifest keeps of a written segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    pub(crate) length: u64,
    /// CRC32C of the footer.
    pub(crate) seal: u32,
}

enum Content<'a> {
    Bytes(Vec<u8>),
    Borrowed(&'a [u8]),
    /// Rows of the originals, in this order.
    Rows(Originals<'a>, &'a [u32]),
    /// Known once the graph is grown; so many bytes.
    Edges(usize),
    Meta(usize),
}

struct Section<'a> {
    kind: SectionKind,
    column: u32,
    content: Content<'a>,
}

impl Section<'_> {
    fn planned(&self) -> Planned {
        let length = match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Borrowed(bytes) => bytes.len(),
            Content::Rows(originals, order) => originals.row_bytes() * order.len(),
            Content::Edges(length) | Content::Meta(length) => *length,
        };
        Planned { kind: self.kind, column: self.column, length: length as u64 }
    }
}

/// Writes these points, indexed or not, as the file `name` and syncs it.
pub(crate) fn write_segment(
    directory: &Directory,
    name: &str,
    config: &CollectionConfig,
    points: &Kept,
    index: Option<Index<'_>>,
) -> Result<Sealed> {
    let order = order_of(points, index.as_ref().map(|index| index.ordered));
    let sections = sections(config, points, index.as_ref(), &order)?;
    let layout = layout_of(&sections);
    let meta = Meta { rows: order.len() as u32, config };
    let write = |graph: GraphSource| {
        let mut seal = 0;
        directory.write(name, |file| {
            seal = write_all(&sections, &layout, Sink::File(file), meta, graph)?;
            Ok(())
        })?;
        Ok(Sealed { length: layout.file_length, seal })
    };
    match index.map(|index| index.graph) {
        None => write(GraphSource::None),
        Some(IndexGraph::Grown(grown)) => write(GraphSource::Ready(grown)),
        Some(IndexGraph::Growing(grow, stop)) => std::thread::scope(|scope| {
            let (give, take) = mpsc::channel();
            let written =
                scope.spawn(|| write(GraphSource::Awaited(take)).inspect_err(|_| stop.set()));
            let grown = grow();
            // Who failed first stopped the other.
            let stopped = stop.is_set();
            let failed = match grown {
                // If nobody takes it, writing has failed, and says so below.
                Ok(grown) => give.send(grown).err().and(None),
                Err(error) => Some(error),
            };
            drop(give);
            let written = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match failed {
                Some(Error::Interrupted { .. }) if stopped => written,
                Some(error) => Err(error),
                None => written,
            }
        }),
    }
}

/// The bytes of a segment of these points, without an index, in memory. `path` is for errors.
pub(crate) fn build_segment(
    path: &Path,
    config: &CollectionConfig,
    points: &Kept,
) -> Result<Segment> {
    build(path, config, points, None)
}

/// [`build_segment`] with an index.
pub(crate) fn build_indexed(
    path: &Path,
    config: &CollectionConfig,
    points: &Kept,
    (ordered, grown): (&Ordered, Grown),
) -> Result<Segment> {
    build(path, config, points, Some(Index { ordered, graph: IndexGraph::Grown(grown) }))
}

fn build(
    path: &Path,
    config: &CollectionConfig,
    points: &Kept,
    index: Option<Index<'_>>,
) -> Result<Segment> {
    let order = order_of(points, index.as_ref().map(|index| index.ordered));
    let sections = sections(config, points, index.as_ref(), &order)?;
    let layout = layout_of(&sections);
    let graph = match index.map(|index| index.graph) {
        Some(IndexGraph::Grown(grown)) => GraphSource::Ready(grown),
        _ => GraphSource::None,
    };
    let meta = Meta { rows: order.len() as u32, config };
    let length = usize::try_from(layout.file_length).unwrap_or(usize::MAX);
    let mut failed = None;
    let bytes = Bytes::filled(length, |out| {
        failed = write_all(&sections, &layout, Sink::Memory(out), meta, graph).err();
    });
    match (failed, bytes) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(Error::io(path, "allocate memory for the points", error)),
        (None, Ok(bytes)) => Segment::open(bytes, path, config),
    }
}

/// Slot to point: the order of the index, else that of the points.
fn order_of(points: &Kept, ordered: Option<&Ordered>) -> Vec<u32> {
    match ordered {
        Some(ordered) => ordered.order.clone(),
        None => (0..points.len() as u32).collect(),
    }
}

fn layout_of(sections: &[Section<'_>]) -> Layout {
    let planned: Vec<Planned> = sections.iter().map(Section::planned).collect();
    Layout::new(&planned)
}

/// What the metadata is made of, but for the index.
#[derive(Clone, Copy)]
struct Meta<'a> {
    rows: u32,
    config: &'a CollectionConfig,
}

impl Meta<'_> {
    fn encode(self, index: Option<IndexMeta>) -> Result<Vec<u8>> {
        codec::encode("the segment's metadata", &SegmentMeta::new(self.rows, self.config, index))
    }
}

/// Where the graph comes from.
enum GraphSource {
    None,
    Ready(Grown),
    /// From the thread that grows it; that ends without it when it fails.
    Awaited(mpsc::Receiver<Grown>),
}

/// Writes the sections; the seal.
fn write_all(
    sections: &[Section<'_>],
    layout: &Layout,
    sink: Sink<'_>,
    meta: Meta<'_>,
    graph: GraphSource,
) -> Result<u32> {
    let mut out = Out { sink, at: 0, sums: BlockSums::default() };
    out.raw(&layout.head)?;
    let late = |s: &Section<'_>| matches!(s.content, Content::Edges(_) | Content::Meta(_));
    let early = sections.iter().take_while(|s| !late(s)).count();
    let mut all = sections.iter().zip(&layout.offsets);
    for (section, offset) in all.by_ref().take(early) {
        out.section(section, *offset)?;
    }
    let grown = match graph {
        GraphSource::None => None,
        GraphSource::Ready(grown) => Some(grown),
        GraphSource::Awaited(graph) => {
            // Most of the file is here, and there is time.
            out.sync()?;
            Some(graph.recv().map_err(|_| Error::Interrupted { operation: "build" })?)
        }
    };
    let (edges, index) = grown.map_or((Vec::new(), None), |g| (g.edges, Some(g.meta)));
    let encoded = meta.encode(index)?;
    for (section, offset) in all {
        out.pad_to(*offset)?;
        let (bytes, length) = match section.content {
            Content::Edges(length) => (&edges, length),
            Content::Meta(length) => (&encoded, length),
            _ => continue,
        };
        let fits = bytes.len() <= length;
        let zeros = vec![0; length.saturating_sub(bytes.len())];
        if !fits || (matches!(section.content, Content::Edges(_)) && !zeros.is_empty()) {
            let (limit, found) = (format!("{length} bytes"), format!("{} bytes", bytes.len()));
            let what = format!("the {} of a segment", section.kind.name());
            let fix = "report this: the room for it is a bound".to_owned();
            return Err(Error::ResourceLimit { what, limit, found, fix });
        }
        out.summed(bytes)?;
        out.summed(&zeros)?;
        out.sums.end_section();
    }
    let sums = std::mem::take(&mut out.sums).into_bytes();
    out.pad_to(layout.offsets.last().copied().unwrap_or_default())?;
    out.raw(&sums)?;
    out.pad_to(layout.footer_at)?;
    let footer = layout.footer(&sums);
    out.raw(&footer)?;
    Ok(crc(&footer))
}

/// Bytes of the metadata: with an index, room for what its graph adds.
fn meta_bytes(meta: Meta<'_>, index: Option<&Index<'_>>) -> Result<usize> {
    let Some(Index { ordered, graph }) = index else { return Ok(meta.encode(None)?.len()) };
    let room = meta.encode(Some(ordered.early_meta()))?.len() + GRAPH_META_BYTES;
    Ok(match graph {
        IndexGraph::Grown(grown) => room.max(meta.encode(Some(grown.meta.clone()))?.len()),
        IndexGraph::Growing(..) => room,
    })
}

fn sections<'a>(
    config: &CollectionConfig,
    points: &'a Kept,
    index: Option<&Index<'a>>,
    order: &'a [u32],
) -> Result<Vec<Section<'a>>> {
    let mut sections = Vec::new();
    let mut add = |kind, column: usize, content| {
        sections.push(Section { kind, column: column as u32, content });
    };
    if let Some(Index { ordered, .. }) = index {
        add(SectionKind::Codes, 0, Content::Borrowed(&ordered.codes));
        add(SectionKind::Refine, 0, Content::Borrowed(&ordered.refine));
    }
    let rows = points.rows_of(order);
    match points.all_ids() {
        Ids::U64(ids) => {
            let bytes = rows.iter().flat_map(|row| ids[*row as usize].to_le_bytes()).collect();
            add(SectionKind::Ids, 0, Content::Bytes(bytes));
        }
        Ids::Str(ids) => {
            let (mut offsets, mut bytes) = (0_u64.to_le_bytes().to_vec(), Vec::new());
            for row in &rows {
                bytes.extend_from_slice(ids[*row as usize].as_bytes());
                offsets.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            }
            add(SectionKind::Ids, 0, Content::Bytes(bytes));
            add(SectionKind::IdOffsets, 0, Content::Bytes(offsets));
        }
    }
    let mut slot_of = vec![0_u32; order.len()];
    for (slot, point) in order.iter().enumerate() {
        slot_of[*point as usize] = slot as u32;
    }
    let by_id = points.by_id().iter().flat_map(|point| slot_of[*point as usize].to_le_bytes());
    add(SectionKind::IdOrder, 0, Content::Bytes(by_id.collect()));
    for (position, column) in points.columns().iter().enumerate() {
        for (kind, bytes) in column.encode(&rows) {
            add(kind, position, Content::Bytes(bytes));
        }
    }
    let originals = Originals::new(config.dtype, config.dim, points.vectors());
    let vectors = match index {
        Some(_) => Content::Rows(originals, order),
        // In the order in which they are gathered.
        None => Content::Borrowed(points.vectors()),
    };
    add(SectionKind::Vectors, 0, vectors);
    if let Some(Index { ordered, .. }) = index {
        add(SectionKind::Edges, 0, Content::Edges(ordered.edge_bytes()));
    }
    let meta = Meta { rows: order.len() as u32, config };
    add(SectionKind::Meta, 0, Content::Meta(meta_bytes(meta, index)?));
    Ok(sections)
}

/// Where the bytes go.
enum Sink<'a> {
    File(&'a mut FileWriter),
    /// Zeroed, and as long as the segment.
    Memory(&'a mut [u8]),
}

/// A segment that is being written.
struct Out<'a> {
    sink: Sink<'a>,
    at: u64,
    sums: BlockSums,
}

impl Out<'_> {
    fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        let start = self.at as usize;
        self.at += bytes.len() as u64;
        match &mut self.sink {
            Sink::File(file) => file.append(bytes),
            Sink::Memory(out) => {
                out[start..start + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Makes durable what is written so far.
    fn sync(&mut self) -> Result<()> {
        match &mut self.sink {
            Sink::File(file) => file.sync_data(),
            Sink::Memory(_) => Ok(()),
        }
    }

    fn summed(&mut self, bytes: &[u8]) -> Result<()> {
        self.sums.add(bytes);
        self.raw(bytes)
    }

    fn pad_to(&mut self, offset: u64) -> Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        if matches!(self.sink, Sink::Memory(_)) {
            self.at = self.at.max(offset);
        }
        while self.at < offset {
            let more = (offset - self.at).min(ZEROS.len() as u64) as usize;
            self.raw(&ZEROS[..more])?;
        }
        Ok(())
    }

    fn section(&mut self, section: &Section<'_>, offset: u64) -> Result<()> {
        self.pad_to(offset)?;
        match &section.content {
            Content::Bytes(bytes) => self.summed(bytes)?,
            Content::Borrowed(bytes) => self.summed(bytes)?,
            Content::Rows(originals, order) => {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES + originals.row_bytes());
                for row in *order {
                    chunk.extend_from_slice(originals.row(*row as usize));
                    let room = CHUNK_BYTES - (self.at % CHUNK_BYTES as u64) as usize;
                    if chunk.len() >= room {
                        self.summed(&chunk[..room])?;
                        chunk.drain(..room);
                    }
                }
                self.summed(&chunk)?;
            }
            Content::Edges(_) | Content::Meta(_) => return Ok(()),
        }
        self.sums.end_section();
        Ok(())
    }
}
