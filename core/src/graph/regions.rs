//! Regions of an index: equal runs of slots, which are in cluster order, each with the mean of its
//! rows. They say where slots near a query are, whichever of them are eligible. Learned from the
//! 8-bit rows when first asked for, and kept as long as the segment is open.

use super::filtered::order;
use super::search::Walk;
use crate::codes::layout::{Fields, is_clustered};
use crate::codes::pairs::{Pairs, SignedRow, with_kernels};
use crate::codes::query::{Query, round};
use crate::kernels::candidate::{Candidate, Scoring};
use crate::kernels::{BLOCK, Block, Kernel};

/// Slots of a region at least, and regions at most.
const SLOTS: usize = 256;
const REGIONS: usize = 1_024;
/// Groups of four means that are asked for before they are scored.
const AHEAD: usize = 2;
/// Hardly any row of a cluster scores so many standard deviations above the mean of them.
const ABOVE: f32 = 6.0;
/// Rows that say where a region is.
const SAMPLE: usize = 24;

/// The regions of an index, and which of its nodes have twins.
#[derive(Debug)]
pub(crate) struct Regions {
    rows: usize,
    /// An 8-bit row a region, as refine rows are.
    means: Vec<Block>,
    blocks: usize,
    /// Scale and squared norm of each.
    fields: Vec<(f32, f32)>,
    /// Nodes with twins, and how many.
    twins: Vec<(u32, u32)>,
    /// The cluster of each slot, and what is known of each cluster; none where codes have none.
    of: Vec<u16>,
    clusters: Vec<Cluster>,
}

/// What is known of the rows of a cluster.
#[derive(Debug, Clone, Copy, Default)]
struct Cluster {
    rows: f32,
    /// Mean squared norm, and mean squared distance to the cluster's mean.
    norm2: f32,
    away2: f32,
}

impl Regions {
    pub(crate) fn learn(walk: &Walk<'_>, pairs: Pairs<'_>) -> Self {
        let rows = walk.rows;
        let count = (rows / SLOTS).clamp(1, REGIONS);
        let blocks = walk.layout.padded / BLOCK;
        let mut regions = Self {
            rows,
            means: Vec::with_capacity(count * blocks),
            blocks,
            fields: Vec::with_capacity(count),
            twins: Vec::new(),
            of: Vec::new(),
            clusters: Vec::new(),
        };
        let mut row = SignedRow::default();
        for region in 0..count {
            let slots = rows * region / count..rows * (region + 1) / count;
            let mut mean = vec![0.0_f32; walk.layout.padded];
            let step = (slots.len() / SAMPLE).max(1);
            let mut taken = 0.0;
            for slot in slots.step_by(step) {
                pairs.unpack(slot as u32, &mut row);
                mean.iter_mut().zip(row.values()).for_each(|(m, v)| *m += v);
                taken += 1.0;
            }
            regions.push(&mean.iter().map(|m| m / taken).collect::<Vec<f32>>());
        }
        let mut slot = 0_u32;
        while (slot as usize) < rows {
            let Fields { twins, .. } = walk.fields(slot);
            let twins = twins.min((rows - 1) as u32 - slot);
            if twins > 0 {
                regions.twins.push((slot, twins));
            }
            slot += 1 + twins;
        }
        regions.learn_clusters(walk);
        regions
    }

    fn learn_clusters(&mut self, walk: &Walk<'_>) {
        let count = walk.gates().len();
        if !is_clustered(walk.layout.bits) || !count.is_power_of_two() {
            return;
        }
        self.clusters.resize(count, Cluster::default());
        for slot in 0..self.rows as u32 {
            let fields = walk.fields(slot);
            // What a file says may be no cluster.
            let of = fields.cluster as usize & (count - 1);
            self.of.push(of as u16);
            let cluster = &mut self.clusters[of];
            cluster.rows += 1.0;
            cluster.norm2 += fields.norm2;
            cluster.away2 += fields.length * fields.length;
        }
        for Cluster { rows, norm2, away2 } in &mut self.clusters {
            (*norm2, *away2) = (*norm2 / rows.max(1.0), *away2 / rows.max(1.0));
        }
    }

    /// For each cluster a score that hardly any of its rows is above; none where there are no clusters.
    pub(crate) fn bounds(&self, query: &Query, out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.clusters.iter().enumerate().map(|(at, cluster)| {
            let (mean, error) = query.of_cluster(at, cluster.norm2, cluster.away2);
            mean + ABOVE * error
        }));
    }

    /// Leaves those slots whose cluster's bound is at least this.
    pub(crate) fn keep(&self, slots: &mut Vec<u32>, bounds: &[f32], least: f32) {
        if !bounds.is_empty() {
            let cluster = |slot: u32| self.of.get(slot as usize).copied().unwrap_or_default();
            let bound = |slot: u32| bounds.get(usize::from(cluster(slot))).copied();
            slots.retain(|slot| bound(*slot).is_none_or(|bound| bound >= least));
        }
    }

    fn push(&mut self, mean: &[f32]) {
        let largest = mean.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // As an encoder of refine rows does: 128 stands for 0.
        let byte = |v: &f32| (round(*v * inverse) as i32 + 128) as u8 as i8;
        for block in mean.as_chunks::<BLOCK>().0 {
            self.means.push(Block(std::array::from_fn(|i| byte(&block[i]))));
        }
        self.fields.push((scale, mean.iter().map(|v| v * v).sum()));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.fields.len()
    }

    /// The slots of a region.
    pub(crate) fn slots(&self, region: u32) -> std::ops::Range<u32> {
        let at = |region: usize| (self.rows * region / self.count()) as u32;
        at(region as usize)..at(region as usize + 1)
    }

    /// Nodes with twins, and how many, ascending.
    pub(crate) fn twins(&self) -> &[(u32, u32)] {
        &self.twins
    }

    /// The regions by their scores, roughly in order, the nearest first; a region's number is in
    /// the place of a slot.
    pub(crate) fn nearest(&self, query: &Query, out: &mut Vec<Candidate>) {
        let regions = self;
        with_kernels!(score_with(regions: &Regions, query: &Query, out: &mut Vec<Candidate>));
        let least = out.iter().fold(f32::INFINITY, |least, c| least.min(c.score()));
        order(out, least, &mut Vec::with_capacity(self.count()));
    }
}

#[inline(always)]
fn score_with<K: Kernel>(regions: &Regions, query: &Query, out: &mut Vec<Candidate>) {
    out.clear();
    let scoring = Scoring { b: query.refine_b, ..query.scoring };
    let blocks = regions.blocks.min(query.row.len());
    let mut push = |region: usize, sum: i32| {
        let (scale, norm2) = regions.fields[region];
        out.push(Candidate::new(scoring.score(sum, scale, norm2), region as u32));
    };
    let at = |region: usize| regions.means[region * regions.blocks..].as_ptr().cast::<u8>();
    let query = &query.row[..blocks];
    let whole = regions.count() / 4 * 4;
    let ahead = 4 * AHEAD * regions.blocks;
    for region in (0..whole).step_by(4) {
        let from = region * regions.blocks + ahead;
        for block in regions.means.get(from..from + 4 * regions.blocks).unwrap_or_default() {
            // SAFETY: a prefetch never faults.
            unsafe { K::prefetch(block.0.as_ptr().cast()) };
        }
        // SAFETY: every region has `blocks` blocks; the instruction set is that of the caller.
        let sums = unsafe {
            K::sums4::<8>([at(region), at(region + 1), at(region + 2), at(region + 3)], query)
        };
        (region..).zip(sums).for_each(|(region, sum)| push(region, sum));
    }
    for region in whole..regions.count() {
        // SAFETY: as above.
        push(region, unsafe { K::sum1::<8>(at(region), query) });
    }
}
