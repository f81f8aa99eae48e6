//! Where rows lie: what layers keep, the sums of the refusal head and the two scratch rows, in one arena.

use super::{Progress, Session};
use crate::format::{MAX_CLASSES, Op};
use crate::plan::{Arena, ring};
use crate::step::top_padding;

/// The arena, as a layer sees it that takes a row from one scratch row and makes one in the other.
pub struct Parts<'a> {
    pub rings: &'a mut [i8],
    pub features: &'a mut [i8],
    pub input: &'a mut [i8],
    pub output: &'a mut [i8],
}

impl<'a> Parts<'a> {
    /// For layer `i`; none where the arena is not as long as its plan says.
    #[inline(always)]
    pub fn of(plan: &Arena, arena: &'a mut [i8], i: usize) -> Option<Self> {
        let (rings, rest) = arena.split_at_mut_checked(plan.rings)?;
        let (features, scratch) = rest.split_at_mut_checked(plan.features)?;
        let (even, odd) = scratch.split_at_mut_checked(plan.scratch[0])?;
        let (input, output) = if i & 1 == 0 { (even, odd) } else { (odd, even) };
        Some(Self { rings, features, input, output })
    }
}

impl Session<'_, '_> {
    /// Puts each layer where it keeps rows, with nothing kept or summed yet.
    pub(super) fn clear(&mut self) {
        self.accumulators = [0; MAX_CLASSES];
        let mut offset = 0;
        for (i, progress) in self.progress.iter_mut().enumerate() {
            let Some(layer) = self.model.layer(i) else { break };
            let bytes = ring(layer.op, layer.input, layer.output).bytes();
            *progress = Progress { offset, row: top_padding(layer.op), next: 0 };
            let start = match layer.op {
                Op::GlobalAveragePool2d => 0,
                Op::MaxPool2d(_) | Op::GlobalMaxPool2d => i8::MIN,
                // Padding holds real zero: the columns for good, the rows above until real ones replace them.
                _ => layer.input_zero_point,
            };
            if let Some(cells) = self.arena.get_mut(offset..offset + bytes) {
                cells.fill(start);
            }
            offset += bytes;
            if let Op::Dense = layer.op {
                for (k, sum) in self.accumulators.iter_mut().enumerate() {
                    *sum = layer.bias_at(k);
                }
            }
        }
        if let Some(features) = self.arena.get_mut(offset..offset + self.plan.features) {
            features.fill(0);
        }
        self.reset_blocks();
    }

    /// The sums over each channel that the refusal head reads; none where the arena is not as long as its plan says.
    pub(super) fn features(&self) -> Option<&[i8]> {
        self.arena.get(self.plan.rings..self.plan.rings + self.plan.features)
    }

    /// The scratch row that layer `i` reads.
    pub(super) fn scratch(&mut self, i: usize) -> Option<&mut [i8]> {
        if let Some(block) = self.prepared.and_then(|prepared| prepared.block(i)) {
            let (layer, progress) = (self.layer(i)?, self.progress.get(i)?);
            return Some(block.waiting(progress, layer.output.height, self.spare));
        }
        let (_, scratch) = self.arena.split_at_mut_checked(self.plan.rings + self.plan.features)?;
        let (even, odd) = scratch.split_at_mut_checked(self.plan.scratch[0])?;
        Some(if i & 1 == 0 { even } else { odd })
    }

    /// Gives the gray rows that the first layer keeps all their channels, in place.
    pub(super) fn colour(&mut self) {
        self.gray = false;
        let Some(first) = self.model.layer(0) else { return };
        let bytes = ring(first.op, first.input, first.output).bytes();
        let channels = first.input.channels as usize;
        let Some(rows) = self.arena.get_mut(..bytes) else { return self.is_faulty = true };
        // From the end: a value moves up, never onto one that still has to move.
        for i in (0..bytes / channels.max(1)).rev() {
            let value = rows.get(i).copied().unwrap_or(0);
            if let Some(cell) = rows.get_mut(i * channels..(i + 1) * channels) {
                cell.fill(value);
            }
        }
    }
}
