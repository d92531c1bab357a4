//! The sealed segment's index: a flat graph over quantised codes. Over slices: no files, no
//! clock; threads only through the rayon pool it is called in.

mod build;
pub(crate) mod calibrate;
mod clusters;
mod duplicates;
pub(crate) mod filtered;
mod flat;
mod given;
mod hnsw;
pub(crate) mod hop;
pub(crate) mod memory;
mod order;
mod ordered;
pub(crate) mod pool;
mod prune;
pub(crate) mod refine;
pub(crate) mod regions;
mod repair;
mod reuse;
pub(crate) mod search;
mod visited;

#[cfg(test)]
mod tests;

use bincode::{Decode, Encode};
pub(crate) use flat::Flat;
pub(crate) use given::Given;
pub(crate) use ordered::{Ordered, Start};
pub(crate) use reuse::Base;

use crate::codes::means::CLUSTERS_MAX;
use crate::codes::pairs::Pairs;
use crate::codes::{Layout, Means, Quantizer, SpaceParams};
use crate::curve::Curve;
use crate::metric::Metric;
use crate::types::{IndexKind, Profile};

/// What a build needs to know.
#[derive(Debug, Clone)]
pub(crate) struct BuildOptions {
    /// Who builds the graph.
    pub(crate) kind: IndexKind,
    pub(crate) metric: Metric,
    /// Out-edges of a node.
    pub(crate) degree: usize,
    /// Beam of the build's own searches.
    pub(crate) effort: usize,
    /// Bits of a code's component; under 64 dimensions 8 are used.
    pub(crate) bits: usize,
    pub(crate) seed: u64,
    /// Serves instead of one that is measured: for an index that is soon replaced.
    pub(crate) curve: Option<Curve>,
}

impl BuildOptions {
    /// The options of a profile, for our own graph.
    pub(crate) fn new(metric: Metric, profile: Profile, seed: u64) -> Self {
        let (degree, effort, bits) = match profile {
            Profile::Fast => (48, 200, 2),
            Profile::Balanced => (32, 96, 2),
            Profile::Compact => (32, 120, 1),
        };
        Self { kind: IndexKind::Graph, metric, degree, effort, bits, seed, curve: None }
    }
}

/// What a search must know about an index besides its bulk sections; kept in the segment's
/// metadata.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct IndexMeta {
    pub(crate) rows: u32,
    metric: u8,
    dim: u32,
    padded: u32,
    bits: u8,
    degree: u16,
    norm: f32,
    largest: f32,
    spread: f32,
    rotation_seed: u64,
    centroid: Vec<f32>,
    entries: Vec<u32>,
    curve: Curve,
    /// The means of the clusters: 8-bit rows, their scales, and what they are to their rows.
    means: Vec<u8>,
    scales: Vec<f32>,
    inner: f32,
    /// A node of each cluster, where walks begin.
    gates: Vec<u32>,
}

/// A graph over what is [`Ordered`].
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) meta: IndexMeta,
    /// `degree` little-endian u32 a slot; hot. The section must be 128-byte aligned.
    pub(crate) edges: Vec<u8>,
}

/// An index in place: its metadata and the bytes of its bulk sections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexView<'a> {
    pub(crate) meta: &'a IndexMeta,
    /// From [`IndexMeta::quantizer`], made once at open.
    pub(crate) quantizer: &'a Quantizer,
    pub(crate) codes: &'a [u8],
    pub(crate) edges: &'a [u8],
    pub(crate) refine: &'a [u8],
}

impl<'a> IndexView<'a> {
    /// The regions of the walk.
    pub(crate) fn regions(&self, walk: &search::Walk<'_>) -> regions::Regions {
        let pairs = Pairs { layout: self.meta.layout(), codes: self.codes, refine: self.refine };
        regions::Regions::learn(walk, pairs)
    }

    /// The walk over these sections; `None` if their lengths don't fit, which [`IndexMeta::check`]
    /// rules out.
    pub(crate) fn walk(&self) -> Option<search::Walk<'a>> {
        let layout = self.meta.layout();
        let rows = self.meta.rows as usize;
        let edges = search::Edges::new(self.edges, layout.degree)?;
        let starts = search::Starts { entries: self.meta.entries(), gates: &self.meta.gates };
        search::Walk::new(layout, rows, self.codes, edges, self.refine, starts)
    }
}

/// Fewer rows than this are scanned, not indexed.
pub(crate) const ROWS_MIN: usize = 1_000;

impl IndexMeta {
    fn new(
        quantizer: &Quantizer,
        rows: usize,
        (entries, gates): (Vec<u32>, Vec<u32>),
        curve: Curve,
    ) -> Self {
        let SpaceParams { metric, dim, norm, largest, spread, centroid, rotation_seed, means } =
            quantizer.params.clone();
        let layout = quantizer.layout;
        let metric = Metric::ALL.iter().position(|m| *m == metric).unwrap_or(0) as u8;
        Self {
            rows: rows as u32,
            metric,
            dim: dim as u32,
            padded: layout.padded as u32,
            bits: layout.bits as u8,
            degree: layout.degree as u16,
            norm,
            largest,
            spread,
            rotation_seed,
            centroid,
            entries,
            curve,
            means: means.bytes(),
            scales: means.scales().to_vec(),
            inner: means.spread,
            gates,
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout {
            padded: self.padded as usize,
            bits: usize::from(self.bits),
            degree: usize::from(self.degree),
        }
    }

    /// What encodes queries.
    pub(crate) fn quantizer(&self) -> Quantizer {
        let params = SpaceParams {
            metric: Metric::ALL[usize::from(self.metric).min(2)],
            dim: self.dim as usize,
            norm: self.norm,
            largest: self.largest,
            spread: self.spread,
            centroid: self.centroid.clone(),
            rotation_seed: self.rotation_seed,
            means: Means::of_bytes(&self.means, self.scales.clone(), self.inner).into(),
        };
        Quantizer::new(params, self.layout())
    }

    pub(crate) fn entries(&self) -> &[u32] {
        &self.entries
    }

    pub(crate) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// Whether these sections fit this metadata and `rows` rows of `dim`; else what is wrong as
    /// (what, expected, found). After it passed, no content of the sections can make a search
    /// read out of bounds.
    pub(crate) fn check(
        &self,
        rows: usize,
        dim: usize,
        codes: usize,
        edges: usize,
        refine: usize,
    ) -> Result<(), (&'static str, String, String)> {
        let equal = |what, expected: u64, found: u64| {
            if expected == found {
                Ok(())
            } else {
                Err((what, expected.to_string(), found.to_string()))
            }
        };
        let known = |what, ok: bool, expected: &str, found: String| {
            if ok { Ok(()) } else { Err((what, expected.to_owned(), found)) }
        };
        equal("rows of the index", rows as u64, u64::from(self.rows))?;
        equal("dimension of the index", dim as u64, u64::from(self.dim))?;
        known("slots", rows < pool::SLOTS_MAX, "fewer than 2^31", rows.to_string())?;
        known("metric", self.metric < 3, "0 to 2", self.metric.to_string())?;
        known("bits", [1, 2, 4, 8].contains(&self.bits), "1, 2, 4 or 8", self.bits.to_string())?;
        known("degree", (1..=256).contains(&self.degree), "1 to 256", self.degree.to_string())?;
        for (what, length) in [
            ("norm", self.norm),
            ("largest norm", self.largest),
            ("spread", self.spread),
            ("spread of clusters", self.inner),
        ] {
            let ok = length.is_finite() && length >= 0.0;
            known(what, ok, "0 or more", length.to_string())?;
        }
        let metric = Metric::ALL[usize::from(self.metric)];
        let code_dim = SpaceParams::code_dim(metric, dim, self.norm);
        equal("components of the centroid", code_dim as u64, self.centroid.len() as u64)?;
        equal("padded dimension", code_dim.next_multiple_of(64) as u64, u64::from(self.padded))?;
        let layout = self.layout();
        equal("bytes of codes", rows as u64 * layout.stride() as u64, codes as u64)?;
        equal("bytes of edges", rows as u64 * layout.edge_bytes() as u64, edges as u64)?;
        equal("bytes of refine rows", rows as u64 * layout.refine_bytes() as u64, refine as u64)?;
        let entries = self.entries.iter().all(|e| (*e as usize) < rows) && !self.entries.is_empty();
        known("entries", entries, "slots below the rows", format!("{:?}", self.entries))?;
        let clusters = self.scales.len();
        let ok = clusters == 0 || (clusters.is_power_of_two() && clusters <= CLUSTERS_MAX);
        known("clusters", ok, "0 or a power of two up to 1,024", clusters.to_string())?;
        let bytes = clusters * layout.padded;
        equal("bytes of the clusters' means", bytes as u64, self.means.len() as u64)?;
        let ok = self.scales.iter().all(|scale| scale.is_finite() && *scale >= 0.0);
        known("scales of the clusters' means", ok, "0 or more", "others".to_owned())?;
        equal("nodes of clusters", clusters as u64, self.gates.len() as u64)?;
        let ok = self.gates.iter().all(|gate| (*gate as usize) < rows);
        known("nodes of clusters", ok, "slots below the rows", "others".to_owned())?;
        known("calibration", self.curve.is_sound(), "rising efforts", format!("{:?}", self.curve))
    }
}
