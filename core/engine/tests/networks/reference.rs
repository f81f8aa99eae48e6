//! What a network computes, by definition: whole maps, one value after the other, i64. Shares no code with the library.

use crate::net::{Net, OwnedOp, Scales};
use rownet::model::desc::{Element, Op, Shape, Value, Window};

/// The bytes of every value.
pub fn reference(net: &Net, input: &[i8]) -> Vec<Vec<i8>> {
    let mut maps = vec![input.to_vec()];
    for (i, op) in net.ops.iter().enumerate() {
        let a = Map { value: &net.values[usize::from(op.a)], bytes: &maps[usize::from(op.a)] };
        let b = op.b.unwrap_or(op.a);
        let b = Map { value: &net.values[usize::from(b)], bytes: &maps[usize::from(b)] };
        let out = operator(op, &a, &b, &net.values[i + 1]);
        maps.push(out);
    }
    maps
}

struct Map<'a> {
    value: &'a Value,
    bytes: &'a [i8],
}

impl Map<'_> {
    fn at(&self, y: i64, x: i64, c: i64) -> Option<i64> {
        let Shape { height, width, channels } = self.value.shape;
        let inside = (0..i64::from(height)).contains(&y) && (0..i64::from(width)).contains(&x);
        inside.then(|| i64::from(self.bytes[((y * i64::from(width) + x) * i64::from(channels) + c) as usize]))
    }

    fn real(&self, q: i64) -> f32 {
        (q - i64::from(self.value.zero_point)) as f32 * self.value.scale
    }
}

fn clamp(q: i64, limits: [i8; 2]) -> i8 {
    q.clamp(i64::from(limits[0]), i64::from(limits[1])) as i8
}

fn round(x: f32) -> i64 {
    x.clamp(-2_097_152.0, 2_097_152.0).round_ties_even() as i64
}

/// TFLite's multiplication, as its reference has it.
fn times(x: i64, (multiplier, shift): (i32, i8)) -> i64 {
    let (left, right) = (shift.max(0), (-shift).max(0));
    let ab = (x << left) * i64::from(multiplier);
    let nudge = if ab >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    let high = (ab + nudge) / (1 << 31);
    let mask = (1i64 << right) - 1;
    let (rest, threshold) = (high & mask, (mask >> 1) + i64::from(high < 0));
    (high >> right) + i64::from(rest > threshold)
}

fn operator(op: &OwnedOp, a: &Map<'_>, b: &Map<'_>, out: &Value) -> Vec<i8> {
    let Shape { height, width, channels } = out.shape;
    let mut bytes = Vec::new();
    for y in 0..i64::from(height) {
        for x in 0..i64::from(width) {
            if let Op::Softmax { diff_min } = op.op {
                let Scales::Fixed(scales) = &op.scales else { panic!() };
                let pixel: Vec<i8> = (0..i64::from(channels)).map(|c| a.at(y, x, c).unwrap() as i8).collect();
                bytes.extend(softmax(&pixel, scales[0], diff_min).iter().map(|q| clamp(*q, op.clamp)));
                continue;
            }
            for c in 0..i64::from(channels) {
                match op.op {
                    Op::Dense { .. } if out.element == Element::F32 => {
                        let Scales::Float(scales) = &op.scales else { panic!() };
                        let logit = dense(op, a, c) as f32 * scales[c as usize % scales.len()];
                        bytes.extend(logit.to_le_bytes().map(|byte| byte as i8));
                    }
                    _ => bytes.push(cell(op, a, b, out, y, x, c)),
                }
            }
        }
    }
    bytes
}

fn cell(op: &OwnedOp, a: &Map<'_>, b: &Map<'_>, out: &Value, y: i64, x: i64, c: i64) -> i8 {
    let zero = i64::from(out.zero_point);
    let input = a.value.shape;
    let requantize = |acc: i64| {
        let q = match &op.scales {
            Scales::Float(scales) => (acc as f32 * scales[c as usize % scales.len()]).round_ties_even() as i64,
            Scales::Fixed(scales) => times(acc, scales[c as usize % scales.len()]),
        };
        clamp(q + zero, op.clamp)
    };
    match op.op {
        Op::Conv2d { window, groups } => {
            requantize(conv(op, a, window, i64::from(groups), i64::from(out.shape.channels), [y, x, c]))
        }
        Op::DepthwiseConv2d { window } => {
            let (outputs, from) = (i64::from(out.shape.channels), c * i64::from(input.channels) / i64::from(out.shape.channels));
            let mut acc = i64::from(op.bias[c as usize]);
            for (tap, [row, column]) in taps(window, y, x).enumerate() {
                let q = a.at(row, column, from).unwrap_or(i64::from(a.value.zero_point));
                acc += q * i64::from(op.weights[(tap as i64 * outputs + c) as usize] as i8);
            }
            requantize(acc)
        }
        Op::Dense { .. } => requantize(dense(op, a, c)),
        Op::Add | Op::Mul => {
            let is_pixel = b.value.shape.height == 1 && b.value.shape.width == 1;
            let (qa, qb) = (a.at(y, x, c).unwrap(), if is_pixel { b.at(0, 0, c) } else { b.at(y, x, c) }.unwrap());
            let (da, db) = (qa - i64::from(a.value.zero_point), qb - i64::from(b.value.zero_point));
            let q = match (&op.scales, op.op) {
                (Scales::Float(_), Op::Add) => round((a.real(qa) + b.real(qb)) / out.scale),
                (Scales::Float(_), _) => round(a.real(qa) * b.real(qb) / out.scale),
                (Scales::Fixed(s), Op::Add) => times(times(da << 20, s[0]) + times(db << 20, s[1]), s[2]),
                (Scales::Fixed(s), _) => times(da * db, s[0]),
            };
            clamp(q + zero, op.clamp)
        }
        Op::AveragePool2d { window } => {
            let cells: Vec<i64> = taps(window, y, x).filter_map(|[row, column]| a.at(row, column, c)).collect();
            let (sum, n) = (cells.iter().sum::<i64>(), cells.len() as i64);
            match &op.scales {
                Scales::Fixed(_) => clamp((if sum > 0 { sum + n / 2 } else { sum - n / 2 }) / n, op.clamp),
                Scales::Float(scales) => {
                    let whole = i64::from(window.kernel[0]) * i64::from(window.kernel[1]);
                    let scale = if n == whole { scales[0] } else { scales[0] * whole as f32 / n as f32 };
                    clamp(round((sum - n * i64::from(a.value.zero_point)) as f32 * scale) + zero, op.clamp)
                }
            }
        }
        Op::MaxPool2d { window } => {
            clamp(taps(window, y, x).filter_map(|[row, column]| a.at(row, column, c)).max().unwrap(), op.clamp)
        }
        Op::Mean { kernel } => {
            let [height, width] = kernel.map(i64::from);
            let mut sum = 0;
            for row in 0..height {
                for column in 0..width {
                    sum += a.at(y * height + row, x * width + column, c).unwrap() - i64::from(a.value.zero_point);
                }
            }
            requantize(sum)
        }
        Op::Concat => {
            let first = i64::from(input.channels);
            clamp(if c < first { a.at(y, x, c) } else { b.at(y, x, c - first) }.unwrap(), op.clamp)
        }
        Op::Pad { pads, value } => {
            clamp(a.at(y - i64::from(pads.top), x - i64::from(pads.left), c).unwrap_or(i64::from(value)), op.clamp)
        }
        Op::Crop { left } => clamp(a.at(y, x + i64::from(left), c).unwrap(), op.clamp),
        Op::ConcatColumns => {
            let first = i64::from(input.width);
            (if x < first { a.at(y, x, c) } else { b.at(y, x - first, c) }).unwrap() as i8
        }
        Op::ResizeNearest => {
            let row = y * i64::from(input.height) / i64::from(out.shape.height);
            clamp(a.at(row, x * i64::from(input.width) / i64::from(out.shape.width), c).unwrap(), op.clamp)
        }
        Op::Table => clamp(i64::from(op.weights[(a.at(y, x, c).unwrap() + 128) as usize] as i8), op.clamp),
        Op::Reshape => {
            let Shape { width, channels, .. } = out.shape;
            clamp(i64::from(a.bytes[((y * i64::from(width) + x) * i64::from(channels) + c) as usize]), op.clamp)
        }
        Op::Softmax { .. } => panic!(),
    }
}

/// Cells under window `(y, x)`, row after row, those in the padding included.
fn taps(window: Window, y: i64, x: i64) -> impl Iterator<Item = [i64; 2]> {
    let row = y * i64::from(window.stride[0]) - i64::from(window.pads.top);
    let column = x * i64::from(window.stride[1]) - i64::from(window.pads.left);
    (0..i64::from(window.kernel[0])).flat_map(move |ky| {
        (0..i64::from(window.kernel[1]))
            .map(move |kx| [row + ky * i64::from(window.dilation[0]), column + kx * i64::from(window.dilation[1])])
    })
}

fn conv(op: &OwnedOp, a: &Map<'_>, window: Window, groups: i64, outputs: i64, [y, x, c]: [i64; 3]) -> i64 {
    let inputs = i64::from(a.value.shape.channels) / groups;
    let group = c / (outputs / groups);
    let stride = (i64::from(window.kernel[0]) * i64::from(window.kernel[1]) * inputs + 3) / 4 * 4;
    let mut acc = i64::from(op.bias[c as usize]);
    for (tap, [row, column]) in taps(window, y, x).enumerate() {
        for i in 0..inputs {
            let q = a.at(row, column, group * inputs + i).unwrap_or(i64::from(a.value.zero_point));
            acc += q * i64::from(op.weights[(c * stride + tap as i64 * inputs + i) as usize] as i8);
        }
    }
    acc
}

fn dense(op: &OwnedOp, a: &Map<'_>, c: i64) -> i64 {
    let shared = matches!(op.op, Op::Dense { shared: true });
    let taps = if shared { usize::from(a.value.shape.channels) } else { a.bytes.len() };
    let filter = &op.weights[c as usize * taps.next_multiple_of(4)..][..taps];
    let products = a.bytes.iter().enumerate().map(|(i, q)| i64::from(*q) * i64::from(filter[i % taps] as i8));
    i64::from(op.bias[c as usize]) + products.sum::<i64>()
}

/// TFLite's, in gemmlowp's types.
fn softmax(pixel: &[i8], scale: (i32, i8), diff_min: i32) -> Vec<i64> {
    let high = |a: i64, b: i64| {
        let nudge = if a * b >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        (a * b + nudge) / (1 << 31)
    };
    let divide = |x: i64, by: u32| {
        let mask = (1i64 << by) - 1;
        (x >> by) + i64::from((x & mask) > (mask >> 1) + i64::from(x < 0))
    };
    let saturate = |x: i64| x.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    let exp = |a: i64| {
        if a == 0 {
            return i64::from(i32::MAX);
        }
        let quarter = 1i64 << 24;
        let within = a.rem_euclid(quarter) - quarter;
        let x = saturate(within << 5) + (1 << 28);
        let x2 = high(x, x);
        let x3 = high(x2, x);
        let x4 = high(x2, x2);
        let poly = divide(high(divide(x4, 2) + x3, 715_827_883) + x2, 1);
        let mut result = 1_895_147_668 + high(1_895_147_668, x + poly);
        let remainder = within - a;
        for (i, factor) in [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242].iter().enumerate() {
            if remainder >> (24 + i) & 1 == 1 {
                result = high(result, *factor);
            }
        }
        result
    };
    let greatest = i64::from(*pixel.iter().max().unwrap());
    let diffs: Vec<Option<i64>> = pixel
        .iter()
        .map(|q| {
            let diff = i64::from(*q) - greatest;
            (diff >= i64::from(diff_min)).then(|| exp(high(diff << scale.1, i64::from(scale.0))))
        })
        .collect();
    let sum: i64 = diffs.iter().flatten().map(|e| divide(*e, 12)).sum();
    let headroom = (sum as u32).leading_zeros();
    let a = (sum << headroom) - (1 << 31);
    let half = (a + i64::from(i32::MAX) + 1) / 2;
    let mut x = 1_515_870_810 + high(half, -1_010_580_540);
    for _ in 0..3 {
        x += saturate(high(x, (1 << 29) - high(half, x)) << 2);
    }
    let reciprocal = saturate(x << 1);
    let exponent = 12 - headroom as i32 + 23;
    diffs.iter().map(|e| e.map_or(-128, |e| divide(high(reciprocal, e), exponent as u32) - 128)).collect()
}
