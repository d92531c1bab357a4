//! Codes without a graph: what a search of growing rows scores, one after the other. Made in a
//! moment, in memory only, and gone when the rows are sealed.

use super::ordered::{encode, rows_fit};
use super::{BuildOptions, IndexMeta, IndexView};
use crate::codes::{Layout, Quantizer, SpaceParams};
use crate::curve::Curve;
use crate::error::Result;
use crate::huge::HugeBytes;
use crate::originals::Originals;

/// The codes of some rows, in their order.
#[derive(Debug)]
pub(crate) struct Flat {
    meta: IndexMeta,
    quantizer: Quantizer,
    codes: HugeBytes,
    refine: HugeBytes,
}

impl Flat {
    /// Encodes all rows. Runs on the current rayon pool.
    pub(crate) fn new(rows: &Originals<'_>, options: &BuildOptions) -> Result<Self> {
        rows_fit(rows.rows())?;
        let params = SpaceParams::train(rows, options.metric, options.seed);
        let padded = params.centroid.len().next_multiple_of(64);
        let bits = if rows.dim() < 64 { 8 } else { options.bits };
        let quantizer = Quantizer::new(params, Layout { padded, bits, degree: 0 });
        let (codes, refine) = encode(rows, &quantizer)?;
        // A walk begins at its entries: here it ends there too.
        let entries = (0..rows.rows() as u32).collect();
        let meta = IndexMeta::new(&quantizer, rows.rows(), (entries, Vec::new()), Curve::default());
        Ok(Self { meta, quantizer, codes, refine })
    }

    /// The codes as an index without edges.
    pub(crate) fn view(&self) -> IndexView<'_> {
        IndexView {
            meta: &self.meta,
            quantizer: &self.quantizer,
            codes: &self.codes,
            edges: &[],
            refine: &self.refine,
        }
    }
}
