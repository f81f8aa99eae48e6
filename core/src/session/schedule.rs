//! A row's way down through the layers: which takes a row next, and whether all took theirs.

use super::storage::Parts;
use super::{Observer, Session};
use crate::error::Error;
use crate::format::{Layer, Op};
use crate::ops::{average_pool_2d, dense};
use crate::plan::waiting;
use crate::step::{Filters, Step, fill_row, row_bytes, top_padding};

impl<'m> Session<'m, '_> {
    /// Whether a row of this length may come now.
    pub(super) fn check_row(&self, given: usize, expected: usize) -> Result<(), Error> {
        if self.rows >= self.model.input().height {
            return Err(Error::TooManyRows);
        }
        if given != expected {
            return Err(Error::RowLength { expected: expected as u32, given: given as u32 });
        }
        Ok(())
    }

    /// Takes a row of the image. What cannot be, by the arena's plan, is remembered: [`finish`](Self::finish) says so.
    pub(super) fn take(&mut self, values: impl Iterator<Item = u8>, observe: &mut Observer<'_>) {
        self.rows += 1;
        self.is_faulty |= self.try_take(values, observe).is_none();
    }

    /// None where a part of the arena is not as long as its plan says.
    fn try_take(&mut self, values: impl Iterator<Item = u8>, observe: &mut Observer<'_>) -> Option<()> {
        let (first, gray) = (self.layer(0)?, self.gray);
        let pixels = fill_row(&first, gray, self.scratch(0)?)?;
        for (cell, value) in pixels.iter_mut().zip(values) {
            *cell = (value ^ 0x80) as i8; // pixel - 128
        }
        // A row goes as far down as it can. Then, once the image has ended, the deepest layer that still wants padding
        // below its input gets a row of it.
        let mut i = 0;
        loop {
            while self.step(i, observe)? {
                i += 1;
            }
            if let Some(next) = self.next_pending() {
                self.hand_on(next, observe)?;
                i = next + 1;
                continue;
            }
            let Some(next) = self.next_to_pad() else { return Some(()) };
            self.pad_below(next)?;
            i = next;
        }
    }

    /// True if every layer took all its rows and computed all of them.
    pub(super) fn is_complete(&self) -> bool {
        if self.pending != 0 {
            return false;
        }
        let layers = (0..self.model.layer_count()).map(|i| self.model.layer(i));
        !self.is_faulty
            && layers.zip(&self.progress).all(|(layer, progress)| {
                layer.is_some_and(|layer| {
                    let below = match layer.op {
                        Op::Conv2d(w) | Op::DepthwiseConv2d(w) => u32::from(w.pad.bottom),
                        _ => 0,
                    };
                    let computed = if let Op::Dense = layer.op { 0 } else { u32::from(layer.output.height) };
                    progress.row == top_padding(layer.op) + u32::from(layer.input.height) + below && progress.next == computed
                })
            })
    }

    /// Layer `i`, from where it is read fastest.
    #[inline(always)]
    pub(super) fn layer(&self, i: usize) -> Option<Layer<'m>> {
        match self.prepared {
            Some(prepared) => prepared.layer(i),
            None => self.model.layer(i),
        }
    }

    /// The deepest layer that has had its last real row and wants padding.
    fn next_to_pad(&self) -> Option<usize> {
        if self.rows != self.model.input().height {
            return None;
        }
        for i in (0..self.model.layer_count()).rev() {
            let (Some(layer), Some(progress)) = (self.model.layer(i), self.progress.get(i)) else { continue };
            let (Op::Conv2d(w) | Op::DepthwiseConv2d(w)) = layer.op else { continue };
            let end = u32::from(w.pad.top) + u32::from(layer.input.height);
            if progress.row >= end && progress.row < end + u32::from(w.pad.bottom) {
                return Some(i);
            }
        }
        None
    }

    /// Puts a row of padding before layer `i`.
    fn pad_below(&mut self, i: usize) -> Option<()> {
        let (layer, gray) = (self.model.layer(i)?, self.gray && i == 0);
        fill_row(&layer, gray, self.scratch(i)?)?.fill(layer.input_zero_point);
        Some(())
    }

    /// Layer `i` takes the row that waits for it; true if one now waits for the next layer, none if a part of the arena is short.
    fn step(&mut self, i: usize, observe: &mut Observer<'_>) -> Option<bool> {
        if let Some(block) = self.prepared.and_then(|prepared| prepared.block(i)) {
            let is_computed = self.block_step(i, block)?;
            if is_computed {
                self.hand_on(i, observe)?;
            }
            return Some(is_computed);
        }
        let reader = self.layer(i + 1);
        let (layer, progress) = (self.layer(i)?, self.progress.get_mut(i)?);
        let (row, next) = (progress.row, progress.next);
        progress.row += 1;
        let kept = progress.offset;
        let Parts { rings, features, input, output } = Parts::of(&self.plan, self.arena, i)?;
        let gray = self.gray && i == 0;
        let waits = row_bytes(&layer, gray, waiting(layer.op, layer.input).len);
        let input = input.get(..waits)?;
        if let Op::Dense = layer.op {
            dense::accumulate(&layer, row as usize, input, &self.kernel, &mut self.accumulators)?;
            dense::explain(&layer, row as usize, input, self.map);
            return Some(false);
        }
        let reader = reader?;
        let output = match (self.prepared.and_then(|prepared| prepared.block(i + 1)), self.progress.get(i + 1)) {
            (Some(block), Some(progress)) => block.waiting(progress, reader.output.height, self.spare),
            _ => output,
        };
        let out = fill_row(&reader, false, output)?;
        let kept = rings.get_mut(kept..)?;
        let step = Step { layer: &layer, row, next, input, kept, out: &mut *out };
        let done = match layer.op {
            Op::Conv2d(w) | Op::DepthwiseConv2d(w) | Op::AveragePool2d(w) => {
                let packed = self.prepared.map_or(&[][..], |prepared| prepared.filters(i, gray));
                let gray = if gray { self.model.gray_weights() } else { &[] };
                step.window(w, &Filters { kernel: &self.kernel, gray, packed })
            }
            Op::MaxPool2d(w) => step.max_pool(w),
            _ => step.global(),
        }?;
        if done {
            if self.summed == Some(i) {
                average_pool_2d::add_cells(out, features);
            }
            observe(i, next as usize, out);
            if let Some(progress) = self.progress.get_mut(i) {
                progress.next += 1;
            }
        }
        Some(done)
    }
}
