//! One test for every kernel, on every target: random and extreme rows against loops that index one by one.
//!
//! A kernel's test module is one call of [`check`]; bare-metal images keep a [`Runner`] in a `static` and call [`Runner::run`].
//! Around every buffer lies noise, so that a kernel that uses what it must not see is found out.

mod case;
mod cases;
mod values;

use super::api::Kernel;
use super::args::{ConvRow, DepthwiseRow, Filters, GrayRow, MAX_KERNEL};
use super::checked::{Covered, Shape};
use crate::quant::{requantize, requantize_fixed};
pub use case::{Case, Fill, Mismatch, Operation};
use values::{Aligned, Values};

/// Room for an output row.
const OUT: usize = 4096;

/// Room for packed filters, where kernels pack them.
const PACKED: usize =
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")) { 1 << 20 } else { 0 };
/// Values after the output row that must stay as they are.
const GUARD: usize = 16;

/// The test: its buffers, and the cases so far.
pub struct Runner {
    values: Values,
    out: Aligned<[i8; OUT]>,
    packed: Aligned<[u8; PACKED]>,
    cases: u32,
}

impl Runner {
    /// A test with this seed; any two seeds give different values.
    pub const fn new(seed: u32) -> Self {
        Self { values: Values::new(seed), out: Aligned([0; OUT]), packed: Aligned([0; PACKED]), cases: 0 }
    }

    /// Every fixed case once and `random` random ones; the number of calls made.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn run(&mut self, kernel: &Kernel, random: u32) -> Result<u32, Mismatch> {
        self.cases = 0;
        self.blocks(kernel)?;
        self.shapes(kernel)?;
        for _ in 0..random {
            let case = self.random_case();
            self.case(kernel, case)?;
        }
        Ok(self.cases)
    }
    /// Fills the buffers for a case, calls the kernel, compares.
    fn case(&mut self, kernel: &Kernel, case: Case) -> Result<(), Mismatch> {
        self.cases += 1;
        let values = &mut self.values;
        let input = if case.operation == Operation::Gray { 1 } else { case.input };
        let [height, width] = case.kernel;
        let row_len = ((case.width - 1) * case.stride + width) * input;
        // Rows do not touch, and each starts at another alignment.
        let pitch = row_len + 1 + case.offsets[0] % 3;
        let (taps, stride) = match case.operation {
            Operation::Conv => (height * width * input, (height * width * input).next_multiple_of(4)),
            Operation::Gray => (2 * height * width, (2 * height * width).next_multiple_of(4)),
            Operation::Depthwise => (height * width * input, height * width * input),
            Operation::Dot => (input, input),
        };
        let has_filters = matches!(case.operation, Operation::Conv | Operation::Gray);
        let filters = if has_filters { case.output } else { 1 };
        values.fill_values(case.fill, (case.operation == Operation::Gray).then_some(case.offsets[1] % 2));
        let weights = &mut values.weights.0[case.offsets[1]..][..filters * stride];
        for filter in weights.chunks_exact_mut(stride.max(1)) {
            filter[taps..].fill(0);
        }
        let largest = if case.operation == Operation::Gray { 4_194_304.0 * taps as f32 / 2.0 } else { 16384.0 * taps as f32 };
        let zero_point = [-128, 0, 127, values.next() as i8][values.below(4)];
        values.fill_parameters(case, largest);
        // In ONNX's arithmetic or in TFLite's.
        let is_fixed = values.below(2) == 0 && case.operation != Operation::Dot;
        if is_fixed {
            values.fix_parameters(case);
        }

        let mut rows = [&[][..]; MAX_KERNEL];
        for (y, row) in rows.iter_mut().take(height).enumerate() {
            *row = &values.rows.0[case.offsets[0] + y * pitch..][..row_len];
        }
        let rows = &rows[..height];
        let (len, channels) = (case.width * case.output, case.output);
        let shifts = if is_fixed { &values.shifts[..channels] } else { &[] };
        let filters = Filters {
            weights: &values.weights.0[case.offsets[1]..][..filters * stride],
            bias: &values.bias.0[..4 * channels],
            scales: &values.scales.0[..4 * channels],
            zero_point,
            shifts,
            packed: &[],
        };
        let wide = case.operation == Operation::Gray;
        let step = case.stride * input;
        let shape = Shape { height, span: width * input, step, channels, wide, fixed: filters.is_fixed() };
        let layer = Covered::new(shape, filters).filter(|_| has_filters);
        let packed_len = layer.map_or(0, |layer| kernel.pack(&layer, &mut self.packed.0));
        // As they are in the file, then packed, where this kernel packs.
        for packed_len in [0, packed_len].into_iter().take(1 + usize::from(packed_len > 0)) {
            let filters = Filters { packed: self.packed.0.get(..packed_len).unwrap_or(&[]), ..filters };
            let guard = case.offsets[2] as i8;
            self.out.0[..(case.offsets[2] + len + GUARD).min(OUT)].fill(guard);
            let out = &mut self.out.0[case.offsets[2]..][..len];
            let is_done = match case.operation {
                Operation::Conv => kernel.conv_row(&ConvRow { rows, filters, span: width * input, step, channels }, out),
                Operation::Gray => kernel.gray_row(&GrayRow { rows, filters, span: width, step, channels }, out),
                Operation::Depthwise => {
                    kernel.depthwise_row(&DepthwiseRow { rows, filters, kernel_width: width, step, channels }, out)
                }
                Operation::Dot => {
                    // Of two lengths the shorter counts.
                    let longer = &values.rows.0[case.offsets[0]..][..input + case.offsets[2]];
                    let found = kernel.dot(longer, filters.weights);
                    let expected = longer.iter().zip(filters.weights).map(|(x, w)| i32::from(*x) * i32::from(*w as i8)).sum();
                    compare(kernel, case, 0, expected, found)?;
                    continue;
                }
            };
            compare(kernel, case, usize::MAX, 1, is_done.into())?;

            for (index, found) in out.iter().enumerate() {
                let at = index / channels * step;
                let expected = definition(case, rows, &filters, [at, index % channels, stride]);
                compare(kernel, case, index, i32::from(expected), i32::from(*found))?;
            }
            let end = case.offsets[2] + len;
            let around = self.out.0[end..(end + GUARD).min(OUT)].iter().enumerate().map(|(i, v)| (len + i, v));
            for (index, found) in around.chain(self.out.0[..case.offsets[2]].iter().map(|v| (usize::MAX, v))) {
                compare(kernel, case, index, i32::from(guard), i32::from(*found))?;
            }
        }
        Ok(())
    }
}

/// The output of `channel` from the windows at `at`, its filters `stride` bytes apart: by indexing one by one.
fn definition(case: Case, rows: &[&[i8]], filters: &Filters<'_>, [at, channel, stride]: [usize; 3]) -> i8 {
    let (width, input, weights) = (case.kernel[1], case.input, filters.weights);
    let byte = |at: usize| i32::from(weights[at] as i8);
    let mut sum = 0i32;
    for (y, row) in rows.iter().enumerate() {
        sum += match case.operation {
            Operation::Conv => {
                let taps = row[at..at + width * input].iter().enumerate();
                taps.map(|(i, x)| i32::from(*x) * byte(channel * stride + y * width * input + i)).sum::<i32>()
            }
            Operation::Gray => {
                let word = |at: usize| i32::from(i16::from_le_bytes([weights[at], weights[at + 1]]));
                let taps = row[at..at + width].iter().enumerate();
                taps.map(|(i, x)| i32::from(*x) * word(channel * stride + 2 * (y * width + i))).sum()
            }
            _ => (0..width).map(|i| i32::from(row[at + i * input + channel]) * byte((y * width + i) * input + channel)).sum(),
        };
    }
    let word = |bytes: &[u8]| core::array::from_fn(|i| bytes[4 * channel + i]);
    let sum = sum + i32::from_le_bytes(word(filters.bias));
    match filters.shifts.get(channel) {
        Some(shift) => requantize_fixed(sum, i32::from_le_bytes(word(filters.scales)), *shift as i8, filters.zero_point),
        None => requantize(sum, f32::from_le_bytes(word(filters.scales)), filters.zero_point),
    }
}

fn compare(kernel: &Kernel, case: Case, index: usize, expected: i32, found: i32) -> Result<(), Mismatch> {
    if expected == found { Ok(()) } else { Err(Mismatch { kernel: kernel.name(), case, index, expected, found }) }
}

/// The test of a kernel with an allocator at hand: four seeds.
///
/// # Panics
/// At the first difference.
#[cfg(test)]
pub fn check(kernel: &Kernel) {
    let kernel = *kernel;
    let all = move || {
        for seed in 1..=4 {
            let mut runner = std::boxed::Box::new(Runner::new(seed));
            match runner.run(&kernel, 200) {
                Ok(cases) => assert!(cases > 600, "{cases}"),
                Err(mismatch) => panic!("seed {seed}: {mismatch:?}"),
            }
        }
    };
    // WebAssembly has no threads here; its stack is as large as the linker is told.
    if cfg!(target_family = "wasm") {
        return all();
    }
    // Unoptimised, the runner is copied by way of the stack.
    let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(all).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
