//! Layers that compute several output rows at once, in memory beyond the model's arena.
//!
//! Such a layer keeps the input rows of a block, one after another; the row that waits for it waits there already. When the last has
//! come, the kernel computes the block, the rows that the next block needs again move to the front, and the output rows are handed on one
//! by one: always of the deepest layer that has some, so that each goes as far down as it can before the next.

use super::storage::Parts;
use super::{Observer, Progress, Session};
use crate::format::Op;
use crate::kernels::{BlockRows, Covered, HAS_BLOCKS};
use crate::ops::{average_pool_2d, conv_2d};
use crate::prepared::Block;
use crate::step::{copy, fill_row, top_padding};

impl Block {
    /// Where the next row waits, in a session's extra memory; nowhere if the plan has no place for it.
    pub(super) fn waiting<'s>(&self, progress: &Progress, height: u16, spare: &'s mut [i8]) -> &'s mut [i8] {
        self.waiting_in(progress, height, spare.get_mut(self.input..).unwrap_or_default())
    }

    /// [`waiting`](Self::waiting) in what begins with this layer's rows.
    fn waiting_in<'s>(&self, progress: &Progress, height: u16, rows: &'s mut [i8]) -> &'s mut [i8] {
        // Rows are dropped when a block is computed, not when its last row is handed on.
        let computed = progress.next.next_multiple_of(self.plan.rows.max(1) as u32).min(u32::from(height));
        let row = (progress.row as usize).saturating_sub(computed as usize * self.stride);
        let rows = if row < self.rows { rows.get_mut(row * self.row_len..) } else { None };
        rows.unwrap_or_default()
    }
}

impl Session<'_, '_> {
    /// Puts padding above the rows of layers that compute several at once.
    pub(super) fn reset_blocks(&mut self) {
        self.pending = 0;
        let Some(prepared) = self.prepared.filter(|prepared| HAS_BLOCKS && prepared.extra() > 0) else { return };
        for i in 0..self.model.layer_count() {
            let (Some(layer), Some(block)) = (self.layer(i), prepared.block(i)) else { continue };
            let above = top_padding(layer.op) as usize * block.row_len;
            if let Some(rows) = self.spare.get_mut(block.input..block.input + above) {
                rows.fill(layer.input_zero_point);
            }
        }
    }

    /// Layer `i`, which computes several rows at once, takes the row that waits for it; true if it has rows to hand on now, none if a
    /// part of the memory is short.
    pub(super) fn block_step(&mut self, i: usize, block: &Block) -> Option<bool> {
        let (layer, progress) = (self.layer(i)?, self.progress.get_mut(i)?);
        progress.row += 1;
        let Op::Conv2d(window) = layer.op else { return None };
        let (next, height) = (progress.next as usize, usize::from(layer.output.height));
        let rows = block.plan.rows.min(height.saturating_sub(next));
        let first = next * block.stride;
        if rows == 0 || (progress.row as usize) < first + (rows - 1) * block.stride + usize::from(window.kernel[0]) {
            return Some(false);
        }
        let packed = self.prepared.map_or(&[][..], |prepared| prepared.filters(i, false));
        let (scratch, rest) = self.spare.split_at_mut_checked(block.input)?;
        let (input, rest) = rest.split_at_mut_checked(block.output - block.input)?;
        let out = rest.get_mut(..rows * layer.output.row_len())?;
        let covered = Covered::new(conv_2d::packing(&layer, window, false), conv_2d::filters(&layer, packed))?;
        let width = usize::from(layer.output.width);
        let args = BlockRows { layer: covered, input, row_len: block.row_len, rows, width };
        if !(self.kernel.blocks()?.run)(&args, scratch, out) {
            return None;
        }
        // What the next block needs again: fewer rows than it drops lie after the last block of the image.
        let (used, end) = (rows * block.stride * block.row_len, (progress.row as usize - first) * block.row_len);
        if used <= end {
            input.get_mut(..end)?.copy_within(used.., 0);
        }
        Some(true)
    }

    /// The next row that layer `i`, which computes several at once, has computed goes to the next layer; none if a part of the memory is
    /// short.
    pub(super) fn hand_on(&mut self, i: usize, observe: &mut Observer<'_>) -> Option<()> {
        let block = self.prepared.and_then(|prepared| prepared.block(i))?;
        let (layer, reader) = (self.layer(i)?, self.layer(i + 1)?);
        let progress = self.progress.get_mut(i)?;
        let next = progress.next as usize;
        progress.next += 1;
        let is_last = (next + 1).is_multiple_of(block.plan.rows) || next + 1 >= usize::from(layer.output.height);
        let bit = 1u32.unbounded_shl(i as u32);
        self.pending = if is_last { self.pending & !bit } else { self.pending | bit };
        let (rows_before, len) = (next % block.plan.rows.max(1), layer.output.row_len());
        let following = self.prepared.and_then(|prepared| prepared.block(i + 1)).zip(self.progress.get(i + 1));
        let Parts { features, output: next_row, .. } = Parts::of(&self.plan, self.arena, i)?;
        let (row, output) = match following {
            Some((reading, progress)) => {
                let (before, after) = self.spare.split_at_mut_checked(reading.input)?;
                let row = before.get(block.output + rows_before * len..)?;
                (row, reading.waiting_in(progress, reader.output.height, after))
            }
            None => {
                let row = self.spare.get(block.output + rows_before * len..)?;
                (row, next_row)
            }
        };
        let out = fill_row(&reader, false, output)?;
        copy(row.get(..out.len())?, out)?;
        if self.summed == Some(i) {
            average_pool_2d::add_cells(out, features);
        }
        observe(i, next, out);
        Some(())
    }

    /// The deepest layer that has rows left to hand on.
    pub(super) fn next_pending(&self) -> Option<usize> {
        if HAS_BLOCKS { Some(self.pending.checked_ilog2()? as usize) } else { None }
    }
}
