//! Depthwise convolutions by AVX-512 with VNNI: words of four taps, put together as they are needed.

use super::avx2;
use super::bytes::Bytes;
use super::values::Values;
use crate::kernels::checked::{Depthwise, WORD};
use core::arch::x86_64::*;

/// Words of four taps that the weights of sixteen channels may take.
const QUADS: usize = 16;

/// Sixteen channels at a time: of each row of the window up to four pixels are put together to words of four taps.
pub fn depthwise_row(mut checked: Depthwise<'_>) {
    let args = checked.args();
    let quads = args.rows.len() * args.kernel_width.div_ceil(4);
    if quads > QUADS {
        return (avx2::KERNEL.depthwise_row)(checked);
    }
    // SAFETY: a kernel with this function exists on a processor with these instructions only.
    unsafe {
        if args.kernel_width == 3 {
            depthwise::<3>(&mut checked);
        } else {
            depthwise::<0>(&mut checked);
        }
    }
}

/// `WIDTH` is the window's, 0 where that is not known; at most [`QUADS`] words of taps.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn depthwise<const WIDTH: usize>(checked: &mut Depthwise<'_>) {
    let (args, columns) = (checked.args(), checked.width());
    let (channels, width) = (args.channels, if WIDTH == 0 { args.kernel_width } else { WIDTH });
    let out = checked.out().as_mut_ptr();
    let flips = _mm512_set1_epi32(0x8080_8080_u32.cast_signed());
    for channel in (0..channels).step_by(16) {
        let lanes: __mmask16 = if channels - channel < 16 { (1 << (channels - channel)) - 1 } else { !0 };
        // SAFETY: every row holds the windows of all columns, and there are weights and parameters of all channels: lanes that
        // are not in the mask are not read and not written.
        unsafe {
            let word = |from: *const i8, at: usize| {
                let of = |i: usize| _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, from.add(i * channels)));
                let taps = width - at;
                let [mut a, mut b] = [of(0), _mm512_setzero_si512()];
                if taps > 1 {
                    a = _mm512_or_si512(a, _mm512_slli_epi32::<8>(of(1)));
                }
                if taps > 2 {
                    b = _mm512_slli_epi32::<16>(of(2));
                }
                if taps > 3 {
                    b = _mm512_or_si512(b, _mm512_slli_epi32::<24>(of(3)));
                }
                [a, b]
            };
            let parameter = |from: &[u8]| _mm512_maskz_loadu_epi32(lanes, from.as_ptr().add(WORD * channel).cast());
            // What the flipped bits add is taken from the bias.
            let (mut weights, mut paid, mut quads) = ([flips; QUADS], _mm512_setzero_si512(), 0);
            for y in 0..args.rows.len() {
                for at in (0..width).step_by(4) {
                    let [a, b] = word(args.filters.weights.as_ptr().cast::<i8>().add((y * width + at) * channels + channel), at);
                    weights[quads] = _mm512_or_si512(a, b);
                    paid = _mm512_dpbusd_epi32(paid, flips, weights[quads]);
                    quads += 1;
                }
            }
            let start = _mm512_sub_epi32(parameter(args.filters.bias), paid);
            let scale = parameter(args.filters.scales);
            let shifts = match args.filters.shifts.get(channel..) {
                Some(shifts) if args.filters.is_fixed() => {
                    _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, shifts.as_ptr().cast()))
                }
                _ => _mm512_setzero_si512(),
            };
            for x in 0..columns {
                let (mut sum, mut quad) = (start, 0);
                for row in args.rows {
                    let row = row.as_ptr().add(x * args.step + channel);
                    for at in (0..width).step_by(4) {
                        let [a, b] = word(row.add(at * channels), at);
                        // (a | b) ^ flips
                        let values = _mm512_ternarylogic_epi32::<0b0101_0110>(a, b, flips);
                        sum = _mm512_dpbusd_epi32(sum, values, weights[quad]);
                        quad += 1;
                    }
                }
                let q = if args.filters.is_fixed() {
                    Bytes::narrow(Bytes::times(sum, [scale, shifts]), args.filters.zero_point)
                } else {
                    let q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_castsi512_ps(scale)));
                    _mm512_cvtsepi32_epi8(_mm512_add_epi32(q, _mm512_set1_epi32(i32::from(args.filters.zero_point))))
                };
                _mm_mask_storeu_epi8(out.add(x * channels + channel), lanes, q);
            }
        }
    }
}
