//! The lengths that unchecked loads rely on.

use super::Filters;

/// Output width, if all lengths are as they must be; everything unchecked below relies on it.
pub fn width(
    rows: &[&[i8]],
    filters: &Filters<'_>,
    span: usize,
    step: usize,
    channels: usize,
    filter_stride: usize,
    out: usize,
) -> Option<usize> {
    let width = out.checked_div(channels)?;
    let end = width.checked_sub(1)?.checked_mul(step)?.checked_add(span)?;
    let fits = span > 0
        && !rows.is_empty()
        && rows.iter().all(|row| row.len() >= end)
        && out == width * channels
        && filters.weights.len() >= channels.checked_mul(filter_stride)?
        && filters.bias.len() >= channels.checked_mul(4)?
        && filters.scales.len() >= channels * 4;
    fits.then_some(width)
}
