//! Loops in blocks, for processors without vectors, in plain Rust: RISC-V, Cortex-M0+; a Cortex-M3 replaces the two innermost.
//!
//! What lies under four output columns is widened to i32 once, into a tile, and serves every output channel. The loops are
//! shaped by what compilers make of them: they finish one sum before the next, so a block's weights, a value and a
//! channel's sums are all that must fit into 13 registers, and a tile keeps a column's taps side by side.

mod depthwise;
mod loops;
mod scales;

use super::args::Filters;
use super::checked::{Conv, Gray};
use super::columns::{COLUMNS, load_bias};
use core::mem::MaybeUninit;
pub use depthwise::depthwise_row;
pub use loops::{Loops, Source};
use loops::{TAPS, Tile, WIDE};
use scales::Scales;

/// Output channels whose sums wait between two passes.
const CHANNELS: usize = 32;

/// One output row of a convolution.
pub fn conv_row(checked: Conv<'_>) {
    const LOOPS: Loops = Loops::blocks::<i8, { if WIDE { 2 } else { 4 } }>();
    conv_row_by(&LOOPS, checked);
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(checked: Gray<'_>) {
    // Filters are a multiple of two long.
    const LOOPS: Loops = Loops::blocks::<i16, 2>();
    gray_row_by(&LOOPS, checked);
}

/// [`conv_row`] with other loops.
pub fn conv_row_by(loops: &Loops, mut checked: Conv<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let source = Source { rows: args.rows, span: args.span, step: args.step };
    // SAFETY: all of them are of one `Checked`.
    unsafe { row(loops, &source, &args.filters, [args.channels, width, stride], checked.out()) };
}

/// [`gray_row`] with other loops.
pub fn gray_row_by(loops: &Loops, mut checked: Gray<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let source = Source { rows: args.rows, span: args.span, step: args.step };
    // SAFETY: all of them are of one `Checked`.
    unsafe { row(loops, &source, &args.filters, [args.channels, width, stride], checked.out()) };
}

/// One output row of so many channels and columns, filters so many bytes apart.
///
/// # Safety
/// They are of one [`Checked`].
#[inline(never)]
unsafe fn row(loops: &Loops, source: &Source<'_>, filters: &Filters<'_>, [channels, width, stride]: [usize; 3], out: &mut [i8]) {
    // Clearing them would take longer than many a row.
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<i32>();
    let mut sums = [MaybeUninit::<[i32; COLUMNS]>::uninit(); CHANNELS];
    let (taps, pass) = (source.rows.len() * source.span, TAPS * loops.weight);
    for first in (0..channels).step_by(CHANNELS) {
        let scales = Scales::<CHANNELS>::new(filters, first, channels);
        for x in (0..width).step_by(COLUMNS) {
            // Beyond the right edge the last column is computed again.
            let columns: [usize; COLUMNS] = core::array::from_fn(|i| (x + i).min(width - 1));
            let sums = load_bias(filters.bias, first, &mut sums, channels);
            for at in (0..stride).step_by(pass.max(1)) {
                let (bytes, tap) = (pass.min(stride - at), if loops.weight == 1 { at } else { at / 2 });
                // SAFETY: there are `channels * stride` bytes of weights, and the window of every column in each row.
                unsafe {
                    (loops.widen)(source, &columns, tap, TAPS.min(taps - tap), tile);
                    (loops.dots)(tile, filters.weights.as_ptr().add(first * stride + at), bytes, stride, sums);
                }
            }
            // SAFETY: `x` is below the width, and there are `first` channels and these.
            unsafe {
                let out = out.as_mut_ptr().add(x * channels + first);
                scales.requantize(filters, sums, COLUMNS.min(width - x), out, channels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::{Kernel, testing};

    #[test]
    fn agrees_with_indexing_one_by_one() {
        testing::check(&Kernel::PORTABLE);
    }
}
