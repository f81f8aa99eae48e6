//! One test for every kernel, on every target: random and extreme rows against loops that index one by one.
//!
//! A kernel's test module is one call of [`check`]; bare-metal images keep a [`Runner`] in a `static` and call [`Runner::run`].
//! Around every buffer lies noise, so that a kernel that uses what it must not see is found out.

use super::api::Kernel;
use super::args::{ConvRow, DepthwiseRow, Filters, GrayRow, MAX_KERNEL};
use super::checked::{Covered, Shape};
use crate::quant::{requantize, requantize_fixed};

/// Room for rows, for weights, for an output row, and the most output channels.
const ROWS: usize = 96 * 1024;
const WEIGHTS: usize = 96 * 1024;
const OUT: usize = 4096;
/// Room for packed filters, where kernels pack them.
const PACKED: usize =
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")) { 1 << 20 } else { 0 };
const CHANNELS: usize = 160;
/// Values after the output row that must stay as they are.
const GUARD: usize = 16;

/// The four operations of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Kernel::conv_row`].
    Conv,
    /// [`Kernel::gray_row`].
    Gray,
    /// [`Kernel::depthwise_row`].
    Depthwise,
    /// [`Kernel::dot`].
    Dot,
}

/// What rows and weights hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Any value.
    Random,
    /// Largest or smallest values, drawn one by one.
    Extremes,
    /// Only this value, and only this weight (its low 8 bits, or all 16 of a gray filter).
    Constant(i8, i16),
}

const FILLS: [Fill; 6] = [
    Fill::Random,
    Fill::Extremes,
    Fill::Constant(i8::MIN, i16::MIN),
    Fill::Constant(i8::MIN, i16::MAX),
    Fill::Constant(i8::MAX, i16::MIN),
    Fill::Constant(i8::MAX, i16::MAX),
];

/// One call of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which function.
    pub operation: Operation,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Horizontal stride, pixels.
    pub stride: usize,
    /// Input channels; for [`Operation::Dot`] the length.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Output width.
    pub width: usize,
    /// Contents.
    pub fill: Fill,
    /// Bytes by which rows, weights and output lie off their alignment.
    pub offsets: [usize; 3],
}

/// The first difference found.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// The call.
    pub case: Case,
    /// Place in the output row; beyond its end, a value that was not the kernel's to write.
    pub index: usize,
    /// Value of the definition.
    pub expected: i32,
    /// Value of the kernel.
    pub found: i32,
}

#[repr(align(16))]
struct Aligned<T>(T);

/// Buffers and random state of the test.
pub struct Runner {
    rows: Aligned<[i8; ROWS]>,
    weights: Aligned<[u8; WEIGHTS]>,
    bias: Aligned<[u8; 4 * CHANNELS]>,
    scales: Aligned<[u8; 4 * CHANNELS]>,
    shifts: [u8; CHANNELS],
    out: Aligned<[i8; OUT]>,
    packed: Aligned<[u8; PACKED]>,
    random: u32,
    cases: u32,
}

impl Runner {
    /// A test with this seed; any two seeds give different values.
    pub const fn new(seed: u32) -> Self {
        Self {
            rows: Aligned([0; ROWS]),
            weights: Aligned([0; WEIGHTS]),
            bias: Aligned([0; 4 * CHANNELS]),
            scales: Aligned([0; 4 * CHANNELS]),
            shifts: [0; CHANNELS],
            out: Aligned([0; OUT]),
            packed: Aligned([0; PACKED]),
            random: seed.wrapping_mul(2) | 1,
            cases: 0,
        }
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

    /// Sizes that straddle the edges of blocks: every small number of taps, of channels, of columns.
    fn blocks(&mut self, kernel: &Kernel) -> Result<(), Mismatch> {
        for n in 1..=40 {
            let [fill, other] = [self.fill(), self.fill()];
            let width = 1 + self.below(9);
            self.spread(kernel, Operation::Conv, [1, 1], 1, n, 1 + n % 9, 1 + n % 5, fill)?;
            self.spread(kernel, Operation::Conv, [3, 3], 1, 1 + n % 7, n, width, other)?;
            self.spread(kernel, Operation::Conv, [3, 3], 2, n, 1 + n % 8, 3, fill)?;
            self.spread(kernel, Operation::Conv, [1, 1], 2, 1 + n % 8, 5, n, other)?;
            self.spread(kernel, Operation::Gray, [3, 3], 2, 1, n, width, fill)?;
            self.spread(kernel, Operation::Gray, [1 + n % 5, 1 + n % 7], 1, 1, 1 + n % 6, n, other)?;
            self.spread(kernel, Operation::Depthwise, [3, 3], 1, n, n, width, fill)?;
            self.spread(kernel, Operation::Depthwise, [3, 3], 2, 1 + n % 11, 1 + n % 11, n, other)?;
        }
        for n in 0..=140 {
            let fill = self.fill();
            self.spread(kernel, Operation::Dot, [1, 1], 1, n, 1, 1, fill)?;
        }
        Ok(())
    }

    /// The sizes of real layers, and the largest window, each with every filling.
    fn shapes(&mut self, kernel: &Kernel) -> Result<(), Mismatch> {
        const CONV: [([usize; 2], usize, usize, usize, usize); 14] = [
            ([3, 3], 2, 3, 16, 13),
            ([3, 3], 1, 16, 32, 6),
            ([3, 3], 2, 32, 17, 4),
            ([3, 3], 1, 64, 9, 5),
            ([3, 3], 1, 96, 6, 3),
            ([3, 3], 2, 128, 5, 5),
            ([1, 1], 1, 32, 64, 7),
            ([1, 1], 1, 128, 150, 3),
            ([5, 5], 1, 33, 7, 3),
            ([5, 5], 3, 8, 10, 4),
            ([15, 15], 1, 3, 5, 4),
            ([15, 15], 15, 16, 3, 3),
            ([1, 15], 1, 7, 4, 5),
            ([15, 1], 2, 20, 6, 5),
        ];
        for fill in FILLS {
            for (window, stride, input, output, width) in CONV {
                self.spread(kernel, Operation::Conv, window, stride, input, output, width, fill)?;
            }
            for (window, stride, output, width) in [
                ([3, 3], 2, 16, 33),
                ([3, 3], 2, 16, 129),
                ([1, 1], 1, 8, 20),
                ([5, 5], 2, 13, 9),
                ([7, 4], 1, 6, 9),
                ([15, 15], 1, 9, 7),
            ] {
                self.spread(kernel, Operation::Gray, window, stride, 1, output, width, fill)?;
            }
            for (window, stride, channels, width) in [
                ([3, 3], 1, 32, 9),
                ([3, 3], 2, 64, 6),
                ([5, 5], 1, 24, 7),
                ([1, 1], 1, 48, 3),
                ([15, 15], 1, 5, 4),
                ([3, 3], 1, 144, 3),
            ] {
                self.spread(kernel, Operation::Depthwise, window, stride, channels, channels, width, fill)?;
            }
            self.spread(kernel, Operation::Dot, [1, 1], 1, 8192, 1, 1, fill)?;
        }
        Ok(())
    }

    fn random_case(&mut self) -> Case {
        let operation = [Operation::Conv, Operation::Gray, Operation::Depthwise, Operation::Dot][self.below(4)];
        let kernel = [1 + self.below(5), 1 + self.below(5)];
        let (stride, fill) = (1 + self.below(3), self.fill());
        let (input, width) = (1 + self.below(48), 1 + self.below(20));
        let output = if operation == Operation::Depthwise { input } else { 1 + self.below(24) };
        let offsets = core::array::from_fn(|_| self.below(16));
        Case { operation, kernel, stride, input, output, width, fill, offsets }
    }

    /// A case at a random alignment.
    #[allow(clippy::too_many_arguments)]
    fn spread(
        &mut self,
        kernel: &Kernel,
        operation: Operation,
        window: [usize; 2],
        stride: usize,
        input: usize,
        output: usize,
        width: usize,
        fill: Fill,
    ) -> Result<(), Mismatch> {
        let offsets = if self.below(4) == 0 { [0; 3] } else { core::array::from_fn(|_| self.below(16)) };
        self.case(kernel, Case { operation, kernel: window, stride, input, output, width, fill, offsets })
    }

    /// Fills the buffers for a case, calls the kernel, compares.
    fn case(&mut self, kernel: &Kernel, case: Case) -> Result<(), Mismatch> {
        self.cases += 1;
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
        let filters = if matches!(case.operation, Operation::Conv | Operation::Gray) { case.output } else { 1 };
        self.fill_values(case.fill, (case.operation == Operation::Gray).then_some(case.offsets[1] % 2));
        let weights = &mut self.weights.0[case.offsets[1]..][..filters * stride];
        for filter in weights.chunks_exact_mut(stride.max(1)) {
            filter[taps..].fill(0);
        }
        let largest = if case.operation == Operation::Gray { 4_194_304.0 * taps as f32 / 2.0 } else { 16384.0 * taps as f32 };
        let zero_point = [-128, 0, 127, self.next() as i8][self.below(4)];
        self.fill_parameters(case, largest);
        // In ONNX's arithmetic or in TFLite's.
        let is_fixed = self.below(2) == 0 && case.operation != Operation::Dot;
        if is_fixed {
            self.fix_parameters(case);
        }

        let mut rows = [&[][..]; MAX_KERNEL];
        for (y, row) in rows.iter_mut().take(height).enumerate() {
            *row = &self.rows.0[case.offsets[0] + y * pitch..][..row_len];
        }
        let rows = &rows[..height];
        let (len, channels) = (case.width * case.output, case.output);
        let shifts = if is_fixed { &self.shifts[..channels] } else { &[] };
        let filters = Filters {
            weights: &self.weights.0[case.offsets[1]..][..filters * stride],
            bias: &self.bias.0[..4 * channels],
            scales: &self.scales.0[..4 * channels],
            zero_point,
            shifts,
            packed: &[],
        };
        let wide = case.operation == Operation::Gray;
        let step = case.stride * input;
        let shape = Shape { height, span: width * input, step, channels, wide, fixed: filters.is_fixed() };
        let layer = Covered::new(shape, filters).filter(|_| filters_are_packed(case.operation));
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
                    let longer = &self.rows.0[case.offsets[0]..][..input + case.offsets[2]];
                    let found = kernel.dot(longer, filters.weights);
                    let expected = longer.iter().zip(filters.weights).map(|(x, w)| i32::from(*x) * i32::from(*w as i8)).sum();
                    compare(kernel, case, 0, expected, found)?;
                    continue;
                }
            };
            compare(kernel, case, usize::MAX, 1, is_done.into())?;

            for (index, found) in out.iter().enumerate() {
                let (at, channel) = (index / channels * step, index % channels);
                let mut sum = 0i32;
                for (y, row) in rows.iter().enumerate() {
                    match case.operation {
                        Operation::Conv => {
                            for (i, x) in row[at..at + width * input].iter().enumerate() {
                                sum += i32::from(*x) * i32::from(filters.weights[channel * stride + y * width * input + i] as i8);
                            }
                        }
                        Operation::Gray => {
                            for (i, x) in row[at..at + width].iter().enumerate() {
                                let w = channel * stride + 2 * (y * width + i);
                                sum +=
                                    i32::from(*x) * i32::from(i16::from_le_bytes([filters.weights[w], filters.weights[w + 1]]));
                            }
                        }
                        _ => {
                            for i in 0..width {
                                let w = filters.weights[(y * width + i) * input + channel] as i8;
                                sum += i32::from(row[at + i * input + channel]) * i32::from(w);
                            }
                        }
                    }
                }
                let word = |bytes: &[u8]| core::array::from_fn(|i| bytes[4 * channel + i]);
                let bias = i32::from_le_bytes(word(filters.bias));
                let expected = match filters.shifts.get(channel) {
                    Some(shift) => {
                        let multiplier = i32::from_le_bytes(word(filters.scales));
                        requantize_fixed(sum + bias, multiplier, *shift as i8, zero_point)
                    }
                    None => requantize(sum + bias, f32::from_le_bytes(word(filters.scales)), zero_point),
                };
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

    /// All rows and weights, and with them what lies around the slices of a case.
    /// `wide`: weights are i16 and start at an even place (0) or an odd one (1).
    fn fill_values(&mut self, fill: Fill, wide: Option<usize>) {
        let mut random = self.random;
        for (i, (v, weight)) in self.rows.0.iter_mut().zip(&mut self.weights.0).enumerate() {
            let bits = xorshift(&mut random);
            let extreme = |bit: u32| if bits >> bit & 1 == 0 { i8::MIN } else { i8::MAX };
            (*v, *weight) = match fill {
                Fill::Random => (bits as i8, (bits >> 8) as u8),
                Fill::Extremes => (extreme(20), extreme(21) as u8),
                Fill::Constant(v, w) => {
                    let narrow = if w < 0 { i8::MIN } else { i8::MAX } as u8;
                    (v, wide.map_or(narrow, |odd| w.to_le_bytes()[(i + odd) % 2]))
                }
            };
        }
        self.random = random;
    }

    /// Biases and scales: most give results over all of int8, some saturate, none leaves the range of the rounding.
    fn fill_parameters(&mut self, case: Case, largest: f32) {
        for channel in 0..case.output {
            let bits = self.next();
            let bias = (largest as i32 / 4).max(1);
            let bias = (bits as i32 % bias) / [1, 8, 1024][self.below(3)];
            let typical = [600.0, 100.0, 4000.0][self.below(3)] / (largest.max(1.0));
            let limit = 4_000_000.0 / (largest + bias.unsigned_abs() as f32 + 1.0);
            let scale = if self.below(8) == 0 { limit } else { typical.min(limit) } * (0.5 + (bits >> 8) as f32 / 33_554_432.0);
            self.bias.0[4 * channel..][..4].copy_from_slice(&bias.to_le_bytes());
            self.scales.0[4 * channel..][..4].copy_from_slice(&scale.min(limit).to_le_bytes());
        }
    }

    /// The scales as multipliers and shifts; in some cases any shifts, and small multipliers.
    fn fix_parameters(&mut self, case: Case) {
        let is_wild = self.below(4) == 0;
        for channel in 0..case.output {
            let scale = &mut self.scales.0[4 * channel..][..4];
            let bits = u32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
            // A mantissa from 0.5 to 1, and a power of two.
            let multiplier = ((bits & 0x7F_FFFF) | 0x80_0000) << 7;
            scale.copy_from_slice(&multiplier.to_le_bytes());
            self.shifts[channel] = ((bits >> 23) as i32 - 126).max(-31) as u8;
            if is_wild {
                let (shift, smaller) = (self.below(40) as i32 - 31, self.below(8));
                self.shifts[channel] = shift as u8;
                self.scales.0[4 * channel..][..4].copy_from_slice(&(multiplier >> smaller).to_le_bytes());
            }
        }
    }

    fn fill(&mut self) -> Fill {
        FILLS[[0, 0, 0, 1, 2, 3, 4, 5][self.below(8)]]
    }

    fn next(&mut self) -> u32 {
        xorshift(&mut self.random)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 8) as usize % limit
    }
}

const fn filters_are_packed(operation: Operation) -> bool {
    matches!(operation, Operation::Conv | Operation::Gray)
}

fn compare(kernel: &Kernel, case: Case, index: usize, expected: i32, found: i32) -> Result<(), Mismatch> {
    if expected == found { Ok(()) } else { Err(Mismatch { kernel: kernel.name(), case, index, expected, found }) }
}

/// Marsaglia's 32-bit xorshift; the state is never 0.
fn xorshift(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
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
