//! What hands bytes on.

use super::step::{Step, copy};
use crate::model::desc::Pads;
use crate::session::memory::Source;

/// The channels of one row, then those of the other, pixel by pixel.
pub fn concat(step: &Step<'_>, a: &[i8], b: &[i8], out: &mut [i8]) -> Option<()> {
    let [first, second] = step.inputs.map(|side| usize::from(side.shape.channels).max(1));
    let pixels = a.chunks_exact(first).zip(b.chunks_exact(second));
    for ((a, b), to) in pixels.zip(out.chunks_exact_mut(first + second)) {
        let (left, right) = to.split_at_mut_checked(first)?;
        copy(a, left)?;
        copy(b, right)?;
    }
    clamp_row(step, out);
    Some(())
}

/// A row with pixels of one value around, or of nothing else.
pub fn pad(step: &Step<'_>, pads: Pads, value: i8, y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let input = step.inputs[0].shape;
    out.fill(value);
    if let Some(row) = y.checked_sub(u32::from(pads.top)).filter(|row| *row < u32::from(input.height)) {
        let left = usize::from(pads.left) * usize::from(input.channels);
        copy(source.row(row)?, out.get_mut(left..left + input.row_len())?)?;
    }
    clamp_row(step, out);
    Some(())
}

/// Every cell several times.
pub fn resize(step: &Step<'_>, y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let (input, output) = (step.inputs[0].shape, step.output.shape);
    let [down, across] = [output.height / input.height.max(1), output.width / input.width.max(1)];
    let row = source.row(y.checked_div(u32::from(down))?)?;
    let channels = usize::from(input.channels).max(1);
    let pixels = row.chunks_exact(channels).flat_map(|pixel| core::iter::repeat_n(pixel, usize::from(across)));
    for (pixel, to) in pixels.zip(out.chunks_exact_mut(channels)) {
        copy(pixel, to)?;
    }
    clamp_row(step, out);
    Some(())
}

/// The same bytes, cut into rows of another length.
pub fn reshape(step: &Step<'_>, y: u32, source: &Source<'_>, out: &mut [i8]) -> Option<()> {
    let row = step.inputs[0].shape.row_len() as u64;
    let mut from = u64::from(y) * step.output.shape.row_len() as u64;
    let mut rest = &mut *out;
    while !rest.is_empty() {
        let tail = source.row(u32::try_from(from.checked_div(row)?).ok()?)?.get((from % row) as usize..)?;
        let (now, later) = rest.split_at_mut_checked(tail.len().min(rest.len()))?;
        copy(tail.get(..now.len())?, now)?;
        from += now.len() as u64;
        rest = later;
    }
    clamp_row(step, out);
    Some(())
}

/// Some columns of a row.
pub fn crop(step: &Step<'_>, left: u16, row: &[i8], out: &mut [i8]) -> Option<()> {
    let at = usize::from(left) * usize::from(step.output.shape.channels);
    copy(row.get(at..at + out.len())?, out)?;
    clamp_row(step, out);
    Some(())
}

/// One row behind the other.
pub fn concat_columns(a: &[i8], b: &[i8], out: &mut [i8]) -> Option<()> {
    let (left, right) = out.split_at_mut_checked(a.len())?;
    copy(a, left)?;
    copy(b, right)
}

/// The activation range, where it is one.
fn clamp_row(step: &Step<'_>, out: &mut [i8]) {
    let [least, greatest] = step.operator.clamp;
    if (least, greatest) != (i8::MIN, i8::MAX) {
        for q in out {
            *q = (*q).max(least).min(greatest);
        }
    }
}
