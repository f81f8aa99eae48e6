//! Convolution: windows of two columns are gathered once and serve every group of four output channels.

use super::gather::{gather, gray_gather};
use super::products::{COLUMNS, GROUP, Pass, WINDOW, conv_dots, gray_dots};
use super::requantize::{bias_sums, requantize, requantize_fixed};
use crate::kernels::args::{Filters, MAX_KERNEL};
use crate::kernels::arm_m::dsp;
use crate::kernels::checked::{Conv, Gray};
use crate::kernels::columns::row_of;
use core::mem::MaybeUninit;

/// Groups whose sums wait between two passes.
const GROUPS: usize = 8;

/// Windows of two columns.
#[repr(C, align(16))]
#[allow(dead_code)] // read and written as bytes
struct Windows([[u8; WINDOW]; COLUMNS]);

/// Sums of [`GROUPS`] groups: of the first column's four channels, then of the second's.
#[repr(C, align(16))]
#[allow(dead_code)] // read and written as words
struct Sums([[[i32; GROUP]; COLUMNS]; GROUPS]);

/// One output row of a convolution.
pub fn conv_row(mut checked: Conv<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let (GROUP.., ..=MAX_KERNEL) = (args.channels, args.rows.len()) else { return dsp::conv_row(checked) };
    let source = Source::new(args.rows, args.span, args.step);
    // SAFETY: all of them are of one `Checked`.
    unsafe { rows(&args.filters, [args.channels, width, stride], (gather, conv_dots, 1), &source, checked.out()) };
}

/// One output row of the first convolution of a gray image.
pub fn gray_row(mut checked: Gray<'_>) {
    let (args, width, stride) = (checked.args(), checked.width(), checked.stride());
    let (GROUP.., ..=MAX_KERNEL) = (args.channels, args.rows.len()) else { return dsp::gray_row(checked) };
    let source = Source::new(args.rows, args.span, args.step);
    // SAFETY: all of them are of one `Checked`.
    unsafe { rows(&args.filters, [args.channels, width, stride], (gray_gather, gray_dots, 2), &source, checked.out()) };
}

/// Where windows are copied from.
struct Source {
    rows: [*const i8; MAX_KERNEL],
    taps: usize,
    span: usize,
    step: usize,
}

impl Source {
    fn new(rows: &[&[i8]], span: usize, step: usize) -> Self {
        let mut pointers = [core::ptr::null(); MAX_KERNEL];
        for (pointer, row) in pointers.iter_mut().zip(rows) {
            *pointer = row.as_ptr();
        }
        Self { rows: pointers, taps: rows.len() * span, span, step }
    }
}

/// [`gather`] or [`gray_gather`].
type Gather = unsafe extern "C" fn(*const *const i8, usize, usize, usize, usize, *mut u8);

/// [`conv_dots`] or [`gray_dots`].
type Dots = unsafe extern "C" fn(&Pass, *const u8, *mut i32, *mut i32);

/// What a convolution of either kind does, with its functions and the bytes of a weight: so many channels and columns, filters so
/// many bytes apart.
///
/// # Safety
/// They are of one [`Checked`], of [`GROUP`] channels or more.
#[inline(always)]
unsafe fn rows(
    filters: &Filters<'_>,
    [channels, width, stride]: [usize; 3],
    (gather, dots, weight): (Gather, Dots, usize),
    source: &Source,
    out: &mut [i8],
) {
    // Clearing them would take longer than many a row.
    let mut windows = MaybeUninit::<Windows>::uninit();
    let mut sums = MaybeUninit::<Sums>::uninit();
    let (windows, sums) = (windows.as_mut_ptr().cast::<u8>(), sums.as_mut_ptr().cast::<i32>());
    let zero_point = i32::from(filters.zero_point);
    for x in (0..width).step_by(COLUMNS) {
        // Beyond the right edge the last column is computed again, and so are channels where they are no whole groups.
        let columns = [x, (x + 1).min(width - 1)];
        let mut channel = 0;
        while channel < channels {
            let groups = ((channels - channel) / GROUP).min(GROUPS);
            if groups == 0 {
                channel = channels - GROUP;
            }
            let groups = groups.max(1);
            // SAFETY: there are `channels` biases, scales and filters of `stride` bytes, of which `groups` whole groups
            // begin at `channel`; `columns` are below the width of `out`, whose pixels have `channels` values, and their
            // windows in the rows. There is room for `WINDOW` bytes of each column and for the sums of `GROUPS` groups;
            // what follows a window's last tap is undefined and meets weights of zero.
            unsafe {
                let end = sums.add(COLUMNS * GROUP * groups);
                bias_sums(filters.bias.as_ptr().add(4 * channel), groups, sums);
                for at in (0..stride).step_by(WINDOW) {
                    if stride > WINDOW || channel == 0 {
                        let tap = at / weight;
                        let (y, first) = row_of(tap, source.span);
                        let taps = (WINDOW / weight).min(source.taps - tap);
                        for (i, x) in columns.into_iter().enumerate() {
                            let rows = source.rows.as_ptr().add(y);
                            gather(rows, x * source.step, first, source.span, taps, windows.add(WINDOW * i));
                        }
                    }
                    let weights = filters.weights.as_ptr().add(channel * stride + at);
                    let bytes = WINDOW.min(stride - at);
                    dots(&Pass::new(windows, stride, bytes), weights, sums, end);
                }
                let out = columns.map(|x| out.as_mut_ptr().add(x * channels + channel));
                let scales = filters.scales.as_ptr().add(4 * channel);
                if filters.is_fixed() {
                    let shifts = filters.shifts.as_ptr().add(channel);
                    requantize_fixed(sums, groups, (scales, shifts), zero_point, out);
                } else {
                    requantize(sums, groups, scales, zero_point, out);
                }
            }
            channel += GROUP * groups;
        }
    }
}
