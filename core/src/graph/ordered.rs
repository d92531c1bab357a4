//! Rows encoded and put into cluster order: everything of an index but its graph.

use rayon::prelude::*;

use super::build::{self, NONE, Site};
use super::duplicates::Groups;
use super::given::{self, Given};
use super::pool::SLOTS_MAX;
use super::reuse::{self, Base};
use super::{BuildOptions, Grown, IndexMeta, clusters, hnsw, order};
use crate::codes::layout::Fields;
use crate::codes::pairs::Pairs;
use crate::codes::quantizer::Buffers;
use crate::codes::{Layout, Quantizer, SpaceParams};
use crate::config::Progress;
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::huge::HugeBytes;
use crate::originals::Originals;
use crate::types::IndexKind;

/// Codes and refine rows in slot order, for a graph to grow on.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// Slot to row of the input.
    pub(crate) order: Vec<u32>,
    /// Code records, 64-byte multiples; hot. The section must be 128-byte aligned.
    pub(crate) codes: HugeBytes,
    /// 8-bit rows; warm. The section must be 64-byte aligned.
    pub(crate) refine: HugeBytes,
    quantizer: Quantizer,
    /// Slots that are nodes; the others are twins.
    nodes: Vec<u32>,
    /// The node nearest to the mean of each cluster.
    gates: Vec<u32>,
    /// Whether the rows enter the space of a base, about.
    on_base: bool,
}

/// What a graph begins with.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    Nothing,
    /// A graph of these rows.
    Given(&'a Given),
    /// An index of most of them.
    Base(&'a Base<'a>),
}

impl Ordered {
    /// Encodes every row and puts them in order. Deterministic, as is the graph that then grows:
    /// the same rows, options and base give the same bytes for any number of threads and any
    /// instruction set. Runs on the current rayon pool.
    ///
    /// Codes that a base has are copied, if these rows enter the space that it is in and form the
    /// clusters that it has.
    pub(crate) fn new(
        rows: &Originals<'_>,
        options: &BuildOptions,
        base: Option<&Base<'_>>,
        progress: &Progress,
    ) -> Result<Self> {
        rows_fit(rows.rows())?;
        let mut params = SpaceParams::train(rows, options.metric, options.seed);
        let padded = params.centroid.len().next_multiple_of(64);
        let bits = if rows.dim() < 64 { 8 } else { options.bits };
        let layout = Layout { padded, bits, degree: options.degree };
        let of_base = base.and_then(|base| base.params(&params, layout, options));
        let base = base.filter(|_| of_base.is_some());
        let serves = |(base, of_base): &(&Base<'_>, SpaceParams)| {
            clusters::serve(rows, of_base, padded, base.rows())
        };
        let copied = base.zip(of_base).filter(serves);
        if let Some((_, of_base)) = &copied {
            params = of_base.clone();
        } else {
            params.means = clusters::learn(rows, &params, padded).into();
        }
        let quantizer = Quantizer::new(params, layout);
        progress.check("build")?;

        let (codes, refine) = encode_beside(rows, &quantizer, copied.map(|(base, _)| base))?;
        let groups = Groups::find(rows);
        let mut nodes = groups.representatives.clone();
        order::cluster(Pairs { layout, codes: &codes, refine: &refine }, &mut nodes);
        let (order, nodes) = with_twins(&nodes, &groups);
        drop(groups);
        let mut ordered_codes = permute(&codes, layout.stride(), &order)?;
        drop(codes);
        count_twins(&mut ordered_codes, layout, &nodes);
        let ordered_refine = permute(&refine, layout.refine_bytes(), &order)?;
        drop(refine);
        progress.check("build")?;
        let on_base = base.is_some();
        let pairs = Pairs { layout, codes: &ordered_codes, refine: &ordered_refine };
        let gates = clusters::gates(pairs, &nodes, &quantizer.params.means);
        let (codes, refine) = (ordered_codes, ordered_refine);
        Ok(Self { order, codes, refine, quantizer, nodes, gates, on_base })
    }

    /// Grows the graph, or takes the given one. `rows`, `options` and the base are those of
    /// [`Self::new`].
    pub(crate) fn grow(
        &self,
        rows: &Originals<'_>,
        options: &BuildOptions,
        start: Start<'_>,
        progress: &Progress,
    ) -> Result<Grown> {
        let site = Site {
            quantizer: &self.quantizer,
            codes: &self.codes,
            refine: &self.refine,
            nodes: &self.nodes,
            gates: &self.gates,
            rows,
            order: &self.order,
            options,
        };
        let graph = match (start, options.kind) {
            (Start::Given(given), _) => given::grow(&site, given, progress)?,
            (Start::Base(base), _) if self.on_base && base.is_whole() => {
                reuse::grow(&site, base, progress)?
            }
            (_, IndexKind::Graph) => build::grow(&site, progress)?,
            (_, IndexKind::Hnsw) => hnsw::grow(&site, progress)?,
        };
        Ok(Grown { edges: graph.edges, meta: self.meta(graph.entries, graph.curve) })
    }

    /// Bytes of the edges of a graph.
    pub(crate) fn edge_bytes(&self) -> usize {
        self.order.len() * self.quantizer.layout.edge_bytes()
    }

    /// What is known of an index before its graph.
    pub(crate) fn early_meta(&self) -> IndexMeta {
        self.meta(Vec::new(), Curve::default())
    }

    fn meta(&self, entries: Vec<u32>, curve: Curve) -> IndexMeta {
        IndexMeta::new(&self.quantizer, self.order.len(), (entries, self.gates.clone()), curve)
    }
}

fn memory(source: &std::io::Error, bytes: usize) -> Error {
    Error::ResourceLimit {
        what: "memory of a build".into(),
        limit: source.to_string(),
        found: format!("{bytes} bytes"),
        fix: "build fewer points at a time or on a larger machine".into(),
    }
}

/// Refuses more rows than a slot can name.
pub(super) fn rows_fit(rows: usize) -> Result<()> {
    if rows < SLOTS_MAX {
        return Ok(());
    }
    Err(Error::ResourceLimit {
        what: "rows of a segment".into(),
        limit: (SLOTS_MAX - 1).to_string(),
        found: rows.to_string(),
        fix: "split the points over several collections".into(),
    })
}

fn zeroed(bytes: usize) -> Result<HugeBytes> {
    HugeBytes::zeroed(bytes).map_err(|e| memory(&e, bytes))
}

/// Code records and refine rows, in the order of the rows.
pub(super) fn encode(
    rows: &Originals<'_>,
    quantizer: &Quantizer,
) -> Result<(HugeBytes, HugeBytes)> {
    encode_beside(rows, quantizer, None)
}

/// [`encode`], but for what a base has already.
fn encode_beside(
    rows: &Originals<'_>,
    quantizer: &Quantizer,
    base: Option<&Base<'_>>,
) -> Result<(HugeBytes, HugeBytes)> {
    let (layout, n) = (quantizer.layout, rows.rows());
    let slots = base.map_or_else(Vec::new, |base| base.slots(n));
    let mut codes = zeroed(n * layout.stride())?;
    let mut refine = zeroed(n * layout.padded)?;
    let (stride, padded) = (layout.stride(), layout.padded);
    codes
        .par_chunks_exact_mut(stride)
        .zip(refine.par_chunks_exact_mut(padded))
        .enumerate()
        .for_each_init(Buffers::default, |buffers, (row, (record, refine))| {
            let slot = slots.get(row).filter(|slot| **slot != NONE);
            let known = slot.zip(base);
            if !known.is_some_and(|(slot, base)| base.copy(*slot, record, refine)) {
                quantizer.encode(rows, row, buffers, record, refine);
            }
        });
    if layout.bits == 8 {
        refine = zeroed(0)?;
    }
    Ok((codes, refine))
}

/// Every row in slot order, each representative followed by its twins; and which slots are nodes.
fn with_twins(nodes: &[u32], groups: &Groups) -> (Vec<u32>, Vec<u32>) {
    let mut order = Vec::with_capacity(nodes.len());
    let mut is_node = Vec::with_capacity(nodes.len());
    for node in nodes {
        is_node.push(order.len() as u32);
        order.push(*node);
        order.extend(groups.twins(*node).iter().map(|(_, twin)| *twin));
    }
    (order, is_node)
}

/// Moves records of so many bytes into slot order.
fn permute(from: &[u8], bytes: usize, order: &[u32]) -> Result<HugeBytes> {
    if from.is_empty() {
        return zeroed(0);
    }
    let mut to = zeroed(order.len() * bytes)?;
    to.par_chunks_exact_mut(bytes.max(1)).zip(order).for_each(|(out, row)| {
        let at = *row as usize * bytes;
        out.copy_from_slice(&from[at..at + bytes]);
    });
    Ok(to)
}

/// Writes into each node's record how many twins follow it.
fn count_twins(codes: &mut [u8], layout: Layout, nodes: &[u32]) {
    let rows = codes.len() / layout.stride();
    let ends = nodes.iter().skip(1).copied().chain([rows as u32]);
    for (node, end) in nodes.iter().zip(ends) {
        let at = *node as usize * layout.stride() + layout.fields_at();
        let bytes = &mut codes[at..at + layout.field_bytes()];
        let mut fields = Fields::read(bytes);
        fields.twins = end - node - 1;
        fields.write(bytes);
    }
}
