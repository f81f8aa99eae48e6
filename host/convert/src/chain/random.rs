//! Networks with random weights and images of random bytes: fixtures that need no training.

use crate::chain::float_model::{FloatLayer, FloatModel, Input, Pool, PoolKind};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A hidden layer of [`network`].
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Filters, kernel, stride.
    Conv(usize, usize, usize),
    /// Filters, kernel, stride, groups.
    Grouped(usize, usize, usize, usize),
    /// Kernel, stride.
    Depthwise(usize, usize),
    /// Maximum or mean, size, stride.
    Pool(PoolKind, usize, usize),
    /// Maximum or mean over the whole map.
    Global(PoolKind),
}

/// Layers of the fixture network: the operators of the shipped models, both strides, a 5x5 and a 1x1 kernel.
pub const FIXTURE: [Step; 6] = [
    Step::Conv(8, 5, 2),
    Step::Pool(PoolKind::Max, 2, 2),
    Step::Conv(16, 3, 2),
    Step::Conv(24, 1, 1),
    Step::Conv(16, 3, 2),
    Step::Pool(PoolKind::Max, 3, 2),
];

/// A network with weights of the usual magnitude (He) and a dense layer of three classes.
pub fn network(seed: u64, input: [usize; 3], steps: &[Step]) -> FloatModel {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = |count: usize, limit: f32| -> Vec<f32> { (0..count).map(|_| random.random_range(-limit..limit)).collect() };
    let (mut shape, mut layers) = (input, Vec::new());
    for &step in steps {
        let input = shape;
        layers.push(match step {
            Step::Conv(..) | Step::Grouped(..) | Step::Depthwise(..) => {
                let (filters, kernel, stride, groups) = match step {
                    Step::Conv(filters, kernel, stride) => (filters, kernel, stride, 1),
                    Step::Grouped(filters, kernel, stride, groups) => (filters, kernel, stride, groups),
                    Step::Depthwise(kernel, stride) => (input[2], kernel, stride, input[2]),
                    Step::Pool(..) | Step::Global(..) => unreachable!("matched above"),
                };
                let fan_in = kernel * kernel * input[2] / groups;
                shape = [input[0].div_ceil(stride), input[1].div_ceil(stride), filters];
                FloatLayer::Conv {
                    input,
                    output: shape,
                    kernel,
                    stride,
                    pad: (kernel - 1) / 2,
                    groups,
                    weight: uniform(filters * fan_in, (6.0 / fan_in as f32).sqrt()),
                    bias: uniform(filters, 0.3),
                }
            }
            Step::Pool(kind, size, stride) => {
                shape = [(input[0] - size) / stride + 1, (input[1] - size) / stride + 1, input[2]];
                FloatLayer::Pool(Pool { kind, input, output: shape, window: [size; 2], stride })
            }
            Step::Global(kind) => {
                shape = [1, 1, input[2]];
                FloatLayer::Pool(Pool { kind, input, output: shape, window: [input[0], input[1]], stride: 1 })
            }
        });
    }
    let length: usize = shape.iter().product();
    layers.push(FloatLayer::Dense {
        input: shape,
        classes: 3,
        weight: uniform(3 * length, (3.0 / length as f32).sqrt()),
        bias: uniform(3, 0.3),
    });
    FloatModel { input, normalization: Input::PIXELS, layers }
}

/// Bytes of the linear congruential generator `x = x * 1664525 + 1013904223`, the upper byte of each state after
/// `seed`: the same in any language, so fixtures name an image by its seed.
pub fn lcg_bytes(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A smooth gray picture (a few random blobs on a ramp), `height * width` bytes: unlike noise, it drives deep layers.
pub fn smooth(seed: u64, height: usize, width: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let blobs: Vec<[f32; 4]> = (0..6)
        .map(|_| {
            [
                random.random_range(0.0..1.0),
                random.random_range(0.0..1.0),
                random.random_range(0.05..0.4),
                random.random_range(-120.0..120.0),
            ]
        })
        .collect();
    let tilt: f32 = random.random_range(-60.0..60.0);
    let pixel = |y: usize, x: usize| {
        let (y, x) = (y as f32 / height as f32, x as f32 / width as f32);
        let blob = |b: &[f32; 4]| b[3] * (-((y - b[0]).powi(2) + (x - b[1]).powi(2)) / (b[2] * b[2])).exp();
        (128.0 + tilt * (x - 0.5) + blobs.iter().map(blob).sum::<f32>()).clamp(0.0, 255.0) as u8
    };
    (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| pixel(y, x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_documented_one() {
        assert_eq!(
            lcg_bytes(0, 2),
            [(1_013_904_223u32 >> 24) as u8, (1_013_904_223u32.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) >> 24) as u8]
        );
        assert_eq!(network(1, [16, 16, 3], &FIXTURE[..1]), network(1, [16, 16, 3], &FIXTURE[..1]));
    }
}
