//! Random small networks.

use super::net::{Net, OwnedOp, Scales, padded, quantize_multiplier};
use super::random::Random;
use rownet::model::desc::*;

/// A network of up to a dozen operators, of all kinds, cut at random.
pub fn network(seed: u64) -> Net {
    let mut r = Random::new(seed);
    let mut build = Build {
        r: Random::new(seed ^ 0xABCD),
        net: Net { values: Vec::new(), ops: Vec::new(), outputs: Vec::new(), segments: Vec::new() },
    };
    let channels = if r.one_in(4) { r.within(16, 45) } else { r.within(1, 7) };
    build.value(Shape::new(r.within(1, 14) as u16, r.within(1, 11) as u16, channels as u16), None);
    let wanted = r.within(1, 12) as usize;
    let tiles = if r.one_in(5) { build.tiles() } else { Vec::new() };
    for _ in 0..40 {
        if build.net.ops.len() == wanted {
            break;
        }
        build.operator();
    }
    if build.net.ops.is_empty() {
        build.table(0);
    }
    let mut net = build.net;
    for id in 1..net.values.len() as ValueId {
        let is_read = net.ops.iter().any(|op| op.a == id || op.b == Some(id));
        if !is_read || r.one_in(9) {
            net.outputs.push(id);
        }
    }
    // Mostly, a part of a map is a segment.
    if r.one_in(4) {
        net.segments.extend(tiles.iter().filter(|_| r.one_in(2)));
    } else {
        net.segments.extend(&tiles);
    }
    let mut end = u64::from(net.segments.last().copied().unwrap_or(0));
    while end < net.ops.len() as u64 {
        end = (end + if r.one_in(2) { r.within(1, 5) } else { 99 }).min(net.ops.len() as u64);
        net.segments.push(end as u16);
    }
    net
}

struct Build {
    r: Random,
    net: Net,
}

impl Build {
    /// A new value, quantised as `like` or at random.
    fn value(&mut self, shape: Shape, like: Option<ValueId>) -> ValueId {
        let (zero_point, scale) = match like {
            Some(id) => {
                let value = &self.net.values[usize::from(id)];
                (value.zero_point, value.scale)
            }
            None => (self.r.i8(), self.r.real(0.002, 0.2) as f32),
        };
        let storage = Storage::Ring { at: 0, rows: shape.height, over: None };
        self.net.values.push(Value { shape, element: Element::I8, external: External::I8, zero_point, scale, storage });
        (self.net.values.len() - 1) as ValueId
    }

    fn shape(&self, id: ValueId) -> Shape {
        self.net.values[usize::from(id)].shape
    }

    fn clamp(&mut self) -> [i8; 2] {
        if self.r.one_in(2) {
            return [-128, 127];
        }
        let (a, b) = (self.r.i8(), self.r.i8());
        [a.min(b), a.max(b)]
    }

    fn push(&mut self, op: Op, a: ValueId, b: Option<ValueId>, scales: Scales, clamp: [i8; 2]) {
        self.net.ops.push(OwnedOp { op, a, b, clamp, weights: Vec::new(), bias: Vec::new(), scales, form: Form::Rows });
    }

    fn operator(&mut self) {
        let count = self.net.values.len() as u64;
        // Mostly chains; sometimes a branch from further back.
        let a = if self.r.one_in(4) { self.r.within(0, count - 1) } else { count - 1 } as ValueId;
        if self.net.values[usize::from(a)].element == Element::F32 {
            return;
        }
        match self.r.within(0, 23) {
            22 => self.crop(a),
            23 => self.concat_columns(a),
            18..=21 => self.block(a),
            0..=2 => self.conv(a),
            3..=5 => self.depthwise(a),
            6 => self.dense(a),
            7..=9 => self.binary(a),
            10 | 11 => self.pool(a),
            12 => self.mean(a),
            13 => self.concat(a),
            14 => self.pad(a),
            15 => self.resize(a),
            16 => {
                if self.r.one_in(2) {
                    self.table(a)
                } else {
                    self.softmax(a)
                }
            }
            _ => self.reshape(a),
        }
    }

    /// A window that fits, and what it gives.
    fn window(&mut self, input: Shape, is_conv: bool) -> Option<(Window, u16, u16)> {
        let r = &mut self.r;
        let kernel = [r.within(1, 5) as u16, r.within(1, 5) as u16];
        let kernel = if r.one_in(6) { [input.height.min(16), input.width] } else { kernel };
        let dilation = if is_conv && r.one_in(5) { [r.within(1, 3) as u8, r.within(1, 2) as u8] } else { [1, 1] };
        let reach = [0, 1].map(|axis| (u64::from(kernel[axis]) - 1) * u64::from(dilation[axis]) + 1);
        let mut pad = |axis: usize| if r.one_in(3) { 0 } else { r.within(0, (reach[axis] - 1).min(4)) as u8 };
        let pads = Pads { top: pad(0), left: pad(1), bottom: pad(0), right: pad(1) };
        let stride = [r.within(1, 3) as u8, r.within(1, 3) as u8];
        let window = Window { kernel, stride, dilation, pads };
        let (height, width) = (window.outputs(0, input.height)?, window.outputs(1, input.width)?);
        Some((window, height as u16, width as u16))
    }

    /// Weights, biases and scales for so many filters of so many taps that occur `times` times.
    fn constants(&mut self, channels: u16, taps: u64, times: u64) -> (Vec<u8>, Vec<i32>, Scales) {
        let r = &mut self.r;
        let weights = (0..u64::from(channels) * taps)
            .map(|_| if r.one_in(9) { r.i8() } else { r.within(0, 254) as u8 as i8 }.wrapping_add(1) as u8)
            .collect();
        let bias: Vec<i32> = (0..channels).map(|_| r.within(0, 20_000) as i32 - 10_000).collect();
        let bound = 128.0 * 128.0 * (taps * times) as f64 + 10_000.0;
        let count = if r.one_in(4) { 1 } else { channels };
        let typical = 3000.0 * ((taps * times) as f64).sqrt();
        let reals: Vec<f64> = (0..count).map(|_| (r.real(20.0, 150.0) / typical).min(4_190_000.0 / bound)).collect();
        let scales = if r.one_in(2) {
            Scales::Float(reals.iter().map(|s| *s as f32).collect())
        } else {
            Scales::Fixed(reals.iter().map(|s| quantize_multiplier(*s)).collect())
        };
        (weights, bias, scales)
    }

    fn finish(&mut self, op: Op, a: ValueId, weights: Vec<u8>, bias: Vec<i32>, scales: Scales) {
        let clamp = self.clamp();
        self.net.ops.push(OwnedOp { op, a, b: None, clamp, weights, bias, scales, form: Form::Rows });
    }

    fn conv(&mut self, a: ValueId) {
        let input = self.shape(a);
        let Some((mut window, mut height, mut width)) = self.window(input, true) else { return };
        if input.len() > 60_000 {
            return;
        }
        if self.r.one_in(2) {
            window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pads: Pads::default() };
            (height, width) = (input.height, input.width);
        }
        let groups =
            (1..=input.channels).filter(|g| input.channels.is_multiple_of(*g)).nth(self.r.within(0, 1) as usize).unwrap_or(1);
        let groups = if self.r.one_in(2) { groups } else { 1 };
        let per_group = if self.r.one_in(5) { self.r.within(1, 40) } else { self.r.within(1, 6) } as u16;
        let channels = groups * per_group;
        let taps = u64::from(window.kernel[0]) * u64::from(window.kernel[1]) * u64::from(input.channels / groups);
        // Accumulators of 32 bits hold no more.
        if taps > 60_000 {
            return;
        }
        let (weights, bias, scales) = self.constants(channels, taps, 1);
        let weights = padded(&weights, taps as usize);
        self.value(Shape::new(height, width, channels), None);
        self.finish(Op::Conv2d { window, groups }, a, weights, bias, scales);
    }

    /// Expand, window, project, add: the block that strips are made for.
    fn block(&mut self, a: ValueId) {
        if self.net.ops.len() + 4 > 14 || self.shape(a).channels > 12 || self.shape(a).len() > 2000 {
            return;
        }
        let channels = self.shape(a).channels;
        let mut last = a;
        for (kernel, outputs) in [(1, channels * 2 + 1), (3, 0), (1, channels)] {
            let input = self.shape(last);
            let kernel = if kernel == 3 { self.r.within(1, 2) as u16 * 2 + 1 } else { kernel };
            let side = (kernel / 2) as u8;
            let pads = Pads { top: side, left: side, bottom: side, right: side };
            let window = Window { kernel: [kernel; 2], stride: [1, 1], dilation: [1, 1], pads };
            let is_depthwise = outputs == 0;
            let outputs = if is_depthwise { input.channels } else { outputs };
            let taps = u64::from(kernel * kernel) * if is_depthwise { 1 } else { u64::from(input.channels) };
            let (weights, bias, scales) = self.constants(outputs, taps, 1);
            let weights = if is_depthwise { weights } else { padded(&weights, taps as usize) };
            let op = if is_depthwise { Op::DepthwiseConv2d { window } } else { Op::Conv2d { window, groups: 1 } };
            let id = self.value(Shape::new(input.height, input.width, outputs), None);
            self.finish(op, last, weights, bias, scales);
            last = id;
        }
        let shape = self.shape(last);
        self.value(shape, None);
        let (a, b) = if self.r.one_in(2) { (a, last) } else { (last, a) };
        self.push(Op::Add, a, Some(b), Scales::Float(Vec::new()), [-128, 127]);
    }

    fn depthwise(&mut self, a: ValueId) {
        let input = self.shape(a);
        let Some((window, height, width)) = self.window(input, true) else { return };
        let multiplier = if self.r.one_in(4) { self.r.within(2, 3) as u16 } else { 1 };
        let channels = input.channels * multiplier;
        if channels > 100 {
            return;
        }
        let (weights, bias, scales) = self.constants(channels, u64::from(window.kernel[0]) * u64::from(window.kernel[1]), 1);
        self.value(Shape::new(height, width, channels), None);
        self.finish(Op::DepthwiseConv2d { window }, a, weights, bias, scales);
    }

    fn dense(&mut self, a: ValueId) {
        let input = self.shape(a);
        // Accumulators of 32 bits hold no more.
        if input.len() > 60_000 {
            return;
        }
        let (channels, shared) = (self.r.within(1, 40) as u16, self.r.one_in(3));
        let taps = if shared { u64::from(input.channels) } else { input.len() };
        let cells = if shared { u64::from(input.height) * u64::from(input.width) } else { 1 };
        let (weights, bias, scales) = self.constants(channels, taps, cells);
        let weights = padded(&weights, taps as usize);
        let id = self.value(Shape::new(1, 1, channels), None);
        if matches!(scales, Scales::Float(_)) && self.r.one_in(2) {
            self.net.values[usize::from(id)].element = Element::F32;
        }
        self.finish(Op::Dense { shared }, a, weights, bias, scales);
    }

    fn other(&mut self, fits: impl Fn(Shape) -> bool) -> Option<ValueId> {
        let fitting: Vec<ValueId> = (0..self.net.values.len() as ValueId)
            .filter(|id| self.net.values[usize::from(*id)].element == Element::I8 && fits(self.shape(*id)))
            .collect();
        (!fitting.is_empty()).then(|| fitting[self.r.within(0, fitting.len() as u64 - 1) as usize])
    }

    fn binary(&mut self, a: ValueId) {
        let shape = self.shape(a);
        let pixel = Shape::new(1, 1, shape.channels);
        let Some(b) = self.other(|other| other == shape || other == pixel) else { return };
        let op = if self.r.one_in(3) { Op::Mul } else { Op::Add };
        let out = self.value(shape, None);
        let [sa, sb, so] = [a, b, out].map(|id| f64::from(self.net.values[usize::from(id)].scale));
        let scales = match (self.r.one_in(2), op) {
            (true, _) => Scales::Float(Vec::new()),
            (false, Op::Mul) => Scales::Fixed(vec![quantize_multiplier((sa * sb / so).min(0.9))]),
            _ => {
                let twice = 2.0 * sa.max(sb);
                Scales::Fixed(vec![
                    quantize_multiplier(sa / twice),
                    quantize_multiplier(sb / twice),
                    quantize_multiplier((twice / (f64::from(1 << 20) * so)).min(0.9)),
                ])
            }
        };
        let clamp = self.clamp();
        self.push(op, a, Some(b), scales, clamp);
    }

    fn pool(&mut self, a: ValueId) {
        let input = self.shape(a);
        let Some((window, height, width)) = self.window(input, false) else { return };
        let shape = Shape::new(height, width, input.channels);
        let clamp = self.clamp();
        if self.r.one_in(2) {
            self.value(shape, Some(a));
            return self.push(Op::MaxPool2d { window }, a, None, Scales::Float(Vec::new()), clamp);
        }
        if self.r.one_in(2) {
            self.value(shape, Some(a));
            return self.push(Op::AveragePool2d { window }, a, None, Scales::Fixed(Vec::new()), clamp);
        }
        self.value(shape, None);
        let cells = f64::from(window.kernel[0]) * f64::from(window.kernel[1]);
        let scale = (self.r.real(0.3, 2.0) / cells) as f32;
        self.push(Op::AveragePool2d { window }, a, None, Scales::Float(vec![scale]), clamp);
    }

    fn mean(&mut self, a: ValueId) {
        let input = self.shape(a);
        let mut divisor = |n: u16| {
            let all: Vec<u16> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
            all[self.r.within(0, all.len() as u64 - 1) as usize]
        };
        let kernel = [divisor(input.height), divisor(input.width)];
        self.value(Shape::new(input.height / kernel[0], input.width / kernel[1], input.channels), None);
        let real = self.r.real(0.3, 2.0) / f64::from(kernel[0]) / f64::from(kernel[1]);
        let scales =
            if self.r.one_in(2) { Scales::Float(vec![real as f32]) } else { Scales::Fixed(vec![quantize_multiplier(real)]) };
        let clamp = self.clamp();
        self.push(Op::Mean { kernel }, a, None, scales, clamp);
    }

    fn concat(&mut self, a: ValueId) {
        let shape = self.shape(a);
        let like = (self.net.values[usize::from(a)].zero_point, self.net.values[usize::from(a)].scale.to_bits());
        let same: Vec<ValueId> = (0..self.net.values.len() as ValueId)
            .filter(|id| {
                let value = &self.net.values[usize::from(*id)];
                (value.zero_point, value.scale.to_bits()) == like && value.element == Element::I8
            })
            .collect();
        let Some(b) = self.other(|other| other.height == shape.height && other.width == shape.width) else { return };
        if !same.contains(&b) || self.shape(b).channels + shape.channels > 90 {
            return;
        }
        self.value(Shape::new(shape.height, shape.width, shape.channels + self.shape(b).channels), Some(a));
        let clamp = self.clamp();
        self.push(Op::Concat, a, Some(b), Scales::Float(Vec::new()), clamp);
    }

    fn crop(&mut self, a: ValueId) {
        let shape = self.shape(a);
        let left = self.r.within(0, u64::from(shape.width) - 1) as u16;
        let width = self.r.within(1, u64::from(shape.width - left)) as u16;
        self.value(Shape::new(shape.height, width, shape.channels), Some(a));
        let clamp = self.clamp();
        self.push(Op::Crop { left }, a, None, Scales::Float(Vec::new()), clamp);
    }

    fn concat_columns(&mut self, a: ValueId) {
        let (shape, like) = (self.shape(a), self.net.values[usize::from(a)]);
        let same: Vec<ValueId> = (0..self.net.values.len() as ValueId)
            .filter(|id| {
                let value = &self.net.values[usize::from(*id)];
                let is_even = value.shape.height == shape.height && value.shape.channels == shape.channels;
                let is_like = value.zero_point == like.zero_point && value.scale.to_bits() == like.scale.to_bits();
                is_even && is_like && value.element == Element::I8
            })
            .collect();
        let b = same[self.r.within(0, same.len() as u64 - 1) as usize];
        let width = shape.width + self.shape(b).width;
        if width > 40 {
            return;
        }
        self.value(Shape::new(shape.height, width, shape.channels), Some(a));
        self.push(Op::ConcatColumns, a, Some(b), Scales::Float(Vec::new()), [-128, 127]);
    }

    /// A map that is made in parts from columns of the input; where each part ends.
    fn tiles(&mut self) -> Vec<u16> {
        let input = self.shape(0);
        let channels = self.r.within(1, 6) as u16;
        let (mut whole, mut ends): (Option<ValueId>, Vec<u16>) = (None, Vec::new());
        for _ in 0..self.r.within(2, 4) {
            self.crop(0);
            let crop = self.net.values.len() as ValueId - 1;
            // Two convolutions that keep the rows.
            let mut last = crop;
            for kernel in [1, 3] {
                let side = (kernel / 2) as u8;
                let pads = Pads { top: side, left: side, bottom: side, right: side };
                let window = Window { kernel: [kernel; 2], stride: [1; 2], dilation: [1; 2], pads };
                let shape = self.shape(last);
                let taps = u64::from(kernel * kernel) * u64::from(shape.channels);
                let (weights, bias, scales) = self.constants(channels, taps, 1);
                let like = whole.filter(|_| kernel == 3);
                let id = self.value(Shape::new(input.height, shape.width, channels), like);
                let op = Op::Conv2d { window, groups: 1 };
                self.finish(op, last, padded(&weights, taps as usize), bias, scales);
                last = id;
            }
            whole = Some(match whole {
                None => last,
                Some(before) => {
                    let width = self.shape(before).width + self.shape(last).width;
                    let id = self.value(Shape::new(input.height, width, channels), Some(before));
                    self.push(Op::ConcatColumns, before, Some(last), Scales::Float(Vec::new()), [-128, 127]);
                    id
                }
            });
            ends.push(self.net.ops.len() as u16);
        }
        ends
    }

    fn pad(&mut self, a: ValueId) {
        let input = self.shape(a);
        let mut pad = || self.r.within(0, 3) as u8;
        let pads = Pads { top: pad(), left: pad(), bottom: pad(), right: pad() };
        let (height, width) = (input.height + u16::from(pads.top + pads.bottom), input.width + u16::from(pads.left + pads.right));
        let value = self.r.i8();
        self.value(Shape::new(height, width, input.channels), Some(a));
        self.push(Op::Pad { pads, value }, a, None, Scales::Float(Vec::new()), [-128, 127]);
    }

    fn resize(&mut self, a: ValueId) {
        let input = self.shape(a);
        if input.len() > 3000 {
            return;
        }
        let (down, across) = (self.r.within(1, 3) as u16, self.r.within(1, 3) as u16);
        self.value(Shape::new(input.height * down, input.width * across, input.channels), Some(a));
        self.push(Op::ResizeNearest, a, None, Scales::Float(Vec::new()), [-128, 127]);
    }

    fn table(&mut self, a: ValueId) {
        let shape = self.shape(a);
        self.value(shape, None);
        let table: Vec<u8> = (0..256).map(|_| self.r.i8() as u8).collect();
        self.finish(Op::Table, a, table, Vec::new(), Scales::Float(Vec::new()));
    }

    fn softmax(&mut self, a: ValueId) {
        let shape = self.shape(a);
        if shape.channels > 511 {
            return;
        }
        self.value(shape, None);
        let real = (f64::from(self.net.values[usize::from(a)].scale) * f64::from(1 << 26)).min(f64::from(i32::MAX));
        let (multiplier, shift) = quantize_multiplier(real);
        let diff_min = -((31i64 << 26) >> shift) as i32;
        self.push(Op::Softmax { diff_min }, a, None, Scales::Fixed(vec![(multiplier, shift)]), [-128, 127]);
    }

    fn reshape(&mut self, a: ValueId) {
        let input = self.shape(a);
        let Ok(len) = u16::try_from(input.len()) else { return };
        let divisors: Vec<u16> = (1..=len).filter(|d| len.is_multiple_of(*d)).collect();
        let height = divisors[self.r.within(0, divisors.len() as u64 - 1) as usize].min(40);
        let height = if len.is_multiple_of(height) { height } else { 1 };
        let rest = len / height;
        let width = (1..=rest).filter(|d| rest.is_multiple_of(*d)).nth(self.r.within(0, 2) as usize).unwrap_or(1);
        self.value(Shape::new(height, width, rest / width), Some(a));
        self.push(Op::Reshape, a, None, Scales::Float(Vec::new()), [-128, 127]);
    }
}
