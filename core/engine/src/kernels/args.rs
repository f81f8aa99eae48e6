//! What kernels take: rows under a window, and filters.

use crate::quant::{clamp, multiply_by_quantized_multiplier, requantize, requantize_fixed};

/// Largest kernel extent that vector kernels of microcontrollers take.
pub const MAX_KERNEL: usize = 15;

/// Weights, biases and scales of the output channels of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    /// Weights in the layout of the operator.
    pub weights: &'a [u8],
    /// i32 biases, little-endian.
    pub bias: &'a [u8],
    /// f32 scales, little-endian; where there are shifts, i32 multipliers, none below 0.
    pub scales: &'a [u8],
    /// Of TFLite's arithmetic ([`quant::requantize_fixed`](crate::quant::requantize_fixed)): i8 shifts, from -31 to 30. Empty: scales
    /// are f32.
    pub shifts: &'a [u8],
    /// Zero point of the output.
    pub zero_point: i8,
    /// The same, packed by the kernel that runs them (see [`Prepared`](crate::prepared::Prepared)); empty where they are not.
    pub packed: &'a [u8],
}

impl Filters<'_> {
    /// True of TFLite's arithmetic.
    #[inline(always)]
    pub const fn is_fixed(&self) -> bool {
        !self.shifts.is_empty()
    }

    /// The output of a channel whose sum, bias included, this is.
    #[inline(always)]
    #[cfg_attr(soft_float, allow(dead_code))] // These kernels have a form of their own.
    pub(crate) fn requantize(&self, channel: usize, sum: i32) -> i8 {
        let scale =
            self.scales.get(4 * channel..).and_then(|rest| rest.first_chunk()).map_or(0, |word| i32::from_le_bytes(*word));
        if self.is_fixed() {
            let shift = self.shifts.get(channel).map_or(0, |shift| *shift as i8);
            return requantize_fixed(sum, scale, shift, self.zero_point);
        }
        requantize(sum, f32::from_bits(scale as u32), self.zero_point)
    }
}

/// Arguments of a convolution over one output row.
///
/// ```
/// use rownet::kernels::{ConvRow, Filters, Kernel};
/// // A 1x1 convolution of two channels to one over three pixels: first + 2 * second.
/// let filters = Filters {
///     weights: &[1, 2, 0, 0],
///     bias: &0i32.to_le_bytes(),
///     scales: &1f32.to_le_bytes(),
///     shifts: &[],
///     zero_point: 0,
///     packed: &[],
/// };
/// let row = [1i8, 2, 3, 4, 5, 6];
/// let args = ConvRow { rows: &[&row], filters, span: 2, step: 2, channels: 1 };
/// let mut out = [0; 3];
/// assert!(Kernel::best().conv_row(&args, &mut out));
/// assert_eq!(out, [5, 11, 17]);
/// assert!(!Kernel::best().conv_row(&args, &mut [0; 4])); // there are no four windows in the row
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConvRow<'a> {
    /// Input rows under the window, top to bottom, each `(padded width) * channels` int8 values.
    pub rows: &'a [&'a [i8]],
    /// Weights `[out][ky][kx][in]`, int8, each filter followed by zeros up to a multiple of 4 bytes.
    pub filters: Filters<'a>,
    /// Elements of a row under the window: kernel width * input channels.
    pub span: usize,
    /// Elements between windows: horizontal stride * input channels.
    pub step: usize,
    /// Output channels.
    pub channels: usize,
}

/// Arguments of the first convolution over one output row of a gray image: all input channels are equal, so that
/// their weights are summed once, at export.
///
/// ```
/// use rownet::kernels::{Filters, GrayRow};
/// let filters = Filters { weights: &[3, 0, 0, 0], bias: &[0; 4], scales: &1f32.to_le_bytes(), shifts: &[], zero_point: 0, packed: &[] };
/// let args = GrayRow { rows: &[&[5i8, 6, 7]], filters, span: 1, step: 1, channels: 1 };
/// let mut out = [0; 3];
/// assert!(rownet::kernels::Kernel::best().gray_row(&args, &mut out));
/// assert_eq!(out, [15, 18, 21]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GrayRow<'a> {
    /// Input rows under the window, top to bottom, one int8 value a pixel.
    pub rows: &'a [&'a [i8]],
    /// Weights `[out][ky][kx]`, i16, little-endian, each filter padded with a zero to an even count.
    pub filters: Filters<'a>,
    /// Kernel width.
    pub span: usize,
    /// Horizontal stride.
    pub step: usize,
    /// Output channels.
    pub channels: usize,
}

/// Arguments of a depthwise convolution (one filter a channel) over one output row.
///
/// ```
/// use rownet::kernels::{DepthwiseRow, Filters, Kernel};
/// let scales: Vec<u8> = [1f32, 1.0].iter().flat_map(|s| s.to_le_bytes()).collect();
/// let filters = Filters { weights: &[2, 3], bias: &[0; 8], scales: &scales, shifts: &[], zero_point: 0, packed: &[] };
/// let args = DepthwiseRow { rows: &[&[1i8, 1, 2, 2]], filters, kernel_width: 1, step: 2, channels: 2 };
/// let mut out = [0; 4];
/// assert!(Kernel::best().depthwise_row(&args, &mut out));
/// assert_eq!(out, [2, 3, 4, 6]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseRow<'a> {
    /// Input rows under the window, top to bottom, each `(padded width) * channels` int8 values.
    pub rows: &'a [&'a [i8]],
    /// Weights `[ky][kx][channel]`, int8.
    pub filters: Filters<'a>,
    /// Kernel width.
    pub kernel_width: usize,
    /// Elements between windows: horizontal stride * channels.
    pub step: usize,
    /// Channels, of input and output.
    pub channels: usize,
}

/// Values that [`FixedSum`]s are made of together.
pub const WIDE: usize = 64;

/// TFLite's addition of two int8 values: each less its zero point, moved [`SHIFT`](Self::SHIFT) places to the left, by its factor;
/// their sum by the third.
#[derive(Clone, Copy, Debug)]
pub struct FixedSum {
    /// Multipliers, not negative, and shifts: of the inputs and of the sum.
    pub factors: [(i32, i8); 3],
    /// Of the inputs.
    pub zero_points: [i8; 2],
    /// Of the output.
    pub zero_point: i8,
    /// The least and the greatest output.
    pub limits: [i8; 2],
}

impl FixedSum {
    /// Places by which the inputs are moved to the left.
    pub const SHIFT: u32 = 20;

    /// The definition.
    #[inline(always)]
    pub const fn of(&self, a: i8, b: i8) -> i8 {
        let [one, two, whole] = self.factors;
        let a = times((a as i32 - self.zero_points[0] as i32) << Self::SHIFT, one);
        let b = times((b as i32 - self.zero_points[1] as i32) << Self::SHIFT, two);
        clamp(times(a.wrapping_add(b), whole).saturating_add(self.zero_point as i32), self.limits)
    }
}

#[inline(always)]
const fn times(x: i32, (multiplier, shift): (i32, i8)) -> i32 {
    multiply_by_quantized_multiplier(x, multiplier, shift)
}
