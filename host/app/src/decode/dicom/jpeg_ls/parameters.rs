//! Parameters of the coding and their defaults (T.87, C.2.4.1.1).

/// Coding parameters.
#[derive(Clone, Copy)]
pub(super) struct Parameters {
    pub(super) max: i32,
    pub(super) near: i32,
    pub(super) thresholds: [i32; 3],
    pub(super) reset: i32,
    pub(super) range: i32,
    /// Bits of a mapped error, and of the longest code.
    pub(super) error_bits: u32,
    pub(super) limit: u32,
}

impl Parameters {
    /// From the precision and the preset parameters, of which 0 means the default (T.87, C.2.4.1.1).
    pub(super) fn new(precision: u32, near: i32, presets: [u16; 5]) -> Option<Self> {
        let [max, t1, t2, t3, reset] = presets.map(i32::from);
        let max = if max == 0 { (1 << precision) - 1 } else { max };
        if near > 255.min(max / 2) || max >= 1 << precision {
            return None;
        }
        let clamp = |value: i32, least: i32| if value > max || value < least { least } else { value };
        let default = |factors: [i32; 3], near_factor: i32, least: i32| {
            let [basic, least_basic, _] = factors;
            let value = if max >= 128 {
                let factor = (max.min(4095) + 128) / 256;
                factor * (basic - least_basic) + least_basic + near_factor * near
            } else {
                let factor = 256 / (max + 1);
                least_basic.max(basic / factor + near_factor * near)
            };
            clamp(value, least)
        };
        let t1 = if t1 == 0 { default([3, 2, 0], 3, near + 1) } else { t1 };
        let t2 = if t2 == 0 { default([7, 3, 0], 5, t1) } else { t2 };
        let t3 = if t3 == 0 { default([21, 4, 0], 7, t2) } else { t3 };
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let bits = |count: i32| i32::BITS - (count - 1).leading_zeros();
        let pixel_bits = bits(max + 1).max(2);
        Some(Self {
            max,
            near,
            thresholds: [t1, t2, t3],
            reset: if reset == 0 { 64 } else { reset },
            range,
            error_bits: bits(range),
            limit: 2 * (pixel_bits + pixel_bits.max(8)),
        })
    }
}
