//! AVX-512 with VNNI: `vpdpbusd` on 512 bits, four taps of sixteen output channels an instruction: 64 multiply-accumulates.
//!
//! Its activations are unsigned: they come with the top bit flipped, and the bias pays the 128 back.

use super::avx2;
use super::values::{SHIFT, Values, sum};
use crate::kernels::api::Kernel;
use crate::kernels::args::{FixedSum, WIDE};
use crate::kernels::checked::{Conv, Covered, Depthwise, WORD};
use crate::kernels::scalar;
use crate::kernels::vector::{Isa, Job, conv, layout};
use core::arch::x86_64::*;

/// Sixteen accumulators or more: five cycles a chain, two instructions a cycle.
const BLOCKS: usize = 2;
const COLUMNS: usize = 8;
const ALONE: usize = 16;

/// The kernel; only [`available`](super::available) gives it away.
pub const KERNEL: Kernel = Kernel {
    name: "avx512-vnni",
    conv_row,
    depthwise_row,
    dots,
    fixed_sum: Some(fixed_sum),
    pack: Some(pack),
    blocks: None,
    ..avx2::KERNEL
};

/// Bytes in 512 bits.
struct Bytes;

impl Isa for Bytes {
    type Vector = __m512i;
    const LANES: usize = 16;
    const TAPS: usize = 4;
    const FLIPPED: bool = true;
    const TAP_MAJOR: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: 64 readable bytes, and AVX-512.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m512i {
        // SAFETY: 4 readable bytes, and AVX-512.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: AVX512-VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, x, w) }
    }

    /// `vcvtps2dq` rounds to even, as `quant::round_ties_even`.
    #[inline(always)]
    unsafe fn requantize(sum: __m512i, scale: __m512i, zero_point: i8, to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe {
            let q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_castsi512_ps(scale)));
            let q = _mm512_add_epi32(q, _mm512_set1_epi32(i32::from(zero_point)));
            _mm_storeu_si128(to.cast(), _mm512_cvtsepi32_epi8(q));
        }
    }

    #[inline(always)]
    unsafe fn load_shifts(from: *const u8) -> __m512i {
        // SAFETY: 16 readable bytes, and AVX-512.
        unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn requantize_fixed(sum: __m512i, by: [__m512i; 2], zero_point: i8, to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe { _mm_storeu_si128(to.cast(), Self::narrow(Self::times(sum, by), zero_point)) };
    }
}

impl Bytes {
    /// Sixteen int8 values with this zero point.
    #[inline(always)]
    unsafe fn narrow(q: __m512i, zero_point: i8) -> __m128i {
        // SAFETY: AVX-512.
        unsafe {
            let words = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(q), _mm256_set1_epi16(i16::from(zero_point)));
            _mm256_cvtsepi16_epi8(words)
        }
    }
}

impl Values for Bytes {
    #[inline(always)]
    unsafe fn widen(from: *const i8) -> __m512i {
        // SAFETY: 16 readable bytes, and AVX-512.
        unsafe { Self::load_shifts(from.cast()) }
    }

    #[inline(always)]
    unsafe fn all(value: i32) -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn shift_left(a: __m512i) -> __m512i {
        // SAFETY: AVX-512.
        unsafe { _mm512_slli_epi32::<SHIFT>(a) }
    }

    /// As [`Words`]'.
    #[inline(always)]
    unsafe fn times(x: __m512i, [multiplier, shift]: [__m512i; 2]) -> __m512i {
        // SAFETY: AVX-512.
        unsafe {
            let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi32(1));
            let x = _mm512_sllv_epi32(x, _mm512_max_epi32(shift, zero));
            let half = _mm512_set1_epi64(1 << 30);
            let even = _mm512_add_epi64(_mm512_mul_epi32(x, multiplier), half);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(x), _mm512_srli_epi64::<32>(multiplier));
            let odd = _mm512_slli_epi64::<1>(_mm512_add_epi64(odd, half));
            let x = _mm512_mask_mov_epi32(_mm512_srli_epi64::<31>(even), 0b1010_1010_1010_1010, odd);
            let right = _mm512_max_epi32(_mm512_sub_epi32(zero, shift), zero);
            let mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, right), one);
            let threshold = _mm512_sub_epi32(_mm512_srli_epi32::<1>(mask), _mm512_srai_epi32::<31>(x));
            let up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(x, mask), threshold);
            let q = _mm512_srav_epi32(x, right);
            _mm512_mask_add_epi32(q, up, q, one)
        }
    }

    #[inline(always)]
    unsafe fn store(q: __m512i, zero_point: i8, [least, greatest]: [i8; 2], to: *mut i8) {
        // SAFETY: 16 writable bytes, and AVX-512.
        unsafe {
            let q = _mm_max_epi8(_mm_min_epi8(Self::narrow(q, zero_point), _mm_set1_epi8(greatest)), _mm_set1_epi8(least));
            _mm_storeu_si128(to.cast(), q);
        }
    }
}

fn pack(layer: &Covered<'_>, out: &mut [u8]) -> usize {
    if layer.shape().wide { avx2::pack(layer, out) } else { layout::<Bytes>(BLOCKS).pack_into(layer, out) }
}

fn conv_row(mut checked: Conv<'_>) {
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    fn inner(job: &mut Job<'_>) -> bool {
        // SAFETY: AVX-512 and its VNNI are there.
        unsafe { conv::<Bytes, BLOCKS, COLUMNS, ALONE>(job) }
    }
    // SAFETY: a kernel with this function exists on a processor with these instructions only.
    if !unsafe { inner(&mut Job::conv(&mut checked)) } {
        scalar::conv_row(checked);
    }
}

fn fixed_sum(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    fn inner(by: &FixedSum, a: &[i8; WIDE], b: &[i8; WIDE], out: &mut [i8; WIDE]) {
        // SAFETY: AVX-512 is there.
        unsafe { sum::<Bytes>(by, a, b, out) }
    }
    // SAFETY: a kernel with this function exists on a processor with these instructions only.
    unsafe { inner(by, a, b, out) }
}

/// Filters whose sums are on their way together.
const FILTERS: usize = 4;

fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    let whole = window.len() / 64 * 64;
    let (vectors, rest) = window.split_at(whole);
    for (i, sums) in sums.chunks_mut(FILTERS).enumerate() {
        let weights = weights.get(i * FILTERS * stride..).unwrap_or_default();
        let fits = (FILTERS - 1)
            .checked_mul(stride)
            .and_then(|last| last.checked_add(window.len()))
            .is_some_and(|end| end <= weights.len());
        let Some(sums) = <&mut [i32; FILTERS]>::try_from(&mut *sums).ok().filter(|_| fits) else {
            avx2::KERNEL.dots(window, weights, stride, sums);
            continue;
        };
        // SAFETY: a kernel with this function exists on a processor with these instructions only.
        unsafe { dot_vectors(vectors, weights, stride, sums) };
        avx2::KERNEL.dots(rest, weights.get(whole..).unwrap_or_default(), stride, sums);
    }
}

/// # Safety
/// `window` is a whole number of vectors, and there are as many weights from each of the four filters on, `stride` apart.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn dot_vectors(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32; FILTERS]) {
    let flips = _mm512_set1_epi8(-128);
    let mut found = [[_mm512_setzero_si512(); 2]; FILTERS];
    for (at, values) in window.chunks_exact(64).enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let values = _mm512_xor_si512(Bytes::load(values.as_ptr().cast()), flips);
            for (filter, [products, paid]) in found.iter_mut().enumerate() {
                let weights = Bytes::load(weights.as_ptr().add(filter * stride + at * 64));
                *products = _mm512_dpbusd_epi32(*products, values, weights);
                *paid = _mm512_dpbusd_epi32(*paid, flips, weights);
            }
        }
    }
    for (sum, [products, paid]) in sums.iter_mut().zip(found) {
        *sum = sum.wrapping_add(_mm512_reduce_add_epi32(_mm512_sub_epi32(products, paid)));
    }
}

/// Words of four taps that the weights of sixteen channels may take.
const QUADS: usize = 16;

/// Sixteen channels at a time: of each row of the window up to four pixels are put together to words of four taps.
fn depthwise_row(mut checked: Depthwise<'_>) {
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
