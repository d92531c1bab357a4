//! Where things are in a code record and in a refine row.
//!
//! A record: the code, padded to 8 bytes; then `factor` (f32), `norm2` = |y|^2 (f32), `scale` of
//! the refine row (f32), `twins` (u32); where codes are about the mean of their cluster also
//! `offset` (f32), `cluster` (u32), `length` (f32), 4 bytes of 0; zero padding to a multiple of 64
//! bytes. A refine row: one byte a component of `y`, `round(y / scale) + 128`.

use crate::kernels::BLOCK;
pub(crate) use crate::kernels::is_clustered;

/// Bytes of the fields after the code, and of those of a clustered one.
const FIELDS: usize = 16;
const CLUSTERED: usize = 32;

/// The layout of one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Components in code space, padded to a multiple of 64.
    pub(crate) padded: usize,
    /// Bits of a code's component: 1, 2, 4 or 8. With 8 the code is the refine row.
    pub(crate) bits: usize,
    /// Out-edges of a node.
    pub(crate) degree: usize,
}

impl Layout {
    /// Bytes of the code.
    #[inline]
    pub(crate) fn code_bytes(&self) -> usize {
        self.padded * self.bits / 8
    }

    /// Offset of the fields.
    #[inline]
    pub(crate) fn fields_at(&self) -> usize {
        self.code_bytes().next_multiple_of(8)
    }

    /// Bytes of a record.
    #[inline]
    pub(crate) fn stride(&self) -> usize {
        (self.fields_at() + self.field_bytes()).next_multiple_of(BLOCK)
    }

    /// Bytes of the fields.
    #[inline]
    pub(crate) fn field_bytes(&self) -> usize {
        if is_clustered(self.bits) { CLUSTERED } else { FIELDS }
    }

    /// Bytes of a refine row; 0 when the code is the refine row.
    #[inline]
    pub(crate) fn refine_bytes(&self) -> usize {
        if self.bits == 8 { 0 } else { self.padded }
    }

    /// Bytes of a node's edges.
    pub(crate) fn edge_bytes(&self) -> usize {
        self.degree * 4
    }

    /// Byte of the code, shift and width that hold component `i`.
    pub(crate) fn place(&self, i: usize) -> (usize, usize) {
        let planes = 8 / self.bits;
        let per_block = BLOCK * planes;
        let block = i / per_block;
        let bytes = (self.code_bytes() - block * BLOCK).min(BLOCK);
        let within = i % per_block;
        (block * BLOCK + within % bytes, within / bytes * self.bits)
    }
}

/// The fields of a record.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Fields {
    pub(crate) factor: f32,
    pub(crate) norm2: f32,
    pub(crate) scale: f32,
    /// Exact duplicates of this row: the slots that follow it.
    pub(crate) twins: u32,
    /// What the code misses of the product of the cluster's mean and the row.
    pub(crate) offset: f32,
    pub(crate) cluster: u32,
    /// Length of what the code encodes.
    pub(crate) length: f32,
}

impl Fields {
    /// Reads the fields: exactly their bytes.
    #[inline(always)]
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let words = bytes.as_chunks::<4>().0;
        let float = |i: usize| f32::from_le_bytes(words[i]);
        let fields = Self {
            factor: float(0),
            norm2: float(1),
            scale: float(2),
            twins: u32::from_le_bytes(words[3]),
            ..Self::default()
        };
        if bytes.len() < CLUSTERED {
            return Self { length: fields.norm2.max(0.0).sqrt(), ..fields };
        }
        let (offset, cluster, length) = (float(4), u32::from_le_bytes(words[5]), float(6));
        Self { offset, cluster, length, ..fields }
    }

    /// Writes them: as many as there are bytes for.
    pub(crate) fn write(&self, bytes: &mut [u8]) {
        let float = f32::to_le_bytes;
        let first = [float(self.factor), float(self.norm2), float(self.scale)];
        let more = [float(self.offset), self.cluster.to_le_bytes(), float(self.length), [0; 4]];
        let words = first.into_iter().chain([self.twins.to_le_bytes()]).chain(more);
        bytes.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(place, word)| *place = word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_distinct_and_inside() {
        for bits in [1, 2, 4, 8] {
            for padded in (64..=1088).step_by(64) {
                let layout = Layout { padded, bits, degree: 32 };
                let mut seen = std::collections::HashSet::new();
                for i in 0..padded {
                    let (byte, shift) = layout.place(i);
                    assert!(byte < layout.code_bytes() && shift + bits <= 8);
                    assert!(seen.insert((byte, shift)));
                }
                // A kernel reads whole blocks: they must lie inside the record.
                assert!(layout.code_bytes().next_multiple_of(BLOCK) <= layout.stride());
            }
        }
    }

    #[test]
    fn the_usual_record_is_two_cache_lines() {
        let layout = Layout { padded: 384, bits: 2, degree: 32 };
        assert_eq!((layout.code_bytes(), layout.stride(), layout.edge_bytes()), (96, 128, 128));
    }
}
