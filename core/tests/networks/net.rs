//! Random small networks and their files.

use cxr_core::error::Error;
use cxr_core::format::{LayerSpec, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::shape::{Padding, Shape, Window2d};
pub use cxr_testkit::Choices as Random;

#[derive(Clone, Debug)]
pub struct Net {
    pub input: Shape,
    pub layers: Vec<OwnedLayer>,
    pub refusal: Option<OwnedRefusal>,
}

#[derive(Clone, Debug)]
pub struct OwnedRefusal {
    pub back: u16,
    pub coefficients: Vec<f32>,
    pub scales: Vec<f32>,
    pub bias: Vec<i64>,
    pub weights: Vec<i16>,
    pub above: f32,
}

#[derive(Clone, Debug)]
pub struct OwnedLayer {
    pub op: Op,
    pub groups: u16,
    pub output: Shape,
    pub zx: i8,
    pub zy: i8,
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub scales: Vec<f32>,
}

/// A number that divides `n`.
fn divisor(r: &mut Random, n: u16) -> u16 {
    let d = 1 + r.below(u32::from(n)) as u16;
    if n.is_multiple_of(d) { d } else { 1 }
}

/// A refusal head on one of the feature maps before the dense layer, if there are any.
fn refusal(r: &mut Random, layers: &[OwnedLayer]) -> Option<OwnedRefusal> {
    let rank = r.below(4) as usize;
    let maps = layers.len() - 1;
    let back = r.below(maps.max(1) as u32) as usize;
    let summed = layers[maps.saturating_sub(1 + back)].output;
    (rank > 0 && maps > 0).then(|| OwnedRefusal {
        back: back as u16,
        coefficients: (0..rank).map(|_| r.i8().into()).collect(),
        scales: (0..rank).map(|_| (1 + r.below(1000)) as f32 * 1e-7).collect(),
        bias: (0..rank).map(|_| i64::from(r.word()) << r.below(20)).collect(),
        weights: (0..rank * usize::from(summed.channels)).map(|_| i16::from(r.i8()) << 8 | i16::from(r.i8())).collect(),
        above: f32::from(r.i8()),
    })
}

pub fn network(seed: u64) -> Net {
    let mut r = Random(seed);
    let input = Shape::new(1 + r.below(14) as u16, 1 + r.below(14) as u16, 1 + r.below(4) as u16);
    let (mut shape, mut zx, mut layers) = (input, r.i8(), Vec::new());
    for _ in 0..r.below(5) {
        let kind = r.below(12);
        let mut side = || (1 + r.below(5) as u8, 1 + r.below(3) as u8);
        let ((kh, sh), (kw, sw)) = (side(), side());
        let pooling = kind > 7;
        let mut edge = |kernel: u8| if pooling { 0 } else { r.below(u32::from(kernel)) as u8 };
        let pad = Padding { top: edge(kh), bottom: edge(kh), left: edge(kw), right: edge(kw) };
        let window = Window2d { kernel: [kh, kw], stride: [sh, sw], pad };
        let (Some(h), Some(w)) = (
            Window2d::output_extent(shape.height, pad.top, pad.bottom, kh, sh),
            Window2d::output_extent(shape.width, pad.left, pad.right, kw, sw),
        ) else {
            continue;
        };
        let c = shape.channels;
        let (op, output, groups, taps, filters) = match kind {
            0..=5 => {
                let groups = if kind == 5 { divisor(&mut r, c) } else { 1 };
                let channels = groups * (1 + r.below(9) as u16);
                (Op::Conv2d(window), Shape::new(h, w, channels), groups, window.area() * usize::from(c / groups), channels)
            }
            6 | 7 => (Op::DepthwiseConv2d(window), Shape::new(h, w, c), 1, window.area(), c),
            8 | 9 => (Op::MaxPool2d(window), Shape::new(h, w, c), 1, 0, 0),
            10 => (Op::AveragePool2d(window), Shape::new(h, w, c), 1, 0, 1),
            _ if r.below(2) == 0 => (Op::GlobalAveragePool2d, Shape::new(1, 1, c), 1, 0, 1),
            _ => (Op::GlobalMaxPool2d, Shape::new(1, 1, c), 1, 0, 0),
        };
        let keeps = matches!(op, Op::MaxPool2d(_) | Op::GlobalMaxPool2d);
        let zy = if keeps { zx } else { r.i8() };
        layers.push(OwnedLayer {
            op,
            groups,
            output,
            zx,
            zy,
            weights: (0..taps * usize::from(filters)).map(|_| r.i8()).collect(),
            bias: (0..filters).map(|_| r.word() as i32 >> 15).collect(),
            scales: (0..filters).map(|_| (1 + r.below(1000)) as f32 * 1e-5).collect(),
        });
        (shape, zx) = (output, zy);
    }
    let classes = 1 + r.below(8) as u16;
    // Weights of their own for each cell, or the same for all.
    let groups = if r.below(2) == 0 { 1 } else { shape.height * shape.width };
    layers.push(OwnedLayer {
        op: Op::Dense,
        groups,
        output: Shape::new(1, 1, classes),
        zx,
        zy: 0,
        weights: (0..shape.len() / usize::from(groups) * classes as usize).map(|_| r.i8()).collect(),
        bias: (0..classes).map(|_| r.word() as i32 >> 12).collect(),
        scales: (0..classes).map(|_| (1 + r.below(1000)) as f32 * 1e-4).collect(),
    });
    let refusal = refusal(&mut r, &layers);
    Net { input, layers, refusal }
}

/// Windows of 3x3 over 16 channels and more, which kernels compute in blocks of rows, among them other operators.
pub fn wide_network(seed: u64) -> Net {
    let mut r = Random(seed);
    let input = Shape::new(1 + r.below(40) as u16, 1 + r.below(40) as u16, 1 + r.below(3) as u16);
    let (mut shape, mut zx, mut layers) = (input, r.i8(), Vec::new());
    for i in 0..2 + r.below(4) {
        let plain = i > 0 && r.below(6) > 0;
        let (k, s) = if plain { (3, 1 + r.below(2) as u8) } else { (1 + r.below(3) as u8, 1) };
        let mut edge = || r.below(u32::from(k)) as u8;
        let pad = Padding { top: edge(), bottom: edge(), left: edge(), right: edge() };
        let window = Window2d { kernel: [k, k], stride: [s, s], pad };
        let (Some(h), Some(w)) = (
            Window2d::output_extent(shape.height, pad.top, pad.bottom, k, s),
            Window2d::output_extent(shape.width, pad.left, pad.right, k, s),
        ) else {
            continue;
        };
        let channels = if r.below(4) > 0 { 16 + 2 * r.below(13) as u16 } else { 1 + r.below(40) as u16 };
        let (taps, extreme) = (window.area() * usize::from(shape.channels), r.below(4) == 0);
        let constant = [-128, 127][r.below(2) as usize];
        let weights: Vec<i8> = (0..taps * usize::from(channels)).map(|_| if extreme { constant } else { r.i8() }).collect();
        // Biases up to where the sums times 64 or 4 still fit i32, or just do not.
        let power = [5, 6, 2, 20][r.below(4) as usize];
        let room = |filter: &[i8]| (1i64 << (31 - power)) - 128 * filter.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>();
        let bias = weights
            .chunks(taps)
            .map(|filter| match r.below(8) {
                _ if power == 20 || room(filter) < 1 => r.word() as i32 >> 15,
                0 => room(filter) as i32,
                1 => -(room(filter) as i32),
                2 => 1 - room(filter) as i32,
                _ => room(filter) as i32 - 1,
            })
            .collect();
        let (zy, divisor) = (r.i8(), if power == 20 { 1.0 } else { 1e4 });
        layers.push(OwnedLayer {
            op: Op::Conv2d(window),
            groups: 1,
            output: Shape::new(h, w, channels),
            zx,
            zy,
            weights,
            bias,
            scales: (0..channels).map(|_| (1 + r.below(1000)) as f32 * 1e-5 / divisor).collect(),
        });
        (shape, zx) = (Shape::new(h, w, channels), zy);
        let (even, odd) = (shape.height / 2, shape.width / 2);
        if r.below(6) == 0 && even > 0 && odd > 0 {
            let op = Op::MaxPool2d(Window2d { kernel: [2, 2], stride: [2, 2], pad: Padding::default() });
            shape = Shape::new(even, odd, channels);
            layers.push(OwnedLayer { op, groups: 1, output: shape, zx, zy: zx, weights: vec![], bias: vec![], scales: vec![] });
        }
    }
    layers.push(OwnedLayer {
        op: Op::Dense,
        groups: 1,
        output: Shape::new(1, 1, 2),
        zx,
        zy: 0,
        weights: (0..2 * shape.len()).map(|_| r.i8()).collect(),
        bias: vec![1, 2],
        scales: vec![1e-4, 2e-4],
    });
    let refusal = refusal(&mut r, &layers);
    Net { input, layers, refusal }
}

pub fn file(net: &Net) -> Result<Vec<u8>, Error> {
    let layers: Vec<LayerSpec<'_>> = net
        .layers
        .iter()
        .map(|l| LayerSpec {
            op: l.op,
            groups: l.groups,
            output: l.output,
            input_zero_point: l.zx,
            output_zero_point: l.zy,
            weights: &l.weights,
            bias: &l.bias,
            scales: &l.scales,
        })
        .collect();
    let classes = net.layers.last().map_or(0, |l| l.output.channels) as usize;
    let names = &["a", "b", "c", "d", "e", "f", "g", "h"][..classes];
    let spec = ModelSpec {
        input: net.input,
        layers: &layers,
        class_names: names,
        metadata: "{}",
        temperature: 1.5,
        abstain_below: 0.25,
        doubt: None,
        refusal: net.refusal.as_ref().map(|r| RefusalSpec {
            coefficients: &r.coefficients,
            scales: &r.scales,
            bias: &r.bias,
            weights: &r.weights,
            back: r.back,
            refuse_above: r.above,
        }),
    };
    let mut out = vec![0; encoded_len(&spec)];
    encode(&spec, &mut out)?;
    Ok(out)
}
