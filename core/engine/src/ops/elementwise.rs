//! What is computed value by value, or pixel by pixel.

use super::{Side, Step};
use crate::model::bytes::{i8_at, u32_at};
use crate::model::desc::{Op, Rescale};
use crate::quant::{clamp, multiply_by_quantized_multiplier, round_clamped};
use crate::session::memory::Source;
use crate::softmax::Softmax;

/// Multiplier and shift.
#[derive(Clone, Copy)]
struct Fixed(i32, i8);

impl Fixed {
    fn at(multipliers: &[u8], shifts: &[u8], i: usize) -> Self {
        Self(u32_at(multipliers, 4 * i) as i32, i8_at(shifts, i))
    }

    #[inline(always)]
    fn times(self, x: i32) -> i32 {
        multiply_by_quantized_multiplier(x, self.0, self.1)
    }
}

/// `f32(q - zero_point) * scale`.
#[inline(always)]
fn real(q: i8, side: &Side) -> f32 {
    (i32::from(q) - i32::from(side.zero_point)) as f32 * side.scale
}

/// Addition and multiplication; the second input may be one pixel.
pub fn binary(step: &Step<'_>, y: u32, a: &Source<'_>, b: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let (first, second) = (a.row(y)?, b.row(if step.inputs[1].shape.height == 1 { 0 } else { y })?);
    binary_cells(step, first, second, out)
}

/// The same of pixels.
pub fn binary_cells(step: &Step<'_>, first: &[i8], second: &[i8], out: &mut [i8]) -> Option<()> {
    // A pixel for each, or a row for the row.
    let len = if step.inputs[1].shape.width == step.inputs[0].shape.width { first.len() } else { second.len() };
    let rows = first.chunks_exact(len.max(1)).zip(out.chunks_exact_mut(len.max(1)));
    let ([one, two], to, limits) = (&step.inputs, &step.output, step.operator.clamp);
    let zero = i32::from(to.zero_point);
    let (za, zb) = (i32::from(one.zero_point), i32::from(two.zero_point));
    match (step.operator.op, step.operator.rescale) {
        (Op::Add, Rescale::Float { .. }) => rows.for_each(|(row, out)| {
            each(row, second, out, |a, b| clamp(round_clamped((real(a, one) + real(b, two)) / to.scale) + zero, limits));
        }),
        (_, Rescale::Float { .. }) => rows.for_each(|(row, out)| {
            each(row, second, out, |a, b| clamp(round_clamped(real(a, one) * real(b, two) / to.scale) + zero, limits));
        }),
        (Op::Add, Rescale::Fixed { multipliers, shifts }) => {
            let [ma, mb, mo] = [0, 1, 2].map(|i| Fixed::at(multipliers, shifts, i));
            rows.for_each(|(row, out)| {
                each(row, second, out, |a, b| {
                    let sum = ma.times((i32::from(a) - za) << 20) + mb.times((i32::from(b) - zb) << 20);
                    clamp(mo.times(sum) + zero, limits)
                });
            });
        }
        (_, Rescale::Fixed { multipliers, shifts }) => {
            let by = Fixed::at(multipliers, shifts, 0);
            rows.for_each(|(row, out)| {
                each(row, second, out, |a, b| clamp(by.times((i32::from(a) - za) * (i32::from(b) - zb)) + zero, limits));
            });
        }
    }
    Some(())
}

#[inline(always)]
fn each(a: &[i8], b: &[i8], out: &mut [i8], f: impl Fn(i8, i8) -> i8) {
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        *out = f(*a, *b);
    }
}

/// Looks every value up.
pub fn table(step: &Step<'_>, row: &[i8], out: &mut [i8]) -> Option<()> {
    let table: &[u8; 256] = step.operator.weights.first_chunk()?;
    for (q, to) in row.iter().zip(out) {
        *to = clamp(i32::from(table[usize::from(*q as u8 ^ 0x80)] as i8), step.operator.clamp);
    }
    Some(())
}

/// Softmax of each pixel.
pub fn softmax(step: &Step<'_>, diff_min: i32, row: &[i8], out: &mut [i8]) -> Option<()> {
    let Rescale::Fixed { multipliers, shifts } = step.operator.rescale else { return None };
    let Fixed(multiplier, shift) = Fixed::at(multipliers, shifts, 0);
    let softmax = Softmax { multiplier, shift: u32::from(shift.max(0).unsigned_abs()), diff_min, clamp: step.operator.clamp };
    let channels = usize::from(step.output.shape.channels).max(1);
    for (pixel, to) in row.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        softmax.pixel(pixel, to);
    }
    Some(())
}
