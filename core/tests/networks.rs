//! Random small networks: the streaming session against a direct reference that shares no code with it.

use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::{LayerSpec, Model, ModelSpec, Op, encode, encoded_len};
use cxr_core::session::Session;
use cxr_core::shape::{Padding, Shape, Window2d};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Net {
    input: Shape,
    layers: Vec<OwnedLayer>,
}

#[derive(Clone, Debug)]
struct OwnedLayer {
    op: Op,
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

fn network(seed: u64) -> Net {
    let mut r = Random(seed);
    let input = Shape::new(1 + r.below(14) as u16, 1 + r.below(14) as u16, 1 + r.below(4) as u16);
    let (mut shape, mut zx, mut layers) = (input, r.i8(), Vec::new());
    for _ in 0..r.below(5) {
        let pool = r.below(4) == 0;
        let mut side = || (1 + r.below(5) as u8, 1 + r.below(3) as u8);
        let ((kh, sh), (kw, sw)) = (side(), side());
        let mut edge = |kernel: u8| if pool { 0 } else { r.below(u32::from(kernel)) as u8 };
        let pad = Padding { top: edge(kh), bottom: edge(kh), left: edge(kw), right: edge(kw) };
        let window = Window2d { kernel: [kh, kw], stride: [sh, sw], pad };
        let (Some(h), Some(w)) = (
            Window2d::output_extent(shape.height, pad.top, pad.bottom, kh, sh),
            Window2d::output_extent(shape.width, pad.left, pad.right, kw, sw),
        ) else {
            continue;
        };
        if pool {
            shape = Shape::new(h, w, shape.channels);
            layers.push(OwnedLayer {
                op: Op::MaxPool2d(window),
                output: shape,
                zx,
                zy: zx,
                weights: vec![],
                bias: vec![],
                scales: vec![],
            });
            continue;
        }
        let channels = 1 + r.below(9) as u16;
        let taps = kh as usize * kw as usize * shape.channels as usize;
        let zy = r.i8();
        shape = Shape::new(h, w, channels);
        layers.push(OwnedLayer {
            op: Op::Conv2d(window),
            output: shape,
            zx,
            zy,
            weights: (0..taps * channels as usize).map(|_| r.i8()).collect(),
            bias: (0..channels).map(|_| r.next() as i32 >> 15).collect(),
            scales: (0..channels).map(|_| (1 + r.below(1000)) as f32 * 1e-5).collect(),
        });
        zx = zy;
    }
    let classes = 1 + r.below(8) as u16;
    layers.push(OwnedLayer {
        op: Op::Dense,
        output: Shape::new(1, 1, classes),
        zx,
        zy: 0,
        weights: (0..shape.len() * classes as usize).map(|_| r.i8()).collect(),
        bias: (0..classes).map(|_| r.next() as i32 >> 12).collect(),
        scales: (0..classes).map(|_| (1 + r.below(1000)) as f32 * 1e-4).collect(),
    });
    Net { input, layers }
}

fn file(net: &Net) -> Result<Vec<u8>, Error> {
    let layers: Vec<LayerSpec<'_>> = net
        .layers
        .iter()
        .map(|l| LayerSpec {
            op: l.op,
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
    };
    let mut out = vec![0; encoded_len(&spec)];
    encode(&spec, &mut out)?;
    Ok(out)
}

/// Whole feature maps, six nested loops, f64 requantisation.
fn reference(net: &Net, image: &[u8]) -> (Vec<Vec<i8>>, Vec<f32>) {
    let mut map: Vec<i8> = image.iter().map(|p| (i32::from(*p) - 128) as i8).collect();
    let (mut shape, mut maps) = (net.input, Vec::new());
    for layer in &net.layers {
        let at = |y: i64, x: i64, c: i64| -> Option<i8> {
            (y >= 0 && x >= 0 && y < i64::from(shape.height) && x < i64::from(shape.width))
                .then(|| map[((y * i64::from(shape.width) + x) * i64::from(shape.channels) + c) as usize])
        };
        let o = layer.output;
        let mut out = Vec::new();
        match layer.op {
            Op::Dense => {
                let logits = (0..o.channels as usize)
                    .map(|k| {
                        let w = &layer.weights[k * map.len()..][..map.len()];
                        let sum: i64 = map.iter().zip(w).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
                        (sum + i64::from(layer.bias[k])) as f32 * layer.scales[k]
                    })
                    .collect();
                return (maps, logits);
            }
            Op::MaxPool2d(w) | Op::Conv2d(w) => {
                for y in 0..i64::from(o.height) {
                    for x in 0..i64::from(o.width) {
                        for k in 0..o.channels as usize {
                            let (mut sum, mut best, mut tap) = (i64::from(*layer.bias.get(k).unwrap_or(&0)), i8::MIN, 0);
                            for dy in 0..i64::from(w.kernel[0]) {
                                for dx in 0..i64::from(w.kernel[1]) {
                                    let (yy, xx) = (
                                        y * i64::from(w.stride[0]) + dy - i64::from(w.pad.top),
                                        x * i64::from(w.stride[1]) + dx - i64::from(w.pad.left),
                                    );
                                    if let Op::MaxPool2d(_) = layer.op {
                                        best = best.max(at(yy, xx, k as i64).unwrap());
                                        continue;
                                    }
                                    for c in 0..i64::from(shape.channels) {
                                        let taps = w.kernel[0] as usize * w.kernel[1] as usize * shape.channels as usize;
                                        let weight = layer.weights[k * taps + tap];
                                        sum += i64::from(at(yy, xx, c).unwrap_or(layer.zx)) * i64::from(weight);
                                        tap += 1;
                                    }
                                }
                            }
                            if let Op::MaxPool2d(_) = layer.op {
                                out.push(best);
                            } else {
                                let q = f64::from(sum as f32 * layer.scales[k]).round_ties_even() as i64 + i64::from(layer.zy);
                                out.push(q.clamp(-128, 127) as i8);
                            }
                        }
                    }
                }
            }
            _ => unreachable!(),
        }
        map = out.clone();
        shape = o;
        maps.push(out);
    }
    unreachable!("the last layer is dense")
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
        let (maps, logits) = reference(&net, &image);

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
fn the_writer_refuses_what_would_overflow() {
    let mut net = network(3);
    let dense = net.layers.last_mut().unwrap();
    dense.bias[0] = i32::MAX;
    assert!(matches!(file(&net), Err(Error::InvalidField { field, .. }) if field.contains("overflow")));
    let mut net = network(3);
    net.layers.last_mut().unwrap().scales[0] = f32::NAN;
    assert!(matches!(file(&net), Err(Error::InvalidField { field: "scale", .. })));
}
