//! Inputs to start from: valid models of every operator, and orders of calls that complete images.

use cxr_core::format::{LayerSpec, Model, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::shape::{Padding, Shape, Window2d};

/// A xorshift generator.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() >> 16) as usize % n.max(1)
    }
}

/// Owned parts of a layer.
struct Parts {
    op: Op,
    groups: u16,
    output: Shape,
    zero_points: [i8; 2],
    weights: Vec<i8>,
    bias: Vec<i32>,
    scales: Vec<f32>,
}

/// A small random model file.
pub fn model(seed: u64) -> Vec<u8> {
    let mut r = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut input = Shape::new(1 + r.below(10) as u16, 1 + r.below(10) as u16, 1 + r.below(4) as u16);
    // Some have what vector kernels have forms of their own for: 3x3, padded, a multiple of 16 channels, gray first.
    let is_wide = seed % 3 == 2;
    if is_wide {
        input = Shape::new(8 + r.below(8) as u16, 8 + r.below(8) as u16, 3);
    }
    let (mut shape, mut zero, mut parts) = (input, 0i8, Vec::new());
    for _ in 0..r.below(5) {
        let kernel = if is_wide { [3, 3] } else { [1 + r.below(4) as u8, 1 + r.below(4) as u8] };
        let mut pad = || if r.below(2) == 0 { 0 } else { 1 };
        let [top, left, bottom, right] = [pad(), pad(), pad(), pad()].map(|p: u8| p.min(kernel[0] - 1).min(kernel[1] - 1));
        let kind = if is_wide { 0 } else { r.below(6) };
        let padding = if matches!(kind, 2 | 3) { Padding::default() } else { Padding { top, left, bottom, right } };
        let window = Window2d { kernel, stride: [1 + r.below(3) as u8, 1 + r.below(3) as u8], pad: padding };
        let window = if is_wide { Window2d { stride: [window.stride[0].min(2); 2], ..window } } else { window };
        let extents = (
            Window2d::output_extent(shape.height, padding.top, padding.bottom, kernel[0], window.stride[0]),
            Window2d::output_extent(shape.width, padding.left, padding.right, kernel[1], window.stride[1]),
        );
        let (Some(height), Some(width)) = extents else { continue };
        let channels = shape.channels;
        let next = r.bits() as i8;
        let groups = if channels % 2 == 0 && !is_wide && r.below(2) == 0 { 2 } else { 1 };
        let (op, groups, output, filter, count, to) = match kind {
            0 | 4 => {
                let each = if is_wide { 16 * (1 + r.below(3) as u16) } else { 1 + r.below(5) as u16 };
                let out = Shape::new(height, width, groups * each);
                (Op::Conv2d(window), groups, out, window.area() * usize::from(channels / groups), out.channels, next)
            }
            1 => (Op::DepthwiseConv2d(window), 1, Shape::new(height, width, channels), window.area(), channels, next),
            2 => (Op::MaxPool2d(window), 1, Shape::new(height, width, channels), 0, 0, zero),
            3 => (Op::AveragePool2d(window), 1, Shape::new(height, width, channels), 0, 1, next),
            _ if r.below(2) == 0 => (Op::GlobalAveragePool2d, 1, Shape::new(1, 1, channels), 0, 1, next),
            _ => (Op::GlobalMaxPool2d, 1, Shape::new(1, 1, channels), 0, 0, zero),
        };
        let (count, scale) = (usize::from(count), if is_wide { 1e-3 } else { 0.01 });
        parts.push(Parts {
            op,
            groups,
            output,
            zero_points: [zero, to],
            weights: (0..filter * count).map(|_| r.bits() as i8).collect(),
            bias: (0..count).map(|_| r.bits() as i32 >> 20).collect(),
            scales: (0..count).map(|c| scale * (1.0 + 0.1 * c as f32)).collect(),
        });
        (shape, zero) = (output, to);
    }
    let classes = 1 + r.below(4);
    parts.push(Parts {
        op: Op::Dense,
        groups: 1,
        output: Shape::new(1, 1, classes as u16),
        zero_points: [zero, 0],
        weights: (0..shape.len() * classes).map(|_| r.bits() as i8).collect(),
        bias: (0..classes).map(|_| r.bits() as i32 >> 16).collect(),
        scales: (0..classes).map(|k| 0.001 + 0.0001 * k as f32).collect(),
    });
    let layers: Vec<LayerSpec<'_>> = parts
        .iter()
        .map(|p| LayerSpec {
            op: p.op,
            output: p.output,
            input_zero_point: p.zero_points[0],
            output_zero_point: p.zero_points[1],
            groups: p.groups,
            weights: &p.weights,
            bias: &p.bias,
            scales: &p.scales,
        })
        .collect();
    // A head needs a map to read.
    let maps = layers.len() - 1;
    let back = if maps > 0 { r.below(maps) } else { 0 };
    let channels = layers.get(maps.wrapping_sub(1 + back)).map_or(0, |layer| layer.output.channels);
    let features: Vec<i16> = (0..2 * usize::from(channels)).map(|_| r.bits() as i16).collect();
    let refusal = RefusalSpec {
        coefficients: &[0.5, 1.0],
        scales: &[0.001, 0.002],
        bias: &[10, -10],
        weights: &features,
        back: back as u16,
        refuse_above: 5.0,
    };
    let spec = ModelSpec {
        input,
        layers: &layers,
        class_names: &["a", "b", "c", "d"][..classes],
        metadata: "{}",
        temperature: 1.5,
        abstain_below: 0.4,
        doubt: None,
        refusal: (maps > 0 && r.below(2) == 0).then_some(refusal),
    };
    let mut file = vec![0; encoded_len(&spec)];
    encode(&spec, &mut file).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    file
}

/// Inputs of the `parser` target.
pub fn parser() -> Vec<Vec<u8>> {
    (0..48).map(|seed| [vec![seed as u8], model(seed)].concat()).collect()
}

/// Inputs of the `tflite` target.
pub fn tflite() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../host/convert/tests/fixtures/small.tflite").to_vec()]
}

/// Inputs of the `onnx` target: operators between QuantizeLinear and DequantizeLinear, QLinear operators, floats.
pub fn onnx() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../host/convert/tests/fixtures/excite_qdq_u8s8.onnx").to_vec(),
        include_bytes!("../../host/convert/tests/fixtures/vectors_qop_s8s8.onnx").to_vec(),
        include_bytes!("../../host/convert/tests/fixtures/vectors_float.onnx").to_vec(),
    ]
}

/// Inputs of the `session` target, of every kernel and kind of filters.
pub fn session() -> Vec<Vec<u8>> {
    let mut r = Random(7);
    let inputs = (0..96).map(|seed| {
        let file = model(seed);
        let rows = Model::parse(&file).map_or(0, |model| model.input().height);
        let mut calls: Vec<u8> = (0..rows).flat_map(|_| [r.below(11) as u8, r.bits() as u8]).collect();
        calls.extend([14, 0, 11, 1, 12, 2, 13, 3, 15, 4]);
        let len = (file.len() as u16).to_le_bytes();
        [vec![(seed as u8).wrapping_mul(77) | 1, len[0], len[1]], file, calls].concat()
    });
    inputs.collect()
}

/// Inputs of the `kernels` target: calls that are computed, mostly.
pub fn kernels() -> Vec<Vec<u8>> {
    let mut r = Random(11);
    (0..60)
        .map(|seed| {
            let mut input = vec![seed as u8];
            let span = if seed % 4 == 3 { 48 } else { 1 + r.below(12) as u8 };
            let step = if seed % 4 == 3 { 16 } else { 1 + r.below(6) as u8 };
            for number in [1 + r.below(4) as u8, span, step, 1 + r.below(20) as u8, 1 + r.below(9) as u8] {
                input.extend([0, number]);
            }
            input.extend((0..60).map(|i| if i % 3 == 0 { 0 } else { r.bits() as u8 }));
            input
        })
        .collect()
}

/// Inputs of the `resizer` target.
pub fn resizer() -> Vec<Vec<u8>> {
    let mut r = Random(13);
    (0..60u16)
        .map(|seed| {
            let mut input = Vec::new();
            for _ in 0..4 {
                // About the root of 2^18 times an extent up to 90, or a large one.
                let extent = if seed % 10 == 9 && r.below(3) == 0 { 46_000 } else { 512 + r.below(4400) as u16 };
                input.extend(extent.to_le_bytes());
            }
            input.extend([r.below(100) as u8, r.bits() as u8, 1 + r.below(255) as u8, seed as u8, (seed / 2) as u8]);
            input.extend((0..40).map(|_| r.below(199) as u8));
            input
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use cxr_core::format::Model;
    use cxr_core::kernels::Kernel;
    use cxr_core::prepared::Prepared;

    #[test]
    fn some_models_have_every_form_of_filters() {
        for kernel in Kernel::available() {
            let has_blocks = ["avx2", "avx-vnni"].contains(&kernel.name());
            let (mut packed, mut blocks) = (0, 0);
            for seed in 0..96 {
                let file = super::model(seed);
                let model = Model::parse(&file).unwrap();
                let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
                let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
                packed += usize::from(Prepared::bytes(&model, &kernel) > 0);
                blocks += usize::from(prepared.arena_bytes(&model) > model.arena_bytes());
            }
            println!("{}: {packed} packed, {blocks} in blocks", kernel.name());
            assert!(kernel.name() == "scalar" || packed > 20);
            assert!(!has_blocks || blocks > 5);
        }
    }
}
