//! Rows of any geometry by the kernels of the processor, where these take them.
//!
//! A kernel wants rows that hold all windows. Windows inside of a row are computed where they lie. Of those that touch padding
//! the pixels are copied, padding with them, some columns at a time.

use super::api::Kernel;
use super::args::{self, MAX_KERNEL};
use super::general::{Columns, ConvRow, DepthwiseRow, Filters};
use super::pack::least_width;
use crate::model::desc::Rescale;
use core::mem::MaybeUninit;

/// Bytes of a copy, on the stack.
const ROOM: usize = if IS_SMALL { 1152 } else { 16 * 1024 };
const IS_SMALL: bool = cfg!(any(target_arch = "arm", target_arch = "riscv32"));
/// Columns that kernels of small processors compute together.
const TOGETHER: usize = 4;

/// One output row of a convolution; false, with nothing that counts written, where the kernel does not take it.
pub fn conv_row(kernel: &Kernel, args: &ConvRow<'_>, packed: &[u8], out: &mut [i8]) -> bool {
    let Some(filters) = filters(&args.filters, packed) else { return false };
    // Packing filters at every row takes longer than the other loops.
    if args.groups != 1 || kernel.packs() && packed.is_empty() {
        return false;
    }
    let (columns, channels) = (&args.columns, args.filters.channels);
    let (span, step) = (columns.kernel * columns.channels, columns.stride * columns.channels);
    by_parts(args.rows, columns, &args.filters, out, |rows, out| {
        // Strips may be narrower than a tile of Winograd's: its filters would be packed anew.
        out.len() >= least_width(packed) * channels
            && kernel.conv_row(&args::ConvRow { rows, filters, span, step, channels }, out)
    })
}

/// One output row of a depthwise convolution; as [`conv_row`].
pub fn depthwise_row(kernel: &Kernel, args: &DepthwiseRow<'_>, out: &mut [i8]) -> bool {
    if kernel.padded_row(args, out) {
        return true;
    }
    let (columns, channels) = (&args.columns, args.filters.channels);
    let Some(filters) = filters(&args.filters, &[]).filter(|_| channels == columns.channels) else { return false };
    let (kernel_width, step) = (columns.kernel, columns.stride * channels);
    by_parts(args.rows, columns, &args.filters, out, |rows, out| {
        kernel.depthwise_row(&args::DepthwiseRow { rows, filters, kernel_width, step, channels }, out)
    })
}

/// Filters as kernels take them: with a scale for each channel.
pub fn filters<'a>(filters: &Filters<'a>, packed: &'a [u8]) -> Option<args::Filters<'a>> {
    let Filters { weights, bias, rescale, zero_point, channels, .. } = *filters;
    let (scales, shifts): (_, &[u8]) = match rescale {
        Rescale::Float { scales } => (scales, &[]),
        Rescale::Fixed { multipliers, shifts } => (multipliers, shifts),
    };
    (scales.len() == 4 * channels).then_some(args::Filters { weights, bias, scales, shifts, zero_point, packed })
}

/// Computes the row by parts, each from rows that hold all its windows.
fn by_parts(
    rows: &[&[i8]],
    columns: &Columns,
    filters: &Filters<'_>,
    out: &mut [i8],
    mut run: impl FnMut(&[&[i8]], &mut [i8]) -> bool,
) -> bool {
    let Columns { width, channels, kernel, stride, dilation, left } = *columns;
    if (dilation != 1 && kernel != 1) || rows.len() > MAX_KERNEL || rows.is_empty() {
        return false;
    }
    let (span, step, outputs) = (kernel * channels, (stride * channels).max(1), filters.channels.max(1));
    let total = out.len() / outputs;
    // Windows from `first` to below `end` are inside.
    let first = left.div_ceil(stride.max(1)).min(total);
    let end = match (width + left).checked_sub(kernel) {
        Some(rest) if rows.iter().all(|row| !row.is_empty()) => (rest / stride.max(1) + 1).min(total),
        _ => 0,
    };
    let is_inside = first == 0 && end == total;
    let most = (ROOM / rows.len()).checked_sub(span).map_or(0, |rest| rest / step + 1);
    if most == 0 && !is_inside {
        return false;
    }
    let at_once = if most < TOGETHER { most } else { most / TOGETHER * TOGETHER };
    let mut x = 0;
    while x < total {
        let inside = if x < first { 0 } else { end.saturating_sub(x) };
        let inside = if x + inside < total { inside / TOGETHER * TOGETHER } else { inside };
        let (count, is_copied) = match inside {
            // With room for all of it, one copy costs less than several calls.
            _ if !IS_SMALL && !is_inside && most >= total => (total, true),
            0 if x < first && first < end => (at_once.min(first.next_multiple_of(TOGETHER).min(total) - x), true),
            0 => (at_once.min(total - x), true),
            inside => (inside, false),
        };
        let Some(part) = out.get_mut(x * outputs..(x + count) * outputs) else { return false };
        let done = if is_copied {
            let copy = Copy { len: (count - 1) * step + span, at: x * stride, left, padding: filters.input_zero_point };
            copied(rows, channels, &copy, part, &mut run)
        } else {
            let mut moved: [&[i8]; MAX_KERNEL] = [&[]; MAX_KERNEL];
            for (to, row) in moved.iter_mut().zip(rows) {
                *to = row.get((x * stride).saturating_sub(left) * channels..).unwrap_or_default();
            }
            run(moved.get(..rows.len()).unwrap_or_default(), part)
        };
        if !done {
            return false;
        }
        x += count;
    }
    filters.clamp_all(out);
    true
}

/// What is copied of each row: so many values from pixel `at - left` on.
struct Copy {
    len: usize,
    at: usize,
    left: usize,
    padding: i8,
}

/// Calls `run` with copies of the rows that hold the padding too. [`ROOM`] holds them.
#[inline(never)]
fn copied(
    rows: &[&[i8]],
    channels: usize,
    copy: &Copy,
    out: &mut [i8],
    run: &mut impl FnMut(&[&[i8]], &mut [i8]) -> bool,
) -> bool {
    let len = copy.len;
    let mut buffer = MaybeUninit::<[i8; ROOM]>::uninit();
    if rows.len().saturating_mul(len) > ROOM || rows.len() > MAX_KERNEL {
        return false;
    }
    let start = buffer.as_mut_ptr().cast::<i8>();
    // SAFETY: as many bytes are there, and are written before they are borrowed.
    let cells = unsafe {
        start.write_bytes(copy.padding as u8, rows.len() * len);
        core::slice::from_raw_parts_mut(start, rows.len() * len)
    };
    let before = copy.left.saturating_sub(copy.at) * channels;
    let from = copy.at.saturating_sub(copy.left) * channels;
    for (cells, row) in cells.chunks_exact_mut(len.max(1)).zip(rows) {
        let row = row.get(from..).unwrap_or_default();
        if let Some(to) = cells.get_mut(before..) {
            let count = to.len().min(row.len());
            if let (Some(to), Some(row)) = (to.get_mut(..count), row.get(..count)) {
                to.copy_from_slice(row);
            }
        }
    }
    let mut copies: [&[i8]; MAX_KERNEL] = [&[]; MAX_KERNEL];
    for (to, cells) in copies.iter_mut().zip(cells.chunks_exact(len.max(1))) {
        *to = cells;
    }
    run(copies.get(..rows.len()).unwrap_or_default(), out)
}
