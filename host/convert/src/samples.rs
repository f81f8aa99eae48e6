//! Generated inputs for comparisons: random ones, and structured ones that reach what noise does not.

use crate::ir::{Element, Value};
use crate::reference::{Data, Tensor};

/// Knuth's 64-bit generator; the upper bytes are used.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }
}

/// `random` arrays of noise, then `structured` of constants, extremes, edges, ramps and checks: `[n, ...]`.
///
/// Floats take the values that the bytes stand for at 1/127, a little beyond -1 to 1.
pub fn generated(value: &Value, random: usize, structured: usize) -> Tensor {
    let [height, width, channels] = value.map();
    let mut bytes = Vec::with_capacity((random + structured) * value.len());
    for seed in 0..random as u64 {
        let mut lcg = Lcg(seed ^ 0x5eed_0000);
        lcg.next();
        // From full range to nearly constant: saturated networks hide errors.
        let shift = seed % 4;
        let center = lcg.next().cast_signed() >> 1;
        bytes.extend((0..value.len()).map(|_| {
            let noise = lcg.next().cast_signed() >> shift;
            if shift == 0 { noise } else { noise.saturating_add(center) }
        }));
    }
    for kind in 0..structured {
        for y in 0..height {
            for x in 0..width {
                for c in 0..channels {
                    let byte = match kind {
                        0 => -128,
                        1 => 127,
                        2 => 0,
                        3 => (x * 255 / width.max(1)) as i32 - 128,
                        4 => (y * 255 / height.max(1)) as i32 - 128,
                        5 => {
                            if (x + y) % 2 == 0 {
                                -128
                            } else {
                                127
                            }
                        }
                        6 => {
                            if x < width / 2 {
                                -128
                            } else {
                                127
                            }
                        }
                        7 => {
                            if y < height / 2 {
                                127
                            } else {
                                -128
                            }
                        }
                        8 => {
                            if y == 0 || x == 0 || y + 1 == height || x + 1 == width {
                                127
                            } else {
                                -128
                            }
                        }
                        9 => {
                            if c % 2 == 0 {
                                127
                            } else {
                                -128
                            }
                        }
                        k => ((x * (k - 8) + y * (k - 7) * 3 + c * 29) % 256) as i32 - 128,
                    };
                    bytes.push(byte as i8);
                }
            }
        }
    }
    let mut shape = value.shape.clone();
    shape[0] = random + structured;
    let data = match value.element {
        Element::I8 => Data::I8(bytes),
        Element::U8 => Data::U8(bytes.iter().map(|b| b.cast_unsigned() ^ 0x80).collect()),
        Element::F32 => Data::F32(bytes.iter().map(|&b| f32::from(b) / 127.0).collect()),
    };
    Tensor { shape, data }
}

/// Array `i` of `[n, ...]`.
pub fn sample(all: &Tensor, i: usize) -> Tensor {
    let length = all.shape[1..].iter().product::<usize>();
    let range = i * length..(i + 1) * length;
    let mut shape = all.shape.clone();
    shape[0] = 1;
    let data = match &all.data {
        Data::I8(d) => Data::I8(d[range].to_vec()),
        Data::U8(d) => Data::U8(d[range].to_vec()),
        Data::F32(d) => Data::F32(d[range].to_vec()),
    };
    Tensor { shape, data }
}
