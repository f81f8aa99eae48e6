//! What is computed value by value, or pixel by pixel.

use super::step::{Cells, Side, Step};
use crate::model::bytes::{i8_at, u32_at};
use crate::model::desc::{Op, Rescale};

use crate::kernels::{FixedSum, Kernel, WIDE};
use crate::quant::{clamp, multiply_by_quantized_multiplier, round_clamped};
use crate::session::memory::Source;
use crate::softmax::Softmax;

/// Multiplier and shift.
fn factor(multipliers: &[u8], shifts: &[u8], i: usize) -> (i32, i8) {
    (u32_at(multipliers, 4 * i) as i32, i8_at(shifts, i))
}

/// `f32(q - zero_point) * scale`.
#[inline(always)]
fn real(q: i8, side: &Side) -> f32 {
    (i32::from(q) - i32::from(side.zero_point)) as f32 * side.scale
}

/// Addition and multiplication; the second input may be one pixel.
pub fn binary(step: &Step<'_>, kernel: &Kernel, y: u32, a: &Source<'_>, b: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let (first, second) = (a.row(y)?, b.row(if step.inputs[1].shape.height == 1 { 0 } else { y })?);
    by_value(step, kernel, Apart { first, second, out });
    Some(())
}

/// The same where one input is, or both are, what `out` holds.
pub fn binary_in_place(step: &Step<'_>, kernel: &Kernel, inputs: [Cells<'_>; 2], out: &mut [i8]) {
    by_value(step, kernel, Within { inputs, out });
}

/// Values that are made together.
type Wide = [i8; WIDE];

/// A loop over values.
trait Loop {
    fn run(self, f: impl Fn(i8, i8) -> i8);
    /// By many at once; at the end of a row some of them do not count.
    fn run_wide(self, f: impl Fn(&Wide, &Wide, &mut Wide));
}

/// By many at once, what does not fill them by a copy.
fn wide(a: &[i8], b: &[i8], out: &mut [i8], f: impl Fn(&Wide, &Wide, &mut Wide)) {
    let ((a, last_a), (b, last_b), (out, last)) = (a.as_chunks(), b.as_chunks(), out.as_chunks_mut());
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        f(a, b, out);
    }
    if !last.is_empty() {
        let mut copies = [[0; WIDE]; 3];
        let [a, b, out] = &mut copies;
        for (from, to) in [(last_a, &mut *a), (last_b, &mut *b)] {
            from.iter().zip(to).for_each(|(from, to)| *to = *from);
        }
        f(a, b, out);
        last.iter_mut().zip(out).for_each(|(to, q)| *to = *q);
    }
}

/// [`wide`] where `out` is the first input, and the second too if there is no other.
fn wide_in_place(out: &mut [i8], other: Option<&[i8]>, f: impl Fn(&Wide, &Wide, &mut Wide)) {
    for (i, out) in out.chunks_mut(WIDE).enumerate() {
        let mut copy = [0; WIDE];
        copy.iter_mut().zip(&*out).for_each(|(to, from)| *to = *from);
        let taken = copy.get(..out.len()).unwrap_or_default();
        let other = other.map_or(taken, |other| other.get(i * WIDE..).unwrap_or_default());
        wide(taken, other.get(..out.len()).unwrap_or_default(), out, &f);
    }
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

    #[inline(always)]
    fn run_wide(self, f: impl Fn(&Wide, &Wide, &mut Wide)) {
        let len = self.second.len().min(self.first.len()).max(1);
        for (row, out) in self.first.chunks_exact(len).zip(self.out.chunks_exact_mut(len)) {
            wide(row, self.second, out, &f);
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

    #[inline(always)]
    fn run_wide(self, f: impl Fn(&Wide, &Wide, &mut Wide)) {
        match self.inputs {
            [Cells::Taken, Cells::Other(other)] => {
                self.out.chunks_exact_mut(other.len().max(1)).for_each(|out| wide_in_place(out, Some(other), &f));
            }
            [Cells::Other(other), _] => self.out.chunks_exact_mut(other.len().max(1)).for_each(|out| {
                wide_in_place(out, Some(other), |taken, other, out| f(other, taken, out));
            }),
            _ => wide_in_place(self.out, None, f),
        }
    }
}

/// Runs a loop with what makes a value of two.
#[inline(always)]
fn by_value(step: &Step<'_>, kernel: &Kernel, values: impl Loop) {
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
            let factors = [0, 1, 2].map(|i| factor(multipliers, shifts, i));
            let zero_points = [one.zero_point, two.zero_point];
            let by = FixedSum { factors, zero_points, zero_point: to.zero_point, limits };
            match kernel.fixed_sum() {
                Some(sum) => values.run_wide(|a, b, out| sum(&by, a, b, out)),
                None => values.run(|a, b| by.of(a, b)),
            }
        }
        (_, Rescale::Fixed { multipliers, shifts }) => {
            let (multiplier, shift) = factor(multipliers, shifts, 0);
            let times = |x| multiply_by_quantized_multiplier(x, multiplier, shift);
            values.run(|a, b| clamp(times((i32::from(a) - za) * (i32::from(b) - zb)) + zero, limits));
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
    let (multiplier, shift) = factor(multipliers, shifts, 0);
    let softmax = Softmax { multiplier, shift: u32::from(shift.max(0).unsigned_abs()), diff_min, clamp: step.operator.clamp };
    let channels = usize::from(step.output.shape.channels).max(1);
    for (pixel, to) in row.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        softmax.pixel(pixel, to);
    }
    Some(())
}
