//! Distances between rows of an index, from their 8-bit rows. Used by the builder.

use super::layout::{Fields, Layout};
use crate::kernels::{BLOCK, Block, Kernel};

/// The rows to compare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs<'a> {
    pub(crate) layout: Layout,
    pub(crate) codes: &'a [u8],
    pub(crate) refine: &'a [u8],
}

/// A row unpacked as the signed side of a product.
#[derive(Debug, Clone, Default)]
pub(crate) struct SignedRow {
    blocks: Vec<Block>,
    sum: i32,
    scale: f32,
    norm2: f32,
}

impl<'a> Pairs<'a> {
    fn row(&self, slot: u32) -> &'a [u8] {
        let bytes = self.layout.padded;
        if self.layout.bits == 8 {
            let at = slot as usize * self.layout.stride();
            &self.codes[at..at + bytes]
        } else {
            let at = slot as usize * bytes;
            &self.refine[at..at + bytes]
        }
    }

    fn fields(&self, slot: u32) -> Fields {
        let at = slot as usize * self.layout.stride() + self.layout.fields_at();
        Fields::read(&self.codes[at..at + self.layout.field_bytes()])
    }

    /// Unpacks a row into `out`.
    pub(crate) fn unpack(&self, slot: u32, out: &mut SignedRow) {
        let fields = self.fields(slot);
        out.blocks.clear();
        // 0 stands for -128, which no encoder writes; the clamp keeps hostile bytes harmless.
        let signed = |c: &[u8; BLOCK]| Block(c.map(|u| (u.max(1) ^ 0x80) as i8));
        out.blocks.extend(self.row(slot).as_chunks::<BLOCK>().0.iter().map(signed));
        out.sum = out.blocks.iter().flat_map(|b| &b.0).map(|v| i32::from(*v)).sum();
        out.scale = fields.scale;
        out.norm2 = fields.norm2;
    }

    /// Squared L2 distance of two rows in code space, at least 0.
    #[inline(always)]
    pub(crate) fn distance<K: Kernel>(&self, a: &SignedRow, slot: u32) -> f32 {
        let fields = self.fields(slot);
        // SAFETY: a row is whole blocks, as many as `a` has; the caller of the hop that this is
        // inlined in has the instruction set of `K`.
        let dot = unsafe { K::sum1::<8>(self.row(slot).as_ptr(), &a.blocks) } - 128 * a.sum;
        let product = a.scale * fields.scale * dot as f32;
        (a.norm2 + fields.norm2 - 2.0 * product).max(0.0)
    }
}

impl Pairs<'_> {
    /// The scale of a row, and the raw product of its bytes with a direction.
    #[inline(always)]
    pub(crate) fn project<K: Kernel>(&self, slot: u32, direction: &[Block]) -> (f32, i32) {
        let scale = self.fields(slot).scale;
        let row = &self.row(slot)[..direction.len() * BLOCK];
        // SAFETY: the row holds `BLOCK` bytes a block of the direction; the caller of the loop
        // that this is inlined in has the instruction set of `K`.
        (scale, unsafe { K::sum1::<8>(row.as_ptr(), direction) })
    }
}

impl SignedRow {
    /// The components in code space.
    pub(crate) fn values(&self) -> Vec<f32> {
        self.blocks.iter().flat_map(|b| &b.0).map(|v| f32::from(*v) * self.scale).collect()
    }

    /// The row as a query: its components in 8 bits, their scale, and |y|^2.
    pub(crate) fn parts(&self) -> (&[Block], f32, f32) {
        (&self.blocks, self.scale, self.norm2)
    }
}

/// Runs `$function::<K, ..>($args)` compiled for the detected instruction set. `$function` must
/// be `#[inline(always)]`.
macro_rules! with_kernels {
    ($function:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        unsafe fn avx512($($arg: $type),*) $(-> $out)? {
            $function::<crate::kernels::x86_64::avx512::Avx512>($($arg),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        unsafe fn avx2($($arg: $type),*) $(-> $out)? {
            $function::<crate::kernels::x86_64::avx2::Avx2>($($arg),*)
        }
        match crate::kernels::Isa::detected() {
            // SAFETY: the instruction set was detected.
            #[cfg(target_arch = "x86_64")]
            crate::kernels::Isa::Avx512 => unsafe { avx512($($arg),*) },
            // SAFETY: the instruction set was detected.
            #[cfg(target_arch = "x86_64")]
            crate::kernels::Isa::Avx2 => unsafe { avx2($($arg),*) },
            _ => $function::<crate::kernels::scalar::Scalar>($($arg),*),
        }
    }};
}
pub(crate) use with_kernels;
