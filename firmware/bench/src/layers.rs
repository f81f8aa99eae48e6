//! Layers by themselves, rows of generated values.

use crate::{Counter, Fnv};
use cxr_core::kernels::{ConvRow, DepthwiseRow, Filters, GrayRow, Kernel};
use cxr_testkit::Lcg;

/// A layer: square map and kernel, 'same' padding.
pub struct Layer {
    /// Its name in the tables.
    pub name: &'static str,
    extent: usize,
    kernel: usize,
    stride: usize,
    input: usize,
    output: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Conv,
    Depthwise,
    /// The convolution of three equal channels.
    Gray,
}

/// The four layers that CMSIS-NN was measured on (docs/kernels.md), and the last of them on gray rows.
pub const LAYERS: [Layer; 5] = [
    Layer { name: "conv 3x3 64x64x16 -> 32", extent: 64, kernel: 3, stride: 1, input: 16, output: 32, kind: Kind::Conv },
    Layer { name: "depthwise 3x3 64x64x32", extent: 64, kernel: 3, stride: 1, input: 32, output: 32, kind: Kind::Depthwise },
    Layer { name: "conv 1x1 64x64x32 -> 64", extent: 64, kernel: 1, stride: 1, input: 32, output: 64, kind: Kind::Conv },
    Layer { name: "conv 3x3 /2 256x256x3 -> 16", extent: 256, kernel: 3, stride: 2, input: 3, output: 16, kind: Kind::Conv },
    Layer { name: "gray 3x3 /2 256x256x3 -> 16", extent: 256, kernel: 3, stride: 2, input: 1, output: 16, kind: Kind::Gray },
];

const INPUT: usize = 258 * 258 * 3;
const WEIGHTS: usize = 9 * 16 * 32;
const OUT: usize = 64 * 64;
const CHANNELS: usize = 64;

/// Room for a layer.
pub struct Buffers {
    input: [i8; INPUT],
    weights: [u8; WEIGHTS],
    bias: [u8; 4 * CHANNELS],
    scales: [u8; 4 * CHANNELS],
    out: [i8; OUT],
}

impl Buffers {
    /// Zeros.
    pub const fn new() -> Self {
        Self { input: [0; INPUT], weights: [0; WEIGHTS], bias: [0; 4 * CHANNELS], scales: [0; 4 * CHANNELS], out: [0; OUT] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    /// Multiply-accumulates, those with padding and all three channels of a gray image included.
    pub const fn macs(&self) -> u64 {
        let extent = self.extent / self.stride;
        let inputs = match self.kind {
            Kind::Conv => self.input,
            Kind::Depthwise => 1,
            Kind::Gray => 3,
        };
        (extent * extent * self.kernel * self.kernel * inputs * self.output) as u64
    }

    /// Instructions for the whole layer, and the hash of what it gives.
    pub fn run<C: Counter>(&self, kernel: &Kernel, buffers: &mut Buffers, counter: &C) -> (u64, u64) {
        let taps = self.kernel * self.kernel * self.input;
        let (filters, filter, stride) = match self.kind {
            Kind::Conv => (self.output, taps, taps.next_multiple_of(4)),
            Kind::Gray => (self.output, 2 * taps, (2 * taps).next_multiple_of(4)),
            Kind::Depthwise => (1, taps, taps),
        };
        let mut bytes = Lcg(1);
        buffers.input.fill_with(|| bytes.byte() as i8);
        let weights = &mut buffers.weights[..filters * stride];
        weights.fill_with(|| bytes.byte());
        weights.chunks_exact_mut(stride).for_each(|padded| padded[filter..].fill(0));
        if self.kind == Kind::Gray {
            // Sums of three int8 weights.
            for w in weights.chunks_exact_mut(2) {
                let sum = i16::from_le_bytes([w[0], w[1]]) >> 7;
                w.copy_from_slice(&sum.to_le_bytes());
            }
        }
        for (bias, scale) in buffers.bias.chunks_exact_mut(4).zip(buffers.scales.chunks_exact_mut(4)) {
            bias.copy_from_slice(&((i32::from(bytes.byte()) - 128) * 64).to_le_bytes());
            scale.copy_from_slice(&(0.0005 + f32::from(bytes.byte()) * 1e-6).to_le_bytes());
        }
        let filters = Filters {
            weights,
            bias: &buffers.bias[..4 * self.output],
            scales: &buffers.scales[..4 * self.output],
            zero_point: -128,
            shifts: &[],
            packed: &[],
        };

        let row_len = (self.extent + self.kernel - 1) * self.input;
        let extent = self.extent / self.stride;
        let (span, step, channels) = (self.kernel * self.input, self.stride * self.input, self.output);
        let out = &mut buffers.out[..extent * self.output];
        let (mut instructions, mut hash) = (0, Fnv::new());
        let empty = counter.since(&counter.start());
        for y in 0..extent {
            let start = counter.start();
            let rows: [&[i8]; 3] = core::array::from_fn(|i| {
                buffers.input.get((y * self.stride + i) * row_len..(y * self.stride + i + 1) * row_len).unwrap_or(&[])
            });
            let rows = &rows[..self.kernel];
            let is_done = match self.kind {
                Kind::Conv => kernel.conv_row(&ConvRow { rows, filters, span, step, channels }, out),
                Kind::Gray => kernel.gray_row(&GrayRow { rows, filters, span, step, channels }, out),
                Kind::Depthwise => {
                    kernel.depthwise_row(&DepthwiseRow { rows, filters, kernel_width: self.kernel, step, channels }, out)
                }
            };
            instructions += counter.since(&start) - empty;
            assert!(is_done, "the buffers hold the layer");
            hash.update(out.iter().map(|v| *v as u8));
        }
        (instructions, hash.get())
    }
}
