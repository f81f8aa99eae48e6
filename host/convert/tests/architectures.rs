//! Public architectures with random weights: what their plans take, and that these plans give the interpreter's bytes.

use cxr_testkit::Lcg;
use rownet_convert::execute::Network;
use rownet_convert::ir::{
    Activation, Arithmetic, Bias, Element, Graph, Id, Node, Op, Padding, Quantization, Value, Weights, Window,
};
use rownet_convert::metadata::Metadata;
use rownet_convert::plan::Plan;
use rownet_convert::{lower, plan, reference, samples};
use std::time::Instant;

struct Build {
    graph: Graph,
    random: Lcg,
}

impl Build {
    fn new(side: usize) -> Self {
        let input = value("input".to_owned(), vec![1, side, side, 3]);
        let (inputs, outputs) = (vec![Id(0)], Vec::new());
        let graph =
            Graph { arithmetic: Arithmetic::Tflite, values: vec![input], nodes: Vec::new(), inputs, outputs, notes: Vec::new() };
        Self { graph, random: Lcg(1) }
    }

    fn last(&self) -> Id {
        Id(self.graph.values.len() - 1)
    }

    fn channels(&self) -> usize {
        self.graph.value(self.last()).map()[2]
    }

    fn push(&mut self, op: Op, inputs: &[Id], shape: Vec<usize>) -> Id {
        let name = format!("{} {}", self.graph.nodes.len(), op.name());
        let output = self.graph.add(value(name.clone(), shape));
        self.graph.nodes.push(Node { kind: op.name().to_owned(), name, op, inputs: inputs.to_vec(), output });
        output
    }

    fn weights(&mut self, shape: Vec<usize>) -> (Weights, Bias) {
        let data: Vec<i8> = (&mut self.random).take(shape.iter().product()).map(|byte| byte as i8 / 2).collect();
        let taps: usize = shape[1..].iter().product();
        // So that outputs neither vanish nor overflow.
        let scales = vec![1.0 / (36.0 * (taps as f32).sqrt()); shape[0]];
        let bias = Bias::Int32(vec![100; shape[0]]);
        (Weights::Int8 { shape, data, scales }, bias)
    }

    /// Padding as much on both sides.
    fn conv(&mut self, kernel: usize, stride: usize, outputs: usize, is_depthwise: bool) -> Id {
        let input = self.last();
        let [height, width, channels] = self.graph.value(input).map();
        let side = kernel / 2;
        let padding = Padding { top: side, left: side, bottom: side, right: side };
        let window = Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1, 1], padding };
        let [height, width] = window.output(height, width).unwrap();
        let groups = if is_depthwise { channels } else { 1 };
        let (weights, bias) = self.weights(vec![outputs, kernel, kernel, channels / groups]);
        let activation = Activation::None;
        self.push(Op::Conv2d { window, groups, weights, bias, activation }, &[input], vec![1, height, width, outputs])
    }

    fn inverted_residual(&mut self, factor: usize, channels: usize, stride: usize, kernel: usize) {
        let (input, before) = (self.last(), self.channels());
        if factor > 1 {
            self.conv(1, 1, before * factor, false);
        }
        self.conv(kernel, stride, before * factor, true);
        let output = self.conv(1, 1, channels, false);
        if stride == 1 && before == channels {
            let shape = self.graph.value(output).shape.clone();
            self.push(Op::Add { activation: Activation::None }, &[output, input], shape);
        }
    }

    fn finish(mut self, classes: usize) -> Graph {
        let input = self.last();
        let [height, width, channels] = self.graph.value(input).map();
        let window = Window { kernel: [height, width], stride: [1, 1], dilation: [1, 1], padding: Padding::NONE };
        // TFLite's average hands scale and zero point on: all values here have the same.
        let pooled = self.push(Op::AveragePool { window, activation: Activation::None }, &[input], vec![1, 1, 1, channels]);
        let (weights, bias) = self.weights(vec![classes, channels]);
        let dense = Op::Dense { weights, bias, activation: Activation::None };
        let output = self.push(dense, &[pooled], vec![1, 1, 1, classes]);
        self.graph.outputs.push(output);
        self.graph
    }
}

fn value(name: String, shape: Vec<usize>) -> Value {
    Value { name, shape, element: Element::I8, quantization: Some(Quantization { scale: 0.05, zero_point: -3 }) }
}

fn mobilenet_v2_035_at_144() -> Graph {
    let mut build = Build::new(144);
    build.conv(3, 2, 16, false);
    // Keras' 0.35: channels of 8, 8, 16, 24, 32, 56, 112.
    let stages = [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)];
    for (factor, channels, blocks, stride) in stages {
        for block in 0..blocks {
            build.inverted_residual(factor, channels, if block == 0 { stride } else { 1 }, 3);
        }
    }
    build.conv(1, 1, 1280, false);
    build.finish(1000)
}

fn mcunet_320k_at_176() -> Graph {
    let mut build = Build::new(176);
    build.conv(3, 2, 16, false);
    let blocks = [
        (1, 8, 1, 3),
        (3, 16, 2, 7),
        (5, 16, 1, 3),
        (5, 16, 1, 7),
        (4, 16, 1, 5),
        (5, 24, 2, 5),
        (5, 24, 1, 5),
        (5, 24, 1, 5),
        (5, 40, 2, 3),
        (6, 40, 1, 7),
        (4, 40, 1, 5),
        (5, 48, 1, 5),
        (5, 48, 1, 7),
        (5, 48, 1, 3),
        (6, 96, 2, 3),
        (5, 96, 1, 7),
        (4, 96, 1, 3),
        (5, 160, 1, 7),
    ];
    for (factor, channels, stride, kernel) in blocks {
        build.inverted_residual(factor, channels, stride, kernel);
    }
    build.finish(1000)
}

/// The engine gives the interpreter's bytes under a plan.
fn runs(graph: &Graph, lowered: &lower::Lowered, plan: &Plan) {
    let split = plan::applied(lowered, plan.parts.as_ref()).unwrap();
    let metadata = serde_json::to_string(&Metadata::of(graph, graph, &split.lowered, "", "")).unwrap();
    let file = plan::encode(graph, lowered, plan, "", &metadata).unwrap();
    let network = Network::parse(&file).unwrap();
    assert_eq!(network.model.arena_bytes(), plan.bytes);
    assert_eq!(rownet_convert::inspect::inspect(&network).macs, plan.macs);
    assert_eq!(network.model.input_passes(), plan.parts.as_ref().map_or(1, |parts| parts.columns.len()));
    let input = samples::generated(graph.value(graph.inputs[0]), 1, 0);
    let expected = reference::outputs(graph, &[samples::sample(&input, 0)]).unwrap();
    let made = network.run(&input).unwrap();
    assert_eq!(samples::sample(&made[0], 0).data, expected[0].data);
}

/// Plans a network; at most so many bytes at so many times the least multiply-accumulates.
fn check(name: &str, graph: &Graph, plain: usize, bytes: usize, times: f64) {
    let lowered = lower::lower(graph).unwrap();
    let start = Instant::now();
    let points = plan::points(graph, &lowered).unwrap();
    println!("{name}: {} plans in {:.1} s", points.len(), start.elapsed().as_secs_f64());
    let least = points[0].macs;
    for point in &points {
        let times = point.macs as f64 / least as f64;
        println!("{:>8} bytes {:>10} MACs {times:.3}x {:?} {:?}", point.bytes, point.macs, point.segments, point.recomputed);
        if let Some(parts) = &point.parts {
            println!("         in parts that end at {:?}", parts.columns);
        }
    }
    let at_once = points.iter().filter(|point| point.macs == least).map(|point| point.bytes).min().unwrap();
    assert!(at_once <= plain, "{name}: {at_once} bytes");
    let chosen = points.iter().find(|point| point.bytes < bytes).unwrap_or_else(|| panic!("{name}: no plan of {bytes} bytes"));
    assert!(chosen.macs as f64 <= times * least as f64, "{name}: {} of {least}", chosen.macs);
    println!("{name}: chosen {} bytes at {:.3}x", chosen.bytes, chosen.macs as f64 / least as f64);
    for point in [&points[0], chosen, points.last().unwrap()] {
        runs(graph, &lowered, point);
    }
}

#[test]
fn mobilenet_v2() {
    check("MobileNetV2 0.35 at 144", &mobilenet_v2_035_at_144(), 22_000, 8_600, 1.68);
}

#[test]
fn mcunet_320k() {
    check("MCUNet-320K at 176", &mcunet_320k_at_176(), 62_000, 51_200, 2.69);
}
