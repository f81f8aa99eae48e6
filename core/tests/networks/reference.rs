//! What a network is, by nested loops.

use crate::net::{Net, OwnedLayer};
use cxr_core::format::Op;
use cxr_core::shape::Shape;

/// Whole feature maps, nested loops, f64 rounding: the direct definition.
pub fn reference(net: &Net, image: &[u8]) -> (Vec<Vec<i8>>, Vec<f32>, Option<f32>) {
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
