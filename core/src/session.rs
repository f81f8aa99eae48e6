//! Push rows, get a verdict.

use crate::error::Error;
use crate::explain;
use crate::format::{Layer, MAX_CLASSES, MAX_LAYERS, Model, Op};
use crate::ops::{Rows, conv_2d, dense, max_pool_2d, softmax};
use crate::plan::{Ring, ring};
use heapless::Vec;

/// Why a verdict was withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbstainReason {
    /// The largest calibrated probability is below the model's threshold.
    LowConfidence,
}

/// What a verdict says. A refusal is not a class: it cannot be read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Index of the class, as in [`Model::class_name`].
    Class(usize),
    /// No class: the caller must say that there is none.
    Abstain(AbstainReason),
}

/// The result for one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    accumulators: Vec<i32, MAX_CLASSES>,
    logits: Vec<f32, MAX_CLASSES>,
    probabilities: Vec<f32, MAX_CLASSES>,
    decision: Decision,
}

impl Verdict {
    /// The class, or that there is none.
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// Logits, one a class: `f32(accumulator) * scale`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Calibrated probabilities, one a class, summing to 1.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Accumulators of the last layer, bias included.
    pub fn accumulators(&self) -> &[i32] {
        &self.accumulators
    }

    /// The likeliest class and its probability, even where the decision is to abstain.
    pub fn top(&self) -> (usize, f32) {
        top(&self.probabilities)
    }
}

fn top(probabilities: &[f32]) -> (usize, f32) {
    let mut best = (0, 0.0);
    for (i, p) in probabilities.iter().enumerate() {
        if *p > best.1 {
            best = (i, *p);
        }
    }
    best
}

/// Progress of one layer. Rows are counted with the padding above and below.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Where the layer's ring starts in the arena.
    offset: usize,
    /// Rows in the ring so far, top padding included.
    filled: u32,
    /// Next output row.
    next: u32,
}

/// One inference in progress: a model, a buffer, and where each layer stands.
///
/// Dropping or [`reset`](Session::reset)ting it at any row is fine. It holds no locks and never waits.
pub struct Session<'m, 'b> {
    model: Model<'m>,
    arena: &'b mut [i8],
    progress: [Progress; MAX_LAYERS],
    accumulators: [i32; MAX_CLASSES],
    rows: u16,
    /// Where the explanation goes, `[class][y][x]`; empty if none is wanted.
    map: &'b mut [i32],
}

/// Receives `(layer, output row, values)` for each row that a layer computes.
pub type Observer<'f> = dyn FnMut(usize, usize, &[i8]) + 'f;

impl<'m, 'b> Session<'m, 'b> {
    /// Starts an inference in a buffer of at least [`Model::arena_bytes`] elements.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn new(model: &Model<'m>, arena: &'b mut [i8]) -> Result<Self, Error> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let Some(arena) = arena.get_mut(..needed) else {
            return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 });
        };
        let mut session = Self {
            model: *model,
            arena,
            progress: [Progress::default(); MAX_LAYERS],
            accumulators: [0; MAX_CLASSES],
            rows: 0,
            map: &mut [],
        };
        session.reset();
        Ok(session)
    }

    /// Also writes, for each class and cell of the final feature map, what it adds to the class's accumulator
    /// (see [`explain`]).
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] under [`explain::map_len`] elements.
    pub fn with_map(mut self, map: &'b mut [i32]) -> Result<Self, Error> {
        let (needed, given) = (explain::map_len(&self.model), map.len());
        self.map = match map.get_mut(..needed) {
            Some(map) => map,
            None => return Err(Error::BufferTooSmall { needed: needed as u32, given: given as u32 }),
        };
        Ok(self)
    }

    /// The explanation of the rows pushed so far, empty without [`with_map`](Self::with_map).
    pub fn map(&self) -> &[i32] {
        self.map
    }

    /// Forgets the rows pushed so far.
    pub fn reset(&mut self) {
        self.rows = 0;
        self.accumulators = [0; MAX_CLASSES];
        let mut offset = 0;
        for (i, progress) in self.progress.iter_mut().enumerate() {
            let Some(layer) = self.model.layer(i) else { break };
            let bytes = ring(layer.op, layer.input).bytes();
            *progress = Progress { offset, filled: top_padding(layer.op), next: 0 };
            // Padding holds real zero: the columns for good, the rows above until real ones replace them.
            if let Some(cells) = self.arena.get_mut(offset..offset + bytes) {
                cells.fill(layer.input_zero_point);
            }
            offset += bytes;
            if let Op::Dense = layer.op {
                for (k, sum) in self.accumulators.iter_mut().enumerate() {
                    *sum = layer.bias_at(k);
                }
            }
        }
    }

    /// Takes the next row: `width * channels` bytes, channels interleaved, 0 black to 255 white.
    ///
    /// # Errors
    /// [`Error::RowLength`], [`Error::TooManyRows`]; nothing is taken then.
    pub fn push_row(&mut self, row: &[u8]) -> Result<(), Error> {
        self.push_row_observed(row, &mut |_, _, _| ())
    }

    /// Takes the next row of a gray image: `width` bytes, given to every channel.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_gray_row(&mut self, row: &[u8]) -> Result<(), Error> {
        let input = self.model.input();
        self.check_row(row.len(), input.width as usize)?;
        let values = row.iter().flat_map(|v| core::iter::repeat_n(*v, input.channels as usize));
        self.take(values, &mut |_, _, _| ());
        Ok(())
    }

    /// [`push_row`](Self::push_row) that shows every row that a layer computes to `observe`.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_row_observed(&mut self, row: &[u8], observe: &mut Observer<'_>) -> Result<(), Error> {
        self.check_row(row.len(), self.model.input().row_len())?;
        self.take(row.iter().copied(), observe);
        Ok(())
    }

    fn check_row(&self, given: usize, expected: usize) -> Result<(), Error> {
        if self.rows >= self.model.input().height {
            return Err(Error::TooManyRows);
        }
        if given != expected {
            return Err(Error::RowLength { expected: expected as u32, given: given as u32 });
        }
        Ok(())
    }

    fn take(&mut self, values: impl Iterator<Item = u8>, observe: &mut Observer<'_>) {
        let (Some(first), Some(progress)) = (self.model.layer(0), self.progress.first_mut()) else { return };
        let target = slot(progress, ring(first.op, first.input));
        let width = first.input.row_len();
        if let Some(cells) = self.arena.get_mut(target..target + width) {
            for (cell, value) in cells.iter_mut().zip(values) {
                *cell = (value ^ 0x80) as i8; // pixel - 128
            }
        }
        progress.filled += 1;
        self.rows += 1;
        // Depth first: a row goes as far down as it can before the layer above makes another, so that no ring overflows.
        let mut i = 0;
        loop {
            if self.produce(i, observe) {
                i += 1;
            } else if i > 0 {
                i -= 1;
            } else {
                break;
            }
        }
    }

    /// Computes the next output row of layer `i` if its input is there.
    fn produce(&mut self, i: usize, observe: &mut Observer<'_>) -> bool {
        let Some(layer) = self.model.layer(i) else { return false };
        let from = ring(layer.op, layer.input);
        let window = match layer.op {
            Op::Conv2d(w) | Op::MaxPool2d(w) => w,
            Op::Dense => {
                self.absorb(i, &layer, from);
                return false;
            }
        };
        let Some(next) = self.model.layer(i + 1) else { return false };
        let [Some(progress), Some(target)] = self.progress.get_disjoint_mut([i, i + 1]).map_or([None, None], |p| p.map(Some))
        else {
            return false;
        };
        let kernel = u32::from(window.kernel[0]);
        let top = progress.next * u32::from(window.stride[0]);
        let (input_end, end) = (u32::from(window.pad.top) + u32::from(layer.input.height), u32::from(window.pad.bottom));
        if progress.next >= u32::from(layer.output.height) {
            return false;
        }
        // Below the last input row comes padding.
        while progress.filled < top + kernel && progress.filled >= input_end && progress.filled < input_end + end {
            let at = slot(progress, from);
            if let Some(cells) = self.arena.get_mut(at..at + layer.input.row_len()) {
                cells.fill(layer.input_zero_point);
            }
            progress.filled += 1;
        }
        if progress.filled < top + kernel {
            return false;
        }
        let Some((left, right)) = self.arena.split_at_mut_checked(target.offset) else { return false };
        let mut rows = Rows::new();
        for row in top..top + kernel {
            let at = progress.offset + (row as usize % from.rows) * from.row_len;
            if let Some(cells) = left.get(at..at + from.row_len) {
                // Cannot be full: `parse` bounds the kernel.
                let _ = rows.push(cells);
            }
        }
        let to = ring(next.op, next.input);
        let at = slot(target, to) - target.offset;
        let Some(out) = right.get_mut(at..at + next.input.row_len()) else { return false };
        match layer.op {
            Op::Conv2d(_) => conv_2d::row(&layer, window, &rows, out),
            _ => max_pool_2d::row(&layer, window, &rows, out),
        }
        observe(i, progress.next as usize, out);
        progress.next += 1;
        target.filled += 1;
        true
    }

    /// Adds the dense layer's waiting row to the accumulators.
    fn absorb(&mut self, i: usize, layer: &Layer<'_>, from: Ring) {
        let Some(progress) = self.progress.get_mut(i) else { return };
        if progress.next < progress.filled {
            if let Some(row) = self.arena.get(progress.offset..progress.offset + from.row_len) {
                dense::accumulate(layer, progress.next as usize, row, &mut self.accumulators);
                dense::explain(layer, progress.next as usize, row, self.map);
            }
            progress.next += 1;
        }
    }

    /// The verdict, after `input().height` rows.
    ///
    /// # Errors
    /// [`Error::MissingRows`].
    pub fn finish(&mut self) -> Result<Verdict, Error> {
        let expected = self.model.input().height;
        if self.rows != expected {
            return Err(Error::MissingRows { given: self.rows, expected });
        }
        let layer = self.model.layer_count().checked_sub(1).and_then(|last| self.model.layer(last));
        let count = self.model.class_count();
        let accumulators: Vec<i32, MAX_CLASSES> = self.accumulators.iter().copied().take(count).collect();
        let logits: Vec<f32, MAX_CLASSES> =
            accumulators.iter().enumerate().map(|(k, sum)| *sum as f32 * layer.map_or(0.0, |l| l.scale_at(k))).collect();
        let mut probabilities = logits.clone();
        softmax::softmax(&logits, self.model.temperature(), &mut probabilities);
        let (best, p) = top(&probabilities);
        let decision =
            if p < self.model.abstain_below() { Decision::Abstain(AbstainReason::LowConfidence) } else { Decision::Class(best) };
        Ok(Verdict { accumulators, logits, probabilities, decision })
    }

    /// A whole image at once: `height * width * channels` bytes, rows top to bottom.
    ///
    /// # Errors
    /// [`Error::RowLength`] where the length is wrong.
    pub fn run(&mut self, image: &[u8]) -> Result<Verdict, Error> {
        let input = self.model.input();
        if image.len() != input.len() {
            return Err(Error::RowLength { expected: input.len() as u32, given: image.len() as u32 });
        }
        self.reset();
        for row in image.chunks_exact(input.row_len()) {
            self.push_row(row)?;
        }
        self.finish()
    }
}

const fn top_padding(op: Op) -> u32 {
    match op {
        Op::Conv2d(w) => w.pad.top as u32,
        Op::MaxPool2d(_) | Op::Dense => 0,
    }
}

/// Where the next row of a ring goes.
fn slot(progress: &Progress, ring: Ring) -> usize {
    progress.offset + (progress.filled as usize % ring.rows) * ring.row_len + ring.left
}
