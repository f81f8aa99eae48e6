//! A network that owns its constants, and plans for it.

use super::random::Random;
use rownet::encode::encode;
use rownet::error::Error;
use rownet::model::desc::{
    Element, External, Form, IN_PLACE, Network, Op, Operator, Pads, Rescale, Shape, Storage, Value, ValueId, Window,
};
use rownet::plan::{Placement, Planner, place, state_bytes};

#[derive(Clone, Debug)]
pub enum Scales {
    Float(Vec<f32>),
    Fixed(Vec<(i32, i8)>),
}

#[derive(Clone, Debug)]
pub struct OwnedOp {
    pub op: Op,
    pub a: ValueId,
    pub b: Option<ValueId>,
    pub clamp: [i8; 2],
    pub weights: Vec<u8>,
    pub bias: Vec<i32>,
    pub scales: Scales,
    pub form: Form,
}

#[derive(Clone, Debug)]
pub struct Net {
    pub values: Vec<Value>,
    pub ops: Vec<OwnedOp>,
    pub outputs: Vec<ValueId>,
    pub segments: Vec<u16>,
}

/// `x = multiplier * 2^(shift - 31)`.
pub fn quantize_multiplier(x: f64) -> (i32, i8) {
    if x == 0.0 {
        return (0, 0);
    }
    let mut shift = x.log2().floor() as i32 + 1;
    let mut q = (x / f64::from(shift).exp2() * f64::from(1u32 << 31)).round() as i64;
    if q == 1 << 31 {
        q /= 2;
        shift += 1;
    }
    if shift < -31 {
        return (0, 0);
    }
    (q as i32, shift as i8)
}

impl Net {
    /// Calls `f` with the network as the library takes it.
    pub fn with<T>(&self, f: impl FnOnce(&Network<'_>) -> T) -> T {
        let bytes: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = self.ops.iter().map(OwnedOp::constants).collect();
        let operators: Vec<Operator<'_>> = self
            .ops
            .iter()
            .zip(&bytes)
            .map(|(op, (bias, scales, shifts))| Operator {
                op: op.op,
                a: op.a,
                b: op.b,
                clamp: op.clamp,
                weights: &op.weights,
                bias,
                rescale: match op.scales {
                    Scales::Float(_) => Rescale::Float { scales },
                    Scales::Fixed(_) => Rescale::Fixed { multipliers: scales, shifts },
                },
                form: op.form,
            })
            .collect();
        f(&Network {
            values: &self.values,
            operators: &operators,
            outputs: &self.outputs,
            segments: &self.segments,
            labels: "one\ntwo",
            metadata: "{}",
            head: &[1, 2, 3],
        })
    }

    pub fn file(&self) -> Result<Vec<u8>, Error> {
        self.with(encode)
    }

    /// Storage by the library.
    #[allow(clippy::redundant_closure)] // of any lifetime
    pub fn placed(&self) -> Result<Self, Error> {
        self.placed_by(|network| place(network))
    }

    /// Storage by the library, in strips wherever they are allowed.
    pub fn placed_in_strips(&self, at_a_time: u32) -> Result<Self, Error> {
        self.placed_by(|network| Planner::new(network)?.place_in_strips(network.segments, &[], at_a_time))
    }

    /// Storage by the library, some values recomputed where they can be; with so many pixels at a time, or as it likes.
    pub fn placed_recomputed(&self, r: &mut Random) -> Result<Self, Error> {
        let often = r.within(1, 3);
        let recomputed: Vec<ValueId> = (1..self.values.len() as ValueId).filter(|_| r.one_in(often)).collect();
        let at_a_time = r.within(0, 4) as u32;
        self.placed_by(|network| {
            let planner = Planner::new(network)?;
            match at_a_time {
                0 => planner.place(network.segments, &recomputed),
                _ => planner.place_in_strips(network.segments, &recomputed, at_a_time),
            }
        })
    }

    fn placed_by(&self, place: impl for<'n> FnOnce(&Network<'n>) -> Result<Placement<'n>, Error>) -> Result<Self, Error> {
        let (values, forms) = self.with(|network| {
            let placement = place(network)?;
            assert!(placement.arena >= placement.least);
            Ok((placement.values, placement.operators.iter().map(|op| op.form).collect::<Vec<_>>()))
        })?;
        let mut net = Self { values, ..self.clone() };
        for (op, form) in net.ops.iter_mut().zip(forms) {
            op.form = form;
        }
        Ok(net)
    }

    /// Strips wherever they are allowed.
    pub fn with_strips(&self, r: &mut Random) -> Self {
        let mut net = self.clone();
        let mut order: Vec<usize> = (1..net.values.len()).collect();
        if r.one_in(2) {
            order.reverse();
        }
        for id in order {
            let before = net.values[id].storage;
            let Storage::Waiting { at, rows, kept, .. } = before else { continue };
            net.values[id].storage = Storage::Waiting { at, rows, kept, strip: r.within(1, 6) as u16 };
            let is_refused =
                |net: &Self| matches!(net.file(), Err(Error::InvalidPlan { field, .. }) if field.starts_with("strips"));
            if is_refused(&net) || is_refused(&net.sprawled(&mut Random::new(1))) {
                net.values[id].storage = before;
            }
        }
        net
    }

    /// Other storage that is right as well: more rows, rings for what waits, rows for sums, and every buffer by itself.
    pub fn sprawled(&self, r: &mut Random) -> Self {
        let mut net = self.clone();
        for i in 0..net.ops.len() {
            if r.one_in(3) && net.ops[i].form != Form::Rows {
                net.ops[i].form = Form::Rows;
                let a = usize::from(net.ops[i].a);
                net.values[a].storage = Storage::Ring { at: 0, rows: net.values[a].shape.height, over: None };
            }
        }
        let mut at = 2 * net.ops.len() as u32;
        for (id, value) in net.values.iter_mut().enumerate() {
            let len = value.shape.row_len() as u32 * if value.element == Element::F32 { 4 } else { 1 };
            at += r.within(0, 3) as u32;
            let more = if r.one_in(3) { r.within(1, 3) as u16 } else { 0 };
            // Rows of the input that are given again must not become stored ones: these come in another order.
            let is_short = |rows: u16| id == 0 && rows < value.shape.height;
            let more = match value.storage {
                Storage::Ring { rows, .. } if is_short(rows) => more.min(value.shape.height - 1 - rows),
                _ => more,
            };
            match value.storage {
                // The input's rows may lie with the caller, or one at a time here.
                Storage::Waiting { at: IN_PLACE, strip: 0, .. } => {
                    if value.shape.height > 1 && r.one_in(2) {
                        value.storage = Storage::Ring { at, rows: 1, over: None };
                        at += len;
                    }
                }
                Storage::Waiting { rows, strip, .. } if strip > 0 || !r.one_in(4) => {
                    let rows = if rows > 0 { rows + more } else { 0 };
                    value.storage =
                        Storage::Waiting { at, rows, kept: at + len.max(u32::from(strip * value.shape.channels)), strip };
                    at += u32::from(strip * value.shape.channels);
                    at += len * (1 + u32::from(rows));
                }
                Storage::Waiting { rows, .. } => {
                    value.storage = Storage::Ring { at, rows: rows + 1 + more, over: None };
                    at += len * u32::from(rows + 1 + more);
                }
                Storage::Recomputed { rows, strip, .. } => {
                    let strip = strip + more;
                    value.storage = Storage::Recomputed { at, rows, strip };
                    at += u32::from(rows) * u32::from(strip) * u32::from(value.shape.channels);
                }
                Storage::Columns { pitch, .. } => {
                    let pitch = pitch + u32::from(more);
                    value.storage = Storage::Columns { at, pitch, over: None };
                    at += pitch * u32::from(value.shape.height);
                }
                Storage::Ring { rows, .. } => {
                    value.storage = Storage::Ring { at, rows: rows + more, over: None };
                    at += len * u32::from(rows + more);
                }
            }
            if let Some(i) = id.checked_sub(1)
                && let Form::Accumulate { .. } = net.ops[i].form
            {
                net.ops[i].form = Form::Accumulate { at };
                at += state_bytes(&net.ops[i].op, value.shape) as u32;
            }
        }
        net
    }
}

impl OwnedOp {
    fn constants(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let bias = self.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        match &self.scales {
            Scales::Float(scales) => (bias, scales.iter().flat_map(|s| s.to_le_bytes()).collect(), Vec::new()),
            Scales::Fixed(scales) => {
                let multipliers = scales.iter().flat_map(|(m, _)| m.to_le_bytes()).collect();
                (bias, multipliers, scales.iter().map(|(_, s)| *s as u8).collect())
            }
        }
    }
}

/// A convolution over 3 x 2 pixels of two channels, and a dense layer.
pub fn tiny() -> Net {
    let storage = Storage::Ring { at: 0, rows: 1, over: None };
    let value = |shape, scale| Value { shape, element: Element::I8, external: External::I8, zero_point: 0, scale, storage };
    let pads = Pads { top: 1, left: 1, bottom: 1, right: 1 };
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads };
    let op = |op, a, weights, bias, scale| {
        let scales = Scales::Float(vec![scale]);
        OwnedOp { op, a, b: None, clamp: [-128, 127], weights, bias, scales, form: Form::Rows }
    };
    let weights: Vec<u8> = (0..54u32).map(|i| (i * 37 % 101) as u8).collect();
    Net {
        values: vec![value(Shape::new(3, 2, 2), 0.1), value(Shape::new(3, 2, 3), 0.5), value(Shape::new(1, 1, 2), 1.0)],
        ops: vec![
            op(Op::Conv2d { window, groups: 1 }, 0, padded(&weights, 18), vec![-90, 0, 80], 0.01),
            op(Op::Dense { shared: false }, 1, padded(&weights[..36], 18), vec![1000, -1000], 0.001),
        ],
        outputs: vec![2],
        segments: vec![2],
    }
}

/// Each filter followed by zeros up to a multiple of 4 bytes.
pub fn padded(weights: &[u8], taps: usize) -> Vec<u8> {
    let mut padded = Vec::new();
    for filter in weights.chunks_exact(taps) {
        padded.extend_from_slice(filter);
        padded.resize(padded.len().next_multiple_of(4), 0);
    }
    padded
}
