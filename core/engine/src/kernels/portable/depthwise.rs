//! Depthwise convolution: four channels of four columns at a time.

use super::loops::Weight;
use super::scales::Scales;
use crate::kernels::args::DepthwiseRow;
use crate::kernels::checked::Depthwise;
use crate::kernels::columns::COLUMNS;
use core::hint::assert_unchecked;

/// Channels of a depthwise convolution computed together.
const DEPTH: usize = 4;

/// One output row of a depthwise convolution.
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    let (args, width) = (checked.args(), checked.width());
    // SAFETY: all of them are of one `Checked`.
    unsafe { depthwise(&args, width, checked.out()) };
}

/// One output row of so many columns.
///
/// # Safety
/// They are of one [`Checked`](crate::kernels::checked::Checked).
#[inline(never)]
unsafe fn depthwise(args: &DepthwiseRow<'_>, width: usize, out: &mut [i8]) {
    let channels = args.channels;
    let whole = channels - channels % DEPTH;
    for first in (0..whole).step_by(DEPTH) {
        // SAFETY: the caller's; `first + DEPTH <= channels`.
        unsafe { depthwise_channels::<DEPTH>(args, first, width, out) };
    }
    for first in whole..channels {
        // SAFETY: the same.
        unsafe { depthwise_channels::<1>(args, first, width, out) };
    }
}

/// `N` channels from `first` on of [`depthwise`].
///
/// # Safety
/// The same, of `first + N` channels or more.
#[inline(always)]
unsafe fn depthwise_channels<const N: usize>(args: &DepthwiseRow<'_>, first: usize, width: usize, out: &mut [i8]) {
    let (channels, span) = (args.channels, args.kernel_width * args.channels);
    // SAFETY: the caller's. Loops that are known to run need no question before them.
    unsafe { assert_unchecked(span > 0 && !args.rows.is_empty() && width > 0) };
    let scales = Scales::<N>::new(&args.filters, first, first + N);
    // SAFETY: the caller's: there is a bias for each channel.
    let bias = unsafe { args.filters.bias.as_ptr().add(4 * first).cast::<[[u8; 4]; N]>().read() }.map(i32::from_le_bytes);
    // Cleared once: of columns beyond the right edge there is something, which is not used.
    let mut sums = [[0; COLUMNS]; N];
    for x in (0..width).step_by(COLUMNS) {
        let columns = COLUMNS.min(width - x);
        for column in 0..columns {
            let mut totals = bias;
            let mut weights = args.filters.weights.as_ptr().wrapping_add(first);
            for row in args.rows {
                let mut values = row.as_ptr().wrapping_add((x + column) * args.step + first);
                let end = values.wrapping_add(span);
                while values != end {
                    for (i, total) in totals.iter_mut().enumerate() {
                        // SAFETY: the caller's.
                        let (value, weight) = unsafe { (i32::from(*values.add(i)), i8::read(weights.add(i))) };
                        *total = total.wrapping_add(value.wrapping_mul(weight));
                    }
                    (values, weights) = (values.wrapping_add(channels), weights.wrapping_add(channels));
                }
            }
            for (sums, total) in sums.iter_mut().zip(totals) {
                sums[column] = total;
            }
        }
        // SAFETY: `x` is below the width, and there are `first + N` channels or more.
        unsafe { scales.requantize(&args.filters, &sums, columns, out.as_mut_ptr().add(x * channels + first), channels) };
    }
}
