//! Networks of fixed shape: one that has every operator in both arithmetics, and two of the kind that people deploy.

use super::net::{Net, OwnedOp, Scales, padded, quantize_multiplier};
use super::random::Random;
use rownet::model::desc::{Element, External, Form, Op, Pads, Shape, Storage, Value, ValueId, Window};

/// Arithmetic of the operators that have one.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Fixed,
    Float,
}

struct Chain {
    net: Net,
    r: Random,
    mode: Mode,
}

impl Chain {
    fn new(input: Shape, mode: Mode) -> Self {
        let net = Net { values: Vec::new(), ops: Vec::new(), outputs: Vec::new(), segments: Vec::new() };
        let mut chain = Self { net, r: Random::new(7), mode };
        chain.value(input, None);
        chain
    }

    fn last(&self) -> ValueId {
        (self.net.values.len() - 1) as ValueId
    }

    fn shape(&self, id: ValueId) -> Shape {
        self.net.values[usize::from(id)].shape
    }

    fn value(&mut self, shape: Shape, like: Option<ValueId>) -> ValueId {
        let quantization = like.map(|id| (self.net.values[usize::from(id)].zero_point, self.net.values[usize::from(id)].scale));
        let (zero_point, scale) = quantization.unwrap_or((self.r.within(0, 40) as i8 - 20, self.r.real(0.02, 0.06) as f32));
        let storage = Storage::Ring { at: 0, rows: shape.height, over: None };
        self.net.values.push(Value { shape, element: Element::I8, external: External::I8, zero_point, scale, storage });
        self.last()
    }

    fn rescale(&mut self, count: usize, typical: f64) -> Scales {
        let reals: Vec<f64> = (0..count).map(|_| typical * self.r.real(0.6, 1.5)).collect();
        match self.mode {
            Mode::Fixed => Scales::Fixed(reals.iter().map(|x| quantize_multiplier(*x)).collect()),
            Mode::Float => Scales::Float(reals.iter().map(|x| *x as f32).collect()),
        }
    }

    fn push(&mut self, op: Op, a: ValueId, b: Option<ValueId>, scales: Scales) {
        self.net.ops.push(OwnedOp {
            op,
            a,
            b,
            clamp: [-128, 127],
            weights: Vec::new(),
            bias: Vec::new(),
            scales,
            form: Form::Rows,
        });
    }

    /// Gives the operator just pushed weights for so many sums of so many taps.
    fn weigh(&mut self, channels: u16, taps: usize, is_padded: bool) {
        let weights: Vec<u8> =
            (0..usize::from(channels) * taps).map(|_| (self.r.within(0, 254) as u8).wrapping_sub(127)).collect();
        let bias = (0..channels).map(|_| self.r.within(0, 4000) as i32 - 2000).collect();
        if let Some(op) = self.net.ops.last_mut() {
            op.weights = if is_padded { padded(&weights, taps) } else { weights };
            op.bias = bias;
            op.clamp = [-100, 127];
        }
    }

    fn windowed(&self, kernel: u16, stride: u8, dilation: u8) -> Window {
        let side = (kernel / 2) as u8 * dilation;
        let pads = Pads { top: side, left: side, bottom: side, right: side };
        Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [dilation; 2], pads }
    }

    fn windows(&self, a: ValueId, window: Window, channels: u16) -> Shape {
        let shape = self.shape(a);
        let extents = [(0, shape.height), (1, shape.width)].map(|(axis, len)| window.outputs(axis, len).unwrap() as u16);
        Shape::new(extents[0], extents[1], channels)
    }

    fn conv(&mut self, a: ValueId, [kernel, channels, groups]: [u16; 3], stride: u8, dilation: u8) -> ValueId {
        let window = self.windowed(kernel, stride, dilation);
        let taps = usize::from(kernel * kernel * self.shape(a).channels / groups);
        let scales = self.rescale(usize::from(channels), 0.35 / (taps as f64).sqrt() / 73.0);
        let shape = self.windows(a, window, channels);
        self.push(Op::Conv2d { window, groups }, a, None, scales);
        self.weigh(channels, taps, true);
        self.value(shape, None)
    }

    fn depthwise(&mut self, a: ValueId, kernel: u16, stride: u8, multiplier: u16) -> ValueId {
        let (window, channels) = (self.windowed(kernel, stride, 1), self.shape(a).channels * multiplier);
        let scales = self.rescale(usize::from(channels), 0.35 / f64::from(kernel) / 73.0);
        let shape = self.windows(a, window, channels);
        self.push(Op::DepthwiseConv2d { window }, a, None, scales);
        self.weigh(channels, usize::from(kernel * kernel), false);
        self.value(shape, None)
    }

    fn dense(&mut self, a: ValueId, channels: u16, shared: bool) -> ValueId {
        let shape = self.shape(a);
        let taps = if shared { usize::from(shape.channels) } else { shape.len() as usize };
        let scales = self.rescale(usize::from(channels), 0.35 / (shape.len() as f64).sqrt() / 73.0);
        self.push(Op::Dense { shared }, a, None, scales);
        self.weigh(channels, taps, true);
        self.value(Shape::new(1, 1, channels), None)
    }

    fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let out = self.value(self.shape(a), None);
        let [sa, sb, so] = [a, b, out].map(|id| f64::from(self.net.values[usize::from(id)].scale));
        let twice = 2.0 * sa.max(sb);
        let reals = [sa / twice, sb / twice, twice / (f64::from(1 << 20) * so)];
        let scales = match self.mode {
            Mode::Fixed => Scales::Fixed(reals.map(quantize_multiplier).to_vec()),
            Mode::Float => Scales::Float(Vec::new()),
        };
        self.push(Op::Add, a, Some(b), scales);
        out
    }

    fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let out = self.value(self.shape(a), None);
        let scales = match self.mode {
            Mode::Fixed => self.rescale(1, 0.01),
            Mode::Float => Scales::Float(Vec::new()),
        };
        self.push(Op::Mul, a, Some(b), scales);
        out
    }

    fn mean(&mut self, a: ValueId) -> ValueId {
        let shape = self.shape(a);
        let scales = self.rescale(1, 1.0 / f64::from(shape.height) / f64::from(shape.width));
        self.push(Op::Mean { kernel: [shape.height, shape.width] }, a, None, scales);
        self.value(Shape::new(1, 1, shape.channels), None)
    }

    fn average(&mut self, a: ValueId, kernel: u16, stride: u8) -> ValueId {
        let window = Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pads: Pads::default() };
        let scales = match self.mode {
            Mode::Fixed => Scales::Fixed(Vec::new()),
            Mode::Float => Scales::Float(vec![1.0 / f32::from(kernel * kernel)]),
        };
        let shape = self.windows(a, window, self.shape(a).channels);
        self.push(Op::AveragePool2d { window }, a, None, scales);
        self.value(shape, Some(a))
    }

    fn bytes(&mut self, op: Op, a: ValueId, b: Option<ValueId>, shape: Shape) -> ValueId {
        self.push(op, a, b, Scales::Float(Vec::new()));
        self.value(shape, Some(a))
    }

    fn table(&mut self, a: ValueId) -> ValueId {
        let id = self.bytes(Op::Table, a, None, self.shape(a));
        if let Some(op) = self.net.ops.last_mut() {
            op.weights = (0..=255u8).map(|i| i.wrapping_add(128) / 2).collect();
        }
        id
    }

    fn softmax(&mut self, a: ValueId) -> ValueId {
        let real = (f64::from(self.net.values[usize::from(a)].scale) * f64::from(1 << 26)).min(f64::from(i32::MAX));
        let (multiplier, shift) = quantize_multiplier(real);
        let diff_min = -((31i64 << 26) >> shift) as i32;
        self.push(Op::Softmax { diff_min }, a, None, Scales::Fixed(vec![(multiplier, shift)]));
        self.value(self.shape(a), None)
    }

    fn done(mut self, outputs: Vec<ValueId>, segments: Vec<u16>) -> Net {
        self.net.outputs = outputs;
        self.net.segments = segments;
        self.net.placed().unwrap()
    }
}

/// Every operator, in both arithmetics where it has two.
pub fn every() -> Net {
    let mut chain = Chain::new(Shape::new(12, 10, 4), Mode::Fixed);
    for mode in [Mode::Fixed, Mode::Float] {
        chain.mode = mode;
        let mut a = chain.conv(chain.last(), [3, 8, 1], 1, 1);
        a = chain.conv(a, [3, 8, 2], 1, 2);
        a = chain.depthwise(a, 3, 1, 2);
        let b = chain.conv(a, [1, 8, 1], 1, 1);
        let c = chain.depthwise(b, 5, 1, 1);
        a = chain.add(b, c);
        let mut gate = chain.mean(a);
        gate = chain.conv(gate, [1, 8, 1], 1, 1);
        gate = chain.table(gate);
        a = chain.mul(a, gate);
        let Shape { height, width, channels } = chain.shape(a);
        let window = chain.windowed(3, 1, 1);
        let b = chain.bytes(Op::MaxPool2d { window }, a, None, chain.shape(a));
        a = chain.bytes(Op::Concat, b, Some(b), Shape::new(height, width, 2 * channels));
        let pads = Pads { top: 1, left: 2, bottom: 1, right: 0 };
        a = chain.bytes(Op::Pad { pads, value: 3 }, a, None, Shape::new(height + 2, width + 2, 2 * channels));
        a = chain.average(a, 2, 2);
        let Shape { height, width, channels } = chain.shape(a);
        let columns = chain.bytes(Op::Crop { left: 1 }, a, None, Shape::new(height, width - 1, channels));
        a = chain.bytes(Op::ConcatColumns, columns, Some(a), Shape::new(height, 2 * width - 1, channels));
        let Shape { height, width, channels } = chain.shape(a);
        a = chain.bytes(Op::ResizeNearest, a, None, Shape::new(2 * height, width, channels));
        chain.bytes(Op::Reshape, a, None, Shape::new(height, 2 * width, channels));
    }
    let (a, ops) = (chain.last(), chain.net.ops.len() as u16);
    chain.mode = Mode::Fixed;
    let logits = chain.dense(a, 10, false);
    let softmax = chain.softmax(logits);
    chain.mode = Mode::Float;
    let real = chain.dense(a, 5, true);
    chain.net.values[usize::from(real)].element = Element::F32;
    chain.done(vec![softmax, real], vec![ops / 2, ops, ops + 3])
}

/// Depthwise and 1x1 convolutions, in TFLite's arithmetic.
pub fn mobile() -> Net {
    let mut chain = Chain::new(Shape::new(48, 48, 3), Mode::Fixed);
    let mut a = chain.conv(0, [3, 8, 1], 2, 1);
    for (stride, channels) in [(1, 16), (2, 24), (1, 24), (2, 32)] {
        let before = a;
        a = chain.depthwise(a, 3, stride, 1);
        a = chain.conv(a, [1, channels, 1], 1, 1);
        if chain.shape(a) == chain.shape(before) {
            a = chain.add(before, a);
        }
    }
    let Shape { height, .. } = chain.shape(a);
    a = chain.average(a, height, 1);
    a = chain.dense(a, 10, false);
    a = chain.softmax(a);
    let ops = chain.net.ops.len() as u16;
    chain.done(vec![a], vec![ops - 2, ops])
}

/// Residual blocks of 3x3 convolutions, in ONNX's arithmetic.
pub fn residual() -> Net {
    let mut chain = Chain::new(Shape::new(32, 32, 3), Mode::Float);
    let mut a = chain.conv(0, [3, 8, 1], 1, 1);
    for (stride, channels) in [(1, 8), (2, 16)] {
        let b = if stride == 1 { a } else { chain.conv(a, [1, channels, 1], stride, 1) };
        let c = chain.conv(a, [3, channels, 1], stride, 1);
        let c = chain.conv(c, [3, channels, 1], 1, 1);
        a = chain.add(b, c);
    }
    a = chain.mean(a);
    a = chain.dense(a, 10, false);
    let ops = chain.net.ops.len() as u16;
    chain.done(vec![a], vec![ops])
}
