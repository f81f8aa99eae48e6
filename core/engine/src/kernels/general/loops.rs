//! Plain loops, shaped so that compilers make vectors of them: the definition.
//!
//! What lies under a window is gathered into a patch, padding included, and then every filter is one dot product: edges, groups
//! and dilation cost nothing but the gathering. A 1x1 convolution needs no patch.

use super::args::{ConvRow, DepthwiseRow, Loops};

/// The plain loops, for any processor.
pub const LOOPS: Loops = Loops { conv_row: |args, out| conv_row(args, out), depthwise_row: |args, out| depthwise_row(args, out) };

/// Most values of a patch; longer windows are summed in several.
const PATCH: usize = 256;
/// Output channels whose sums wait between two patches.
const CHANNELS: usize = 32;

/// One output row of a convolution; `out` is `output width * channels` long.
#[inline(always)]
pub fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    let groups = args.groups.max(1);
    let (inputs, outputs) = (args.columns.channels / groups, args.filters.channels / groups);
    for (x, pixel) in out.chunks_exact_mut(args.filters.channels.max(1)).enumerate() {
        for (group, part) in pixel.chunks_exact_mut(outputs.max(1)).enumerate() {
            conv_pixel(args, x, group * inputs, inputs, group * outputs, part);
        }
    }
}

/// The outputs from channel `to` on of one pixel, from `inputs` input channels from `from` on.
#[inline(always)]
fn conv_pixel(args: &ConvRow<'_>, x: usize, from: usize, inputs: usize, to: usize, out: &mut [i8]) {
    let columns = &args.columns;
    let span = columns.kernel * inputs;
    let taps = args.rows.len() * span;
    let stride = taps.next_multiple_of(4);
    if let (&[row], Some(at)) = (args.rows, columns.inside(x))
        && inputs == columns.channels
        && let Some(window) = row.get(at..at + span)
    {
        return by_channels(args, to, out, |first, sums| {
            dots(window, args.filters.weights.get(first * stride..).unwrap_or_default(), stride, sums);
        });
    }
    let mut patch = [0; PATCH];
    // What fits is gathered once for all channels.
    if taps <= PATCH {
        let window = patch.get_mut(..taps).unwrap_or_default();
        gather(args, x, from, inputs, 0, window);
        let window = &*window;
        return by_channels(args, to, out, |first, sums| {
            dots(window, args.filters.weights.get(first * stride..).unwrap_or_default(), stride, sums);
        });
    }
    by_channels(args, to, out, |first, sums| {
        for at in (0..taps).step_by(PATCH) {
            let window = patch.get_mut(..PATCH.min(taps - at)).unwrap_or_default();
            gather(args, x, from, inputs, at, window);
            dots(window, args.filters.weights.get(first * stride + at..).unwrap_or_default(), stride, sums);
        }
    });
}

/// Sums, biases and outputs of some channels after the other.
#[inline(always)]
fn by_channels(args: &ConvRow<'_>, to: usize, out: &mut [i8], mut sum_up: impl FnMut(usize, &mut [i32])) {
    for (i, out) in out.chunks_mut(CHANNELS).enumerate() {
        let first = to + i * CHANNELS;
        let mut sums = [0; CHANNELS];
        let sums = sums.get_mut(..out.len()).unwrap_or_default();
        sum_up(first, sums);
        args.filters.add_bias(first, sums);
        args.filters.requantize(first, sums, out);
    }
}

/// Values under window `x` from tap `at` on, in the order of a filter's weights.
#[inline(always)]
fn gather(args: &ConvRow<'_>, x: usize, from: usize, inputs: usize, at: usize, patch: &mut [i8]) {
    let columns = &args.columns;
    let span = (columns.kernel * inputs).max(1);
    let padding = args.filters.input_zero_point;
    let (mut ky, mut within, mut rest) = (at / span, at % span, patch);
    while let Some(row) = args.rows.get(ky) {
        let (now, later) = rest.split_at_mut((span - within).min(rest.len()));
        match columns.inside(x).filter(|_| inputs == columns.channels && !row.is_empty()) {
            Some(start) => copy(row.get(start + within..).unwrap_or_default(), now),
            None => {
                for (i, to) in now.iter_mut().enumerate() {
                    let (kx, channel) = ((within + i) / inputs.max(1), (within + i) % inputs.max(1));
                    let cell = columns.tap(x, kx).and_then(|start| row.get(start + from + channel));
                    *to = cell.copied().unwrap_or(padding);
                }
            }
        }
        if later.is_empty() {
            return;
        }
        (ky, within, rest) = (ky + 1, 0, later);
    }
}

/// `copy_from_slice` of as much as there is, without its panic.
#[inline(always)]
fn copy(from: &[i8], to: &mut [i8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Adds to each sum the products of the window and its filter, which starts so many bytes after the one before.
#[inline(always)]
pub fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    let mut at = 0;
    let mut blocks = sums.chunks_exact_mut(4);
    for block in &mut blocks {
        let filter = |i: usize| weights.get(at + i * stride..).and_then(|w| w.get(..window.len())).unwrap_or_default();
        let (w0, w1, w2, w3) = (filter(0), filter(1), filter(2), filter(3));
        let (mut s0, mut s1, mut s2, mut s3) = (0i32, 0i32, 0i32, 0i32);
        for ((((x, w0), w1), w2), w3) in window.iter().zip(w0).zip(w1).zip(w2).zip(w3) {
            let x = i32::from(*x);
            s0 += x * i32::from(*w0 as i8);
            s1 += x * i32::from(*w1 as i8);
            s2 += x * i32::from(*w2 as i8);
            s3 += x * i32::from(*w3 as i8);
        }
        for (sum, s) in block.iter_mut().zip([s0, s1, s2, s3]) {
            *sum = sum.wrapping_add(s);
        }
        at += 4 * stride;
    }
    for sum in blocks.into_remainder() {
        let filter = weights.get(at..).and_then(|w| w.get(..window.len())).unwrap_or_default();
        let dot: i32 = window.iter().zip(filter).map(|(x, w)| i32::from(*x) * i32::from(*w as i8)).sum();
        *sum = sum.wrapping_add(dot);
        at += stride;
    }
}

/// One output row of a depthwise convolution; `out` is `output width * channels` long.
#[inline(always)]
pub fn depthwise_row(args: &DepthwiseRow<'_>, out: &mut [i8]) {
    let channels = args.filters.channels.max(1);
    let multiplier = channels / args.columns.channels.max(1);
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let mut first = 0;
        // Blocks of a fixed length become vectors.
        while first < channels {
            let done = match pixel.get_mut(first..) {
                Some(rest) if rest.len() >= 32 => depthwise_block::<32>(args, x, multiplier, first, rest),
                Some(rest) if rest.len() >= 16 => depthwise_block::<16>(args, x, multiplier, first, rest),
                Some(rest) if rest.len() >= 8 => depthwise_block::<8>(args, x, multiplier, first, rest),
                Some(rest) => depthwise_block::<1>(args, x, multiplier, first, rest),
                None => return,
            };
            first += done;
        }
    }
}

/// The outputs of `N` channels from `first` on; `N`.
#[inline(always)]
fn depthwise_block<const N: usize>(args: &DepthwiseRow<'_>, x: usize, multiplier: usize, first: usize, out: &mut [i8]) -> usize {
    let (columns, filters) = (&args.columns, &args.filters);
    let mut sums = [0i32; N];
    filters.add_bias(first, &mut sums);
    let padding = [filters.input_zero_point; N];
    let mut at = first;
    for row in args.rows {
        for kx in 0..columns.kernel {
            let weights: Option<&[u8; N]> = filters.weights.get(at..).and_then(|w| w.first_chunk());
            at += filters.channels;
            let Some(weights) = weights else { return N };
            let start = columns.tap(x, kx).filter(|_| !row.is_empty());
            let mut spread = padding;
            let values: &[i8; N] = match start {
                None => &padding,
                Some(start) if multiplier == 1 => match row.get(start + first..).and_then(|r| r.first_chunk()) {
                    Some(values) => values,
                    None => return N,
                },
                Some(start) => {
                    for (i, to) in spread.iter_mut().enumerate() {
                        *to = row.get(start + (first + i) / multiplier.max(1)).copied().unwrap_or(0);
                    }
                    &spread
                }
            };
            for i in 0..N {
                // A product of two int8 fits.
                sums[i] += i32::from(i16::from(values[i]).wrapping_mul(i16::from(weights[i] as i8)));
            }
        }
    }
    if let Some(out) = out.get_mut(..N) {
        filters.requantize(first, &sums, out);
    }
    N
}
