//! Instructions of the layers of peers.md and of a network.

#![no_std]
#![no_main]

use cxr_board::{Stopwatch, entry, exit, println};
use cxr_core::kernels::{ConvRow, DepthwiseRow, Filters, GrayRow, Kernel};

/// A layer by itself: `height x width x input -> output`, 'same' padding.
struct Layer {
    name: &'static str,
    extent: usize,
    kernel: usize,
    stride: usize,
    input: usize,
    output: usize,
    kind: Kind,
}

enum Kind {
    Conv,
    Depthwise,
    Gray,
}

const LAYERS: [Layer; 5] = [
    Layer { name: "conv 3x3 64x64x16 -> 32", extent: 64, kernel: 3, stride: 1, input: 16, output: 32, kind: Kind::Conv },
    Layer { name: "depthwise 3x3 64x64x32", extent: 64, kernel: 3, stride: 1, input: 32, output: 32, kind: Kind::Depthwise },
    Layer { name: "conv 1x1 64x64x32 -> 64", extent: 64, kernel: 1, stride: 1, input: 32, output: 64, kind: Kind::Conv },
    Layer { name: "conv 3x3 stride 2 256x256x3 -> 16", extent: 256, kernel: 3, stride: 2, input: 3, output: 16, kind: Kind::Conv },
    Layer { name: "gray 3x3 stride 2 256x256x3 -> 16", extent: 256, kernel: 3, stride: 2, input: 1, output: 16, kind: Kind::Gray },
];

#[repr(align(16))]
struct Buffers {
    input: [i8; 258 * 258 * 3],
    weights: [u8; 32 * 64 * 9],
    bias: [u8; 4 * 64],
    scales: [u8; 4 * 64],
    out: [i8; 128 * 64],
}

impl Layer {
    /// Instructions, multiply-accumulates (of the convolution over three channels if gray) and the FNV-1a of the output.
    fn run(&self, kernel: &Kernel, buffers: &mut Buffers) -> (u64, u64, u64) {
        let pad = self.kernel / 2;
        let taps = self.kernel * self.kernel * self.input;
        match self.kind {
            Kind::Conv => buffers.weights.chunks_exact_mut(taps.next_multiple_of(4)).for_each(|filter| filter[taps..].fill(0)),
            Kind::Gray => buffers.weights.chunks_exact_mut(20).for_each(|filter| filter[18..].fill(0)),
            Kind::Depthwise => (),
        }
        let row_len = (self.extent + 2 * pad) * self.input;
        let width = self.extent / self.stride;
        let filters = Filters {
            weights: match self.kind {
                Kind::Conv => &buffers.weights[..self.output * (self.kernel * self.kernel * self.input).next_multiple_of(4)],
                Kind::Depthwise => &buffers.weights[..self.kernel * self.kernel * self.input],
                Kind::Gray => &buffers.weights[..self.output * 20],
            },
            bias: &buffers.bias[..4 * self.output],
            scales: &buffers.scales[..4 * self.output],
            zero_point: -128,
        };
        let (mut instructions, mut hash) = (0, 0xcbf2_9ce4_8422_2325u64);
        let empty = Stopwatch::start().instructions();
        for y in 0..width {
            let out = &mut buffers.out[..width * self.output];
            let watch = Stopwatch::start();
            let mut rows = [&[][..]; 3];
            for (i, row) in rows.iter_mut().take(self.kernel).enumerate() {
                *row = &buffers.input[(y * self.stride + i) * row_len..][..row_len];
            }
            let rows = &rows[..self.kernel];
            let (span, step) = (self.kernel * self.input, self.stride * self.input);
            match self.kind {
                Kind::Conv => kernel.conv_row(&ConvRow { rows, filters, span, step, channels: self.output }, out),
                Kind::Gray => kernel.gray_row(&GrayRow { rows, filters, span, step, channels: self.output }, out),
                Kind::Depthwise => kernel.depthwise_row(
                    &DepthwiseRow { rows, filters, kernel_width: self.kernel, step, channels: self.output },
                    out,
                ),
            }
            instructions += watch.instructions() - empty;
            for value in out {
                hash = (hash ^ u64::from(*value as u8)).wrapping_mul(0x100_0000_01b3);
            }
        }
        let inputs = match self.kind {
            Kind::Conv => self.input,
            Kind::Depthwise => 1,
            Kind::Gray => 3,
        };
        (instructions, (width * width * self.kernel * self.kernel * inputs * self.output) as u64, hash)
    }
}

#[entry]
fn main() -> ! {
    static mut BUFFERS: Buffers =
        Buffers { input: [0; 258 * 258 * 3], weights: [0; 32 * 64 * 9], bias: [0; 256], scales: [0; 256], out: [0; 128 * 64] };

    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    BUFFERS.input.iter_mut().for_each(|v| *v = next() as i8);
    BUFFERS.weights.iter_mut().for_each(|v| *v = next() as u8);
    BUFFERS.bias.chunks_exact_mut(4).for_each(|v| v.copy_from_slice(&((next() as i32 - 128) * 64).to_le_bytes()));
    BUFFERS.scales.chunks_exact_mut(4).for_each(|v| v.copy_from_slice(&(0.0005 + next() as f32 * 1e-6).to_le_bytes()));
    for kernel in Kernel::available() {
        for layer in &LAYERS {
            let (instructions, macs, hash) = layer.run(&kernel, BUFFERS);
            let milli = instructions * 1000 / macs;
            println!("{}: {}: {} / {} = {}.{:03} {:016x}", kernel.name(), layer.name, instructions, macs, milli / 1000, milli % 1000, hash);
        }
    }
    exit(true)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
