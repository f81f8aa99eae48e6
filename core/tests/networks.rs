//! Random small networks: the streaming session against a direct reference that shares no code with it.

use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::{LayerSpec, Model, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::kernels::Kernel;
use cxr_core::prepared::Prepared;
use cxr_core::session::{AbstainReason, Decision, Session};
use cxr_core::shape::{Padding, Shape, Window2d};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Net {
    input: Shape,
    layers: Vec<OwnedLayer>,
    refusal: Option<OwnedRefusal>,
}

#[derive(Clone, Debug)]
struct OwnedRefusal {
    back: u16,
    coefficients: Vec<f32>,
    scales: Vec<f32>,
    bias: Vec<i64>,
    weights: Vec<i16>,
    above: f32,
}

#[derive(Clone, Debug)]
struct OwnedLayer {
    op: Op,
    groups: u16,
    output: Shape,
    zx: i8,
    zy: i8,
    weights: Vec<i8>,
    bias: Vec<i32>,
    scales: Vec<f32>,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }

    fn i8(&mut self) -> i8 {
        // Extremes are as likely as the rest.
        match self.below(8) {
            0 => -128,
            1 => 127,
            _ => self.next() as i8,
        }
    }
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
        bias: (0..rank).map(|_| i64::from(r.next()) << r.below(20)).collect(),
        weights: (0..rank * usize::from(summed.channels)).map(|_| i16::from(r.i8()) << 8 | i16::from(r.i8())).collect(),
        above: f32::from(r.i8()),
    })
}

fn network(seed: u64) -> Net {
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
            bias: (0..filters).map(|_| r.next() as i32 >> 15).collect(),
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
        bias: (0..classes).map(|_| r.next() as i32 >> 12).collect(),
        scales: (0..classes).map(|_| (1 + r.below(1000)) as f32 * 1e-4).collect(),
    });
    let refusal = refusal(&mut r, &layers);
    Net { input, layers, refusal }
}

/// Windows of 3x3 over 16 channels and more, which kernels compute in blocks of rows, among them other operators.
fn wide_network(seed: u64) -> Net {
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
                _ if power == 20 || room(filter) < 1 => r.next() as i32 >> 15,
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

fn file(net: &Net) -> Result<Vec<u8>, Error> {
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

/// Whole feature maps, nested loops, f64 rounding: the direct definition.
fn reference(net: &Net, image: &[u8]) -> (Vec<Vec<i8>>, Vec<f32>, Option<f32>) {
    let mut map: Vec<i8> = image.iter().map(|p| (i32::from(*p) - 128) as i8).collect();
    let (mut shape, mut maps) = (net.input, Vec::new());
    for layer in &net.layers {
        let o = layer.output;
        if layer.op == Op::Dense {
            let logit = |k: usize| {
                let stored = map.len() / usize::from(layer.groups);
                let w = layer.weights[k * stored..][..stored].iter().cycle();
                let sum: i64 = map.iter().zip(w).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
                (sum + i64::from(layer.bias[k])) as f32 * layer.scales[k]
            };
            let score = net.refusal.as_ref().map(|r| {
                let summed = maps.len() - 1 - usize::from(r.back);
                let (map, channels): (&Vec<i8>, _) = (&maps[summed], net.layers[summed].output.channels as usize);
                let feature = |c: usize| map.iter().skip(c).step_by(channels).map(|v| i64::from(*v)).sum::<i64>();
                let mut score = 0f32;
                for (j, weights) in r.weights.chunks(channels).enumerate() {
                    let dot: i64 = weights.iter().enumerate().map(|(c, w)| i64::from(*w) * feature(c)).sum();
                    let h = (dot + r.bias[j]) as f32 * r.scales[j];
                    score += r.coefficients[j] * if j == 0 { h } else { h * h };
                }
                score
            });
            return (maps, (0..o.channels as usize).map(logit).collect(), score);
        }
        let window = match layer.op {
            Op::Conv2d(w) | Op::DepthwiseConv2d(w) | Op::MaxPool2d(w) | Op::AveragePool2d(w) => {
                ([w.kernel[0], w.kernel[1]].map(i64::from), w.stride.map(i64::from), [w.pad.top, w.pad.left].map(i64::from))
            }
            _ => ([i64::from(shape.height), i64::from(shape.width)], [1, 1], [0, 0]),
        };
        let mut out = Vec::new();
        for y in 0..i64::from(o.height) {
            for x in 0..i64::from(o.width) {
                for k in 0..o.channels as usize {
                    out.push(cell(layer, shape, &map, window, [y, x], k));
                }
            }
        }
        map = out.clone();
        shape = o;
        maps.push(out);
    }
    unreachable!("the last layer is dense")
}

type Sides = [i64; 2];

fn cell(layer: &OwnedLayer, shape: Shape, map: &[i8], (kernel, stride, pad): (Sides, Sides, Sides), at: Sides, k: usize) -> i8 {
    let channels = shape.channels as usize;
    let value = |y: i64, x: i64, c: usize| -> Option<i8> {
        let inside = y >= 0 && x >= 0 && y < i64::from(shape.height) && x < i64::from(shape.width);
        inside.then(|| map[(y as usize * shape.width as usize + x as usize) * channels + c])
    };
    let (mut sum, mut best, mut tap) = (0i64, i8::MIN, 0);
    let groups = usize::from(layer.groups);
    let taps = (kernel[0] * kernel[1]) as usize * (channels / groups);
    for dy in 0..kernel[0] {
        for dx in 0..kernel[1] {
            let (y, x) = (at[0] * stride[0] + dy - pad[0], at[1] * stride[1] + dx - pad[1]);
            match layer.op {
                Op::Conv2d(_) => {
                    let group = k / (layer.output.channels as usize / groups);
                    for c in group * (channels / groups)..(group + 1) * (channels / groups) {
                        sum += i64::from(value(y, x, c).unwrap_or(layer.zx)) * i64::from(layer.weights[k * taps + tap]);
                        tap += 1;
                    }
                }
                Op::DepthwiseConv2d(_) => {
                    sum += i64::from(value(y, x, k).unwrap_or(layer.zx)) * i64::from(layer.weights[tap * channels + k]);
                    tap += 1;
                }
                Op::AveragePool2d(_) | Op::GlobalAveragePool2d => sum += i64::from(value(y, x, k).unwrap()),
                _ => best = best.max(value(y, x, k).unwrap()),
            }
        }
    }
    if layer.scales.is_empty() {
        return best;
    }
    let scale = if layer.scales.len() == 1 { layer.scales[0] } else { layer.scales[k] };
    let bias = if layer.bias.len() == 1 { layer.bias[0] } else { layer.bias[k] };
    let q = f64::from((sum + i64::from(bias)) as f32 * scale).round_ties_even() as i64 + i64::from(layer.zy);
    q.clamp(-128, 127) as i8
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn streaming_equals_the_reference(seed: u64) {
        let net = network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x5555);
        let image: Vec<u8> = (0..net.input.len()).map(|_| r.i8() as u8).collect();
        let (maps, logits, score) = reference(&net, &image);

        // Bytes past the arena must stay as they were: a canary.
        let mut arena = vec![0x5A; model.arena_bytes() + 64];
        let mut map = vec![0; explain::map_len(&model)];
        let mut session = Session::new(&model, &mut arena).unwrap().with_map(&mut map).unwrap();
        for _ in 0..2 {
            let mut seen: Vec<Vec<i8>> = vec![Vec::new(); net.layers.len() - 1];
            session.reset();
            for row in image.chunks_exact(net.input.row_len()) {
                session.push_row_observed(row, &mut |layer, y, values| {
                    assert_eq!(y * values.len(), seen[layer].len(), "rows come in order, once");
                    seen[layer].extend_from_slice(values);
                }).unwrap();
            }
            prop_assert_eq!(&seen, &maps);
            let verdict = session.finish().unwrap();
            prop_assert_eq!(verdict.logits(), &logits[..]);
            prop_assert_eq!(verdict.refusal_score().map(f32::to_bits), score.map(f32::to_bits));
            let refused = score.zip(net.refusal.as_ref()).is_some_and(|(score, r)| score > r.above);
            prop_assert_eq!(refused, verdict.decision() == Decision::Abstain(AbstainReason::OutOfDistribution));
            for (k, sum) in verdict.accumulators().iter().enumerate() {
                let cells = explain::class_map(&model, session.map(), k);
                prop_assert_eq!(cells.iter().sum::<i32>() + explain::bias(&model, k), *sum);
                prop_assert_eq!(*sum as f32 * explain::scale(&model, k), verdict.logits()[k]);
            }
            prop_assert!((verdict.probabilities().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        prop_assert!(arena[model.arena_bytes()..].iter().all(|b| *b == 0x5A));
    }

    #[test]
    fn blocks_of_rows_equal_the_reference(seed: u64, gray: bool, shift in 0usize..64) {
        let net = wide_network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x1111);
        let channels = usize::from(net.input.channels);
        let extreme = r.below(4) == 0;
        let pixels: Vec<u8> = (0..net.input.len() / channels).map(|_| if extreme { 0 } else { r.i8() as u8 }).collect();
        let image: Vec<u8> = if gray {
            pixels.iter().flat_map(|v| std::iter::repeat_n(*v, channels)).collect()
        } else {
            (0..net.input.len()).map(|_| r.i8() as u8).collect()
        };
        let (maps, logits, score) = reference(&net, &image);
        for kernel in Kernel::available().filter(|kernel| kernel.name() != "scalar") {
            let mut buffer = vec![0xA5; Prepared::blocks_bytes(&model, &kernel)];
            let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
            let needed = prepared.arena_bytes(&model);
            let mut arena = vec![0x5A; shift + needed + 64];
            let mut session = Session::new(&model, &mut arena[shift..]).unwrap().with_prepared(&prepared).unwrap();
            for _ in 0..2 {
                let mut seen: Vec<Vec<i8>> = vec![Vec::new(); net.layers.len() - 1];
                session.reset();
                let mut observe = |layer: usize, y: usize, values: &[i8]| {
                    assert_eq!(y * values.len(), seen[layer].len(), "rows come in order, once");
                    seen[layer].extend_from_slice(values);
                };
                for (row, gray_row) in image.chunks(net.input.row_len()).zip(pixels.chunks(net.input.width.into())) {
                    if gray {
                        session.push_gray_row_observed(gray_row, &mut observe).unwrap();
                    } else {
                        session.push_row_observed(row, &mut observe).unwrap();
                    }
                }
                prop_assert_eq!(&seen, &maps, "{}", kernel.name());
                let verdict = session.finish().unwrap();
                prop_assert_eq!(verdict.logits(), &logits[..]);
                prop_assert_eq!(verdict.refusal_score().map(f32::to_bits), score.map(f32::to_bits));
            }
            prop_assert!(arena[..shift].iter().chain(&arena[shift + needed..]).all(|b| *b == 0x5A));
        }
    }

    #[test]
    fn every_byte_of_the_arena_is_written(seed: u64) {
        let net = network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x7777);
        let image: Vec<u8> = (0..net.input.len()).map(|_| r.i8() as u8).collect();
        // A byte that nothing writes keeps what it held before, and differs.
        let after = |fill: i8| {
            let mut arena = vec![fill; model.arena_bytes()];
            let _ = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
            arena
        };
        prop_assert_eq!(after(0x5A), after(-0x5B));
    }

    #[test]
    fn gray_rows_are_coloured_rows(seed: u64, mixed: u16) {
        let net = network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x3333);
        let [width, height] = [net.input.width, net.input.height].map(usize::from);
        let gray: Vec<u8> = (0..width * height).map(|_| r.i8() as u8).collect();
        let image: Vec<u8> = gray.iter().flat_map(|v| std::iter::repeat_n(*v, net.input.channels.into())).collect();
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).unwrap();
        let whole = session.run(&image).unwrap();
        for pattern in [u16::MAX, mixed] {
            session.reset();
            for (y, row) in gray.chunks_exact(width).enumerate() {
                if pattern >> (y % 16) & 1 == 1 {
                    session.push_gray_row(row).unwrap();
                } else {
                    session.push_row(&image[y * net.input.row_len()..][..net.input.row_len()]).unwrap();
                }
            }
            prop_assert_eq!(session.finish().unwrap(), whole.clone());
        }
    }

    #[test]
    fn damaged_files_are_refused_and_never_panic(seed in 0u64..64, at: u32, value: u8, cut: u32, fix: bool) {
        let mut bytes = file(&network(seed)).unwrap();
        let i = at as usize % bytes.len();
        let changed = bytes[i] != value;
        bytes[i] = value;
        if fix {
            // With the checksum mended, the structure checks must hold on their own.
            let crc = crc32(&bytes[16..]);
            bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        }
        match Model::parse(&bytes) {
            Ok(model) => {
                prop_assert!(fix || !changed);
                if model.arena_bytes() < 1 << 24 && model.macs() < 1 << 26 {
                    let mut arena = vec![0; model.arena_bytes()];
                    let image = vec![7; model.input().len()];
                    let _ = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let cut = cut as usize % bytes.len();
        prop_assert!(Model::parse(&bytes[..cut]).is_err());
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

#[test]
fn misuse_is_an_error_and_the_session_survives_it() {
    let net = network(3);
    let bytes = file(&net).unwrap();
    let model = Model::parse(&bytes).unwrap();
    let mut small = vec![0; model.arena_bytes() - 1];
    assert!(matches!(Session::new(&model, &mut small), Err(Error::BufferTooSmall { .. })));
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).unwrap();
    let image = vec![200; net.input.len()];
    let whole = session.run(&image).unwrap();
    assert_eq!(session.push_row(&image[..net.input.row_len()]), Err(Error::TooManyRows));
    assert_eq!(session.push_gray_row(&image[..usize::from(net.input.width)]), Err(Error::TooManyRows));
    session.reset();
    assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
    assert!(matches!(session.push_row(&[]), Err(Error::RowLength { .. })));
    let gray = vec![200; usize::from(net.input.width)];
    for _ in 0..net.input.height {
        session.push_gray_row(&gray).unwrap();
    }
    assert_eq!(session.finish().unwrap(), whole);
    assert!(session.run(&image[1..]).is_err());
}

#[test]
fn blocks_of_rows_begin_anew_and_want_their_memory() {
    for seed in 0..20 {
        let net = wide_network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut buffer = vec![0; Prepared::blocks_bytes(&model, &Kernel::best())];
        let missing =
            buffer.len().checked_sub(1).map(|short| Prepared::blocks(&model, Kernel::best(), &mut buffer[..short]).err());
        assert!(matches!(missing, None | Some(Some(Error::BufferTooSmall { .. }))));
        for kernel in Kernel::available() {
            let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
            let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
            let needed = prepared.arena_bytes(&model);
            if needed == model.arena_bytes() {
                continue;
            }
            assert!(["avx2", "avx-vnni"].contains(&kernel.name()));
            let mut arena = vec![0; needed];
            let short = Session::new(&model, &mut arena[..needed - 64]).unwrap().with_prepared(&prepared).err();
            assert!(matches!(short, Some(Error::BufferTooSmall { .. })));
            let image = vec![200; net.input.len()];
            let whole = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
            let mut session = Session::new(&model, &mut arena).unwrap();
            session.push_row(&image[..net.input.row_len()]).unwrap();
            let mut session = session.with_prepared(&prepared).unwrap();
            assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
            session.push_row(&image[..net.input.row_len()]).unwrap();
            let mut session = session.with_prepared(&prepared).unwrap();
            assert_eq!(session.run(&image).unwrap(), whole);
            let mut session = session.with_kernel(Kernel::SCALAR);
            assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
            assert_eq!(session.run(&image).unwrap(), whole);
        }
    }
}

#[test]
fn the_writer_refuses_what_would_overflow() {
    let mut net = network(3);
    let dense = net.layers.last_mut().unwrap();
    dense.bias[0] = i32::MAX;
    assert!(matches!(file(&net), Err(Error::InvalidField { field, .. }) if field.contains("overflow")));
    let mut net = network(3);
    net.layers.last_mut().unwrap().scales[0] = f32::NAN;
    assert!(matches!(file(&net), Err(Error::InvalidField { field: "scale", .. })));
}
