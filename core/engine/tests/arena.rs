//! What public architectures take in RAM; weights do not matter for it.

use rownet::model::desc::{
    Element, External, Form, Network, Op, Operator, Pads, Rescale, Shape, Storage, Value, ValueId, Window,
};
use rownet::plan::Planner;

#[derive(Default)]
struct Graph {
    values: Vec<Value>,
    operators: Vec<(Op, ValueId, Option<ValueId>)>,
}

impl Graph {
    fn new(height: u16, width: u16, channels: u16) -> Self {
        let mut graph = Self::default();
        graph.value(Shape::new(height, width, channels));
        graph
    }

    fn value(&mut self, shape: Shape) {
        let storage = Storage::Ring { at: 0, rows: shape.height, over: None };
        self.values.push(Value { shape, element: Element::I8, external: External::I8, zero_point: 0, scale: 0.1, storage });
    }

    fn last(&self) -> ValueId {
        (self.values.len() - 1) as ValueId
    }

    fn shape(&self, id: ValueId) -> Shape {
        self.values[usize::from(id)].shape
    }

    fn push(&mut self, op: Op, a: ValueId, b: Option<ValueId>, shape: Shape) -> ValueId {
        self.operators.push((op, a, b));
        self.value(shape);
        self.last()
    }

    /// Kernel, stride and whether padding is as TensorFlow's SAME; else as much on both sides.
    fn window(&self, a: ValueId, kernel: [u16; 2], stride: u8, same: bool) -> (Window, u16, u16) {
        let input = self.shape(a);
        let pad = |axis: usize, extent: u16| {
            let (kernel, stride) = (kernel[axis], u16::from(stride));
            if same {
                let all = ((extent.div_ceil(stride) - 1) * stride + kernel).saturating_sub(extent);
                ((all / 2) as u8, (all - all / 2) as u8)
            } else {
                ((kernel / 2) as u8, (kernel / 2) as u8)
            }
        };
        let ((top, bottom), (left, right)) = (pad(0, input.height), pad(1, input.width));
        let window = Window { kernel, stride: [stride; 2], dilation: [1, 1], pads: Pads { top, left, bottom, right } };
        (window, window.outputs(0, input.height).unwrap() as u16, window.outputs(1, input.width).unwrap() as u16)
    }

    fn conv_of(&mut self, a: ValueId, kernel: [u16; 2], stride: u8, channels: u16, same: bool) -> ValueId {
        let (window, height, width) = self.window(a, kernel, stride, same);
        self.push(Op::Conv2d { window, groups: 1 }, a, None, Shape::new(height, width, channels))
    }

    fn conv(&mut self, kernel: u16, stride: u8, channels: u16) -> ValueId {
        self.conv_of(self.last(), [kernel; 2], stride, channels, true)
    }

    fn depthwise(&mut self, kernel: u16, stride: u8, same: bool) -> ValueId {
        let (window, height, width) = self.window(self.last(), [kernel; 2], stride, same);
        let channels = self.shape(self.last()).channels;
        self.push(Op::DepthwiseConv2d { window }, self.last(), None, Shape::new(height, width, channels))
    }

    fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.push(Op::Add, a, Some(b), self.shape(a))
    }

    fn average(&mut self, kernel: [u16; 2]) -> ValueId {
        let window = Window { kernel, stride: [1, 1], dilation: [1, 1], pads: Pads::default() };
        let channels = self.shape(self.last()).channels;
        self.push(Op::AveragePool2d { window }, self.last(), None, Shape::new(1, 1, channels))
    }

    fn mean(&mut self, kernel: [u16; 2]) -> ValueId {
        let shape = self.shape(self.last());
        let shape = Shape::new(shape.height / kernel[0], shape.width / kernel[1], shape.channels);
        self.push(Op::Mean { kernel }, self.last(), None, shape)
    }

    fn dense(&mut self, channels: u16) -> ValueId {
        self.push(Op::Dense { shared: false }, self.last(), None, Shape::new(1, 1, channels))
    }

    fn softmax(&mut self) -> ValueId {
        self.push(Op::Softmax { diff_min: -248 }, self.last(), None, self.shape(self.last()))
    }

    /// Expand, depthwise, project; and the input where the shapes are the same.
    fn inverted_residual(&mut self, expanded: u16, kernel: u16, stride: u8, channels: u16, skips: bool) {
        let input = self.last();
        if expanded != self.shape(input).channels {
            self.conv(1, 1, expanded);
        }
        self.depthwise(kernel, stride, false);
        let output = self.conv(1, 1, channels);
        if skips {
            self.add(output, input);
        }
    }

    /// The file with the least greatest segment over all cuts, and that segment's bytes.
    fn plan(&self) -> (Vec<u8>, usize) {
        let (weights, scales, shifts) = (vec![0u8; 4 << 20], 0.001f32.to_le_bytes(), [0u8; 3]);
        let operators: Vec<Operator<'_>> = self
            .operators
            .iter()
            .enumerate()
            .map(|(i, (op, a, b))| {
                let (input, output) = (self.shape(*a), self.values[i + 1].shape);
                let rescale = match op {
                    Op::Add => Rescale::Fixed { multipliers: &weights[..12], shifts: &shifts },
                    Op::Softmax { .. } => Rescale::Fixed { multipliers: &weights[..4], shifts: &shifts[..1] },
                    Op::AveragePool2d { .. } => Rescale::Fixed { multipliers: &[], shifts: &[] },
                    _ => Rescale::Float { scales: &scales },
                };
                let (weights, bias) = (&weights[..op.weights_len(input, output)], &weights[..4 * op.bias_count(output)]);
                Operator { op: *op, a: *a, b: *b, clamp: [-128, 127], weights, bias, rescale, form: Form::Rows }
            })
            .collect();
        let network = Network {
            values: &self.values,
            operators: &operators,
            outputs: &[self.last()],
            segments: &[operators.len() as u16],
            labels: "",
            metadata: "",
            head: &[],
        };
        let planner = Planner::new(&network).unwrap();
        let count = operators.len() as u16;
        // Least greatest segment, exactly.
        let mut best: Vec<(usize, Vec<u16>)> = vec![(0, Vec::new())];
        for end in 1..=count {
            let found = (0..end).map(|cut| {
                let bytes = best[usize::from(cut)].0.max(planner.segment_bytes(cut, end, &[]).unwrap().bytes);
                (bytes, cut)
            });
            let (bytes, cut) = found.min().unwrap();
            let mut segments = best[usize::from(cut)].1.clone();
            segments.push(end);
            best.push((bytes, segments));
        }
        let segments = best.pop().unwrap().1;
        let placement = planner.place(&segments, &[]).unwrap();
        let file = rownet::encode::encode(&Network {
            values: &placement.values,
            operators: &placement.operators,
            segments: &segments,
            ..network
        })
        .unwrap();
        let model = rownet::model::Model::parse(&file).unwrap();
        assert_eq!(model.arena_bytes(), placement.arena);
        println!("{:?} of {:?}", placement.segment_bytes, segments);
        (file, placement.least)
    }
}

fn check(name: &str, graph: &Graph, wanted: usize) {
    let (file, least) = graph.plan();
    let arena = rownet::model::Model::parse(&file).unwrap().arena_bytes();
    println!("{name}: {arena} bytes (least {least}), wanted {wanted}");
    assert!(arena <= wanted, "{name} takes {arena} bytes");
}

fn mobilenet_v1(mut graph: Graph, first: u16) -> Graph {
    let steps = [
        (1, 16),
        (2, 32),
        (1, 32),
        (2, 64),
        (1, 64),
        (2, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (2, 256),
        (1, 256),
    ];
    graph.conv(3, 2, first);
    for (stride, channels) in steps {
        graph.depthwise(3, stride, true);
        graph.conv(1, 1, channels);
    }
    graph
}

#[test]
fn vww_96() {
    let mut graph = mobilenet_v1(Graph::new(96, 96, 3), 8);
    graph.average([3, 3]);
    graph.dense(2);
    graph.softmax();
    check("vww_96", &graph, 12_500);
}

#[test]
fn person_detect() {
    // A depthwise convolution with a multiplier of 8 comes first.
    let mut graph = mobilenet_v1(Graph::new(96, 96, 1), 8);
    let (window, _, _) = graph.window(0, [3, 3], 2, true);
    graph.operators[0].0 = Op::DepthwiseConv2d { window };
    graph.average([3, 3]);
    graph.conv(1, 1, 2);
    graph.softmax();
    check("person_detect", &graph, 12_000);
}

#[test]
fn resnet8() {
    let mut graph = Graph::new(32, 32, 3);
    graph.conv(3, 1, 16);
    for (stride, channels) in [(1, 16), (2, 32), (2, 64)] {
        let input = graph.last();
        // The short branch first: it waits less.
        let skip = if stride == 1 { input } else { graph.conv_of(input, [1, 1], stride, channels, true) };
        graph.conv_of(input, [3, 3], stride, channels, true);
        let main = graph.conv(3, 1, channels);
        graph.add(skip, main);
    }
    graph.average([8, 8]);
    graph.dense(10);
    graph.softmax();
    check("resnet8", &graph, 10_800);
}

#[test]
fn kws() {
    let mut graph = Graph::new(49, 10, 1);
    graph.conv_of(0, [10, 4], 2, 64, true);
    for _ in 0..4 {
        graph.depthwise(3, 1, true);
        graph.conv(1, 1, 64);
    }
    graph.average([25, 5]);
    graph.dense(12);
    graph.softmax();
    check("kws", &graph, 3_700);
}

#[test]
fn mcunet_vww1() {
    let mut graph = Graph::new(80, 80, 3);
    graph.conv_of(0, [3, 3], 2, 16, false);
    graph.depthwise(3, 1, false);
    graph.conv(1, 1, 8);
    let blocks = [
        (48, 3, 2, 16, false),
        (48, 3, 1, 16, true),
        (48, 3, 1, 16, true),
        (48, 7, 2, 24, false),
        (144, 3, 1, 24, true),
        (120, 5, 1, 24, true),
        (144, 7, 2, 40, false),
        (240, 7, 1, 40, true),
        (240, 3, 1, 48, false),
        (192, 3, 1, 48, true),
        (240, 5, 2, 96, false),
        (480, 3, 1, 96, true),
        (384, 3, 1, 96, true),
        (288, 7, 1, 160, false),
    ];
    for (expanded, kernel, stride, channels, skips) in blocks {
        graph.inverted_residual(expanded, kernel, stride, channels, skips);
    }
    graph.mean([1, 3]);
    graph.mean([3, 1]);
    graph.dense(2);
    check("mcunet_vww1", &graph, 18_000);
}

#[test]
fn mobilenet_v2_035_at_144() {
    let mut graph = Graph::new(144, 144, 3);
    graph.conv_of(0, [3, 3], 2, 16, false);
    // Keras' 0.35: channels of 8, 8, 16, 24, 32, 56, 112.
    let stages = [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)];
    for (factor, channels, blocks, stride) in stages {
        for block in 0..blocks {
            let input = graph.shape(graph.last()).channels;
            let stride = if block == 0 { stride } else { 1 };
            graph.inverted_residual(input * factor, 3, stride, channels, stride == 1 && input == channels);
        }
    }
    graph.conv(1, 1, 1280);
    let map = graph.shape(graph.last());
    graph.average([map.height, map.width]);
    graph.dense(1000);
    check("MobileNetV2 0.35 at 144", &graph, 22_000);
}

#[test]
fn mcunet_320k_at_176() {
    let mut graph = Graph::new(176, 176, 3);
    graph.conv_of(0, [3, 3], 2, 16, false);
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
        let input = graph.shape(graph.last()).channels;
        graph.inverted_residual(input * factor, kernel, stride, channels, stride == 1 && input == channels);
    }
    let map = graph.shape(graph.last());
    graph.average([map.height, map.width]);
    graph.dense(1000);
    check("MCUNet-320K at 176", &graph, 88_000);
}
