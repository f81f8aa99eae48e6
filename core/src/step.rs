//! What a layer does with one more input row: the part of [`crate::session`] that knows the operators.

use crate::format::{Layer, Op};
use crate::kernels::Kernel;
use crate::ops::{Rows, average_pool_2d, conv_2d, max_pool_2d};
use crate::plan::{ring, waiting};
use crate::shape::Window2d;

/// Rows of padding above a layer's input.
pub const fn top_padding(op: Op) -> u32 {
    match op {
        Op::Conv2d(w) | Op::DepthwiseConv2d(w) => w.pad.top as u32,
        _ => 0,
    }
}

/// `bytes` of a row, or of its gray version: one value a pixel.
pub fn row_bytes(layer: &Layer<'_>, gray: bool, bytes: usize) -> usize {
    if gray { bytes / (layer.input.channels as usize).max(1) } else { bytes }
}

/// Writes the padding left and right of the row that waits for `reader`, and returns the pixels between; none where it does not fit.
pub fn fill_row<'a>(reader: &Layer<'_>, gray: bool, scratch: &'a mut [i8]) -> Option<&'a mut [i8]> {
    let waiting = waiting(reader.op, reader.input);
    let (left, len) = (row_bytes(reader, gray, waiting.left), row_bytes(reader, gray, reader.input.row_len()));
    let row = scratch.get_mut(..row_bytes(reader, gray, waiting.len))?;
    let (left, rest) = row.split_at_mut_checked(left)?;
    let (pixels, right) = rest.split_at_mut_checked(len)?;
    left.fill(reader.input_zero_point);
    right.fill(reader.input_zero_point);
    Some(pixels)
}

/// What convolutions compute with.
pub struct Filters<'a> {
    pub kernel: &'a Kernel,
    /// Of the first layer, for gray rows; empty for others.
    pub gray: &'a [u8],
    /// For the kernel; empty where nothing was packed.
    pub packed: &'a [u8],
}

/// A layer takes an input row. Each operator's method is true if `out` is then output row `next`, none if a row or the filters are not as
/// long as they must be.
pub struct Step<'a, 'm> {
    pub layer: &'a Layer<'m>,
    /// The input row, counted with the padding above.
    pub row: u32,
    /// The output row that is made next.
    pub next: u32,
    pub input: &'a [i8],
    /// What the layer keeps between rows.
    pub kept: &'a mut [i8],
    pub out: &'a mut [i8],
}

impl Step<'_, '_> {
    /// Of an operator that needs all rows under its window at once.
    #[inline(always)]
    pub fn window(self, window: Window2d, filters: &Filters<'_>) -> Option<bool> {
        let Self { layer, row, next, input, kept, out } = self;
        let height = u32::from(window.kernel[0]);
        let top = next * u32::from(window.stride[0]);
        let rows_kept = height - 1;
        let slot = |row: u32| row.checked_rem(rows_kept).unwrap_or(0) as usize * input.len();
        let done = next < u32::from(layer.output.height) && row + 1 == top + height;
        if done {
            let mut rows = Rows::new();
            for above in top..row {
                rows.push(kept.get(slot(above)..slot(above) + input.len())?).ok()?;
            }
            rows.push(input).ok()?;
            let Filters { kernel, gray, packed } = *filters;
            let is_computed = match layer.op {
                Op::AveragePool2d(_) => average_pool_2d::row(layer, window, &rows, out),
                Op::DepthwiseConv2d(_) => conv_2d::depthwise_row(layer, window, &rows, kernel, out),
                _ if !gray.is_empty() => conv_2d::gray_row(layer, gray, window, &rows, kernel, packed, out),
                _ => conv_2d::row(layer, window, &rows, kernel, packed, out),
            };
            if !is_computed {
                return None;
            }
        }
        if rows_kept > 0 {
            copy(input, kept.get_mut(slot(row)..slot(row) + input.len())?)?;
        }
        Some(done)
    }

    /// Of max-pooling.
    #[inline(always)]
    pub fn max_pool(self, window: Window2d) -> Option<bool> {
        let Self { layer, row, next, input, kept, out } = self;
        let (height, stride) = (u32::from(window.kernel[0]), u32::from(window.stride[0]));
        let open = ring(layer.op, layer.input, layer.output);
        let channels = layer.input.channels as usize;
        let slot = |y: u32| y.checked_rem(open.rows as u32).unwrap_or(0) as usize * open.row_len;
        let done = next < u32::from(layer.output.height) && row + 1 == next * stride + height;
        let mut y = next;
        if done {
            if open.rows > 0 {
                let best = kept.get_mut(slot(next)..slot(next) + open.row_len)?;
                copy(best, out)?;
                best.fill(i8::MIN);
            } else {
                out.fill(i8::MIN);
            }
            max_pool_2d::fold(window, channels, input, out);
            y += 1;
        }
        // The other output rows whose windows hold this input row.
        while y < u32::from(layer.output.height) && y * stride <= row && open.rows > 0 {
            max_pool_2d::fold(window, channels, input, kept.get_mut(slot(y)..slot(y) + open.row_len)?);
            y += 1;
        }
        Some(done)
    }

    /// Of pooling over the whole map, which makes its row after the last.
    #[inline(always)]
    pub fn global(self) -> Option<bool> {
        let Self { layer, row, input, kept, out, .. } = self;
        let kept = kept.get_mut(..ring(layer.op, layer.input, layer.output).bytes())?;
        let done = row + 1 == u32::from(layer.input.height);
        if let Op::GlobalAveragePool2d = layer.op {
            average_pool_2d::add_cells(input, kept);
            if done {
                average_pool_2d::global(layer, kept, out);
            }
        } else {
            max_pool_2d::fold_all(input, kept);
            if done {
                copy(kept, out)?;
            }
        }
        Some(done)
    }
}

/// `copy_from_slice` without its panic; none where the lengths differ.
pub fn copy(from: &[i8], to: &mut [i8]) -> Option<()> {
    if from.len() != to.len() {
        return None;
    }
    to.copy_from_slice(from);
    Some(())
}
