//! Extents that follow from each other.

use crate::model::desc::{Op, Pads, Shape, Window};
use crate::softmax;

/// Most rows of a convolution's window: a kernel's list of rows lies on the stack.
pub const MAX_KERNEL_ROWS: usize = 16;
/// Most cells of a pooling window or mean.
const MAX_CELLS: u64 = 1 << 20;

/// Checks what an operator says of itself, and that its output follows from its inputs; what is wrong.
pub const fn check(op: Op, a: Shape, b: Shape, out: Shape) -> Result<(), &'static str> {
    let same_extents = a.height == out.height && a.width == out.width;
    let same_channels = a.channels == out.channels;
    let is_right = match op {
        Op::Conv2d { window, groups } => {
            if groups == 0 || !a.channels.is_multiple_of(groups) || !out.channels.is_multiple_of(groups) {
                return Err("groups");
            }
            if window.kernel[0] as usize > MAX_KERNEL_ROWS {
                return Err("kernel (more than 16 rows)");
            }
            fits(window, a, out)
        }
        Op::DepthwiseConv2d { window } => {
            if window.kernel[0] as usize > MAX_KERNEL_ROWS {
                return Err("kernel (more than 16 rows)");
            }
            fits(window, a, out) && out.channels.is_multiple_of(a.channels)
        }
        Op::Dense { .. } => out.height == 1 && out.width == 1,
        Op::Add | Op::Mul => {
            same_extents && same_channels && (b.equals(&a) || (b.height == 1 && b.width == 1 && b.channels == a.channels))
        }
        Op::AveragePool2d { window } | Op::MaxPool2d { window } => {
            let cells = window.kernel[0] as u64 * window.kernel[1] as u64;
            let is_plain = window.dilation[0] == 1 && window.dilation[1] == 1;
            fits(window, a, out) && same_channels && is_plain && cells <= MAX_CELLS
        }
        Op::Mean { kernel } => {
            let cells = kernel[0] as u64 * kernel[1] as u64;
            let rows = out.height as u32 * kernel[0] as u32 == a.height as u32;
            let columns = out.width as u32 * kernel[1] as u32 == a.width as u32;
            rows && columns && same_channels && cells <= MAX_CELLS
        }
        Op::Concat => {
            let channels = a.channels as u32 + b.channels as u32;
            same_extents && a.height == b.height && a.width == b.width && channels == out.channels as u32
        }
        Op::Pad { pads: Pads { top, left, bottom, right }, .. } => {
            let rows = a.height as u32 + top as u32 + bottom as u32 == out.height as u32;
            let columns = a.width as u32 + left as u32 + right as u32 == out.width as u32;
            rows && columns && same_channels
        }
        Op::ResizeNearest => out.height.is_multiple_of(a.height) && out.width.is_multiple_of(a.width) && same_channels,
        Op::Softmax { .. } if a.channels as usize > softmax::MAX_CHANNELS => {
            return Err("channels (softmax takes 511 at most)");
        }
        Op::Table | Op::Softmax { .. } => out.equals(&a),
        Op::Reshape => a.len() == out.len(),
        Op::Crop { left } => a.height == out.height && same_channels && left as u32 + out.width as u32 <= a.width as u32,
        Op::ConcatColumns => {
            let columns = a.width as u32 + b.width as u32;
            let is_even = a.height == b.height && a.height == out.height && a.channels == b.channels;
            is_even && same_channels && columns == out.width as u32
        }
    };
    if is_right { Ok(()) } else { Err("shapes (the output's does not follow from the input's)") }
}

const fn fits(window: Window, input: Shape, output: Shape) -> bool {
    let (rows, columns) = (window.outputs(0, input.height), window.outputs(1, input.width));
    matches!((rows, columns), (Some(r), Some(c)) if r == output.height as u32 && c == output.width as u32)
}
