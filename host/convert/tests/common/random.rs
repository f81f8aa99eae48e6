//! Random quantised graphs: branches that meet again, all operators, as .tflite can hold them.

use rownet_convert::ir::{
    Activation, Arithmetic, Bias, Element, Graph, Id, Node, Op, Padding, Quantization, Value, Weights, Window,
};

/// A source of choices.
pub struct Choices(cxr_testkit::Choices);

impl Choices {
    pub fn new(seed: u64) -> Self {
        let mut choices = Self(cxr_testkit::Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678));
        choices.below(2);
        choices
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0.below(n as u32) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn scale(&mut self) -> f32 {
        0.004 + self.below(1000) as f32 * 0.000_1
    }

    fn quantization(&mut self) -> Option<Quantization> {
        Some(Quantization { scale: self.scale(), zero_point: self.below(256) as i32 - 128 })
    }
}

struct Random {
    choices: Choices,
    graph: Graph,
}

/// A graph of about `length` operators.
pub fn graph(seed: u64, length: usize) -> Graph {
    let mut choices = Choices::new(seed);
    let shape = vec![1, 1 + choices.below(14), 1 + choices.below(14), 1 + choices.below(6)];
    let input = Value { name: "input".to_owned(), shape, element: Element::I8, quantization: choices.quantization() };
    let graph = Graph {
        arithmetic: Arithmetic::Tflite,
        values: vec![input],
        nodes: Vec::new(),
        inputs: vec![Id(0)],
        outputs: Vec::new(),
        notes: Vec::new(),
    };
    let mut random = Random { choices, graph };
    // A float or unsigned input that is quantised first.
    match random.choices.below(6) {
        0 => {
            random.graph.values[0].element = Element::F32;
            random.graph.values[0].quantization = None;
            let q = random.choices.quantization();
            let shape = random.graph.values[0].shape.clone();
            random.push(Op::Quantize, &[Id(0)], shape, q);
        }
        1 => {
            random.graph.values[0].element = Element::U8;
            let zero_point = random.choices.below(256) as i32;
            let scale = random.choices.scale();
            random.graph.values[0].quantization = Some(Quantization { scale, zero_point });
            let moved = Some(Quantization { scale, zero_point: zero_point - 128 });
            let q = if random.choices.below(2) == 0 { moved } else { random.choices.quantization() };
            let shape = random.graph.values[0].shape.clone();
            random.push(Op::Quantize, &[Id(0)], shape, q);
        }
        _ => {}
    }
    for _ in 0..length {
        random.step();
    }
    random.finish();
    random.graph
}

impl Random {
    fn push(&mut self, op: Op, inputs: &[Id], shape: Vec<usize>, quantization: Option<Quantization>) -> Id {
        let name = format!("{} {}", self.graph.nodes.len(), op.name());
        let element = if quantization.is_some() { Element::I8 } else { Element::F32 };
        let output = self.graph.add(Value { name: name.clone(), shape, element, quantization });
        self.graph.nodes.push(Node { name, kind: op.name().to_owned(), op, inputs: inputs.to_vec(), output });
        output
    }

    /// A value to go on from: mostly the newest, sometimes an older one.
    fn source(&mut self) -> Id {
        let all: Vec<Id> =
            (0..self.graph.values.len()).map(Id).filter(|id| self.graph.value(*id).element == Element::I8).collect();
        let back = [0, 0, 0, 1, 2, 3][self.choices.below(6)];
        all[all.len() - 1 - back.min(all.len() - 1)]
    }

    fn window(&mut self, [height, width]: [usize; 2], dilates: bool) -> Window {
        let kernel = [self.choices.one(&[1, 1, 2, 3, 3, 5]), self.choices.one(&[1, 1, 2, 3, 3, 4])];
        let stride = if self.choices.below(3) == 0 { [1 + self.choices.below(3), 1 + self.choices.below(3)] } else { [1, 1] };
        let dilation =
            if dilates && self.choices.below(5) == 0 { [1 + self.choices.below(2), 1 + self.choices.below(2)] } else { [1, 1] };
        let mut window = Window { kernel, stride, dilation, padding: Padding::NONE };
        if self.choices.below(3) > 0 || window.output(height, width).is_none() {
            let span = window.span();
            let total = |n: usize, i: usize| ((n.div_ceil(stride[i]) - 1) * stride[i] + span[i]).saturating_sub(n);
            let (rows, columns) = (total(height, 0), total(width, 1));
            window.padding = Padding { top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2 };
        }
        window
    }

    fn activation(&mut self) -> Activation {
        self.choices.one(&[Activation::None, Activation::RELU, Activation::RELU6, Activation::RELU_N1_TO_1])
    }

    /// Weights, and a bias at the scale of the sums.
    fn weights(&mut self, shape: Vec<usize>, per_channel: bool) -> (Weights, Bias) {
        let outputs = shape[0];
        let data = (0..shape.iter().product()).map(|_| (self.choices.below(255) as i32 - 127) as i8).collect();
        let scales = (0..if per_channel { outputs } else { 1 }).map(|_| self.choices.scale() * 0.1).collect();
        let bias = (0..outputs).map(|_| self.choices.below(8000) as i32 - 4000).collect();
        (Weights::Int8 { shape, data, scales }, Bias::Int32(bias))
    }

    fn step(&mut self) {
        let source = self.source();
        let q = self.graph.value(source).quantization;
        let other = self.choices.quantization();
        let [h, w, c] = self.graph.value(source).map();
        let map = vec![1, h, w, c];
        match self.choices.below(21) {
            18..=19 => self.residual(source),
            20 => self.inverted_residual(source),
            0..=3 => {
                let (window, groups) = (self.window([h, w], true), if c % 2 == 0 && self.choices.below(4) == 0 { 2 } else { 1 });
                let outputs = groups * (1 + self.choices.below(5));
                let per_channel = self.choices.below(3) > 0;
                let (weights, bias) = self.weights(vec![outputs, window.kernel[0], window.kernel[1], c / groups], per_channel);
                let [oh, ow] = window.output(h, w).unwrap();
                let activation = self.activation();
                // Two groups of one channel are a depthwise convolution.
                self.push(Op::Conv2d { window, groups, weights, bias, activation }, &[source], vec![1, oh, ow, outputs], other);
            }
            4..=5 if c > 1 => {
                let window = self.window([h, w], true);
                let outputs = c * self.choices.one(&[1, 1, 2]);
                let (weights, bias) = self.weights(vec![outputs, window.kernel[0], window.kernel[1], 1], true);
                let [oh, ow] = window.output(h, w).unwrap();
                let activation = self.activation();
                self.push(
                    Op::Conv2d { window, groups: c, weights, bias, activation },
                    &[source],
                    vec![1, oh, ow, outputs],
                    other,
                );
            }
            6 => {
                let (window, activation) = (self.window([h, w], false), self.activation());
                let [oh, ow] = window.output(h, w).unwrap();
                self.push(Op::AveragePool { window, activation }, &[source], vec![1, oh, ow, c], q);
            }
            7 => {
                let (window, activation) = (self.window([h, w], false), self.activation());
                let [oh, ow] = window.output(h, w).unwrap();
                self.push(Op::MaxPool { window, activation }, &[source], vec![1, oh, ow, c], q);
            }
            8..=10 => {
                // Two values of one shape: the same one, another, or what a small branch makes of it.
                let same: Vec<Id> = (0..self.graph.values.len())
                    .map(Id)
                    .filter(|&id| self.graph.value(id).shape == map && self.graph.value(id).element == Element::I8)
                    .collect();
                let second = self.choices.one(&same);
                let activation = self.activation();
                let op = if self.choices.below(3) == 0 { Op::Mul { activation } } else { Op::Add { activation } };
                self.push(op, &[source, second], map, other);
            }
            11 => {
                // Squeeze and excite.
                let mean = self.push(Op::Mean { axes: vec![1, 2] }, &[source], vec![1, 1, 1, c], other);
                let (weights, bias) = self.weights(vec![c, 1, 1, c], true);
                let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: Padding::NONE };
                let other = self.choices.quantization();
                let gate = self.push(
                    Op::Conv2d { window, groups: 1, weights, bias, activation: Activation::None },
                    &[mean],
                    vec![1, 1, 1, c],
                    other,
                );
                let gate = self.push(
                    Op::Logistic,
                    &[gate],
                    vec![1, 1, 1, c],
                    Some(Quantization { scale: 1.0 / 256.0, zero_point: -128 }),
                );
                let other = self.choices.quantization();
                self.push(Op::Mul { activation: Activation::None }, &[source, gate], map, other);
            }
            12 => {
                let joined: Vec<Id> = (0..self.graph.values.len())
                    .map(Id)
                    .filter(|&id| {
                        self.graph.value(id).map()[..2] == [h, w]
                            && self.graph.value(id).quantization == q
                            && self.graph.value(id).shape.len() == 4
                    })
                    .filter(|&id| self.graph.value(id).element == Element::I8)
                    .take(3)
                    .collect();
                let channels = joined.iter().map(|&id| self.graph.value(id).map()[2]).sum();
                self.push(Op::Concat { axis: 3 }, &joined, vec![1, h, w, channels], q);
            }
            13 => {
                let pads = [self.choices.below(3), self.choices.below(3), self.choices.below(3), self.choices.below(3)];
                let shape = vec![1, h + pads[0] + pads[1], w + pads[2] + pads[3], c];
                self.push(Op::Pad { pads: vec![[0, 0], [pads[0], pads[1]], [pads[2], pads[3]], [0, 0]] }, &[source], shape, q);
            }
            14 if h * w < 60 => {
                let factors = [1 + self.choices.below(2), 1 + self.choices.below(2)];
                self.push(Op::ResizeNearest { factors }, &[source], vec![1, h * factors[0], w * factors[1], c], q);
            }
            15 => {
                let alpha = self.choices.below(100) as f32 * 0.02 - 0.5;
                let op = self.choices.one(&[0, 1, 2, 3, 4]);
                match op {
                    0 => self.push(Op::Clip { activation: Activation::RELU }, &[source], map, other),
                    1 => self.push(Op::Clip { activation: Activation::RELU6 }, &[source], map, q),
                    2 => self.push(Op::LeakyRelu { alpha }, &[source], map, other),
                    3 => self.push(Op::Quantize, &[source], map, other),
                    _ => self.push(Op::Tanh, &[source], map, Some(Quantization { scale: 1.0 / 128.0, zero_point: 0 })),
                };
            }
            16 => {
                // Output scales below 1/128 of the input's do not exist in TFLite.
                let fine = other.map(|o| Quantization { scale: o.scale.max(q.map_or(1.0, |q| q.scale / 100.0)), ..o });
                self.push(Op::HardSwish, &[source], map, fine);
            }
            _ => {
                let axes = self.choices.one(&[&[1usize][..], &[2], &[1, 2]]).to_vec();
                let kept = (0..4).map(|i| if axes.contains(&i) { 1 } else { map[i] }).collect();
                let op = if self.choices.below(2) == 0 { Op::Max { axes } } else { Op::Mean { axes } };
                let q = if matches!(op, Op::Max { .. }) || self.choices.below(2) == 0 { q } else { other };
                self.push(op, &[source], kept, q);
            }
        }
    }

    fn conv(&mut self, source: Id, kernel: usize, stride: usize, outputs: usize, depthwise: bool) -> Id {
        let [h, w, c] = self.graph.value(source).map();
        let groups = if depthwise { c } else { 1 };
        let total = |n: usize| ((n.div_ceil(stride) - 1) * stride + kernel).saturating_sub(n);
        let (rows, columns) = (total(h), total(w));
        let padding = Padding { top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2 };
        let window = Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1, 1], padding };
        let (weights, bias) = self.weights(vec![outputs, kernel, kernel, c / groups], true);
        let (q, activation) = (self.choices.quantization(), self.activation());
        let shape = vec![1, h.div_ceil(stride), w.div_ceil(stride), outputs];
        self.push(Op::Conv2d { window, groups, weights, bias, activation }, &[source], shape, q)
    }

    /// A block of a ResNet, with a projection where the shape changes; the addition's inputs in either order.
    fn residual(&mut self, source: Id) {
        let [_, _, c] = self.graph.value(source).map();
        let (stride, outputs) = self.choices.one(&[(1, c), (2, c + 3), (1, 2 * c + 1)]);
        let main = self.conv(source, 3, stride, outputs, false);
        let main = self.conv(main, 3, 1, outputs, false);
        let skip = if (stride, outputs) == (1, c) { source } else { self.conv(source, 1, stride, outputs, false) };
        let inputs = if self.choices.below(2) == 0 { [skip, main] } else { [main, skip] };
        let (shape, q, activation) = (self.graph.value(main).shape.clone(), self.choices.quantization(), self.activation());
        self.push(Op::Add { activation }, &inputs, shape, q);
    }

    /// A block of a MobileNetV2: expand, depthwise, project, add.
    fn inverted_residual(&mut self, source: Id) {
        let [_, _, c] = self.graph.value(source).map();
        let kernel = self.choices.one(&[3, 5]);
        let main = self.conv(source, 1, 1, 3 * c + 1, false);
        let main = self.conv(main, kernel, 1, 3 * c + 1, true);
        let main = self.conv(main, 1, 1, c, false);
        let inputs = if self.choices.below(2) == 0 { [source, main] } else { [main, source] };
        let (shape, q) = (self.graph.value(main).shape.clone(), self.choices.quantization());
        self.push(Op::Add { activation: Activation::None }, &inputs, shape, q);
    }

    /// A head: dense layers and softmax, or the maps that nothing reads.
    fn finish(&mut self) {
        let last = self.source();
        let value = self.graph.value(last).clone();
        if self.choices.below(2) == 0 {
            let flat = self.push(Op::Reshape, &[last], vec![1, value.len()], value.quantization);
            let classes = 2 + self.choices.below(5);
            let per_channel = self.choices.below(2) == 0;
            let (weights, bias) = self.weights(vec![classes, value.len()], per_channel);
            let (q, activation) = (self.choices.quantization(), self.activation());
            let dense = self.push(Op::Dense { weights, bias, activation }, &[flat], vec![1, classes], q);
            match self.choices.below(3) {
                0 => drop(self.push(
                    Op::Softmax { beta: 1.0 },
                    &[dense],
                    vec![1, classes],
                    Some(Quantization { scale: 1.0 / 256.0, zero_point: -128 }),
                )),
                1 => drop(self.push(Op::Dequantize, &[dense], vec![1, classes], None)),
                _ => {}
            }
        }
        let read: Vec<Id> = self.graph.nodes.iter().flat_map(|node| node.inputs.clone()).collect();
        self.graph.outputs = (1..self.graph.values.len()).map(Id).filter(|id| !read.contains(id)).collect();
        if self.graph.outputs.is_empty()
            || self.graph.nodes.iter().all(|n| {
                matches!(n.op, Op::Quantize | Op::Pad { .. } | Op::Concat { .. } | Op::Reshape | Op::ResizeNearest { .. })
            })
        {
            let q = self.choices.quantization();
            let source = self.source();
            let shape = self.graph.value(source).shape.clone();
            let out = self.push(Op::LeakyRelu { alpha: 0.1 }, &[source], shape, q);
            self.graph.outputs.retain(|&id| id != source);
            self.graph.outputs.push(out);
        }
    }
}
