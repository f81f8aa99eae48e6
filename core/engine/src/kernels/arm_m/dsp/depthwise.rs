//! Depthwise convolution with SMLABB and SMLATT: four channels, three taps at a time.

use super::requantize::offset;
use super::words::{even, odd, quad};
use crate::kernels::args::MAX_KERNEL;
use crate::kernels::arm_m::patch::Patch;
use crate::kernels::checked::Depthwise;
use crate::kernels::{edges, general, scalar};
use core::mem::MaybeUninit;
use group::{Group, TRIPLE, TRIPLES, depthwise_group, fixed_group};

mod group;

/// One output row of a depthwise convolution.
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    if !depthwise_columns(&mut checked) {
        scalar::depthwise_row(checked);
    }
}

/// One output row from rows without padding; false, with nothing that counts written, where the layer is not of this form.
pub fn padded_row(args: &general::DepthwiseRow<'_>, out: &mut [i8]) -> bool {
    let (columns, channels, height) = (&args.columns, args.filters.channels, args.rows.len());
    let (Some(most @ 1..), Some(filters)) = (Patch::<4>::columns(args, out.len()), edges::filters(&args.filters, &[])) else {
        return false;
    };
    if columns.kernel < TRIPLE || filters.is_fixed() && filters.shifts.len() < channels {
        return false;
    }
    let (total, per_row) = (out.len().checked_div(channels).unwrap_or(0), columns.kernel.div_ceil(TRIPLE));
    let overlap = TRIPLE * per_row - columns.kernel;
    let mut patch = Patch::<4>::new();
    let mut group = Group {
        bias: [0; 4],
        scales: [0; 4],
        between: 4,
        end: core::ptr::null(),
        offset: offset(&filters),
        channels,
        step: 4 * columns.stride,
        rounding: [[0; 4]; 2],
        triples: [MaybeUninit::uninit(); TRIPLES],
        weights: [MaybeUninit::uninit(); TRIPLES],
    };
    group.end = group.triples.as_ptr().cast::<*const i8>().wrapping_add(per_row * height);
    for x in (0..total).step_by(most) {
        let count = most.min(total - x);
        let len = Patch::<4>::pixels(args, count);
        let places = (0..height).flat_map(|y| (0..per_row).map(move |i| (y, TRIPLE * i)));
        for (triple, (y, first)) in group.triples.iter_mut().zip(places) {
            triple.write(patch.start().wrapping_add(4 * (y * len + first.min(columns.kernel - TRIPLE))));
        }
        for channel in (0..channels).step_by(4) {
            let channel = channel.min(channels - 4);
            // SAFETY: `Patch::columns` has seen that everything is there for four channels; the patch holds `count` columns.
            unsafe {
                if !group.take(&filters, channel) {
                    return false;
                }
                let (mut weights, mut to) =
                    (filters.weights.as_ptr().add(channel), group.weights.as_mut_ptr().cast::<[u32; 2]>());
                for _ in 0..height {
                    let end = to.add(TRIPLE * per_row);
                    // The last triple of a row may overlap the one before; its weights do not.
                    let last = end.sub(TRIPLE);
                    while to != end {
                        if overlap != 0 && to == last {
                            to.write_bytes(0, overlap);
                            to = to.add(overlap);
                        }
                        let quad = weights.cast::<u32>().read_unaligned();
                        (weights, *to) = (weights.wrapping_add(channels), [even(quad), odd(quad)]);
                        to = to.add(1);
                    }
                }
                patch.fill(args, x, count, channel);
                let to = out.as_mut_ptr().add(x * channels + channel);
                let end = to.wrapping_add(count * channels);
                if filters.is_fixed() { fixed_group(&group, to, end) } else { depthwise_group(&group, to, end) }
            }
        }
    }
    args.filters.clamp_all(out);
    true
}

/// False, and nothing done, where the layer is not of the form that this takes.
fn depthwise_columns(checked: &mut Depthwise<'_>) -> bool {
    let (args, width) = (checked.args(), checked.width());
    let (channels, kernel_width) = (args.channels, args.kernel_width);
    let span = kernel_width * channels;
    if channels < 4 || args.rows.len() > MAX_KERNEL || kernel_width > MAX_KERNEL {
        return false;
    }
    let out = checked.out();
    let mut group = Group {
        bias: [0; 4],
        scales: [0; 4],
        // In a narrow kernel a triple is one tap, thrice.
        between: if kernel_width < TRIPLE { 0 } else { channels },
        end: core::ptr::null(),
        offset: offset(&args.filters),
        channels,
        step: args.step,
        rounding: [[0; 4]; 2],
        triples: [MaybeUninit::uninit(); TRIPLES],
        weights: [MaybeUninit::uninit(); TRIPLES],
    };
    let per_row = if kernel_width < TRIPLE { kernel_width } else { kernel_width.div_ceil(TRIPLE) };
    for channel in (0..channels).step_by(4) {
        // The last group may repeat channels of the one before.
        let channel = channel.min(channels - 4);
        // SAFETY: there are a bias and a scale for each of the four channels.
        if !unsafe { group.take(&args.filters, channel) } {
            return false;
        }
        let mut to = group.triples.iter_mut().zip(&mut group.weights);
        for (row, weights) in args.rows.iter().zip(args.filters.weights.chunks_exact(span.max(1))) {
            for (i, (triple, to)) in (0..per_row).zip(&mut to) {
                // The last triple of a row may overlap the one before; its weights do not.
                let first = if kernel_width < TRIPLE { i } else { (TRIPLE * i).min(kernel_width - TRIPLE) };
                let taps = if kernel_width < TRIPLE { i..i + 1 } else { TRIPLE * i..kernel_width };
                triple.write(row.as_ptr().wrapping_add(first * channels + channel));
                to.write(core::array::from_fn(|k| {
                    let tap = first + k;
                    let weights = if taps.contains(&tap) { quad(weights, tap * channels + channel) } else { 0 };
                    [even(weights), odd(weights)]
                }));
            }
        }
        group.end = group.triples.as_ptr().cast::<*const i8>().wrapping_add(per_row * args.rows.len());
        let out = out.as_mut_ptr().wrapping_add(channel);
        // SAFETY: each row holds every window; the four values read there and those written lie at
        // `channel..channel + 4` of `channels`.
        unsafe {
            let end = out.wrapping_add(width * channels);
            if args.filters.is_fixed() { fixed_group(&group, out, end) } else { depthwise_group(&group, out, end) }
        };
    }
    true
}
