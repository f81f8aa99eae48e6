//! A small model with every kind of layer that keeps rows, a gray first layer and a refusal head, for tests that want
//! any valid model. Its weights are noise.

use cxr_core::format::{LayerSpec, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::shape::{Padding, Shape, Window2d};
use cxr_testkit::Lcg;

/// The file of a model for `height` x `width` x `channels` images, both extents at least 8; images of noise divide between
/// verdicts and refusals.
pub fn model(height: u16, width: u16, channels: u16) -> Vec<u8> {
    let mut noise = Lcg(1);
    let mut weights = |n: usize| noise.by_ref().take(n).map(|byte| byte as i8).collect::<Vec<i8>>();
    let same = Padding { top: 1, left: 1, bottom: 1, right: 1 };
    let half = Window2d { kernel: [3, 3], stride: [2, 2], pad: same };
    let pool = Window2d { kernel: [2, 2], stride: [2, 2], pad: Padding::default() };
    let (h1, w1) = (height.div_ceil(2), width.div_ceil(2));
    let (h2, w2) = (h1.div_ceil(2), w1.div_ceil(2));
    let first = Shape::new(h1, w1, 8);
    let second = Shape::new(h2, w2, 8);
    let last = Shape::new(h2 / 2, w2 / 2, 8);
    let convolution = weights(8 * 9 * usize::from(channels));
    let depthwise = weights(8 * 9);
    let dense = weights(3 * last.len());
    let scales: Vec<f32> = (0..8).map(|c| 0.002 + 1e-5 * c as f32).collect();
    let layer = |op, output, zeros: [i8; 2], weights, bias, scales| LayerSpec {
        op,
        output,
        input_zero_point: zeros[0],
        output_zero_point: zeros[1],
        groups: 1,
        weights,
        bias,
        scales,
    };
    let layers = [
        layer(Op::Conv2d(half), first, [0, -128], &convolution, &[100; 8], &scales),
        layer(Op::DepthwiseConv2d(half), second, [-128, -128], &depthwise, &[-50; 8], &scales),
        layer(Op::MaxPool2d(pool), last, [-128, -128], &[], &[], &[]),
        layer(Op::Dense, Shape::new(1, 1, 3), [-128, 0], &dense, &[0; 3], &[3e-5, 4e-5, 5e-5]),
    ];
    let refusal = RefusalSpec {
        coefficients: &[0.0, 1.0],
        scales: &[1.0, 0.001],
        bias: &[0, 500],
        weights: &[0, 0, 0, 0, 0, 0, 0, 0, 1, -1, 1, -1, 1, -1, 1, -1],
        back: 0,
        refuse_above: 90.0,
    };
    let spec = ModelSpec {
        input: Shape::new(height, width, channels),
        layers: &layers,
        class_names: &["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"],
        metadata: "{}",
        temperature: 1.5,
        abstain_below: 0.7,
        doubt: None,
        refusal: Some(refusal),
    };
    let mut file = vec![0; encoded_len(&spec)];
    encode(&spec, &mut file).expect("the spec is valid");
    file
}
