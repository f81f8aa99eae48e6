//! What an operator must satisfy.

mod shapes;

use super::Model;
use super::bytes::{f32_at, i8_at, magnitudes, slice, u8_at, u32_at};
use super::desc::{Element, Form, Op, Operator, Rescale, Shape, Value};
use super::layout::operator as field;
use super::sizes::{ScaleCount, filter_stride};
use crate::error::{Error, attempt};
use crate::quant::ROUND_LIMIT;
pub use shapes::MAX_KERNEL_ROWS;

/// Bound of an accumulator after its left shift: with a zero point it stays within 32 bits.
const FIXED_LIMIT: i64 = 1 << 30;
/// A scale below which an f32 output stays finite.
const FLOAT_LIMIT: f32 = 1e30;

/// Checks operator `i`.
pub const fn operator(model: &Model<'_>, i: u16) -> Result<(), Error> {
    let wrong = Checker { operator: i };
    let at = i as usize * field::SIZE;
    let Some(operator) = model.operator(i) else {
        return wrong.is("operator code");
    };
    let op = operator.op;
    if u8_at(model.operators, at + field::ARITHMETIC) > 1 {
        return wrong.is("arithmetic");
    }
    if operator.a > i || (operator.b.is_some() && model.inputs(i).1 > i) {
        return wrong.is("input (it is not an earlier value)");
    }
    if operator.b.is_some() != op.is_binary() {
        return wrong.is("second input");
    }
    let (Some(a), Some(b), Some(out)) = (model.value(operator.a), model.value(model.inputs(i).1), model.value(i + 1)) else {
        return wrong.is("input");
    };
    if !is_i8(a.element) || !is_i8(b.element) {
        return wrong.is("input (it is not int8)");
    }
    if !is_i8(out.element) && !matches!((op, operator.rescale), (Op::Dense { .. }, Rescale::Float { .. })) {
        return wrong.is("output type");
    }
    if operator.clamp[0] > operator.clamp[1] {
        return wrong.is("activation range");
    }
    if let Err(field) = shapes::check(op, a.shape, b.shape, out.shape) {
        return wrong.is(field);
    }
    if !is_form_known(op, operator.form) {
        return wrong.is("form (this operator cannot accumulate)");
    }
    attempt!(constants(wrong, &operator, a.shape, out.shape));
    attempt!(quantisation(wrong, &operator, &a, &b, &out));
    match op {
        Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } | Op::Dense { .. } => {
            accumulators(wrong, &operator, a.shape, out.shape, is_i8(out.element))
        }
        _ => rescale(wrong, &operator),
    }
}

#[derive(Clone, Copy)]
struct Checker {
    operator: u16,
}

impl Checker {
    const fn is<T>(self, field: &'static str) -> Result<T, Error> {
        Err(Error::InvalidOperator { operator: self.operator, field })
    }
}

const fn is_i8(element: Element) -> bool {
    matches!(element, Element::I8)
}

const fn is_form_known(op: Op, form: Form) -> bool {
    match form {
        Form::Rows => true,
        Form::Accumulate { .. } => {
            matches!(op, Op::AveragePool2d { .. } | Op::MaxPool2d { .. } | Op::Mean { .. } | Op::Dense { .. })
        }
    }
}

const fn constants(wrong: Checker, operator: &Operator<'_>, input: Shape, output: Shape) -> Result<(), Error> {
    let op = operator.op;
    if operator.weights.len() != op.weights_len(input, output) {
        return wrong.is("weights (they lie outside of the file)");
    }
    if operator.bias.len() != op.bias_count(output).saturating_mul(4) {
        return wrong.is("biases (they lie outside of the file)");
    }
    let (count, fixed) = match operator.rescale {
        Rescale::Float { scales } => (scales.len() / 4, false),
        Rescale::Fixed { multipliers, shifts } => {
            if multipliers.len() / 4 != shifts.len() {
                return wrong.is("shifts (they lie outside of the file)");
            }
            (shifts.len(), true)
        }
    };
    let is_right = match op.scale_count(fixed) {
        ScaleCount::OneOrChannels => count == 1 || count == output.channels as usize,
        ScaleCount::Exactly(n) => count == n,
    };
    if !is_right {
        return wrong.is("scales (their number)");
    }
    if matches!(op, Op::Softmax { .. }) && !fixed {
        return wrong.is("arithmetic (softmax is TFLite's)");
    }
    Ok(())
}

/// Operators that hand bytes on do not change what they mean.
const fn quantisation(wrong: Checker, operator: &Operator<'_>, a: &Value, b: &Value, out: &Value) -> Result<(), Error> {
    let is_equal = match operator.op {
        Op::MaxPool2d { .. } | Op::Concat | Op::Pad { .. } | Op::ResizeNearest | Op::Reshape | Op::Crop { .. } => {
            is_same(a, out) && is_same(b, out)
        }
        Op::ConcatColumns => is_same(a, out) && is_same(b, out) && operator.clamp[0] == i8::MIN && operator.clamp[1] == i8::MAX,
        // TFLite's average hands the zero point on as well.
        Op::AveragePool2d { .. } => is_same(a, out) || matches!(operator.rescale, Rescale::Float { .. }),
        _ => true,
    };
    if is_equal { Ok(()) } else { wrong.is("scale, zero point or range (this operator cannot change it)") }
}

const fn is_same(a: &Value, b: &Value) -> bool {
    a.zero_point == b.zero_point && a.scale.to_bits() == b.scale.to_bits()
}

/// No accumulator leaves i32 or the rounding range.
const fn accumulators(wrong: Checker, operator: &Operator<'_>, input: Shape, output: Shape, is_i8: bool) -> Result<(), Error> {
    let mut c = 0;
    while c < output.channels as usize {
        let Some(weights) = magnitude(operator, input, output, c) else {
            return wrong.is("weights (a filter's padding is not zero)");
        };
        let bias = u32_at(operator.bias, 4 * c) as i32 as i64;
        let bound = weights.saturating_mul(128).saturating_add(if bias < 0 { -bias } else { bias });
        if bound > i32::MAX as i64 {
            return wrong.is("weights (an accumulator could overflow)");
        }
        attempt!(bounded(wrong, operator.rescale, c, bound, is_i8));
        c += 1;
    }
    Ok(())
}

/// Accumulators up to `bound` can be rescaled.
const fn bounded(wrong: Checker, rescale: Rescale<'_>, c: usize, bound: i64, is_i8: bool) -> Result<(), Error> {
    match rescale {
        Rescale::Float { scales } => {
            let scale = f32_at(scales, if scales.len() > 4 { 4 * c } else { 0 });
            let limit = if is_i8 { ROUND_LIMIT } else { FLOAT_LIMIT };
            if !(scale > 0.0 && bound as f32 * scale < limit) {
                return wrong.is("scale (an accumulator times it is out of range)");
            }
        }
        Rescale::Fixed { multipliers, shifts } => {
            let i = if shifts.len() > 1 { c } else { 0 };
            let (multiplier, shift) = (u32_at(multipliers, 4 * i) as i32, i8_at(shifts, i));
            if multiplier < 0 || shift < -31 || shift > 30 {
                return wrong.is("multiplier or shift");
            }
            if shift > 0 && bound << shift > FIXED_LIMIT {
                return wrong.is("shift (an accumulator could overflow)");
            }
        }
    }
    Ok(())
}

/// Sum of the magnitudes of the weights of output `c`; `None` where the bytes that pad a filter are not zero.
const fn magnitude(operator: &Operator<'_>, input: Shape, output: Shape, c: usize) -> Option<i64> {
    let taps = operator.op.taps(input);
    if let Op::DepthwiseConv2d { .. } = operator.op {
        let (mut sum, mut at) = (0i64, c);
        while at < operator.weights.len() {
            sum += (operator.weights[at] as i8).unsigned_abs() as i64;
            at += output.channels as usize;
        }
        return Some(sum);
    }
    let stride = filter_stride(taps);
    let filter = slice(operator.weights, c * stride, stride);
    if magnitudes(slice(filter, taps, stride - taps)) != 0 {
        return None;
    }
    let times = match operator.op {
        Op::Dense { shared: true } => input.height as i64 * input.width as i64,
        _ => 1,
    };
    Some(magnitudes(slice(filter, 0, taps)).saturating_mul(times))
}

/// Rescaling of what has no weights.
const fn rescale(wrong: Checker, operator: &Operator<'_>) -> Result<(), Error> {
    let bound = match operator.op {
        Op::Mean { kernel } => 255 * kernel[0] as i64 * kernel[1] as i64,
        Op::AveragePool2d { window } => 255 * window.kernel[0] as i64 * window.kernel[1] as i64,
        Op::Mul => 255 * 255,
        // 255 << 20, and sums of two of them.
        Op::Add => FIXED_LIMIT,
        Op::Softmax { diff_min } => {
            if diff_min > 0 {
                return wrong.is("diff_min");
            }
            if diff_min < -255 { 255 } else { -(diff_min as i64) }
        }
        _ => return Ok(()),
    };
    match operator.rescale {
        Rescale::Float { scales } => {
            if scales.is_empty() {
                Ok(())
            } else {
                bounded(wrong, operator.rescale, 0, bound, true)
            }
        }
        Rescale::Fixed { shifts, .. } => {
            let mut i = 0;
            while i < shifts.len() {
                // Softmax's differences fill 32 bits: their sign is known.
                let bound = if matches!(operator.op, Op::Softmax { .. }) { bound / 2 } else { bound };
                attempt!(bounded(wrong, operator.rescale, i, bound, true));
                if matches!(operator.op, Op::Add) && i8_at(shifts, i) > 0 {
                    return wrong.is("shift (of an addition it is not to the left)");
                }
                i += 1;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
