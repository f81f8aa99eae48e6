//! What kernels take: rows under a window, filters, and how sums become int8.

use crate::model::bytes::{f32_at, i8_at, u32_at};
use crate::model::desc::Rescale;
use crate::quant::{clamp, multiply_by_quantized_multiplier, round_ties_even};

/// Weights and biases of the output channels of one operator, and how their sums become int8.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    /// Weights in the layout of the operator.
    pub weights: &'a [u8],
    /// i32 biases, little-endian.
    pub bias: &'a [u8],
    /// Scales, or multipliers and shifts: one, or one a channel.
    pub rescale: Rescale<'a>,
    /// Zero point of the input: what padding holds.
    pub input_zero_point: i8,
    /// Zero point of the output.
    pub zero_point: i8,
    /// Least and greatest output.
    pub clamp: [i8; 2],
    /// Output channels.
    pub channels: usize,
}

impl Filters<'_> {
    /// Adds the biases of the channels from `first` on.
    #[inline(always)]
    pub fn add_bias(&self, first: usize, sums: &mut [i32]) {
        let bias = self.bias.get(4 * first..).unwrap_or_default();
        for (sum, bias) in sums.iter_mut().zip(bias.chunks_exact(4)) {
            *sum = sum.wrapping_add(u32_at(bias, 0) as i32);
        }
    }

    /// The outputs of the channels from `first` on, whose sums these are.
    #[inline(always)]
    pub fn requantize(&self, first: usize, sums: &[i32], out: &mut [i8]) {
        let zero_point = i32::from(self.zero_point);
        match self.rescale {
            Rescale::Float { scales } if scales.len() > 4 => {
                let scales = scales.get(4 * first..).unwrap_or_default();
                for ((q, sum), scale) in out.iter_mut().zip(sums).zip(scales.chunks_exact(4)) {
                    *q = clamp(round_ties_even(*sum as f32 * f32_at(scale, 0)) + zero_point, self.clamp);
                }
            }
            Rescale::Float { scales } => {
                let scale = f32_at(scales, 0);
                for (q, sum) in out.iter_mut().zip(sums) {
                    *q = clamp(round_ties_even(*sum as f32 * scale) + zero_point, self.clamp);
                }
            }
            Rescale::Fixed { multipliers, shifts } if shifts.len() > 1 => {
                let (multipliers, shifts) =
                    (multipliers.get(4 * first..).unwrap_or_default(), shifts.get(first..).unwrap_or_default());
                for (((q, sum), multiplier), shift) in out.iter_mut().zip(sums).zip(multipliers.chunks_exact(4)).zip(shifts) {
                    let x = multiply_by_quantized_multiplier(*sum, u32_at(multiplier, 0) as i32, *shift as i8);
                    *q = clamp(x + zero_point, self.clamp);
                }
            }
            Rescale::Fixed { multipliers, shifts } => {
                let (multiplier, shift) = (u32_at(multipliers, 0) as i32, i8_at(shifts, 0));
                for (q, sum) in out.iter_mut().zip(sums) {
                    *q = clamp(multiply_by_quantized_multiplier(*sum, multiplier, shift) + zero_point, self.clamp);
                }
            }
        }
    }

    /// Clamps outputs that were rounded to int8 already.
    #[inline(always)]
    pub fn clamp_all(&self, out: &mut [i8]) {
        let [least, greatest] = self.clamp;
        if [least, greatest] != [i8::MIN, i8::MAX] {
            for q in out {
                *q = (*q).max(least).min(greatest);
            }
        }
    }

    /// The f32 output of channel `c`, whose sum this is; only of `Rescale::Float`.
    #[inline(always)]
    pub fn dequantize(&self, c: usize, sum: i32) -> f32 {
        let Rescale::Float { scales } = self.rescale else { return 0.0 };
        sum as f32 * f32_at(scales, if scales.len() > 4 { 4 * c } else { 0 })
    }
}

/// How a window moves along a row.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Pixels of an input row.
    pub width: usize,
    /// Values of an input pixel.
    pub channels: usize,
    /// Pixels under the window.
    pub kernel: usize,
    /// Pixels between windows.
    pub stride: usize,
    /// Pixels between taps.
    pub dilation: usize,
    /// Padding to the left.
    pub left: usize,
}

impl Columns {
    /// Where tap `kx` of window `x` starts in a row, `None` in the padding.
    #[inline(always)]
    pub fn tap(&self, x: usize, kx: usize) -> Option<usize> {
        let pixel = (x * self.stride + kx * self.dilation).checked_sub(self.left)?;
        (pixel < self.width).then_some(pixel * self.channels)
    }

    /// Where window `x` starts in a row, if all of it lies inside and its taps are neighbours.
    #[inline(always)]
    pub fn inside(&self, x: usize) -> Option<usize> {
        let first = (x * self.stride).checked_sub(self.left)?;
        (first + self.kernel <= self.width && (self.dilation == 1 || self.kernel == 1)).then_some(first * self.channels)
    }
}

/// Arguments of a convolution over one output row.
#[derive(Clone, Copy, Debug)]
pub struct ConvRow<'a> {
    /// Input rows under the window, top to bottom, each `width * channels` long; empty in the padding.
    pub rows: &'a [&'a [i8]],
    /// How the window moves.
    pub columns: Columns,
    /// Divides both channel counts.
    pub groups: usize,
    /// Weights `[out][ky][kx][in / groups]`, each filter followed by zeros up to a multiple of 4 bytes.
    pub filters: Filters<'a>,
}

/// Arguments of a depthwise convolution over one output row.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseRow<'a> {
    /// Input rows under the window, top to bottom, each `width * channels` long; empty in the padding.
    pub rows: &'a [&'a [i8]],
    /// How the window moves.
    pub columns: Columns,
    /// Weights `[ky][kx][out]`.
    pub filters: Filters<'a>,
}

/// Loops that take any geometry.
#[derive(Clone, Copy, Debug)]
pub struct Loops {
    /// One output row of a convolution; `out` is `output width * channels` long.
    pub conv_row: fn(&ConvRow<'_>, &mut [i8]),
    /// One output row of a depthwise convolution; `out` is `output width * channels` long.
    pub depthwise_row: fn(&DepthwiseRow<'_>, &mut [i8]),
}
