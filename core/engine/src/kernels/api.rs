//! What a kernel is, and how it is called: arguments are checked here, once.

use super::args::{ConvRow, DepthwiseRow, GrayRow};
use super::blocks::Blocks;
use super::checked::{Checked, Conv, Covered, Depthwise, Gray};
use super::general;
use super::more::{FixedSumLoop, More};

/// Packs the filters of a layer into a buffer if it is long enough; returns the bytes that they take.
type Pack = fn(&Covered<'_>, &mut [u8]) -> usize;

/// The inner loops of one instruction set.
///
/// ```
/// let kernel = rownet::kernels::Kernel::best();
/// println!("{}", kernel.name());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    pub(super) name: &'static str,
    pub(super) conv_row: fn(Conv<'_>),
    pub(super) gray_row: fn(Gray<'_>),
    pub(super) depthwise_row: fn(Depthwise<'_>),
    pub(super) dot: fn(&[i8], &[u8]) -> i32,
    /// Adds to each sum the products of a window and its filter, which starts so many bytes after the one before.
    pub(super) dots: fn(&[i8], &[u8], usize, &mut [i32]),
    /// A row of a depthwise convolution from rows without padding; false where it does not take the layer.
    #[cfg(cortex_m_dsp)]
    pub(super) padded_row: Option<fn(&general::DepthwiseRow<'_>, &mut [i8]) -> bool>,
    /// Packs filters if the buffer is long enough; the length that it takes. None: filters are read as they are.
    pub(super) pack: Option<Pack>,
    /// Loops beside those for rows.
    pub(super) more: More,
}

impl Kernel {
    /// Name of the instruction set.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes that these filters take when packed, 0 where the kernel reads them as they are.
    pub fn packed_len(&self, layer: &Covered<'_>) -> usize {
        self.pack(layer, &mut [])
    }

    /// Packs filters for this kernel, once, so that it need not at every row; the bytes taken, which are written only
    /// if `out` is that long.
    pub fn pack(&self, layer: &Covered<'_>, out: &mut [u8]) -> usize {
        self.pack.map_or(0, |pack| pack(layer, out))
    }

    /// One output row of a depthwise convolution from rows without padding; false, with nothing that counts written, where the
    /// kernel has no loops for it.
    #[inline(always)]
    pub(super) fn padded_row(&self, args: &general::DepthwiseRow<'_>, out: &mut [i8]) -> bool {
        #[cfg(cortex_m_dsp)]
        {
            self.padded_row.is_some_and(|row| row(args, out))
        }
        #[cfg(not(cortex_m_dsp))]
        {
            let _ = (args, out);
            false
        }
    }

    /// TFLite's addition of so many values, where there is a loop of its own.
    #[inline(always)]
    pub(crate) const fn fixed_sum(&self) -> Option<FixedSumLoop> {
        self.more.fixed_sum()
    }

    /// True if filters that are not packed take longer, for they are packed at every row.
    pub(crate) const fn packs(&self) -> bool {
        self.pack.is_some()
    }

    /// Adds to each sum the products of a window and its filter, which starts `stride` bytes after the one before.
    #[inline]
    pub fn dots(&self, window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
        (self.dots)(window, weights, stride, sums);
    }

    /// Loops that compute several rows at once, where there are any.
    #[inline(always)]
    pub const fn blocks(&self) -> Option<Blocks> {
        self.more.blocks()
    }

    /// Rows of any geometry.
    #[inline(always)]
    pub(crate) const fn general(&self) -> &general::Loops {
        self.more.general()
    }

    /// One output row of a convolution; `out` is `width * channels` long. False, with nothing written, where rows or filters
    /// are too short for it, or an extent is 0 or too large.
    #[inline]
    #[must_use = "nothing was computed if it is false"]
    pub fn conv_row<'a>(&self, args: &'a ConvRow<'a>, out: &'a mut [i8]) -> bool {
        Checked::conv(args, out).map(self.conv_row).is_some()
    }

    /// One output row of the first convolution of a gray image; as [`conv_row`](Self::conv_row).
    #[inline]
    #[must_use = "nothing was computed if it is false"]
    pub fn gray_row<'a>(&self, args: &'a GrayRow<'a>, out: &'a mut [i8]) -> bool {
        Checked::gray(args, out).map(self.gray_row).is_some()
    }

    /// One output row of a depthwise convolution; as [`conv_row`](Self::conv_row).
    #[inline]
    #[must_use = "nothing was computed if it is false"]
    pub fn depthwise_row<'a>(&self, args: &'a DepthwiseRow<'a>, out: &'a mut [i8]) -> bool {
        Checked::depthwise(args, out).map(self.depthwise_row).is_some()
    }

    /// Sum of products of int8 values (`weights` as int8 bits), over the shorter of the two, modulo 2^32.
    ///
    /// ```
    /// use rownet::kernels::Kernel;
    /// assert_eq!(Kernel::best().dot(&[1, 2, 3], &[1, 1, 255]), 0); // 255 is -1
    /// ```
    #[inline]
    pub fn dot(&self, values: &[i8], weights: &[u8]) -> i32 {
        (self.dot)(values, weights)
    }
}
