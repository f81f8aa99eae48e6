//! What is computed value by value, or pixel by pixel.

use super::step::{Cells, Side, Step};
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
    by_value(step, Apart { first, second, out });
    Some(())
}

/// The same where one input is, or both are, what `out` holds.
pub fn binary_in_place(step: &Step<'_>, inputs: [Cells<'_>; 2], out: &mut [i8]) {
    by_value(step, Within { inputs, out });
}

/// A loop over values.
trait Loop {
    fn run(self, f: impl Fn(i8, i8) -> i8);
}

/// Inputs and output lie apart; the second may be one pixel for all.
struct Apart<'a> {
    first: &'a [i8],
    second: &'a [i8],
    out: &'a mut [i8],
}

impl Loop for Apart<'_> {
    #[inline(always)]
    fn run(self, f: impl Fn(i8, i8) -> i8) {
        let len = self.second.len().min(self.first.len()).max(1);
        for (row, out) in self.first.chunks_exact(len).zip(self.out.chunks_exact_mut(len)) {
            for ((a, b), out) in row.iter().zip(self.second).zip(out) {
                *out = f(*a, *b);
            }
        }
    }
}

/// One input is what the output holds, or both are.
struct Within<'a> {
    inputs: [Cells<'a>; 2],
    out: &'a mut [i8],
}

impl Loop for Within<'_> {
    #[inline(always)]
    fn run(self, f: impl Fn(i8, i8) -> i8) {
        match self.inputs {
            [Cells::Taken, Cells::Other(other)] => self.out.chunks_exact_mut(other.len().max(1)).for_each(|out| {
                out.iter_mut().zip(other).for_each(|(q, b)| *q = f(*q, *b));
            }),
            [Cells::Other(other), _] => self.out.chunks_exact_mut(other.len().max(1)).for_each(|out| {
                out.iter_mut().zip(other).for_each(|(q, a)| *q = f(*a, *q));
            }),
            _ => self.out.iter_mut().for_each(|q| *q = f(*q, *q)),
        }
    }
}

/// Runs a loop with what makes a value of two.
#[inline(always)]
fn by_value(step: &Step<'_>, values: impl Loop) {
    let ([one, two], to, limits) = (&step.inputs, &step.output, step.operator.clamp);
    let zero = i32::from(to.zero_point);
    let (za, zb) = (i32::from(one.zero_point), i32::from(two.zero_point));
    match (step.operator.op, step.operator.rescale) {
        (Op::Add, Rescale::Float { .. }) => {
            values.run(|a, b| clamp(round_clamped((real(a, one) + real(b, two)) / to.scale) + zero, limits));
        }
        (_, Rescale::Float { .. }) => {
            values.run(|a, b| clamp(round_clamped(real(a, one) * real(b, two) / to.scale) + zero, limits));
        }
        (Op::Add, Rescale::Fixed { multipliers, shifts }) => {
            let [ma, mb, mo] = [0, 1, 2].map(|i| Fixed::at(multipliers, shifts, i));
            values.run(|a, b| {
                let sum = ma.times((i32::from(a) - za) << 20) + mb.times((i32::from(b) - zb) << 20);
                clamp(mo.times(sum) + zero, limits)
            });
        }
        (_, Rescale::Fixed { multipliers, shifts }) => {
            let by = Fixed::at(multipliers, shifts, 0);
            values.run(|a, b| clamp(by.times((i32::from(a) - za) * (i32::from(b) - zb)) + zero, limits));
        }
    }
}

/// Looks every value up, where it is.
pub fn table_in_place(step: &Step<'_>, out: &mut [i8]) -> Option<()> {
    let table: &[u8; 256] = step.operator.weights.first_chunk()?;
    for q in out {
        *q = clamp(i32::from(table[usize::from(*q as u8 ^ 0x80)] as i8), step.operator.clamp);
    }
    Some(())
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
