//! Where things are in a code record and in a refine row.
//!
//! A record: the code, padded to 8 bytes; then `factor` (f32), `norm2` = |y|^2 (f32), `scale` of
//! the refine row (f32), `twins` (u32); zero padding to a multiple of 64 bytes. A refine row: one
//! byte a component of `y`, `round(y / scale) + 128`.

use crate::kernels::BLOCK;

/// Bytes of the fields after the code.
const FIELDS: usize = 16;

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
    pub(crate) fn code_bytes(&self) -> usize {
        self.padded * self.bits / 8
    }

    /// Offset of the fields.
    pub(crate) fn fields_at(&self) -> usize {
        self.code_bytes().next_multiple_of(8)
    }

    /// Bytes of a record.
    pub(crate) fn stride(&self) -> usize {
        (self.fields_at() + FIELDS).next_multiple_of(BLOCK)
    }

    /// Bytes of a refine row; 0 when the code is the refine row.
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fields {
    pub(crate) factor: f32,
    pub(crate) norm2: f32,
    pub(crate) scale: f32,
    /// Exact duplicates of this row: the slots that follow it.
    pub(crate) twins: u32,
}

impl Fields {
    /// Reads the fields that start at `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let word = |i: usize| -> [u8; 4] {
            let mut w = [0; 4];
            w.copy_from_slice(&bytes[4 * i..4 * i + 4]);
            w
        };
        Self {
            factor: f32::from_le_bytes(word(0)),
            norm2: f32::from_le_bytes(word(1)),
            scale: f32::from_le_bytes(word(2)),
            twins: u32::from_le_bytes(word(3)),
        }
    }

    /// Writes them to the start of `bytes`.
    pub(crate) fn write(&self, bytes: &mut [u8]) {
        bytes[..4].copy_from_slice(&self.factor.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.norm2.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.scale.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.twins.to_le_bytes());
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
