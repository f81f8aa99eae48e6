//! Rows, weights and scales for a case, random or extreme.

use super::case::{Case, FILLS, Fill};

/// Room for rows and for weights, and the most output channels.
const ROWS: usize = 96 * 1024;
const WEIGHTS: usize = 96 * 1024;
pub const CHANNELS: usize = 160;

#[repr(align(16))]
pub struct Aligned<T>(pub T);

/// What a kernel reads, and the state of the random numbers.
pub struct Values {
    pub rows: Aligned<[i8; ROWS]>,
    pub weights: Aligned<[u8; WEIGHTS]>,
    pub bias: Aligned<[u8; 4 * CHANNELS]>,
    pub scales: Aligned<[u8; 4 * CHANNELS]>,
    pub shifts: [u8; CHANNELS],
    random: u32,
}

impl Values {
    /// None yet; any two seeds give different ones.
    pub const fn new(seed: u32) -> Self {
        Self {
            rows: Aligned([0; ROWS]),
            weights: Aligned([0; WEIGHTS]),
            bias: Aligned([0; 4 * CHANNELS]),
            scales: Aligned([0; 4 * CHANNELS]),
            shifts: [0; CHANNELS],
            random: seed.wrapping_mul(2) | 1,
        }
    }

    /// All rows and weights, and with them what lies around the slices of a case.
    /// `wide`: weights are i16 and start at an even place (0) or an odd one (1).
    pub fn fill_values(&mut self, fill: Fill, wide: Option<usize>) {
        let mut random = self.random;
        for (i, (v, weight)) in self.rows.0.iter_mut().zip(&mut self.weights.0).enumerate() {
            let bits = xorshift(&mut random);
            let extreme = |bit: u32| if bits >> bit & 1 == 0 { i8::MIN } else { i8::MAX };
            (*v, *weight) = match fill {
                Fill::Random => (bits as i8, (bits >> 8) as u8),
                Fill::Extremes => (extreme(20), extreme(21) as u8),
                Fill::Constant(v, w) => {
                    let narrow = if w < 0 { i8::MIN } else { i8::MAX } as u8;
                    (v, wide.map_or(narrow, |odd| w.to_le_bytes()[(i + odd) % 2]))
                }
            };
        }
        self.random = random;
    }

    /// Biases and scales: most give results over all of int8, some saturate, none leaves the range of the rounding.
    pub fn fill_parameters(&mut self, case: Case, largest: f32) {
        for channel in 0..case.output {
            let bits = self.next();
            let bias = (largest as i32 / 4).max(1);
            let bias = (bits as i32 % bias) / [1, 8, 1024][self.below(3)];
            let typical = [600.0, 100.0, 4000.0][self.below(3)] / (largest.max(1.0));
            let limit = 4_000_000.0 / (largest + bias.unsigned_abs() as f32 + 1.0);
            let scale = if self.below(8) == 0 { limit } else { typical.min(limit) } * (0.5 + (bits >> 8) as f32 / 33_554_432.0);
            self.bias.0[4 * channel..][..4].copy_from_slice(&bias.to_le_bytes());
            self.scales.0[4 * channel..][..4].copy_from_slice(&scale.min(limit).to_le_bytes());
        }
    }

    /// The scales as multipliers and shifts; in some cases any shifts, and small multipliers.
    pub fn fix_parameters(&mut self, case: Case) {
        let is_wild = self.below(4) == 0;
        for channel in 0..case.output {
            let scale = &mut self.scales.0[4 * channel..][..4];
            let bits = u32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
            // A mantissa from 0.5 to 1, and a power of two.
            let multiplier = ((bits & 0x7F_FFFF) | 0x80_0000) << 7;
            scale.copy_from_slice(&multiplier.to_le_bytes());
            self.shifts[channel] = ((bits >> 23) as i32 - 126).max(-31) as u8;
            if is_wild {
                let (shift, smaller) = (self.below(40) as i32 - 31, self.below(8));
                self.shifts[channel] = shift as u8;
                self.scales.0[4 * channel..][..4].copy_from_slice(&(multiplier >> smaller).to_le_bytes());
            }
        }
    }

    /// A filling, mostly random values.
    pub fn fill(&mut self) -> Fill {
        FILLS[[0, 0, 0, 1, 2, 3, 4, 5][self.below(8)]]
    }

    /// The next random word.
    pub fn next(&mut self) -> u32 {
        xorshift(&mut self.random)
    }

    /// A random number below the limit.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 8) as usize % limit
    }
}

/// Marsaglia's 32-bit xorshift; the state is never 0.
fn xorshift(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}
