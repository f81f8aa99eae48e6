//! Filters for layers that compute several output rows at once, and where those layers' rows are in a session's extra memory.

use super::packings::{ALIGN, packing, packings};
use crate::format::{MAX_LAYERS, Model, Op};
use crate::kernels::{Kernel, Plan};
use crate::plan::waiting;

/// A layer that computes several output rows at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// How.
    pub plan: Plan,
    /// Vertical stride.
    pub stride: usize,
    /// Input rows of a block, and their length.
    pub rows: usize,
    pub row_len: usize,
    /// Where they are, after the kernel's scratch memory, and where the output rows are.
    pub input: usize,
    pub output: usize,
}

/// The plan of the layer of entry `entry` of [`packings`]. The first layer, whose rows may be gray, has none.
fn plan(model: &Model<'_>, kernel: &Kernel, entry: usize) -> Option<Plan> {
    let layer = model.layer(entry.checked_sub(1).filter(|i| *i > 0)?)?;
    let Op::Conv2d(window) = layer.op else { return None };
    let size = [layer.output.height, layer.output.width].map(usize::from);
    (kernel.blocks()?.plan)(&packing(&layer, None)?, usize::from(window.stride[0]), size)
}

/// Packs entry `entry` of [`packings`]; the bytes taken.
pub fn pack(model: &Model<'_>, kernel: &Kernel, entry: usize, out: &mut [u8]) -> usize {
    let Some(layer) = packings(model).nth(entry).flatten() else { return 0 };
    match plan(model, kernel, entry).zip(kernel.blocks()) {
        Some((plan, blocks)) => (blocks.pack)(plan.form, &layer, out),
        None => kernel.pack(&layer, out),
    }
}

/// The layers that compute in blocks, and the bytes that they take.
pub fn arrange(model: &Model<'_>, kernel: &Kernel) -> ([Option<Block>; MAX_LAYERS], usize) {
    let (mut blocks, mut scratch, mut end) = ([None; MAX_LAYERS], 0, 0);
    for (i, block) in blocks.iter_mut().enumerate() {
        let Some((layer, plan)) = model.layer(i).zip(plan(model, kernel, i + 1)) else { continue };
        let Op::Conv2d(window) = layer.op else { continue };
        let (stride, row_len) = (usize::from(window.stride[0]), waiting(layer.op, layer.input).len);
        let rows = (plan.rows - 1) * stride + usize::from(window.kernel[0]);
        let (input, output) = (end, end + (rows * row_len).next_multiple_of(ALIGN));
        end = output + (plan.rows * layer.output.row_len()).next_multiple_of(ALIGN);
        scratch = plan.scratch.next_multiple_of(ALIGN).max(scratch);
        *block = Some(Block { plan, stride, rows, row_len, input, output });
    }
    for block in blocks.iter_mut().flatten() {
        block.input += scratch;
        block.output += scratch;
    }
    (blocks, scratch + end)
}
