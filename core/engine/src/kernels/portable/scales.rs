//! The sums of a block of channels to int8: in f32, in the integers that stand for it, or in TFLite's arithmetic.

use crate::kernels::args::Filters;
use crate::kernels::columns::COLUMNS;
use crate::kernels::pack::word;
#[cfg(not(soft_float))]
use crate::quant::requantize;
use crate::quant::requantize_fixed;
#[cfg(soft_float)]
use crate::quant::{Fixed, multiplier, requantize_in_floats};
#[cfg(soft_float)]
use core::mem::MaybeUninit;

/// How the sums of up to `N` channels are requantised.
pub struct Scales<const N: usize> {
    first: usize,
    #[cfg(soft_float)]
    count: usize,
    /// Where floating point is emulated: of each channel, and their form.
    #[cfg(soft_float)]
    multipliers: [MaybeUninit<u32>; N],
    #[cfg(soft_float)]
    fixed: Fixed,
}

impl<const N: usize> Scales<N> {
    /// Those of the channels from `first` on.
    #[inline(always)]
    pub fn new(filters: &Filters<'_>, first: usize, channels: usize) -> Self {
        #[cfg(soft_float)]
        {
            let count = N.min(channels - first);
            let mut multipliers = [MaybeUninit::uninit(); N];
            let fixed = load_multipliers(filters, first, multipliers.get_mut(..count).unwrap_or_default());
            Self { first, count, multipliers, fixed }
        }
        #[cfg(not(soft_float))]
        {
            let _ = (filters, channels);
            Self { first }
        }
    }

    /// Writes the outputs of up to `COLUMNS` columns.
    ///
    /// # Safety
    /// `sums` are of all channels; from `out` on there is room for the columns, `channels` apart.
    #[inline(always)]
    pub unsafe fn requantize(
        &self,
        filters: &Filters<'_>,
        sums: &[[i32; COLUMNS]],
        columns: usize,
        out: *mut i8,
        channels: usize,
    ) {
        if filters.is_fixed() {
            // SAFETY: the caller's.
            return unsafe { requantize_fixed_columns(sums, filters, self.first, columns, out, channels) };
        }
        #[cfg(soft_float)]
        // SAFETY: the caller's; there is a multiplier for each channel.
        unsafe {
            let multipliers = core::slice::from_raw_parts(self.multipliers.as_ptr().cast(), self.count);
            requantize_columns(sums, multipliers, self.fixed, columns, out, channels, (filters, self.first));
        }
        #[cfg(not(soft_float))]
        for (i, sums) in sums.iter().enumerate() {
            for (column, sum) in sums.iter().take(columns).enumerate() {
                let q = requantize(*sum, scale(filters, self.first + i), filters.zero_point);
                // SAFETY: the caller's.
                unsafe { *out.add(column * channels + i) = q };
            }
        }
    }
}

/// [`Scales::requantize`] in TFLite's arithmetic, of the channels from `first` on.
///
/// # Safety
/// The same.
#[inline(never)]
unsafe fn requantize_fixed_columns(
    sums: &[[i32; COLUMNS]],
    filters: &Filters<'_>,
    first: usize,
    columns: usize,
    out: *mut i8,
    channels: usize,
) {
    let shifts = filters.shifts.get(first..).unwrap_or_default();
    for (i, (sums, shift)) in sums.iter().zip(shifts).enumerate() {
        let multiplier = word(filters.scales, first + i);
        for (column, sum) in sums.iter().take(columns).enumerate() {
            let q = requantize_fixed(*sum, multiplier, *shift as i8, filters.zero_point);
            // SAFETY: the caller's.
            unsafe { *out.add(column * channels + i) = q };
        }
    }
}

/// The multipliers of the channels from `first` on.
#[cfg(soft_float)]
#[inline(never)]
fn load_multipliers(filters: &Filters<'_>, first: usize, multipliers: &mut [MaybeUninit<u32>]) -> Fixed {
    let mut least = u32::MAX;
    for (i, to) in multipliers.iter_mut().enumerate() {
        let multiplier = multiplier(scale(filters, first + i));
        to.write(multiplier);
        least = least.min(multiplier);
    }
    Fixed::new(filters.zero_point, least)
}

/// [`Scales::requantize`] of channels with these multipliers, the first of which is `channel`.
///
/// # Safety
/// The same.
#[cfg(soft_float)]
#[inline(never)]
unsafe fn requantize_columns(
    sums: &[[i32; COLUMNS]],
    multipliers: &[u32],
    fixed: Fixed,
    columns: usize,
    out: *mut i8,
    channels: usize,
    (filters, channel): (&Filters<'_>, usize),
) {
    let end = multipliers.as_ptr_range().end;
    for column in 0..columns {
        let (mut sum, mut multiplier) = (sums.as_ptr().cast::<i32>().wrapping_add(column), multipliers.as_ptr());
        let mut out = out.wrapping_add(column * channels);
        while multiplier != end {
            // SAFETY: the caller's.
            unsafe {
                *out = match fixed.round(*sum, *multiplier) {
                    Some(q) => q,
                    None => exactly(*sum, filters, channel + multiplier.offset_from_unsigned(multipliers.as_ptr())),
                };
                (sum, multiplier, out) = (sum.wrapping_add(COLUMNS), multiplier.add(1), out.wrapping_add(1));
            }
        }
    }
}

/// A sum nearer to a half than the multiplication is exact.
#[cfg(soft_float)]
#[cold]
#[inline(never)]
fn exactly(sum: i32, filters: &Filters<'_>, channel: usize) -> i8 {
    requantize_in_floats(sum, scale(filters, channel), filters.zero_point)
}

#[inline(always)]
fn scale(filters: &Filters<'_>, channel: usize) -> f32 {
    f32::from_bits(word(filters.scales, channel) as u32)
}
