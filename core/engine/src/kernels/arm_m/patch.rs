//! What lies under some columns of a depthwise convolution, padding put in place, a few channels at a time.
//!
//! Copying a pixel takes four instructions, and saves each window from asking where the row ends: a depthwise convolution has few
//! multiplications to hide that.

use crate::kernels::args::MAX_KERNEL;
use crate::kernels::general::DepthwiseRow;
use core::mem::MaybeUninit;

/// Bytes of a patch, on the stack.
const ROOM: usize = 1152;

/// `N` channels of the pixels under some columns, row after row.
#[repr(align(8))]
pub struct Patch<const N: usize> {
    cells: MaybeUninit<[u8; ROOM]>,
}

impl<const N: usize> Patch<N> {
    /// Not filled.
    #[inline(always)]
    pub const fn new() -> Self {
        Self { cells: MaybeUninit::uninit() }
    }

    /// Columns that a patch of these arguments holds; none, too, where the arguments do not hold together or are not for this.
    pub fn columns(args: &DepthwiseRow<'_>, out: usize) -> Option<usize> {
        let (columns, filters, height) = (&args.columns, &args.filters, args.rows.len());
        let channels = filters.channels;
        let taps = height.checked_mul(columns.kernel)?.checked_mul(channels)?;
        let row_len = columns.width.checked_mul(channels)?;
        let is_sound = channels == columns.channels
            && channels >= N
            && (columns.dilation == 1 || columns.kernel == 1)
            && (1..=MAX_KERNEL).contains(&height)
            && (1..=MAX_KERNEL).contains(&columns.kernel)
            && columns.stride > 0
            && args.rows.iter().all(|row| row.is_empty() || row.len() >= row_len)
            && filters.weights.len() >= taps
            && filters.bias.len() >= 4 * channels
            && out.is_multiple_of(channels);
        let most = (ROOM / N).checked_div(height)?.checked_sub(columns.kernel).filter(|_| is_sound)?;
        Some(most.checked_div(columns.stride)? + 1)
    }

    /// Pixels of a row of the patch for so many columns.
    #[inline(always)]
    pub const fn pixels(args: &DepthwiseRow<'_>, count: usize) -> usize {
        (count - 1) * args.columns.stride + args.columns.kernel
    }

    /// Where the patch starts.
    #[inline(always)]
    pub const fn start(&self) -> *const i8 {
        self.cells.as_ptr().cast()
    }

    /// Fills the patch with channels from `channel` on of what lies under `count` columns from `x` on.
    ///
    /// # Safety
    /// [`columns`](Self::columns) of these arguments is `count` or more, and not 0; there are `N` channels from `channel` on.
    #[inline(always)]
    pub unsafe fn fill(&mut self, args: &DepthwiseRow<'_>, x: usize, count: usize, channel: usize) {
        let (columns, len) = (&args.columns, Self::pixels(args, count));
        let at = x * columns.stride;
        let before = columns.left.saturating_sub(at).min(len);
        let from = at.saturating_sub(columns.left).min(columns.width);
        let padding = [args.filters.input_zero_point; N];
        let mut to = self.cells.as_mut_ptr().cast::<[i8; N]>();
        for row in args.rows {
            let inside = if row.is_empty() { 0 } else { (len - before).min(columns.width - from) };
            let end = to.wrapping_add(len);
            // SAFETY: the caller's; `inside` pixels from `from` on are in the row, and `len` in a row of the patch.
            unsafe {
                fill_until(to, to.add(before), padding);
                to = to.add(before);
                let mut cell = row.as_ptr().wrapping_add(from * columns.channels + channel);
                let stop = to.add(inside);
                while to != stop {
                    *to = cell.cast::<[i8; N]>().read_unaligned();
                    (to, cell) = (to.add(1), cell.wrapping_add(columns.channels));
                }
                fill_until(to, end, padding);
            }
            to = end;
        }
    }
}

/// # Safety
/// All from `to` up to `end` can be written.
#[inline(always)]
unsafe fn fill_until<const N: usize>(mut to: *mut [i8; N], end: *mut [i8; N], padding: [i8; N]) {
    while to != end {
        // SAFETY: the caller's.
        unsafe {
            *to = padding;
            to = to.add(1);
        }
    }
}
