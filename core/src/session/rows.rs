//! A row's way down through the layers.

use super::{Observer, Session};
use crate::format::{Layer, Op};
use crate::ops::{average_pool_2d, dense};
use crate::plan::{ring, waiting};
use crate::step::{fill_row, global_step, max_pool_step, row_bytes, window_step};

impl<'m> Session<'m, '_> {
    /// Gives the gray rows that the first layer keeps all their channels, in place.
    pub(super) fn colour(&mut self) {
        self.gray = false;
        let Some(first) = self.model.layer(0) else { return };
        let bytes = ring(first.op, first.input, first.output).bytes();
        let channels = first.input.channels as usize;
        if let Some(rows) = self.arena.get_mut(..bytes) {
            // From the end: a value moves up, never onto one that still has to move.
            for i in (0..bytes / channels.max(1)).rev() {
                let value = rows.get(i).copied().unwrap_or(0);
                if let Some(cell) = rows.get_mut(i * channels..(i + 1) * channels) {
                    cell.fill(value);
                }
            }
        }
    }

    pub(super) fn take(&mut self, values: impl Iterator<Item = u8>, observe: &mut Observer<'_>) {
        let gray = self.gray;
        if let Some((first, scratch)) = self.layer(0).zip(self.scratch(0)) {
            let pixels = fill_row(&first, gray, scratch);
            for (cell, value) in pixels.iter_mut().zip(values) {
                *cell = (value ^ 0x80) as i8; // pixel - 128
            }
        }
        self.rows += 1;
        // A row goes as far down as it can. Then, once the image has ended, the deepest layer that still wants padding
        // below its input gets a row of it.
        let mut i = 0;
        loop {
            while self.step(i, observe) {
                i += 1;
            }
            #[cfg(row_blocks)]
            if let Some(next) = self.hand_on_pending(observe) {
                i = next;
                continue;
            }
            let Some(next) = self.pad_below() else { break };
            i = next;
        }
    }

    /// Layer `i`, from where it is read fastest.
    #[inline(always)]
    pub(super) fn layer(&self, i: usize) -> Option<Layer<'m>> {
        match self.prepared {
            Some(prepared) => prepared.layer(i),
            None => self.model.layer(i),
        }
    }

    /// The scratch row that layer `i` reads.
    pub(super) fn scratch(&mut self, i: usize) -> Option<&mut [i8]> {
        #[cfg(row_blocks)]
        if let Some(block) = self.prepared.and_then(|prepared| prepared.block(i)) {
            let (layer, progress) = (self.layer(i)?, self.progress.get(i)?);
            return Some(block.waiting(progress, layer.output.height, self.spare));
        }
        let (_, scratch) = self.arena.split_at_mut_checked(self.plan.rings + self.plan.features)?;
        let (even, odd) = scratch.split_at_mut_checked(self.plan.scratch[0])?;
        Some(if i & 1 == 0 { even } else { odd })
    }

    /// Puts a row of padding before the deepest layer that has had its last real row and wants one.
    fn pad_below(&mut self) -> Option<usize> {
        if self.rows != self.model.input().height {
            return None;
        }
        for i in (0..self.model.layer_count()).rev() {
            let (Some(layer), Some(progress)) = (self.model.layer(i), self.progress.get(i)) else { continue };
            let (Op::Conv2d(w) | Op::DepthwiseConv2d(w)) = layer.op else { continue };
            let end = u32::from(w.pad.top) + u32::from(layer.input.height);
            if progress.row >= end && progress.row < end + u32::from(w.pad.bottom) {
                let gray = self.gray && i == 0;
                fill_row(&layer, gray, self.scratch(i)?).fill(layer.input_zero_point);
                return Some(i);
            }
        }
        None
    }

    /// Layer `i` takes the row that waits for it; true if one now waits for the next layer.
    fn step(&mut self, i: usize, observe: &mut Observer<'_>) -> bool {
        #[cfg(row_blocks)]
        if let Some(block) = self.prepared.and_then(|prepared| prepared.block(i)) {
            return self.block_step(i, block, observe);
        }
        let reader = self.layer(i + 1);
        let (Some(layer), Some(progress)) = (self.layer(i), self.progress.get_mut(i)) else { return false };
        let (row, next) = (progress.row, progress.next);
        progress.row += 1;
        let kept = progress.offset;
        let (rings, features) = (self.plan.rings, self.plan.features);
        let Some((rings, rest)) = self.arena.split_at_mut_checked(rings) else { return false };
        let Some((features, scratch)) = rest.split_at_mut_checked(features) else { return false };
        let Some((even, odd)) = scratch.split_at_mut_checked(self.plan.scratch[0]) else { return false };
        let (input, output) = if i & 1 == 0 { (even, odd) } else { (odd, even) };
        let gray = self.gray && i == 0;
        let waits = row_bytes(&layer, gray, waiting(layer.op, layer.input).len);
        let Some(input) = input.get(..waits) else { return false };
        if let Op::Dense = layer.op {
            dense::accumulate(&layer, row as usize, input, &self.kernel, &mut self.accumulators);
            dense::explain(&layer, row as usize, input, self.map);
            return false;
        }
        let Some(reader) = reader else { return false };
        #[cfg(row_blocks)]
        let output = match (self.prepared.and_then(|prepared| prepared.block(i + 1)), self.progress.get(i + 1)) {
            (Some(block), Some(progress)) => block.waiting(progress, reader.output.height, self.spare),
            _ => output,
        };
        let out = fill_row(&reader, false, output);
        let kept = rings.get_mut(kept..).unwrap_or_default();
        let done = match layer.op {
            Op::Conv2d(w) | Op::DepthwiseConv2d(w) | Op::AveragePool2d(w) => {
                let gray_weights = if gray { self.model.gray_weights() } else { &[] };
                let packed = self.prepared.map_or(&[][..], |prepared| prepared.filters(i, gray));
                window_step(&layer, w, gray_weights, &self.kernel, packed, row, next, input, kept, out)
            }
            Op::MaxPool2d(w) => max_pool_step(&layer, w, row, next, input, kept, out),
            _ => global_step(&layer, row, input, kept, out),
        };
        if done {
            if self.summed == Some(i) {
                average_pool_2d::add_cells(out, features);
            }
            observe(i, next as usize, out);
            if let Some(progress) = self.progress.get_mut(i) {
                progress.next += 1;
            }
        }
        done
    }
}
