//! The classifier's networks in the engine for any network: the same rows, logits and refusal scores, in no more memory, by every kernel.

use cxr_core::format::{Layer, Model, Op};
use cxr_core::kernels::Kernel;
use cxr_core::session::Session as Classifier;
use cxr_core::shape::Window2d;
use cxr_testkit::Lcg;
use rownet::encode::encode;
use rownet::model::desc;
use rownet::plan::place;
use rownet::prepared::Prepared;
use rownet::session::Session;

const MODELS: [(&str, &[u8], usize); 2] =
    [("default", include_bytes!("../../models/default.cxr"), 35_820), ("seed", include_bytes!("../../models/seed.cxr"), 30_796)];

const fn shape(shape: cxr_core::shape::Shape) -> desc::Shape {
    desc::Shape::new(shape.height, shape.width, shape.channels)
}

fn window(window: Window2d) -> desc::Window {
    let pad = window.pad;
    desc::Window {
        kernel: window.kernel.map(u16::from),
        stride: window.stride,
        dilation: [1, 1],
        pads: desc::Pads { top: pad.top, left: pad.left, bottom: pad.bottom, right: pad.right },
    }
}

fn value(shape: desc::Shape, zero_point: i8, is_last: bool) -> desc::Value {
    let element = if is_last { desc::Element::F32 } else { desc::Element::I8 };
    let external = if is_last { desc::External::F32 } else { desc::External::I8 };
    let storage = desc::Storage::Ring { at: 0, rows: shape.height, over: None };
    desc::Value { shape, element, external, zero_point, scale: 1.0, storage }
}

fn op(layer: &Layer<'_>) -> desc::Op {
    match layer.op {
        Op::Conv2d(w) => desc::Op::Conv2d { window: window(w), groups: layer.groups },
        Op::DepthwiseConv2d(w) => desc::Op::DepthwiseConv2d { window: window(w) },
        Op::MaxPool2d(w) => desc::Op::MaxPool2d { window: window(w) },
        Op::AveragePool2d(w) => desc::Op::AveragePool2d { window: window(w) },
        Op::GlobalAveragePool2d => desc::Op::Mean { kernel: [layer.input.height, layer.input.width] },
        Op::GlobalMaxPool2d => {
            let kernel = [layer.input.height, layer.input.width];
            desc::Op::MaxPool2d { window: desc::Window { kernel, stride: [1, 1], dilation: [1, 1], pads: desc::Pads::default() } }
        }
        Op::Dense => desc::Op::Dense { shared: layer.groups > 1 },
        other => panic!("{other:?} has no counterpart in the engine"),
    }
}

/// A model as a network file: its layers, and the logits as an f32 output.
fn convert(model: &Model<'_>) -> Vec<u8> {
    let layers: Vec<Layer<'_>> = (0..model.layer_count()).map_while(|i| model.layer(i)).collect();
    let mut values = vec![value(shape(model.input()), layers[0].input_zero_point, false)];
    // Filters of a dense layer are padded here, as those of convolutions are.
    let weights: Vec<Vec<u8>> = layers
        .iter()
        .map(|layer| match layer.op {
            Op::Dense => {
                let taps = layer.weights.len() / usize::from(layer.output.channels);
                let filters = layer.weights.chunks_exact(taps);
                filters
                    .flat_map(|filter| filter.iter().copied().chain(std::iter::repeat_n(0, filter.len().wrapping_neg() % 4)))
                    .collect()
            }
            _ => layer.weights.to_vec(),
        })
        .collect();
    let mut operators = Vec::new();
    for (i, (layer, weights)) in layers.iter().zip(&weights).enumerate() {
        let has_filters = matches!(layer.op, Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::Dense);
        let has_scale = has_filters || matches!(layer.op, Op::AveragePool2d(_) | Op::GlobalAveragePool2d);
        values.push(value(shape(layer.output), layer.output_zero_point, i + 1 == layers.len()));
        operators.push(desc::Operator {
            op: op(layer),
            a: i as u16,
            b: None,
            clamp: [i8::MIN, i8::MAX],
            weights: if has_filters { weights } else { &[] },
            bias: if has_filters { layer.bias } else { &[] },
            rescale: desc::Rescale::Float { scales: if has_scale { layer.scales } else { &[] } },
            form: desc::Form::Rows,
        });
    }
    let (outputs, segments) = ([layers.len() as u16], [layers.len() as u16]);
    let network = desc::Network {
        values: &values,
        operators: &operators,
        outputs: &outputs,
        segments: &segments,
        labels: "",
        metadata: "",
        head: &[],
    };
    let placement = place(&network).unwrap();
    encode(&desc::Network { values: &placement.values, operators: &placement.operators, ..network }).unwrap()
}

/// What is compared: FNV-1a of each layer's rows (layers take turns in another order), logits, and the refusal score.
#[derive(Debug, PartialEq)]
struct Found {
    hashes: Vec<u64>,
    logits: Vec<u32>,
    score: Option<u32>,
}

struct Watch {
    hashes: Vec<u64>,
    /// The layer whose map is summed, and sums by channel.
    layer: usize,
    sums: Vec<i32>,
}

impl Watch {
    fn new(model: &Model<'_>) -> Self {
        let layer = model.refusal().map_or(usize::MAX, |head| head.layer());
        let channels = model.layer(layer).map_or(0, |layer| usize::from(layer.output.channels));
        Self { hashes: vec![0xCBF2_9CE4_8422_2325; model.layer_count() - 1], layer, sums: vec![0; channels] }
    }

    fn see(&mut self, layer: usize, values: &[i8]) {
        for v in values {
            self.hashes[layer] = (self.hashes[layer] ^ u64::from(*v as u8)).wrapping_mul(0x100_0000_01B3);
        }
        if layer == self.layer {
            for cell in values.chunks_exact(self.sums.len()) {
                self.sums.iter_mut().zip(cell).for_each(|(sum, v)| *sum += i32::from(*v));
            }
        }
    }

    fn found(&self, model: &Model<'_>, logits: &[f32]) -> Found {
        let score = model.refusal().map(|head| head.score(self.sums.iter().copied()).to_bits());
        Found { hashes: self.hashes.clone(), logits: logits.iter().map(|logit| logit.to_bits()).collect(), score }
    }
}

fn classifier(model: &Model<'_>, kernel: Kernel, image: &[u8]) -> Found {
    let (mut arena, mut watch) = (vec![0; model.arena_bytes()], Watch::new(model));
    let mut session = Classifier::new(model, &mut arena).unwrap().with_kernel(kernel);
    for row in image.chunks_exact(model.input().row_len()) {
        session.push_row_observed(row, &mut |layer, _, values| watch.see(layer, values)).unwrap();
    }
    let verdict = session.finish().unwrap();
    let found = watch.found(model, verdict.logits());
    assert_eq!(found.score, verdict.refusal_score().map(f32::to_bits), "sums of rows are the head's");
    found
}

fn engine(model: &Model<'_>, mut session: Session<'_, '_>, image: &[u8]) -> Found {
    let mut watch = Watch::new(model);
    for row in image.chunks_exact(model.input().row_len()) {
        let row: Vec<i8> = row.iter().map(|pixel| (pixel ^ 0x80) as i8).collect();
        let last = model.layer_count() as u16;
        let mut see = |value: u16, _: u32, values: &[i8]| {
            if value < last {
                watch.see(usize::from(value) - 1, values)
            }
        };
        session.push_row_observed(&row, &mut see).unwrap();
    }
    let logits: Vec<f32> = session.finish().unwrap().real(0).unwrap().collect();
    watch.found(model, &logits)
}

#[test]
fn the_classifier_is_one_such_network() {
    for (name, file, arena_bytes) in MODELS {
        let model = Model::parse(file).unwrap();
        let converted = convert(&model);
        let network = rownet::model::Model::parse(&converted).unwrap();
        let features =
            model.refusal().and_then(|head| model.layer(head.layer())).map_or(0, |map| 4 * usize::from(map.output.channels));
        let total = network.arena_bytes() + features;
        println!("{name}: {total} bytes of arena, {features} of them the refusal head's; today {}", model.arena_bytes());
        assert!(total <= arena_bytes, "{name}: {total} bytes of arena");
        let mut noise = Lcg(1);
        let pixels = usize::from(model.input().height) * usize::from(model.input().width);
        let colour: Vec<u8> = noise.by_ref().take(3 * pixels).collect();
        let gray: Vec<u8> = noise.take(pixels).flat_map(|pixel| [pixel / 2 + 64; 3]).collect();
        for (image, kind) in [(&colour, "colour"), (&gray, "gray")] {
            let expected = classifier(&model, Kernel::best(), image);
            for kernel in Kernel::available().chain([Kernel::PORTABLE]) {
                let mut buffer = vec![0; Prepared::bytes(&network, &kernel)];
                let prepared = Prepared::new(&network, kernel, &mut buffer).unwrap();
                let (mut first, mut second) = (vec![0; network.arena_bytes()], vec![0; network.arena_bytes()]);
                let plain = Session::new(&network, &mut first).unwrap().with_kernel(kernel);
                let packed = Session::new(&network, &mut second).unwrap().with_prepared(prepared).unwrap();
                assert_eq!(engine(&model, plain, image), expected, "{name}, {kind}, {}", kernel.name());
                assert_eq!(engine(&model, packed, image), expected, "{name}, {kind}, {} prepared", kernel.name());
            }
        }
    }
}
