//! Arguments whose lengths are proven: what every kernel takes, and all that the unsafe code in them relies on.
//!
//! A [`Checked`] and a [`Covered`] are made here alone, in arithmetic that cannot wrap, so that no kernel checks again.

use super::args::{ConvRow, DepthwiseRow, Filters, GrayRow};

/// Bytes of a word of taps, of a bias, of a scale.
pub const WORD: usize = 4;

/// Arguments `A` of one output row, and the row.
///
/// Nothing is empty: there is a row, a tap, a channel, a column. Every row holds the windows of all columns, which begin
/// `step` apart. There are weights, a bias and a scale for each output channel, and
/// a shift where there is one at all. The output row is `width * channels` long.
/// So no product of these extents overflows; a step, which counts only where there is a second column, is [`MAX_STEP`] at most.
pub struct Checked<'a, A> {
    args: &'a A,
    out: &'a mut [i8],
    width: usize,
    stride: usize,
}

/// The longest step: in bytes, too, it is a number, whatever a kernel widens values to.
const MAX_STEP: usize = usize::MAX >> 4;

/// Of a convolution.
pub type Conv<'a> = Checked<'a, ConvRow<'a>>;
/// Of the first convolution of a gray image.
pub type Gray<'a> = Checked<'a, GrayRow<'a>>;
/// Of a depthwise convolution.
pub type Depthwise<'a> = Checked<'a, DepthwiseRow<'a>>;

impl<'a, A> Checked<'a, A> {
    /// The arguments. A kernel copies them: then the compiler knows that nothing that it writes can change them.
    #[inline(always)]
    pub const fn args(&self) -> A
    where
        A: Copy,
    {
        *self.args
    }

    /// Output columns.
    #[inline(always)]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Bytes from one filter to the next, a multiple of 4; of a depthwise convolution the weights of a channel.
    #[inline(always)]
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// The output row.
    #[inline(always)]
    pub const fn out(&mut self) -> &mut [i8] {
        self.out
    }
}

impl<'a> Conv<'a> {
    /// None where something is short, empty or too large.
    #[inline(always)]
    pub fn conv(args: &'a ConvRow<'a>, out: &'a mut [i8]) -> Option<Self> {
        let stride = filter_stride(args.rows.len(), args.span, 1)?;
        let weights = args.channels.checked_mul(stride)?;
        let width = width(args.rows, &args.filters, [args.span, args.step, args.channels], weights, out.len())?;
        Some(Self { args, out, width, stride })
    }

    /// As a convolution to be packed, which only vector kernels do.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")), allow(dead_code))]
    #[inline(always)]
    pub const fn covered(&self) -> Covered<'a> {
        let ConvRow { rows, filters, span, step, channels } = *self.args;
        Covered {
            shape: Shape { height: rows.len(), span, step, channels, wide: false, fixed: filters.is_fixed() },
            filters,
            stride: self.stride,
        }
    }
}

impl<'a> Gray<'a> {
    /// None where something is short, empty or too large.
    #[inline(always)]
    pub fn gray(args: &'a GrayRow<'a>, out: &'a mut [i8]) -> Option<Self> {
        let stride = filter_stride(args.rows.len(), args.span, 2)?;
        let weights = args.channels.checked_mul(stride)?;
        let width = width(args.rows, &args.filters, [args.span, args.step, args.channels], weights, out.len())?;
        Some(Self { args, out, width, stride })
    }

    /// As a convolution to be packed, which only vector kernels do.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")), allow(dead_code))]
    #[inline(always)]
    pub const fn covered(&self) -> Covered<'a> {
        let GrayRow { rows, filters, span, step, channels } = *self.args;
        Covered {
            shape: Shape { height: rows.len(), span, step, channels, wide: true, fixed: filters.is_fixed() },
            filters,
            stride: self.stride,
        }
    }
}

impl<'a> Depthwise<'a> {
    /// None where something is short, empty or too large.
    #[inline(always)]
    pub fn depthwise(args: &'a DepthwiseRow<'a>, out: &'a mut [i8]) -> Option<Self> {
        let span = args.kernel_width.checked_mul(args.channels)?;
        let (weights, stride) = (args.rows.len().checked_mul(span)?, args.rows.len().checked_mul(args.kernel_width)?);
        let width = width(args.rows, &args.filters, [span, args.step, args.channels], weights, out.len())?;
        Some(Self { args, out, width, stride })
    }
}

/// Output columns of a row of `out` values whose layer has so many bytes of weights; none where a length does not fit.
#[inline(always)]
fn width(rows: &[&[i8]], filters: &Filters<'_>, [span, step, channels]: [usize; 3], weights: usize, out: usize) -> Option<usize> {
    let width = out.checked_div(channels)?;
    let end = width.checked_sub(1)?.checked_mul(step)?.checked_add(span)?;
    let words = channels.checked_mul(WORD)?;
    let fits = span > 0
        && (1..=MAX_STEP).contains(&step)
        && !rows.is_empty()
        && rows.iter().all(|row| row.len() >= end)
        && out == width * channels
        && filters.weights.len() >= weights
        && filters.bias.len() >= words
        && filters.scales.len() >= words
        && (filters.shifts.is_empty() || filters.shifts.len() >= channels);
    fits.then_some(width)
}

/// Bytes from one filter to the next: the weights, each of so many bytes, rounded up to a multiple of 4.
#[inline(always)]
const fn filter_stride(height: usize, span: usize, weight: usize) -> Option<usize> {
    match height.checked_mul(span) {
        Some(taps) => match taps.checked_mul(weight) {
            Some(bytes) => bytes.checked_next_multiple_of(WORD),
            None => None,
        },
        None => None,
    }
}

/// A convolution to be packed.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of the window.
    pub height: usize,
    /// Elements of a row under the window.
    pub span: usize,
    /// Elements between windows.
    pub step: usize,
    /// Output channels.
    pub channels: usize,
    /// Weights are i16 (a gray first layer), not int8.
    pub wide: bool,
    /// Outputs are in TFLite's arithmetic: packed filters have shifts.
    pub fixed: bool,
}

impl Shape {
    /// True if Winograd's form exists.
    pub const fn has_winograd(&self) -> bool {
        let is_three_steps = matches!(self.step.checked_mul(3), Some(span) if span == self.span);
        is_three_steps && !self.wide && self.step.is_multiple_of(2)
    }
}

/// Extents of a convolution and filters that have all of it; no extent is 0.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    shape: Shape,
    filters: Filters<'a>,
    stride: usize,
}

// Only vector kernels pack.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")), allow(dead_code))]
impl<'a> Covered<'a> {
    /// None where filters are short, or an extent is 0 or too large.
    pub const fn new(shape: Shape, filters: Filters<'a>) -> Option<Self> {
        let Some(stride) = filter_stride(shape.height, shape.span, if shape.wide { 2 } else { 1 }) else { return None };
        let (Some(weights), Some(words)) = (shape.channels.checked_mul(stride), shape.channels.checked_mul(WORD)) else {
            return None;
        };
        let is_covered = weights > 0
            && shape.step > 0
            && shape.step <= MAX_STEP
            && filters.weights.len() >= weights
            && filters.bias.len() >= words
            && filters.scales.len() >= words
            && if shape.fixed { filters.shifts.len() >= shape.channels } else { filters.shifts.is_empty() };
        if is_covered { Some(Self { shape, filters, stride }) } else { None }
    }

    /// Extents.
    #[inline(always)]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Weights, biases, scales.
    #[inline(always)]
    pub const fn filters(&self) -> &Filters<'a> {
        &self.filters
    }

    /// Bytes from one filter to the next.
    #[inline(always)]
    pub const fn filter_stride(&self) -> usize {
        self.stride
    }
}
